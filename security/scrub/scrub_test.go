package scrub

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"
)

// letters makes a random text at run time, so that no secret stands in source.
func letters(n int, alphabet string) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[rand.IntN(len(alphabet))]
	}
	return string(out)
}

const (
	base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	base32    = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	digits    = "123456789"
)

func botTokenForTest() string { return letters(10, digits) + ":" + letters(35, base64url) }

func TestShapes(t *testing.T) {
	token, key, path := botTokenForTest(), letters(24, base64url), letters(22, base64url)
	totp := letters(32, base32)
	tests := []struct{ name, in, want string }{
		{"token", "bad token " + token + ".", "bad token [hidden]."},
		{"token in a URL", "Post https://api.telegram.org/bot" + token + "/getMe: EOF", "Post https://api.telegram.org/bot[hidden]/getMe: EOF"},
		{"token, colon escaped", "/bot" + strings.Replace(token, ":", "%3A", 1) + "/x", "/bot[hidden]/x"},
		{"token, colon escaped in lower case", strings.Replace(token, ":", "%3a", 1), "[hidden]"},
		{"two tokens", token + " " + token, "[hidden] [hidden]"},
		{"authorization line", "Authorization: Basic " + key + "\nHost: x", "Authorization: [hidden]\nHost: x"},
		{"authorization in JSON", `{"authorization":"Bearer ` + key + `","a":1}`, `{"authorization":"[hidden]","a":1}`},
		{"authorization in quoted JSON", `"{\"Authorization\": \"Bearer ` + key + `\"}"`, `"{\"Authorization\": \"[hidden]\"}"`},
		{"authorization in a Go map", "map[Authorization:[Basic " + key + "] Host:[x]]", "map[Authorization:[[hidden]] Host:[x]]"},
		{"proxy authorization", "proxy-authorization=Digest a=\"" + key + "\"", "proxy-authorization=[hidden]"},
		{"webhook secret header", "X-Telegram-Bot-Api-Secret-Token: " + key, "X-Telegram-Bot-Api-Secret-Token: [hidden]"},
		{"webhook secret parameter", "secret_token=" + key, "secret_token=[hidden]"},
		{"bearer alone", "sent bearer " + key + ", refused", "sent bearer [hidden], refused"},
		{"user and password", "redis://joe:" + key + "@db:6379/0", "redis://[hidden]@db:6379/0"},
		{"password with an at sign", "http://joe:p@" + key + "@db/", "http://[hidden]@db/"},
		{"token as the user", "https://" + key + "@git/x", "https://[hidden]@git/x"},
		{"webhook path", "POST /webhook/" + path + "/ 404", "POST /webhook/[hidden]/ 404"},
		{"TOTP secret", "otpauth://totp/x?secret=" + totp + "&issuer=y", "otpauth://totp/x?secret=[hidden]&issuer=y"},
	}
	var zero Scrubber
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := zero.String(tt.in); got != tt.want {
				t.Errorf("String(%q)\n got %q\nwant %q", tt.in, got, tt.want)
			}
			if got := (*Scrubber)(nil).String(tt.in); got != tt.want {
				t.Errorf("nil: got %q", got)
			}
		})
	}
}

func TestOrdinaryTextStays(t *testing.T) {
	texts := []string{
		"",
		"container web restarted at 12:34:56",
		"12345:short",
		"sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		"https://api.telegram.org/x?y=a@b",
		"authorization of the user is over",
		"unix:///var/run/docker.sock",
		"/webhook/short/",
		"100% of 30%3 and %3",
	}
	s := New([]string{"a secret", "", "abc"})
	for _, text := range texts {
		if got := s.String(text); got != text {
			t.Errorf("String(%q) = %q", text, got)
		}
		if n := testing.AllocsPerRun(10, func() { s.String(text) }); n != 0 {
			t.Errorf("String(%q) allocates %v times", text, n)
		}
	}
}

