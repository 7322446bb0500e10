package uptime

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
)

const noon = 1_767_268_800_000

// world is a host with a clock, a store and a network. A test spoils what it is
// about.
type world struct {
	t      *testing.T
	now    int64
	grants []abi.HTTPGrant
	site   func(abi.FetchRequest) (abi.FetchResponse, error)
	kept   map[string]abi.KVValue
	told   []abi.Notice
	fails  map[string]error
	*sdk.Fake
}

func newWorld(t *testing.T, urls ...string) *world {
	w := &world{t: t, now: noon, kept: map[string]abi.KVValue{}, fails: map[string]error{}, Fake: sdk.NewFake()}
	for _, url := range urls {
		w.grants = append(w.grants, abi.HTTPGrant{Methods: []string{"GET", "HEAD"}, URL: url, Exact: true})
	}
	w.works(120)
	sdk.Answer(w.Fake, abi.OpHTTPGrants, func(abi.HTTPQuery) (abi.FetchScope, error) {
		return abi.FetchScope{Grants: w.grants}, w.fails[abi.OpHTTPGrants]
	})
	sdk.Answer(w.Fake, abi.OpHTTPFetch, func(q abi.FetchRequest) (abi.FetchResponse, error) {
		if q.TimeoutMS <= 0 || q.TimeoutMS > 5000 || q.MaxBody != 1 {
			t.Errorf("a request without bounds: %+v", q)
		}
		return w.site(q)
	})
	sdk.Answer(w.Fake, abi.OpKVGet, func(q abi.KVQuery) (abi.KVValue, error) { return w.kept[q.Key], w.fails[abi.OpKVGet] })
	sdk.Answer(w.Fake, abi.OpKVPut, w.put)
	sdk.Answer(w.Fake, abi.OpKVDelete, func(q abi.KVQuery) (abi.KVDone, error) {
		delete(w.kept, q.Key)
		return abi.KVDone{}, nil
	})
	sdk.Answer(w.Fake, abi.OpKVList, func(q abi.KVListQuery) (abi.KVKeys, error) {
		var keys abi.KVKeys
		for key := range w.kept {
			if strings.HasPrefix(key, q.Prefix) {
				keys.Keys = append(keys.Keys, key)
			}
		}
		slices.Sort(keys.Keys)
		return keys, nil
	})
	sdk.Answer(w.Fake, abi.OpNotify, func(n abi.Notice) (abi.NoticeQueued, error) {
		if err := w.fails[abi.OpNotify]; err != nil {
			return abi.NoticeQueued{}, err
		}
		w.told = append(w.told, n)
		golden.Fits(t, Module(), sdk.Reply{Blocks: n.Blocks, Keyboard: n.Keyboard})
		return abi.NoticeQueued{Left: 5}, nil
	})
	return w
}

// put holds the store to its promises: the quota, and compare-and-set.
func (w *world) put(q abi.KVPut) (abi.KVDone, error) {
	if err := w.fails[abi.OpKVPut]; err != nil {
		return abi.KVDone{}, err
	}
	before := w.kept[q.Key]
	if q.If > 0 && before.Revision != q.If || q.If < 0 && before.Found {
		return abi.KVDone{}, sdk.Fail(abi.Conflict, "It was changed.")
	}
	w.kept[q.Key] = abi.KVValue{Found: true, Value: q.Value, Revision: before.Revision + 1}
	used := 0
	for key, value := range w.kept {
		used += len(key) + len(value.Value)
	}
	if used > 256<<10 || len(q.Value) > 32<<10 || len(q.Key) > 128 {
		w.t.Errorf("%d bytes are kept, %d in %s", used, len(q.Value), q.Key)
	}
	return abi.KVDone{Revision: before.Revision + 1}, nil
}

func (w *world) works(ms int64) {
	w.site = func(abi.FetchRequest) (abi.FetchResponse, error) {
		return abi.FetchResponse{Status: 200, TimeMS: ms}, nil
	}
}

