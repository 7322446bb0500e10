//go:build !wasip1

package sdk

import (
	"encoding/json"
	"errors"
	"sync"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Host is the way to everything outside the sandbox. It is handed to every
// handler. Natively it leads to a [Backend]; the zero Host refuses every call.
type Host struct{ backend Backend }

// Backend stands in for the host where a module is compiled natively: op is
// the import's name, request and answer are the JSON of the ABI.
type Backend interface {
	Call(op string, request []byte) (abi.Code, []byte)
	Log(level int32, line string)
}

// NativeHost returns a Host whose calls go to b.
func NativeHost(b Backend) Host { return Host{backend: b} }

// operation is an import's name.
type operation = string

const (
	dockerContainerListV1    operation = abi.OpContainerList
	dockerContainerInspectV1 operation = abi.OpContainerInspect
	dockerContainerStatsV1   operation = abi.OpContainerStats
	dockerContainerStartV1   operation = abi.OpContainerStart
	dockerContainerStopV1    operation = abi.OpContainerStop
	dockerContainerRestartV1 operation = abi.OpContainerRestart
	dockerContainerPauseV1   operation = abi.OpContainerPause
	dockerContainerUnpauseV1 operation = abi.OpContainerUnpause
	dockerContainerKillV1    operation = abi.OpContainerKill
	dockerContainerRemoveV1  operation = abi.OpContainerRemove
	dockerInfoV1             operation = abi.OpDockerInfo
	dockerHostsV1            operation = abi.OpDockerHosts
	metricsHostV1            operation = abi.OpMetricsHost
	metricsCPUV1             operation = abi.OpMetricsCPU
	metricsMemoryV1          operation = abi.OpMetricsMemory
	metricsDiskV1            operation = abi.OpMetricsDisk
	metricsSensorsV1         operation = abi.OpMetricsSensors
	metricsProcessesV1       operation = abi.OpMetricsProcesses
	metricsUsersV1           operation = abi.OpMetricsUsers
	botModulesV1             operation = abi.OpBotModules
	dockerContainerRenameV1  operation = abi.OpContainerRename
	dockerContainerLogsV1    operation = abi.OpContainerLogs
	dockerContainerRuntimeV1 operation = abi.OpContainerRuntime
	dockerContainerEnvV1     operation = abi.OpContainerEnv
	dockerContainerHistoryV1 operation = abi.OpContainerHistory
	dockerImageListV1        operation = abi.OpImageList
	dockerImageInspectV1     operation = abi.OpImageInspect
	dockerImageHistoryV1     operation = abi.OpImageHistory
	dockerImageUpdatesV1     operation = abi.OpImageUpdates
	metricsDiskIOV1          operation = abi.OpMetricsDiskIO
	metricsNetworkV1         operation = abi.OpMetricsNetwork
	metricsPressureV1        operation = abi.OpMetricsPressure
	metricsHistoryV1         operation = abi.OpMetricsHistory
	botHealthV1              operation = abi.OpBotHealth
	botReleaseV1             operation = abi.OpBotRelease
	httpFetchV1              operation = abi.OpHTTPFetch
	httpGrantsV1             operation = abi.OpHTTPGrants
	kvGetV1                  operation = abi.OpKVGet
	kvPutV1                  operation = abi.OpKVPut
	kvDeleteV1               operation = abi.OpKVDelete
	kvListV1                 operation = abi.OpKVList
	notifyV1                 operation = abi.OpNotify
	botModulesPendingV1      operation = abi.OpModulesPending
	botModuleApproveV1       operation = abi.OpModuleApprove
	botModuleRefuseV1        operation = abi.OpModuleRefuse
	botModuleRevokeV1        operation = abi.OpModuleRevoke
)

// Serve says what the module does. Natively it does nothing: a test calls
// [Module.Handle] itself.
func Serve(Module) {}

// ServeJSON runs one request as the sandbox would, from JSON to JSON.
func (m Module) ServeJSON(host Host, request []byte) ([]byte, abi.Code) {
	return m.serve(host, request)
}

// Log writes a line to the backend's log.
func (h Host) Log(level int32, line string) {
	if h.backend != nil {
		h.backend.Log(level, line)
	}
}

// Progress tells the user, if there is one who has to wait, what is under way:
// one line such as "Restarting web".
func (h Host) Progress(line string) {
	if watcher, ok := h.backend.(interface{ Progress(line string) }); ok {
		watcher.Progress(line)
	}
}

func (h Host) call(op operation, request []byte) (abi.Code, []byte) {
	if h.backend == nil {
		return abi.Denied, nil
	}
	return h.backend.Call(op, request)
}

// Fake is a [Backend] for tests. An operation without an answer is denied, as
// one without a grant would be.
type Fake struct {
	mu      sync.Mutex
	answers map[string]func([]byte) (any, error)
	calls   []string
	log     []string
	steps   []string
}

// NewFake returns a Fake that denies everything.
func NewFake() *Fake { return &Fake{answers: map[string]func([]byte) (any, error){}} }

// A fake reads and writes JSON as the host does, with encoding/json, so that
// each test of a module tests the codecs as well.

// Answer lets an operation, one of the Op constants of package abi, be
// answered by f. An [*Error] from f reaches the module as it is.
func Answer[Q, R any](fake *Fake, op string, f func(Q) (R, error)) {
	fake.mu.Lock()
	defer fake.mu.Unlock()
	fake.answers[op] = func(request []byte) (any, error) {
		var query Q
		if err := json.Unmarshal(request, &query); err != nil {
			return nil, err
		}
		return f(query)
	}
}

// Host returns a Host whose calls the fake answers.
func (f *Fake) Host() Host { return NativeHost(f) }

// Calls returns the operations that were called, in order.
func (f *Fake) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.calls...)
}

// Lines returns what was logged.
func (f *Fake) Lines() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.log...)
}

// Call implements [Backend].
func (f *Fake) Call(op string, request []byte) (abi.Code, []byte) {
	f.mu.Lock()
	answer, ok := f.answers[op]
	f.calls = append(f.calls, op)
	f.mu.Unlock()
	if !ok {
		return abi.Denied, []byte(`{"code":1,"message":"This module may not do that."}`)
	}
	result, err := answer(request)
	if err != nil {
		refusal := &Error{Code: abi.Internal, Message: err.Error()}
		errors.As(err, &refusal)
		return refusal.Code, mustEncode(refusal)
	}
	return abi.OK, mustEncode(result)
}

// Progress takes what a user would be shown, for [Fake.Steps].
func (f *Fake) Progress(line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.steps = append(f.steps, line)
}

// Steps returns the lines of progress.
func (f *Fake) Steps() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string(nil), f.steps...)
}

// Log implements [Backend].
func (f *Fake) Log(_ int32, line string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.log = append(f.log, line)
}

// mustEncode encodes what a test made itself.
func mustEncode(v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("sdk: a fake's answer cannot be encoded: " + err.Error())
	}
	return data
}
