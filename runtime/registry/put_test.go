package registry

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
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

// foreign is a module from elsewhere: its file is read when it is needed, and
// counts only with its digest.
func foreign(t *testing.T, s Spec) Spec {
	t.Helper()
	file := s.Wasm
	sum := sha256.Sum256(file)
	s.Wasm, s.Read, s.BuiltIn, s.Digest = nil, func() ([]byte, error) { return file, nil }, false, hex.EncodeToString(sum[:])
	s.Trust, s.Signer = abi.TrustSigned, "E1"
	manifest, err := abi.ReadManifest(file)
	if err != nil {
		t.Fatal(err)
	}
	s.Manifest = manifest
	return s
}

// drop is a module from elsewhere with a command of its name.
func drop(t *testing.T, name string, menus ...abi.MenuEntry) Spec {
	t.Helper()
	return foreign(t, wasm(t, name, []abi.Command{cmd(name, abi.WhoUser, menus...)}))
}

func put(t *testing.T, r *Registry, s Spec) {
	t.Helper()
	if err := r.Put(t.Context(), s); err != nil {
		t.Fatal(err)
	}
}

// inventory is everything that a table says, in a line for each module.
func inventory(r *Registry) string {
	var out strings.Builder
	for _, s := range r.List() {
		fmt.Fprintf(&out, "%s %s %s %s %v\n", s.Name, s.Digest, s.Trust, s.State, s.Capabilities)
	}
	r.mu.RLock()
	defer r.mu.RUnlock()
	fmt.Fprintln(&out, len(r.commands), len(r.words), len(r.coming))
	return out.String()
}

func TestPutAddsAndReplaces(t *testing.T) {
	w := &workshop{}
	r := w.newRegistry(t)
	add(t, r, core(t))
	put(t, r, drop(t, "first"))
	put(t, r, foreign(t, ships(t, "*")))
	put(t, r, drop(t, "last"))
	put(t, r, foreign(t, ships(t, "web-*")))
	var names []string
	for _, m := range r.Describe(abi.RoleUser).Modules {
		names = append(names, m.Name+" "+m.Trust+m.Signer)
	}
	if got := strings.Join(names, ", "); got != "core built_in, first signed, ships signed, last signed" {
		t.Errorf("there are %s", got)
	}
	if got := answer(t, r, "ships"); !strings.HasSuffix(got, "{web-*}") {
		t.Errorf("it answers %q", got)
	}
	if got := r.Describe(abi.RoleAdmin).Modules[2].Signer; got != "E1" {
		t.Errorf("an admin is told of the signer %q", got)
	}
	r.AwaitAll() // core is loaded beside
	made := len(w.made)
	same := foreign(t, ships(t, "web-*"))
	same.Trust, same.Signer = abi.TrustApproved, ""
	put(t, r, same)
	if list := r.List(); len(w.made) != made || list[2].Trust != abi.TrustApproved || list[2].Signer != "" {
		t.Errorf("the same again: %d loaded, %+v", len(w.made)-made, list[2])
	}
}

// Commands and words that a version has no more are free for others, and those
// that it keeps are not.
func TestPutGivesUpWhatTheNewVersionLacks(t *testing.T) {
	r := new(workshop).newRegistry(t)
	put(t, r, foreign(t, wasm(t, "a", []abi.Command{cmd("one", abi.WhoUser, menu("One", 1, 1)), cmd("two", abi.WhoUser, menu("Two", 1, 2))})))
	other := foreign(t, wasm(t, "b", []abi.Command{cmd("b", abi.WhoUser, menu("Two", 1, 1))}))
	if err := r.Put(t.Context(), other); err == nil || !strings.Contains(err.Error(), "module b") || !strings.Contains(err.Error(), "module a") {
		t.Errorf("a word that has an owner: %v", err)
	}
	put(t, r, foreign(t, wasm(t, "a", []abi.Command{cmd("one", abi.WhoUser, menu("Uno", 1, 1))})))
	put(t, r, other)
	if _, found := r.ByCommand("two"); found {
		t.Error("a command of the version before is still there")
	}
	if _, found, _ := r.ByText(t.Context(), "one"); found {
		t.Error("a word of the version before is still there")
	}
	if route, found, _ := r.ByText(t.Context(), "two"); !found || route.Module != "b" {
		t.Errorf("the word leads to %+v", route)
	}
}

