package render

import (
	"bytes"
	"encoding/json"
	"image/png"
	"math"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chart"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

// anHour is a chart of two points.
func anHour() abi.Chart {
	return abi.Chart{
		Title: "CPU", Unit: abi.UnitPercent, From: noon.UnixMilli() - 3_600_000, To: noon.UnixMilli(), Gap: 600,
		Series: []abi.Series{{Name: "cpu", At: []int64{0, 3600}, Values: []float64{10, 90}}}, Max: 100,
	}
}

func picture(c abi.Chart) abi.Block { return abi.Block{Kind: abi.BlockChart, Chart: &c} }

func TestAChartIsAPhotoWithItsTextAsCaption(t *testing.T) {
	out := render(abi.Reply{
		Blocks:   []abi.Block{text("heading", plain("CPU")), picture(anHour()), text("text", plain("Now "), abi.Span{Text: "90 %", Style: "bold"})},
		Keyboard: [][]abi.Button{{{Label: "6 h", Action: "a"}}},
	})
	if len(out.Texts) != 1 || len(out.Files) != 0 {
		t.Fatalf("%d texts, %d files", len(out.Texts), len(out.Files))
	}
	m := out.Texts[0]
	if got, want := marked(m), "[bold|CPU]\nNow [bold|90 %]"; got != want {
		t.Errorf("caption %q, want %q", got, want)
	}
	if m.Photo == nil || len(m.Inline) != 1 || m.Document != nil {
		t.Fatalf("%+v", m)
	}
	if img, err := png.Decode(bytes.NewReader(m.Photo.Data)); err != nil || img.Bounds().Dx() != chart.Width || img.Bounds().Dy() != chart.Height {
		t.Errorf("the picture: %v", err)
	}
}

func TestACaptionIsCutAndSaysSo(t *testing.T) {
	out := render(abi.Reply{Blocks: []abi.Block{picture(anHour()), text("text", plain(strings.Repeat("🐳", 600)))}})
	if len(out.Texts) != 1 {
		t.Fatalf("%d messages", len(out.Texts))
	}
	m := out.Texts[0]
	if n := len(utf16.Encode([]rune(m.Text))); n > chat.MaxCaption || n < chat.MaxCaption-2 || !strings.HasSuffix(m.Text, cutNotice) {
		t.Errorf("a caption of %d units that ends in %q", n, m.Text[len(m.Text)-30:])
	}
}

func TestAChartAloneIsNamedByItsTitle(t *testing.T) {
	if out := render(abi.Reply{Blocks: []abi.Block{picture(anHour())}}); len(out.Texts) != 1 || out.Texts[0].Text != "CPU" {
		t.Errorf("%+v", out.Texts)
	}
	untitled := anHour()
	untitled.Title = ""
	if out := render(abi.Reply{Blocks: []abi.Block{picture(untitled)}}); len(out.Texts) != 1 || out.Texts[0].Photo == nil {
		t.Errorf("%+v", out.Texts)
	}
}

func TestChartsAreChecked(t *testing.T) {
	reply := func(change func(*abi.Chart)) abi.Reply {
		c := anHour()
		change(&c)
		return abi.Reply{Blocks: []abi.Block{picture(c)}}
	}
	if err := check(reply(func(*abi.Chart) {})); err != nil {
		t.Fatal(err)
	}
	series := func(at []int64, values ...float64) func(*abi.Chart) {
		return func(c *abi.Chart) { c.Series[0].At, c.Series[0].Values = at, values }
	}
	many := make([]int64, 401)
	for i := range many {
		many[i] = int64(i)
	}
	for _, test := range []struct {
		name   string
		change func(*abi.Chart)
		want   string
	}{
		{"no series", func(c *abi.Chart) { c.Series = nil }, "series"},
		{"five series", func(c *abi.Chart) { c.Series = make([]abi.Series, 5) }, "series"},
		{"no point", func(c *abi.Chart) { c.Series = make([]abi.Series, 2) }, "without a point"},
		{"lengths that differ", series([]int64{1, 2}, 1), "2 moments and 1 values"},
		{"more values than moments", series([]int64{1}, 1, 2), "moments"},
		{"too many points", series(many, make([]float64, 401)...), "401 points"},
		{"before the beginning", series([]int64{-1}, 1), "moments"},
		{"after the end", series([]int64{3601}, 1), "moments"},
		{"out of order", series([]int64{2, 1}, 1, 1), "moments"},
		{"twice at once", series([]int64{2, 2}, 1, 1), "moments"},
		{"not a number", series([]int64{1}, math.NaN()), "values"},
		{"infinite", series([]int64{1}, math.Inf(1)), "values"},
		{"huge", series([]int64{1}, 1e19), "values"},
		{"negative", series([]int64{1}, -1), "values"},
		{"no time", func(c *abi.Chart) { c.To = c.From }, "chart from"},
		{"backwards", func(c *abi.Chart) { c.From, c.To = c.To, c.From }, "chart from"},
		{"before 1970", func(c *abi.Chart) { c.From = -1 }, "chart from"},
		{"all of time", func(c *abi.Chart) { c.From, c.To = 0, math.MaxInt64 }, "chart from"},
		{"ten years", func(c *abi.Chart) { c.From = c.To - 3650*86_400_000 }, "chart from"},
		{"a negative gap", func(c *abi.Chart) { c.Gap = -1 }, "gap"},
		{"a huge gap", func(c *abi.Chart) { c.Gap = math.MaxInt64 }, "gap"},
		{"an endless scale", func(c *abi.Chart) { c.Max = math.Inf(1) }, "scale"},
		{"an unknown unit", func(c *abi.Chart) { c.Unit = "furlongs" }, "unit"},
		{"a long title", func(c *abi.Chart) { c.Title = strings.Repeat("x", 161) }, "title"},
		{"a long name", func(c *abi.Chart) { c.Series[0].Name = strings.Repeat("x", 161) }, "name"},
		{"a long label", func(c *abi.Chart) { c.Lines = []abi.ChartLine{{Label: strings.Repeat("x", 161)}} }, "threshold"},
		{"a threshold that is no number", func(c *abi.Chart) { c.Lines = []abi.ChartLine{{Value: math.NaN()}} }, "threshold"},
		{"five thresholds", func(c *abi.Chart) { c.Lines = make([]abi.ChartLine, 5) }, "thresholds"},
	} {
		if err := check(reply(test.change)); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v, want %q", test.name, err, test.want)
		}
	}
	if err := check(abi.Reply{Blocks: []abi.Block{{Kind: abi.BlockChart}}}); err == nil {
		t.Error("a chart of nothing is taken")
	}
	if err := check(abi.Reply{Blocks: []abi.Block{picture(anHour()), picture(anHour())}}); err == nil || !strings.Contains(err.Error(), "at most one") {
		t.Errorf("two charts: %v", err)
	}
}

