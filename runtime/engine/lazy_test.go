package engine

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// safe is where the file of a module from elsewhere is kept. It can be made to
// lie.
type safe struct {
	mu    sync.Mutex
	wasm  []byte
	err   error
	reads int
}

func (s *safe) read() ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads++
	return s.wasm, s.err
}

func (s *safe) holds(wasm []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wasm, s.err = wasm, err
}

func (s *safe) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reads
}

// source is a module that is granted metrics.memory, with its file in the safe.
func (s *safe) source(t testing.TB, wasm []byte) Source {
	t.Helper()
	s.holds(wasm, nil)
	return Source{Name: "hostile", Read: s.read, Digest: digest(wasm), Grant: memoryGrant(t), Limits: patient()}
}

// openEngine opens an engine as at the next start of the bot. Its log can be read.
func openEngine(t testing.TB, dir string) (*Engine, *observer.ObservedLogs) {
	t.Helper()
	core, lines := observer.New(zapcore.InfoLevel)
	e, err := New(Config{CacheDir: dir, Operations: operations(nil), Log: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close(context.Background()) })
	return e, lines
}

func loadSource(t testing.TB, e *Engine, s Source) *Module {
	t.Helper()
	m, err := e.Load(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return m
}

func (m *Module) dozes() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.code == nil
}

// A new file is started once, to see that it does; from then on nothing of it is
// in memory until somebody asks.
func TestAFileIsReadWhenItIsNeeded(t *testing.T) {
	dir, s := t.TempDir(), &safe{}
	first, _ := openEngine(t, dir)
	m := loadSource(t, first, s.source(t, returning(3)))
	if reads := s.count(); reads == 0 || !m.dozes() {
		t.Errorf("a new file: %d reads, dozes: %v", reads, m.dozes())
	}
	before := s.count()
	again, _ := openEngine(t, dir)
	m = loadSource(t, again, s.source(t, returning(3)))
	if reads := s.count() - before; reads != 0 || !m.dozes() {
		t.Errorf("a known file: %d reads, dozes: %v", reads, m.dozes())
	}
	for range 3 {
		if answer, fault := invoke(t, m, ""); fault != nil || answer.Code != 3 {
			t.Errorf("%+v, %v", answer, fault)
		}
		m.doze()
	}
	if reads := s.count() - before; reads != 1 {
		t.Errorf("%d reads for three times its code, want the one before the first request", reads)
	}
}

// The same holds for the project's own files: with the code in the cache, none of
// them is read at the start.
func TestABuiltInFileIsReadWhenItIsNeeded(t *testing.T) {
	dir, s := t.TempDir(), &safe{}
	open := func() *Module {
		e, _ := openEngine(t, dir)
		source := s.source(t, returning(3))
		source.BuiltIn = true
		return loadSource(t, e, source)
	}
	open().working.Wait() // until a child has compiled it
	before := s.count()
	m := open()
	if reads := s.count() - before; reads != 0 {
		t.Errorf("a known file: %d reads", reads)
	}
	if answer, fault := invoke(t, m, ""); fault != nil || answer.Code != 3 || s.count() == before {
		t.Errorf("%+v, %v, %d reads", answer, fault, s.count()-before)
	}
	e, _ := openEngine(t, dir)
	source := s.source(t, returning(3))
	source.BuiltIn, source.Limits.Memory = true, pageSize/2
	if _, err := e.Load(t.Context(), source); err == nil {
		t.Error("it is loaded with limits that allow nothing")
	}
}

