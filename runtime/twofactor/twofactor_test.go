package twofactor

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/pquerna/otp"

	"github.com/cofferdam-bot/cofferdam/security/totp"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

var ada = Person{ID: 42, Username: "Ada"}

// table is a store in memory that swaps under a lock, and runs each change twice,
// as it may.
type table struct {
	lock   sync.Mutex
	rows   map[string][]byte
	broken error
}

func (s *table) Get(key []byte) ([]byte, time.Time, error) {
	s.lock.Lock()
	defer s.lock.Unlock()
	return bytes.Clone(s.rows[string(key)]), time.Time{}, s.broken
}

func (s *table) Change(ctx context.Context, key []byte, change func([]byte, time.Time) ([]byte, time.Time, error)) error {
	s.lock.Lock()
	defer s.lock.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	if _, _, err := change(bytes.Clone(s.rows[string(key)]), time.Time{}); err != nil {
		return err
	}
	value, until, err := change(bytes.Clone(s.rows[string(key)]), time.Time{})
	if err != nil {
		return err
	}
	if !until.IsZero() {
		return errors.New("a second factor expires")
	}
	if s.broken == nil {
		s.rows[string(key)] = value
	}
	return s.broken
}

type desk struct {
	*Keeper
	table   *table
	learned []string
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	key, err := totp.DeriveKey(rand.Text() + rand.Text())
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{table: &table{rows: map[string][]byte{}}}
	d.Keeper = New(Config{Table: d.table, Key: key, Random: rand.Reader, Learn: func(s string) { d.learned = append(d.learned, s) }})
	return d
}

func newLegacyDesk(t *testing.T) *desk {
	t.Helper()
	d := newDesk(t)
	d.Legacy = &totp.Legacy{Salt: rand.Text(), ProdToken: rand.Text()}
	return d
}

func secretIn(t *testing.T, uri string) string {
	t.Helper()
	key, err := otp.NewKeyFromURL(uri)
	if err != nil || key.Secret() == "" {
		t.Fatalf("%v in what was shown", err)
	}
	return key.Secret()
}

func codeAt(t *testing.T, secret string, at time.Time) totp.Code {
	t.Helper()
	text, err := totp.At(secret, at)
	if err != nil {
		t.Fatal(err)
	}
	return codeOf(t, text)
}

func codeOf(t *testing.T, text string) totp.Code {
	t.Helper()
	code, ok := totp.ReadCode(text)
	if !ok {
		t.Fatalf("%q is no code", text)
	}
	return code
}

func (d *desk) enrol(t *testing.T, p Person, renew bool) (secret string) {
	t.Helper()
	uri, err := d.Enrol(t.Context(), p, renew, noon)
	if err != nil {
		t.Fatal(err)
	}
	return secretIn(t, uri)
}

func (d *desk) try(t *testing.T, p Person, code totp.Code, at time.Time, want totp.Verdict) (totp.Result, []string) {
	t.Helper()
	result, backups, err := d.Attempt(t.Context(), p, code, at)
	if err != nil || result.Verdict != want {
		t.Fatalf("%v, %v, want %v", result.Verdict, err, want)
	}
	return result, backups
}

