package texts

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// What the module health says.
const (
	HealthTitle        = "❤️ Health: "
	HealthUnknown      = "❔ unknown"
	HealthWhatToDo     = "What to do"
	HealthAllWell      = "Nothing needs to be done."
	HealthNothingKnown = "Nothing could be asked. Try again in a moment."
	HealthTellAdmin    = "Tell an admin."
	HealthOfBot        = "The bot"
	HealthOfMachine    = "The machine"
	HealthOfDocker     = "Docker"
	HealthWell         = "✅ Well"
	HealthNoParts      = "No part of the bot says how it does."
	HealthSilent       = "the engine does not answer"
	HealthBegan        = " This began "

	HealthParts = "🔎 Parts of the bot"
	HealthScore = "🧮 The score"

	HealthLoad              = "Load"
	HealthMemory            = "Memory"
	HealthFullestDisk       = "Fullest disk"
	HealthDisksSilent       = "Disks that do not answer"
	HealthHottest           = "Hottest"
	HealthPressure          = "Pressure, last minute"
	HealthProcess           = "Process"
	HealthNoDisks           = "none can be seen"
	HealthNoSensors         = "no sensor can be read"
	HealthPressureUntold    = "this kernel does not tell"
	HealthUnknownCores      = ", on an unknown number of cores"
	HealthNothingSubtracted = "Nothing is taken off."
	HealthScoreRule         = "It begins at 100, and points are taken off for what is wrong: " +
		"a part of the bot that fails 25, one to look at 10; " +
		"a load of 1 per core 5, of 2 15; " +
		"memory used to 85 % 10, to 95 % 20; " +
		"the fullest disk the same; a disk that does not answer 10; " +
		"a temperature that its sensor calls high (or 85 °C) 10, critical (or 95 °C) 20; " +
		"work that waits for memory 10 % of the time 10, for disks 30 % 5, for processors 50 % 5; " +
		"a container that is unhealthy, restarting or dead 5, at most 20 on one engine."

	HealthOpenLoad       = "📈 Load average"
	HealthOpenMemory     = "🧠 Memory"
	HealthOpenDisks      = "💾 Disks"
	HealthOpenSensors    = "🌡 Sensors"
	HealthOpenDocker     = "🐳 Docker"
	HealthOpenContainers = "📦 Containers"
	HealthOpenModules    = "🧩 Modules"

	HealthAdviseLoad    = "See which processes are busy."
	HealthAdviseMemory  = "See which processes use most, before the kernel ends one."
	HealthAdviseDisk    = "Make room: old logs, unused images and volumes take most."
	HealthAdviseSilent  = "See whether its server or its device still works."
	HealthAdviseHeat    = "See whether fans run and air gets through."
	HealthAdviseMemWait = "The machine needs more memory, or fewer containers."
	HealthAdviseIOWait  = "See which containers read and write most."
	HealthAdviseSick    = "Look at their logs."
	HealthAdviseSickOne = "Look at its log."
)

// HealthMark is a state at a glance: ok, warn, or anything worse.
func HealthMark(state string) string {
	switch state {
	case "ok":
		return "✅"
	case "warn":
		return "⚠️"
	}
	return "❌"
}

// HealthScoreOf writes a score, and whether all of it is known.
func HealthScoreOf(score int, whole bool) string {
	mark := "🔴"
	switch {
	case score >= 90:
		mark = "🟢"
	case score >= 60:
		mark = "🟡"
	}
	text := mark + " " + strconv.Itoa(score) + " of 100"
	if !whole {
		text += ", as far as known"
	}
	return text
}

// HealthLoadPerCore writes the load of five minutes.
func HealthLoadPerCore(perCore float64, cores int) string {
	return sdk.Decimal(perCore, 2) + " per core (" + sdk.Count(cores, "core") + ")"
}

