package webhook

import (
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"
)

// nth is a stranger of IPv4, another one for each i below 2^24.
func nth(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{100, byte(i >> 16), byte(i >> 8), byte(i)})
}

func TestABanLastsAnHour(t *testing.T) {
	var b Bans
	ban := b.Add(stranger, start)
	if ban.Host.String() != "192.0.2.7/32" || !ban.Until.Equal(start.Add(3600*time.Second)) {
		t.Errorf("%+v", ban)
	}
	for _, test := range []struct {
		after  time.Duration
		banned bool
	}{
		{0, true}, {time.Second, true}, {3599 * time.Second, true}, {3600*time.Second - 1, true},
		{3600 * time.Second, false}, {3601 * time.Second, false}, {24 * time.Hour, false},
	} {
		if got := b.Banned(stranger, start.Add(test.after)); got != test.banned {
			t.Errorf("%v later: %v", test.after, got)
		}
	}
	if b.Banned(nth(1), start) || b.Banned(netip.Addr{}, start) {
		t.Error("another is banned")
	}
}

func TestABanIsOfAHost(t *testing.T) {
	var b Bans
	b.Add(netip.MustParseAddr("2001:db8::1"), start)
	b.Add(netip.MustParseAddr("::ffff:192.0.2.7"), start)
	for address, banned := range map[string]bool{
		"2001:db8::1": true, "2001:db8::ffff:ffff:ffff:ffff": true, "2001:db8::": true,
		"2001:db8:0:1::1": false, "2001:db7:ffff:ffff:ffff:ffff:ffff:ffff": false,
		"192.0.2.7": true, "::ffff:192.0.2.7": true, "192.0.2.8": false, "::ffff:192.0.2.8": false, "::1": false,
	} {
		if got := b.Banned(netip.MustParseAddr(address), start); got != banned {
			t.Errorf("%s: %v", address, got)
		}
	}
}

func TestASecondBanTakesThePlaceOfTheFirst(t *testing.T) {
	var b Bans
	b.Add(stranger, start)
	b.Expire(start.Add(time.Hour))
	b.Add(stranger, start.Add(time.Hour))
	if b.Len() != 1 || !b.Banned(stranger, start.Add(2*time.Hour-1)) {
		t.Error("the second ban does not last")
	}
	if got := b.Expire(start.Add(2 * time.Hour)); len(got) != 1 {
		t.Errorf("%d ended, want the second one too", len(got))
	}
}

func TestTheTablesAreBounded(t *testing.T) {
	var b Bans
	const all = 100_000
	for i := range all {
		b.Add(nth(i), start.Add(time.Duration(i)*time.Microsecond))
		if b.Len() > 10_000 {
			t.Fatalf("%d bans", b.Len())
		}
	}
	now := start.Add(time.Second)
	for i := range all {
		if got, want := b.Banned(nth(i), now), i >= all-BansAtMost; got != want {
			t.Fatalf("ban %d of %d: %v", i, all, got)
		}
	}
	sound(t, &b)

	g, _ := newGuard(t, policy)
	for i := range all {
		g.Judge(Request{Peer: nth(i), Method: "POST", Target: "/"}, start)
		g.Connect(nth(i), start)
	}
	if n := g.wrong.Len(); n > peersAtMost {
		t.Errorf("%d peers with wrong requests", n)
	}
	if n := g.connections.opens.Len(); n > opensKept {
		t.Errorf("%d peers that connected", n)
	}
	if n := len(g.connections.open); n > strangersAtMost {
		t.Errorf("%d strangers are connected", n)
	}
}

// TestStrangersFillLittleMemory: as many as the tables have room for, and each
// does all it may.
func TestStrangersFillLittleMemory(t *testing.T) {
	const most = 12 << 20
	g, _ := newGuard(t, policy)
	before := heapInUse()
	for i := range peersAtMost {
		for range opensAtMost {
			if g.Connect(nth(i), start).Accept {
				g.Disconnect(nth(i))
			}
		}
		for range wrongAtMost + 1 {
			g.Broken(nth(i), start)
		}
	}
	if filled := heapInUse() - before; filled > most {
		t.Errorf("%d KiB are kept", filled>>10)
	}
	if g.bans.Len() != BansAtMost {
		t.Errorf("%d bans", g.bans.Len())
	}
}

func heapInUse() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// sound holds the two halves of the table to each other.
func sound(t *testing.T, b *Bans) {
	t.Helper()
	if len(b.hosts) != len(b.ends) || b.Len() > BansAtMost {
		t.Fatalf("%d hosts, %d ends", len(b.hosts), len(b.ends))
	}
	for i, x := range b.ends {
		if b.hosts[x.Host] != x || x.at != i {
			t.Fatalf("the %d. is not where it should be: %+v", i, x)
		}
		if up := (i - 1) / 2; b.ends[i].Until.Before(b.ends[up].Until) {
			t.Fatalf("the %d. ends before the %d.", i, up)
		}
	}
}

// TestBansOutliveARestart: three times as many as there is room for, in any
// order. Those that end last stay.
func TestBansOutliveARestart(t *testing.T) {
	const all = 3 * BansAtMost
	up := make([]int, all)
	for i := range up {
		up[i] = i
	}
	down := slices.Clone(up)
	slices.Reverse(down)
	for name, order := range map[string][]int{"ascending": up, "descending": down, "shuffled": rand.New(rand.NewPCG(1, 2)).Perm(all)} {
		var b Bans
		for _, i := range order {
			b.Restore(Ban{Host: host(nth(i)), Until: start.Add(time.Duration(i+1) * 100 * time.Millisecond)})
		}
		sound(t, &b)
		for i := range all {
			if got, want := b.Banned(nth(i), start), i >= all-BansAtMost; got != want {
				t.Fatalf("%s: ban %d of %d: %v", name, i, all, got)
			}
		}
		b.Add(stranger, start)
		if b.Banned(nth(all-BansAtMost), start) || !b.Banned(nth(all-BansAtMost+1), start) || !b.Banned(stranger, start) {
			t.Errorf("%s: not the one that ends first made room for a new one", name)
		}
	}
}

