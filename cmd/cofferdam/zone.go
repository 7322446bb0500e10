package main

import (
	"strings"
	"time"
	_ "time/tzdata" // a container of this one file has no zones of its own

	"go.uber.org/zap"
)

// warnOfZone tells of a $TZ that names no zone: Go takes UTC then, and says
// nothing.
func warnOfZone(log *zap.Logger, tz string) {
	name := strings.TrimPrefix(tz, ":")
	if strings.HasPrefix(name, "/") { // a file, which may come and go
		return
	}
	if _, err := time.LoadLocation(name); err != nil {
		log.Warn("TZ names no time zone, so times are shown in UTC", zap.String("event", "config.zone"), zap.String("tz", name), zap.Error(err))
	}
}
