package trigger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// yard is what a Trigger sees of the bot: modules that a test decides about. Its
// clock is that of a bubble.
type yard struct {
	t  testing.TB
	mu sync.Mutex
	// modules run now; does is what each run does, nil: it answers at once.
	modules []Module
	does    func(ctx context.Context, module string, r abi.Request) error
	runs    []run
	now     map[string]int // runs of a module under way
	most    int            // runs under way at once
	twice   []string       // modules with two runs at once
	tell    func(abi.Event, string, map[string]string)
	streams int
	logs    *observer.ObservedLogs
}

type run struct {
	module  string
	request abi.Request
	at      time.Time
}

// began runs a Trigger in a bubble until the test ends.
func began(t *testing.T, modules ...Module) *yard {
	t.Helper()
	core, logs := observer.New(zap.DebugLevel)
	y := &yard{t: t, modules: modules, now: map[string]int{}, logs: logs}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		New(y.config(zap.New(core))).Run(ctx)
		close(done)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return y
}

func (y *yard) config(log *zap.Logger) Config {
	return Config{
		Modules: y.running, Invoke: y.invoke, Follow: y.follow, Durable: func() bool { return true }, Trace: func() string { return "t1" },
		Now: time.Now, Zone: time.UTC, Log: log,
	}
}

func (y *yard) running() []Module {
	y.mu.Lock()
	defer y.mu.Unlock()
	return y.modules
}

// act says what each run does from now on.
func (y *yard) act(does func(ctx context.Context, module string, r abi.Request) error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.does = does
}

func (y *yard) set(modules ...Module) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.modules = modules
}

func (y *yard) invoke(ctx context.Context, module string, actor abi.Actor, pass *capability.Pass, _ *zap.Logger, request []byte) (abi.Code, []byte, error) {
	var r abi.Request
	if err := json.Unmarshal(request, &r); err != nil {
		y.t.Errorf("the request %s: %v", request, err)
	}
	if actor.Role != abi.RoleModule || actor.ID != 0 || actor != r.Actor || pass.Admin || pass.Session || pass.Private || pass.Confirmed != nil ||
		!pass.Durable || !pass.Reaches().Unlimited() || pass.Trace != "t1" || r.Version != abi.Version || r.Command != "" || r.Chat != (abi.Chat{}) {
		y.t.Errorf("run as %+v with %+v: %s", actor, pass, request)
	}
	y.mu.Lock()
	y.runs = append(y.runs, run{module, r, time.Now()})
	if y.now[module]++; y.now[module] > 1 {
		y.twice = append(y.twice, module)
	}
	total := 0
	for _, n := range y.now {
		total += n
	}
	y.most = max(y.most, total)
	does := y.does
	y.mu.Unlock()
	var err error
	if does != nil {
		err = does(ctx, module, r)
	}
	y.mu.Lock()
	y.now[module]--
	y.mu.Unlock()
	return abi.OK, []byte(`{"blocks":[]}`), err
}

func (y *yard) follow(ctx context.Context, tell func(abi.Event, string, map[string]string)) {
	y.mu.Lock()
	y.tell = tell
	y.streams++
	y.mu.Unlock()
	<-ctx.Done()
	y.mu.Lock()
	y.streams--
	y.mu.Unlock()
}

// of returns the runs of a module so far.
func (y *yard) of(module string) (runs []run) {
	y.mu.Lock()
	defer y.mu.Unlock()
	for _, r := range y.runs {
		if r.module == module {
			runs = append(runs, r)
		}
	}
	return runs
}

// check is what holds in every test.
func (y *yard) check() {
	y.t.Helper()
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.most > atOnce || len(y.twice) > 0 {
		y.t.Errorf("%d runs at once, two of %q", y.most, y.twice)
	}
}

