package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/modules"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// echoing is an engine with one container, which says a secret wherever it can.
type echoing struct {
	hostcall.Docker
	secret string
	acts   []string
}

func (l *echoing) Hosts() []string { return []string{abi.LocalHost} }

func (l *echoing) container() abi.Container {
	return abi.Container{ID: strings.Repeat("ab", 32), Name: "web", Image: "app:" + l.secret, State: "running", Status: "Up; " + l.secret}
}

func (l *echoing) List(context.Context, abi.ContainerQuery, hostcall.Keep) (abi.ContainerList, error) {
	return abi.ContainerList{Containers: []abi.Container{l.container()}, Total: 1}, nil
}

func (l *echoing) Inspect(_ context.Context, _ abi.ContainerRef, keep hostcall.Keep) (abi.ContainerDetails, error) {
	keep("web", nil)
	return abi.ContainerDetails{Container: l.container(), Labels: []abi.Label{{Name: "note", Value: "it is " + l.secret}}}, nil
}

func (l *echoing) Stats(context.Context, abi.ContainerRef, hostcall.Keep) (abi.ContainerStats, error) {
	return abi.ContainerStats{}, &abi.Error{Code: abi.Unavailable, Message: "No statistics, says " + l.secret}
}

func (l *echoing) Find(_ context.Context, _ abi.ContainerRef, keep hostcall.Keep) (abi.Container, error) {
	keep("web", nil)
	return l.container(), nil
}

func (l *echoing) Act(_ context.Context, _, _, act string) (abi.ContainerDone, error) {
	l.acts = append(l.acts, act)
	return abi.ContainerDone{State: "running"}, nil
}

// sandboxOf is a built-in module over an engine that leaks.
func sandboxOf(t *testing.T, name string, l *echoing, grants ...string) *sandbox {
	t.Helper()
	files, err := modules.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	file := files[slices.IndexFunc(files, func(f modules.File) bool { return f.Name == name })]
	manifest, err := abi.ReadManifest(file.Data)
	if err != nil {
		t.Fatal(err)
	}
	s := &sandbox{built: built{manifest: manifest, wasm: file.Data}, limits: moduleLimits(config.Modules{}, manifest), scrub: scrub.New([]string{l.secret})}
	if s.asked, err = askedBy(manifest); err != nil {
		t.Fatal(err)
	}
	if s.granted, err = grantedFor(manifest, s.asked, grants); err != nil {
		t.Fatal(err)
	}
	s.confirm = func(capability.Act) bool { return true }
	s.operations = hostcall.Table(hostcall.Sources{Docker: l, Audit: noAudit{}})
	return s
}

type noAudit struct{}

func (noAudit) Record(context.Context, audit.Entry) error { return nil }

// asks is the JSON of an admin's request.
func asks(t *testing.T, r abi.Request) []byte {
	t.Helper()
	r.Version, r.Actor, r.Chat, r.Time = 1, abi.Actor{ID: 1, Role: abi.RoleAdmin}, abi.Chat{ID: 1, Private: true}, 1_767_225_600_000
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestARecordingHoldsNoSecret lets a container echo a secret of the config through
// a real module, and replays what was recorded.
func TestARecordingHoldsNoSecret(t *testing.T) {
	l := &echoing{secret: rand.Text()}
	s := sandboxOf(t, "containers", l)
	done, err := s.run(t.Context(), asks(t, abi.Request{Command: "container", Text: "web"}))
	if err != nil || done.Transcript.Code != "ok" || done.HostCalls == 0 {
		t.Fatalf("%+v, %v", done, err)
	}
	if !strings.Contains(string(done.reply), l.secret) {
		t.Errorf("the reply does not have what the test is about: %s", done.reply)
	}
	path := filepath.Join(t.TempDir(), "leak.json")
	if err := writeTranscript(path, done.Transcript); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), l.secret) || !strings.Contains(string(text), scrub.Mask) {
		t.Errorf("%v: the transcript is\n%s", err, text)
	}
	r := &runOf{out: new(bytes.Buffer), err: new(bytes.Buffer)}
	again, err := r.replayOne(t.Context(), s.built, path)
	if err != nil || again.Difference != "" {
		t.Errorf("replayed: %q, %v", again.Difference, err)
	}
	t.Run("random bytes are the recording's", func(t *testing.T) {
		if again.Transcript.Seed != done.Transcript.Seed {
			t.Errorf("seed %s, was %s", again.Transcript.Seed, done.Transcript.Seed)
		}
	})
}

