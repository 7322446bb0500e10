package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/render"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// columns is how wide a reply is printed.
const columns = 80

// show prints how a request ended.
func (r *runOf) show(d ran) error {
	if r.json {
		return writeJSON(r.out, d)
	}
	for _, l := range d.Transcript.Log {
		fmt.Fprintf(r.err, "log %s: %s\n", l.Level, l.Text)
	}
	if len(d.reply) > 0 {
		reply, err := render.Parse(d.reply)
		if err != nil {
			return fmt.Errorf("the module wrote a reply that no bot takes: %s", foreign.Line(err.Error(), 512))
		}
		fmt.Fprintln(r.out, render.Terminal(reply, time.Now(), time.Local, columns))
	}
	for _, why := range d.Denied {
		fmt.Fprintln(r.out, "denied: "+why)
	}
	used := d.Transcript.Used
	fmt.Fprintf(r.out, "%s in %s: %s, %s units of work, %s of memory\n", d.Transcript.Code, (time.Duration(used.TimeUS) * time.Microsecond).Round(10*time.Microsecond),
		plural(d.HostCalls, "host call"), grouped(used.Fuel), kilobytes(int(used.Memory)))
	if d.replayed && d.Difference == "" {
		fmt.Fprintln(r.out, "as recorded in "+d.File)
	}
	return nil
}

// grouped writes 12345678 as 12,345,678.
func grouped(n uint64) string {
	digits := fmt.Sprint(n)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "," + digits[i:]
	}
	return digits
}

// verdict is the line of a replay.
func (d ran) verdict() string {
	if d.Difference != "" {
		return "differs  " + d.File + ": " + d.Difference
	}
	return "same     " + d.File
}

// failure is why the command fails; nil: it does not.
func (d ran) failure() error {
	switch {
	case d.replayed && d.Difference != "":
		return errors.New("this is not what was recorded: " + d.Difference)
	case d.replayed:
		return nil
	case d.Transcript.Fault != "":
		return errors.New("the module did not end by itself: " + d.Transcript.Fault)
	case d.Transcript.Code != abi.OK.String():
		return errors.New("the module ended with " + d.Transcript.Code)
	}
	return nil
}

// traceWidth bounds a request and an answer of --trace, in characters.
const traceWidth = 400

// traced prints a host call.
func (r *runOf) traced(s *scrub.Scrubber, x hostcall.Exchange) {
	show := func(text []byte) string { return foreign.Line(s.Secrets(string(text)), traceWidth) }
	fmt.Fprintf(r.out, "→ %s %s\n← %s, %d bytes in %s: %s\n", x.Op, show(x.Request), x.Code, len(x.Answer), x.Took.Round(10*time.Microsecond), show(x.Answer))
}

// denials say why calls were denied, once for each capability.
type denials struct {
	seen []capability.Name
	list []string
}

func (d *denials) see(s *sandbox, x hostcall.Exchange) {
	if x.Code != abi.Denied || slices.Contains(d.seen, x.Capability) {
		return
	}
	d.seen = append(d.seen, x.Capability)
	if s.granted.Has(x.Capability) {
		d.list = append(d.list, fmt.Sprintf("%s, by %s: %s", x.Op, x.Capability, sentenceOf(x.Answer)))
		return
	}
	why := "is only used by a user with a session"
	if capability.NeedOf(x.Capability).Acts() {
		why = "changes something"
	}
	scope := ""
	for _, c := range s.manifest.Capabilities {
		if c.Name == string(x.Capability) {
			scope = config.Grant{Capability: c.Name, Scope: c.Scope}.String()
		}
	}
	d.list = append(d.list, fmt.Sprintf("%s %s, so it is not granted here unless you name it: --grant '%s'", x.Capability, why, scope))
}

// sentenceOf is the sentence of a refusal.
func sentenceOf(answer []byte) string {
	var refusal abi.Error
	if json.Unmarshal(answer, &refusal) != nil {
		return "no reason was given"
	}
	return foreign.Line(refusal.Message, 256)
}

// ask confirms an act in the terminal.
func (r *runOf) ask(act capability.Act) bool {
	return confirmed(r.in, r.err, fmt.Sprintf("The module uses %s on %s (%s) of %s. Do it?", act.Capability, foreign.Line(act.Name, 128), act.ID[:min(len(act.ID), 12)], act.Host))
}

// printedActs is the record of what is done from a terminal: the terminal's.
type printedActs struct{ *runOf }

func (p printedActs) Record(_ context.Context, e audit.Entry) error {
	if e.Event == "docker.action" && e.Outcome != "" {
		fmt.Fprintf(p.err, "%s: %s, %s\n", e.Outcome, e.Capability, foreign.Line(e.Target, 256))
	}
	return nil
}

// printedNotices prints what a module tells by itself.
type printedNotices struct{ *runOf }

func (p printedNotices) Notify(_ context.Context, _ string, t hostcall.NoticeTerms, n abi.Notice) (abi.NoticeQueued, error) {
	text, err := json.Marshal(abi.Reply{Blocks: n.Blocks, Keyboard: n.Keyboard})
	if err != nil {
		return abi.NoticeQueued{}, err
	}
	reply, err := render.Parse(text)
	if err != nil {
		return abi.NoticeQueued{}, &abi.Error{Code: abi.Invalid, Message: "That notice cannot be shown: " + foreign.Line(err.Error(), 256)}
	}
	if !p.json {
		fmt.Fprintf(p.out, "A notice to %s:\n\n%s\n", n.To, render.Terminal(reply, time.Now(), time.Local, columns))
	}
	return abi.NoticeQueued{Left: t.PerHour - 1}, nil
}
