package health

import (
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Bounds of what the clock may be off. A code of a second factor is good for
// 30 s, and those beside it count as well (B4).
const (
	clockWarn = 15 * time.Second
	clockFail = 60 * time.Second
)

// earliest is before any version of this program: a clock that shows less was
// never set, as those of boards without a battery after a cut.
var earliest = time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)

const setClock = "Let the machine keep time with NTP (timedatectl set-ntp true): codes of second factors depend on its clock."

// Clock looks at the machine's clock. ahead is how far it is before Telegram's,
// below zero behind it; false: nothing came from Telegram yet.
func Clock(ahead func() (time.Duration, bool), now func() time.Time) Part {
	return always(func() Finding {
		d, known := ahead()
		return clock(d, known, now())
	})
}

func clock(ahead time.Duration, known bool, now time.Time) Finding {
	f := Finding{Name: "Clock", State: abi.HealthOK}
	off, direction := ahead, "ahead of"
	if off < 0 {
		off, direction = -max(off, -1<<62), "behind"
	}
	switch {
	case now.Before(earliest):
		f.State, f.Detail, f.Advice = abi.HealthFail, "The machine's clock was never set: it shows "+now.UTC().Format(time.DateOnly)+".", setClock
		return f
	case !known:
		f.Detail = "There is nothing to compare it with yet."
		return f
	case off < clockWarn:
		f.Detail = "It goes with Telegram's."
		return f
	case off < clockFail:
		f.State = abi.HealthWarn
	default:
		f.State = abi.HealthFail
	}
	f.Detail, f.Advice = "The machine's clock is "+ago(off)+" "+direction+" Telegram's.", setClock
	return f
}
