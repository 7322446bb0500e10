package registry

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// workshop loads modules that can be watched.
type workshop struct {
	mu      sync.Mutex
	made    []*watched
	refuses string                 // names of modules that do not load
	gate    chan struct{}          // not nil: loading waits for it
	hold    chan struct{}          // not nil: an invocation waits for it
	inside  atomic.Int32           // invocations that are waiting
	faults  atomic.Pointer[string] // what must never happen
}

// watched is a Runner that answers with its grant, and that must not be used
// once it is closed.
type watched struct {
	*workshop
	engine.Source
	running, closed atomic.Int32
}

func (w *workshop) load(_ context.Context, s engine.Source) (Runner, error) {
	if w.gate != nil {
		<-w.gate
	}
	if slices.Contains(strings.Fields(w.refuses), s.Name) {
		return nil, errors.New(s.Name + " does not compile")
	}
	if s.Read != nil {
		if _, err := s.Read(); err != nil {
			return nil, err
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.made = append(w.made, &watched{workshop: w, Source: s})
	return w.made[len(w.made)-1], nil
}

func (w *watched) Invoke(_ context.Context, caller *hostcall.Caller, _ []byte) (engine.Answer, error) {
	w.running.Add(1)
	defer w.running.Add(-1)
	w.not(w.closed.Load() > 0, "a closed module was invoked")
	w.not(!caller.Grant.Equal(w.Grant), "a module was invoked with another's grant")
	if w.hold != nil {
		w.inside.Add(1)
		<-w.hold
	}
	w.not(w.closed.Load() > 0, "a module was closed while it ran")
	return engine.Answer{Reply: []byte(w.Grant.String())}, nil
}

func (w *watched) Close(context.Context) error {
	w.closed.Add(1)
	return nil
}

func (w *workshop) not(wrong bool, what string) {
	if wrong {
		w.faults.Store(&what)
	}
}

func (w *workshop) newRegistry(t *testing.T) *Registry {
	t.Helper()
	r := New(Config{
		Load: w.load, Username: func(context.Context) (string, error) { return "b", nil }, Log: zap.NewNop(),
	}, 2)
	t.Cleanup(func() {
		if err := r.Close(context.Background()); err != nil {
			t.Error(err)
		}
		for _, m := range w.made {
			if m.closed.Load() == 0 {
				t.Errorf("%s {%s} was never closed", m.Name, m.Grant)
			}
		}
		if fault := w.faults.Load(); fault != nil {
			t.Error(*fault)
		}
	})
	return r
}

// ships is a module that asks for lists of all containers and is granted some.
func ships(t *testing.T, scope ...string) Spec {
	t.Helper()
	s := wasm(t, "ships", []abi.Command{cmd("ships", abi.WhoUser, menu("Ships", 1, 1))},
		abi.CapabilityRequest{Name: "docker.containers.list", Scope: []string{"*"}, Reason: "r"})
	s.Granted = []capability.Request{}
	if len(scope) > 0 {
		s.Granted = []capability.Request{{Name: "docker.containers.list", Scope: scope}}
	}
	return s
}

func core(t *testing.T) Spec {
	t.Helper()
	return wasm(t, "core", []abi.Command{cmd("start", abi.WhoUser, menu("Start", 1, 2))})
}

func replace(t *testing.T, r *Registry, specs ...Spec) Change {
	t.Helper()
	change, err := r.Replace(t.Context(), specs)
	if err != nil {
		t.Fatal(err)
	}
	return change
}

// answer is what a module answers: its grant.
func answer(t *testing.T, r *Registry, name string) string {
	t.Helper()
	_, reply, err := r.Invoke(t.Context(), name, abi.Actor{}, nil, zap.NewNop(), nil)
	if err != nil {
		t.Fatal(err)
	}
	return string(reply)
}

func TestReplaceLoadsWhatHasChanged(t *testing.T) {
	other := func(s Spec, change func(*Spec)) Spec { change(&s); return s }
	for _, test := range []struct {
		name            string
		next            []Spec
		loaded, removed string
	}{
		{"nothing", []Spec{core(t), ships(t, "*")}, "", ""},
		{"the order", []Spec{ships(t, "*"), core(t)}, "", ""},
		{"a scope", []Spec{core(t), ships(t, "web-*")}, "ships", ""},
		{"a file", []Spec{other(core(t), func(s *Spec) { s.Digest = "another" }), ships(t, "*")}, "core", ""},
		{"a limit", []Spec{other(core(t), func(s *Spec) { s.Limits.Memory *= 2 }), ships(t, "*")}, "core", ""},
		{"a module less", []Spec{core(t)}, "", "ships"},
		{"a module more", []Spec{core(t), wasm(t, "new", nil), ships(t, "*")}, "new", ""},
		{"all", []Spec{wasm(t, "new", []abi.Command{cmd("start", abi.WhoUser)})}, "new", "core ships"},
		{"none left", nil, "", "core ships"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &workshop{}
			r := w.newRegistry(t)
			add(t, r, core(t))
			add(t, r, ships(t, "*"))
			r.AwaitAll()
			change := replace(t, r, test.next...)
			if got := strings.Join(change.Loaded, " "); got != test.loaded {
				t.Errorf("loaded %q, want %q", got, test.loaded)
			}
			if got := strings.Join(change.Removed, " "); got != test.removed {
				t.Errorf("removed %q, want %q", got, test.removed)
			}
			if n := 2 + len(change.Loaded); len(w.made) != n {
				t.Errorf("%d modules were loaded in all, want %d", len(w.made), n)
			}
			var names []string
			for _, m := range r.Describe(abi.RoleAdmin).Modules {
				names = append(names, m.Name)
				answer(t, r, m.Name)
			}
			for i, s := range test.next {
				if want, _ := abi.ReadManifest(s.Wasm); i >= len(names) || names[i] != want.Name {
					t.Errorf("there are %q", names)
				}
			}
		})
	}
}

func TestReplaceTakesCommandsAndMenusAlong(t *testing.T) {
	r := new(workshop).newRegistry(t)
	add(t, r, core(t))
	add(t, r, ships(t, "*"))
	change := replace(t, r, core(t), ships(t))
	if len(change.Refused) != 1 || !errors.Is(change.Refused[0], ErrNotGranted) || !slices.Equal(change.Removed, []string{"ships"}) {
		t.Errorf("got %+v", change)
	}
	_, byCommand := r.ByCommand("ships")
	_, byText, _ := r.ByText(t.Context(), "Ships")
	if byCommand || byText || len(r.Describe(abi.RoleUser).Commands) != 1 || len(r.Menu("main", abi.RoleUser).Rows[0]) != 1 {
		t.Error("a module that is not granted what it needs has commands or buttons")
	}
	if _, _, err := r.Invoke(t.Context(), "ships", abi.Actor{}, nil, zap.NewNop(), nil); err == nil {
		t.Error("a module that was removed answers")
	}
	if change := replace(t, r, core(t), ships(t, "web-*")); !slices.Equal(change.Loaded, []string{"ships"}) {
		t.Errorf("got %+v", change)
	}
	if got := answer(t, r, "ships"); !strings.Contains(got, "web-*") {
		t.Errorf("it comes back with the grant %q", got)
	}
}

func TestReplaceIsAllOrNothing(t *testing.T) {
	for _, test := range []struct {
		name string
		bad  Spec
		want string
	}{
		{"does not load", wasm(t, "broken", nil), "broken does not compile"},
		{"no module", Spec{Wasm: []byte("hello")}, "not a WebAssembly"},
		{"an unknown capability in the manifest", wasm(t, "x", nil, abi.CapabilityRequest{Name: "docker.exec", Reason: "r"}), "unknown"},
		{"an unknown capability in the grants", Spec{Wasm: wasm(t, "x", nil).Wasm, Granted: []capability.Request{{Name: "docker.exec"}}}, "unknown"},
		{"a command that has an owner", wasm(t, "x", []abi.Command{cmd("start", abi.WhoUser)}), "belongs to module core"},
		{"a name twice", core(t), "of that name"},
	} {
		t.Run(test.name, func(t *testing.T) {
			w := &workshop{refuses: "broken"}
			r := w.newRegistry(t)
			add(t, r, core(t))
			add(t, r, ships(t, "*"))
			r.AwaitAll()
			_, err := r.Replace(t.Context(), []Spec{wasm(t, "new", nil), core(t), ships(t, "web-*"), test.bad})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
			info := r.Describe(abi.RoleAdmin)
			if len(info.Modules) != 2 || len(info.Commands) != 2 || strings.Contains(answer(t, r, "ships"), "web-*") {
				t.Errorf("something has changed: %+v", info)
			}
			if change := replace(t, r, core(t), ships(t, "*")); change.Loaded != nil || change.Removed != nil {
				t.Errorf("something had changed: %+v", change)
			}
		})
	}
}

func TestReplaceTellsEverythingThatIsWrong(t *testing.T) {
	r := (&workshop{refuses: "a b"}).newRegistry(t)
	for _, test := range []struct {
		specs []Spec
		want  []string
	}{
		{[]Spec{wasm(t, "a", nil), wasm(t, "c", nil), wasm(t, "b", nil)}, []string{"a does not compile", "b does not compile"}},
		{[]Spec{{Wasm: []byte("hello")}, core(t), core(t)}, []string{"not a WebAssembly", "of that name"}},
	} {
		_, err := r.Replace(t.Context(), test.specs)
		for _, want := range test.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("got %v, want %q", err, want)
			}
		}
	}
}

