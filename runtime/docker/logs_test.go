package docker

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// frame is one message of a multiplexed stream.
func frame(kind byte, text string) string {
	header := make([]byte, 8)
	header[0] = kind
	binary.BigEndian.PutUint32(header[4:], uint32(len(text)))
	return string(header) + text
}

var moment = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

// at is a timestamp as engines write it, ns nanoseconds after a moment.
func at(ns int) string {
	return moment.Add(time.Duration(ns)).Format("2006-01-02T15:04:05.000000000Z07:00") + " "
}

// seen is a visited line in short: stream, nanosecond, number, text.
func seen(l *logLine) string {
	text := string(l.raw[:min(len(l.raw), 20)])
	if l.cut {
		text += "…"
	}
	return fmt.Sprintf("%s %d.%d %s", l.source[3:], l.at%1_000_000_000, l.nth, text)
}

func visited(t *testing.T, in io.Reader, tty bool) (lines []string, s *logStream, err error) {
	t.Helper()
	s = newLogStream(in, tty, func(l *logLine) bool { lines = append(lines, seen(l)); return true })
	err = s.run()
	return lines, s, err
}

func TestAStreamIsTakenApart(t *testing.T) {
	long := strings.Repeat("x", keptLine)
	for name, tc := range map[string]struct {
		in       string
		tty      bool
		want     []string
		messages int
	}{
		"two streams":             {frame(1, at(1)+"a\n") + frame(2, at(2)+"b\n"), false, []string{"out 1.1 a", "err 2.1 b"}, 2},
		"one nanosecond":          {frame(1, at(1)+"a\n") + frame(2, at(1)+"b\n") + frame(1, at(2)+"c\n"), false, []string{"out 1.1 a", "err 1.2 b", "out 2.1 c"}, 3},
		"an empty line":           {frame(1, at(1)+"\n") + frame(1, at(2)+"b\n"), false, []string{"out 1.1 ", "out 2.1 b"}, 2},
		"several in one frame":    {frame(1, at(1)+"a\n"+at(2)+"b\n"), false, []string{"out 1.1 a", "out 2.1 b"}, 2},
		"a line in three frames":  {frame(1, at(1)+"a") + frame(1, at(1)+"b") + frame(1, at(1)+"c\n"), false, []string{"out 1.1 abc"}, 3},
		"and without a timestamp": {frame(1, at(1)+"a") + frame(1, "b\n"), false, []string{"out 1.1 ab"}, 1},
		"a timestamp in two":      {frame(1, at(1)[:9]) + frame(1, at(1)[9:]+"a\n"), false, []string{"out 1.1 a"}, 1},
		"another line between":    {frame(1, at(1)+"a") + frame(2, at(2)+"b\n") + frame(1, at(1)+"c\n"), false, []string{"out 1.1 ac", "err 2.1 b"}, 3},
		"never ended, then new":   {frame(1, at(1)+"a") + frame(1, at(2)+"b\n"), false, []string{"out 1.1 a", "out 2.1 b"}, 2},
		"ends without a newline":  {frame(1, at(1)+"a"), false, []string{"out 1.1 a"}, 1},
		"no timestamps":           {frame(1, "a\n") + frame(2, "b\n"), false, []string{"out 0.1 a", "err 0.2 b"}, 0},
		"one without":             {frame(1, at(1)+"a\n") + frame(1, "b\n") + frame(1, at(2)+"c\n"), false, []string{"out 1.1 a", "out 1.2 b", "out 2.1 c"}, 2},
		"a year out of range":     {frame(1, "9999-01-31T12:00:00.000000000Z a\n"), false, []string{"out 0.1 9999-01-31T12:00:00."}, 0},
		"empty frames":            {frame(1, "") + frame(1, at(1)+"a\n") + frame(2, ""), false, []string{"out 1.1 a"}, 1},
		"a long line":             {frame(1, at(1)+long) + frame(1, at(1)+"y\n"), false, []string{"out 1.1 " + long[:20] + "…"}, 2},
		"a line that just fits":   {frame(1, at(1)+long+"\n"), false, []string{"out 1.1 " + long[:20]}, 1},
		"a terminal":              {at(1) + "a\r\n" + at(2) + "b\r\n", true, []string{"out 1.1 a\r", "out 2.1 b\r"}, 2},
		"its long line":           {at(1) + long + at(1) + "y\r\n" + at(2) + "b\r\n", true, []string{"out 1.1 " + long[:20] + "…", "out 2.1 b\r"}, 3},
		"it just fits":            {at(1) + long + "\r\n", true, []string{"out 1.1 " + long[:20]}, 2},
		"nothing":                 {"", false, nil, 0},
		"nothing of a terminal":   {"", true, nil, 0},
	} {
		for how, in := range map[string]io.Reader{
			"at once": strings.NewReader(tc.in), "byte by byte": iotest.OneByteReader(strings.NewReader(tc.in)),
		} {
			lines, s, err := visited(t, in, tc.tty)
			if err != nil || !slices.Equal(lines, tc.want) || s.messages != tc.messages {
				t.Errorf("%s, %s: %q, %d messages, %v; want %q, %d", name, how, lines, s.messages, err, tc.want, tc.messages)
			}
		}
	}
}

