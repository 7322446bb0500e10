// Package capability decides what a module may reach (F1): the closed list of
// capabilities, grants with scopes, and whether a target lies inside a scope.
// Everything is pure. The zero value of every type denies.
package capability

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Name is a capability's name, as it stands in manifests and in the config.
type Name string

// The capabilities of this version.
const (
	MetricsHost       Name = "metrics.host"
	MetricsCPU        Name = "metrics.cpu"
	MetricsMemory     Name = "metrics.memory"
	MetricsDisk       Name = "metrics.disk"
	MetricsSensors    Name = "metrics.sensors"
	MetricsProcesses  Name = "metrics.processes"
	MetricsUsers      Name = "metrics.users"
	MetricsNetwork    Name = "metrics.network"
	MetricsHistory    Name = "metrics.history"
	DockerInfo        Name = "docker.info"
	ContainersList    Name = "docker.containers.list"
	ContainersInspect Name = "docker.containers.inspect"
	ContainersStats   Name = "docker.containers.stats"
	ContainersStart   Name = "docker.containers.start"
	ContainersStop    Name = "docker.containers.stop"
	ContainersRestart Name = "docker.containers.restart"
	ContainersPause   Name = "docker.containers.pause"
	ContainersUnpause Name = "docker.containers.unpause"
	ContainersKill    Name = "docker.containers.kill"
	ContainersRemove  Name = "docker.containers.remove"
	ContainersRename  Name = "docker.containers.rename"
	ContainersLogs    Name = "docker.containers.logs"
	ContainersRuntime Name = "docker.containers.runtime"
	ContainersEnv     Name = "docker.containers.env"
	ImagesList        Name = "docker.images.list"
	ImagesInspect     Name = "docker.images.inspect"
	ImagesHistory     Name = "docker.images.history"
	ImagesUpdates     Name = "docker.images.updates"
	BotModules        Name = "bot.modules"
	BotHealth         Name = "bot.health"
	HTTPFetch         Name = "http.fetch"
	KV                Name = "kv"
	Schedule          Name = "schedule"
	Notify            Name = "notify"
	DockerEvents      Name = "docker.events"
	ModulesApprove    Name = "bot.modules.approve"
	ModulesRefuse     Name = "bot.modules.refuse"
	ModulesRevoke     Name = "bot.modules.revoke"
)

// rule is what is fixed about a capability.
type rule struct {
	scope kind
	need  Need
	// effects tells that using it leaves something behind, though nobody is asked
	// first: a request that another server got, an entry, a notice.
	effects bool
	// builtIn is for modules inside the program only: with it a module from
	// elsewhere could let itself in.
	builtIn bool
}

// kind is what a capability's scope is made of.
type kind int

const (
	unscoped kind = iota
	ofContainers
	ofImages
	ofURLs     // what may be fetched: see ParseURLScope
	ofSize     // one quota, such as 256KiB
	ofInterval // one duration, such as 5m: no more often
	ofNotices  // places and a budget, such as admins and 20/h
	ofEvents   // types of events, such as container.die or container.*
)

// reveal shows what may hold secrets; act is what changes a container; destroy
// what can lose its work (B7, B8).
var (
	reveal  = rule{scope: ofContainers, need: Need{Session: true}}
	act     = rule{scope: ofContainers, need: Need{Admin: true, Session: true}}
	destroy = rule{scope: ofContainers, need: Need{Admin: true, Session: true, Confirm: true}}
	// secret is what no group sees, whoever is in it: not all that is secret looks
	// so, and is masked (A5).
	secret = rule{scope: ofContainers, need: Need{Session: true, Private: true}}
	// vouch lets a module run, or ends one: for the screens of the bot itself.
	vouch = rule{need: Need{Admin: true, Session: true, Confirm: true}, builtIn: true}
)

// rules lists every capability there is.
var rules = map[Name]rule{
	MetricsHost: {}, MetricsCPU: {}, MetricsMemory: {}, MetricsDisk: {},
	MetricsSensors: {}, MetricsProcesses: {}, MetricsUsers: {}, MetricsNetwork: {}, MetricsHistory: {},
	DockerInfo: {}, BotModules: {}, BotHealth: {},
	ContainersList: {scope: ofContainers}, ContainersInspect: {scope: ofContainers}, ContainersStats: {scope: ofContainers},
	ContainersLogs: reveal, ContainersRuntime: reveal, ContainersEnv: secret,
	ImagesList: {scope: ofImages}, ImagesInspect: {scope: ofImages}, ImagesHistory: {scope: ofImages}, ImagesUpdates: {scope: ofImages},
	ContainersStart: act, ContainersPause: act, ContainersUnpause: act, ContainersRename: act,
	HTTPFetch: {scope: ofURLs, effects: true}, KV: {scope: ofSize, effects: true},
	Schedule: {scope: ofInterval, effects: true}, Notify: {scope: ofNotices, effects: true}, DockerEvents: {scope: ofEvents, effects: true},
	ModulesApprove: vouch, ModulesRevoke: vouch, ModulesRefuse: {need: Need{Admin: true, Session: true}, builtIn: true},
	ContainersStop: destroy, ContainersRestart: destroy, ContainersKill: destroy, ContainersRemove: destroy,
}

