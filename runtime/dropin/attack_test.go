package dropin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/folder"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/trust"
)

// TestChangedBytes is a new module, whatever it calls itself.
func TestChangedBytes(t *testing.T) {
	r := newRig(t)
	content := wasm(t, "hello", "1.0.0")
	digest := r.drop("hello.wasm", content)
	r.sync()
	r.approves("hello", digest)
	other := append(slices.Clone(content), 0, 3, 1, 'x', 'y') // a custom section: it does the same
	changed := r.drop("hello.wasm", other)
	r.sync()
	r.runsAs("hello", digest, abi.TrustApproved)
	r.is("hello.wasm", abi.FilePending, "and other bytes")
	if p := r.pending("hello.wasm"); p.Digest != changed {
		t.Errorf("asked about %s", p.Digest)
	}
}

func TestStrippedSignature(t *testing.T) {
	r := newRig(t)
	r.policy.Keys = []string{"OURS"}
	content := wasm(t, "hello", "1.0.0")
	r.sign("hello.wasm", "OURS", content)
	digest := r.drop("hello.wasm", content)
	r.sync()
	stripped := wasm(t, "hello", "1.1.0")
	r.remove("hello.wasm.minisig")
	other := r.drop("hello.wasm", stripped)
	if r.Sync(t.Context()); len(r.told) != 0 {
		t.Error("the signature may be on its way, and it is told already")
	}
	r.sync()
	r.runsAs("hello", digest, abi.TrustSigned)
	r.is("hello.wasm", abi.FileRefused, "not signed, and the version before was")
	_, err := r.Approve(t.Context(), anAdmin, abi.ModuleApproval{Name: "hello", Digest: other})
	refused(t, err, abi.Conflict, "At the host")

	r.sign("hello.wasm", "THEIRS", stripped)
	r.sync()
	r.is("hello.wasm", abi.FileRefused, "THEIRS, is none of modules.trusted_keys")
	r.drop("hello.wasm.minisig", []byte("OURS "+digest)) // the signature of another file
	r.sync()
	r.is("hello.wasm", abi.FileRefused, "its signature is no good")
	_, err = r.ApproveAtHost(t.Context(), abi.ModuleApproval{Name: "hello"})
	refused(t, err, abi.Conflict, "cannot be approved")

	r.remove("hello.wasm.minisig")
	r.sync()
	if _, err := r.ApproveAtHost(t.Context(), abi.ModuleApproval{Name: "hello"}); err != nil {
		t.Error(err)
	}
	r.runsAs("hello", other, abi.TrustApproved)
}

// TestASignatureThatComesLate is waited for, and nobody is alarmed.
func TestASignatureThatComesLate(t *testing.T) {
	r := newRig(t)
	r.policy.Keys = []string{"OURS"}
	for _, version := range []string{"1.0.0", "1.1.0"} {
		content := wasm(t, "hello", version)
		if version == "1.0.0" {
			r.sign("hello.wasm", "OURS", content)
		}
		digest := r.drop("hello.wasm", content)
		r.Sync(t.Context())
		r.sign("hello.wasm", "OURS", content)
		r.sync()
		r.runsAs("hello", digest, abi.TrustSigned)
	}
	if len(r.told) != 0 {
		t.Errorf("told %+v", r.told)
	}
}