func TestPutIsAllOrNothing(t *testing.T) {
	spoilt := func(s Spec, spoil func(*Spec)) Spec { spoil(&s); return s }
	lying := drop(t, "new")
	lying.Manifest.Capabilities = []abi.CapabilityRequest{{Name: "docker.info", Reason: "r"}}
	for _, test := range []struct {
		name string
		bad  Spec
		want []string
	}{
		{"a built-in module", core(t), []string{"core", "with the program"}},
		{"the name of one", drop(t, "core"), []string{"core", "a built-in module has that name"}},
		{"the name of one that does not run", drop(t, "ungranted"), []string{"a built-in module has that name"}},
		{"a command of one", foreign(t, wasm(t, "new", []abi.Command{cmd("start", abi.WhoUser)})), []string{"module new", "/start", "module core"}},
		{"a command of another", foreign(t, wasm(t, "new", []abi.Command{cmd("ships", abi.WhoUser)})), []string{"module new", "/ships", "module ships"}},
		{"a word of another", drop(t, "new", menu("⛵ ships", 1, 1)), []string{"module new", `"ships"`, "module ships"}},
		{"the host's own command", foreign(t, wasm(t, "new", []abi.Command{cmd("qrcode", abi.WhoUser)})), []string{"the bot itself"}},
		{"for anybody", foreign(t, wasm(t, "new", []abi.Command{cmd("new", abi.WhoAnybody)})), []string{"only built-in"}},
		{"does not load", drop(t, "broken"), []string{"broken does not compile"}},
		{"other bytes", spoilt(drop(t, "new"), func(s *Spec) { s.Digest = strings.Repeat("0", 64) }), []string{"not the one that was meant"}},
		{"another manifest", lying, []string{"manifest is not the one"}},
		{"its file is gone", spoilt(drop(t, "new"), func(s *Spec) { s.Read = func() ([]byte, error) { return nil, errors.New("gone") } }), []string{"gone"}},
		{"less than it needs", foreign(t, ships(t)), []string{"not granted"}},
		{"no manifest", Spec{Read: func() ([]byte, error) { return []byte("hello"), nil }}, []string{"not the one that was meant"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := (&workshop{refuses: "broken"}).newRegistry(t)
			r.Own, r.table = []abi.Command{{Name: "qrcode"}}, newTable([]abi.Command{{Name: "qrcode"}})
			add(t, r, core(t))
			ungranted := wasm(t, "ungranted", nil, abi.CapabilityRequest{Name: "docker.info", Reason: "r"})
			ungranted.Granted = []capability.Request{}
			if err := r.Add(t.Context(), ungranted); !errors.Is(err, ErrNotGranted) {
				t.Fatal(err)
			}
			put(t, r, foreign(t, ships(t, "*")))
			r.AwaitAll()
			before := inventory(r)
			err := r.Put(t.Context(), test.bad)
			for _, want := range test.want {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %q", err, want)
				}
			}
			if after := inventory(r); after != before {
				t.Errorf("before:\n%safter:\n%s", before, after)
			}
		})
	}
}

func TestRemove(t *testing.T) {
	w := &workshop{hold: make(chan struct{})}
	synctest.Test(t, func(t *testing.T) {
		w.hold = make(chan struct{})
		r := w.newRegistry(t)
		add(t, r, core(t))
		r.AwaitAll()
		before := inventory(r)
		put(t, r, drop(t, "extra", menu("Extra", 1, 1)))
		var under sync.WaitGroup
		under.Go(func() { answer(t, r, "extra") })
		synctest.Wait()
		if err := r.Remove(t.Context(), "extra"); err != nil {
			t.Fatal(err)
		}
		_, byCommand := r.ByCommand("extra")
		_, byText, _ := r.ByText(t.Context(), "extra")
		if byCommand || byText || r.Has("extra") || inventory(r) != before {
			t.Errorf("it is still there:\n%s", inventory(r))
		}
		if w.made[1].closed.Load() != 0 {
			t.Error("it was closed while it ran")
		}
		close(w.hold)
		under.Wait()
		synctest.Wait()
		if w.made[1].closed.Load() != 1 {
			t.Error("it was not closed after its last invocation")
		}
		if err := r.Remove(t.Context(), "extra"); !errors.Is(err, ErrNoModule) {
			t.Errorf("again: %v", err)
		}
		if err := r.Remove(t.Context(), "core"); err == nil || !r.Has("core") {
			t.Errorf("a built-in module: %v", err)
		}
	})
}

