package server

import (
	"maps"
	"slices"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
)

const noon = 1_767_268_800_000

// machine is what a test's host answers; a test spoils what it is about.
type machine struct {
	host      abi.HostInfo
	cpu       abi.CPUInfo
	memory    abi.MemoryInfo
	processes abi.ProcessInfo
	users     abi.UserInfo
	// broken are operations that time out.
	broken []string
}

func healthy() *machine {
	return &machine{
		host: abi.HostInfo{Hostname: "box-1", OS: "Debian GNU/Linux 12", Kernel: "6.1.0-18-amd64", Uptime: 273_900,
			BootTime: noon - 273_900_000, Load1: 0.42, Load5: 3.1, Load15: 4.5, CPUs: 4},
		cpu: abi.CPUInfo{Percent: 12.34, PerCore: []float64{3, 40.5, 0, 5.9}, Logical: 4, Physical: 2, Model: "Some CPU", MHz: 2400,
			Times: abi.CPUTimes{User: 8, System: 3, Idle: 87.66, IOWait: 1, Steal: 0.34}, WindowMS: 1200},
		memory: abi.MemoryInfo{Total: 4 << 30, Used: 1 << 30, Free: 512 << 20, Available: 2 << 30, Percent: 50, Active: 1 << 30,
			Inactive: 700 << 20, Cached: 1500 << 20, Buffers: 10 << 20, Shared: 3 << 20,
			Swap: abi.Swap{Total: 1 << 30, Used: 256 << 20, Free: 768 << 20, Percent: 25, In: 4096, Out: 8192}},
		processes: abi.ProcessInfo{Total: 120, Running: 2, Sleeping: 100, Idle: 17, Zombie: 1, Top: []abi.Process{
			{PID: 4321, Name: "PostGres", User: "postgres", CPUPercent: 123.4, Memory: 300 << 20, MemoryPercent: 7.3},
			{PID: 1, Name: "init\n✅ fine", CPUPercent: 0.1, Memory: 4 << 20, MemoryPercent: 0.1}}},
		users: abi.UserInfo{Users: []abi.LoggedIn{
			{User: "root", Terminal: "pts/0", From: "192.0.2.7", Since: noon - 60_000}, {User: "ada", Since: noon - 3_600_000}}},
	}
}

// answer lets op answer with result, unless the machine has it broken.
func answer[Q, R any](fake *sdk.Fake, m *machine, op string, result func(Q) R) {
	sdk.Answer(fake, op, func(query Q) (R, error) {
		if slices.Contains(m.broken, op) {
			var none R
			return none, sdk.Fail(abi.Timeout, "This took too long.")
		}
		return result(query), nil
	})
}

func (m *machine) fake() *sdk.Fake {
	fake := sdk.NewFake()
	answer(fake, m, abi.OpMetricsHost, func(abi.MetricsQuery) abi.HostInfo { return m.host })
	answer(fake, m, abi.OpMetricsCPU, func(abi.MetricsQuery) abi.CPUInfo { return m.cpu })
	answer(fake, m, abi.OpMetricsMemory, func(abi.MetricsQuery) abi.MemoryInfo { return m.memory })
	answer(fake, m, abi.OpMetricsUsers, func(abi.MetricsQuery) abi.UserInfo { return m.users })
	answer(fake, m, abi.OpMetricsProcesses, m.list)
	return fake
}

func (m *machine) list(q abi.ProcessQuery) abi.ProcessInfo {
	info := m.processes
	info.Top = slices.Clone(info.Top)
	if q.By == abi.ByMemory {
		slices.Reverse(info.Top)
	}
	info.Top = info.Top[:min(q.Count, len(info.Top))]
	return info
}

