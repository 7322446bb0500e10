package engine

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

func TestDissect(t *testing.T) {
	g := guest{imports: []imported{requestReads, readsMemory, readsMemory, exits}, handle: i32(0)}
	got, err := Dissect(g.assemble(), quick(), operations(nil))
	want := []Import{
		{Module: abi.ImportModule, Name: abi.ImportRequestRead}, {Module: abi.ImportModule, Name: abi.OpMetricsMemory, Needs: capability.MetricsMemory},
		{Module: wasiModule, Name: "proc_exit"},
	}
	if err != nil || !slices.Equal(got.Imports, want) || got.Memory != pageSize || !slices.Contains(got.Exports, abi.ExportHandle) {
		t.Errorf("%+v, %v", got, err)
	}
	if uses := slices.Collect(maps.Keys(got.Uses())); !slices.Equal(uses, []capability.Name{capability.MetricsMemory}) {
		t.Errorf("it uses %v", uses)
	}
}

// What is said of a file without running it is what loading it would end with.
func TestDissectAgreesWithLoad(t *testing.T) {
	e := newEngine(t, "", operations(nil))
	for name, g := range map[string]guest{
		"sound":                 {imports: []imported{requestReads, replyWrites, resultReads, logs, readsMemory}, handle: i32(0)},
		"an import of nobody's": {imports: []imported{host("docker_exec_v1", "ii:I")}, handle: i32(0)},
		"an operation's type":   {imports: []imported{host(abi.OpMetricsMemory, "ii:i")}, handle: i32(0)},
		"the reply's type":      {imports: []imported{host(abi.ImportReplyWrite, "iii:i")}, handle: i32(0)},
		"no memory":             {memory: []byte{}, handle: i32(0)},
		"a start section":       {handle: i32(0), start: []byte{}},
		"the handler's type":    {handle: i32(0), types: map[string]string{"handle": "ii:i"}},
	} {
		wasm := g.assemble()
		_, said := Dissect(wasm, quick(), operations(nil))
		_, loaded := e.Load(t.Context(), Source{Name: "hostile", Wasm: wasm, Grant: memoryGrant(t), Limits: quick()})
		if (said == nil) != (loaded == nil) || (said == nil) != (name == "sound") {
			t.Errorf("%s: said %v, loading it: %v", name, said, loaded)
		}
		if said != nil && strings.Contains(said.Error(), "\n") {
			t.Errorf("%s: said twice: %v", name, said)
		}
	}
}
