package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// moody answers "fine" to a short request, traps at one of more than 1,000 bytes,
// and works for ever at one of more than 2,000.
func moody() []byte {
	const reply = `{"blocks":[{"kind":"text","spans":[{"text":"fine"}]}]}`
	number := func(n int) []byte { // of two bytes, which is enough here
		return []byte{0x41, byte(n&0x7f) | 0x80, byte(n >> 7)}
	}
	above := func(n int, then ...byte) []byte { // if the length is above n
		return slices.Concat([]byte{0x20, 0}, number(n), []byte{0x4b, 0x04, 0x40}, then, []byte{0x0b})
	}
	body := slices.Concat(
		[]byte{0},                                            // no locals
		above(2000, 0x03, 0x40, 0x0c, 0, 0x0b),               // loop
		above(1000, 0x00),                                    // unreachable
		number(0), number(len(reply)), []byte{0x10, 0, 0x1a}, // reply_write
		[]byte{0x41, byte(abi.OK), 0x0b},
	)
	file := []byte("\x00asm\x01\x00\x00\x00")
	section := func(id byte, entries ...[]byte) {
		content := slices.Concat(append([][]byte{{byte(len(entries))}}, entries...)...)
		file = append(binary.AppendUvarint(append(file, id), uint64(len(content))), content...)
	}
	text := func(s string) []byte { return append([]byte{byte(len(s))}, s...) }
	section(1, []byte{0x60, 2, 0x7f, 0x7f, 1, 0x7f}, []byte{0x60, 1, 0x7f, 1, 0x7f})
	section(2, slices.Concat(text(abi.ImportModule), text(abi.ImportReplyWrite), []byte{0, 0}))
	section(3, []byte{1})
	section(5, []byte{1, 1, 1})
	section(7, append(text("memory"), 2, 0), append(text(abi.ExportHandle), 0, 1))
	section(10, append(binary.AppendUvarint(nil, uint64(len(body))), body...))
	section(11, slices.Concat([]byte{0, 0x41, 0, 0x0b}, text(reply)))
	return file
}

// withMoody puts that guest into the sandbox in the place of the module server,
// with little time. The other modules run without a sandbox.
func withMoody(b *bot) {
	b.cfg.Modules.Limits = map[string]config.Limits{"server": {Timeout: 300 * time.Millisecond}}
	b.o.load = func(operations []hostcall.Operation) loader {
		others := inHost(operations)
		sandbox, err := engine.New(engine.Config{Operations: operations})
		if err != nil {
			b.t.Fatal(err)
		}
		b.t.Cleanup(func() { sandbox.Close(context.Background()) })
		return func(ctx context.Context, s engine.Source) (registry.Runner, error) {
			if s.Name != "server" {
				return others(ctx, s)
			}
			s.Wasm = moody()
			m, err := sandbox.Load(ctx, s)
			if err != nil {
				return nil, err
			}
			return m, nil
		}
	}
}

// list is what `cofferdam module list` prints.
func (b *bot) list() string {
	b.t.Helper()
	list, err := listModules(b.t.Context(), b.o.stateDir)
	if err != nil {
		b.t.Fatal(err)
	}
	var out bytes.Buffer
	if err := list.write(&out, false, b.o.now()); err != nil {
		b.t.Fatal(err)
	}
	return out.String()
}

// page is what Prometheus gets.
func (b *bot) page() string {
	b.t.Helper()
	answer, err := http.Get("http://" + b.app.page.Address() + "/metrics")
	if err != nil {
		b.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		b.t.Fatal(err)
	}
	return string(text)
}

// has fails unless a text has all the parts.
func has(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("this lacks %q:\n%s", part, text)
		}
	}
}

// readsOf pages through the modules to one of them, and returns that page.
func (p person) readsOf(module string) emulator.Message {
	p.t.Helper()
	for page := 1; page < 100; page++ {
		m := p.says(fmt.Sprintf("/modules %d", page))
		if strings.Contains(m.Styled(), "<code>"+module+"</code>") {
			return m
		}
	}
	p.t.Fatalf("%s is on no page", module)
	return emulator.Message{}
}

