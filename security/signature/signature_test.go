package signature

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"strings"
	"testing"

	"aead.dev/minisign"
)

func newSecret(t testing.TB) Secret {
	t.Helper()
	s, err := NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func signed(t testing.TB, file []byte, s Secret, comment string) []byte {
	t.Helper()
	sig, err := Sign(file, s, comment)
	if err != nil {
		t.Fatal(err)
	}
	return sig
}

func TestASignatureIsOfOneFileAndOneKey(t *testing.T) {
	file, other := []byte("\x00asm one"), []byte("\x00asm two")
	ours, theirs := newSecret(t), newSecret(t)
	sig := signed(t, file, ours, "timestamp:1\tfile:one.wasm\thashed")
	keys := []Key{theirs.Key(), ours.Key()}

	got, err := Verify(file, sig, keys)
	want := Signed{KeyID: ours.Key().ID(), Trusted: true, Comment: "timestamp:1 file:one.wasm hashed"}
	if err != nil || got != want {
		t.Errorf("the file itself: %+v, %v; want %+v", got, err, want)
	}
	if got, err := Verify(other, sig, keys); !errors.Is(err, ErrForged) || got.Trusted || got.Comment != "" {
		t.Errorf("another file: %+v, %v", got, err)
	}
	for name, keys := range map[string][]Key{"no key": nil, "another key": {theirs.Key()}, "the zero key": {{}}} {
		got, err := Verify(file, sig, keys)
		if want := (Signed{KeyID: ours.Key().ID()}); err != nil || got != want {
			t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
		}
	}
}

// Two keys may go by one id: their owners choose it.
func TestAnIDProvesNothing(t *testing.T) {
	file := []byte("\x00asm")
	ours, theirs := newSecret(t), newSecret(t)
	sig := withID(t, signed(t, file, theirs, "theirs"), ours.Key())
	if got, err := Verify(file, sig, []Key{ours.Key()}); !errors.Is(err, ErrForged) || got.Trusted {
		t.Errorf("another's signature under our id: %+v, %v", got, err)
	}
	twin := withKeyID(t, theirs.Key(), ours.Key())
	if got, err := Verify(file, sig, []Key{ours.Key(), twin}); err != nil || !got.Trusted {
		t.Errorf("the second key of one id made it: %+v, %v", got, err)
	}
}

// withID claims another key for a signature.
func withID(t *testing.T, sig []byte, k Key) []byte {
	t.Helper()
	var s minisign.Signature
	if err := s.UnmarshalText(sig); err != nil {
		t.Fatal(err)
	}
	s.KeyID = k.public.ID()
	return []byte(s.String())
}

// withKeyID gives a key the id of another one.
func withKeyID(t *testing.T, k, id Key) Key {
	t.Helper()
	raw, err := base64.StdEncoding.DecodeString(k.String())
	if err != nil {
		t.Fatal(err)
	}
	other, err := base64.StdEncoding.DecodeString(id.String())
	if err != nil {
		t.Fatal(err)
	}
	copy(raw[2:10], other[2:10])
	twin, err := ParseKey(base64.StdEncoding.EncodeToString(raw))
	if err != nil {
		t.Fatal(err)
	}
	return twin
}

// Each byte of a signature but the untrusted comment counts.
func TestEveryByteOfASignatureCounts(t *testing.T) {
	file := []byte("\x00asm file")
	s := newSecret(t)
	sig := signed(t, file, s, "version 1")
	from := bytes.IndexByte(sig, '\n') + 1
	for i := from; i < len(sig)-1; i++ {
		changed := bytes.Clone(sig)
		changed[i] ^= 1
		if bytes.Equal(decoded(sig), decoded(changed)) {
			continue // bits of base64 that stand for nothing
		}
		if got, _ := Verify(file, changed, []Key{s.Key()}); got.Trusted {
			t.Errorf("byte %d was changed, and it still verifies: %q", i, changed)
		}
	}
	renamed := bytes.Replace(sig, []byte("version 1"), []byte("version 2"), 1)
	if got, err := Verify(file, renamed, []Key{s.Key()}); !errors.Is(err, ErrForged) {
		t.Errorf("another trusted comment: %+v, %v", got, err)
	}
}

// decoded is what the four lines of a signature stand for.
func decoded(sig []byte) []byte {
	var s minisign.Signature
	if s.UnmarshalText(sig) != nil {
		return sig
	}
	return []byte(s.String())
}

func TestMalformedSignatures(t *testing.T) {
	file := []byte("\x00asm")
	s := newSecret(t)
	sig := string(signed(t, file, s, "c"))
	lines := strings.SplitAfter(sig, "\n")
	for name, text := range map[string]string{
		"empty":                      "",
		"the file itself":            string(file),
		"a public key":               string(s.Key().File()),
		"three lines":                strings.Join(lines[:3], ""),
		"no untrusted comment":       "comment\n" + strings.Join(lines[1:], ""),
		"no trusted comment":         lines[0] + lines[1] + "c\n" + lines[3],
		"another algorithm":          lines[0] + "Zm9v" + lines[1][4:] + lines[2] + lines[3],
		"too long":                   "untrusted comment: " + strings.Repeat("x", MaxFile) + "\n" + strings.Join(lines[1:], ""),
		"a terminal's sequence":      lines[0] + lines[1] + "trusted comment: \x1b[2Jc\n" + lines[3],
		"a carriage return within":   lines[0] + lines[1] + "trusted comment: a\rb\n" + lines[3],
		"what is no text":            lines[0] + lines[1] + "trusted comment: \xff\n" + lines[3],
		"two signatures in one file": sig + sig,
	} {
		if got, err := Verify(file, []byte(text), []Key{s.Key()}); !errors.Is(err, ErrMalformed) || got != (Signed{}) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestComments(t *testing.T) {
	s := newSecret(t)
	for _, comment := range []string{"a\nb", "a\x1bb", "\xff", strings.Repeat("x", 1025)} {
		if _, err := Sign(nil, s, comment); err == nil {
			t.Errorf("signed with the comment %q", comment)
		}
	}
	if _, err := Sign(nil, Secret{}, "c"); err == nil {
		t.Error("the zero secret signs")
	}
	for _, comment := range []string{"", "größe", strings.Repeat("x", 1024)} {
		if got, err := Verify(nil, signed(t, nil, s, comment), []Key{s.Key()}); err != nil || got.Comment != comment {
			t.Errorf("comment %q: %+v, %v", comment, got, err)
		}
	}
}

func TestKeys(t *testing.T) {
	key := newSecret(t).Key()
	for _, text := range []string{key.String(), key.String() + "\n", string(key.File()), "\r\n" + strings.ReplaceAll(string(key.File()), "\n", "\r\n")} {
		if got, err := ParseKey(text); err != nil || got.String() != key.String() || got.ID() != key.ID() {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	line := key.String()
	for name, text := range map[string]string{
		"empty": "", "a word": "kettle", "cut": line[:55], "longer": line + "AAAA", "two": line + "\n" + line,
		"a comment alone": "untrusted comment: minisign public key", "another algorithm": "AA" + line[2:],
		"a secret key": mustFile(t, newSecret(t)), "long": strings.Repeat(line, 1000),
	} {
		got, err := ParseKey(text)
		if !errors.Is(err, ErrMalformed) || got.ID() != "" || got.String() != "" {
			t.Errorf("%s: %v, %v", name, got, err)
		}
		if text != "" && err != nil && strings.Contains(err.Error(), text) {
			t.Errorf("%s: the error repeats it: %v", name, err)
		}
	}
}

func mustFile(t testing.TB, s Secret) string {
	t.Helper()
	file, err := s.File("")
	if err != nil {
		t.Fatal(err)
	}
	return string(file)
}

func TestSecretsWithoutAPassword(t *testing.T) {
	s := newSecret(t)
	file := mustFile(t, s)
	again, err := OpenSecret([]byte(file), "ignored")
	if err != nil || again.Key().String() != s.Key().String() || Encrypted([]byte(file)) {
		t.Errorf("%v, %v; encrypted: %v", again.Key(), err, Encrypted([]byte(file)))
	}
	comment, line, _ := strings.Cut(strings.TrimSpace(file), "\n")
	raw, err := base64.StdEncoding.DecodeString(line)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-40] ^= 1 // in the public half
	damaged := comment + "\n" + base64.StdEncoding.EncodeToString(raw)
	if _, err := OpenSecret([]byte(damaged), ""); !errors.Is(err, ErrDamaged) {
		t.Errorf("halves of two keys: %v", err)
	}
	for _, text := range []string{"", comment, line[:100], s.Key().String(), strings.Repeat(file, 200)} {
		if _, err := OpenSecret([]byte(text), ""); !errors.Is(err, ErrMalformed) {
			t.Errorf("%.40q: %v", text, err)
		}
	}
	if _, err := (Secret{}).File(""); err == nil {
		t.Error("the zero secret has a file")
	}
}

func FuzzVerify(f *testing.F) {
	s := newSecret(f)
	file := []byte("\x00asm file")
	sig := signed(f, file, s, "timestamp:1\tfile:x.wasm")
	f.Add(sig)
	f.Add([]byte("untrusted comment: \n\ntrusted comment: \n"))
	keys := []Key{s.Key()}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := Verify(file, text, keys)
		switch {
		case got.Trusted && !bytes.Equal(bytes.TrimSpace(decoded(text))[bytes.IndexByte(decoded(text), '\n'):], bytes.TrimSpace(sig)[bytes.IndexByte(sig, '\n'):]):
			t.Fatalf("another signature is trusted: %q", text)
		case err != nil && (got.Trusted || got.Comment != ""):
			t.Fatalf("an error and a verdict: %+v", got)
		case err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrForged):
			t.Fatalf("an error of no kind: %v", err)
		}
	})
}

func FuzzParseKey(f *testing.F) {
	s := newSecret(f)
	f.Add(s.Key().String())
	f.Add(string(s.Key().File()))
	f.Fuzz(func(t *testing.T, text string) {
		k, err := ParseKey(text)
		if err != nil {
			if k.ID() != "" || k.String() != "" {
				t.Fatal("an error and a key")
			}
			return
		}
		if again, err := ParseKey(string(k.File())); err != nil || again.String() != k.String() {
			t.Fatalf("%q is read as %v, and that as %v, %v", text, k, again, err)
		}
	})
}

func FuzzOpenSecret(f *testing.F) {
	f.Add([]byte(mustFile(f, newSecret(f))))
	f.Fuzz(func(t *testing.T, file []byte) {
		if Encrypted(file) {
			return // a guess takes seconds
		}
		s, err := OpenSecret(file, "")
		if err != nil {
			return
		}
		if got, err := Verify(file, signed(t, file, s, ""), []Key{s.Key()}); err != nil || !got.Trusted {
			t.Fatalf("a key that signs what it does not verify: %+v, %v", got, err)
		}
	})
}

// TestAWrongPassword has a key that nothing was ever encrypted for, with the least
// that its encryption may cost: a wrong password is found out by the checksum.
func TestAWrongPassword(t *testing.T) {
	file := make([]byte, 158) // as minisign's format has it
	copy(file, "EdScB2")
	binary.LittleEndian.PutUint64(file[38:], 1<<15) // operations
	binary.LittleEndian.PutUint64(file[46:], 1<<24) // bytes
	locked := base64.StdEncoding.EncodeToString(file) + "\n"
	if !Encrypted([]byte(locked)) {
		t.Fatal("the key needs no password")
	}
	if _, err := OpenSecret([]byte(locked), "open says me"); !errors.Is(err, ErrPassword) {
		t.Errorf("got %v", err)
	}
	// Nor is more done than minisign's own bounds allow.
	binary.LittleEndian.PutUint64(file[46:], 1<<30+1)
	if _, err := OpenSecret([]byte(base64.StdEncoding.EncodeToString(file)), ""); !errors.Is(err, ErrPassword) {
		t.Errorf("with more than 1 GiB: %v", err)
	}
}
