package hostcall

import (
	"context"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// NoticeTerms are on what terms a module tells something.
type NoticeTerms struct {
	// PerHour is the budget that the module is granted for the place.
	PerHour int
	// Containers tells that the notice may be about any container: whom the operator
	// keeps from some of them is not told.
	Containers bool
}

// Notifier sends what modules tell by themselves. Its errors are an [abi.Error]: limit over the
// budget, invalid for what cannot be shown, unavailable where nobody is there to
// be told, or too much waits.
type Notifier interface {
	Notify(ctx context.Context, module string, t NoticeTerms, n abi.Notice) (abi.NoticeQueued, error)
}

var errNoNotifier = refuse(abi.Unavailable, "Nothing is told from here.")

// notify checks to whom a module may write. What goes to the notification chats
// must not hold what was read within a session, by this request or by the one that
// led here: others read there, and nobody asked (A5).
func (s Sources) notify(ctx context.Context, c *Caller, n abi.Notice) (abi.NoticeQueued, error) {
	perHour := c.Grant.Notices(n.To)
	switch {
	case n.To != abi.NotifyAdmins && n.To != abi.NotifyChats:
		return abi.NoticeQueued{}, errNonsense
	case perHour == 0:
		return abi.NoticeQueued{}, refuse(abi.Denied, "This module may not write there.")
	case n.To == abi.NotifyChats && c.Pass != nil && c.Pass.Revealed != "":
		c.Log.Warn("a notice is not sent into the notification chats", zap.String("event", "capability.denied"),
			zap.String("capability", string(c.Pass.Revealed)), zap.String("reason", capability.ReasonPrivate))
		return abi.NoticeQueued{}, refuse(abi.Denied, "What was read within a session is not told to a group.")
	case len(n.Blocks) == 0:
		return abi.NoticeQueued{}, errNonsense
	case s.Notifier == nil:
		return abi.NoticeQueued{}, errNoNotifier
	}
	return s.Notifier.Notify(ctx, c.Module, NoticeTerms{perHour, c.Grant.SeesContainers()}, n)
}
