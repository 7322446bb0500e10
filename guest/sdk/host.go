package sdk

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk/internal/jsonwire"
)

// Each method below is one operation of the host. The linker drops the imports
// of those that a module does not use, so a module's import section lists
// exactly what it can do.

// Containers lists containers, running ones first. It needs the capability
// docker.containers.list.
func (h Host) Containers(q abi.ContainerQuery) (list abi.ContainerList, err error) {
	err = invoke(h, dockerContainerListV1, writeContainerQuery, &q, readContainerList, &list)
	return list, err
}

// Container describes one container. It needs docker.containers.inspect.
func (h Host) Container(ref abi.ContainerRef) (details abi.ContainerDetails, err error) {
	err = invoke(h, dockerContainerInspectV1, writeContainerRef, &ref, readContainerDetails, &details)
	return details, err
}

// ContainerStats measures one running container. It needs
// docker.containers.stats.
func (h Host) ContainerStats(ref abi.ContainerRef) (stats abi.ContainerStats, err error) {
	err = invoke(h, dockerContainerStatsV1, writeContainerRef, &ref, readContainerStats, &stats)
	return stats, err
}

// StartContainer starts a container. It needs docker.containers.start; like
// every method below that acts, it needs a user who is an admin with a live
// session, for which the host asks by itself: this invocation ends, and the
// command is run again afterwards.
func (h Host) StartContainer(ref abi.ContainerRef) (done abi.ContainerDone, err error) {
	err = invoke(h, dockerContainerStartV1, writeContainerRef, &ref, readContainerDone, &done)
	return done, err
}

// StopContainer asks a container to end, and gives it its time. It needs
// docker.containers.stop, and a tap with which the user confirms it.
func (h Host) StopContainer(ref abi.ContainerRef) (done abi.ContainerDone, err error) {
	err = invoke(h, dockerContainerStopV1, writeContainerRef, &ref, readContainerDone, &done)
	return done, err
}

// RestartContainer stops and starts a container. It needs
// docker.containers.restart, and a tap with which the user confirms it.
func (h Host) RestartContainer(ref abi.ContainerRef) (done abi.ContainerDone, err error) {
	err = invoke(h, dockerContainerRestartV1, writeContainerRef, &ref, readContainerDone, &done)
	return done, err
}

// PauseContainer freezes the processes of a container. It needs
// docker.containers.pause.
func (h Host) PauseContainer(ref abi.ContainerRef) (done abi.ContainerDone, err error) {
	err = invoke(h, dockerContainerPauseV1, writeContainerRef, &ref, readContainerDone, &done)
	return done, err
}

// UnpauseContainer lets them go on. It needs docker.containers.unpause.
func (h Host) UnpauseContainer(ref abi.ContainerRef) (done abi.ContainerDone, err error) {
	err = invoke(h, dockerContainerUnpauseV1, writeContainerRef, &ref, readContainerDone, &done)
	return done, err
}

// KillContainer ends a container at once. It needs docker.containers.kill,
// and a tap with which the user confirms it.
func (h Host) KillContainer(ref abi.ContainerRef) (done abi.ContainerDone, err error) {
	err = invoke(h, dockerContainerKillV1, writeContainerRef, &ref, readContainerDone, &done)
	return done, err
}

// RemoveContainer removes a container that does not run; its volumes stay. It
// needs docker.containers.remove, and a tap with which the user confirms it.
func (h Host) RemoveContainer(ref abi.ContainerRef) (done abi.ContainerDone, err error) {
	err = invoke(h, dockerContainerRemoveV1, writeContainerRef, &ref, readContainerDone, &done)
	return done, err
}

// Docker describes the engine. It needs docker.info.
func (h Host) Docker(q abi.DockerQuery) (info abi.DockerInfo, err error) {
	err = invoke(h, dockerInfoV1, writeDockerQuery, &q, readDockerInfo, &info)
	return info, err
}

// DockerHosts names the configured endpoints, at once and even if no engine
// answers. It needs docker.info.
func (h Host) DockerHosts() (hosts abi.DockerHosts, err error) {
	err = invoke(h, dockerHostsV1, writeDockerQuery, &abi.DockerQuery{}, readDockerHosts, &hosts)
	return hosts, err
}

// Machine describes the machine. It needs metrics.host.
func (h Host) Machine(q abi.MetricsQuery) (info abi.HostInfo, err error) {
	err = invoke(h, metricsHostV1, writeMetricsQuery, &q, readHostInfo, &info)
	return info, err
}

// CPU measures the processors. It needs metrics.cpu.
func (h Host) CPU(q abi.MetricsQuery) (info abi.CPUInfo, err error) {
	err = invoke(h, metricsCPUV1, writeMetricsQuery, &q, readCPUInfo, &info)
	return info, err
}

// Memory reads memory and swap. It needs metrics.memory.
func (h Host) Memory(q abi.MetricsQuery) (info abi.MemoryInfo, err error) {
	err = invoke(h, metricsMemoryV1, writeMetricsQuery, &q, readMemoryInfo, &info)
	return info, err
}