func TestAModuleThatGoesOnFailingIsSwitchedOff(t *testing.T) {
	var c clock
	b := startBot(t, onDisk, withMoody, c.setup, func(b *bot) { b.cfg.Metrics.Listen = "127.0.0.1:0" })
	p, boss := b.person(user, user), b.person(admin, admin)
	trap, loop := "/load "+strings.Repeat("x", 1500), "/load "+strings.Repeat("x", 3000)

	boss.expect(boss.says("/back"), "Main menu") // a bot cannot begin to talk to somebody

	// A user provokes faults. Each costs its own command.
	p.expect(p.says("/load"), "fine")
	for range 3 {
		p.expect(p.says(trap), "The module server failed. Nothing else is affected")
	}
	p.expect(p.says(loop), "The module server took too long")
	p.expect(p.says("/load"), "fine")
	has(t, b.list(), "server 1.0.0, loaded")
	p.expect(p.says(trap), "The module server failed")

	// The fifth was enough. It is off for everybody, and nothing else is.
	p.expect(p.says("/load"), "The module server is switched off after repeated faults. It comes back in 1 minute, at ", "Everything else works.")
	p.expect(boss.says("/cpu"), "The module server is switched off")
	p.expect(p.says("/back"), "Main menu")
	has(t, b.list(), "server 1.0.0, off until ", "7 invocations, 5 faults (4 traps, 1 timeout)", "core 1.0.0, loaded")
	has(t, b.page(), `cofferdam_invocations_total{module="server",outcome="trap"} 4`, `cofferdam_invocations_total{module="server",outcome="timeout"} 1`,
		`cofferdam_invocations_total{module="server",outcome="off"} 2`, `cofferdam_invocations_total{module="server",outcome="ok"} 2`,
		fmt.Sprintf("cofferdam_modules_loaded %d", builtInModules(t)))

	// The admins are told; what modules took is for them.
	const notice = "The module server failed again and again, and is switched off for "
	boss.hears(notice+"1 minute", 1)
	p.expect(boss.readsOf("server"), "⛔ Switched off", "7 calls", "4 traps")
	m := p.readsOf("server")
	p.expect(m, "⛔ Switched off")
	if strings.Contains(m.Text, "traps") || p.said(notice) > 0 {
		t.Error("a user is told what is for admins")
	}

	// A reload with the same bytes is no way out.
	specs, err := builtIn(b.cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i := range specs {
		specs[i].Limits.HostCalls++
	}
	if change, err := b.app.registry.Replace(t.Context(), specs); err != nil || len(change.Loaded) != len(specs) {
		t.Fatalf("%+v, %v", change, err)
	}
	p.expect(p.says("/load"), "switched off")

	// A minute later it is back, on probation: one fault is enough.
	c.advance(time.Minute)
	p.expect(p.says("/load"), "fine")
	p.expect(p.says(trap), "The module server failed")
	p.expect(p.says("/load"), "It comes back in 2 minutes")
	boss.hears(notice+"2 minutes", 1)
	c.advance(2 * time.Minute)
	p.expect(p.says("/load"), "fine")
	has(t, b.list(), "server 1.0.0, loaded")

	// All of it is recorded.
	b.await("module.quarantined", 2)
	b.await("module.released", 2)
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	log, err := os.ReadFile(b.auditFile())
	if err != nil {
		t.Fatal(err)
	}
	for event, want := range map[string]int{`"event":"module.quarantined"`: 2, `"event":"module.released"`: 2, `"event":"module.fault"`: 6} {
		if n := strings.Count(string(log), event); n != want {
			t.Errorf("%d records with %s, want %d", n, event, want)
		}
	}
	has(t, string(log), `"actor":"bot"`, `"module":"server"`, `"decision":"deny","reason":"repeated faults; off for 1m0s; the last: internal: `)
	b.auditIsGood()
	if _, err := http.Get("http://" + b.app.page.Address() + "/metrics"); err == nil {
		t.Error("the page is served by a bot that was stopped")
	}
}

func TestWrapped(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", ""}, {"  ", ""}, {"abc", "abc"}, {"aa bb cc", "aa bb|cc"}, {"aa bbb", "aa|bbb"}, {"longer words", "longer|words"}, {"ää öö ü", "ää öö|ü"},
	} {
		if got := strings.Join(wrapped(test.text, 5), "|"); got != test.want {
			t.Errorf("%q: got %q", test.text, got)
		}
	}
}
