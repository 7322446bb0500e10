package webhook

import (
	"net/netip"
	"testing"
	"time"
)

// connects opens so many connections, and returns how many of them were let in.
func connects(g *Guard, n int, peer func(i int) netip.Addr) (open int) {
	for i := range n {
		if g.Connect(peer(i), start).Accept {
			open++
		}
	}
	return open
}

func only(a netip.Addr) func(int) netip.Addr { return func(int) netip.Addr { return a } }

func TestConnectionsAreBounded(t *testing.T) {
	for _, test := range []struct {
		name string
		peer func(i int) netip.Addr
		want int
	}{
		{"one stranger", only(stranger), 16},
		{"one stranger, mapped", only(netip.MustParseAddr("::ffff:192.0.2.7")), 16},
		{"many strangers", nth, 128},
		{"a /64 of IPv6", func(i int) netip.Addr { return six(0, i) }, 16},
		{"many /64 of IPv6", func(i int) netip.Addr { return six(i, 1) }, 128},
		{"nobody", only(netip.Addr{}), 16},
		{"Telegram", only(telegram), 512},
		{"all of Telegram", func(i int) netip.Addr { return netip.AddrFrom4([4]byte{149, 154, 160 + byte(i>>8&15), byte(i)}) }, 512},
		{"a proxy", only(proxy), 512},
		{"Telegram and a proxy", func(i int) netip.Addr { return []netip.Addr{telegram, proxy, extra}[i%3] }, 512},
	} {
		t.Run(test.name, func(t *testing.T) {
			g, _ := newGuard(t, policy)
			if open := connects(g, 10_000, test.peer); open != test.want {
				t.Errorf("%d of 10,000 are open, want %d", open, test.want)
			}
			for i := range 10_000 {
				g.Disconnect(test.peer(i)) // also those that were never let in
			}
			if c := g.connections; c.known != 0 || c.strangers != 0 || len(c.open) != 0 {
				t.Errorf("after the end: %d known, %d strangers, %v", c.known, c.strangers, c.open)
			}
		})
	}
}

func six(network, host int) netip.Addr {
	return netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, 0, byte(network >> 8), byte(network), 14: byte(host >> 8), 15: byte(host)})
}

func TestTelegramGetsInWhenStrangersTookAllTheirRoom(t *testing.T) {
	g, pair := newGuard(t, policy)
	connects(g, 100_000, nth)
	if v := g.Connect(stranger, start); v.Accept || v.Reason != Connections || !v.Stranger || v.Status != 0 {
		t.Errorf("one stranger more: %+v", v)
	}
	for _, peer := range []netip.Addr{telegram, extra, proxy} {
		if v := g.Connect(peer, start); !v.Accept || v.Client != peer || v.Stranger {
			t.Errorf("%v: %+v", peer, v)
		}
	}
	if v := g.Judge(good(pair), start); !v.Accept {
		t.Errorf("its request: %+v", v)
	}
}

func TestStrangersGetInWhenTelegramTookAllItsRoom(t *testing.T) {
	g, _ := newGuard(t, policy)
	connects(g, 1000, only(telegram))
	if v := g.Connect(telegram, start); v.Accept || v.Reason != Connections || v.Stranger {
		t.Errorf("one of Telegram's more: %+v", v)
	}
	if !g.Connect(stranger, start).Accept {
		t.Error("a stranger")
	}
}

func TestWhatIsGivenBackIsFree(t *testing.T) {
	g, _ := newGuard(t, policy)
	connects(g, 16, only(stranger))
	for range 100 - 16 {
		if g.Connect(stranger, start).Accept {
			t.Fatal("a 17th")
		}
		g.Disconnect(stranger)
		if !g.Connect(stranger, start).Accept {
			t.Fatal("what was given back is not free")
		}
	}
	g.Disconnect(stranger)
	if v := g.Connect(stranger, start.Add(10*time.Second-1)); v.Accept || v.Reason != Connections {
		t.Errorf("one more than 100 in ten seconds: %+v", v)
	}
	if !g.Connect(nth(1), start).Accept {
		t.Error("another stranger pays for it")
	}
	if !g.Connect(stranger, start.Add(10*time.Second)).Accept {
		t.Error("refused for ever")
	}
}

// TestGivingBackOfAnotherTakesNothing: who was never let in must not raise the
// bound of those who were.
func TestGivingBackOfAnotherTakesNothing(t *testing.T) {
	g, _ := newGuard(t, policy)
	for i := range 1000 {
		g.Disconnect(nth(i))
		g.Disconnect(telegram)
	}
	if open := connects(g, 1000, nth); open != strangersAtMost {
		t.Errorf("%d strangers", open)
	}
	if open := connects(g, 1000, only(telegram)); open != knownAtMost {
		t.Errorf("%d of Telegram's", open)
	}
	var none *Guard
	none.Disconnect(stranger)
	(&Guard{}).Disconnect(stranger)
}

func TestABannedHostDoesNotConnect(t *testing.T) {
	g, _ := newGuard(t, policy)
	g.RestoreBan(Ban{host(stranger), start.Add(BanFor)})
	if v := g.Connect(stranger, start); v.Accept || v.Reason != Banned || v.Status != 0 || v.Client != stranger {
		t.Errorf("%+v", v)
	}
	if g.connections.strangers != 0 || g.connections.opens.Len() != 0 {
		t.Error("it is counted all the same")
	}
	if v := g.Connect(stranger, start.Add(BanFor)); !v.Accept {
		t.Errorf("afterwards: %+v", v)
	}
}
