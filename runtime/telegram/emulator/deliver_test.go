package emulator

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// site is a bot's webhook that answers as a test says.
type site struct {
	*httptest.Server
	mu     sync.Mutex
	got    []int64
	header http.Header
	answer func(id int64, try int) (status int, retryAfter string)
}

func newSite(t *testing.T, answer func(id int64, try int) (int, string)) *site {
	t.Helper()
	s := &site{answer: answer}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Close)
	return s
}

func (s *site) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var u struct {
		ID int64 `json:"update_id"`
	}
	if err == nil {
		err = json.Unmarshal(body, &u)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	s.mu.Lock()
	s.got = append(s.got, u.ID)
	s.header = r.Header
	try := 0
	for _, id := range s.got {
		if id == u.ID {
			try++
		}
	}
	answer := s.answer
	s.mu.Unlock()
	status, retryAfter := http.StatusOK, ""
	if answer != nil {
		status, retryAfter = answer(u.ID, try)
	}
	if retryAfter != "" {
		w.Header().Set("Retry-After", retryAfter)
	}
	w.WriteHeader(status)
}

func (s *site) ids() []int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.got)
}

// withWebhook is a world whose updates go to a site.
func withWebhook(t *testing.T, s *site) (*Server, *Client) {
	t.Helper()
	carrier := Route{To: func() string { return s.Listener.Addr().String() }, Forwarded: func() string { return "149.154.167.1" }}.RoundTripper()
	t.Cleanup(carrier.CloseIdleConnections)
	world := New(Options{Webhooks: carrier, RetryFirst: time.Millisecond, RetryMost: time.Second})
	t.Cleanup(world.Close)
	world.AddUser(User{ID: 7, FirstName: "Ada"})
	call(t, world, "setWebhook", `{"url":"https://bot.example.org/webhook/x/","secret_token":"s3cret","max_connections":3}`)
	return world, world.Client(7, 7)
}

func call(t *testing.T, world *Server, method, body string) string {
	t.Helper()
	req := httptest.NewRequest(http.MethodPost, "/bot"+world.Token()+"/"+method, strings.NewReader(body))
	req.Header.Set("Content-Type", "application/json")
	res := httptest.NewRecorder()
	world.ServeHTTP(res, req)
	if res.Code != http.StatusOK {
		t.Fatalf("%s: %s", method, res.Body)
	}
	return res.Body.String()
}

func waitFor(t *testing.T, what string, done func() bool) {
	t.Helper()
	for until := time.Now().Add(30 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(until) {
			t.Fatalf("%s did not happen", what)
		}
	}
}

func TestUpdatesGoToTheWebhook(t *testing.T) {
	s := newSite(t, nil)
	world, ada := withWebhook(t, s)
	if err := world.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		ada.Type(fmt.Sprint(i))
	}
	waitFor(t, "delivery", func() bool { return world.Waiting() == 0 })
	ids := s.ids()
	if len(ids) != 5 || !slices.IsSorted(ids) {
		t.Errorf("the webhook got %v", ids)
	}
	if got := s.header.Get("X-Telegram-Bot-Api-Secret-Token"); got != "s3cret" {
		t.Errorf("the secret was %q", got)
	}
	if got := s.header.Get("X-Forwarded-For"); got != "149.154.167.1" {
		t.Errorf("the proxy added %q", got)
	}
	for _, d := range world.Deliveries() {
		if d.Status != http.StatusOK || d.UpdateID == 0 || d.Error != "" {
			t.Errorf("delivery %+v", d)
		}
	}
}

func TestWhatIsNotTakenComesAgainInOrder(t *testing.T) {
	s := newSite(t, func(id int64, try int) (int, string) {
		switch {
		case try < 3:
			return http.StatusInternalServerError, ""
		case try == 3:
			return http.StatusTooManyRequests, "1"
		}
		return http.StatusOK, ""
	})
	world, ada := withWebhook(t, s)
	ada.Type("first")
	ada.Type("second")
	waitFor(t, "delivery", func() bool { return world.Waiting() == 0 })
	ids := s.ids()
	if len(ids) != 8 || !slices.IsSorted(ids) {
		t.Errorf("the webhook got %v", ids)
	}
	tries := world.Deliveries()
	if pause := tries[3].At.Sub(tries[2].At); pause < time.Second {
		t.Errorf("Retry-After was not obeyed: %v", pause)
	}
	var info struct {
		Result struct {
			Pending int    `json:"pending_update_count"`
			Date    int64  `json:"last_error_date"`
			Error   string `json:"last_error_message"`
		}
	}
	if err := json.Unmarshal([]byte(call(t, world, "getWebhookInfo", "{}")), &info); err != nil {
		t.Fatal(err)
	}
	if r := info.Result; r.Pending != 0 || r.Date == 0 || r.Error != "Wrong response from the webhook: 429 Too Many Requests" {
		t.Errorf("getWebhookInfo: %+v", r)
	}
}

func TestOneChatDoesNotWaitForAnother(t *testing.T) {
	gate := make(chan struct{})
	var slow int64
	var mu sync.Mutex
	s := newSite(t, func(id int64, _ int) (int, string) {
		mu.Lock()
		held := slow == 0 || slow == id
		slow = max(slow, id*boolInt(held))
		mu.Unlock()
		if held {
			<-gate
		}
		return http.StatusOK, ""
	})
	world, ada := withWebhook(t, s)
	world.AddUser(User{ID: 8, FirstName: "Bob"})
	ada.Type("held")
	waitFor(t, "the first", func() bool { return len(s.ids()) == 1 })
	ada.Type("behind it")
	world.Client(8, 8).Type("not held")
	waitFor(t, "the other chat's", func() bool { return world.Waiting() == 2 })
	if got := len(s.ids()); got != 2 {
		t.Errorf("%d updates were sent", got)
	}
	close(gate)
	waitFor(t, "the rest", func() bool { return world.Waiting() == 0 })
}

func boolInt(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func TestNobodyListens(t *testing.T) {
	s := newSite(t, nil)
	world, ada := withWebhook(t, s)
	s.Close()
	ada.Type("lost?")
	waitFor(t, "two tries", func() bool { return len(world.Deliveries()) >= 2 })
	if world.Waiting() != 1 {
		t.Error("the update is gone")
	}
	if info := call(t, world, "getWebhookInfo", "{}"); !strings.Contains(info, "Connection refused") {
		t.Errorf("getWebhookInfo: %s", info)
	}
	call(t, world, "deleteWebhook", "{}")
	if got := call(t, world, "getUpdates", `{"timeout":0}`); !strings.Contains(got, "lost?") {
		t.Errorf("getUpdates: %s", got)
	}
}

func TestInjectedBytesAreNotTriedForEver(t *testing.T) {
	s := newSite(t, nil)
	world, ada := withWebhook(t, s)
	world.Inject([]byte("no JSON"))
	ada.Type("next")
	waitFor(t, "delivery", func() bool { return world.Waiting() == 0 })
	tries := world.Deliveries()
	if len(tries) != 2 {
		t.Errorf("%d tries: %+v", len(tries), tries)
	}
}

func TestWaitReadyEnds(t *testing.T) {
	world := New(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := world.WaitReady(ctx); err == nil {
		t.Error("ready without a bot")
	}
	world.Close()
	if err := world.WaitReady(t.Context()); err == nil {
		t.Error("ready after the end")
	}
}
