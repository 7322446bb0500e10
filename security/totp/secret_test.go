package totp

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"errors"
	"io"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"golang.org/x/crypto/blake2b"
)

func TestNewSecretHas160RandomBits(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		secret := newSecret(t)
		bits, err := base32.StdEncoding.DecodeString(secret)
		if err != nil || len(bits) != 20 || seen[secret] {
			t.Fatalf("%q: %d bytes, %v, seen before: %v", secret, len(bits), err, seen[secret])
		}
		seen[secret] = true
	}
	got, err := NewSecret(strings.NewReader("12345678901234567890"))
	if want := base32.StdEncoding.EncodeToString([]byte("12345678901234567890")); got != want || err != nil {
		t.Errorf("%q, %v: not what the randomness was", got, err)
	}
}

func TestWithoutRandomnessThereIsNoSecret(t *testing.T) {
	broken := errors.New("no entropy")
	for name, random := range map[string]func() io.Reader{
		"broken":    func() io.Reader { return iotest.ErrReader(broken) },
		"too short": func() io.Reader { return strings.NewReader("123456789") },
	} {
		if secret, err := NewSecret(random()); err == nil || secret != "" {
			t.Errorf("%s: a secret, %v", name, err)
		}
		if codes, hashes, err := NewBackups(random()); err == nil || codes != nil || hashes != nil {
			t.Errorf("%s: backup codes, %v", name, err)
		}
		if sealed, err := (Key{1}).Seal(1, State{}, random()); err == nil || sealed != nil {
			t.Errorf("%s: a sealed state, %v", name, err)
		}
	}
	if _, err := NewSecret(iotest.ErrReader(broken)); !errors.Is(err, broken) {
		t.Errorf("the cause is lost: %v", err)
	}
}

func TestNewBackups(t *testing.T) {
	shape, seen := regexp.MustCompile(`^[a-z2-7]{5}-[a-z2-7]{5}$`), map[string]bool{}
	signs := map[rune]bool{}
	for range 100 {
		codes, hashes, err := NewBackups(rand.Reader)
		if err != nil || len(codes) != 8 || len(hashes) != 8 {
			t.Fatalf("%d codes, %d hashes, %v", len(codes), len(hashes), err)
		}
		for i, code := range codes {
			if !shape.MatchString(code) || seen[code] {
				t.Errorf("%q, seen before: %v", code, seen[code])
			}
			if len(hashes[i]) != sha256.Size || bytes.Contains(hashes[i], []byte(code)) {
				t.Errorf("%q is kept as %x", code, hashes[i])
			}
			seen[code] = true
			for _, sign := range code {
				signs[sign] = true
			}
		}
	}
	if len(signs) != 32+1 {
		t.Errorf("%d signs occur, want 32 and the hyphen", len(signs))
	}
}

// exampleToken is the token of the vector: an example that is no bot's.
func exampleToken() string { return "123456789:AAE" + strings.Repeat("example", 4) + "examp" }

func TestLegacyVector(t *testing.T) {
	old := Legacy{Salt: strings.Repeat("S", 32), ProdToken: exampleToken()}
	for _, username := range []string{"Alice_Ops", "alice_ops", " ALICE_OPS\t"} {
		secret, ok := old.Secret(123456789, username)
		if !ok || len(secret) != 104 {
			t.Fatalf("%q: %d characters, %v", username, len(secret), ok)
		}
		at := time.Unix(59_000_000*30, 0)
		if code, err := At(secret, at); code != "327449" || err != nil {
			t.Errorf("%q: %s, %v", username, code, err)
		}
		mustAttempt(t, State{}, shownAt(t, secret, at), secret, at, Enrolled)
	}
}

// TestLegacyDerivation holds it against the formula, written out.
func TestLegacyDerivation(t *testing.T) {
	formula := func(material, message string) string {
		key := blake2b.Sum256([]byte(material))
		hash, err := blake2b.New(64, key[:])
		if err != nil {
			t.Fatal(err)
		}
		io.WriteString(hash, message)
		return base32.StdEncoding.EncodeToString(hash.Sum(nil))
	}
	for _, test := range []struct {
		name     string
		legacy   Legacy
		material string
	}{
		{"salt and token", Legacy{"salt", "prod", ""}, "salt|prod"},
		{"with a token of a dev bot", Legacy{"salt", "prod", "dev"}, "salt|prod|dev"},
		{"only a dev bot", Legacy{"salt", "", "dev"}, "salt|dev"},
		{"only a salt", Legacy{"salt", "", ""}, "salt"},
	} {
		for username, message := range map[string]string{"Ada": "42:ada", "  ada_l ": "42:ada_l"} {
			if got, ok := test.legacy.Secret(42, username); !ok || got != formula(test.material, message) {
				t.Errorf("%s, %q: another secret than the formula's", test.name, username)
			}
		}
	}
}