// HealthShareOf writes a share of a size in bytes.
func HealthShareOf(percent float64, total uint64) string {
	return sdk.Percent(percent) + " of " + sdk.Bytes(total)
}

// HealthDegrees writes a temperature.
func HealthDegrees(celsius float64) string { return sdk.Decimal(celsius, 1) + " °C" }

// HealthWaitingFor writes pressure: shares of the last minute.
func HealthWaitingFor(cpu, memory, io float64) string {
	return "processors " + sdk.Percent(cpu) + ", memory " + sdk.Percent(memory) + ", disks " + sdk.Percent(io)
}

// HealthProcessOf writes what the bot's process takes.
func HealthProcessOf(bytes uint64, goroutines int) string {
	return sdk.Bytes(bytes) + " of memory, " + sdk.Count(goroutines, "goroutine")
}

// HealthContainersOn names an endpoint's line; alone, there is no other.
func HealthContainersOn(endpoint string, alone bool) string {
	if alone {
		return "Containers"
	}
	return "On " + sdk.Line(endpoint, 40)
}

// HealthWorkload counts containers.
func HealthWorkload(total, running, paused, unhealthy, restarting, dead int) string {
	text := strconv.Itoa(total) + ", " + strconv.Itoa(running) + " running"
	for _, c := range [...]struct {
		n    int
		word string
	}{{paused, "paused"}, {unhealthy, HealthUnhealthy}, {restarting, HealthRestarting}, {dead, HealthDead}} {
		if c.n > 0 {
			text += ", " + strconv.Itoa(c.n) + " " + c.word
		}
	}
	return text
}

// Sentences of what is wrong.

// HealthLoadIs says that more wants to run than can.
func HealthLoadIs(perCore float64) string {
	return "The load is " + sdk.Decimal(perCore, 2) + " per core."
}

// HealthMemoryIs says how full the memory is.
func HealthMemoryIs(percent float64) string { return sdk.Percent(percent) + " of the memory is used." }

// HealthDiskIs follows a disk's path.
func HealthDiskIs(percent float64) string { return " is " + sdk.Percent(percent) + " full." }

// HealthDiskSilent follows a mount's path.
const HealthDiskSilent = " does not answer."

// HealthHeatIs follows a sensor's name.
func HealthHeatIs(celsius float64) string { return " is at " + HealthDegrees(celsius) + "." }

// HealthWaitsFor says that work waited; what is "memory", "disks" or "processors".
func HealthWaitsFor(what string, percent float64) string {
	return "Work waited for " + what + " " + sdk.Percent(percent) + " of the last minute."
}

// What work waits for.
const (
	HealthForMemory     = "memory"
	HealthForDisks      = "disks"
	HealthForProcessors = "processors"
)

// HealthSickContainers comes before their names.
func HealthSickContainers(n int, word string) string { return sdk.Count(n, word+" container") + ": " }

// States of containers that something is wrong with.
const (
	HealthUnhealthy  = "unhealthy"
	HealthRestarting = "restarting"
	HealthDead       = "dead"
)

// HealthAndMore follows a list that was cut.
func HealthAndMore(n int) string { return " and " + strconv.Itoa(n) + " more" }

// HealthMoreToDo follows a list of advice that was cut.
func HealthMoreToDo(n int) string { return "and " + strconv.Itoa(n) + " more" }

// HealthPointsOff writes what is taken off the score.
func HealthPointsOff(n int) string { return "−" + strconv.Itoa(n) + " " }

// HealthNotCounted says what the score leaves out.
func HealthNotCounted(names string) string {
	return "Not counted, since it is not known: " + names + "."
}

// Names of what a score can leave out.
const (
	HealthPartBot         = "the bot's own parts"
	HealthPartLoad        = "load"
	HealthPartMemory      = "memory"
	HealthPartDisks       = "disks"
	HealthPartTemperature = "temperature"
	HealthPartPressure    = "pressure"
	HealthPartContainers  = "containers"
)
