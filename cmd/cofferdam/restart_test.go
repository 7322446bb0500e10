package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/modules"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// restart stops the bot and starts it again, with the same state.
func (b *bot) restart() {
	b.t.Helper()
	if err := b.stop(); err != nil {
		b.t.Fatalf("the bot ended with: %v", err)
	}
	b.start()
}

// pending stops the bot and returns what its journal keeps.
func (b *bot) pending() []store.Pending {
	b.t.Helper()
	if err := b.stop(); err != nil {
		b.t.Errorf("the bot ended with: %v", err)
	}
	return pendingIn(b.t, b.o.stateDir)
}

func pendingIn(t testing.TB, dir string) []store.Pending {
	t.Helper()
	s, err := store.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	left, err := s.Pending()
	if err != nil {
		t.Fatal(err)
	}
	return left
}

// tooLate is a sentence of the host that says that a message came too late.
const tooLate = "That message waited too long"

func TestTheBacklogIsAnswered(t *testing.T) {
	b := newBot(t, onDisk, quick)
	p := b.person(user, user)
	for range 3 {
		b.world.Send(emulator.MessageSpec{ChatID: user, From: user, Text: "/back", Date: time.Now().Add(-6 * time.Minute)})
	}
	b.world.Send(emulator.MessageSpec{ChatID: stranger, From: stranger, Text: "/getmyid", Date: time.Now().Add(-6 * time.Minute)})
	b.world.Send(emulator.MessageSpec{ChatID: user, From: user, Text: "/back", Date: time.Now().Add(-4 * time.Minute)})
	p.Type("/load")
	b.start()
	p.hears("Load average", 1)
	if late, done := p.said(tooLate), p.said("Main menu"); late != 3 || done != 1 {
		t.Errorf("%d times too late and %d answers, want 3 and 1", late, done)
	}
	if n := answers(b.person(stranger, stranger)); n != 0 {
		t.Error("a stranger was told that something expired")
	}
	b.journalEmpty()
}

func TestARepeatedUpdateIsHandledOnce(t *testing.T) {
	b := newBot(t, onDisk, quick)
	p := b.person(user, user)
	p.Type("/back") // so that Telegram knows the chat
	var copied []byte
	b.world.InjectUpdate(func(id int64) []byte { copied = []byte(message(id, "/load")); return copied })
	b.world.Inject(copied)
	b.start()
	p.hears("Load average", 1)
	b.world.Inject(copied)
	p.says("/uptime")
	b.restart()
	b.world.Inject(copied)
	p.says("/uptime")
	if n := p.said("Load average"); n != 1 {
		t.Errorf("answered %d times, want once", n)
	}
	b.await("update.duplicate", 2)
	b.journalEmpty()
}

