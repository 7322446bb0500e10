package main

import (
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
)

// unused is a key that the operator set and that has no effect. Such a key is
// never passed over in silence: somebody counts on it.
type unused struct {
	key string
	// instead is what the bot does, as a sentence without its full stop.
	instead string
}

func (u unused) String() string { return u.key + ": " + u.instead }

const nothing = "this version of cofferdam does nothing with it; "

// unusedKeys returns what is set in a configuration and has no effect in
// webhook mode, or without it.
func unusedKeys(cfg *config.Config, webhook bool) []unused {
	var found []unused
	for _, k := range []struct {
		set bool
		unused
	}{
		{cfg.Webhook.URL != "" && !webhook, unused{"webhook_config.url", "the bot polls, and listens nowhere, unless it is run with --webhook or webhook_config.enabled is true"}},
		{cfg.InfluxDB.URL != "", unused{"influxdb.url", nothing + "nothing is read from InfluxDB and nothing is written to it"}},
		{cfg.Plugins.Monitor != quietMonitor, unused{"plugins_config.monitor", nothing + "nothing is watched, and nobody is alerted"}},
		{len(cfg.Modules.TrustedKeys) > 0 && cfg.Modules.Dir == "", unused{"modules.trusted_keys", "modules.dir names no folder, and only the built-in modules run"}},
		{len(cfg.Modules.Pins) > 0 && cfg.Modules.Dir == "", unused{"modules.pins", "modules.dir names no folder, and only the built-in modules run"}},
	} {
		if k.set {
			found = append(found, k.unused)
		}
	}
	return found
}

// quietMonitor is the section of a file that does not have it. A test holds it
// against the package that knows.
var quietMonitor = config.Monitor{
	Tracehold: config.Tracehold{
		CPUUsageThreshold: 80, MemoryUsageThreshold: 80, DiskUsageThreshold: 80,
		CPUTemperatureThreshold: 85, GPUTemperatureThreshold: 90, DiskTemperatureThreshold: 60,
	},
	MaxNotifications: 3, CheckInterval: 5 * time.Second, ResetNotificationCount: 5 * time.Minute,
	RetryAttempts: 3, RetryInterval: 10 * time.Second,
}
