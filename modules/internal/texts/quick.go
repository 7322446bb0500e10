package texts

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// What the quick view and its pages say.
const (
	QuickTitle       = "⚡ Quick view"
	QuickOverview    = "🗂 Overview"
	QuickMemory      = "🧠 Memory"
	QuickTemperature = "🌡 Temperature"
	QuickCPU         = "🧮 CPU"
	QuickDisk        = "💾 Disk"

	QuickUptime     = "Uptime"
	QuickLoad       = "Load"
	QuickCPULine    = "CPU"
	QuickMemoryLine = "Memory"
	QuickProcesses  = "Processes"
	QuickDocker     = "Docker"
	QuickContainers = "Containers"
	QuickImages     = "Images"

	QuickName    = "Name"
	QuickSystem  = "System"
	QuickKernel  = "Kernel"
	QuickBooted  = "Booted"
	QuickCores   = "Cores"
	QuickUnknown = "unknown"

	QuickAll      = "All"
	QuickRunning  = "Running"
	QuickSleeping = "Sleeping"
	QuickIdle     = "Idle"
	QuickStopped  = "Stopped"
	QuickZombie   = "Zombie"

	QuickInUse         = "In use"
	QuickTotal         = "Total"
	QuickUsed          = "Used"
	QuickFree          = "Free"
	QuickAvailable     = "Available"
	QuickActive        = "Active"
	QuickInactive      = "Inactive"
	QuickCached        = "Cached"
	QuickShared        = "Shared"
	QuickModel         = "Model"
	QuickLogicalCores  = "Logical cores"
	QuickPhysicalCores = "Physical cores"
	QuickFrequency     = "Frequency"
	QuickMeasuredOver  = "Measured over"

	QuickBusiest       = "Busiest processes"
	QuickNoProcess     = "No process can be seen."
	QuickNoSensors     = "This machine has no temperature sensors that I can read."
	QuickNoDisks       = "No file system can be seen."
	QuickDoesNotAnswer = " does not answer."
)

// QuickRunningOf writes a number and how many of it run.
func QuickRunningOf(total, running int) string {
	return strconv.Itoa(total) + ", " + strconv.Itoa(running) + " running"
}

// QuickShareOf writes a share of a number of cores; 0: their number is unknown.
func QuickShareOf(percent float64, cores int) string {
	if cores < 1 {
		return sdk.Percent(percent)
	}
	return sdk.Percent(percent) + " of " + sdk.Count(cores, "core")
}

// QuickShareOfSize writes a share of a size in bytes.
func QuickShareOfSize(percent float64, total uint64) string {
	return sdk.Percent(percent) + " of " + sdk.Bytes(total)
}

// QuickLoads writes the three averages, and a word for the last minute, which is
// the usual rule of thumb: above 1 per core something waits; from 0.7 there is
// little room left for a peak.
func QuickLoads(one, five, fifteen float64, cores int) string {
	text := sdk.Decimal(one, 2) + " " + sdk.Decimal(five, 2) + " " + sdk.Decimal(fifteen, 2)
	if cores < 1 {
		return text
	}
	switch perCore := one / float64(cores); {
	case perCore > 1:
		return text + ", overloaded"
	case perCore >= 0.7:
		return text + ", busy"
	}
	return text + ", calm"
}

// QuickSeconds writes a time in seconds.
func QuickSeconds(ms int64) string { return sdk.Decimal(float64(ms)/1000, 1) + " s" }

// QuickHertz writes a frequency; 0 or less: unknown.
func QuickHertz(mhz float64) string {
	switch {
	case mhz <= 0:
		return QuickUnknown
	case mhz < 1000:
		return sdk.Decimal(mhz, 0) + " MHz"
	}
	return sdk.Decimal(mhz/1000, 2) + " GHz"
}

// QuickProcessUse follows a process's name.
func QuickProcessUse(pid int32, cpu float64, memory uint64, share float64) string {
	return " pid " + strconv.Itoa(int(pid)) + "\n    CPU " + sdk.Percent(cpu) + ", memory " + sdk.Bytes(memory) + " (" + sdk.Percent(share) + ")"
}

// QuickDegrees writes a temperature with its limits; 0: it states none.
func QuickDegrees(current, high, critical float64) string {
	text := sdk.Decimal(current, 1) + " °C"
	if high > 0 {
		text += ", high from " + sdk.Decimal(high, 0)
	}
	if critical > 0 {
		text += ", critical from " + sdk.Decimal(critical, 0)
	}
	switch {
	case critical > 0 && current >= critical:
		return "🔥 " + text
	case high > 0 && current >= high:
		return "⚠️ " + text
	}
	return text
}

// QuickMount stands between a mount's path and its device.
func QuickMount(kind string) string { return ", " + sdk.Line(kind, 20) + " on " }

// QuickSizes writes what of a file system is used.
func QuickSizes(used, total, free uint64) string {
	return "\n" + sdk.Bytes(used) + " of " + sdk.Bytes(total) + " used, " + sdk.Bytes(free) + " free"
}

// QuickMore follows a list that was cut; noun is one thing of it.
func QuickMore(n int, noun string) string { return "and " + sdk.Count(n, "more "+noun) }

// Nouns of [QuickMore].
const (
	QuickSensorNoun = "sensor"
	QuickMountNoun  = "file system"
	QuickHangNoun   = "hanging mount"
)
