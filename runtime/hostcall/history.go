package hostcall

import (
	"context"
	"fmt"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// History is what the sampler kept. Errors carry an [abi.Error].
type History interface {
	Machine(ctx context.Context, q abi.HistoryQuery) (abi.History, error)
	// Container asks keep once about its container.
	Container(ctx context.Context, q abi.ContainerHistoryQuery, keep Keep) (abi.History, error)
}

var errNoHistory = refuse(abi.Unavailable, "Nothing is measured here over time.")

func (s Sources) history(ctx context.Context, _ *Caller, q abi.HistoryQuery) (abi.History, error) {
	if err := s.machine(q.Host); err != nil {
		return abi.History{}, err
	}
	if s.History == nil {
		return abi.History{}, errNoHistory
	}
	return s.History.Machine(ctx, q)
}

func (s Sources) containerHistory(ctx context.Context, c *Caller, q abi.ContainerHistoryQuery) (abi.History, error) {
	if s.History == nil {
		return abi.History{}, errNoHistory
	}
	w := watch(c, capability.ContainersStats)
	history, err := s.History.Container(ctx, q, w.keep)
	if err == nil && !w.last {
		err = fmt.Errorf("the history of %q came without a look at the scope", q.ID)
	}
	if err != nil {
		return abi.History{}, err
	}
	return history, nil
}
