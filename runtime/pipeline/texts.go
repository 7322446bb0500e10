package pipeline

import (
	"errors"
	"strconv"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// The host's own sentences, all of them.
const (
	textExpired        = "⌛ That message waited too long, so nothing was done. Send it again if you still want it."
	textInterrupted    = "⚠️ The bot was restarted while it worked on your last command. It may or may not have been carried out; it was not repeated. Please look before you try again."
	textStranger       = "🚫 You are not on this bot's list. /getmyid tells the ids that its operator needs to let you in."
	textSlowDown       = "🐢 Slow down, please. Try again in a few seconds."
	textLaneFull       = "🐢 Too much is waiting in this chat. Try again when it has been answered."
	textUnknown        = "🤷 I do not know that command. /help lists what I can do."
	textNotForYou      = "🚫 That is for admins only."
	textPrivateFile    = "🔒 What was read may hold secrets, so I send it as a file in a private chat only."
	textButtonExpired  = "⌛ This button has expired. Send the command again for a fresh view."
	textButtonOther    = "🚫 This button belongs to somebody else, or to another chat. Send the command yourself."
	textButtonDead     = "🤷 What this button did is no longer there."
	textInternal       = "💥 Something went wrong inside the bot. The log has the reason."
	textCodeShape      = "🔢 A code is exactly six digits, 0 to 9, such as 123456 or /123456. That one was not counted; your message is deleted."
	textCodeInGroup    = "🔢 Send codes in our private chat, or here when I ask for one. The code was not used. I delete your message if I am permitted to here."
	textCodeAlone      = "🔢 Send a code alone, not behind a command: no module may read it. It was not used, and your message is deleted."
	textAtHost         = "🔐 Your secret was drawn at the host, so it is not shown here. Scan it there and send me its first code. To start anew, somebody at the host runs cofferdam totp enroll again."
	textNoBackups      = "🗝 Your backup codes could not be sent to our private chat. /qrcode, while this session lasts, sets up a new authenticator with new ones."
	textEndedMeanwhile = "🔒 That code is right, but your sessions were ended at this moment, so none was opened. Send the next code if you still may."
	textSessionOpen    = "🔓 That code is right. Your session in this chat lasts 10 minutes; /logout ends it."
	textNoSession      = "🔒 You have no session."
	textLoggedOut      = "🔒 Your sessions are closed."
	textPrivateOnly    = "🚫 I do that in a private chat only."
	textConfirmExpired = "⌛ That question is answered already, or a minute has passed. Nothing was done. Give the command again if you still want it."
	textCancelled      = "Cancelled. Nothing was done."
	textStateFull      = "💾 The bot cannot write its state: is the disk full? What changes something is refused until it can."
	textQR             = "🔐 Scan this with your authenticator app, then send me the six digits that it shows.\n\nWhoever sees this picture can make your codes: it is deleted in 60 seconds. /qrcode shows it again until the first code was accepted."
	textWorking        = "Working"
	textWorkStopped    = "⏸ The bot stops, and ended what it worked on here. It tells you more when it is back."
	textWorkKilled     = "⏸ The bot was restarted here. It may or may not have been carried out."
	textWorkAsks       = "❓ There is a question below. What it is about comes here afterwards."
	textWorkDone       = "✅ Done."
	textWorkEnded      = "⏹ That ended without an answer here."
	textViewExpired    = "⌛ The buttons of this view have expired."
	textViewDead       = "🤷 What that button did is no longer there."
	textFollowOver     = "⏹ This is not kept up to date any more: two minutes are over."
	textFollowStopped  = "⏹ This is not kept up to date any more: the bot stops. The buttons work when it is back."
	textFollowMany     = "⏹ This is not kept up to date any more: too many messages are."
	textFollowSession  = "🔒 This is not kept up to date any more: your session is over."
	textFollowActs     = "🚫 This is not kept up to date any more: the module wanted to change something, which nobody asked for."
	textBadReply       = "💥 The module gave an answer that cannot be shown. The log has the reason."
)

// labelAgain is on the button that makes an expired view anew.
const labelAgain = "🔄 Open it again"

// labelBack names the view that a button leads back to.
func labelBack(from keyboard) string {
	known := from.Way.from(from.Visit)
	if len(known) == 0 {
		return ""
	}
	return "⬅️ Back to " + known[0].name()
}

// faultCode is the code with which a module was ended.
func faultCode(err error) abi.Code {
	var fault interface{ FaultCode() abi.Code }
	if errors.As(err, &fault) {
		return fault.FaultCode()
	}
	return abi.Internal
}

// switchedOff is the fault of a module that may not run for a while.
type switchedOff interface {
	error
	OffUntil() time.Time
}

// endText says to a user why a module was ended, or not begun.
func (p *Pipeline) endText(err error, module string) string {
	if off, ok := errors.AsType[switchedOff](err); ok {
		until := off.OffUntil()
		return "⛔ The module " + module + " is switched off after repeated faults. It comes back in " +
			minutes(until.Sub(p.Now())) + ", at " + until.In(p.Zone).Format("15:04:05") + ". Everything else works."
	}
	return faultText(err, module)
}

// faultText says to a user why a module was ended.
func faultText(err error, module string) string {
	switch faultCode(err) {
	case abi.Timeout:
		return "⏱ The module " + module + " took too long and was stopped."
	case abi.Limit:
		return "🛑 The module " + module + " went over its limits and was stopped."
	case abi.Unavailable:
		return "💤 The module " + module + " is not available. The log has the reason."
	}
	return "💥 The module " + module + " failed. Nothing else is affected; the log has the reason."
}

// minutes writes how long something lasts at most: "1 minute", "60 minutes".
func minutes(d time.Duration) string {
	n := int((d + time.Minute - 1) / time.Minute)
	if n <= 1 {
		return "1 minute"
	}
	return strconv.Itoa(n) + " minutes"
}

// codeText says what a module's code means, where the module itself said
// nothing.
func codeText(code abi.Code) string {
	switch code {
	case abi.Denied, abi.AuthRequired, abi.ConfirmRequired:
		return "🚫 That is not permitted."
	case abi.NotFound:
		return "🔍 That is not there any more."
	case abi.Conflict:
		return "↔️ That does not fit its present state."
	case abi.Unavailable:
		return "🔌 What is needed for that does not answer."
	case abi.Timeout:
		return "⏱ That took too long."
	case abi.Limit:
		return "🛑 That is too much at once."
	}
	return textInternal
}
