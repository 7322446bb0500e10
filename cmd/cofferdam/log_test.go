package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// TestNoFieldGetsPastTheScrubber puts secrets and hostile text into every kind of
// field, and reads the lines back.
func TestNoFieldGetsPastTheScrubber(t *testing.T) {
	secret := strings.Repeat("s3cret", 3)
	hostile := "authorization: " + secret + "\n{\"event\":\"forged\"}\x1b[2J\u009b\u202e\u2028" + secret
	for _, format := range []string{"json", "human"} {
		t.Run(format, func(t *testing.T) {
			var out logBuffer
			log := newLogger(&out, "debug", format, scrub.New([]string{secret})).With(zap.String("with", hostile))
			log.Info(hostile, zap.String("a", hostile), zap.Error(errors.New(hostile)), zap.ByteString("b", []byte(hostile)),
				zap.Any("c", map[string]string{"k": hostile}), zap.Stringer("d", stringer(hostile)), zap.Strings("e", []string{hostile}),
				zap.Binary("f", []byte(hostile)), zap.Int("n", 7), zap.String("last", "there"))
			line := out.String()
			if strings.Contains(line, "s3cret") || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\n\x1b\u009b\u202e") {
				t.Errorf("got %q", line)
			}
			object := line
			if format == "human" { // time, level, name and message come first
				object = line[strings.LastIndex(line, "\t")+1:]
			}
			var fields map[string]any
			if err := json.Unmarshal([]byte(object), &fields); err != nil || fields["n"] != 7.0 || fields["last"] != "there" {
				t.Errorf("%v in %q", err, line)
			}
		})
	}
}

type stringer string

func (s stringer) String() string { return fmt.Sprint(string(s)) }
