package installs

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	"github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

// Bounds of a page of modules, so that it fits into one message.
const (
	perPage         = 5
	maxCapabilities = 12 // of one module; the rest is counted
)

// list shows the loaded modules, and admins what each took and which files wait.
func list(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	bot, err := host.Bot()
	if err != nil {
		return sdk.Reply{}, err
	}
	if req.Actor.Role == abi.RoleAdmin {
		return listForAdmins(host, req, bot.Modules)
	}
	pages := view.PagesOf(req, len(bot.Modules), perPage)
	blocks := []sdk.Block{pages.Heading(texts.InstallsModules(len(bot.Modules)))}
	for i := pages.From; i < pages.To; i++ {
		m := &bot.Modules[i]
		blocks = append(blocks, named("", m.Name, m.Version, ""), sdk.Fields(aboutModule(m)...))
	}
	return listed(req, pages, blocks, nil), nil
}

// listForAdmins has the files that do not run in front of the modules that do.
func listForAdmins(host sdk.Host, req sdk.Request, modules []abi.BotModule) (sdk.Reply, error) {
	files, pages, err := filesOf(host, req, len(modules))
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := []sdk.Block{pages.Heading(texts.InstallsHeading(len(modules), files.Total-files.Refused, files.Refused))}
	var buttons []sdk.Button
	for i := range files.Modules {
		f := &files.Modules[i]
		mark := texts.InstallsFileMark(isRefused(f))
		blocks = append(blocks, named(mark, nameOf(f), f.Version, texts.InstallsWaits(isRefused(f))), sdk.Fields(inShort(f)...))
		if f.Name != "" && f.Digest != "" {
			buttons = append(buttons, do(mark+nameOf(f), "pending", reference(f)...))
		}
	}
	for i := max(pages.From-files.Total, 0); i < min(pages.To-files.Total, len(modules)); i++ {
		m := &modules[i]
		blocks = append(blocks, named("", m.Name, m.Version, ""), sdk.Fields(moduleInShort(m)...))
		buttons = append(buttons, do(sdk.Line(m.Name, maxName), "show", "name", sdk.Line(m.Name, maxName)))
	}
	return listed(req, pages, blocks, view.InRows(buttons)), nil
}

// filesOf are the files on the page that is asked for. How many pages there are is
// known with the first answer only.
func filesOf(host sdk.Host, req sdk.Request, modules int) (abi.PendingList, view.Pages, error) {
	pages := view.PagesOf(req, maxFiles, perPage) // as far as anybody pages
	files, err := host.PendingModules(abi.PendingQuery{Offset: pages.From, Count: perPage})
	if err != nil {
		return files, pages, err
	}
	asked := pages.From
	if pages = view.PagesOf(req, files.Total+modules, perPage); pages.From != asked {
		files, err = host.PendingModules(abi.PendingQuery{Offset: pages.From, Count: perPage})
	}
	return files, pages, err
}

// maxFiles bounds the pages that can be asked for.
const maxFiles = 10_000

func listed(req sdk.Request, pages view.Pages, blocks []sdk.Block, rows [][]sdk.Button) sdk.Reply {
	rows = append(rows, pages.Rows("list")...)
	return sdk.Reply{
		Blocks:   append(blocks, sdk.AsOf(req)),
		Keyboard: append(rows, sdk.Row(pages.Do(texts.Refresh, "list"))),
	}
}

// named is a heading with the name of a module, set apart from what is said of it.
func named(before, name, version, after string) sdk.Block {
	if version != "" {
		after = " " + sdk.Line(version, maxVersion) + after
	}
	spans := []sdk.Span{sdk.Code(sdk.Line(name, maxLine))}
	if before != "" {
		spans = append([]sdk.Span{sdk.Plain(before)}, spans...)
	}
	return sdk.HeadingOf(append(spans, sdk.Plain(after))...)
}

// aboutModule is what every user may know of a module.
func aboutModule(m *abi.BotModule) []sdk.Field {
	fields := is(off(m), texts.InstallsAboutIt, sdk.Line(m.Description, 120))
	fields = is(fields, texts.InstallsAuthor, sdk.Line(m.Author, maxAuthor))
	fields = its(fields, texts.InstallsDigest, m.Digest[:min(len(m.Digest), 12)], 12)
	if len(m.Capabilities) > 0 {
		fields = append(fields, sdk.Is(texts.InstallsMay, capabilities(m.Capabilities)...))
	}
	return fields
}

// moduleInShort is what an admin sees of a module in the list.
func moduleInShort(m *abi.BotModule) []sdk.Field {
	fields := append(is(nil, texts.InstallsTrust, texts.InstallsTrustedBy(m.Trust, m.Signer)), off(m)...)
	if m.OffUntil == 0 {
		fields = is(fields, texts.InstallsState, texts.InstallsRuns)
	}
	if m.Use == nil {
		return fields
	}
	u := m.Use
	fields = is(fields, texts.InstallsUse, texts.InstallsCalls(u.Invocations, u.HostCalls, u.Traps, u.Limits, u.Timeouts))
	if u.Invocations == 0 {
		return fields
	}
	return is(fields, texts.InstallsTook, texts.InstallsTaken(u.TimeMS, u.Memory, u.Fuel, u.MostFuel, u.Bytes))
}

// off says that a module is switched off.
func off(m *abi.BotModule) []sdk.Field {
	if m.OffUntil == 0 {
		return nil
	}
	return []sdk.Field{sdk.Is(texts.InstallsSwitched, sdk.Plain(texts.InstallsUntil), sdk.Time(m.OffUntil))}
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
		spans = append(spans, sdk.Plain(texts.InstallsAndMore(more)))
	}
	return spans
}
