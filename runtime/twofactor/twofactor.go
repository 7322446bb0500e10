// Package twofactor keeps the second factors of users: it joins the rules of
// security/totp with the store.
package twofactor

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/cofferdam-bot/cofferdam/security/totp"
)

// Table is where states are kept, encrypted, under the user's id.
type Table interface {
	// Get returns nothing if there is no entry.
	Get(key []byte) (value []byte, expires time.Time, err error)
	// Change swaps an entry in one step, and returns when it is on disk. The
	// function may run twice; if it fails, everything stays.
	Change(ctx context.Context, key []byte, change func(old []byte, expires time.Time) (value []byte, until time.Time, err error)) error
}

// Config is what a Keeper is made of. Every field but Legacy is needed.
type Config struct {
	Table Table
	Key   totp.Key
	// Legacy derives the secrets of those who come from pyTMBot; nil: nobody
	// does.
	Legacy *totp.Legacy
	Random io.Reader
	// Learn is told every secret that comes into being, so that it can be kept
	// out of logs.
	Learn func(secret string)
}

// Keeper keeps second factors. It is safe for concurrent use.
type Keeper struct{ Config }

// New returns a Keeper.
func New(c Config) *Keeper { return &Keeper{c} }

// Person is whose second factor it is. The username, without @, matters to
// Legacy alone, and may be empty.
type Person struct {
	ID       int64
	Username string
}

// ErrEnrolled is returned where a second factor would be shown a second time
// (B5).
var ErrEnrolled = errors.New("this user has a second factor already")

// ErrAtHost is returned where a secret that was drawn at the host would pass
// through a chat (B5).
var ErrAtHost = errors.New("this user's secret was drawn at the host")

// Standing is how a user's second factor stands.
type Standing struct {
	Enrolled bool
	// Pending tells that a secret was shown and waits for its first code.
	Pending bool
	// BlockedUntil is the zero time if no block runs.
	BlockedUntil time.Time
	// Left is how many wrong codes may be sent before a block.
	Left int
}

// Standing returns how a user's second factor stands. Its error wraps
// [totp.ErrUnreadable] if the state was sealed with another salt.
func (k *Keeper) Standing(p Person, now time.Time) (Standing, error) {
	sealed, _, err := k.Table.Get(keyOf(p.ID))
	if err != nil {
		return Standing{}, err
	}
	state, err := k.Key.Open(p.ID, sealed)
	if err != nil {
		return Standing{}, fmt.Errorf("second factor: %w", err)
	}
	return Standing{
		Enrolled:     k.enrolled(state, p),
		Pending:      state.Pending != "",
		BlockedUntil: state.Blocked(now), Left: state.Left(now),
	}, nil
}

// derived is the secret that a user brought along, if it still counts.
func (k *Keeper) derived(s totp.State, p Person) string {
	if k.Legacy == nil || s.Enrolled() || s.Underived {
		return ""
	}
	secret, ok := k.Legacy.Secret(p.ID, p.Username)
	if !ok {
		return ""
	}
	k.learn(secret)
	return secret
}

// learn leaves the padding off: a key URI does, and what is hidden without it is
// hidden with it.
func (k *Keeper) learn(secret string) { k.Learn(strings.TrimRight(secret, "=")) }

// Attempt holds a code against a user's second factor. With the verdict
// [totp.Enrolled] it returns the backup codes, this once, unless they were shown
// before. When it returns without an error, what follows from the attempt is on
// disk: the code is used up, or counts as a wrong one.
func (k *Keeper) Attempt(ctx context.Context, p Person, code totp.Code, now time.Time) (result totp.Result, backups []string, err error) {
	err = k.change(ctx, p.ID, func(s totp.State) (totp.State, error) {
		s, result = totp.Attempt(s, code, k.derived(s, p), now)
		backups = nil
		if result.Verdict != totp.Enrolled || len(s.Backups) > 0 {
			return s, nil
		}
		var failed error
		backups, s.Backups, failed = totp.NewBackups(k.Random)
		result.BackupsLeft = len(backups)
		return s, failed
	})
	if err != nil {
		return totp.Result{}, nil, err
	}
	return result, backups, nil
}