func TestDowngrade(t *testing.T) {
	r := newRig(t)
	r.policy.Keys = []string{"OURS"}
	old, newer := wasm(t, "hello", "1.9.0"), wasm(t, "hello", "1.10.0")
	oldDigest := r.drop("hello.wasm", old)
	r.sync()
	r.approves("hello", oldDigest)
	r.sign("hello.wasm", "OURS", newer)
	newDigest := r.drop("hello.wasm", newer)
	r.sync()
	r.runsAs("hello", newDigest, abi.TrustSigned)

	// Back to the old file: neither its own approval of then nor a signature helps.
	r.sign("hello.wasm", "OURS", old)
	r.drop("hello.wasm", old)
	for range 2 {
		r.sync()
		r.runsAs("hello", newDigest, abi.TrustSigned)
		r.is("hello.wasm", abi.FileRefused, "older than the version that was let run last, 1.10.0")
		r.open()
	}
	r.sync()
	r.remove("hello.wasm")
	r.remove("hello.wasm.minisig")
	r.sync()
	r.drop("hello.wasm", old)
	r.sync()
	r.is("hello.wasm", abi.FileRefused, "older")
	if len(r.runs) != 0 {
		t.Error("with the newer file gone, the old one runs")
	}
	if _, err := r.ApproveAtHost(t.Context(), abi.ModuleApproval{Name: "hello"}); err != nil {
		t.Error(err)
	}
	r.runsAs("hello", oldDigest, abi.TrustApproved)
}

func TestFilesThatAreNone(t *testing.T) {
	r := newRig(t)
	outside := filepath.Join(t.TempDir(), "outside.wasm")
	content := wasm(t, "hello", "1.0.0")
	r.policy.Pins = map[string]string{"hello": digestOf(content)} // it could run, if it lay here
	for path, err := range map[string]error{
		"outside.wasm": os.WriteFile(outside, content, 0o600),
		"link.wasm":    os.Symlink(outside, filepath.Join(r.dir, "link.wasm")),
		"fifo.wasm":    unix.Mkfifo(filepath.Join(r.dir, "fifo.wasm"), 0o600),
		"big.wasm":     os.WriteFile(filepath.Join(r.dir, "big.wasm"), make([]byte, 9<<20), 0o600),
	} {
		if err != nil {
			t.Fatalf("%s: %v", path, err)
		}
	}
	r.sync()
	r.is("link.wasm", abi.FileRefused, "symbolic link")
	r.is("fifo.wasm", abi.FileRefused, "no ordinary file")
	r.is("big.wasm", abi.FileRefused, "at most 8388608")
	if len(r.runs) != 0 || len(r.told) != 3 {
		t.Errorf("%d run, told of %d", len(r.runs), len(r.told))
	}
}

// TestAFileThatGoesOnChanging is told once, and is looked at again.
func TestAFileThatGoesOnChanging(t *testing.T) {
	r := newRig(t)
	path := filepath.Join(r.dir, "hello.wasm")
	stop := make(chan struct{})
	var writer sync.WaitGroup
	writer.Go(func() {
		content := make([]byte, 4<<20)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
				content[0] = byte(i)
				os.WriteFile(path, content[:len(content)-i%1000], 0o600)
			}
		}
	})
	again := settling
	for end := time.Now().Add(time.Minute); len(r.told) == 0 && time.Now().Before(end); {
		again = r.Sync(t.Context())
		r.pass(max(again, settling))
	}
	close(stop)
	writer.Wait()
	if len(r.told) == 0 || r.told[0].State != abi.FileRefused {
		t.Fatalf("told %+v", r.told)
	}
	if again != 0 {
		t.Errorf("it is looked at again after %s, for as long as somebody writes", again)
	}
	digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0"))
	r.sync()
	if p := r.pending("hello.wasm"); p.Digest != digest || p.State != abi.FilePending {
		t.Errorf("when it has settled: %+v", p)
	}
}

// TestAFileSwappedAfterTheLook is not what was decided about.
func TestAFileSwappedAfterTheLook(t *testing.T) {
	r := newRig(t)
	digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0", "web-1"))
	r.sync()
	evil := r.drop("hello.wasm", wasm(t, "hello", "1.0.0", "*"))
	_, err := r.Approve(t.Context(), anAdmin, abi.ModuleApproval{Name: "hello", Digest: digest})
	refused(t, err, abi.Conflict, "another one now")
	_, err = r.Approve(t.Context(), anAdmin, abi.ModuleApproval{Name: "hello", Digest: evil})
	refused(t, err, abi.NotFound, "no such file")
	if len(r.runs) != 0 || r.records["hello"] != nil {
		t.Errorf("%v run, %+v is known", r.runs, r.records["hello"])
	}
}

