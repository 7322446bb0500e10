package dropin

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/folder"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// churn puts another file of the name hello into the folder, whose signature is no good
// and may still be on its way, and looks at it.
func (r *rig) churn(n int) {
	r.t.Helper()
	r.drop("noise.wasm", wasm(r.t, "hello", fmt.Sprintf("2.0.%d", n)))
	r.drop("noise.wasm.minisig", fmt.Appendf(nil, "OURS %d", n))
	r.Sync(r.t.Context())
	r.pass(time.Second)
}

// TestWhoChurnsTheFolderKeepsNothingAlive (F2): a module that lost the operator's word, or
// a part of its grants, does not go on because another file of its name changes all the
// time, so that its signature is always waited for.
func TestWhoChurnsTheFolderKeepsNothingAlive(t *testing.T) {
	r := newRig(t)
	r.policy.Keys = []string{"OURS", "NEXT"}
	content := wasm(t, "hello", "1.0.0", "web-*")
	r.sign("hello.wasm", "OURS", content)
	digest := r.drop("hello.wasm", content)
	r.sync()
	r.runsAs("hello", digest, abi.TrustSigned)
	r.churn(0)

	r.granted["hello"] = []capability.Request{{Name: string(capability.ContainersRestart), Scope: []string{"web-1"}}}
	r.Reload(t.Context())
	r.churn(1)
	if granted := r.runs["hello"].Granted; len(granted) != 1 || granted[0].Scope[0] != "web-1" {
		t.Errorf("it goes on with %+v", granted)
	}
	r.policy.Keys = []string{"NEXT"}
	r.drop("noise.wasm.minisig", []byte("NEXT -"))
	r.Reload(t.Context())
	for n := range 3 {
		r.drop("noise.wasm", wasm(t, "hello", fmt.Sprintf("3.0.%d", n)))
		r.drop("noise.wasm.minisig", fmt.Appendf(nil, "NEXT %d", n))
		r.Sync(t.Context())
		r.pass(time.Second)
	}
	if len(r.runs) != 0 {
		t.Error("it goes on, though its key is not trusted any more")
	}
}

// TestAChurningFolderFillsNoDisk: a file that changes all the time is a record for each of
// the first thousand, and for those that admins are told of; the disk is for other things.
func TestAChurningFolderFillsNoDisk(t *testing.T) {
	r := newRig(t)
	for n := range 2 * recordAtMost / 100 {
		for i := range 100 {
			r.drop(fmt.Sprintf("m%d.wasm", i), wasm(t, "hello", fmt.Sprintf("1.%d.%d", n, i)))
		}
		r.Sync(t.Context())
		r.pass(time.Second)
	}
	if n := len(r.audited); n < recordAtMost || n > recordAtMost+tellAtMost+1 {
		t.Errorf("%d records", n)
	}
	rows := 0
	err := r.store.Table(store.ModulesTold).Each(func(_, _ []byte, _ time.Time) error { rows++; return nil })
	if err != nil || rows > recordAtMost+tellAtMost {
		t.Errorf("%d rows, %v", rows, err)
	}
	// Who comes later is told of, and recorded.
	r.pass(tellSpan)
	before := len(r.told)
	digest := r.drop("a-real-one.wasm", wasm(t, "real", "1.0.0"))
	r.sync()
	if told := r.told[before:]; len(told) == 0 || told[0].Digest != digest || r.audited[len(r.audited)-1].Event != "module.pending" {
		t.Errorf("told %+v", told)
	}
}

// TestALookReadsOnlySoMuch: who revokes a module waits for no folder full of large files,
// and none of them is left out for good because others change all the time.
func TestALookReadsOnlySoMuch(t *testing.T) {
	r := newRig(t)
	read := map[string]int{}
	files := 3 * lookBytes / folder.MaxFile
	sparse := func(i int) {
		name := filepath.Join(r.dir, fmt.Sprintf("m%02d.wasm", i))
		if err := errors.Join(os.WriteFile(name, []byte{byte(i)}, 0o600), os.Truncate(name, folder.MaxFile)); err != nil {
			t.Fatal(err)
		}
	}
	r.Scan = func(wasm []byte) error {
		read[fmt.Sprintf("m%02d.wasm", wasm[0])]++
		return errors.New("it is none")
	}
	for i := range files {
		sparse(i)
	}
	for range 5 {
		before := 0
		for _, n := range read {
			before += n
		}
		if again := r.Sync(t.Context()); again == 0 {
			t.Error("it does not go on with the rest")
		}
		after := 0
		for _, n := range read {
			after += n
		}
		if after-before > lookBytes/folder.MaxFile {
			t.Errorf("%d files were read in one look", after-before)
		}
		for i := range files / 2 {
			sparse(i) // the first ones change again
		}
	}
	if len(read) != files {
		t.Errorf("%d of %d files were read", len(read), files)
	}
}
