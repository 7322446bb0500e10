package main

import (
	"bytes"
	"context"
	"flag"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/engine/compiler"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
	"github.com/cofferdam-bot/cofferdam/security/ratelimit"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// The people of the conversations.
const (
	admin    = 5001
	user     = 5002
	stranger = 5003
	group    = -100200300
)

// patience is how long a test waits for what must happen: far longer than it
// takes, also on a busy machine, under the race detector, with a cold cache.
const patience = 60 * time.Second

// bot is a running bot with the emulated Telegram that it talks to.
type bot struct {
	t     testing.TB
	world *emulator.Server
	cfg   *config.Config
	log   *logBuffer
	o     options
	app   *app // since start
	// listens is where the webhook is, if there is one.
	listens atomic.Pointer[string]
	// stop ends the bot as a signal would, and returns what serve returned.
	stop func() error
}

// setup changes a bot before it starts.
type setup func(*bot)

// startBot runs the whole bot, as `cofferdam run` does, against an emulator
// over HTTP.
func startBot(t testing.TB, changes ...setup) *bot {
	t.Helper()
	b := newBot(t, changes...)
	b.start()
	return b
}

func newBot(t testing.TB, changes ...setup) *bot {
	t.Helper()
	b := &bot{t: t, log: &logBuffer{}}
	// Telegram's clock is the bot's.
	world := emulator.New(emulator.Options{Webhooks: b.route(), Now: func() time.Time {
		if b.o.now != nil {
			return b.o.now()
		}
		return time.Now()
	}})
	b.world = world
	server := httptest.NewServer(world)
	t.Cleanup(server.Close)
	t.Cleanup(world.Close)
	for id, name := range map[int64]string{admin: "Admin", user: "User", stranger: "Stranger"} {
		world.AddUser(emulator.User{ID: id, FirstName: name})
	}
	world.AddGroup(emulator.Group{ID: group, Title: "Operations", Members: []int64{admin, user, stranger}})
	t.Cleanup(func() { b.log.check(t, world.Token(), admin, user, stranger, group) })
	b.cfg = testConfig(t, world.Token(), server.URL)
	scrubber := scrub.New(b.cfg.Secrets())
	b.o = options{
		cacheDir: moduleCache(t),
		log:      newLogger(b.log, "DEBUG", "json", scrubber),
		scrub:    scrubber,
		// Conversations are quicker than people.
		userLimit:   ratelimit.New[int64](100_000, time.Second, usersAtMost),
		dockerFresh: -1,
	}
	if os.Getenv(testMode) == "webhook" {
		byWebhook(b)
	}
	for _, change := range changes {
		change(b)
	}
	return b
}

// testMode is the environment variable that makes the bots of all tests run in
// webhook mode, if it is "webhook": so the same conversations show both.
const testMode = "COFFERDAM_TEST_MODE"

// byWebhook lets a bot be brought its updates, through a proxy on this machine.
func byWebhook(b *bot) {
	b.o.webhook, b.o.socketHost = true, "127.0.0.1"
	b.cfg.Webhook.URL, b.cfg.Webhook.LocalPort = "bot.example.org", 0
	b.cfg.Webhook.TrustedProxyIPs = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
}

// byPolling lets a bot poll in any mode of the tests: what is tested is polling.
func byPolling(b *bot) { b.o.webhook = false }

// route is the way of Telegram's requests to the bot: through that proxy, from
// each of Telegram's addresses in turn, since tests are quicker than people.
func (b *bot) route() *emulator.Carrier {
	var n atomic.Int64
	carrier := emulator.Route{
		To: func() string {
			if address := b.listens.Load(); address != nil {
				return *address
			}
			return ""
		},
		From:      "127.0.0.1",
		Forwarded: func() string { return telegramAt(n.Add(1)) },
	}.RoundTripper()
	b.t.Cleanup(carrier.CloseIdleConnections)
	return carrier
}

func (b *bot) start() {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	a, err := newApp(ctx, b.cfg, b.o)
	if err != nil {
		cancel()
		b.t.Fatal(err)
	}
	b.app = a
	if a.webhook != nil {
		address := a.webhook.Addr().String()
		b.listens.Store(&address)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.serve(ctx) }()
	b.stop = sync.OnceValue(func() error {
		cancel()
		err := <-ended
		if stopErr := a.stop(); stopErr != nil {
			b.t.Errorf("stopping: %v", stopErr)
		}
		return err
	})
	b.t.Cleanup(func() {
		if err := b.stop(); err != nil {
			b.t.Errorf("the bot ended with: %v", err)
		}
		if b.t.Failed() {
			b.t.Logf("the bot's log:\n%s", b.log)
		}
	})
}

func testConfig(t testing.TB, token, api string) *config.Config {
	t.Helper()
	text, err := config.Sample(config.SampleInput{
		Token: config.Secret(token), Salt: config.Secret(strings.Repeat("salt", 12)),
		UserIDs: []int64{admin, user}, AdminIDs: []int64{admin}, ChatIDs: []int64{group},
	})
	if err != nil {
		t.Fatal(err)
	}
	cfg, _, err := config.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Telegram.APIURL = api
	cfg.Telegram.Flood = config.Flood{}
	// An engine that is not there, for tests that do not need one.
	cfg.Docker.Host = []string{"unix://" + filepath.Join(t.TempDir(), "no-docker.sock")}
	return cfg
}

// moduleCache is shared by all tests of this process, so that the modules are
// compiled once.
var cacheDir = sync.OnceValues(func() (string, error) {
	if dir := os.Getenv("COFFERDAM_TEST_CACHE"); dir != "" {
		return cacheIn(dir)
	}
	dir, err := os.MkdirTemp("", "cofferdam-test-cache-")
	if err != nil {
		return "", err
	}
	return cacheIn(dir)
})

// compiledCache is that folder with the code of the built-in modules in it, so
// that tests and benchmarks meet them as they are after the first minute.
var compiledCache = sync.OnceValues(func() (string, error) {
	dir, err := cacheDir()
	if err == nil {
		err = compileBuiltIn(context.Background(), dir, func(string) {})
	}
	return dir, err
})

func moduleCache(t testing.TB) string {
	t.Helper()
	dir, err := compiledCache()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestMain lets the test binary be the program too, for the scripts, and a bot
// without a sandbox, for the benchmarks.
func TestMain(m *testing.M) {
	compiler.Main()
	if os.Getenv(benchBot) == "native" {
		os.Exit(otherMain(os.Args[1:], func(o *options) { o.load = inHost }))
	}
	if dir := os.Getenv(benchInstalled); dir != "" {
		os.Exit(installedMain(os.Args[1:], dir))
	}
	if file := os.Getenv(testClock); file != "" {
		os.Exit(otherMain(os.Args[1:], func(o *options) { o.now, o.load = clockFile(file).now, inHost }))
	}
	if kind := os.Getenv(benchWebhook); kind != "" {
		if err := serveBenchWebhook(kind); err != nil {
			panic(err)
		}
		return
	}
	// Most of what runs side by side waits: more of it than there are processors.
	if err := flag.Set("test.parallel", "4"); err != nil {
		panic(err)
	}
	testscript.Main(thenClean{m}, map[string]func(){"cofferdam": main})
}

// thenClean runs tests and removes what they share.
type thenClean struct{ *testing.M }

func (m thenClean) Run() int {
	code := m.M.Run()
	if dir, err := cacheDir(); err == nil && os.Getenv("COFFERDAM_TEST_CACHE") == "" {
		os.RemoveAll(filepath.Dir(dir))
	}
	return code
}

// person is somebody in a chat with the bot.
type person struct {
	*emulator.Client
	t testing.TB
}

func (b *bot) person(user, chat int64) person { return person{b.world.Client(user, chat), b.t} }

// says types a text and returns the bot's answer.
func (p person) says(text string) emulator.Message {
	p.t.Helper()
	return p.next(func() error { p.Type(text); return nil })
}

// begins types a text whose answer takes its time, and returns the message that
// says so.
func (p person) begins(text string) emulator.Message {
	p.t.Helper()
	before := p.Last().ID
	p.Type(text)
	p.await(func([]emulator.Message) bool { return p.Last().ID > before && working(p.Last()) })
	return p.Last()
}

// working tells whether a message only says that the bot is at work. What it says
// in the end takes the place of that.
func working(m emulator.Message) bool { return whileWorking.MatchString(m.Text) }

var whileWorking = regexp.MustCompile(`^⏳ .+… [0-9]+ s$`)

// presses a button of the reply keyboard and returns the bot's answer.
func (p person) presses(label string) emulator.Message {
	p.t.Helper()
	return p.next(func() error { _, err := p.Press(label); return err })
}

func (p person) next(act func() error) emulator.Message {
	p.t.Helper()
	before := p.Last().ID
	if err := act(); err != nil {
		p.t.Fatal(err)
	}
	p.await(func([]emulator.Message) bool { return p.Last().ID > before && !working(p.Last()) })
	return p.Last()
}

// taps an inline button, waits until the tap is answered and the view has
// changed, and returns it.
func (p person) taps(label string) emulator.Message {
	p.t.Helper()
	before := p.Last()
	if answer := p.tapsOnly(label); answer.Text != "" {
		p.t.Fatalf("tapping %q was answered with %q", label, answer.Text)
	}
	p.await(func([]emulator.Message) bool {
		now := p.Last()
		return (now.ID != before.ID || now.Edits != before.Edits) && !working(now)
	})
	return p.Last()
}

// tapsOnly taps an inline button and returns the answer to the tap.
func (p person) tapsOnly(label string) emulator.CallbackAnswer {
	p.t.Helper()
	query, err := p.Tap(label)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.answer(query)
}

func (p person) answer(query string) emulator.CallbackAnswer {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	answer, err := p.Answer(ctx, query)
	if err != nil {
		p.t.Fatal(err)
	}
	return answer
}

func (p person) await(done func([]emulator.Message) bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := p.Wait(ctx, done); err != nil {
		p.t.Fatal(err)
	}
}

// expect fails unless a message contains all the texts.
func (p person) expect(m emulator.Message, texts ...string) {
	p.t.Helper()
	for _, text := range texts {
		if !strings.Contains(m.Styled(), text) {
			p.t.Errorf("the message lacks %q:\n%s", text, m.Styled())
		}
	}
}

// logBuffer is a log that can be read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var _ zapcore.WriteSyncer = (*logBuffer)(nil)

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *logBuffer) Sync() error { return nil }

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

// silent lets a benchmark run without a log.
func silent(b *bot) { b.o.log = zap.NewNop() }

func timeout() <-chan time.Time { return time.After(patience) }
func tick() <-chan time.Time    { return time.After(5 * time.Millisecond) }
