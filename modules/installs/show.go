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
	for i := range bot.Modules {
		if m := &bot.Modules[i]; m.Name == name {
			return page(req, m), nil
		}
	}
	return ended(req, texts.InstallsNoModule), nil
}

func page(req sdk.Request, m *abi.BotModule) sdk.Reply {
	fields := is(moduleInShort(m), texts.InstallsAboutIt, sdk.Line(m.Description, maxLine))
	fields = its(fields, texts.InstallsMadeBy, m.Author, maxAuthor)
	fields = its(fields, texts.InstallsDigest, m.Digest, 64)
	if len(m.Words) == 0 && len(m.Capabilities) > 0 {
		fields = append(fields, sdk.Is(texts.InstallsMay, capabilities(m.Capabilities)...))
	}
	blocks := []sdk.Block{named("", m.Name, m.Version, ""), sdk.Fields(fields...)}
	if len(m.Words) > 0 {
		blocks = append(blocks, says(texts.InstallsMayDo+listing(m.Words, "\n", "", maxWords)))
	}
	name := sdk.Line(m.Name, maxName)
	var rows [][]sdk.Button
	if m.Trust != "" && m.Trust != abi.TrustBuiltIn {
		rows = append(rows, danger(texts.InstallsRevoke, "revoke", "name", name, "digest", sdk.Line(m.Digest, 64)))
	}
	rows = append(rows, sdk.Row(do(texts.Refresh, "show", "name", name), toList))
	return sdk.Reply{Blocks: append(blocks, sdk.AsOf(req)), Keyboard: rows}
}

// danger is a row with a button for what ends something.
func danger(label, action string, args ...string) []sdk.Button {
	b := do(label, action, args...)
	b.Style = abi.ButtonDanger
	return sdk.Row(b)
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
	return sdk.Reply{Blocks: []sdk.Block{says(text), sdk.AsOf(req)}, Keyboard: [][]sdk.Button{append(more, toList)}}
}
