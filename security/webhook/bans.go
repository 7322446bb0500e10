package webhook

import (
	"container/heap"
	"net/netip"
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

// Bans are bounded. The zero value is empty and ready. It is not safe for
// concurrent use.
type Bans struct {
	hosts map[netip.Prefix]*ban
	ends  ends
	// added is how many there were ever.
	added uint64
}

type ban struct {
	Ban
	told bool // that it is over
	at   int  // its place in ends
	// nth tells those that end together apart: the one that was added first makes
	// room.
	nth uint64
}

// Add bans the host of an address from now on.
func (b *Bans) Add(client netip.Addr, now time.Time) Ban {
	added := Ban{Host: host(client), Until: now.Add(BanFor)}
	b.put(added)
	return added
}

// Restore takes over a ban from before a restart. They may come in any order,
// and after others were added: what ends last stays.
func (b *Bans) Restore(old Ban) {
	first := old
	if known, ok := b.hosts[old.Host]; ok {
		first = known.Ban
	} else if len(b.ends) >= BansAtMost {
		first = b.ends[0].Ban
	}
	if !first.Until.After(old.Until) {
		b.put(old)
	}
}

func (b *Bans) put(added Ban) {
	if b.hosts == nil {
		b.hosts = map[netip.Prefix]*ban{}
	}
	if known, ok := b.hosts[added.Host]; ok {
		b.drop(known)
	} else if len(b.ends) >= BansAtMost {
		b.drop(b.ends[0])
	}
	b.added++
	x := &ban{Ban: added, nth: b.added}
	b.hosts[added.Host] = x
	heap.Push(&b.ends, x)
}

func (b *Bans) drop(x *ban) {
	delete(b.hosts, x.Host)
	heap.Remove(&b.ends, x.at)
}

// Banned reports whether an address is.
func (b *Bans) Banned(client netip.Addr, now time.Time) bool {
	if len(b.hosts) == 0 {
		return false
	}
	x, known := b.hosts[host(client)]
	if !known {
		return false
	}
	if x.shorten(now) {
		heap.Fix(&b.ends, x.at)
	}
	return x.Until.After(now)
}

// shorten keeps a clock that went back from making a ban longer. It reports
// whether it did.
func (x *ban) shorten(now time.Time) bool {
	longest := now.Add(BanFor)
	if !x.Until.After(longest) {
		return false
	}
	x.Until = longest
	return true
}

// Expire returns the bans that ended, each once, and forgets them an hour later.
func (b *Bans) Expire(now time.Time) (ended []Ban) {
	shorter := false
	for _, x := range b.ends {
		shorter = x.shorten(now) || shorter
		if !x.told && !x.Until.After(now) {
			x.told = true
			ended = append(ended, x.Ban)
		}
	}
	if shorter {
		heap.Init(&b.ends) // they end together now
	}
	for len(b.ends) > 0 && !b.ends[0].Until.Add(clockSlack).After(now) {
		b.drop(b.ends[0])
	}
	return ended
}

// Len returns how many are kept.
func (b *Bans) Len() int { return len(b.hosts) }

// ends is a [heap.Interface]: the ban that ends first is at its top.
type ends []*ban

func (e ends) Len() int { return len(e) }
func (e ends) Less(i, j int) bool {
	if c := e[i].Until.Compare(e[j].Until); c != 0 {
		return c < 0
	}
	return e[i].nth < e[j].nth
}

func (e ends) Swap(i, j int) {
	e[i], e[j] = e[j], e[i]
	e[i].at, e[j].at = i, j
}

// Push is for package heap only.
func (e *ends) Push(x any) {
	b := x.(*ban)
	b.at = len(*e)
	*e = append(*e, b)
}

// Pop is for package heap only.
func (e *ends) Pop() any {
	old := *e
	last := old[len(old)-1]
	old[len(old)-1] = nil
	*e = old[:len(old)-1]
	return last
}
