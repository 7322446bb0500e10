package server

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

const noon = 1_767_268_800_000

// machine is what a test's host answers; a test spoils what it is about.
type machine struct {
	host      abi.HostInfo
	pressure  abi.PressureInfo
	cpu       abi.CPUInfo
	memory    abi.MemoryInfo
	sensors   abi.SensorInfo
	processes abi.ProcessInfo
	users     abi.UserInfo
	// broken are operations that time out.
	broken []string
}

func healthy() *machine {
	return &machine{
		host: abi.HostInfo{Hostname: "box-1", OS: "Debian GNU/Linux 12", Kernel: "6.1.0-18-amd64", Uptime: 273_900,
			BootTime: noon - 273_900_000, Load1: 0.42, Load5: 3.1, Load15: 4.5, CPUs: 4},
		pressure: abi.PressureInfo{Known: true, CPU: abi.Pressure{Some60: 1.25}, IO: abi.Pressure{Some60: 40, Full60: 12}},
		cpu: abi.CPUInfo{Percent: 12.34, PerCore: []float64{3, 40.5, 0, 5.9}, Logical: 4, Physical: 2, Model: "Some CPU", MHz: 2400,
			Times: abi.CPUTimes{User: 8, System: 3, Idle: 87.66, IOWait: 1, Steal: 0.34}, WindowMS: 1200},
		memory: abi.MemoryInfo{Total: 4 << 30, Used: 1 << 30, Free: 512 << 20, Available: 2 << 30, Percent: 50, Active: 1 << 30,
			Inactive: 700 << 20, Cached: 1500 << 20, Buffers: 10 << 20, Shared: 3 << 20,
			Swap: abi.Swap{Total: 1 << 30, Used: 256 << 20, Free: 768 << 20, Percent: 25, In: 4096, Out: 8192}},
		sensors: abi.SensorInfo{Temperatures: []abi.Temperature{
			{Name: "coretemp Core 0", Current: 45, High: 80, Critical: 100},
			{Name: "coretemp Core 1", Current: 85, High: 80, Critical: 100},
			{Name: "coretemp Core 2", Current: 101, High: 80, Critical: 100},
			{Name: "nvme", Current: 38.5}}, Fans: []abi.Fan{{Name: "it8720 fan1", RPM: 1200}, {Name: "it8720 fan2"}}},
		processes: abi.ProcessInfo{Total: 120, Running: 2, Sleeping: 100, Idle: 17, Zombie: 1, Top: []abi.Process{
			{PID: 4321, Name: "PostGres", User: "postgres", CPUPercent: 123.4, Memory: 300 << 20, MemoryPercent: 7.3},
			{PID: 1, Name: "init\n✅ fine", CPUPercent: 0.1, Memory: 4 << 20, MemoryPercent: 0.1}}},
		users: abi.UserInfo{Users: []abi.LoggedIn{
			{User: "root", Terminal: "pts/0", From: "192.0.2.7", Since: noon - 60_000}, {User: "ada", Since: noon - 3_600_000}}},
	}
}

