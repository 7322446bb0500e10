// Package totp holds the rules of the second factor (B2 to B5): what a code must
// be, when one is accepted, what wrong ones cost, and how secrets come about and
// are kept. It is pure: the time and randomness are passed in.
package totp

import (
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
)

// The figures of the rules.
const (
	digits = 6                // B2
	period = 30 * time.Second // B2
	skew   = 1                // B2: steps before and after the present one

	wrongInARow = 3                // B3
	wrongInSpan = 5                // B3
	wrongSpan   = 60 * time.Second // B3
	// BlockFor is how long a block lasts (B3).
	BlockFor = 10 * time.Minute
	// renewFor is how long a new secret may take an old one's place: as long as
	// the session that asked for it (B1, B5).
	renewFor = 10 * time.Minute
)

// State is what is kept of one user's second factor. The zero State accepts
// nothing: there is no secret.
type State struct {
	// Secret is base32; empty until its first code was accepted.
	Secret string `json:"secret,omitempty"`
	// Pending is a secret that was shown and waits for its first code. Until
	// then Secret goes on being good.
	Pending string `json:"pending,omitempty"`
	// PendingAt is when Pending was made.
	PendingAt time.Time `json:"pending_at,omitzero"`
	// AtHost tells that Pending was drawn in a terminal, and so must not pass
	// through Telegram (B5).
	AtHost bool `json:"at_host,omitempty"`
	// Underived tells that no secret is derived for this user any more: the one
	// that pyTMBot's users brought along was reset.
	Underived bool `json:"underived,omitempty"`
	// Step is the last accepted one: a number of periods since 1970.
	Step int64 `json:"step,omitempty"`
	// Backups are hashes of the backup codes that are left.
	Backups [][]byte `json:"backups,omitempty"`
	// PendingBackups come to count together with Pending.
	PendingBackups [][]byte `json:"pending_backups,omitempty"`
	// Wrong are the times of the latest wrong codes, oldest first, and InARow is
	// how many of them came after the last right one.
	Wrong  []time.Time `json:"wrong,omitempty"`
	InARow int         `json:"in_a_row,omitempty"`
	// BlockedAt is when the block began; zero: there is none.
	BlockedAt time.Time `json:"blocked_at,omitzero"`
}

// Enrolled reports whether there is a second factor.
func (s State) Enrolled() bool { return s.Secret != "" }

// Blocked returns until when no code is looked at; the zero time if there is no
// block. A block that began in the future, since the clock went back, begins at
// the next attempt.
func (s State) Blocked(now time.Time) time.Time {
	if s.BlockedAt.IsZero() {
		return time.Time{}
	}
	until := s.BlockedAt.Add(BlockFor)
	if s.BlockedAt.After(now) {
		until = now.Add(BlockFor)
	}
	if !until.After(now) {
		return time.Time{}
	}
	return until
}

// Verdict is what an attempt came to. The zero Verdict is a refusal.
type Verdict int

// The verdicts.
const (
	Wrong    Verdict = iota // not the code
	Replayed                // a code that was good once: it, or a later one, was accepted before
	Blocked                 // nothing was looked at
	Missing                 // there is no second factor yet
	Accepted                // right
	Enrolled                // right, and the first one of a new secret
	ByBackup                // right: a backup code, which is used up
)

// String returns the verdict's name for logs.
func (v Verdict) String() string {
	names := [...]string{"wrong", "replayed", "blocked", "not_enrolled", "accepted", "enrolled", "backup_code"}
	if v < 0 || int(v) >= len(names) {
		return names[Wrong]
	}
	return names[v]
}

// Right reports whether a session may be opened.
func (v Verdict) Right() bool { return v == Accepted || v == Enrolled || v == ByBackup }

// Result is a verdict with what the user should know.
type Result struct {
	Verdict Verdict
	// Left is how many wrong codes the user may still send before a block.
	Left int
	// BlockedUntil is set while there is a block; Began tells that this attempt
	// began it.
	BlockedUntil time.Time
	Began        bool
	// BackupsLeft is how many backup codes are left.
	BackupsLeft int
}

// Attempt holds a code against the state and returns the state that follows.
// Who keeps states must swap the two in one step, so that of two equal codes at
// the same instant one is a replay (B2). derived is the secret that the user
// brought along from pyTMBot, or "" (B4); it counts while there is no other, and
// its first code makes it the user's own.
func Attempt(s State, code Code, derived string, now time.Time) (State, Result) {
	if s.BlockedAt.After(now) {
		s.BlockedAt = now // the clock went back: the block begins anew, once
	}
	if until := s.Blocked(now); !until.IsZero() {
		return s, Result{Verdict: Blocked, BlockedUntil: until}
	}
	s.BlockedAt = time.Time{}
	if s.Secret != "" || s.Underived {
		derived = ""
	}
	if s.Secret == "" && s.Pending == "" && derived == "" {
		return s, Result{Verdict: Missing}
	}
	if s.Secret != "" && !s.AtHost && now.Sub(s.PendingAt).Abs() >= renewFor {
		// Whoever saw a picture that was not used must not come back with it. What
		// was drawn at the host was in no chat, and needs no session (B5).
		s.Pending, s.PendingBackups, s.AtHost = "", nil, false
	}
	verdict := s.match(code, derived, now)
	if verdict.Right() {
		s.InARow = 0
		return s, Result{Verdict: verdict, Left: s.Left(now), BackupsLeft: len(s.Backups)}
	}
	return s.failed(verdict, now)
}

