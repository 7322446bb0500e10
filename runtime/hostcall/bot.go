package hostcall

import (
	"context"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Bot describes the bot itself, as a user of that role sees it.
type Bot interface {
	Describe(role string) abi.BotInfo
}

func (s Sources) bot(_ context.Context, c *Caller, _ abi.BotQuery) (abi.BotInfo, error) {
	if s.Bot == nil {
		return abi.BotInfo{}, refuse(abi.Unavailable, "Nothing is known about the bot here.")
	}
	return s.Bot.Describe(c.Actor.Role), nil
}
