package health

import (
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
)

const noon = 1_767_268_800_000

// world is what a test's host answers; a test spoils what it is about.
type world struct {
	health   abi.BotHealth
	machine  abi.HostInfo
	memory   abi.MemoryInfo
	disk     abi.DiskInfo
	sensors  abi.SensorInfo
	pressure abi.PressureInfo
	hosts    []string
	lists    map[string]abi.ContainerList
	commands []string
	// broken are operations that time out.
	broken []string
}

func part(name, state, detail, advice string) abi.Component {
	return abi.Component{Name: name, State: state, Detail: detail, Advice: advice}
}

func well() *world {
	return &world{
		health: abi.BotHealth{Version: "1.2.3", Started: noon - 3_600_000, Memory: 60 << 20, Goroutines: 41, Components: []abi.Component{
			part("Telegram, receiving", abi.HealthOK, "The bot asks Telegram for updates.", ""),
			{Name: "Docker", State: abi.HealthOK, Detail: "Engine 28.0.0 answers in 1.2 ms.", Endpoint: "local"},
			part("State", abi.HealthOK, "It can be written; 1 update is under way.", ""),
			part("Modules", abi.HealthOK, "7 modules loaded.", ""),
		}},
		machine: abi.HostInfo{Load5: 1.2, CPUs: 4},
		memory:  abi.MemoryInfo{Total: 16 << 30, Percent: 41},
		disk: abi.DiskInfo{Mounts: []abi.Mount{
			{Path: "/", Total: 40 << 30, Percent: 30}, {Path: "/var/lib/docker", Total: 100 << 30, Percent: 71}}},
		sensors: abi.SensorInfo{Temperatures: []abi.Temperature{
			{Name: "coretemp core 0", Current: 61, High: 80, Critical: 100}, {Name: "nvme", Current: 38.5}}},
		pressure: abi.PressureInfo{Known: true, CPU: abi.Pressure{Some60: 1.25}, IO: abi.Pressure{Some60: 0.3}},
		hosts:    []string{"local"},
		lists: map[string]abi.ContainerList{"local": {Total: 14, Running: 12, Containers: []abi.Container{
			{Name: "web", State: "running", Health: "healthy"}, {Name: "old", State: "exited"}, {Name: "idle", State: "paused"}}}},
		commands: []string{"load", "memory", "filesystem", "sensors", "docker", "containers", "modules"},
	}
}

// ill is a world in which everything is wrong that can be.
func ill() *world {
	w := well()
	w.health.Components = []abi.Component{
		{Name: "Telegram, receiving", State: abi.HealthWarn, Detail: "The webhook does not work.", Advice: "Look at the proxy.", Since: noon - 600_000},
		{Name: "Docker on local", State: abi.HealthOK, Endpoint: "local"},
		{Name: "Docker on nas", State: abi.HealthFail, Detail: "The engine does not answer.", Advice: "Look whether it runs.", Endpoint: "nas", Since: noon - 60_000},
		part("State", abi.HealthFail, "The state cannot be written.", "Make room."),
		part("Modules", abi.HealthWarn, "6 modules loaded; not loaded: x.", "See the log."),
	}
	w.machine, w.memory.Percent = abi.HostInfo{Load5: 9, CPUs: 4, InGuest: true}, 96.2
	w.disk.Mounts[1].Percent, w.disk.Hanging = 97.5, []string{"/mnt/nas"}
	w.sensors.Temperatures[1].Current = 96
	w.pressure = abi.PressureInfo{Known: true, CPU: abi.Pressure{Some60: 80}, Memory: abi.Pressure{Some60: 22}, IO: abi.Pressure{Some60: 55.5}}
	w.hosts = []string{"local", "nas"}
	list := abi.ContainerList{Total: 9, Running: 3}
	for _, name := range []string{"a", "b", "c", "d", "e", "f"} {
		list.Containers = append(list.Containers, abi.Container{Name: name, State: "running", Health: "unhealthy"})
	}
	list.Containers = append(list.Containers, abi.Container{Name: "loop\n✅ fine", State: "restarting"}, abi.Container{Name: "gone", State: "dead"})
	w.lists["local"] = list
	return w
}

// asUser is what a user is told instead of an admin: the same without advice.
func asUser(w *world) *world {
	for i := range w.health.Components {
		w.health.Components[i].Advice = ""
	}
	w.commands = []string{"load", "containers"}
	return w
}

// answer lets op answer with result, unless the world has it broken.
func answer[Q, R any](fake *sdk.Fake, w *world, op string, result func(Q) R) {
	sdk.Answer(fake, op, func(query Q) (R, error) {
		if slices.Contains(w.broken, op) {
			var none R
			return none, sdk.Fail(abi.Timeout, "This took too long.")
		}
		return result(query), nil
	})
}

func (w *world) fake() *sdk.Fake {
	fake := sdk.NewFake()
	answer(fake, w, abi.OpBotHealth, func(abi.BotQuery) abi.BotHealth { return w.health })
	answer(fake, w, abi.OpMetricsHost, func(abi.MetricsQuery) abi.HostInfo { return w.machine })
	answer(fake, w, abi.OpMetricsMemory, func(abi.MetricsQuery) abi.MemoryInfo { return w.memory })
	answer(fake, w, abi.OpMetricsDisk, func(abi.MetricsQuery) abi.DiskInfo { return w.disk })
	answer(fake, w, abi.OpMetricsSensors, func(abi.MetricsQuery) abi.SensorInfo { return w.sensors })
	answer(fake, w, abi.OpMetricsPressure, func(abi.MetricsQuery) abi.PressureInfo { return w.pressure })
	answer(fake, w, abi.OpDockerHosts, func(abi.DockerQuery) abi.DockerHosts { return abi.DockerHosts{Names: w.hosts} })
	answer(fake, w, abi.OpContainerList, func(q abi.ContainerQuery) abi.ContainerList { return w.lists[q.Host] })
	answer(fake, w, abi.OpBotModules, func(abi.BotQuery) (info abi.BotInfo) {
		for _, name := range w.commands {
			info.Commands = append(info.Commands, abi.BotCommand{Name: name})
		}
		return info
	})
	return fake
}