// match changes the state only if the code is right.
func (s *State) match(code Code, derived string, now time.Time) Verdict {
	if code.backup {
		return s.spendBackup(code)
	}
	// A new secret comes first: its first code ends the old one.
	for _, secret := range []string{s.Pending, derived, s.Secret} {
		step, ok := stepOf(secret, code.text, now)
		switch {
		case !ok:
			continue
		case step <= s.Step:
			return Replayed
		case secret == s.Secret:
			s.Step = step
			return Accepted
		case secret == derived && s.AtHost:
			// What was drawn at the host meanwhile goes on waiting, with its backup
			// codes: somebody had reason to draw it.
			s.Secret, s.Step = secret, step
			return Enrolled
		}
		s.Secret, s.Pending, s.AtHost, s.Step = secret, "", false, step
		s.Backups, s.PendingBackups = s.PendingBackups, nil
		return Enrolled
	}
	return Wrong
}

// stepOf returns the latest step near now at which a secret gives a code. Each
// step is tried on its own: which one matched decides about replays.
func stepOf(secret, code string, now time.Time) (step int64, ok bool) {
	if secret == "" {
		return 0, false
	}
	present := now.Unix() / int64(period/time.Second)
	for at := present + skew; at >= present-skew; at-- {
		right, err := hotp.ValidateCustom(code, uint64(at), secret, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && right {
			return at, true
		}
	}
	return 0, false
}

// failed counts a wrong code, and blocks at the third in a row or the fifth in
// a minute (B3).
func (s State) failed(verdict Verdict, now time.Time) (State, Result) {
	// What lies before the span does not count, nor what a clock that went back
	// left in the future.
	s.Wrong = slices.DeleteFunc(slices.Clone(s.Wrong), func(t time.Time) bool { return now.Sub(t) >= wrongSpan || t.After(now) })
	s.Wrong = append(s.Wrong, now)
	s.InARow++
	if left := s.Left(now); left > 0 {
		return s, Result{Verdict: verdict, Left: left}
	}
	s.BlockedAt, s.Wrong, s.InARow = now, nil, 0
	return s, Result{Verdict: verdict, BlockedUntil: now.Add(BlockFor), Began: true}
}

// Reset returns the state of a user who must enrol again. The steps that were
// accepted belong to a secret that is no more: keeping them would lock out who
// enrolled while the clock was ahead.
func (s State) Reset() State { return State{Underived: true} }

// Left returns how many wrong codes may still be sent before a block; none
// during one.
func (s State) Left(now time.Time) int {
	if !s.Blocked(now).IsZero() {
		return 0
	}
	recent := 0
	for _, t := range s.Wrong {
		if now.Sub(t) < wrongSpan && !t.After(now) {
			recent++
		}
	}
	return max(min(wrongInARow-s.InARow, wrongInSpan-recent), 0)
}

// Code is what a user typed, checked for its shape. The zero Code is none and is
// never right.
type Code struct {
	text   string
	backup bool
}

// ReadCode reads a code: six digits 0 to 9, with or without a slash before them
// (B6), or a backup code. ok is false for anything else.
func ReadCode(text string) (code Code, ok bool) {
	text = strings.TrimSpace(text)
	bare := strings.TrimPrefix(text, "/")
	if len(bare) == digits && strings.Trim(bare, "0123456789") == "" {
		return Code{text: bare}, true
	}
	// Keyboards begin a message with a capital. No other sign than a capital
	// becomes one of the same length that a backup code has.
	if lower := strings.ToLower(text); len(lower) == len(text) && isBackup(lower) {
		return Code{text: lower, backup: true}, true
	}
	return Code{}, false
}

// Backup reports whether it is a backup code.
func (c Code) Backup() bool { return c.backup }

// SeemsCode reports whether a text was probably meant as a code and is none:
// five or seven digits, digits of another script, blanks between them.
func SeemsCode(text string) bool {
	if _, ok := ReadCode(text); ok {
		return false
	}
	n := 0
	for _, r := range strings.TrimPrefix(strings.TrimSpace(text), "/") {
		switch {
		case isAnyDigit(r):
			n++
		case r != ' ' && r != '-' && r != '\u00a0':
			return false
		}
	}
	return n >= digits-2 && n <= digits+4
}

// At returns the code of a secret at a time: what an authenticator shows. It is
// for enrolment and for tests; the host never sends one.
func At(secret string, now time.Time) (string, error) {
	return hotp.GenerateCodeCustom(secret, uint64(now.Unix()/int64(period/time.Second)), hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
}

// Left returns how long the code of a moment is still shown.
func Left(now time.Time) time.Duration {
	return period - time.Duration(now.UnixMilli()%period.Milliseconds())*time.Millisecond
}

// hashBackup is quick on purpose: a code has 50 random bits, and the hashes are
// kept encrypted.
func hashBackup(code string) []byte {
	hash := sha256.Sum256([]byte("cofferdam backup code v1 " + code))
	return hash[:]
}

func (s *State) spendBackup(code Code) Verdict {
	hash := hashBackup(code.text)
	for i, known := range s.Backups {
		if hmac.Equal(known, hash) {
			s.Backups = slices.Delete(slices.Clone(s.Backups), i, i+1)
			return ByBackup
		}
	}
	return Wrong
}

// Label is what an authenticator shows beside the code.
func Label(user int64) string { return strconv.FormatInt(user, 10) }