// A stop is graceful: the command that runs is answered, and what waits behind
// it is answered after the next start.
func TestStoppingLosesNothing(t *testing.T) {
	b := startBot(t, onDisk, quick)
	p, other := b.person(user, user), b.person(admin, admin)
	p.says("/back") // the module is loaded
	b.world.Fail(emulator.Fault{Method: "sendMessage", ChatID: user, Delay: time.Second})
	sent := b.world.Count("sendMessage")
	for _, text := range []string{"/load", "/uptime", "/memory"} {
		p.Type(text)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := b.world.WaitCalls(ctx, "sendMessage", sent+1); err != nil {
		t.Fatal(err)
	}
	for b.world.Waiting() > 0 {
		other.says("/back") // another poll confirms what came before
	}
	left := b.pending()
	if p.said("Load average") != 1 || p.said("Uptime") != 0 {
		t.Errorf("after the stop: %d and %d answers, want 1 and 0", p.said("Load average"), p.said("Uptime"))
	}
	if len(left) != 2 || left[0].Started || left[1].Started {
		t.Errorf("the journal keeps %d updates: %+v", len(left), left)
	}
	b.start()
	p.hears("Available", 1)
	if p.said("Load average") != 1 || p.said("Uptime") != 1 || p.said("was restarted") != 0 {
		t.Error("after the restart something is missing, or was done twice")
	}
	b.journalEmpty()
}

func TestNotesAreDeletedAlsoAfterARestart(t *testing.T) {
	var c clock
	b := startBot(t, onDisk, quick, c.setup)
	p, s := b.person(user, user), b.person(stranger, stranger)
	ids, note := s.says("/getmyid"), p.says("/nonsense")
	b.await("update.answered", 1)
	b.await("update.unknown", 1) // both deletions are scheduled
	c.advance(10 * time.Second)
	b.restart()
	answer := p.says("/back")
	if gone(s, ids.ID) || gone(p, note.ID) {
		t.Error("a message was deleted before its time")
	}
	c.advance(6 * time.Second)
	b.restart()
	p.await(func([]emulator.Message) bool { return gone(p, note.ID) })
	if gone(s, ids.ID) {
		t.Error("the ids were deleted with the note")
	}
	c.advance(15 * time.Second)
	b.restart()
	s.await(func([]emulator.Message) bool { return gone(s, ids.ID) })
	b.restart()
	if p.says("/back"); gone(p, answer.ID) {
		t.Error("an answer was deleted that was to stay")
	}
}

func gone(p person, id int) bool {
	for _, m := range p.Messages() {
		if m.ID == id {
			return m.Deleted
		}
	}
	return false
}

// builtProgram builds the real binary once.
var builtProgram = sync.OnceValues(func() (string, error) {
	if _, err := modules.Builtin(); err != nil {
		return "", err
	}
	dir, err := compiledCache()
	if err != nil {
		return "", err
	}
	path := filepath.Join(filepath.Dir(dir), "cofferdam")
	out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return path, nil
})

// telegramFor is an emulated Telegram for real processes, with a config for them.
type telegramFor struct {
	t      *testing.T
	world  *emulator.Server
	config string
	log    *logBuffer
	ids    []int64
	// flags are those of the program beside the usual ones.
	flags []string
	// between, if it is there, stands in the way of what Telegram brings to the
	// webhook.
	between atomic.Pointer[between]
}

// newTelegram makes a world in which n users with these first ids may use the
// bot.
func newTelegram(t *testing.T, first int64, n int) *telegramFor {
	t.Helper()
	w := &telegramFor{t: t, log: &logBuffer{}}
	port := freePort(t)
	w.world = emulator.New(emulator.Options{Webhooks: w.route(port)})
	server := httptest.NewServer(w.world)
	t.Cleanup(server.Close)
	t.Cleanup(w.world.Close)
	for id := first; id < first+int64(n); id++ {
		w.world.AddUser(emulator.User{ID: id, FirstName: "User"})
		w.ids = append(w.ids, id)
	}
	text, err := config.Sample(config.SampleInput{
		Token: config.Secret(w.world.Token()), Salt: config.Secret(strings.Repeat("salt", 12)), UserIDs: w.ids,
	})
	if err != nil {
		t.Fatal(err)
	}
	text = fmt.Appendf(text, "\ntelegram:\n  api_url: %s\n  flood: {overall: 0, chat: 0, group: 0}\n"+
		"webhook_config:\n  url: bot.example.org\n  local_port: %d\n  trusted_proxy_ips: 127.0.0.1\n", server.URL, port)
	if os.Getenv(testMode) == "webhook" {
		w.byWebhook()
	}
	w.config = filepath.Join(t.TempDir(), "cofferdam.yaml")
	if err := os.WriteFile(w.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.log.check(t, w.world.Token(), w.ids...) })
	return w
}

// byWebhook lets the program be brought its updates.
func (w *telegramFor) byWebhook() { w.flags = append(w.flags, "--webhook") }

// route is the way to the program's webhook, through a proxy on this machine.
func (w *telegramFor) route(port int) http.RoundTripper {
	carrier := webhookRoute(w.t, port)
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		if way := w.between.Load(); way != nil {
			return (*way)(r, carrier)
		}
		return carrier.RoundTrip(r)
	})
}

