package scrub

import (
	"encoding/json"
	"fmt"
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
		{"TOTP secret in lower case", "otpauth://totp/x?SECRET=" + strings.ToLower(totp[:16]) + "&issuer=y", "otpauth://totp/x?SECRET=[hidden]&issuer=y"},
		{"TOTP secret in JSON", `"otpauth://totp/x?issuer=y\u0026secret=` + totp + `\u0026a=b"`, `"otpauth://totp/x?issuer=y\u0026secret=[hidden]\u0026a=b"`},
		{"TOTP address, percent-encoded", "q=otpauth%3A%2F%2Ftotp%2Fx%3Fsecret%3D" + strings.ToLower(totp) + " y", "q=otpauth%3A%2F%2Ftotp%2Fx%3Fsecret%3D[hidden] y"},
		{"TOTP address, percent-encoded twice", "otpauth%253A%252F%252Ftotp%253Fsecret%253D" + strings.ToLower(totp), "otpauth%253A%252F%252Ftotp%253Fsecret%253D[hidden]"},
		{"TOTP secret alone, padded", "key " + totp + "====== made", "key [hidden] made"},
		{"TOTP secret after an escape", `"\n` + totp + `\n"`, `"\n[hidden]\n"`},
		{"TOTP secret, long", "x " + strings.Repeat(totp, 9) + " y", "x [hidden] y"},
		{"webhook path, percent-encoded", "%2FWebhook%2F" + path + "%2F", "%2FWebhook%2F[hidden]%2F"},
		{"webhook path in JSON", `\/webhook\/` + path + `\/`, `\/webhook\/[hidden]\/`},
		{"webhook secret, percent-encoded", "secret_token%3D" + key, "secret_token%3D[hidden]"},
		{"user and password in JSON", `http:\/\/joe:` + key + `@db`, `http:\/\/[hidden]@db`},
		{"user and password, percent-encoded", "u=http%3A%2F%2Fjoe%3A" + key + "%40db%2F&z@", "u=http%3A%2F%2F[hidden]%40db%2F&z@"},
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
		"abcde-fgh23 is a backup code, or two words",
		"lower case " + strings.Repeat("abcdefgh", 5),
		"otpauth: the secret is not here",
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
		{"JSON in JSON in JSON", strconv.Quote(strconv.Quote(string(quoted))), `"\"\\\"[hidden]\\\"\""`},
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

// BenchmarkString is the cost of one text with five configured and a hundred
// learned values.
func BenchmarkString(b *testing.B) {
	token := botTokenForTest()
	s := New([]string{token, letters(32, base64url), letters(40, base64url), letters(12, base64url), letters(16, base64url)})
	for range 100 {
		s.Learn(letters(32, base32))
	}
	clean := strings.Repeat("container web restarted at 12:34:56 by 12******89; ", 4)
	for _, bm := range []struct{ name, text string }{
		{"clean", clean},
		{"escapes", `{"a":"` + strings.Repeat(`12% of \"web\"\n`, 12) + `"}`},
		{"token", clean[:100] + token + clean[:54]},
		{"address", clean[:100] + "203.0.113.7:443" + clean[:85]},
		{"10KB", strings.Repeat(clean, 50)},
		{"hostile10KB", strings.Repeat("authorization:", 700)},
	} {
		b.Run(bm.name, func(b *testing.B) {
			b.SetBytes(int64(len(bm.text)))
			b.ReportAllocs()
			for b.Loop() {
				s.String(bm.text)
			}
		})
	}
}
