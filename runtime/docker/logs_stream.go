package docker

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

const (
	// keptLine is how much of a line is looked at, in bytes. An engine splits
	// longer ones into messages of this size, each with a timestamp of its own.
	keptLine = 16 << 10
	// maxHead is more than a timestamp has.
	maxHead = 40
	// maxOpen is how many lines wait for one before them that has not ended.
	maxOpen = 64
)

// logLine is a line as it was sent. It belongs to its stream, which writes the
// next one into it after the visit.
type logLine struct {
	position
	stamped bool // the engine said when
	source  string
	raw     []byte
	cut     bool
	// index counts the messages before the line in this answer.
	index int
	// edge marks what may have begun before this answer: lines up to the first
	// one's time, whose numbers count only from here.
	edge   bool
	sealed bool
}

// logStream takes an engine's answer apart: frames into streams, streams into
// lines, in the order in which they began. Whatever the engine sends, its memory
// is bounded.
type logStream struct {
	in    *bufio.Reader
	tty   bool
	visit func(*logLine) bool // false: no more

	tracks   [2]track
	queue    []*logLine
	free     []*logLine
	last     position
	first    int64 // the time of the first line
	edge     bool  // nothing later than first was met
	messages int   // as an engine counts them for its tail
	stopped  bool
	// trouble is the engine's own report that it could not read on.
	trouble []byte
}

// track is one of the two streams.
type track struct {
	source string
	open   *logLine
	inText bool
	length int // of the text of the line, in bytes
	at     int64
	head   []byte // what may become a timestamp
}

func newLogStream(in io.Reader, tty bool, visit func(*logLine) bool) *logStream {
	return &logStream{
		in: bufio.NewReaderSize(in, 32<<10), tty: tty, visit: visit, edge: true, first: -1,
		tracks: [2]track{{source: abi.StreamOut}, {source: abi.StreamErr}},
	}
}

// run reads to the end, or until visit has enough.
func (s *logStream) run() error {
	read := s.frames
	if s.tty {
		read = s.terminal
	}
	if err := read(); err != nil || s.stopped {
		return err
	}
	for i := range s.tracks {
		t := &s.tracks[i]
		if len(t.head) > 0 {
			s.headDone(t)
		}
		s.seal(t)
	}
	s.deliver()
	return nil
}

// terminal reads the bare stream of a container with a terminal.
func (s *logStream) terminal() error {
	for !s.stopped {
		if _, err := s.in.Peek(1); err != nil {
			return atEnd(err)
		}
		p, _ := s.in.Peek(s.in.Buffered())
		s.write(&s.tracks[0], p)
		_, _ = s.in.Discard(len(p))
	}
	return nil
}

// frames reads the multiplexed stream: eight bytes, of which the first says
// which stream and the last four how long, then that many bytes.
func (s *logStream) frames() error {
	var header [8]byte
	for !s.stopped {
		if _, err := io.ReadFull(s.in, header[:]); err != nil {
			return atEnd(err)
		}
		if header[0] > 3 || header[1]|header[2]|header[3] != 0 {
			return fmt.Errorf("%w: a frame of a log begins with % x", errNonsense, header)
		}
		if err := s.frame(header[0], int64(binary.BigEndian.Uint32(header[4:]))); err != nil {
			return err
		}
	}
	return nil
}

// frame reads one frame as it comes in: its length is the engine's word only.
func (s *logStream) frame(kind byte, size int64) error {
	t := &s.tracks[0]
	if kind == 2 {
		t = &s.tracks[1]
	}
	if kind != 3 {
		s.resume(t)
	}
	for size > 0 && !s.stopped {
		if _, err := s.in.Peek(1); err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return err
		}
		p, _ := s.in.Peek(int(min(size, int64(s.in.Buffered()))))
		if kind == 3 {
			s.trouble = append(s.trouble, p[:min(len(p), 512-min(len(s.trouble), 512))]...)
		} else {
			s.write(t, p)
		}
		size -= int64(len(p))
		_, _ = s.in.Discard(len(p))
	}
	return nil
}