// Names returns every capability, sorted.
func Names() []Name {
	names := make([]Name, 0, len(rules))
	for name := range rules {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Request is a capability with its scope as somebody wrote it: a manifest
// that asks, or a config that grants.
type Request struct {
	Name  string
	Scope []string
}

// Set is a set of granted capabilities. The zero Set grants nothing.
type Set struct {
	// granted holds for each capability one scope for each party that had a
	// say; a target must lie inside all of them.
	granted map[Name][]Scope
}

// Parse checks requests and makes them a Set. Its error joins all faults: an
// unknown name, a name twice, a scope that is missing, malformed, or given to
// a capability that takes none.
func Parse(requests []Request) (Set, error) {
	set := Set{granted: make(map[Name][]Scope, len(requests))}
	var faults []error
	for _, r := range requests {
		name := Name(r.Name)
		scope, err := parseFor(name, r.Scope)
		if _, twice := set.granted[name]; err == nil && twice {
			err = errors.New("is there twice")
		}
		if err != nil {
			faults = append(faults, fmt.Errorf("capability %q: %w", r.Name, err))
			continue
		}
		set.granted[name] = []Scope{scope}
	}
	if len(faults) > 0 {
		return Set{}, errors.Join(faults...)
	}
	return set, nil
}

func parseFor(name Name, patterns []string) (Scope, error) {
	rule, known := rules[name]
	switch {
	case !known:
		return Scope{}, errors.New("unknown in this version")
	case rule.scope == unscoped && len(patterns) > 0:
		return Scope{}, errors.New("takes no scope")
	case rule.scope == ofContainers && len(patterns) == 0:
		return Scope{}, errors.New(`needs a scope: container names such as "web-*", "label:KEY=VALUE", "project:NAME", or "*" for all`)
	case rule.scope == ofImages && len(patterns) == 0:
		return Scope{}, errors.New(`needs a scope: repositories such as "nginx" or "ghcr.io/acme/*", or "*" for all`)
	}
	switch rule.scope {
	case ofImages:
		return ParseImageScope(patterns)
	case ofURLs:
		return ParseURLScope(patterns)
	case ofSize, ofInterval, ofNotices, ofEvents:
		return parseTerms(rule.scope, patterns)
	}
	return ParseScope(patterns)
}

// BuiltInOnly reports whether only modules inside the program can have a
// capability.
func BuiltInOnly(name Name) bool { return rules[name].builtIn }

// Narrow returns what both sets grant. A target must lie inside the scopes of
// both.
func (s Set) Narrow(other Set) Set {
	both := Set{granted: map[Name][]Scope{}}
	for name, scopes := range s.granted {
		if more, ok := other.granted[name]; ok {
			both.granted[name] = slices.Concat(scopes, more)
		}
	}
	return both
}

// Missing returns the capabilities that s has and other has not, sorted.
func (s Set) Missing(other Set) []Name {
	var missing []Name
	for name := range s.granted {
		if !other.Has(name) {
			missing = append(missing, name)
		}
	}
	slices.Sort(missing)
	return missing
}

// Equal reports whether both sets grant the same capabilities in scopes that
// are written the same. Scopes that mean the same and are written otherwise
// count as different.
func (s Set) Equal(other Set) bool {
	return maps.EqualFunc(s.granted, other.granted, func(a, b []Scope) bool {
		return slices.EqualFunc(a, b, func(a, b Scope) bool { return slices.Equal(a.source, b.source) })
	})
}

// Has reports whether a capability is granted at all, in whatever scope.
func (s Set) Has(name Name) bool { return len(s.granted[name]) > 0 }

// OnlyReads reports whether nothing in the set demands anything of a user or has
// effects: what is done with it changes nothing and shows no secret. It is false for an empty
// set, of which nothing is known.
func (s Set) OnlyReads() bool {
	for name := range s.granted {
		if NeedOf(name) != (Need{}) || rules[name].effects {
			return false
		}
	}
	return len(s.granted) > 0
}

// SeesContainers reports whether anything in the set tells of containers: what a module
// says by itself, or keeps, may then be about containers that not every user sees.
func (s Set) SeesContainers() bool {
	for name := range s.granted {
		if strings.HasPrefix(string(name), "docker.") {
			return true
		}
	}
	return false
}

// Allows reports whether a capability is granted for a container.
func (s Set) Allows(name Name, target Target) bool {
	scopes := s.granted[name]
	for _, scope := range scopes {
		if !scope.Contains(target) {
			return false
		}
	}
	return len(scopes) > 0
}

// AllowsImage reports whether a capability is granted for an image that goes by
// these references: tags, or digests with their repository. One of them must lie
// in the scope. An image without any lies only in the scope of all.
func (s Set) AllowsImage(name Name, tags []string) bool {
	scopes := s.granted[name]
	for _, scope := range scopes {
		if !scope.containsImage(tags) {
			return false
		}
	}
	return len(scopes) > 0
}

// String lists the capabilities with their scopes, sorted, for logs.
func (s Set) String() string {
	var out []string
	for _, name := range Names() {
		for i, scope := range s.granted[name] {
			text := string(name)
			if len(scope.source) > 0 {
				text += "{" + strings.Join(scope.source, ",") + "}"
			}
			if i > 0 {
				text = "∩ " + text
			}
			out = append(out, text)
		}
	}
	return strings.Join(out, " ")
}

// List returns the capabilities with their scopes, sorted, one text for each,
// for people. Of several scopes "*" is left out: it narrows nothing.
func (s Set) List() []string {
	list := make([]string, 0, len(s.granted))
	for _, name := range slices.Sorted(maps.Keys(s.granted)) {
		var scopes []string
		for _, scope := range s.granted[name] {
			if text := "{" + strings.Join(scope.source, ",") + "}"; len(scope.source) > 0 && !slices.Contains(scopes, text) {
				scopes = append(scopes, text)
			}
		}
		if len(scopes) > 1 {
			scopes = slices.DeleteFunc(scopes, func(text string) bool { return text == "{*}" })
		}
		list = append(list, string(name)+strings.Join(scopes, " within "))
	}
	return list
}
