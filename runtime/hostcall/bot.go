package hostcall

import (
	"context"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Bot describes the bot itself, as a user of that role sees it.
type Bot interface {
	Describe(role string) abi.BotInfo
}

// Health knows how the bot does, and whether there is a newer release of it.
type Health interface {
	// Health tells what a user of that role may know.
	Health(ctx context.Context, role string) (abi.BotHealth, error)
	Release(ctx context.Context) (abi.BotRelease, error)
}

var errNoHealth = refuse(abi.Unavailable, "Nothing is known about the bot here.")

func (s Sources) health(ctx context.Context, c *Caller, _ abi.BotQuery) (abi.BotHealth, error) {
	if s.Health == nil {
		return abi.BotHealth{}, errNoHealth
	}
	return s.Health.Health(ctx, c.Actor.Role)
}

func (s Sources) release(ctx context.Context, _ *Caller, _ abi.BotQuery) (abi.BotRelease, error) {
	if s.Health == nil {
		return abi.BotRelease{}, errNoHealth
	}
	return s.Health.Release(ctx)
}

func (s Sources) bot(_ context.Context, c *Caller, _ abi.BotQuery) (abi.BotInfo, error) {
	if s.Bot == nil {
		return abi.BotInfo{}, errNoHealth
	}
	return s.Bot.Describe(c.Actor.Role), nil
}