// FuzzChart: whatever passes the check is drawn, in any zone of the table.
func FuzzChart(f *testing.F) {
	add := func(change func(*abi.Chart)) {
		c := anHour()
		change(&c)
		data, err := json.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	add(func(*abi.Chart) {})
	add(func(c *abi.Chart) {
		c.Max, c.Unit, c.Dark = 0, abi.UnitRate, true
		c.Series = append(c.Series, c.Series[0])
	})
	add(func(c *abi.Chart) { c.Max = 1e-300; c.Lines = []abi.ChartLine{{Label: "limit", Value: 1e18}, {}} })
	add(func(c *abi.Chart) { c.From = c.To - 366*86_400_000; c.Series[0].Values = []float64{1e18, 1e-320} })
	add(func(c *abi.Chart) {
		c.From = c.To - 1000
		c.Series[0] = abi.Series{At: []int64{1}, Values: []float64{0}}
		c.Max = 0
	})
	add(func(c *abi.Chart) { c.Title = "日本 \u202e\x00🐳"; c.Unit = abi.UnitBytes; c.Max = 1e18 })
	f.Fuzz(func(t *testing.T, data []byte) {
		var c abi.Chart
		if json.Unmarshal(data, &c) != nil || checkChart(&c) != nil {
			return
		}
		if _, err := chart.Draw(drawn(c), noon.Location()); err != nil {
			t.Errorf("%v: %+v", err, c)
		}
	})
}
