package installs

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

func tapShow(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	return show(host, req, req.Arg("name"))
}

// show is the page of a module that runs.
func show(host sdk.Host, req sdk.Request, name string) (sdk.Reply, error) {
	if err := forAdmins(req); err != nil {
		return sdk.Reply{}, err
	}
	bot, err := host.Bot()
	if err != nil {
		return sdk.Reply{}, err
	}
	for _, m := range bot.Modules {
		if m.Name == name {
			return page(req, m), nil
		}
	}
	return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain(texts.InstallsNoModule))}, Keyboard: [][]sdk.Button{sdk.Row(toList)}}, nil
}

func page(req sdk.Request, m abi.BotModule) sdk.Reply {
	fields := append(moduleInShort(m),
		sdk.Is(texts.InstallsAboutIt, sdk.Plain(sdk.Line(m.Description, maxLine))),
		sdk.Is(texts.InstallsMadeBy, sdk.Code(sdk.Line(m.Author, maxAuthor))),
		sdk.Is(texts.InstallsDigest, sdk.Code(sdk.Line(m.Digest, 64))),
	)
	if len(m.Words) == 0 && len(m.Capabilities) > 0 {
		fields = append(fields, sdk.Is(texts.InstallsMay, capabilities(m.Capabilities)...))
	}
	blocks := []sdk.Block{named("", m.Name, m.Version, ""), sdk.Fields(fields...)}
	if len(m.Words) > 0 {
		blocks = append(blocks, sdk.Text(lines(texts.InstallsMayDo, m.Words, maxWords)...))
	}
	again := sdk.Do(texts.Refresh, "show", "name", sdk.Line(m.Name, maxName))
	rows := [][]sdk.Button{sdk.Row(again, toList)}
	if m.Trust != "" && m.Trust != abi.TrustBuiltIn {
		b := sdk.Do(texts.InstallsRevoke, "revoke", "name", sdk.Line(m.Name, maxName), "digest", sdk.Line(m.Digest, 64))
		b.Style = abi.ButtonDanger
		rows = append([][]sdk.Button{sdk.Row(b)}, rows...)
	}
	return sdk.Reply{Blocks: append(blocks, sdk.AsOf(req)), Keyboard: rows}
}

// lines are texts below each other, below a title.
func lines(title string, all []string, limit int) []sdk.Span {
	spans := []sdk.Span{sdk.Plain(title)}
	shown, more := cleaned(all, limit)
	for _, line := range shown {
		spans = append(spans, sdk.Plain("\n"+line))
	}
	if more > 0 {
		spans = append(spans, sdk.Plain("\n…"+texts.InstallsAndMore(more)))
	}
	return spans
}

// revoke ends a module, after the host has asked.
func revoke(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	host.Progress(texts.InstallsRevoking)
	done, err := host.RevokeModule(abi.ModuleRef{Name: req.Arg("name"), Digest: req.Arg("digest")})
	if err != nil {
		return sdk.Reply{}, err
	}
	return ended(req, texts.InstallsDone(false, done.Changed, sdk.Line(done.Name, maxName))), nil
}

// ended says how something ended.
func ended(req sdk.Request, text string, more ...sdk.Button) sdk.Reply {
	return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain(text)), sdk.AsOf(req)}, Keyboard: [][]sdk.Button{append(more, toList)}}
}