func (w *world) says(status int) {
	w.site = func(abi.FetchRequest) (abi.FetchResponse, error) {
		return abi.FetchResponse{Status: status, TimeMS: 9}, nil
	}
}

func (w *world) refuses(code abi.Code, sentence string) {
	w.site = func(abi.FetchRequest) (abi.FetchResponse, error) {
		return abi.FetchResponse{}, sdk.Fail(code, sentence)
	}
}

func (w *world) asks(req sdk.Request) sdk.Reply {
	w.t.Helper()
	req.Time = w.now
	began := len(w.Calls())
	reply, err := moduleAt(func() int64 { return w.now }).Handle(w.Host(), req)
	if err != nil {
		w.t.Fatal(err)
	}
	if calls := len(w.Calls()) - began; calls > 256 {
		w.t.Errorf("%d host calls: at most 256", calls)
	}
	return reply
}

// ticks runs the schedule n times, a minute apart.
func (w *world) ticks(n int) {
	w.t.Helper()
	for range n {
		w.now += minute
		w.asks(sdk.Request{Action: "check", Actor: abi.Actor{Role: abi.RoleModule}})
	}
}

func typing() sdk.Request { return sdk.Request{Command: "sites"} }

func tap(action string, args ...string) sdk.Request {
	return sdk.Request{Action: action, Args: sdk.Do("", action, args...).Args}
}

func (w *world) shows(span string) sdk.Request {
	return tap("show", "id", address{url: w.grants[0].URL}.id(), "span", span)
}

const site = "https://example.org/"

func TestReplies(t *testing.T) {
	for _, test := range []struct {
		name  string
		urls  []string
		lived func(*world)
		req   func(*world) sdk.Request
	}{
		{"none", nil, func(*world) {}, nil},
		{"list-new", []string{site, "http://192.168.1.5:8080/health"}, func(*world) {}, nil},
		{"list-up", []string{site, "http://192.168.1.5:8080/health"}, func(w *world) { w.ticks(10) }, nil},
		{"list-failed-once", []string{site}, func(w *world) { w.ticks(10); w.says(503); w.ticks(1) }, nil},
		{"list-down", []string{site, "secret:shop"}, func(w *world) {
			w.ticks(10)
			w.refuses(abi.Timeout, "The server did not answer in time.")
			w.ticks(3)
		}, nil},
		{"list-second-page", manyURLs(20), func(w *world) { w.ticks(2) }, func(*world) sdk.Request { return tap("list", "page", "2") }},
		{"list-away", []string{site}, func(w *world) { w.fails[abi.OpKVGet] = sdk.Fail(abi.Unavailable, "Nothing is kept here.") }, nil},
		{"show-hour", []string{site}, anHour, func(w *world) sdk.Request { return w.shows("1 h") }},
		{"show-day", []string{site}, func(w *world) {
			w.site = func(abi.FetchRequest) (abi.FetchResponse, error) {
				return abi.FetchResponse{Status: 200, TimeMS: w.now / minute % 500, CertificateUntil: noon + 90*24*60*minute}, nil
			}
			w.ticks(2000)
		}, func(w *world) sdk.Request { return w.shows("24 h") }},
		{"show-new", []string{site}, func(*world) {}, func(w *world) sdk.Request { return w.shows("") }},
		{"show-gone", []string{site}, func(*world) {}, func(w *world) sdk.Request { return tap("show", "id", "abc", "page", "2") }},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t, test.urls...)
			test.lived(w)
			req := typing()
			if test.req != nil {
				req = test.req(w)
			}
			golden.Check(t, Module(), test.name, w.asks(req))
		})
	}
}

func anHour(w *world) {
	w.ticks(30)
	w.says(500)
	w.ticks(5)
	w.works(1500)
	w.ticks(15)
}