func TestFramesThatAreNone(t *testing.T) {
	for name, tc := range map[string]struct {
		in   string
		want error
	}{
		"another stream":        {frame(4, "a\n"), errNonsense},
		"a header of something": {"HTTP/1.1 200 OK\r\n", errNonsense},
		"cut in the header":     {frame(1, at(1)+"a\n") + "\x01\x00", io.ErrUnexpectedEOF},
		"cut in the text":       {frame(1, at(1)+"a\n")[:20], io.ErrUnexpectedEOF},
		"four gigabytes":        {"\x01\x00\x00\x00\xff\xff\xff\xff" + at(1) + "a\n", io.ErrUnexpectedEOF},
	} {
		if _, _, err := visited(t, strings.NewReader(tc.in), false); !errors.Is(err, tc.want) {
			t.Errorf("%s: %v, want %v", name, err, tc.want)
		}
	}
}

// endless is one line without an end.
type endless struct{ head []byte }

func (e *endless) Read(p []byte) (int, error) {
	n := copy(p, e.head)
	e.head = e.head[n:]
	for i := n; i < len(p); i++ {
		p[i] = 'x'
	}
	return len(p), nil
}

// TestAStreamsMemoryIsBounded, whatever its lines are.
func TestAStreamsMemoryIsBounded(t *testing.T) {
	const size = 256 << 20
	many := strings.Repeat(frame(2, at(2)+"b\n"), 10_000)
	for name, in := range map[string]io.Reader{
		"a line of 256 MB": io.LimitReader(&endless{[]byte("\x01\x00\x00\x00\xff\xff\xff\xff" + at(1))}, size),
		"a line that keeps the others waiting": io.MultiReader(strings.NewReader(frame(1, at(1)+"a")), strings.NewReader(many),
			strings.NewReader(many), strings.NewReader(many)),
		"a report without an end": io.LimitReader(&endless{[]byte("\x03\x00\x00\x00\xff\xff\xff\xff")}, size),
	} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		lines := 0
		s := newLogStream(in, false, func(*logLine) bool { lines++; return true })
		err := s.run()
		runtime.ReadMemStats(&after)
		if grown := after.TotalAlloc - before.TotalAlloc; grown > 4<<20 || len(s.queue) > maxOpen+1 || len(s.trouble) > 512 {
			t.Errorf("%s: %d bytes, %d lines wait", name, grown, len(s.queue))
		}
		if name[0] == 'a' && strings.Contains(name, "waiting") && (err != nil || lines != 30_001) {
			t.Errorf("%s: %d lines, %v", name, lines, err)
		}
	}
}

