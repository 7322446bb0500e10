package docker

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

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

// A cursor names a place in whatever log it is used for: one that was forged, or
// made for another container, shows nothing but lines of that log, and ends.
func TestForgedCursors(t *testing.T) {
	e := &logEngine{}
	for i := range 50 {
		e.messages = append(e.messages, logMessage{at: i * 1000, kind: 1, text: fmt.Sprintf("line %d\n", i)})
	}
	c := e.client(t)
	last := cursor{position{latest, 1 << 30}, farthest}
	for name, q := range map[string]abi.LogQuery{
		"before the end of time": {Before: last.String()}, "after it": {After: last.String()},
		"before the beginning": {Before: "1.1.0"}, "after it, far from the end": {After: "1.1.1073741824"},
		"before it, far from the end": {Before: "1.1.1073741824"}, "another log's": {Before: "2dn50nyhbswvw.7.9"},
		"a range besides": {Before: last.String(), Since: 1 << 43, Until: 1 << 43},
	} {
		t.Run(name, func(t *testing.T) {
			q.ID, e.asked = "web", nil
			page, err := c.Logs(t.Context(), q, anything)
			if err != nil {
				return // refused is as good
			}
			for _, l := range page.Lines {
				if !strings.HasPrefix(l.Text, "line ") {
					t.Errorf("a line %q", l.Text)
				}
			}
			if len(page.Lines) > 50 || len(e.asked) > 20 {
				t.Errorf("%d lines in %d questions", len(page.Lines), len(e.asked))
			}
			for _, next := range []string{page.Older, page.Newer} {
				if _, err := parseCursor(next); next != "" && err != nil {
					t.Errorf("it leads on to %q: %v", next, err)
				}
			}
		})
	}
}

// What a log is searched for is a text, whatever it looks like.
func TestATextToLookForIsNoPattern(t *testing.T) {
	e := &logEngine{messages: []logMessage{{at: 1, kind: 1, text: "(a+)+$ in here\n"}, {at: 2, kind: 1, text: strings.Repeat("a", 10_000) + "!\n"}, {at: 3, kind: 1, text: "b\n"}}}
	c := e.client(t)
	for text, want := range map[string]int{"(a+)+$": 1, ".*": 0, "%": 0, "^b$": 0, "B": 1, "\x00": 0, strings.Repeat("a", maxNeedle): 1} {
		if page := logs(t, c, abi.LogQuery{ID: "web", Contains: text}); len(page.Lines) != want {
			t.Errorf("%q is in %d lines, want %d", text, len(page.Lines), want)
		}
	}
}

func TestQuestionsThatAreNone(t *testing.T) {
	e := &logEngine{}
	c := e.client(t)
	for name, q := range map[string]abi.LogQuery{
		"both ways":          {Before: "1.1.1", After: "1.1.1"},
		"a cursor of text":   {Before: "newest"},
		"before all":         {Before: "0.0.0"},
		"a negative one":     {After: "-1.1.1"},
		"one of four parts":  {After: "1.1.1.1"},
		"after all time":     {After: "1y2p0ij32e8e7.1.1"},
		"before that":        {Before: "1y2p0ij32e8e7.1.1"},
		"a hundred lines on": {Before: "1.99999999999.1"},
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
