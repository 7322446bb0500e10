package engine

import (
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
	return anatomyOf(file, all), admit(file, operations, all)
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