// TestEndStopsWhatRuns (F2): who takes a module its word back waits for no command of it,
// neither for one that is under way nor for those in its queue.
func TestEndStopsWhatRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := New(Config{
			Load:     func(context.Context, engine.Source) (Runner, error) { return sleeper{}, nil },
			Username: func(context.Context) (string, error) { return "", nil }, Log: zap.NewNop(),
		}, 1)
		defer r.Close(context.Background())
		put(t, r, drop(t, "extra"))
		ended := make(chan error, 3)
		for range cap(ended) {
			go func() {
				_, _, err := r.Invoke(t.Context(), "extra", abi.Actor{}, nil, zap.NewNop(), []byte("{}"))
				ended <- err
			}()
		}
		synctest.Wait()
		began := time.Now()
		if err := r.End(t.Context(), "extra"); err != nil || r.Has("extra") {
			t.Fatal(err)
		}
		for range cap(ended) {
			if fault, ok := errors.AsType[*unavailable](<-ended); !ok || time.Since(began) > 0 {
				t.Errorf("after %s: %v", time.Since(began), fault)
			}
		}
		if err := r.End(t.Context(), "extra"); !errors.Is(err, ErrNoModule) {
			t.Errorf("again: %v", err)
		}
		put(t, r, drop(t, "extra")) // and the next of its name runs
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, _, err := r.Invoke(ctx, "extra", abi.Actor{}, nil, zap.NewNop(), []byte("{}")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("the next one: %v", err)
		}
		if err := r.Remove(t.Context(), "extra"); err != nil {
			t.Error(err)
		}
		synctest.Wait()
	})
}

// sleeper answers nothing for as long as it may.
type sleeper struct{}

func (sleeper) Invoke(ctx context.Context, _ *hostcall.Caller, _ []byte) (engine.Answer, error) {
	<-ctx.Done()
	return engine.Answer{}, ctx.Err()
}
func (sleeper) Close(context.Context) error { return nil }

// Whoever takes a module back need not wait for it to be loaded, and it does not
// come after that.
func TestRemoveOvertakesPut(t *testing.T) {
	for name, overtake := range map[string]func(*Registry) error{
		"removed":         func(r *Registry) error { return r.Remove(context.Background(), "ships") },
		"the one before":  func(r *Registry) error { return r.Put(context.Background(), foreign(t, ships(t, "*"))) },
		"another command": func(r *Registry) error { return r.Remove(context.Background(), "other") },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &workshop{}
				r := w.newRegistry(t)
				put(t, r, foreign(t, ships(t, "*")))
				put(t, r, drop(t, "other"))
				w.gate = make(chan struct{})
				came := make(chan error)
				go func() { came <- r.Put(t.Context(), foreign(t, ships(t, "web-*"))) }()
				synctest.Wait()
				if err := overtake(r); err != nil {
					t.Fatal(err)
				}
				close(w.gate)
				err := <-came
				if overtaken := name != "another command"; errors.Is(err, ErrOvertaken) != overtaken || !overtaken && err != nil {
					t.Errorf("the one that was being loaded: %v", err)
				}
				if r.Has("ships") != (name != "removed") || len(r.coming) != 0 {
					t.Errorf("there are now:\n%s", inventory(r))
				}
				synctest.Wait()
			})
		})
	}
}

// Two that want one command are loaded at the same time: one of them gets it.
func TestTwoPutsForOneCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &workshop{gate: make(chan struct{})}
		r := w.newRegistry(t)
		came := make(chan error)
		for _, name := range []string{"a", "b"} {
			go func() {
				came <- r.Put(t.Context(), foreign(t, wasm(t, name, []abi.Command{cmd("one", abi.WhoUser)})))
			}()
		}
		synctest.Wait()
		close(w.gate)
		first, second := <-came, <-came
		refused := errors.Join(first, second)
		if (first == nil) == (second == nil) || !strings.Contains(refused.Error(), "module a") || !strings.Contains(refused.Error(), "module b") {
			t.Errorf("got %v and %v", first, second)
		}
		if len(r.List()) != 1 {
			t.Errorf("there are:\n%s", inventory(r))
		}
	})
}

func TestReplaceLeavesForeignModulesAlone(t *testing.T) {
	w := &workshop{}
	r := w.newRegistry(t)
	add(t, r, core(t))
	put(t, r, foreign(t, ships(t, "*")))
	put(t, r, drop(t, "extra"))
	before := w.made[1]
	for _, test := range []struct {
		name    string
		specs   []Spec
		refused string
		removed string
	}{
		{"nothing changes", []Spec{core(t)}, "", ""},
		{"a built-in module of that name", []Spec{core(t), wasm(t, "extra", nil)}, "of that name", ""},
		{"one that wants its command", []Spec{core(t), wasm(t, "new", []abi.Command{cmd("ships", abi.WhoUser)})}, "module new: command /ships belongs to module ships", ""},
		{"one that wants its word", []Spec{core(t), wasm(t, "new", []abi.Command{cmd("n", abi.WhoUser, menu("ships", 1, 1))})}, "of module ships", ""},
		{"none left", nil, "", "core"},
		{"core comes back", []Spec{core(t)}, "", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			change := replace(t, r, test.specs...)
			if got := errors.Join(change.Refused...); (got != nil) != (test.refused != "") || got != nil && !strings.Contains(got.Error(), test.refused) {
				t.Errorf("refused %v, want %q", got, test.refused)
			}
			if got := strings.Join(change.Removed, " "); got != test.removed {
				t.Errorf("removed %q, want %q", got, test.removed)
			}
			answer(t, r, "ships")
			answer(t, r, "extra")
			if route, found, _ := r.ByText(t.Context(), "Ships"); !found || route.Module != "ships" {
				t.Errorf("its word leads to %+v", route)
			}
		})
	}
	if before.closed.Load() != 0 {
		t.Error("it was closed")
	}
	if got := r.Describe(abi.RoleUser).Modules[0].Name; got != "core" {
		t.Errorf("%s comes first", got)
	}
	if _, err := r.Replace(t.Context(), []Spec{core(t), drop(t, "stranger")}); err == nil || !strings.Contains(err.Error(), "built-in") {
		t.Errorf("one from elsewhere: %v", err)
	}
	put(t, r, foreign(t, wasm(t, "extra", []abi.Command{cmd("more", abi.WhoUser)}))) // though a built-in one was refused for it
}