// What a module could not do at the start must not stand in the way of a
// reload that takes a user's access away.
func TestReplaceLeavesAFailedModuleAsItIs(t *testing.T) {
	r := (&workshop{refuses: "broken"}).newRegistry(t)
	add(t, r, core(t))
	add(t, r, wasm(t, "broken", nil))
	r.AwaitAll()
	if change := replace(t, r, wasm(t, "broken", nil), core(t)); change.Loaded != nil || change.Removed != nil {
		t.Errorf("got %+v", change)
	}
}

// A module that is replaced ends what it does, and is closed then and not
// earlier; meanwhile the new one serves.
func TestAReplacedModuleEndsItsInvocations(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &workshop{hold: make(chan struct{})}
		r := w.newRegistry(t)
		add(t, r, core(t))
		add(t, r, ships(t, "*"))
		r.AwaitAll()
		old := w.made[slices.IndexFunc(w.made, func(m *watched) bool { return m.Name == "ships" })]
		var under sync.WaitGroup
		ask := func(name, want string) {
			under.Go(func() {
				if got := answer(t, r, name); !strings.HasSuffix(got, want) {
					t.Errorf("%s answers %q, want %q", name, got, want)
				}
			})
			synctest.Wait()
		}
		ask("core", "")
		ask("ships", "{*}")
		replace(t, r, core(t), ships(t, "web-*"))
		ask("ships", "{web-*}")
		synctest.Wait()
		if old.closed.Load() != 0 || w.inside.Load() != 3 {
			t.Errorf("closed %d times with %d invocations under way, want 0 and 3", old.closed.Load(), w.inside.Load())
		}
		close(w.hold)
		under.Wait()
		synctest.Wait()
		if old.closed.Load() != 1 || len(r.leaving) != 0 {
			t.Errorf("closed %d times after its last invocation, %d left over", old.closed.Load(), len(r.leaving))
		}
	})
}

