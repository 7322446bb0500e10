package telegram

import (
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/security/webhook"
)

// TestBotsOfOthersTakeNoRoom: anybody may give our address to Telegram for bots
// of his own. Their updates come from Telegram's addresses, over 100 connections
// for each, which Telegram keeps.
func TestBotsOfOthersTakeNoRoom(t *testing.T) {
	h := listenHook(t)
	wrong := h.ask(update(1)).to("/another/bot").String()
	for i := range 700 {
		w, err := h.try(telegramPeer)
		if err != nil {
			t.Fatalf("connection %d: %v", i+1, err)
		}
		if got := w.say(wrong).answer("POST"); got.status != http.StatusNotFound || !got.last {
			t.Fatalf("connection %d got %+v", i+1, got)
		}
	}
	h.isTaken(telegramPeer, h.ask(update(1)).String())
	h.isBanned(telegramPeer, false)
}

// TestTelegramKeepsItsConnection, on the other hand, when it is asked to come
// back, or was at fault in one update.
func TestTelegramKeepsItsConnection(t *testing.T) {
	h := listenHook(t)
	w := h.dial(telegramPeer)
	good := h.ask(update(1))
	for i, c := range []struct {
		text string
		want int
	}{
		{good.String(), 200},
		{h.ask("{}").String(), 400},
		{good.String(), 200},
	} {
		if got := w.say(c.text).answer("POST"); got.status != c.want || got.last {
			t.Fatalf("request %d got %+v", i+1, got)
		}
	}
	for range 47 {
		w.say(good.String()).answer("POST")
	}
	for range 5 {
		if got := w.say(good.String()).answer("POST"); got.status != http.StatusTooManyRequests || got.last || got.header.Get("Retry-After") != "10" {
			t.Fatalf("got %+v", got)
		}
	}
	h.pass(10 * time.Second)
	if got := w.say(good.String()).answer("POST"); got.status != http.StatusOK {
		t.Errorf("got %+v", got)
	}
}

// TestAFloodOfConnections that are closed at once: no more than 100 of a host in
// ten seconds get as far as net/http, and the others cost no log.
func TestAFloodOfConnections(t *testing.T) {
	h := listenHook(t)
	var flood sync.WaitGroup
	for peer := range 4 {
		flood.Go(func() {
			for range 500 {
				if w, err := h.try(fmt.Sprintf("127.0.2.%d", peer)); err == nil {
					_ = w.SetLinger(0)
					w.Close()
				}
			}
		})
	}
	flood.Wait()
	h.isTaken(telegramPeer, h.ask(update(1)).String())
	h.await("refusals", func() bool { return h.countReasons() >= 4*400 })
	for _, reason := range h.reasons() {
		if reason != "connections" {
			t.Fatalf("refused for %s", reason)
		}
	}
	if got := h.logged("webhook.rejected"); len(got) != linesAtMost {
		t.Errorf("%d lines", len(got))
	}
	if got := h.banned(); len(got) > 0 {
		t.Errorf("banned are %v", got)
	}
}

// TestOneStrangerHoldsFewConnections, and does not keep its neighbour out.
func TestOneStrangerHoldsFewConnections(t *testing.T) {
	h := listenHook(t)
	held := make([]*line, 0, 17)
	for range 16 {
		held = append(held, h.dial(strangerPeer))
	}
	if w, err := h.try(strangerPeer); err == nil && !w.ended() {
		t.Error("a seventeenth connection is held")
	}
	if got := h.reasons(); !slices.Equal(got, []string{"connections"}) {
		t.Errorf("reasons are %v", got)
	}
	if got := h.send("127.0.0.10", h.ask("").to("/").String()); len(got) != 1 {
		t.Errorf("the neighbour got %v", got)
	}
	held[0].Close() // its place is free again
	h.await("the place", func() bool { return len(h.send(strangerPeer, h.ask("").to("/").String())) == 1 })
}

