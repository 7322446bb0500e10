package chart

import (
	"time"

	"github.com/go-analyze/charts/chartdraw"
	"github.com/go-analyze/charts/chartdraw/drawing"
)

// Measures in pixels; with 72 dots to the inch, a point of type is one.
const (
	dpi       = 72
	titleSize = 32
	textSize  = 24
	lineWidth = 4
	margin    = 28
	titleBase = 52 // where the title stands
	namesBase = 92 // where the series' names stand
	swatch    = 36 // length of the line beside a name
)

// theme is the colours of a picture.
type theme struct {
	paper, text, grid, threshold drawing.Color
	series                       [4]drawing.Color
}

// Both themes keep a contrast of at least 3:1 between lines and paper, and 4.5:1
// between text and paper. Blue and orange come first: most who cannot tell red
// from green can tell these.
var (
	light = theme{
		paper: hex("ffffff"), text: hex("202124"), grid: hex("dfe1e5"), threshold: hex("d32f2f"),
		series: [4]drawing.Color{hex("1a66d6"), hex("d9600a"), hex("178a4c"), hex("8a3fd1")},
	}
	dark = theme{
		paper: hex("17212b"), text: hex("e8eaed"), grid: hex("33404d"), threshold: hex("ff7b72"),
		series: [4]drawing.Color{hex("5aa9ff"), hex("ffa657"), hex("56d38a"), hex("d2a8ff")},
	}
)

func hex(s string) drawing.Color { return drawing.ColorFromHex(s) }

// layout describes a chart to the library.
func layout(c Chart, zone *time.Location) chartdraw.Chart {
	colours := light
	if c.Dark {
		colours = dark
	}
	top, ticks := scale(c)
	times := timeTicks(c.From, c.To, zone)
	span := c.To.Sub(c.From).Seconds()
	axis := chartdraw.Style{
		FontStyle:   chartdraw.FontStyle{FontSize: textSize, FontColor: colours.text},
		StrokeColor: colours.grid, StrokeWidth: 2,
	}
	grid := chartdraw.Style{StrokeColor: colours.grid, StrokeWidth: 1}
	out := chartdraw.Chart{
		Width: Width, Height: Height, DPI: dpi,
		Background: chartdraw.Style{FillColor: colours.paper, StrokeColor: colours.paper,
			Padding: chartdraw.Box{Top: titleBase + margin, Left: margin, Right: margin, Bottom: margin, IsSet: true}},
		Canvas: chartdraw.Style{FillColor: colours.paper, StrokeColor: colours.paper},
		XAxis: chartdraw.XAxis{Style: axis, GridMajorStyle: grid, GridMinorStyle: grid,
			Range: &chartdraw.ContinuousRange{Max: span}},
		// The library's first axis is on the right.
		YAxis: chartdraw.YAxis{Style: chartdraw.Hidden(), Range: &chartdraw.ContinuousRange{Max: 1}},
		YAxisSecondary: chartdraw.YAxis{Style: axis, GridMajorStyle: grid, GridMinorStyle: grid,
			Range: &chartdraw.ContinuousRange{Max: top}},
	}
	if len(c.Series) > 1 {
		out.Background.Padding.Top = namesBase + margin
	}
	// The library takes the range from the ticks, so these stand at its ends.
	out.XAxis.Ticks = append(out.XAxis.Ticks, chartdraw.Tick{})
	for _, t := range times {
		out.XAxis.Ticks = append(out.XAxis.Ticks, chartdraw.Tick{Value: t.at.Sub(c.From).Seconds(), Label: t.label})
	}
	out.XAxis.Ticks = append(out.XAxis.Ticks, chartdraw.Tick{Value: span})
	for _, v := range ticks {
		out.YAxisSecondary.Ticks = append(out.YAxisSecondary.Ticks, chartdraw.Tick{Value: v, Label: c.Unit.label(v)})
	}
	lines := shown(c.Lines, top)
	out.Series = append(thresholds(lines, span, colours), series(c, top, colours)...)
	out.Elements = []chartdraw.Renderable{words(c, lines, top, colours)}
	return out
}

// shown are the thresholds within the scale.
func shown(lines []Line, top float64) (within []Line) {
	for _, l := range lines {
		if l.Value <= top {
			within = append(within, l)
		}
	}
	return within
}

func thresholds(lines []Line, span float64, colours theme) (out []chartdraw.Series) {
	for _, l := range lines {
		out = append(out, chartdraw.ContinuousSeries{
			YAxis:   chartdraw.YAxisSecondary,
			Style:   chartdraw.Style{StrokeColor: colours.threshold, StrokeWidth: 2, StrokeDashArray: []float64{12, 8}},
			XValues: []float64{0, span}, YValues: []float64{l.Value, l.Value},
		})
	}
	return out
}

// series are the lines, each cut where there was nothing. A piece of one point
// is a dot.
func series(c Chart, top float64, colours theme) (out []chartdraw.Series) {
	for i, s := range c.Series {
		colour := colours.series[i%len(colours.series)]
		style := chartdraw.Style{StrokeColor: colour, StrokeWidth: lineWidth}
		if len(c.Series) == 1 {
			style.FillColor = colour.WithAlpha(48)
		}
		for _, piece := range pieces(s.Points, c.Gap) {
			line := chartdraw.ContinuousSeries{YAxis: chartdraw.YAxisSecondary, Style: style}
			for _, p := range piece {
				line.XValues = append(line.XValues, p.At.Seconds())
				line.YValues = append(line.YValues, min(p.Value, top))
			}
			if len(piece) == 1 {
				line.Style = chartdraw.Style{DotColor: colour, DotWidth: lineWidth, StrokeWidth: chartdraw.Disabled}
			}
			out = append(out, line)
		}
	}
	return out
}

// pieces cuts a line where two points are a gap apart.
func pieces(points []Point, gap time.Duration) (out [][]Point) {
	begin := 0
	for i := 1; i <= len(points); i++ {
		if i == len(points) || gap > 0 && points[i].At-points[i-1].At >= gap {
			out = append(out, points[begin:i])
			begin = i
		}
	}
	return out
}

// words writes the title, the names beside pieces of their lines, and the
// thresholds' labels.
func words(c Chart, lines []Line, top float64, colours theme) chartdraw.Renderable {
	return func(r chartdraw.Renderer, canvas chartdraw.Box, defaults chartdraw.Style) {
		write := func(text string, size float64, colour drawing.Color, x, y int) int {
			r.SetFont(defaults.Font)
			r.SetFontColor(colour)
			r.SetFontSize(size)
			r.Text(text, x, y)
			return r.MeasureText(text).Width()
		}
		write(c.Title, titleSize, colours.text, margin, titleBase)
		x := margin
		for i, s := range c.Series {
			if len(c.Series) == 1 {
				break
			}
			r.SetStrokeColor(colours.series[i%len(colours.series)])
			r.SetStrokeWidth(lineWidth + 2)
			r.SetStrokeDashArray(nil)
			r.MoveTo(x, namesBase-textSize/3)
			r.LineTo(x+swatch, namesBase-textSize/3)
			r.Stroke()
			x += swatch + 10
			x += write(s.Name, textSize, colours.text, x, namesBase) + margin
		}
		for _, l := range lines {
			y := canvas.Bottom - int(float64(canvas.Height())*l.Value/top) - 8
			if y-textSize < canvas.Top {
				y += textSize + 14 // below the line
			}
			r.SetFont(defaults.Font)
			r.SetFontSize(textSize)
			write(l.Label, textSize, colours.threshold, canvas.Right-8-r.MeasureText(l.Label).Width(), y)
		}
	}
}