// A module that is still being compiled when it is replaced is closed when that
// has ended.
func TestAModuleIsReplacedWhileItLoads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &workshop{gate: make(chan struct{})}
		r := w.newRegistry(t)
		add(t, r, ships(t, "*"))
		replaced := make(chan Change)
		go func() { replaced <- replace(t, r, ships(t, "web-*")) }()
		synctest.Wait() // both are being loaded
		close(w.gate)
		if change := <-replaced; !slices.Equal(change.Loaded, []string{"ships"}) {
			t.Errorf("got %+v", change)
		}
		synctest.Wait()
		closed := 0
		for _, m := range w.made {
			closed += int(m.closed.Load())
		}
		if len(w.made) != 2 || closed != 1 {
			t.Errorf("%d were loaded and %d closed, want 2 and 1", len(w.made), closed)
		}
	})
}

// The bot stops while a module compiles: nothing changes, and nobody waits for
// the compiler.
func TestReplaceGivesUpWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &workshop{}
		r := w.newRegistry(t)
		add(t, r, ships(t, "*"))
		r.AwaitAll()
		w.gate = make(chan struct{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := r.Replace(ctx, []Spec{ships(t, "web-*")}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
		if got := answer(t, r, "ships"); !strings.HasSuffix(got, "{*}") {
			t.Errorf("it now answers %q", got)
		}
		close(w.gate)
	})
}

// Everything at once, for the race detector: what is asked of the registry
// while it changes is answered by the old modules or by the new ones.
func TestReplaceUnderLoad(t *testing.T) {
	w := &workshop{}
	r := w.newRegistry(t)
	add(t, r, core(t))
	add(t, r, ships(t, "*"))
	ctx, stop := context.WithCancel(t.Context())
	var asking sync.WaitGroup
	var asked atomic.Int64
	for range 4 {
		asking.Go(func() {
			for ctx.Err() == nil {
				if _, _, err := r.Invoke(ctx, "core", abi.Actor{}, nil, zap.NewNop(), nil); err != nil && ctx.Err() == nil {
					t.Errorf("core, which never changes, fails: %v", err)
				}
				if _, _, err := r.Invoke(ctx, "ships", abi.Actor{}, nil, zap.NewNop(), nil); err != nil && !strings.Contains(err.Error(), "none of that name") && ctx.Err() == nil {
					t.Errorf("ships fails: %v", err)
				}
				commands, menu := len(r.Describe(abi.RoleUser).Commands), r.Menu("main", abi.RoleUser)
				if commands < 1 || commands > 2 || menu == nil {
					t.Errorf("half a change is seen: %d commands, %v", commands, menu)
				}
				r.ByText(ctx, "ships")
				asked.Add(1)
			}
		})
	}
	scopes := [][]string{{"*"}, {"web-*"}, nil, {"db"}}
	for i := 0; i < 200 || asked.Load() < 200; i++ {
		replace(t, r, core(t), ships(t, scopes[i%len(scopes)]...))
	}
	stop()
	asking.Wait()
}
