package engine

import (
	"bytes"
	"syscall"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// guestLog passes a guest's lines to the host's log: cut at a budget, and
// cleaned so that they cannot forge a line of their own (D3).
type guestLog struct {
	log     *zap.Logger
	left    int // bytes
	cut     bool
	streams []*stream
}

// lineCost is what each line takes from the budget besides its text, in bytes:
// about what the host writes around it. Without it, lines of one letter would
// make the log a hundred times longer than the budget.
const lineCost = 128

func newGuestLog(log *zap.Logger, budget int) *guestLog { return &guestLog{log: log, left: budget} }

// take returns as much of the text as the budget still pays for.
func (g *guestLog) take(text []byte) []byte {
	if len(text) > g.left {
		text, g.cut = text[:g.left], true
	}
	g.left -= len(text)
	return text
}

// line writes one line at a guest's level; an unknown level counts as debug.
func (g *guestLog) line(level int32, text []byte) { g.write(level, g.take(text)) }

// write writes a line whose text was paid for.
func (g *guestLog) write(level int32, text []byte) {
	if len(text) == 0 {
		return
	}
	g.left = max(g.left-lineCost, 0)
	zapLevel := zapcore.DebugLevel
	switch level {
	case abi.LogInfo:
		zapLevel = zapcore.InfoLevel
	case abi.LogWarn:
		zapLevel = zapcore.WarnLevel
	case abi.LogError:
		zapLevel = zapcore.ErrorLevel
	}
	g.log.Log(zapLevel, "module says", zap.String("event", "module.log"), zap.String("line", foreign.Line(string(text), len(text))))
}

// flush writes what stands in the streams without a newline, and says once
// that something was cut.
func (g *guestLog) flush() {
	for _, s := range g.streams {
		s.flush()
	}
	if g.cut {
		g.log.Warn("module wrote more than it may; the rest is dropped", zap.String("event", "limit.exceeded"), zap.String("limit", "log"))
	}
}

// stream makes lines of what a guest writes to stdout or stderr.
func (g *guestLog) stream(level int32) *stream {
	s := &stream{to: g, level: level}
	g.streams = append(g.streams, s)
	return s
}

type stream struct {
	to    *guestLog
	level int32
	rest  []byte // paid for
}

// Write looks at no more than the budget pays for, newlines included, and then
// fails as a full disk does. A guest can hand over its whole memory a million
// times in one call of fd_write, which no deadline interrupts; it ends at the
// first error.
func (s *stream) Write(p []byte) (int, error) {
	for written := 0; written < len(p); {
		part := p[written:]
		if end := bytes.IndexByte(part[:min(len(part), s.to.left)], '\n'); end >= 0 {
			part = part[:end+1]
		}
		paid := s.to.take(part)
		written += len(paid)
		line, complete := bytes.CutSuffix(paid, []byte("\n"))
		s.rest = append(s.rest, line...)
		if complete {
			s.flush()
		}
		if len(paid) < len(part) {
			return written, syscall.ENOSPC
		}
	}
	return len(p), nil
}

// goStack is how the stack begins that Go's runtime writes behind the message
// of a panic.
var goStack = []byte("goroutine ")

func (s *stream) flush() {
	if bytes.HasPrefix(s.rest, goStack) {
		s.level = abi.LogDebug // from here on: stacks are for DEBUG (D3)
	}
	s.to.write(s.level, s.rest)
	s.rest = s.rest[:0]
}
