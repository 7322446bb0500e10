package dropin

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/folder"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

func TestNothingRunsUnvetted(t *testing.T) {
	r := newRig(t)
	digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0", "web-*"))
	r.sync()
	if len(r.runs) != 0 || len(r.told) != 1 {
		t.Fatalf("%d run, told %v", len(r.runs), r.told)
	}
	want := abi.PendingModule{File: "hello.wasm", Digest: digest, State: abi.FilePending, Name: "hello", Version: "1.0.0"}
	got := r.told[0]
	if got.File != want.File || got.Digest != digest || got.State != want.State || got.Name != want.Name || got.Version != want.Version || got.Size == 0 {
		t.Errorf("told %+v", got)
	}
	if len(got.Asks) != 1 || got.Asks[0].Words != "docker.containers.restart web-*" || got.Asks[0].Reason != "because" || got.Asks[0].New {
		t.Errorf("it asks %+v", got.Asks)
	}
	r.sync()
	r.open()
	r.sync()
	if len(r.told) != 1 || !slices.Equal(r.events(), []string{"module.pending"}) {
		t.Errorf("told %d times, recorded %v", len(r.told), r.events())
	}
}

func TestPinnedRuns(t *testing.T) {
	r := newRig(t)
	digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0"))
	r.policy.Pins = map[string]string{"hello": digest}
	r.sync()
	r.runsAs("hello", digest, abi.TrustPinned)
	r.drop("hello.wasm", wasm(t, "hello", "1.0.1"))
	r.sync()
	r.is("hello.wasm", abi.FileRefused, "pins another file")
	r.runsAs("hello", digest, abi.TrustPinned)
	r.policy.Pins = nil
	r.Reload(t.Context())
	r.sync()
	if len(r.runs) != 0 {
		t.Error("without its pin it goes on")
	}
}

func TestSignedRuns(t *testing.T) {
	r := newRig(t)
	r.policy.Keys = []string{"OURS"}
	first := wasm(t, "hello", "1.0.0", "web-1")
	r.sign("hello.wasm", "OURS", first)
	digest := r.drop("hello.wasm", first)
	r.sync()
	r.runsAs("hello", digest, abi.TrustSigned)
	if r.runs["hello"].Signer != "OURS" {
		t.Errorf("signed by %q", r.runs["hello"].Signer)
	}

	more := wasm(t, "hello", "1.1.0", "web-1", "web-2")
	r.sign("hello.wasm", "OURS", more)
	newer := r.drop("hello.wasm", more)
	r.sync()
	r.runsAs("hello", digest, abi.TrustSigned)
	r.is("hello.wasm", abi.FilePending, "newly asks for more: docker.containers.restart")
	if p := r.pending("hello.wasm"); !p.Trusted || p.Before != "1.0.0" || !p.Asks[0].New || len(p.Gone) != 0 {
		t.Errorf("got %+v", p)
	}
	r.approves("hello", newer)
	r.runsAs("hello", newer, abi.TrustApproved)

	same := wasm(t, "hello", "1.2.0", "web-1", "web-2")
	r.sign("hello.wasm", "OURS", same)
	newest := r.drop("hello.wasm", same)
	r.sync()
	r.runsAs("hello", newest, abi.TrustSigned)

	r.policy.Keys = nil
	r.Reload(t.Context()) // and not a moment later
	if len(r.runs) != 0 {
		t.Error("it goes on though its key is not trusted any more")
	}
	if len(r.ended) != 1 {
		t.Error("what runs of it is not ended")
	}
	r.is("hello.wasm", abi.FileRefused, "none of modules.trusted_keys")
}

