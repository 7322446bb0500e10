package registry

import (
	"strings"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/quarantine"
)

// State says in a word how a module is.
type State string

// The states.
const (
	StateLoaded  State = "loaded"
	StateLoading State = "loading" // it is being compiled; its commands wait
	StateOff     State = "off"     // after repeated faults
	StateRefused State = "refused" // it cannot be loaded, or is not granted what it needs
)

// Status is a module as an operator sees it.
type Status struct {
	abi.BotModule
	State State
	// Why says what is wrong with a module that was refused.
	Why string
}

// List returns all modules, those that do not run among them.
func (r *Registry) List() []Status {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := make([]Status, 0, len(r.order)+len(r.refused))
	for _, name := range r.order {
		list = append(list, r.modules[name].status(r.Now()))
	}
	return append(list, r.refused...)
}

// status is what an operator sees of a module in the table. The caller holds mu.
func (m *module) status(now time.Time) Status {
	decision, use := m.conduct.look(now)
	s := Status{BotModule: m.described(decision), State: m.state()}
	s.Use, s.Signer = &use, m.signer
	switch {
	case s.State == StateRefused:
		s.Why = m.why(m.err)
	case s.State == StateLoaded && m.trouble() != nil:
		s.State, s.Why = StateRefused, m.why(m.trouble())
	case s.State == StateLoaded && !decision.Allowed:
		s.State = StateOff
	}
	return s
}

// state says how loading went. Whether the module is switched off is not its
// own matter.
func (m *module) state() State {
	select {
	case <-m.ready:
		if m.err != nil {
			return StateRefused
		}
		return StateLoaded
	default:
		return StateLoading
	}
}

// trouble is why a module that is loaded at its requests could not be at the last
// one; nil: it could, or there was none.
func (m *module) trouble() error {
	if lazy, ok := m.runner.(interface{ Trouble() error }); ok {
		return lazy.Trouble()
	}
	return nil
}

// why is what is wrong with a module, without its name before it.
func (m *module) why(err error) string {
	return strings.TrimPrefix(err.Error(), "module "+m.manifest.Name+": ")
}

// described is what every user may know of a module.
func (m *module) described(decision quarantine.Decision) abi.BotModule {
	b := abi.BotModule{
		Name: m.manifest.Name, Version: m.manifest.Version, Description: m.manifest.Description, Author: m.manifest.Author,
		Digest: m.digest, Capabilities: m.grant.List(), Trust: m.trust,
	}
	if !decision.Allowed {
		b.OffUntil = decision.Until.UnixMilli()
	}
	return b
}

// Loaded is a module that runs, as far as others need to know it.
type Loaded struct {
	Manifest abi.Manifest
	Digest   string
	Grant    capability.Set
	BuiltIn  bool
}

// Loaded returns the modules that run.
func (r *Registry) Loaded() []Loaded {
	r.mu.RLock()
	defer r.mu.RUnlock()
	list := make([]Loaded, 0, len(r.order))
	for _, name := range r.order {
		if m := r.modules[name]; !m.failed() {
			list = append(list, Loaded{Manifest: m.manifest, Digest: m.digest, Grant: m.grant, BuiltIn: m.builtIn})
		}
	}
	return list
}

// Running returns how many modules are loaded.
func (r *Registry) Running() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	n := 0
	for _, m := range r.modules {
		if m.state() == StateLoaded {
			n++
		}
	}
	return n
}

// Describe returns the bot as a user of that role sees it. What modules took, what
// they may do in plain words, and who signed them is for admins.
func (r *Registry) Describe(role string) abi.BotInfo {
	r.mu.RLock()
	defer r.mu.RUnlock()
	info := abi.BotInfo{Version: r.Version, Commit: r.Commit, Started: r.Started.UnixMilli(), Modules: []abi.BotModule{}, Commands: []abi.BotCommand{}}
	now := r.Now()
	for _, name := range r.order {
		m := r.modules[name]
		if m.failed() {
			continue
		}
		decision, use := m.conduct.look(now)
		described := m.described(decision)
		if role == abi.RoleAdmin {
			described.Use, described.Signer, described.Words = &use, m.signer, m.words
		}
		info.Modules = append(info.Modules, described)
		for _, c := range m.manifest.Commands {
			if !c.Hidden && permits(c.Who, role) {
				info.Commands = append(info.Commands, abi.BotCommand{Name: c.Name, Description: c.Description, Module: name})
			}
		}
	}
	for _, c := range r.Own {
		if permits(c.Who, role) {
			info.Commands = append(info.Commands, abi.BotCommand{Name: c.Name, Description: c.Description})
		}
	}
	return info
}

// permits reports whether a role may run what is for who.
func permits(who, role string) bool {
	switch who {
	case abi.WhoAnybody:
		return true
	case abi.WhoUser:
		return role == abi.RoleUser || role == abi.RoleAdmin
	case abi.WhoAdmin:
		return role == abi.RoleAdmin
	}
	return false
}