// Disk reads the file systems. It needs metrics.disk.
func (h Host) Disk(q abi.MetricsQuery) (info abi.DiskInfo, err error) {
	err = invoke(h, metricsDiskV1, writeMetricsQuery, &q, readDiskInfo, &info)
	return info, err
}

// Sensors reads temperatures. It needs metrics.sensors.
func (h Host) Sensors(q abi.MetricsQuery) (info abi.SensorInfo, err error) {
	err = invoke(h, metricsSensorsV1, writeMetricsQuery, &q, readSensorInfo, &info)
	return info, err
}

// Processes counts processes and lists the busiest. It needs
// metrics.processes.
func (h Host) Processes(q abi.ProcessQuery) (info abi.ProcessInfo, err error) {
	err = invoke(h, metricsProcessesV1, writeProcessQuery, &q, readProcessInfo, &info)
	return info, err
}

// Users lists who is logged in. It needs metrics.users.
func (h Host) Users(q abi.MetricsQuery) (info abi.UserInfo, err error) {
	err = invoke(h, metricsUsersV1, writeMetricsQuery, &q, readUserInfo, &info)
	return info, err
}

// Bot describes the bot as the asking user sees it. It needs bot.modules.
func (h Host) Bot() (info abi.BotInfo, err error) {
	err = invoke(h, botModulesV1, writeBotQuery, &abi.BotQuery{}, readBotInfo, &info)
	return info, err
}

// RenameContainer gives a container another name. It needs
// docker.containers.rename.
func (h Host) RenameContainer(q abi.ContainerRename) (done abi.ContainerDone, err error) {
	err = invoke(h, dockerContainerRenameV1, writeContainerRename, &q, readContainerDone, &done)
	return done, err
}

// Logs reads a part of a container's log. It needs docker.containers.logs, and a
// user with a live session, for which the host asks by itself.
func (h Host) Logs(q abi.LogQuery) (page abi.LogPage, err error) {
	err = invoke(h, dockerContainerLogsV1, writeLogQuery, &q, readLogPage, &page)
	return page, err
}

// ContainerRuntime tells mounts, networks, limits and security options. It needs
// docker.containers.runtime, and a user with a live session.
func (h Host) ContainerRuntime(ref abi.ContainerRef) (info abi.ContainerRuntime, err error) {
	err = invoke(h, dockerContainerRuntimeV1, writeContainerRef, &ref, readContainerRuntime, &info)
	return info, err
}

// ContainerEnv reads the environment, with secrets masked. It needs
// docker.containers.env, and a user with a live session in a private chat.
func (h Host) ContainerEnv(ref abi.ContainerRef) (env abi.ContainerEnv, err error) {
	err = invoke(h, dockerContainerEnvV1, writeContainerRef, &ref, readContainerEnv, &env)
	return env, err
}

// ContainerHistory tells what was measured of a container before now. It needs
// docker.containers.stats.
func (h Host) ContainerHistory(q abi.ContainerHistoryQuery) (history abi.History, err error) {
	err = invoke(h, dockerContainerHistoryV1, writeContainerHistoryQuery, &q, readHistory, &history)
	return history, err
}

// Images lists images. It needs docker.images.list.
func (h Host) Images(q abi.ImageQuery) (list abi.ImageList, err error) {
	err = invoke(h, dockerImageListV1, writeImageQuery, &q, readImageList, &list)
	return list, err
}

// Image describes one image. It needs docker.images.inspect.
func (h Host) Image(ref abi.ImageRef) (details abi.ImageDetails, err error) {
	err = invoke(h, dockerImageInspectV1, writeImageRef, &ref, readImageDetails, &details)
	return details, err
}

// ImageHistory tells how an image was built. It needs docker.images.history.
func (h Host) ImageHistory(ref abi.ImageRef) (layers abi.ImageHistory, err error) {
	err = invoke(h, dockerImageHistoryV1, writeImageRef, &ref, readImageHistory, &layers)
	return layers, err
}

// ImageUpdates tells which images have newer versions at their registries. It
// needs docker.images.updates.
func (h Host) ImageUpdates(q abi.UpdateQuery) (report abi.UpdateReport, err error) {
	err = invoke(h, dockerImageUpdatesV1, writeUpdateQuery, &q, readUpdateReport, &report)
	return report, err
}

// DiskIO measures what the block devices do. It needs metrics.disk.
func (h Host) DiskIO(q abi.MetricsQuery) (info abi.DiskIOInfo, err error) {
	err = invoke(h, metricsDiskIOV1, writeMetricsQuery, &q, readDiskIOInfo, &info)
	return info, err
}

// Network reads the network interfaces, and counts connections. It needs
// metrics.network.
func (h Host) Network(q abi.MetricsQuery) (info abi.NetworkInfo, err error) {
	err = invoke(h, metricsNetworkV1, writeMetricsQuery, &q, readNetworkInfo, &info)
	return info, err
}

// Pressure tells how much work waits for processors, memory and disks. It needs
// metrics.host.
func (h Host) Pressure(q abi.MetricsQuery) (info abi.PressureInfo, err error) {
	err = invoke(h, metricsPressureV1, writeMetricsQuery, &q, readPressureInfo, &info)
	return info, err
}

