package runtime

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
)

const noon = 1_767_268_800_000

func id(n int) string { return fmt.Sprintf("%012x%052d", n+0xa1b2c3d4e500, 0) }

// engine is what a test's host answers; a test spoils what it is about.
type engine struct {
	hosts      []string
	containers []abi.Container
	runtime    abi.ContainerRuntime
	env        abi.ContainerEnv
	fails      map[string]error
	asked      []string // operations about one container, with what was asked
}

func holding(n int) *engine {
	e := &engine{hosts: []string{"local"}, fails: map[string]error{}}
	for i := range n {
		state := []string{"running", "exited", "created"}[i%3]
		e.containers = append(e.containers, abi.Container{ID: id(i), Name: fmt.Sprintf("web-%02d", i), State: state})
	}
	e.runtime = abi.ContainerRuntime{
		Name: "web", RestartPolicy: "on-failure", MaxRetries: 3, NetworkMode: "shop", Hostname: "inside", User: "1000", WorkingDir: "/srv",
		LogDriver: "json-file", Runtime: "runc", MemoryLimit: 64 << 20, SwapLimit: 128 << 20, CPULimit: 0.5, CPUShares: 512, CPUSet: "0-1", PIDsLimit: 100,
		ReadOnly: true, Init: true, CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"ALL"}, SecurityOptions: []string{"no-new-privileges", "apparmor=docker-default"},
		PIDMode: "host", IPCMode: "private", Devices: []string{"/dev/fuse (rwm)"},
		Mounts: []abi.ContainerMount{
			{Type: "bind", Source: "/etc/app", Destination: "/app", Mode: "ro", ReadOnly: true},
			{Type: "volume", Name: "data", Source: "/var/lib/docker/volumes/data/_data", Destination: "/data", Driver: "local", Mode: "z"},
			{Type: "volume", Name: strings.Repeat("ab", 32), Destination: "/media", Driver: "nfs"},
			{Type: "tmpfs", Destination: "/run", Mode: "size=64m"},
		},
		Networks: []abi.ContainerNetwork{
			{Name: "back"},
			{Name: "shop", IPv4: "172.18.0.2/16", IPv6: "fd00::2/64", Gateway: "172.18.0.1", MAC: "02:42:ac:12:00:02", Aliases: []string{"shop-web", "web"}},
		},
	}
	e.env = abi.ContainerEnv{Name: "web", Variables: []abi.Label{{Name: "COLOUR", Value: "blue"}, {Name: "DB_PASSWORD", Value: "•••"}, {Name: "EMPTY"}}}
	return e
}

func (e *engine) failing(op string, code abi.Code, sentence string) *engine {
	e.fails[op] = sdk.Fail(code, sentence)
	return e
}

func (e *engine) host() sdk.Host {
	fake := sdk.NewFake()
	sdk.Answer(fake, abi.OpDockerHosts, func(abi.DockerQuery) (abi.DockerHosts, error) {
		return abi.DockerHosts{Names: e.hosts}, e.fails[abi.OpDockerHosts]
	})
	sdk.Answer(fake, abi.OpContainerList, func(q abi.ContainerQuery) (abi.ContainerList, error) {
		rest := e.containers[min(q.Offset, len(e.containers)):]
		return abi.ContainerList{Total: len(e.containers), Containers: rest[:min(q.Count, len(rest))]}, e.fails[abi.OpContainerList]
	})
	sdk.Answer(fake, abi.OpContainerRuntime, func(ref abi.ContainerRef) (abi.ContainerRuntime, error) {
		e.asked = append(e.asked, "runtime "+ref.ID+"@"+ref.Host)
		return e.runtime, e.fails[abi.OpContainerRuntime]
	})
	sdk.Answer(fake, abi.OpContainerEnv, func(ref abi.ContainerRef) (abi.ContainerEnv, error) {
		e.asked = append(e.asked, "env "+ref.ID+"@"+ref.Host)
		return e.env, e.fails[abi.OpContainerEnv]
	})
	return fake.Host()
}

func private(req sdk.Request) sdk.Request {
	req.Chat.Private = true
	return req
}

func typing(command, text string) sdk.Request {
	return private(sdk.Request{Command: command, Text: text, Time: noon})
}

func tap(action, view string, args ...string) sdk.Request {
	args = append(args, "view", view)
	return private(sdk.Request{Action: action, Args: sdk.Do("", action, args...).Args, Time: noon})
}

