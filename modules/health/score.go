package health

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// concern is something wrong: what it costs, what to do about it, and the view
// that shows more.
type concern struct {
	points int
	what   []sdk.Span
	advice string
	door   door
}

// door is a command whose view is about a concern.
type door struct{ label, command string }

var (
	toLoad       = door{texts.HealthOpenLoad, "load"}
	toMemory     = door{texts.HealthOpenMemory, "memory"}
	toDisks      = door{texts.HealthOpenDisks, "filesystem"}
	toSensors    = door{texts.HealthOpenSensors, "sensors"}
	toDocker     = door{texts.HealthOpenDocker, "docker"}
	toContainers = door{texts.HealthOpenContainers, "containers"}
	toModules    = door{texts.HealthOpenModules, "modules"}
)

// The rule of the score; [texts.HealthScoreRule] says it in words. What is not known
// costs nothing: a machine without sensors is not worse for it.
const (
	partFails, partWarns      = 25, 10
	silentDisk                = 10
	sick, sickAtMost          = 5, 20
	hot, critical             = 85, 95 // °C, where a sensor states no limit
	memoryWaits               = 10.0   // percent of a minute in which some work waited
	disksWait, processorsWait = 30.0, 50.0
)

// grade is what a value costs from a bound on.
type grade struct {
	from   float64
	points int
}

var (
	loadGrades   = []grade{{2, 15}, {1, 5}}    // per core, over five minutes
	memoryGrades = []grade{{95, 20}, {85, 10}} // percent
	diskGrades   = []grade{{95, 20}, {85, 10}} // percent of the fullest
)

func cost(value float64, grades []grade) int {
	for _, g := range grades {
		if value >= g.from {
			return g.points
		}
	}
	return 0
}

// score is 100 without what concerns cost; 0 at least.
func score(wrong []concern) int {
	left := 100
	for _, c := range wrong {
		left -= c.points
	}
	return max(left, 0)
}

// concerns are what is wrong, what costs most first.
func concerns(f facts) []concern {
	all := ofParts(f.bot.value)
	for _, more := range [...][]concern{
		ofMachine(f.machine.value), ofMemory(f.memory.value), ofDisks(f.disk.value),
		ofSensors(f.sensors.value), ofPressure(f.pressure.value), ofContainers(f.docker.value),
	} {
		all = append(all, more...)
	}
	// There are few, and package slices would make the module 14 KB larger.
	for i := range all {
		for n := i; n > 0 && all[n].points > all[n-1].points; n-- {
			all[n], all[n-1] = all[n-1], all[n]
		}
	}
	return all
}

// counted is a concern if it costs anything.
//
//go:noinline
func counted(points int, what []sdk.Span, advice string, to door) []concern {
	if points == 0 {
		return nil
	}
	return []concern{{points, what, advice, to}}
}

func ofParts(bot abi.BotHealth) (all []concern) {
	for _, c := range bot.Components {
		found := concern{what: []sdk.Span{sdk.Plain(partName(c) + ": " + partDetail(c))}, advice: sdk.Line(c.Advice, 300)}
		switch {
		case c.State == abi.HealthOK:
			continue
		case c.State == abi.HealthWarn:
			found.points = partWarns
		default:
			found.points = partFails
		}
		if found.advice == "" { // this user can do no more
			found.advice = texts.HealthTellAdmin
		}
		switch {
		case c.Endpoint != "":
			found.door = toDocker
		case c.Name == modulesPart:
			found.door = toModules
		}
		all = append(all, found)
	}
	return all
}

// modulesPart is what the host calls the modules.
const modulesPart = "Modules"

func ofMachine(m abi.HostInfo) []concern {
	if m.CPUs < 1 {
		return nil
	}
	perCore := m.Load5 / float64(m.CPUs)
	return counted(cost(perCore, loadGrades), plain(texts.HealthLoadIs(perCore)), texts.HealthAdviseLoad, toLoad)
}

func ofMemory(m abi.MemoryInfo) []concern {
	return counted(cost(m.Percent, memoryGrades), plain(texts.HealthMemoryIs(m.Percent)), texts.HealthAdviseMemory, toMemory)
}

