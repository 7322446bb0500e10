package engine

import (
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// logged invokes a guest and returns what it wrote to the log.
func logged(t *testing.T, g guest, limits Limits) []observer.LoggedEntry {
	t.Helper()
	m := load(t, g, limits)
	c, lines := caller(t)
	if _, fault := invokeAs(t.Context(), t, m, c, ""); fault != nil {
		t.Fatal(fault)
	}
	return lines.All()
}

func lineOf(e observer.LoggedEntry) string {
	line, _ := e.ContextMap()["line"].(string)
	return line
}

func logging(level int, text string) guest {
	return guest{imports: []imported{logs}, handle: ops(i32(level), i32(0), i32(len(text)), call(0), i32(0)), data: text}
}

func TestLogLevels(t *testing.T) {
	for level, want := range map[int]zapcore.Level{
		0: zapcore.DebugLevel, 1: zapcore.InfoLevel, 2: zapcore.WarnLevel, 3: zapcore.ErrorLevel,
		4: zapcore.DebugLevel, -1: zapcore.DebugLevel, 5: zapcore.DebugLevel, -1 << 31: zapcore.DebugLevel, // never panic or fatal
	} {
		lines := logged(t, logging(level, "hi"), patient())
		if len(lines) != 1 || lines[0].Level != want || lineOf(lines[0]) != "hi" || lines[0].ContextMap()["event"] != "module.log" {
			t.Errorf("level %d: %+v", level, lines)
		}
	}
}

func TestLogCannotForgeALine(t *testing.T) {
	for name, text := range map[string]string{
		"newline":          "done\n{\"level\":\"error\",\"event\":\"totp.blocked\"}",
		"carriage return":  "done\rroot logged in",
		"ANSI":             "\x1b[2J\x1b[31mred",
		"C1 control":       "a\u009b31mb",
		"turned direction": "abc\u202efdp.exe\u2066\u2069\u200f\u061c",
		"line separator":   "a\u2028b\u2029c\u0085d",
		"NUL":              "a\x00b",
		"not UTF-8":        "a\xff\xfe\xc0\x80b\xed\xa0\x80",
	} {
		t.Run(name, func(t *testing.T) {
			lines := logged(t, logging(1, text), patient())
			if len(lines) != 1 {
				t.Fatalf("%d lines", len(lines))
			}
			mustBeVisible(t, lineOf(lines[0]))
		})
	}
}

func mustBeVisible(t *testing.T, line string) {
	t.Helper()
	if !utf8.ValidString(line) || strings.ContainsFunc(line, func(r rune) bool {
		return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || unicode.Is(unicode.Zl, r) || unicode.Is(unicode.Zp, r)
	}) {
		t.Errorf("line %q is not visible text", line)
	}
}

// mustBeCut demands that no more than the budget arrived, that the host's own
// lines around it are bounded too, and that exactly one warning says so.
func mustBeCut(t *testing.T, lines []observer.LoggedEntry, budget int) {
	t.Helper()
	size, warnings := 0, 0
	for _, e := range lines {
		switch e.ContextMap()["event"] {
		case "module.log":
			size += len(lineOf(e))
		case "limit.exceeded":
			warnings++
		}
	}
	if size > budget || len(lines) > budget/lineCost+3 {
		t.Errorf("%d bytes in %d lines, budget %d", size, len(lines), budget)
	}
	if warnings != 1 {
		t.Errorf("%d warnings", warnings)
	}
}

func TestLogFloodIsCut(t *testing.T) {
	const writes = 0
	limits := patient()
	limits.Log = 2000
	long := strings.Repeat("x", 100)
	vectors := "\x10\x00\x00\x00\x64\x00\x00\x00" // 100 bytes at 16
	stdout := func(code ...[]byte) guest {
		return guest{imports: []imported{wasi("fd_write", "iiii:i")}, handle: ops(ops(code...), i32(0)), data: vectors + "        " + long}
	}
	write := ops(i32(1), i32(0), i32(1), i32(8), call(writes), drop)
	for name, g := range map[string]guest{
		"one long line":          logging(1, strings.Repeat("x", 30_000)),
		"one byte too long":      logging(1, strings.Repeat("x", 2001)),
		"many lines":             {imports: []imported{logs}, handle: ops(times(1000, i32(1), i32(0), i32(100), call(0)), i32(0)), data: long},
		"many lines of a letter": {imports: []imported{logs}, handle: ops(times(3000, i32(1), i32(0), i32(1), call(0)), i32(0)), data: long},
		"stdout without an end":  stdout(times(1000, write)),
		"both streams and log":   {imports: []imported{wasi("fd_write", "iiii:i"), logs}, handle: ops(times(1000, write, i32(2), i32(0), i32(1), i32(8), call(0), drop, i32(1), i32(16), i32(100), call(1)), i32(0)), data: vectors + "        " + long},
		"newlines":               {imports: []imported{wasi("fd_write", "iiii:i")}, handle: ops(i32(16), i32('\n'), i32(100), fill, times(1000, write), i32(0)), data: vectors},
		"lines of a letter":      {imports: []imported{wasi("fd_write", "iiii:i")}, handle: ops(times(1000, write), i32(0)), data: vectors + "        " + strings.Repeat("x\n", 50)},
	} {
		t.Run(name, func(t *testing.T) { mustBeCut(t, logged(t, g, limits), limits.Log) })
	}
}

func TestLogWithinTheBudgetIsWhole(t *testing.T) {
	limits := patient()
	limits.Log = 2000
	lines := logged(t, logging(1, strings.Repeat("x", 2000)), limits)
	if len(lines) != 1 || len(lineOf(lines[0])) != 2000 {
		t.Errorf("%d lines", len(lines))
	}
	limits.Log = 0
	if lines := logged(t, logging(1, ""), limits); len(lines) != 0 {
		t.Errorf("of nothing, %d lines", len(lines))
	}
	mustBeCut(t, logged(t, logging(1, "x"), limits), 0)
}

func TestLogPointers(t *testing.T) {
	for _, test := range []where{
		{"the last byte", end - 1, 1, 0, 0},
		{"nothing", 0, 0, 0, 0},
		{"nothing at the end", end, 0, 0, 0},
		{"one beyond the end", end - 1, 2, 0, abi.Invalid},
		{"at -1", -1, 1, 0, abi.Invalid},
		{"4 GiB", 0, -1, 0, abi.Invalid},
		{"longer than the budget, and beyond the end", 1, end, 0, abi.Invalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			expect(t, load(t, telling([]imported{logs}, i32(1), i32(test.ptr), i32(test.length), call(1), i32(0)), patient()), test)
		})
	}
}

