package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// armada is an engine of as many containers as a test wants, which a real one
// would take minutes to make.
type armada struct {
	mu    sync.Mutex
	names []string
	lists atomic.Int64 // how often everything was listed
	slow  time.Duration
}

// id is a full id that begins with the container's number.
func (*armada) id(i int) string { return fmt.Sprintf("%012x%052d", i+1, 0) }

// state: every third one runs.
func (*armada) state(i int) string {
	if i%3 == 0 {
		return container.StateRunning
	}
	return container.StateExited
}

func (a *armada) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", "1.51")
	w.Header().Set("Content-Type", "application/json")
	a.mu.Lock()
	names := slices.Clone(a.names)
	a.mu.Unlock()
	path := r.URL.Path[strings.Index(r.URL.Path[1:], "/")+1:]
	switch {
	case r.URL.Path == "/_ping":
	case path == "/info":
		_ = json.NewEncoder(w).Encode(map[string]any{"Containers": len(names)})
	case path == "/containers/json":
		if q := r.URL.Query(); q.Get("filters") == "" && q.Get("all") != "" { // the sampler asks for those that run
			a.lists.Add(1)
			time.Sleep(a.slow)
		}
		rows := []map[string]any{}
		for i, name := range names {
			rows = append(rows, map[string]any{
				"Id": a.id(i), "Names": []string{"/" + name}, "Image": "registry.example.org/team/image:1.2.3", "ImageID": "sha256:1", "State": a.state(i),
				"Status": "Up 3 minutes", "Created": time.Now().Add(-time.Hour).Unix(), "Labels": map[string]string{"com.example.team": "blue"},
			})
		}
		_ = json.NewEncoder(w).Encode(rows)
	default:
		for i, name := range names {
			if path == "/containers/"+a.id(i)+"/json" {
				_ = json.NewEncoder(w).Encode(map[string]any{
					"Id": a.id(i), "Name": "/" + name, "Config": map[string]any{"Image": "x"}, "State": map[string]any{"Status": a.state(i)},
				})
				return
			}
		}
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"message":"No such container"}`)
	}
}

// of gives the engine n containers with these names, and others.
func (a *armada) of(n int, names ...string) {
	for i := len(names); i < n; i++ {
		names = append(names, fmt.Sprintf("ship-%04d", i))
	}
	a.mu.Lock()
	a.names = names
	a.mu.Unlock()
}

// serve lets the engine listen on a socket, and returns its address.
func (a *armada) serve(t testing.TB, socket string) string {
	t.Helper()
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: a}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return "unix://" + socket
}

func onEngine(hosts ...string) setup { return func(b *bot) { b.cfg.Docker.Host = hosts } }

// Every page of every length: none is lost, none comes twice, the running ones
// come first, and no page is a dead end.
func TestListsOfAllLengths(t *testing.T) {
	engine := &armada{}
	b := startBot(t, onEngine(engine.serve(t, filepath.Join(t.TempDir(), "d.sock"))))
	p := b.person(user, user)
	for _, n := range []int{0, 1, 9, 10, 11, 200, 1000} {
		engine.of(n)
		running, pages := (n+2)/3, max(1, (n+9)/10)
		view := p.says("/containers")
		var seen []string
		for page := 1; ; page++ {
			switch {
			case n == 0:
				p.expect(view, "There are no containers")
			case n == 1:
				p.expect(view, "1 container, 1 running")
			default:
				p.expect(view, fmt.Sprintf("%d containers, %d running", n, running))
			}
			names := listed(view, "ship-")
			if want := min(10, n-10*(page-1)); len(names) != want {
				t.Fatalf("%d containers: page %d lists %d, want %d", n, page, len(names), want)
			}
			seen = append(seen, names...)
			if page == pages {
				break
			}
			view = p.taps(fmt.Sprintf("%d/%d ▶️", page+1, pages))
		}
		if slices.ContainsFunc(slices.Concat(view.Labels()...), func(label string) bool { return strings.HasSuffix(label, "▶️") }) {
			t.Errorf("%d containers: the last page leads on: %q", n, view.Labels())
		}
		if first := min(running, len(seen)); !slices.IsSorted(seen[:first]) || !slices.IsSorted(seen[first:]) {
			t.Errorf("%d containers: the order is %q", n, seen)
		}
		slices.Sort(seen)
		if all := len(slices.Compact(seen)); all != n {
			t.Errorf("%d containers: %d are listed", n, all)
		}
		p.expect(p.taps("⬅️ Back"), "🐳 Docker")
	}
}

// Names that Docker takes and that are no common ones: of 63 characters, of 128, of
// all that may be in a name; each opens its page.
func TestLongNames(t *testing.T) {
	all := "z0123456789abcdefghijklmnopqrstuvwxyABCDEFGHIJKLMNOPQRSTUVWXYZ_.-"
	names := []string{all, strings.Repeat("n", 63), strings.Repeat("l", 127) + "1", strings.Repeat("l", 127) + "2", "x_", "x.", "x-", "0", "__"}
	engine := &armada{}
	engine.of(len(names), names...)
	b := startBot(t, onEngine(engine.serve(t, filepath.Join(t.TempDir(), "d.sock"))))
	p := b.person(user, user)
	list := p.says("/containers")
	for i, name := range names {
		p.expect(list, "<code>"+name+"</code>")
		m := p.tapsOn(list.ID, list.Labels()[rowOf(t, list, name)][columnOf(list, name)])
		p.expect(m, "<code>"+name+"</code>", "Id: <code>"+engine.id(i)[:12]+"</code>")
		list = p.tapsOn(list.ID, "⬅️ Back")
	}
}

// rowOf finds the button of a name, which may be cut in its middle.
func rowOf(t testing.TB, list emulator.Message, name string) int {
	t.Helper()
	for i, row := range list.Labels() {
		if slices.ContainsFunc(row, func(label string) bool { return opens(label, name) }) {
			return i
		}
	}
	t.Fatalf("there is no button for %s:\n%q", name, list.Labels())
	return 0
}

func columnOf(list emulator.Message, name string) int {
	for _, row := range list.Labels() {
		if i := slices.IndexFunc(row, func(label string) bool { return opens(label, name) }); i >= 0 {
			return i
		}
	}
	return 0
}

func opens(label, name string) bool {
	_, shown, _ := strings.Cut(label, " ")
	head, tail, cut := strings.Cut(shown, "…")
	return shown == name || cut && strings.HasPrefix(name, head) && strings.HasSuffix(name, tail)
}

// Many people who look at the same time cost the engine one list.
func TestManyLookAtOnce(t *testing.T) {
	const people = 50
	engine := &armada{slow: 300 * time.Millisecond}
	engine.of(200)
	b := startBot(t, onEngine(engine.serve(t, filepath.Join(t.TempDir(), "d.sock"))), manyUsers(people), func(b *bot) { b.o.dockerFresh = time.Minute })
	b.person(user, user).says("/docker") // loads the module
	var all sync.WaitGroup
	for i := range int64(people) {
		all.Go(func() {
			p := b.person(firstOfMany+i, firstOfMany+i)
			p.Type("/containers")
			p.hears("200 containers, 67 running", 1)
		})
	}
	all.Wait()
	if n := engine.lists.Load(); n != 1 {
		t.Errorf("the engine listed its containers %d times for %d people", n, people)
	}
}

// An engine on another machine takes connections and says nothing more: that is
// told within five seconds, in a sentence, and the other engine can be reached.
func TestARemoteEngineThatFallsSilent(t *testing.T) {
	t.Parallel()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { silent.Close() })
	engine := &armada{}
	engine.of(3)
	remote := "tcp://" + silent.Addr().String()
	b := startBot(t, onEngine(engine.serve(t, filepath.Join(t.TempDir(), "d.sock")), remote))
	p := b.person(user, user)
	view := p.says("/containers")
	p.expect(view, "3 containers on local")
	const sentence = "Docker does not answer on tcp://127.0.0.1:"
	p.soon(sentence, func() emulator.Message { return p.tapsOn(view.ID, "🖥 127.0.0.1") })
	p.soon(sentence, func() emulator.Message { return p.tapsOn(view.ID, "🔄 Try again") })
	p.expect(p.tapsOn(view.ID, "🖥 local"), "3 containers on local")
	b.await("docker.away", 1)
}

// The socket of an engine that runs without root is where XDG_RUNTIME_DIR says.
func TestARootlessSocket(t *testing.T) {
	s := newScene(t)
	s.has(dockertest.Container{Name: s.mark})
	dir := filepath.Join(t.TempDir(), "run", "user", "1001")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("XDG_RUNTIME_DIR", dir)
	engine := newProxy(t, s.host, nil)
	if err := os.Symlink(engine.socket, filepath.Join(os.Getenv("XDG_RUNTIME_DIR"), "docker.sock")); err != nil {
		t.Fatal(err)
	}
	p := startBot(t, s.only, onEngine("unix://"+filepath.Join(dir, "docker.sock"))).person(user, user)
	p.expect(p.says("/containers"), "1 container, 1 running")
	p.expect(p.taps("🟢 "+s.mark), "State: running", "Processes")
	engine.cut()
	p.soon("There is no Docker socket at "+filepath.Join(dir, "docker.sock"), func() emulator.Message { return p.taps("🔄 Refresh") })
}

// A container that ends and starts all the time is in another state at each look,
// and each look shows one.
func TestAContainerThatRestartsAllTheTime(t *testing.T) {
	s := newScene(t)
	s.has(dockertest.Container{Name: s.mark, Args: []string{"exit", "0"}, Adjust: func(_ *container.Config, host *container.HostConfig) {
		host.RestartPolicy.Name = container.RestartPolicyAlways
	}})
	p := startBot(t, s.only).person(user, user)
	list := p.says("/containers")
	list = p.taps(list.Labels()[0][0])
	for range 30 {
		m := p.tapsOn(list.ID, "🔄 Refresh")
		p.expect(m, "<code>"+s.mark+"</code>", "State: ", "Restarts: ")
		p.lacks(m, "Something went wrong", "not there any more")
	}
	p.until("🔄 Refresh", "State: restarting")
	p.expect(p.taps("⬅️ Back"), "1 container")
}
