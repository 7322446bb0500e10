package totp

import (
	"crypto/rand"
	"fmt"
	mathrand "math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
)

// noon is the beginning of a period.
var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func newSecret(t *testing.T) string {
	t.Helper()
	secret, err := NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return secret
}

// shownAt is the code that an authenticator shows at a time.
func shownAt(t *testing.T, secret string, at time.Time) Code {
	t.Helper()
	text, err := At(secret, at)
	if err != nil {
		t.Fatal(err)
	}
	code, ok := ReadCode(text)
	if !ok {
		t.Fatalf("an authenticator shows %q", text)
	}
	return code
}

// notOf is a code that none of the secrets gives within an hour or two of noon.
func notOf(t *testing.T, secrets ...string) Code {
	t.Helper()
	given := map[Code]bool{}
	for _, secret := range secrets {
		for step := -400; step <= 400; step++ {
			given[shownAt(t, secret, noon.Add(time.Duration(step)*period))] = true
		}
	}
	for n := range 1_000_000 {
		code, _ := ReadCode(fmt.Sprintf("%06d", n))
		if !given[code] {
			return code
		}
	}
	t.Fatal("every code is given")
	return Code{}
}

func enrolled(t *testing.T) State {
	t.Helper()
	return State{Secret: newSecret(t)}
}

func TestFigures(t *testing.T) {
	if digits != 6 || period != 30*time.Second || skew != 1 || wrongInARow != 3 || wrongInSpan != 5 || wrongSpan != time.Minute || BlockFor != 10*time.Minute || Backups != 8 || secretBytes < 20 {
		t.Error("a figure is not that of B2, B3, B4 or B5")
	}
}

// TestStepsAroundThePresent: one step before and after counts, two do not (B2).
func TestStepsAroundThePresent(t *testing.T) {
	for _, into := range []time.Duration{0, time.Nanosecond, 15 * time.Second, period - time.Nanosecond} {
		for step, want := range map[int]Verdict{-3: Wrong, -2: Wrong, -1: Accepted, 0: Accepted, 1: Accepted, 2: Wrong, 3: Wrong} {
			s := enrolled(t)
			code := shownAt(t, s.Secret, noon.Add(time.Duration(step)*period))
			if want == Wrong && collides(t, s.Secret, code) {
				continue // one in 300,000: another step has the same code
			}
			after, result := Attempt(s, code, "", noon.Add(into))
			if result.Verdict != want {
				t.Errorf("%v into the period, step %+d: %v, want %v", into, step, result.Verdict, want)
			}
			if accepted := noon.Unix()/30 + int64(step); want == Accepted && after.Step != accepted {
				t.Errorf("step %+d is remembered as %d, want %d", step, after.Step, accepted)
			}
		}
	}
}

func collides(t *testing.T, secret string, code Code) bool {
	t.Helper()
	for step := -1; step <= 1; step++ {
		if shownAt(t, secret, noon.Add(time.Duration(step)*period)) == code {
			return true
		}
	}
	return false
}

func TestAtIsWhatAuthenticatorsShow(t *testing.T) {
	for range 100 {
		secret, at := newSecret(t), noon.Add(time.Duration(mathrand.Int64N(int64(100_000*time.Hour))))
		want, err := totp.GenerateCode(secret, at)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := At(secret, at); got != want || err != nil {
			t.Errorf("at %v: %s, %v, want %s", at, got, err, want)
		}
	}
	if _, err := At("not base32!", noon); err == nil {
		t.Error("a secret that is none gives a code")
	}
}

// attempt is one line of a story: when, what, and what comes of it.
type attempt struct {
	at   time.Duration // since noon
	code Code
	want Verdict
	left int
}