// TestAKeyThatComesToBeTrusted finds that a file which waits was signed by it.
func TestAKeyThatComesToBeTrusted(t *testing.T) {
	r := newRig(t)
	content := wasm(t, "hello", "1.0.0")
	r.sign("hello.wasm", "OURS", content)
	digest := r.drop("hello.wasm", content)
	r.sync()
	r.is("hello.wasm", abi.FilePending, "OURS, is none of modules.trusted_keys")
	r.policy.Keys = []string{"OURS"}
	r.Reload(t.Context())
	r.sync()
	r.runsAs("hello", digest, abi.TrustSigned)
}

func TestApprovedRuns(t *testing.T) {
	r := newRig(t)
	digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0", "web-*"))
	r.policy.Covers = func(_ capability.Name, outer, inner []string) bool { return outer[0] == "web-*" && inner[0] == "web-1" }
	r.granted["hello"] = []capability.Request{{Name: "docker.containers.restart", Scope: []string{"*"}}}
	r.sync()
	r.approves("hello", digest, restart("web-1"))
	r.runsAs("hello", digest, abi.TrustApproved)
	s := r.runs["hello"]
	if s.Approved[0].Scope[0] != "web-1" || s.Granted[0].Scope[0] != "*" {
		t.Errorf("granted %v and %v", s.Approved, s.Granted)
	}
	if p := r.pending("hello.wasm"); p.File != "" {
		t.Errorf("it is listed as %+v", p)
	}
	r.open()
	r.sync()
	r.runsAs("hello", digest, abi.TrustApproved)
	if got := r.runs["hello"].Approved[0].Scope[0]; got != "web-1" {
		t.Errorf("after a restart it is granted %q", got)
	}
}

// TestARestartReadsNothing finds what ran by its stamp, and the bytes in the vault.
func TestARestartReadsNothing(t *testing.T) {
	r := newRig(t)
	digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0"))
	r.sync()
	r.approves("hello", digest)
	r.records["hello"].Runs.Stamp = "" // as if it had been fresh then
	f := r.files["hello.wasm"]
	entries, err := r.Folder.List(r.isKnown)
	if err != nil {
		t.Fatal(err)
	}
	f.stamp = entries.Entries[0].Stamp
	r.rest(t.Context(), "hello", f)
	r.open()
	if f := r.remembered("hello.wasm"); f == nil || f.stamp != entries.Entries[0].Stamp || f.Digest != digest {
		t.Fatalf("remembered %+v", f)
	}
}

// TestApprovedGoesOn replaces the file by all sorts of things: what was approved runs on,
// also after a restart.
func TestApprovedGoesOn(t *testing.T) {
	for name, change := range map[string]func(r *rig, path string) error{
		"a newer file": func(r *rig, path string) error { return os.WriteFile(path, wasm(r.t, "hello", "2.0.0"), 0o600) },
		"half a file":  func(r *rig, path string) error { return os.Truncate(path, 20) },
		"a link": func(r *rig, path string) error {
			os.Remove(path)
			return os.Symlink("/etc/passwd", path)
		},
		"a folder that vanishes": func(r *rig, _ string) error { return os.RemoveAll(r.dir) },
		"a folder for everybody": func(r *rig, _ string) error { return os.Chmod(r.dir, 0o777) },
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0"))
			r.sync()
			r.approves("hello", digest)
			if err := change(r, filepath.Join(r.dir, "hello.wasm")); err != nil {
				t.Fatal(err)
			}
			r.sync()
			r.runsAs("hello", digest, abi.TrustApproved)
			r.open()
			r.sync()
			r.runsAs("hello", digest, abi.TrustApproved)
		})
	}
}

func TestARemovedFileRetiresItsModule(t *testing.T) {
	r := newRig(t)
	content := wasm(t, "hello", "1.0.0")
	digest := r.drop("hello.wasm", content)
	r.sync()
	r.approves("hello", digest)
	r.remove("hello.wasm")
	r.sync()
	if len(r.runs) != 0 || len(r.ended) != 0 {
		t.Fatal("it goes on, or a command that runs is lost")
	}
	r.open()
	r.sync()
	if len(r.runs) != 0 {
		t.Fatal("it is back after a restart")
	}
	r.drop("hello.wasm", content)
	r.sync()
	r.runsAs("hello", digest, abi.TrustApproved)
}

