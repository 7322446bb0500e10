package chart

import (
	"math"
	"strconv"
	"time"
)

// farAbove is how many times the highest value a threshold may be to be shown.
const farAbove = 4

// mostSteps is into how many parts a scale is divided.
const mostSteps = 5

// scale returns the end of the values' axis, and its ticks from 0 to there.
func scale(c Chart) (top float64, ticks []float64) {
	top = c.Max
	if top <= 0 {
		for _, s := range c.Series {
			for _, p := range s.Points {
				top = max(top, p.Value)
			}
		}
		highest := top
		for _, l := range c.Lines {
			if l.Value <= farAbove*highest {
				top = max(top, l.Value*1.02)
			}
		}
	}
	step := c.Unit.step(top)
	if c.Max <= 0 {
		top = math.Ceil(top/step) * step
	}
	if top <= 0 {
		top = step
	}
	for i := 0; float64(i)*step <= top*1.0001; i++ {
		ticks = append(ticks, float64(i)*step)
	}
	if last := ticks[len(ticks)-1]; last < top { // the library ends the axis there
		ticks = append(ticks, top)
	}
	return top, ticks
}

// step returns a distance of ticks that people count in: 1, 2 or 5 times a power
// of ten; for bytes a power of two.
func (u Unit) step(top float64) float64 {
	least := top / mostSteps
	if u == Bytes || u == Rate {
		return math.Exp2(math.Ceil(math.Log2(max(least, 1))))
	}
	least = max(least, 0.001)
	power := math.Pow(10, math.Floor(math.Log10(least)))
	for _, n := range []float64{1, 2, 5} {
		if n*power >= least*0.9999 {
			return n * power
		}
	}
	return 10 * power
}

var iec = [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}

// label writes a value on the axis.
func (u Unit) label(v float64) string {
	switch u {
	case Percent:
		return digits(v) + " %"
	case Bytes, Rate:
		unit := 0
		for v >= 1024 && unit < len(iec)-1 {
			v, unit = v/1024, unit+1
		}
		text := digits(v) + " " + iec[unit]
		if u == Rate {
			text += "/s"
		}
		return text
	}
	return digits(v)
}

// digits writes up to three behind the point, without zeros at the end.
func digits(v float64) string {
	return strconv.FormatFloat(math.Round(v*1000)/1000, 'f', -1, 64)
}

// timeTick is a moment on the axis with its words.
type timeTick struct {
	at    time.Time
	label string
}

// mostTimes is how many moments fit on the axis.
const mostTimes = 7

// timeTicks are the round moments of a zone's clock between two times: full
// minutes, hours or days.
func timeTicks(from, to time.Time, zone *time.Location) []timeTick {
	from, to = from.In(zone), to.In(zone)
	minutes := minutesBetween(to.Sub(from))
	format := "15:04"
	if minutes >= 24*60 {
		format = "Mon 2"
		if minutes > 2*24*60 {
			format = "2 Jan"
		}
	}
	// Dates are made from their parts, so that a day with 23 hours moves nothing.
	year, month, day := from.Date()
	var out []timeTick
	for n := 0; ; n += minutes {
		at := time.Date(year, month, day, 0, n, 0, 0, zone)
		switch {
		case at.After(to):
			return away(out, from, to)
		case at.Before(from), len(out) > 0 && !at.After(out[len(out)-1].at):
			continue // an hour that the clock skipped
		}
		out = append(out, timeTick{at, at.Format(format)})
	}
}

// minutesBetween is the distance of ticks over a span.
func minutesBetween(span time.Duration) int {
	for _, minutes := range []int{1, 2, 5, 10, 15, 30, 60, 120, 180, 240, 360, 720} {
		if span < mostTimes*time.Duration(minutes)*time.Minute {
			return minutes
		}
	}
	for days := 1; ; days++ {
		if span < (mostTimes+1)*time.Duration(days)*24*time.Hour {
			return days * 24 * 60
		}
	}
}

// away takes the words off ticks so close to an end that they would not fit.
func away(ticks []timeTick, from, to time.Time) []timeTick {
	least := to.Sub(from) / 40
	for i, t := range ticks {
		if t.at.Sub(from) < least || to.Sub(t.at) < least {
			ticks[i].label = ""
		}
	}
	return ticks
}