// tell runs a story. began lists the lines at which a block begins.
func tell(t *testing.T, s State, story []attempt, began ...int) State {
	t.Helper()
	var starts []int
	for i, line := range story {
		now := noon.Add(line.at)
		before := s
		var result Result
		s, result = Attempt(s, line.code, "", now)
		if result.Verdict != line.want || result.Left != line.left {
			t.Fatalf("line %d, at %v: %v, %d left; want %v, %d left", i, line.at, result.Verdict, result.Left, line.want, line.left)
		}
		if result.Began {
			starts = append(starts, i)
		}
		if result.BlockedUntil != s.Blocked(now) {
			t.Errorf("line %d: blocked until %v, and the state says %v", i, result.BlockedUntil, s.Blocked(now))
		}
		if result.Verdict != Missing && s.Left(now) != result.Left {
			t.Errorf("line %d: %d left, and the state says %d", i, result.Left, s.Left(now))
		}
		if line.want == Blocked && !reflect.DeepEqual(s, before) {
			t.Errorf("line %d: while blocked, something was looked at", i)
		}
	}
	if fmt.Sprint(starts) != fmt.Sprint(began) {
		t.Errorf("blocks began at lines %v, want %v", starts, began)
	}
	return s
}

func TestNoCodeTwice(t *testing.T) {
	s := enrolled(t)
	at := func(d time.Duration) Code { return shownAt(t, s.Secret, noon.Add(d)) }
	for name, story := range map[string][]attempt{
		"the same code": {
			{0, at(0), Accepted, 3}, {0, at(0), Replayed, 2}, {period, at(0), Replayed, 1},
		},
		"an older one after a newer": {
			{0, at(period), Accepted, 3}, {time.Second, at(0), Replayed, 2}, {2 * time.Second, at(-period), Replayed, 1},
			{period, at(period), Replayed, 0},
		},
		"a newer one after an older": {
			{0, at(-period), Accepted, 3}, {0, at(0), Accepted, 3}, {0, at(period), Accepted, 3}, {period, at(2 * period), Accepted, 3},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "an older one after a newer" {
				tell(t, s, story, 3)
				return
			}
			tell(t, s, story)
		})
	}
}

func TestBlockAtTheThirdInARow(t *testing.T) {
	s := enrolled(t)
	wrong := notOf(t, s.Secret)
	at := func(d time.Duration) Code { return shownAt(t, s.Secret, noon.Add(d)) }
	minute := time.Minute
	s = tell(t, s, []attempt{
		// They may lie far from each other.
		{0, wrong, Wrong, 2}, {10 * time.Hour, wrong, Wrong, 1},
		{20 * time.Hour, wrong, Wrong, 0},
		// Nothing is looked at for ten minutes, a right code neither.
		{20 * time.Hour, wrong, Blocked, 0},
		{20*time.Hour + minute, at(20*time.Hour + minute), Blocked, 0},
		{20*time.Hour + 10*minute - 1, at(20*time.Hour + 10*minute), Blocked, 0},
		{20*time.Hour + 10*minute, at(20*time.Hour + 10*minute), Accepted, 3},
	}, 2)
	// A right one between ends the row.
	s = tell(t, s, []attempt{
		{21 * time.Hour, wrong, Wrong, 2}, {21*time.Hour + minute, wrong, Wrong, 1},
		{21*time.Hour + 2*minute, at(21*time.Hour + 2*minute), Accepted, 3},
		{21*time.Hour + 3*minute, wrong, Wrong, 2}, {21*time.Hour + 4*minute, wrong, Wrong, 1},
	})
	// After a block they are counted from the beginning.
	tell(t, s, []attempt{
		{22 * time.Hour, wrong, Wrong, 0},
		{22*time.Hour + 10*minute, wrong, Wrong, 2}, {22*time.Hour + 10*minute, wrong, Wrong, 1}, {22*time.Hour + 10*minute, wrong, Wrong, 0},
	}, 0, 3)
}

