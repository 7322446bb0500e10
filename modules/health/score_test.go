package health

import (
	"math"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func TestScore(t *testing.T) {
	state := func(states ...string) (h abi.BotHealth) {
		for _, s := range states {
			h.Components = append(h.Components, abi.Component{Name: "x", State: s})
		}
		return h
	}
	disks := func(percents ...float64) (d abi.DiskInfo) {
		for _, p := range percents {
			d.Mounts = append(d.Mounts, abi.Mount{Percent: p})
		}
		return d
	}
	heat := func(t ...abi.Temperature) abi.SensorInfo { return abi.SensorInfo{Temperatures: t} }
	names := func(n int) []string { return make([]string, n) }
	for _, test := range []struct {
		name string
		f    facts
		want int
	}{
		{"nothing known", facts{}, 100},
		{"parts well", facts{bot: reading[abi.BotHealth]{value: state("ok", "ok")}}, 100},
		{"a part warns", facts{bot: reading[abi.BotHealth]{value: state("ok", "warn")}}, 90},
		{"a part fails", facts{bot: reading[abi.BotHealth]{value: state("fail", "warn")}}, 65},
		{"a part in no known state", facts{bot: reading[abi.BotHealth]{value: state("")}}, 75},
		{"all parts fail", facts{bot: reading[abi.BotHealth]{value: state("fail", "fail", "fail", "fail", "fail")}}, 0},
		{"load 0.99", facts{machine: reading[abi.HostInfo]{value: abi.HostInfo{Load5: 3.96, CPUs: 4}}}, 100},
		{"load 1", facts{machine: reading[abi.HostInfo]{value: abi.HostInfo{Load5: 4, CPUs: 4}}}, 95},
		{"load 2", facts{machine: reading[abi.HostInfo]{value: abi.HostInfo{Load5: 8, CPUs: 4}}}, 85},
		{"load of unknown cores", facts{machine: reading[abi.HostInfo]{value: abi.HostInfo{Load5: 800}}}, 100},
		{"memory 84.9", facts{memory: reading[abi.MemoryInfo]{value: abi.MemoryInfo{Percent: 84.9}}}, 100},
		{"memory 85", facts{memory: reading[abi.MemoryInfo]{value: abi.MemoryInfo{Percent: 85}}}, 90},
		{"memory 95", facts{memory: reading[abi.MemoryInfo]{value: abi.MemoryInfo{Percent: 95}}}, 80},
		{"memory is no number", facts{memory: reading[abi.MemoryInfo]{value: abi.MemoryInfo{Percent: math.NaN()}}}, 100},
		{"disks", facts{disk: reading[abi.DiskInfo]{value: disks(10, 84)}}, 100},
		{"the fullest disk counts", facts{disk: reading[abi.DiskInfo]{value: disks(86, 96, 97)}}, 80},
		{"a disk that hangs", facts{disk: reading[abi.DiskInfo]{value: abi.DiskInfo{Hanging: []string{"/a"}}}}, 90},
		{"many disks that hang", facts{disk: reading[abi.DiskInfo]{value: abi.DiskInfo{Hanging: names(50)}}}, 60},
		{"below its high", facts{sensors: reading[abi.SensorInfo]{value: heat(abi.Temperature{Current: 99, High: 100, Critical: 110})}}, 100},
		{"at its high", facts{sensors: reading[abi.SensorInfo]{value: heat(abi.Temperature{Current: 60, High: 60, Critical: 70})}}, 90},
		{"at its critical", facts{sensors: reading[abi.SensorInfo]{value: heat(abi.Temperature{Current: 70, High: 60, Critical: 70}, abi.Temperature{Current: 84})}}, 80},
		{"85 without limits", facts{sensors: reading[abi.SensorInfo]{value: heat(abi.Temperature{Current: 85})}}, 90},
		{"95 without limits", facts{sensors: reading[abi.SensorInfo]{value: heat(abi.Temperature{Current: 95})}}, 80},
		{"pressure", facts{pressure: reading[abi.PressureInfo]{value: abi.PressureInfo{Known: true,
			CPU: abi.Pressure{Some60: 49.9}, Memory: abi.Pressure{Some60: 9.9}, IO: abi.Pressure{Some60: 29.9}}}}, 100},
		{"pressure on all", facts{pressure: reading[abi.PressureInfo]{value: abi.PressureInfo{Known: true,
			CPU: abi.Pressure{Some60: 50}, Memory: abi.Pressure{Some60: 10}, IO: abi.Pressure{Some60: 30}}}}, 80},
		{"a sick container", facts{docker: reading[[]workload]{value: []workload{{unhealthy: names(1)}}}}, 95},
		{"three of each", facts{docker: reading[[]workload]{value: []workload{{unhealthy: names(3), restarting: names(3), dead: names(3)}}}}, 80},
		{"two engines", facts{docker: reading[[]workload]{value: []workload{{unhealthy: names(9)}, {restarting: names(2)}}}}, 70},
	} {
		if got := score(concerns(test.f)); got != test.want {
			t.Errorf("%s: %d, want %d", test.name, got, test.want)
		}
	}
}

// What no points are left for is told all the same.
func TestEverySickContainerIsTold(t *testing.T) {
	found := ofContainers([]workload{{unhealthy: make([]string, 9), restarting: make([]string, 9), dead: make([]string, 1)}})
	if len(found) != 3 || found[0].points != sickAtMost || found[1].points != 0 || found[2].points != 0 {
		t.Errorf("%+v", found)
	}
}

func TestTheMostUrgentComesFirst(t *testing.T) {
	w := ill()
	wrong := concerns(gather(w.fake().Host()))
	for i := 1; i < len(wrong); i++ {
		if wrong[i].points > wrong[i-1].points {
			t.Errorf("%d points behind %d", wrong[i].points, wrong[i-1].points)
		}
	}
	if first := wrong[0].what[0].Text; first != "Docker on nas: The engine does not answer." || len(wrong) != 15 {
		t.Errorf("%d, the first is %q", len(wrong), first)
	}
}
