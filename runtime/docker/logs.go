package docker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// Bounds of one call of [Client.Logs].
const (
	// MaxLogLines is how many lines a page has at most.
	MaxLogLines = 500
	// maxPageText bounds the text of a page, in bytes: JSON may make six of one.
	maxPageText = 128 << 10
	// maxLogRead is what an engine may send, in bytes.
	maxLogRead = 64 << 20
	// searching is after which time no further part of a log is asked for.
	searching = 3 * time.Second
	// maxNeedle bounds a text that lines are searched for, in bytes.
	maxNeedle = 512
	// extraLines are asked for beyond a page: what an answer begins with in the
	// middle, and what the log grew meanwhile.
	extraLines = 32
	// maxStep is how many more messages a part of a search has at most.
	maxStep = 1 << 18
	// disorder is by how much an engine may write its lines out of the order of
	// their times: two streams are stamped before they are written one by one.
	disorder = int64(time.Second)
)

// Logs reads a part of a container's log, which need not run: the newest lines,
// or those beside a cursor. Errors are those of [Client.Inspect], and
// [abi.Unavailable] for a log that Docker cannot read back.
//
// A log is read from its end, as far as it is needed, and never held: a page of
// a log of 50 MB costs what one of 50 KB does. The order of lines is that in
// which the engine keeps them, so that a line that was stamped early and written
// late is neither lost nor shown twice; only within a page they are put in the
// order of their times. Lines are searched in their first 16 KiB.
//
// What was lost by the engine's rotation of a log between two pages is not
// missed.
func (c *Client) Logs(ctx context.Context, q abi.LogQuery, keep Keep) (abi.LogPage, error) {
	s, from, err := newSearch(q)
	if err != nil {
		return abi.LogPage{}, err
	}
	e, ctx, cancel, err := c.begin(ctx, q.Host)
	if err != nil {
		return abi.LogPage{}, err
	}
	defer cancel()
	got, err := e.resolve(ctx, q.ID, keep)
	if err != nil {
		return abi.LogPage{}, err
	}
	s.of(e, got)
	if q.After != "" {
		err = s.forward(ctx, from)
	} else {
		err = s.back(ctx, from)
	}
	if err != nil {
		return abi.LogPage{}, err
	}
	return s.page(), nil
}

// search is one call's work.
type search struct {
	want         int
	needle       string // in lower case
	stream       string
	since, until int64 // nanoseconds since 1970; 0: no bound

	endpoint *endpoint
	id, name string
	driver   string
	tty      bool

	began   time.Time
	budget  int64 // bytes that may still be read
	kept    []found
	size    int // of their text, in bytes
	partial bool
	// older and newer are where the pages on either side begin; older is nil at
	// the beginning.
	older *cursor
	newer cursor
}

// found is a line of a page.
type found struct {
	cursor
	line abi.LogLine
	edge bool
}

func newSearch(q abi.LogQuery) (*search, cursor, error) {
	s := &search{
		want: q.Count, stream: q.Stream, needle: strings.ToLower(q.Contains),
		budget: maxLogRead, began: time.Now(),
	}
	if s.want == 0 || s.want > MaxLogLines {
		s.want = MaxLogLines
	}
	const most = int64(1) << 43 // milliseconds: the year 2248
	switch {
	case q.Count < 0, q.Since < 0, q.Until < 0, q.Since > most, q.Until > most, q.Until != 0 && q.Until < q.Since:
		return nil, cursor{}, fail(abi.Invalid, "That is no range of a log.", nil)
	case q.Before != "" && q.After != "":
		return nil, cursor{}, fail(abi.Invalid, "A page of a log is before a place or after it, not both.", nil)
	case len(q.Contains) > maxNeedle:
		return nil, cursor{}, fail(abi.Invalid, "The text to look for is too long.", nil)
	case q.Stream != "" && q.Stream != abi.StreamOut && q.Stream != abi.StreamErr:
		return nil, cursor{}, fail(abi.Invalid, "A log has the streams stdout and stderr.", nil)
	}
	s.since = q.Since * int64(time.Millisecond)
	if q.Until != 0 {
		s.until = (q.Until+1)*int64(time.Millisecond) - 1
	}
	text := q.Before + q.After
	if text == "" {
		return s, cursor{}, nil
	}
	from, err := parseCursor(text)
	if err == nil && q.Before != "" && from.position == (position{}) {
		err = errBadCursor // it would be the end
	}
	return s, from, err
}

