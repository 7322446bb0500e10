package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// withModule puts a handler's module in the place of a built-in one, whose
// commands it then has. The others run as they are, without a sandbox.
func withModule(name string, m sdk.Module) setup {
	return func(b *bot) {
		before := b.o.load
		if before == nil {
			before = inHost
		}
		b.o.load = func(operations []hostcall.Operation) loader {
			others := before(operations)
			byName := map[string]hostcall.Operation{}
			for _, op := range operations {
				byName[op.Import] = op
			}
			return func(ctx context.Context, s engine.Source) (registry.Runner, error) {
				if s.Name != name {
					return others(ctx, s)
				}
				return native{m, byName}, nil
			}
		}
	}
}

// following is a module that shows a number, and the next one each second, until
// it is stopped or has come to last.
type following struct {
	last, runs atomic.Int64
}

func followingTo(last int64) *following {
	f := &following{}
	f.last.Store(last)
	return f
}

func (f *following) module() sdk.Module {
	return sdk.Module{
		Commands: map[string]sdk.Handler{"load": f.show},
		Actions: map[string]sdk.Handler{"more": f.show, "stop": func(sdk.Host, sdk.Request) (sdk.Reply, error) {
			return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain("Stopped."))}, Keyboard: [][]sdk.Button{{sdk.Do("▶️ Follow", "more")}}}, nil
		}},
	}
}

func (f *following) show(_ sdk.Host, req sdk.Request) (sdk.Reply, error) {
	n, _ := strconv.Atoi(req.Arg("n"))
	f.runs.Add(1)
	r := sdk.Reply{
		Blocks:   []sdk.Block{sdk.Text(sdk.Plain("Line " + strconv.Itoa(n)))},
		Keyboard: [][]sdk.Button{{sdk.Do("⏹ Stop", "stop")}},
	}
	if int64(n) < f.last.Load() {
		r.Again = &sdk.Again{After: 1, Action: "more", Args: map[string]string{"n": strconv.Itoa(n + 1)}}
	}
	return r, nil
}

// shows waits until the last message has a text, and returns it.
func (p person) shows(text string) emulator.Message {
	p.t.Helper()
	p.await(func([]emulator.Message) bool { return strings.Contains(p.Last().Text, text) })
	return p.Last()
}

func TestOneMessageIsFollowedUp(t *testing.T) {
	t.Parallel()
	f := followingTo(3)
	b := startBot(t, withModule("server", f.module()))
	p := b.person(user, user)
	first := p.says("/load")
	p.expect(first, "Line 0")
	if m := p.shows("Line 3"); m.ID != first.ID || m.Edits != 3 || m.Labels()[0][0] != "⏹ Stop" {
		t.Errorf("message %d after %d, with %d edits", m.ID, first.ID, m.Edits)
	}
	b.await("follow.ended", 1)
	p.expect(p.taps("⏹ Stop"), "Stopped.")
	f.last.Store(1_000_000)
	p.taps("▶️ Follow")
	p.shows("Line 1")
	p.expect(p.taps("⏹ Stop"), "Stopped.")
	runs := f.runs.Load()
	time.Sleep(1500 * time.Millisecond)
	if m := p.Last(); m.Text != "Stopped." || f.runs.Load() != runs {
		t.Errorf("it goes on after it was stopped: %q", m.Text)
	}
	if n := b.world.Count("sendMessage"); n != 1 {
		t.Errorf("%d messages were sent", n)
	}
}

// A stop says so in the message, whose buttons work when the bot is back.
func TestFollowingEndsWithTheBot(t *testing.T) {
	f := followingTo(1_000_000)
	b := startBot(t, onDisk, withModule("server", f.module()))
	p := b.person(user, user)
	first := p.says("/load")
	p.shows("Line 1")
	b.restart()
	m := p.Last()
	p.expect(m, "Line ", "the bot stops")
	if m.ID != first.ID {
		t.Errorf("it is said in message %d, and not in %d", m.ID, first.ID)
	}
	p.expect(p.taps("⏹ Stop"), "Stopped.")
	b.journalEmpty()
}

// busyServer has two commands that take their time: one says what it does.
func busyServer(gate chan struct{}) sdk.Module {
	work := func(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
		host.Progress("Restarting web")
		<-gate
		if req.Arg("how") == "badly" {
			return sdk.Reply{}, sdk.Fail(abi.Unavailable, "Docker does not answer.")
		}
		return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain("It was restarted."))}}, nil
	}
	view := func(_ sdk.Host, req sdk.Request) (sdk.Reply, error) {
		return sdk.Reply{
			Blocks:   []sdk.Block{sdk.Text(sdk.Plain("Page " + req.Text))},
			Keyboard: [][]sdk.Button{{sdk.Do("Well", "work"), sdk.Do("Badly", "work", "how", "badly")}},
		}, nil
	}
	return sdk.Module{Commands: map[string]sdk.Handler{"load": view, "uptime": work}, Actions: map[string]sdk.Handler{"work": work}}
}

