package webhook

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var (
	pathShape   = regexp.MustCompile(`^/webhook/[A-Za-z0-9_-]{22}/$`)
	secretShape = regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`)
)

func TestAPairIsRandomAndPrintsAsNothing(t *testing.T) {
	seen := map[string]bool{}
	for range 1000 {
		p := mustPair(t)
		if !pathShape.MatchString(p.Path()) || !secretShape.MatchString(p.Secret()) {
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

	p := mustPair(t)
	var pairs Pairs
	pairs.current, pairs.next, pairs.former = p, p, []former{{p, start}}
	hidden := struct{ pair Pair }{p}
	held := struct {
		Pair  Pair
		pairs Pairs
	}{p, pairs}
	for _, value := range []any{p, &p, []Pair{p}, map[string]Pair{"": p}, pairs, &pairs, hidden, &hidden, held, &held, New(policy, &pairs)} {
		asJSON, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		texts := []string{fmt.Sprint(value), fmt.Sprintln(value), string(asJSON)}
		for _, verb := range "vsqxXdtcbeEfFgGopTU" {
			for _, flag := range []string{"", "+", "#", " "} {
				texts = append(texts, fmt.Sprintf("%"+flag+string(verb), value))
			}
		}
		for _, text := range texts {
			for _, secret := range []string{p.PathSecret(), p.Secret()} {
				if strings.Contains(text, secret) || strings.Contains(text, fmt.Sprintf("%x", secret)) || strings.Contains(text, fmt.Sprintf("%X", secret)) ||
					strings.Contains(text, strings.Trim(fmt.Sprint([]byte(secret)), "[]")) {
					t.Errorf("%T prints as %s", value, text)
				}
			}
		}
	}
}

func mustPair(t testing.TB) Pair {
	t.Helper()
	p, err := NewPair(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestEveryBitOfAPairIsRandom: 128 bits of the path and 256 of the secret, no
// bit of the source is used twice, and none is lost.
func TestEveryBitOfAPairIsRandom(t *testing.T) {
	var zero [48]byte
	seen := map[string]int{}
	for bit := range 8 * len(zero) {
		bits := zero
		bits[bit/8] ^= 1 << (bit % 8)
		p, err := NewPair(bytes.NewReader(bits[:]))
		if err != nil {
			t.Fatal(err)
		}
		path, err := base64.RawURLEncoding.Strict().DecodeString(p.PathSecret())
		if err != nil {
			t.Fatal(err)
		}
		secret, err := base64.RawURLEncoding.Strict().DecodeString(p.Secret())
		if err != nil {
			t.Fatal(err)
		}
		if got := append(path, secret...); len(path) != 128/8 || !bytes.Equal(got, bits[:]) {
			t.Fatalf("bit %d: %x, want %x", bit, got, bits)
		}
		seen[p.Path()+p.Secret()]++
	}
	if len(seen) != 128+256 {
		t.Errorf("%d bits are in use", len(seen))
	}
}

func TestTheZeroPairOpensNothing(t *testing.T) {
	var p Pair
	for _, guess := range []string{"", "/", "/webhook/", "/webhook//", strings.Repeat("A", 32), strings.Repeat("A", 43), strings.Repeat("\x00", 32), strings.Repeat("\x00", 43)} {
		if p.leads(guess) || p.opens(guess) {
			t.Errorf("%q", guess)
		}
		if _, ok := new(Pairs).find(guess, start); ok {
			t.Errorf("no pairs, and %q is a path", guess)
		}
	}
	if p.Path()+p.PathSecret()+p.Secret() != "" {
		t.Error("it has parts")
	}
}

// TestAPathIsOneText: what is written in another way is another path.
func TestAPathIsOneText(t *testing.T) {
	p := mustPair(t)
	path := p.Path()
	for _, other := range []string{
		"", "/", "/webhook/", path[:len(path)-1], path + "/", "/" + path, path + "?", path + "?a=b", path + "#", path[1:],
		"http://example.org" + path, strings.ToUpper(path[:9]) + path[9:], "/webhook/./" + path[9:], "//webhook/" + path[9:],
		"/%77ebhook/" + path[9:], path[:9] + fmt.Sprintf("%%%02x", path[9]) + path[10:], path[:len(path)-1] + "%2f", path + "\x00", " " + path, path + " ",
		"/webhook/" + strings.Repeat("A", 22) + "/", path[:len(path)-1] + "\\",
	} {
		if p.leads(other) {
			t.Errorf("%q", other)
		}
	}
	for i := range path {
		if p.leads(path[:i] + string(path[i]^1) + path[i+1:]) {
			t.Errorf("the character %d does not matter", i)
		}
	}
	secret := p.Secret()
	for i := range secret {
		if p.opens(secret[:i] + string(secret[i]^1) + secret[i+1:]) {
			t.Errorf("the character %d of the secret does not matter", i)
		}
	}
	for _, other := range []string{"", secret[:42], secret[1:], secret + "A", secret + "\x00", secret + "=", " " + secret, secret + " ", secret + "," + secret, path} {
		if p.opens(other) {
			t.Errorf("the secret %q", other)
		}
	}
}

func TestNoRandomnessNoPair(t *testing.T) {
	broken := errors.New("no entropy")
	for name, source := range map[string]io.Reader{
		"nothing": bytes.NewReader(nil), "a byte too little": bytes.NewReader(make([]byte, 47)), "the path's bits only": bytes.NewReader(make([]byte, 16)),
		"broken at once": iotest.ErrReader(broken), "broken in the middle": io.MultiReader(bytes.NewReader(make([]byte, 40)), iotest.ErrReader(broken)),
	} {
		var pairs Pairs
		if pair, err := pairs.Next(source); err == nil || pair != (Pair{}) || !strings.Contains(err.Error(), "make a webhook path and secret") {
			t.Errorf("%s: %v, %v", name, pair.Path(), err)
		}
		pairs.Registered(start)
		if !pairs.Due(start) || pairs.Knows("", start) {
			t.Errorf("%s: there is a pair", name)
		}
		// One that is there stays.
		if _, err := pairs.Next(iotest.OneByteReader(rand.Reader)); err != nil {
			t.Errorf("a slow source: %v", err)
		}
		pairs.Registered(start)
		current := pairs.current
		if _, err := pairs.Next(source); err == nil {
			t.Errorf("%s: no error the second time", name)
		}
		pairs.Registered(start)
		if pairs.current != current || !pairs.Knows(current.Path(), start) {
			t.Errorf("%s: the pair is lost", name)
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

// TestAFailedCallMayHaveHadItsEffect: as long as Telegram was not heard to take
// the next pair, it is the same one, and both are valid.
func TestAFailedCallMayHaveHadItsEffect(t *testing.T) {
	p, first := registered(t)
	next, err := p.Next(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for day := range 30 {
		now := start.Add(time.Duration(day) * 24 * time.Hour)
		if again, err := p.Next(iotest.ErrReader(io.EOF)); err != nil || again != next {
			t.Fatalf("day %d: another pair, %v", day, err)
		}
		if !p.Knows(first.Path(), now) || !p.Knows(next.Path(), now) {
			t.Fatalf("day %d: one is not valid", day)
		}
		if day > 0 && !p.Due(now) {
			t.Fatalf("day %d: nobody tries again", day)
		}
	}
}

func registered(t testing.TB) (*Pairs, Pair) {
	t.Helper()
	p := &Pairs{}
	pair, err := p.Next(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p.Registered(start)
	return p, pair
}

// TestEachFormerPairHasItsGrace, also if it is replaced often: each for 300 s
// from when it was, and not so many that they could fill the memory.
func TestEachFormerPairHasItsGrace(t *testing.T) {
	p, pair := registered(t)
	made := []Pair{pair}
	const every = 30 * time.Second
	for i := range 10 {
		next, err := p.Next(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		p.Registered(start.Add(time.Duration(i) * every))
		made = append(made, next)
	}
	for i, pair := range made[:10] {
		end := start.Add(time.Duration(i)*every + 300*time.Second)
		if !p.Knows(pair.Path(), end.Add(-1)) {
			t.Errorf("the %d. pair ended early", i)
		}
		if p.Knows(pair.Path(), end) {
			t.Errorf("the %d. pair ended late", i)
		}
	}
	if !p.Knows(made[10].Path(), start.Add(24*time.Hour)) {
		t.Error("the current one ended")
	}
	for range 1000 {
		if _, err := p.Next(rand.Reader); err != nil {
			t.Fatal(err)
		}
		p.Registered(start)
	}
	if len(p.former) != formerAtMost {
		t.Errorf("%d former pairs", len(p.former))
	}
}

// TestAPathGoesWithItsOwnSecret during a rotation, in which three pairs are valid.
func TestAPathGoesWithItsOwnSecret(t *testing.T) {
	p, old := registered(t)
	current, err := p.Next(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	p.Registered(start)
	next, err := p.Next(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	valid := []Pair{old, current, next}
	g := New(policy, p)
	for i, path := range valid {
		for j, secret := range valid {
			r := good(path)
			r.Secrets = []string{secret.Secret()}
			if v := g.Judge(r, start); v.Accept != (i == j) || i != j && v.Reason != Secret {
				t.Errorf("path %d, secret %d: %+v", i, j, v)
			}
		}
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

// BenchmarkCompare is how long a guess takes that is right, wrong at its first
// character, at its last, in all, and in its length.
func BenchmarkCompare(b *testing.B) {
	pair := mustPair(b)
	for _, part := range []struct {
		name, right string
		compare     func(string) bool
	}{{"path", pair.Path(), pair.leads}, {"secret", pair.Secret(), pair.opens}} {
		last := len(part.right) - 1
		for _, guess := range []struct{ name, text string }{
			{"right", part.right}, {"first wrong", "!" + part.right[1:]}, {"last wrong", part.right[:last] + "!"},
			{"all wrong", strings.Repeat("!", last+1)}, {"length wrong", part.right[:last]},
		} {
			b.Run(part.name+"/"+guess.name, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					part.compare(guess.text)
				}
			})
		}
	}
}
