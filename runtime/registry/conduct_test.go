package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/quarantine"
)

// infirmary runs modules whose faults the test decides, by a clock of its own.
type infirmary struct {
	*Registry
	t *testing.T
	// does is what the next invocations do; nil answers.
	does     func(context.Context, *hostcall.Caller) (engine.Answer, error)
	now      time.Time
	mu       sync.Mutex
	runs     int
	switches []Switch
	measured []Invocation
	logs     *observer.ObservedLogs
}

func (i *infirmary) Invoke(ctx context.Context, c *hostcall.Caller, _ []byte) (engine.Answer, error) {
	i.mu.Lock()
	i.runs++
	does := i.does
	i.mu.Unlock()
	if does == nil {
		return engine.Answer{Reply: []byte("{}")}, nil
	}
	return does(ctx, c)
}

func (*infirmary) Close(context.Context) error { return nil }

func newInfirmary(t *testing.T) *infirmary {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	i := &infirmary{t: t, now: time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC), logs: logs}
	i.Registry = New(Config{
		Load: func(_ context.Context, s engine.Source) (Runner, error) {
			if s.Name == "broken" {
				return nil, errors.New("does not compile")
			}
			return i, nil
		},
		Log: zap.New(core), Now: func() time.Time { return i.now },
		Switched: func(_ context.Context, s Switch) { i.mu.Lock(); i.switches = append(i.switches, s); i.mu.Unlock() },
		Measured: func(m Invocation) { i.mu.Lock(); i.measured = append(i.measured, m); i.mu.Unlock() },
	}, 1)
	t.Cleanup(func() { i.Registry.Close(context.Background()) })
	add(t, i.Registry, onlyShips(t))
	i.AwaitAll()
	return i
}

// onlyShips is a module with one command.
func onlyShips(t *testing.T) Spec {
	t.Helper()
	return wasm(t, "ships", []abi.Command{cmd("ships", abi.WhoUser)})
}

// ask invokes the module, as somebody with a trace id does.
func (i *infirmary) ask() error {
	_, _, err := i.Registry.Invoke(i.t.Context(), "ships", abi.Actor{}, &capability.Pass{Trace: "trace"}, i.Log, nil)
	return err
}

func (i *infirmary) faults(n int) {
	i.t.Helper()
	i.does = failing(&engine.Fault{Code: abi.Internal, Reason: "unreachable", Blame: true})
	for range n {
		if err := i.ask(); isOff(err) {
			i.t.Fatalf("it is off: %v", err)
		}
	}
	i.does = nil
}

func failing(err error) func(context.Context, *hostcall.Caller) (engine.Answer, error) {
	return func(context.Context, *hostcall.Caller) (engine.Answer, error) { return engine.Answer{}, err }
}

func isOff(err error) bool {
	_, off := errors.AsType[*SwitchedOff](err)
	return off
}

func TestRepeatedFaultsSwitchAModuleOff(t *testing.T) {
	i := newInfirmary(t)
	i.faults(quarantine.Faults)
	until := i.now.Add(quarantine.FirstPause)
	err := i.ask()
	off, ok := errors.AsType[*SwitchedOff](err)
	if !ok || off.FaultCode() != abi.Unavailable || !off.OffUntil().Equal(until) || off.Module != "ships" {
		t.Fatalf("got %v", err)
	}
	if i.runs != quarantine.Faults {
		t.Errorf("it ran %d times", i.runs)
	}
	want := Switch{Module: "ships", Digest: "digest-of-ships", Off: quarantine.FirstPause, Until: until, Fault: "internal: unreachable", Trace: "trace"}
	if !slices.Equal(i.switches, []Switch{want}) {
		t.Errorf("told %+v", i.switches)
	}

	i.now = until
	if err := i.ask(); err != nil {
		t.Errorf("after the pause: %v", err)
	}
	if len(i.switches) != 2 || i.switches[1] != (Switch{Module: "ships", Digest: "digest-of-ships"}) {
		t.Errorf("told %+v", i.switches)
	}
	i.faults(1)
	if err := i.ask(); !isOff(err) || i.switches[2].Off != 2*quarantine.FirstPause {
		t.Errorf("a fault on probation: %v, told %+v", err, i.switches)
	}
	for _, event := range []string{"module.quarantined", "module.released"} {
		if i.logs.FilterField(zap.String("event", event)).Len() == 0 {
			t.Errorf("%s is not in the log", event)
		}
	}
}