func TestLongWorkIsShownInPlace(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	b := startBot(t, withModule("server", busyServer(gate)))
	p := b.person(user, user)

	// A typed command: one message, from ⏳ to its answer.
	m := p.begins("/uptime")
	p.expect(m, "⏳ Restarting web… 1 s")
	p.shows("⏳ Restarting web… 4 s")
	gate <- struct{}{}
	if done := p.shows("It was restarted."); done.ID != m.ID {
		t.Errorf("the answer is message %d, and not %d", done.ID, m.ID)
	}

	// A tap: answered at once, and the view itself says what goes on.
	view := p.says("/load 7")
	began := time.Now()
	p.tapsOnly("Well")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("the tap was answered after %v", took)
	}
	p.shows("⏳ Restarting web")
	gate <- struct{}{}
	if done := p.shows("It was restarted."); done.ID != view.ID {
		t.Errorf("the answer is message %d, and not %d", done.ID, view.ID)
	}

	// When it fails, the view is a tap away, as it was.
	view = p.says("/load 8")
	p.tapsOnly("Badly")
	p.shows("⏳ Restarting web")
	gate <- struct{}{}
	p.shows("Docker does not answer.")
	p.expect(p.taps("⬅️ Back to load"), "Page 8")
	if now := p.Last(); now.ID != view.ID {
		t.Errorf("the view is message %d, and not %d", now.ID, view.ID)
	}
	for _, m := range p.Messages() {
		if !m.Deleted && strings.Contains(m.Text, "⏳") {
			t.Errorf("a message goes on saying %q", m.Text)
		}
	}
}

// A stop while it works: nothing goes on saying ⏳, and the next start tells.
func TestAStopEndsWhatIsShownOfLongWork(t *testing.T) {
	t.Parallel()
	gate := make(chan struct{})
	b := startBot(t, onDisk, withModule("server", sdk.Module{Commands: map[string]sdk.Handler{
		"uptime": func(host sdk.Host, _ sdk.Request) (sdk.Reply, error) {
			host.Progress("Restarting web")
			<-gate
			return sdk.Reply{}, nil
		},
	}}))
	p := b.person(user, user)
	p.begins("/uptime")
	time.AfterFunc(shutdownGrace+time.Second, func() { close(gate) })
	b.restart()
	p.hears("The bot was restarted while it worked", 1)
	if n := p.said("⏳"); n != 0 {
		t.Errorf("%d messages say that it goes on", n)
	}
	b.journalEmpty()
}

// linkedPages are pages with a link to another module, whose view leads back.
func linkedPages() (server, containers sdk.Module) {
	page := func(_ sdk.Host, req sdk.Request) (sdk.Reply, error) {
		n := req.Arg("page")
		if n == "" {
			n = "1"
		}
		return sdk.Reply{
			Blocks:   []sdk.Block{sdk.Text(sdk.Plain("Page " + n))},
			Keyboard: [][]sdk.Button{{sdk.Do("Third", "page", "page", "3"), sdk.RunWith("Web", "containers", "web")}},
		}, nil
	}
	other := func(_ sdk.Host, req sdk.Request) (sdk.Reply, error) {
		return sdk.Reply{
			Blocks:   []sdk.Block{sdk.Text(sdk.Plain("Of " + req.Text))},
			Keyboard: [][]sdk.Button{{sdk.Do("🔄 Refresh", "again"), sdk.Back(sdk.Run("⬅️ Back", "load"))}},
		}, nil
	}
	again := func(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
		req.Text = "the same"
		return other(host, req)
	}
	server = sdk.Module{Commands: map[string]sdk.Handler{"load": page}, Actions: map[string]sdk.Handler{"page": page}}
	containers = sdk.Module{Commands: map[string]sdk.Handler{"containers": other}, Actions: map[string]sdk.Handler{"again": again}}
	return server, containers
}

func TestBackLeadsToWhereOneCameFrom(t *testing.T) {
	var c clock
	server, containers := linkedPages()
	b := startBot(t, onDisk, c.setup, withModule("server", server), withModule("containers", containers))
	p := b.person(user, user)
	view := p.says("/load")
	p.expect(p.taps("Third"), "Page 3")
	p.expect(p.taps("Web"), "Of web")
	p.expect(p.taps("🔄 Refresh"), "Of the same")
	b.restart()
	p.expect(p.taps("⬅️ Back"), "Page 3")
	if now := p.Last(); now.ID != view.ID {
		t.Errorf("it is message %d, and not %d", now.ID, view.ID)
	}
	typed := p.says("/containers db")
	p.expect(typed, "Of db")
	p.expect(p.taps("⬅️ Back"), "Page 1")
}

