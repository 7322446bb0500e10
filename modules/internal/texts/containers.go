package texts

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// What the module containers says.
const (
	ContainersBroken   = "This button makes no sense any more. Send /containers for a new list."
	ContainersTryAgain = "🔄 Try again"
	ContainersManage   = "⚙️ Manage"
	ContainersLogs     = "📜 Logs"
	ContainersGone     = "This container is not there any more."
	ContainersBackList = "⬅️ Back to the list"
	ContainersCreated  = ", created "

	DockerHeading    = "🐳 Docker"
	DockerContainers = "📦 Containers"
)

// Names of fields of the Docker section.
const (
	DockerTotal     = "Containers"
	DockerRunning   = "Running"
	DockerPaused    = "Paused"
	DockerStopped   = "Stopped"
	DockerImages    = "Images"
	DockerEngine    = "Engine"
	DockerAPI       = "API"
	DockerSystem    = "System"
	DockerStorage   = "Storage"
	DockerEndpoints = "Endpoints"
	DockerAnswered  = "Answered in"
)

// Names of fields of a container's page, and titles of its lists.
const (
	ContainerID        = "Id"
	ContainerImage     = "Image"
	ContainerProject   = "Project"
	ContainerCommand   = "Command"
	ContainerState     = "State"
	ContainerHealth    = "Health"
	ContainerCreated   = "Created"
	ContainerStarted   = "Started"
	ContainerEnded     = "Ended"
	ContainerRestarts  = "Restarts"
	ContainerExit      = "Exit code"
	ContainerOOM       = "Out of memory"
	ContainerOOMKilled = "killed by the kernel"
	ContainerError     = "Error"
	ContainerCPU       = "CPU"
	ContainerMemory    = "Memory"
	ContainerNetwork   = "Network"
	ContainerBlockIO   = "Block I/O"
	ContainerProcesses = "Processes and threads"
	ContainerPorts     = "Ports"
	ContainerLabels    = "Labels"
)

// ContainersOnHost names the endpoint behind a heading; nothing if there is only one.
func ContainersOnHost(host string) string {
	if host == "" {
		return ""
	}
	return " on " + host
}

// ContainersHeading stands over the list: of how many, on which host if there are
// several, on which of how many pages.
func ContainersHeading(total, running int, host string, page, pages int) string {
	if total == 0 {
		return "📦 There are no containers" + ContainersOnHost(host)
	}
	text := "📦 " + sdk.Count(total, "container") + ContainersOnHost(host) + ", " + strconv.Itoa(running) + " running"
	if pages > 1 {
		text += ", page " + strconv.Itoa(page) + " of " + strconv.Itoa(pages)
	}
	return text
}

// ContainersFile says what is in the file: rows of total containers.
func ContainersFile(rows, total int, host string) string {
	text := "📄 " + sdk.Count(rows, "container")
	if rows < total {
		text = "📄 The first " + strconv.Itoa(rows) + " of " + strconv.Itoa(total) + " containers: more do not fit into the file"
	}
	return text + ContainersOnHost(host)
}

// ContainerNoFigures says why there are none.
func ContainerNoFigures(reason string) string { return "No figures: " + reason }

// ContainerProcessor says of what 100 % is: percent is of one core.
func ContainerProcessor(percent float64, cores int) string {
	if cores > 1 {
		return sdk.Percent(percent) + " of one of " + sdk.Count(cores, "core")
	}
	return sdk.Percent(percent) + " of one core"
}

// ContainerOf is a part of a whole.
func ContainerOf(part, whole string) string { return part + " of " + whole }

// ContainerTraffic is what came in and what went out.
func ContainerTraffic(in, out string) string { return in + " in, " + out + " out" }

// ContainerBlocks is what was read and what was written.
func ContainerBlocks(read, written string) string { return read + " read, " + written + " written" }

// ContainerMore says how many lines are left out.
func ContainerMore(n int) string { return "and " + strconv.Itoa(n) + " more" }