func TestSweepTellsThatAPauseIsOver(t *testing.T) {
	i := newInfirmary(t)
	i.faults(quarantine.Faults)
	i.Sweep(t.Context())
	if len(i.switches) != 1 {
		t.Errorf("told %+v", i.switches)
	}
	i.now = i.now.Add(quarantine.FirstPause)
	i.Describe(abi.RoleAdmin) // looking is not what ends a pause
	i.List()
	i.Sweep(t.Context())
	i.Sweep(t.Context())
	if len(i.switches) != 2 || i.switches[1].Off != 0 {
		t.Errorf("told %+v", i.switches)
	}
}

func TestWhatIsNoFaultOfTheModule(t *testing.T) {
	trap := &engine.Fault{Code: abi.Internal, Reason: "unreachable", Blame: true}
	for _, test := range []struct {
		name    string
		does    func(context.Context, *hostcall.Caller) (engine.Answer, error)
		outcome Outcome
	}{
		{"an answer", nil, Answered},
		{"an error of the module's own", func(context.Context, *hostcall.Caller) (engine.Answer, error) {
			return engine.Answer{Code: abi.NotFound}, nil
		}, Refused},
		{"a slow host call", failing(&engine.Fault{Code: abi.Timeout, Reason: "stopped in a host call"}), TimedOut},
		{"the module was closed", failing(&engine.Fault{Code: abi.Unavailable, Reason: "closed"}), Stopped},
		{"a fault of the sandbox", failing(errors.New("something else")), Trapped},
		{"a code is needed", func(_ context.Context, c *hostcall.Caller) (engine.Answer, error) {
			c.Demand = &hostcall.Demand{Code: abi.AuthRequired}
			return engine.Answer{}, trap
		}, UserAsked},
		{"a tap is needed", func(_ context.Context, c *hostcall.Caller) (engine.Answer, error) {
			c.Demand = &hostcall.Demand{Code: abi.ConfirmRequired}
			return engine.Answer{}, trap
		}, UserAsked},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := newInfirmary(t)
			i.does = test.does
			for range 3 * quarantine.Faults {
				if err := i.ask(); isOff(err) {
					t.Fatal(err)
				}
			}
			if got := i.measured[0].Outcome; got != test.outcome {
				t.Errorf("measured as %q, want %q", got, test.outcome)
			}
		})
	}
	t.Run("whoever waited is gone", func(t *testing.T) {
		i := newInfirmary(t)
		for range 3 * quarantine.Faults {
			ctx, cancel := context.WithCancel(t.Context())
			i.does = func(context.Context, *hostcall.Caller) (engine.Answer, error) { cancel(); return engine.Answer{}, trap }
			if _, _, err := i.Registry.Invoke(ctx, "ships", abi.Actor{}, nil, i.Log, nil); isOff(err) {
				t.Fatal(err)
			}
		}
	})
}

func TestAReloadIsNoWayOut(t *testing.T) {
	i := newInfirmary(t)
	i.faults(quarantine.Faults)
	same := onlyShips(t)
	same.Limits.Memory *= 2
	if change := replace(t, i.Registry, same); len(change.Loaded) != 1 {
		t.Fatalf("got %+v", change)
	}
	if err := i.ask(); !isOff(err) {
		t.Errorf("the same bytes with other limits: %v", err)
	}
	replace(t, i.Registry)
	replace(t, i.Registry, onlyShips(t))
	if err := i.ask(); !isOff(err) {
		t.Errorf("the same bytes, removed and back: %v", err)
	}
	other := onlyShips(t)
	other.Digest = "of other bytes"
	replace(t, i.Registry, other)
	if err := i.ask(); err != nil {
		t.Errorf("other bytes: %v", err)
	}
	if use := i.List()[0].Use; use.Invocations != 1 || use.Traps != 0 {
		t.Errorf("other bytes begin with the use %+v", use)
	}
}

