package capability

import (
	"slices"
	"strings"
)

// Covers reports whether every target in the scope inner is in the scope outer
// too, both of one capability: whether whoever is granted outer gets nothing new
// with inner. It may say false where it is not sure, as where only several
// patterns of outer together have all of one of inner. Of a scope that cannot be
// read, and of a capability that nobody knows, nothing is sure.
func Covers(name Name, outer, inner []string) bool {
	o, i, ok := both(name, outer, inner)
	if !ok {
		return false
	}
	switch rules[name].scope {
	case unscoped:
		return true
	case ofContainers:
		return each(i.patterns, func(p pattern) bool {
			return slices.ContainsFunc(o.patterns, func(q pattern) bool { return q.covers(p) })
		})
	case ofImages:
		return each(i.repositories, func(r repository) bool {
			return slices.ContainsFunc(o.repositories, func(q repository) bool { return q.covers(r) })
		})
	case ofURLs:
		return coversFetch(o, i)
	}
	return o.terms.cover(rules[name].scope, i.terms)
}

// Disjoint reports whether surely no target is in both scopes of one capability: a
// grant of b to who asks for a would be of no use. It may say false where it is not
// sure. Of images it speaks as if each went by one name.
func Disjoint(name Name, a, b []string) bool {
	x, y, ok := both(name, a, b)
	if !ok {
		return false
	}
	switch rules[name].scope {
	case ofContainers:
		return pairs(x.patterns, y.patterns, pattern.disjoint)
	case ofImages:
		return pairs(x.repositories, y.repositories, repository.disjoint)
	case ofURLs:
		return disjointFetch(x, y)
	case ofNotices:
		return pairs(x.terms.places, y.terms.places, func(p, q string) bool { return p != q })
	case ofEvents:
		return pairs(x.terms.events, y.terms.events, func(p, q string) bool {
			return p != q && p != anyEvent && q != anyEvent
		})
	}
	return false // amounts have the smaller of both in common
}

func both(name Name, a, b []string) (x, y Scope, ok bool) {
	x, wrong := parseFor(name, a)
	y, too := parseFor(name, b)
	return x, y, wrong == nil && too == nil
}

// each reports whether something holds for all of a list that is not empty.
func each[T any](list []T, holds func(T) bool) bool {
	return len(list) > 0 && !slices.ContainsFunc(list, func(v T) bool { return !holds(v) })
}

// pairs reports whether something holds for each of one list with each of another.
func pairs[T any](a, b []T, holds func(T, T) bool) bool {
	return each(a, func(v T) bool { return each(b, func(w T) bool { return holds(v, w) }) })
}

const anyEvent = "container.*"

// cover is [Covers] for amounts.
func (t terms) cover(k kind, inner terms) bool {
	switch k {
	case ofSize:
		return inner.size <= t.size
	case ofInterval:
		return inner.interval >= t.interval
	case ofNotices:
		return inner.per <= t.per && each(inner.places, func(place string) bool { return slices.Contains(t.places, place) })
	case ofEvents:
		return each(inner.events, func(event string) bool {
			return slices.Contains(t.events, event) || slices.Contains(t.events, anyEvent)
		})
	}
	return false
}

// covers reports whether p matches each container that inner does. All containers
// have names.
func (p pattern) covers(inner pattern) bool {
	return p.label == "" && p.glob.all() || p.label == inner.label && p.glob.covers(inner.glob)
}

// disjoint reports whether no container matches both. One has a name, and may have
// any labels.
func (p pattern) disjoint(q pattern) bool { return p.label == q.label && p.glob.disjoint(q.glob) }

func (r repository) covers(inner repository) bool {
	return r.all || !inner.all && r.registry.covers(inner.registry) && r.path.covers(inner.path)
}

func (r repository) disjoint(q repository) bool {
	return !r.all && !q.all && (r.registry.disjoint(q.registry) || r.path.disjoint(q.path))
}

// covers reports whether g matches each text that inner does. A star of inner is a
// letter that occurs nowhere else, so that only a star of g can stand for it: if g
// matches the text with that letter, then with whatever else is there.
func (g glob) covers(inner glob) bool { return g.matches(inner.String()) }

// disjoint reports whether no text matches both. Two patterns with stars have one in
// common if one's beginning begins with the other's, and one's end ends with the
// other's: the longer of each, and all that must be between, one after the other.
func (g glob) disjoint(h glob) bool {
	switch {
	case len(g) == 1:
		return !h.matches(g[0])
	case len(h) == 1:
		return !g.matches(h[0])
	}
	begin, other := g[0], h[0]
	end, otherEnd := g[len(g)-1], h[len(h)-1]
	return !strings.HasPrefix(begin, other) && !strings.HasPrefix(other, begin) ||
		!strings.HasSuffix(end, otherEnd) && !strings.HasSuffix(otherEnd, end)
}
