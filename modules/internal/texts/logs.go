package texts

import "strconv"

// What the module logs says.
const (
	LogsBroken  = "This button makes no sense any more. Send /logs for a new list."
	LogsName    = "Send /logs with a container's name, and if you like a text to look for; or alone for the list."
	LogsLong    = "The text to look for is too long: 100 characters at most."
	LogsPrivate = "A log is sent as a file in a private chat only."

	LogsTitle      = "📜 "
	LogsWhich      = "Whose log?"
	LogsNone       = "There is nothing that logs."
	LogsContainers = "📦 Containers"
	LogsAgain      = "🔄 Try again"

	LogsOlder  = "◀️ Older"
	LogsNewer  = "Newer ▶️"
	LogsNewest = "⏭ Newest"
	LogsFollow = "👁 Follow"

	LogsBoth      = "Both"
	LogsMark      = "▸ marks stderr"
	LogsPartial   = "⏳ The log is long, and was searched in part only. Older searches on."
	LogsStopped   = "Following was stopped."
	LogsFollowed  = "👁 A minute is over, and so is following."
	LogsNew       = "── new ──"
	LogsFileHeld  = "The file is deleted after 30 seconds: save it if you need it."
	LogsFileEmpty = "There is no line to send."
	LogsSearch    = "To search: "
)

// LogsRange is a range of time, for a button and within a sentence; there the
// whole log has no words.
func LogsRange(name string) (label, words string) {
	switch name {
	case "15m":
		return "15 min", "the last 15 minutes"
	case "1h":
		return "1 h", "the last hour"
	case "24h":
		return "24 h", "the last 24 hours"
	}
	return "All", ""
}

// LogsHeading is over the list; running of them run.
func LogsHeading(containers string) string { return LogsTitle + "Logs of " + containers }

// LogsRunning leads the list.
func LogsRunning(running int) string { return strconv.Itoa(running) + " of them running. " + LogsWhich }

// LogsNothing says that a page is empty. words are of [LogsRange], the others of
// the filters, or empty.
func LogsNothing(words, stream, text string, older bool) string {
	said := "There is no line"
	if older {
		said = "There is no older line"
	}
	if text != "" {
		said += " with “" + text + "”"
	}
	if stream != "" {
		said += " on " + stream
	}
	if words != "" {
		said += " in " + words
	}
	return said + "."
}

// LogsWith is the filter, in the line of what is shown.
func LogsWith(text string) string { return "with “" + text + "”" }

// LogsDrop is the button that takes the filter away.
func LogsDrop(text string) string { return "✖️ “" + text + "”" }

// LogsFollowing says how long it goes on, and how much is new.
func LogsFollowing(seconds, fresh, shown int) string {
	said := "👁 Following for " + strconv.Itoa(seconds) + " s more"
	switch {
	case fresh == 0:
		return said + "; nothing new"
	case fresh == 1:
		return said + "; 1 new line"
	case fresh <= shown:
		return said + "; " + strconv.Itoa(fresh) + " new lines"
	}
	return said + "; " + strconv.Itoa(fresh) + " new lines, the last " + strconv.Itoa(shown) + " of them here"
}

// LogsBehind says that a log grows faster than it can be shown.
func LogsBehind(seconds int) string {
	return "👁 Following for " + strconv.Itoa(seconds) + " s more; there is more new than can be shown"
}
