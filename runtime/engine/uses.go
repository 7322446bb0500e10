package engine

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
)

// Uses scans a file as [Engine.Load] does and returns the operations that it
// imports, whether they are granted or not. The error says why no engine would
// run it.
func Uses(wasm []byte, limits Limits, operations []hostcall.Operation) ([]hostcall.Operation, error) {
	if err := checkLimits(limits); err != nil {
		return nil, err
	}
	file, err := scan(wasm, limits)
	if err != nil {
		return nil, err
	}
	all := map[string]hostcall.Operation{}
	for _, op := range operations {
		all[op.Import] = op
	}
	if err := admit(file, operations, all); err != nil {
		return nil, err
	}
	var used []hostcall.Operation
	seen := map[string]bool{}
	for _, i := range file.Imports {
		if op, ok := all[i.Name]; ok && i.Module == abi.ImportModule && !seen[i.Name] {
			seen[i.Name] = true
			used = append(used, op)
		}
	}
	return used, nil
}