// many has as much of everything as a host can answer, with the longest names.
func many() *machine {
	m := healthy()
	long := strings.Repeat("ö", 256)
	m.host.Hostname, m.host.OS, m.host.Kernel = long[:255], long[:128], long[:128]
	m.cpu.PerCore, m.cpu.Model = make([]float64, 256), long[:128]
	m.cpu.PerCore[200], m.cpu.PerCore[7] = 90, 80
	m.cpu.Logical = 256
	m.sensors = abi.SensorInfo{}
	for i := range 128 {
		m.sensors.Temperatures = append(m.sensors.Temperatures, abi.Temperature{Name: long, Current: float64(i), High: 250, Critical: 260})
	}
	for range 200 {
		m.sensors.Fans = append(m.sensors.Fans, abi.Fan{Name: long, RPM: 100_000})
	}
	m.processes.Top = nil
	for i := range 10 {
		m.processes.Top = append(m.processes.Top, abi.Process{PID: int32(4_000_000 + i), Name: long[:64], User: long[:64], CPUPercent: 25600, Memory: 1 << 62, MemoryPercent: 100})
	}
	for range 256 {
		m.users.Users = append(m.users.Users, abi.LoggedIn{User: long[:64], Terminal: long[:64], From: long, Since: noon})
	}
	return m
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
	answer(fake, m, abi.OpMetricsPressure, func(abi.MetricsQuery) abi.PressureInfo { return m.pressure })
	answer(fake, m, abi.OpMetricsCPU, func(abi.MetricsQuery) abi.CPUInfo { return m.cpu })
	answer(fake, m, abi.OpMetricsMemory, func(abi.MetricsQuery) abi.MemoryInfo { return m.memory })
	answer(fake, m, abi.OpMetricsSensors, func(abi.MetricsQuery) abi.SensorInfo { return m.sensors })
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
	page := func(name, number string) sdk.Request {
		return sdk.Request{Action: name, Args: map[string]string{"page": number}, Time: noon}
	}
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
		{"status", healthy(), sdk.Request{Command: "server", Text: "view", Time: noon}}, // from another module's view: in its place
		{"load", healthy(), command("load")},
		{"load-cores-unknown", as(func(m *machine) { m.host.CPUs = 0 }), command("load")},
		{"load-no-pressure", as(func(m *machine) { m.pressure = abi.PressureInfo{} }), command("load")},
		{"load-no-pressure", as(func(m *machine) { m.broken = []string{abi.OpMetricsPressure} }), command("load")},
		{"cpu", healthy(), command("cpu")},
		{"cpu-little-known", as(func(m *machine) { m.cpu = abi.CPUInfo{Percent: 100.2, Logical: 1, MHz: 700} }), command("cpu")},
		{"cpu-cores", healthy(), action("cpu_cores")},
		{"cpu-cores-none", as(func(m *machine) { m.cpu.PerCore = nil }), action("cpu_cores")},
		{"cpu-cores-256", many(), page("cpu_cores", "7")},
		{"cpu-times", healthy(), action("cpu_times")},
		{"cpu-top", healthy(), action("cpu_top")},
		{"cpu-top-empty", as(func(m *machine) { m.processes = abi.ProcessInfo{Total: 1} }), action("cpu_top")},
		{"memory", healthy(), command("memory")},
		{"memory-swap", healthy(), action("memory_swap")},
		{"memory-no-swap", as(func(m *machine) { m.memory.Swap = abi.Swap{} }), action("memory_swap")},
		{"sensors", healthy(), command("sensors")},
		{"sensors-none", as(func(m *machine) { m.sensors = abi.SensorInfo{} }), command("sensors")},
		{"sensors-only-fans", as(func(m *machine) { m.sensors.Temperatures = nil }), command("sensors")},
		{"sensors-128", many(), page("sensors", "3")},
		{"process", healthy(), command("process")},
		{"process-cpu", healthy(), action("process_cpu")},
		{"process-memory", healthy(), action("process_memory")},
		{"uptime", healthy(), command("uptime")},
		{"uptime-users", healthy(), action("uptime_users")},
		{"uptime-nobody", as(func(m *machine) { m.users = abi.UserInfo{} }), action("uptime_users")},
		{"uptime-crowd", as(func(m *machine) { m.users.Users = make([]abi.LoggedIn, usersPerPage+1) }), page("uptime_users", "2")},
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

// views are all of the module's, by name.
func views() map[string]sdk.Handler {
	all := maps.Clone(Module().Commands)
	maps.Copy(all, Module().Actions)
	return all
}

// TestEveryViewSaysWhoseFiguresItShows: once inside a container, never outside,
// and with no more than one question for it.
func TestEveryViewSaysWhoseFiguresItShows(t *testing.T) {
	for name, show := range views() {
		for _, guest := range []bool{true, false} {
			m := healthy()
			m.host.InGuest = guest
			fake := m.fake()
			reply, err := show(fake.Host(), sdk.Request{Time: noon})
			if err != nil {
				t.Fatal(err)
			}
			golden.Fits(t, Module(), reply)
			said := 0
			for _, b := range reply.Blocks {
				if len(b.Spans) > 0 && b.Spans[0].Text == texts.InGuest {
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

// TestEveryViewIsFreshAndLeadsBack: its time, a button that shows it again, and
// one that leads on.
func TestEveryViewIsFreshAndLeadsBack(t *testing.T) {
	for name, show := range views() {
		reply, err := show(healthy().fake().Host(), sdk.Request{Time: noon})
		if err != nil {
			t.Fatal(err)
		}
		if last := reply.Blocks[len(reply.Blocks)-1]; len(last.Spans) != 2 || last.Spans[1].Time != noon {
			t.Errorf("%s does not say when it was made: %+v", name, last)
		}
		if reply.Menu != "" {
			continue // the section's keyboard leads on
		}
		row := reply.Keyboard[len(reply.Keyboard)-1]
		if again := row[0]; again.Label != texts.Refresh || again.Action != name && again.Command != name {
			t.Errorf("%s is shown again by %+v", name, again)
		}
		if name != "status" && (len(row) != 2 || row[1].Label != texts.Back) {
			t.Errorf("%s has no way back: %+v", name, row)
		}
	}
}

// TestEveryPageIsOneMessage: what a machine can have at most is on pages of 4,096
// units each (Bot API, sendMessage).
func TestEveryPageIsOneMessage(t *testing.T) {
	for name, show := range views() {
		for page := range 30 {
			reply, err := show(many().fake().Host(), sdk.Request{Args: map[string]string{"page": strconv.Itoa(page + 1)}, Time: noon})
			if err != nil {
				t.Fatal(err)
			}
			golden.Fits(t, Module(), reply)
			if n := length(reply); n > 4000 {
				t.Errorf("%s, page %d has some %d units", name, page+1, n)
			}
		}
	}
}

// length is about what the host makes of a reply, in UTF-16 units.
func length(reply sdk.Reply) (n int) {
	units := func(text string) int { return len(utf16.Encode([]rune(text))) }
	spans := func(list []sdk.Span) {
		for _, s := range list {
			n += units(s.Text)
			if s.Time > 0 {
				n += len("2006-01-02 15:04:05 MEST")
			}
		}
	}
	for _, b := range reply.Blocks {
		n += 2
		spans(b.Spans)
		for _, f := range b.Fields {
			n += units(f.Name) + 3
			spans(f.Value)
		}
		for _, bar := range b.Bars {
			n += units(bar.Label) + 2 + 10 + 2 + max(units(bar.Text), 5) + 1
		}
	}
	return n
}

// TestViewsStayWhenTheMachineIsSilent: a view with figures of its own does not
// need to know whose they are.
func TestViewsStayWhenTheMachineIsSilent(t *testing.T) {
	m := healthy()
	m.broken = []string{abi.OpMetricsHost}
	for _, command := range []string{"cpu", "memory", "sensors", "process"} {
		if reply, err := Module().Handle(m.fake().Host(), sdk.Request{Command: command}); err != nil || len(reply.Blocks) < 3 {
			t.Errorf("%s: %+v, %v", command, reply, err)
		}
	}
}

// TestRefusalsReachTheUser: what has one source fails with that source's
// sentence.
func TestRefusalsReachTheUser(t *testing.T) {
	for name, show := range views() {
		reply, err := show(sdk.NewFake().Host(), sdk.Request{Time: noon})
		if sdk.CodeOf(err) != abi.Denied || len(reply.Blocks) != 0 || reply.Menu != "" {
			t.Errorf("%s without a grant: %+v, %v; want denied", name, reply, err)
		}
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

// On a machine with many cores, those that are busy are named on every page.
func TestTheBusiestCoresAreNamed(t *testing.T) {
	reply, err := cpuCores(many().fake().Host(), sdk.Request{})
	if err != nil {
		t.Fatal(err)
	}
	if got := reply.Blocks[1].Spans[0].Text; got != "Busiest of 256 cores: 200 (90 %), 7 (80 %), 0 (0 %), 1 (0 %), 2 (0 %)" {
		t.Errorf("says %q", got)
	}
	if bars := reply.Blocks[2].Bars; len(bars) != coresPerPage || bars[31].Label != "core 31" {
		t.Errorf("the first page has %d bars", len(bars))
	}
}
