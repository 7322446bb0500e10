package main

import (
	"context"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
)

// extra is a module of modules/extra as it is built for operators.
type extra struct {
	file   string
	digest string
}

var extras sync.Map // name -> func() (extra, error)

// extraModule builds modules/extra/NAME once.
func extraModule(t testing.TB, name string) extra {
	t.Helper()
	build, _ := extras.LoadOrStore(name, sync.OnceValues(func() (extra, error) {
		dir, err := cacheDir()
		if err != nil {
			return extra{}, err
		}
		file := filepath.Join(dir, "extra-"+name+".wasm")
		made, err := buildModule(context.Background(), filepath.Join("../../modules/extra", name))
		if err != nil {
			return extra{}, err
		}
		return extra{file, digestOf(made.wasm)}, os.WriteFile(file, made.wasm, 0o600)
	}))
	built, err := build.(func() (extra, error))()
	if err != nil {
		t.Fatal(err)
	}
	return built
}

// dropIn lets a bot run a module of modules/extra as a stranger's: its file lies in
// the module folder, and the operator pinned its bytes (F2). Without grants it has
// what its manifest asks for.
func dropIn(t testing.TB, name string, grants ...config.Grant) setup {
	t.Helper()
	module := extraModule(t, name)
	data, err := os.ReadFile(module.file)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".wasm"), data, 0o600); err != nil {
		t.Fatal(err)
	}
	return func(b *bot) {
		b.cfg.Modules.Dir = dir
		b.cfg.Modules.Pins = map[string]string{name: module.digest}
		if b.cfg.Modules.Grants == nil {
			b.cfg.Modules.Grants = map[string][]config.Grant{}
		}
		if len(grants) > 0 {
			b.cfg.Modules.Grants[name] = grants
		}
	}
}
