package main

import (
	"io"
	"strings"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/cofferdam-bot/cofferdam/security/foreign"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// newLogger returns a logger that writes to w. Every name, message, key and
// field goes through the scrubber and is cleaned, so that no error or panic can
// carry a secret past it, and no foreign text can forge a line or move a
// terminal's cursor (D2, D3). It adds no stacks of its own.
func newLogger(w io.Writer, level, format string, scrubber *scrub.Scrubber) *zap.Logger {
	core := newCore(w, level, format)
	return zap.New(&cleaned{Core: core, scrubber: scrubber}).Named("cofferdam")
}

// newCore writes lines as they are.
func newCore(w io.Writer, level, format string) zapcore.Core {
	min, err := zapcore.ParseLevel(level)
	if err != nil {
		min = zapcore.InfoLevel
	}
	encoding := zap.NewProductionEncoderConfig()
	encoding.TimeKey, encoding.NameKey = "ts", "logger"
	encoding.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00")
	encoding.EncodeDuration = zapcore.StringDurationEncoder
	encoder := zapcore.NewJSONEncoder(encoding)
	if format == "human" {
		encoding.EncodeLevel = zapcore.CapitalLevelEncoder
		encoder = zapcore.NewConsoleEncoder(encoding)
	}
	return zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), min)
}

// cleaned is a core whose texts are scrubbed and made fit to be shown, before
// they are encoded: a finished line could not be changed without breaking it.
type cleaned struct {
	zapcore.Core
	scrubber *scrub.Scrubber
}

// With adds fields to all lines, whatever their level: no stacks among them.
func (c *cleaned) With(fields []zapcore.Field) zapcore.Core {
	return &cleaned{Core: c.Core.With(c.fields(fields, false)), scrubber: c.scrubber}
}

// Check lets this core write, and not the one inside.
func (c *cleaned) Check(entry zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(entry.Level) {
		return to.AddCore(entry, c)
	}
	return to
}

// Write writes one line.
func (c *cleaned) Write(entry zapcore.Entry, fields []zapcore.Field) error {
	stacks := entry.Level < zapcore.InfoLevel
	entry.LoggerName, entry.Message = c.line(entry.LoggerName), c.line(c.text(entry.Message, stacks))
	if entry.Stack = c.text(entry.Stack, stacks); !stacks {
		entry.Stack = ""
	}
	return c.Core.Write(entry, c.fields(fields, stacks))
}

// line cleans what stands on the line as it is.
func (c *cleaned) line(s string) string {
	s = c.scrubber.String(s)
	return foreign.Line(s, len(s))
}

// text cleans what the encoder puts between quotes.
func (c *cleaned) text(s string, stacks bool) string {
	if !stacks {
		s = withoutStack(s)
	}
	return foreign.Text(c.scrubber.String(s))
}

// stackMarks begin the lines with which stacks of Go and of guests begin.
var stackMarks = []string{"goroutine ", "wasm stack trace:"}

// withoutStack cuts off a stack that somebody put behind an error or a panic's
// value (D3).
func withoutStack(s string) string {
	if strings.IndexByte(s, '\n') < 0 {
		return s
	}
	for _, mark := range stackMarks {
		if strings.HasPrefix(s, mark) {
			return "[stack]"
		}
		if i := strings.Index(s, "\n"+mark); i >= 0 {
			s = s[:i]
		}
	}
	return s
}

// fields makes a cleaned text of every field that is not a number, a time or a
// truth. Keys are cleaned too: those of a map may come from anywhere.
func (c *cleaned) fields(fields []zapcore.Field, stacks bool) []zapcore.Field {
	out := make([]zapcore.Field, len(fields))
	for i, f := range fields {
		key := c.line(f.Key)
		switch f.Type {
		case zapcore.BoolType, zapcore.DurationType, zapcore.Float64Type, zapcore.Float32Type,
			zapcore.Int64Type, zapcore.Int32Type, zapcore.Int16Type, zapcore.Int8Type,
			zapcore.Uint64Type, zapcore.Uint32Type, zapcore.Uint16Type, zapcore.Uint8Type,
			zapcore.TimeType, zapcore.TimeFullType, zapcore.SkipType, zapcore.NamespaceType:
			out[i] = f
			out[i].Key = key
		default:
			out[i] = zap.String(key, c.text(textOf(f), stacks))
		}
	}
	return out
}
