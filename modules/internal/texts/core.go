package texts

import "github.com/cofferdam-bot/cofferdam/guest/sdk"

// What the module core says.
const (
	CoreHello     = "👋 Hello!"
	CoreWhatIDo   = "I show how this machine and its containers are doing."
	CoreCommands  = "What you can do here"
	CoreNothing   = "There is no command for you yet."
	CoreMainMenu  = "🏠 Main menu"
	CoreNotMine   = "Some modules here did not come with me. Whatever such a module says begins with 🧩 and its name: I wrote that line, and below it I never ask for a code or a confirmation."
	CoreOfTheHost = "Your second factor"
	CoreRest      = "More"

	CoreIDs         = "🆔 Your ids"
	CoreUserID      = "User id"
	CoreChatID      = "Chat id"
	CoreIDsPrivate  = "I answer this in a private chat only."
	CoreIDsToConfig = "To let this user in, the operator adds these lines to the config. If a list is there already, its new line is enough."

	CoreAbout     = "ℹ️ About me"
	CoreAboutText = "I am cofferdam. Each of my commands runs in a sandboxed module, and a module reaches only what the operator granted to it."
	CoreVersion   = "Version"
	CoreCommit    = "Commit"
	CoreRunning   = "Running since"
	CoreLicence   = "Licence"
	CoreLicenceIs = "MIT"
	CoreSource    = "Source"
	CoreSourceIs  = "github.com/cofferdam-bot/cofferdam"
	CoreMore      = "More"
	CoreLookNewer = "⬆️ Newer version?"
	CoreNewer     = "There is a newer version of me."
	CoreNewest    = "There is none newer than what runs."
	CoreNoRelease = "What runs is no release, but a build from the source, so it cannot be compared."
	CoreNoFeed    = "I do not know, since nobody is asked: no feed of releases is configured. The operator sets releases.feed in the config to an https address that answers as GitHub does for releases/latest."
	CoreRuns      = "Runs"
	CoreIsNewest  = "Newest release"
	CorePublished = "Published"
	CorePage      = "Page"
	CoreAsked     = "Asked"
)

// CoreHelloTo greets somebody by name.
func CoreHelloTo(name string) string { return "👋 Hello, " + sdk.Line(name, 64) + "!" }

// CoreGroups are the titles over commands of modules that come with the bot, in
// their order, and the modules in theirs.
var CoreGroups = []struct {
	Title   string
	Modules []string
}{
	{"At a glance", []string{"quick", "health"}},
	{"Machine", []string{"server", "devices", "charts"}},
	{"Docker", []string{"containers", "images", "updates", "logs", "manage", "runtime"}},
	{"The bot", []string{"core", "installs"}},
}

// CoreCommandLine is a command in a list; Telegram makes it tappable.
func CoreCommandLine(name, description string) string {
	return "/" + name + " — " + sdk.Line(description, 120)
}

// CoreIDsGo says when ids are deleted.
func CoreIDsGo(seconds int) string {
	return "This message is deleted after " + sdk.Count(seconds, "second") + "."
}

// CoreConfigLines are what lets a user in.
func CoreConfigLines(user, chat string) string {
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

// CoreModules counts modules.
func CoreModules(n int) string { return sdk.Count(n, "module") }
