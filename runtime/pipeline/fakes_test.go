package pipeline

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/notice"
	"github.com/cofferdam-bot/cofferdam/runtime/twofactor"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/totp"
)

// fakeFactors are real second factors in a table that lives in memory.
type fakeFactors struct {
	*twofactor.Keeper
	*memoryTable
	uri string // the last one that was shown
}

func newFakeFactors() *fakeFactors {
	table := &memoryTable{}
	return &fakeFactors{memoryTable: table, Keeper: twofactor.New(twofactor.Config{Table: table, Random: rand.Reader, Learn: func(string) {}})}
}

func (f *fakeFactors) Enrol(ctx context.Context, who twofactor.Person, renew bool, now time.Time) (string, error) {
	uri, err := f.Keeper.Enrol(ctx, who, renew, now)
	if err == nil {
		f.uri = uri
	}
	return uri, err
}

// code is what an authenticator shows that scanned the last picture.
func (f *fakeFactors) code(t *testing.T, at time.Time) string {
	t.Helper()
	uri, err := url.Parse(f.uri)
	if err != nil {
		t.Fatal(err)
	}
	code, err := totp.At(uri.Query().Get("secret"), at)
	if err != nil {
		t.Fatal(err)
	}
	return code
}

type memoryTable struct {
	mu     sync.Mutex
	values map[string][]byte
	broken error
}

func (m *memoryTable) Get(key []byte) ([]byte, time.Time, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[string(key)], time.Time{}, nil
}

func (m *memoryTable) Change(_ context.Context, key []byte, change func([]byte, time.Time) ([]byte, time.Time, error)) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.broken != nil {
		return m.broken
	}
	value, _, err := change(m.values[string(key)], time.Time{})
	if err != nil {
		return err
	}
	if m.values == nil {
		m.values = map[string][]byte{}
	}
	m.values[string(key)] = value
	return nil
}

type fakeStrangers struct {
	mu   sync.Mutex
	kept map[int64]access.Record
}

func (s *fakeStrangers) Remember(id int64, r access.Record) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept[id] = r
}

func (s *fakeStrangers) Forget(id int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.kept, id)
}

type fakeAudit struct {
	mu      sync.Mutex
	entries []audit.Entry
}

func (a *fakeAudit) Record(_ context.Context, e audit.Entry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.entries = append(a.entries, e)
	return nil
}

// events are the names in the audit log.
func (a *fakeAudit) events() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	var names []string
	for _, e := range a.entries {
		names = append(names, e.Event)
	}
	return strings.Join(names, " ")
}

type fakeNotices struct {
	mu   sync.Mutex
	told []string
}

func (n *fakeNotices) Tell(kind notice.Kind, subject string, _ int64, _ string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.told = append(n.told, string(kind)+" "+subject)
}

type fakeCounts struct {
	mu   sync.Mutex
	said []string
}

func (c *fakeCounts) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.said = append(c.said, what)
}

func (c *fakeCounts) Update(outcome string, n int) { c.add(fmt.Sprint("update ", outcome, " ", n)) }
func (c *fakeCounts) Command(module string, took time.Duration) {
	c.add(fmt.Sprint("command ", module, " ", took))
}
func (c *fakeCounts) Denied(reason string) { c.add("denied " + reason) }

func u2p(id int64) twofactor.Person { return twofactor.Person{ID: id} }

func atoi(digits string) (n int) {
	for _, d := range digits {
		n = n*10 + int(d-'0')
	}
	return n
}

// gate puts something in the place of the gate before a host call.
func (m *fakeModules) gate(gated func(*capability.Pass) error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.gated = gated
}

// hold lets what can be left out end so.
func (s *fakeSender) hold(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.busy = err
}

// inline are the buttons of the last message.
func (s *fakeSender) inline() [][]chat.Button {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.last.Inline
}

// Try is what may as well be left out.
func (s *fakeSender) Try(ctx context.Context, to chat.Address, id int, m chat.Message) (int, error) {
	s.mu.Lock()
	s.tries++
	busy := s.busy
	s.mu.Unlock()
	switch {
	case busy != nil:
		return 0, busy
	case id == 0:
		return s.Send(ctx, to, m)
	}
	return s.Edit(ctx, to, id, m)
}
