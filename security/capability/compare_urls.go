package capability

import "slices"

// coversFetch is [Covers] for http.fetch: patterns that are written the same.
func coversFetch(outer, inner Scope) bool {
	return each(inner.source, func(text string) bool { return slices.Contains(outer.source, text) })
}

// disjointFetch is [Disjoint] for http.fetch. It is never sure.
func disjointFetch(Scope, Scope) bool { return false }
