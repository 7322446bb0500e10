package notice

import (
	"encoding/binary"
	"time"
)

// BudgetSpan is the time over which a budget holds.
const BudgetSpan = time.Hour

// MaxBudget bounds a budget: what was spent of it must fit into a table's entry.
const MaxBudget = 1000

// Spend spends one of a budget of most within any hour. spent is what was spent
// before, as Spend returned it: four bytes of seconds for each. ok is false if
// nothing is left, and then nothing changes; left is how many more there are. It is
// pure. A moment that lies ahead, since the clock was put back, counts as now.
func Spend(spent []byte, most int, now time.Time) (after []byte, left int, ok bool) {
	most = min(most, MaxBudget)
	second := uint32(now.Unix())
	for ; len(spent) >= 4; spent = spent[4:] {
		at := min(binary.BigEndian.Uint32(spent), second)
		if time.Duration(second-at)*time.Second < BudgetSpan {
			after = binary.BigEndian.AppendUint32(after, at)
		}
	}
	if len(after)/4 >= most {
		return after, 0, false
	}
	after = binary.BigEndian.AppendUint32(after, second)
	return after, most - len(after)/4, true
}