// module makes one that is granted what it asks.
func module(t testing.TB, m abi.Manifest) Module {
	t.Helper()
	var requests []capability.Request
	for _, c := range m.Capabilities {
		requests = append(requests, capability.Request{Name: c.Name, Scope: c.Scope})
	}
	grant, err := capability.Parse(requests)
	if err != nil {
		t.Fatal(err)
	}
	return Module{Manifest: m, Digest: "digest-of-" + m.Name + m.Version, Grant: grant}
}

func clocked(t testing.TB, name, every, least string) Module {
	t.Helper()
	m := manifest(name, "schedule "+least)
	m.Schedules = []abi.Schedule{{Name: "tick", Every: every, Action: "tick"}}
	return module(t, m)
}

func listening(t testing.TB, name, types, containers string) Module {
	t.Helper()
	m := manifest(name, "docker.events "+types, "docker.containers.list "+containers)
	m.Events = []abi.Subscription{{Types: []string{"container.die", "container.oom"}, Action: "happened"}}
	return module(t, m)
}

func bubble(t *testing.T, f func(t *testing.T)) { synctest.Test(t, f) }

func TestASchedulesRunIsTheModulesOwn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		y := began(t, clocked(t, "ships", "5m", "1m"))
		time.Sleep(21 * time.Minute)
		synctest.Wait()
		runs := y.of("ships")
		if len(runs) < 4 || len(runs) > 5 || runs[0].request.Action != "tick" || runs[0].request.Event != nil || runs[0].request.Time != runs[0].at.UnixMilli() {
			t.Errorf("ran %+v", runs)
		}
		y.check()
	})
}

// TestNoModuleRunsMoreOftenThanGranted (F3): neither by its manifest nor by being
// loaded again and again.
func TestNoModuleRunsMoreOftenThanGranted(t *testing.T) {
	bubble(t, func(t *testing.T) {
		narrow := clocked(t, "greedy", "10s", "10s")
		wide, err := capability.Parse([]capability.Request{{Name: "schedule", Scope: []string{"10m"}}})
		if err != nil {
			t.Fatal(err)
		}
		narrow.Grant = narrow.Grant.Narrow(wide)
		y := began(t, narrow)
		for i := range 60 {
			time.Sleep(time.Minute)
			again := narrow
			again.Digest = fmt.Sprint("version ", i)
			y.set(again)
		}
		synctest.Wait()
		runs := y.of("greedy")
		for i := 1; i < len(runs); i++ {
			if d := runs[i].at.Sub(runs[i-1].at); d < 10*time.Minute {
				t.Errorf("runs %s apart", d)
			}
		}
		if len(runs) < 6 || len(runs) > 7 {
			t.Errorf("%d runs in an hour", len(runs))
		}
	})
}

// TestManySchedulesAreNoWayToRunMoreOften (F3): what is granted, and what admins read,
// is how often the module runs by the clock, not each of its schedules. Each has its turn.
func TestManySchedulesAreNoWayToRunMoreOften(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := clocked(t, "greedy", "5m", "5m")
		m.Manifest.Schedules = nil
		for i := range 8 {
			s := abi.Schedule{Name: fmt.Sprintf("s%d", i), Every: "5m", Action: fmt.Sprintf("a%d", i)}
			if i%2 == 1 {
				s.Every, s.Cron = "", "* * * * *"
			}
			m.Manifest.Schedules = append(m.Manifest.Schedules, s)
		}
		y := began(t, m)
		time.Sleep(time.Hour)
		for i := range 12 { // nor is it to be loaded again and again
			again := m
			again.Digest = fmt.Sprint("version ", i)
			y.set(again)
			time.Sleep(5 * time.Minute)
		}
		synctest.Wait()
		runs, turns := y.of("greedy"), map[string]int{}
		for i, r := range runs {
			if turns[r.request.Action]++; i > 0 && r.at.Sub(runs[i-1].at) < 5*time.Minute-paceSlack {
				t.Errorf("runs %s apart", r.at.Sub(runs[i-1].at))
			}
		}
		if len(runs) < 20 || len(runs) > 25 || len(turns) != 8 {
			t.Errorf("%d runs in two hours: %v", len(runs), turns)
		}
	})
}

