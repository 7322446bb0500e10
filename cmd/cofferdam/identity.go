package main

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/go-telegram/bot/models"
	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram"
	"github.com/cofferdam-bot/cofferdam/security/access"
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
	a.insist(ctx, "setMyCommands", func() error {
		return a.client.SetMyCommands(ctx, &models.BotCommandScopeDefault{}, a.commandsOf(abi.RoleStranger)...)
	})
	for _, user := range a.cfg.AccessControl.AllowedUserIDs {
		a.publish(ctx, user)
	}
	// Telegram keeps no commands for a chat in which nobody has written yet.
	for {
		select {
		case <-ctx.Done():
			return
		case user := <-a.met.users:
			a.publish(ctx, user)
		}
	}
}

// publish tells Telegram which commands a user sees in the private chat.
func (a *app) publish(ctx context.Context, user int64) {
	role := a.met.Lists.Decide(user, user, true).Role.String()
	a.insist(ctx, "setMyCommands", func() error {
		return a.client.SetMyCommands(ctx, &models.BotCommandScopeChat{ChatID: user}, a.commandsOf(role)...)
	})
}

// met is who may use the bot, and notices who wrote for the first time since
// the start.
type met struct {
	access.Lists
	seen  sync.Map // of user ids
	users chan int64
}

func newMet(lists access.Lists) *met { return &met{Lists: lists, users: make(chan int64, 64)} }

// Decide is that of the lists.
func (m *met) Decide(user, chat int64, private bool) access.Decision {
	decision := m.Lists.Decide(user, chat, private)
	if decision.Allowed && private {
		if _, again := m.seen.LoadOrStore(user, true); !again {
			select {
			case m.users <- user:
			default: // published at the next start
			}
		}
	}
	return decision
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
