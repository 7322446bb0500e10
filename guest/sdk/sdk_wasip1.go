//go:build wasip1

package sdk

import (
	"runtime"
	"unsafe"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Host is the way to everything outside the sandbox. It is handed to every
// handler.
type Host struct{}

// operation is an import of the host: request in; code and length out.
type operation = func(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam request_read
func requestRead(ptr unsafe.Pointer, capacity uint32) int32

//go:wasmimport cofferdam reply_write
func replyWrite(ptr unsafe.Pointer, length uint32) int32

//go:wasmimport cofferdam result_read
func resultRead(ptr unsafe.Pointer, capacity uint32) int32

//go:wasmimport cofferdam log
func hostLog(level int32, ptr unsafe.Pointer, length uint32)

//go:wasmimport cofferdam progress
func hostProgress(ptr unsafe.Pointer, length uint32)

//go:wasmimport cofferdam docker_container_list_v1
func dockerContainerListV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_container_inspect_v1
func dockerContainerInspectV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_container_stats_v1
func dockerContainerStatsV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_container_start_v1
func dockerContainerStartV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_container_stop_v1
func dockerContainerStopV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_container_restart_v1
func dockerContainerRestartV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_container_pause_v1
func dockerContainerPauseV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_container_unpause_v1
func dockerContainerUnpauseV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_container_kill_v1
func dockerContainerKillV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_container_remove_v1
func dockerContainerRemoveV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_info_v1
func dockerInfoV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_hosts_v1
func dockerHostsV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam metrics_host_v1
func metricsHostV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam metrics_cpu_v1
func metricsCPUV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam metrics_memory_v1
func metricsMemoryV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam metrics_disk_v1
func metricsDiskV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam metrics_sensors_v1
func metricsSensorsV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam metrics_processes_v1
func metricsProcessesV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam metrics_users_v1
func metricsUsersV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam bot_modules_v1
func botModulesV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_container_rename_v1
func dockerContainerRenameV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_container_logs_v1
func dockerContainerLogsV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_container_runtime_v1
func dockerContainerRuntimeV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_container_env_v1
func dockerContainerEnvV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_container_history_v1
func dockerContainerHistoryV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_image_list_v1
func dockerImageListV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_image_inspect_v1
func dockerImageInspectV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_image_history_v1
func dockerImageHistoryV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam docker_image_updates_v1
func dockerImageUpdatesV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam metrics_disk_io_v1
func metricsDiskIOV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam metrics_network_v1
func metricsNetworkV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam metrics_pressure_v1
func metricsPressureV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam metrics_history_v1
func metricsHistoryV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam bot_health_v1
func botHealthV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam bot_release_v1
func botReleaseV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam http_fetch_v1
func httpFetchV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam http_grants_v1
func httpGrantsV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam kv_get_v1
func kvGetV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam kv_put_v1
func kvPutV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam kv_delete_v1
func kvDeleteV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam kv_list_v1
func kvListV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam notify_v1
func notifyV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam bot_modules_pending_v1
func botModulesPendingV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam bot_module_approve_v1
func botModuleApproveV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam bot_module_refuse_v1
func botModuleRefuseV1(ptr unsafe.Pointer, length uint32) int64

//go:wasmimport cofferdam bot_module_revoke_v1
func botModuleRevokeV1(ptr unsafe.Pointer, length uint32) int64

var served Module

// Serve says what the module does. Call it from an init function: a reactor's
// main is never run.
func Serve(m Module) {
	served = m
	setRoomAside()
}

// setRoomAside lets the heap grow now to what a request may need. The host keeps
// the module as it is after its start and begins each request there; memory
// cannot shrink, so an instance that grows serves one request only. What is set
// aside is zeros, which take no memory until they are written.
func setRoomAside() {
	room = make([]byte, 4<<20)
	room = nil
	runtime.GC()
}

// room is a variable of the package, so that the compiler cannot do without it.
var room []byte

//go:wasmexport cofferdam_handle
func handle(length int32) int32 {
	request := make([]byte, length)
	if n := requestRead(unsafe.Pointer(unsafe.SliceData(request)), uint32(length)); n != length {
		return int32(abi.Internal)
	}
	reply, code := served.serve(Host{}, request)
	if len(reply) > 0 {
		if refused := replyWrite(unsafe.Pointer(unsafe.SliceData(reply)), uint32(len(reply))); refused != 0 {
			return refused
		}
	}
	return int32(code)
}

// Log writes a line to the host's log, cut and cleaned by the host.
func (Host) Log(level int32, line string) {
	hostLog(level, unsafe.Pointer(unsafe.StringData(line)), uint32(len(line)))
}

// Progress tells the user, if there is one who has to wait, what is under way:
// one line such as "Restarting web".
func (Host) Progress(line string) {
	hostProgress(unsafe.Pointer(unsafe.StringData(line)), uint32(len(line)))
}

func (Host) call(op operation, request []byte) (abi.Code, []byte) {
	code, length := abi.Unpack(op(unsafe.Pointer(unsafe.SliceData(request)), uint32(len(request))))
	answer := make([]byte, length)
	if n := resultRead(unsafe.Pointer(unsafe.SliceData(answer)), length); n != int32(length) {
		return abi.Internal, nil
	}
	return code, answer
}
