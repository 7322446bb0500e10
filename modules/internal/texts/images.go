package texts

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// What the module images says.
const (
	ImagesBroken   = "This button makes no sense any more. Send /images for a new list."
	ImagesName     = "Send /images with an image's tag, or alone for the list."
	ImagesTryAgain = "🔄 Try again"
	ImagesGone     = "This image is not there any more."
	ImagesToList   = "⬅️ Back to the list"
	ImagesUpdates  = "⬆️ Check updates"
	ImagesHistory  = "🧱 History"
	ImagesUsedBy   = "📦 Used by"
	ImagesSettings = "🔧 All variables and labels"

	ImagesNoTag     = "no tag"
	ImagesDangling  = "dangling"
	ImagesUnused    = "unused"
	ImagesMade      = ", created "
	ImagesNoSteps   = "The engine does not know how it was built."
	ImagesNobody    = "No container that you may see is made of it."
	ImagesEmptyStep = "no layer"
	ImagesNoText    = "no command"
	ImagesUsedTitle = "📦 Made of "
	ImagesHistoryOf = "🧱 History of "
	ImagesSettingOf = "🔧 Variables and labels of "
)

// Names of fields of an image's page, and titles of its lists.
const (
	ImageID         = "Id"
	ImageSize       = "Size"
	ImagePlatform   = "Platform"
	ImageCreated    = "Created"
	ImageLayers     = "Layers"
	ImageUse        = "Use"
	ImageEntrypoint = "Entrypoint"
	ImageCommand    = "Command"
	ImageUser       = "User"
	ImageFolder     = "Working directory"
	ImageSignal     = "Stop signal"
	ImageHealth     = "Health check"
	ImageAuthor     = "Author"
	ImageComment    = "Comment"
	ImageTags       = "Tags"
	ImageDigests    = "Digests"
	ImagePorts      = "Ports"
	ImageVolumes    = "Volumes"
	ImageEnv        = "Environment"
	ImageLabels     = "Labels"
)

// ImagesHeading stands over the list: how many, how large, on which host if there
// are several, on which of how many pages.
func ImagesHeading(total, dangling int, size, host string, page, pages int) string {
	if total == 0 {
		return "🖼 There are no images" + onHost(host)
	}
	text := "🖼 " + sdk.Count(total, "image") + onHost(host) + ", " + size
	if dangling > 0 {
		text += ", " + strconv.Itoa(dangling) + " " + ImagesDangling
	}
	return text + onPage(page, pages)
}

// ImagesShared explains the size over the list.
const ImagesShared = "Layers that images share count for each of them."

// ImagesStep stands over the history.
func ImagesStep(steps, page, pages int) string { return sdk.Count(steps, "step") + onPage(page, pages) }

// ImagesUsers stands over the list of containers made of an image.
func ImagesUsers(total, page, pages int) string {
	return sdk.Count(total, "container") + onPage(page, pages)
}

// ImagesInUse is how many containers are made of it; -1: nobody knows.
func ImagesInUse(n int) string {
	switch {
	case n < 0:
		return "use not known"
	case n == 0:
		return ImagesUnused
	}
	return sdk.Count(n, "container")
}

// More says how many lines of a list are left out.
func More(n int) string { return "and " + strconv.Itoa(n) + " more" }

// onHost names the endpoint behind a heading; nothing if there is only one.
func onHost(host string) string {
	if host == "" {
		return ""
	}
	return " on " + host
}

// onPage says which of how many, if there are several.
func onPage(page, pages int) string {
	if pages < 2 {
		return ""
	}
	return ", page " + strconv.Itoa(page) + " of " + strconv.Itoa(pages)
}