func TestBlockAtTheFifthInAMinute(t *testing.T) {
	s := enrolled(t)
	wrong, second := notOf(t, s.Secret), time.Second
	at := func(d time.Duration) Code { return shownAt(t, s.Secret, noon.Add(d)) }
	t.Run("with right ones between", func(t *testing.T) {
		tell(t, s, []attempt{
			{0, wrong, Wrong, 2}, {0, wrong, Wrong, 1}, {0, at(0), Accepted, 3},
			{30 * second, wrong, Wrong, 2}, {40 * second, wrong, Wrong, 1}, {50 * second, at(30 * second), Accepted, 1},
			{60*second - 1, wrong, Wrong, 0}, {60 * second, at(60 * second), Blocked, 0},
		}, 6)
	})
	t.Run("a minute apart they are not five", func(t *testing.T) {
		tell(t, s, []attempt{
			{0, wrong, Wrong, 2}, {0, wrong, Wrong, 1}, {0, at(0), Accepted, 3},
			{30 * second, wrong, Wrong, 2}, {40 * second, wrong, Wrong, 1}, {50 * second, at(30 * second), Accepted, 1},
			{60 * second, wrong, Wrong, 2},
		})
	})
	t.Run("replays and backup codes count", func(t *testing.T) {
		backup, _ := ReadCode("aaaaa-bbbbb")
		tell(t, s, []attempt{{0, at(0), Accepted, 3}, {0, at(0), Replayed, 2}, {0, backup, Wrong, 1}, {0, wrong, Wrong, 0}}, 3)
	})
}

// TestClockThatGoesBackDuringABlock: the block lasts ten minutes from the first
// attempt after it, not an hour and ten.
func TestClockThatGoesBackDuringABlock(t *testing.T) {
	s := enrolled(t)
	wrong := notOf(t, s.Secret)
	tell(t, s, []attempt{
		{0, wrong, Wrong, 2}, {0, wrong, Wrong, 1}, {0, wrong, Wrong, 0},
	}, 2)
	s = State{Secret: s.Secret, BlockedAt: noon}
	back := noon.Add(-time.Hour)
	if until := s.Blocked(back); until != back.Add(BlockFor) {
		t.Errorf("blocked until %v", until)
	}
	s, result := Attempt(s, wrong, "", back)
	if result.Verdict != Blocked || result.BlockedUntil != back.Add(BlockFor) || result.Began {
		t.Errorf("right after it: %+v", result)
	}
	s, result = Attempt(s, shownAt(t, s.Secret, back.Add(BlockFor-1)), "", back.Add(BlockFor-1))
	if result.Verdict != Blocked {
		t.Errorf("just before it ends: %+v", result)
	}
	s, result = Attempt(s, shownAt(t, s.Secret, back.Add(BlockFor)), "", back.Add(BlockFor))
	if result.Verdict != Accepted || !s.Blocked(noon).IsZero() {
		t.Errorf("ten minutes later: %+v, %+v", result, s)
	}
}

// TestClockThatJumps lets the clock jump an hour forth and back at any moment of
// random stories. Whatever happens, no step is accepted twice or out of order,
// no block lasts longer than ten minutes after the first attempt that follows a
// jump, and no more wrong codes than the rule permits are looked at.
func TestClockThatJumps(t *testing.T) {
	secret := newSecret(t)
	wrong := notOf(t, secret)
	accepted, blocked := 0, 0
	for seed := range uint64(300) {
		random := mathrand.New(mathrand.NewPCG(seed, 1))
		s := State{Secret: secret}
		var passed, ahead time.Duration // real time, and what the clock is wrong by
		blockSince, lastStep, row := time.Duration(-1), int64(0), 0
		for range 150 {
			passed += time.Duration(random.Int64N(int64(90 * time.Second)))
			if random.IntN(10) == 0 {
				next := time.Duration(random.IntN(3)-1) * time.Hour
				if next < ahead && blockSince >= 0 {
					blockSince = passed // this attempt is the first after it
				}
				ahead = next
			}
			now, code := noon.Add(passed+ahead), wrong
			if random.IntN(2) == 0 {
				code = shownAt(t, secret, now.Add(time.Duration(random.IntN(3)-1)*period))
			}
			var result Result
			s, result = Attempt(s, code, "", now)
			switch {
			case result.Verdict == Blocked:
				blocked++
				if blockSince < 0 || passed-blockSince >= BlockFor {
					t.Fatalf("seed %d: blocked %v after the block began", seed, passed-blockSince)
				}
				if !result.BlockedUntil.After(now) || result.BlockedUntil.Sub(now) > BlockFor {
					t.Fatalf("seed %d: at %v blocked until %v", seed, now, result.BlockedUntil)
				}
				continue
			case result.Verdict == Accepted:
				accepted++
				if s.Step <= lastStep {
					t.Fatalf("seed %d: step %d after %d", seed, s.Step, lastStep)
				}
				lastStep, row = s.Step, 0
			default:
				row++
			}
			blockSince = -1
			if result.Began {
				blockSince, row = passed, 0
			}
			if row >= wrongInARow {
				t.Fatalf("seed %d: %d wrong in a row, and no block", seed, row)
			}
		}
	}
	if accepted == 0 || blocked == 0 {
		t.Errorf("%d accepted, %d blocked: the stories show nothing", accepted, blocked)
	}
}

