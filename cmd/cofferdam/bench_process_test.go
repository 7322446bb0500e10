package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// The processes that BenchmarkStart and BenchmarkMemory measure from outside.

// benchBot is the environment variable that makes this test binary a bot
// without a sandbox, if it is "native".
const benchBot = "COFFERDAM_BENCH_BOT"

// program is an executable that understands `run` and its flags.
type program struct {
	name string
	path func(testing.TB) string
	env  []string
}

// programs are what is compared. The sandbox is the real bin/cofferdam. The
// native one is this test binary: the real one has no switch to leave the
// sandbox, and gets none for a benchmark. It carries the tests and what they
// import besides, so that its memory is, if anything, too high.
var programs = []program{
	{"sandbox", builtBinary, nil},
	{"native", thisBinary, []string{benchBot + "=native"}},
}

// builtBinary is what `make build` leaves.
func builtBinary(t testing.TB) string {
	t.Helper()
	path, err := filepath.Abs("../../bin/cofferdam")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Skipf("run `make build` first: %v", err)
	}
	return path
}

func thisBinary(t testing.TB) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// otherMain is the main function of the program with other options than the real
// one can have.
func otherMain(args []string, change func(*options)) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := runOther(ctx, args, change); err != nil {
		fmt.Fprintln(os.Stderr, "cofferdam:", err)
		return exitFailed
	}
	return 0
}

// runOther does what runBot does.
func runOther(ctx context.Context, args []string, change func(*options)) error {
	var f runFlags
	flags := flag.NewFlagSet("run", flag.ContinueOnError)
	flags.StringVar(&f.config, "config", "", "")
	flags.StringVar(&f.stateDir, "state-dir", "", "")
	flags.StringVar(&f.logLevel, "log-level", "", "")
	flags.StringVar(&f.logFormat, "log-format", "", "")
	if err := flags.Parse(args[1:]); err != nil { // args[0] is "run"
		return err
	}
	cfg, _, err := loadConfig(f.config, config.Options{})
	if err != nil {
		return err
	}
	scrubber := scrub.New(cfg.Secrets())
	o := options{log: f.logger(cfg, os.Stderr, scrubber), scrub: scrubber}
	change(&o)
	if o.stateDir, o.cacheDir, err = stateDirs(f.stateDir, cfg); err != nil {
		return err
	}
	return serveUntil(ctx, cfg, o)
}

// process is a running program and the emulated Telegram that it talks to.
type process struct {
	b      testing.TB
	cmd    *exec.Cmd
	world  *emulator.Server
	api    string // the world's address
	log    *processLog
	began  time.Time
	alive  context.Context // ends with the process
	result error           // of the process, when alive has ended
	close  func()          // ends the process, if it runs, and its world
}

// startProcess starts a program against an emulated Telegram in which the last
// of its users has typed a command.
func startProcess(b testing.TB, of program, state string, users int) *process {
	b.Helper()
	path := of.path(b)
	p := newProcess(b, nil)
	p.command(path, "run", "--config", p.writeConfig(p.api, users), "--state-dir", state, "--log-level", "info", "--log-format", "json")
	p.cmd.Env = append(os.Environ(), of.env...)
	last := firstOfMany + int64(users) - 1
	p.world.Client(last, last).Type("/start")
	p.start()
	return p
}

// newProcess makes the world of a process.
func newProcess(b testing.TB, webhooks http.RoundTripper) *process {
	b.Helper()
	p := &process{b: b, world: emulator.New(emulator.Options{Webhooks: webhooks}), log: newProcessLog()}
	server := httptest.NewServer(p.world)
	p.api = server.URL
	p.close = sync.OnceFunc(func() { p.kill(); p.world.Close(); server.Close() })
	b.Cleanup(p.close)
	return p
}

func (p *process) command(path string, args ...string) {
	p.cmd = exec.Command(path, args...)
	p.cmd.Stderr = p.log
}

// writeConfig lets users into the world and returns the file of a config that
// lets them use the bot.
func (p *process) writeConfig(api string, users int) string {
	p.b.Helper()
	in := config.SampleInput{Token: config.Secret(p.world.Token()), Salt: config.Secret(strings.Repeat("salt", 12))}
	for i := range int64(users) {
		p.world.AddUser(emulator.User{ID: firstOfMany + i, FirstName: "User"})
		in.UserIDs = append(in.UserIDs, firstOfMany+i)
	}
	text, err := config.Sample(in)
	if err != nil {
		p.b.Fatal(err)
	}
	// On a slow machine the last of many commands waits for minutes: it is
	// answered all the same.
	text = fmt.Appendf(text, "\ntelegram:\n  api_url: %s\n  max_update_age: 1h\n  flood: {overall: 0, chat: 0, group: 0}\n", api)
	file := filepath.Join(p.b.TempDir(), "cofferdam.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		p.b.Fatal(err)
	}
	return file
}

