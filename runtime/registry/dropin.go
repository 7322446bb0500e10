package registry

// DropIn reports whether a module is not the project's own. It is true for one
// that is not there (any more): nobody vouches for that.
func (r *Registry) DropIn(module string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	m := r.modules[module]
	return m == nil || !m.builtIn
}