func manyURLs(n int) (urls []string) {
	for i := range n {
		urls = append(urls, fmt.Sprintf("https://site-%02d.example.org/health", i))
	}
	return urls
}

// text is what a notice says.
func text(n abi.Notice) string {
	var out strings.Builder
	for _, b := range n.Blocks {
		for _, s := range b.Spans {
			fmt.Fprint(&out, s.Text)
			if s.Time != 0 {
				fmt.Fprint(&out, (s.Time-noon)/minute)
			}
		}
		out.WriteString("\n")
	}
	return out.String()
}

func (w *world) heard(want ...string) {
	w.t.Helper()
	var got []string
	for _, n := range w.told {
		if n.To != abi.NotifyAdmins {
			w.t.Errorf("told to %s", n.To)
		}
		got = append(got, text(n))
	}
	if !slices.Equal(got, want) {
		w.t.Errorf("admins heard %q, want %q", got, want)
	}
}

func TestAlerts(t *testing.T) {
	const goneDown = "🔴 https://example.org/ is down since 6.\nIt answers with status 500.\n"
	const again = "🟢 https://example.org/ is up again. It was down for 4 min.\n"
	t.Run("down and up", func(t *testing.T) {
		w := newWorld(t, site)
		w.ticks(5)
		w.says(500)
		w.ticks(1)
		w.heard()
		w.ticks(3)
		w.heard(goneDown)
		w.works(10)
		w.ticks(5)
		w.heard(goneDown, again)
	})
	t.Run("one failure is an accident", func(t *testing.T) {
		w := newWorld(t, site)
		for range 5 {
			w.ticks(2)
			w.says(500)
			w.ticks(1)
			w.works(10)
		}
		w.heard()
	})
	t.Run("down from the beginning", func(t *testing.T) {
		w := newWorld(t, site)
		w.refuses(abi.Unavailable, "There is no such host.")
		w.ticks(3)
		w.heard("🔴 https://example.org/ is down since 1.\nThere is no such host.\n")
	})
	t.Run("what cannot be told is told later", func(t *testing.T) {
		w := newWorld(t, site)
		w.ticks(5)
		w.says(500)
		w.fails[abi.OpNotify] = sdk.Fail(abi.Limit, "Not so many.")
		w.ticks(3)
		w.heard()
		delete(w.fails, abi.OpNotify)
		w.ticks(2)
		w.heard(goneDown)
	})
	t.Run("many at once are one notice", func(t *testing.T) {
		w := newWorld(t, manyURLs(50)...)
		w.ticks(1)
		w.says(500)
		w.ticks(3)
		if len(w.told) != 1 || !strings.Contains(text(w.told[0]), "And 30 more.") {
			t.Errorf("%d notices: %+v", len(w.told), w.told)
		}
	})
	t.Run("the host's own limits are nobody's failure", func(t *testing.T) {
		w := newWorld(t, site)
		w.ticks(2)
		w.refuses(abi.Limit, "Too many requests.")
		w.ticks(5)
		w.heard()
	})
	t.Run("a certificate", func(t *testing.T) {
		w := newWorld(t, site)
		until := int64(noon + 15*24*60*minute)
		w.site = func(abi.FetchRequest) (abi.FetchResponse, error) {
			return abi.FetchResponse{Status: 301, TimeMS: 5, CertificateUntil: until}, nil
		}
		w.ticks(10)
		w.heard()
		w.now += 24 * 60 * minute
		w.ticks(10)
		w.heard("⏳ The certificate of https://example.org/ expires at 21600.\n")
		until += 90 * 24 * 60 * minute
		w.ticks(2)
		w.now = until - 24*60*minute
		w.ticks(2)
		if len(w.told) != 2 {
			t.Errorf("the next certificate: %+v", w.told)
		}
	})
}

