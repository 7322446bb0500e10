package engine

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/vetting"
)

// inspect reads the module's file, and holds it against the scan, the ABI and the
// grant.
func (m *Module) inspect() error {
	wasm, err := m.file.bytes()
	if err != nil {
		return err
	}
	file, err := scan(wasm, m.limits)
	if err != nil {
		return err
	}
	if err := admit(file, m.engine.operations, m.granted); err != nil {
		return err
	}
	m.admitted.Store(true)
	return nil
}

// scan is the first look at a file, before anything else reads it.
func scan(wasm []byte, limits Limits) (*vetting.File, error) {
	file, err := vetting.Scan(wasm, vetting.Limits{MemoryPages: uint32(limits.Memory / pageSize)})
	if err != nil {
		return nil, fmt.Errorf("scan: %w", err)
	}
	return file, nil
}

// always is the imports that need no grant.
var always = []string{abi.ImportRequestRead, abi.ImportReplyWrite, abi.ImportResultRead, abi.ImportLog, abi.ImportProgress}

// admit holds a module's imports and exports against the ABI and its grant.
// The error names every import that may not be there.
func admit(file *vetting.File, operations []hostcall.Operation, granted map[string]hostcall.Operation) error {
	var faults []error
	for _, i := range file.Imports {
		if err := admitImport(i.Module, i.Name, operations, granted); err != nil {
			faults = append(faults, err)
		}
	}
	exports := map[string]vetting.Export{}
	for _, e := range file.Exports {
		exports[e.Name] = e
	}
	if memory, ok := exports[abi.ExportMemory]; !ok || memory.Kind != vetting.KindMemory {
		faults = append(faults, fmt.Errorf("it does not export %q", abi.ExportMemory))
	}
	i32 := []vetting.ValueType{vetting.I32}
	if handle, ok := exports[abi.ExportHandle]; !ok || !isOwn(file, handle, i32, i32) {
		faults = append(faults, fmt.Errorf("it does not export %s(i32) -> i32", abi.ExportHandle))
	}
	if start, ok := exports[abi.ExportInitialize]; ok && !isOwn(file, start, nil, nil) {
		faults = append(faults, fmt.Errorf("its %s is not a function without parameters and results", abi.ExportInitialize))
	}
	return errors.Join(faults...)
}

func admitImport(module, name string, operations []hostcall.Operation, granted map[string]hostcall.Operation) error {
	switch module {
	case wasiModule:
		if _, ok := wasiFunctions[name]; ok || name == wasiExit {
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

// isOwn reports whether an export is a function of that type and the module's
// own: an import that is exported again would be called without a guest around
// it.
func isOwn(file *vetting.File, e vetting.Export, params, results []vetting.ValueType) bool {
	if e.Kind != vetting.KindFunction || int(e.Index) < file.ImportedFunctions {
		return false
	}
	t := file.Types[file.Bodies[int(e.Index)-file.ImportedFunctions].Type]
	return bytes.Equal(t.Params, params) && bytes.Equal(t.Results, results)
}