// History tells what was measured of the machine before now. It needs
// metrics.history.
func (h Host) History(q abi.HistoryQuery) (history abi.History, err error) {
	err = invoke(h, metricsHistoryV1, writeHistoryQuery, &q, readHistory, &history)
	return history, err
}

// Health tells how the bot itself does. It needs bot.health.
func (h Host) Health() (info abi.BotHealth, err error) {
	err = invoke(h, botHealthV1, writeBotQuery, &abi.BotQuery{}, readBotHealth, &info)
	return info, err
}

// Release tells the newest release of the bot, if a feed is configured. It needs
// bot.health.
func (h Host) Release() (info abi.BotRelease, err error) {
	err = invoke(h, botReleaseV1, writeBotQuery, &abi.BotQuery{}, readBotRelease, &info)
	return info, err
}

// Fetch makes an HTTP request. It needs http.fetch for the address. A status
// such as 500 is no error.
func (h Host) Fetch(q abi.FetchRequest) (answer abi.FetchResponse, err error) {
	err = invoke(h, httpFetchV1, writeFetchRequest, &q, readFetchResponse, &answer)
	return answer, err
}

// FetchGrants tells for which addresses http.fetch is granted.
func (h Host) FetchGrants() (grants abi.FetchScope, err error) {
	err = invoke(h, httpGrantsV1, writeHTTPQuery, &abi.HTTPQuery{}, readFetchScope, &grants)
	return grants, err
}

// Get reads an entry of the module's own store. It needs kv, as all of the store's
// methods do. That there is none is no error.
func (h Host) Get(key string) (value abi.KVValue, err error) {
	err = invoke(h, kvGetV1, writeKVQuery, &abi.KVQuery{Key: key}, readKVValue, &value)
	return value, err
}

// Put keeps an entry in the module's own store.
func (h Host) Put(q abi.KVPut) (done abi.KVDone, err error) {
	err = invoke(h, kvPutV1, writeKVPut, &q, readKVDone, &done)
	return done, err
}

// Delete forgets an entry, if it is there.
func (h Host) Delete(key string) (done abi.KVDone, err error) {
	err = invoke(h, kvDeleteV1, writeKVQuery, &abi.KVQuery{Key: key}, readKVDone, &done)
	return done, err
}

// Keys lists the keys of the module's own store, in order.
func (h Host) Keys(q abi.KVListQuery) (keys abi.KVKeys, err error) {
	err = invoke(h, kvListV1, writeKVListQuery, &q, readKVKeys, &keys)
	return keys, err
}

// Notify tells something that nobody asked for. It needs notify for the place.
func (h Host) Notify(q abi.Notice) (queued abi.NoticeQueued, err error) {
	err = invoke(h, notifyV1, writeNotice, &q, readNoticeQueued, &queued)
	return queued, err
}

// PendingModules lists the files of the module folder that do not run. It needs
// bot.modules, and answers admins only.
func (h Host) PendingModules(q abi.PendingQuery) (pending abi.PendingList, err error) {
	err = invoke(h, botModulesPendingV1, writePendingQuery, &q, readPendingList, &pending)
	return pending, err
}

// ApproveModule lets a file run. It needs bot.modules.approve, which only modules
// inside the bot's own program can have, as RefuseModule and RevokeModule do.
func (h Host) ApproveModule(q abi.ModuleApproval) (done abi.ModuleDone, err error) {
	err = invoke(h, botModuleApproveV1, writeModuleApproval, &q, readModuleDone, &done)
	return done, err
}

// RefuseModule has a file never asked about again.
func (h Host) RefuseModule(q abi.ModuleRef) (done abi.ModuleDone, err error) {
	err = invoke(h, botModuleRefuseV1, writeModuleRef, &q, readModuleDone, &done)
	return done, err
}

// RevokeModule ends a module that was approved.
func (h Host) RevokeModule(q abi.ModuleRef) (done abi.ModuleDone, err error) {
	err = invoke(h, botModuleRevokeV1, writeModuleRef, &q, readModuleDone, &done)
	return done, err
}

// invoke performs an operation. Its error is always an [*Error]. Q and R are
// pointers, so that all operations share the code of one instance of it.
func invoke[Q, R any](h Host, op operation, write func(*jsonwire.Writer, Q), query Q, read func(*jsonwire.Reader, R), result R) error {
	request, err := encode(write, query)
	if err != nil {
		return &Error{Code: abi.Invalid, Message: "The request could not be encoded."}
	}
	code, answer := h.call(op, request)
	if code != abi.OK {
		return refusalOf(code, answer)
	}
	if err := decode(read, answer, result); err != nil {
		return &Error{Code: abi.Internal, Message: "The host's answer could not be read."}
	}
	return nil
}

// refusalOf is the error that the host answered with.
func refusalOf(code abi.Code, answer []byte) *Error {
	refusal := &Error{}
	if decode(readError, answer, refusal) != nil || refusal.Message == "" {
		refusal.Message = "The host refused this."
	}
	refusal.Code = code
	return refusal
}