func TestConductsAreBounded(t *testing.T) {
	i := newInfirmary(t)
	i.faults(quarantine.Faults)
	for n := range conductsAtMost + 20 {
		i.now = i.now.Add(time.Millisecond)
		other := wasm(t, "other", nil)
		other.Digest = fmt.Sprint(n)
		replace(t, i.Registry, onlyShips(t), other)
	}
	if n := len(i.conducts); n != conductsAtMost {
		t.Errorf("%d are remembered", n)
	}
	if err := i.ask(); !isOff(err) {
		t.Errorf("a module that is there was forgotten: %v", err)
	}
	if i.conducts["0"] != nil || i.conducts[fmt.Sprint(conductsAtMost+19)] == nil {
		t.Error("the latest was forgotten, or the oldest was not")
	}
}

func TestUseIsMeasured(t *testing.T) {
	i := newInfirmary(t)
	uses := func(used engine.Used, err error) {
		i.does = func(context.Context, *hostcall.Caller) (engine.Answer, error) { return engine.Answer{Used: used}, err }
		i.ask()
	}
	uses(engine.Used{Time: 1500 * time.Microsecond, Fuel: 10, Memory: 5 << 20, HostCalls: 2, Bytes: 7}, nil)
	uses(engine.Used{Time: 1500 * time.Microsecond, Fuel: 30, Memory: 3 << 20, HostCalls: 1, Bytes: 1}, nil)
	uses(engine.Used{Fuel: 20}, &engine.Fault{Code: abi.Limit})
	uses(engine.Used{}, &engine.Fault{Code: abi.Timeout})
	uses(engine.Used{}, &engine.Fault{Code: abi.Internal})
	uses(engine.Used{}, &engine.Fault{Code: abi.Invalid})
	want := abi.ModuleUse{
		Invocations: 6, Traps: 2, Limits: 1, Timeouts: 1, Fuel: 60, MostFuel: 30, Memory: 5 << 20, HostCalls: 3, Bytes: 8, TimeMS: 3,
	}
	if got := *i.Describe(abi.RoleAdmin).Modules[0].Use; got != want {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, role := range []string{abi.RoleUser, abi.RoleStranger, ""} {
		if i.Describe(role).Modules[0].Use != nil {
			t.Errorf("a %q is told what modules took", role)
		}
	}
	line := i.logs.FilterField(zap.String("event", "module.invoked")).All()[0].ContextMap()
	if line["fuel"] != uint64(10) || line["memory"] != uint32(5<<20) || line["host_calls"] != int64(2) || line["bytes"] != int64(7) || line["outcome"] != "ok" {
		t.Errorf("the log says %v", line)
	}
}

func TestListShowsModulesThatDoNotRun(t *testing.T) {
	i := newInfirmary(t)
	i.faults(quarantine.Faults)
	add(t, i.Registry, wasm(t, "broken", nil))
	refused := ships(t)
	refused.Wasm = wasm(t, "poor", nil, abi.CapabilityRequest{Name: "docker.info", Reason: "r"}).Wasm
	if err := i.Add(t.Context(), refused); !errors.Is(err, ErrNotGranted) {
		t.Fatal(err)
	}
	i.AwaitAll()
	var got []string
	for _, s := range i.List() {
		got = append(got, fmt.Sprintf("%s %s %d %s", s.Name, s.State, s.OffUntil, s.Why))
	}
	want := []string{
		fmt.Sprintf("ships off %d ", i.now.Add(quarantine.FirstPause).UnixMilli()),
		"broken refused 0 does not compile",
		"poor refused 0 not granted: it asks for [docker.info] and cannot run without; to let it see less, grant that with a narrower scope",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s", strings.Join(got, "\n"))
	}
	if n := i.Running(); n != 1 {
		t.Errorf("%d are loaded, want 1", n)
	}
	replace(t, i.Registry, onlyShips(t))
	if list := i.List(); len(list) != 1 {
		t.Errorf("after a reload: %+v", list)
	}
	if bot := i.Describe(abi.RoleUser).Modules[0]; bot.OffUntil == 0 {
		t.Error("users are not told that a module is off")
	}
}

// Many at once: one switch, one notice.
func TestFaultsAtTheSameTimeSwitchOffOnce(t *testing.T) {
	i := newInfirmary(t)
	i.does = failing(&engine.Fault{Code: abi.Internal, Blame: true})
	var asking sync.WaitGroup
	for range 8 {
		asking.Go(func() {
			for range 50 {
				i.ask()
				i.List()
			}
		})
	}
	asking.Wait()
	if len(i.switches) != 1 {
		t.Errorf("told %d times", len(i.switches))
	}
}
