package engine

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/vetting"
)

// Anatomy is what a file asks of its host, and offers it.
type Anatomy struct {
	// Imports and Exports are in the file's order, each once. The names are foreign.
	Imports []Import
	Exports []string
	// Memory is how large the memory is from the start, in bytes.
	Memory int64
}

// Import is a function that the host has to give.
type Import struct {
	Module, Name string
	// Needs is the capability of an operation; empty: it needs none.
	Needs capability.Name
}

// Uses returns the capabilities that the imports need, each once.
func (a Anatomy) Uses() map[capability.Name]bool {
	uses := map[capability.Name]bool{}
	for _, i := range a.Imports {
		if i.Needs != "" {
			uses[i.Needs] = true
		}
	}
	return uses
}

// Dissect scans a file as [Engine.Load] does, and runs nothing of it. Its error says
// why no host would run the file, whatever it grants. The Anatomy is there with an
// error too, unless the file is no module at all.
func Dissect(wasm []byte, limits Limits, operations []hostcall.Operation) (Anatomy, error) {
	file, err := scan(wasm, limits)
	if err != nil {
		return Anatomy{}, err
	}
	all := map[string]hostcall.Operation{}
	for _, op := range operations {
		all[op.Import] = op
	}
	return anatomyOf(file, all), errors.Join(admit(file, operations, all), importsFit(file, all))
}

// importsFit returns an error for each import of the ABI's with another type than it is
// linked with, which only an attempt to load the file would tell.
func importsFit(file *vetting.File, operations map[string]hostcall.Operation) error {
	const i32, i64 = vetting.I32, vetting.I64
	one, two := []vetting.ValueType{i32}, []vetting.ValueType{i32, i32}
	types := map[string]vetting.Type{
		abi.ImportRequestRead: {Params: two, Results: one}, abi.ImportReplyWrite: {Params: two, Results: one}, abi.ImportResultRead: {Params: two, Results: one},
		abi.ImportLog: {Params: []vetting.ValueType{i32, i32, i32}}, abi.ImportProgress: {Params: two},
	}
	for name := range operations {
		types[name] = vetting.Type{Params: two, Results: []vetting.ValueType{i64}}
	}
	var faults []error
	for _, i := range file.Imports {
		want, ok := types[i.Name]
		if got := file.Types[i.Type]; ok && i.Module == abi.ImportModule && (!bytes.Equal(got.Params, want.Params) || !bytes.Equal(got.Results, want.Results)) {
			faults = append(faults, fmt.Errorf("it imports %s with parameters and results that are not the operation's", i.Name))
		}
	}
	return errors.Join(faults...)
}

func anatomyOf(file *vetting.File, operations map[string]hostcall.Operation) Anatomy {
	a := Anatomy{Memory: int64(file.Memories[0].Min) * pageSize}
	seen := map[Import]bool{}
	for _, i := range file.Imports {
		found := Import{Module: i.Module, Name: i.Name}
		if i.Module == abi.ImportModule {
			found.Needs = operations[i.Name].Capability
		}
		if !seen[found] {
			seen[found] = true
			a.Imports = append(a.Imports, found)
		}
	}
	for _, e := range file.Exports {
		a.Exports = append(a.Exports, e.Name)
	}
	return a
}
