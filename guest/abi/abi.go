// Package abi is version 1 of the contract between the host and a module: the
// names of imports and exports, the JSON that crosses the boundary, the closed
// set of error codes, and the manifest that travels inside the module's file.
//
// It is shared by both sides and imports nothing of the project. Fields are
// only ever added; a reader ignores what it does not know.
package abi

// Version is the version of this contract. A manifest names the version that
// its module was built for.
const Version = 1

// ImportModule is the name under which the host offers its functions.
const ImportModule = "cofferdam"

// Exports of a guest.
const (
	// ExportHandle is `(len i32) -> i32`: handle one request of that length.
	// It returns 0, or a [Code] as a number.
	ExportHandle = "cofferdam_handle"
	// ExportInitialize is the reactor's start function; optional.
	ExportInitialize = "_initialize"
	// ExportMemory is the guest's one linear memory.
	ExportMemory = "memory"
)

// Imports that every guest may use.
const (
	ImportRequestRead = "request_read" // (ptr, cap i32) -> i32: copies the request, returns its length
	ImportReplyWrite  = "reply_write"  // (ptr, len i32) -> i32: hands over the reply, once; 0 or a Code
	ImportResultRead  = "result_read"  // (ptr, cap i32) -> i32: copies the last host call's result, returns its length
	ImportLog         = "log"          // (level, ptr, len i32): a line for the host's log
	// ImportProgress is `(ptr, len i32)`: one line that says what is under way,
	// such as "Restarting web". A user who has to wait is shown it.
	ImportProgress = "progress"
)

// Imports for operations, one for each operation; a guest may import one only
// if its manifest asks for the capability that covers it. All are
// `(ptr, len i32) -> i64`: the request's JSON in; a [Code] in the high half of
// the result and the length of the JSON that result_read returns in the low.
const (
	OpContainerList    = "docker_container_list_v1"    // ContainerQuery -> ContainerList
	OpContainerInspect = "docker_container_inspect_v1" // ContainerRef -> ContainerDetails
	OpContainerStats   = "docker_container_stats_v1"   // ContainerRef -> ContainerStats
	OpContainerStart   = "docker_container_start_v1"   // ContainerRef -> ContainerDone
	OpContainerStop    = "docker_container_stop_v1"    // ContainerRef -> ContainerDone
	OpContainerRestart = "docker_container_restart_v1" // ContainerRef -> ContainerDone
	OpContainerPause   = "docker_container_pause_v1"   // ContainerRef -> ContainerDone
	OpContainerUnpause = "docker_container_unpause_v1" // ContainerRef -> ContainerDone
	OpContainerKill    = "docker_container_kill_v1"    // ContainerRef -> ContainerDone
	OpContainerRemove  = "docker_container_remove_v1"  // ContainerRef -> ContainerDone
	OpContainerRename  = "docker_container_rename_v1"  // ContainerRename -> ContainerDone
	OpContainerLogs    = "docker_container_logs_v1"    // LogQuery -> LogPage
	OpContainerRuntime = "docker_container_runtime_v1" // ContainerRef -> ContainerRuntime
	OpContainerEnv     = "docker_container_env_v1"     // ContainerRef -> ContainerEnv
	OpContainerHistory = "docker_container_history_v1" // ContainerHistoryQuery -> History
	OpImageList        = "docker_image_list_v1"        // ImageQuery -> ImageList
	OpImageInspect     = "docker_image_inspect_v1"     // ImageRef -> ImageDetails
	OpImageHistory     = "docker_image_history_v1"     // ImageRef -> ImageHistory
	OpImageUpdates     = "docker_image_updates_v1"     // UpdateQuery -> UpdateReport
	OpDockerInfo       = "docker_info_v1"              // DockerQuery -> DockerInfo
	OpDockerHosts      = "docker_hosts_v1"             // DockerQuery -> DockerHosts
	OpMetricsHost      = "metrics_host_v1"             // MetricsQuery -> HostInfo
	OpMetricsCPU       = "metrics_cpu_v1"              // MetricsQuery -> CPUInfo
	OpMetricsMemory    = "metrics_memory_v1"           // MetricsQuery -> MemoryInfo
	OpMetricsDisk      = "metrics_disk_v1"             // MetricsQuery -> DiskInfo
	OpMetricsDiskIO    = "metrics_disk_io_v1"          // MetricsQuery -> DiskIOInfo
	OpMetricsNetwork   = "metrics_network_v1"          // MetricsQuery -> NetworkInfo
	OpMetricsPressure  = "metrics_pressure_v1"         // MetricsQuery -> PressureInfo
	OpMetricsHistory   = "metrics_history_v1"          // HistoryQuery -> History
	OpMetricsSensors   = "metrics_sensors_v1"          // MetricsQuery -> SensorInfo
	OpMetricsProcesses = "metrics_processes_v1"        // ProcessQuery -> ProcessInfo
	OpMetricsUsers     = "metrics_users_v1"            // MetricsQuery -> UserInfo
	OpBotModules       = "bot_modules_v1"              // BotQuery -> BotInfo
	OpBotHealth        = "bot_health_v1"               // BotQuery -> BotHealth
	OpBotRelease       = "bot_release_v1"              // BotQuery -> BotRelease
	OpHTTPFetch        = "http_fetch_v1"               // FetchRequest -> FetchResponse
	OpHTTPGrants       = "http_grants_v1"              // HTTPQuery -> FetchScope
	OpKVGet            = "kv_get_v1"                   // KVQuery -> KVValue
	OpKVPut            = "kv_put_v1"                   // KVPut -> KVDone
	OpKVDelete         = "kv_delete_v1"                // KVQuery -> KVDone
	OpKVList           = "kv_list_v1"                  // KVListQuery -> KVKeys
	OpNotify           = "notify_v1"                   // Notice -> NoticeQueued
	OpModulesPending   = "bot_modules_pending_v1"      // PendingQuery -> PendingList
	OpModuleApprove    = "bot_module_approve_v1"       // ModuleApproval -> ModuleDone
	OpModuleRefuse     = "bot_module_refuse_v1"        // ModuleRef -> ModuleDone
	OpModuleRevoke     = "bot_module_revoke_v1"        // ModuleRef -> ModuleDone
)