func TestValues(t *testing.T) {
	const value = `p@ss wörd/"&\x%41`
	quoted, _ := json.Marshal(value)
	s := New([]string{value, "overlap", "lapdog"})
	tests := []struct{ name, in, want string }{
		{"plain", "<" + value + ">", "<[hidden]>"},
		{"query-escaped", "q=" + url.QueryEscape(value) + "&z", "q=[hidden]&z"},
		{"path-escaped", "/" + url.PathEscape(value) + "/", "/[hidden]/"},
		{"lower-case escapes", strings.ToLower("%2F") + url.PathEscape(value), "%2f[hidden]"},
		{"JSON", string(quoted), `"[hidden]"`},
		{"Go quoted", strconv.Quote(value), `"[hidden]"`},
		{"twice", value + value, "[hidden]"},
		{"overlapping values", "overlapdog", "[hidden]"},
		{"start of one only", "overla", "overla"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := s.String(tt.in); got != tt.want {
				t.Errorf("String(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestErrorKeepsWhatIsClean(t *testing.T) {
	s := New([]string{"hunter22"})
	inner := &url.Error{Op: "Get", URL: "http://x/", Err: io.EOF}
	err := s.Error(fmt.Errorf("asking: %w", inner))
	var as *url.Error
	if !errors.As(err, &as) || !errors.Is(err, io.EOF) {
		t.Errorf("a clean error lost its layers: %#v", err)
	}
	if s.Error(nil) != nil {
		t.Error("nil became an error")
	}
}

func TestErrorHidesEveryLayer(t *testing.T) {
	s := New([]string{"hunter22"})
	dirty := &url.Error{Op: "Get", URL: "http://x/hunter22", Err: context.Canceled}
	tests := map[string]error{
		"on top":                dirty,
		"below":                 fmt.Errorf("asking: %w", dirty),
		"below a clean text":    quiet{dirty},
		"one of several":        errors.Join(context.Canceled, dirty),
		"only in the long form": fmt.Errorf("x: %w, %w", verbose{}, context.Canceled),
	}
	for name, in := range tests {
		t.Run(name, func(t *testing.T) {
			err := s.Error(in)
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
				if text := fmt.Sprintf(verb, err); strings.Contains(text, "hunter22") {
					t.Errorf("%s shows it: %s", verb, text)
				}
			}
			var as *url.Error
			if errors.As(err, &as) || errors.Unwrap(err) != nil {
				t.Error("the layer with the secret can be reached")
			}
			if !errors.Is(err, context.Canceled) {
				t.Error("errors.Is is lost")
			}
		})
	}
}

type quiet struct{ error }

func (quiet) Error() string   { return "it did not work" }
func (q quiet) Unwrap() error { return q.error }

type verbose struct{}

func (verbose) Error() string              { return "short" }
func (verbose) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, "long, with hunter22") }

func FuzzSecretNeverSurvives(f *testing.F) {
	f.Add("some text with %41 and \\u0041 in it", "pa ss/%41\\", uint16(7))
	f.Add("aaaaaaaa", "aaaa", uint16(3))
	f.Add("://user:@", "@@@@", uint16(4))
	f.Fuzz(func(t *testing.T, text, secret string, at uint16) {
		if len(secret) < minValue || overlapsMask(secret) {
			t.Skip("not hidden, or part of the mask itself")
		}
		s := New([]string{secret})
		i := int(at) % (len(text) + 1)
		for _, form := range forms(secret) {
			in := text[:i] + form + text[i:]
			out := s.String(in)
			if strings.Contains(out, secret) {
				t.Errorf("%q survives in %q", secret, out)
			}
			if strings.Contains(out, form) && !overlapsMask(form) {
				t.Errorf("%q survives as %q in %q", secret, form, out)
			}
		}
	})
}

// forms are the ways in which a secret is written into URLs and logs.
func forms(secret string) []string {
	return []string{secret, url.QueryEscape(secret), url.PathEscape(secret), fullyEscaped(secret)}
}

func fullyEscaped(secret string) string {
	var out strings.Builder
	for i := range len(secret) {
		fmt.Fprintf(&out, "%%%02x", secret[i])
	}
	return out.String()
}

// overlapsMask tells a secret that a mask beside other text could spell.
func overlapsMask(secret string) bool {
	return strings.Contains(Mask, secret) || strings.ContainsAny(secret, "[]")
}

func FuzzTokenNeverSurvives(f *testing.F) {
	f.Add("https://api.telegram.org/bot", "/getMe")
	f.Add("Bearer ", "")
	f.Fuzz(func(t *testing.T, before, after string) {
		token := botTokenForTest()
		var zero Scrubber
		if out := zero.String(before + token + after); strings.Contains(out, token) {
			t.Errorf("the token survives in %q", out)
		}
	})
}

func BenchmarkStringClean(b *testing.B) {
	s := New([]string{botTokenForTest(), letters(32, base64url), letters(40, base64url)})
	line := strings.Repeat("container web restarted at 12:34:56 by 12******89; ", 4)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for b.Loop() {
		s.String(line)
	}
}
