package telegram

import (
	"time"

	"github.com/go-telegram/bot/models"
)

// How long the webhook may fail before the bot polls (C6). One that failed
// before, and is tried again, gets less: what comes in that time is late.
const (
	webhookPatience = 5 * time.Minute
	trialPatience   = time.Minute
)

// vigil decides from what Telegram reports whether the webhook has failed: it
// reports errors, updates wait there, and nothing valid came, all of that for a
// while. Telegram's clock is not compared with ours.
type vigil struct {
	patience time.Duration
	// known is the date of the last error that is not about this webhook, or is
	// over.
	known int
	// failing is since when there are errors; the zero time: there are none.
	failing time.Time
	// taken is when the last valid update came, as of the last look.
	taken time.Time
}

// look is told what Telegram says, and when the last valid update came. why is
// Telegram's text, which is foreign; "": the webhook has not failed.
func (v *vigil) look(info *models.WebhookInfo, taken, now time.Time) (failed bool, why string) {
	if !taken.Equal(v.taken) || info.PendingUpdateCount == 0 {
		v.taken, v.known, v.failing = taken, info.LastErrorDate, time.Time{}
		return false, ""
	}
	// Telegram tries again later and later: between two tries the last error stays
	// what it is, and the failing goes on.
	if v.failing.IsZero() && info.LastErrorDate != v.known {
		v.failing = now
	}
	if v.failing.IsZero() || now.Sub(v.failing) < v.patience {
		return false, ""
	}
	return true, info.LastErrorMessage
}
