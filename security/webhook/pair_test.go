package webhook

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestAPairIsRandomAndPrintsAsNothing(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		p, err := NewPair(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		if !regexp.MustCompile(`^/webhook/[A-Za-z0-9_-]{22}/$`).MatchString(p.Path()) || !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(p.Secret()) {
			t.Fatalf("%s %s", p.Path(), p.Secret())
		}
		if "/webhook/"+p.PathSecret()+"/" != p.Path() {
			t.Errorf("the secret of %s is %s", p.Path(), p.PathSecret())
		}
		if seen[p.Path()] || seen[p.Secret()] {
			t.Fatal("one came twice")
		}
		seen[p.Path()], seen[p.Secret()] = true, true
	}
	p, _ := NewPair(rand.Reader)
	asJSON, err := json.Marshal([]any{p})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{fmt.Sprint(p), fmt.Sprintf("%+v %#v %s %q", p, p, p, p), string(asJSON), fmt.Sprint([]Pair{p}), fmt.Sprintf("%#v", &p)} {
		if strings.Contains(text, p.PathSecret()) || strings.Contains(text, p.Secret()) {
			t.Errorf("it prints as %s", text)
		}
	}
}

func TestNoRandomnessNoPair(t *testing.T) {
	for _, source := range []io.Reader{bytes.NewReader(nil), bytes.NewReader(make([]byte, 47))} {
		var pairs Pairs
		if pair, err := pairs.Next(source); err == nil || pair != (Pair{}) {
			t.Errorf("got %v, %v", pair.Path(), err)
		}
		if _, ok := pairs.find("", start); ok {
			t.Error("an empty path is valid")
		}
	}
}

func TestRotationLosesNothing(t *testing.T) {
	var p Pairs
	valid := func(pair Pair, now time.Time) bool { found, ok := p.find(pair.Path(), now); return ok && found == pair }
	next := func() Pair {
		pair, err := p.Next(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		return pair
	}
	if !p.Due(start) {
		t.Error("without a pair none is due")
	}
	first := next()
	if !valid(first, start) {
		t.Error("a pair is not valid before Telegram is told")
	}
	if next() != first {
		t.Error("a pair that Telegram may know was thrown away")
	}
	p.Registered(start)
	if p.Due(start) {
		t.Error("due at once")
	}
	second := next()
	if second == first || !valid(first, start) || !valid(second, start) {
		t.Error("before the registration not both are valid")
	}
	p.Registered(start)
	for _, test := range []struct {
		after time.Duration
		old   bool
	}{{0, true}, {299 * time.Second, true}, {300 * time.Second, false}, {time.Hour, false}} {
		if got := valid(first, start.Add(test.after)); got != test.old {
			t.Errorf("%v later the old pair is valid: %v", test.after, got)
		}
		if !valid(second, start.Add(test.after)) {
			t.Errorf("%v later the new pair is not valid", test.after)
		}
	}
	if first.opens(second.Secret()) || second.opens(first.Secret()) {
		t.Error("a path takes the other's secret")
	}
	p.Registered(start.Add(time.Hour)) // nothing is next
	if !valid(second, start.Add(24*time.Hour)) {
		t.Error("the pair was lost")
	}
}

func TestWhenAPairIsDue(t *testing.T) {
	var p Pairs
	register := func(now time.Time) {
		if _, err := p.Next(rand.Reader); err != nil {
			t.Fatal(err)
		}
		p.Registered(now)
	}
	register(start)
	if p.Due(start.Add(24*time.Hour - time.Second)) {
		t.Error("due before a day is over")
	}
	if !p.Due(start.Add(24 * time.Hour)) {
		t.Error("not due after a day")
	}
	register(start)
	for range 9_999 {
		p.Accepted()
	}
	if p.Due(start) {
		t.Error("due after 9,999 requests")
	}
	if p.Accepted(); !p.Due(start) {
		t.Error("not due after 10,000")
	}
	register(start)
	if p.Due(start.Add(-48 * time.Hour)) {
		t.Error("a clock that goes back makes it due")
	}
	if !p.Due(start.Add(-24 * time.Hour)) {
		t.Error("a clock that went back keeps it")
	}
}

func TestAClockThatGoesBackKeepsNoOldPair(t *testing.T) {
	var p Pairs
	old, err := p.Next(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p.Registered(start)
	if _, err := p.Next(rand.Reader); err != nil {
		t.Fatal(err)
	}
	p.Registered(start)
	back := start.Add(-24 * time.Hour)
	if _, ok := p.find(old.Path(), back); !ok {
		t.Error("it was not valid at once")
	}
	if _, ok := p.find(old.Path(), back.Add(Grace)); ok {
		t.Error("it is still valid")
	}
}

// TestSecretsAreComparedInConstantTime reads the source: the functions that see a
// path or a secret compare them with crypto/subtle, and with nothing that stops
// at the first difference.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	source, err := os.ReadFile("pair.go")
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), "pair.go", source, 0)
	if err != nil {
		t.Fatal(err)
	}
	constant := 0
	ast.Inspect(file, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.BinaryExpr:
			for _, side := range []ast.Expr{n.X, n.Y} {
				if s, ok := side.(*ast.SelectorExpr); ok && (s.Sel.Name == "path" || s.Sel.Name == "secret") && (n.Op == token.EQL || n.Op == token.NEQ) {
					t.Errorf("%s is compared with %s", s.Sel.Name, n.Op)
				}
			}
		case *ast.CallExpr:
			if s, ok := n.Fun.(*ast.SelectorExpr); ok {
				switch s.Sel.Name {
				case "ConstantTimeCompare":
					constant++
				case "Equal", "EqualFold", "HasPrefix", "Contains", "Compare":
					t.Errorf("%s is used", s.Sel.Name)
				}
			}
		}
		return true
	})
	if constant != 2 {
		t.Errorf("%d comparisons in constant time, want 2: of the path and of the secret", constant)
	}
}

// BenchmarkCompare is how long a guess takes that is wrong at its first byte, at
// its last, and in its length.
func BenchmarkCompare(b *testing.B) {
	pair, err := NewPair(rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	secret := pair.Secret()
	for name, guess := range map[string]string{
		"right": secret, "wrong-first": "!" + secret[1:], "wrong-last": secret[:42] + "!", "short": secret[:42],
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				pair.opens(guess)
			}
		})
	}
}