// A single fd_write can hand over 17 MB of newlines 1,024 times. No deadline is
// seen within it, so the log must end it.
func TestOneWriteOfGigabytes(t *testing.T) {
	const vector = 0x01010101 // as address and as length
	g := guest{
		imports: []imported{wasi("fd_write", "iiii:i"), replyWrites},
		handle: ops(
			i32(0), i32(1), i32(1<<20), fill,
			i32(vector), i32('\n'), i32(vector), fill,
			i32(1), i32(0), i32(maxVectors), i32(8), call(0), drop, i32(0)),
		memory: pages(2*vector/pageSize + 1),
	}
	began := time.Now()
	mustBeCut(t, logged(t, g, patient()), patient().Log)
	soon(t, began, 0)
}

func TestStreamsBecomeLines(t *testing.T) {
	const text = "one\ntwo\n\nthree"
	lines := logged(t, guest{
		imports: []imported{wasi("fd_write", "iiii:i")},
		handle: ops(i32(1), i32(0), i32(2), i32(32), call(0), drop,
			i32(2), i32(0), i32(1), i32(32), call(0)),
		data: "\x10\x00\x00\x00\x05\x00\x00\x00" + "\x15\x00\x00\x00\x09\x00\x00\x00" + text,
	}, patient())
	var got []string
	for _, e := range lines {
		got = append(got, e.Level.String()+" "+lineOf(e))
	}
	want := []string{"info one", "info two", "warn one", "info three", "warn t"}
	if strings.Join(got, ",") != strings.Join(want, ",") {
		t.Errorf("got %q, want %q", got, want)
	}
}
