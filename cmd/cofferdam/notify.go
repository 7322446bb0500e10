package main

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/notice"
	"github.com/cofferdam-bot/cofferdam/runtime/render"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// notifier sends what modules tell by themselves, each within its budget. What it
// took waits in memory: a bot that stops drops it.
type notifier struct {
	// post sends a reply that nobody asked for. user is whose buttons they are; 0:
	// it has none.
	post   func(ctx context.Context, to chat.Address, user int64, module string, reply abi.Reply) error
	admins func() []int64
	// reach is how far an admin sees now.
	reach  func(user int64) capability.Reach
	chats  func() []notice.Chat
	table  notice.Table
	now    func() time.Time
	log    *zap.Logger
	outbox *notice.Outbox

	mu sync.Mutex
	// spent is what was spent of budgets, by their keys in the table: what that will
	// have in a moment.
	spent map[string][]byte
}

// openNotifier comes before the modules that ask for it.
func (a *app) openNotifier(o options) *notifier {
	n := &notifier{
		post: a.post, admins: a.met.admins, reach: a.met.reach, chats: a.met.chats,
		table: a.store.Table(store.Notices), now: o.now, log: a.log.Named("notice"), outbox: notice.NewOutbox(), spent: map[string][]byte{},
	}
	a.closing(func(context.Context) error { n.outbox.Close(); return nil })
	return n
}

// Notify implements [hostcall.Notifier].
func (n *notifier) Notify(_ context.Context, module string, t hostcall.NoticeTerms, q abi.Notice) (abi.NoticeQueued, error) {
	if !fits(q) {
		return abi.NoticeQueued{}, &abi.Error{Code: abi.Invalid, Message: "That notice cannot be shown."}
	}
	cost := n.messages(module, q)
	left, ok := n.spendAll(module, q.To, t.PerHour, cost)
	if !ok {
		return abi.NoticeQueued{}, &abi.Error{Code: abi.Limit, Message: fmt.Sprintf("This module may send %d notices an hour there, and did.", t.PerHour)}
	}
	if !n.outbox.Put(module, func(ctx context.Context) { n.send(ctx, module, t, q) }) {
		n.refund(module, q.To, cost)
		return abi.NoticeQueued{}, &abi.Error{Code: abi.Limit, Message: "Too many notices wait to be delivered."}
	}
	return abi.NoticeQueued{Left: left}, nil
}

// fits reports whether a notice can be shown as a reply can.
func fits(q abi.Notice) bool {
	encoded, err := json.Marshal(abi.Reply{Blocks: q.Blocks, Keyboard: q.Keyboard})
	if err != nil || len(q.Blocks) == 0 {
		return false
	}
	_, err = render.Parse(encoded)
	return err == nil
}

// messages is how many of them a notice is for each who gets it: so often does a phone
// ring.
func (n *notifier) messages(module string, q abi.Notice) int {
	rendered := render.ReplyOf(module, abi.Reply{Blocks: q.Blocks, Keyboard: q.Keyboard}, n.now(), time.UTC, func(int) string { return "" })
	return max(len(rendered.Texts)+len(rendered.Files), 1)
}

// spendAll takes several from a module's budget for a place, or none.
func (n *notifier) spendAll(module, place string, perHour, several int) (left int, ok bool) {
	for spent := range several {
		if left, ok = n.spend(module, place, perHour); !ok {
			n.refund(module, place, spent)
			return 0, false
		}
	}
	return left, true
}

// spentAtMost bounds what is remembered beside the table.
const spentAtMost = 2_048

// spend takes one from a module's budget for a place.
func (n *notifier) spend(module, place string, perHour int) (left int, ok bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key, now := budgetKey(module, place), n.now()
	spent, known := n.spent[key]
	if !known {
		// A table that cannot be read silences nothing.
		spent, _, _ = n.table.Get([]byte(key))
	}
	spent, left, ok = notice.Spend(spent, perHour, now)
	if len(n.spent) >= spentAtMost {
		clear(n.spent) // the table has them by now
	}
	n.spent[key] = spent
	if ok {
		n.table.PutLater([]byte(key), spent, now.Add(notice.BudgetSpan))
	}
	return left, ok
}

// refund gives back what was spent last: nothing was sent for it.
func (n *notifier) refund(module, place string, several int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	key := budgetKey(module, place)
	if spent := n.spent[key]; len(spent) >= 4*several && several > 0 {
		n.spent[key] = spent[:len(spent)-4*several]
		n.table.PutLater([]byte(key), n.spent[key], n.now().Add(notice.BudgetSpan))
	}
}

func budgetKey(module, place string) string { return "budget:" + place + ":" + module }

// send delivers a notice to everybody it is for: those who are on the lists now.
func (n *notifier) send(ctx context.Context, module string, t hostcall.NoticeTerms, q abi.Notice) {
	deliver := func(to chat.Address, user int64, reply abi.Reply) {
		if err := n.post(ctx, to, user, module, reply); err != nil && ctx.Err() == nil {
			n.log.Info("a module's notice could not be delivered", zap.String("event", "notice.undelivered"), zap.String("module", module), zap.Error(err))
		}
	}
	if q.To == abi.NotifyAdmins {
		for _, admin := range n.admins() {
			if t.Containers && !n.reach(admin).Unlimited() {
				continue
			}
			deliver(chat.Address{Chat: admin}, admin, abi.Reply{Blocks: q.Blocks, Keyboard: q.Keyboard})
		}
		return
	}
	for _, c := range n.chats() {
		if t.Containers && c.ID > 0 && !n.reach(c.ID).Unlimited() { // a private chat is its user's
			continue
		}
		deliver(chat.Address{Chat: c.ID, Thread: c.Topic, Group: c.ID < 0}, 0, abi.Reply{Blocks: q.Blocks})
	}
}

// post sends a reply that nobody asked for.
func (a *app) post(ctx context.Context, to chat.Address, user int64, module string, reply abi.Reply) error {
	return a.pipeline.Post(ctx, to, user, module, reply)
}
