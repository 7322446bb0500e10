package chart

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-analyze/charts/chartdraw/drawing"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// hour is a chart of an hour in percent, with one series that has a point each
// minute.
func hour(value func(minute int) float64) Chart {
	c := Chart{Title: "CPU", Unit: Percent, From: noon.Add(-time.Hour), To: noon, Gap: 3 * time.Minute, Max: 100}
	c.Series = []Series{{Name: "cpu", Points: points(value)}}
	return c
}

// points leaves out what is not a number.
func points(value func(minute int) float64) (out []Point) {
	for i := range 61 {
		if v := value(i); !math.IsNaN(v) {
			out = append(out, Point{time.Duration(i) * time.Minute, v})
		}
	}
	return out
}

func flat(v float64) func(int) float64 { return func(int) float64 { return v } }

func draw(t testing.TB, c Chart) image.Image {
	t.Helper()
	data, err := Draw(c, time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if size := img.Bounds().Size(); size != (image.Point{Width, Height}) {
		t.Fatalf("a picture of %v", size)
	}
	return img
}

// find returns the box of all pixels of a colour, and how many there are.
func find(img image.Image, want color.Color) (box image.Rectangle, n int) {
	r, g, b, _ := want.RGBA()
	for y := range Height {
		for x := range Width {
			if pr, pg, pb, _ := img.At(x, y).RGBA(); pr == r && pg == g && pb == b {
				box = box.Union(image.Rect(x, y, x+1, y+1))
				n++
			}
		}
	}
	return box, n
}

// canvas is where values are drawn: within the outermost lines of the grid.
func canvas(t testing.TB, img image.Image, of theme) image.Rectangle {
	t.Helper()
	box, n := find(img, of.grid)
	if n < 500 {
		t.Fatalf("a grid of %d pixels", n)
	}
	return box
}

func TestTheLineIsWhereTheValuesAre(t *testing.T) {
	for _, percent := range []float64{0, 25, 50, 80, 100} {
		img := draw(t, hour(flat(percent)))
		grid := canvas(t, img, light)
		line, n := find(img, light.series[0])
		if n < 1500 {
			t.Fatalf("at %v %% the line has %d pixels", percent, n)
		}
		middle := float64(line.Min.Y+line.Max.Y) / 2
		want := float64(grid.Max.Y) - float64(grid.Dy())*percent/100
		if math.Abs(middle-want) > 8 {
			t.Errorf("%v %% is at line %v of %v, want %v", percent, middle, grid, want)
		}
		if line.Dx() < grid.Dx()*95/100 {
			t.Errorf("the line goes from %d to %d of %v", line.Min.X, line.Max.X, grid)
		}
	}
}

func TestARisingLineRises(t *testing.T) {
	img := draw(t, hour(func(minute int) float64 { return float64(minute) * 100 / 60 }))
	grid := canvas(t, img, light)
	for _, share := range []float64{0.2, 0.5, 0.8} {
		x := grid.Min.X + int(float64(grid.Dx())*share)
		top := Height
		for y := range Height {
			if r, g, b, _ := img.At(x, y).RGBA(); [3]uint32{r, g, b} == rgb(light.series[0]) {
				top = min(top, y)
			}
		}
		if want := float64(grid.Max.Y) - share*float64(grid.Dy()); math.Abs(float64(top)-want) > 12 {
			t.Errorf("after %v of the time the line is at %d, want %v", share, top, want)
		}
	}
}

func rgb(c color.Color) [3]uint32 {
	r, g, b, _ := c.RGBA()
	return [3]uint32{r, g, b}
}

func TestGapsStayEmpty(t *testing.T) {
	img := draw(t, hour(func(minute int) float64 {
		if minute > 20 && minute < 40 {
			return math.NaN()
		}
		return 50
	}))
	grid := canvas(t, img, light)
	for minute, want := range map[int]bool{10: true, 22: false, 30: false, 38: false, 50: true} {
		x := grid.Min.X + grid.Dx()*minute/60
		found := false
		for y := grid.Min.Y; y < grid.Max.Y; y++ {
			// The line and what is below it are blue; the grid hardly is.
			c := rgb(img.At(x, y))
			found = found || c[2] > c[0]+0x1000
		}
		if found != want {
			t.Errorf("after %d minutes something is drawn: %v, want %v", minute, found, want)
		}
	}
}

func TestAPointAloneIsADot(t *testing.T) {
	c := hour(flat(50))
	c.Series[0].Points = c.Series[0].Points[30:31]
	if box, n := find(draw(t, c), light.series[0]); n < 10 || box.Dx() > 12 || box.Dy() > 12 {
		t.Errorf("%d pixels in %v", n, box)
	}
}

func TestThemes(t *testing.T) {
	c := hour(flat(50))
	for _, of := range []theme{light, dark} {
		c.Dark = of == dark
		img := draw(t, c)
		for _, at := range []image.Point{{0, 0}, {Width - 1, 0}, {Width - 1, Height - 1}, {Width / 2, 120}} {
			if got := rgb(img.At(at.X, at.Y)); got != rgb(of.paper) {
				t.Errorf("dark %v: the paper at %v is %v", c.Dark, at, got)
			}
		}
		for name, colour := range map[string]color.Color{"text": of.text, "line": of.series[0], "grid": of.grid} {
			if _, n := find(img, colour); n < 100 {
				t.Errorf("dark %v: %d pixels of %s", c.Dark, n, name)
			}
		}
	}
}

// TestContrast holds the colours to what WCAG asks for: 4.5:1 for text, 3:1 for
// what is drawn.
func TestContrast(t *testing.T) {
	for name, of := range map[string]theme{"light": light, "dark": dark} {
		least := map[drawing.Color]float64{of.text: 4.5, of.threshold: 4.5}
		for _, colour := range of.series {
			least[colour] = 3
		}
		for colour, want := range least {
			if got := contrast(colour, of.paper); got < want {
				t.Errorf("%s: %v on paper has a contrast of %.1f, want %v", name, colour, got, want)
			}
		}
	}
}

func contrast(a, b color.Color) float64 {
	la, lb := luminance(a), luminance(b)
	return (max(la, lb) + 0.05) / (min(la, lb) + 0.05)
}

func luminance(c color.Color) float64 {
	weights, sum := [3]float64{0.2126, 0.7152, 0.0722}, 0.0
	for i, v := range rgb(c) {
		s := float64(v) / 0xffff
		if s <= 0.03928 {
			s /= 12.92
		} else {
			s = math.Pow((s+0.055)/1.055, 2.4)
		}
		sum += weights[i] * s
	}
	return sum
}

func TestSeveralSeriesHaveColoursAndNames(t *testing.T) {
	c := hour(flat(20))
	for i, v := range []float64{40, 60, 80} {
		c.Series = append(c.Series, Series{Name: string(rune('a' + i)), Points: points(flat(v))})
	}
	img := draw(t, c)
	for i, colour := range light.series {
		box, n := find(img, colour)
		if n < 1000 || box.Min.Y > namesBase {
			t.Errorf("series %d: %d pixels in %v, from the name at the top", i, n, box)
		}
	}
}

func TestThresholds(t *testing.T) {
	c := hour(flat(10))
	c.Lines = []Line{{"alert at 80 %", 80}}
	box, n := find(draw(t, c), light.threshold)
	if n < 500 || box.Dx() < 800 || box.Dy() < 15 {
		t.Errorf("%d pixels in %v, want a line and its label", n, box)
	}
	// One far above the values would press them to the bottom.
	c.Max, c.Unit = 0, Bytes
	for limit, want := range map[float64]bool{15: true, 39: true, 41: false, 1e15: false} {
		c.Lines[0].Value = limit
		if _, n := find(draw(t, c), light.threshold); n > 0 != want {
			t.Errorf("a threshold at %v times the value is drawn: %v", limit/10, n > 0)
		}
	}
	// At the very top its label stands below it.
	c.Max, c.Lines[0].Value = 100, 100
	if box, _ := find(draw(t, c), light.threshold); box.Min.Y < titleBase {
		t.Errorf("the label is in the title: %v", box)
	}
}

func TestScales(t *testing.T) {
	labels := func(unit Unit, top, highest float64) string {
		c := Chart{Unit: unit, Max: top, Series: []Series{{Points: []Point{{0, highest}}}}}
		_, ticks := scale(c)
		var out []string
		for _, v := range ticks {
			out = append(out, unit.label(v))
		}
		return strings.Join(out, ", ")
	}
	for _, test := range []struct {
		unit         Unit
		top, highest float64
		want         string
	}{
		{Percent, 100, 3, "0 %, 20 %, 40 %, 60 %, 80 %, 100 %"},
		{Percent, 0, 3.2, "0 %, 1 %, 2 %, 3 %, 4 %"},
		{Percent, 0, 390, "0 %, 100 %, 200 %, 300 %, 400 %"},
		{Number, 0, 0.42, "0, 0.1, 0.2, 0.3, 0.4, 0.5"},
		{Number, 0, 0, "0, 0.001"},
		{Bytes, 0, 0, "0 B, 1 B"},
		{Bytes, 0, 1.4 * (1 << 30), "0 B, 512 MiB, 1 GiB, 1.5 GiB"},
		{Bytes, 0, 900 << 20, "0 B, 256 MiB, 512 MiB, 768 MiB, 1 GiB"},
		{Bytes, 700 << 20, 1, "0 B, 256 MiB, 512 MiB, 700 MiB"},
		{Rate, 0, 4000, "0 B/s, 1 KiB/s, 2 KiB/s, 3 KiB/s, 4 KiB/s"},
		{Bytes, 0, 1e18, "0 B, 256 PiB, 512 PiB, 768 PiB, 1 EiB"},
	} {
		if got := labels(test.unit, test.top, test.highest); got != test.want {
			t.Errorf("up to %v: %s, want %s", test.highest, got, test.want)
		}
	}
}

func TestTimes(t *testing.T) {
	berlin, err := time.LoadLocation("Europe/Berlin")
	if err != nil {
		t.Fatal(err)
	}
	kolkata, err := time.LoadLocation("Asia/Kolkata")
	if err != nil {
		t.Fatal(err)
	}
	at := func(zone *time.Location, month time.Month, day, hour, minute int) time.Time {
		return time.Date(2026, month, day, hour, minute, 0, 0, zone)
	}
	for _, test := range []struct {
		name string
		to   time.Time
		span time.Duration
		want string
	}{
		{"an hour", at(time.UTC, 3, 1, 12, 7), time.Hour, "11:10 11:20 11:30 11:40 11:50 12:00"},
		{"six hours", at(time.UTC, 3, 1, 12, 27), 6 * time.Hour, "07:00 08:00 09:00 10:00 11:00 12:00"},
		{"a day", at(time.UTC, 3, 1, 12, 0), 24 * time.Hour, "_ 16:00 20:00 00:00 04:00 08:00 _"},
		{"a week", at(time.UTC, 3, 1, 12, 0), 7 * 24 * time.Hour, "Mon 23,Tue 24,Wed 25,Thu 26,Fri 27,Sat 28,Sun 1"},
		{"a month", at(time.UTC, 3, 31, 12, 0), 30 * 24 * time.Hour, "5 Mar,9 Mar,13 Mar,17 Mar,21 Mar,25 Mar,29 Mar"},
		{"half an hour off", at(kolkata, 3, 1, 12, 7), 24 * time.Hour, "16:00 20:00 00:00 04:00 08:00 _"},
		{"a night with an hour less", at(berlin, 3, 29, 7, 30), 6 * time.Hour, "01:00 03:00 04:00 05:00 06:00 07:00"},
		{"a week with such a night", at(berlin, 4, 1, 12, 0), 7 * 24 * time.Hour, "Thu 26,Fri 27,Sat 28,Sun 29,Mon 30,Tue 31,Wed 1"},
		{"a second", at(time.UTC, 3, 1, 12, 0), time.Second, "_"},
	} {
		var got []string
		from := test.to.Add(-test.span)
		for _, tick := range timeTicks(from, test.to, test.to.Location()) {
			if tick.at.Before(from) || tick.at.After(test.to) {
				t.Errorf("%s: a tick at %v", test.name, tick.at)
			}
			if tick.label == "" {
				tick.label = "_"
			}
			got = append(got, tick.label)
		}
		separator := " "
		if strings.Contains(test.want, ",") {
			separator = ","
		}
		if text := strings.Join(got, separator); text != test.want {
			t.Errorf("%s: %s\nwant %s", test.name, text, test.want)
		}
	}
}

// TestAtOnce: however many ask, each gets its own picture.
func TestAtOnce(t *testing.T) {
	want, err := Draw(hour(flat(50)), time.UTC)
	if err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	for range 10 {
		all.Go(func() {
			if got, err := Draw(hour(flat(50)), time.UTC); err != nil || !bytes.Equal(got, want) {
				t.Errorf("another picture, %v", err)
			}
		})
	}
	all.Wait()
}

func TestALibraryThatPanicsIsAnError(t *testing.T) {
	if _, err := Draw(hour(flat(50)), nil); err == nil { // In(nil) panics
		t.Error("no error")
	}
	if _, err := Draw(hour(flat(50)), time.UTC); err != nil {
		t.Errorf("and afterwards: %v", err)
	}
}

// BenchmarkDraw is the dearest chart there is: four series of 400 points, each
// cut in pieces, and four thresholds. At most 150 ms.
func BenchmarkDraw(b *testing.B) {
	c := Chart{Title: strings.Repeat("Title", 10), Unit: Rate, From: noon.Add(-24 * time.Hour), To: noon, Gap: 10 * time.Minute}
	for s := range 4 {
		series := Series{Name: "network in"}
		for i := range 400 {
			if i%7 != 6 {
				v := 1e6 * (float64(s) + 1 + math.Sin(float64(i*(s+1))/9))
				series.Points = append(series.Points, Point{24 * time.Hour * time.Duration(i) / 400, v})
			}
		}
		c.Series = append(c.Series, series)
		c.Lines = append(c.Lines, Line{"alert at this", float64(s+1) * 1.1e6})
	}
	size := 0
	for b.Loop() {
		data, err := Draw(c, time.UTC)
		if err != nil {
			b.Fatal(err)
		}
		size = len(data)
	}
	b.ReportMetric(float64(size), "bytes")
}
