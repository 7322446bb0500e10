package emulator

import (
	"math"
	"time"
)

// Flood sets the limits for calls that send or edit messages. A limit of 0 is off. What Telegram says of its own is in
// https://core.telegram.org/bots/faq#my-bot-is-hitting-limits-how-do-i-avoid-this; TelegramFlood has those figures.
type Flood struct {
	Overall   int // in any second, to all chats
	Chat      int // per second, to one chat, on average
	ChatBurst int // at once, to one chat; 0 means Chat
	Group     int // in any minute, to one group
}

// TelegramFlood is 30 messages a second overall, 1 a second to one chat in bursts of 10, and 20 a minute to one group.
func TelegramFlood() Flood { return Flood{Overall: 30, Chat: 1, ChatBurst: 10, Group: 20} }

// floodgate counts what went through. Server.mu guards it.
type floodgate struct {
	limits  Flood
	overall *window
	chats   map[int64]*window
	groups  map[int64]*window
}

func newFloodgate(f Flood) *floodgate {
	if f.ChatBurst == 0 {
		f.ChatBurst = f.Chat
	}
	return &floodgate{
		limits: f, overall: newWindow(f.Overall, time.Second),
		chats: make(map[int64]*window), groups: make(map[int64]*window),
	}
}

// admit gives the refusal for a call to a chat at this moment, or nil. Refused calls do not count.
func (g *floodgate) admit(chatID int64, now time.Time) error {
	wait := time.Duration(0)
	for _, w := range g.windows(chatID) {
		wait = max(wait, w.wait(now))
	}
	if wait > 0 {
		return tooManyRequests(int(math.Ceil(wait.Seconds())))
	}
	return nil
}

// count notes a call that went through.
func (g *floodgate) count(chatID int64, now time.Time) {
	for _, w := range g.windows(chatID) {
		w.count(now)
	}
}

func (g *floodgate) windows(chatID int64) []*window {
	if g.limits == (Flood{}) {
		return nil
	}
	ws := []*window{g.overall}
	if g.limits.Chat > 0 {
		// A burst of n at a rate of r is n messages in any n/r seconds.
		span := time.Duration(g.limits.ChatBurst) * time.Second / time.Duration(g.limits.Chat)
		ws = append(ws, windowOf(g.chats, chatID, g.limits.ChatBurst, span))
	}
	if g.limits.Group > 0 && chatID < 0 {
		ws = append(ws, windowOf(g.groups, chatID, g.limits.Group, time.Minute))
	}
	return ws
}

func windowOf(all map[int64]*window, id int64, limit int, span time.Duration) *window {
	if all[id] == nil {
		all[id] = newWindow(limit, span)
	}
	return all[id]
}

// window lets a number of events through in any span of time. It remembers the times of that many events, in a ring.
type window struct {
	span time.Duration
	ring []time.Time
	at   int
}

func newWindow(limit int, span time.Duration) *window {
	return &window{span: span, ring: make([]time.Time, max(limit, 0))}
}

// wait is how long the next event must wait. The oldest event of a full ring is the one to be overwritten next.
func (w *window) wait(now time.Time) time.Duration {
	if len(w.ring) == 0 || w.ring[w.at].IsZero() {
		return 0
	}
	return max(0, w.ring[w.at].Add(w.span).Sub(now))
}

func (w *window) count(now time.Time) {
	if len(w.ring) == 0 {
		return
	}
	w.ring[w.at] = now
	w.at = (w.at + 1) % len(w.ring)
}
