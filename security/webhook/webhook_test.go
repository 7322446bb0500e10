package webhook

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/netip"
	"testing"
	"time"
)

var (
	start    = time.Unix(1_790_000_000, 0)
	telegram = netip.MustParseAddr("149.154.167.220")
	stranger = netip.MustParseAddr("192.0.2.7")
	proxy    = netip.MustParseAddr("10.0.0.2")
	extra    = netip.MustParseAddr("198.51.100.9")
)

var policy = Policy{
	Additional: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")},
	Proxies:    []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24")},
}

// newGuard has a pair that Telegram knows.
func newGuard(t testing.TB, p Policy) (*Guard, Pair) {
	t.Helper()
	pairs := &Pairs{}
	pair, err := pairs.Next(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	pairs.Registered(start)
	return New(p, pairs), pair
}

// good is a request as Telegram makes it, without a proxy.
func good(pair Pair) Request {
	return Request{Peer: telegram, Method: http.MethodPost, Target: pair.Path(), Secrets: []string{pair.Secret()}, Length: 100}
}

// faults spoil a request, each so that exactly one check fails, in the order of
// the checks.
var faults = []struct {
	reason Reason
	status int
	counts bool
	spoil  func(*Request)
}{
	{Method, 405, true, func(r *Request) { r.Method = http.MethodGet }},
	{TooLarge, 413, true, func(r *Request) { r.Length = MaxBody + 1 }},
	{Encoding, 415, true, func(r *Request) { r.Encoded = true }},
	{Path, 404, true, func(r *Request) { r.Target = "/webhook/" }},
	{Chain, 400, false, func(r *Request) { r.Peer, r.Forwarded = proxy, []string{"nobody"} }},
	{Peer, 403, true, func(r *Request) { r.Peer = stranger }},
	{Secret, 403, true, func(r *Request) { r.Secrets = nil }},
}

func TestTheOrderOfTheChecks(t *testing.T) {
	for set := range 1 << len(faults) {
		g, pair := newGuard(t, policy)
		r := good(pair)
		first := -1
		for i, f := range faults {
			if set&(1<<i) == 0 {
				continue
			}
			f.spoil(&r)
			if first < 0 {
				first = i
			}
		}
		if set&(1<<4) != 0 {
			r.Peer = proxy // the fault of the chain needs it
		}
		v := g.Judge(r, start)
		if first < 0 {
			if !v.Accept || v.Status != 200 || v.Client != telegram {
				t.Errorf("a good request: %+v", v)
			}
			continue
		}
		if want := faults[first]; v.Accept || v.Reason != want.reason || v.Status != want.status {
			t.Errorf("faults %b: %+v, want %v", set, v, want.reason)
		}
	}
}

func TestSixWrongRequestsBan(t *testing.T) {
	for _, f := range faults {
		g, pair := newGuard(t, policy)
		wrong := good(pair)
		wrong.Peer = stranger
		f.spoil(&wrong)
		for i := range 6 {
			v := g.Judge(wrong, start.Add(time.Duration(i)*time.Second))
			if want := f.counts && i == 5; v.Bans != want {
				t.Errorf("%s, the %d. one: bans %v, want %v", f.reason, i+1, v.Bans, want)
			}
		}
		direct := good(pair)
		direct.Peer = stranger
		if v := g.Judge(direct, start.Add(time.Minute)); (v.Reason == Banned) != f.counts || f.counts && (v.Status != 0 || !v.Stranger) {
			t.Errorf("%s, then a good one: %+v", f.reason, v)
		}
		if v := g.Connect(stranger, start.Add(time.Minute)); v.Accept == f.counts {
			t.Errorf("%s, then a connection: %+v", f.reason, v)
		}
		if v := g.Connect(stranger, start.Add(2*time.Hour)); !v.Accept {
			t.Errorf("%s: the ban never ends: %+v", f.reason, v)
		}
	}
}

func TestFiveInTenSecondsBanNobody(t *testing.T) {
	g, _ := newGuard(t, policy)
	wrong := Request{Peer: stranger, Method: http.MethodPost, Target: "/"}
	for i := range 100 {
		if v := g.Judge(wrong, start.Add(time.Duration(i)*2*time.Second)); v.Bans || v.Reason == Banned {
			t.Fatalf("the %d. one: %+v", i, v)
		}
	}
}

func TestWhoIsNeverBanned(t *testing.T) {
	for name, peer := range map[string]netip.Addr{"telegram": telegram, "additional": extra, "proxy": proxy, "mapped": netip.MustParseAddr("::ffff:149.154.167.220")} {
		g, _ := newGuard(t, policy)
		g.RestoreBan(Ban{Host: host(plain(peer)), Until: start.Add(time.Hour)})
		for i := range 100 {
			if v := g.Judge(Request{Peer: peer, Method: http.MethodPost, Target: "/"}, start); v.Bans || v.Status != 404 || v.Stranger {
				t.Fatalf("%s, the %d. one: %+v", name, i, v)
			}
			if v := g.Broken(peer, start); v.Bans {
				t.Fatalf("%s: %+v", name, v)
			}
		}
		if !g.Connect(peer, start).Accept {
			t.Errorf("%s may not connect", name)
		}
	}
}

func TestABannedClientBehindAProxyCostsTheProxyNothing(t *testing.T) {
	g, pair := newGuard(t, policy)
	wrong := Request{Peer: proxy, Forwarded: []string{stranger.String()}, Method: http.MethodPost, Target: "/"}
	for range 6 {
		g.Judge(wrong, start)
	}
	if v := g.Judge(wrong, start); v.Reason != Banned || v.Status != 403 || v.Client != stranger {
		t.Errorf("the banned client: %+v", v)
	}
	other := good(pair)
	other.Peer, other.Forwarded = proxy, []string{telegram.String()}
	if v := g.Judge(other, start); !v.Accept || v.Client != telegram {
		t.Errorf("another through the same proxy: %+v", v)
	}
}

func TestFiftyInTenSeconds(t *testing.T) {
	g, pair := newGuard(t, policy)
	for i := range 200 {
		v := g.Judge(good(pair), start)
		if i < 50 && !v.Accept || i >= 50 && (v.Accept || v.Status != 429 || v.RetryAfter != 10*time.Second || v.Bans) {
			t.Fatalf("the %d. one: %+v", i+1, v)
		}
	}
	if v := g.Judge(good(pair), start.Add(10*time.Second)); !v.Accept {
		t.Errorf("ten seconds later: %+v", v)
	}
}

func TestTheZeroValueLetsNothingIn(t *testing.T) {
	_, pair := newGuard(t, policy)
	var none *Guard
	for name, g := range map[string]*Guard{"nil": none, "zero": {}, "no pairs": New(policy, &Pairs{}), "nil pairs": New(policy, nil)} {
		for _, r := range []Request{good(pair), {}, {Peer: telegram, Method: http.MethodPost, Secrets: []string{""}}} {
			if v := g.Judge(r, start); v.Accept {
				t.Errorf("%s: %+v", name, v)
			}
		}
	}
	if none.Connect(telegram, start).Accept || (&Guard{}).Connect(telegram, start).Accept {
		t.Error("a zero guard lets connections in")
	}
}

// FuzzJudge compares with a plain reading of the rules.
func FuzzJudge(f *testing.F) {
	f.Add("POST", "p", "s", "149.154.167.220", "", int64(5), false)
	f.Add("POST", "p", "s", "10.0.0.2", "1.2.3.4, 149.154.160.1", int64(-1), false)
	f.Fuzz(func(t *testing.T, method, path, secret, peer, forwarded string, length int64, encoded bool) {
		g, pair := newGuard(t, policy)
		if path == "p" {
			path = pair.Path()
		}
		if secret == "s" {
			secret = pair.Secret()
		}
		a, _ := netip.ParseAddr(peer)
		r := Request{Peer: a, Method: method, Target: path, Secrets: []string{secret}, Length: length, Encoded: encoded}
		if forwarded != "" {
			r.Forwarded = []string{forwarded}
		}
		v := g.Judge(r, start)
		client, _ := g.peers.client(a, r.Forwarded)
		allowed := method == "POST" && path == pair.Path() && secret == pair.Secret() && length <= MaxBody && !encoded && g.peers.telegram(client)
		if v.Accept && !allowed {
			t.Errorf("%+v was accepted", r)
		}
		if !v.Accept && v.Reason == "" {
			t.Errorf("%+v was refused without a reason", r)
		}
	})
}

func BenchmarkJudge(b *testing.B) {
	g, pair := newGuard(b, policy)
	for range 6 {
		g.Judge(Request{Peer: stranger, Method: http.MethodPost}, start)
	}
	clients := make([]string, 1<<16)
	for i := range clients {
		clients[i] = fmt.Sprintf("172.20.%d.%d", i>>8, i&255)
	}
	now := start
	for name, make := range map[string]func(i int) Request{
		"accepted": func(i int) Request {
			r := good(pair)
			r.Peer = netip.AddrFrom4([4]byte{149, 154, 160 + byte(i>>8&15), byte(i)})
			return r
		},
		"wrong-path": func(i int) Request {
			return Request{Peer: proxy, Forwarded: clients[i&0xffff : i&0xffff+1], Method: http.MethodPost, Target: "/"}
		},
		"wrong-secret": func(int) Request { r := good(pair); r.Secrets = []string{"x"}; return r },
		"banned":       func(int) Request { r := good(pair); r.Peer = stranger; return r },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				now = now.Add(time.Millisecond)
				g.Judge(make(i), now)
				i++
			}
		})
	}
}