func TestAScheduleThatIsNotGrantedDoesNotRun(t *testing.T) {
	bubble(t, func(t *testing.T) {
		m := clocked(t, "ships", "10s", "10s")
		m.Grant = capability.Set{}
		bad := module(t, manifest("boats", "schedule 10s"))
		bad.Manifest.Schedules = []abi.Schedule{{Name: "never", Cron: "TZ=x", Action: "a"}}
		y := began(t, m, bad)
		time.Sleep(time.Hour)
		synctest.Wait()
		if len(y.runs) > 0 {
			t.Errorf("ran %+v", y.runs)
		}
		if n := y.logs.FilterField(zap.String("event", "schedule.refused")).Len(); n != 2 {
			t.Errorf("%d are in the log", n)
		}
	})
}

// Test200ModulesWithSchedules: they do not start at once, a few run at the same
// time, and each has its turn.
func Test200ModulesWithSchedules(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var all []Module
		for i := range 200 {
			all = append(all, clocked(t, fmt.Sprintf("m%03d", i), "1m", "1m"))
		}
		y := began(t, all...)
		y.act(func(context.Context, string, abi.Request) error {
			time.Sleep(100 * time.Millisecond)
			return nil
		})
		began := time.Now()
		time.Sleep(10*time.Minute + time.Second)
		synctest.Wait()
		y.check()
		seconds := map[int]int{}
		for i := range 200 {
			if n := len(y.of(fmt.Sprintf("m%03d", i))); n < 9 || n > 11 {
				t.Errorf("m%03d ran %d times in 10 min", i, n)
			}
		}
		for _, r := range y.runs {
			seconds[int(r.at.Sub(began)/time.Second)]++
		}
		for second, n := range seconds {
			if n > 15 { // 3.3 on average
				t.Errorf("%d runs within second %d", n, second)
			}
		}
	})
}

// TestAModuleThatSleepsTakesNoOthersTurn (F3): at each tick, for as long as it may.
func TestAModuleThatSleepsTakesNoOthersTurn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		var all []Module
		for i := range 8 {
			m := clocked(t, fmt.Sprint("sleeper", i), "10s", "10s")
			for n := range 7 {
				m.Manifest.Schedules = append(m.Manifest.Schedules, abi.Schedule{Name: fmt.Sprint("more", n), Every: "10s", Action: "tick"})
			}
			all = append(all, m)
		}
		y := began(t, append(all, clocked(t, "honest", "1m", "1m"))...)
		y.act(func(ctx context.Context, module string, _ abi.Request) error {
			if module != "honest" {
				time.Sleep(10 * time.Second) // the wall time that a run may take
			}
			return nil
		})
		time.Sleep(30 * time.Minute)
		synctest.Wait()
		y.check()
		runs := y.of("honest")
		if len(runs) < 28 {
			t.Errorf("the honest one ran %d times in 30 min", len(runs))
		}
		for i := 1; i < len(runs); i++ {
			if d := runs[i].at.Sub(runs[i-1].at); d > 90*time.Second {
				t.Errorf("it waited for %s", d)
			}
		}
		if y.logs.FilterField(zap.String("event", "schedule.skipped")).Len() == 0 {
			t.Error("no late run is in the log")
		}
	})
}

var web = capability.Target{Name: "web-1", Labels: map[string]string{"tier": "front"}}

func (y *yard) happens(kind string, of capability.Target, n int) {
	synctest.Wait()
	y.mu.Lock()
	tell := y.tell
	y.mu.Unlock()
	for i := range n {
		tell(abi.Event{Type: kind, Host: "local", Name: of.Name, ExitCode: i}, of.Name, of.Labels)
	}
	synctest.Wait()
}

