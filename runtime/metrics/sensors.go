package metrics

import (
	"cmp"
	"context"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// Bounds of what is taken for a temperature: drives and boards without a
// sensor behind an input report -273, 65261 and the like. A fan turns at some
// ten thousand at most.
const (
	coldest, hottest = -100, 300
	maxRPM           = 100_000
	maxSensors       = 128
	maxFans          = 32
)

// Sensors returns temperatures and fans; none, as on most virtual machines, is
// no error, and one that cannot be read is left out. They are those of hwmon,
// or the thermal zones of a machine that has no others.
//
// gopsutil has no fans, gives two drives one name, and reads files of any size.
func (r *Reader) Sensors(ctx context.Context) (abi.SensorInfo, error) {
	s := sensors{SensorInfo: abi.SensorInfo{Temperatures: []abi.Temperature{}}, seen: make(map[string]int)}
	for _, chip := range numbered(filepath.Join(r.cfg.Sys, "class", "hwmon"), "hwmon", "") {
		if err := ctx.Err(); err != nil { // a sleeping drive takes its time
			return abi.SensorInfo{}, fail("its sensors", err)
		}
		s.chip(chip)
	}
	if len(s.Temperatures) == 0 {
		for _, zone := range numbered(filepath.Join(r.cfg.Sys, "class", "thermal"), "thermal_zone", "") {
			s.zone(zone)
		}
	}
	return s.SensorInfo, nil
}

type sensors struct {
	abi.SensorInfo
	seen map[string]int
}

// chip reads a hwmon device. Old kernels have its files one folder down.
func (s *sensors) chip(dir string) {
	name := readLine(filepath.Join(dir, "name"))
	temperatures, fans := numbered(dir, "temp", "_input"), numbered(dir, "fan", "_input")
	if len(temperatures)+len(fans) == 0 {
		dir = filepath.Join(dir, "device")
		name = cmp.Or(name, readLine(filepath.Join(dir, "name")))
		temperatures, fans = numbered(dir, "temp", "_input"), numbered(dir, "fan", "_input")
	}
	for _, input := range temperatures {
		base := strings.TrimSuffix(input, "_input")
		s.temperature(labelled(name, base, len(temperatures)), input, base+"_max", base+"_crit")
	}
	for _, input := range fans {
		rpm, err := strconv.ParseUint(readLine(input), 10, 32)
		if err != nil || rpm > maxRPM || len(s.Fans) == maxFans {
			continue
		}
		base := strings.TrimSuffix(input, "_input")
		s.Fans = append(s.Fans, abi.Fan{Name: s.distinct(labelled(name, base, len(fans))), RPM: int(rpm)})
	}
}

// labelled names a sensor by its chip and its label, or, where the chip has
// several, by its file.
func labelled(chip, base string, of int) string {
	label := readLine(base + "_label")
	if label == "" && (of > 1 || chip == "") {
		label = filepath.Base(base)
	}
	return strings.TrimSpace(chip + " " + label)
}

// zone reads a thermal zone; its critical point is one of its trip points.
func (s *sensors) zone(dir string) {
	critical := ""
	for _, kind := range numbered(dir, "trip_point_", "_type") {
		if readLine(kind) == "critical" {
			critical = strings.TrimSuffix(kind, "_type") + "_temp"
		}
	}
	s.temperature(cmp.Or(readLine(filepath.Join(dir, "type")), filepath.Base(dir)), filepath.Join(dir, "temp"), "", critical)
}

func (s *sensors) temperature(name, current, high, critical string) {
	t, ok := degrees(current)
	if !ok || !plausible(t) || len(s.Temperatures) == maxSensors {
		return
	}
	limit := func(path string) float64 {
		t, _ := degrees(path)
		return bound(t)
	}
	s.Temperatures = append(s.Temperatures, abi.Temperature{Name: s.distinct(name), Current: t, High: limit(high), Critical: limit(critical)})
}

// distinct tells sensors of one name apart, as those of two drives.
func (s *sensors) distinct(name string) string {
	name = foreign.Line(name, 60)
	s.seen[name]++
	if n := s.seen[name]; n > 1 {
		return name + " (" + strconv.Itoa(n) + ")"
	}
	return name
}

// degrees reads a file in thousandths of a degree.
func degrees(path string) (t float64, ok bool) {
	n, err := strconv.ParseInt(readLine(path), 10, 32)
	return float64(n) / 1000, err == nil
}

func plausible(t float64) bool { return !math.IsNaN(t) && t > coldest && t < hottest }

// bound drops a limit that is none.
func bound(t float64) float64 {
	if plausible(t) && t > 0 {
		return t
	}
	return 0
}

// numbered returns the paths in dir whose names are prefix, a number, suffix, in
// the order of the numbers.
func numbered(dir, prefix, suffix string) []string {
	f, err := os.Open(dir)
	if err != nil {
		return nil
	}
	defer f.Close()
	names, _ := f.Readdirnames(maxEntries)
	found := make(map[string]uint64)
	for _, name := range names {
		digits, ok := strings.CutPrefix(name, prefix)
		digits, ok2 := strings.CutSuffix(digits, suffix)
		if n, err := strconv.ParseUint(digits, 10, 32); ok && ok2 && err == nil {
			found[filepath.Join(dir, name)] = n
		}
	}
	paths := make([]string, 0, len(found))
	for path := range found {
		paths = append(paths, path)
	}
	slices.SortFunc(paths, func(a, b string) int { return cmp.Or(cmp.Compare(found[a], found[b]), cmp.Compare(a, b)) })
	return paths[:min(len(paths), maxSensors)]
}

// maxEntries bounds how much of a folder is looked at.
const maxEntries = 4096
