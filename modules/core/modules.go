package core

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
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
	title := "🧩 " + texts.CoreModules(len(bot.Modules))
	if last > 1 {
		title += texts.CorePageOf(page, last)
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
		paging = append(paging, to(texts.CorePrevious(page-1, last), page-1))
	}
	if page < last {
		paging = append(paging, to(texts.CoreNext(page+1, last), page+1))
	}
	rows := [][]sdk.Button{sdk.Row(to(texts.Refresh, page))}
	if len(paging) > 0 {
		rows = append([][]sdk.Button{paging}, rows...)
	}
	return rows
}

func aboutModule(m abi.BotModule) []sdk.Field {
	var fields []sdk.Field
	if m.OffUntil != 0 {
		fields = append(fields, sdk.Is(texts.CoreSwitched, sdk.Plain(texts.CoreUntil), sdk.Time(m.OffUntil)))
	}
	fields = append(fields,
		sdk.Is(texts.CoreAboutIt, sdk.Plain(sdk.Line(m.Description, 120))),
		sdk.Is(texts.CoreAuthor, sdk.Plain(sdk.Line(m.Author, 60))),
		sdk.Is(texts.CoreDigest, sdk.Code(m.Digest[:min(len(m.Digest), 12)])),
	)
	if len(m.Capabilities) > 0 {
		fields = append(fields, sdk.Is(texts.CoreMay, capabilities(m.Capabilities)...))
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
		spans = append(spans, sdk.Plain(texts.CoreAndMore(more)))
	}
	return spans
}

// moduleUse is what a module took since the bot was started.
func moduleUse(u abi.ModuleUse) []sdk.Field {
	fields := []sdk.Field{sdk.Is(texts.CoreUse, sdk.Plain(texts.CoreCalls(u.Invocations, u.HostCalls, u.Traps, u.Limits, u.Timeouts)))}
	if u.Invocations == 0 {
		return fields
	}
	return append(fields, sdk.Is(texts.CoreTook, sdk.Plain(texts.CoreTaken(u.TimeMS, u.Memory, u.Fuel, u.MostFuel, u.Bytes))))
}
