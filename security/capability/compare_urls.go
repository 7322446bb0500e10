package capability

// coversFetch is [Covers] for http.fetch.
func coversFetch(outer, inner Scope) bool { return coversURLs(outer, inner) }

// disjointFetch is [Disjoint] for http.fetch.
func disjointFetch(a, b Scope) bool { return apart(a, b) }
