package engine

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/render"
)

// judge holds what happened against what the file expects.
func (c crime) judge(t *testing.T, s *stage, outcomes []outcome, err error) {
	t.Helper()
	kind, rest, _ := strings.Cut(c.verdict, " ")
	if kind == "refused" {
		c.judgeRefusal(t, rest, err)
		return
	}
	if err != nil {
		t.Fatalf("it does not load: %v", err)
	}
	for _, o := range outcomes {
		if o.took > c.limits.Timeout+2*time.Second {
			t.Errorf("it ran for %v, %v are allowed", o.took, c.limits.Timeout)
		}
		switch kind {
		case "fault":
			c.judgeFault(t, rest, o)
		case "answer":
			judgeAnswer(t, rest, o)
		case "harmless":
			judgeAnswer(t, abi.OK.String(), o)
		default:
			t.Fatalf("there is no verdict %q", c.verdict)
		}
		c.judgeReply(t, o.answer.Reply)
		c.judgeLog(t, o.lines)
	}
	if want, ok := c.facts["acted"]; ok && s.acted() != want {
		t.Errorf("to containers was done: %s; want %s", s.acted(), want)
	}
	if want, ok := c.facts["recorded"]; ok && !slices.Contains(s.denials(), want) {
		t.Errorf("denials on record: %q; want %q", s.denials(), want)
	}
}

// judgeRefusal: an error of Load is one line for a log, and says why.
func (c crime) judgeRefusal(t *testing.T, rest string, err error) {
	t.Helper()
	where, text, _ := strings.Cut(strings.TrimPrefix(rest, "at "), ": ")
	want := []string{text}
	if where == "scan" {
		section, rule, _ := strings.Cut(text, ": ")
		want = []string{section + " section, byte ", ": " + rule + ": "}
	}
	if err == nil {
		t.Fatal("it was loaded")
	}
	for _, part := range want {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
	if len(err.Error()) > 4*maxReason || strings.ContainsAny(err.Error(), "\x00\x1b\r") {
		t.Errorf("error %q is not fit for a log", err)
	}
}

func (c crime) judgeFault(t *testing.T, want string, o outcome) {
	t.Helper()
	code, reason, _ := strings.Cut(want, ": ")
	var fault *Fault
	if !errors.As(o.err, &fault) || fault.Code.String() != code || !strings.Contains(fault.Reason, reason) {
		t.Errorf("ended with %v and the answer %v %q, want a fault %s", o.err, o.answer.Code, o.answer.Reply, want)
		return
	}
	if fault.Blame != (c.facts["blame"] != "nobody") {
		t.Errorf("%v: blame %v", fault, fault.Blame)
	}
	if strings.ContainsAny(fault.Reason, "\n\r\x1b") || strings.Contains(fault.Reason, "goroutine ") || strings.Contains(fault.Reason, ".go:") {
		t.Errorf("reason %q is not fit for a log", fault.Reason)
	}
}

func judgeAnswer(t *testing.T, want string, o outcome) {
	t.Helper()
	if o.err != nil || o.answer.Code.String() != want {
		t.Errorf("ended with %v and the answer %v %q, want the answer %s", o.err, o.answer.Code, o.answer.Reply, want)
	}
}

func (c crime) judgeReply(t *testing.T, reply []byte) {
	t.Helper()
	if want, ok := c.text(t, "reply"); ok && string(reply) != want {
		t.Errorf("replied %q, want %q", reply, want)
	}
	if want := c.number(t, "reply-bytes", len(reply)); len(reply) != want {
		t.Errorf("replied %d bytes, want %d", len(reply), want)
	}
	shown, isShown := c.text(t, "shown")
	refused, isRefused := c.facts["not-shown"]
	if !isShown && !isRefused {
		return
	}
	parsed, err := render.Parse(reply)
	switch {
	case isRefused && (err == nil || !strings.Contains(err.Error(), refused)):
		t.Errorf("making a message of it: %v, want %q", err, refused)
	case isShown && err != nil:
		t.Errorf("no message is made of it: %v", err)
	case isShown && asShown(parsed) != shown:
		t.Errorf("the message is %q, want %q", asShown(parsed), shown)
	}
}

// asShown writes what Telegram gets: texts, entities and buttons.
func asShown(reply abi.Reply) string {
	var out strings.Builder
	rendered := render.Reply(reply, time.UnixMilli(0), time.UTC, func(n int) string { return fmt.Sprint("token", n) })
	for _, m := range rendered.Texts {
		out.WriteString(m.Text)
		for _, e := range m.Entities {
			fmt.Fprintf(&out, " %d+%d=%s", e.Offset, e.Length, e.Type)
		}
		for _, row := range m.Inline {
			for _, b := range row {
				fmt.Fprintf(&out, " [%s: %s]", b.Label, b.Data)
			}
		}
	}
	return out.String()
}

func (c crime) judgeLog(t *testing.T, lines []observer.LoggedEntry) {
	t.Helper()
	if most := c.number(t, "log-lines", len(lines)); len(lines) > most {
		t.Errorf("it wrote %d lines, at most %d are allowed", len(lines), most)
	}
	var said []string
	for _, line := range lines {
		said = append(said, line.ContextMap()["line"].(string))
	}
	if want, ok := c.text(t, "log"); ok && !slices.Contains(said, want) {
		t.Errorf("it said %q, want %q", said, want)
	}
}
