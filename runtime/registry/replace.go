package registry

import (
	"context"
	"errors"
	"fmt"

	"go.uber.org/zap"
)

// Change is what [Registry.Replace] did, by the names of modules in the order
// of the specs.
type Change struct {
	// Loaded are those that are new, or that run with another file, grant or
	// limit than before.
	Loaded []string
	// Removed are those that run no more.
	Removed []string
	// Refused says of each module that does not run why: it is an [ErrNotGranted],
	// or a module from elsewhere has its name, or a command or a word of it. It is
	// no new one if it did not run before.
	Refused []error
}

// Replace puts the built-in modules of specs in the place of those that are
// there, all or nothing. What [Registry.Put] brought stays, with all that it
// owns. A module whose file, effective grant and limits are the same goes
// on, and what it is doing with it; the same holds for one that could not be
// loaded. The others are loaded while the old ones still serve. Then all change
// at once, and each old one is closed when its last invocation has ended.
//
// An error says everything that is wrong, and that nothing has changed. Replace
// waits for a compiler no longer than the context lasts.
func (r *Registry) Replace(ctx context.Context, specs []Spec) (Change, error) {
	r.changing.Lock()
	defer r.changing.Unlock()
	defer r.forgetConducts()
	next, fresh, refused, err := r.plan(specs)
	if err != nil {
		return Change{}, err
	}
	if err := r.loadAll(ctx, fresh); err != nil {
		for _, f := range fresh {
			r.dismiss(f.module)
		}
		return Change{}, err
	}
	old := r.table
	r.mu.Lock()
	r.table, r.refused = next, refused.list
	r.mu.Unlock()

	change := Change{Refused: refused.errs}
	for _, f := range fresh {
		r.tell(ctx, f.module)
		change.Loaded = append(change.Loaded, f.manifest.Name)
	}
	for _, name := range old.order {
		if !old.modules[name].builtIn {
			continue
		}
		if _, stays := next.modules[name]; !stays {
			change.Removed = append(change.Removed, name)
		}
		if next.modules[name] != old.modules[name] {
			r.dismiss(old.modules[name])
		}
	}
	return change, nil
}

// unloaded is a module with the file from which it is to be loaded.
type unloaded struct {
	*module
	spec Spec
}

// refusals are modules that cannot have what they need, with their errors.
type refusals struct {
	list []Status
	errs []error
}

// plan makes the new table beside the old one. Those of its modules that are
// not in the old one are fresh.
func (r *Registry) plan(specs []Spec) (next table, fresh []unloaded, refused refusals, err error) {
	next = newTable(r.Own)
	var problems []error
	// Whoever is there keeps what it has: these could take each other in, and the
	// built-in ones have to do with what is left.
	foreign := r.foreign()
	for _, m := range foreign {
		problems = append(problems, next.add(m))
	}
	next.order = nil
	for _, s := range specs {
		m, err := read(s)
		if errors.Is(err, ErrNotGranted) {
			refused.add(m, err)
			continue
		}
		if err == nil && !s.BuiltIn {
			err = fmt.Errorf("module %s: it is none of the built-in ones", m.manifest.Name)
		}
		if err != nil {
			problems = append(problems, err)
			continue
		}
		m.conduct = r.remembered(m.digest)
		old := r.modules[m.manifest.Name]
		same := old != nil && old.same(m)
		if same {
			m = old
		}
		if err := next.add(m); err != nil {
			if owner, ok := errors.AsType[*conflict](err); ok && next.modules[owner.owner] != nil && !next.modules[owner.owner].builtIn {
				refused.add(m, err)
			} else {
				problems = append(problems, err)
			}
			continue
		}
		if !same {
			fresh = append(fresh, unloaded{m, s})
		}
	}
	for _, m := range foreign {
		next.order = append(next.order, m.manifest.Name)
	}
	return next, fresh, refused, errors.Join(problems...)
}

// foreign returns the modules that are not built in, in their order.
func (r *Registry) foreign() []*module {
	var list []*module
	for _, name := range r.order {
		if m := r.modules[name]; !m.builtIn {
			list = append(list, m)
		}
	}
	return list
}

func (r *refusals) add(m *module, err error) {
	r.list, r.errs = append(r.list, m.refusal(err)), append(r.errs, err)
}

// same reports whether one module can stand for the other.
func (m *module) same(other *module) bool {
	return m.digest == other.digest && m.builtIn == other.builtIn && m.limits == other.limits && m.grant.Equal(other.grant)
}

var errClosed = errors.New("the modules were closed")

// loadAll begins to load modules, and returns when all of them are ready.
func (r *Registry) loadAll(ctx context.Context, fresh []unloaded) error {
	for _, f := range fresh {
		if !r.begin(func() { r.load(ctx, f.module, f.spec) }) {
			f.err = errClosed
			close(f.ready)
		}
	}
	var problems []error
	for _, f := range fresh {
		select {
		case <-f.ready:
			if f.err != nil {
				problems = append(problems, fmt.Errorf("cannot be loaded: %w", f.err))
			}
		case <-ctx.Done():
			return fmt.Errorf("module %s is not loaded: %w", f.manifest.Name, ctx.Err())
		}
	}
	return errors.Join(problems...)
}

// dismiss closes a module that is in no table, once it is loaded and its last
// invocation has ended. It does not wait for that; Close does.
func (r *Registry) dismiss(m *module) {
	r.mu.Lock()
	r.leaving[m] = true
	r.mu.Unlock()
	r.begin(func() {
		<-m.ready
		m.users.Wait()
		m.end()
		if err := m.close(context.Background()); err != nil {
			r.Log.Error("a module that was replaced or removed cannot be closed", zap.String("event", "module.stays"),
				zap.String("module", m.manifest.Name), zap.Error(err))
		}
		r.mu.Lock()
		delete(r.leaving, m)
		r.mu.Unlock()
	})
}
