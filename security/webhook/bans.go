package webhook

import (
	"container/list"
	"net/netip"
	"slices"
	"time"
)

const (
	// BanFor is how long a ban lasts (C4).
	BanFor = 3600 * time.Second
	// BansAtMost is how many there are; the one that ends first makes room.
	BansAtMost = 10_000
	// clockSlack is how long a ban that is over is kept: a clock that jumps ahead
	// by an hour and back frees nobody.
	clockSlack = time.Hour
)

// Ban is a host that is let in no more for a while.
type Ban struct {
	// Host is an address of IPv4, or a /64 of IPv6.
	Host  netip.Prefix
	Until time.Time
}

// Bans are bounded. The zero value is empty and ready.
type Bans struct {
	hosts map[netip.Prefix]*list.Element
	// order has the one that ends first in front.
	order    list.List // of *ban
	restored bool
}

type ban struct {
	Ban
	told bool // that it is over
}

// Add bans the host of an address from now on.
func (b *Bans) Add(client netip.Addr, now time.Time) Ban {
	added := Ban{Host: host(client), Until: now.Add(BanFor)}
	b.sort()
	b.put(added)
	return added
}

// Restore takes over a ban from before a restart. They may come in any order.
func (b *Bans) Restore(old Ban) {
	b.put(old)
	b.restored = true
}

func (b *Bans) put(added Ban) {
	if b.hosts == nil {
		b.hosts = map[netip.Prefix]*list.Element{}
	}
	if e, known := b.hosts[added.Host]; known {
		b.order.Remove(e)
	} else if len(b.hosts) >= BansAtMost {
		b.drop(b.order.Front())
	}
	b.hosts[added.Host] = b.order.PushBack(&ban{Ban: added})
}

func (b *Bans) drop(e *list.Element) {
	delete(b.hosts, e.Value.(*ban).Host)
	b.order.Remove(e)
}

// sort puts restored bans into the order of their ends.
func (b *Bans) sort() {
	if !b.restored {
		return
	}
	b.restored = false
	all := make([]*list.Element, 0, b.order.Len())
	for e := b.order.Front(); e != nil; e = e.Next() {
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(x, y *list.Element) int {
		return x.Value.(*ban).Until.Compare(y.Value.(*ban).Until)
	})
	for _, e := range all {
		b.order.MoveToBack(e)
	}
}

// Banned reports whether an address is.
func (b *Bans) Banned(client netip.Addr, now time.Time) bool {
	if len(b.hosts) == 0 {
		return false
	}
	e, known := b.hosts[host(client)]
	return known && e.Value.(*ban).lasts(now)
}

// lasts reports whether a ban is not over. A clock that went back makes none
// longer.
func (x *ban) lasts(now time.Time) bool {
	if longest := now.Add(BanFor); x.Until.After(longest) {
		x.Until = longest
	}
	return x.Until.After(now)
}

// Expire returns the bans that ended, each once, and forgets them an hour later.
func (b *Bans) Expire(now time.Time) (ended []Ban) {
	var next *list.Element
	for e := b.order.Front(); e != nil; e = next {
		next = e.Next()
		x := e.Value.(*ban)
		if x.lasts(now) {
			continue
		}
		if !x.told {
			x.told = true
			ended = append(ended, x.Ban)
		}
		if !x.Until.Add(clockSlack).After(now) {
			b.drop(e)
		}
	}
	return ended
}

// Len returns how many are kept.
func (b *Bans) Len() int { return len(b.hosts) }
