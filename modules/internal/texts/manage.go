package texts

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// What the module manage says.
const (
	ManageBroken   = "This button makes no sense any more. Send /manage for a new list."
	ManageName     = "Send /manage with a container's name, or alone for the list."
	ManageNothing  = "There is nothing to manage."
	ManageWorking  = "⏳ Docker still works on it: refresh to see how it ends."
	ManageGone     = "gone"
	ManageState    = "State"
	ManageImage    = "Image"
	ManageID       = "Id"
	ManageHost     = "Host"
	ManageTryAgain = "🔄 Try again"
	// ManageContainers leads to the other module's list.
	ManageContainers = "📦 Containers"
	RenameHeading    = "✏️ Another name for "
	RenameHow        = "Send this, with the new name in the place of NEW-NAME:"
	RenameRule       = "A name begins with a letter or a digit; after it come letters, digits, _, . and -."
	RenameUsage      = "Send /rename with a container's name and the new one: /rename web web-old"
)

// Act is how one thing that can be done to a container is worded.
type Act struct {
	Label string
	// Doing stands before the container's name while it is done.
	Doing string
	// Done and Already say how it ended, in one sentence each.
	Done, Already string
}

// What can be done to a container.
var (
	ManageStart   = Act{"▶️ Start", "Starting", "It was started.", "It was running already."}
	ManageUnpause = Act{"▶️ Unpause", "Unpausing", "It goes on.", "It was not paused."}
	ManageStop    = Act{"⏹ Stop", "Stopping", "It was stopped.", "It was stopped already."}
	ManageRestart = Act{"🔁 Restart", "Restarting", "It was restarted.", "Nothing had to be done."}
	ManagePause   = Act{"⏸ Pause", "Pausing", "It was paused.", "It was paused already."}
	ManageKill    = Act{"💥 Kill", "Killing", "It was killed.", "It was stopped already."}
	ManageRemove  = Act{"🗑 Remove", "Removing", "It was removed. Its volumes are still there.", "It was gone already."}
	ManageRename  = Act{"✏️ Rename", "Renaming", "It has a new name.", "That was its name already."}
)

// Under says what is under way.
func (a Act) Under(name string) string { return a.Doing + " " + name }

// ManageHeading stands over the list: of how many containers, on which host if
// there are several, on which of how many pages.
func ManageHeading(total int, host string, page, pages int) string {
	text := "⚙️ Manage " + sdk.Count(total, "container")
	if host != "" {
		text += " on " + host
	}
	if pages > 1 {
		text += ", page " + strconv.Itoa(page) + " of " + strconv.Itoa(pages)
	}
	return text
}

// ManageRunning says how many of the listed run.
func ManageRunning(running int) string {
	return strconv.Itoa(running) + " of them running. Which one?"
}
