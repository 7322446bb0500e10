package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// TestAStrangersUptime: a module from the folder checks what it was granted by the
// clock, keeps it over a restart, and tells admins.
func TestAStrangersUptime(t *testing.T) {
	var down atomic.Bool
	var asked atomic.Int64
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		if down.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	t.Cleanup(site.Close)
	var c clock
	b := startBot(t, c.setup, onDisk, dropIn(t, "uptime",
		config.Grant{Capability: "http.fetch", Scope: []string{"GET " + site.URL + "/ private"}},
		config.Grant{Capability: "schedule", Scope: []string{"1m"}},
		config.Grant{Capability: "kv", Scope: []string{"256KiB"}},
		config.Grant{Capability: "notify", Scope: []string{"admins", "20/h"}}))
	b.awaitLines(`"msg":"module loaded","module":"uptime"`, 1)
	boss := b.person(admin, admin)
	boss.gets("/sites", "0 of 1 up") // opens the chat, in which notices come and go
	minute := func() {
		before := asked.Load()
		c.advance(time.Minute)
		for deadline := timeout(); asked.Load() == before; {
			select {
			case <-deadline:
				t.Fatal("the schedule does not run")
			case <-tick():
			}
		}
	}
	heard := func(words string) {
		boss.await(func(messages []emulator.Message) bool {
			for _, m := range messages {
				if strings.Contains(m.Text, words) {
					return true
				}
			}
			return false
		})
	}
	minute()
	down.Store(true)
	minute()
	minute()
	heard("is down since")
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	b.start()
	b.awaitLines(`"msg":"module loaded","module":"uptime"`, 2)
	boss.expect(boss.gets("/sites", "🔴 0 of 1 up"), "It answers with status 503.")
	down.Store(false)
	minute()
	heard("is up again. It was down for ")
	boss.gets("/sites", "🟢 1 of 1 up")
}
