package docker

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"
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
