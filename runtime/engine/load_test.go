package engine

import (
	"bytes"
	"context"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func TestLoadTheSmallestGuest(t *testing.T) {
	m := load(t, guest{}, quick())
	answer, fault := invoke(t, m, "hello!")
	if fault != nil || answer.Code != abi.OK || answer.Reply != nil {
		t.Errorf("answer %+v, fault %v", answer, fault)
	}
	if answer.Used.Memory != pageSize || answer.Used.Time <= 0 {
		t.Errorf("used %+v", answer.Used)
	}
}

func TestLoadRefusesWhatIsNotAModule(t *testing.T) {
	e := newEngine(t, "", operations(nil))
	header := "\x00asm\x01\x00\x00\x00"
	for name, wasm := range map[string]string{
		"nothing":            "",
		"text":               "#!/bin/sh\n",
		"ELF":                "\x7fELF\x02\x01\x01",
		"version 2":          "\x00asm\x02\x00\x00\x00",
		"half a header":      header[:6],
		"header only":        header,
		"section too long":   header + "\x01\x7f\x00",
		"unknown section":    header + "\x40\x00",
		"sections misplaced": header + "\x0a\x01\x00\x01\x01\x00",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := tryLoad(t, e, []byte(wasm), quick()); err == nil {
				t.Error("it was loaded")
			} else if !strings.HasPrefix(err.Error(), "module hostile: ") {
				t.Errorf("error %q does not name the module", err)
			}
		})
	}
}

func TestLoadRefusesEveryTruncation(t *testing.T) {
	e := newEngine(t, "", operations(nil))
	whole := telling([]imported{requestReads}, i32(0), i32(6), call(1)).assemble()
	for n := range whole {
		if _, err := tryLoad(t, e, whole[:n], quick()); err == nil {
			t.Errorf("the first %d of %d bytes were loaded", n, len(whole))
		}
	}
}

func TestLoadSurvivesRandomBytes(t *testing.T) {
	e := newEngine(t, "", operations(nil))
	random := rand.New(rand.NewPCG(1, 2))
	whole := telling([]imported{requestReads}, i32(0), i32(6), call(1)).assemble()
	for range 300 {
		spoilt := bytes.Clone(whole)
		for range 1 + random.IntN(4) {
			spoilt[8+random.IntN(len(spoilt)-8)] = byte(random.Uint32())
		}
		tryLoad(t, e, spoilt, quick()) // any verdict, but no panic
	}
}

func TestLoadHoldsImportsAgainstTheGrant(t *testing.T) {
	e := newEngine(t, "", operations(nil))
	table := []byte{1, 0x70, 0, 0}
	global := []byte{3, 0x7f, 0}
	for _, test := range []struct {
		name  string
		guest guest
		want  []string
	}{
		{"operation without a grant", guest{imports: []imported{host(abi.OpContainerList, "ii:I")}},
			[]string{"docker_container_list_v1", "without a grant of docker.containers.list"}},
		{"several", guest{imports: []imported{host(abi.OpMetricsUsers, "ii:I"), host(abi.OpDockerInfo, "ii:I"), wasi("path_open", "iiiiiIIii:i")}},
			[]string{"metrics.users", "docker.info", "path_open"}},
		{"operation that does not exist", guest{imports: []imported{host("docker_exec_v1", "ii:I")}}, []string{`"docker_exec_v1"`, "does not exist"}},
		{"operation of a later version", guest{imports: []imported{host("metrics_memory_v2", "ii:I")}}, []string{"metrics_memory_v2"}},
		{"operation under another module's name", guest{imports: []imported{{module: "env", name: abi.OpMetricsMemory, typ: "ii:I"}}}, []string{`"env"`}},
		{"another module's memory", guest{imports: []imported{{module: "other", name: "memory", desc: ops([]byte{2}, pages(1))}},
			memory: []byte{}}, []string{"only functions can be imported"}},
		{"memory of the host", guest{imports: []imported{host(abi.ImportLog, "iii:"), {module: abi.ImportModule, name: "memory", desc: ops([]byte{2}, pages(1))}}, memory: []byte{}}, []string{"only functions can be imported"}},
		{"table", guest{imports: []imported{{module: abi.ImportModule, name: "table", desc: table}}}, []string{"only functions can be imported"}},
		{"global", guest{imports: []imported{{module: wasiModule, name: "global", desc: global}}}, []string{"only functions can be imported"}},
		{"global of an unknown module", guest{imports: []imported{{module: "env", name: "global", desc: global}}}, []string{"only functions can be imported"}},
		{"operation with another type", guest{imports: []imported{host(abi.OpMetricsMemory, "iii:I")}}, []string{"metrics_memory_v1", "signature"}},
		{"WASI function with another type", guest{imports: []imported{wasi("proc_exit", "I:")}}, []string{"proc_exit", "signature"}},
		{"function as a global", guest{imports: []imported{{module: abi.ImportModule, name: abi.ImportLog, desc: global}}}, []string{"only functions can be imported"}},
	} {
		t.Run(test.name, func(t *testing.T) { mustRefuse(t, e, test.guest, test.want...) })
	}
}

