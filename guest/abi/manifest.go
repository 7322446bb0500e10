//go:build !wasip1

// Manifests are for hosts and builders: no guest reads one, and none shall carry
// fmt and encoding/json for it.

package abi

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// ManifestSection is the custom section of the module's file that holds the
// manifest as JSON.
const ManifestSection = "cofferdam.manifest"

// Manifest says what a module is, what it offers and what it asks for.
type Manifest struct {
	Name         string              `json:"name" yaml:"name"`
	Version      string              `json:"version" yaml:"version"`
	Description  string              `json:"description" yaml:"description"`
	Author       string              `json:"author" yaml:"author"`
	ABI          int                 `json:"abi" yaml:"abi"`
	Commands     []Command           `json:"commands" yaml:"commands"`
	Capabilities []CapabilityRequest `json:"capabilities" yaml:"capabilities"`
	// Schedules and Events run actions without a user.
	Schedules []Schedule     `json:"schedules,omitempty" yaml:"schedules"`
	Events    []Subscription `json:"events,omitempty" yaml:"events"`
	Limits    LimitRequest   `json:"limits,omitzero" yaml:"limits"`
}

// Schedule runs an action again and again. It needs the capability schedule.
type Schedule struct {
	// Name tells it from others, in logs.
	Name string `json:"name" yaml:"name"`
	// Every is a duration such as "5m", from 10 s to 31 days. Or Cron is five
	// fields of crontab(5), in the bot's time zone.
	Every string `json:"every,omitempty" yaml:"every"`
	Cron  string `json:"cron,omitempty" yaml:"cron"`
	// Action goes into [Request.Action].
	Action string `json:"action" yaml:"action"`
}

// Subscription runs an action when something happens to a container. It needs
// the capabilities docker.events, for the types, and docker.containers.list, for
// the containers.
type Subscription struct {
	Types  []string `json:"types" yaml:"types"` // such as "container.die"
	Action string   `json:"action" yaml:"action"`
}

// Who may run a command.
const (
	WhoAnybody = "anybody" // built-in modules only
	WhoUser    = "user"
	WhoAdmin   = "admin"
)

// Command is a command that a module offers.
type Command struct {
	// Name is what is typed behind the slash: a to z, 0 to 9 and _, at most
	// 32 characters (Bot API, BotCommand).
	Name        string `json:"name" yaml:"name"`
	Description string `json:"description" yaml:"description"`
	Who         string `json:"who" yaml:"who"`
	// Menus places the command on reply keyboards, once for each entry.
	Menus []MenuEntry `json:"menus,omitempty" yaml:"menus"`
	// Aliases are further words that run the command when typed alone.
	Aliases []string `json:"aliases,omitempty" yaml:"aliases"`
	// Hidden keeps the command out of the list of commands; it still runs.
	Hidden bool `json:"hidden,omitempty" yaml:"hidden"`
}

// MenuEntry is a button on a reply keyboard.
type MenuEntry struct {
	// Section is the keyboard: "main", or a name of the module's choice.
	Section string `json:"section" yaml:"section"`
	// Label may begin with an emoji; the text typed without it works too.
	Label string `json:"label" yaml:"label"`
	// Row and Column order the buttons, from 1.
	Row    int `json:"row" yaml:"row"`
	Column int `json:"column" yaml:"column"`
}

// CapabilityRequest is a capability that a module asks for, with the reason
// that the operator reads.
type CapabilityRequest struct {
	Name   string   `json:"name" yaml:"name"`
	Scope  []string `json:"scope,omitempty" yaml:"scope"`
	Reason string   `json:"reason" yaml:"reason"`
}

// LimitRequest asks for limits other than the host's defaults; 0 asks for
// the default. The host grants at most its own.
type LimitRequest struct {
	MemoryMiB int `json:"memory_mib,omitempty" yaml:"memory_mib"`
	TimeoutMS int `json:"timeout_ms,omitempty" yaml:"timeout_ms"`
	HostCalls int `json:"host_calls,omitempty" yaml:"host_calls"`
	ReplyKiB  int `json:"reply_kib,omitempty" yaml:"reply_kib"`
	LogKiB    int `json:"log_kib,omitempty" yaml:"log_kib"`
	// Concurrency is how many requests are handled at the same time.
	Concurrency int `json:"concurrency,omitempty" yaml:"concurrency"`
	// Fuel is work, about a unit for an instruction.
	Fuel int64 `json:"fuel,omitempty" yaml:"fuel"`
}

