package sdk

import "github.com/cofferdam-bot/cofferdam/guest/abi"

// Each method below is one operation of the host. The linker drops the imports
// of those that a module does not use, so a module's import section lists
// exactly what it can do.

// Containers lists containers, running ones first. It needs the capability
// docker.containers.list.
func (h Host) Containers(q abi.ContainerQuery) (abi.ContainerList, error) {
	return invoke[abi.ContainerList](h, dockerContainerListV1, q)
}

// Container describes one container. It needs docker.containers.inspect.
func (h Host) Container(ref abi.ContainerRef) (abi.ContainerDetails, error) {
	return invoke[abi.ContainerDetails](h, dockerContainerInspectV1, ref)
}

// ContainerStats measures one running container. It needs
// docker.containers.stats.
func (h Host) ContainerStats(ref abi.ContainerRef) (abi.ContainerStats, error) {
	return invoke[abi.ContainerStats](h, dockerContainerStatsV1, ref)
}

// StartContainer starts a container. It needs docker.containers.start; like
// every method below that acts, it needs a user who is an admin with a live
// session, for which the host asks by itself: this invocation ends, and the
// command is run again afterwards.
func (h Host) StartContainer(ref abi.ContainerRef) (abi.ContainerDone, error) {
	return invoke[abi.ContainerDone](h, dockerContainerStartV1, ref)
}

// StopContainer asks a container to end, and gives it its time. It needs
// docker.containers.stop, and a tap with which the user confirms it.
func (h Host) StopContainer(ref abi.ContainerRef) (abi.ContainerDone, error) {
	return invoke[abi.ContainerDone](h, dockerContainerStopV1, ref)
}

// RestartContainer stops and starts a container. It needs
// docker.containers.restart, and a tap with which the user confirms it.
func (h Host) RestartContainer(ref abi.ContainerRef) (abi.ContainerDone, error) {
	return invoke[abi.ContainerDone](h, dockerContainerRestartV1, ref)
}

// PauseContainer freezes the processes of a container. It needs
// docker.containers.pause.
func (h Host) PauseContainer(ref abi.ContainerRef) (abi.ContainerDone, error) {
	return invoke[abi.ContainerDone](h, dockerContainerPauseV1, ref)
}

// UnpauseContainer lets them go on. It needs docker.containers.unpause.
func (h Host) UnpauseContainer(ref abi.ContainerRef) (abi.ContainerDone, error) {
	return invoke[abi.ContainerDone](h, dockerContainerUnpauseV1, ref)
}

// KillContainer ends a container at once. It needs docker.containers.kill,
// and a tap with which the user confirms it.
func (h Host) KillContainer(ref abi.ContainerRef) (abi.ContainerDone, error) {
	return invoke[abi.ContainerDone](h, dockerContainerKillV1, ref)
}

// RemoveContainer removes a container that does not run; its volumes stay. It
// needs docker.containers.remove, and a tap with which the user confirms it.
func (h Host) RemoveContainer(ref abi.ContainerRef) (abi.ContainerDone, error) {
	return invoke[abi.ContainerDone](h, dockerContainerRemoveV1, ref)
}

// Docker describes the engine. It needs docker.info.
func (h Host) Docker(q abi.DockerQuery) (abi.DockerInfo, error) {
	return invoke[abi.DockerInfo](h, dockerInfoV1, q)
}

// DockerHosts names the configured endpoints, at once and even if no engine
// answers. It needs docker.info.
func (h Host) DockerHosts() (abi.DockerHosts, error) {
	return invoke[abi.DockerHosts](h, dockerHostsV1, abi.DockerQuery{})
}

// Machine describes the machine. It needs metrics.host.
func (h Host) Machine(q abi.MetricsQuery) (abi.HostInfo, error) {
	return invoke[abi.HostInfo](h, metricsHostV1, q)
}

// CPU measures the processors. It needs metrics.cpu.
func (h Host) CPU(q abi.MetricsQuery) (abi.CPUInfo, error) {
	return invoke[abi.CPUInfo](h, metricsCPUV1, q)
}

// Memory reads memory and swap. It needs metrics.memory.
func (h Host) Memory(q abi.MetricsQuery) (abi.MemoryInfo, error) {
	return invoke[abi.MemoryInfo](h, metricsMemoryV1, q)
}

// Disk reads the file systems. It needs metrics.disk.
func (h Host) Disk(q abi.MetricsQuery) (abi.DiskInfo, error) {
	return invoke[abi.DiskInfo](h, metricsDiskV1, q)
}

// Sensors reads temperatures. It needs metrics.sensors.
func (h Host) Sensors(q abi.MetricsQuery) (abi.SensorInfo, error) {
	return invoke[abi.SensorInfo](h, metricsSensorsV1, q)
}

// Processes counts processes and lists the busiest. It needs
// metrics.processes.
func (h Host) Processes(q abi.ProcessQuery) (abi.ProcessInfo, error) {
	return invoke[abi.ProcessInfo](h, metricsProcessesV1, q)
}

// Users lists who is logged in. It needs metrics.users.
func (h Host) Users(q abi.MetricsQuery) (abi.UserInfo, error) {
	return invoke[abi.UserInfo](h, metricsUsersV1, q)
}

// Bot describes the bot as the asking user sees it. It needs bot.modules.
func (h Host) Bot() (abi.BotInfo, error) {
	return invoke[abi.BotInfo](h, botModulesV1, abi.BotQuery{})
}

// invoke performs an operation. Its error is always an [*Error].
func invoke[R any](h Host, op operation, query any) (R, error) {
	var result R
	request, err := encode(query)
	if err != nil {
		return result, &Error{Code: abi.Invalid, Message: "The request could not be encoded."}
	}
	code, answer := h.call(op, request)
	if code != abi.OK {
		refusal := &Error{}
		if decode(answer, refusal) != nil || refusal.Message == "" {
			refusal.Message = "The host refused this."
		}
		refusal.Code = code
		return result, refusal
	}
	if err := decode(answer, &result); err != nil {
		return result, &Error{Code: abi.Internal, Message: "The host's answer could not be read."}
	}
	return result, nil
}
