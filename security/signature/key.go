package signature

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"aead.dev/minisign"
)

// Key is a public key. The zero Key signed nothing.
type Key struct {
	public minisign.PublicKey
	known  bool
}

// ParseKey reads a public key: the line of base64 that begins with RW, or the
// whole file that minisign writes, with its comment. Its error is an
// [ErrMalformed] and does not repeat the text, which may be another key.
func ParseKey(text string) (Key, error) {
	line, err := payload(text)
	if err != nil {
		return Key{}, fmt.Errorf("read a public key: %w", err)
	}
	var k Key
	if k.public.UnmarshalText([]byte(line)) != nil || k.public.String() != line {
		return Key{}, fmt.Errorf("read a public key: %w", ErrMalformed)
	}
	k.known = true
	return k, nil
}

// payload returns the line of a key's file that is not its comment.
func payload(text string) (string, error) {
	if len(text) > MaxFile {
		return "", ErrMalformed
	}
	line := strings.TrimSpace(text)
	if comment, rest, several := strings.Cut(line, "\n"); several && strings.HasPrefix(comment, "untrusted comment:") {
		line = strings.TrimSpace(rest)
	}
	if strings.ContainsAny(line, "\r\n") {
		return "", ErrMalformed
	}
	return line, nil
}

// ID is the key's id as minisign writes it: hexadecimal digits in capitals,
// without zeros in front. It is empty for the zero Key.
func (k Key) ID() string {
	if !k.known {
		return ""
	}
	return idText(k.public.ID())
}

// String is the line of base64 that [ParseKey] reads, and modules.trusted_keys
// holds. It is empty for the zero Key.
func (k Key) String() string {
	if !k.known {
		return ""
	}
	return k.public.String()
}

// File is the key's file, as minisign writes it.
func (k Key) File() []byte {
	return []byte("untrusted comment: minisign public key " + k.ID() + "\n" + k.String() + "\n")
}

// Secret is a key with which files are signed. The zero Secret signs nothing.
type Secret struct {
	private minisign.PrivateKey
	known   bool
}

// The errors of [OpenSecret] beside [ErrMalformed].
var (
	ErrPassword = errors.New("the password is wrong, or the file is damaged")
	ErrDamaged  = errors.New("the secret key is damaged: its two halves do not belong together")
)

// NewSecret makes a key with bytes of random.
func NewSecret(random io.Reader) (Secret, error) {
	_, private, err := minisign.GenerateKey(random)
	if err != nil {
		return Secret{}, fmt.Errorf("make a key: %w", err)
	}
	return Secret{private: private, known: true}, nil
}

// Encrypted reports whether the file of a secret key needs a password.
func Encrypted(file []byte) bool {
	line, err := payload(string(file))
	return err == nil && minisign.IsEncrypted([]byte(line))
}

// OpenSecret reads the file of a secret key, as minisign writes it, with its
// password if it is encrypted. With minisign's own bounds, that takes 1 GiB of
// memory and seconds; a file that asks for more is refused.
func OpenSecret(file []byte, password string) (Secret, error) {
	line, err := payload(string(file))
	if err != nil {
		return Secret{}, fmt.Errorf("read a secret key: %w", err)
	}
	s := Secret{known: true}
	if minisign.IsEncrypted([]byte(line)) {
		if s.private, err = minisign.DecryptKey(password, []byte(line)); err != nil {
			return Secret{}, fmt.Errorf("open a secret key: %w", ErrPassword)
		}
	} else if s.private.UnmarshalText([]byte(line)) != nil {
		return Secret{}, fmt.Errorf("read a secret key: %w", ErrMalformed)
	}
	if !s.belongs() {
		return Secret{}, fmt.Errorf("read a secret key: %w", ErrDamaged)
	}
	return s, nil
}

// belongs makes a signature and checks it: the file's own checksum is empty in a
// key without a password, and a signature with a wrong public half could give the
// secret half away.
func (s Secret) belongs() bool {
	probe := []byte("cofferdam")
	return minisign.Verify(s.Key().public, probe, minisign.SignWithComments(s.private, probe, "", ""))
}

// Key is the public key of a secret one.
func (s Secret) Key() Key {
	if !s.known {
		return Key{}
	}
	public, ok := s.private.Public().(minisign.PublicKey)
	return Key{public: public, known: ok}
}

// File is the secret key's file, as minisign reads it: encrypted with a password,
// or with none if that is empty. Encrypting takes 1 GiB of memory and seconds, and
// its salt is the system's.
func (s Secret) File(password string) ([]byte, error) {
	if !s.known {
		return nil, errors.New("write a secret key: there is none")
	}
	file, err := s.private.MarshalText()
	if password != "" {
		file, err = minisign.EncryptKey(password, s.private)
	}
	if err != nil {
		return nil, fmt.Errorf("write a secret key: %w", err)
	}
	return append(file, '\n'), nil
}
