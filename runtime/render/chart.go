package render

import (
	"errors"
	"fmt"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chart"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// Bounds of a chart, which keep its drawing below a tenth of a second.
const (
	maxChartSeries = 4
	maxChartPoints = 400 // of each series
	maxChartLines  = 4
	maxChartText   = 160                 // bytes of each
	maxChartValue  = 1e18                // an exbibyte is 1.15e18
	maxChartSpan   = 366 * 86400         // seconds
	lastMoment     = 253_402_300_799_000 // the end of 9999, in milliseconds
)

// checkChart bounds what is drawn. The values of a picture are all positive: its
// scale begins at 0.
func checkChart(c *abi.Chart) error {
	if c == nil {
		return errors.New("a chart without content")
	}
	span := c.To/1000 - c.From/1000
	switch {
	case len(c.Title) > maxChartText:
		return fmt.Errorf("a chart's title of %d bytes: at most %d", len(c.Title), maxChartText)
	case c.From < 0 || c.To > lastMoment || c.From >= c.To || span < 1 || span > maxChartSpan:
		return fmt.Errorf("a chart from %d to %d: 1 second to 366 days", c.From, c.To)
	case c.Gap < 0 || c.Gap > maxChartSpan:
		return fmt.Errorf("a chart's gap of %d seconds", c.Gap)
	case !isChartValue(c.Max):
		return errors.New("a chart's scale is 0 to 1e18")
	case len(c.Series) == 0 || len(c.Series) > maxChartSeries:
		return fmt.Errorf("a chart of %d series: 1 to %d", len(c.Series), maxChartSeries)
	case len(c.Lines) > maxChartLines:
		return fmt.Errorf("a chart with %d thresholds: at most %d", len(c.Lines), maxChartLines)
	}
	if _, ok := chartUnits[c.Unit]; !ok {
		return fmt.Errorf("a chart's unit %q", c.Unit)
	}
	for _, l := range c.Lines {
		if !isChartValue(l.Value) || len(l.Label) > maxChartText {
			return errors.New("a chart's threshold is 0 to 1e18 and has a short label")
		}
	}
	return checkSeries(c.Series, span)
}

func checkSeries(all []abi.Series, span int64) error {
	points := 0
	for _, s := range all {
		switch {
		case len(s.Name) > maxChartText:
			return fmt.Errorf("a series' name of %d bytes: at most %d", len(s.Name), maxChartText)
		case len(s.At) != len(s.Values):
			return fmt.Errorf("a series of %d moments and %d values", len(s.At), len(s.Values))
		case len(s.At) > maxChartPoints:
			return fmt.Errorf("a series of %d points: at most %d", len(s.At), maxChartPoints)
		}
		for i, at := range s.At {
			if at < 0 || at > span || i > 0 && at <= s.At[i-1] {
				return fmt.Errorf("the moments of a series are 0 to %d, in order", span)
			}
			if !isChartValue(s.Values[i]) {
				return errors.New("the values of a chart are 0 to 1e18")
			}
		}
		points += len(s.At)
	}
	if points == 0 {
		return errors.New("a chart without a point")
	}
	return nil
}

// isChartValue is false for what is not a number.
func isChartValue(v float64) bool { return v >= 0 && v <= maxChartValue }

var chartUnits = map[string]chart.Unit{
	abi.UnitNumber: chart.Number, abi.UnitPercent: chart.Percent, abi.UnitBytes: chart.Bytes, abi.UnitRate: chart.Rate,
}

// What fits beside each other on the picture, in characters.
const (
	shownTitle = 50
	shownName  = 16
	shownLabel = 24
)

const notDrawn = "The picture could not be drawn."

// picture draws a chart. Where it stands alone, its title is its caption; if it
// cannot be drawn, a sentence takes its place.
func (w writer) picture(c abi.Chart, alone bool) (*chat.File, piece) {
	var words piece
	data, err := chart.Draw(drawn(c), w.zone)
	if err != nil {
		words.write(notDrawn)
		return nil, words
	}
	if alone {
		words.write(line(c.Title))
	}
	return &chat.File{Name: "chart.png", Data: data}, words.trimmed()
}

// drawn puts a chart that was checked into the words of the package that draws.
func drawn(c abi.Chart) chart.Chart {
	out := chart.Chart{
		Title: foreign.Line(c.Title, shownTitle), Unit: chartUnits[c.Unit],
		From: time.UnixMilli(c.From), To: time.UnixMilli(c.To), Gap: time.Duration(c.Gap) * time.Second, Max: c.Max, Dark: c.Dark,
	}
	for _, s := range c.Series {
		series := chart.Series{Name: foreign.Line(s.Name, shownName), Points: make([]chart.Point, len(s.At))}
		for i, at := range s.At {
			series.Points[i] = chart.Point{At: time.Duration(at) * time.Second, Value: s.Values[i]}
		}
		out.Series = append(out.Series, series)
	}
	for _, l := range c.Lines {
		out.Lines = append(out.Lines, chart.Line{Label: foreign.Line(l.Label, shownLabel), Value: l.Value})
	}
	return out
}
