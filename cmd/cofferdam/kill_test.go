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
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
	"github.com/cofferdam-bot/cofferdam/security/audit"
)

// The burst of the rule: 500 updates, 200 kills.
const (
	kills   = 200
	readers = 46
	// targets are containers that an admin removes meanwhile, each with three
	// updates or more: a command, a tap, a confirming tap, and a code when the
	// session died.
	targets = 10
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
	taps   map[string]int // confirming taps, by container name; the admin's alone
}

// TestKilledTwoHundredTimes: a burst of 500 updates, privileged acts among them,
// while the process is killed at 200 random moments. Each update is answered or
// reported, and nothing is done twice.
func TestKilledTwoHundredTimes(t *testing.T) {
	names, ids := make([]string, targets), []string(nil)
	made := make([]dockertest.Container, targets)
	for i := range made {
		names[i] = dockertest.Unique("doomed")
		made[i] = dockertest.Container{Name: names[i], State: dockertest.Created}
	}
	ids = newScene(t).has(made...)
	k := newKilling(t)
	process := k.run()
	phone := k.enrol()
	kill(process)
	k.replay(phone)

	var people sync.WaitGroup
	people.Go(func() { k.remove(phone, names, ids) })
	people.Go(k.type500)
	done := make(chan struct{})
	go func() { people.Wait(); close(done) }()
	for n := range kills {
		process := k.run()
		time.Sleep(time.Duration(rand.IntN(300)) * time.Millisecond)
		kill(process)
		if n%50 == 49 {
			t.Logf("%d kills", n+1)
		}
	}
	t.Logf("%d messages sent until the last kill", k.world.Count("sendMessage"))
	last := k.run()
	<-done
	k.settle()
	k.end(last)
	k.check(names, ids)
}

func newKilling(t *testing.T) *killing {
	t.Helper()
	k := &killing{t: t, log: &logBuffer{}, taps: map[string]int{}, boss: 7_400_000_000, state: warmState(t), clock: clockFile(filepath.Join(t.TempDir(), "clock"))}
	k.world = emulator.New(emulator.Options{Now: k.now})
	k.world.SetLatency(2 * time.Millisecond)
	server := httptest.NewServer(k.world)
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
	text = fmt.Appendf(text, "\ntelegram:\n  api_url: %s\n  flood: {overall: 0, chat: 0, group: 0}\n", server.URL)
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

func (k *killing) enrol() authenticator {
	k.t.Helper()
	p := k.person(k.boss)
	picture := p.says("/qrcode")
	if picture.Photo == nil {
		k.t.Fatalf("there is no picture: %s", picture.Styled())
	}
	phone := newAuthenticator(k.t, scan(k.t, picture.Photo.Bytes), k.now)
	p.Type(phone.code())
	p.hears("Your session in this chat lasts", 1)
	k.advance(time.Minute)
	return phone
}

// replay sends a code, kills the process when it was accepted, and sends it
// again: an accepted step is on disk before anybody hears of it (B2).
func (k *killing) replay(phone authenticator) {
	k.t.Helper()
	p, code := k.person(k.boss), phone.code()
	process := k.run()
	p.Type(code)
	p.hears("That code is right", 2) // and the enrolment's
	kill(process)
	process = k.run()
	p.Type(code)
	p.hears("That code was used already", 1)
	kill(process)
	k.advance(time.Minute)
}

// type500 lets the readers type, over as long as the kills take.
func (k *killing) type500() {
	for _, a := range asked {
		for i := range int64(readers) {
			k.person(k.boss + 1 + i).Type(a.command)
			time.Sleep(time.Duration(rand.IntN(2*kills*200/(readers*len(asked)))) * time.Millisecond)
		}
	}
}

// remove lets the admin remove containers, as people do whose bot dies all the
// time: look, tap, send a code if asked, confirm, and look again.
func (k *killing) remove(phone authenticator, names, ids []string) {
	p := k.person(k.boss)
	for i, name := range names {
		for attempt := 0; !k.gone(ids[i]); attempt++ {
			if attempt == 100 {
				k.t.Errorf("%s is still there", name)
				return
			}
			k.tryToRemove(p, phone, name)
		}
	}
}

// aMoment is how long the admin waits for something before trying again.
const aMoment = 1500 * time.Millisecond

func (k *killing) tryToRemove(p person, phone authenticator, name string) {
	before := p.Last().ID
	p.Type("/manage " + name)
	view, ok := k.sees(p, before, "🗑 Remove")
	if !ok {
		return
	}
	if _, err := p.TapOn(view.ID, "🗑 Remove"); err != nil {
		return
	}
	question, ok := k.sees(p, view.ID, "Remove "+name)
	if !ok && k.saw(p, view.ID, "A code, please") {
		k.advance(31 * time.Second)
		p.Type(phone.code())
		question, ok = k.sees(p, view.ID, "Remove "+name)
	}
	if !ok {
		return
	}
	if _, err := p.TapOn(question.ID, "Remove "+name); err != nil {
		return
	}
	k.taps[name]++
	for deadline := time.Now().Add(aMoment); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if p.message(question.ID).Deleted {
			time.Sleep(100 * time.Millisecond)
			return
		}
	}
}