func mustRefuse(t *testing.T, e *Engine, g guest, want ...string) {
	t.Helper()
	_, err := tryLoad(t, e, g.assemble(), quick())
	if err == nil {
		t.Fatal("it was loaded")
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
	if strings.ContainsFunc(err.Error(), func(r rune) bool { return r != '\n' && unicode.IsControl(r) }) || len(err.Error()) > 4*maxReason {
		t.Errorf("error %q is not fit for a log", err)
	}
}

// Files, addresses and other processes are out of reach because the functions
// that lead there do not exist.
func TestLoadRefusesTheRestOfWASI(t *testing.T) {
	e := newEngine(t, "", operations(nil))
	for _, name := range []string{
		"path_open", "path_create_directory", "path_unlink_file", "path_rename", "path_symlink", "path_filestat_get", "path_readlink",
		"fd_readdir", "fd_pread", "fd_pwrite", "fd_renumber", "fd_filestat_get", "fd_filestat_set_size", "fd_sync", "fd_allocate",
		"sock_accept", "sock_recv", "sock_send", "sock_shutdown", "proc_raise", "sock_open",
	} {
		mustRefuse(t, e, guest{imports: []imported{wasi(name, "ii:i")}}, name)
	}
}

func TestLoadHoldsExportsAgainstTheABI(t *testing.T) {
	e := newEngine(t, "", operations(nil))
	const lacksHandle = "does not export cofferdam_handle(i32) -> i32"
	for _, test := range []struct {
		name  string
		guest guest
		want  string
	}{
		{"no memory", guest{exports: []exported{{name: abi.ExportMemory, kind: left}}}, `does not export "memory"`},
		{"memory under another name", guest{exports: []exported{{name: abi.ExportMemory, kind: left}, {"ram", 2, 0}}}, `does not export "memory"`},
		{"a function called memory", guest{exports: []exported{{abi.ExportMemory, 0, 0}}}, `does not export "memory"`},
		{"no handle", guest{exports: []exported{{name: abi.ExportHandle, kind: left}}}, lacksHandle},
		{"a memory called handle", guest{exports: []exported{{abi.ExportHandle, 2, 0}}}, lacksHandle},
		{"handle with two parameters", guest{types: map[string]string{"handle": "ii:i"}}, lacksHandle},
		{"handle with a long one", guest{types: map[string]string{"handle": "I:i"}}, lacksHandle},
		{"handle without a result", guest{types: map[string]string{"handle": "i:"}, handle: []byte{0x01}}, lacksHandle},
		{"handle is the host's own function", guest{imports: []imported{wasi("fd_close", "i:i")}, exports: []exported{{abi.ExportHandle, 0, 0}}}, lacksHandle},
		{"_initialize is the host's own function", guest{imports: []imported{wasi("sched_yield", ":i")}, exports: []exported{{abi.ExportInitialize, 0, 0}}}, "_initialize"},
		{"_initialize with a parameter", guest{types: map[string]string{"init": "i:"}, init: []byte{0x01}}, "_initialize"},
		{"more memory at the start than allowed", guest{memory: pages(1025)}, "1025 pages"},
		{"shared memory", guest{memory: []byte{3, 1, 1}}, "limits"},
		{"vectors", guest{handle: ops([]byte{0xfd, 12}, make([]byte, 16), drop, i32(0))}, "0xfd is not allowed"},
	} {
		t.Run(test.name, func(t *testing.T) { mustRefuse(t, e, test.guest, test.want) })
	}
}

func TestLoadTellsWhatDoesNotStart(t *testing.T) {
	e := newEngine(t, "", operations(nil))
	for _, test := range []struct {
		name  string
		guest guest
		want  string
	}{
		{"_initialize traps under a forged name", guest{init: unreachable, exports: []exported{{"x\n\x1b[31mroot\u202e" + strings.Repeat("y", 200), 0, 1}}}, "unreachable"},
		{"_initialize traps", guest{init: unreachable}, "unreachable"},
		{"_initialize loops", guest{init: forever()}, "deadline"},
		{"_initialize exits with 0", guest{imports: []imported{exits}, init: ops(i32(0), call(0))}, "exited with status 0"},
		{"_initialize exits with 1", guest{imports: []imported{exits}, init: ops(i32(1), call(0))}, "exited with status 1"},
		{"data beyond the memory", guest{data: strings.Repeat("x", pageSize+1)}, "data"},
		{"_initialize points outside its memory", guest{imports: []imported{logs}, init: ops(i32(1), i32(-1), i32(1), call(0))}, "outside its memory"},
	} {
		t.Run(test.name, func(t *testing.T) {
			began := time.Now()
			mustRefuse(t, e, test.guest, "does not start", test.want)
			if took := time.Since(began); took > 5*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// A start section runs while an instance is made, when nothing counts yet.
func TestLoadRefusesAStartSection(t *testing.T) {
	mustRefuse(t, newEngine(t, "", operations(nil)), guest{start: unreachable}, "start", "no code may run before the module is asked")
}

// What runs before the first request runs for nobody: no request can be read,
// no operation works, and no reply is kept.
func TestStartRunsInNobodysName(t *testing.T) {
	const reads, replies, asks, total = 0, 1, 2, 3
	start := ops(
		i32(16), i32(64), call(reads), iff(unreachable), // a length other than 0
		i32(0), i32(2), call(asks), high, i32(int(abi.Denied)), unequal, iff(unreachable), // a code other than denied
		i32(0), i32(2), call(replies), drop,
	)
	handle := ops(i32(16), i32(64), call(reads), i32(6), unequal, iff(unreachable),
		i32(0), i32(2), call(asks), high, iff(unreachable),
		i32(16), i32(6), call(replies))
	imports := []imported{requestReads, replyWrites, readsMemory}
	if len(imports) != total {
		t.Fatal("count the imports again")
	}
	m := load(t, guest{imports: imports, init: start, handle: handle, data: "{}"}, patient())
	answer, fault := invoke(t, m, "hello!")
	if fault != nil || string(answer.Reply) != "hello!" || answer.Used.HostCalls != 1 {
		t.Errorf("answer %+v, fault %v", answer, fault)
	}
}

func TestLoadRefusesLimitsThatAllowNothing(t *testing.T) {
	e := newEngine(t, "", operations(nil))
	for name, spoil := range map[string]func(*Limits){
		"zero value":  func(l *Limits) { *l = Limits{} },
		"memory":      func(l *Limits) { l.Memory = pageSize - 1 },
		"much memory": func(l *Limits) { l.Memory = 4 << 30 },
		"timeout":     func(l *Limits) { l.Timeout = 0 },
		"host calls":  func(l *Limits) { l.HostCalls = -1 },
		"reply":       func(l *Limits) { l.Reply = 0 },
		"log":         func(l *Limits) { l.Log = -1 },
		"concurrency": func(l *Limits) { l.Concurrency = 0 },
		"fuel":        func(l *Limits) { l.Fuel = 0 },
	} {
		limits := usualLimits()
		spoil(&limits)
		if _, err := tryLoad(t, e, guest{}.assemble(), limits); err == nil || !strings.Contains(err.Error(), "limits") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestLoadObeysItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	e := newEngine(t, "", operations(nil))
	if _, err := e.Load(ctx, Source{Name: "hostile", Wasm: guest{init: forever()}.assemble(), Limits: patient()}); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("error %v", err)
	}
}
