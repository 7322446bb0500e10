package pipeline

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/ratelimit"
)

// Who and where. A private chat has the id of its user.
const (
	admin    = 1
	user     = 2
	friend   = 3
	stranger = 9
	group    = -10
)

// maxAge is telegram.max_update_age in these tests.
const maxAge = 5 * time.Minute

// rig is a pipeline with fakes on all sides. It lives in a synctest bubble, so
// that its time is the test's, and settle waits for all that can happen.
type rig struct {
	t *testing.T
	*Pipeline
	journal   *fakeJournal
	keyboards *fakeKeyboards
	modules   *fakeModules
	sender    *fakeSender
	factors   *fakeFactors
	strangers *fakeStrangers
	audit     *fakeAudit
	notices   *fakeNotices
	counts    *fakeCounts
	mu        sync.Mutex
	deletions []deletion
	logs      *observer.ObservedLogs
	lastID    int64
}

type deletion struct {
	chat int64
	id   int
	in   time.Duration
}

// inBubble runs a test with a rig whose time stands still while anything runs.
func inBubble(t *testing.T, test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		test(r)
		r.settle()
		r.Close(context.Background())
	})
}

func newRig(t *testing.T) *rig {
	core, logs := observer.New(zap.DebugLevel)
	r := &rig{
		t: t, logs: logs,
		journal:   &fakeJournal{seen: map[int64]bool{}},
		keyboards: &fakeKeyboards{values: map[string]kept{}},
		modules:   &fakeModules{invoke: func(context.Context, abi.Request) (abi.Code, []byte, error) { return saying("done") }},
		sender:    &fakeSender{},
		factors:   newFakeFactors(),
		strangers: &fakeStrangers{kept: map[int64]access.Record{}},
		audit:     &fakeAudit{},
		notices:   &fakeNotices{},
		counts:    &fakeCounts{},
	}
	r.Pipeline = New(Config{
		Journal: r.journal, Keyboards: r.keyboards, Modules: r.modules, Sender: r.sender,
		Delete: func(_ context.Context, to chat.Address, id int, at time.Time) error {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.deletions = append(r.deletions, deletion{to.Chat, id, time.Until(at)})
			return nil
		},
		SecondFactor: r.factors, Strangers: r.strangers, Audit: r.audit, Notices: r.notices, Counts: r.counts,
		Writable: r.journal.writable,
		Access:   access.New(access.Policy{Users: []int64{admin, user, friend}, Admins: []int64{admin}, GroupChats: []int64{group}}),
		Reach:    func(int64) capability.Reach { return capability.Everywhere() },
		Decode:   decodeFake, MaxAge: maxAge, UserLimit: ratelimit.New[int64](8, 10*time.Second, 100),
		Log: zap.New(core), Now: time.Now, Random: rand.Reader, Zone: time.UTC,
	})
	return r
}

// decodeFake reads updates as the rig writes them.
func decodeFake(data []byte) (u chat.Update, err error) {
	if string(data) == `"panic"` {
		panic("a fault in the decoder")
	}
	return u, json.Unmarshal(data, &u)
}

// typed is a text that somebody sent just now.
func typed(from, where int64, text string) chat.Update {
	return chat.Update{
		Kind: chat.Text, Sent: time.Now(), From: chat.User{ID: from, FirstName: "Ada"},
		Chat: chat.Chat{ID: where, Private: where > 0}, MessageID: 70, Text: text,
	}
}

// viewID is the message that carries buttons.
const viewID = 80

// tapped is a tap on a button of that message.
func tapped(from, where int64, data string) chat.Update {
	return chat.Update{
		Kind: chat.Tap, From: chat.User{ID: from}, Chat: chat.Chat{ID: where, Private: where > 0},
		MessageID: viewID, QueryID: fmt.Sprintf("q%d", from), Data: data,
	}
}

// receive numbers updates and writes them as they come over the wire.
func (r *rig) receive(updates ...chat.Update) (list []chat.Received) {
	r.t.Helper()
	for _, u := range updates {
		data, err := json.Marshal(u)
		if err != nil {
			r.t.Fatal(err)
		}
		r.lastID++
		list = append(list, chat.Received{ID: r.lastID, Data: data})
	}
	return list
}

// comes delivers updates.
func (r *rig) comes(updates ...chat.Update) {
	r.t.Helper()
	if err := r.Deliver(context.Background(), r.receive(updates...)); err != nil {
		r.t.Fatal(err)
	}
}

// settle waits until nothing moves any more but time.
func (r *rig) settle() { synctest.Wait() }

// handles delivers one update and returns what the bot did, one line for each
// call.
func (r *rig) handles(u chat.Update) []string {
	r.t.Helper()
	r.sender.take()
	r.comes(u)
	r.settle()
	return r.sender.take()
}

