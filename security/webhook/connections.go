package webhook

import (
	"net/netip"
	"time"

	"github.com/cofferdam-bot/cofferdam/security/ratelimit"
)

// Bounds of connections. Each costs memory, and with TLS a handshake, before a
// word was said. Telegram opens 40 by default and 100 at most; strangers have
// nothing to look for here, and must not take the room of others.
const (
	// knownAtMost is for Telegram's addresses and trusted proxies together.
	knownAtMost = 512
	// strangersAtMost is for all others together, and strangerAtMost for one
	// of their hosts.
	strangersAtMost = 128
	strangerAtMost  = 16
	// opensAtMost is how many new connections a stranger's host gets in
	// opensSpan.
	opensAtMost = 100
	opensSpan   = 10 * time.Second
	// opensKept is of how many hosts that is remembered: each may fill 3 KiB, and
	// one machine has any number of /64. Beyond it strangersAtMost is the bound.
	opensKept = 1_000
)

// connections counts those that are open.
type connections struct {
	known     int
	strangers int
	open      map[netip.Prefix]int // of strangers
	opens     *ratelimit.Window[netip.Prefix]
}

func newConnections() connections {
	return connections{open: map[netip.Prefix]int{}, opens: ratelimit.New[netip.Prefix](opensAtMost, opensSpan, opensKept)}
}

// Connect decides about a new connection, before anything is read from it. Each
// that is accepted is to be given back with [Guard.Disconnect].
func (g *Guard) Connect(peer netip.Addr, now time.Time) Verdict {
	if g == nil || g.pairs == nil {
		return Verdict{}
	}
	peer = plain(peer)
	v := Verdict{Client: peer, Stranger: !g.peers.exempt(peer)}
	switch {
	case v.Stranger && g.bans.Banned(peer, now):
		v.Reason = Banned
	case !g.connections.take(host(peer), v.Stranger, now):
		v.Reason = Connections
	default:
		v.Accept = true
	}
	return v
}

// Disconnect gives back a connection that was accepted. One that was not changes
// nothing: a count below zero would be a bound that is higher.
func (g *Guard) Disconnect(peer netip.Addr) {
	if g == nil {
		return
	}
	peer = plain(peer)
	g.connections.release(host(peer), !g.peers.exempt(peer))
}

func (c *connections) take(host netip.Prefix, stranger bool, now time.Time) bool {
	if !stranger {
		if c.known >= knownAtMost {
			return false
		}
		c.known++
		return true
	}
	if c.strangers >= strangersAtMost || c.open[host] >= strangerAtMost || !c.opens.Add(host, now).Allowed {
		return false
	}
	c.strangers++
	c.open[host]++
	return true
}

func (c *connections) release(host netip.Prefix, stranger bool) {
	switch {
	case !stranger:
		c.known = max(c.known-1, 0)
	case c.open[host] > 1:
		c.strangers--
		c.open[host]--
	case c.open[host] == 1:
		c.strangers--
		delete(c.open, host)
	}
}