func (p *process) start() {
	p.b.Helper()
	p.began = time.Now()
	if err := p.cmd.Start(); err != nil {
		p.b.Fatal(err)
	}
	alive, ended := context.WithCancel(context.Background())
	p.alive = alive
	go func() {
		p.result = p.cmd.Wait() // also for the last line of stderr
		ended()
	}()
}

// end stops the process as an operator would.
func (p *process) end() {
	p.b.Helper()
	if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
		p.fail("stop", err)
	}
	select {
	case <-p.alive.Done():
	case <-timeout():
		p.fail("stop", fmt.Errorf("it still runs after %v", patience))
	}
	if p.result != nil {
		p.fail("stop", p.result)
	}
	p.close()
}

// kill ends the process if a failed benchmark has left it.
func (p *process) kill() {
	if p.alive == nil {
		return // it never started
	}
	_ = p.cmd.Process.Kill() // fails for one that has ended
	<-p.alive.Done()
}

// fail ends the benchmark with what the process said last.
func (p *process) fail(what string, err error) {
	p.b.Helper()
	p.b.Fatalf("%s: %v; the last lines of the process:\n%s", what, err, p.log.last())
}

// called waits for the n-th call of a method and returns how long after the
// start of the process that was.
func (p *process) called(method string, n int) time.Duration {
	p.b.Helper()
	ctx, cancel := context.WithTimeout(p.alive, 10*time.Minute)
	defer cancel()
	if err := p.world.WaitCalls(ctx, method, n); err != nil {
		p.fail("run", err)
	}
	return time.Since(p.began)
}

// loaded waits until all modules are loaded.
func (p *process) loaded() {
	p.b.Helper()
	select {
	case <-p.log.allLoaded:
	case <-p.alive.Done():
		p.fail("load the modules", fmt.Errorf("the process ended: %v", p.result))
	case <-timeout():
		p.fail("load the modules", fmt.Errorf("they are not loaded after %v", patience))
	}
}

// said waits for a line of the log that holds a text, and returns how long after
// the start of the process that was.
func (p *process) said(text string) time.Duration {
	p.b.Helper()
	for {
		if at := p.log.find(text); !at.IsZero() {
			return at.Sub(p.began)
		}
		select {
		case <-time.After(time.Millisecond):
		case <-p.alive.Done():
			p.fail("wait for a line", fmt.Errorf("the process ended: %v", p.result))
		}
		if time.Since(p.began) > patience {
			p.fail("wait for a line", errors.New("it does not come"))
		}
	}
}

// When resident memory is at rest.
const (
	settledSpan  = 2 * time.Second
	settledMiB   = 1
	settledAfter = 30 * time.Second // at the latest
)

// settled waits until resident memory is at rest and returns it in MiB.
func (p *process) settled() float64 {
	p.b.Helper()
	ticker := time.NewTicker(settledSpan / 10)
	defer ticker.Stop()
	began := time.Now()
	level, since := p.resident(), began
	for {
		now, resident := <-ticker.C, p.resident()
		switch {
		case now.Sub(began) >= settledAfter:
			p.b.Logf("memory is not at rest after %v; it was %.0f MiB, and is %.0f MiB", settledAfter, level, resident)
			return resident
		case math.Abs(resident-level) > settledMiB:
			level, since = resident, now
		case now.Sub(since) >= settledSpan:
			return resident
		}
	}
}

// resident returns VmRSS in MiB (proc(5)).
func (p *process) resident() float64 {
	p.b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.fail("measure memory", err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	number, _, _ := strings.Cut(strings.TrimSpace(rest), " ")
	kib, err := strconv.ParseFloat(number, 64)
	if err != nil {
		p.fail("measure memory", err)
	}
	return kib / 1024
}

// processLog is the stderr of a process, of which it keeps the tail.
type processLog struct {
	allLoaded chan struct{} // closed when each module is loaded

	mu     sync.Mutex
	rest   []byte // a line without its end
	tail   []string
	loaded int
	noted  map[string]time.Time // when a line came, by its message
}

func (l *processLog) find(message string) time.Time {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.noted[message]
}

const (
	processModules = 4 // core, server, containers and manage
	processTail    = 20
)

func newProcessLog() *processLog {
	return &processLog{allLoaded: make(chan struct{}), noted: map[string]time.Time{}}
}

func (l *processLog) Write(text []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.rest = append(l.rest, text...)
	for {
		line, rest, whole := bytes.Cut(l.rest, []byte("\n"))
		if !whole {
			return len(text), nil
		}
		l.line(string(line))
		l.rest = rest
	}
}

func (l *processLog) line(text string) {
	if l.tail = append(l.tail, text); len(l.tail) > processTail {
		l.tail = l.tail[1:]
	}
	if strings.Contains(text, allKnown) {
		l.noted[allKnown] = time.Now()
	}
	if strings.Contains(text, `"event":"module.loaded"`) {
		if l.loaded++; l.loaded == processModules {
			close(l.allLoaded)
		}
	}
}

func (l *processLog) last() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.tail, "\n") + "\n" + string(l.rest)
}
