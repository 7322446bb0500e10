package hostcall

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// yard is an engine with containers, in the scope of which acts are, and the
// audit log. Both write into one list, so that their order shows.
type yard struct {
	engine
	events []string
	done   abi.ContainerDone
	err    error         // of an act
	panics bool          // in an act
	during func()        // an act
	full   []error       // what the audit log answers, record by record
	record []audit.Entry // what it holds
}

func (y *yard) Find(_ context.Context, ref abi.ContainerRef, keep Keep) (abi.Container, error) {
	y.events = append(y.events, "find "+ref.ID)
	if ref.ID == "cofferdam" {
		return abi.Container{}, refuse(abi.Conflict, "That is the bot itself.")
	}
	c, err := y.find(ref, keep)
	return c.shown(), err
}

func (y *yard) Act(_ context.Context, host, id, act string) (abi.ContainerDone, error) {
	for _, c := range y.crates {
		if c.id() == id {
			id = c.name
		}
	}
	y.events = append(y.events, act+" "+id+" on "+host)
	if y.during != nil {
		y.during()
	}
	if y.panics {
		panic("a bug in the adapter")
	}
	return y.done, y.err
}

func (y *yard) Rename(ctx context.Context, host, id, _ string) (abi.ContainerDone, error) {
	return y.Act(ctx, host, id, "rename")
}

func (y *yard) Record(ctx context.Context, e audit.Entry) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	y.events = append(y.events, strings.TrimSpace("record "+e.Decision+" "+e.Outcome))
	if len(y.full) > 0 {
		err := y.full[0]
		y.full = y.full[1:]
		if err != nil {
			return err
		}
	}
	y.record = append(y.record, e)
	return nil
}

func (y *yard) sources() Sources { return Sources{Docker: y, Audit: y} }

func (y *yard) met(t *testing.T, want ...string) {
	t.Helper()
	if !slices.Equal(y.events, want) {
		t.Errorf("it came to\n%q, want\n%q", y.events, want)
	}
	y.events = nil
}

func newYard() *yard { return &yard{engine: harbour} }

// target is a container of the harbour as an act names it.
func target(name capability.Name, container string) capability.Act {
	return capability.Act{Capability: name, Host: abi.LocalHost, ID: crate{name: container}.id(), Name: container}
}

// full is a pass with all but a confirming tap.
func full() capability.Pass {
	return capability.Pass{Admin: true, Session: true, Durable: true, Private: true}
}

func tapped(a capability.Act) capability.Pass {
	p := full()
	p.Confirmed = &a
	return p
}

// actor may do everything in the harbour, as far as the grant and the pass go.
// One that says nothing of the reach is that of a user without a restriction.
func actor(t *testing.T, p capability.Pass) (*Caller, *observer.ObservedLogs) {
	t.Helper()
	c, lines := callerWith(grantOf(t, capability.Names()...), abi.RoleAdmin)
	if p.Reach == nil {
		p.Reach = capability.Everywhere
	}
	c.Pass, c.Actor.ID, c.Trace, c.Digest = &p, 123456789, "t1", strings.Repeat("d", 64)
	return c, lines
}

func do(t *testing.T, y *yard, c *Caller, op, container string) (abi.Code, []byte) {
	t.Helper()
	return operation(t, y.sources(), op).Call(t.Context(), c, fmt.Appendf(nil, `{"id":%q}`, container))
}

// TestSessionComesBeforeTheTarget: who has none learns nothing about containers
// (B7), whether there is one or not.
func TestSessionComesBeforeTheTarget(t *testing.T) {
	for _, op := range Table(newYard().sources()) {
		if op.act == nil {
			continue
		}
		for _, container := range []string{"web-1", "nowhere", "cofferdam"} {
			y := newYard()
			c, lines := actor(t, capability.Pass{Admin: true, Durable: true})
			code, answer := do(t, y, c, op.Import, container)
			mustRefuse(t, code, answer, abi.AuthRequired)
			y.met(t)
			if want := (Demand{abi.AuthRequired, capability.Act{Capability: op.Capability}}); c.Demand == nil || *c.Demand != want {
				t.Errorf("%s of %s: demands %+v", op.Import, container, c.Demand)
			}
			if lines.Len() != 1 || lines.All()[0].ContextMap()["event"] != "capability.asked" {
				t.Errorf("logged %+v", lines.All())
			}
		}
	}
}

