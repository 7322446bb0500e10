package texts

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// What the module runtime says.
const (
	RuntimeBroken   = "This button makes no sense any more. Send /runtime for a new list."
	RuntimeName     = "Send /runtime with a container's name, or alone for the list."
	RuntimeTryAgain = "🔄 Try again"
	RuntimePrivate  = "The environment of a container may hold secrets, so I show it in a private chat only."
	RuntimeNone     = "There are no containers."
	RuntimeWhich    = "Which one?"

	RuntimeUnlimited = "None: it may use what the host has."
	RuntimeNoMounts  = "Nothing is mounted into it."
	RuntimeNoNetwork = "It is in no network."
	RuntimeHostNet   = "It uses the host's network as it is."
	RuntimeNoEnv     = "No variables are set."
	RuntimeMasked    = "Values that look secret are masked."
	RuntimeReadOnly  = "read-only"
	RuntimeWritable  = "writable"
	RuntimeYes       = "yes"
	RuntimeAnonymous = "without a name"
	RuntimeAddress   = "no address"
)

// Names of fields.
const (
	RuntimeRestart     = "Restart"
	RuntimeNetworkMode = "Network mode"
	RuntimeHostname    = "Host name"
	RuntimeUser        = "User"
	RuntimeFolder      = "Working directory"
	RuntimeLogDriver   = "Log driver"
	RuntimeRuntime     = "Runtime"
	RuntimeInit        = "Init process"
	RuntimeLimits      = "Limits"
	RuntimeMemory      = "Memory"
	RuntimeSwap        = "Memory and swap"
	RuntimeCPU         = "CPU"
	RuntimeShares      = "CPU shares"
	RuntimeCPUSet      = "CPUs"
	RuntimeProcesses   = "Processes and threads"
	RuntimeSecurity    = "Security"
	RuntimePrivileged  = "Privileged"
	RuntimeRoot        = "Root file system"
	RuntimeCapAdd      = "Added capabilities"
	RuntimeCapDrop     = "Dropped capabilities"
	RuntimeOptions     = "Options"
	RuntimePIDMode     = "PID mode"
	RuntimeIPCMode     = "IPC mode"
	RuntimeDevices     = "Devices"
	RuntimeIPv4        = "IPv4"
	RuntimeIPv6        = "IPv6"
	RuntimeGateway     = "Gateway"
	RuntimeMAC         = "MAC"
	RuntimeAliases     = "Aliases"
)

// RuntimeDanger warns of a container that is no boundary.
const RuntimeDanger = "⚠️ yes: it may do what the host's root may"

// Labels of the buttons that open the views of the module runtime.
const (
	RuntimeLabel     = "🔩 Runtime"
	VolumesLabel     = "💾 Volumes"
	NetworksLabel    = "🌐 Networks"
	EnvironmentLabel = "🔑 Environment"
)

// RuntimeView is the label of the button that opens a view, by the name of its
// command, and the heading before the container's name.
func RuntimeView(name string) (label, heading string) {
	switch name {
	case "volumes":
		label = VolumesLabel
	case "networks":
		label = NetworksLabel
	case "environment":
		label = EnvironmentLabel
	default:
		label = RuntimeLabel
	}
	return label, label + " of "
}

// RuntimeHeading stands over the list to pick from.
func RuntimeHeading(view string, total int, host string, page, pages int) string {
	label, _ := RuntimeView(view)
	return label + ": " + sdk.Count(total, "container") + onHost(host) + onPage(page, pages)
}

// RuntimePolicy words a restart policy of the engine.
func RuntimePolicy(name string, retries int) string {
	switch {
	case name == "no":
		return "never"
	case name == "unless-stopped":
		return "always, unless it was stopped"
	case name == "on-failure" && retries > 0:
		return "when it fails, at most " + sdk.Count(retries, "time")
	case name == "on-failure":
		return "when it fails"
	}
	return name
}

// RuntimeCores is a limit of CPU time.
func RuntimeCores(cores float64) string {
	text := strings.TrimRight(strings.TrimRight(sdk.Decimal(cores, 3), "0"), ".")
	if text == "1" {
		return "1 core"
	}
	return text + " cores"
}

// RuntimeSwapOf words the limit of memory and swap together; -1 is no limit of
// swap.
func RuntimeSwapOf(limit int64) string {
	if limit < 0 {
		return "no limit of swap"
	}
	return sdk.Bytes(uint64(limit))
}

// RuntimeCounted stands over a view with several pages: "12 volumes, page 1 of 2".
func RuntimeCounted(n int, noun string, page, pages int) string {
	return sdk.Count(n, noun) + onPage(page, pages)
}

// RuntimeOmitted says that there is more than the host hands out.
func RuntimeOmitted(n int) string { return strconv.Itoa(n) + " more are not shown." }