// TestNothingActsUnlessNamed shows what is denied without --grant, and how it is
// said; what is granted acts after a confirmation, in its scope only.
func TestNothingActsUnlessNamed(t *testing.T) {
	l := &echoing{secret: rand.Text()}
	restart := asks(t, abi.Request{Action: abi.ActRestart, Args: map[string]string{"id": l.container().ID, "page": "1"}})
	done, err := sandboxOf(t, "manage", l).run(t.Context(), restart)
	if err != nil || len(l.acts) != 0 {
		t.Fatalf("acts %v, %v", l.acts, err)
	}
	want := "docker.containers.restart changes something, so it is not granted here unless you name it: --grant 'docker.containers.restart{*}'"
	if !slices.Contains(done.Denied, want) {
		t.Errorf("denied %q, want %q", done.Denied, want)
	}
	done, err = sandboxOf(t, "manage", l, "docker.containers.restart{db-*}").run(t.Context(), restart)
	if err != nil || len(l.acts) != 0 {
		t.Errorf("outside of the scope: %+v, acts %v, %v", done.Denied, l.acts, err)
	}
	s := sandboxOf(t, "manage", l, "docker.containers.restart{web*}")
	s.confirm = func(capability.Act) bool { return false }
	if _, err = s.run(t.Context(), restart); err == nil || len(l.acts) != 0 {
		t.Errorf("not confirmed: acts %v, %v", l.acts, err)
	}
	asked := capability.Act{}
	s.confirm = func(act capability.Act) bool { asked = act; return true }
	done, err = s.run(t.Context(), restart)
	if err != nil || !slices.Equal(l.acts, []string{abi.ActRestart}) || asked.Name != "web" {
		t.Errorf("confirmed: %+v, acts %v, asked for %+v, %v", done, l.acts, asked, err)
	}
	if calls := done.Transcript.Calls; len(calls) == 0 || calls[len(calls)-1].Code != "ok" {
		t.Errorf("the calls of the last run alone are recorded: %+v", calls)
	}
}

// TestMemoryKV holds the store of `module run` against what the contract says.
func TestMemoryKV(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kv.json")
	kv, err := openKV(path)
	if err != nil {
		t.Fatal(err)
	}
	code := func(err error) abi.Code { return codeOfError(t, err) }
	ctx := t.Context()
	first, err := kv.Put(ctx, "m", 100, abi.KVPut{Key: "a/1", Value: []byte("one"), If: -1}, "")
	if err != nil || first.Used != 6 || first.Quota != 100 {
		t.Fatalf("%+v, %v", first, err)
	}
	for _, test := range []struct {
		put  abi.KVPut
		want abi.Code
	}{
		{abi.KVPut{Key: "a/1", Value: []byte("x"), If: -1}, abi.Conflict},
		{abi.KVPut{Key: "a/1", Value: []byte("x"), If: first.Revision + 1}, abi.Conflict},
		{abi.KVPut{Key: "a/1", Value: make([]byte, 98)}, abi.Limit},
		{abi.KVPut{Key: "a/1", Value: make([]byte, 97)}, abi.OK},
	} {
		if _, err := kv.Put(ctx, "m", 100, test.put, ""); code(err) != test.want {
			t.Errorf("put %q, %d bytes, if %d: %v, want %v", test.put.Key, len(test.put.Value), test.put.If, err, test.want)
		}
	}
	if err := kv.close(); err != nil {
		t.Fatal(err)
	}
	if kv, err = openKV(path); err != nil {
		t.Fatal(err)
	}
	if v, _, err := kv.Get(ctx, "m", abi.KVQuery{Key: "a/1"}); err != nil || !v.Found || len(v.Value) != 97 || v.Revision <= first.Revision {
		t.Errorf("after a restart %+v, %v", v, err)
	}
	if keys, _, err := kv.List(ctx, "m", 100, abi.KVListQuery{Prefix: "a/", Count: 10}); err != nil || !slices.Equal(keys.Keys, []string{"a/1"}) || keys.Used != 100 {
		t.Errorf("keys %+v, %v", keys, err)
	}
	if err := os.WriteFile(path, []byte(`{"a": 7}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openKV(path); err == nil {
		t.Error("a file that is no store is taken")
	}
}

func codeOfError(t *testing.T, err error) abi.Code {
	t.Helper()
	if err == nil {
		return abi.OK
	}
	refusal, ok := err.(*abi.Error)
	if !ok {
		t.Fatalf("%v is no error of the contract", err)
	}
	return refusal.Code
}

// TestCompareUses holds both mismatches of imports and manifest.
func TestCompareUses(t *testing.T) {
	var anatomy engine.Anatomy
	for _, op := range hostcall.Table(hostcall.Sources{}) {
		if op.Import == abi.OpContainerList || op.Import == abi.OpContainerStop || op.Import == abi.OpKVGet {
			anatomy.Imports = append(anatomy.Imports, engine.Import{Module: abi.ImportModule, Name: op.Import, Needs: op.Capability})
		}
	}
	manifest := abi.Manifest{
		Capabilities: []abi.CapabilityRequest{{Name: "docker.containers.list", Scope: []string{"*"}}, {Name: "metrics.cpu"}, {Name: "docker.events", Scope: []string{"container.die"}}},
		Events:       []abi.Subscription{{Types: []string{"container.die"}, Action: "died"}},
	}
	asked, err := askedBy(manifest)
	if err != nil {
		t.Fatal(err)
	}
	missing, warnings := compareUses(manifest, asked, anatomy)
	if want := []missingUse{{abi.OpContainerStop, capability.ContainersStop}, {abi.OpKVGet, capability.KV}}; !slices.Equal(missing, want) {
		t.Errorf("missing %v, want %v", missing, want)
	}
	if len(warnings) != 1 || !strings.Contains(warnings[0], "metrics.cpu") {
		t.Errorf("warnings %q", warnings)
	}
	// What is proposed can be taken as it is.
	for _, name := range capability.Names() {
		var scope []string
		if text := scopeFor(name); text != "" {
			if err := json.Unmarshal([]byte(text), &scope); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := capability.Parse([]capability.Request{{Name: string(name), Scope: scope}}); err != nil {
			t.Errorf("the proposal for %s: %v", name, err)
		}
	}
}
