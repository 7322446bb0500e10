package render

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Charts as a hostile module writes them are refused before anything is drawn,
// and before anything grows with them.
func TestHostileCharts(t *testing.T) {
	const whole = `{"blocks":[{"kind":"chart","chart":{"title":%q,"from":0,"to":3600000,"max":%s,"series":[{"name":%q,"at":[%s],"values":[%s]}],"lines":[{"label":%q,"value":1}]}}]}`
	good := func() []any { return []any{"t", "0", "s", "1,2", "1,2", "l"} }
	if _, err := Parse(fmt.Appendf(nil, whole, good()...)); err != nil {
		t.Fatal(err)
	}
	megabyte, million := strings.Repeat("x", 1<<20), strings.TrimSuffix(strings.Repeat("1,", 1_000_000), ",")
	for name, change := range map[string]func([]any){
		"no number":             func(a []any) { a[4] = "NaN,1" },
		"endless":               func(a []any) { a[4] = "Infinity,1" },
		"too large for a float": func(a []any) { a[4] = "1e999,1" },
		"as large as a float":   func(a []any) { a[4] = "1e308,1" },
		"a scale as large":      func(a []any) { a[1] = "1.7976931348623157e308" },
		"less than nothing":     func(a []any) { a[1] = "-1e-300" },
		"a title of a megabyte": func(a []any) { a[0] = megabyte },
		"a name of a megabyte":  func(a []any) { a[2] = megabyte },
		"a label of a megabyte": func(a []any) { a[5] = megabyte },
		"a million points":      func(a []any) { a[3], a[4] = million, million },
		"far apart":             func(a []any) { a[3] = "1,9223372036854775807" },
		"farther than that":     func(a []any) { a[3] = "1,9223372036854775808" },
		"before its beginning":  func(a []any) { a[3] = "-9223372036854775808,1" },
	} {
		args := good()
		change(args)
		began := time.Now()
		if _, err := Parse(fmt.Appendf(nil, whole, args...)); err == nil || len(err.Error()) > 500 {
			t.Errorf("%s: %d bytes of error", name, len(fmt.Sprint(err)))
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%s took %v to refuse", name, took)
		}
	}
}

// What stands under a picture is text, as everywhere: nothing in it becomes
// markup, nothing turns it around, and it is no longer than a caption may be.
func TestAHostileCaption(t *testing.T) {
	const evil = "<b>_*x*_</b> [y](http://e.x) ```z``` tg://user?id=1 \u202eabc"
	c := anHour()
	c.Title, c.Series[0].Name = evil, evil
	for name, blocks := range map[string][]abi.Block{
		"alone":          {picture(c)},
		"with text":      {{Kind: abi.BlockText, Spans: []abi.Span{{Text: evil}}}, picture(c)},
		"with much text": {picture(c), {Kind: abi.BlockText, Spans: []abi.Span{{Text: strings.Repeat(evil+"\n", 500)}}}},
	} {
		out := render(abi.Reply{Blocks: blocks})
		if len(out.Texts) != 1 || out.Texts[0].Photo == nil {
			t.Fatalf("%s: %d messages", name, len(out.Texts))
		}
		m := out.Texts[0]
		if len(m.Entities) > 0 || strings.Contains(m.Text, "\u202e") || units(m.Text) > 1024 || !strings.Contains(m.Text, "<b>_*x*_</b>") {
			t.Errorf("%s: %d units with the entities %+v: %q", name, units(m.Text), m.Entities, m.Text)
		}
	}
}