// TestAFileSwappedBeforeItIsLoaded changes it between the look and the copy: by a pin it
// may run, but the bytes are others.
func TestAFileSwappedBeforeItIsLoaded(t *testing.T) {
	r := newRig(t)
	digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0"))
	r.sync()
	f := *r.files["hello.wasm"]
	r.drop("hello.wasm", wasm(t, "hello", "1.0.0", "*"))
	f.verdict = trust.Verdict{State: trust.Runs, Source: abi.TrustPinned}
	if err := r.permit(t.Context(), "hello", &f, nil, nil); !errors.Is(err, errChanged) || len(r.runs) != 0 {
		t.Errorf("got %v, and %v run", err, r.runs)
	}
	if r.Vault.Has(digest) || r.Vault.Len() != 0 {
		t.Error("something was kept")
	}
}

// TestReplayedApprovals tries an approval for other bytes, another name, and other grants,
// in chat and in what is kept of it.
func TestReplayedApprovals(t *testing.T) {
	r := newRig(t)
	a := r.drop("a.wasm", wasm(t, "a", "1.0.0", "web-1"))
	b := r.drop("b.wasm", wasm(t, "b", "1.0.0", "web-1"))
	r.sync()
	for _, q := range []abi.ModuleApproval{
		{Name: "a", Digest: b}, {Name: "b", Digest: a}, {Name: "a"}, {Name: "", Digest: a}, {Name: "c", Digest: a},
		{Name: "a", Digest: strings.ToUpper(a)}, {Name: "a", Digest: a[:12]},
	} {
		_, err := r.Approve(t.Context(), anAdmin, q)
		refused(t, err, abi.NotFound, "no such file")
	}
	for _, grants := range [][]abi.GrantedCapability{
		{restart("*")}, {restart("web-1", "web-2")}, {restart()}, {restart("web-1"), restart("web-1")},
		{restart("web-1"), {Name: "docker.containers.kill", Scope: []string{"web-1"}}},
		{{Name: "docker.containers.list", Scope: []string{"web-1"}}}, {{Name: "no.such"}},
	} {
		_, err := r.Approve(t.Context(), anAdmin, abi.ModuleApproval{Name: "a", Digest: a, Grants: grants})
		refused(t, err, abi.Invalid, ".")
	}
	if len(r.runs) != 0 {
		t.Fatalf("%v run", r.runs)
	}
	r.approves("a", a)
	good := *r.records["a"]
	for name, change := range map[string]func(*record){
		"another digest": func(c *record) { c.Approval.Digest = b },
		"other grants": func(c *record) {
			c.Approval.Grants = []capability.Request{{Name: "docker.containers.restart", Scope: []string{"*"}}}
		},
		"no seal": func(c *record) { c.Approval.Seal = "" },
	} {
		t.Run(name, func(t *testing.T) {
			changed := good
			change(&changed)
			if err := r.keep(t.Context(), "a", &changed); err != nil {
				t.Fatal(err)
			}
			r.t = t
			r.open()
			r.sync()
			if len(r.runs) != 0 {
				t.Errorf("%v run", r.runs)
			}
		})
	}
	if err := r.keep(t.Context(), "b", &record{Lineage: trust.Lineage{Approval: trust.Approval{Digest: b, Grants: good.Approval.Grants, Seal: good.Approval.Seal}}}); err != nil {
		t.Fatal(err)
	}
	r.sync()
	if r.runs["b"].Digest != "" {
		t.Error("the approval of another module was good for it")
	}
}

