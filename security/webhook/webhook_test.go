package webhook

import (
	"fmt"
	"math"
	"math/bits"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"
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
	pairs, pair := registered(t)
	return New(p, pairs), pair
}

// good is a request as Telegram makes it, without a proxy.
func good(pair Pair) Request {
	return Request{Peer: telegram, Method: http.MethodPost, Target: pair.Path(), Secrets: []string{pair.Secret()}, Length: 100}
}

// attempt is a request, with all that decides about it.
type attempt struct {
	Request
	client  netip.Addr // who sends it
	proxied bool       // through a proxy that is trusted
	banned  bool       // the client is
	busy    bool       // the client was let in often just now
}

// faults spoil an attempt, each so that one check fails, in the order of the
// checks. Each leaves the others possible.
var faults = []struct {
	reason Reason
	status int // 0: the connection is closed
	counts bool
	spoil  func(*attempt)
}{
	{Banned, 0, false, func(a *attempt) { a.client, a.banned = stranger, true }}, // Telegram's cannot be
	{Method, 405, true, func(a *attempt) { a.Method = http.MethodGet }},
	{TooLarge, 413, true, func(a *attempt) { a.Length = MaxBody + 1 }},
	{Encoding, 415, true, func(a *attempt) { a.Encoded = true }},
	{Path, 404, true, func(a *attempt) { a.Target = "/webhook/" }},
	{Unexpected, 403, false, func(a *attempt) { a.proxied, a.Forwarded = false, append(a.Forwarded, "192.0.2.200") }},
	{Chain, 400, false, func(a *attempt) { a.Forwarded = append(a.Forwarded, "nobody") }},
	{Peer, 403, true, func(a *attempt) { a.client = stranger }},
	{Secret, 403, true, func(a *attempt) { a.Secrets = nil }},
	{Rate, 429, false, func(a *attempt) { a.busy = true }},
}

// spoiled makes an attempt with a set of faults, and a guard that was told of what
// came before.
func spoiled(t *testing.T, set int) (*Guard, attempt) {
	t.Helper()
	pairs, pair := registered(t)
	a := attempt{Request: good(pair), client: telegram, proxied: true}
	for i, f := range faults {
		if set&(1<<i) != 0 {
			f.spoil(&a)
		}
	}
	policy := policy
	if a.Peer = a.client; a.proxied {
		a.Peer, a.Forwarded = proxy, append(a.Forwarded, a.client.String())
	} else {
		policy.Proxies = nil
	}
	g := New(policy, pairs)
	if a.banned {
		g.RestoreBan(Ban{host(a.client), start.Add(time.Hour)})
	}
	if a.busy {
		for range acceptedAtMost {
			g.Judge(good(pair), start)
		}
	}
	return g, a
}

// TestTheChecksAreTheDocumentedOnes: what each answers, and what counts towards a
// ban.
func TestTheChecksAreTheDocumentedOnes(t *testing.T) {
	if len(checks) != len(faults) {
		t.Fatalf("%d checks, and %d faults", len(checks), len(faults))
	}
	for i, c := range checks {
		if f := faults[i]; c.reason != f.reason || c.status != f.status || c.counts != f.counts {
			t.Errorf("check %d is %s, %d, counts %v; want %s, %d, %v", i, c.reason, c.status, c.counts, f.reason, f.status, f.counts)
		}
	}
}

// TestTheOrderOfTheChecks: with any set of faults, the answer is that of the
// first, and tells nothing of those after it; nor is anything kept of them.
func TestTheOrderOfTheChecks(t *testing.T) {
	for set := range 1 << len(faults) {
		g, a := spoiled(t, set)
		before := g.accepted.Len()
		v := g.Judge(a.Request, start)
		want := Verdict{Accept: true, Status: 200, Client: a.client}
		if set != 0 {
			first := faults[bits.TrailingZeros(uint(set))]
			want = Verdict{Status: first.status, Reason: first.reason, Client: a.client, Stranger: a.client == stranger}
			switch {
			case first.reason == Banned && a.proxied:
				want.Status = 403 // the connection is the proxy's
			case first.reason == Rate:
				want.RetryAfter = 10 * time.Second
			}
		}
		if v != want {
			t.Errorf("faults %010b: %+v, want %+v", set, v, want)
		}
		if !v.Accept && g.accepted.Len() != before {
			t.Errorf("faults %010b: it is counted as accepted", set)
		}
	}
}

