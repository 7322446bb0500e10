package docker

import (
	"math"
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// position is a line's place in a log: its nanosecond since 1970, and which of
// the lines of that very nanosecond it is, from 1. A log only grows at its end,
// so a position goes on naming the same line. The zero position is before all.
type position struct {
	at  int64
	nth int
}

func (p position) before(q position) bool { return p.at < q.at || p.at == q.at && p.nth < q.nth }

// cursor is a line that a page begins or ends with. depth is about how many of
// the engine's messages lie from there to the end: a guess, since the log grows,
// from which a search begins instead of reading everything.
type cursor struct {
	position
	depth int
}

// farthest is more messages than an engine is asked for by number. Beyond it
// the whole log is asked for.
const farthest = 1 << 30

// latest is the last nanosecond of a cursor: the year 2248, as for a range. What
// is computed from it stays within 64 bits.
const latest = int64(1) << 43 * 1_000_000

// String is what a module gets, and gives back.
func (c cursor) String() string {
	return strconv.FormatInt(c.at, 36) + "." + strconv.Itoa(c.nth) + "." + strconv.Itoa(c.depth)
}

var errBadCursor = fail(abi.Invalid, "That is no place in a log.", nil)

// parseCursor reads what a module gave back, which may be anything.
func parseCursor(s string) (cursor, error) {
	parts := strings.Split(s, ".")
	if len(s) > 64 || len(parts) != 3 {
		return cursor{}, errBadCursor
	}
	at, err1 := strconv.ParseInt(parts[0], 36, 64)
	nth, err2 := strconv.Atoi(parts[1])
	depth, err3 := strconv.Atoi(parts[2])
	if err1 != nil || err2 != nil || err3 != nil || at < 0 || at > latest || nth < 0 || nth > math.MaxInt32 || depth < 0 || depth > farthest {
		return cursor{}, errBadCursor
	}
	return cursor{position{at, nth}, depth}, nil
}