func TestTheFirstKeepsItsCommand(t *testing.T) {
	r := newRig(t)
	r.policy.Keys = []string{"OURS"}
	m := abi.Manifest{Name: "b-first", Version: "1.0.0", Description: "x", Author: "x", ABI: abi.Version,
		Commands: []abi.Command{{Name: "same", Description: "x", Who: abi.WhoUser}}}
	first := withManifest(t, m)
	r.sign("b.wasm", "OURS", first)
	digest := r.drop("b.wasm", first)
	r.sync()
	m.Name = "a-second"
	r.pass(1)
	second := withManifest(t, m)
	r.sign("a.wasm", "OURS", second)
	secondDigest := r.drop("a.wasm", second)
	for range 2 {
		r.sync()
		r.runsAs("b-first", digest, abi.TrustSigned)
		r.is("a.wasm", abi.FileRefused, "command /same belongs to module b-first")
		r.open() // the order after a restart is that of permissions, not of names
	}
	r.sync()
	r.remove("b.wasm")
	r.sync() // retires one
	r.sync() // and the other may have its command
	r.runsAs("a-second", secondDigest, abi.TrustSigned)
}

func TestTwoFilesOfOneName(t *testing.T) {
	r := newRig(t)
	r.policy.Keys = []string{"OURS"}
	old, newer := wasm(t, "hello", "1.9.0"), wasm(t, "hello", "1.10.0")
	for file, content := range map[string][]byte{"a.wasm": old, "b.wasm": newer} {
		r.sign(file, "OURS", content)
		r.drop(file, content)
	}
	for range 3 {
		r.sync()
		r.runsAs("hello", digestOf(newer), abi.TrustSigned)
		r.is("a.wasm", abi.FileRefused, "older than the version")
	}
	if r.puts != 1 {
		t.Errorf("%d modules were put", r.puts)
	}
}

func TestGrantsOfTheConfigAreFollowed(t *testing.T) {
	r := newRig(t)
	digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0", "web-*"))
	r.sync()
	r.approves("hello", digest)
	r.granted["hello"] = []capability.Request{{Name: "docker.containers.restart", Scope: []string{"web-1"}}}
	r.Reload(t.Context())
	r.sync()
	if got := r.runs["hello"].Granted[0].Scope[0]; got != "web-1" {
		t.Errorf("granted %q", got)
	}
	// One that cannot run with less must not go on with more.
	r.putErr = func(Spec) error { return os.ErrInvalid }
	r.granted["hello"] = []capability.Request{{Name: "docker.containers.restart", Scope: []string{"web-2"}}}
	r.Reload(t.Context())
	r.sync()
	if len(r.runs) != 0 {
		t.Error("it goes on with what it was granted before")
	}
	r.putErr = nil
	r.granted["hello"] = []capability.Request{}
	r.Reload(t.Context())
	r.sync()
	r.is("hello.wasm", abi.FileRefused, "leaves out docker.containers.restart")
}

// TestFiveHundredModules brings one message for each of the first few, and one for the rest.
func TestFiveHundredModules(t *testing.T) {
	r := newRig(t)
	for i := range 500 {
		name := "m" + strings.Repeat("x", i%7) + string(rune('a'+i%26)) + string(rune('a'+i/26))
		r.drop(name+".wasm", append(wasm(t, name, "1.0.0"), 0, 3, 1, 'p', byte(i)))
	}
	r.sync()
	if len(r.told) != tellAtMost {
		t.Errorf("told of %d one by one", len(r.told))
	}
	if len(r.notices) != 2 || !strings.Contains(r.notices[0], "more than 256 modules") || !strings.Contains(r.notices[1], "251 more files") {
		t.Errorf("told %q", r.notices)
	}
	list, err := r.Pending(t.Context())
	if err != nil || len(list.Modules) != folder.MaxFiles {
		t.Errorf("%d are listed, %v", len(list.Modules), err)
	}
	r.sync()
	if len(r.told)+len(r.notices) != tellAtMost+2 {
		t.Errorf("told again: %q", r.notices)
	}
}