// Code says how an operation or a whole request ended. The set is closed: a
// number that is not in it is read as [Internal].
type Code int32

// The codes. Their numbers are part of the contract.
const (
	OK              Code = 0
	Denied          Code = 1  // the module, or the user, may not do this
	AuthRequired    Code = 2  // a 2FA session is needed
	ConfirmRequired Code = 3  // a confirming tap is needed
	NotFound        Code = 4  // the thing is not there (any more)
	Conflict        Code = 5  // the thing is in a state that forbids it
	Unavailable     Code = 6  // Docker or another service does not answer
	Timeout         Code = 7  // it took longer than allowed
	Limit           Code = 8  // over a quota
	Invalid         Code = 9  // the request makes no sense
	Internal        Code = 10 // a bug, on either side
)

var codeNames = [...]string{"ok", "denied", "auth_required", "confirm_required", "not_found", "conflict", "unavailable", "timeout", "limit", "invalid", "internal"}

// String returns the code's name as it stands in logs and metrics.
func (c Code) String() string {
	if c < 0 || int(c) >= len(codeNames) {
		return Internal.String()
	}
	return codeNames[c]
}

// Error is the JSON of a failed operation, and the error that the SDK returns.
type Error struct {
	Code Code `json:"code"`
	// Message is one plain sentence that may be shown to a user.
	Message string `json:"message"`
}

// Error returns code and sentence.
func (e *Error) Error() string { return e.Code.String() + ": " + e.Message }

// Pack puts a code and a result's length into the i64 of an operation.
func Pack(c Code, length uint32) int64 { return int64(uint64(uint32(c))<<32 | uint64(length)) }

// Unpack is the inverse of [Pack].
func Unpack(v int64) (Code, uint32) { return Code(uint32(uint64(v) >> 32)), uint32(uint64(v)) }

// Log levels of [ImportLog].
const (
	LogDebug int32 = 0
	LogInfo  int32 = 1
	LogWarn  int32 = 2
	LogError int32 = 3
)
