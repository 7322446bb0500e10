package capability

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// terms are scopes that are amounts rather than patterns of targets: how much, how
// often, where to, of what.
type terms struct {
	// size is in bytes, per is at most so many an hour.
	size     int64
	interval time.Duration
	per      int
	places   []string
	events   []string
}

// MaxQuota bounds what one module can keep.
const MaxQuota = 16 << 20

// MaxNotices bounds how many notices an hour can be granted.
const MaxNotices = 1000

// Bounds of a schedule's least interval.
const (
	MinInterval = 10 * time.Second
	MaxInterval = 31 * 24 * time.Hour
)

// Places of notify.
const (
	PlaceAdmins = "admins"
	PlaceChats  = "chats"
)

func parseTerms(k kind, patterns []string) (Scope, error) {
	scope := Scope{source: append([]string(nil), patterns...)}
	var err error
	switch k {
	case ofSize:
		scope.terms.size, err = parseQuota(patterns)
	case ofInterval:
		scope.terms.interval, err = parseInterval(patterns)
	case ofNotices:
		scope.terms.places, scope.terms.per, err = parseNotices(patterns)
	default:
		scope.terms.events, err = parseEvents(patterns)
	}
	if err != nil {
		return Scope{}, err
	}
	return scope, nil
}

func parseQuota(patterns []string) (int64, error) {
	errQuota := fmt.Errorf("needs one scope: a quota such as 64KiB or 1MiB, at most %d MiB", MaxQuota>>20)
	if len(patterns) != 1 {
		return 0, errQuota
	}
	digits, shift := patterns[0], 0
	for unit, by := range map[string]int{"KiB": 10, "MiB": 20} {
		if number, ok := strings.CutSuffix(patterns[0], unit); ok {
			digits, shift = number, by
		}
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || shift == 0 || n == 0 || n<<shift > MaxQuota {
		return 0, errQuota
	}
	return int64(n << shift), nil
}

func parseInterval(patterns []string) (time.Duration, error) {
	errInterval := fmt.Errorf("needs one scope: the least time between two runs, such as 5m, from %s to %s", MinInterval, MaxInterval)
	if len(patterns) != 1 {
		return 0, errInterval
	}
	every, err := time.ParseDuration(patterns[0])
	if err != nil || every < MinInterval || every > MaxInterval {
		return 0, errInterval
	}
	return every, nil
}

func parseNotices(patterns []string) (places []string, per int, err error) {
	errNotices := fmt.Errorf("needs a scope: %s or %s or both, and a budget such as 20/h, at most %d/h", PlaceAdmins, PlaceChats, MaxNotices)
	for _, text := range patterns {
		budget, isBudget := strings.CutSuffix(text, "/h")
		n, bad := strconv.ParseUint(budget, 10, 31)
		switch {
		case isBudget && (bad != nil || n == 0 || n > MaxNotices || per != 0):
			return nil, 0, errNotices
		case isBudget:
			per = int(n)
		case text == PlaceAdmins || text == PlaceChats:
			places = append(places, text)
		default:
			return nil, 0, errNotices
		}
	}
	if per == 0 || len(places) == 0 {
		return nil, 0, errNotices
	}
	return places, per, nil
}

func parseEvents(patterns []string) ([]string, error) {
	errEvents := errors.New("needs a scope: types of events such as container.die, or container.* for all")
	if len(patterns) == 0 || len(patterns) > MaxPatterns {
		return nil, errEvents
	}
	for _, text := range patterns {
		action, ok := strings.CutPrefix(text, "container.")
		if !ok || action == "" || len(text) > maxPattern ||
			action != "*" && strings.ContainsFunc(action, func(r rune) bool { return (r < 'a' || r > 'z') && r != '_' }) {
			return nil, errEvents
		}
	}
	return patterns, nil
}

// Quota is how many bytes a module may keep with kv; 0: it is not granted.
func (s Set) Quota() int64 {
	least := int64(0)
	for i, scope := range s.granted[KV] {
		if i == 0 || scope.terms.size < least {
			least = scope.terms.size
		}
	}
	return least
}

// LeastInterval is the least time between two runs of a module's schedules. ok is
// false if none is granted.
func (s Set) LeastInterval() (least time.Duration, ok bool) {
	for _, scope := range s.granted[Schedule] {
		least = max(least, scope.terms.interval)
	}
	return least, least > 0
}

// Notices is how many notices an hour a module may send to a place; 0: none.
func (s Set) Notices(place string) int {
	scopes := s.granted[Notify]
	least := math.MaxInt
	for _, scope := range scopes {
		if !slices.Contains(scope.terms.places, place) {
			return 0
		}
		least = min(least, scope.terms.per)
	}
	if len(scopes) == 0 {
		return 0
	}
	return least
}

// AllowsEvent reports whether a module may be told of events of a type, such as
// "container.die".
func (s Set) AllowsEvent(kind string) bool {
	scopes := s.granted[DockerEvents]
	for _, scope := range scopes {
		if !slices.Contains(scope.terms.events, kind) && !slices.Contains(scope.terms.events, "container.*") {
			return false
		}
	}
	return len(scopes) > 0 && strings.HasPrefix(kind, "container.")
}
