package main

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

const (
	wordLetters   = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-"
	base32Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
)

// made makes a secret at run time, so that none stands in source.
func made(n int, letters string) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = letters[rand.IntN(len(letters))]
	}
	return string(out)
}

func madeToken() string { return made(10, "123456789") + ":" + made(35, wordLetters) }

// hiddenCase is a secret and a text that shows it.
type hiddenCase struct{ secret, text string }

// carriers put a text into every place of a line that a program can reach.
var carriers = map[string]func(*zap.Logger, string){
	"message":     func(l *zap.Logger, s string) { l.Info(s) },
	"logger name": func(l *zap.Logger, s string) { l.Named(s).Info("x") },
	"string":      func(l *zap.Logger, s string) { l.Info("x", zap.String("k", s)) },
	"key":         func(l *zap.Logger, s string) { l.Info("x", zap.Int(s, 1), zap.String(s, "v"), zap.Duration(s, 1)) },
	"with":        func(l *zap.Logger, s string) { l.With(zap.String("k", s), zap.Bool(s, true)).Info("x") },
	"namespace":   func(l *zap.Logger, s string) { l.Info("x", zap.Namespace(s), zap.String("k", s)) },
	"bytes": func(l *zap.Logger, s string) {
		l.Info("x", zap.ByteString("k", []byte(s)), zap.Binary("b", []byte(s)), zap.ByteStrings("m", [][]byte{[]byte(s)}))
	},
	"error":      func(l *zap.Logger, s string) { l.Info("x", zap.Error(errors.New(s)), zap.NamedError("n", longForm(s))) },
	"wrapped":    func(l *zap.Logger, s string) { l.Info("x", zap.Error(fmt.Errorf("asking: %w", errors.New(s)))) },
	"joined":     func(l *zap.Logger, s string) { l.Info("x", zap.Error(errors.Join(io.EOF, errors.New(s)))) },
	"errors":     func(l *zap.Logger, s string) { l.Info("x", zap.Errors("k", []error{io.EOF, errors.New(s)})) },
	"URL error":  func(l *zap.Logger, s string) { l.Info("x", zap.Error(&url.Error{Op: "Get", URL: s, Err: io.EOF})) },
	"stringer":   func(l *zap.Logger, s string) { l.Info("x", zap.Stringer("k", stringer(s))) },
	"strings":    func(l *zap.Logger, s string) { l.Info("x", zap.Strings("k", []string{s}), zap.Stringp("p", &s)) },
	"object":     func(l *zap.Logger, s string) { l.Info("x", zap.Object("k", object(s)), zap.Inline(object(s))) },
	"objects":    func(l *zap.Logger, s string) { l.Info("x", zap.Objects("k", []object{object(s)})) },
	"dictionary": func(l *zap.Logger, s string) { l.Info("x", zap.Dict("k", zap.String(s, s))) },
	"reflected": func(l *zap.Logger, s string) {
		l.Info("x", zap.Reflect("k", shown{Text: s, Raw: []byte(s), inner: &s, Any: map[string]any{s: []byte(s)}}))
	},
	"any": func(l *zap.Logger, s string) {
		l.Info("x", zap.Any("a", map[string][]string{s: {s}}), zap.Any("b", []any{s, []byte(s), errors.New(s)}),
			zap.Any("c", &shown{Text: s}), zap.Any("d", [1]string{s}), zap.Any("e", struct{ error }{errors.New(s)}))
	},
	"panic": func(l *zap.Logger, s string) {
		defer func() { l.Error("it panicked", zap.Any("panic", recover()), zap.Stack("stack")) }()
		panic(shown{Text: s, Raw: []byte(s)})
	},
	"stack at DEBUG": func(l *zap.Logger, s string) {
		l.Debug("x", zap.String("stack", "goroutine 1 [running]:\nmain.f(\""+s+"\")"))
	},
	"JSON": func(l *zap.Logger, s string) {
		once, _ := json.Marshal(map[string]string{s: s})
		twice, _ := json.Marshal(map[string]any{"inner": string(once)})
		l.Info(string(once), zap.ByteString("once", once), zap.Any("raw", json.RawMessage(once)), zap.ByteString("twice", twice))
	},
	"escaped": func(l *zap.Logger, s string) {
		l.Info(url.QueryEscape(s), zap.String("path", url.PathEscape(s)), zap.String("quoted", strconv.Quote(s)))
	},
}

type shown struct {
	Text  string
	Raw   []byte
	Any   any
	inner *string
}

type longForm string

func (e longForm) Error() string              { return "short" }
func (e longForm) Format(s fmt.State, _ rune) { _, _ = io.WriteString(s, string(e)) }

type object string

func (o object) MarshalLogObject(e zapcore.ObjectEncoder) error {
	e.AddString(string(o), string(o))
	e.AddBinary("raw", []byte(o))
	return e.AddReflected("deep", map[string]any{"k": []byte(o)})
}