// TestBlockOfAClockThatWasAhead: once it is put right, the block goes on for ten
// minutes at most, and what was accepted stays used up.
func TestBlockOfAClockThatWasAhead(t *testing.T) {
	s := enrolled(t)
	wrong, hour := notOf(t, s.Secret), time.Hour
	at := func(d time.Duration) Code { return shownAt(t, s.Secret, noon.Add(d)) }
	tell(t, s, []attempt{
		{hour, at(hour), Accepted, 3}, {0, at(0), Replayed, 2}, {hour, at(hour), Replayed, 1}, {0, wrong, Wrong, 0},
	}, 3)
}

func TestZeroStateAcceptsNothing(t *testing.T) {
	for name, s := range map[string]State{"zero": {}, "was reset": State{}.Reset(), "a step": {Step: 5}} {
		for _, text := range []string{"000000", "328482", "aaaa2-aaaaa"} {
			code, ok := ReadCode(text)
			if !ok {
				t.Fatal(text)
			}
			after, result := Attempt(s, code, "", noon)
			if result.Verdict != Missing || result.Verdict.Right() || !reflect.DeepEqual(after, s) {
				t.Errorf("%s, %s: %+v, %+v", name, text, result, after)
			}
		}
		if s.Enrolled() {
			t.Errorf("%s is enrolled", name)
		}
	}
	if (Verdict(0)).Right() || (Result{}).Verdict.Right() || Verdict(99).Right() || Verdict(-1).Right() {
		t.Error("a verdict that is none is right")
	}
}

func TestZeroCodeIsNeverRight(t *testing.T) {
	secret := newSecret(t)
	for name, s := range map[string]State{
		"enrolled": {Secret: secret}, "pending": {Pending: secret}, "both": {Secret: secret, Pending: newSecret(t)},
		"a secret that is none": {Secret: "!"}, "backups of nothing": {Secret: secret, Backups: [][]byte{nil, {}}},
	} {
		for _, code := range []Code{{}, {backup: true}, {text: " "}} {
			if _, result := Attempt(s, code, "", noon); result.Verdict != Wrong {
				t.Errorf("%s, %+v: %v", name, code, result.Verdict)
			}
		}
	}
	if _, result := Attempt(State{}, Code{}, secret, noon); result.Verdict != Wrong {
		t.Errorf("derived: %v", result.Verdict)
	}
}

func TestVerdictNames(t *testing.T) {
	for v, want := range map[Verdict]string{
		Wrong: "wrong", Replayed: "replayed", Blocked: "blocked", Missing: "not_enrolled",
		Accepted: "accepted", Enrolled: "enrolled", ByBackup: "backup_code", -1: "wrong", 7: "wrong",
	} {
		if v.String() != want {
			t.Errorf("%d is %q, want %q", v, v, want)
		}
	}
	for v := range Verdict(8) {
		if want := v == Accepted || v == Enrolled || v == ByBackup; v.Right() != want {
			t.Errorf("%v opens a session: %v", v, v.Right())
		}
	}
}
