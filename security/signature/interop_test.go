package signature

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// program runs the real minisign in a folder.
func program(t *testing.T, dir, input string, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("minisign"); err != nil {
		if os.Getenv("COFFERDAM_CI") != "" {
			t.Fatal("minisign is not installed")
		}
		t.Skip("minisign is not installed")
	}
	cmd := exec.Command("minisign", args...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func mustRun(t *testing.T, dir, input string, args ...string) {
	t.Helper()
	if out, err := program(t, dir, input, args...); err != nil {
		t.Fatalf("minisign %v: %v\n%s", args, err, out)
	}
}

func write(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, dir, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestMinisignChecksOurs(t *testing.T) {
	dir, file := t.TempDir(), []byte("\x00asm ours")
	s := newSecret(t)
	write(t, dir, "m.wasm", file)
	write(t, dir, "m.wasm.minisig", signed(t, file, s, "timestamp:1\tfile:m.wasm\thashed"))
	write(t, dir, "k.pub", s.Key().File())
	for _, by := range [][]string{{"-p", "k.pub"}, {"-P", s.Key().String()}, {"-H", "-p", "k.pub"}} {
		out, err := program(t, dir, "", append([]string{"-V", "-m", "m.wasm"}, by...)...)
		if err != nil || !strings.Contains(out, "file:m.wasm") {
			t.Errorf("minisign -V %v: %v\n%s", by, err, out)
		}
	}
	write(t, dir, "m.wasm", append(file, 0))
	if out, err := program(t, dir, "", "-V", "-m", "m.wasm", "-p", "k.pub"); err == nil {
		t.Errorf("minisign accepts a changed file, so this shows nothing:\n%s", out)
	}
	// Our secret key, in its hands.
	write(t, dir, "k.key", []byte(mustFile(t, s)))
	mustRun(t, dir, "", "-S", "-W", "-s", "k.key", "-m", "m.wasm", "-t", "by minisign")
	got, err := Verify(read(t, dir, "m.wasm"), read(t, dir, "m.wasm.minisig"), []Key{s.Key()})
	if want := (Signed{KeyID: s.Key().ID(), Trusted: true, Comment: "by minisign"}); err != nil || got != want {
		t.Errorf("%+v, %v; want %+v", got, err, want)
	}
}

func TestWeCheckMinisigns(t *testing.T) {
	dir, file := t.TempDir(), []byte("\x00asm theirs")
	write(t, dir, "m.wasm", file)
	mustRun(t, dir, "", "-G", "-W", "-p", "k.pub", "-s", "k.key")
	key, err := ParseKey(string(read(t, dir, "k.pub")))
	if err != nil {
		t.Fatal(err)
	}
	if text := string(read(t, dir, "k.pub")); !strings.Contains(text, " "+key.ID()+"\n") {
		t.Errorf("minisign writes the id of %s otherwise: %s", key.ID(), text)
	}
	for _, legacy := range []string{"", "-l"} {
		args := []string{"-S", "-W", "-s", "k.key", "-m", "m.wasm"}
		if legacy != "" {
			args = append(args, legacy)
		}
		mustRun(t, dir, "", args...)
		got, err := Verify(file, read(t, dir, "m.wasm.minisig"), []Key{key})
		if err != nil || !got.Trusted || !strings.Contains(got.Comment, "file:m.wasm") {
			t.Errorf("minisign -S %s: %+v, %v", legacy, got, err)
		}
		if got, err := Verify(append(file, 1), read(t, dir, "m.wasm.minisig"), []Key{key}); !errors.Is(err, ErrForged) {
			t.Errorf("minisign -S %s, of another file: %+v, %v", legacy, got, err)
		}
	}
	// Its secret key, in our hands.
	secret, err := OpenSecret(read(t, dir, "k.key"), "")
	if err != nil || secret.Key().String() != key.String() {
		t.Fatalf("%v, %v; want %v", secret.Key(), err, key)
	}
	write(t, dir, "m.wasm.minisig", signed(t, file, secret, "by us"))
	mustRun(t, dir, "", "-V", "-m", "m.wasm", "-p", "k.pub")
}
