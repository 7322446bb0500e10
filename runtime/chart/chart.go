// Package chart draws numbers over time as a picture for a phone: numbers in, a
// PNG out. The lines are drawn by the chartdraw package of go-analyze/charts, with
// the font that it embeds; what they mean, the scale and its words, is here.
package chart

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"time"

	"github.com/go-analyze/charts/chartdraw"
)

// Size of a picture in pixels: about three to each point of a phone's width.
const (
	Width  = 1000
	Height = 560
)

// Unit says how values are written on the axis.
type Unit int

// The units. The zero value is a bare number.
const (
	Number  Unit = iota
	Percent      // 0 to 100, or above for several cores
	Bytes        // in IEC units
	Rate         // bytes per second
)

// Chart is what is drawn. Whoever makes one has checked it: From is before To, each
// value is between 0 and 1e18, each series has its points in order, from From to
// To, and texts are clean and short.
type Chart struct {
	Title    string
	Unit     Unit
	From, To time.Time
	// Gap is the distance from which on two points are not joined; 0: all are.
	Gap    time.Duration
	Series []Series
	// Lines are thresholds. One that is far above all values is not drawn: it
	// would leave them at the bottom.
	Lines []Line
	// Max is the end of the scale; 0: what the values need.
	Max  float64
	Dark bool
}

// Series is one line. Its name is shown if there are several.
type Series struct {
	Name   string
	Points []Point
}

// Point is a value at a time after From.
type Point struct {
	At    time.Duration
	Value float64
}

// Line is a threshold across the chart.
type Line struct {
	Label string
	Value float64
}

// atOnce is how many charts are drawn at a time: each takes a core.
var atOnce = make(chan struct{}, 2)

// Draw returns the chart as a PNG, with the moments of its axis in zone. An error
// means that the library could not draw it.
func Draw(c Chart, zone *time.Location) (data []byte, err error) {
	atOnce <- struct{}{}
	defer func() { <-atOnce }()
	defer func() {
		// What a module wrote must not take the bot down through a library.
		if p := recover(); p != nil {
			data, err = nil, fmt.Errorf("draw a chart: panic: %v", p)
		}
	}()
	var picture picture
	chart := layout(c, zone)
	if err := chart.Render(chartdraw.PNG, &picture); err != nil {
		return nil, fmt.Errorf("draw a chart: %w", err)
	}
	var out bytes.Buffer
	encoder := png.Encoder{CompressionLevel: png.BestSpeed}
	if err := encoder.Encode(&out, picture.image); err != nil {
		return nil, fmt.Errorf("draw a chart: %w", err)
	}
	return out.Bytes(), nil
}

// picture takes the pixels from the library before it encodes them.
type picture struct{ image *image.RGBA }

var _ chartdraw.RGBACollector = (*picture)(nil)

// SetRGBA takes them.
func (p *picture) SetRGBA(i *image.RGBA) { p.image = i }

// Write is not called by a renderer that can hand over pixels.
func (p *picture) Write([]byte) (int, error) { return 0, fmt.Errorf("the renderer writes a file") }
