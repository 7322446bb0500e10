package engine

import (
	"bytes"
	"io"
	"strings"
	"unicode"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// guestLog passes a guest's lines to the host's log: cut at a budget, and
// cleaned so that they cannot forge a line of their own (D3).
type guestLog struct {
	log     *zap.Logger
	left    int // bytes
	cut     bool
	streams []*stream
}

func newGuestLog(log *zap.Logger, budget int) *guestLog { return &guestLog{log: log, left: budget} }

// line writes one line at a guest's level; an unknown level counts as debug.
func (g *guestLog) line(level int32, text []byte) {
	if len(text) > g.left {
		text, g.cut = text[:g.left], true
	}
	g.left -= len(text)
	if len(text) == 0 {
		return
	}
	zapLevel := zapcore.DebugLevel
	switch level {
	case abi.LogInfo:
		zapLevel = zapcore.InfoLevel
	case abi.LogWarn:
		zapLevel = zapcore.WarnLevel
	case abi.LogError:
		zapLevel = zapcore.ErrorLevel
	}
	g.log.Log(zapLevel, "module says", zap.String("event", "module.log"), zap.String("line", clean(text)))
}

// clean makes foreign bytes one line of visible text.
func clean(text []byte) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return '·'
		}
		return r
	}, strings.ToValidUTF8(string(text), "\uFFFD"))
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
func (g *guestLog) stream(level int32) io.Writer {
	s := &stream{to: g, level: level}
	g.streams = append(g.streams, s)
	return s
}

type stream struct {
	to    *guestLog
	level int32
	rest  []byte
}

// Write never fails and never keeps more than the budget that is left.
func (s *stream) Write(p []byte) (int, error) {
	for data := p; len(data) > 0; {
		line, rest, complete := bytes.Cut(data, []byte("\n"))
		room := max(s.to.left-len(s.rest), 0)
		if len(line) > room {
			line, s.to.cut = line[:room], true
		}
		s.rest = append(s.rest, line...)
		if complete {
			s.flush()
		}
		data = rest
	}
	return len(p), nil
}

func (s *stream) flush() {
	s.to.line(s.level, s.rest)
	s.rest = s.rest[:0]
}
