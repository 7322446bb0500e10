// Package health says how the parts of the bot do: whether Telegram and Docker
// answer, whether the disk takes what must be kept, whether modules run. Facts
// come from the parts, through small functions and interfaces; what they mean is
// decided here, by functions that do nothing else.
//
// Whoever asks, a chat or a command on the host, gets the same [Report], as their
// role may know it.
package health

import (
	"context"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Finding is how one part does.
type Finding struct {
	// Name is the part's, such as "Docker".
	Name string
	// State is abi.HealthOK, abi.HealthWarn or abi.HealthFail.
	State string
	// Detail is a plain sentence for every user: no paths, addresses and texts of
	// errors.
	Detail string
	// Reason is what it leaves out, for admins: a sentence as well.
	Reason string
	// Advice says what to do where the state is not abi.HealthOK. It is for
	// admins: others can do nothing but tell one.
	Advice string
	// Since is when the state began; the zero time: the part does not know.
	Since time.Time
	// Endpoint is the Docker endpoint that the finding is about; empty: none.
	Endpoint string
}

// Part is looked at. It returns when the context ends at the latest.
type Part func(context.Context) []Finding

// Check looks at parts. Its fields are set before the first Look; it is safe for
// concurrent use then.
type Check struct {
	Version string
	Started time.Time
	Now     func() time.Time
	Parts   []Part

	mu   sync.Mutex
	seen map[string]seen
}

// seen is the state that a part was found in, and when that was first so.
type seen struct {
	state string
	since time.Time
}

// Deadline is by when a look ends: parts that do not answer until then are
// reported as such. It leaves a command most of its ten seconds, and nobody is shown
// meanwhile that it takes long.
const Deadline = 2500 * time.Millisecond

// Report is how all parts do at one moment.
type Report struct {
	Version  string
	Started  time.Time
	At       time.Time
	Findings []Finding
}

// Look asks all parts side by side. Findings come in the order of Parts.
func (c *Check) Look(ctx context.Context) Report {
	ctx, cancel := context.WithTimeout(ctx, Deadline)
	defer cancel()
	found := make([][]Finding, len(c.Parts))
	var parts sync.WaitGroup
	for i, part := range c.Parts {
		parts.Go(func() { found[i] = part(ctx) })
	}
	parts.Wait()
	r := Report{Version: c.Version, Started: c.Started, At: c.Now(), Findings: slices.Concat(found...)}
	c.date(r.Findings, r.At)
	return r
}

// date fills in when a state began where the part does not know: when it was
// first seen so. A part that was never seen otherwise, and is well, has no date.
func (c *Check) date(findings []Finding, now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next := make(map[string]seen, len(findings))
	for i := range findings {
		f := &findings[i]
		before, known := c.seen[f.Name]
		switch {
		case known && before.state == f.State:
		case known || f.State != abi.HealthOK:
			before = seen{f.State, now}
		default:
			before = seen{state: f.State}
		}
		if next[f.Name] = before; f.Since.IsZero() {
			f.Since = before.since
		}
	}
	c.seen = next
}

// State is that of the part that does worst; abi.HealthOK without any.
func (r Report) State() string {
	worst := abi.HealthOK
	for _, f := range r.Findings {
		if badness(f.State) > badness(worst) {
			worst = f.State
		}
	}
	return worst
}

// badness orders states. What is no state is as bad as can be.
func badness(state string) int {
	if i := slices.Index([]string{abi.HealthOK, abi.HealthWarn, abi.HealthFail}, state); i >= 0 {
		return i
	}
	return 3
}

// For is the report as somebody of that role may know it: reasons and advice are
// for admins.
func (r Report) For(role string) abi.BotHealth {
	out := abi.BotHealth{
		Version: r.Version, Started: r.Started.UnixMilli(), Memory: resident(), Goroutines: runtime.NumGoroutine(),
		Components: []abi.Component{},
	}
	for _, f := range r.Findings {
		c := abi.Component{Name: f.Name, State: f.State, Detail: f.Detail, Endpoint: f.Endpoint}
		if role == abi.RoleAdmin {
			c.Detail, c.Advice = sentences(f.Detail, f.Reason), f.Advice
		}
		if !f.Since.IsZero() {
			c.Since = f.Since.UnixMilli()
		}
		out.Components = append(out.Components, c)
	}
	return out
}

// sentences puts one behind the other; either may be empty.
func sentences(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), " ")
}

// stop makes a sentence of an error's text.
func stop(text string) string {
	if text == "" || strings.HasSuffix(text, ".") || strings.HasSuffix(text, "?") || strings.HasSuffix(text, "…") {
		return text
	}
	return text + "."
}

// resident is what the process holds of the machine's memory, in bytes: also
// what lies outside of Go's heap, as modules do. Where /proc does not say, it is
// what Go has from the system.
func resident() uint64 {
	if text, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(text)); len(f) > 1 {
			if pages, err := strconv.ParseUint(f[1], 10, 50); err == nil {
				return pages * uint64(os.Getpagesize())
			}
		}
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.Sys
}

// always is a part whose facts are there at once.
func always(look func() Finding) Part {
	return func(context.Context) []Finding { return []Finding{look()} }
}

// ago writes how long ago something was, in one unit: "12 seconds".
func ago(d time.Duration) string {
	for _, u := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}} {
		if d >= 2*u.size {
			return count(int(d/u.size), u.name)
		}
	}
	return count(int(max(d, 0)/time.Second), "second")
}

// count writes a number with its noun: "1 module", "3 modules".
func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}
