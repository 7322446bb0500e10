package texts

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// Unknown is a figure that the machine does not tell.
const Unknown = "unknown"

// OnPage goes behind a heading of a view with several pages.
func OnPage(number, last int) string {
	return ", page " + strconv.Itoa(number) + " of " + strconv.Itoa(last)
}

// Headings of the server module's views.
const (
	ServerHeading       = "🖥 Server"
	ServerLoad          = "📈 Load average"
	ServerCPU           = "🧮 CPU"
	ServerCores         = "📊 CPU per core"
	ServerTimes         = "🕒 CPU times"
	ServerTopCPU        = "🔝 Top 10 processes by CPU"
	ServerMemory        = "🧠 Memory"
	ServerSwap          = "💱 Swap"
	ServerSensors       = "🌡 Sensors"
	ServerProcess       = "📋 Processes"
	ServerTopMemory     = "🔝 Top 10 processes by memory"
	ServerUptime        = "⏱ Uptime"
	ServerLoggedInUsers = "👥 Logged-in users"
)

// Buttons of the server module.
const (
	ServerToCores     = "📊 Per core"
	ServerToTimes     = "🕒 Times"
	ServerToTop       = "🔝 Top 10 processes"
	ServerToTopCPU    = "🔝 By CPU"
	ServerToTopMemory = "🔝 By memory"
	ServerToSwap      = "💱 Swap"
	ServerToUsers     = "👥 Logged-in users"
)

// Names of fields and bars.
const (
	ServerName           = "Name"
	ServerSystem         = "System"
	ServerKernel         = "Kernel"
	ServerUp             = "Up for"
	ServerBooted         = "Booted"
	ServerLoadField      = "Load"
	ServerOneMinute      = "1 min"
	ServerFiveMinutes    = "5 min"
	ServerFifteenMinutes = "15 min"
	ServerAllMinutes     = "1, 5, 15 min"
	ServerCoresField     = "Cores"
	ServerPerCore        = "Per core"
	ServerWaited         = "Waited in the last minute"
	ServerWaitedCPU      = "For a processor"
	ServerWaitedMemory   = "For memory"
	ServerWaitedIO       = "For disks"
	ServerModel          = "Model"
	ServerLogical        = "Logical cores"
	ServerPhysical       = "Physical cores"
	ServerFrequency      = "Frequency"
	ServerMeasured       = "Measured over"
	ServerTotal          = "Total"
	ServerUsed           = "Used"
	ServerFree           = "Free"
	ServerAvailable      = "Available"
	ServerActive         = "Active"
	ServerInactive       = "Inactive"
	ServerCached         = "Cached"
	ServerShared         = "Shared"
	ServerInUse          = "In use"
	ServerSwappedIn      = "Swapped in since boot"
	ServerSwappedOut     = "Swapped out since boot"
	ServerRunning        = "Running"
	ServerSleeping       = "Sleeping"
	ServerIdle           = "Idle"
	ServerStopped        = "Stopped"
	ServerZombie         = "Zombie"
	ServerTemperatures   = "Temperatures"
	ServerFans           = "Fans"
)

// Words for the length of the run queue per core.
const (
	ServerCalm       = "calm"
	ServerBusy       = "busy"
	ServerOverloaded = "overloaded"
)

// Plain sentences where there is nothing to show.
const (
	ServerNoCores     = "This machine does not tell its cores apart."
	ServerNoSwap      = "This machine has no swap."
	ServerNoSensors   = "This machine has no sensors that I can read. Virtual machines have none."
	ServerNoProcesses = "No process can be seen."
	ServerNobody      = "Nobody is logged in."
	ServerOneCore     = "100 % is one core."
)

// ServerCore names a core in a bar.
func ServerCore(n int) string { return "core " + strconv.Itoa(n) }

// ServerCoreCount goes behind [ServerPerCore].
func ServerCoreCount(n int) string { return " (" + sdk.Count(n, "core") + ")" }

// ServerBusiestCores leads to their list.
func ServerBusiestCores(total int) string { return "Busiest of " + sdk.Count(total, "core") + ": " }

// ServerCoreAt is an entry of that list.
func ServerCoreAt(n int, percent float64) string {
	return strconv.Itoa(n) + " (" + sdk.Decimal(percent, 0) + " %)"
}

// ServerWindow is how long something was measured over, in milliseconds.
func ServerWindow(ms int64) string { return sdk.Decimal(float64(ms)/1000, 1) + " s" }

// ServerMHz is a frequency.
func ServerMHz(mhz float64) string {
	switch {
	case mhz <= 0:
		return Unknown
	case mhz < 1000:
		return sdk.Decimal(mhz, 0) + " MHz"
	default:
		return sdk.Decimal(mhz/1000, 2) + " GHz"
	}
}

// ServerProcessCount is a line below a list of the busiest.
func ServerProcessCount(total, running int) string {
	noun := " processes, "
	if total == 1 {
		noun = " process, "
	}
	return strconv.Itoa(total) + noun + strconv.Itoa(running) + " running."
}

// ServerPID goes behind a process' name; user may be "".
func ServerPID(pid int32, user string) string {
	text := " pid " + strconv.Itoa(int(pid))
	if user != "" {
		text += ", " + user
	}
	return text
}

// ServerProcessUse is what a process uses.
func ServerProcessUse(cpu float64, memory uint64, share float64) string {
	return "CPU " + sdk.Percent(cpu) + ", memory " + sdk.Bytes(memory) + " (" + sdk.Percent(share) + ")"
}

// ServerDegrees is a temperature with its limits; 0 for a limit that there is
// not.
func ServerDegrees(current, high, critical float64) string {
	text := sdk.Decimal(current, 1) + " °C"
	if high > 0 {
		text += ", high from " + sdk.Decimal(high, 0)
	}
	if critical > 0 {
		text += ", critical from " + sdk.Decimal(critical, 0)
	}
	return text
}

// ServerRPM is a fan's speed.
func ServerRPM(rpm int) string {
	if rpm == 0 {
		return "stands still"
	}
	return strconv.Itoa(rpm) + " rpm"
}

// Between the parts of a login.
const (
	ServerOnTerminal = " on "
	ServerFrom       = " from "
	ServerSince      = "\nsince "
)
