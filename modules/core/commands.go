package core

import (
	"slices"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// Bounds of the list of commands: of one block, so that a long list can be split
// between messages, and of the groups that have one of their own.
const (
	maxListBytes = 3000
	maxGroups    = 30
)

// commandList lists what the user may run, in groups, in plain text: Telegram makes commands in it tappable.
func commandList(host sdk.Host) ([]sdk.Block, error) {
	bot, err := host.Bot()
	if err != nil {
		return nil, err
	}
	if len(bot.Commands) == 0 {
		return []sdk.Block{sdk.Text(sdk.Plain(texts.CoreNothing))}, nil
	}
	blocks := []sdk.Block{sdk.Heading(texts.CoreCommands)}
	for _, g := range groups(bot.Commands) {
		blocks = append(blocks, groupBlocks(g.title, g.commands)...)
	}
	if slices.ContainsFunc(bot.Modules, isDropIn) {
		blocks = append(blocks, sdk.Quote(sdk.Plain(texts.CoreNotMine)))
	}
	return blocks, nil
}

// isDropIn tells of a module that is no part of the bot.
func isDropIn(m abi.BotModule) bool { return m.Trust != "" && m.Trust != abi.TrustBuiltIn }

// group are commands under one title.
type group struct {
	title    sdk.Span
	commands []abi.BotCommand
}

// groups gathers the commands of modules that came with the bot by what they are
// about, then those of other modules by module, and last the host's own. What is
// beyond the bound shares a group.
func groups(commands []abi.BotCommand) []group {
	byModule := map[string][]abi.BotCommand{}
	var modules []string // in the order in which they come first
	for _, c := range commands {
		if byModule[c.Module] == nil {
			modules = append(modules, c.Module)
		}
		byModule[c.Module] = append(byModule[c.Module], c)
	}
	var all []group
	take := func(title sdk.Span, modules ...string) {
		g := group{title: title}
		for _, m := range modules {
			g.commands = append(g.commands, byModule[m]...)
			delete(byModule, m)
		}
		if len(g.commands) > 0 {
			all = append(all, g)
		}
	}
	for _, g := range texts.CoreGroups {
		take(sdk.Bold(g.Title), g.Modules...)
	}
	host := byModule[""]
	delete(byModule, "")
	var rest []string
	for _, m := range modules {
		if len(all) < maxGroups {
			take(sdk.Code(sdk.Line(m, 40)), m)
		} else {
			rest = append(rest, m)
		}
	}
	take(sdk.Bold(texts.CoreRest), rest...)
	byModule[""] = host
	take(sdk.Bold(texts.CoreOfTheHost), "")
	return all
}

func groupBlocks(title sdk.Span, commands []abi.BotCommand) (blocks []sdk.Block) {
	blocks = []sdk.Block{sdk.HeadingOf(title)}
	text := ""
	for _, c := range commands {
		line := texts.CoreCommandLine(c.Name, c.Description)
		switch {
		case len(text)+len(line) > maxListBytes:
			blocks = append(blocks, sdk.Text(sdk.Plain(text)))
			text = ""
		case text != "":
			text += "\n"
		}
		text += line
	}
	return append(blocks, sdk.Text(sdk.Plain(text)))
}