func TestSixWrongRequestsBan(t *testing.T) {
	for i, f := range faults {
		if f.reason == Banned || f.reason == Rate || f.reason == Secret {
			continue // only Telegram's come as far, and they are never banned
		}
		for _, pace := range []struct {
			every time.Duration
			bans  bool
		}{{0, true}, {time.Second, true}, {2*time.Second - 1, true}, {2 * time.Second, false}, {3 * time.Second, false}, {time.Minute, false}} {
			g, a := spoiled(t, 1<<i)
			if a.client, a.Peer = stranger, stranger; a.proxied {
				a.Peer, a.Forwarded[len(a.Forwarded)-1] = proxy, stranger.String()
			}
			want := f.counts && pace.bans
			now := start
			for n := range 6 {
				v := g.Judge(a.Request, now)
				if v.Reason != f.reason || v.Bans != (want && n == 5) {
					t.Errorf("%s, the %d. one, every %v: %+v", f.reason, n+1, pace.every, v)
				}
				if v.Bans && v.Ban != (Ban{host(stranger), now.Add(3600 * time.Second)}) {
					t.Errorf("%s: the ban is %+v", f.reason, v.Ban)
				}
				now = now.Add(pace.every)
			}
			if v := g.Judge(a.Request, now); (v.Reason == Banned) != want {
				t.Errorf("%s, every %v, then: %+v", f.reason, pace.every, v)
			}
			if v := g.Connect(stranger, now); v.Accept == want {
				t.Errorf("%s, every %v, then a connection: %+v", f.reason, pace.every, v)
			}
			if v := g.Connect(stranger, now.Add(time.Hour)); !v.Accept {
				t.Errorf("%s: the ban never ends: %+v", f.reason, v)
			}
		}
	}
}

// TestDifferentFaultsCountTogether, those of connections that broke too.
func TestDifferentFaultsCountTogether(t *testing.T) {
	g, pair := newGuard(t, policy)
	method, path, peer := good(pair), good(pair), good(pair)
	method.Method, path.Target = "PUT", "/"
	for i, r := range []Request{method, path, peer, path} {
		r.Peer = stranger
		if v := g.Judge(r, start); v.Bans || v.Accept {
			t.Errorf("the %d. one: %+v", i+1, v)
		}
	}
	if v := g.Broken(stranger, start); v.Bans || v.Reason != Malformed || !v.Stranger || v.Status != 0 {
		t.Errorf("the fifth: %+v", v)
	}
	if v := g.Broken(stranger, start); !v.Bans || v.Ban.Host != host(stranger) {
		t.Errorf("the sixth: %+v", v)
	}
}

// TestABanIsToldOnce: connections that were open before a ban break after it.
func TestABanIsToldOnce(t *testing.T) {
	g, _ := newGuard(t, policy)
	bans := 0
	for i := range strangerAtMost {
		if g.Broken(stranger, start.Add(time.Duration(i)*time.Second/2)).Bans {
			bans++
		}
	}
	if bans != 1 {
		t.Errorf("%d bans", bans)
	}
	end := start.Add(5*time.Second/2 + BanFor)
	if !g.bans.Banned(stranger, end.Add(-1)) || g.bans.Banned(stranger, end) {
		t.Error("the ban grew longer")
	}
}

