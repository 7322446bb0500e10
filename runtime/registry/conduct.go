package registry

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/security/quarantine"
)

// conduct is how the modules of one digest have behaved, and what they took,
// since the bot was started. It outlives a module that is loaded anew, so that
// a reload is no way out of a quarantine. Other bytes are another module.
type conduct struct {
	mu     sync.Mutex
	record quarantine.Record
	use    abi.ModuleUse
	took   time.Duration
	last   time.Time // when it was looked up or used last
}

// decide says whether the module may run.
func (c *conduct) decide(now time.Time) quarantine.Decision {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record.Decide(now)
}

// look returns what there is to show, and changes nothing.
func (c *conduct) look(now time.Time) (quarantine.Decision, abi.ModuleUse) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.record.Look(now), c.use
}

// ended counts an invocation, and says whether the module may go on.
func (c *conduct) ended(outcome Outcome, used engine.Used, blame bool, now time.Time) quarantine.Decision {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.last = now
	c.count(outcome, used)
	if !blame {
		return quarantine.Decision{Allowed: true}
	}
	return c.record.Fault(now)
}

func (c *conduct) count(outcome Outcome, used engine.Used) {
	u := &c.use
	u.Invocations++
	switch outcome {
	case Trapped:
		u.Traps++
	case OverLimit:
		u.Limits++
	case TimedOut:
		u.Timeouts++
	}
	u.Fuel += used.Fuel
	u.MostFuel = max(u.MostFuel, used.Fuel)
	u.Memory = max(u.Memory, uint64(used.Memory))
	u.HostCalls += int64(used.HostCalls)
	u.Bytes += int64(used.Bytes)
	c.took += used.Time
	u.TimeMS = c.took.Milliseconds()
}

// remembered returns the conduct of a digest. Only who holds changing may ask.
func (r *Registry) remembered(digest string) *conduct {
	c := r.conducts[digest]
	if c == nil {
		c = &conduct{last: r.Now()}
		r.conducts[digest] = c
	}
	return c
}

// conductsAtMost bounds what is remembered of modules that are not there any
// more. Only an operator brings new ones in, so this is many reloads.
const conductsAtMost = 256

// forgetConducts drops those beyond the bound that were used the longest ago.
// Those of modules that are there stay. Only who holds changing may ask.
func (r *Registry) forgetConducts() {
	beyond := len(r.conducts) - conductsAtMost
	if beyond <= 0 {
		return
	}
	there := map[*conduct]bool{}
	for _, m := range r.modules {
		there[m.conduct] = true
	}
	for _, m := range r.coming {
		there[m.conduct] = true
	}
	var old []string
	lasts := map[string]time.Time{}
	for digest, c := range r.conducts {
		if !there[c] {
			c.mu.Lock()
			lasts[digest] = c.last
			c.mu.Unlock()
			old = append(old, digest)
		}
	}
	slices.SortFunc(old, func(a, b string) int { return cmp.Or(lasts[a].Compare(lasts[b]), cmp.Compare(a, b)) })
	for _, digest := range old[:min(beyond, len(old))] {
		delete(r.conducts, digest)
	}
}

// Failure is a fault for which a module is to blame.
type Failure struct {
	Module, Digest, Trace string
	Actor                 abi.Actor
	// Code and Reason are the engine's: the reason may hold names that the
	// module's author chose.
	Code   abi.Code
	Reason string
}

// SwitchedOff is the fault of a module that is off after repeated faults.
type SwitchedOff struct {
	Module string
	// Until is when it comes back.
	Until time.Time
}

func (s *SwitchedOff) Error() string {
	return fmt.Sprintf("module %s is switched off after repeated faults, until %s", s.Module, s.Until.Format(time.RFC3339))
}

// FaultCode returns [abi.Unavailable].
func (s *SwitchedOff) FaultCode() abi.Code { return abi.Unavailable }

// OffUntil returns when the module comes back, for those who must not know
// this package.
func (s *SwitchedOff) OffUntil() time.Time { return s.Until }

// Switch is that a module was switched off, or is back.
type Switch struct {
	Module, Digest string
	// Off and Until say for how long; 0 and zero: it is back.
	Off   time.Duration
	Until time.Time
	// Fault is the last of its faults, in one line, and Trace the trace id of
	// the update that met it; empty if the module is back.
	Fault, Trace string
}

// admit returns a [*SwitchedOff] if a module must not run now.
func (r *Registry) admit(ctx context.Context, m *module) error {
	d := m.conduct.decide(r.Now())
	if d.Turned {
		r.release(ctx, m)
	}
	if d.Allowed {
		return nil
	}
	return &SwitchedOff{Module: m.manifest.Name, Until: d.Until}
}

// Sweep tells of modules whose pause is over. Nothing depends on it: they may
// run again whether it was told or not.
func (r *Registry) Sweep(ctx context.Context) {
	r.mu.RLock()
	modules := make([]*module, 0, len(r.order))
	for _, name := range r.order {
		modules = append(modules, r.modules[name])
	}
	r.mu.RUnlock()
	for _, m := range modules {
		if m.conduct.decide(r.Now()).Turned {
			r.release(ctx, m)
		}
	}
}

func (r *Registry) release(ctx context.Context, m *module) {
	r.Log.Info("a module that was switched off may run again", zap.String("event", "module.released"),
		zap.String("module", m.manifest.Name), zap.String("digest", m.digest))
	r.Switched(context.WithoutCancel(ctx), Switch{Module: m.manifest.Name, Digest: m.digest})
}

// switchOff tells of a module that must not run for a while. log carries the
// trace id of the last fault, and the module's name.
func (r *Registry) switchOff(ctx context.Context, log *zap.Logger, m *module, until time.Time, trace, fault string) {
	off := until.Sub(r.Now()).Round(time.Second)
	log.Warn("the module is switched off after repeated faults", zap.String("event", "module.quarantined"),
		zap.String("digest", m.digest), zap.Duration("off", off), zap.Time("until", until), zap.String("fault", fault))
	r.Switched(context.WithoutCancel(ctx), Switch{
		Module: m.manifest.Name, Digest: m.digest, Off: off, Until: until, Fault: fault, Trace: trace,
	})
}
