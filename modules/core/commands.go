package core

import (
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

// commandList lists what the user may run, a block for each module, in plain
// text: Telegram makes commands in it tappable.
func commandList(host sdk.Host) ([]sdk.Block, error) {
	bot, err := host.Bot()
	if err != nil {
		return nil, err
	}
	if len(bot.Commands) == 0 {
		return []sdk.Block{sdk.Text(sdk.Plain(texts.CoreNothing))}, nil
	}
	blocks := []sdk.Block{sdk.Heading(texts.CoreCommands)}
	for i, g := range groups(bot.Commands) {
		title := groupTitle(g.module)
		if i == maxGroups {
			title = sdk.Bold(texts.CoreRest)
		}
		blocks = append(blocks, groupBlocks(title, g.commands)...)
	}
	return blocks, nil
}

// group are the commands of one module.
type group struct {
	module   string
	commands []abi.BotCommand
}

// groups gathers commands by module, in the order in which modules come first.
// What is beyond the bound shares the last one.
func groups(commands []abi.BotCommand) []group {
	var all []group
	place := map[string]int{}
	for _, c := range commands {
		i, known := place[c.Module]
		if !known {
			if len(all) <= maxGroups {
				all = append(all, group{module: c.Module})
			}
			i = len(all) - 1
			place[c.Module] = i
		}
		all[i].commands = append(all[i].commands, c)
	}
	return all
}

// groupTitle names a module that came with the bot by what it is about, and
// another by its own name.
func groupTitle(module string) sdk.Span {
	if module == "" {
		return sdk.Bold(texts.CoreOfTheHost)
	}
	if title := texts.CoreGroup(module); title != "" {
		return sdk.Bold(title)
	}
	return sdk.Code(sdk.Line(module, 40))
}

func groupBlocks(title sdk.Span, commands []abi.BotCommand) (blocks []sdk.Block) {
	spans, text := []sdk.Span{title}, ""
	for _, c := range commands {
		line := "\n" + texts.CoreCommandLine(c.Name, c.Description)
		if len(text)+len(line) > maxListBytes {
			blocks = append(blocks, sdk.Text(append(spans, sdk.Plain(text))...))
			spans, text, line = nil, "", line[1:]
		}
		text += line
	}
	return append(blocks, sdk.Text(append(spans, sdk.Plain(text))...))
}