// Only what was admitted and started with the same limits and grant waits for its
// first request. All else is looked at when it is loaded.
func TestWhatIsNotKnownIsLookedAtAtOnce(t *testing.T) {
	dir := t.TempDir()
	e, _ := openEngine(t, dir)
	asks := guest{imports: []imported{readsMemory}, memory: pages(8), handle: i32(4)}.assemble()
	loadSource(t, e, new(safe).source(t, asks))
	for _, test := range []struct {
		name  string
		wasm  []byte
		spoil func(*Source)
		want  string
	}{
		{"the grant is gone", asks, func(s *Source) { s.Grant = capability.Set{} }, "without a grant of metrics.memory"},
		{"less memory", asks, func(s *Source) { s.Limits.Memory = 7 * pageSize }, "8 pages"},
		{"another file", asks, func(s *Source) { s.Digest = digest([]byte("other")) }, errOtherFile.Error()},
		{"no digest", asks, func(s *Source) { s.Digest = "" }, "SHA-256"},
		{"a path as a digest", asks, func(s *Source) { s.Digest = "../" + s.Digest[3:] }, "SHA-256"},
		{"a digest in capitals", asks, func(s *Source) { s.Digest = strings.ToUpper(s.Digest) }, "SHA-256"},
		{"it does not start", guest{init: unreachable}.assemble(), func(*Source) {}, "does not start"},
		{"it is compiled, and imports what it may not", guest{imports: []imported{host(abi.OpDockerInfo, "ii:I")}}.assemble(), func(*Source) {}, "without a grant of docker.info"},
		{"it is compiled, and imports what is not there", guest{imports: []imported{wasi("path_open", "iiiiiIIii:i")}}.assemble(), func(*Source) {}, "path_open"},
		{"it cannot be read", asks, func(s *Source) {
			s.Read, s.Grant = func() ([]byte, error) { return nil, os.ErrNotExist }, grantOf(t, "metrics.memory docker.info")
		}, "cannot be read"},
	} {
		t.Run(test.name, func(t *testing.T) {
			// There is code for it, as if another bot had made it.
			if err := e.Precompile(t.Context(), test.wasm); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time no more is known than the first
				source := new(safe).source(t, test.wasm)
				test.spoil(&source)
				if _, err := e.Load(t.Context(), source); err == nil || !strings.Contains(err.Error(), test.want) {
					t.Errorf("got %v, want %q", err, test.want)
				}
			}
		})
	}
}

// The cache is no way around the scan and the grant: with code in it, and a note
// that the module was admitted, the file is held against both before it runs.
func TestForgedNote(t *testing.T) {
	for want, wasm := range map[string][]byte{
		"without a grant of docker.info": guest{imports: []imported{host(abi.OpDockerInfo, "ii:I")}, handle: i32(0)}.assemble(),
		"which does not exist here":      guest{imports: []imported{wasi("path_open", "iiiiiIIii:i")}}.assemble(),
		"it does not export":             guest{exports: []exported{{name: abi.ExportHandle, kind: left}}}.assemble(),
		"scan: ":                         guest{memory: pages(2000)}.assemble(),
	} {
		t.Run(want, func(t *testing.T) {
			e, lines := openEngine(t, t.TempDir())
			if err := e.Precompile(t.Context(), wasm); err != nil {
				t.Fatal(err)
			}
			source := new(safe).source(t, wasm)
			f, err := newFile(source)
			if err != nil {
				t.Fatal(err)
			}
			granted := &Module{file: f, limits: source.Limits, engine: e}
			for _, op := range e.operations {
				if source.Grant.Has(op.Capability) {
					granted.granted = map[string]hostcall.Operation{op.Import: op}
				}
			}
			e.noteAdmitted(granted)
			m := loadSource(t, e, source)
			mustFault(t, m, abi.Unavailable, want)
			mustFault(t, m, abi.Unavailable, want)
			rejected := lines.FilterField(zap.String("event", "module.rejected"))
			if m.Trouble() == nil || rejected.Len() != 1 {
				t.Errorf("trouble %v, told %d times, want once", m.Trouble(), rejected.Len())
			}
		})
	}
}

