package texts

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// Headings of the devices module's views.
const (
	DevicesDisk        = "💾 File system"
	DevicesDiskIO      = "📀 Disk I/O"
	DevicesNetwork     = "🌐 Network"
	DevicesInterfaces  = "🔌 Interfaces"
	DevicesConnections = "🔗 Connections"
)

// Buttons of the devices module.
const (
	DevicesToDiskIO      = "📀 Disk I/O"
	DevicesToInterfaces  = "🔌 Interfaces"
	DevicesToConnections = "🔗 Connections"
)

// Names of fields, bars and columns.
const (
	DevicesInUse    = "In use"
	DevicesBusy     = "Busy"
	DevicesAll      = "All devices"
	DevicesNow      = "Now"
	DevicesReceived = "Received"
	DevicesSent     = "Sent"
	DevicesErrors   = "Errors"
	DevicesDrops    = "Drops"
	DevicesState    = "State"
	DevicesCount    = "Count"
	DevicesTotal    = "Total"
	DevicesMeasured = "Measured over"
)

// Plain sentences where there is nothing to show, or not all.
const (
	DevicesNoMounts      = "No file system can be seen."
	DevicesNoDevices     = "No disk has done anything since the machine started."
	DevicesNoInterfaces  = "No network interface can be seen."
	DevicesNoConnections = "There are no connections."
	DevicesUncounted     = "There are more than these: counting them all would take too long."
	DevicesWithoutInner  = "Without loopback, bridges and containers: what they carry goes through one of the others, or stays in the machine."
	DevicesNotAnswering  = " does not answer."
	DevicesOn            = " on "
	DevicesMadeOfOthers  = " (made of others)"
	DevicesDown          = ", down"
)

// DevicesUse is how full a file system is, in bytes.
func DevicesUse(used, total, free uint64) string {
	return "\n" + sdk.Bytes(used) + " of " + sdk.Bytes(total) + " used, " + sdk.Bytes(free) + " free"
}

// DevicesMoreHanging closes a list of mounts that is cut.
func DevicesMoreHanging(n int) string {
	if n == 1 {
		return "and 1 more mount that does not answer."
	}
	return "and " + strconv.Itoa(n) + " more mounts that do not answer."
}

// DevicesWindow is how long something was measured over, in milliseconds.
func DevicesWindow(ms int64) string { return sdk.Decimal(float64(ms)/1000, 1) + " s" }

// DevicesRate is a speed in bytes per second.
func DevicesRate(perSecond float64) string {
	if !(perSecond >= 0 && perSecond < 1<<60) {
		return Unknown
	}
	return sdk.Bytes(uint64(perSecond)) + "/s"
}

// DevicesDiskNow is what a disk does, in bytes per second.
func DevicesDiskNow(read, write float64) string {
	return "reads " + DevicesRate(read) + ", writes " + DevicesRate(write)
}

// DevicesDiskSinceStart is what a disk did.
func DevicesDiskSinceStart(readBytes, reads, writeBytes, writes uint64) string {
	return "read " + sdk.Bytes(readBytes) + " in " + counted(reads, "request") + "\nwrote " + sdk.Bytes(writeBytes) + " in " + counted(writes, "request")
}

// DevicesNetworkNow is what goes through an interface, in bytes per second.
func DevicesNetworkNow(in, out float64) string {
	return "⬇️ " + DevicesRate(in) + ", ⬆️ " + DevicesRate(out)
}

// DevicesTraffic is what went one way.
func DevicesTraffic(bytes, packets uint64) string {
	return sdk.Bytes(bytes) + ", " + counted(packets, "packet")
}

// counted writes a number with its noun.
func counted(n uint64, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return DevicesNumber(n) + " " + noun + "s"
}

// DevicesEachWay counts what happened either way.
func DevicesEachWay(in, out uint64) string {
	return DevicesNumber(in) + " received, " + DevicesNumber(out) + " sent"
}

// DevicesLost is a line about an interface that loses packets.
func DevicesLost(errors, drops uint64) string {
	return "⚠️ " + counted(errors, "error") + ", " + counted(drops, "drop")
}

// DevicesMoreAddresses closes a list of addresses that is cut.
func DevicesMoreAddresses(n int) string { return " and " + strconv.Itoa(n) + " more" }

// DevicesNumber writes a number with its thousands apart: "41,098,532".
func DevicesNumber(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}
