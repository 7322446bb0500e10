package texts

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// Names of fields of a module and of a file that waits.
const (
	InstallsSwitched = "⛔ Switched off"
	InstallsUntil    = "after repeated faults, until "
	InstallsAboutIt  = "About"
	InstallsAuthor   = "Author"
	InstallsMadeBy   = "Made, it says, by"
	InstallsDigest   = "SHA-256"
	InstallsMay      = "May"
	InstallsUse      = "Use"
	InstallsTook     = "Took"
	InstallsTrust    = "Trusted"
	InstallsState    = "State"
	InstallsRuns     = "runs"
	InstallsFile     = "File"
	InstallsSize     = "Size"
	InstallsSigned   = "Signed"
	InstallsBefore   = "Approved before"
	InstallsCommands = "Commands"
	InstallsByItself = "By itself"
	InstallsAsks     = "Asks"
	InstallsWhy      = "Why"
	InstallsGone     = "Asks no more:"
)

// What the module installs says.
const (
	InstallsAsksFor    = "It asks for permission to:"
	InstallsAsksNone   = "It asks for nothing: it can answer, and no more."
	InstallsNew        = "🆕 "
	InstallsMayDo      = "It may:"
	InstallsNotSigned  = "by nobody"
	InstallsNoVersion  = "no version"
	InstallsAtHost     = "Files are not approved in chat here. At the host: cofferdam module approve"
	InstallsConfirmed  = "Approving needs your code, and then a tap on the exact list."
	InstallsNotHere    = "That file does not wait any more: it runs, was refused, changed, or is gone."
	InstallsNoModule   = "There is no module of that name."
	InstallsSeveral    = "Several files of that name wait. Open the one that you mean from the list."
	InstallsForAdmins  = "That is for admins only."
	InstallsBroken     = "This button makes no sense any more. Send /modules for a new list."
	InstallsOneStays   = "One pattern of each permission must stay: a module cannot run without what it asks for. Type a narrower one instead."
	InstallsTooLong    = "Those patterns are too long for a button. Approve with fewer, or at the host with cofferdam module approve."
	InstallsNarrowIt   = "Tap a pattern to take it away, or to give it back. What is left is what it may do."
	InstallsCannotLack = "A permission cannot be left out as a whole: the module would not start without it."
	InstallsOnlyTyped  = "What has no button here is narrowed by typing."
	InstallsOn         = "✅ "
	InstallsOff        = "▫️ "
	InstallsTyped      = "✏️ "
	InstallsNarrowHow  = "/modules narrow NAME PERMISSION PATTERN …"
	InstallsNarrowOld  = "The patterns that you type take the place of those of that permission. Several permissions can follow one another in one line."
	InstallsNarrowNone = "Nothing of what it asks for can be made narrower."
)

// Buttons of the module installs.
const (
	InstallsAll          = "🧩 All modules"
	InstallsApprove      = "✅ Approve"
	InstallsNarrower     = "✂️ Approve narrower"
	InstallsRefuse       = "🚫 Refuse"
	InstallsRevoke       = "⛔ Revoke"
	InstallsApproveThese = "✅ Approve these"
	InstallsBackToFile   = "⬅️ Back to the file"
)

// InstallsMark is in front of what a module may do. What nobody knows is the worst.
func InstallsMark(danger int) string {
	switch danger {
	case abi.DangerNone:
		return "⚪️ "
	case abi.DangerSome:
		return "🟡 "
	case abi.DangerMuch:
		return "🟠 "
	}
	return "🔴 "
}

// InstallsLegend explains the marks.
const InstallsLegend = "🔴 changes something · 🟠 reads what may be secret · 🟡 reaches out, keeps or tells · ⚪️ reads what every user may"

// InstallsModules counts modules.
func InstallsModules(n int) string { return "🧩 " + sdk.Count(n, "module") }

// InstallsHeading counts modules and files that do not run.
func InstallsHeading(modules, waiting, refused int) string {
	text := InstallsModules(modules)
	if waiting > 0 {
		text += ", " + sdk.Count(waiting, "file") + " to decide on"
	}
	if refused > 0 {
		text += ", " + strconv.Itoa(refused) + " refused"
	}
	return text
}

// InstallsWaits stands behind the name of a file that waits, or that is refused.
func InstallsWaits(refused bool) string {
	if refused {
		return " is refused"
	}
	return " waits for you"
}

// InstallsFileMark stands before its name.
func InstallsFileMark(refused bool) string {
	if refused {
		return "🚫 "
	}
	return "📥 "
}

// InstallsTrustedBy says why a module may run.
func InstallsTrustedBy(trust, signer string) string {
	switch trust {
	case abi.TrustBuiltIn:
		return "it is a part of the bot"
	case abi.TrustPinned:
		return "its SHA-256 is in the config"
	case abi.TrustSigned:
		return "signed with the key " + sdk.Line(signer, 40)
	case abi.TrustApproved:
		return "approved by an admin"
	}
	return ""
}

// InstallsSignedWith says who signed a file, and what that is worth.
func InstallsSignedWith(signer string, trusted bool) string {
	text := "with the key " + sdk.Line(signer, 40)
	if trusted {
		return text + ", which the config trusts"
	}
	return text + ", which the config does not know"
}

// InstallsAndMore follows a list that was cut.
func InstallsAndMore(n int) string { return " and " + strconv.Itoa(n) + " more" }

// InstallsAsksCount counts what a file asks for, by its danger.
func InstallsAsksCount(all, most int) string {
	text := sdk.Count(all, "permission")
	if most > 0 {
		text += ", " + strconv.Itoa(most) + " to change something"
	}
	return text
}

// InstallsWithin says what the config leaves of a permission.
func InstallsWithin(patterns string) string { return " (the config leaves: " + patterns + ")" }

// InstallsCalls counts what was asked of a module and by it, and how often it failed.
func InstallsCalls(calls, hostCalls, traps, limits, timeouts int64) string {
	faults := traps + limits + timeouts
	text := sdk.Count(int(calls), "call") + ", " + sdk.Count(int(hostCalls), "host call") + ", " + sdk.Count(int(faults), "fault")
	if faults > 0 {
		text += " (" + sdk.Count(int(traps), "trap") + ", " + sdk.Count(int(limits), "limit") + ", " + sdk.Count(int(timeouts), "timeout") + ")"
	}
	return text
}

// InstallsTaken writes what a module took; what is 0 was not counted.
func InstallsTaken(ms int64, memory, fuel, mostFuel uint64, exchanged int64) string {
	text := sdk.Decimal(float64(ms)/1000, 1) + " s in all, " + sdk.Bytes(memory) + " of memory at most"
	if fuel > 0 {
		text += ", " + DevicesNumber(fuel) + " units of fuel, " + DevicesNumber(mostFuel) + " at most"
	}
	if exchanged > 0 {
		text += ", " + sdk.Bytes(uint64(exchanged)) + " exchanged"
	}
	return text
}

// InstallsDone says how an approval, a refusal or a revocation ended.
func InstallsDone(approve, changed bool, name string) string {
	switch {
	case !changed:
		return "It was so already."
	case approve:
		return "✅ " + name + " is approved, and runs."
	}
	return "🚫 " + name + " does not run, and has no commands."
}

// InstallsRefused says what a refusal means.
func InstallsRefused(name string) string {
	return "🚫 " + name + " is refused. Nobody is asked about this file again, unless it changes."
}

// Lines of progress.
const (
	InstallsApproving = "Loading the module"
	InstallsRevoking  = "Ending the module"
)