// expect compares what the bot did.
func (r *rig) expect(got []string, want ...string) {
	r.t.Helper()
	if !slices.Equal(got, want) {
		r.t.Errorf("the bot did\n\t%s\nand not\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// outcomes are how updates ended, in the order in which they did.
func (r *rig) outcomes() (list []string) {
	for _, line := range r.logs.All() {
		fields := line.ContextMap()
		if event, _ := fields["event"].(string); strings.HasPrefix(event, "update.") && fields["took"] != nil {
			list = append(list, strings.TrimPrefix(event, "update."))
		}
	}
	return list
}

// has tells whether the log has an event.
func (r *rig) has(event string) bool { return r.logs.FilterField(zap.String("event", event)).Len() > 0 }

// reply makes a module's answer.
func reply(r abi.Reply) (abi.Code, []byte, error) {
	data, err := json.Marshal(r)
	return abi.OK, data, err
}

func saying(text string) (abi.Code, []byte, error) {
	return reply(abi.Reply{Blocks: []abi.Block{{Kind: abi.BlockText, Spans: []abi.Span{{Text: text}}}}})
}

// refreshing is a view with buttons: an action and a command.
func refreshing(text string) abi.Reply {
	return abi.Reply{
		Blocks: []abi.Block{{Kind: abi.BlockText, Spans: []abi.Span{{Text: text}}}},
		Keyboard: [][]abi.Button{{
			{Label: "Show", Action: "show", Args: map[string]string{"id": "x"}},
			{Label: "Again", Command: "view"},
			{Label: "Gone", Command: "removed"},
			{Label: "Secret", Command: "manage"},
		}},
	}
}

// view sends the view to somebody and returns the tokens of its buttons.
func (r *rig) view(from, where int64) (tokens []string) {
	r.t.Helper()
	r.modules.set(func(context.Context, abi.Request) (abi.Code, []byte, error) { return reply(refreshing("view")) })
	r.handles(typed(from, where, "/view"))
	for _, row := range r.sender.last.Inline {
		for _, b := range row {
			tokens = append(tokens, b.Data)
		}
	}
	if len(tokens) != 4 {
		r.t.Fatalf("the view has %d buttons", len(tokens))
	}
	r.modules.set(func(_ context.Context, q abi.Request) (abi.Code, []byte, error) {
		return reply(refreshing("tapped " + q.Action + q.Command + q.Args["id"]))
	})
	return tokens
}

// fakeJournal keeps its records in memory.
type fakeJournal struct {
	mu            sync.Mutex
	seen          map[int64]bool
	started, done []int64
	broken        error
	full          bool
	slow          time.Duration // of Started
}

func (j *fakeJournal) Accept(_ context.Context, list []chat.Received, _ time.Time) (fresh []chat.Received, err error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return nil, j.broken
	}
	for _, u := range list {
		if !j.seen[u.ID] {
			j.seen[u.ID] = true
			fresh = append(fresh, u)
		}
	}
	return fresh, nil
}

func (j *fakeJournal) Started(_ context.Context, id int64) error {
	time.Sleep(j.slow)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken == nil {
		j.started = append(j.started, id)
	}
	return j.broken
}

// fill makes the disk full, or gives it room again.
func (j *fakeJournal) fill(full bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.full, j.broken = full, nil
	if full {
		j.broken = errBroken
	}
}

func (j *fakeJournal) writable() bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	return !j.full
}

func (j *fakeJournal) Done(id int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.done = append(j.done, id)
}

// left are the accepted updates that are not done.
func (j *fakeJournal) left() (list []int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for id := range j.seen {
		if !slices.Contains(j.done, id) {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	return list
}

type kept struct {
	value   []byte
	expires time.Time
}

type fakeKeyboards struct {
	mu     sync.Mutex
	values map[string]kept
	broken error
}

// all is a copy: what goes on while a test looks may write on.
func (k *fakeKeyboards) all() map[string]kept {
	k.mu.Lock()
	defer k.mu.Unlock()
	return maps.Clone(k.values)
}

func (k *fakeKeyboards) PutKeyboard(_ context.Context, id string, expires time.Time, value []byte) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.values[id] = kept{value, expires}
	return k.broken
}

func (k *fakeKeyboards) Keyboard(id string) ([]byte, time.Time, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.values[id].value, k.values[id].expires, k.broken
}

func (k *fakeKeyboards) PutKeyboardLater(id string, expires time.Time, value []byte) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.values[id] = kept{value, expires}
}

func (k *fakeKeyboards) DropKeyboards(_ context.Context, picks func([]byte) bool) (n int, err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for id, v := range k.values {
		if picks(v.value) {
			delete(k.values, id)
			n++
		}
	}
	return n, k.broken
}

// fakeModules has the commands /view for users, /manage for admins and /open
// for anybody, all of one module.
type fakeModules struct {
	reads    bool // it only reads
	mu       sync.Mutex
	invoke   func(context.Context, abi.Request) (abi.Code, []byte, error)
	requests []abi.Request
	passes   []capability.Pass
	// gated stands for the gate before a host call.
	gated func(*capability.Pass) error
	of    map[string]string // the modules of further commands, for users
	gone  string            // a module that is there no more
	// dropIn is a module from elsewhere.
	dropIn string
}

var commands = map[string]string{"view": abi.WhoUser, "manage": abi.WhoAdmin, "open": abi.WhoAnybody, "nobody": ""}

func (m *fakeModules) ByText(_ context.Context, text string) (chat.Route, bool, bool) {
	name, isCommand := strings.CutPrefix(text, "/")
	name, rest, _ := strings.Cut(name, " ")
	name, _, mentioned := strings.Cut(name, "@")
	route, found := m.ByCommand(name)
	route.Text = rest
	return route, found && isCommand, isCommand && (found || mentioned)
}

func (m *fakeModules) ByCommand(name string) (chat.Route, bool) {
	if _, itsOwn := own[name]; itsOwn {
		return chat.Route{Command: name, Who: abi.WhoAdmin}, true
	}
	if module, further := m.of[name]; further {
		return chat.Route{Module: module, Command: name, Who: abi.WhoUser}, module != m.gone
	}
	who, found := commands[name]
	return chat.Route{Module: "mod", Command: name, Who: who}, found && m.gone != "mod"
}

func (m *fakeModules) set(invoke func(context.Context, abi.Request) (abi.Code, []byte, error)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.invoke = invoke
}

func (m *fakeModules) Has(module string) bool { return module != "" && module != m.gone }

func (m *fakeModules) Await(context.Context, string) {}

func (m *fakeModules) DropIn(module string) bool { return module == m.dropIn }

func (m *fakeModules) OnlyReads(string) bool { return m.reads }

func (m *fakeModules) Invoke(ctx context.Context, module string, _ abi.Actor, pass *capability.Pass, _ *zap.Logger, data []byte) (abi.Code, []byte, error) {
	var q abi.Request
	if err := json.Unmarshal(data, &q); err != nil {
		return abi.Internal, nil, err
	}
	m.mu.Lock()
	m.requests = append(m.requests, q)
	m.passes = append(m.passes, *pass)
	invoke, gated := m.invoke, m.gated
	m.mu.Unlock()
	if gated != nil {
		if err := gated(pass); err != nil {
			return abi.Internal, nil, err
		}
	}
	return invoke(ctx, q)
}

func (m *fakeModules) Menu(section, role string) *chat.Keyboard {
	return &chat.Keyboard{Rows: [][]string{{section + " of " + role}}}
}

// runs is how many commands ran.
func (m *fakeModules) runs() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.requests)
}