// webhookRoute leads through a proxy to a port of this machine, from each of
// Telegram's addresses in turn.
func webhookRoute(t testing.TB, port int) *emulator.Carrier {
	var n atomic.Int64
	carrier := emulator.Route{
		To:   func() string { return fmt.Sprintf("127.0.0.1:%d", port) },
		From: "127.0.0.1", Forwarded: func() string { return telegramAt(n.Add(1)) },
	}.RoundTripper()
	t.Cleanup(carrier.CloseIdleConnections)
	return carrier
}

// between does what it likes with a request, and may forward it.
type between func(r *http.Request, forward http.RoundTripper) (*http.Response, error)

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// freePort is one that nobody listens on.
func freePort(t testing.TB) int {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().(*net.TCPAddr).Port
}

func (w *telegramFor) person(id int64) person { return person{w.world.Client(id, id), w.t} }

// run starts the program. It is killed at the latest when the test ends.
func (w *telegramFor) run(state string) *exec.Cmd {
	w.t.Helper()
	path, err := builtProgram()
	if err != nil {
		w.t.Fatal(err)
	}
	args := append([]string{"run", "--config", w.config, "--state-dir", state, "--log-level", "debug", "--log-format", "json"}, w.flags...)
	cmd := exec.Command(path, args...)
	cmd.Stderr = w.log
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { kill(cmd) })
	return cmd
}

// kill ends a process without a chance to do anything.
func kill(cmd *exec.Cmd) {
	_ = cmd.Process.Kill() // it may have ended by itself
	_ = cmd.Wait()
}

// end ends a process as an operator does, and fails unless it says that all is
// well.
func (w *telegramFor) end(cmd *exec.Cmd) {
	w.t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		w.t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		w.t.Errorf("the program ended with: %v", err)
	}
}

// sent waits until so many messages were sent.
func (w *telegramFor) sent(n int) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := w.world.WaitCalls(ctx, "sendMessage", n); err != nil {
		w.t.Fatal(err)
	}
}

// warmState is a state directory in which the modules of the tests' cache are
// found.
func warmState(t *testing.T) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "state")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(moduleCache(t), filepath.Join(dir, "modules")); err != nil {
		t.Fatal(err)
	}
	return dir
}

const wasInterrupted = "The bot was restarted while it worked"

// The commands of a burst, with what is in their answers.
var burst = []struct{ command, answer string }{
	{"/load", "📈 Load average"}, {"/uptime", "Uptime"}, {"/memory", "Available"},
}

// What is promised of an update when the process dies at any moment:
//
//   - It is not lost. Telegram still has it, or the journal has it.
//   - Its command runs at most once, since that it starts is on disk before it
//     runs. So there is at most one answer.
//   - If its command had started and its end was not on disk, the sender is
//     told that it was interrupted. The end gets there a few milliseconds after
//     Telegram took the answer, so who has the answer may be told so as well:
//     that is the window in which nobody can know.
//   - What runs no command, such as "I do not know that command", is said again
//     if the process dies in that window.
//
// In a chat one command runs at a time, so one kill interrupts at most one.
func TestKilledAtAnyMoment(t *testing.T) {
	const rounds, users = 3, 20
	w := newTelegram(t, 7_300_200_000, rounds*users)
	state := warmState(t)
	w.world.SetLatency(2 * time.Millisecond)
	sent := 0
	for round := range rounds {
		people := make([]person, users)
		for i := range people {
			people[i] = w.person(w.ids[round*users+i])
		}
		before := w.world.Count("sendMessage")
		process := w.run(state)
		for _, b := range burst {
			for _, p := range people {
				p.Type(b.command)
			}
		}
		moment := rand.IntN(users*len(burst) - 1)
		w.sent(before + 1 + moment)
		kill(process)

		process = w.run(state)
		for _, p := range people {
			p.Type("/back") // comes after all that waited in its chat
		}
		interrupted, twice := 0, 0
		for _, p := range people {
			p.hears("Main menu", 1)
			told, unsure := w.checkBurst(p)
			interrupted, twice = interrupted+told, twice+unsure
		}
		w.end(process)
		if left := pendingIn(t, state); len(left) > 0 {
			t.Errorf("round %d: the journal keeps %d updates", round, len(left))
		}
		sent += users * len(burst)
		t.Logf("killed after answer %d of %d: %d told as interrupted, %d of them had their answer", 1+moment, users*len(burst), interrupted, twice)
	}
	if n := w.world.Waiting(); n > 0 {
		t.Errorf("Telegram still has %d of %d updates", n, sent)
	}
}