// formOf tells in which form a line shows a secret.
func formOf(line, secret string) string {
	raw := []byte(secret)
	for form, text := range map[string]string{
		"as it is": secret, "in hexadecimal digits": hex.EncodeToString(raw), "in base64": base64.RawStdEncoding.EncodeToString(raw)[:len(raw)],
		"as numbers": strings.Trim(fmt.Sprint(raw), "[]"), "in a query": url.QueryEscape(secret), "quoted": strings.Trim(strconv.Quote(secret), `"`),
	} {
		if strings.Contains(line, text) {
			return form
		}
	}
	return ""
}

// FuzzLogHidesSecrets hides secrets in random text, in every place of a line,
// and looks for them in what both encoders write (D2).
func FuzzLogHidesSecrets(f *testing.F) {
	f.Add("", "")
	f.Add("some text, ", " and more")
	f.Add(`{"authorization":"`, `"}`)
	f.Add("https://user:pass@host/?q=", "&secret=x#f")
	f.Add("a\nb\x1b[2J\u202e\xff%41\\u0041", "\\")
	f.Add("otpauth://secret", "=%3D://@")
	f.Fuzz(func(t *testing.T, before, after string) {
		token, salt, learned := madeToken(), made(24, wordLetters+` "&/\`), made(32, strings.ToLower(base32Letters))
		s := scrub.New([]string{token, salt})
		s.Learn(learned)
		unknown, key, otp, path := madeToken(), made(24, wordLetters), made(32, base32Letters), made(22, wordLetters)
		cases := map[string]hiddenCase{
			"configured token": {token, before + token + after}, "configured token in a query": {token, before + url.QueryEscape(token) + after},
			"salt": {salt, before + salt + after}, "learned": {learned, before + learned + after},
			"unknown token": {unknown[11:], before + unknown + after}, "bearer": {key, before + " Bearer " + key + " " + after},
			"password": {key, before + "redis://u:" + key + "@db/" + after}, "webhook": {path, before + "/webhook/" + path + "/" + after},
			"TOTP secret":               {otp, before + " otpauth://totp/x?secret=" + otp + "&issuer=y " + after},
			"TOTP secret in lower case": {strings.ToLower(otp), before + " otpauth://totp/x?secret=" + strings.ToLower(otp) + "&issuer=y " + after},
			"TOTP secret alone":         {otp, before + " " + otp + " " + after},
		}
		for _, format := range []string{"json", "human"} {
			for what, c := range cases {
				for place, put := range carriers {
					var out logBuffer
					put(newLogger(&out, "debug", format, s), c.text)
					line := out.String()
					if form := formOf(line, c.secret); form != "" {
						t.Errorf("%s, %s, %s: it is there %s:\n%s", format, what, place, form, line)
					}
					if strings.Count(line, "\n") != 1 {
						t.Errorf("%s, %s, %s: not one line: %q", format, what, place, line)
					}
					if format == "json" && !json.Valid([]byte(line)) {
						t.Errorf("%s, %s: no JSON: %s", what, place, line)
					}
				}
			}
		}
	})
}

// Rule D2: an operator's log does not tell where people are.
func TestAddressesAreMaskedInTheLog(t *testing.T) {
	var out logBuffer
	log := newLogger(&out, "info", "json", nil)
	log.Info("peer 203.0.113.7:443", zap.String("peer", "[2001:db8::1]:443"), zap.Error(errors.New("dial tcp 127.0.0.1:80: refused")))
	for _, want := range []string{`"msg":"peer 203.0.*.*:443"`, `"peer":"[2001:db8:*]:443"`, "dial tcp 127.0.0.1:80"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in %s", want, out.String())
		}
	}
}

func TestWhatIsLoggedIsBounded(t *testing.T) {
	loop := map[string]any{"a": 1}
	loop["self"] = loop
	var out logBuffer
	newLogger(&out, "info", "json", nil).Info("x", zap.Any("loop", loop))
	if !strings.Contains(out.String(), "map[a:1 self:map[") {
		t.Errorf("got %s", out.String())
	}
}

// BenchmarkLogLine is the cost of one line of the whole bot, written to nowhere,
// as the pipeline writes it: with the scrubbing core, and without.
func BenchmarkLogLine(b *testing.B) {
	scrubber := scrub.New([]string{madeToken(), made(48, wordLetters), made(20, wordLetters)})
	for range 10 {
		scrubber.Learn(made(32, base32Letters))
	}
	for _, format := range []string{"json", "human"} {
		core := newCore(io.Discard, "info", format)
		for _, bm := range []struct {
			name string
			log  *zap.Logger
		}{
			{"scrubbed", newLogger(io.Discard, "info", format, scrubber)},
			{"bare", zap.New(core).Named("cofferdam")},
		} {
			b.Run(format+"/"+bm.name, func(b *testing.B) {
				log := bm.log.With(zap.String("trace_id", "0123456789abcdef"), zap.String("user", "12******89"), zap.String("chat", "12******89"))
				err := errors.New("the engine does not answer: connection refused")
				b.ReportAllocs()
				for b.Loop() {
					log.Info("update answered", zap.String("event", "update.answered"), zap.Int64("update_id", 7),
						zap.String("command", "containers"), zap.String("module", "containers"), zap.Duration("took", 12345678), zap.Error(err))
				}
			})
		}
	}
}
