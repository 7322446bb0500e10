// Package core holds the commands that every bot has: greeting, help, ids,
// the main menu, what the bot says about itself, and whether it is the newest.
package core

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// mainMenu is the section of the main reply keyboard.
const mainMenu = "main"

// Module returns the commands of this module.
func Module() sdk.Module {
	return sdk.Module{Commands: map[string]sdk.Handler{
		"start":             start,
		"help":              help,
		"getmyid":           getMyID,
		"back":              back,
		"about":             about,
		"check_bot_updates": checkUpdates,
	}}
}

// start greets, even if the list of commands cannot be had: without the main
// menu a newcomer would be stuck.
func start(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	greeting := texts.CoreHello
	if req.Actor.Name != "" {
		greeting = texts.CoreHelloTo(req.Actor.Name)
	}
	blocks := []sdk.Block{
		sdk.Heading(greeting),
		sdk.Text(sdk.Plain(texts.CoreWhatIDo)),
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

// idsDeletedAfter is in seconds: ids are not left lying in a chat.
const idsDeletedAfter = 30

// getMyID is open to strangers, so it says nothing but the ids that Telegram
// gave for them, and no name that they chose.
func getMyID(_ sdk.Host, req sdk.Request) (sdk.Reply, error) {
	if !req.Chat.Private {
		return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain(texts.CoreIDsPrivate))}}, nil
	}
	user, chat := strconv.FormatInt(req.Actor.ID, 10), strconv.FormatInt(req.Chat.ID, 10)
	return sdk.Reply{
		Blocks: []sdk.Block{
			sdk.Heading(texts.CoreIDs),
			sdk.Fields(sdk.Is(texts.CoreUserID, sdk.Code(user)), sdk.Is(texts.CoreChatID, sdk.Code(chat))),
			sdk.Text(sdk.Plain(texts.CoreIDsToConfig)),
			sdk.Listing(texts.CoreConfigLines(user, chat), "yaml"),
			sdk.Text(sdk.Italic(texts.CoreIDsGo(idsDeletedAfter))),
		},
		DeleteAfter: idsDeletedAfter,
	}, nil
}

func back(sdk.Host, sdk.Request) (sdk.Reply, error) {
	return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain(texts.CoreMainMenu))}, Menu: mainMenu}, nil
}

// maxModules keeps the view within one message.
const maxModules = 40

func about(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	bot, err := host.Bot()
	if err != nil {
		return sdk.Reply{}, err
	}
	fields := []sdk.Field{sdk.Is(texts.CoreVersion, sdk.Code(bot.Version))}
	if bot.Commit != "" {
		fields = append(fields, sdk.Is(texts.CoreCommit, sdk.Code(bot.Commit)))
	}
	fields = append(fields,
		sdk.Is(texts.CoreRunning, sdk.Time(bot.Started), sdk.Plain(", "), sdk.Ago(bot.Started)),
		sdk.Is(texts.CoreLicence, sdk.Plain(texts.CoreLicenceIs)),
		sdk.Is(texts.CoreSource, sdk.Code(texts.CoreSourceIs)),
	)
	blocks := []sdk.Block{
		sdk.Heading(texts.CoreAbout),
		sdk.Text(sdk.Plain(texts.CoreAboutText)),
		sdk.Fields(fields...),
		sdk.Heading(texts.CoreModules(len(bot.Modules))),
	}
	if len(bot.Modules) > 0 {
		blocks = append(blocks, sdk.Fields(moduleFields(bot.Modules)...))
	}
	return sdk.Reply{
		Blocks: append(blocks, sdk.AsOf(req)),
		Keyboard: [][]sdk.Button{
			sdk.Row(sdk.Run(texts.CoreLookNewer, "check_bot_updates")),
			sdk.Row(sdk.Run(texts.Refresh, "about")),
		},
	}, nil
}

func moduleFields(modules []abi.BotModule) []sdk.Field {
	var fields []sdk.Field
	for _, m := range modules[:min(len(modules), maxModules)] {
		fields = append(fields, sdk.Is(m.Name, sdk.Plain(sdk.Line(m.Version, 24)+" "), sdk.Code(m.Digest[:min(len(m.Digest), 12)])))
	}
	if more := len(modules) - maxModules; more > 0 {
		fields = append(fields, sdk.Is(texts.CoreMore, sdk.Plain(texts.CoreModules(more))))
	}
	return fields
}