// TestManyBans: each client behind the proxy is banned for itself, the bans are
// bounded, and Telegram, which comes by the same proxy, is served.
func TestManyBans(t *testing.T) {
	const clients, connections = 12_000, 4 // webhook.BansAtMost is 10,000
	h := listenHook(t, withProxy)
	head, wrong := h.ask("").to("/"), make([]strings.Builder, connections)
	before := heap()
	for client := range clients {
		text := head.with(fmt.Sprintf("%s198.18.%d.%d", forwarded, client>>8, client&255)).String()
		wrong[client%connections].WriteString(strings.Repeat(text, 6))
	}
	var flood sync.WaitGroup
	for i := range connections {
		flood.Go(func() {
			got := statuses(h.send(proxyPeer, wrong[i].String()))
			if len(got) != 6*clients/connections || slices.ContainsFunc(got, func(s int) bool { return s != http.StatusNotFound }) {
				t.Errorf("%d answers", len(got))
			}
			wrong[i].Reset()
		})
	}
	for id := range 40 {
		h.isTakenInAFlood(h.ask(update(id + 1)).with(forwarded + telegramPeer).String())
	}
	flood.Wait()
	if got := h.banned(); len(got) != clients || len(slices.Compact(slices.Sorted(slices.Values(got)))) != clients {
		t.Errorf("%d bans", len(got))
	}
	for _, event := range []string{"webhook.rejected", "webhook.banned"} {
		if got := h.logged(event); len(got) != linesAtMost {
			t.Errorf("%s: %d lines", event, len(got))
		}
	}
	h.pass(time.Minute)
	h.Sweep()
	for event, left := range map[string]int64{"webhook.rejected": 6*clients - linesAtMost, "webhook.banned": clients - linesAtMost} {
		got := h.logged(event)
		if last := got[len(got)-1].ContextMap()["left_out"]; len(got) != linesAtMost+1 || last != left {
			t.Errorf("%s: %d lines, and %v were left out, want %d", event, len(got), last, left)
		}
	}
	h.mu.Lock()
	h.counts, h.bans = nil, nil
	h.mu.Unlock()
	if grown := int64(heap()) - int64(before); grown > 16<<20 {
		t.Errorf("it takes %d MiB", grown>>20)
	}
	// The table is full, and the next one is banned all the same.
	text := head.with(forwarded + far).String()
	for i, want := range []int{404, 404, 404, 404, 404, 404, 403} {
		if got := statuses(h.send(proxyPeer, text)); !slices.Equal(got, []int{want}) {
			t.Errorf("attempt %d of another client got %v", i+1, got)
		}
	}
	h.pass(webhook.BanFor)
	h.Sweep()
	if got := h.logged("webhook.unbanned"); len(got) != 1 || got[0].ContextMap()["count"] != int64(webhook.BansAtMost) {
		t.Errorf("over are %v", got)
	}
}

func (h *hook) isTakenInAFlood(text string) {
	h.t.Helper()
	if got := statuses(h.send(proxyPeer, text)); !slices.Equal(got, []int{http.StatusOK}) {
		h.t.Errorf("Telegram got %v", got)
	}
}

// TestABurstFromTelegramIsNeverBanned, of whatever: wrong requests of others' bots,
// and more good ones than are taken.
func TestABurstFromTelegramIsNeverBanned(t *testing.T) {
	h := listenHook(t, func(o *WebhookOptions) {
		o.Policy.Additional = append(o.Policy.Additional, netip.MustParsePrefix("127.0.7.0/24"))
	})
	for i := range 300 {
		h.send(telegramPeer, h.ask(update(i+1)).secret("x").String())
	}
	taken := 0
	for i := range 120 {
		switch a := h.send(telegramPeer, h.ask(update(i+1)).String()); {
		case len(a) == 1 && a[0].status == http.StatusOK:
			taken++
		case len(a) != 1 || a[0].status != http.StatusTooManyRequests || a[0].header.Get("Retry-After") != "10":
			t.Fatalf("update %d got %+v", i+1, a)
		default:
			h.saysNothing(a[0])
		}
	}
	if taken != 50 {
		t.Errorf("%d were taken, want 50", taken)
	}
	h.isTaken("127.0.7.1", h.ask(update(1)).String()) // another of its addresses
	h.isBanned(telegramPeer, false)
}
