package scrub

import (
	"fmt"
	"strings"
	"sync"
	"testing"
)

func TestLearn(t *testing.T) {
	configured, made := letters(20, base64url), letters(32, strings.ToLower(base32))
	s := New([]string{configured})
	if got := s.String(made); got != made {
		t.Fatalf("hidden before it was learned: %q", got)
	}
	s.Learn(made)
	s.Learn(made)
	if got := s.String(configured + " " + made + " x%3D" + fullyEscaped(made)); got != "[hidden] [hidden] x%3D[hidden]" {
		t.Errorf("got %q", got)
	}
	if n := len(s.snapshot().learned); n != 1 {
		t.Errorf("%d values learned, want 1", n)
	}
}

func TestAnyScrubberMayLearn(t *testing.T) {
	made := letters(22, base64url)
	var zero Scrubber
	zero.Learn(made)
	if got := zero.String(made); got != Mask {
		t.Errorf("zero: got %q", got)
	}
	(*Scrubber)(nil).Learn(made)
	if got := (*Scrubber)(nil).String("x " + made); got != "x "+made {
		t.Errorf("nil: got %q", got)
	}
}

func TestWhatIsLearnedIsBounded(t *testing.T) {
	configured := letters(24, base64url)
	s := New([]string{configured})
	nth := func(i int) string { return fmt.Sprintf("made-at-run-time-%06d", i) }
	for i := range maxLearned + 10 {
		s.Learn(nth(i))
	}
	for text, want := range map[string]string{
		nth(9): nth(9), nth(10): Mask, nth(maxLearned + 9): Mask, configured: Mask,
	} {
		if got := s.String(text); got != want {
			t.Errorf("%s: got %s, want %s", text, got, want)
		}
	}
}

// Names and codes that somebody typed are too short to be learned, even if
// somebody tries.
func TestNamesAndCodesAreNotLearned(t *testing.T) {
	s := New(nil)
	for _, text := range []string{"", "error", "alice_in_chains", "123456", "abcde-fgh23"} {
		s.Learn(text)
		if got := s.String(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
}

func TestLearningWhileOthersRead(t *testing.T) {
	s := New(nil)
	var all sync.WaitGroup
	for g := range 4 {
		all.Go(func() {
			for i := range 50 {
				made := fmt.Sprintf("secret-of-%02d-number-%02d", g, i)
				s.Learn(made)
				if got := s.String(made); got != Mask {
					t.Errorf("%s: got %s", made, got)
				}
			}
		})
	}
	all.Wait()
	if n := len(s.snapshot().learned); n != 200 {
		t.Errorf("%d of 200 are kept", n)
	}
}
