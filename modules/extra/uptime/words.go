package uptime

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// Labels of buttons.
const (
	refresh  = "🔄 Refresh"
	back     = "⬅️ Back"
	tryAgain = "🔄 Try again"
)

// howTo says what to do when no address is granted.
func howTo(req sdk.Request) sdk.Reply {
	return sdk.Reply{
		Blocks: []sdk.Block{
			sdk.Heading("🌐 No address is checked yet"),
			sdk.Text(sdk.Plain("Put the addresses into the config, as exact as they are to be asked, and let the bot read it anew (SIGHUP, or a restart):")),
			sdk.Listing(`modules:
  grants:
    uptime:
      - capability: http.fetch
        scope:
          - "GET https://example.org/"
          - "GET http://192.168.1.5:8080/health private"
      - schedule{1m}
      - kv{256KiB}
      - notify{admins,20/h}
`, "yaml"),
			sdk.Text(sdk.Plain("Nothing with a * in it is asked. The word private is for addresses in your own network.")),
			sdk.AsOf(req),
		},
		Keyboard: [][]sdk.Button{sdk.Row(sdk.Do(refresh, "list"))},
	}
}

// heading counts what is up.
func heading(records []record, page, last int) string {
	ups, downs := 0, 0
	for _, r := range records {
		switch r.state {
		case up:
			ups++
		case down:
			downs++
		}
	}
	text := "🟢 "
	if downs > 0 {
		text = "🔴 "
	} else if ups == 0 {
		text = "⚪️ "
	}
	text += strconv.Itoa(ups) + " of " + strconv.Itoa(len(records)) + " up"
	if last > 1 {
		text += ", page " + strconv.Itoa(page) + " of " + strconv.Itoa(last)
	}
	return text
}

// mark is a state at a glance.
func mark(r record) string {
	switch {
	case r.state == down:
		return "🔴"
	case r.failures > 0:
		return "🟠"
	case r.state == up:
		return "🟢"
	}
	return "⚪️"
}

// short is an address without its scheme, and without a slash at its end.
func short(url string) string {
	if _, rest, ok := strings.Cut(url, "://"); ok {
		url = rest
	}
	return strings.TrimSuffix(url, "/")
}

// milliseconds writes how long something took: "87 ms", "1.4 s".
func milliseconds(ms int64) string {
	if ms < 1000 {
		return strconv.FormatInt(ms, 10) + " ms"
	}
	return sdk.Decimal(float64(ms)/1000, 1) + " s"
}

// share writes a percentage that is 100 only if it is: 1 failure in a day is 99.93.
func share(percent float64) string {
	text := sdk.Decimal(percent, 2)
	if percent == 100 {
		text = "100"
	} else if text == "100.00" {
		text = "99.99"
	}
	return text + " %"
}

// maxTold is how many changes a notice names.
const maxTold = 20

// notice tells admins what changed.
func notice(changed []change) abi.Notice {
	var blocks []sdk.Block
	var keyboard [][]sdk.Button
	for _, c := range changed[:min(len(changed), maxTold)] {
		blocks = append(blocks, told(c))
	}
	if more := len(changed) - maxTold; more > 0 {
		blocks = append(blocks, sdk.Text(sdk.Plain("And "+strconv.Itoa(more)+" more.")))
	}
	if len(changed) == 1 {
		keyboard = append(keyboard, sdk.Row(sdk.Do("📈 Details", "show", "id", changed[0].id())))
	}
	keyboard = append(keyboard, sdk.Row(sdk.Do("🌐 All addresses", "list")))
	return abi.Notice{To: abi.NotifyAdmins, Blocks: blocks, Keyboard: keyboard}
}

// told is one change in words.
func told(c change) sdk.Block {
	switch c.news {
	case wentDown:
		return sdk.Text(sdk.Plain("🔴 "), sdk.Code(c.record.url), sdk.Plain(" is down since "), sdk.Time(c.since), sdk.Plain(".\n"+c.why))
	case cameUp:
		return sdk.Text(sdk.Plain("🟢 "), sdk.Code(c.record.url), sdk.Plain(" is up again. It was down for "+sdk.Duration(c.lasted/1000)+"."))
	}
	return sdk.Text(sdk.Plain("⏳ The certificate of "), sdk.Code(c.record.url), sdk.Plain(" expires at "), sdk.Time(c.until), sdk.Plain("."))
}
