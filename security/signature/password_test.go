//go:build !race

package signature

import (
	"strings"
	"testing"
)

// An encrypted key takes 1 GiB and seconds each time, with bounds that minisign has
// for its own: so minisign makes one and reads ours, and we read its. Under the race
// detector it is minutes, and nothing here is concurrent.
func TestPasswords(t *testing.T) {
	dir := t.TempDir()
	mustRun(t, dir, "open sesame\nopen sesame\n", "-G", "-p", "k.pub", "-s", "k.key")
	theirs := read(t, dir, "k.key")
	if !Encrypted(theirs) {
		t.Fatal("minisign did not encrypt its key, so this shows nothing")
	}
	secret, err := OpenSecret(theirs, "open sesame")
	if err != nil || !strings.Contains(string(read(t, dir, "k.pub")), secret.Key().String()) {
		t.Fatalf("minisign's key: %v, %v", secret.Key(), err)
	}
	ours, err := secret.File("another")
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "k.key", ours)
	write(t, dir, "m.wasm", []byte("\x00asm"))
	mustRun(t, dir, "another\n", "-S", "-s", "k.key", "-m", "m.wasm")
	if got, err := Verify([]byte("\x00asm"), read(t, dir, "m.wasm.minisig"), []Key{secret.Key()}); err != nil || !got.Trusted {
		t.Errorf("by minisign with the key as we encrypted it: %+v, %v", got, err)
	}
}