// atEnd is nil at a proper end; in the middle of a frame's header there is none.
func atEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// resume begins a frame. In the middle of a line it may begin with the line's
// timestamp once more.
func (s *logStream) resume(t *track) {
	if t.inText {
		t.inText, t.head = false, t.head[:0]
	}
}

func (s *logStream) write(t *track, p []byte) {
	for len(p) > 0 && !s.stopped {
		if !t.inText {
			p = s.writeHead(t, p)
			continue
		}
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			s.add(t, p)
			return
		}
		s.add(t, p[:end])
		p = p[end+1:]
		s.seal(t)
		s.deliver()
	}
}

// writeHead collects a timestamp, up to the space behind it.
func (s *logStream) writeHead(t *track, p []byte) []byte {
	for i, c := range p {
		if c == '\n' {
			s.headDone(t)
			return p[i:]
		}
		t.head = append(t.head, c)
		if c == ' ' || len(t.head) == maxHead {
			s.headDone(t)
			return p[i+1:]
		}
	}
	return nil
}

// headDone decides what was collected: a timestamp of a new line, that of the
// line it goes on with, or text.
func (s *logStream) headDone(t *track) {
	at, ok := stampOf(t.head)
	text := t.head
	if ok {
		text = nil
		s.messages++
	}
	if t.open == nil || ok && at != t.at {
		s.seal(t)
		s.begin(t, at, ok)
	}
	t.inText = true
	s.add(t, text)
	t.head = t.head[:0]
}

// stampOf reads a timestamp with the space behind it, in nanoseconds since 1970.
func stampOf(head []byte) (int64, bool) {
	stamp, ok := bytes.CutSuffix(head, []byte(" "))
	if !ok || len(stamp) < len("2006-01-02T15:04:05Z") {
		return 0, false
	}
	when, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil || when.Year() < 1970 || when.Year() > 2261 { // what nanoseconds in 64 bits hold
		return 0, false
	}
	return when.UnixNano(), true
}

// begin opens a line. One without a timestamp is as late as the one before.
func (s *logStream) begin(t *track, at int64, stamped bool) {
	if !stamped {
		at = s.last.at
	}
	if s.first < 0 {
		s.first = at
	}
	s.edge = s.edge && at <= s.first
	if at != s.last.at {
		s.last = position{at: at}
	}
	s.last.nth++
	l := &logLine{}
	if n := len(s.free); n > 0 {
		l, s.free = s.free[n-1], s.free[:n-1]
	}
	*l = logLine{position: s.last, stamped: stamped, source: t.source, raw: l.raw[:0], index: s.messages, edge: s.edge}
	if stamped {
		l.index-- // its own
	}
	t.open, t.at, t.length = l, at, 0
	s.queue = append(s.queue, l)
}

func (s *logStream) add(t *track, p []byte) {
	t.length += len(p)
	l := t.open
	if l == nil || l.sealed {
		return
	}
	if n := min(len(p), keptLine-len(l.raw)); n < len(p) {
		// The carriage return that a terminal ends lines with is none of the text.
		l.cut = l.cut || !bytes.Equal(p[n:], []byte("\r"))
		p = p[:n]
	}
	l.raw = append(l.raw, p...)
}

// seal ends a stream's line, if it has one.
func (s *logStream) seal(t *track) {
	if t.open != nil {
		t.open.sealed = true
		if s.tty { // nothing shows there which messages a long line was split into
			s.messages += t.length / keptLine
		}
	}
	t.open, t.inText = nil, false
}

// deliver shows lines that have ended, in the order in which they began. What
// keeps too many of them waiting is cut.
func (s *logStream) deliver() {
	for len(s.queue) > 0 && !s.stopped {
		l := s.queue[0]
		if !l.sealed && len(s.queue) <= maxOpen {
			return
		}
		if !l.sealed {
			l.sealed, l.cut = true, true
			s.queue = s.queue[1:]
			s.stopped = !s.visit(l) // and its track goes on without it
			continue
		}
		s.queue = s.queue[1:]
		s.stopped = !s.visit(l)
		s.free = append(s.free, l)
	}
}

// said is the engine's report as a sentence's part.
func (s *logStream) said() string { return foreign.Line(string(bytes.TrimSpace(s.trouble)), 200) }
