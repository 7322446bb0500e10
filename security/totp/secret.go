package totp

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/crypto/blake2b"
	"golang.org/x/crypto/chacha20poly1305"
)

const (
	secretBytes = 20 // B4: 160 bits
	// Backups is how many backup codes there are (B5).
	Backups = 8
	// backupHalf is the length of each half of one: 2 × 5 characters of 5 bits.
	backupHalf = 5
)

// NewSecret makes a secret of 160 random bits, in base32 without padding.
func NewSecret(random io.Reader) (string, error) {
	var bits [secretBytes]byte
	if _, err := io.ReadFull(random, bits[:]); err != nil {
		return "", fmt.Errorf("randomness for a TOTP secret: %w", err)
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(bits[:]), nil
}

const backupAlphabet = "abcdefghijklmnopqrstuvwxyz234567"

// NewBackups makes backup codes, such as "k3x7a-pq2bd", and their hashes, which
// alone are kept (B5).
func NewBackups(random io.Reader) (codes []string, hashes [][]byte, err error) {
	for len(codes) < Backups {
		var bits [2 * backupHalf]byte
		if _, err := io.ReadFull(random, bits[:]); err != nil {
			return nil, nil, fmt.Errorf("randomness for backup codes: %w", err)
		}
		for i, b := range bits {
			bits[i] = backupAlphabet[b&31]
		}
		code := string(bits[:backupHalf]) + "-" + string(bits[backupHalf:])
		if !isBackup(code) {
			continue // it has no digit: it could be two words
		}
		codes, hashes = append(codes, code), append(hashes, hashBackup(code))
	}
	return codes, hashes, nil
}

// isBackup wants a digit in a code, so that nobody's "hello-world" is a wrong
// one.
func isBackup(text string) bool {
	return len(text) == 2*backupHalf+1 && text[backupHalf] == '-' && strings.ContainsAny(text, "234567") &&
		strings.Trim(text[:backupHalf]+text[backupHalf+1:], backupAlphabet) == ""
}

func isAnyDigit(r rune) bool { return unicode.IsDigit(r) }

// Legacy is what pyTMBot 0.3.3 derives secrets from.
type Legacy struct {
	Salt, ProdToken, DevToken string
}

// Secret derives a user's secret as pyTMBot does, so that authenticators that
// were enrolled there go on working (B4). ok is false for a user without a
// username: pyTMBot has no secret for one either. It is false, too, if there is
// nothing to derive from: everybody could.
func (l Legacy) Secret(user int64, username string) (secret string, ok bool) {
	username = strings.ToLower(strings.TrimSpace(username))
	if username == "" || l == (Legacy{}) {
		return "", false
	}
	var parts []string
	for _, part := range []string{l.Salt, l.ProdToken, l.DevToken} {
		if part != "" {
			parts = append(parts, part)
		}
	}
	key := blake2b.Sum256([]byte(strings.Join(parts, "|")))
	hash, err := blake2b.New512(key[:])
	if err != nil {
		return "", false // only a key that is too long
	}
	hash.Write([]byte(strconv.FormatInt(user, 10) + ":" + username))
	return base32.StdEncoding.EncodeToString(hash.Sum(nil)), true
}

// Key encrypts states. It is derived from `access_control.auth_salt` (B4).
type Key [chacha20poly1305.KeySize]byte

// DeriveKey derives the key from the salt, with HKDF-SHA256 (RFC 5869). Without
// a salt everybody could, so that is an error.
func DeriveKey(salt string) (Key, error) {
	var key Key
	if salt == "" {
		return key, errors.New("derive the key of second factors: there is no salt")
	}
	derived, err := hkdf.Key(sha256.New, []byte(salt), nil, "cofferdam second factors v1", len(key))
	if err != nil {
		return key, fmt.Errorf("derive the key of second factors: %w", err)
	}
	copy(key[:], derived)
	return key, nil
}

// ErrUnreadable is returned by [Key.Open] for a state that this key did not
// seal for this user: the salt was changed, or the bytes were.
var ErrUnreadable = errors.New("the second factor cannot be decrypted: was access_control.auth_salt changed?")

// Seal encrypts a user's state with XChaCha20-Poly1305, bound to the user.
func (k Key) Seal(user int64, s State, random io.Reader) ([]byte, error) {
	aead, err := chacha20poly1305.NewX(k[:])
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("encode a second factor: %w", err)
	}
	nonce := make([]byte, chacha20poly1305.NonceSizeX, chacha20poly1305.NonceSizeX+len(text)+chacha20poly1305.Overhead)
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("randomness for a nonce: %w", err)
	}
	return aead.Seal(nonce, nonce, text, ownerOf(user)), nil
}

// Open is the inverse of [Key.Seal]. Nothing at all is the zero State.
func (k Key) Open(user int64, sealed []byte) (State, error) {
	var s State
	if len(sealed) == 0 {
		return s, nil
	}
	aead, err := chacha20poly1305.NewX(k[:])
	if err != nil {
		return s, err
	}
	if len(sealed) < chacha20poly1305.NonceSizeX {
		return s, ErrUnreadable
	}
	nonce, box := sealed[:chacha20poly1305.NonceSizeX], sealed[chacha20poly1305.NonceSizeX:]
	text, err := aead.Open(nil, nonce, box, ownerOf(user))
	if err != nil {
		return s, ErrUnreadable
	}
	if err := json.Unmarshal(text, &s); err != nil {
		return State{}, ErrUnreadable
	}
	return s, nil
}

func ownerOf(user int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(user)) }