func FuzzLogStream(f *testing.F) {
	f.Add([]byte(frame(1, at(1)+"a")+frame(2, at(2)+"b\n")+frame(1, at(1)+"c\n")), false)
	f.Add([]byte(at(1)+"a\r\n"+at(2)+"b\r\n"), true)
	f.Add([]byte("\x01\x00\x00\x00\xff\xff\xff\xff"), false)
	f.Fuzz(func(t *testing.T, in []byte, tty bool) {
		collect := func(r io.Reader) (lines []string, bytes int, err error) {
			s := newLogStream(r, tty, func(l *logLine) bool {
				if len(l.raw) > keptLine || l.nth < 1 || l.at < 0 || l.index < 0 {
					t.Errorf("%+v", l)
				}
				bytes += len(l.raw)
				lines = append(lines, seen(l))
				return true
			})
			err = s.run()
			return lines, bytes, err
		}
		lines, size, err := collect(bytes.NewReader(in))
		if size > len(in) {
			t.Errorf("%d bytes of %d", size, len(in))
		}
		again, _, err2 := collect(iotest.OneByteReader(bytes.NewReader(in)))
		if !slices.Equal(lines, again) || (err == nil) != (err2 == nil) {
			t.Errorf("in one piece %q, %v; byte by byte %q, %v", lines, err, again, err2)
		}
	})
}

func TestLinesAreCleaned(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                "plain",
		"":                     "",
		"\x1b[1;31mred\x1b[0m": "red",
		"\x1b]0;title\aafter":  "after",
		"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link",
		"\x1bP1;2|data\x1b\\x":                     "x",
		"a\x1b(Bb\x1b=c\x1bMd":                     "abcd",
		"\u009b31mred\u009d0;t\u009cx":             "redx",
		"\x9b31m":                                  "�31m", // a lone byte is no UTF-8, and no sequence
		"er\x1b[31mror":                            "error",
		"\x1b]0;left open":                         "0;left open",
		"\x1b]0;left open \x1b[31mred\a":           "0;left open red",
		"\x1b[31":                                  "31",
		"\x1b":                                     "",
		"\x1b\x1b[1mx":                             "x",
		"\x1b[\x00m":                               "m",
		"\x1b[31\xffm":                             "31�m",
		"\x1b]" + strings.Repeat("a", 2*maxSequence) + "\a": strings.Repeat("a", 2*maxSequence),
		"10 %\r20 %\r\n":               "10 % 20 %",
		"a\tb\vc":                      "a b c",
		"a\x00b\x07c\x08d\x7fe\u0085f": "abcdef",
		"a\u202eb\u2066c":              "a�b�c",
		"日本 🦀 👩‍💻 שלום":                "日本 🦀 👩‍💻 שלום",
		"\xff\xfe":                     "�",
	} {
		if got, _, _ := cleanLine([]byte(in)); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	whole, short, cut := cleanLine([]byte(strings.Repeat("é", maxLogRunes+1)))
	if !cut || utf8.RuneCountInString(short) != maxLogRunes || utf8.RuneCountInString(whole) != maxLogRunes+1 {
		t.Errorf("%d runes of %d, cut %v", utf8.RuneCountInString(short), utf8.RuneCountInString(whole), cut)
	}
}

func FuzzCleanLine(f *testing.F) {
	f.Add([]byte("\x1b[1;31mred\x1b[0m \x1b]8;;u\x1b\\l\x9b\xff\u202e\u009b1m"))
	f.Add([]byte("\x1b]0;open"))
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, short, cut := cleanLine(in)
		if !utf8.ValidString(whole) || !strings.HasPrefix(whole, short) || cut == (whole == short) || utf8.RuneCountInString(short) > maxLogRunes {
			t.Errorf("%q, %q, %v", whole, short, cut)
		}
		if strings.ContainsFunc(whole, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Errorf("%q", whole)
		}
		if again, _, _ := cleanLine([]byte(whole)); again != strings.TrimRight(whole, "\r\n") {
			t.Errorf("cleaned twice: %q, then %q", whole, again)
		}
	})
}

func FuzzCursor(f *testing.F) {
	f.Add("dn50nyhbswvw.1.57")
	f.Add("0.0.0")
	f.Fuzz(func(t *testing.T, s string) {
		c, err := parseCursor(s)
		if err != nil {
			wantCode(t, err, abi.Invalid)
			return
		}
		if again, err := parseCursor(c.String()); err != nil || again != c {
			t.Errorf("%q is %+v, then %+v, %v", s, c, again, err)
		}
	})
}

