package texts

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// Buttons of the outline module.
const (
	OutlineToKeys    = "🔑 Keys"
	OutlineToTraffic = "📊 Traffic"
	OutlineTryAgain  = "🔄 Try again"
)

// Names of fields of an Outline server.
const (
	OutlineVersion = "Version"
	OutlineHost    = "Address for keys"
	OutlinePort    = "Port for new keys"
	OutlineCreated = "Set up"
	OutlineShares  = "Shares metrics"
	OutlineLimit   = "Limit for each key"
	OutlineKeys    = "Keys"
	OutlineTraffic = "Traffic, 30 days"
)

// What the outline module says.
const (
	OutlineServer   = "🛡 Outline server"
	OutlineUnknown  = "not known"
	OutlineYes      = "yes, with Outline's makers"
	OutlineNo       = "no"
	OutlineNoKeys   = "🔑 There are no keys. Outline Manager makes some."
	OutlineNoName   = "no name"
	OutlineNobody   = "Nobody used this server in the last 30 days."
	OutlineNoFigure = "The traffic is not known: "
	OutlineManaged  = "Keys are made, shared and removed in Outline Manager: what opens them is never shown here."
)

// What is wrong with an answer of an Outline server, and what to do.
const (
	OutlineRefused  = "The Outline server refuses the bot. Compare api_url in the config with what Outline Manager shows."
	OutlineNotThere = "The Outline server does not know this address. The path at the end of api_url is part of it: compare it with what Outline Manager shows."
	OutlineMoved    = "The address of the Outline server leads elsewhere, and the bot does not follow. Put the final address into api_url."
	OutlineNonsense = "What answers there is no Outline server. Compare api_url in the config with what Outline Manager shows."
	OutlineTooLong  = "The Outline server's answer is too long to be read."
	OutlineCheck    = "Look whether the server runs and lets the bot's machine in, and whether api_url and cert in the config are what Outline Manager shows."
)

// OutlineFault says that a server fails by itself.
func OutlineFault(status int) string {
	return "The Outline server has a fault of its own (it says " + strconv.Itoa(status) + "). Look at the log of its container shadowbox."
}

// OutlineStatus says that a server answers what nobody expects.
func OutlineStatus(status int) string {
	return "The Outline server answers " + strconv.Itoa(status) + ", which is neither yes nor no. Compare api_url in the config with what Outline Manager shows."
}

// OutlineKeysHeading stands over the list of keys.
func OutlineKeysHeading(n int, more bool) string {
	if more {
		return "🔑 " + OutlineCount(n, more) + " keys"
	}
	return "🔑 " + sdk.Count(n, "key")
}

// OutlineTrafficHeading stands over the traffic.
func OutlineTrafficHeading(total string) string { return "📊 " + total + " in 30 days" }

// OutlineKeyPort is the port of a key's line.
func OutlineKeyPort(port string) string { return "port " + port }

// OutlineKeyLimit is the limit of a key's line, and how much of it was used; "":
// nobody knows.
func OutlineKeyLimit(size, share string) string {
	if share == "" {
		return "at most " + size
	}
	return share + " of " + size
}

// OutlineOld names a key that is gone, in the traffic.
func OutlineOld(id string) string { return "removed " + id }

// OutlineIdle counts keys without traffic.
func OutlineIdle(n int) string {
	if n == 1 {
		return "1 key was not used."
	}
	return strconv.Itoa(n) + " keys were not used."
}

// OutlineCut says that a list is not whole.
func OutlineCut(n int) string {
	return "The server has more keys than can be read at once: these are the first " + strconv.Itoa(n) + "."
}

// OutlineCount counts keys; more: of a list that is not whole.
func OutlineCount(n int, more bool) string {
	if more {
		return "more than " + strconv.Itoa(n)
	}
	return strconv.Itoa(n)
}