// TestTwoAdminsAtOnce approve and revoke: at the end it is as the later one wanted, and
// both are recorded.
func TestTwoAdminsAtOnce(t *testing.T) {
	r := newRig(t)
	digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0"))
	r.sync()
	var admins sync.WaitGroup
	for range 20 {
		admins.Go(func() { r.Approve(t.Context(), anAdmin, abi.ModuleApproval{Name: "hello", Digest: digest}) })
		admins.Go(func() { r.Revoke(t.Context(), another, abi.ModuleRef{Name: "hello", Digest: digest}) })
		admins.Go(func() { r.Sync(t.Context()) })
		admins.Go(func() { r.Pending(t.Context()) })
	}
	admins.Wait()
	var last string
	approved, revoked := 0, 0
	for _, e := range r.audited {
		switch e.Event {
		case "module.approved":
			approved, last = approved+1, e.Event
			if e.Actor != "masked-1" {
				t.Errorf("approved by %s", e.Actor)
			}
		case "module.revoked":
			revoked, last = revoked+1, e.Event
			if e.Actor != "masked-2" {
				t.Errorf("revoked by %s", e.Actor)
			}
		}
	}
	if approved == 0 || approved-revoked != len(r.runs) || (last == "module.approved") != (len(r.runs) == 1) {
		t.Errorf("%d approvals, %d revocations, the last is %s, and %d run", approved, revoked, last, len(r.runs))
	}
	before := len(r.runs)
	r.open()
	r.sync()
	if len(r.runs) != before {
		t.Errorf("after a restart %d run, before %d", len(r.runs), before)
	}
}

func TestRevoked(t *testing.T) {
	for _, source := range []string{abi.TrustPinned, abi.TrustSigned, abi.TrustApproved} {
		t.Run(source, func(t *testing.T) {
			r := newRig(t)
			content := wasm(t, "hello", "1.0.0")
			digest := digestOf(content)
			switch source {
			case abi.TrustPinned:
				r.policy.Pins = map[string]string{"hello": digest}
			case abi.TrustSigned:
				r.policy.Keys = []string{"OURS"}
				r.sign("hello.wasm", "OURS", content)
			}
			r.drop("hello.wasm", content)
			r.sync()
			if source == abi.TrustApproved {
				r.approves("hello", digest)
			}
			told := len(r.told)
			done, err := r.Revoke(t.Context(), another, abi.ModuleRef{Name: "hello"})
			if err != nil || !done.Changed || done.Digest != digest || len(r.runs) != 0 || len(r.ended) != 1 {
				t.Fatalf("got %+v, %v, %v run and %v were ended", done, err, r.runs, r.ended)
			}
			for range 2 {
				r.sync()
				r.is("hello.wasm", abi.FilePending, "was revoked")
				r.open()
			}
			r.sync()
			if len(r.runs) != 0 || len(r.told) != told {
				t.Errorf("%v run, told %d times more", r.runs, len(r.told)-told)
			}
			_, err = r.Revoke(t.Context(), another, abi.ModuleRef{Name: "hello"})
			refused(t, err, abi.NotFound, "No such module")
			r.approves("hello", digest)
			if r.runs["hello"].Digest != digest {
				t.Error("a new approval is no good")
			}
		})
	}
}

func TestRefusedIsNotAskedAboutAgain(t *testing.T) {
	r := newRig(t)
	digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0"))
	r.sync()
	ref := abi.ModuleRef{Name: "hello", Digest: digest}
	if done, err := r.Refuse(t.Context(), anAdmin, ref); err != nil || !done.Changed {
		t.Fatalf("got %+v, %v", done, err)
	}
	if done, err := r.Refuse(t.Context(), another, ref); err != nil || done.Changed {
		t.Errorf("the second time: %+v, %v", done, err)
	}
	r.remove("hello.wasm")
	r.sync()
	r.drop("hello.wasm", wasm(t, "hello", "1.0.0"))
	r.open()
	r.sync()
	if len(r.told) != 1 {
		t.Errorf("told %d times", len(r.told))
	}
	r.is("hello.wasm", abi.FileRefused, "an admin refused it")
	_, err := r.Approve(t.Context(), anAdmin, abi.ModuleApproval{Name: "hello", Digest: digest})
	refused(t, err, abi.Conflict, "At the host")
	if _, err := r.ApproveAtHost(t.Context(), abi.ModuleApproval{Name: "hello", Digest: digest}); err != nil {
		t.Error(err)
	}
	_, err = r.Refuse(t.Context(), anAdmin, ref)
	refused(t, err, abi.Conflict, "Revoke it")
}

