package quick

import (
	"maps"
	"slices"
	"strconv"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

const noon = 1_767_268_800_000

// machine is what a test's host answers; a test spoils what it is about.
type machine struct {
	host      abi.HostInfo
	cpu       abi.CPUInfo
	memory    abi.MemoryInfo
	disk      abi.DiskInfo
	sensors   abi.SensorInfo
	processes abi.ProcessInfo
	docker    abi.DockerInfo
	// broken are operations that time out.
	broken []string
}

func healthy() *machine {
	return &machine{
		host: abi.HostInfo{Hostname: "box-1", OS: "Debian GNU/Linux 12", Kernel: "6.1.0-18-amd64", Uptime: 273_900,
			BootTime: noon - 273_900_000, Load1: 0.42, Load5: 3.1, Load15: 4.5, CPUs: 4},
		cpu: abi.CPUInfo{Percent: 12.34, PerCore: []float64{3, 40.5, 0, 5.9}, Logical: 4, Physical: 2, Model: "Some CPU", MHz: 2400, WindowMS: 1200},
		memory: abi.MemoryInfo{Total: 4 << 30, Used: 1 << 30, Free: 512 << 20, Available: 2 << 30, Percent: 50, Active: 1 << 30,
			Inactive: 700 << 20, Cached: 1500 << 20, Buffers: 10 << 20, Shared: 3 << 20},
		disk: abi.DiskInfo{Mounts: []abi.Mount{
			{Path: "/", Device: "/dev/sda1", Type: "ext4", Total: 40 << 30, Used: 12 << 30, Free: 28 << 30, Percent: 30},
			{Path: "/var/lib/docker", Device: "/dev/sdb1", Type: "xfs", Total: 100 << 30, Used: 99 << 30, Free: 1 << 30, Percent: 99}}},
		sensors: abi.SensorInfo{Temperatures: []abi.Temperature{
			{Name: "coretemp core 0", Current: 45, High: 80, Critical: 100},
			{Name: "coretemp core 1", Current: 85, High: 80, Critical: 100},
			{Name: "coretemp core 2", Current: 101, High: 80, Critical: 100},
			{Name: "nvme", Current: 38.5}}},
		processes: abi.ProcessInfo{Total: 120, Running: 2, Sleeping: 100, Idle: 17, Zombie: 1, Top: []abi.Process{
			{PID: 4321, Name: "PostGres", User: "postgres", CPUPercent: 123.4, Memory: 300 << 20, MemoryPercent: 7.3},
			{PID: 1, Name: "init\n✅ fine", CPUPercent: 0.1, Memory: 4 << 20, MemoryPercent: 0.1}}},
		docker: abi.DockerInfo{Containers: 7, Running: 5, Images: 12},
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
	answer(fake, m, abi.OpMetricsDisk, func(abi.MetricsQuery) abi.DiskInfo { return m.disk })
	answer(fake, m, abi.OpMetricsSensors, func(abi.MetricsQuery) abi.SensorInfo { return m.sensors })
	answer(fake, m, abi.OpDockerInfo, func(abi.DockerQuery) abi.DockerInfo { return m.docker })
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
	action := func(name string) sdk.Request { return sdk.Request{Action: name, Time: noon} }
	as := func(spoil func(*machine)) *machine {
		m := healthy()
		spoil(m)
		return m
	}
	quick := sdk.Request{Command: "quick", Time: noon}
	for _, test := range []struct {
		name string
		m    *machine
		req  sdk.Request
	}{
		{"quick", healthy(), quick},
		{"quick-docker-away", as(func(m *machine) { m.broken = []string{abi.OpDockerInfo} }), quick},
		{"quick-nothing-known", as(func(m *machine) { m.broken = everything }), quick},
		{"quick-overview", healthy(), action("quick_overview")},
		{"quick-overview-no-processes", as(func(m *machine) { m.broken = []string{abi.OpMetricsProcesses} }), action("quick_overview")},
		{"quick-overview-little-known", as(func(m *machine) { m.host = abi.HostInfo{Hostname: "c0ffee", InGuest: true} }), action("quick_overview")},
		{"quick-memory", healthy(), action("quick_memory")},
		{"quick-temperature", healthy(), action("quick_temperature")},
		{"quick-temperature-none", as(func(m *machine) { m.sensors = abi.SensorInfo{} }), action("quick_temperature")},
		{"quick-cpu", healthy(), action("quick_cpu")},
		{"quick-cpu-little-known", as(func(m *machine) { m.cpu = abi.CPUInfo{Percent: 100.2, Logical: 1, MHz: 700}; m.processes.Top = nil }), action("quick_cpu")},
		{"quick-cpu-no-processes", as(func(m *machine) { m.broken = []string{abi.OpMetricsProcesses} }), action("quick_cpu")},
		{"quick-disk", healthy(), action("quick_disk")},
		{"quick-disk-hanging", as(func(m *machine) { m.disk = abi.DiskInfo{Hanging: []string{"/mnt/nas"}} }), action("quick_disk")},
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

// everything are the sources of the quick view.
var everything = []string{abi.OpMetricsHost, abi.OpMetricsCPU, abi.OpMetricsMemory, abi.OpMetricsProcesses, abi.OpDockerInfo}

func TestTheRestStaysWhenOneFigureFails(t *testing.T) {
	for op, lines := range map[string][]string{
		abi.OpMetricsHost:      {"Uptime", "Load"},
		abi.OpMetricsCPU:       {"CPU"},
		abi.OpMetricsMemory:    {"Memory"},
		abi.OpMetricsProcesses: {"Processes"},
		abi.OpDockerInfo:       {"Docker"},
	} {
		m := healthy()
		m.broken = []string{op}
		reply, err := Module().Handle(m.fake().Host(), sdk.Request{Command: "quick"})
		if err != nil {
			t.Fatal(err)
		}
		var failed []string
		for _, f := range reply.Blocks[1].Fields {
			if f.Value[0].Text == "This took too long." {
				failed = append(failed, f.Name)
			}
		}
		if !slices.Equal(failed, lines) || len(reply.Blocks[1].Fields) < 6 {
			t.Errorf("%s: failed lines %v of %d, want %v", op, failed, len(reply.Blocks[1].Fields), lines)
		}
	}
}

// Once inside a container, never outside, and with no more than one question for
// it.
func TestEveryPageSaysWhoseFiguresItShows(t *testing.T) {
	pages := maps.Clone(Module().Commands)
	maps.Copy(pages, Module().Actions)
	for name, page := range pages {
		for _, guest := range []bool{true, false} {
			m := healthy()
			m.host.InGuest = guest
			fake := m.fake()
			reply, err := page(fake.Host(), sdk.Request{Time: noon})
			if err != nil {
				t.Fatal(err)
			}
			golden.Fits(t, Module(), reply)
			said, asked := 0, 0
			for _, b := range reply.Blocks {
				if len(b.Spans) > 0 && b.Spans[0].Text == texts.InGuest {
					said++
				}
			}
			for _, op := range fake.Calls() {
				if op == abi.OpMetricsHost {
					asked++
				}
			}
			if want := map[bool]int{true: 1}[guest]; said != want || asked != 1 {
				t.Errorf("%s, in a container %v: says it %d times, and asks %d times", name, guest, said, asked)
			}
		}
	}
}

// A page with figures of its own does not need to know whose they are.
func TestPagesStayWhenTheMachineIsSilent(t *testing.T) {
	m := healthy()
	m.broken = []string{abi.OpMetricsHost}
	for _, action := range []string{"quick_cpu", "quick_memory", "quick_disk", "quick_temperature"} {
		if reply, err := Module().Handle(m.fake().Host(), sdk.Request{Action: action}); err != nil || len(reply.Blocks) < 3 {
			t.Errorf("%s: %+v, %v", action, reply, err)
		}
	}
}

// What has one source fails with that source's sentence.
func TestRefusalsReachTheUser(t *testing.T) {
	for name, page := range Module().Actions {
		reply, err := page(sdk.NewFake().Host(), sdk.Request{Time: noon})
		if sdk.CodeOf(err) != abi.Denied || len(reply.Blocks) != 0 {
			t.Errorf("%s without a grant: %+v, %v; want denied", name, reply, err)
		}
	}
}

func TestLoadHasAWord(t *testing.T) {
	for _, test := range []struct {
		one  float64
		want string
	}{{0, ", calm"}, {2.76, ", calm"}, {2.8, ", busy"}, {4, ", busy"}, {4.01, ", overloaded"}} {
		if got := texts.QuickLoads(test.one, 1, 1, 4); got != sdk.Decimal(test.one, 2)+" 1.00 1.00"+test.want {
			t.Errorf("a load of %v on 4 cores: %s", test.one, got)
		}
	}
	if got := texts.QuickLoads(9, 1, 1, 0); got != "9.00 1.00 1.00" {
		t.Errorf("on an unknown number of cores: %s", got)
	}
}

func TestLongListsStayWithinOneReply(t *testing.T) {
	m := healthy()
	m.disk.Mounts = make([]abi.Mount, 100)
	for i := range 30 {
		m.disk.Hanging = append(m.disk.Hanging, "/mnt/"+strconv.Itoa(i))
	}
	m.sensors.Temperatures = make([]abi.Temperature, 200)
	for action, sentences := range map[string][]string{
		"quick_disk":        {"and 80 more file systems", "and 20 more hanging mounts"},
		"quick_temperature": {"and 160 more sensors"},
	} {
		reply, err := Module().Handle(m.fake().Host(), sdk.Request{Action: action})
		if err != nil {
			t.Fatal(err)
		}
		golden.Fits(t, Module(), reply)
		for _, want := range sentences {
			if !slices.ContainsFunc(reply.Blocks, func(b sdk.Block) bool { return len(b.Spans) > 0 && b.Spans[0].Text == want }) {
				t.Errorf("%s does not say %q", action, want)
			}
		}
	}
}