// TestManySlowAddresses: what does not fit into a run is the first in the next.
func TestManySlowAddresses(t *testing.T) {
	urls := manyURLs(64)
	w := newWorld(t, urls...)
	checks := map[string]int{}
	w.site = func(q abi.FetchRequest) (abi.FetchResponse, error) {
		checks[q.URL]++
		w.now += 900
		return abi.FetchResponse{Status: 200, TimeMS: 900}, nil
	}
	for range 39 { // 5 a run: three rounds
		began := w.now
		w.ticks(1)
		if took := w.now - began - minute; took > 5000 {
			t.Fatalf("a run of %d ms", took)
		}
	}
	for _, url := range urls {
		if checks[url] < 3 || checks[url] > 4 {
			t.Errorf("%s was checked %d times", url, checks[url])
		}
	}
}

// TestManyFastAddresses: 64 of them are checked within the host's bounds.
func TestManyFastAddresses(t *testing.T) {
	w := newWorld(t, manyURLs(64)...)
	w.ticks(2)
	w.says(500)
	w.ticks(4)
	if n := strings.Count(string(mustJSON(t, w.asks(typing()))), `"🔴 site`); n != perPage {
		t.Errorf("%d of a page are down", n)
	}
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestOnlyExactAddressesAreAsked(t *testing.T) {
	w := newWorld(t)
	w.grants = []abi.HTTPGrant{
		{Methods: []string{"GET", "HEAD"}, URL: "https://*:*/*"}, {Methods: []string{"HEAD"}, URL: "https://a.example/", Exact: true},
		{Methods: []string{"GET"}, URL: "https://b.example/", Exact: true}, {Methods: []string{"HEAD"}, URL: "https://b.example/", Exact: true},
		{Methods: []string{"GET"}, URL: "", Exact: true}, {Methods: []string{"GET"}, URL: "https://x/\n", Exact: true}, {URL: strings.Repeat("x", 600), Exact: true},
	}
	var asked []string
	w.site = func(q abi.FetchRequest) (abi.FetchResponse, error) {
		asked = append(asked, q.Method+" "+q.URL)
		return abi.FetchResponse{Status: 204}, nil
	}
	w.ticks(1)
	if want := []string{"HEAD https://a.example/", "GET https://b.example/"}; !slices.Equal(asked, want) {
		t.Errorf("asked %q, want %q", asked, want)
	}
}

func TestAddressesThatAreNoLongerGrantedAreForgotten(t *testing.T) {
	w := newWorld(t, manyURLs(20)...)
	w.ticks(1)
	w.grants = w.grants[:1]
	w.ticks(5)
	if len(w.kept) != 1 {
		t.Errorf("%d entries are kept", len(w.kept))
	}
}

func TestOnlyTheClockChecks(t *testing.T) {
	for _, role := range []string{abi.RoleUser, abi.RoleAdmin, ""} {
		_, err := Module().Handle(newWorld(t, site).Host(), sdk.Request{Action: "check", Actor: abi.Actor{Role: role}})
		if sdk.CodeOf(err) != abi.Denied {
			t.Errorf("%s: %v", role, err)
		}
	}
}

// TestAForeignStore: what is no record of ours counts as none, and is replaced.
func TestAForeignStore(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	r := record{url: site, state: down, told: down, since: noon, why: "It answers with status 500."}
	good := r.encode()
	values := [][]byte{nil, {}, []byte("\xff\x00"), []byte(format), slices.Repeat([]byte("\n"), 4000), slices.Repeat([]byte("9"), 32<<10)}
	for range 120 {
		bad := slices.Clone(good)
		for range 1 + random.IntN(5) {
			bad[random.IntN(min(len(bad), 150))] = byte(random.Uint32())
		}
		values = append(values, bad[:random.IntN(len(bad)+1)], bad)
	}
	for _, value := range values {
		w := newWorld(t, site)
		w.kept[address{url: site}.key()] = abi.KVValue{Found: true, Value: value, Revision: 7}
		w.kept[cursorKey] = abi.KVValue{Found: true, Value: value, Revision: 7}
		for _, req := range []sdk.Request{typing(), w.shows("1 h"), w.shows("24 h")} {
			golden.Fits(t, Module(), w.asks(req))
		}
		w.ticks(2)
		if got := decode(w.kept[address{url: site}.key()].Value, site, w.now); got.state != up {
			t.Errorf("%.80q: after two checks it is %s", value, got.state)
		}
	}
}

// TestHostileAnswers: whatever the host says of a site, views and notices fit.
func TestHostileAnswers(t *testing.T) {
	evil := strings.Repeat("<b>\u202e\n&😀", 100)
	for _, site := range []func(abi.FetchRequest) (abi.FetchResponse, error){
		func(abi.FetchRequest) (abi.FetchResponse, error) {
			return abi.FetchResponse{Status: -5, TimeMS: -1 << 62}, nil
		},
		func(abi.FetchRequest) (abi.FetchResponse, error) {
			return abi.FetchResponse{Status: 200, TimeMS: 1 << 62, CertificateUntil: 1 << 62}, nil
		},
		func(abi.FetchRequest) (abi.FetchResponse, error) {
			return abi.FetchResponse{Status: 399, TimeMS: -1, CertificateUntil: -1 << 63}, nil
		},
		func(abi.FetchRequest) (abi.FetchResponse, error) {
			return abi.FetchResponse{}, sdk.Fail(abi.Denied, evil)
		},
	} {
		long := "https://" + strings.Repeat("ü", 200) + ".example/"
		w := newWorld(t, append(manyURLs(9), long)...)
		w.site = site
		w.ticks(3)
		if r := decode(w.kept[address{url: long}.key()].Value, long, w.now); r.state == unknown {
			t.Error("a record is lost")
		}
		for _, req := range []sdk.Request{typing(), tap("list", "page", "2"), tap("list", "page", "x"), w.shows("1 h"), tap("show", "id", address{url: long}.id())} {
			golden.Fits(t, Module(), w.asks(req))
		}
	}
}

// TestTheClockGoesBack: nothing is lost, and nothing is measured twice.
func TestTheClockGoesBack(t *testing.T) {
	w := newWorld(t, site)
	w.ticks(60)
	w.now -= 30 * minute
	w.ticks(10)
	w.now += 20 * minute
	w.ticks(1)
	r := decode(w.kept[address{url: site}.key()].Value, site, w.now)
	if f := r.over(0, w.now/minute+1); f.checks != 61 || r.state != up {
		t.Errorf("%+v, %s", f, r.state)
	}
}

// TestRingAgainstAList holds the ring against a plain list of all samples.
func TestRingAgainstAList(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for range 50 {
		var r ring
		list := map[int64]uint16{}
		now := int64(noon)
		for range 200 {
			now += minute * (1 + random.Int64N(1+random.Int64N(400)))
			sample := uint16(1 + random.IntN(failure))
			r.keep(now, sample)
			list[now/minute] = sample
		}
		last := now / minute
		for m := last - 3*slots; m <= last+5; m++ {
			want := list[m]
			if m <= last-slots {
				want = none
			}
			if got := r.at(m); got != want {
				t.Fatalf("minute %d: %d, want %d", m-last, got, want)
			}
		}
		var read ring
		if !read.decode(string(r.encode())) || read.samples != r.samples {
			t.Fatal("it is not read as it was written")
		}
	}
}

func FuzzDecode(f *testing.F) {
	r := record{url: site, state: up, told: up, since: noon, checked: noon, latency: 5}
	r.keep(noon, 5)
	f.Add(r.encode())
	f.Add([]byte(format))
	f.Fuzz(func(t *testing.T, value []byte) {
		r := decode(value, site, noon)
		again := decode(r.encode(), site, noon)
		if again != r {
			t.Errorf("%q is %+v, and then %+v", value, r, again)
		}
	})
}