func TestNoApprovalInChat(t *testing.T) {
	r := newRig(t)
	r.policy.Chat = false
	digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0"))
	r.sync()
	_, err := r.Approve(t.Context(), anAdmin, abi.ModuleApproval{Name: "hello", Digest: digest})
	refused(t, err, abi.Conflict, "modules.chat_approval is off")
	if _, err := r.ApproveAtHost(t.Context(), abi.ModuleApproval{Name: "hello"}); err != nil {
		t.Error(err)
	}
	if _, err := r.RevokeAtHost(t.Context(), abi.ModuleRef{Name: "hello"}); err != nil || len(r.runs) != 0 {
		t.Errorf("%v, and %v run", err, r.runs)
	}
	if got := r.audited[len(r.audited)-1]; got.Event != "module.revoked" || got.Actor != "host" {
		t.Errorf("recorded %+v", got)
	}
}

// TestAChangedCopy in the vault never runs; a good file in the folder mends it.
func TestAChangedCopy(t *testing.T) {
	r := newRig(t)
	content := wasm(t, "hello", "1.0.0")
	digest := r.drop("hello.wasm", content)
	r.sync()
	r.approves("hello", digest)
	copied := filepath.Join(r.stateDir, "modules", digest+".wasm")
	evil := wasm(t, "hello", "1.0.0", "*")
	if err := os.WriteFile(copied, evil, 0o600); err != nil {
		t.Fatal(err)
	}
	r.drop("hello.wasm", wasm(t, "hello", "1.1.0"))
	r.open()
	r.sync()
	if len(r.runs) != 0 {
		t.Errorf("%v run", r.runs)
	}
	r.pass(retry)
	r.drop("hello.wasm", content)
	r.sync()
	r.runsAs("hello", digest, abi.TrustApproved)
	if got, err := os.ReadFile(copied); err != nil || digestOf(got) != digest {
		t.Errorf("the copy is %.12s, %v", digestOf(got), err)
	}
}

// TestAFullDiskAtApproval leaves nothing half done, wherever it fills up.
func TestAFullDiskAtApproval(t *testing.T) {
	full := fmt.Errorf("write: %w", unix.ENOSPC)
	for name, breakIt := range map[string]func(*rig) (mend func()){
		"the table": func(r *rig) func() {
			whole := r.Records
			r.Records = fullTable{Table: whole, err: full}
			return func() { r.Records = whole }
		},
		"the vault": func(r *rig) func() {
			dir := filepath.Join(r.stateDir, "modules")
			if err := os.Rename(dir, dir+".away"); err != nil {
				t.Fatal(err)
			}
			return func() {
				if err := os.Rename(dir+".away", dir); err != nil {
					t.Fatal(err)
				}
			}
		},
		"the cache of compiled modules": func(r *rig) func() {
			r.putErr = func(Spec) error { return full }
			return func() { r.putErr = nil }
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			first := r.drop("hello.wasm", wasm(t, "hello", "1.0.0"))
			r.sync()
			r.approves("hello", first)
			second := r.drop("hello.wasm", wasm(t, "hello", "1.1.0"))
			r.sync()
			mend := breakIt(r)
			if _, err := r.Approve(t.Context(), anAdmin, abi.ModuleApproval{Name: "hello", Digest: second}); err == nil {
				t.Error("it was approved")
			}
			r.runsAs("hello", first, abi.TrustApproved)
			mend()
			r.sync()
			r.runsAs("hello", first, abi.TrustApproved)
			r.open()
			r.sync()
			r.runsAs("hello", first, abi.TrustApproved)
			if strings.Count(strings.Join(r.events(), " "), "module.approved") != 1 {
				t.Errorf("recorded %v", r.events())
			}
			r.pass(retry)
			r.approves("hello", second)
			r.runsAs("hello", second, abi.TrustApproved)
		})
	}
}