func handle(t *testing.T, e *engine, req sdk.Request) sdk.Reply {
	t.Helper()
	reply, err := Module().Handle(e.host(), req)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestReplies(t *testing.T) {
	const away, gone = "Docker does not answer.", "There is no such container (any more)."
	of := func(spoil func(*engine)) *engine {
		e := holding(3)
		spoil(e)
		return e
	}
	bare := of(func(e *engine) {
		e.runtime, e.env = abi.ContainerRuntime{Name: "web", RestartPolicy: "no"}, abi.ContainerEnv{Name: "web"}
	})
	inGroup := tap("show", "environment", "ref", "web", "outside", "1")
	inGroup.Chat.Private = false
	for _, test := range []struct {
		name string
		e    *engine
		req  sdk.Request
	}{
		{"list", holding(3), typing("runtime", "")},
		{"list-empty", holding(0), typing("runtime", "")},
		{"list-middle-page", holding(35), tap("list", "volumes", "page", "3")},
		{"list-of-several-hosts", of(func(e *engine) { e.hosts = []string{"local", "edge"} }), typing("environment", "@edge")},
		{"list-away", holding(3).failing(abi.OpContainerList, abi.Unavailable, away), typing("networks", "")},
		{"runtime", holding(3), tap("show", "runtime", "ref", id(0), "page", "2")},
		{"runtime-typed", holding(3), typing("runtime", "web@edge")},
		{"runtime-bare", bare, typing("runtime", "web")},
		{"runtime-privileged", of(func(e *engine) {
			e.runtime = abi.ContainerRuntime{Name: "web", RestartPolicy: "unless-stopped", MemoryLimit: 1 << 30, SwapLimit: -1, CPULimit: 1, Privileged: true}
		}), typing("runtime", "web")},
		{"runtime-gone", holding(3).failing(abi.OpContainerRuntime, abi.NotFound, gone), typing("runtime", "web")},
		{"runtime-away", holding(3).failing(abi.OpContainerRuntime, abi.Unavailable, away), tap("show", "runtime", "ref", id(0), "page", "2")},
		{"volumes", holding(3), typing("volumes", "web")},
		{"volumes-none", bare, typing("volumes", "web")},
		{"networks", holding(3), typing("networks", "web")},
		{"networks-none", bare, typing("networks", "web")},
		{"networks-of-the-host", of(func(e *engine) { e.runtime.NetworkMode = "host" }), typing("networks", "web")},
		{"environment", holding(3), typing("environment", "web")},
		{"environment-none", bare, typing("environment", "web")},
		{"environment-in-a-group", holding(3), inGroup},
		{"environment-last-page", of(func(e *engine) {
			for i := range 60 {
				e.env.Variables = append(e.env.Variables, abi.Label{Name: fmt.Sprintf("V%02d", i), Value: strings.Repeat("x", 200)})
			}
			e.env.Omitted = 7
		}), tap("show", "environment", "ref", "web", "part", "9")},
	} {
		t.Run(test.name, func(t *testing.T) {
			reply := handle(t, test.e, test.req)
			golden.Check(t, Module(), test.name, reply)
			fits(t, reply)
		})
	}
}

// TestTheEnvironmentStaysOutOfGroups: it is not even asked for there.
func TestTheEnvironmentStaysOutOfGroups(t *testing.T) {
	for _, req := range []sdk.Request{typing("environment", "web"), tap("show", "environment", "ref", "web")} {
		req.Chat.Private = false
		e := holding(1)
		reply := handle(t, e, req)
		if len(e.asked) > 0 || !strings.Contains(fmt.Sprint(reply.Blocks), "in a private chat only") || strings.Contains(fmt.Sprint(reply), "COLOUR") {
			t.Errorf("asked %q: %+v", e.asked, reply)
		}
	}
}

// TestEachViewLeadsToTheOthers, of the same container on the same host, and back
// to the same page of the list.
func TestEachViewLeadsToTheOthers(t *testing.T) {
	for _, view := range views {
		e := holding(3)
		reply := handle(t, e, tap("show", view, "ref", id(1), "host", "edge", "page", "2"))
		var leads []string
		for _, b := range slices.Concat(reply.Keyboard...) {
			leads = append(leads, b.Action+" "+b.Args["view"])
			if b.Args["host"] != "edge" || b.Args["page"] != "2" || b.Action == "show" && b.Args["ref"] != id(1) || b.Back {
				t.Errorf("%s: button %+v", view, b)
			}
		}
		for _, other := range views {
			if !slices.Contains(leads, "show "+other) {
				t.Errorf("%s leads to %q, not to %s", view, leads, other)
			}
		}
		if !slices.Contains(leads, "list "+view) || len(leads) != len(views)+1 || len(e.asked) != 1 || !strings.HasSuffix(e.asked[0], id(1)+"@edge") {
			t.Errorf("%s leads to %q, having asked for %q", view, leads, e.asked)
		}
	}
}

// TestWhatIsPickedIsWhatWasAskedFor: the list of /networks opens networks.
func TestWhatIsPickedIsWhatWasAskedFor(t *testing.T) {
	for _, view := range views {
		e := holding(3)
		b := handle(t, e, typing(view, "@edge")).Keyboard[0][1]
		reply := handle(t, e, private(sdk.Request{Action: b.Action, Args: b.Args, Time: noon}))
		_, heading := reply.Blocks[0].Spans[0].Text, b.Args["view"]
		if heading != view || len(e.asked) != 1 || !strings.HasSuffix(e.asked[0], id(1)+"@edge") {
			t.Errorf("/%s opens %s of %q", view, heading, e.asked)
		}
	}
}

func TestBrokenButtons(t *testing.T) {
	for _, req := range []sdk.Request{
		tap("list", ""), tap("list", "passwords"), tap("list", "runtime", "page", "0"), tap("list", "runtime", "host", "a\nb"),
		tap("show", "runtime"), tap("show", "runtime", "ref", "a b"), tap("show", "runtime", "ref", "a\u202e"), tap("show", "", "ref", "web"),
		tap("show", "volumes", "ref", "web", "part", "x"), tap("show", "volumes", "ref", strings.Repeat("a", 256)),
		typing("runtime", "web db"), typing("runtime", "web@"+strings.Repeat("h", 65)), typing("environment", "a\nb"),
	} {
		if _, err := Module().Handle(holding(3).host(), req); sdk.CodeOf(err) != abi.Invalid || !strings.HasSuffix(sdk.MessageOf(err), ".") {
			t.Errorf("%s%s%v %q: %v", req.Command, req.Action, req.Args, req.Text, err)
		}
	}
}

// TestTheHostAsks: what a user must do first is not worded here.
func TestTheHostAsks(t *testing.T) {
	for _, code := range []abi.Code{abi.Denied, abi.AuthRequired} {
		for op, view := range map[string]string{abi.OpContainerRuntime: "volumes", abi.OpContainerEnv: "environment"} {
			if _, err := Module().Handle(holding(3).failing(op, code, "No.").host(), typing(view, "web")); sdk.CodeOf(err) != code {
				t.Errorf("%s: %v", view, err)
			}
		}
	}
}

// TestHostileContainers: whatever an engine says, views are whole and fit.
func TestHostileContainers(t *testing.T) {
	evil := strings.Repeat("<b>\u202e\n&😀", 60)
	e := holding(10)
	for i := range e.containers {
		e.containers[i] = abi.Container{ID: evil, Name: evil, State: evil}
	}
	many := slices.Repeat([]string{evil}, 50)
	e.runtime = abi.ContainerRuntime{Name: evil, RestartPolicy: evil, MaxRetries: -1, NetworkMode: evil, Hostname: evil, User: evil, WorkingDir: evil, LogDriver: evil,
		Runtime: evil, MemoryLimit: 1 << 62, SwapLimit: -7, CPULimit: 1e300, CPUShares: 1 << 62, CPUSet: evil, PIDsLimit: 1 << 62,
		CapAdd: many, CapDrop: many, SecurityOptions: many, PIDMode: evil, IPCMode: evil, Devices: many}
	for range 100 {
		e.runtime.Mounts = append(e.runtime.Mounts, abi.ContainerMount{Type: evil, Name: evil, Source: evil, Destination: evil, Driver: evil, Mode: evil})
		e.runtime.Networks = append(e.runtime.Networks, abi.ContainerNetwork{Name: evil, IPv4: evil, IPv6: evil, Gateway: evil, MAC: evil, Aliases: many})
		e.env.Variables = append(e.env.Variables, abi.Label{Name: evil, Value: evil})
	}
	for _, view := range views {
		for _, req := range []sdk.Request{typing(view, "web"), tap("show", view, "ref", "web", "part", "2"), typing(view, "")} {
			reply := handle(t, e, req)
			golden.Fits(t, Module(), reply)
			fits(t, reply)
		}
	}
}

// fits fails for a view that is too long for one message: 4096 UTF-16 code units.
func fits(t *testing.T, reply sdk.Reply) {
	t.Helper()
	units := 0
	for _, b := range reply.Blocks {
		for _, s := range b.Spans {
			units += len(utf16.Encode([]rune(s.Text)))
		}
		for _, f := range b.Fields {
			units += len(f.Name) + 3
			for _, s := range f.Value {
				units += len(utf16.Encode([]rune(s.Text)))
			}
		}
		units += 2
	}
	if units > 4096 {
		t.Errorf("a view of %d characters", units)
	}
}
