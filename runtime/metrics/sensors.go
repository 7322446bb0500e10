package metrics

import (
	"context"
	"errors"
	"math"

	"github.com/shirou/gopsutil/v4/sensors"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// Bounds of what is taken for a temperature: drives and boards without a
// sensor behind an input report -273, 65261 and the like.
const (
	coldest, hottest = -100, 300
	maxSensors       = 128
)

// Sensors returns the temperature sensors; none, as on most virtual machines,
// is no error, and one that cannot be read is left out.
func (r *Reader) Sensors(ctx context.Context) (abi.SensorInfo, error) {
	all, err := sensors.TemperaturesWithContext(r.gops(ctx))
	var some *sensors.Warnings // of single sensors; the others are in all
	if err != nil && !errors.As(err, &some) {
		return abi.SensorInfo{}, fail("its sensors", err)
	}
	out := abi.SensorInfo{Temperatures: []abi.Temperature{}}
	for _, t := range all[:min(len(all), maxSensors)] {
		if !plausible(t.Temperature) {
			continue
		}
		out.Temperatures = append(out.Temperatures, abi.Temperature{
			Name: foreign.Line(t.SensorKey, 64), Current: t.Temperature, High: bound(t.High), Critical: bound(t.Critical),
		})
	}
	return out, nil
}

func plausible(t float64) bool { return !math.IsNaN(t) && t > coldest && t < hottest }

// bound drops a limit that is none.
func bound(t float64) float64 {
	if plausible(t) && t > 0 {
		return t
	}
	return 0
}
