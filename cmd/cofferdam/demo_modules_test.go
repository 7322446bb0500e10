package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// TestTheDemoRunsWhatIsWorkedOn edits a module and tries it in the chat.
func TestTheDemoRunsWhatIsWorkedOn(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := writeModule("ram-use", scaffoldFiles["go"], true); err != nil {
		t.Fatal(err)
	}
	out := &logBuffer{}
	d := startDemo(t, func(d *demo) { d.modules = &demoModules{dir: "ram-use", out: out} })
	printed := func(want string) {
		t.Helper()
		deadline := timeout()
		for !regexp.MustCompile("(?m)" + want).MatchString(out.String()) {
			select {
			case <-deadline:
				t.Fatalf("%s is not printed:\n%s", want, out)
			case <-tick():
			}
		}
	}
	edit := func(old, new string) {
		t.Helper()
		path := filepath.Join("ram-use", "handler.go")
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), old) {
			t.Fatalf("%v: no %q in %s", err, old, path)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), old, new)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	printed(`^ram-use 0\.1\.0 runs, after .*: /ram_use$`)
	user := person{d.world.Client(demoUser, demoUser), t}
	user.expect(user.says("/ram_use"), "🧠 Memory", "Available: ")

	admin := d.world.Client(demoAdmin, demoAdmin)
	admin.Type("/start") // the bot may write to who began
	edit("sdk.Heading(", "sdk.Haeding(")
	printed(`^ram-use does not run: .* does not compile for WebAssembly:$`)
	printed(`undefined: sdk\.Haeding`)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := admin.Wait(ctx, func(messages []emulator.Message) bool {
		return slices.ContainsFunc(messages, func(m emulator.Message) bool { return strings.Contains(m.Text, "undefined: sdk.Haeding") })
	}); err != nil {
		t.Errorf("the chat does not say why: %v", err)
	}
	user.expect(user.says("/ram_use"), "🧠 Memory") // what ran before goes on

	edit("sdk.Haeding(\"🧠 Memory", "sdk.Heading(\"🐏 RAM")
	printed(`(?s)runs, after .*runs, after `)
	user.expect(user.says("/ram_use"), "🐏 RAM")
}

// pretend is what a demo lets modules run in, without running them.
type pretend struct {
	log    []string
	refuse string // a module's name
}

func (p *pretend) Put(_ context.Context, s registry.Spec) error {
	m, err := abi.ReadManifest(s.Wasm)
	if err == nil && m.Name == p.refuse {
		err = errors.New("its command is another's")
	}
	if err == nil {
		p.log = append(p.log, "put "+m.Name+" "+m.Version)
	}
	return err
}

func (p *pretend) Remove(_ context.Context, name string) error {
	p.log = append(p.log, "remove "+name)
	return nil
}

func (p *pretend) took() []string {
	log := p.log
	p.log = nil
	return log
}

// TestSyncOfDemoModules changes a folder of files step by step.
func TestSyncOfDemoModules(t *testing.T) {
	dir := t.TempDir()
	write := func(file, name, version string) {
		t.Helper()
		m := abi.Manifest{Name: name, Version: version, Description: "a module", Author: "somebody", ABI: abi.Version}
		wasm, err := abi.WithManifest([]byte("\x00asm\x01\x00\x00\x00"), m)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, file), wasm, 0o644); err != nil {
			t.Fatal(err)
		}
		// A clock that ticks too slowly for a test is no reason to miss a change.
		when := time.Now().Add(time.Duration(len(version)) * time.Second)
		if err := os.Chtimes(filepath.Join(dir, file), when, when); err != nil {
			t.Fatal(err)
		}
	}
	p, out := &pretend{}, &logBuffer{}
	d := &demoModules{dir: dir, out: out, to: p, cfg: &config.Config{}, tell: func(context.Context, string) {}}
	steps := []struct {
		what string
		do   func()
		want []string
		says string
	}{
		{"nothing", func() {}, nil, ""},
		{"two files", func() { write("a.wasm", "a", "1"); write("b.wasm", "b", "1") }, []string{"put a 1", "put b 1"}, "b 1 runs"},
		{"no change", func() {}, nil, ""},
		{"a change", func() { write("a.wasm", "a", "22") }, []string{"put a 22"}, "a 22 runs"},
		{"another file of that name", func() { write("c.wasm", "b", "1") }, nil, "c.wasm does not run: " + filepath.Join(dir, "b.wasm") + " makes the module b already"},
		{"another name", func() { write("b.wasm", "bb", "333") }, []string{"remove b", "put bb 333"}, "bb 333 runs"},
		{"no module", func() { os.WriteFile(filepath.Join(dir, "d.wasm"), []byte("text"), 0o644) }, nil, "d.wasm does not run"},
		{"what is neither", func() {
			os.WriteFile(filepath.Join(dir, "e.txt"), nil, 0o644)
			os.Symlink("a.wasm", filepath.Join(dir, "link.wasm"))
			os.Mkdir(filepath.Join(dir, "f.wasm"), 0o755)
		}, nil, ""},
		{"a refusal", func() { p.refuse = "a"; write("a.wasm", "a", "4444") }, nil, "a.wasm does not run: its command is another's"},
		{"gone", func() { os.Remove(filepath.Join(dir, "a.wasm")); os.Remove(filepath.Join(dir, "d.wasm")) }, []string{"remove a"}, "a is gone"},
		{"a folder that vanishes", func() { os.Rename(dir, dir+"-away") }, nil, ""},
		{"and is back", func() { os.Rename(dir+"-away", dir) }, nil, ""},
	}
	for _, step := range steps {
		before := len(out.String())
		step.do()
		d.sync(t.Context())
		if got := p.took(); !slices.Equal(got, step.want) {
			t.Errorf("%s: %q, want %q", step.what, got, step.want)
		}
		if said := out.String()[before:]; !strings.Contains(said, step.says) || (step.says == "") != (said == "") {
			t.Errorf("%s: it says %q, want %q", step.what, said, step.says)
		}
	}
}

// TestStampFollowsSourcesOnly: what a build, a test or a recording leaves behind is
// no reason to build again.
func TestStampFollowsSourcesOnly(t *testing.T) {
	dir := t.TempDir()
	write := func(name string) {
		t.Helper()
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("manifest.yaml")
	before, err := stampOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"m.wasm", "handler_test.go", "testdata/a.json", "vendor/x/x.go", ".git/HEAD", ".#handler.go"} {
		write(name)
		if now, err := stampOf(dir); err != nil || now != before {
			t.Errorf("%s counts as a change: %v", name, err)
		}
	}
	for i, name := range []string{"handler.go", "wasm/main.go", "README.md", "main.c"} {
		write(name)
		now, err := stampOf(dir)
		if err != nil || now == before {
			t.Errorf("%s, the %s, is no change: %v", name, fmt.Sprint(i), err)
		}
		before = now
	}
}