// What the config leaves is said in patterns that can be approved: an admin who takes
// them as they stand is not told that the module does not ask for so much.
func TestWhatTheConfigLeavesCanBeApproved(t *testing.T) {
	for _, test := range []struct{ asked, config, left []string }{
		{[]string{"web-*"}, []string{"web-1"}, []string{"web-1"}},
		{[]string{"web-*", "db"}, []string{"web-1", "d*", "ldap"}, []string{"db", "web-1"}},
		{[]string{"web-*"}, []string{"*-1"}, nil},
		{[]string{"web-*"}, []string{"web-1", "*-2"}, nil},
		{[]string{"web-*"}, []string{"*"}, nil},
	} {
		r := newRig(t)
		r.policy.Covers = capability.Covers
		r.granted["hello"] = []capability.Request{{Name: "docker.containers.restart", Scope: test.config}}
		digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0", test.asked...))
		r.sync()
		got := r.pending("hello.wasm").Asks[0].Narrowed
		if !slices.Equal(got, test.left) {
			t.Errorf("%q of %q: %q", test.config, test.asked, got)
		}
		if len(got) == 0 {
			got = test.asked
		}
		r.approves("hello", digest, restart(got...))
		if spec := r.runs["hello"]; !slices.Equal(spec.Approved[0].Scope, got) || !slices.Equal(spec.Granted[0].Scope, test.config) {
			t.Errorf("%q of %q: it runs with %+v and %+v", test.config, test.asked, spec.Approved, spec.Granted)
		}
	}
}

// The message to admins is the page of the file: it must be there when they are told.
func TestWhoeverIsToldFindsTheFile(t *testing.T) {
	r := newRig(t)
	asked := 0
	r.Tell = func(p abi.PendingModule) {
		asked++
		list, err := r.Pending(t.Context())
		if err != nil || !slices.ContainsFunc(list.Modules, func(there abi.PendingModule) bool { return there.Digest == p.Digest }) {
			t.Errorf("told of %s, and there are %+v, %v", p.Digest, list.Modules, err)
		}
	}
	r.drop("hello.wasm", wasm(t, "hello", "1.0.0"))
	r.sync()
	r.drop("other.wasm", wasm(t, "other", "1.0.0"))
	r.sync()
	if asked != 2 {
		t.Errorf("told %d times", asked)
	}
}

// Approvals hold when no more of them are given in chat: only a revocation takes one back.
func TestApprovalsOutliveTheirSwitch(t *testing.T) {
	r := newRig(t)
	digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0"))
	r.sync()
	r.approves("hello", digest)
	r.policy.Chat = false
	r.Reload(t.Context())
	r.runsAs("hello", digest, abi.TrustApproved)
	next := r.drop("hello.wasm", wasm(t, "hello", "1.1.0"))
	r.sync()
	_, err := r.Approve(t.Context(), anAdmin, abi.ModuleApproval{Name: "hello", Digest: next})
	refused(t, err, abi.Conflict, "chat_approval is off")
	r.runsAs("hello", digest, abi.TrustApproved)
}

// The first look lets in what may run, and only then it is said to be over.
func TestTheFirstLookIsToldOf(t *testing.T) {
	r := newRig(t)
	digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0"))
	r.policy.Pins = map[string]string{"hello": digest}
	select {
	case <-r.Settled():
		t.Fatal("it is over before it began")
	default:
	}
	r.sync()
	<-r.Settled()
	r.runsAs("hello", digest, abi.TrustPinned)
}