func TestRestoringMakesNoBanShorter(t *testing.T) {
	early, late := Ban{host(stranger), start.Add(time.Minute)}, Ban{host(stranger), start.Add(time.Hour)}
	for name, restore := range map[string]func(*Bans){
		"ascending":  func(b *Bans) { b.Restore(early); b.Restore(late) },
		"descending": func(b *Bans) { b.Restore(late); b.Restore(early) },
		"after a new one": func(b *Bans) {
			b.Add(stranger, start)
			b.Restore(early)
		},
	} {
		var b Bans
		restore(&b)
		if b.Len() != 1 || !b.Banned(stranger, start.Add(time.Hour-1)) {
			t.Errorf("%s: it ends too early", name)
		}
	}
}

// TestBansAndAClockThatJumps: in each row the clock reads so much after the ban
// began, one time after the other.
func TestBansAndAClockThatJumps(t *testing.T) {
	const hour = time.Hour
	type look struct {
		at     time.Duration
		banned bool
	}
	for _, test := range []struct {
		name  string
		looks []look
	}{
		{"an hour ahead and back frees nobody", []look{{1, true}, {hour, false}, {2, true}, {hour - 1, true}, {hour, false}}},
		{"nor shortly before the end", []look{{hour - 1, true}, {2*hour - 1, false}, {hour - 1, true}, {hour, false}}},
		{"a day back makes it no longer", []look{{-24 * hour, true}, {-23*hour - 1, true}, {-23 * hour, false}}},
		{"a day back, and ahead again, is the end", []look{{-24 * hour, true}, {1, false}}},
		{"a minute back, and a minute more", []look{{hour - 1, true}, {hour - time.Minute, true}, {hour - 1, true}, {hour, false}}},
	} {
		for _, swept := range []bool{false, true} {
			var live, restored Bans
			restored.Restore(live.Add(stranger, start))
			for kind, b := range map[string]*Bans{"live": &live, "restored": &restored} {
				for i, l := range test.looks {
					now := start.Add(l.at)
					if swept {
						b.Expire(now)
					}
					if got := b.Banned(stranger, now); got != l.banned {
						t.Errorf("%s (%s, swept %v): look %d, %v after: %v", test.name, kind, swept, i, l.at, got)
					}
				}
			}
		}
	}
}

// TestAClockThatWentBackKeepsTheTableSound: those from before would end last for
// ever, and no new one would find room.
func TestAClockThatWentBackKeepsTheTableSound(t *testing.T) {
	var b Bans
	for i := range BansAtMost {
		b.Add(nth(i), start.Add(time.Duration(i)*time.Millisecond))
	}
	back := start.Add(-24 * time.Hour)
	for i := range 100 {
		b.Banned(nth(i*37), back)
	}
	sound(t, &b)
	b.Add(stranger, back)
	if !b.Banned(stranger, back) {
		t.Error("a new ban found no room")
	}
	b.Expire(back.Add(time.Second))
	sound(t, &b)
	if ended := b.Expire(back.Add(time.Hour + time.Second)); len(ended) != BansAtMost {
		t.Errorf("%d ended", len(ended))
	}
}

func TestTheEndOfABanIsToldOnce(t *testing.T) {
	var b Bans
	for i := range 5_000 {
		b.Add(nth(i), start.Add(time.Duration(i)*time.Second))
	}
	told := map[netip.Prefix]int{}
	for at := time.Duration(0); at <= 5*time.Hour; at += 7 * time.Second {
		now := start.Add(at)
		for _, ban := range b.Expire(now) {
			told[ban.Host]++
			if late := now.Sub(ban.Until); late < 0 || late >= 7*time.Second {
				t.Fatalf("%v is told %v after its end", ban.Host, late)
			}
		}
		sound(t, &b)
	}
	if len(told) != 5_000 || b.Len() != 0 {
		t.Errorf("%d were told, %d are kept", len(told), b.Len())
	}
	for host, times := range told {
		if times != 1 {
			t.Errorf("%v was told %d times", host, times)
		}
	}
}

func BenchmarkBans(b *testing.B) {
	full := func() *Bans {
		var all Bans
		for i := range BansAtMost {
			all.Add(nth(i), start.Add(time.Duration(i)*time.Millisecond))
		}
		return &all
	}
	b.Run("add to 10000", func(b *testing.B) {
		bans, i := full(), BansAtMost
		for b.Loop() {
			bans.Add(nth(i), start.Add(time.Duration(i)*time.Millisecond))
			i++
		}
	})
	b.Run("banned of 10000", func(b *testing.B) {
		bans := full()
		for b.Loop() {
			bans.Banned(stranger, start)
		}
	})
	b.Run("sweep 10000", func(b *testing.B) {
		bans := full()
		for b.Loop() {
			bans.Expire(start)
		}
	})
	b.Run("restore 10000 backwards", func(b *testing.B) {
		for b.Loop() {
			var bans Bans
			for i := range BansAtMost {
				bans.Restore(Ban{host(nth(i)), start.Add(-time.Duration(i) * time.Millisecond)})
			}
		}
	})
}
