package health

import (
	"strings"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Module is a module as its loader knows it.
type Module struct {
	Name string
	// Loading is set while it is compiled: its commands wait.
	Loading bool
	// Refused says why it does not run; empty: it does.
	Refused string
	// Unwanted is set if the operator switched it off with an empty grant.
	Unwanted bool
	// OffUntil is when it comes back that is off after repeated faults; the zero
	// time: it runs.
	OffUntil time.Time
}

const (
	lookAtModule = "On the host, `cofferdam module list` says why, and the log has the reason."
	noModules    = "On the host, `cofferdam module list` says why. Without modules the bot can do nothing."
)

// Modules looks at all modules.
func Modules(list func() []Module) Part {
	return always(func() Finding { return modules(list()) })
}

func modules(list []Module) Finding {
	f := Finding{Name: "Modules", State: abi.HealthOK}
	var off, refused, reasons []string
	running, loading := 0, 0
	for _, m := range list {
		switch {
		case m.Unwanted:
		case m.Refused != "":
			refused = append(refused, m.Name)
			reasons = append(reasons, stop(m.Name+": "+m.Refused))
		case !m.OffUntil.IsZero():
			off = append(off, m.Name)
			reasons = append(reasons, m.Name+" comes back by itself at "+m.OffUntil.Format("15:04")+".")
		case m.Loading:
			loading++
		default:
			running++
		}
	}
	var said []string
	if loading > 0 {
		said = append(said, count(loading, "module")+" still loading")
	}
	if len(off) > 0 {
		said = append(said, "switched off after faults: "+few(off))
	}
	if len(refused) > 0 {
		said = append(said, "not loaded: "+few(refused))
	}
	f.Detail = strings.Join(append([]string{count(running, "module") + " loaded"}, said...), "; ") + "."
	switch {
	case running+loading == 0:
		f.State, f.Advice = abi.HealthFail, noModules
	case len(off)+len(refused) > 0:
		f.State, f.Advice = abi.HealthWarn, lookAtModule
	}
	f.Reason = sentences(reasons[:min(len(reasons), maxNamed)]...)
	return f
}

// maxNamed is how many names a sentence has at most.
const maxNamed = 5

func few(names []string) string {
	text := strings.Join(names[:min(len(names), maxNamed)], ", ")
	if more := len(names) - maxNamed; more > 0 {
		text += " and " + count(more, "other")
	}
	return text
}
