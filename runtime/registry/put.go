package registry

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"go.uber.org/zap"
)

// ErrOvertaken is returned by [Registry.Put] if the module was removed, or
// another of its name was put, while this one was being loaded.
var ErrOvertaken = errors.New("it was removed or replaced while it was being loaded")

// Put adds a module that is not built in, or puts it in the place of the one of
// its name. It is loaded first, while the old one still serves; then all new
// requests go to it, and the old one is closed when its last invocation has
// ended. With the same file, effective grant and limits nothing changes but what
// people are told of its trust.
//
// A command or a word that has an owner stays there. An error names both, and
// says that nothing has changed. Put waits for a compiler no longer than the
// context lasts.
func (r *Registry) Put(ctx context.Context, s Spec) error {
	m, err := read(s)
	if err != nil {
		return err
	}
	name := m.manifest.Name
	if s.BuiltIn {
		return fmt.Errorf("module %s: built-in modules change with the program only", name)
	}
	if goesOn, err := r.expect(m); goesOn || err != nil {
		return err
	}
	// The table is not held meanwhile: nobody shall wait for a compiler who wants
	// to remove another module.
	err = r.loadAll(ctx, []unloaded{{m, s}})
	var old *module
	if err == nil {
		old, err = r.settle(m)
	}
	if err != nil {
		r.giveUp(m)
		r.dismiss(m)
		return err
	}
	r.tell(ctx, m)
	if old != nil {
		r.dismiss(old)
	}
	return nil
}

// expect notes that a module is to come, if it may. goesOn says that it is there
// already.
func (r *Registry) expect(m *module) (goesOn bool, err error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	defer r.forgetConducts()
	name := m.manifest.Name
	if _, err := r.room(m); err != nil {
		return false, err
	}
	if old := r.modules[name]; old != nil && old.same(m) {
		delete(r.coming, name)
		r.mu.Lock()
		old.trust, old.signer = m.trust, m.signer
		r.mu.Unlock()
		return true, nil
	}
	m.conduct = r.remembered(m.digest)
	r.coming[name] = m
	return false, nil
}

// room returns a module's words if there is room for it. Only who holds changing
// may ask.
func (r *Registry) room(m *module) (map[string]string, error) {
	name := m.manifest.Name
	old := r.modules[name]
	refused := slices.ContainsFunc(r.refused, func(s Status) bool { return s.Name == name })
	if old == nil && refused || old != nil && old.builtIn {
		return nil, fmt.Errorf("module %s: a built-in module has that name", name)
	}
	return r.table.wordsFor(m)
}

// settle puts a module that was loaded into the table, and returns the one that
// it replaces, if any. What was true before it was loaded is looked at again.
func (r *Registry) settle(m *module) (old *module, err error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	name := m.manifest.Name
	if r.coming[name] != m {
		return nil, fmt.Errorf("module %s: %w", name, ErrOvertaken)
	}
	words, err := r.room(m)
	if err != nil {
		return nil, err
	}
	delete(r.coming, name)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, errClosed
	}
	old = r.modules[name]
	r.table.replace(m, words)
	return old, nil
}

// giveUp forgets that a module was to come.
func (r *Registry) giveUp(m *module) {
	r.changing.Lock()
	defer r.changing.Unlock()
	if r.coming[m.manifest.Name] == m {
		delete(r.coming, m.manifest.Name)
	}
}

// ErrNoModule is returned for a module that is not there.
var ErrNoModule = errors.New("there is no module of that name")

// Remove takes a module out that is not built in: nobody finds its commands any
// more, and its words and buttons lead nowhere. It is closed when its last
// invocation has ended, for which Remove does not wait. One that is being put is
// given up.
func (r *Registry) Remove(_ context.Context, name string) error { return r.remove(name, false) }

// End is Remove for a module that may run no more: what is under way, or waits for its
// turn, ends at once.
func (r *Registry) End(_ context.Context, name string) error { return r.remove(name, true) }

func (r *Registry) remove(name string, atOnce bool) error {
	r.changing.Lock()
	defer r.changing.Unlock()
	_, coming := r.coming[name]
	delete(r.coming, name)
	m := r.modules[name]
	switch {
	case m == nil && coming:
		return nil
	case m == nil:
		return fmt.Errorf("module %s: %w", name, ErrNoModule)
	case m.builtIn:
		return fmt.Errorf("module %s: built-in modules change with the program only", name)
	}
	r.mu.Lock()
	r.table.remove(m)
	r.mu.Unlock()
	if atOnce {
		m.end()
	}
	r.dismiss(m)
	r.Log.Info("module removed", zap.String("event", "module.removed"), zap.String("module", name), zap.String("digest", m.digest))
	return nil
}