func TestReplies(t *testing.T) {
	command := func(name string) sdk.Request { return sdk.Request{Command: name, Time: noon} }
	action := func(name string) sdk.Request { return sdk.Request{Action: name, Time: noon} }
	as := func(spoil func(*machine)) *machine {
		m := healthy()
		spoil(m)
		return m
	}
	for _, test := range []struct {
		name string
		m    *machine
		req  sdk.Request
	}{
		{"server", healthy(), command("server")},
		{"server-in-guest", as(func(m *machine) { m.host = abi.HostInfo{Hostname: "c0ffee", InGuest: true} }), command("server")},
		{"status", healthy(), action("status")},
		{"load", healthy(), command("load")},
		{"load-cores-unknown", as(func(m *machine) { m.host.CPUs = 0 }), command("load")},
		{"cpu", healthy(), command("cpu")},
		{"cpu-little-known", as(func(m *machine) { m.cpu = abi.CPUInfo{Percent: 100.2, Logical: 1, MHz: 700} }), command("cpu")},
		{"cpu-cores", healthy(), action("cpu_cores")},
		{"cpu-cores-none", as(func(m *machine) { m.cpu.PerCore = nil }), action("cpu_cores")},
		{"cpu-times", healthy(), action("cpu_times")},
		{"cpu-top", healthy(), action("cpu_top")},
		{"cpu-top-empty", as(func(m *machine) { m.processes = abi.ProcessInfo{Total: 1} }), action("cpu_top")},
		{"memory", healthy(), command("memory")},
		{"memory-swap", healthy(), action("memory_swap")},
		{"memory-no-swap", as(func(m *machine) { m.memory.Swap = abi.Swap{} }), action("memory_swap")},
		{"uptime", healthy(), command("uptime")},
		{"uptime-users", healthy(), action("uptime_users")},
		{"uptime-nobody", as(func(m *machine) { m.users = abi.UserInfo{} }), action("uptime_users")},
		{"uptime-crowd", as(func(m *machine) { m.users.Users = make([]abi.LoggedIn, maxUsers+1) }), action("uptime_users")},
	} {
		t.Run(test.name, func(t *testing.T) {
			reply, err := Module().Handle(test.m.fake().Host(), test.req)
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, Module(), test.name, reply)
		})
	}
}

// TestEveryViewSaysWhoseFiguresItShows: once inside a container, never outside,
// and with no more than one question for it.
func TestEveryViewSaysWhoseFiguresItShows(t *testing.T) {
	views := maps.Clone(Module().Commands)
	maps.Copy(views, Module().Actions)
	for name, view := range views {
		for _, guest := range []bool{true, false} {
			m := healthy()
			m.host.InGuest = guest
			fake := m.fake()
			reply, err := view(fake.Host(), sdk.Request{Time: noon})
			if err != nil {
				t.Fatal(err)
			}
			golden.Fits(t, Module(), reply)
			said := 0
			for _, b := range reply.Blocks {
				if len(b.Spans) > 0 && b.Spans[0].Text == inGuest {
					said++
				}
			}
			if want := map[bool]int{true: 1}[guest]; said != want {
				t.Errorf("%s, in a container %v: says it %d times", name, guest, said)
			}
			if asked := len(fake.Calls()) - len(slices.DeleteFunc(fake.Calls(), func(op string) bool { return op == abi.OpMetricsHost })); asked != 1 {
				t.Errorf("%s asks %d times about the machine", name, asked)
			}
		}
	}
}

// TestViewsStayWhenTheMachineIsSilent: a view with figures of its own does not
// need to know whose they are.
func TestViewsStayWhenTheMachineIsSilent(t *testing.T) {
	m := healthy()
	m.broken = []string{abi.OpMetricsHost}
	for _, command := range []string{"cpu", "memory"} {
		if reply, err := Module().Handle(m.fake().Host(), sdk.Request{Command: command}); err != nil || len(reply.Blocks) < 3 {
			t.Errorf("%s: %+v, %v", command, reply, err)
		}
	}
}

// TestRefusalsReachTheUser: what has one source fails with that source's
// sentence.
func TestRefusalsReachTheUser(t *testing.T) {
	for name, handler := range Module().Commands {
		refuses(t, name, handler)
	}
	for name, handler := range Module().Actions {
		refuses(t, name, handler)
	}
}

func refuses(t *testing.T, name string, handler sdk.Handler) {
	t.Helper()
	reply, err := handler(sdk.NewFake().Host(), sdk.Request{Time: noon})
	if sdk.CodeOf(err) != abi.Denied || len(reply.Blocks) != 0 || reply.Menu != "" {
		t.Errorf("%s without a grant: %+v, %v; want denied", name, reply, err)
	}
}

func TestPressureHasAWord(t *testing.T) {
	for _, test := range []struct {
		perCore float64
		want    string
	}{{0, "calm"}, {0.69, "calm"}, {0.7, "busy"}, {1, "busy"}, {1.01, "overloaded"}} {
		if got := pressure(test.perCore); got != test.want {
			t.Errorf("pressure(%v) = %s, want %s", test.perCore, got, test.want)
		}
	}
}

func TestManyCoresAreCutToTheBusiest(t *testing.T) {
	perCore := make([]float64, 256)
	perCore[200], perCore[7] = 90, 80
	blocks := coreBlocks(perCore)
	bars := blocks[1].Bars
	if got := blocks[0].Spans[0].Text; got != "The 64 busiest of 256 cores" {
		t.Errorf("says %q", got)
	}
	if len(bars) != maxCores || bars[0].Label != "core 200" || bars[1].Label != "core 7" || bars[2].Label != "core 0" {
		t.Errorf("%d bars, beginning with %+v", len(bars), bars[:3])
	}
}
