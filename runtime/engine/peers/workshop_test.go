package peers

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cofferdam-bot/cofferdam/runtime/engine/compiler"
)

// workshop is a folder with what the contestants need, built at the first use.
type workshop struct {
	dir string
	// cache keeps compiled code from one run to the next, if COFFERDAM_TEST_CACHE
	// is set: compiling all of it takes some 20 s.
	cache string
	mu    *sync.Mutex
}

var shop workshop

func TestMain(m *testing.M) {
	compiler.Main()
	if name := os.Getenv(childOf); name != "" {
		shop = workshopIn(os.Getenv(childIn))
		if err := measureHere(context.Background(), name); err != nil {
			log.Fatal(err)
		}
		return
	}
	dir, err := os.MkdirTemp("", "cofferdam-peers-")
	if err != nil {
		log.Fatal(err)
	}
	shop = workshopIn(dir)
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

func workshopIn(dir string) workshop {
	cache := filepath.Join(dir, "cache")
	if kept := os.Getenv("COFFERDAM_TEST_CACHE"); kept != "" {
		cache = filepath.Join(kept, "peers")
	}
	return workshop{dir: dir, cache: cache, mu: new(sync.Mutex)}
}

// cacheDir is a folder of compiled code that only this user can write to.
func (w workshop) cacheDir(name string) (string, error) {
	dir := filepath.Join(w.cache, name)
	return dir, os.MkdirAll(dir, 0o700)
}

// built returns the path of a guest, or of the process.
func (w workshop) built(name string) (string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	out := filepath.Join(w.dir, name)
	if _, err := os.Stat(out); err == nil {
		return out, nil
	}
	build := recipes[name](out)
	if text, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("build %s: %w\n%s", name, err, text)
	}
	return out, nil
}

func (w workshop) wasm(name string) ([]byte, error) {
	path, err := w.built(name)
	if err != nil {
		return nil, err
	}
	return os.ReadFile(path)
}

// The files that the contestants run.
const (
	goGuest     = "go.wasm"
	goReady     = "go-ready.wasm" // the same, after some practice
	goExtism    = "go-extism.wasm"
	goKnqyf     = "go-knqyf.wasm"
	cGuest      = "c.wasm"
	cExtism     = "c-extism.wasm"
	goOnMachine = "process"
)

var recipes = map[string]func(out string) *exec.Cmd{
	goGuest:     func(out string) *exec.Cmd { return guestBuild(out, "./testdata/goguest") },
	goReady:     func(out string) *exec.Cmd { return guestBuild(out, "./testdata/goguest", "-tags=practice") },
	goExtism:    func(out string) *exec.Cmd { return guestBuild(out, "./testdata/extismguest") },
	goKnqyf:     func(out string) *exec.Cmd { return guestBuild(out, "./testdata/knqyfguest") },
	cGuest:      func(out string) *exec.Cmd { return cBuild(out) },
	cExtism:     func(out string) *exec.Cmd { return cBuild(out, "-DEXTISM") },
	goOnMachine: processBuild,
}

// guestBuild builds a guest as the builder of modules does.
func guestBuild(out, source string, flags ...string) *exec.Cmd {
	args := append([]string{"build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w", "-o", out}, flags...)
	build := exec.Command("go", append(args, source)...)
	build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
	return build
}

// processBuild has no -trimpath: the packages of this test serve again.
func processBuild(out string) *exec.Cmd {
	return exec.Command("go", "build", "-buildvcs=false", "-ldflags=-s -w", "-o", out, "./testdata/process")
}

func cBuild(out string, flags ...string) *exec.Cmd {
	args := []string{
		"--target=wasm32", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-fno-builtin", "-nostdlib",
		"-Wl,--no-entry", "-Wl,--strip-all", "-Wl,-z,stack-size=8192", "-o", out,
	}
	return exec.Command("clang", append(append(args, flags...), "testdata/guest.c")...)
}

// errNoClang means that there is no compiler for the C guest.
var errNoClang = errors.New("there is no clang with lld here; on Debian: apt-get install clang lld")

func clang() error {
	_, noClang := exec.LookPath("clang")
	_, noLinker := exec.LookPath("wasm-ld")
	if noClang != nil || noLinker != nil {
		return errNoClang
	}
	return nil
}

// available leaves out the C guest where it cannot be built, except in CI.
func available(tb testing.TB) []contestant {
	tb.Helper()
	err := clang()
	if err == nil {
		return contestants
	}
	if os.Getenv("COFFERDAM_CI") == "1" {
		tb.Fatal(err)
	}
	tb.Logf("without the C guest: %v", err)
	var rest []contestant
	for _, c := range contestants {
		if c.guest != inC {
			rest = append(rest, c)
		}
	}
	return rest
}