// fakeSender writes down what it is asked for.
type fakeSender struct {
	mu      sync.Mutex
	calls   []string
	ids     int
	last    chat.Message
	slow    func(context.Context, int64) error // before each message
	refuse  error                              // for answers to taps
	answers map[string]int
	busy    error // for what can be left out
	tries   int
	apart   bool // each view is a message of its own, and not viewID
	seen    func(chat.Message)
}

func (s *fakeSender) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, fmt.Sprintf(format, args...))
}

func (s *fakeSender) take() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	calls := s.calls
	s.calls = nil
	return calls
}

func (s *fakeSender) message(ctx context.Context, to chat.Address, m chat.Message) (int, error) {
	if s.slow != nil {
		if err := s.slow(ctx, to.Chat); err != nil {
			return 0, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ids++
	s.last = m
	if s.seen != nil {
		s.seen(m)
	}
	return 1000 + s.ids, nil
}

func (s *fakeSender) Send(ctx context.Context, to chat.Address, m chat.Message) (int, error) {
	id, err := s.message(ctx, to, m)
	if err == nil {
		s.note("send %d: %s", to.Chat, content(m))
	}
	if len(m.Inline) > 0 && !s.apart {
		id = viewID
	}
	return id, err
}

func (s *fakeSender) Edit(ctx context.Context, to chat.Address, id int, m chat.Message) (int, error) {
	_, err := s.message(ctx, to, m)
	if err == nil {
		s.note("edit %d/%d: %s", to.Chat, id, content(m))
	}
	return id, err
}

func content(m chat.Message) string {
	if m.Document != nil {
		return "file " + m.Document.Name
	}
	if m.Photo != nil {
		return "photo " + m.Photo.Name
	}
	return m.Text
}

func (s *fakeSender) Answer(_ context.Context, query, text string, alert bool) error {
	kind := "notice"
	if alert {
		kind = "alert"
	}
	s.note("%s %s: %s", kind, query, text)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.answers == nil {
		s.answers = map[string]int{}
	}
	s.answers[query]++
	return s.refuse
}

func (s *fakeSender) Typing(_ context.Context, to chat.Address) { s.note("typing %d", to.Chat) }

var errBroken = errors.New("broken")

// dry is randomness that has run out.
type dry struct{}

func (dry) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }
