package capability

import (
	"fmt"
	"maps"
	"slices"
)

// Reach is which containers a user sees and acts on, whatever modules are
// granted: what is done in the user's name must lie inside the grant and inside
// the reach. The zero Reach contains nothing.
type Reach struct {
	everywhere bool
	scope      Scope
}

// Everywhere is the reach of a user whom the operator does not restrict.
func Everywhere() Reach { return Reach{everywhere: true} }

// Within is the reach of a user who is restricted to a scope.
func Within(scope Scope) Reach { return Reach{scope: scope} }

// Contains reports whether a container lies inside.
func (r Reach) Contains(t Target) bool { return r.everywhere || r.scope.Contains(t) }

// Unlimited reports whether the reach leaves nothing out.
func (r Reach) Unlimited() bool { return r.everywhere }

// Reaches is how far each user reaches. The zero Reaches lets nobody reach
// anything.
type Reaches struct {
	known bool
	// limited are those who are restricted; all others reach everywhere.
	limited map[int64]Scope
}

// NewReaches restricts the users that are listed to patterns, as [ParseScope]
// reads them. A user who is listed with no pattern, or with one that cannot be
// read, reaches nothing; the error then says what is wrong, and the rest holds.
func NewReaches(patterns map[int64][]string) (Reaches, error) {
	r := Reaches{known: true, limited: make(map[int64]Scope, len(patterns))}
	var first error
	for _, user := range slices.Sorted(maps.Keys(patterns)) {
		scope, err := ParseScope(patterns[user])
		if err != nil && first == nil {
			first = fmt.Errorf("the containers of a user: %w", err)
		}
		r.limited[user] = scope // the zero Scope after an error
	}
	return r, first
}

// Of returns how far a user reaches. Who may use the bot at all is decided
// elsewhere, and before.
func (r Reaches) Of(user int64) Reach {
	scope, limited := r.limited[user]
	switch {
	case !r.known:
		return Reach{}
	case limited:
		return Within(scope)
	}
	return Everywhere()
}
