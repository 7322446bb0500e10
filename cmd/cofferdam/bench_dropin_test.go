package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// BenchmarkDropIn is the time from the moment that a file of a Go module lies in the
// folder until an admin has the message about it in the chat (limit 3 s), and until an
// approved one, whose code is in the cache, has answered its command (limit 1 s). Both
// have in them that the folder waits until a file is at rest.
func BenchmarkDropIn(b *testing.B) {
	file := largeModule(b)
	var told, back []float64
	for b.Loop() {
		bot := startBot(b, silent, fromFolder)
		boss := bot.person(admin, admin)
		boss.says("/start")
		began := time.Now()
		bot.drop("large.wasm", file)
		boss.await(func([]emulator.Message) bool { return boss.said("large 1.0.0 waits for you") == 1 })
		told = append(told, time.Since(began).Seconds())

		answers := func() {
			for end := time.Now().Add(patience); !strings.Contains(boss.says("/large").Text, "Memory"); {
				if time.Now().After(end) {
					b.Fatalf("the module does not answer, but %q", boss.Last().Text)
				}
			}
		}
		if _, err := bot.app.dropins.Approve(b.Context(), abi.Actor{ID: admin, Role: abi.RoleAdmin}, abi.ModuleApproval{Name: "large", Digest: digestOf(file)}); err != nil {
			b.Fatal(err)
		}
		answers()
		if err := os.Remove(filepath.Join(bot.cfg.Modules.Dir, "large.wasm")); err != nil {
			b.Fatal(err)
		}
		bot.awaits("it is retired", func() bool { return strings.Contains(boss.says("/large").Text, "I do not know") })
		began = time.Now()
		bot.drop("large.wasm", file)
		answers()
		back = append(back, time.Since(began).Seconds())
		if err := bot.stop(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(len(file))/1e6, "MB")
	b.ReportMetric(median(told), "told-p50-s")
	b.ReportMetric(slices.Max(told), "told-max-s")
	b.ReportMetric(median(back), "back-p50-s")
	b.ReportMetric(slices.Max(back), "back-max-s")
	b.ReportMetric(0, "ns/op") // is with the start of a bot
}

// largeModule is a Go module of more than 3 MB: one that uses the larger packages of the
// standard library, as an author's first one does.
func largeModule(b *testing.B) []byte {
	b.Helper()
	dir := filepath.Join("testdata", "large")
	wasm, err := compileGuest(b.Context(), dir)
	if err != nil {
		b.Fatal(err)
	}
	file, err := abi.WithManifest(wasm, abi.Manifest{
		Name: "large", Version: "1.0.0", Description: "A large one", Author: "somebody", ABI: abi.Version,
		Commands:     []abi.Command{{Name: "large", Description: "Show the memory", Who: abi.WhoUser}},
		Capabilities: []abi.CapabilityRequest{{Name: "metrics.memory", Reason: "shows how much is in use"}},
	})
	if err != nil {
		b.Fatal(err)
	}
	if n := len(file); n < 3e6 {
		b.Fatalf("the file has %d bytes", n)
	}
	return file
}
