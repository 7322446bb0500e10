package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// The rule: 500 updates, 200 kills. Five bursts make it up. Of each, everything
// is at Telegram before the next life of the bot begins; only the admin, who is
// among them, types and taps as the bot answers.
const (
	kills   = 200
	bursts  = 5
	readers = 46
	each    = 2 // commands of a reader in a burst: fewer than A8 permits
	// targets are containers that an admin removes meanwhile, each with four
	// updates or more: a command, a tap, a code, and a confirming tap, of which
	// the last three must find the bot alive all the while.
	targets = 10
)

// How the bot is killed. Left alone, it takes a hundred updates at once, and
// starts one in each chat at the same moment: a burst would be over after a few
// kills. So Telegram is a bit away, and hands out one update for each call; a
// life ends within lastWords of having got up to quota updates, or when nothing
// more came for a random time.
const (
	away      = 10 * time.Millisecond
	quota     = 8
	lastWords = 20 * time.Millisecond
	idle      = 600 * time.Millisecond
)

// asked are commands with what is in their answers, one of each for a reader.
var asked = []struct{ command, answer string }{
	{"/load", "📈 Load average"}, {"/uptime", "⏱ Uptime"}, {"/memory", "🧠 Memory"}, {"/cpu", "🧮 CPU"},
	{"/quick", "Quick view"}, {"/help", "What you can do here"}, {"/about", "About me"}, {"/server", "🖥 Server"},
	{"/getmyid", "Your ids"}, {"/back", "Main menu"},
}

// clockFile is a clock that several processes share: how far it is ahead.
type clockFile string

func (f clockFile) now() time.Time {
	data, err := os.ReadFile(string(f))
	if err != nil || len(data) != 8 {
		return time.Now()
	}
	return time.Now().Add(time.Duration(binary.BigEndian.Uint64(data)))
}

func (f clockFile) set(ahead time.Duration) error {
	next := string(f) + ".next"
	if err := os.WriteFile(next, binary.BigEndian.AppendUint64(nil, uint64(ahead)), 0o600); err != nil {
		return err
	}
	return os.Rename(next, string(f))
}

// testClock is the environment variable that makes this test binary the whole
// program with that clock: an admin who must show a code after each of 200 kills
// would else wait 30 s for each. Its modules are compiled into it, since loading
// them takes as long as one of its lives; TestKilledAtAnyMoment kills the real
// program with its sandbox.
const testClock = "COFFERDAM_TEST_CLOCK"

// ledger counts what reaches the engine.
type ledger struct {
	engine  http.Handler
	mu      sync.Mutex
	removed map[string]int // by id
}

// acts is how many containers were removed.
func (l *ledger) acts() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.removed)
}

func (l *ledger) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodDelete {
		id := r.URL.Path[strings.LastIndexByte(r.URL.Path, '/')+1:]
		l.mu.Lock()
		l.removed[id]++
		l.mu.Unlock()
	}
	l.engine.ServeHTTP(w, r)
}

// killing is the stage of the test: a bot that is killed all the time, behind it
// the real engine.
type killing struct {
	t      *testing.T
	world  *emulator.Server
	log    *logBuffer
	config string
	state  string
	clock  clockFile
	ahead  atomic.Int64
	ledger *ledger
	boss   int64
	ids    map[string]string // of the containers, by name
	taps   map[string]int    // confirming taps, by container name; the admin's alone
	// typed are the ids of the readers' messages, in the order of asked.
	typed map[int64][]int
	// did is what the admin sent, in order; the admin's alone until the end.
	did []deed
	// started is how many kills found an update in the journal as started: only
	// such a one is reported, and only it may have an answer too.
	started map[string]int
	// busy is how many of the kills left something to be done.
	busy int
}

// TestKilledTwoHundredTimes: bursts of 500 updates in all, privileged acts among
// them, while the process is killed at 200 random moments. Each update is
// answered or reported, and nothing is done twice.
func TestKilledTwoHundredTimes(t *testing.T) {
	t.Parallel()
	names, made := make([]string, targets), make([]dockertest.Container, targets)
	for i := range made {
		names[i] = dockertest.Unique("doomed")
		made[i] = dockertest.Container{Name: names[i], State: dockertest.Created}
	}
	ids := newScene(t).has(made...)
	k := newKilling(t)
	for i, name := range names {
		k.ids[name] = ids[i]
	}
	process := k.run()
	phone := k.enrol()
	kill(process)
	k.autopsy()
	k.replay(phone)

	done := make(chan struct{})
	go func() { defer close(done); k.remove(phone, names) }()
	for n := range kills {
		if n%(kills/bursts) == 0 {
			t.Logf("after %d kills %d updates of the burst before wait", n, k.world.Waiting())
			k.burst(n / (kills / bursts))
		}
		k.live()
	}
	t.Logf("%d kills, %d of them with something to do; %d messages sent and %d containers removed until the last one", kills, k.busy, k.world.Count("sendMessage"), k.ledger.acts())
	last := k.run()
	<-done
	k.settle()
	k.end(last)
	k.check()
	k.checkActs()
}