func (s *search) of(e *endpoint, got container.InspectResponse) {
	s.endpoint, s.id = e, got.ID
	s.name = displayName(bareName(got.Name), got.ID)
	s.tty = got.Config != nil && got.Config.Tty
	if got.ContainerJSONBase != nil && got.HostConfig != nil {
		s.driver = got.HostConfig.LogConfig.Type
	}
}

// page is what was found, in the order of time.
func (s *search) page() abi.LogPage {
	out := abi.LogPage{Name: s.name, Lines: make([]abi.LogLine, 0, len(s.kept)), Newer: s.newer.String(), Partial: s.partial}
	if s.older != nil {
		out.Older = s.older.String()
	}
	slices.SortStableFunc(s.kept, func(a, b found) int { return cmp.Compare(a.at, b.at) })
	for _, f := range s.kept {
		out.Lines = append(out.Lines, f.line)
	}
	return out
}

// admits tells whether a line is asked for, and cleans it.
func (s *search) admits(l *logLine) (line abi.LogLine, ok bool) {
	if s.stream != "" && l.source != s.stream || l.at < s.since || s.until != 0 && l.at > s.until {
		return line, false
	}
	whole, short, cut := cleanLine(l.raw)
	if s.needle != "" && !strings.Contains(strings.ToLower(whole), s.needle) {
		return line, false
	}
	line = abi.LogLine{Stream: l.source, Text: short, Cut: l.cut || cut}
	if l.stamped {
		line.Time = max(l.at/int64(time.Millisecond), 0)
	}
	return line, true
}

// part is a stretch of the log that is asked for.
type part struct {
	tail         int   // messages from the end; 0: all
	since, until int64 // as in search
}

// read asks the engine for a part, and shows its lines until visit has enough.
// fresh is called before each attempt.
func (s *search) read(ctx context.Context, p part, fresh func(), visit func(*logLine) bool) (messages int, err error) {
	options := container.LogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Tail: "all", Since: stamp(p.since), Until: stamp(p.until)}
	if p.tail > 0 {
		options.Tail = strconv.Itoa(p.tail)
	}
	var stream *logStream
	var refused error
	err = s.endpoint.ask(ctx, "logs", func(cli *client.Client) error {
		fresh()
		body, err := cli.ContainerLogs(streaming(ctx), s.id, options)
		if err != nil {
			refused = err
			return err
		}
		defer body.Close()
		stream = newLogStream(&bounded{r: body, s: s}, s.tty, visit)
		return stream.run()
	})
	switch {
	case err == nil && len(stream.trouble) > 0:
		return stream.messages, s.unreadable(stream.said(), nil)
	case err == nil:
		return stream.messages, nil
	case codeOf(err) == abi.NotFound:
		return 0, fail(abi.NotFound, "There is no such container (any more).", err)
	case refused != nil && cannotRead(refused):
		return 0, s.unreadable("", err)
	case errors.Is(err, errTooLarge):
		return 0, fail(abi.Limit, "The lines of "+s.name+" are too long to be read from here.", err)
	}
	return 0, err
}

// cannotRead tells an engine's refusal to read what a log driver took away.
func cannotRead(err error) bool {
	return cerrdefs.IsNotImplemented(err) || strings.Contains(err.Error(), "does not support reading")
}

func (s *search) unreadable(said string, cause error) error {
	if said != "" {
		return fail(abi.Unavailable, "Docker could not read the log of "+s.name+": "+strings.TrimSuffix(said, ".")+".", cause)
	}
	return fail(abi.Unavailable, fmt.Sprintf("The log of %s cannot be read: its log driver %q keeps nothing for readers.",
		s.name, foreign.Line(s.driver, 64)), cause)
}

func stamp(ns int64) string {
	if ns == 0 {
		return ""
	}
	return fmt.Sprintf("%d.%09d", ns/int64(time.Second), ns%int64(time.Second))
}

// bounded ends in errTooLarge when the search has read enough, or looked long
// enough for more than it has.
type bounded struct {
	r io.Reader
	s *search
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.s.budget <= 0 || b.s.older != nil && time.Since(b.s.began) > searching {
		return 0, errTooLarge
	}
	n, err := b.r.Read(p[:min(int64(len(p)), b.s.budget)])
	b.s.budget -= int64(n)
	return n, err
}

// exhausted tells an end that is the search's own.
func exhausted(err error) bool {
	return errors.Is(err, errTooLarge) || errors.Is(err, context.DeadlineExceeded)
}