// The safe lies, is gone, and comes back.
func TestAFileThatIsNotThereAnyMore(t *testing.T) {
	dir, wasm := t.TempDir(), returning(3)
	e, _ := openEngine(t, dir)
	loadSource(t, e, new(safe).source(t, wasm))
	for name, lie := range map[string]struct {
		wasm []byte
		err  error
		want string
	}{
		"other bytes":       {returning(5), nil, "SHA-256 is another"},
		"half of it":        {wasm[:len(wasm)/2], nil, "SHA-256 is another"},
		"nothing":           {nil, nil, "SHA-256 is another"},
		"it cannot be read": {nil, errors.New("input/output error"), "input/output error"},
	} {
		t.Run(name, func(t *testing.T) {
			e, lines := openEngine(t, dir)
			s := &safe{}
			m := loadSource(t, e, s.source(t, wasm))
			s.holds(lie.wasm, lie.err)
			for range 3 {
				mustFault(t, m, abi.Unavailable, lie.want)
			}
			if n := lines.FilterField(zap.String("event", "module.rejected")).Len(); n != 1 || m.Trouble() == nil {
				t.Errorf("told %d times, trouble %v", n, m.Trouble())
			}
			s.holds(wasm, nil)
			if answer, fault := invoke(t, m, ""); fault != nil || answer.Code != 3 || m.Trouble() != nil {
				t.Errorf("it came back: %+v, %v, trouble %v", answer, fault, m.Trouble())
			}
			if n := lines.FilterField(zap.String("event", "module.loaded")).Len(); n != 1 {
				t.Errorf("that it is back was told %d times", n)
			}
		})
	}
}

// What lies under the note's name in the folder is not followed.
func TestTheNoteIsNotWrittenThroughALink(t *testing.T) {
	dir, wasm := t.TempDir(), returning(3)
	e, _ := openEngine(t, dir)
	if err := e.Precompile(t.Context(), wasm); err != nil {
		t.Fatal(err)
	}
	target := filepath.Join(t.TempDir(), "target")
	overwrite(t, target, []byte("precious"))
	note := filepath.Join(dir, e.name(digest(wasm)), admittedFile)
	if err := os.Symlink(target, note); err != nil {
		t.Fatal(err)
	}
	loadSource(t, e, new(safe).source(t, wasm))
	if content, err := os.ReadFile(target); err != nil || string(content) != "precious" {
		t.Errorf("behind the link: %q, %v", content, err)
	}
	if info, err := os.Lstat(note); err != nil || !info.Mode().IsRegular() || !sealed(filepath.Dir(note)) {
		t.Errorf("the note: %v, %v; sealed: %v", info, err, sealed(filepath.Dir(note)))
	}
}

// The cache holds no more than it may, whoever comes: what was used the longest
// ago goes, and comes again when it is needed.
func TestTheCacheIsBounded(t *testing.T) {
	dir := t.TempDir()
	e, _ := openEngine(t, dir)
	s := &safe{}
	oldest := loadSource(t, e, s.source(t, returning(0)))
	const n = 6
	for i := range n {
		if err := e.Precompile(t.Context(), returning(i)); err != nil {
			t.Fatal(err)
		}
		used := time.Now().Add(time.Duration(i-n) * time.Hour)
		if err := os.Chtimes(filepath.Join(dir, e.name(digest(returning(i)))), used, used); err != nil {
			t.Fatal(err)
		}
	}
	others := filepath.Join(dir, "photos")
	if err := os.Mkdir(others, 0o700); err != nil {
		t.Fatal(err)
	}
	e.cacheSize = 3 * sizeOf(filepath.Join(dir, e.name(digest(returning(n-1)))))
	if err := e.Precompile(t.Context(), returning(n)); err != nil {
		t.Fatal(err)
	}
	for i := range n + 1 {
		if want := i >= n-2; e.has(digest(returning(i))) != want {
			t.Errorf("code %d is there: %v, want %v", i, !want, want)
		}
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) != 4 {
		t.Errorf("%v, %v; want three folders, and the one that is not ours", entries, err)
	}
	if answer, fault := invoke(t, oldest, ""); fault != nil || answer.Code != 0 || !e.has(digest(returning(0))) {
		t.Errorf("%+v, %v", answer, fault)
	}
	e.evict(0)
	if !e.has(digest(returning(0))) {
		t.Error("what was just used is gone")
	}
}