// Bounds of a manifest: generous for people, small for machines.
const (
	maxName        = 32
	maxText        = 256
	maxVersion     = 64
	maxCommands    = 64
	maxCapability  = 64
	maxScope       = 64
	maxMenus       = 8
	maxMenuRow     = 16
	maxMenuLabel   = 40
	maxAliases     = 8
	maxLimitMiB    = 4095
	maxLimitKiB    = 16 << 10
	maxLimitAtOnce = 1000
	maxLimitMS     = 600_000
	maxLimitCalls  = 100_000
	maxManifestLen = 64 << 10
	maxSchedules   = 8
	maxEvents      = 8
	maxEventTypes  = 32
	maxAction      = 64
	minEvery       = 10 * time.Second
	maxEvery       = 31 * 24 * time.Hour
)

// Check returns every fault of a manifest, joined, or nil. Whether the
// capabilities exist, and what their scopes mean, is checked by the host.
func (m Manifest) Check() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if !isName(m.Name, '-') {
		fault("name %q: 1 to %d of a-z, 0-9 and -", m.Name, maxName)
	}
	if m.ABI != Version {
		fault("abi %d: this host speaks version %d", m.ABI, Version)
	}
	if !isVersion(m.Version) {
		fault("version %q: 1 to %d of letters, digits and .+-_~", m.Version, maxVersion)
	}
	for what, text := range map[string]string{"description": m.Description, "author": m.Author} {
		if !isLine(text, maxText) {
			fault("%s: one line of 1 to %d bytes", what, maxText)
		}
	}
	if len(m.Commands) > maxCommands || len(m.Capabilities) > maxCapability {
		fault("at most %d commands and %d capabilities", maxCommands, maxCapability)
		return errors.Join(faults...)
	}
	l := m.Limits
	if !within(l.MemoryMiB, maxLimitMiB) || !within(l.TimeoutMS, maxLimitMS) || !within(l.HostCalls, maxLimitCalls) ||
		!within(l.ReplyKiB, maxLimitKiB) || !within(l.LogKiB, maxLimitKiB) || !within(l.Concurrency, maxLimitAtOnce) || l.Fuel < 0 {
		fault("limits: 0 to %d MiB, %d ms, %d host calls, %d KiB of reply and of log, %d at once, and fuel",
			maxLimitMiB, maxLimitMS, maxLimitCalls, maxLimitKiB, maxLimitAtOnce)
	}
	seen := map[string]bool{}
	for _, c := range m.Commands {
		if err := c.check(); err != nil {
			fault("command %q: %w", c.Name, err)
		}
		if seen["/"+c.Name] {
			fault("command %q: twice", c.Name)
		}
		seen["/"+c.Name] = true
	}
	for _, c := range m.Capabilities {
		if !isName(c.Name, '.') || len(c.Scope) > maxScope || !isLine(c.Reason, maxText) {
			fault("capability %q: a name, at most %d patterns, and a reason in one line", c.Name, maxScope)
		}
		if seen[c.Name] {
			fault("capability %q: twice", c.Name)
		}
		seen[c.Name] = true
	}
	faults = append(faults, m.checkByItself()...)
	return errors.Join(faults...)
}

