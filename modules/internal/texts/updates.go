package texts

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// What the module updates says.
const (
	UpdatesBroken = "This button makes no sense any more. Send /updates for a new list."
	UpdatesUsage  = "Send /updates with an image's name, or alone for the list."
	UpdatesAsking = "Asking the registries"
	UpdatesAgain  = "🔍 Look again"
	UpdatesTry    = "🔄 Try again"
	UpdatesToList = "⬅️ Back to the list"

	UpdatesNone    = "⬆️ There are no images with tags"
	UpdatesNothing = "⬆️ No newer versions found"
	UpdatesGone    = "This image is not there any more."

	UpdatesImage   = "Image"
	UpdatesID      = "Id"
	UpdatesVersion = "Newer version"
	UpdatesWithin  = "Within the same major version"
	UpdatesSameTag = "Same tag"
	UpdatesChecked = "Looked at"
	UpdatesNotYet  = "not yet"
	UpdatesMajor   = "⚠️ a new major version"
	UpdatesDigest  = "the tag means a newer image"
	UpdatesCurrent = "✅ up to date"
	UpdatesUnknown = "not known"
	// UpdatesHow says what an operator does with it: the bot does not pull.
	UpdatesHow = "To update: pull the image, and make the container anew."
)

// UpdatesProgress heads the list while registries are asked.
func UpdatesProgress(done, all int) string {
	return "🔎 Looked at " + strconv.Itoa(done) + " of " + sdk.Count(all, "image")
}

// UpdatesFound heads the list.
func UpdatesFound(newer, all int) string {
	verb := " have newer versions"
	if newer == 1 {
		verb = " has a newer version"
	}
	return "⬆️ " + strconv.Itoa(newer) + " of " + sdk.Count(all, "image") + verb
}

// UpdatesRest counts what is not listed one by one.
func UpdatesRest(current int) string {
	verb := " are up to date"
	if current == 1 {
		verb = " is up to date"
	}
	return "✅ " + sdk.Count(current, "image") + verb
}

// UpdatesLeft is added to what is listed while registries are asked.
func UpdatesLeft(pending int) string {
	verb := " are being looked up"
	if pending == 1 {
		verb = " is being looked up"
	}
	return "⏳ " + sdk.Count(pending, "image") + verb
}

// UpdatesPage is which page of the list it is; nothing if there is one only.
func UpdatesPage(page, last int) string {
	if last < 2 {
		return ""
	}
	return ", page " + strconv.Itoa(page) + " of " + strconv.Itoa(last)
}

// UpdatesOn names the host, if there are several.
func UpdatesOn(host string) string {
	if host == "" {
		return ""
	}
	return " on " + host
}