// checkBurst checks what a person got of a burst.
func (w *telegramFor) checkBurst(p person) (interrupted, unsure int) {
	w.t.Helper()
	answered := 0
	for _, b := range burst {
		n := p.said(b.answer)
		if n > 1 {
			w.t.Errorf("%s was answered %d times", b.command, n)
		}
		answered += n
	}
	interrupted = p.said(wasInterrupted)
	if interrupted > 1 || answered+interrupted < len(burst) {
		w.t.Errorf("of %d commands %d were answered and %d told as interrupted", len(burst), answered, interrupted)
	}
	return interrupted, max(answered+interrupted-len(burst), 0)
}

// The same at a chosen moment: while the first answer is on its way.
func TestKilledWhileACommandRuns(t *testing.T) {
	w := newTelegram(t, 7_300_300_000, 1)
	state, p := warmState(t), w.person(7_300_300_000)
	for _, b := range burst {
		p.Type(b.command)
	}
	w.world.Fail(emulator.Fault{Method: "sendMessage", Delay: time.Minute})
	process := w.run(state)
	w.sent(1)
	kill(process)
	process = w.run(state)
	p.hears("Available", 1)
	if p.said(wasInterrupted) != 1 || p.said("Load average") != 0 || p.said("Uptime") != 1 {
		t.Errorf("told %d times; %d and %d answers; want 1, 0 and 1", p.said(wasInterrupted), p.said("Load average"), p.said("Uptime"))
	}
	w.end(process)
	if left := pendingIn(t, state); len(left) > 0 {
		t.Errorf("the journal keeps %d updates", len(left))
	}
}

func TestStateDirectories(t *testing.T) {
	w := newTelegram(t, 7_300_400_000, 1)
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	foreign := filepath.Join(dir, "foreign")
	shared := filepath.Join(dir, "shared")
	for _, err := range []error{
		os.WriteFile(file, nil, 0o600),
		os.Mkdir(foreign, 0o700),
		os.WriteFile(filepath.Join(foreign, "state.db"), bytes.Repeat([]byte("not ours "), 4096), 0o600),
		os.Mkdir(shared, 0o700),
		os.Chmod(shared, 0o755),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	taken := filepath.Join(dir, "missing", "parents", "state")
	first := w.run(taken) // made with its parents
	p := w.person(w.ids[0])
	p.expect(p.says("/back"), "Main menu")
	for _, rule := range []struct{ name, dir, says string }{
		{"in use", taken, "another cofferdam uses this state directory"},
		{"a file", file, "not a directory"},
		{"below a file", filepath.Join(file, "state"), "not a directory"},
		{"a state file of something else", foreign, "not a usable state file"},
		{"open to others", shared, "chmod 700"},
		{"nowhere", "/proc/nowhere/state", "--state-dir"},
	} {
		t.Run(rule.name, func(t *testing.T) {
			says, code := w.refused(rule.dir)
			if code != exitFailed || !strings.Contains(says, rule.says) || strings.Count(strings.TrimSpace(says), "\n") > 0 {
				t.Errorf("exit code %d, said %q; want %d, and a line with %q", code, says, exitFailed, rule.says)
			}
		})
	}
	p.expect(p.says("/back"), "Main menu")
	w.end(first)
}

// refused runs the program where it cannot run, and returns what it said.
func (w *telegramFor) refused(state string) (says string, code int) {
	w.t.Helper()
	path, err := builtProgram()
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, path, "run", "--config", w.config, "--state-dir", state, "--log-level", "error").CombinedOutput()
	exit := (*exec.ExitError)(nil)
	if err != nil && !errors.As(err, &exit) {
		w.t.Fatal(err)
	}
	if exit == nil {
		return string(out), 0
	}
	return string(out), exit.ExitCode()
}