func TestEventsGoToThoseWhoMayKnow(t *testing.T) {
	bubble(t, func(t *testing.T) {
		modules := map[string]Module{
			"all":      listening(t, "all", "container.*", "*"),
			"die-only": listening(t, "die-only", "container.die", "*"),
			"web":      listening(t, "web", "container.*", "web-*"),
			"db":       listening(t, "db", "container.*", "db"),
			"label":    listening(t, "label", "container.*", "label:tier=front"),
			"no-list":  module(t, manifest("no-list", "docker.events container.*")),
			"narrowed": listening(t, "narrowed", "container.*", "*"),
			"silent":   module(t, manifest("silent", "docker.events container.*", "docker.containers.list *")),
		}
		n := modules["no-list"]
		n.Manifest.Events = modules["all"].Manifest.Events
		modules["no-list"] = n
		n = modules["narrowed"]
		n.Grant = n.Grant.Narrow(modules["db"].Grant)
		modules["narrowed"] = n
		var all []Module
		for _, m := range modules {
			all = append(all, m)
		}
		y := began(t, all...)
		time.Sleep(2 * time.Second)
		y.happens("container.oom", web, 1)
		y.happens("container.die", web, 1)
		y.happens("container.start", web, 1)
		y.happens("container.die", capability.Target{Name: "db"}, 1)
		y.happens("container.die", capability.Target{}, 1) // no name: only in the scope of nothing
		want := map[string]string{
			"all": "oom web-1, die web-1, die db", "die-only": "die web-1, die db", "web": "oom web-1, die web-1", "db": "die db",
			"label": "oom web-1, die web-1", "narrowed": "die db",
		}
		for name := range modules {
			var told []string
			for _, r := range y.of(name) {
				if r.request.Event == nil || r.request.Action != "happened" {
					t.Errorf("%s: run with %+v", name, r.request)
					continue
				}
				told = append(told, strings.TrimPrefix(r.request.Event.Type, "container.")+" "+r.request.Event.Name)
			}
			if got := strings.Join(told, ", "); got != want[name] {
				t.Errorf("%s was told %q, want %q", name, got, want[name])
			}
		}
		y.check()
	})
}

// TestAStormOfEvents (F3): what a module is told is bounded, in the queue and by
// the minute; schedules and other modules go on.
func TestAStormOfEvents(t *testing.T) {
	bubble(t, func(t *testing.T) {
		storm := listening(t, "storm", "container.*", "*")
		calm := listening(t, "calm", "container.*", "db")
		y := began(t, storm, calm, clocked(t, "ticks", "10s", "10s"))
		time.Sleep(2 * time.Second)
		y.happens("container.die", web, 10_000)
		y.happens("container.die", capability.Target{Name: "db"}, 1)
		if n := len(y.of("calm")); n != 1 {
			t.Errorf("the calm one was told %d times", n)
		}
		if n := len(y.of("storm")); n > eventsPerMinute {
			t.Errorf("%d runs at once", n)
		}
		for range 10 {
			time.Sleep(time.Minute)
			y.happens("container.die", web, 10_000)
		}
		runs := y.of("storm")
		if len(runs) > 11*eventsPerMinute || len(runs) < 10*eventsPerMinute {
			t.Errorf("%d runs in 10 min", len(runs))
		}
		for i := eventsPerMinute; i < len(runs); i++ {
			if d := runs[i].at.Sub(runs[i-eventsPerMinute].at); d < time.Minute {
				t.Fatalf("%d runs within %s", eventsPerMinute+1, d)
			}
		}
		// The newest is what is told.
		if last := runs[len(runs)-1].request.Event.ExitCode; last < 9_000 {
			t.Errorf("the last that was told is number %d of 10,000", last)
		}
		if n := len(y.of("ticks")); n < 55 {
			t.Errorf("the schedule ran %d times in 10 min", n)
		}
		if y.logs.FilterField(zap.String("event", "event.dropped")).Len() == 0 || y.logs.FilterField(zap.String("event", "event.dropped")).Len() > 100 {
			t.Errorf("%d lines about what was dropped", y.logs.FilterField(zap.String("event", "event.dropped")).Len())
		}
		y.check()
	})
}