// everything are the sources of the view.
var everything = []string{
	abi.OpBotHealth, abi.OpMetricsHost, abi.OpMetricsMemory, abi.OpMetricsDisk, abi.OpMetricsSensors, abi.OpMetricsPressure, abi.OpDockerHosts,
}

func with(w *world, spoil func(*world)) *world {
	spoil(w)
	return w
}

func TestReplies(t *testing.T) {
	command, action := sdk.Request{Command: "health", Time: noon}, func(name string) sdk.Request { return sdk.Request{Action: name, Time: noon} }
	for _, test := range []struct {
		name string
		w    *world
		req  sdk.Request
	}{
		{"health", well(), command},
		{"health-ill", ill(), command},
		{"health-ill-to-users", asUser(ill()), command},
		{"health-unknown", with(well(), func(w *world) { w.broken = append(everything, abi.OpBotModules) }), command},
		{"health-little-there", with(well(), func(w *world) {
			*w = world{hosts: []string{"local"}, lists: map[string]abi.ContainerList{}}
		}), command},
		{"health-list-fails", with(well(), func(w *world) { w.broken = []string{abi.OpContainerList} }), command},
		{"parts", well(), action("health_parts")},
		{"parts-ill", ill(), action("health_parts")},
		{"parts-none", &world{}, action("health_parts")},
		{"score", well(), action("health_score")},
		{"score-ill", ill(), action("health_score")},
		{"score-unknown", with(well(), func(w *world) { w.broken = everything }), action("health_score")},
	} {
		t.Run(test.name, func(t *testing.T) {
			reply, err := Module().Handle(test.w.fake().Host(), test.req)
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, Module(), test.name, reply)
		})
	}
}

func TestOneSourceThatFailsCostsOneLine(t *testing.T) {
	for op, line := range map[string]string{
		abi.OpBotHealth: "The bot", abi.OpMetricsHost: "Load", abi.OpMetricsMemory: "Memory", abi.OpMetricsDisk: "Fullest disk",
		abi.OpMetricsSensors: "Hottest", abi.OpMetricsPressure: "Pressure, last minute", abi.OpDockerHosts: "Docker", abi.OpContainerList: "Containers",
	} {
		w := with(well(), func(w *world) { w.broken = []string{op} })
		reply, err := Module().Handle(w.fake().Host(), sdk.Request{Command: "health"})
		if err != nil {
			t.Fatalf("%s: %v", op, err)
		}
		var failed []string
		for _, b := range reply.Blocks {
			for _, f := range b.Fields {
				if f.Value[0].Text == "This took too long." {
					failed = append(failed, f.Name)
				}
			}
		}
		if !slices.Equal(failed, []string{line}) {
			t.Errorf("%s: failed lines %v, want %s", op, failed, line)
		}
		if title := reply.Blocks[0].Spans[0].Text; !strings.HasSuffix(title, "100 of 100, as far as known") {
			t.Errorf("%s: %s", op, title)
		}
	}
}

// An engine that hangs would take seconds to say once more what is known.
func TestAnEngineThatIsAwayIsNotAskedAgain(t *testing.T) {
	fake := ill().fake()
	if _, err := Module().Handle(fake.Host(), sdk.Request{Command: "health"}); err != nil {
		t.Fatal(err)
	}
	asked := 0
	for _, op := range fake.Calls() {
		if op == abi.OpContainerList {
			asked++
		}
	}
	if asked != 1 {
		t.Errorf("%d of two engines were asked for containers", asked)
	}
}

func TestButtonsLeadWhereTheUserMayGo(t *testing.T) {
	for _, test := range []struct {
		commands []string
		want     string
	}{
		{nil, ""},
		{[]string{"filesystem"}, "filesystem"},
		{[]string{"modules", "containers", "docker", "load"}, "docker load containers modules"},
	} {
		w := with(ill(), func(w *world) { w.commands = test.commands })
		reply, err := Module().Handle(w.fake().Host(), sdk.Request{Command: "health"})
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, row := range reply.Keyboard {
			for _, b := range row {
				if b.Command != "" && b.Command != "health" {
					got = append(got, b.Command)
				}
			}
		}
		if strings.Join(got, " ") != test.want {
			t.Errorf("with %v: buttons to %v, want %s", test.commands, got, test.want)
		}
	}
}

func TestManyOfEverythingFitsOneReply(t *testing.T) {
	w := ill()
	for range 100 {
		w.health.Components = append(w.health.Components, part(strings.Repeat("n", 300), "odd", strings.Repeat("d", 3000), strings.Repeat("a", 3000)))
		w.disk.Hanging = append(w.disk.Hanging, strings.Repeat("/x", 500))
		w.hosts = append(w.hosts, strings.Repeat("h", 300))
	}
	for _, req := range []sdk.Request{{Command: "health"}, {Action: "health_parts"}, {Action: "health_score"}} {
		reply, err := Module().Handle(w.fake().Host(), req)
		if err != nil {
			t.Fatal(err)
		}
		golden.Fits(t, Module(), reply)
	}
}
