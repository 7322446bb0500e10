package health

import (
	"strconv"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Disk is how keeping something goes.
type Disk struct {
	// Path is where it is kept; empty: in memory.
	Path string
	// Unwritable is set while the disk takes nothing.
	Unwritable bool
	// Since is when that began, or ended; the zero time: never.
	Since time.Time
	// LastError is one clean line; it stays after things went well again.
	LastError string
}

// State is how the state file does.
type State struct {
	Disk
	// Waiting is how many updates are not done yet.
	Waiting int
	// Free is what the file system has left, in bytes, if FreeKnown.
	Free      uint64
	FreeKnown bool
}

// Bounds of what the state file may need: the journal, keyboards and the
// history, with room for bbolt to write pages anew.
const (
	littleSpace = 256 << 20
	noSpace     = 16 << 20
	// manyWaiting is how many updates wait at most where all is well: a few
	// seconds of a group in which everybody types.
	manyWaiting = 200
)

const (
	makeSpace  = "Make room on the state directory's disk, or mount it writable. The bot goes on by itself then."
	lookAtLoad = "Look at the log for what is slow: Docker, Telegram, a module."
)

// Journal looks at the state file, with the updates that wait in it.
func Journal(state func() State) Part {
	return always(func() Finding { return journal(state()) })
}

func journal(s State) Finding {
	f := Finding{Name: "State", State: abi.HealthOK, Since: s.Since}
	place := ""
	if s.Path != "" {
		place = "It is in " + s.Path + "."
	}
	switch {
	case s.Unwritable:
		f.State, f.Detail = abi.HealthFail, "The state cannot be written, so nothing is done that has to be recorded."
		f.Reason, f.Advice = sentences(place, stop(s.LastError)), makeSpace
	case s.Path != "" && s.FreeKnown && s.Free < noSpace:
		f.State, f.Detail, f.Advice = abi.HealthFail, "The disk of the state is full: "+mebibytes(s.Free)+" are free.", makeSpace
		f.Reason, f.Since = place, time.Time{}
	case s.Path != "" && s.FreeKnown && s.Free < littleSpace:
		f.State, f.Detail, f.Advice = abi.HealthWarn, "The disk of the state is nearly full: "+mebibytes(s.Free)+" are free.", makeSpace
		f.Reason, f.Since = place, time.Time{}
	case s.Waiting > manyWaiting:
		f.State, f.Detail, f.Advice = abi.HealthWarn, count(s.Waiting, "update")+" wait to be handled.", lookAtLoad
		f.Since = time.Time{}
	case s.Path == "":
		f.Detail = "It is kept in memory, and ends with the bot."
	default:
		f.Detail = "It can be written; " + waiting(s.Waiting) + "."
	}
	return f
}

func waiting(n int) string {
	if n == 1 {
		return "1 update is under way" // the one that asks
	}
	return count(n, "update") + " are under way"
}

func mebibytes(n uint64) string { return strconv.FormatUint(n>>20, 10) + " MiB" }

const lookAtAudit = "Look at the audit log and its disk: `cofferdam audit verify` says whether it is whole. Until it can be written, nothing is done to containers."

// Audit looks at the audit log.
func Audit(disk func() Disk) Part {
	return always(func() Finding { return trail(disk()) })
}

func trail(d Disk) Finding {
	f := Finding{Name: "Audit log", State: abi.HealthOK, Since: d.Since}
	switch {
	case d.Unwritable:
		f.State, f.Detail, f.Reason, f.Advice = abi.HealthFail, "Records cannot be written, so nothing is done that has to be recorded.", stop(d.LastError), lookAtAudit
	case d.Path == "":
		f.Detail = "It is kept in memory, and ends with the bot."
	default:
		f.Detail = "Records are written."
	}
	return f
}