// TestModulesComeAndGo: within a second, the stream is open only while somebody
// listens, and a module that is taken out and put back while it runs does not run
// twice.
func TestModulesComeAndGo(t *testing.T) {
	bubble(t, func(t *testing.T) {
		y := began(t)
		streams := func(want int) {
			t.Helper()
			time.Sleep(interval + time.Millisecond)
			synctest.Wait()
			y.mu.Lock()
			defer y.mu.Unlock()
			if y.streams != want {
				t.Errorf("%d streams, want %d", y.streams, want)
			}
		}
		streams(0)
		y.set(clocked(t, "ticks", "10s", "10s"))
		streams(0)
		release := make(chan struct{})
		y.act(func(context.Context, string, abi.Request) error { <-release; return nil })
		ears := listening(t, "ears", "container.*", "*")
		y.set(ears)
		streams(1)
		y.happens("container.die", web, 5)
		y.set()
		streams(0)
		y.set(ears)
		streams(1)
		y.happens("container.die", web, 1)
		if n := len(y.of("ears")); n != 1 {
			t.Errorf("%d runs began while the first is under way", n)
		}
		close(release)
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if n := len(y.of("ears")); n != 2 {
			t.Errorf("%d runs: what waited for the one that was taken out is dropped", n)
		}
		y.check()
	})
}

func TestNoRunOutlivesTheBot(t *testing.T) {
	bubble(t, func(t *testing.T) {
		y := &yard{t: t, now: map[string]int{}, modules: []Module{clocked(t, "ships", "10s", "10s"), listening(t, "ears", "container.*", "*")}}
		y.act(func(ctx context.Context, _ string, _ abi.Request) error { <-ctx.Done(); return ctx.Err() })
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { New(y.config(zap.NewNop())).Run(ctx); close(done) }()
		time.Sleep(20 * time.Second)
		y.happens("container.die", web, 10)
		cancel()
		<-done
		if y.streams != 0 || y.now["ships"]+y.now["ears"] != 0 {
			t.Error("something goes on")
		}
	})
}

// offFor is the error of a module that is switched off.
type offFor struct{ error }

func (offFor) OffUntil() time.Time { return time.Time{} }

func TestAModuleThatIsOffIsSkipped(t *testing.T) {
	bubble(t, func(t *testing.T) {
		y := began(t, clocked(t, "ships", "10s", "10s"), clocked(t, "boats", "10s", "10s"))
		y.act(func(_ context.Context, module string, _ abi.Request) error {
			if module == "ships" {
				return offFor{errors.New("off")}
			}
			return errors.New("it trapped")
		})
		time.Sleep(time.Minute)
		synctest.Wait()
		for _, line := range y.logs.FilterField(zap.String("event", "schedule.ran")).All() {
			want := zap.InfoLevel
			if line.ContextMap()["module"] == "ships" {
				want = zap.DebugLevel // it is in the log already
			}
			if line.Level != want || line.ContextMap()["trace_id"] != "t1" || line.ContextMap()["schedule"] != "tick" {
				t.Errorf("%v at %v", line.ContextMap(), line.Level)
			}
		}
		if len(y.of("ships")) < 5 || len(y.of("boats")) < 5 {
			t.Error("they are not tried again")
		}
	})
}

// BenchmarkTick200Modules is what 200 modules with two schedules each cost every
// second when nothing is due.
func BenchmarkTick200Modules(b *testing.B) {
	y := &yard{t: b, now: map[string]int{}}
	for i := range 200 {
		m := clocked(b, fmt.Sprint("m", i), "1h", "10s")
		m.Manifest.Schedules = append(m.Manifest.Schedules, abi.Schedule{Name: "cron", Cron: "0 4 * * *", Action: "a"})
		y.modules = append(y.modules, m)
	}
	c := y.config(zap.NewNop())
	start := time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)
	c.Now = func() time.Time { return start }
	trigger := New(c)
	trigger.tick(b.Context())
	for _, l := range trigger.lanes {
		for _, s := range l.schedules {
			s.clock.next = start.Add(time.Hour)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		trigger.tick(b.Context())
	}
}