// logEngine is an engine whose container web has a log, read as real engines
// do: the tail is taken first, and then the range of time.
type logEngine struct {
	messages []logMessage
	tty      bool
	answer   http.HandlerFunc // in place of all that
	asked    []string
}

type logMessage struct {
	at   int
	kind byte
	text string // with its newline, if it has one
}

func (e *logEngine) client(t testing.TB) *Client {
	inspect := fmt.Sprintf(`{"Id":"%s","Name":"/web","State":{"Status":"running"},"Config":{"Tty":%v},"HostConfig":{"LogConfig":{"Type":"splunk"}}}`, idA, e.tty)
	return newClientWith(t, Config{Hosts: []string{newFake(map[string]http.HandlerFunc{
		"/containers/web/json": body(inspect), "/containers/" + idA + "/logs": e.serve,
	}).serve(t)}, Timeout: 5 * time.Second})
}

func (e *logEngine) serve(w http.ResponseWriter, r *http.Request) {
	e.asked = append(e.asked, r.URL.Query().Get("tail"))
	if e.answer != nil {
		e.answer(w, r)
		return
	}
	messages := e.messages
	var n int
	if _, err := fmt.Sscan(r.URL.Query().Get("tail"), &n); err == nil {
		messages = messages[max(len(messages)-n, 0):]
	}
	bound := func(name string, none int64) int64 {
		var s, ns int64
		if _, err := fmt.Sscanf(r.URL.Query().Get(name), "%d.%d", &s, &ns); err != nil {
			return none
		}
		return s*1_000_000_000 + ns
	}
	since, until := bound("since", 0), bound("until", 1<<62)
	for _, m := range messages {
		when := moment.UnixNano() + int64(m.at)
		if when < since {
			continue
		}
		if when > until {
			return
		}
		text := at(m.at) + m.text
		if !e.tty {
			text = frame(m.kind, text)
		}
		_, _ = io.WriteString(w, text)
	}
}

// backwards and forwards read a whole log page by page.
func backwards(t *testing.T, c *Client, q abi.LogQuery) (all []string) {
	t.Helper()
	for n := 0; ; n++ {
		page := logs(t, c, q)
		all = append(texts(page), all...)
		if q.Before = page.Older; q.Before == "" {
			return all
		}
		if n > 2000 {
			t.Fatal("it has no beginning")
		}
	}
}

func forwards(t *testing.T, c *Client, q abi.LogQuery) (all []string) {
	t.Helper()
	for q.After = (cursor{}).String(); ; {
		page := logs(t, c, q)
		if len(page.Lines) == 0 {
			return all
		}
		all, q.After = append(all, texts(page)...), page.Newer
		if len(all) > 100_000 {
			t.Fatal("it has no end")
		}
	}
}

// TestEveryOrderOfTimesIsPagedWhole: coarse clocks, clocks that go back, and
// streams that overtake each other.
func TestEveryOrderOfTimesIsPagedWhole(t *testing.T) {
	for name, when := range map[string]func(i int) int{
		"one by one":               func(i int) int { return i * 1000 },
		"all at once":              func(int) int { return 7 },
		"thirty of a kind":         func(i int) int { return i / 30 },
		"two that overtake":        func(i int) int { return (i ^ 1) * 1000 },
		"seven in the wrong order": func(i int) int { return (i - i%7 + 6 - i%7) * 1000 },
		"sparse":                   func(i int) int { return i * 3_000_000_000 },
	} {
		e := &logEngine{}
		var want []string
		for i := range 300 {
			want = append(want, fmt.Sprintf("line %03d", i))
			e.messages = append(e.messages, logMessage{when(i), byte(1 + i%2), want[i] + "\n"})
		}
		c := e.client(t)
		for _, count := range []int{1, 7, 25, 299, 300, 0} {
			for way, read := range map[string]func(*testing.T, *Client, abi.LogQuery) []string{"backwards": backwards, "forwards": forwards} {
				got := read(t, c, abi.LogQuery{ID: "web", Count: count})
				if slices.Sort(got); !slices.Equal(got, want) {
					t.Errorf("%s, %s by %d: %d lines of 300", name, way, count, len(got))
				}
			}
		}
	}
}

