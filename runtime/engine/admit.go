package engine

import (
	"errors"
	"fmt"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
)

const wasiModule = "wasi_snapshot_preview1"

// wasiFunctions is all that a Go, C or Rust guest needs of WASI. None of them
// reaches a file, an address or an environment variable: there are none. Go's
// crypto/rand links fd_read; there is nothing to read but an empty stdin.
var wasiFunctions = []string{
	"args_get", "args_sizes_get", "clock_res_get", "clock_time_get", "environ_get", "environ_sizes_get",
	"fd_close", "fd_fdstat_get", "fd_fdstat_set_flags", "fd_prestat_get", "fd_prestat_dir_name", "fd_read", "fd_seek", "fd_write",
	"poll_oneoff", "proc_exit", "random_get", "sched_yield",
}

// always is the imports that need no grant.
var always = []string{abi.ImportRequestRead, abi.ImportReplyWrite, abi.ImportResultRead, abi.ImportLog}

// admit holds a module's imports and exports against the ABI and its grant.
// The error names every import that may not be there.
func admit(compiled wazero.CompiledModule, operations []hostcall.Operation, granted map[string]hostcall.Operation) error {
	var faults []error
	for _, f := range compiled.ImportedFunctions() {
		module, name, _ := f.Import()
		if err := admitImport(module, name, operations, granted); err != nil {
			faults = append(faults, err)
		}
	}
	if len(compiled.ImportedMemories()) > 0 {
		faults = append(faults, errors.New("it imports a memory: it must bring its own"))
	}
	if _, ok := compiled.ExportedMemories()[abi.ExportMemory]; !ok {
		faults = append(faults, fmt.Errorf("it does not export %q", abi.ExportMemory))
	}
	i32 := []api.ValueType{api.ValueTypeI32}
	if handle := compiled.ExportedFunctions()[abi.ExportHandle]; !isOwn(handle, i32, i32) {
		faults = append(faults, fmt.Errorf("it does not export %s(i32) -> i32", abi.ExportHandle))
	}
	if start, ok := compiled.ExportedFunctions()[abi.ExportInitialize]; ok && !isOwn(start, nil, nil) {
		faults = append(faults, fmt.Errorf("its %s is not a function without parameters and results", abi.ExportInitialize))
	}
	return errors.Join(faults...)
}

func admitImport(module, name string, operations []hostcall.Operation, granted map[string]hostcall.Operation) error {
	switch module {
	case wasiModule:
		if slices.Contains(wasiFunctions, name) {
			return nil
		}
	case abi.ImportModule:
		if _, ok := granted[name]; ok || slices.Contains(always, name) {
			return nil
		}
		for _, op := range operations {
			if op.Import == name {
				return fmt.Errorf("it imports %s without a grant of %s", name, op.Capability)
			}
		}
	}
	return fmt.Errorf("it imports %q of %q, which does not exist here", name, module)
}

// isOwn reports whether a function of that type is there and is the module's
// own: an import that is exported again would be called without a guest around
// it.
func isOwn(f api.FunctionDefinition, params, results []api.ValueType) bool {
	if f == nil {
		return false
	}
	_, _, imported := f.Import()
	return !imported && slices.Equal(f.ParamTypes(), params) && slices.Equal(f.ResultTypes(), results)
}
