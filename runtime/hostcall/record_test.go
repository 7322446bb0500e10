package hostcall

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// TestRecordSaysWhoDidWhat (D5): with the id masked (D2).
func TestRecordSaysWhoDidWhat(t *testing.T) {
	y := newYard()
	c, lines := actor(t, tapped(target(capability.ContainersStop, "web-1")))
	do(t, y, c, abi.OpContainerStop, "web-1")
	want := audit.Entry{
		Event: "docker.action", Trace: "t1", Actor: "12*****89", ActorID: 123456789, Role: "admin", Module: "hostile", Digest: strings.Repeat("d", 64),
		Capability: "docker.containers.stop", Target: "web-1 (" + crate{name: "web-1"}.id()[:12] + ") on local",
		Decision: "allow", Reason: "session_and_confirmed",
	}
	for i, outcome := range []string{"begun", "done"} {
		want.Outcome = outcome
		if len(y.record) != 2 || y.record[i] != want {
			t.Fatalf("recorded %+v, want %+v", y.record, want)
		}
	}
	if lines.Len() != 1 {
		t.Fatalf("logged %+v", lines.All())
	}
	fields := lines.All()[0].ContextMap()
	for key, want := range map[string]any{"event": "docker.action", "trace_id": "t1", "module": "hostile", "capability": want.Capability, "target": want.Target, "outcome": "done"} {
		if fields[key] != want {
			t.Errorf("%s is %v, want %v", key, fields[key], want)
		}
	}
}

func TestOutcomes(t *testing.T) {
	for _, test := range []struct {
		name string
		done abi.ContainerDone
		err  error
		want string
		code abi.Code
	}{
		{"done", abi.ContainerDone{State: "exited"}, nil, "done", abi.OK},
		{"it was so already", abi.ContainerDone{Unchanged: true}, nil, "unchanged", abi.OK},
		{"the engine goes on", abi.ContainerDone{Pending: true}, nil, "pending", abi.OK},
		{"it is gone", abi.ContainerDone{}, refuse(abi.NotFound, "It is gone."), "not_found", abi.NotFound},
		{"the engine is away", abi.ContainerDone{}, refuse(abi.Unavailable, "Docker does not answer."), "unavailable", abi.Unavailable},
		{"it took too long", abi.ContainerDone{}, fmt.Errorf("stop: %w", context.DeadlineExceeded), "timeout", abi.Timeout},
		{"anything else", abi.ContainerDone{}, errors.New(secret), "internal", abi.Internal},
	} {
		t.Run(test.name, func(t *testing.T) {
			y := newYard()
			y.done, y.err = test.done, test.err
			c, _ := actor(t, tapped(target(capability.ContainersStop, "db")))
			code, answer := do(t, y, c, abi.OpContainerStop, "db")
			if code != test.code {
				t.Errorf("%v %s", code, answer)
			}
			y.met(t, "find db", "record allow begun", "stop db on local", "record allow "+test.want)
			if strings.Contains(fmt.Sprint(y.record), secret) {
				t.Error("the record holds the cause")
			}
			// Whatever came of it, it is not done twice.
			if !c.Pass.Acted || c.Pass.Confirmed != nil {
				t.Errorf("the pass is %+v", c.Pass)
			}
		})
	}
}