func TestLegacyHasNoSecret(t *testing.T) {
	old := Legacy{Salt: strings.Repeat("S", 32), ProdToken: exampleToken()}
	for _, username := range []string{"", " ", "\t\n"} {
		if secret, ok := old.Secret(42, username); ok || secret != "" {
			t.Errorf("a user called %q has one", username)
		}
	}
	if secret, ok := (Legacy{}).Secret(42, "ada"); ok || secret != "" {
		t.Error("derived from nothing, a secret that everybody knows")
	}
}

// TestDeriveKeyIsHKDF writes RFC 5869 out, for one block and no salt.
func TestDeriveKeyIsHKDF(t *testing.T) {
	mac := func(key []byte, message string) []byte {
		h := hmac.New(sha256.New, key)
		io.WriteString(h, message)
		return h.Sum(nil)
	}
	salt := strings.Repeat("x", 32)
	want := mac(mac(make([]byte, sha256.Size), salt), "cofferdam second factors v1\x01")
	key, err := DeriveKey(salt)
	if err != nil || !bytes.Equal(key[:], want) {
		t.Errorf("%x, %v, want %x", key, err, want)
	}
	if other, err := DeriveKey(salt + "x"); other == key || err != nil {
		t.Errorf("another salt has the same key, %v", err)
	}
	if key, err := DeriveKey(""); err == nil || key != (Key{}) {
		t.Errorf("no salt, and a key %x", key)
	}
}

func sampleState(t *testing.T) State {
	t.Helper()
	return State{
		Secret: newSecret(t), Pending: newSecret(t), Underived: true, Step: 59_000_000,
		Backups: [][]byte{{1, 2}, {3}}, PendingBackups: [][]byte{{4}},
		Wrong: []time.Time{noon, noon.Add(time.Nanosecond)}, InARow: 2, BlockedAt: noon,
	}
}

func TestSealAndOpen(t *testing.T) {
	key, err := DeriveKey(rand.Text())
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]State{"zero": {}, "full": sampleState(t)} {
		sealed, err := key.Seal(42, s, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := key.Open(42, sealed); err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
		for _, secret := range []string{s.Secret, s.Pending, "secret"} {
			if secret != "" && bytes.Contains(sealed, []byte(secret)) {
				t.Errorf("%s: %q stands in the clear", name, secret)
			}
		}
		again, err := key.Seal(42, s, rand.Reader)
		if err != nil || bytes.Equal(again, sealed) {
			t.Errorf("%s: sealed twice with one nonce, %v", name, err)
		}
	}
}

// TestOpenFailsClosed: what was not sealed so is no state.
func TestOpenFailsClosed(t *testing.T) {
	key, err := DeriveKey(rand.Text())
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := key.Seal(42, sampleState(t), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	refuse := func(name string, k Key, user int64, bytes []byte) {
		t.Helper()
		if s, err := k.Open(user, bytes); !errors.Is(err, ErrUnreadable) || !reflect.DeepEqual(s, State{}) {
			t.Errorf("%s: %+v, %v", name, s, err)
		}
	}
	other, err := DeriveKey(rand.Text())
	if err != nil {
		t.Fatal(err)
	}
	refuse("another salt", other, 42, sealed)
	refuse("the zero key", Key{}, 42, sealed)
	for _, user := range []int64{0, -42, 43, 42 << 32} {
		refuse("another user", key, user, sealed)
	}
	for i := range sealed {
		flipped := bytes.Clone(sealed)
		flipped[i] ^= 1 << (i % 8)
		refuse("a flipped bit", key, 42, flipped)
		if i > 0 {
			refuse("truncated", key, 42, sealed[:i])
		}
	}
	refuse("a byte more", key, 42, append(bytes.Clone(sealed), 0))

	// Nothing is no entry: the zero State, which accepts nothing.
	for _, nothing := range [][]byte{nil, {}} {
		if s, err := key.Open(42, nothing); err != nil || !reflect.DeepEqual(s, State{}) {
			t.Errorf("nothing: %+v, %v", s, err)
		}
	}
}

func FuzzOpen(f *testing.F) {
	key := Key{1}
	sealed, err := key.Seal(42, State{Step: 1}, strings.NewReader(strings.Repeat("n", 24)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte{}, int64(42))
	f.Add(sealed[:30], int64(42))
	f.Add(sealed, int64(43))
	f.Fuzz(func(t *testing.T, text []byte, user int64) {
		if len(text) == 0 || user == 42 && bytes.Equal(text, sealed) {
			return
		}
		if s, err := key.Open(user, text); !errors.Is(err, ErrUnreadable) || !reflect.DeepEqual(s, State{}) {
			t.Errorf("%+v, %v", s, err)
		}
	})
}