// sees waits a moment for a message behind another one, with such a button.
func (k *killing) sees(p person, after int, button string) (emulator.Message, bool) {
	for deadline := time.Now().Add(aMoment); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		for _, m := range p.Messages() {
			if m.ID > after && !m.Deleted && slices.Contains(slices.Concat(m.Labels()...), button) {
				return m, true
			}
		}
	}
	return emulator.Message{}, false
}

func (k *killing) saw(p person, after int, text string) bool {
	for _, m := range p.Messages() {
		if m.ID > after && !m.Deleted && strings.Contains(m.Text, text) {
			return true
		}
	}
	return false
}

func (k *killing) gone(id string) bool {
	_, err := dockertest.Client(k.t).ContainerInspect(context.Background(), id)
	return err != nil
}

// settle waits until everything that was typed is answered or reported.
func (k *killing) settle() {
	k.t.Helper()
	for i := range int64(readers) {
		p := k.person(k.boss + 1 + i)
		p.says("/nonsense") // comes after all that waited in its chat
	}
}

func (k *killing) check(names, ids []string) {
	k.t.Helper()
	answered, reported, unsure := 0, 0, 0
	for i := range int64(readers) {
		p := k.person(k.boss + 1 + i)
		here := 0
		for _, a := range asked {
			n := p.said(a.answer)
			if n > 1 {
				k.t.Errorf("%s was answered %d times", a.command, n)
			}
			here += n
		}
		told := p.said(wasInterrupted)
		if here+told < len(asked) {
			k.t.Errorf("of %d commands %d were answered and %d reported", len(asked), here, told)
		}
		answered, reported, unsure = answered+here, reported+told, unsure+here+told-len(asked)
	}
	k.t.Logf("%d updates of readers: %d answered, %d reported as interrupted, of which %d had their answer", readers*len(asked), answered, reported, unsure)
	// Only what was on its way at a kill can have both.
	if unsure > kills {
		k.t.Errorf("%d updates were answered and reported", unsure)
	}
	k.checkActs(names, ids)
	if left := pendingIn(k.t, k.state); len(left) > 0 {
		k.t.Errorf("the journal keeps %d updates", len(left))
	}
}

// checkActs holds what reached the engine against the audit log: no removal
// without a record before it, none twice for one confirming tap.
func (k *killing) checkActs(names, ids []string) {
	k.t.Helper()
	file, err := os.Open(filepath.Join(k.state, store.AuditFile))
	if err != nil {
		k.t.Fatal(err)
	}
	defer file.Close()
	if _, err := audit.Verify(file, audit.Head{}); err != nil {
		k.t.Errorf("the audit log after %d kills: %v", kills, err)
	}
	text, err := os.ReadFile(file.Name())
	if err != nil {
		k.t.Fatal(err)
	}
	total := 0
	for i, id := range ids {
		begun := map[string]bool{} // by trace id
		for line := range strings.Lines(string(text)) {
			if !strings.Contains(line, id[:12]) || !strings.Contains(line, `"outcome":"begun"`) {
				continue
			}
			_, rest, _ := strings.Cut(line, `"trace_id":"`)
			trace, _, _ := strings.Cut(rest, `"`)
			if begun[trace] {
				k.t.Errorf("one tap removed %s twice", id[:12])
			}
			begun[trace] = true
		}
		n := k.ledger.removed[id]
		total += n
		// A command that ran again after a kill would remove it without a tap.
		if taps := k.taps[names[i]]; n > taps {
			k.t.Errorf("%s was removed %d times, with %d confirming taps", names[i], n, taps)
		}
		if n > len(begun) {
			k.t.Errorf("%s was removed %d times, and %d records say so", id[:12], n, len(begun))
		}
		if n == 0 {
			k.t.Errorf("%s was never removed through the bot", id[:12])
		}
	}
	k.t.Logf("%d removals of %d containers reached the engine", total, len(ids))
}
