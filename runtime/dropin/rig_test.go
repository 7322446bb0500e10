package dropin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/folder"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/runtime/vault"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/trust"
	"github.com/cofferdam-bot/cofferdam/security/vetting"
)

// rig is Dropins with a real folder, vault and store, and a registry that only notes what
// runs.
type rig struct {
	*Dropins
	t        *testing.T
	dir      string // of modules
	stateDir string
	store    *store.Store
	logs     *observer.ObservedLogs

	mu      sync.Mutex
	now     time.Time
	policy  trust.Policy
	granted map[string][]capability.Request
	runs    map[string]Spec
	puts    int
	ended   []string // of those that were taken out
	putErr  func(Spec) error
	told    []abi.PendingModule
	notices []string
	audited []audit.Entry
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{
		t: t, dir: filepath.Join(t.TempDir(), "modules"), stateDir: filepath.Join(t.TempDir(), "state"),
		now: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC), granted: map[string][]capability.Request{},
		policy: trust.Policy{Chat: true, BuiltIn: []string{"core"}},
	}
	for _, dir := range []string{r.dir, r.stateDir} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	r.open()
	t.Cleanup(func() { r.store.Close() })
	return r
}

// open starts the bot's part, as a restart does.
func (r *rig) open() {
	r.t.Helper()
	if r.store != nil {
		if err := r.store.Close(); err != nil {
			r.t.Fatal(err)
		}
	}
	var err error
	if r.store, err = store.Open(r.stateDir); err != nil {
		r.t.Fatal(err)
	}
	copies, err := vault.Open(filepath.Join(r.stateDir, "modules"))
	if err != nil {
		r.t.Fatal(err)
	}
	core, logs := observer.New(zap.DebugLevel)
	r.logs, r.runs = logs, map[string]Spec{}
	r.Dropins, err = New(Config{
		Folder: folder.New(r.dir), Vault: copies, Records: r.store.Table(store.Modules), Told: r.store.Table(store.ModulesTold),
		Policy:   func() trust.Policy { r.mu.Lock(); defer r.mu.Unlock(); return r.policy },
		Grants:   func(name string) []capability.Request { r.mu.Lock(); defer r.mu.Unlock(); return r.granted[name] },
		Registry: r, Scan: scan, Verify: r.verify,
		Words: func(name capability.Name, scope []string) string {
			return string(name) + " " + strings.Join(scope, " ")
		},
		Danger: func(name capability.Name) int { return len(name) },
		Tell:   func(p abi.PendingModule) { r.mu.Lock(); defer r.mu.Unlock(); r.told = append(r.told, p) },
		Notice: func(_ string, _ int64, text string) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.notices = append(r.notices, text)
		},
		Changed: func() {}, Audit: r, Mask: func(id int64) string { return fmt.Sprint("masked-", id) },
		Log: zap.New(core), Now: func() time.Time { r.mu.Lock(); defer r.mu.Unlock(); return r.now },
		Pace: folder.Pace{},
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

func scan(wasm []byte) error {
	_, err := vetting.Scan(wasm, vetting.Limits{MemoryPages: 1024})
	return err
}

// verify stands for minisign: a signature is the name of a key and a digest.
func (r *rig) verify(wasm, signature []byte) (key string, trusted bool, err error) {
	key, digest, ok := strings.Cut(string(signature), " ")
	r.mu.Lock()
	known := slices.Contains(r.policy.Keys, key)
	r.mu.Unlock()
	switch {
	case !ok:
		return "", false, errors.New("malformed")
	case known && digest != digestOf(wasm):
		return "", false, errors.New("it is not of this file")
	}
	return key, known, nil
}

func digestOf(wasm []byte) string {
	sum := sha256.Sum256(wasm)
	return hex.EncodeToString(sum[:])
}

// Put is the registry's: it reads the file, as the engine does.
func (r *rig) Put(ctx context.Context, s Spec) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	wasm, err := s.Read()
	if err != nil {
		return err
	}
	if digestOf(wasm) != s.Digest {
		r.t.Errorf("%s was handed on with other bytes", s.Name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.puts++
	if r.putErr != nil {
		if err := r.putErr(s); err != nil {
			return err
		}
	}
	for name, other := range r.runs {
		for _, c := range s.Manifest.Commands {
			if name != s.Name && slices.ContainsFunc(other.Manifest.Commands, func(o abi.Command) bool { return o.Name == c.Name }) {
				return fmt.Errorf("command /%s belongs to module %s", c.Name, name)
			}
		}
	}
	r.runs[s.Name] = s
	return nil
}

func (r *rig) Remove(_ context.Context, name string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.runs, name)
	return nil
}

func (r *rig) End(ctx context.Context, name string) error {
	r.mu.Lock()
	r.ended = append(r.ended, name)
	r.mu.Unlock()
	return r.Remove(ctx, name)
}

func (r *rig) Record(_ context.Context, e audit.Entry) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.audited = append(r.audited, e)
	return nil
}

// empty is a WebAssembly module with a memory of one page, and nothing else.
var empty = []byte{0, 'a', 's', 'm', 1, 0, 0, 0, 5, 3, 1, 0, 1}

// wasm makes a module. It asks to restart the containers of a scope.
func wasm(t *testing.T, name, version string, scope ...string) []byte {
	t.Helper()
	m := abi.Manifest{Name: name, Version: version, Description: "A test.", Author: "somebody", ABI: abi.Version,
		Commands: []abi.Command{{Name: strings.ReplaceAll(name, "-", "_"), Description: "Test", Who: abi.WhoUser}}}
	if len(scope) > 0 {
		m.Capabilities = []abi.CapabilityRequest{{Name: string(capability.ContainersRestart), Scope: scope, Reason: "because"}}
	}
	return withManifest(t, m)
}

func withManifest(t *testing.T, m abi.Manifest) []byte {
	t.Helper()
	file, err := abi.WithManifest(empty, m)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// drop puts a file into the folder, and returns its digest.
func (r *rig) drop(file string, content []byte) string {
	r.t.Helper()
	if err := os.WriteFile(filepath.Join(r.dir, file), content, 0o600); err != nil {
		r.t.Fatal(err)
	}
	return digestOf(content)
}

// sign puts a signature beside a file.
func (r *rig) sign(file, key string, content []byte) {
	r.t.Helper()
	r.drop(file+".minisig", []byte(key+" "+digestOf(content)))
}

func (r *rig) remove(file string) {
	r.t.Helper()
	if err := os.Remove(filepath.Join(r.dir, file)); err != nil {
		r.t.Fatal(err)
	}
}

// sync looks at the folder until nothing is waited for any more.
func (r *rig) sync() {
	r.t.Helper()
	for range 10 {
		again := r.Sync(r.t.Context())
		if again == 0 {
			return
		}
		r.pass(again)
	}
	r.t.Fatal("it waits for ever")
}

func (r *rig) pass(t time.Duration) { r.mu.Lock(); r.now = r.now.Add(t); r.mu.Unlock() }

// pending returns what is known of a file that does not run.
func (r *rig) pending(file string) abi.PendingModule {
	r.t.Helper()
	list, err := r.Pending(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	for _, p := range list.Modules {
		if p.File == file {
			return p
		}
	}
	return abi.PendingModule{}
}

// is checks the state of a file, and what is said of it.
func (r *rig) is(file, state, why string) {
	r.t.Helper()
	if p := r.pending(file); p.State != state || !strings.Contains(p.Why, why) {
		r.t.Errorf("%s is %q: %q, want %q: %q", file, p.State, p.Why, state, why)
	}
}

// runsAs checks which bytes of a name run, and by whose word.
func (r *rig) runsAs(name, digest, source string) {
	r.t.Helper()
	if s := r.runs[name]; s.Digest != digest || s.Trust != source {
		r.t.Errorf("%s runs as %.12s by %q, want %.12s by %q", name, s.Digest, s.Trust, digest, source)
	}
}

var (
	anAdmin = abi.Actor{ID: 1, Role: abi.RoleAdmin}
	another = abi.Actor{ID: 2, Role: abi.RoleAdmin}
)

func (r *rig) approves(name, digest string, grants ...abi.GrantedCapability) {
	r.t.Helper()
	done, err := r.Approve(r.t.Context(), anAdmin, abi.ModuleApproval{Name: name, Digest: digest, Grants: grants})
	if err != nil || !done.Changed || done.Digest != digest {
		r.t.Errorf("approve: %+v, %v", done, err)
	}
}

// refused checks that an act was refused with a code, and a sentence.
func refused(t *testing.T, err error, code abi.Code, says string) {
	t.Helper()
	e, ok := errors.AsType[*abi.Error](err)
	if !ok || e.Code != code || !strings.Contains(e.Message, says) {
		t.Errorf("got %v, want %s: %s", err, code, says)
	}
}

// events are the names of what was recorded in the audit log.
func (r *rig) events() (names []string) {
	for _, e := range r.audited {
		names = append(names, e.Event)
	}
	return names
}

func restart(scope ...string) abi.GrantedCapability {
	return abi.GrantedCapability{Name: string(capability.ContainersRestart), Scope: scope}
}
