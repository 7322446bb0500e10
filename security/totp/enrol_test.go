package totp

import (
	"crypto/rand"
	"reflect"
	"slices"
	"testing"
	"time"
)

func newBackups(t *testing.T) (codes []Code, hashes [][]byte) {
	t.Helper()
	texts, hashes, err := NewBackups(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		code, ok := ReadCode(text)
		if !ok || !code.Backup() {
			t.Fatalf("%q is no backup code", text)
		}
		codes = append(codes, code)
	}
	return codes, hashes
}

func mustAttempt(t *testing.T, s State, code Code, derived string, at time.Time, want Verdict) (State, Result) {
	t.Helper()
	s, result := Attempt(s, code, derived, at)
	if result.Verdict != want {
		t.Fatalf("at %v: %v, want %v", at.Sub(noon), result.Verdict, want)
	}
	return s, result
}

// TestEnrolment: the first code makes a secret that was shown the user's own (B5).
func TestEnrolment(t *testing.T) {
	secret := newSecret(t)
	s := State{Pending: secret, PendingBackups: [][]byte{{1}, {2}}}
	if s.Enrolled() {
		t.Error("enrolled before the first code")
	}
	s, _ = mustAttempt(t, s, notOf(t, secret), "", noon, Wrong)
	if s.Enrolled() || s.Pending != secret || s.InARow != 1 {
		t.Errorf("a wrong code made it %+v", s)
	}
	s, result := mustAttempt(t, s, shownAt(t, secret, noon), "", noon, Enrolled)
	if s.Secret != secret || s.Pending != "" || len(s.Backups) != 2 || s.PendingBackups != nil || result.BackupsLeft != 2 || s.InARow != 0 {
		t.Errorf("after the first code: %+v, %+v", s, result)
	}
	mustAttempt(t, s, shownAt(t, secret, noon), "", noon, Replayed)
	mustAttempt(t, s, shownAt(t, secret, noon.Add(period)), "", noon, Accepted)
}

// TestWrongCodesBlockBeforeTheFirstRightOne: a secret that waits can be guessed
// as little as one that does not.
func TestWrongCodesBlockBeforeTheFirstRightOne(t *testing.T) {
	s := State{Pending: newSecret(t)}
	secret, wrong := s.Pending, notOf(t, s.Pending)
	for range wrongInARow {
		s, _ = mustAttempt(t, s, wrong, "", noon, Wrong)
	}
	s, _ = mustAttempt(t, s, shownAt(t, secret, noon), "", noon, Blocked)
	if s.Enrolled() {
		t.Error("a blocked user was enrolled")
	}
}

// TestRenewal: the old secret and its backup codes are good until the first code
// of the new one, and never after it.
func TestRenewal(t *testing.T) {
	before, after := newSecret(t), newSecret(t)
	old, oldHashes := newBackups(t)
	fresh, freshHashes := newBackups(t)
	s := State{Secret: before, Backups: oldHashes, Pending: after, PendingAt: noon, PendingBackups: freshHashes}
	if !s.Enrolled() {
		t.Error("a user who renews is not enrolled")
	}
	s, _ = mustAttempt(t, s, shownAt(t, before, noon), "", noon, Accepted)
	s, _ = mustAttempt(t, s, old[0], "", noon, ByBackup)
	s, _ = mustAttempt(t, s, fresh[0], "", noon, Wrong)
	if s.Pending != after {
		t.Fatal("the old one's code ended the new secret")
	}
	// No code of the same period after one that was accepted, whatever its secret.
	s, _ = mustAttempt(t, s, shownAt(t, after, noon), "", noon, Replayed)
	later := noon.Add(2 * time.Minute)
	s, result := mustAttempt(t, s, shownAt(t, after, later), "", later, Enrolled)
	if s.Secret != after || result.BackupsLeft != Backups {
		t.Errorf("after renewal: %+v", result)
	}
	later = later.Add(2 * time.Minute)
	s, _ = mustAttempt(t, s, shownAt(t, before, later), "", later, Wrong)
	s, _ = mustAttempt(t, s, old[1], "", later, Wrong)
	s, _ = mustAttempt(t, s, fresh[0], "", later, ByBackup)
	mustAttempt(t, s, shownAt(t, after, later), "", later, Accepted)
}

// TestBackupCodes: each once, in any order, and wrong ones count (B3, B5).
func TestBackupCodes(t *testing.T) {
	codes, hashes := newBackups(t)
	s := State{Secret: newSecret(t), Backups: hashes}
	for n, i := range []int{3, 0, 7, 1, 2, 4, 6, 5} {
		var result Result
		s, result = mustAttempt(t, s, codes[i], "", noon, ByBackup)
		if left := Backups - n - 1; result.BackupsLeft != left || len(s.Backups) != left {
			t.Errorf("%d are left, want %d", result.BackupsLeft, left)
		}
		used, _ := mustAttempt(t, s, codes[i], "", noon, Wrong)
		if used.InARow != 1 {
			t.Error("a used backup code does not count as a wrong one")
		}
	}
	for range wrongInARow {
		s, _ = mustAttempt(t, s, codes[0], "", noon, Wrong)
	}
	mustAttempt(t, s, codes[0], "", noon, Blocked)
	// The figure of a step is not the business of a backup code.
	if s.Step != 0 {
		t.Errorf("step %d", s.Step)
	}
}

