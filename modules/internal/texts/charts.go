package texts

// The charts module.
const (
	Charts          = "📈 Charts"
	AllCharts       = "📈 All charts"
	ChartsWhat      = "What the machine and its containers used, from the bot's own measurements: a day in detail, a month of means."
	ChartDark       = "🌙 Dark"
	ChartLight      = "☀️ Light"
	ChartUnknown    = "There is no chart of that. These are the ones there are."
	ChartOfNobody   = "Send the container's name behind it: /chart container web"
	ChartBroken     = "This button makes no sense any more. Send /chart for the list."
	ChartContainers = "📦 Containers"
	ChartPickOne    = "📦 A chart of which container?"
	ChartNoneThere  = "📦 There are no containers"
	ChartTryAgain   = "🔄 Try again"
	ChartYoung      = "The bot measures every ten seconds, and containers every thirty. A chart has its first points a minute after that begins."
	ChartRightNow   = "now"
	ChartAtLast     = "at last"
)

// Names of what is drawn, for titles and sentences.
const (
	ChartCPU     = "CPU"
	ChartLoad    = "Load"
	ChartMemory  = "Memory"
	ChartSwap    = "Swap"
	ChartDisk    = "Disk"
	ChartDiskIO  = "Disk I/O"
	ChartNetwork = "Network"
	ChartRead    = "read"
	ChartWritten = "written"
	ChartIn      = "in"
	ChartOut     = "out"
	ChartLoad1   = "Load, 1 min"
	ChartFullest = "Fullest file system"
	ChartNearly  = "90 %"
)

// ChartLast is a range behind a title: "CPU, last 6 hours".
func ChartLast(title, span string) string { return title + ", last " + span }

// ChartNothing says that a range is empty.
func ChartNothing(span string) string { return "Nothing was measured in the last " + span + "." }

// ChartValues says in words what a line shows.
func ChartValues(when, value, mean, least, most string) string {
	return when + " " + value + ", mean " + mean + ", from " + least + " to " + most
}

// ChartLimit labels the line of a container's limit.
func ChartLimit(size string) string { return "limit " + size }

// ChartGrain says how fine a chart is, and ChartPart how much of it there is.
func ChartGrain(span string) string { return "Each point is the mean of " + span + "." }

// ChartPart says how much of a range was measured.
func ChartPart(measured, span string) string {
	return "There are measurements of about " + measured + " of the " + span + "."
}

// ChartPage counts the pages of the list of containers.
func ChartPage(page, last string) string { return ", page " + page + " of " + last }