// TestNoRecordNoAct (D5).
func TestNoRecordNoAct(t *testing.T) {
	disk := errors.New("no space left on device")
	t.Run("a full disk", func(t *testing.T) {
		y := newYard()
		y.full = []error{disk}
		c, lines := actor(t, tapped(target(capability.ContainersStop, "web-1")))
		code, answer := do(t, y, c, abi.OpContainerStop, "web-1")
		mustRefuse(t, code, answer, abi.Unavailable)
		y.met(t, "find web-1", "record allow begun")
		if c.Pass.Acted || c.Pass.Confirmed == nil {
			t.Errorf("nothing was done, and the pass is %+v", c.Pass)
		}
		if strings.Contains(string(answer), "space") || !strings.Contains(fmt.Sprint(lines.All()[0].ContextMap()["error"]), "no space") {
			t.Errorf("told %s, logged %+v", answer, lines.All())
		}
		if code, answer := do(t, y, c, abi.OpContainerInspect, "web-1"); code != abi.OK {
			t.Errorf("reading does not go on: %v %s", code, answer)
		}
	})
	t.Run("no audit log", func(t *testing.T) {
		y := newYard()
		c, _ := actor(t, tapped(target(capability.ContainersStop, "web-1")))
		op := operation(t, Sources{Docker: y}, abi.OpContainerStop)
		code, answer := op.Call(t.Context(), c, []byte(`{"id":"web-1"}`))
		mustRefuse(t, code, answer, abi.Unavailable)
		y.met(t)
	})
	t.Run("the time is up", func(t *testing.T) {
		y := newYard()
		c, _ := actor(t, tapped(target(capability.ContainersStop, "web-1")))
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		code, answer := operation(t, y.sources(), abi.OpContainerStop).Call(ctx, c, []byte(`{"id":"web-1"}`))
		mustRefuse(t, code, answer, abi.Unavailable)
		y.met(t, "find web-1")
	})
	t.Run("how it ended cannot be recorded", func(t *testing.T) {
		y := newYard()
		y.full = []error{nil, disk}
		c, lines := actor(t, tapped(target(capability.ContainersStop, "web-1")))
		if code, answer := do(t, y, c, abi.OpContainerStop, "web-1"); code != abi.OK {
			t.Errorf("%v %s", code, answer)
		}
		if lines.FilterField(zap.String("event", "audit.error")).Len() != 1 {
			t.Errorf("logged %+v", lines.All())
		}
	})
}

// TestReadingWithASessionIsRecorded before anything is read, once for each
// capability and invocation; what cannot be recorded is not read (D5). No
// capability of today needs a session and nothing else, so the need is given.
func TestReadingWithASessionIsRecorded(t *testing.T) {
	need := capability.Need{Session: true}
	reads := func(y *yard, s Sources) Operation {
		return s.reads(abi.OpContainerInspect, capability.ContainersInspect, func(context.Context, *Caller, []byte) (any, error) {
			y.events = append(y.events, "read")
			return "details", nil
		})
	}
	t.Run("once", func(t *testing.T) {
		y := newYard()
		c, _ := actor(t, full())
		for range 3 {
			if got, err := reads(y, y.sources()).behind(t.Context(), c, nil, need); got != "details" || err != nil {
				t.Fatalf("%v, %v", got, err)
			}
		}
		y.met(t, "record allow", "read", "read", "read")
		want := audit.Entry{
			Event: "capability.used", Trace: "t1", Actor: "12*****89", ActorID: 123456789, Role: "admin", Module: "hostile", Digest: strings.Repeat("d", 64),
			Capability: "docker.containers.inspect", Decision: "allow", Reason: "session",
		}
		if y.record[0] != want {
			t.Errorf("recorded %+v, want %+v", y.record[0], want)
		}
	})
	t.Run("a full disk", func(t *testing.T) {
		y := newYard()
		y.full = []error{errors.New("no space left on device")}
		c, _ := actor(t, full())
		got, err := reads(y, y.sources()).behind(t.Context(), c, nil, need)
		if got != nil || public(err).Code != abi.Unavailable || !strings.Contains(err.Error(), "no space") {
			t.Errorf("%v, %v", got, err)
		}
		y.met(t, "record allow")
		if _, err := reads(y, y.sources()).behind(t.Context(), c, nil, need); err != nil {
			t.Errorf("with room again: %v", err)
		}
		y.met(t, "record allow", "read")
	})
	t.Run("no audit log", func(t *testing.T) {
		y := newYard()
		c, _ := actor(t, full())
		if _, err := reads(y, Sources{Docker: y}).behind(t.Context(), c, nil, need); public(err).Code != abi.Unavailable {
			t.Errorf("%v", err)
		}
		y.met(t)
	})
	t.Run("no session", func(t *testing.T) {
		y := newYard()
		c, _ := actor(t, capability.Pass{Admin: true, Durable: true})
		if _, err := reads(y, y.sources()).behind(t.Context(), c, nil, need); public(err).Code != abi.AuthRequired {
			t.Errorf("%v", err)
		}
		y.met(t)
	})
	t.Run("what needs nothing", func(t *testing.T) {
		y := newYard()
		c, _ := actor(t, capability.Pass{})
		if _, err := reads(y, Sources{Docker: y}).behind(t.Context(), c, nil, capability.Need{}); err != nil {
			t.Errorf("%v", err)
		}
		y.met(t, "read")
	})
}