// TestAttemptChangesNothingButItsResult: a store may run the same change twice.
func TestAttemptChangesNothingButItsResult(t *testing.T) {
	codes, hashes := newBackups(t)
	s := State{Secret: newSecret(t), Backups: hashes, Wrong: []time.Time{noon.Add(-2 * time.Minute), noon.Add(-time.Second)}, InARow: 1}
	kept := State{Secret: s.Secret, Backups: slices.Clone(s.Backups), Wrong: slices.Clone(s.Wrong), InARow: 1}
	for _, code := range []Code{codes[2], notOf(t, s.Secret), shownAt(t, s.Secret, noon), {}} {
		first, one := Attempt(s, code, "", noon)
		second, two := Attempt(s, code, "", noon)
		if !reflect.DeepEqual(s, kept) {
			t.Fatal("the state before was changed")
		}
		if !reflect.DeepEqual(first, second) || one != two {
			t.Errorf("twice the same came to %+v and %+v", one, two)
		}
	}
}

// TestDerivedSecretIsFrozen: the first code makes the secret that pyTMBot derived
// the user's own, and a changed username does not matter any more (B4).
func TestDerivedSecretIsFrozen(t *testing.T) {
	derived, renamed := newSecret(t), newSecret(t)
	s, _ := mustAttempt(t, State{}, notOf(t, derived), derived, noon, Wrong)
	if s.Enrolled() {
		t.Error("a wrong code enrolled")
	}
	s, _ = mustAttempt(t, s, shownAt(t, derived, noon), derived, noon, Enrolled)
	if s.Secret != derived {
		t.Fatal("the secret is not kept")
	}
	later := noon.Add(time.Minute)
	s, _ = mustAttempt(t, s, shownAt(t, renamed, later), renamed, later, Wrong)
	mustAttempt(t, s, shownAt(t, derived, later), renamed, later, Accepted)
}

// TestDerivedSecretLeavesWhatTheHostDrew: its first code, or anybody's who can
// make one, undoes nothing that was done at the host (B5). The other one counts
// from its own first code, whenever that comes, and ends the derived one.
func TestDerivedSecretLeavesWhatTheHostDrew(t *testing.T) {
	derived, drawn := newSecret(t), newSecret(t)
	backups, hashes := newBackups(t)
	s := State{Pending: drawn, PendingAt: noon, AtHost: true, PendingBackups: hashes}
	s, result := mustAttempt(t, s, shownAt(t, derived, noon), derived, noon, Enrolled)
	if s.Secret != derived || s.Pending != drawn || !s.AtHost || len(s.PendingBackups) != Backups || result.BackupsLeft != 0 {
		t.Fatalf("after the derived one's first code: %+v, %+v", s, result)
	}
	later := noon.Add(24 * time.Hour)
	s, _ = mustAttempt(t, s, backups[0], "", later, Wrong) // before its secret counts
	s, _ = mustAttempt(t, s, shownAt(t, derived, later), "", later, Accepted)
	later = later.Add(time.Minute)
	s, result = mustAttempt(t, s, shownAt(t, drawn, later), "", later, Enrolled)
	if s.Secret != drawn || s.Pending != "" || s.AtHost || result.BackupsLeft != Backups {
		t.Errorf("after its own first code: %+v, %+v", s, result)
	}
	later = later.Add(time.Minute)
	s, _ = mustAttempt(t, s, shownAt(t, derived, later), derived, later, Wrong)
	mustAttempt(t, s, backups[0], derived, later, ByBackup)

	// A picture in a chat may have been seen by others: it goes, as it did.
	s = State{Pending: drawn, PendingAt: noon}
	s, _ = mustAttempt(t, s, shownAt(t, derived, noon), derived, noon, Enrolled)
	if s.Pending != "" {
		t.Error("a picture of the chat goes on waiting")
	}
}

// TestResetEndsADerivedSecret: else a reset would change nothing.
func TestResetEndsADerivedSecret(t *testing.T) {
	derived := newSecret(t)
	s, _ := mustAttempt(t, State{}, shownAt(t, derived, noon), derived, noon, Enrolled)
	s.Backups = [][]byte{{1}}
	s.BlockedAt, s.InARow, s.Pending, s.PendingBackups = noon, 2, newSecret(t), [][]byte{{2}}
	s = s.Reset()
	if want := (State{Underived: true}); !reflect.DeepEqual(s, want) {
		t.Errorf("reset, it is %+v, want %+v", s, want)
	}
	later := noon.Add(time.Hour)
	mustAttempt(t, s, shownAt(t, derived, later), derived, later, Missing)
	s.Pending = newSecret(t)
	s, _ = mustAttempt(t, s, shownAt(t, derived, later), derived, later, Wrong)
	mustAttempt(t, s, shownAt(t, s.Pending, later), derived, later, Enrolled)
}
