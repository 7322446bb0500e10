package trigger

import (
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// manifest asks for capabilities, each written as "name scope scope".
func manifest(name string, capabilities ...string) abi.Manifest {
	m := abi.Manifest{Name: name, Version: "1", Description: "d", Author: "a", ABI: abi.Version}
	for _, c := range capabilities {
		words := strings.Fields(c)
		m.Capabilities = append(m.Capabilities, abi.CapabilityRequest{Name: words[0], Scope: words[1:], Reason: "r"})
	}
	return m
}

func TestCheckByItself(t *testing.T) {
	every := func(d string) []abi.Schedule { return []abi.Schedule{{Name: "s", Every: d, Action: "a"}} }
	cron := func(line string) []abi.Schedule { return []abi.Schedule{{Name: "s", Cron: line, Action: "a"}} }
	on := func(types ...string) []abi.Subscription { return []abi.Subscription{{Types: types, Action: "a"}} }
	for _, test := range []struct {
		name         string
		capabilities []string
		schedules    []abi.Schedule
		events       []abi.Subscription
		says         string // empty: nothing is wrong
	}{
		{"nothing by itself", nil, nil, nil, ""},
		{"an interval", []string{"schedule 5m"}, every("5m"), nil, ""},
		{"a slower one", []string{"schedule 5m"}, every("1h"), nil, ""},
		{"a faster one", []string{"schedule 5m"}, every("1m"), nil, "more often"},
		{"no capability", nil, every("5m"), nil, "need the capability schedule"},
		{"a cron line", []string{"schedule 1h"}, cron("30 4 * * 1-5"), nil, ""},
		{"names", []string{"schedule 1h"}, cron("0 0 1 JAN,jul mon"), nil, ""},
		{"a leap day", []string{"schedule 1h"}, cron("0 0 29 2 *"), nil, ""},
		{"no such day", []string{"schedule 1h"}, cron("0 0 30 2 *"), nil, "no such day"},
		{"six fields", []string{"schedule 1h"}, cron("0 0 0 1 1 *"), nil, "five fields"},
		{"a word", []string{"schedule 1h"}, cron("@hourly"), nil, "five fields"},
		{"a zone", []string{"schedule 1h"}, cron("TZ=UTC 0 5 * *"), nil, "five fields"},
		{"nothing but a zone", []string{"schedule 1h"}, cron("TZ=UTC"), nil, "five fields"},
		{"a minute too many", []string{"schedule 1h"}, cron("60 * * * *"), nil, "cron"},
		{"a step of none", []string{"schedule 1h"}, cron("*/0 * * * *"), nil, "cron"},
		{"an event", []string{"docker.events container.die", "docker.containers.list *"}, nil, on("container.die"), ""},
		{"all events", []string{"docker.events container.*", "docker.containers.list web"}, nil, on("container.die", "container.unhealthy"), ""},
		{"another event", []string{"docker.events container.die", "docker.containers.list *"}, nil, on("container.die", "container.oom"), `"container.oom" needs`},
		{"no list", []string{"docker.events container.die"}, nil, on("container.die"), "docker.containers.list"},
		{"no events", []string{"docker.containers.list *"}, nil, on("container.die"), "docker.events"},
		{"a scope that cannot be", []string{"schedule often"}, every("5m"), nil, "schedule"},
	} {
		m := manifest("m", test.capabilities...)
		m.Schedules, m.Events = test.schedules, test.events
		err := CheckByItself(m)
		if (err == nil) != (test.says == "") || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("%s: %v, want %q", test.name, err, test.says)
		}
	}
}

// FuzzParseCron: no line makes the parser panic or search for ever, and what it
// takes has an occurrence.
func FuzzParseCron(f *testing.F) {
	for _, seed := range []string{"* * * * *", "TZ=UTC", "CRON_TZ=x * * * * *", "*/99999999999 * * * *", "1-0 * * * *", "0 0 31 2,4 *", "? ? ? ? ?", "0 0 * * 7"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, line string) {
		parsed, err := parseCron(line)
		if err != nil {
			return
		}
		now := time.Date(2026, 3, 29, 1, 59, 0, 0, time.UTC)
		if next := parsed.Next(now); next.IsZero() || !next.After(now) {
			t.Errorf("%q: after %v comes %v", line, now, next)
		}
	})
}