// ofDisks counts the fullest only: machines have many small file systems that
// are full by design. Each that hangs counts.
func ofDisks(d abi.DiskInfo) (all []concern) {
	if m, ok := fullest(d); ok {
		all = counted(cost(m.Percent, diskGrades), named(m.Path, texts.HealthDiskIs(m.Percent)), texts.HealthAdviseDisk, toDisks)
	}
	for _, path := range d.Hanging[:min(len(d.Hanging), maxSilent)] {
		all = append(all, concern{silentDisk, named(path, texts.HealthDiskSilent), texts.HealthAdviseSilent, toDisks})
	}
	return all
}

// maxSilent is how many disks that do not answer count.
const maxSilent = 4

// fullest is the file system with the greatest share in use.
func fullest(d abi.DiskInfo) (abi.Mount, bool) {
	var most abi.Mount
	for i, m := range d.Mounts {
		if i == 0 || m.Percent > most.Percent {
			most = m
		}
	}
	return most, len(d.Mounts) > 0
}

func ofSensors(s abi.SensorInfo) []concern {
	t, ok := hottest(s)
	if !ok {
		return nil
	}
	return counted(heat(t), named(t.Name, texts.HealthHeatIs(t.Current)), texts.HealthAdviseHeat, toSensors)
}

// heat is what a temperature costs.
func heat(t abi.Temperature) int {
	return cost(t.Current, []grade{{stated(t.Critical, critical), 20}, {stated(t.High, hot), 10}})
}

// stated is a sensor's own limit, or ours if it has none.
func stated(limit, otherwise float64) float64 {
	if limit > 0 {
		return limit
	}
	return otherwise
}

// hottest is the sensor that costs most, and among those the one with the highest
// reading: 70 °C may be much for a disk and little for a processor.
func hottest(s abi.SensorInfo) (abi.Temperature, bool) {
	var most abi.Temperature
	for i, t := range s.Temperatures {
		if i == 0 || heat(t) > heat(most) || heat(t) == heat(most) && t.Current > most.Current {
			most = t
		}
	}
	return most, len(s.Temperatures) > 0
}

func ofPressure(p abi.PressureInfo) []concern {
	wait := func(what string, share, from float64, points int, advice string, to door) []concern {
		return counted(cost(share, []grade{{from, points}}), plain(texts.HealthWaitsFor(what, share)), advice, to)
	}
	all := append(
		wait(texts.HealthForMemory, p.Memory.Some60, memoryWaits, 10, texts.HealthAdviseMemWait, toMemory),
		wait(texts.HealthForDisks, p.IO.Some60, disksWait, 5, texts.HealthAdviseIOWait, toDisks)...,
	)
	return append(all, wait(texts.HealthForProcessors, p.CPU.Some60, processorsWait, 5, texts.HealthAdviseLoad, toLoad)...)
}

// ofContainers shares out what an engine's containers cost at most.
func ofContainers(all []workload) (found []concern) {
	for _, w := range all {
		left := sickAtMost
		for _, s := range []struct {
			word  string
			names []string
		}{{texts.HealthRestarting, w.restarting}, {texts.HealthUnhealthy, w.unhealthy}, {texts.HealthDead, w.dead}} {
			if len(s.names) == 0 {
				continue
			}
			points := min(sick*len(s.names), left) // what costs nothing any more is told as well
			left -= points
			advice := texts.HealthAdviseSick
			if len(s.names) == 1 {
				advice = texts.HealthAdviseSickOne
			}
			found = append(found, concern{points, sickNames(s.word, s.names), advice, toContainers})
		}
	}
	return found
}

// maxNamed is how many containers a sentence names.
const maxNamed = 4

func sickNames(word string, names []string) []sdk.Span {
	spans := plain(texts.HealthSickContainers(len(names), word))
	for i, name := range names[:min(len(names), maxNamed)] {
		if i > 0 {
			spans = append(spans, sdk.Plain(", "))
		}
		spans = append(spans, sdk.Code(name))
	}
	if more := len(names) - maxNamed; more > 0 {
		spans = append(spans, sdk.Plain(texts.HealthAndMore(more)))
	}
	return append(spans, sdk.Plain("."))
}

//go:noinline
func plain(text string) []sdk.Span { return []sdk.Span{sdk.Plain(text)} }

//go:noinline
func named(name, text string) []sdk.Span {
	return []sdk.Span{sdk.Code(sdk.Line(name, 80)), sdk.Plain(text)}
}
