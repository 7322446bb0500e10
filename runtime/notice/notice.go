// Package notice tells admins what they should know: strangers who knock, blocks,
// problems of the config and of the state. What is about the bot's own work, and
// about no person and no secret, goes to the notification chats as well. Each kind
// is limited on its own, so that a flood of one hides no other.
package notice

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/security/ratelimit"
)

// Kind says what a notice is about.
type Kind string

// The kinds.
const (
	AboutStranger Kind = "stranger"       // somebody who is on no list wrote to the bot (A3)
	AboutBlock    Kind = "factor_blocked" // too many wrong codes of one admin (B3)
	AboutConfig   Kind = "config"         // the config is insecure, or a new one was refused
	AboutState    Kind = "state"          // the state cannot be written, or can again
	AboutWebhook  Kind = "webhook"        // the webhook does not work, or does again
	AboutModule   Kind = "module"         // a module is switched off after repeated faults
	AboutFile     Kind = "module_file"    // a file of the module folder waits for an admin, or is refused
)

// limit bounds a kind.
type limit struct {
	// quiet is for how long a second notice about the same subject is left out.
	quiet time.Duration
	// most notices go out within span, whatever they are about.
	most int
	span time.Duration
	// chats tells that the notification chats are told as well. Who is in there is
	// not known: nothing about persons, and nothing that helps an intruder.
	chats bool
}

// limits are those of all kinds. A stranger is told of once in 300 s (A3).
var limits = map[Kind]limit{
	AboutStranger: {quiet: 300 * time.Second, most: 10, span: 300 * time.Second},
	AboutBlock:    {quiet: 60 * time.Second, most: 10, span: 10 * time.Minute},
	AboutConfig:   {quiet: time.Minute, most: 10, span: time.Hour},
	AboutState:    {quiet: time.Minute, most: 10, span: time.Hour, chats: true},
	AboutWebhook:  {quiet: time.Minute, most: 10, span: time.Hour, chats: true},
	AboutModule:   {quiet: time.Minute, most: 10, span: time.Hour, chats: true},
	AboutFile:     {quiet: time.Minute, most: 10, span: 10 * time.Minute},
}

// Table remembers over a restart what was told.
type Table interface {
	Get(key []byte) (value []byte, expires time.Time, err error)
	PutLater(key, value []byte, expires time.Time)
}

// Chat is where a notice goes.
type Chat struct {
	// ID is a user's for the private chat with that user, negative for a group.
	ID int64
	// Topic is a forum topic's number; 0: none.
	Topic int
}

// Config is what Notices are made of. Every field is needed.
type Config struct {
	// Send delivers a text. It is called by one goroutine.
	Send   func(ctx context.Context, to Chat, text string) error
	Admins func() []int64
	// Chats are the notification chats.
	Chats func() []Chat
	Table Table
	Now   func() time.Time
	Log   *zap.Logger
}

// Notices are sent by [Notices.Run]. They are safe for concurrent use.
type Notices struct {
	Config
	mu      sync.Mutex
	windows map[Kind]*ratelimit.Window[int]
	// left counts what was left out of a kind since its last notice.
	left map[Kind]int
	// told is what was told lately, until when that is enough: what the table
	// will have in a moment.
	told  map[string]time.Time
	queue chan outgoing
}

type outgoing struct {
	to   Chat
	text string
}

// waitingAtMost bounds what waits to be sent; beyond it notices are left out.
const waitingAtMost = 256

// New returns Notices.
func New(c Config) *Notices {
	n := &Notices{Config: c, windows: map[Kind]*ratelimit.Window[int]{}, left: map[Kind]int{}, told: map[string]time.Time{}, queue: make(chan outgoing, waitingAtMost)}
	for kind, l := range limits {
		n.windows[kind] = ratelimit.New[int](l.most, l.span, 1)
	}
	return n
}

// Tell sends a text about a subject to every admin but one, and to the
// notification chats if the kind is for them, unless the same was told a moment
// ago, or too much of this kind was. It waits for nothing.
func (n *Notices) Tell(kind Kind, subject string, except int64, text string) {
	text, due := n.due(kind, subject, text)
	if !due {
		return
	}
	for _, to := range n.places(kind, except) {
		select {
		case n.queue <- outgoing{to, text}:
		default:
			n.Log.Warn("too many notices wait; one is left out", zap.String("event", "notice.dropped"), zap.String("kind", string(kind)))
		}
	}
}

// places are where a notice of a kind goes, each once.
func (n *Notices) places(kind Kind, except int64) (places []Chat) {
	for _, admin := range n.Admins() {
		if admin != except {
			places = append(places, Chat{ID: admin})
		}
	}
	if !limits[kind].chats {
		return places
	}
	for _, chat := range n.Chats() {
		if chat.ID != except && !slices.Contains(places, chat) {
			places = append(places, chat)
		}
	}
	return places
}

// Due reports whether something about a subject is to be told now, by other means
// than [Notices.Tell], and counts it as told. What was left out before is counted by
// the next one that is told here.
func (n *Notices) Due(kind Kind, subject string) bool {
	_, due := n.due(kind, subject, "")
	return due
}

// due decides, and adds to the text how much was left out.
func (n *Notices) due(kind Kind, subject, text string) (string, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	now, l, key := n.Now(), limits[kind], []byte(string(kind)+":"+subject)
	if l.most == 0 || n.quiet(key, now) {
		return "", false
	}
	if !n.windows[kind].Add(0, now).Allowed {
		n.left[kind]++
		return "", false
	}
	n.remember(key, now.Add(l.quiet))
	if left := n.left[kind]; left > 0 {
		these := "1 more notice of this kind was"
		if left > 1 {
			these = fmt.Sprintf("%d more notices of this kind were", left)
		}
		text += "\n(" + these + " left out before.)"
		n.left[kind] = 0
	}
	return text, true
}

// toldAtMost bounds what is remembered beside the table.
const toldAtMost = 256

func (n *Notices) remember(key []byte, until time.Time) {
	if len(n.told) >= toldAtMost {
		clear(n.told) // the table has them by now
	}
	n.told[string(key)] = until
	n.Table.PutLater(key, nil, until)
}

// quiet reports whether the same was told a moment ago. A table that cannot be
// read silences nothing.
func (n *Notices) quiet(key []byte, now time.Time) bool {
	if n.told[string(key)].After(now) {
		return true
	}
	_, until, err := n.Table.Get(key)
	return err == nil && until.After(now)
}

// Run sends until the context ends.
func (n *Notices) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case o := <-n.queue:
			if err := n.Send(ctx, o.to, o.text); err != nil && ctx.Err() == nil {
				// An admin who never wrote to the bot cannot be written to, nor can a
				// group that the bot was taken out of.
				n.Log.Info("a notice could not be delivered", zap.String("event", "notice.undelivered"), zap.Error(err))
			}
		}
	}
}