// checkByItself checks what runs without a user. What a cron line means is
// checked by the host.
func (m Manifest) checkByItself() (faults []error) {
	if len(m.Schedules) > maxSchedules || len(m.Events) > maxEvents {
		return []error{fmt.Errorf("at most %d schedules and %d events", maxSchedules, maxEvents)}
	}
	names := map[string]bool{}
	for _, s := range m.Schedules {
		every, err := time.ParseDuration(s.Every)
		timed := err == nil && every >= minEvery && every <= maxEvery
		if !isName(s.Name, '-') || names[s.Name] || !isLine(s.Action, maxAction) ||
			(s.Every == "") == (s.Cron == "") || s.Every != "" && !timed || s.Cron != "" && !isLine(s.Cron, maxText) {
			faults = append(faults, fmt.Errorf("schedule %q: a name of its own, an action, and either every (%s to %s) or cron", s.Name, minEvery, maxEvery))
		}
		names[s.Name] = true
	}
	for _, e := range m.Events {
		if len(e.Types) == 0 || len(e.Types) > maxEventTypes || !isLine(e.Action, maxAction) {
			faults = append(faults, fmt.Errorf("events: 1 to %d types and an action", maxEventTypes))
		}
		for _, t := range e.Types {
			if !isEventType(t) {
				faults = append(faults, fmt.Errorf("event %q: such as container.die", t))
			}
		}
	}
	return faults
}

// isEventType accepts what Docker calls the events of containers.
func isEventType(t string) bool {
	action, ok := strings.CutPrefix(t, "container.")
	return ok && isName(action, '_')
}

func within(n, most int) bool { return n >= 0 && n <= most }

func (c Command) check() error {
	if !isName(c.Name, '_') {
		return fmt.Errorf("1 to %d of a-z, 0-9 and _", maxName)
	}
	if c.Who != WhoAnybody && c.Who != WhoUser && c.Who != WhoAdmin {
		return fmt.Errorf("who is %q: %s, %s or %s", c.Who, WhoAnybody, WhoUser, WhoAdmin)
	}
	if !isLine(c.Description, maxText) {
		return errors.New("a description in one line")
	}
	if len(c.Aliases) > maxAliases {
		return fmt.Errorf("at most %d aliases", maxAliases)
	}
	for _, alias := range c.Aliases {
		if !isLine(alias, maxMenuLabel) {
			return fmt.Errorf("alias %q: one line of at most %d bytes", alias, maxMenuLabel)
		}
	}
	return checkMenus(c.Menus)
}

func checkMenus(menus []MenuEntry) error {
	if len(menus) > maxMenus {
		return fmt.Errorf("menus: at most %d", maxMenus)
	}
	sections := map[string]bool{}
	for _, e := range menus {
		if !isName(e.Section, '-') || !isLine(e.Label, maxMenuLabel) || e.Row < 1 || e.Row > maxMenuRow || e.Column < 1 || e.Column > maxMenuRow {
			return fmt.Errorf("menus: a section, a label of at most %d bytes, row and column from 1 to %d", maxMenuLabel, maxMenuRow)
		}
		if sections[e.Section] {
			return fmt.Errorf("menus: section %q twice", e.Section)
		}
		sections[e.Section] = true
	}
	return nil
}

// isName reports whether s is 1 to maxName of a-z, 0-9 and extra, and begins
// with a letter. Dotted names may be longer: they are made of several.
func isName(s string, extra byte) bool {
	if s == "" || (len(s) > maxName && extra != '.') || len(s) > maxText || s[0] < 'a' || s[0] > 'z' {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != extra {
			return false
		}
	}
	return true
}

// isVersion reports whether s can be a version: it stands beside the host's own words,
// and shall be no sentence.
func isVersion(s string) bool {
	return s != "" && len(s) <= maxVersion && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune(".+-_~", r)
	})
}

// isLine reports whether s is one line of visible UTF-8 text.
func isLine(s string, limit int) bool {
	return s != "" && len(s) <= limit && utf8.ValidString(s) && strings.TrimSpace(s) == s &&
		!strings.ContainsFunc(s, invisible)
}

// invisible tells what nobody sees: control characters, marks that turn the
// direction of writing, blanks of no width, and what counts as a letter or a symbol and
// looks like a blank. With them a label could look like another module's. The joiner
// and the emoji style stay: emoji are made of them.
func invisible(r rune) bool {
	switch r {
	case emojiStyle, joiner:
		return false
	case brailleBlank:
		return true
	}
	return unicode.In(r, unicode.C, unicode.Zl, unicode.Zp, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector)
}

const (
	joiner       = '\u200d'
	emojiStyle   = '\ufe0f' // follows a character that is shown as an emoji, as in "ℹ️"
	brailleBlank = '\u2800'
)