// TestAsksAboutExactlyThat: what is to be confirmed is the container that the
// engine found, not what the module called it (B8).
func TestAsksAboutExactlyThat(t *testing.T) {
	for _, op := range generic(newYard().sources()) {
		if !capability.NeedOf(op.Capability).Confirm {
			continue
		}
		want := target(op.Capability, "web-1")
		for _, called := range []string{"web-1", want.ID} {
			y := newYard()
			c, _ := actor(t, full())
			code, answer := do(t, y, c, op.Import, called)
			mustRefuse(t, code, answer, abi.ConfirmRequired)
			y.met(t, "find "+called)
			if c.Demand == nil || *c.Demand != (Demand{abi.ConfirmRequired, want}) {
				t.Errorf("%s: demands %+v, want %+v", op.Import, c.Demand, want)
			}
		}
	}
	y := newYard()
	c, _ := actor(t, full())
	operation(t, y.sources(), abi.OpContainerStop).Call(t.Context(), c, []byte(`{"host":"edge","id":"web-1"}`))
	if c.Demand == nil || c.Demand.Act.Host != "edge" {
		t.Errorf("on another host it demands %+v", c.Demand)
	}
}

func TestActsAreDoneAndRecorded(t *testing.T) {
	words := map[string]string{
		abi.OpContainerStart: "start", abi.OpContainerStop: "stop", abi.OpContainerRestart: "restart", abi.OpContainerPause: "pause",
		abi.OpContainerUnpause: "unpause", abi.OpContainerKill: "kill", abi.OpContainerRemove: "remove", abi.OpContainerRename: "rename",
	}
	for _, op := range generic(newYard().sources()) {
		if op.act == nil {
			continue
		}
		y := newYard()
		c, _ := actor(t, tapped(target(op.Capability, "web-1")))
		code, answer := do(t, y, c, op.Import, "web-1")
		if code != abi.OK || c.Demand != nil {
			t.Errorf("%s: %v %s, demands %+v", op.Import, code, answer, c.Demand)
		}
		y.met(t, "find web-1", "record allow begun", words[op.Import]+" web-1 on local", "record allow done")
		if !c.Pass.Acted || c.Pass.Confirmed != nil {
			t.Errorf("%s: after it the pass is %+v", op.Import, c.Pass)
		}
	}
}