func TestAnExpiredButtonOffersTheViewAnew(t *testing.T) {
	var c clock
	server, containers := linkedPages()
	b := startBot(t, onDisk, c.setup, withModule("server", server), withModule("containers", containers))
	p := b.person(user, user)
	view := p.says("/load")
	p.taps("Third")
	c.advance(25 * time.Hour)
	b.restart()
	answer := p.tapsOnly("Web")
	if !answer.Alert || !strings.Contains(answer.Text, "has expired") {
		t.Errorf("the tap was answered with %+v", answer)
	}
	m := p.shows("have expired")
	if m.ID != view.ID || !slices.Equal(m.Labels()[0], []string{"🔄 Open it again"}) {
		t.Errorf("message %d offers %v", m.ID, m.Labels())
	}
	p.expect(p.taps("🔄 Open it again"), "Page 3")

	c.advance(30 * 24 * time.Hour)
	b.restart()
	p.tapsOnly("Web")
	m = p.shows("have expired")
	if got := fmt.Sprint(m.Labels()); got != "[[🖥 Server] [🐳 Docker] [❓ Help]]" {
		t.Errorf("after a month there is %s", got)
	}
	p.expect(p.taps("❓ Help"), "What you can do here")
}

// Flood limits hold for what the host does by itself, and leave room for what the
// user wants.
func TestFollowingLeavesRoomInTheLimits(t *testing.T) {
	t.Parallel()
	f := followingTo(1_000_000)
	b := startBot(t, withModule("server", f.module()), func(b *bot) {
		b.cfg.Telegram.Flood.Chat, b.cfg.Telegram.Flood.Group = 1, 20
		b.world.AddGroup(emulator.Group{ID: group, Title: "Operations", Members: []int64{admin, user, stranger}})
	})
	p := b.person(user, group)
	p.says("/load")
	for f.runs.Load() < 9 {
		time.Sleep(100 * time.Millisecond)
	}
	edits := b.world.Count("editMessageText")
	if edits > 7 {
		t.Errorf("%d edits in about 8 seconds, where 20 a minute are permitted", edits)
	}
	began := time.Now()
	p.expect(p.says("/help"), "What you can do here")
	if took := time.Since(began); took > 2*time.Second {
		t.Errorf("a command waited %v for the flood limit", took)
	}
}

// withGuest builds a guest of testdata and puts it, in the sandbox, in the place
// of the module server. The others run without one.
func withGuest(folder string) setup {
	return func(b *bot) {
		out := filepath.Join(b.t.TempDir(), "guest.wasm")
		build := exec.Command("go", "build", "-buildmode=c-shared", "-trimpath", "-ldflags=-s -w", "-o", out, "./"+folder)
		build.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm", "CGO_ENABLED=0")
		if text, err := build.CombinedOutput(); err != nil {
			b.t.Fatalf("%v\n%s", err, text)
		}
		wasm, err := os.ReadFile(out)
		if err != nil {
			b.t.Fatal(err)
		}
		b.o.load = func(operations []hostcall.Operation) loader {
			others := inHost(operations)
			sandbox, err := engine.New(engine.Config{CacheDir: moduleCache(b.t), Operations: operations})
			if err != nil {
				b.t.Fatal(err)
			}
			b.t.Cleanup(func() { sandbox.Close(context.Background()) })
			return func(ctx context.Context, s engine.Source) (registry.Runner, error) {
				if s.Name != "server" {
					return others(ctx, s)
				}
				s.Wasm = wasm
				m, err := sandbox.Load(ctx, s)
				if err != nil {
					return nil, err
				}
				return m, nil
			}
		}
	}
}

// The same out of the sandbox: what a guest says that it does, and that it wants
// to go on.
func TestAGuestSaysWhatItDoesAndGoesOn(t *testing.T) {
	t.Parallel()
	b := startBot(t, withGuest("testdata/follower"))
	p := b.person(user, user)
	first := p.says("/load")
	if m := p.shows("Line 3"); m.ID != first.ID || m.Edits < 3 { // more, where ⏳ was shown meanwhile
		t.Errorf("message %d after %d, with %d edits", m.ID, first.ID, m.Edits)
	}
	m := p.begins("/uptime")
	p.expect(m, "⏳ Asking\ufffd a")
	if strings.ContainsAny(m.Text, "\n\u202e") {
		t.Errorf("progress says %q", m.Text)
	}
	if done := p.shows("It answered."); done.ID != m.ID {
		t.Errorf("the answer is message %d, and not %d", done.ID, m.ID)
	}
}