// TestRevokedOnAFullDisk ends it at once, and says that it would come back.
func TestRevokedOnAFullDisk(t *testing.T) {
	r := newRig(t)
	digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0"))
	r.sync()
	r.approves("hello", digest)
	r.Records = fullTable{Table: r.Records, err: unix.ENOSPC}
	_, err := r.Revoke(t.Context(), anAdmin, abi.ModuleRef{Name: "hello"})
	refused(t, err, abi.Unavailable, "would run again after a restart")
	r.sync()
	if len(r.runs) != 0 {
		t.Error("it runs")
	}
}

type fullTable struct {
	Table
	err error
}

func (f fullTable) Change(context.Context, []byte, func([]byte, time.Time) ([]byte, time.Time, error)) error {
	return f.err
}

func TestAFolderThatVanishes(t *testing.T) {
	r := newRig(t)
	digest := r.drop("hello.wasm", wasm(t, "hello", "1.0.0"))
	waits := r.drop("waits.wasm", wasm(t, "waits", "1.0.0"))
	r.sync()
	r.approves("hello", digest)
	notices := len(r.notices)
	if err := os.Rename(r.dir, r.dir+".away"); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		r.sync()
	}
	r.runsAs("hello", digest, abi.TrustApproved)
	if len(r.notices) != notices+1 || !strings.Contains(r.notices[notices], "cannot be read") {
		t.Errorf("told %q", r.notices[notices:])
	}
	_, err := r.Approve(t.Context(), anAdmin, abi.ModuleApproval{Name: "waits", Digest: waits})
	refused(t, err, abi.NotFound, "no such file")
	if err := os.Rename(r.dir+".away", r.dir); err != nil {
		t.Fatal(err)
	}
	r.sync()
	r.runsAs("hello", digest, abi.TrustApproved)
	r.is("waits.wasm", abi.FilePending, "")
	if err := errors.Join(os.Rename(r.dir, r.dir+".old"), os.Mkdir(r.dir, 0o700)); err != nil {
		t.Fatal(err)
	}
	r.sync()
	if len(r.runs) != 0 {
		t.Error("with an empty folder in its place it runs")
	}
}

// TestDropInToPending watches a real folder: admins are told within three seconds of a
// module of 3 MB.
func TestDropInToPending(t *testing.T) {
	r := newRig(t)
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { r.Run(ctx) })
	defer running.Wait()
	defer cancel()
	began := time.Now()
	r.drop("hello.wasm", large(t))
	for len(r.toldNow()) == 0 {
		if time.Since(began) > 3*time.Second {
			t.Fatal("nobody was told within 3 s")
		}
		time.Sleep(time.Millisecond)
	}
	t.Logf("told after %s", time.Since(began).Round(time.Millisecond))
}

func (r *rig) toldNow() []abi.PendingModule { r.mu.Lock(); defer r.mu.Unlock(); return r.told }

// large is a module of 3 MB.
func large(tb testing.TB) []byte {
	tb.Helper()
	size := 3 << 20
	section := []byte{0, byte(size | 0x80), byte(size>>7 | 0x80), byte(size>>14 | 0x80), byte(size >> 21), 1, 'x'}
	padded := append(append(slices.Clone(empty), section...), make([]byte, size-2)...)
	file, err := abi.WithManifest(padded, abi.Manifest{Name: "hello", Version: "1.0.0", Description: "x", Author: "x", ABI: abi.Version})
	if err != nil {
		tb.Fatal(err)
	}
	return file
}

// BenchmarkPending is what a look at a file of 3 MB costs after the wait for silence.
func BenchmarkPending(b *testing.B) {
	content := large(b)
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hello.wasm"), content, 0o600); err != nil {
		b.Fatal(err)
	}
	d := &Dropins{Config: Config{Folder: folder.New(dir), Scan: scan}}
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if _, _, err := d.read("hello.wasm"); err != nil {
			b.Fatal(err)
		}
	}
}