// live is one life of the bot, from its start to a random moment.
func (k *killing) live() {
	k.t.Helper()
	polls := k.world.Count("getUpdates")
	process := k.run()
	ctx, cancel := context.WithTimeout(k.t.Context(), patience)
	defer cancel()
	if err := k.world.WaitCalls(ctx, "getUpdates", polls+1); err != nil {
		k.t.Fatal(err)
	}
	ctx, cancel = context.WithTimeout(k.t.Context(), rand.N(idle))
	defer cancel()
	_ = k.world.WaitCalls(ctx, "getUpdates", polls+1+rand.IntN(quota+1)) // or not, if nothing is there
	time.Sleep(rand.N(lastWords))
	kill(process)
	if k.autopsy() > 0 || k.world.Waiting() > 0 {
		k.busy++
	}
}

// autopsy looks at what a kill left in the journal, and returns how much that is.
func (k *killing) autopsy() int {
	k.t.Helper()
	left, chats := pendingIn(k.t, k.state), map[int64]bool{}
	for _, p := range left {
		if !p.Started {
			continue
		}
		u, err := telegram.Decode(p.Data)
		if err != nil {
			k.t.Fatal(err)
		}
		if chats[u.Chat.ID] {
			k.t.Error("two commands had started in one chat")
		}
		chats[u.Chat.ID] = true
		k.started[keyOf(u.Chat.ID, u.MessageID, u.QueryID)]++
	}
	return len(left)
}

// keyOf names an update as people know it: a tap by its query, and a text by its
// message.
func keyOf(chat int64, message int, query string) string {
	if query != "" {
		return query
	}
	return fmt.Sprint(chat, "/", message)
}

func newKilling(t *testing.T) *killing {
	t.Helper()
	k := &killing{
		t: t, log: &logBuffer{}, state: warmState(t), clock: clockFile(filepath.Join(t.TempDir(), "clock")), boss: 7_400_000_000,
		ids: map[string]string{}, taps: map[string]int{}, typed: map[int64][]int{}, started: map[string]int{},
	}
	k.world = emulator.New(emulator.Options{Now: k.now})
	k.world.SetLatency(away)
	server := httptest.NewServer(oneByOne{k.world})
	t.Cleanup(server.Close)
	t.Cleanup(k.world.Close)
	users := []int64{k.boss}
	for i := range int64(readers) {
		users = append(users, k.boss+1+i)
	}
	for _, id := range users {
		k.world.AddUser(emulator.User{ID: id, FirstName: "User"})
	}
	p := newProxy(t, dockertest.Engine(t), nil)
	p.cut()
	k.ledger = &ledger{engine: p.engine, removed: map[string]int{}}
	p.serve(k.ledger)
	text, err := config.Sample(config.SampleInput{
		Token: config.Secret(k.world.Token()), Salt: config.Secret(strings.Repeat("salt", 12)),
		UserIDs: users, AdminIDs: []int64{k.boss}, DockerHosts: []string{"unix://" + p.socket},
	})
	if err != nil {
		t.Fatal(err)
	}
	// Each code of the admin moves the clock, and what waits must not grow too old (A7).
	text = fmt.Appendf(text, "\ntelegram:\n  api_url: %s\n  max_update_age: 24h\n  flood: {overall: 0, chat: 0, group: 0}\n", server.URL)
	k.config = filepath.Join(t.TempDir(), "cofferdam.yaml")
	if err := os.WriteFile(k.config, text, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { k.log.check(t, k.world.Token(), users...) })
	return k
}

func (k *killing) now() time.Time { return time.Now().Add(time.Duration(k.ahead.Load())) }

func (k *killing) advance(d time.Duration) {
	if err := k.clock.set(time.Duration(k.ahead.Add(int64(d)))); err != nil {
		k.t.Error(err)
	}
}

func (k *killing) run() *exec.Cmd {
	k.t.Helper()
	cmd := exec.Command(thisBinary(k.t), "run", "--config", k.config, "--state-dir", k.state, "--log-level", "debug", "--log-format", "json")
	cmd.Env = append(os.Environ(), testClock+"="+string(k.clock))
	cmd.Stderr = k.log
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.t.Cleanup(func() { kill(cmd) })
	return cmd
}

func (k *killing) end(cmd *exec.Cmd) {
	k.t.Helper()
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		k.t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		k.t.Errorf("the program ended with: %v", err)
	}
}

func (k *killing) person(id int64) person { return person{k.world.Client(id, id), k.t} }

// oneByOne is a Telegram that hands out one update for each call.
type oneByOne struct{ http.Handler }

func (h oneByOne) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasSuffix(r.URL.Path, "/getUpdates") {
		r.URL.RawQuery = "limit=1"
	}
	h.Handler.ServeHTTP(w, r)
}

// burst lets all readers type at once.
func (k *killing) burst(n int) {
	for _, a := range asked[n*each : (n+1)*each] {
		for i := range int64(readers) {
			id := k.boss + 1 + i
			k.typed[id] = append(k.typed[id], k.person(id).Type(a.command).ID)
		}
	}
}
