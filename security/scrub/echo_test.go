package scrub

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

func TestValuesHidesWhatIsEchoed(t *testing.T) {
	secret := `p"w/ &` + rand.Text()
	quoted, err := json.Marshal(secret)
	if err != nil {
		t.Fatal(err)
	}
	for name, form := range map[string]string{
		"as it is": secret, "in a query": url.QueryEscape(secret), "in a path": url.PathEscape(secret), "in JSON": string(quoted[1 : len(quoted)-1]),
		"quoted": strconv.Quote(secret)[1 : len(secret)+2], "hexadecimal": hex.EncodeToString([]byte(secret)), "in capitals": strings.ToUpper(hex.EncodeToString([]byte(secret))),
		"base64": base64.StdEncoding.EncodeToString([]byte(secret)), "for URLs": base64.RawURLEncoding.EncodeToString([]byte(secret)),
		"behind one": base64.StdEncoding.EncodeToString([]byte("u" + secret)), "behind two": base64.StdEncoding.EncodeToString([]byte("u:" + secret + "!")),
	} {
		got := Values("before "+form+" after", []string{secret}, 1<<10)
		// Of base64, the characters at the edge also tell of the neighbours.
		if inner := form[3 : len(form)-4]; strings.Contains(got, inner[:8]) || strings.Contains(got, inner[len(inner)-8:]) || !strings.Contains(got, Mask) {
			t.Errorf("%s: %s", name, got)
		}
		if !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
			t.Errorf("%s: more is hidden: %s", name, got)
		}
	}
}

// Shapes and addresses are what an answer is about.
func TestValuesHidesNothingElse(t *testing.T) {
	text := "ss://user:pass@203.0.113.9:1234 Bearer " + strings.Repeat("x", 40)
	if got := Values(text, []string{rand.Text(), "abc", ""}, 1<<10); got != text {
		t.Errorf("got %s", got)
	}
}

// However an answer is cut, no beginning of a secret is in what is left.
func TestValuesCannotBeCut(t *testing.T) {
	secret := rand.Text()
	for _, form := range []string{secret, hex.EncodeToString([]byte(secret)), url.QueryEscape("+" + secret)} {
		text := "before " + form + " after"
		for limit := range len(text) + 5 {
			got := Values(text, []string{secret}, limit)
			for n := 4; n < len(secret); n++ {
				if strings.Contains(got, secret[:n]) {
					t.Fatalf("cut after %d: %q", limit, got)
				}
			}
			if limit <= len("before ") && got != text[:limit] {
				t.Errorf("cut after %d: %q", limit, got)
			}
		}
	}
}

// What a server fills with backslashes is looked through in a time that grows with it,
// and not with its square.
func TestValuesOfAHostileText(t *testing.T) {
	var secrets []string
	for range 3 {
		secrets = append(secrets, "A"+rand.Text())
	}
	for name, piece := range map[string]string{"a run": "\\", "runs": strings.Repeat("\\", 400) + "x41"} {
		text := strings.Repeat(piece, 1<<20/len(piece)) + "x41"
		began := time.Now()
		if got := Values(text, secrets, len(text)); got != text {
			t.Errorf("%s: something is hidden", name)
		}
		if took := time.Since(began); took > 10*time.Second { // it takes a tenth of one; the simple way, most of a minute
			t.Errorf("%s: it took %s", name, took)
		}
	}
}

// FuzzEscapedIn: the quick search finds what the simple one does, but for the first
// backslashes of a run.
func FuzzEscapedIn(f *testing.F) {
	for _, text := range []string{`%41BCDé`, `\\x41BC\\\\u0044`, `A\\\\B+C%20%5cD`, `\\\\\\"AB`, `%%41\n`} {
		f.Add(text, "ABCD")
		f.Add(text, `A\B C`)
		f.Add(text, `\\"AB`)
	}
	f.Fuzz(func(t *testing.T, text, value string) {
		if len(value) < minValue || len(text) > 1<<10 || strings.Contains(text, strings.Repeat(`\`, minLearned)) {
			return
		}
		k := newKnown([]string{value}, nil)
		simple, quick := finder{text: text}, finder{text: text}
		k.escaped(&simple)
		k.escapedIn(&quick)
		for _, s := range simple.found {
			if !slices.ContainsFunc(quick.found, func(q span) bool {
				return q.to >= s.to && (q.from <= s.from || strings.Trim(text[s.from:q.from], `\`) == "")
			}) {
				t.Errorf("%q in %q: %v is not in %v", value, text, s, quick.found)
			}
		}
	})
}

func TestConfigureHidesShortValuesToo(t *testing.T) {
	first, second := "kV3-old!", "kV3-new!"
	s := New([]string{first})
	if got := s.String("is " + second); got != "is "+second {
		t.Fatalf("hidden before it is known: %s", got)
	}
	s.Configure([]string{second})
	if got := s.String(first + " " + second); got != Mask+" "+Mask {
		t.Errorf("got %s", got)
	}
	(*Scrubber)(nil).Configure([]string{first})
	(&Scrubber{}).Configure([]string{first})
}
