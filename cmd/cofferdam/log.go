package main

import (
	"fmt"
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/cofferdam-bot/cofferdam/security/foreign"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// newLogger returns a logger that writes to w. Every message and field goes
// through the scrubber and is cleaned, so that no error or panic can carry a
// secret past it, and no foreign text can forge a line or move a terminal's
// cursor (D2, D3).
func newLogger(w io.Writer, level, format string, scrubber *scrub.Scrubber) *zap.Logger {
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
	core := zapcore.NewCore(encoder, zapcore.Lock(zapcore.AddSync(w)), min)
	return zap.New(&cleaned{Core: core, scrubber: scrubber}).Named("cofferdam")
}

// cleaned is a core whose texts are scrubbed and made fit to be shown, before
// they are encoded: a finished line could not be changed without breaking it.
type cleaned struct {
	zapcore.Core
	scrubber *scrub.Scrubber
}

// With adds fields to all lines.
func (c *cleaned) With(fields []zapcore.Field) zapcore.Core {
	return &cleaned{Core: c.Core.With(c.fields(fields)), scrubber: c.scrubber}
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
	message := c.scrubber.String(entry.Message)
	entry.Message, entry.Stack = foreign.Line(message, len(message)), c.text(entry.Stack)
	return c.Core.Write(entry, c.fields(fields))
}

func (c *cleaned) text(s string) string { return foreign.Text(c.scrubber.String(s)) }

// fields makes a cleaned text of every field that is not a number, a time or a
// truth.
func (c *cleaned) fields(fields []zapcore.Field) []zapcore.Field {
	out := make([]zapcore.Field, len(fields))
	for i, f := range fields {
		switch f.Type {
		case zapcore.BoolType, zapcore.DurationType, zapcore.Float64Type, zapcore.Float32Type,
			zapcore.Int64Type, zapcore.Int32Type, zapcore.Int16Type, zapcore.Int8Type,
			zapcore.Uint64Type, zapcore.Uint32Type, zapcore.Uint16Type, zapcore.Uint8Type,
			zapcore.TimeType, zapcore.TimeFullType, zapcore.SkipType, zapcore.NamespaceType:
			out[i] = f
		default:
			out[i] = zap.String(f.Key, c.text(textOf(f)))
		}
	}
	return out
}

// textOf writes a field's value as the encoder would.
func textOf(f zapcore.Field) string {
	if f.Type == zapcore.StringType {
		return f.String
	}
	values := zapcore.NewMapObjectEncoder()
	f.AddTo(values)
	if b, ok := values.Fields[f.Key].([]byte); ok {
		return string(b)
	}
	return fmt.Sprint(values.Fields[f.Key])
}