// TestALogThatGrowsBetweenPages, by far more than a page.
func TestALogThatGrowsBetweenPages(t *testing.T) {
	e := &logEngine{}
	grow := func(n int) {
		for range n {
			i := len(e.messages)
			e.messages = append(e.messages, logMessage{i * 1000, 1, fmt.Sprintf("line %d\n", i)})
		}
	}
	grow(200)
	c := e.client(t)
	page := logs(t, c, abi.LogQuery{ID: "web", Count: 25})
	newer, got := page.Newer, texts(page)
	for n := 10; page.Older != ""; n *= 4 {
		grow(min(n, 40_000))
		page = logs(t, c, abi.LogQuery{ID: "web", Count: 25, Before: page.Older})
		got = append(texts(page), got...)
	}
	for n := range 200 {
		if got[n] != fmt.Sprintf("line %d", n) {
			t.Fatalf("line %d is %q", n, got[n])
		}
	}
	if page = logs(t, c, abi.LogQuery{ID: "web", Count: 3, After: newer}); !slices.Equal(texts(page), []string{"line 200", "line 201", "line 202"}) {
		t.Errorf("what came next: %q", texts(page))
	}
	e.messages = e.messages[len(e.messages)-5:] // rotated away
	if page = logs(t, c, abi.LogQuery{ID: "web", Count: 3, After: newer}); len(page.Lines) != 3 || page.Lines[0].Text != e.messages[0].text[:len(e.messages[0].text)-1] {
		t.Errorf("after a rotation: %q", texts(page))
	}
	if page = logs(t, c, abi.LogQuery{ID: "web", Count: 3, Before: newer}); len(page.Lines) != 0 || page.Older != "" {
		t.Errorf("before it: %q", texts(page))
	}
}

// TestTheLastPageReadsLittle of a log of a million lines.
func TestTheLastPageReadsLittle(t *testing.T) {
	e := &logEngine{messages: make([]logMessage, 1_000_000)}
	for i := range e.messages {
		e.messages[i] = logMessage{i * 1000, 1, "x\n"}
	}
	c := e.client(t)
	page := logs(t, c, abi.LogQuery{ID: "web", Count: 25})
	logs(t, c, abi.LogQuery{ID: "web", Count: 25, After: page.Newer})
	logs(t, c, abi.LogQuery{ID: "web", Count: 25, Before: page.Older})
	if want := []string{"57", "57", "82"}; !slices.Equal(e.asked, want) {
		t.Errorf("it asked for tails of %q, want %q", e.asked, want)
	}
}

func TestAnEngineThatMisbehavesOverLogs(t *testing.T) {
	status := func(code int, message string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			fmt.Fprintf(w, `{"message":%q}`, message)
		}
	}
	raw := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) }
	}
	flood := func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.Copy(w, io.LimitReader(&endless{[]byte("\x01\x00\x00\x00\xff\xff\xff\xff" + at(1))}, 2*maxLogRead))
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   abi.Code
		says   string
	}{
		"a driver that keeps nothing": {status(http.StatusNotImplemented, "configured logging driver does not support reading"), abi.Unavailable, `log driver "splunk" keeps nothing`},
		"the same as an error":        {status(http.StatusInternalServerError, "configured logging driver does not support reading"), abi.Unavailable, "keeps nothing"},
		"it is being removed":         {status(http.StatusConflict, "marked for removal"), abi.Conflict, "present state"},
		"it is gone":                  {status(http.StatusNotFound, "No such container"), abi.NotFound, "no such container"},
		"it reports trouble":          {raw(frame(1, at(1)+"a\n") + frame(3, "Error grabbing logs: invalid character '\\x00'\x1b[31m\n")), abi.Unavailable, "could not read the log of web: Error grabbing logs: invalid character"},
		"it is no stream":             {raw(`{"message":"hello"}`), abi.Unavailable, "makes no sense"},
		"a frame of four gigabytes":   {raw("\x01\x00\x00\x00\xff\xff\xff\xff" + at(1) + "a\n"), abi.Unavailable, "makes no sense"},
		"a line without an end":       {flood, abi.Limit, "too long"},
		"hangs":                       {hang, abi.Unavailable, "does not answer"},
		"hangs within a frame": {func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.WriteString(w, frame(1, at(1)+"abc\n")[:20])
			w.(http.Flusher).Flush()
			hang(w, r)
		}, abi.Unavailable, "does not answer"},
		"hangs up": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, frame(1, at(1)+"abc\n"))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, abi.Unavailable, ""},
		"nothing": {raw(""), abi.OK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := (&logEngine{answer: tc.answer}).client(t)
			c.timeout = time.Second
			if tc.want == abi.Limit {
				c.timeout = 30 * time.Second
			}
			begin := time.Now()
			page, err := c.Logs(context.Background(), abi.LogQuery{ID: "web"}, anything)
			wantCode(t, err, tc.want)
			if err != nil && (!strings.Contains(err.(*Error).Answer.Message, tc.says) || strings.Contains(err.(*Error).Answer.Message, "\x1b")) {
				t.Errorf("says %q, want %q in it", err.(*Error).Answer.Message, tc.says)
			}
			if err == nil && (page.Lines == nil || page.Newer == "" || page.Name != "web") {
				t.Errorf("%+v", page)
			}
			if took := time.Since(begin); tc.want != abi.Limit && took > 5*time.Second {
				t.Errorf("took %v", took)
			}
		})
	}
}

