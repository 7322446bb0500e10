package hostcall

import (
	"context"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Notifier sends what modules tell by themselves. perHour is the budget that the
// module is granted for the place. Over it the error is an [abi.Error] with limit.
type Notifier interface {
	Notify(ctx context.Context, module string, perHour int, n abi.Notice) (abi.NoticeQueued, error)
}

var errNoNotifier = refuse(abi.Unavailable, "Nothing is told from here.")

func (s Sources) notify(ctx context.Context, c *Caller, n abi.Notice) (abi.NoticeQueued, error) {
	perHour := c.Grant.Notices(n.To)
	switch {
	case n.To != abi.NotifyAdmins && n.To != abi.NotifyChats:
		return abi.NoticeQueued{}, errNonsense
	case perHour == 0:
		return abi.NoticeQueued{}, refuse(abi.Denied, "This module may not write there.")
	case s.Notifier == nil:
		return abi.NoticeQueued{}, errNoNotifier
	}
	return s.Notifier.Notify(ctx, c.Module, perHour, n)
}
