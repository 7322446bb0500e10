// Package dedup is the window of updates that are known to have been handled,
// in which a repeat is found (A6). It is pure: the time is passed in.
package dedup

import "time"

// The window of rule A6. An id stays in it for 24 hours, and the latest 8,192
// stay however old they are: Telegram repeats what was not confirmed for 24
// hours. The upper bound is ours, about 6 MiB on disk.
const (
	For   = 24 * time.Hour
	Least = 8_192
	Most  = 65_536
)

// Seen is the id of an update, and when it was accepted.
type Seen struct {
	ID int64
	At time.Time
}

// Forget returns which ids leave the window: the first so many of those that
// were seen. They come in the order in which they were accepted, which is
// neither that of ids (Telegram may begin again with a random lower one after a
// quiet week) nor, where a clock was set back, that of times. A time ahead of
// now is a clock that was set back: the id stays, as does what came after it.
func Forget(seen []Seen, now time.Time) []Seen {
	n := 0
	for left := len(seen); left > Least; left-- {
		if left <= Most && now.Sub(seen[n].At) < For {
			break
		}
		n++
	}
	return seen[:n]
}
