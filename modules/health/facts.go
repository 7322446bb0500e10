package health

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// reading is what a source said, or why it said nothing.
type reading[T any] struct {
	value T
	err   error
}

func read[T any](value T, err error) reading[T] { return reading[T]{value, err} }

// facts are what the health is made of.
type facts struct {
	bot      reading[abi.BotHealth]
	machine  reading[abi.HostInfo]
	memory   reading[abi.MemoryInfo]
	disk     reading[abi.DiskInfo]
	sensors  reading[abi.SensorInfo]
	pressure reading[abi.PressureInfo]
	docker   reading[[]workload]
	// commands are those that the user may run; what is not there is no button.
	commands map[string]bool
}

// workload is what an endpoint's containers do. Containers with something wrong
// are named.
type workload struct {
	endpoint string
	// away is set if the bot's own look found that nobody answers.
	away                        bool
	err                         error
	total, running, paused      int
	unhealthy, restarting, dead []string
}

// maxEndpoints bounds how many engines are asked in one view.
const maxEndpoints = 8

func gather(host sdk.Host) facts {
	f := facts{
		bot:      read(host.Health()),
		machine:  read(host.Machine(abi.MetricsQuery{})),
		memory:   read(host.Memory(abi.MetricsQuery{})),
		disk:     read(host.Disk(abi.MetricsQuery{})),
		sensors:  read(host.Sensors(abi.MetricsQuery{})),
		pressure: read(host.Pressure(abi.MetricsQuery{})),
		commands: map[string]bool{},
	}
	f.docker = workloads(host, f.bot.value)
	if bot, err := host.Bot(); err == nil {
		for _, c := range bot.Commands {
			f.commands[c.Name] = true
		}
	}
	return f
}

// workloads asks each engine for its containers, but those of which the bot knows
// that they do not answer: each would take seconds to say so again.
func workloads(host sdk.Host, bot abi.BotHealth) reading[[]workload] {
	hosts, err := host.DockerHosts()
	if err != nil {
		return reading[[]workload]{err: err}
	}
	var all []workload
	for _, name := range hosts.Names[:min(len(hosts.Names), maxEndpoints)] {
		w := workload{endpoint: name}
		if w.away = isAway(bot, name); !w.away {
			list, err := host.Containers(abi.ContainerQuery{Host: name})
			w.count(list, err)
		}
		all = append(all, w)
	}
	return reading[[]workload]{value: all}
}

func isAway(bot abi.BotHealth, endpoint string) bool {
	for _, c := range bot.Components {
		if c.Endpoint == endpoint && c.State == abi.HealthFail {
			return true
		}
	}
	return false
}

func (w *workload) count(list abi.ContainerList, err error) {
	w.err, w.total, w.running = err, list.Total, list.Running
	for _, c := range list.Containers {
		name := sdk.Line(c.Name, 64)
		switch {
		case c.State == "paused":
			w.paused++
		case c.State == "restarting":
			w.restarting = append(w.restarting, name)
		case c.State == "dead":
			w.dead = append(w.dead, name)
		case c.State == "running" && c.Health == "unhealthy":
			w.unhealthy = append(w.unhealthy, name)
		}
	}
}

// sources is how many things [unknown] can name.
const sources = 7

// unknown names what nothing is known of.
func unknown(f facts) (names []string) {
	for _, s := range [sources]struct {
		name    string
		missing bool
	}{
		{texts.HealthPartBot, f.bot.err != nil},
		{texts.HealthPartLoad, f.machine.err != nil || f.machine.value.CPUs < 1},
		{texts.HealthPartMemory, f.memory.err != nil},
		{texts.HealthPartDisks, f.disk.err != nil},
		{texts.HealthPartTemperature, f.sensors.err != nil},
		{texts.HealthPartPressure, f.pressure.err != nil || !f.pressure.value.Known},
		{texts.HealthPartContainers, f.docker.err != nil || someSilent(f.docker.value)},
	} {
		if s.missing {
			names = append(names, s.name)
		}
	}
	return names
}

// someSilent tells whether an engine did not list its containers.
func someSilent(all []workload) bool {
	for _, w := range all {
		if w.away || w.err != nil {
			return true
		}
	}
	return false
}
