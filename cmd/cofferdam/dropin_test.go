package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// sandboxed runs built-in modules without a sandbox, and others in it.
func sandboxed(b *bot) {
	b.o.load = func(operations []hostcall.Operation) loader {
		others := inHost(operations)
		sandbox, err := engine.New(engine.Config{Operations: operations})
		if err != nil {
			b.t.Fatal(err)
		}
		b.t.Cleanup(func() { sandbox.Close(b.t.Context()) })
		return besideBuiltIn(sandbox, others)
	}
}

// fromFolder gives a bot a folder of modules, and a state that outlives it.
func fromFolder(b *bot) {
	dir := filepath.Join(b.t.TempDir(), "modules")
	if err := os.Mkdir(dir, 0o700); err != nil {
		b.t.Fatal(err)
	}
	b.cfg.Modules.Dir, b.o.stateDir = dir, b.t.TempDir()
	if err := os.Chmod(b.o.stateDir, 0o700); err != nil {
		b.t.Fatal(err)
	}
}

// mood is a module of somebody else with the command /mood.
func mood(t *testing.T, version string) (file []byte, digest string) {
	t.Helper()
	file, err := abi.WithManifest(moody(), abi.Manifest{
		Name: "mood", Version: version, Description: "Moods", Author: "somebody", ABI: abi.Version,
		Commands: []abi.Command{{Name: "mood", Description: "How it is", Who: abi.WhoUser}},
	})
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(file)
	return file, hex.EncodeToString(sum[:])
}

func (b *bot) drop(name string, file []byte) {
	b.t.Helper()
	if err := os.WriteFile(filepath.Join(b.cfg.Modules.Dir, name), file, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// awaits waits for something that nobody is told of in the chat.
func (b *bot) awaits(what string, done func() bool) {
	b.t.Helper()
	for end := timeout(); !done(); {
		select {
		case <-end:
			b.t.Fatalf("in vain: %s", what)
		case <-tick():
		}
	}
}

func (b *bot) waiting() (digests []string) {
	b.t.Helper()
	list, err := b.app.dropins.Pending(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, p := range list.Modules {
		digests = append(digests, p.Digest)
	}
	return digests
}

// TestAModuleIsDroppedIn is the life of a module of somebody else: it waits, is approved,
// answers, is replaced, survives a restart, is removed.
func TestAModuleIsDroppedIn(t *testing.T) {
	b := startBot(t, sandboxed, fromFolder)
	someone, boss := b.person(user, user), b.person(admin, admin)
	boss.says("/start")
	someone.expect(someone.says("/mood"), "I do not know that command")

	file, digest := mood(t, "1.0.0")
	b.drop("mood.wasm", file)
	boss.await(func([]emulator.Message) bool { return boss.said("mood 1.0.0 waits for you") == 1 })
	if got := b.waiting(); len(got) != 1 || got[0] != digest {
		t.Fatalf("%v wait", got)
	}
	someone.expect(someone.says("/mood"), "I do not know that command")
	if _, err := b.app.dropins.Approve(t.Context(), abi.Actor{ID: admin, Role: abi.RoleAdmin}, abi.ModuleApproval{Name: "mood", Digest: digest}); err != nil {
		t.Fatal(err)
	}
	someone.expect(someone.says("/mood"), "fine")

	newer, newDigest := mood(t, "1.1.0")
	b.drop("mood.wasm", newer)
	b.awaits("the newer file waits", func() bool { return strings.Join(b.waiting(), " ") == newDigest })
	someone.expect(someone.says("/mood"), "fine")
	b.restart()
	someone.expect(someone.says("/mood"), "fine") // at once: it is there before anybody is heard

	if err := os.Remove(filepath.Join(b.cfg.Modules.Dir, "mood.wasm")); err != nil {
		t.Fatal(err)
	}
	b.awaits("it is retired", func() bool { return strings.Contains(b.log.String(), `"event":"module.removed"`) })
	someone.expect(someone.says("/mood"), "I do not know that command")
}

// besideBuiltIn loads built-in modules by one loader, and others into a sandbox.
func besideBuiltIn(sandbox *engine.Engine, builtIn loader) loader {
	return func(ctx context.Context, s engine.Source) (registry.Runner, error) {
		if s.BuiltIn {
			return builtIn(ctx, s)
		}
		m, err := sandbox.Load(ctx, s)
		if err != nil {
			return nil, err
		}
		return m, nil
	}
}