func (d *desk) standing(t *testing.T, p Person, at time.Time) Standing {
	t.Helper()
	s, err := d.Standing(p, at)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestEnrolmentHappensOnce(t *testing.T) {
	d := newDesk(t)
	d.try(t, ada, codeOf(t, "123456"), noon, totp.Missing)
	if got := d.standing(t, ada, noon); got.Enrolled || got.Left != 3 {
		t.Errorf("before it: %+v", got)
	}
	secret := d.enrol(t, ada, false)
	if again := d.enrol(t, ada, false); again != secret {
		t.Error("shown again, it is another secret")
	}
	if d.standing(t, ada, noon).Enrolled {
		t.Error("enrolled before the first code")
	}
	result, backups := d.try(t, ada, codeAt(t, secret, noon), noon, totp.Enrolled)
	if len(backups) != totp.Backups || result.BackupsLeft != totp.Backups {
		t.Errorf("%d backup codes, %+v", len(backups), result)
	}
	if got := d.standing(t, ada, noon); !got.Enrolled {
		t.Errorf("after it: %+v", got)
	}
	if uri, err := d.Enrol(t.Context(), ada, false, noon); !errors.Is(err, ErrEnrolled) || uri != "" {
		t.Errorf("shown after it: %q, %v", uri, err)
	}
	if uri, codes, err := d.EnrolAtHost(t.Context(), ada, noon); !errors.Is(err, ErrEnrolled) || uri != "" || codes != nil {
		t.Errorf("shown after it: %q, %v", uri, err)
	}
	later := noon.Add(time.Minute)
	if _, backups := d.try(t, ada, codeAt(t, secret, later), later, totp.Accepted); backups != nil {
		t.Error("backup codes are shown twice")
	}
	for i, code := range backups {
		if result, _ := d.try(t, ada, codeOf(t, code), later, totp.ByBackup); result.BackupsLeft != totp.Backups-i-1 {
			t.Errorf("%+v", result)
		}
		d.try(t, ada, codeOf(t, code), later.Add(time.Duration(i)*time.Hour), totp.Wrong)
	}
	if !slices.Contains(d.learned, secret) || slices.Contains(d.learned, "") {
		t.Error("what is to be kept out of logs was not told")
	}
	for _, value := range d.table.rows {
		if bytes.Contains(value, []byte(secret)) {
			t.Error("the secret stands in the store")
		}
	}
}

func TestUsersDoNotShare(t *testing.T) {
	d := newDesk(t)
	bob := Person{ID: 43}
	secret, other := d.enrol(t, ada, false), d.enrol(t, bob, false)
	if secret == other {
		t.Fatal("one secret for two")
	}
	d.try(t, bob, codeAt(t, secret, noon), noon, totp.Wrong)
	d.try(t, ada, codeAt(t, secret, noon), noon, totp.Enrolled)
	for range 2 {
		d.try(t, bob, codeAt(t, secret, noon), noon, totp.Wrong)
	}
	if d.standing(t, bob, noon).BlockedUntil != noon.Add(totp.BlockFor) || !d.standing(t, ada, noon).BlockedUntil.IsZero() {
		t.Error("the wrong one is blocked")
	}
	// One's row in another's place is not readable.
	d.table.rows[string(keyOf(43))] = d.table.rows[string(keyOf(42))]
	if _, err := d.Standing(bob, noon); !errors.Is(err, totp.ErrUnreadable) {
		t.Errorf("%v", err)
	}
}

// TestOneCodeAtOneInstant: of many that come at once, one is accepted (B2).
func TestOneCodeAtOneInstant(t *testing.T) {
	d := newDesk(t)
	secret := d.enrol(t, ada, false)
	d.try(t, ada, codeAt(t, secret, noon), noon, totp.Enrolled)
	for round := range 20 {
		now := noon.Add(time.Duration(round+1) * time.Hour)
		code, verdicts := codeAt(t, secret, now), make(chan totp.Verdict, 2)
		var both sync.WaitGroup
		for range 2 {
			both.Go(func() {
				result, _, err := d.Attempt(t.Context(), ada, code, now)
				if err != nil {
					t.Error(err)
				}
				verdicts <- result.Verdict
			})
		}
		both.Wait()
		got := []totp.Verdict{<-verdicts, <-verdicts}
		slices.Sort(got)
		if !slices.Equal(got, []totp.Verdict{totp.Replayed, totp.Accepted}) {
			t.Fatalf("round %d: %v", round, got)
		}
	}
}

// TestAFreshKeeperKnowsWhatWasUsed: after a restart no code counts again, and a
// block goes on (B2, B3).
func TestAFreshKeeperKnowsWhatWasUsed(t *testing.T) {
	d := newDesk(t)
	secret := d.enrol(t, ada, false)
	d.try(t, ada, codeAt(t, secret, noon), noon, totp.Enrolled)
	d.Keeper = New(d.Config)
	d.try(t, ada, codeAt(t, secret, noon), noon, totp.Replayed)
	d.Keeper = New(d.Config)
	d.try(t, ada, codeAt(t, secret, noon), noon, totp.Replayed)
	if result, _ := d.try(t, ada, codeAt(t, secret, noon), noon, totp.Replayed); !result.Began {
		t.Error("no block at the third")
	}
	d.Keeper = New(d.Config)
	later := noon.Add(totp.BlockFor - 1)
	d.try(t, ada, codeAt(t, secret, later), later, totp.Blocked)
}

func TestRenewal(t *testing.T) {
	d := newDesk(t)
	old := d.enrol(t, ada, false)
	_, oldBackups := d.try(t, ada, codeAt(t, old, noon), noon, totp.Enrolled)
	fresh := d.enrol(t, ada, true)
	if fresh == old || d.enrol(t, ada, true) == fresh {
		t.Error("what is shown is not a new secret each time")
	}
	fresh = d.enrol(t, ada, true)
	if _, err := d.Enrol(t.Context(), ada, false, noon); !errors.Is(err, ErrEnrolled) {
		t.Errorf("without a session it is shown: %v", err)
	}
	now := noon.Add(time.Minute)
	d.try(t, ada, codeAt(t, old, now), now, totp.Accepted)
	d.try(t, ada, codeOf(t, oldBackups[0]), now, totp.ByBackup)
	now = now.Add(time.Minute)
	_, backups := d.try(t, ada, codeAt(t, fresh, now), now, totp.Enrolled)
	if len(backups) != totp.Backups || slices.Contains(oldBackups, backups[0]) {
		t.Errorf("%d backup codes", len(backups))
	}
	now = now.Add(time.Minute)
	d.try(t, ada, codeOf(t, oldBackups[1]), now, totp.Wrong)
	d.try(t, ada, codeAt(t, old, now), now, totp.Wrong)
	d.try(t, ada, codeAt(t, fresh, now), now, totp.Accepted)
}

func TestEnrolAtHost(t *testing.T) {
	d := newDesk(t)
	uri, first, err := d.EnrolAtHost(t.Context(), ada, noon)
	if err != nil {
		t.Fatal(err)
	}
	seen, err := d.Enrol(t.Context(), ada, false, noon)
	if !errors.Is(err, ErrAtHost) || seen != "" {
		t.Errorf("the chat shows what the terminal drew: %q, %v", seen, err)
	}
	again, backups, err := d.EnrolAtHost(t.Context(), ada, noon)
	if err != nil || again == uri || len(backups) != totp.Backups || slices.Contains(first, backups[0]) {
		t.Fatalf("drawn again: %d codes, %v", len(backups), err)
	}
	d.try(t, ada, codeAt(t, secretIn(t, uri), noon), noon, totp.Wrong)
	uri = again
	d.try(t, ada, codeOf(t, backups[0]), noon, totp.Wrong) // not before the first code
	result, shown := d.try(t, ada, codeAt(t, secretIn(t, uri), noon), noon, totp.Enrolled)
	if shown != nil || result.BackupsLeft != totp.Backups {
		t.Errorf("they are shown again: %+v", result)
	}
	d.try(t, ada, codeOf(t, first[0]), noon, totp.Wrong)
	d.try(t, ada, codeOf(t, backups[0]), noon, totp.ByBackup)
}

func TestReset(t *testing.T) {
	for name, d := range map[string]*desk{"own": newDesk(t), "from pyTMBot": newLegacyDesk(t)} {
		t.Run(name, func(t *testing.T) {
			old := ""
			if d.Legacy == nil {
				old = d.enrol(t, ada, false)
			} else {
				old, _ = d.Legacy.Secret(ada.ID, ada.Username)
			}
			_, backups := d.try(t, ada, codeAt(t, old, noon), noon, totp.Enrolled)
			for range 3 {
				d.try(t, ada, codeAt(t, old, noon), noon, totp.Replayed)
			}
			if err := d.Reset(t.Context(), ada.ID); err != nil {
				t.Fatal(err)
			}
			if got := d.standing(t, ada, noon); got.Enrolled || !got.BlockedUntil.IsZero() {
				t.Errorf("%+v", got)
			}
			now := noon.Add(time.Minute)
			d.try(t, ada, codeAt(t, old, now), now, totp.Missing)
			d.try(t, ada, codeOf(t, backups[0]), now, totp.Missing)
			fresh := d.enrol(t, ada, false)
			if fresh == old {
				t.Fatal("the same secret again")
			}
			d.try(t, ada, codeAt(t, old, now), now, totp.Wrong)
			d.try(t, ada, codeAt(t, fresh, now), now, totp.Enrolled)
		})
	}
}

// TestASecretOfTheChatIsNotDrawnAtTheHost: somebody else may have seen it.
func TestASecretOfTheChatIsNotDrawnAtTheHost(t *testing.T) {
	d := newDesk(t)
	seen := d.enrol(t, ada, false)
	uri, _, err := d.EnrolAtHost(t.Context(), ada, noon)
	if err != nil || secretIn(t, uri) == seen {
		t.Fatalf("drawn: what the chat has shown; %v", err)
	}
	d.try(t, ada, codeAt(t, seen, noon), noon, totp.Wrong)
	d.try(t, ada, codeAt(t, secretIn(t, uri), noon), noon, totp.Enrolled)
}

// TestARenewalEndsWithItsSession: a picture that was not used opens nothing
// later.
func TestARenewalEndsWithItsSession(t *testing.T) {
	d := newDesk(t)
	old := d.enrol(t, ada, false)
	d.try(t, ada, codeAt(t, old, noon), noon, totp.Enrolled)
	fresh, later := d.enrol(t, ada, true), noon.Add(10*time.Minute)
	d.try(t, ada, codeAt(t, fresh, later), later, totp.Wrong)
	d.try(t, ada, codeAt(t, old, later), later, totp.Accepted)
}

// TestThoseWhoComeFromPyTMBot are enrolled already, and shown nothing (B4, B5).
func TestThoseWhoComeFromPyTMBot(t *testing.T) {
	d := newLegacyDesk(t)
	derived, _ := d.Legacy.Secret(ada.ID, ada.Username)
	if !d.standing(t, ada, noon).Enrolled {
		t.Error("not enrolled")
	}
	if uri, err := d.Enrol(t.Context(), ada, false, noon); !errors.Is(err, ErrEnrolled) || uri != "" {
		t.Errorf("the secret that counts is shown: %v", err)
	}
	for _, learned := range d.learned {
		if strings.HasSuffix(learned, "=") {
			t.Error("learned with padding, it is not found without")
		}
	}
	_, backups := d.try(t, ada, codeAt(t, derived, noon), noon, totp.Enrolled)
	if len(backups) != totp.Backups {
		t.Errorf("%d backup codes", len(backups))
	}
	now, renamed := noon.Add(time.Minute), Person{ID: ada.ID, Username: "countess"}
	d.try(t, renamed, codeAt(t, derived, now), now, totp.Accepted)
	d.Legacy = nil // and after the option was turned off
	now = now.Add(time.Minute)
	d.try(t, Person{ID: ada.ID}, codeAt(t, derived, now), now, totp.Accepted)

	nameless := Person{ID: 43}
	e := newLegacyDesk(t)
	if e.standing(t, nameless, noon).Enrolled {
		t.Error("enrolled without a username")
	}
	e.try(t, nameless, codeAt(t, e.enrol(t, nameless, false), noon), noon, totp.Enrolled)
}

// TestTheHostsSecretOutlivesADerivedOne: the host does not know a username, so it
// draws a secret for whom the chat knows as enrolled (B4, B5).
func TestTheHostsSecretOutlivesADerivedOne(t *testing.T) {
	d := newLegacyDesk(t)
	derived, _ := d.Legacy.Secret(ada.ID, ada.Username)
	uri, drawnBackups, err := d.EnrolAtHost(t.Context(), Person{ID: ada.ID}, noon)
	if err != nil {
		t.Fatal(err)
	}
	_, own := d.try(t, ada, codeAt(t, derived, noon), noon, totp.Enrolled)
	if len(own) != totp.Backups {
		t.Errorf("%d backup codes of the derived one", len(own))
	}
	later := noon.Add(time.Hour)
	result, shown := d.try(t, ada, codeAt(t, secretIn(t, uri), later), later, totp.Enrolled)
	if shown != nil || result.BackupsLeft != totp.Backups {
		t.Errorf("what the host drew: %d codes shown, %+v", len(shown), result)
	}
	d.try(t, ada, codeOf(t, drawnBackups[0]), later, totp.ByBackup)
	d.try(t, ada, codeOf(t, own[0]), later, totp.Wrong)
}

// TestUnreadableStateFailsClosed until it is reset: another salt, or other bytes.
func TestUnreadableStateFailsClosed(t *testing.T) {
	for name, spoil := range map[string]func(*desk){
		"another salt": func(d *desk) { d.Key[0] ^= 1 },
		"other bytes":  func(d *desk) { d.table.rows[string(keyOf(ada.ID))][30] ^= 1 },
		"truncated":    func(d *desk) { d.table.rows[string(keyOf(ada.ID))] = []byte{1} },
	} {
		t.Run(name, func(t *testing.T) {
			d := newLegacyDesk(t)
			secret, _ := d.Legacy.Secret(ada.ID, ada.Username)
			d.try(t, ada, codeAt(t, secret, noon), noon, totp.Enrolled)
			spoil(d)
			kept, now := bytes.Clone(d.table.rows[string(keyOf(ada.ID))]), noon.Add(time.Minute)
			result, backups, err := d.Attempt(t.Context(), ada, codeAt(t, secret, now), now)
			if !errors.Is(err, totp.ErrUnreadable) || result.Verdict.Right() || backups != nil {
				t.Errorf("attempt: %+v, %v", result, err)
			}
			for _, renew := range []bool{false, true} {
				if uri, err := d.Enrol(t.Context(), ada, renew, noon); !errors.Is(err, totp.ErrUnreadable) || uri != "" {
					t.Errorf("enrol: %q, %v", uri, err)
				}
			}
			if uri, codes, err := d.EnrolAtHost(t.Context(), ada, noon); !errors.Is(err, totp.ErrUnreadable) || uri != "" || codes != nil {
				t.Errorf("enrol with backups: %q, %v", uri, err)
			}
			if got, err := d.Standing(ada, now); !errors.Is(err, totp.ErrUnreadable) || got != (Standing{}) {
				t.Errorf("standing: %+v, %v", got, err)
			}
			if !bytes.Equal(d.table.rows[string(keyOf(ada.ID))], kept) {
				t.Error("what could not be read was overwritten")
			}
			if err := d.Reset(t.Context(), ada.ID); err != nil {
				t.Fatal(err)
			}
			if d.standing(t, ada, now).Enrolled {
				t.Error("after a reset the derived secret counts again")
			}
			d.try(t, ada, codeAt(t, d.enrol(t, ada, false), now), now, totp.Enrolled)
		})
	}
}

// TestWhatFailsChangesNothing: a disk that is full, and randomness that is not
// there.
func TestWhatFailsChangesNothing(t *testing.T) {
	full, dry := errors.New("no space left on device"), iotest.ErrReader(errors.New("no entropy"))
	for name, test := range map[string]struct {
		broken error
		random io.Reader
	}{"the table": {full, rand.Reader}, "randomness": {nil, dry}} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t)
			secret := d.enrol(t, ada, false)
			kept := bytes.Clone(d.table.rows[string(keyOf(ada.ID))])
			d.table.broken, d.Random, d.learned = test.broken, test.random, nil
			if result, backups, err := d.Attempt(t.Context(), ada, codeAt(t, secret, noon), noon); err == nil || result != (totp.Result{}) || backups != nil {
				t.Errorf("attempt: %+v, %v", result, err)
			}
			if uri, err := d.Enrol(t.Context(), Person{ID: 43}, false, noon); err == nil || uri != "" {
				t.Errorf("enrol: %q, %v", uri, err)
			}
			if uri, codes, err := d.EnrolAtHost(t.Context(), ada, noon); err == nil || uri != "" || codes != nil {
				t.Errorf("enrol with backups: %q, %v", uri, err)
			}
			if err := d.Reset(t.Context(), ada.ID); err == nil {
				t.Error("reset without an error")
			}
			if slices.Contains(d.learned, "") {
				t.Error("nothing was learned as a secret")
			}
			if len(d.table.rows) != 1 || !bytes.Equal(d.table.rows[string(keyOf(ada.ID))], kept) {
				t.Error("something was changed")
			}
			d.table.broken, d.Random = nil, rand.Reader
			d.try(t, ada, codeAt(t, secret, noon), noon, totp.Enrolled)
		})
	}
	d := newDesk(t)
	d.table.broken = full
	if _, err := d.Standing(ada, noon); !errors.Is(err, full) {
		t.Errorf("standing: %v", err)
	}
}
