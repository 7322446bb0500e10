package health

import (
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Ways on which updates come.
const (
	ByPolling = "polling"
	ByWebhook = "webhook"
	// Instead is polling while the webhook does not work (C6).
	Instead = "instead"
)

// Link is the way to Telegram, in one direction.
type Link struct {
	// By is how updates come; empty for sending.
	By string
	// Connected is false until the first success, and after a failure.
	Connected bool
	// Since is when Connected last changed.
	Since time.Time
	// LastSuccess is the zero time before the first one.
	LastSuccess time.Time
	// LastError is one clean line without secrets; it stays after things went well
	// again.
	LastError string
	// Unauthorized is set once Telegram refused the token.
	Unauthorized bool
}

// silence is how long Telegram may say nothing: a long poll takes 50 s, and an
// answer may take 30 more; how a webhook goes is asked every 30 s.
const silence = 2 * time.Minute

const (
	checkToken   = "Look at bot_token.prod_token, and whether @BotFather gave a new one."
	checkNetwork = "Look whether this machine reaches telegram.api_url: its network, DNS, proxy. Nothing is lost meanwhile."
	checkWebhook = "On the host, `cofferdam check` says what to look at. Nothing is lost meanwhile."
)

// Receiving looks at how updates come.
func Receiving(link func() Link, now func() time.Time) Part {
	return always(func() Finding { return receiving(link(), now()) })
}

func receiving(l Link, now time.Time) Finding {
	f := Finding{Name: "Telegram, receiving", State: abi.HealthOK, Since: l.Since}
	contact := ""
	if !l.LastSuccess.IsZero() {
		contact = " The last contact was " + ago(now.Sub(l.LastSuccess)) + " ago."
	}
	failing := !l.Connected && l.LastError != ""
	switch {
	case l.Unauthorized:
		f.State, f.Detail, f.Advice = abi.HealthFail, "Telegram refuses the bot's token.", checkToken
	case failing:
		f.State, f.Detail, f.Reason, f.Advice = abi.HealthFail, "Telegram cannot be reached."+contact, stop(l.LastError), checkNetwork
	case l.By == Instead:
		f.State, f.Reason, f.Advice = abi.HealthWarn, stop(l.LastError), checkWebhook
		f.Detail = "The webhook does not work, so the bot asks Telegram for updates." + contact
	case l.Connected && now.Sub(l.LastSuccess) > silence:
		f.State, f.Detail, f.Advice = abi.HealthWarn, "Telegram does not answer."+contact, checkNetwork
	case l.By == ByWebhook && l.Connected:
		f.Detail = "Telegram brings updates to the webhook." + contact
	case l.By == ByWebhook:
		f.Detail = "The webhook is being registered."
	case l.Connected:
		f.Detail = "The bot asks Telegram for updates." + contact
	default:
		f.Detail = "The bot begins to ask Telegram for updates."
	}
	return f
}

// Sending looks at how messages go out.
func Sending(link func() Link, now func() time.Time) Part {
	return always(func() Finding { return sending(link(), now()) })
}

func sending(l Link, now time.Time) Finding {
	f := Finding{Name: "Telegram, sending", State: abi.HealthOK, Since: l.Since}
	switch {
	case l.Unauthorized:
		f.State, f.Detail, f.Advice = abi.HealthFail, "Telegram refuses the bot's token.", checkToken
	case !l.Connected && l.LastError != "":
		f.State, f.Detail, f.Reason, f.Advice = abi.HealthFail, "Messages do not get out; they wait.", stop(l.LastError), checkNetwork
	case l.LastSuccess.IsZero():
		f.Detail = "Nothing was sent yet."
	default:
		f.Detail = "Messages get out; the last one did " + ago(now.Sub(l.LastSuccess)) + " ago."
	}
	return f
}
