package main

import (
	"io"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// newLogger returns a logger that writes to w. Every finished line goes
// through the scrubber, so that no field, error or panic can carry a secret
// past it.
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
	sink := zapcore.Lock(zapcore.AddSync(&scrubbed{to: w, scrubber: scrubber}))
	return zap.New(zapcore.NewCore(encoder, sink, min)).Named("cofferdam")
}

// scrubbed hides secrets in whole lines.
type scrubbed struct {
	to       io.Writer
	scrubber *scrub.Scrubber
}

// Write writes one line; zap hands over each in one call.
func (s *scrubbed) Write(line []byte) (int, error) {
	if _, err := io.WriteString(s.to, s.scrubber.String(string(line))); err != nil {
		return 0, err
	}
	return len(line), nil
}
