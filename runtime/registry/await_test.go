package registry

import (
	"maps"
	"slices"
)

// AwaitAll waits until every module that was added is loaded, or could not be.
func (r *Registry) AwaitAll() {
	r.mu.RLock()
	modules := slices.Collect(maps.Values(r.modules))
	r.mu.RUnlock()
	for _, m := range modules {
		<-m.ready
	}
}