// Enrol returns the key URI of a user's secret that waits for its first code,
// and makes one if there is none. It is for chats: a secret that was drawn at the
// host is not shown there ([ErrAtHost]). A user who has a second factor gets
// [ErrEnrolled], or with renew, for a live session, a new secret, which takes
// the old one's place if its first code comes before such a session is over (B5).
func (k *Keeper) Enrol(ctx context.Context, p Person, renew bool, now time.Time) (uri string, err error) {
	err = k.change(ctx, p.ID, func(s totp.State) (totp.State, error) {
		switch {
		case renew:
			s = forget(s) // an old picture may have been seen by others
		case k.enrolled(s, p):
			return s, ErrEnrolled
		case s.AtHost:
			return s, ErrAtHost
		}
		s, failed := k.pend(s, now)
		uri = totp.URI(s.Pending, p.ID)
		return s, failed
	})
	if err != nil {
		return "", err
	}
	return uri, nil
}

// EnrolAtHost returns the key URI of a new secret, and backup codes, for who
// draws them in a terminal. A secret that was shown in a chat before is
// forgotten: it is not drawn, and its codes are no good any more. A user who has
// a second factor gets [ErrEnrolled].
func (k *Keeper) EnrolAtHost(ctx context.Context, p Person, now time.Time) (uri string, backups []string, err error) {
	err = k.change(ctx, p.ID, func(s totp.State) (totp.State, error) {
		if k.enrolled(s, p) {
			return s, ErrEnrolled
		}
		s, failed := k.pend(forget(s), now)
		if failed != nil {
			return s, failed
		}
		s.AtHost = true
		uri = totp.URI(s.Pending, p.ID)
		backups, s.PendingBackups, failed = totp.NewBackups(k.Random)
		return s, failed
	})
	if err != nil {
		return "", nil, err
	}
	return uri, backups, nil
}

// enrolled reports whether a user has a second factor, if it is one that was
// brought along.
func (k *Keeper) enrolled(s totp.State, p Person) bool {
	return s.Enrolled() || k.derived(s, p) != ""
}

// forget drops a secret that waits for its first code.
func forget(s totp.State) totp.State {
	s.Pending, s.PendingBackups, s.AtHost = "", nil, false
	return s
}

// pend makes sure that a secret waits for its first code.
func (k *Keeper) pend(s totp.State, now time.Time) (totp.State, error) {
	if s.Pending != "" {
		k.learn(s.Pending)
		return s, nil
	}
	secret, err := totp.NewSecret(k.Random)
	if err != nil {
		return s, err
	}
	k.learn(secret)
	s.Pending, s.PendingAt = secret, now
	return s, nil
}

// Reset makes enrolment possible again (B5): codes of the old secret are refused
// from now on, and a block ends. It works for a state that cannot be read, too.
func (k *Keeper) Reset(ctx context.Context, user int64) error {
	return k.Table.Change(ctx, keyOf(user), func(old []byte, _ time.Time) ([]byte, time.Time, error) {
		s, err := k.Key.Open(user, old)
		if err != nil {
			s = totp.State{}
		}
		sealed, err := k.Key.Seal(user, s.Reset(), k.Random)
		return sealed, time.Time{}, err
	})
}

// change swaps a user's state.
func (k *Keeper) change(ctx context.Context, user int64, change func(totp.State) (totp.State, error)) error {
	return k.Table.Change(ctx, keyOf(user), func(old []byte, _ time.Time) ([]byte, time.Time, error) {
		s, err := k.Key.Open(user, old)
		if err != nil {
			return nil, time.Time{}, fmt.Errorf("second factor: %w", err)
		}
		if s, err = change(s); err != nil {
			return nil, time.Time{}, err
		}
		sealed, err := k.Key.Seal(user, s, k.Random)
		return sealed, time.Time{}, err
	})
}

func keyOf(user int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(user)) }
