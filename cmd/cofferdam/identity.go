package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-telegram/bot/models"
	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/notice"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// identity is what the bot knows of itself once Telegram was asked.
type identity struct {
	once  sync.Once
	known chan struct{}
	name  string
}

func newIdentity() *identity { return &identity{known: make(chan struct{})} }

func (i *identity) set(username string) {
	i.once.Do(func() { i.name = username; close(i.known) })
}

// nameWait is how long a command with @ waits to know whether it is meant for
// this bot.
const nameWait = 5 * time.Second

// username returns the bot's own, as soon as it is known.
func (i *identity) username(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, nameWait)
	defer cancel()
	select {
	case <-i.known:
		return i.name, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// introduce learns who the bot is and publishes its commands. Both are tried
// until they work: Telegram may be away at the start.
func (a *app) introduce(ctx context.Context) {
	a.insist(ctx, "getMe", func() error {
		me, err := a.client.GetMe(ctx)
		if err == nil {
			a.identity.set(me.Username)
			a.log.Info("Telegram knows this bot", zap.String("event", "telegram.identity"), zap.String("username", me.Username))
		}
		return err
	})
	a.met.outdated.add(everybody)
	a.met.outdated.add(a.cfg.AccessControl.AllowedUserIDs...)
	for {
		user, err := a.met.outdated.next(ctx)
		if err != nil {
			return
		}
		a.publish(ctx, user)
	}
}

// everybody stands for who has no list of commands of his own. It is no user's
// id.
const everybody = 0

// publish tells Telegram which commands a user sees in the private chat. Who
// may not use the bot sees those for everybody.
func (a *app) publish(ctx context.Context, user int64) {
	var scope models.BotCommandScope = &models.BotCommandScopeChat{ChatID: user}
	if user == everybody {
		scope = &models.BotCommandScopeDefault{}
	}
	a.insist(ctx, "setMyCommands", func() error {
		role := a.met.people.Load().Decide(user, user, true).Role
		return a.client.SetMyCommands(ctx, scope, a.commandsOf(role.String())...)
	})
}

// met is who may use the bot, and notices who wrote for the first time since
// the start: Telegram keeps no commands for a chat in which nobody has written
// yet.
type met struct {
	people   atomic.Pointer[people]
	seen     sync.Map // of user ids
	outdated outdated
}

// people is who may use the bot, how far each reaches, and which chats are told
// of its work: they change at the same moment, so that nobody is let in without
// his restriction.
type people struct {
	access.Lists
	reaches capability.Reaches
	chats   []notice.Chat
}

func peopleOf(cfg *config.Config) people {
	// A pattern that cannot be read was refused with the config; here it would
	// leave its user with nothing.
	reaches, _ := capability.NewReaches(cfg.AccessControl.Reach())
	p := people{Lists: access.New(policy(cfg)), reaches: reaches}
	for _, chat := range cfg.ChatID.GlobalChatID {
		p.chats = append(p.chats, notice.Chat{ID: chat.ID, Topic: chat.Topic})
	}
	return p
}

func newMet(p people) *met {
	m := &met{outdated: outdated{more: make(chan struct{}, 1)}}
	m.people.Store(&p)
	return m
}

// Decide is that of the lists.
func (m *met) Decide(user, chat int64, private bool) access.Decision {
	decision := m.people.Load().Decide(user, chat, private)
	if decision.Allowed && private {
		if _, again := m.seen.LoadOrStore(user, true); !again {
			m.outdated.add(user)
		}
	}
	return decision
}

// admins are those of the lists now.
func (m *met) admins() []int64 { return m.people.Load().Admins() }

// chats are the notification chats now.
func (m *met) chats() []notice.Chat { return m.people.Load().chats }

// reach is how far a user reaches now.
func (m *met) reach(user int64) capability.Reach { return m.people.Load().reaches.Of(user) }

// replace puts other lists in the place of those that there are. From its
// return on nobody is let in by the old ones.
func (m *met) replace(p people) access.Change {
	return access.Compare(m.people.Swap(&p).Lists, p.Lists)
}

// outdated are the users whose list of commands is to be published, each once.
// There are no more of them than were on the lists since the start.
type outdated struct {
	mu    sync.Mutex
	users []int64
	more  chan struct{} // has room for one
}

func (o *outdated) add(users ...int64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, user := range users {
		if !slices.Contains(o.users, user) {
			o.users = append(o.users, user)
		}
	}
	select {
	case o.more <- struct{}{}:
	default:
	}
}

// next waits for a user, and takes him out.
func (o *outdated) next(ctx context.Context) (int64, error) {
	for {
		if user, ok := o.first(); ok {
			return user, nil
		}
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case <-o.more:
		}
	}
}

func (o *outdated) first() (user int64, ok bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if len(o.users) == 0 {
		return 0, false
	}
	user, o.users = o.users[0], o.users[1:]
	return user, true
}

// insist repeats a call while Telegram is away. What Telegram refuses is
// logged and left: nobody can wait for it.
func (a *app) insist(ctx context.Context, what string, call func() error) {
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		err := call()
		if err == nil || ctx.Err() != nil {
			return
		}
		pause := wait/2 + rand.N(wait/2+1) // jitter, so that bots do not come back as one
		var refusal *telegram.Error
		switch {
		case errors.Is(err, telegram.ErrTooManyRequests) && errors.As(err, &refusal):
			pause = max(pause, refusal.RetryAfter)
		case !errors.Is(err, telegram.ErrUnavailable):
			a.log.Info("Telegram does not want this now", zap.String("event", "telegram.refused"), zap.String("call", what), zap.Error(err))
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

func (a *app) commandsOf(role string) []models.BotCommand {
	var list []models.BotCommand
	for _, c := range a.registry.Describe(role).Commands {
		list = append(list, models.BotCommand{Command: c.Name, Description: c.Description})
	}
	return list
}