// TestOneHostDoesNotPayForAnother, not even in the same table.
func TestOneHostDoesNotPayForAnother(t *testing.T) {
	g, _ := newGuard(t, policy)
	for i := range 1000 {
		for range 5 {
			if v := g.Judge(Request{Peer: nth(i), Method: "POST", Target: "/"}, start); v.Bans || v.Reason != Path {
				t.Fatalf("%v: %+v", nth(i), v)
			}
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
	late := Verdict{Status: 429, Reason: Rate, RetryAfter: 10 * time.Second, Client: telegram}
	for i := range 1000 {
		v := g.Judge(good(pair), start.Add(time.Duration(i)*time.Millisecond))
		if i < 50 && !v.Accept || i >= 50 && v != late {
			t.Fatalf("the %d. one: %+v", i+1, v)
		}
	}
	other := good(pair)
	other.Peer = netip.MustParseAddr("91.108.4.1")
	if v := g.Judge(other, start); !v.Accept {
		t.Errorf("another of Telegram's: %+v", v)
	}
	// Who is asked to come back in ten seconds gets in then, however often he
	// tried before.
	for i := range 50 {
		if v := g.Judge(good(pair), start.Add(10*time.Second+time.Duration(i)*time.Millisecond)); !v.Accept {
			t.Fatalf("ten seconds later, the %d. one: %+v", i+1, v)
		}
	}
}

func TestTheZeroValueLetsNothingIn(t *testing.T) {
	_, pair := newGuard(t, policy)
	var none *Guard
	guards := map[string]*Guard{"nil": none, "zero": {}, "no pairs": New(policy, &Pairs{}), "nil pairs": New(policy, nil)}
	zero := Pair{}
	for name, g := range guards {
		for _, r := range []Request{
			good(pair), good(zero), {}, {Peer: telegram, Method: http.MethodPost}, {Peer: telegram, Method: http.MethodPost, Secrets: []string{""}},
			{Peer: telegram, Method: http.MethodPost, Target: "/webhook//", Secrets: []string{""}},
		} {
			if v := g.Judge(r, start); v.Accept || v.Status == 200 {
				t.Errorf("%s: %+v", name, v)
			}
		}
		if v := g.Broken(stranger, start); v.Accept || v.Bans {
			t.Errorf("%s, broken: %+v", name, v)
		}
		if v := g.Connect(telegram, start); v.Accept != (name == "no pairs") {
			t.Errorf("%s, a connection: %+v", name, v)
		}
	}
	if v := new(Verdict); v.Accept || v.Status != 0 {
		t.Errorf("the zero verdict is %+v", v)
	}
}

// TestOneSecretExactly: two headers are for two readers, who read one each.
func TestOneSecretExactly(t *testing.T) {
	g, pair := newGuard(t, policy)
	right := pair.Secret()
	for _, secrets := range [][]string{nil, {}, {""}, {right, right}, {right, ""}, {"", right}, {right + "," + right}, {right + " "}, {strings.ToLower(right)}} {
		r := good(pair)
		r.Secrets = secrets
		if v := g.Judge(r, start); v.Accept || v.Status != 403 || v.Reason != Secret {
			t.Errorf("%d secrets: %+v", len(secrets), v)
		}
	}
}

func TestTheGreatestBody(t *testing.T) {
	for length, accept := range map[int64]bool{-1: true, 0: true, 1 << 20: true, 1<<20 + 1: false, math.MaxInt64: false} {
		g, pair := newGuard(t, policy)
		r := good(pair)
		r.Length = length
		if v := g.Judge(r, start); v.Accept != accept || !accept && v.Status != 413 {
			t.Errorf("%d bytes: %+v", length, v)
		}
	}
}

// FuzzJudge holds the guard to a plain reading of the rules, and to itself: it
// decides by what it is told, and by nothing else.
func FuzzJudge(f *testing.F) {
	f.Add("POST", "p", "s", uint8(1), []byte{149, 154, 167, 220}, "", uint8(0), int64(5), false)
	f.Add("POST", "p", "s", uint8(1), []byte{10, 0, 0, 2}, "192.0.2.7, 149.154.160.1", uint8(1), int64(-1), false)
	f.Add("POST", "p", "s", uint8(1), []byte{10, 0, 0, 2}, "149.154.160.1|10.0.0.9", uint8(1), int64(-1), false)
	f.Add("POST", "p", "s", uint8(2), []byte("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\xff\xff\x95\x9a\xa0\x01"), "x", uint8(1), int64(1<<20), false)
	f.Add("GET", "/", "", uint8(0), []byte{192, 0, 2, 7}, "", uint8(1), int64(1<<21), true)
	f.Fuzz(func(t *testing.T, method, path, secret string, secrets uint8, peer []byte, forwarded string, headers uint8, length int64, encoded bool) {
		pairs, pair := registered(t)
		if path == "p" {
			path = pair.Path()
		}
		if secret == "s" {
			secret = pair.Secret()
		}
		address, _ := netip.AddrFromSlice(peer)
		r := Request{Peer: address, Method: method, Target: path, Length: length, Encoded: encoded, Secrets: slices.Repeat([]string{secret}, int(secrets%4))}
		if headers%2 == 1 {
			r.Forwarded = strings.Split(forwarded, "|")
		}
		allowed := method == "POST" && path == pair.Path() && length <= 1<<20 && !encoded &&
			len(r.Secrets) == 1 && secret == pair.Secret() && fromTelegram(net.IP(address.AsSlice()), r.Forwarded)

		twins := [2]*Guard{New(policy, pairs), New(policy, pairs)}
		for i := range 8 {
			now := start.Add(time.Duration(i) * time.Second)
			v, other := twins[0].Judge(r, now), twins[1].Judge(r, now)
			if v != other {
				t.Fatalf("%+v: %+v and %+v", r, v, other)
			}
			if v.Accept != allowed {
				t.Fatalf("%+v: %+v, want accepted %v", r, v, allowed)
			}
			if v.Accept != (v.Status == 200) || v.Accept != (v.Reason == "") || (v.RetryAfter > 0) != (v.Status == 429) || v.Bans && !v.Stranger {
				t.Fatalf("%+v: %+v does not fit together", r, v)
			}
			if v.Reason == Banned && i < 6 {
				t.Fatalf("%+v: banned at the %d. request", r, i+1)
			}
		}
	})
}

// fromTelegram reads C2 for the tests' policy, as simply as it can be done, and
// with another package.
func fromTelegram(peer net.IP, headers []string) bool {
	if in(peer, "10.0.0.0/24") && len(headers) > 0 {
		header := strings.Join(headers, ",")
		if len(header) > 512 {
			return false
		}
		entries := strings.Split(header, ",")
		for i, entry := range entries {
			if entries[i] = strings.Trim(entry, " \t"); readEntry(entries[i]) == nil {
				return false
			}
		}
		last := len(entries) - 1
		for last > 0 && in(readEntry(entries[last]), "10.0.0.0/24") {
			last--
		}
		peer = readEntry(entries[last])
	}
	return in(peer, "149.154.160.0/20") || in(peer, "91.108.4.0/22") || in(peer, "198.51.100.0/24")
}

func in(a net.IP, network string) bool {
	_, n, err := net.ParseCIDR(network)
	return err == nil && n.Contains(a)
}

// BenchmarkJudge is what the answer to a request costs, without HTTP.
func BenchmarkJudge(b *testing.B) {
	const many = 1 << 12
	fill := func(request func(i int) Request) (list []Request) {
		for i := range many {
			list = append(list, request(i))
		}
		return list
	}
	pairs, pair := registered(b)
	for _, bench := range []struct {
		name     string
		reason   Reason
		requests []Request
	}{
		{"accepted", "", fill(func(i int) Request {
			r := good(pair)
			r.Peer = netip.AddrFrom4([4]byte{149, 154, 160 + byte(i>>8&15), byte(i)})
			return r
		})},
		{"accepted through a proxy", "", fill(func(i int) Request {
			r := good(pair)
			r.Peer, r.Forwarded = proxy, []string{fmt.Sprintf("149.154.%d.%d", 160+i>>8&15, i&255)}
			return r
		})},
		{"banned", Banned, fill(func(int) Request { r := good(pair); r.Peer = stranger; return r })},
		{"wrong path", Path, fill(func(i int) Request { r := good(pair); r.Target = mustPair(b).Path(); return r })},
		{"wrong path of a stranger", Path, fill(func(i int) Request { return Request{Peer: nth(i), Method: http.MethodPost, Target: "/"} })},
		{"wrong secret", Secret, fill(func(i int) Request { r := good(pair); r.Secrets = []string{mustPair(b).Secret()}; return r })},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			g, now := New(policy, pairs), start
			g.RestoreBan(Ban{host(stranger), start.Add(BanFor)})
			for i := 0; b.Loop(); i++ {
				if i%many == 0 && bench.reason != Banned {
					now = now.Add(acceptedSpan) // so that none is too often there
				}
				if v := g.Judge(bench.requests[i%many], now); v.Reason != bench.reason {
					b.Fatalf("%+v", v)
				}
			}
		})
	}
}