// A module that is switched off stays so when its file comes again, and another
// file is another module.
func TestPutKeepsTheConductOfADigest(t *testing.T) {
	now := time.Unix(1000, 0)
	w := &workshop{}
	r := w.newRegistry(t)
	r.Now = func() time.Time { return now }
	s := drop(t, "extra")
	put(t, r, s)
	for range 20 {
		r.modules["extra"].conduct.record.Fault(now)
	}
	state := func() State { return r.List()[0].State }
	if state() != StateOff {
		t.Fatal("it is not switched off")
	}
	if err := r.Remove(t.Context(), "extra"); err != nil {
		t.Fatal(err)
	}
	put(t, r, s)
	if state() != StateOff {
		t.Error("it came back by being removed and put")
	}
	put(t, r, foreign(t, wasm(t, "extra", []abi.Command{cmd("x", abi.WhoUser)})))
	if state() != StateLoaded {
		t.Error("another file is switched off")
	}
	put(t, r, s)
	if state() != StateOff {
		t.Error("it came back by way of another file")
	}
}

// Everything at once, for the race detector.
func TestPutAndRemoveUnderLoad(t *testing.T) {
	const times = 1000
	w := &workshop{}
	r := w.newRegistry(t)
	add(t, r, core(t))
	scopes := [][]string{{"*"}, {"web-*"}, {"db"}}
	specs := []Spec{drop(t, "a"), drop(t, "b"), foreign(t, wasm(t, "b", []abi.Command{cmd("a", abi.WhoUser)}))}
	for _, scope := range scopes {
		specs = append(specs, foreign(t, ships(t, scope...)))
	}
	var left atomic.Int64
	left.Store(times)
	var all sync.WaitGroup
	for n := range 4 {
		all.Go(func() {
			random := rand.New(rand.NewPCG(1, uint64(n)))
			for left.Add(-1) >= 0 {
				switch random.IntN(5) {
				case 0:
					if err := r.Remove(t.Context(), []string{"a", "b", "ships"}[random.IntN(3)]); err != nil && !errors.Is(err, ErrNoModule) {
						t.Error(err)
					}
				case 1:
					if change, err := r.Replace(t.Context(), []Spec{core(t)}); err != nil || len(change.Loaded)+len(change.Removed) > 0 {
						t.Errorf("a reload of the same did %+v, %v", change, err)
					}
				default:
					err := r.Put(t.Context(), specs[random.IntN(len(specs))])
					if _, isConflict := errors.AsType[*conflict](err); err != nil && !isConflict && !errors.Is(err, ErrOvertaken) {
						t.Error(err)
					}
				}
			}
		})
		all.Go(func() {
			for left.Load() > 0 {
				for _, name := range []string{"core", "a", "b", "ships"} {
					if _, _, err := r.Invoke(t.Context(), name, abi.Actor{}, nil, zap.NewNop(), nil); err != nil && (name == "core" || !strings.Contains(err.Error(), "none of that name")) {
						t.Errorf("%s fails: %v", name, err)
					}
				}
				for _, command := range r.Describe(abi.RoleUser).Commands {
					r.ByCommand(command.Name)
				}
				r.Menu("main", abi.RoleUser)
				r.List()
			}
		})
	}
	all.Wait()
	for _, name := range []string{"a", "b", "ships"} {
		if err := r.Remove(t.Context(), name); err != nil && !errors.Is(err, ErrNoModule) {
			t.Error(err)
		}
	}
	if r.mu.RLock(); len(r.commands) != 1 || len(r.words) != 1 || len(r.order) != 1 {
		t.Errorf("commands %v, words %v, modules %v are left", r.commands, r.words, r.order)
	}
	r.mu.RUnlock()
}
