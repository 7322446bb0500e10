package docker

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

// heard collects what a client tells.
type heard struct {
	mu     sync.Mutex
	events []abi.Event
	labels []map[string]string
	names  []string
	more   chan struct{}
}

func follow(t *testing.T, c *Client) *heard {
	t.Helper()
	h := &heard{more: make(chan struct{}, 1)}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		c.Follow(ctx, h.tell)
		close(done)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return h
}

func (h *heard) tell(e abi.Event, name string, labels map[string]string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.events, h.names, h.labels = append(h.events, e), append(h.names, name), append(h.labels, labels)
	select {
	case h.more <- struct{}{}:
	default:
	}
}

// wait returns the events once there are enough that a test picks.
func (h *heard) wait(t *testing.T, n int, picks func(abi.Event) bool) []abi.Event {
	t.Helper()
	late := time.After(20 * time.Second)
	for {
		h.mu.Lock()
		var got []abi.Event
		for _, e := range h.events {
			if picks(e) {
				got = append(got, e)
			}
		}
		h.mu.Unlock()
		if len(got) >= n {
			return got
		}
		select {
		case <-h.more:
		case <-late:
			t.Fatalf("after 20 s there are %d of %d events: %+v", len(got), n, got)
		}
	}
}

func TestEventsOfARealEngine(t *testing.T) {
	c := realClient(t)
	h := follow(t, c)
	labels, _ := mine(t)
	labels["db_password"] = "hunter2"
	// The stream begins a moment after it was asked for.
	var id, name string
	for deadline := time.Now().Add(20 * time.Second); ; {
		name = dockertest.Unique("event")
		id = dockertest.Run(t, dockertest.Container{
			Name: name, Labels: labels, Args: []string{"exit", "3"}, State: dockertest.Exited,
		})
		h.mu.Lock()
		met := slices.ContainsFunc(h.events, func(e abi.Event) bool { return e.ID == id && e.Type == "container.create" })
		h.mu.Unlock()
		if met || time.Now().After(deadline) {
			break
		}
	}
	ours := func(e abi.Event) bool { return e.ID == id }
	died := h.wait(t, 1, func(e abi.Event) bool { return ours(e) && e.Type == "container.die" })[0]
	if died.Name != name || died.ExitCode != 3 || died.Host != abi.LocalHost || died.Image == "" || time.Since(time.UnixMilli(died.Time)) > time.Minute {
		t.Errorf("got %+v", died)
	}
	if died.Labels["db_password"] != masked || died.Labels["test"] != labels["test"] {
		t.Errorf("labels %q", died.Labels)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, e := range h.events {
		if ours(e) && (h.names[i] != name || h.labels[i]["db_password"] != "hunter2" || h.labels[i]["name"] != "") {
			t.Errorf("a scope is held against %q %q", h.names[i], h.labels[i])
		}
	}
}

func TestHealthOfARealEngine(t *testing.T) {
	c := realClient(t)
	h := follow(t, c)
	var id string
	for deadline := time.Now().Add(20 * time.Second); ; {
		id = dockertest.Run(t, dockertest.Container{Adjust: func(cfg *container.Config, _ *container.HostConfig) {
			cfg.Healthcheck = &container.HealthConfig{
				Test: []string{"CMD", "/probe", "exit", "1"}, Interval: 100 * time.Millisecond, Timeout: 5 * time.Second, Retries: 1,
			}
		}})
		h.mu.Lock()
		met := len(h.events) > 0
		h.mu.Unlock()
		if met || time.Now().After(deadline) {
			break
		}
	}
	h.wait(t, 1, func(e abi.Event) bool { return e.ID == id && e.Type == "container.unhealthy" })
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, e := range h.events {
		if strings.Contains(e.Type, "exec") || strings.Contains(e.Type, "health_status") {
			t.Errorf("told of %s", e.Type)
		}
	}
}

// message is an event as a fake engine tells it.
func message(action string, at time.Time, attributes map[string]string) string {
	encoded, err := json.Marshal(events.Message{
		Type: events.ContainerEventType, Action: events.Action(action), TimeNano: at.UnixNano(),
		Actor: events.Actor{ID: idA, Attributes: attributes},
	})
	if err != nil {
		panic(err)
	}
	return string(encoded) + "\n"
}

// TestAStreamGoesOnWhereItBroke: no event is missing and none is there twice,
// and an engine that hangs up at once is not asked in a loop.
func TestAStreamGoesOnWhereItBroke(t *testing.T) {
	first := time.Now().Add(-time.Minute)
	var mu sync.Mutex
	var asked []string
	f := newFake(map[string]http.HandlerFunc{"/events": func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		asked = append(asked, r.URL.Query().Get("since"))
		n := len(asked)
		mu.Unlock()
		w.WriteHeader(http.StatusOK)
		if n == 1 {
			fmt.Fprint(w, message("start", first, map[string]string{"name": "web"}))
			return // and the stream breaks
		}
		w.(http.Flusher).Flush()
		if n == 2 {
			fmt.Fprint(w, message("die", first.Add(time.Second), map[string]string{"name": "web", "exitCode": "137"}))
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	}})
	h := follow(t, newClient(t, f.serve(t)))
	got := h.wait(t, 2, func(abi.Event) bool { return true })
	if len(got) != 2 || got[0].Type != "container.start" || got[0].ExitCode != -1 || got[1].Type != "container.die" || got[1].ExitCode != 137 {
		t.Errorf("told %+v", got)
	}
	mu.Lock()
	defer mu.Unlock()
	want := fmt.Sprintf("%d.%09d", first.Unix(), first.Nanosecond()+1)
	if len(asked) != 2 || asked[0] != "" || asked[1] != want {
		t.Errorf("asked since %q, want %q", asked, want)
	}
}

func TestAnEngineThatHangsUpIsNotAskedInALoop(t *testing.T) {
	f := newFake(map[string]http.HandlerFunc{"/events": func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, message("start", time.Now().Add(-time.Second), nil))
	}})
	h := follow(t, newClient(t, f.serve(t)))
	h.wait(t, 1, func(abi.Event) bool { return true })
	before := f.requests.Load()
	time.Sleep(300 * time.Millisecond) // less than the shortest pause
	if n := f.requests.Load() - before; n > 2 {
		t.Errorf("%d requests in 300 ms", n)
	}
}

