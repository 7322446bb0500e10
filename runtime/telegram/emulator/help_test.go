package emulator

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"hash/crc32"
	"image"
	"image/png"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// clock is moved by hand.
type clock struct {
	mu sync.Mutex
	t  time.Time
}

func newClock() *clock { return &clock{t: time.Unix(1_764_000_000, 0)} }

func (c *clock) now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.t
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.t = c.t.Add(d)
}

const (
	ada   = 7
	bob   = 8
	group = -100123
	super = -1_000_000_000_500
)

// world is a server over real HTTP with two people and two groups; only Ada has written to the bot.
type world struct {
	*Server
	t     *testing.T
	api   *httptest.Server
	clock *clock
}

func newWorld(t *testing.T, change ...func(*Options)) *world {
	t.Helper()
	c := newClock()
	o := Options{Now: c.now}
	for _, f := range change {
		f(&o)
	}
	s := New(o)
	s.AddUser(User{ID: ada, FirstName: "Ada", Username: "ada", LanguageCode: "en"})
	s.AddUser(User{ID: bob, FirstName: "Bob"})
	s.AddGroup(Group{ID: group, Title: "Ops room", Members: []int64{ada, bob}})
	s.AddGroup(Group{ID: super, Title: "Big room", Members: []int64{ada}, Forum: true})
	api := httptest.NewServer(s)
	t.Cleanup(api.Close)
	t.Cleanup(s.Close) // first, so that no long poll holds up the other
	s.Client(ada, ada).Type("hello")
	return &world{Server: s, t: t, api: api, clock: c}
}

// answer is what a call came back with.
type answer struct {
	status      int
	OK          bool            `json:"ok"`
	Result      json.RawMessage `json:"result"`
	ErrorCode   int             `json:"error_code"`
	Description string          `json:"description"`
	Parameters  struct {
		RetryAfter int `json:"retry_after"`
	} `json:"parameters"`
}

func (w *world) url(method string) string { return w.api.URL + "/bot" + w.Token() + "/" + method }

type fields map[string]any

// call makes a JSON call and fails the test if there is no proper envelope.
func (w *world) call(method string, in fields) answer {
	w.t.Helper()
	a, err := w.try(context.Background(), method, in)
	if err != nil {
		w.t.Fatalf("%s: %v", method, err)
	}
	return a
}

// try is call for those that may break. It may be used from any goroutine.
func (w *world) try(ctx context.Context, method string, in fields) (answer, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return answer{}, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.url(method), bytes.NewReader(body))
	if err != nil {
		return answer{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	return do(req)
}

func do(req *http.Request) (answer, error) {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	a := answer{status: resp.StatusCode}
	return a, json.NewDecoder(resp.Body).Decode(&a)
}

// sent makes a call that must work, and gives the message that it answers.
func (w *world) sent(method string, in fields) wireMessage {
	w.t.Helper()
	a := w.call(method, in)
	if !a.OK {
		w.t.Fatalf("%s: %d %s", method, a.status, a.Description)
	}
	var m wireMessage
	if err := json.Unmarshal(a.Result, &m); err != nil {
		w.t.Fatalf("%s: %v", method, err)
	}
	return m
}

// refused makes a call that must fail with this description, and the code that goes with its first words.
func (w *world) refused(method string, in fields, want string) {
	w.t.Helper()
	codes := map[string]int{"Bad Request": 400, "Forbidden": 403, "Conflict": 409, "Too Many Requests": 429, "Not Found": 404}
	head, _, _ := strings.Cut(want, ":")
	a := w.call(method, in)
	if a.OK || a.Description != want || a.ErrorCode != codes[head] || a.status != a.ErrorCode {
		w.t.Errorf("%s answers ok=%v, HTTP %d, %d %q; want %d %q",
			method, a.OK, a.status, a.ErrorCode, a.Description, codes[head], want)
	}
}

// updates polls without waiting.
func (w *world) updates(in fields) []map[string]json.RawMessage {
	w.t.Helper()
	a := w.call("getUpdates", in)
	if !a.OK {
		w.t.Fatalf("getUpdates: %d %s", a.status, a.Description)
	}
	var list []map[string]json.RawMessage
	if err := json.Unmarshal(a.Result, &list); err != nil {
		w.t.Fatalf("getUpdates: %v", err)
	}
	return list
}

func updateID(t *testing.T, u map[string]json.RawMessage) int64 {
	t.Helper()
	var id int64
	if err := json.Unmarshal(u["update_id"], &id); err != nil {
		t.Fatalf("update_id: %v", err)
	}
	return id
}

func within(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	t.Cleanup(cancel)
	return ctx
}

func pngOf(t *testing.T, width, height int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, width, height))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// pngHeader is a picture whose header claims a size; its pixels are those of another.
func pngHeader(t *testing.T, width, height uint32) []byte {
	t.Helper()
	raw := pngOf(t, 1, 1)
	const size, sum = 16, 29 // in the IHDR chunk, whose checksum covers bytes 12 to 28
	binary.BigEndian.PutUint32(raw[size:], width)
	binary.BigEndian.PutUint32(raw[size+4:], height)
	binary.BigEndian.PutUint32(raw[sum:], crc32.ChecksumIEEE(raw[12:sum]))
	return raw
}

func inline(buttons ...fields) fields { return fields{"inline_keyboard": []any{buttons}} }
