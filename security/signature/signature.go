// Package signature checks and makes signatures of modules in minisign's format
// (F2), so that minisign itself can check ours, and sign for us. It is pure:
// files are bytes, and the zero value of every type denies.
//
// The signature of X.wasm is in X.wasm.minisig: an untrusted comment, which
// nobody looks at, the signature of the file, a trusted comment, and a signature
// of both. A key goes by an id of 64 bits that its owner is free to choose: an id
// is a hint which key to try, and proves nothing.
package signature

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"aead.dev/minisign"
)

// Suffix is what the name of a signature's file has behind that of what it signs.
const Suffix = ".minisig"

// MaxFile bounds files of signatures and of keys, in bytes. minisign's own
// comments are at most 8 KiB.
const MaxFile = 16 << 10

// maxComment bounds a trusted comment that we write, in bytes: minisign reads as
// much from its command line.
const maxComment = 1024

// The kinds of errors of [Verify].
var (
	// ErrMalformed is of what is no signature, or no key.
	ErrMalformed = errors.New("it is not what minisign writes")
	// ErrForged is of a signature that claims a known key, which did not make it.
	ErrForged = errors.New("the signature is not this key's, or the file was changed after it was signed")
)

// Signed is what is known about who signed a file. The zero Signed is of a file
// that nobody signed.
type Signed struct {
	// KeyID is the id of the key, as minisign writes it. Unless Trusted is set it
	// is a claim, which anybody can make.
	KeyID string
	// Trusted tells that the key is one of those that were asked for, and made the
	// signature.
	Trusted bool
	// Comment is the trusted comment: signed along with the file, in one line
	// without control characters, and foreign. It is empty unless Trusted is set.
	Comment string
}

// Verify holds a file against its signature. A sound signature of a key that is
// not among keys gives a Signed that is not trusted, and no error. The error is an
// [ErrMalformed], or an [ErrForged] if the signature claims a key of keys.
//
// Signatures of the file itself ("Ed", minisign -l) count as those of its BLAKE2b
// hash ("ED") do, as for minisign. Which of both it is, is not signed; but who
// calls one the other would need a module that is the hash of another file.
func Verify(file, sig []byte, keys []Key) (Signed, error) {
	parsed, err := parse(sig)
	if err != nil {
		return Signed{}, fmt.Errorf("read a signature: %w", err)
	}
	signed := Signed{KeyID: idText(parsed.KeyID)}
	claimed := false
	for _, key := range keys {
		if !key.known || key.public.ID() != parsed.KeyID {
			continue
		}
		claimed = true
		if minisign.Verify(key.public, file, sig) {
			signed.Trusted, signed.Comment = true, parsed.TrustedComment
			return signed, nil
		}
	}
	if claimed {
		return signed, fmt.Errorf("key %s: %w", signed.KeyID, ErrForged)
	}
	return signed, nil
}

// parse is stricter than the library in what minisign would not read either.
func parse(sig []byte) (s minisign.Signature, err error) {
	if len(sig) > MaxFile || !utf8.Valid(sig) {
		return s, ErrMalformed
	}
	if err := s.UnmarshalText(sig); err != nil {
		return s, ErrMalformed // the library's words repeat bytes of the file
	}
	// minisign's own comments have tabs in them.
	if s.TrustedComment = strings.ReplaceAll(s.TrustedComment, "\t", " "); strings.ContainsFunc(s.TrustedComment, unicode.IsControl) {
		return s, ErrMalformed
	}
	return s, nil
}

// Sign returns the signature's file for a file. The comment is the trusted one:
// one line of at most 1024 bytes, which may be empty. The error says what is wrong
// with it, or that the secret is none.
func Sign(file []byte, secret Secret, comment string) ([]byte, error) {
	if !secret.known {
		return nil, errors.New("sign: there is no key")
	}
	if err := checkComment(comment); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	hashed := minisign.NewReader(bytes.NewReader(file))
	if _, err := io.Copy(io.Discard, hashed); err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return hashed.SignWithComments(secret.private, comment, "signature of cofferdam module sign, key "+secret.Key().ID()), nil
}

func checkComment(comment string) error {
	switch {
	case len(comment) > maxComment:
		return fmt.Errorf("the comment has %d bytes, and %d are the most", len(comment), maxComment)
	case !utf8.ValidString(comment), strings.ContainsFunc(strings.ReplaceAll(comment, "\t", " "), unicode.IsControl):
		return errors.New("the comment must be one line of text")
	}
	return nil
}

// idText is an id as minisign writes it.
func idText(id uint64) string { return strings.ToUpper(strconv.FormatUint(id, 16)) }