// TestAnEngineThatIgnoresTheQuestion sends more than it was asked for.
func TestAnEngineThatIgnoresTheQuestion(t *testing.T) {
	var all strings.Builder
	for i := range 1000 {
		all.WriteString(frame(1, at(i)+fmt.Sprintf("line %d\n", i)))
	}
	e := &logEngine{answer: func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, all.String()) }}
	page := logs(t, e.client(t), abi.LogQuery{ID: "web", Count: 2})
	if want := []string{"line 998", "line 999"}; !slices.Equal(texts(page), want) {
		t.Errorf("%q, want %q", texts(page), want)
	}
}

func TestAPageFitsIntoAnAnswer(t *testing.T) {
	e := &logEngine{}
	for i := range 600 {
		e.messages = append(e.messages, logMessage{i, 1, strings.Repeat("<", 5000) + "\n"})
	}
	c := e.client(t)
	size := func(page abi.LogPage) (n int) {
		for _, l := range page.Lines {
			n += len(l.Text)
		}
		return n
	}
	page := logs(t, c, abi.LogQuery{ID: "web"})
	if n := size(page); n > maxPageText || n < maxPageText/2 || page.Older == "" {
		t.Errorf("%d bytes in %d lines, older %q", n, len(page.Lines), page.Older)
	}
	if got := backwards(t, c, abi.LogQuery{ID: "web"}); len(got) != 600 {
		t.Errorf("%d lines in all", len(got))
	}
	if got := forwards(t, c, abi.LogQuery{ID: "web"}); len(got) != 600 {
		t.Errorf("%d lines in all, forwards", len(got))
	}
}

func TestQuestionsThatAreNone(t *testing.T) {
	e := &logEngine{}
	c := e.client(t)
	for name, q := range map[string]abi.LogQuery{
		"both ways":          {Before: "1.1.1", After: "1.1.1"},
		"a cursor of text":   {Before: "newest"},
		"a negative one":     {After: "-1.1.1"},
		"one of four parts":  {After: "1.1.1.1"},
		"a depth too far":    {Before: "1.1.9999999999"},
		"a long cursor":      {Before: strings.Repeat("1", 70) + ".1.1"},
		"a negative count":   {Count: -1},
		"a negative time":    {Since: -1},
		"an end of all time": {Until: 1 << 62},
		"an end before":      {Since: 2, Until: 1},
		"another stream":     {Stream: "stdin"},
		"a long text":        {Contains: strings.Repeat("x", maxNeedle+1)},
	} {
		q.ID = "web"
		_, err := c.Logs(context.Background(), q, anything)
		if t.Run(name, func(t *testing.T) { wantCode(t, err, abi.Invalid) }); len(e.asked) > 0 {
			t.Errorf("%s: the engine was asked", name)
		}
	}
}
