// Package core holds the commands that every bot has: greeting, help, ids,
// the main menu and what the bot says about itself.
package core

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// mainMenu is the section of the main reply keyboard.
const mainMenu = "main"

// Module returns the commands of this module.
func Module() sdk.Module {
	return sdk.Module{Commands: map[string]sdk.Handler{
		"start":   start,
		"help":    help,
		"getmyid": getMyID,
		"back":    back,
		"about":   about,
		"modules": listModules,
		"plugins": listModules,
	}}
}

// start greets, even if the list of commands cannot be had: without the main
// menu a newcomer would be stuck.
func start(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	greeting := "👋 Hello!"
	if req.Actor.Name != "" {
		greeting = "👋 Hello, " + sdk.Line(req.Actor.Name, 64) + "!"
	}
	blocks := []sdk.Block{
		sdk.Heading(greeting),
		sdk.Text(sdk.Plain("I show how this machine and its containers are doing.")),
	}
	list, err := commandList(host)
	if err != nil {
		list = []sdk.Block{sdk.Text(sdk.Plain(sdk.MessageOf(err)))}
	}
	return sdk.Reply{Blocks: append(blocks, list...), Menu: mainMenu}, nil
}

func help(host sdk.Host, _ sdk.Request) (sdk.Reply, error) {
	list, err := commandList(host)
	if err != nil {
		return sdk.Reply{}, err
	}
	return sdk.Reply{Blocks: list, Menu: mainMenu}, nil
}

// maxListBytes bounds one block of the list, so that a long list can be split
// between messages.
const maxListBytes = 3000

// commandList lists what the user may run, in plain text: Telegram makes
// commands in it tappable.
func commandList(host sdk.Host) ([]sdk.Block, error) {
	bot, err := host.Bot()
	if err != nil {
		return nil, err
	}
	if len(bot.Commands) == 0 {
		return []sdk.Block{sdk.Text(sdk.Plain("There is no command for you yet."))}, nil
	}
	blocks := []sdk.Block{sdk.Heading("What you can do here")}
	text := ""
	for _, c := range bot.Commands {
		line := "/" + c.Name + " — " + sdk.Line(c.Description, 120)
		switch {
		case text == "":
			text = line
		case len(text)+1+len(line) > maxListBytes:
			blocks = append(blocks, sdk.Text(sdk.Plain(text)))
			text = line
		default:
			text += "\n" + line
		}
	}
	return append(blocks, sdk.Text(sdk.Plain(text))), nil
}

// idsDeletedAfter is in seconds: ids are not left lying in a chat.
const idsDeletedAfter = 30

// getMyID is open to strangers, so it says nothing but the ids that Telegram
// gave for them, and no name that they chose.
func getMyID(_ sdk.Host, req sdk.Request) (sdk.Reply, error) {
	if !req.Chat.Private {
		return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain("I answer this in a private chat only."))}}, nil
	}
	user, chat := strconv.FormatInt(req.Actor.ID, 10), strconv.FormatInt(req.Chat.ID, 10)
	return sdk.Reply{
		Blocks: []sdk.Block{
			sdk.Heading("🆔 Your ids"),
			sdk.Fields(sdk.Is("User id", sdk.Code(user)), sdk.Is("Chat id", sdk.Code(chat))),
			sdk.Text(sdk.Plain("To let this user in, the operator adds these lines to the config. If a list is there already, its new line is enough.")),
			sdk.Listing(configLines(user, chat), "yaml"),
			sdk.Text(sdk.Italic("This message is deleted after " + strconv.Itoa(idsDeletedAfter) + " seconds.")),
		},
		DeleteAfter: idsDeletedAfter,
	}, nil
}

func configLines(user, chat string) string {
	return "access_control:\n" +
		"  allowed_user_ids:\n" +
		"    - " + user + "\n" +
		"  # for an admin, this too:\n" +
		"  # allowed_admins_ids:\n" +
		"  #   - " + user + "\n" +
		"# for notifications in this chat:\n" +
		"# chat_id:\n" +
		"#   global_chat_id:\n" +
		"#     - " + chat
}

func back(sdk.Host, sdk.Request) (sdk.Reply, error) {
	return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain("🏠 Main menu"))}, Menu: mainMenu}, nil
}

// maxModules keeps the view within one message.
const maxModules = 40

func about(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	bot, err := host.Bot()
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := []sdk.Block{
		sdk.Heading("ℹ️ About me"),
		sdk.Text(sdk.Plain("I am cofferdam. Each of my commands runs in a sandboxed module, and a module reaches only what the operator granted to it.")),
		sdk.Fields(
			sdk.Is("Version", sdk.Code(bot.Version)),
			sdk.Is("Running since", sdk.Time(bot.Started), sdk.Plain(", "), sdk.Ago(bot.Started)),
		),
		sdk.Heading(sdk.Count(len(bot.Modules), "module")),
	}
	if len(bot.Modules) > 0 {
		blocks = append(blocks, sdk.Fields(moduleFields(bot.Modules)...))
	}
	return sdk.Reply{
		Blocks:   append(blocks, sdk.AsOf(req)),
		Keyboard: [][]sdk.Button{sdk.Row(sdk.Run("🔄 Refresh", "about"))},
	}, nil
}

func moduleFields(modules []abi.BotModule) []sdk.Field {
	var fields []sdk.Field
	for _, m := range modules[:min(len(modules), maxModules)] {
		fields = append(fields, sdk.Is(m.Name, sdk.Plain(sdk.Line(m.Version, 24)+" "), sdk.Code(m.Digest[:min(len(m.Digest), 12)])))
	}
	if more := len(modules) - maxModules; more > 0 {
		fields = append(fields, sdk.Is("More", sdk.Plain(sdk.Count(more, "module"))))
	}
	return fields
}
