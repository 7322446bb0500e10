package telegram

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

const (
	// maxUpdate is the greatest update that is looked at, in bytes. It is the
	// webhook's limit too.
	maxUpdate = 1 << 20
	// maxGap is the greatest step between ids within one answer. Telegram counts
	// up by one; it starts anew at a random number only after a week without
	// updates, and then no earlier ones are left.
	maxGap = 1 << 20
)

// batch is an answer of getUpdates, sorted out.
type batch struct {
	// updates are to be handed over, by ascending id, each id once.
	updates []chat.Received
	// skipped are the ids of updates that can never be handled: not JSON, or
	// longer than maxUpdate. They are confirmed, or they would come for ever.
	skipped []int64
	// unusable counts elements without an update_id. Nothing can confirm them.
	unusable int
	// next is the offset that confirms updates and skipped and nothing else, or
	// 0 if there is nothing to confirm.
	next int64
	// behind is set when all ids are below the offset that was asked for: the
	// numbers began anew, or the server does not heed the offset.
	behind bool
}

// sortOut decides what becomes of each element of an answer to offset.
//
// The next offset is what a hostile or broken answer would like to have in its
// hand: too low and it loops us, too high and updates are lost that are not
// delivered yet. So only ids of this answer move it, only as far as there is no
// gap, and what lies beyond a gap is left for the next answer.
func sortOut(elements []json.RawMessage, offset int64) batch {
	var out batch
	var known []chat.Received
	for _, raw := range elements {
		id, ok := updateID(raw)
		if !ok {
			out.unusable++
			continue
		}
		known = append(known, chat.Received{ID: id, Data: raw})
	}
	slices.SortStableFunc(known, func(a, b chat.Received) int { return cmp.Compare(a.ID, b.ID) })
	known = slices.CompactFunc(known, func(a, b chat.Received) bool { return a.ID == b.ID })
	known, out.behind = upToGap(known, offset)
	for _, u := range known {
		if len(u.Data) > maxUpdate || !json.Valid(u.Data) {
			out.skipped = append(out.skipped, u.ID)
		} else {
			out.updates = append(out.updates, u)
		}
		out.next = u.ID + 1
	}
	return out
}

// upToGap drops what lies beyond the first gap, looking from the offset on.
// What is below the offset was confirmed before and should not be here: it is
// handed over all the same, since a repeat does no harm and a loss does.
func upToGap(known []chat.Received, offset int64) (kept []chat.Received, behind bool) {
	first := slices.IndexFunc(known, func(u chat.Received) bool { return u.ID >= offset })
	if first < 0 {
		first, behind = 0, len(known) > 0
	}
	for i := first + 1; i < len(known); i++ {
		if known[i].ID-known[i-1].ID > maxGap {
			return known[:i], behind
		}
	}
	return known, behind
}