func TestAnEngineThatIsAwayIsFollowedOnceItIsThere(t *testing.T) {
	socket := t.TempDir() + "/d.sock"
	h := follow(t, newClient(t, "unix://"+socket))
	f := newFake(map[string]http.HandlerFunc{"/events": func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, message("oom", time.Now(), map[string]string{"name": "web"}))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}})
	f.listen(t, socket)
	h.wait(t, 1, func(e abi.Event) bool { return e.Type == "container.oom" })
}

// TestAnEngineThatNeverBegins gets its deadline, so that the stream is opened again.
func TestAnEngineThatNeverBegins(t *testing.T) {
	f := newFake(map[string]http.HandlerFunc{"/events": func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }})
	c := newClientWith(t, Config{Hosts: []string{f.serve(t)}, Timeout: 50 * time.Millisecond})
	ended := make(chan error, 1)
	go func() {
		ended <- (&follower{endpoint: c.endpoints[0], wait: c.timeout, now: time.Now}).stream(t.Context())
	}()
	select {
	case err := <-ended:
		wantCode(t, err, abi.Unavailable)
	case <-time.After(10 * time.Second):
		t.Fatal("it waits for ever")
	}
}

// TestAnEventHasABound: an engine cannot fill the bot's memory with one event, and
// the stream as such has no end.
func TestAnEventHasABound(t *testing.T) {
	for what, sent := range map[string]string{
		"endless text":    `{"Type":"container","Action":"` + strings.Repeat("a", 1<<20),
		"endless objects": `{"Actor":{"Attributes":{"a":` + strings.Repeat(`{"a":`, 1<<16),
		"endless labels":  `{"Actor":{"Attributes":{` + strings.Repeat(`"a":"b",`, 1<<16),
	} {
		body := &eventBody{ReadCloser: readCloser{strings.NewReader(sent)}, budget: oneEvent()}
		var m events.Message
		if err := json.NewDecoder(body).Decode(&m); err == nil || !strings.Contains(err.Error(), errTooLarge.Error()) {
			t.Errorf("%s: %v", what, err)
		}
	}
	many := strings.Repeat(message("start", time.Now(), map[string]string{"a": `}{"`, "b": strings.Repeat("x", 1000)}), 2_000)
	decoder := json.NewDecoder(&eventBody{ReadCloser: readCloser{strings.NewReader(many)}, budget: oneEvent()})
	for i := range 2_000 {
		var m events.Message
		if err := decoder.Decode(&m); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
}

type readCloser struct{ *strings.Reader }

func (readCloser) Close() error { return nil }

func TestEventsAreChecked(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, test := range []struct {
		name   string
		action string
		id     string
		kind   events.Type
		want   string // the type; empty: left out
	}{
		{"a plain one", "die", idA, "container", "container.die"},
		{"healthy", "health_status: healthy", idA, "container", "container.healthy"},
		{"unhealthy", "health_status: unhealthy", idA, "container", "container.unhealthy"},
		{"health with output", "health_status: all is well\n", idA, "container", ""},
		{"health alone", "health_status", idA, "container", ""},
		{"a command", "exec_start: /bin/sh -c 'cat /secret'", idA, "container", ""},
		{"exec", "exec_die", idA, "container", ""},
		{"an image", "pull", idA, "image", ""},
		{"nothing", "", idA, "container", ""},
		{"a path", "archive-path", idA, "container", ""},
		{"a forged line", "die\n{}", idA, "container", ""},
		{"upper case", "Die", idA, "container", ""},
		{"a long word", strings.Repeat("a", 33), idA, "container", ""},
		{"a short id", "die", "abc", "container", ""},
		{"an id that is none", "die", strings.Repeat("/", 64), "container", ""},
	} {
		e, _, _, ok := readEvent(events.Message{Type: test.kind, Action: events.Action(test.action), Actor: events.Actor{ID: test.id}}, now)
		if ok != (test.want != "") || e.Type != test.want {
			t.Errorf("%s: got %q %v, want %q", test.name, e.Type, ok, test.want)
		}
	}
	for _, name := range []string{"/web", "../../x", "web\x00", "we b", strings.Repeat("a", 256), "-web", "w\u202eeb"} {
		_, got, _, _ := readEvent(events.Message{Type: "container", Action: "die", Actor: events.Actor{ID: idA, Attributes: map[string]string{"name": name}}}, now)
		if want := map[bool]string{true: "web"}[name == "/web"]; got != want {
			t.Errorf("the name %q is held against scopes as %q", name, got)
		}
	}
	for text, want := range map[string]int{"0": 0, "137": 137, "2147483647": 2147483647, "2147483648": -1, "-1": -1, "": -1, "1e3": -1, "99999999999999999999": -1} {
		if got := exitCode("die", text); got != want {
			t.Errorf("exit code %q is %d", text, got)
		}
	}
	if got := exitCode("start", "3"); got != -1 {
		t.Errorf("what started has the code %d", got)
	}
}

func TestTheTimeOfAnEvent(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	for _, test := range []struct {
		nano, seconds int64
		want          time.Time
	}{
		{now.Add(-time.Hour).UnixNano(), 0, now.Add(-time.Hour)},
		{0, now.Unix() - 60, now.Add(-time.Minute)},
		{0, 0, now},
		{-5, -5, now},
		{1<<63 - 1, 0, now},
		{0, 1<<63 - 1, now},
	} {
		if got := eventTime(events.Message{TimeNano: test.nano, Time: test.seconds}, now); !got.Equal(test.want) {
			t.Errorf("%d, %d: %v, want %v", test.nano, test.seconds, got, test.want)
		}
	}
	// Nor does a moment in the future keep the stream from what comes before it.
	f := &follower{endpoint: &endpoint{}, tell: func(abi.Event, string, map[string]string) {}, now: func() time.Time { return now }}
	f.take(events.Message{Type: "container", Action: "die", TimeNano: now.Add(time.Hour).UnixNano()})
	if !f.since.IsZero() {
		t.Errorf("the next stream begins at %v", f.since)
	}
}

func FuzzReadEvent(f *testing.F) {
	f.Add("die", idA, "web", "exitCode", "3", int64(5))
	f.Add("health_status: healthy", idB, "\x00", "\xff", strings.Repeat("x", 999), int64(-1))
	f.Fuzz(func(t *testing.T, action, id, name, label, value string, nano int64) {
		now := time.Unix(1_800_000_000, 0)
		e, held, labels, ok := readEvent(events.Message{
			Type: "container", Action: events.Action(action), TimeNano: nano,
			Actor: events.Actor{ID: id, Attributes: map[string]string{label: value, "name": name}},
		}, now)
		if !ok {
			return
		}
		if !isID(e.ID) || len(e.Type) > len("container.")+maxEventWord || e.ExitCode < -1 || e.Time <= 0 || labels["name"] != "" {
			t.Errorf("got %+v", e)
		}
		if held != "" && checkRef(held) != nil {
			t.Errorf("a scope is held against %q", held)
		}
		for _, text := range []string{e.Type, e.Name, e.Image} {
			if !utf8.ValidString(text) || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x202e }) {
				t.Errorf("%q can forge something", text)
			}
		}
		for name, value := range e.Labels {
			if utf8.RuneCountInString(name) > maxEventText+1 || utf8.RuneCountInString(value) > maxEventText+1 || !utf8.ValidString(name+value) {
				t.Errorf("label %q=%q", name, value)
			}
		}
	})
}
