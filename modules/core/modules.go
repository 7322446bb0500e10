package core

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// Bounds of a page of modules, so that it fits into one message.
const (
	modulesPerPage  = 5
	maxCapabilities = 12 // of one module; the rest is counted
)

// listModules shows the loaded modules, and admins what each took. The text
// behind the command is the number of a page.
func listModules(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	bot, err := host.Bot()
	if err != nil {
		return sdk.Reply{}, err
	}
	last := max(1, (len(bot.Modules)+modulesPerPage-1)/modulesPerPage)
	page, err := strconv.Atoi(req.Text)
	if err != nil {
		page = 1
	}
	page = min(max(page, 1), last)
	title := "🧩 " + sdk.Count(len(bot.Modules), "module")
	if last > 1 {
		title += ", page " + strconv.Itoa(page) + " of " + strconv.Itoa(last)
	}
	blocks := []sdk.Block{sdk.Heading(title)}
	first := (page - 1) * modulesPerPage
	for _, m := range bot.Modules[first:min(first+modulesPerPage, len(bot.Modules))] {
		blocks = append(blocks,
			sdk.HeadingOf(sdk.Code(m.Name), sdk.Plain(" "+sdk.Line(m.Version, 24))),
			sdk.Fields(aboutModule(m)...))
	}
	return sdk.Reply{Blocks: append(blocks, sdk.AsOf(req)), Keyboard: moduleButtons(page, last)}, nil
}

func moduleButtons(page, last int) [][]sdk.Button {
	to := func(label string, page int) sdk.Button { return sdk.RunWith(label, "modules", strconv.Itoa(page)) }
	var paging []sdk.Button
	if page > 1 {
		paging = append(paging, to("◀️ "+strconv.Itoa(page-1)+"/"+strconv.Itoa(last), page-1))
	}
	if page < last {
		paging = append(paging, to(strconv.Itoa(page+1)+"/"+strconv.Itoa(last)+" ▶️", page+1))
	}
	rows := [][]sdk.Button{sdk.Row(to("🔄 Refresh", page))}
	if len(paging) > 0 {
		rows = append([][]sdk.Button{paging}, rows...)
	}
	return rows
}

func aboutModule(m abi.BotModule) []sdk.Field {
	var fields []sdk.Field
	if m.OffUntil != 0 {
		fields = append(fields, sdk.Is("⛔ Switched off", sdk.Plain("after repeated faults, until "), sdk.Time(m.OffUntil)))
	}
	fields = append(fields,
		sdk.Is("About", sdk.Plain(sdk.Line(m.Description, 120))),
		sdk.Is("Author", sdk.Plain(sdk.Line(m.Author, 60))),
		sdk.Is("SHA-256", sdk.Code(m.Digest[:min(len(m.Digest), 12)])),
	)
	if len(m.Capabilities) > 0 {
		fields = append(fields, sdk.Is("May", capabilities(m.Capabilities)...))
	}
	if m.Use != nil {
		fields = append(fields, moduleUse(*m.Use)...)
	}
	return fields
}

func capabilities(names []string) []sdk.Span {
	var spans []sdk.Span
	for i, name := range names[:min(len(names), maxCapabilities)] {
		if i > 0 {
			spans = append(spans, sdk.Plain(", "))
		}
		spans = append(spans, sdk.Code(sdk.Line(name, 80)))
	}
	if more := len(names) - maxCapabilities; more > 0 {
		spans = append(spans, sdk.Plain(" and "+strconv.Itoa(more)+" more"))
	}
	return spans
}

// moduleUse is what a module took since the bot was started.
func moduleUse(u abi.ModuleUse) []sdk.Field {
	faults := u.Traps + u.Limits + u.Timeouts
	calls := sdk.Count(int(u.Invocations), "call") + ", " + sdk.Count(int(u.HostCalls), "host call") + ", " + sdk.Count(int(faults), "fault")
	if faults > 0 {
		calls += " (" + sdk.Count(int(u.Traps), "trap") + ", " + sdk.Count(int(u.Limits), "limit") + ", " + sdk.Count(int(u.Timeouts), "timeout") + ")"
	}
	fields := []sdk.Field{sdk.Is("Use", sdk.Plain(calls))}
	if u.Invocations == 0 {
		return fields
	}
	took := sdk.Decimal(float64(u.TimeMS)/1000, 1) + " s in all, " + sdk.Bytes(u.Memory) + " of memory at most"
	if u.Fuel > 0 {
		took += ", " + strconv.FormatUint(u.Fuel, 10) + " units of fuel, " + strconv.FormatUint(u.MostFuel, 10) + " at most"
	}
	if u.Bytes > 0 {
		took += ", " + sdk.Bytes(uint64(u.Bytes)) + " exchanged"
	}
	return append(fields, sdk.Is("Took", sdk.Plain(took)))
}