// TestConfirmedActIsThatActOnly: anything else is asked about again.
func TestConfirmedActIsThatActOnly(t *testing.T) {
	confirmed := target(capability.ContainersStop, "web-1")
	for _, test := range []struct{ name, op, request string }{
		{"another container", abi.OpContainerStop, `{"id":"web-2"}`},
		{"another capability", abi.OpContainerKill, `{"id":"web-1"}`},
		{"another host", abi.OpContainerStop, `{"host":"edge","id":"web-1"}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			y := newYard()
			c, _ := actor(t, tapped(confirmed))
			op := operation(t, y.sources(), test.op)
			code, answer := op.Call(t.Context(), c, []byte(test.request))
			mustRefuse(t, code, answer, abi.ConfirmRequired)
			if c.Demand == nil || c.Demand.Act == confirmed || c.Demand.Act.Capability != op.Capability {
				t.Errorf("demands %+v", c.Demand)
			}
			if len(y.events) != 1 || len(y.record) != 0 {
				t.Errorf("it came to %q", y.events)
			}
		})
	}
	t.Run("it was renamed since", func(t *testing.T) {
		y := newYard()
		renamed := confirmed
		renamed.Name = "web-9"
		c, _ := actor(t, tapped(renamed))
		code, answer := do(t, y, c, abi.OpContainerStop, "web-1")
		mustRefuse(t, code, answer, abi.ConfirmRequired)
		y.met(t, "find web-1")
	})
}

// TestTapIsUsedUp: a second act of the command is neither done nor asked about,
// since after the answer the first would be done again.
func TestTapIsUsedUp(t *testing.T) {
	y := newYard()
	c, _ := actor(t, tapped(target(capability.ContainersStop, "web-1")))
	do(t, y, c, abi.OpContainerStop, "web-1")
	y.events = nil
	for _, container := range []string{"web-1", "web-2"} {
		code, answer := do(t, y, c, abi.OpContainerStop, container)
		mustRefuse(t, code, answer, abi.Denied)
		if c.Demand != nil {
			t.Errorf("it demands %+v", c.Demand)
		}
	}
	y.met(t, "find web-1", "record deny", "find web-2")
	if last := y.record[len(y.record)-1]; last.Event != "capability.denied" || last.Reason != "one_confirmed_act_for_each_command" || last.Target == "" {
		t.Errorf("recorded %+v", last)
	}
	// What needs no tap goes on.
	if code, answer := do(t, y, c, abi.OpContainerStart, "web-1"); code != abi.OK {
		t.Errorf("start: %v %s", code, answer)
	}
}

func TestNothingIsAskedAfterAnAct(t *testing.T) {
	y := newYard()
	c, _ := actor(t, full())
	if code, answer := do(t, y, c, abi.OpContainerStart, "web-1"); code != abi.OK {
		t.Fatalf("%v %s", code, answer)
	}
	code, answer := do(t, y, c, abi.OpContainerStop, "db")
	mustRefuse(t, code, answer, abi.Denied)
	c.Pass.Session = false // it ended meanwhile
	code, answer = do(t, y, c, abi.OpContainerPause, "web-1")
	mustRefuse(t, code, answer, abi.Denied)
	if c.Demand != nil {
		t.Errorf("it demands %+v", c.Demand)
	}
	if last := y.record[len(y.record)-1]; last.Reason != "asks_after_it_acted" {
		t.Errorf("recorded %+v", last)
	}
}

// TestNothingIsDoneAfterAQuestion: the command is run again, and would do it
// twice. What only reads goes on.
func TestNothingIsDoneAfterAQuestion(t *testing.T) {
	y := newYard()
	c, lines := actor(t, full())
	code, answer := do(t, y, c, abi.OpContainerStop, "web-1")
	mustRefuse(t, code, answer, abi.ConfirmRequired)
	asked := *c.Demand
	for _, op := range []string{abi.OpContainerStart, abi.OpContainerKill, abi.OpContainerStop} {
		code, answer := do(t, y, c, op, "db")
		mustRefuse(t, code, answer, abi.ConfirmRequired)
	}
	y.met(t, "find web-1")
	if *c.Demand != asked {
		t.Errorf("it demands %+v now", c.Demand)
	}
	if code, answer := do(t, y, c, abi.OpContainerInspect, "db"); code != abi.OK {
		t.Errorf("inspect: %v %s", code, answer)
	}
	// A denial after a question is a denial, in the log and in the record.
	c.Grant = capability.Set{}
	code, answer = do(t, y, c, abi.OpContainerInspect, "db")
	mustRefuse(t, code, answer, abi.Denied)
	y.met(t, "record deny")
	if n := lines.FilterField(zap.String("event", "capability.denied")).Len(); n != 1 {
		t.Errorf("%d lines about the denial", n)
	}
}

// TestBorrowedButtonsAreConfirmed: what another module's button says need not be
// what happens.
func TestBorrowedButtonsAreConfirmed(t *testing.T) {
	y := newYard()
	p := full()
	p.Borrowed = true
	c, _ := actor(t, p)
	code, answer := do(t, y, c, abi.OpContainerStart, "web-1")
	mustRefuse(t, code, answer, abi.ConfirmRequired)
	start := target(capability.ContainersStart, "web-1")
	if c.Demand == nil || c.Demand.Act != start {
		t.Errorf("demands %+v", c.Demand)
	}
	y.met(t, "find web-1")

	p.Session = false
	c, _ = actor(t, p)
	code, answer = do(t, y, c, abi.OpContainerStart, "web-1")
	mustRefuse(t, code, answer, abi.AuthRequired)
	y.met(t)

	p = tapped(start)
	p.Borrowed = true
	c, _ = actor(t, p)
	if code, answer := do(t, y, c, abi.OpContainerStart, "web-1"); code != abi.OK {
		t.Errorf("confirmed: %v %s", code, answer)
	}
	code, answer = do(t, y, c, abi.OpContainerStart, "web-2")
	mustRefuse(t, code, answer, abi.Denied)
	if code, answer := do(t, y, c, abi.OpContainerInspect, "web-2"); code != abi.OK {
		t.Errorf("a borrowed button reads: %v %s", code, answer)
	}
}

func TestWhoMayNotAct(t *testing.T) {
	stop := target(capability.ContainersStop, "web-1")
	for _, test := range []struct {
		name   string
		pass   *capability.Pass
		code   abi.Code
		reason string
	}{
		{"no pass", nil, abi.Denied, "admins_only"},
		{"the zero pass", &capability.Pass{}, abi.Denied, "admins_only"},
		{"a user with a session and a tap", &capability.Pass{Session: true, Durable: true, Confirmed: &stop}, abi.Denied, "admins_only"},
		{"the state cannot be written", &capability.Pass{Admin: true, Session: true, Confirmed: &stop}, abi.Unavailable, "state_not_writable"},
		{"nor is a session asked for then", &capability.Pass{Admin: true}, abi.Unavailable, "state_not_writable"},
	} {
		t.Run(test.name, func(t *testing.T) {
			y := newYard()
			c, _ := actor(t, capability.Pass{})
			c.Pass = test.pass
			code, answer := do(t, y, c, abi.OpContainerStop, "web-1")
			mustRefuse(t, code, answer, test.code)
			y.met(t, "record deny")
			if y.record[0].Reason != test.reason || y.record[0].Event != "capability.denied" || y.record[0].Actor != "12*****89" || c.Demand != nil {
				t.Errorf("recorded %+v, demands %+v", y.record, c.Demand)
			}
		})
	}
}

// TestActsStayInTheScope: a tap does not make it wider (F1).
func TestActsStayInTheScope(t *testing.T) {
	set, err := capability.Parse([]capability.Request{{Name: string(capability.ContainersStop), Scope: []string{"web-*"}}})
	if err != nil {
		t.Fatal(err)
	}
	y := newYard()
	c, lines := actor(t, tapped(target(capability.ContainersStop, "db")))
	c.Grant = set
	code, answer := do(t, y, c, abi.OpContainerStop, "db")
	mustRefuse(t, code, answer, abi.Denied)
	y.met(t, "find db", "record deny")
	mustLogDenial(t, lines, capability.ContainersStop)
	if c.Demand != nil || c.Pass.Confirmed == nil || c.Pass.Acted {
		t.Errorf("the pass is %+v, demands %+v", c.Pass, c.Demand)
	}

	c, _ = actor(t, tapped(target(capability.ContainersStop, "web-1")))
	c.Grant = set
	if code, answer := do(t, y, c, abi.OpContainerStop, "web-1"); code != abi.OK {
		t.Errorf("inside the scope: %v %s", code, answer)
	}
}

// TestTheBotItselfStays (E6): the adapter refuses it, which is recorded, and
// nothing is asked or done.
func TestTheBotItselfStays(t *testing.T) {
	for _, op := range generic(newYard().sources()) {
		if op.act == nil {
			continue
		}
		y := newYard()
		c, _ := actor(t, tapped(target(op.Capability, "cofferdam")))
		code, answer := do(t, y, c, op.Import, "cofferdam")
		mustRefuse(t, code, answer, abi.Conflict)
		y.met(t, "find cofferdam", "record deny")
		if c.Demand != nil {
			t.Errorf("%s: demands %+v", op.Import, c.Demand)
		}
	}
}

// TestFoundContainersAreHeldAgainstTheScope, whatever the adapter made of the
// question.
func TestFoundContainersAreHeldAgainstTheScope(t *testing.T) {
	for name, liar := range map[string]liar{
		"nobody was asked":   {row: crate{name: "db"}.shown()},
		"another was asked":  {asked: "web-1", row: crate{name: "db"}.shown()},
		"it has no id":       {asked: "web-1", row: abi.Container{Name: "web-1"}},
		"it has no name":     {asked: "web-1", row: abi.Container{ID: crate{name: "db"}.id()}},
		"it goes by an id":   {asked: "web-1", row: abi.Container{ID: crate{name: "db"}.id(), Name: crate{name: "db"}.id()[:12]}},
		"nothing comes back": {},
	} {
		t.Run(name, func(t *testing.T) {
			y := newYard()
			liar.yard = y
			c, _ := actor(t, full())
			code, answer := operation(t, Sources{Docker: liar, Audit: y}, abi.OpContainerStart).Call(t.Context(), c, []byte(`{"id":"web-1"}`))
			mustRefuse(t, code, answer, abi.Internal)
			y.met(t)
		})
	}
}

// liar finds what it wants.
type liar struct {
	*yard
	asked string
	row   abi.Container
}

func (l liar) Find(_ context.Context, _ abi.ContainerRef, keep Keep) (abi.Container, error) {
	if l.asked != "" {
		keep(l.asked, nil)
	}
	return l.row, nil
}

// TestRowsThatDoNotFit: a row that was put into the table wrongly does nothing.
func TestRowsThatDoNotFit(t *testing.T) {
	y := newYard()
	c, _ := actor(t, tapped(target(capability.ContainersStop, "web-1")))
	ran := false
	read := y.sources().reads("x", capability.ContainersStop, func(context.Context, *Caller, []byte) (any, error) { ran = true; return nil, nil })
	code, answer := read.Call(t.Context(), c, []byte(`{"id":"web-1"}`))
	mustRefuse(t, code, answer, abi.Unavailable)
	code, answer = (Operation{}).Call(t.Context(), c, []byte(`{}`))
	mustRefuse(t, code, answer, abi.Denied)
	y.met(t)
	if ran {
		t.Error("an act was run as if it read")
	}
}