// TestHowItEndedIsRecordedWhateverHappens: when the time ran out meanwhile, and
// when the adapter panics.
func TestHowItEndedIsRecordedWhateverHappens(t *testing.T) {
	t.Run("the time runs out", func(t *testing.T) {
		y := newYard()
		ctx, cancel := context.WithCancel(t.Context())
		y.during, y.done = cancel, abi.ContainerDone{Pending: true}
		c, _ := actor(t, tapped(target(capability.ContainersStop, "web-1")))
		operation(t, y.sources(), abi.OpContainerStop).Call(ctx, c, []byte(`{"id":"web-1"}`))
		y.met(t, "find web-1", "record allow begun", "stop web-1 on local", "record allow pending")
	})
	t.Run("a panic", func(t *testing.T) {
		y := newYard()
		y.panics = true
		c, _ := actor(t, tapped(target(capability.ContainersStop, "web-1")))
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic is swallowed: the engine must know")
				}
			}()
			do(t, y, c, abi.OpContainerStop, "web-1")
		}()
		y.met(t, "find web-1", "record allow begun", "stop web-1 on local", "record allow internal")
		if !c.Pass.Acted || c.Pass.Confirmed != nil {
			t.Errorf("the pass is %+v", c.Pass)
		}
	})
}

// TestDenialsAreRecordedOnce for each capability and invocation: a module that
// goes on asking fills no disk.
func TestDenialsAreRecordedOnce(t *testing.T) {
	y := newYard()
	c, lines := actor(t, full())
	c.Grant = capability.Set{}
	for range 50 {
		do(t, y, c, abi.OpContainerStop, "web-1")
		do(t, y, c, abi.OpContainerInspect, "web-1")
	}
	y.met(t, "record deny", "record deny")
	if y.record[0].Capability != string(capability.ContainersStop) || y.record[1].Capability != string(capability.ContainersInspect) {
		t.Errorf("recorded %+v", y.record)
	}
	if lines.FilterField(zap.String("event", "capability.denied")).Len() != 100 {
		t.Errorf("%d lines", lines.Len())
	}
	again, _ := actor(t, full())
	again.Grant = capability.Set{}
	do(t, y, again, abi.OpContainerStop, "web-1")
	y.met(t, "record deny")

	// A log that cannot be written makes no difference to a denial.
	y.full = []error{errors.New("full")}
	last, lines := actor(t, full())
	last.Grant = capability.Set{}
	code, answer := do(t, y, last, abi.OpContainerStop, "web-1")
	mustRefuse(t, code, answer, abi.Denied)
	if lines.FilterField(zap.String("event", "audit.error")).Len() != 1 {
		t.Errorf("logged %+v", lines.All())
	}
}

// TestWhatEndedMeanwhile: right before something is done it is asked whether the
// tap is fresh, and whether rights and session still hold (A7, B1).
func TestWhatEndedMeanwhile(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*capability.Pass)
		code   abi.Code
		met    []string
	}{
		"a stale tap":      {func(p *capability.Pass) { p.Fresh = func() bool { return false } }, abi.Timeout, []string{"find web-1"}},
		"a lost right":     {func(p *capability.Pass) { p.Still = func() bool { return false } }, abi.Denied, []string{"find web-1", "record deny"}},
		"neither of these": {func(p *capability.Pass) { p.Fresh, p.Still = func() bool { return true }, func() bool { return true } }, abi.OK, nil},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard()
			pass := tapped(target(capability.ContainersStop, "web-1"))
			test.change(&pass)
			c, _ := actor(t, pass)
			code, answer := do(t, y, c, abi.OpContainerStop, "web-1")
			if code != test.code {
				t.Fatalf("%v %s", code, answer)
			}
			if test.met != nil {
				y.met(t, test.met...)
			}
			if acted := c.Pass.Acted; acted != (code == abi.OK) {
				t.Errorf("acted: %v", acted)
			}
		})
	}
}
