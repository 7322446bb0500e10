package webhook

import (
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

func nth(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)})
}

func TestABanLastsAnHour(t *testing.T) {
	var b Bans
	ban := b.Add(stranger, start)
	if ban.Host.String() != "192.0.2.7/32" || !ban.Until.Equal(start.Add(time.Hour)) {
		t.Errorf("%+v", ban)
	}
	if !b.Banned(stranger, start.Add(time.Hour-time.Millisecond)) || b.Banned(stranger, start.Add(time.Hour)) {
		t.Error("it does not last an hour")
	}
	if b.Banned(nth(1), start) {
		t.Error("another is banned")
	}
	six := netip.MustParseAddr("2001:db8::1")
	b.Add(six, start)
	if !b.Banned(netip.MustParseAddr("2001:db8::ffff"), start) {
		t.Error("the rest of the /64 is not banned")
	}
}

func TestTheTablesAreBounded(t *testing.T) {
	var b Bans
	for i := range 100_000 {
		b.Add(nth(i), start.Add(time.Duration(i)*time.Microsecond))
	}
	if b.Len() != BansAtMost || b.order.Len() != BansAtMost {
		t.Errorf("%d bans, %d in order", b.Len(), b.order.Len())
	}
	if b.Banned(nth(0), start.Add(time.Second)) || !b.Banned(nth(99_999), start.Add(time.Second)) {
		t.Error("not the oldest made room")
	}
	g, _ := newGuard(t, policy)
	for i := range 100_000 {
		g.Judge(Request{Peer: nth(i), Method: "POST", Target: "/"}, start)
		g.Connect(nth(i), start)
	}
	if n := g.wrong.Len(); n > peersAtMost {
		t.Errorf("%d peers with wrong requests", n)
	}
	if n := len(g.connections.open); n > strangersAtMost {
		t.Errorf("%d strangers are connected", n)
	}
	if !g.Connect(telegram, start).Accept {
		t.Error("strangers keep Telegram out")
	}
}

func TestBansOutliveARestart(t *testing.T) {
	var b Bans
	for _, i := range rand.Perm(BansAtMost) {
		b.Restore(Ban{Host: host(nth(i)), Until: start.Add(time.Duration(i+1) * 300 * time.Millisecond)})
	}
	b.Add(stranger, start)
	if b.Banned(nth(0), start) {
		t.Error("not the one that ends first made room")
	}
	if !b.Banned(nth(1), start) || !b.Banned(stranger, start) {
		t.Error("one was lost")
	}
}

func TestBansAndAClockThatJumps(t *testing.T) {
	var b Bans
	b.Add(stranger, start)
	if got := b.Expire(start.Add(time.Hour)); len(got) != 1 {
		t.Errorf("%d ended", len(got))
	}
	if got := b.Expire(start.Add(time.Hour)); len(got) != 0 {
		t.Error("its end was told twice")
	}
	if !b.Banned(stranger, start) {
		t.Error("an hour ahead and back freed it")
	}
	if b.Expire(start.Add(2 * time.Hour)); b.Len() != 0 {
		t.Error("it is never forgotten")
	}
	b.Add(stranger, start)
	back := start.Add(-24 * time.Hour)
	if !b.Banned(stranger, back) || b.Banned(stranger, back.Add(time.Hour)) {
		t.Error("a clock that went back made it longer")
	}
}

func TestConnectionsAreBounded(t *testing.T) {
	g, _ := newGuard(t, policy)
	open := 0
	for range 10_000 {
		if g.Connect(stranger, start).Accept {
			open++
		}
	}
	if open != strangerAtMost {
		t.Errorf("one stranger has %d connections", open)
	}
	for range open {
		g.Disconnect(stranger)
	}
	for i := range opensAtMost - strangerAtMost {
		if !g.Connect(stranger, start).Accept {
			t.Fatalf("the %d. connection is refused", i)
		}
		g.Disconnect(stranger)
	}
	if v := g.Connect(stranger, start); v.Accept || v.Reason != Connections {
		t.Errorf("one more in ten seconds: %+v", v)
	}
	if !g.Connect(stranger, start.Add(opensSpan)).Accept {
		t.Error("refused for ever")
	}
	known := 0
	for range 10_000 {
		if g.Connect(telegram, start).Accept {
			known++
		}
	}
	if known != knownAtMost {
		t.Errorf("Telegram has %d connections", known)
	}
	for range known {
		g.Disconnect(telegram)
	}
	g.Disconnect(stranger)
	if c := g.connections; c.known != 0 || c.strangers != 0 || len(c.open) != 0 {
		t.Errorf("after the end: %+v", c)
	}
}
