package containers

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
)

const noon = 1_767_268_800_000

// docker is what a test's host answers; a test spoils what it is about.
type docker struct {
	hosts      []string
	containers []abi.Container
	details    abi.ContainerDetails
	stats      abi.ContainerStats
	// fails maps an operation to its error.
	fails map[string]error
	// most is how many containers one answer holds; 0: all.
	most int
	// dead is an endpoint whose engine answers nothing.
	dead string
	// asked is the endpoint that was asked last.
	asked string
}

func id(n int) string { return fmt.Sprintf("%012x%052d", n+0xa1b2c3d4e500, 0) }

// holding returns an engine with n containers.
func holding(n int) *docker {
	d := &docker{hosts: []string{"local"}, fails: map[string]error{}}
	for i := range n {
		d.containers = append(d.containers, abi.Container{
			ID: id(i), Name: fmt.Sprintf("Web_%02d", i), Image: "nginx:1.27", State: "running",
			Status: "Up 3 minutes", Created: noon - 86_400_000,
		})
	}
	d.details = abi.ContainerDetails{
		Container: abi.Container{ID: id(0), Name: "Web_00", Image: "nginx:1.27", State: "running", Status: "Up 3 minutes (healthy)",
			Health: "healthy", Created: noon - 86_400_000, Project: "shop"},
		Started: noon - 180_000, RestartCount: 2, Command: []string{"nginx", "-g", "daemon off;"},
		Ports: []abi.Port{{Container: "80/tcp", HostIP: "0.0.0.0", HostPort: "8080"}, {Container: "80/tcp", HostIP: "::", HostPort: "8080"},
			{Container: "443/tcp", HostPort: "8443"}, {Container: "9000/tcp"}},
		Labels: []abi.Label{{Name: "com.example.team", Value: "blue"}, {Name: "token", Value: "***"}},
	}
	d.stats = abi.ContainerStats{CPUPercent: 150, CPUs: 4, MemoryUsed: 128 << 20, MemoryLimit: 512 << 20,
		NetworkIn: 1 << 20, NetworkOut: 2 << 20, BlockRead: 3 << 20, BlockWrite: 4096, PIDs: 5}
	return d
}

func (d *docker) failing(op string, code abi.Code, sentence string) *docker {
	d.fails[op] = sdk.Fail(code, sentence)
	return d
}

func (d *docker) host() sdk.Host {
	return d.fake().Host()
}

func (d *docker) fake() *sdk.Fake {
	fake := sdk.NewFake()
	sdk.Answer(fake, abi.OpDockerHosts, func(abi.DockerQuery) (abi.DockerHosts, error) {
		return abi.DockerHosts{Names: d.hosts}, d.fails[abi.OpDockerHosts]
	})
	sdk.Answer(fake, abi.OpDockerInfo, func(q abi.DockerQuery) (abi.DockerInfo, error) {
		return d.info(), d.meet(q.Host, abi.OpDockerInfo)
	})
	sdk.Answer(fake, abi.OpContainerList, func(q abi.ContainerQuery) (abi.ContainerList, error) {
		return d.page(q), d.meet(q.Host, abi.OpContainerList)
	})
	sdk.Answer(fake, abi.OpContainerInspect, func(ref abi.ContainerRef) (abi.ContainerDetails, error) {
		err := d.meet(ref.Host, abi.OpContainerInspect)
		if err == nil && ref.ID != d.details.ID && ref.ID != d.details.Name {
			err = sdk.Fail(abi.NotFound, "There is no such container.")
		}
		return d.details, err
	})
	sdk.Answer(fake, abi.OpContainerStats, func(ref abi.ContainerRef) (abi.ContainerStats, error) {
		return d.stats, d.meet(ref.Host, abi.OpContainerStats)
	})
	return fake
}

// meet notes who was asked, and returns why there is no answer.
func (d *docker) meet(host, op string) error {
	d.asked = host
	if d.dead != "" && cmp.Or(host, d.hosts[0]) == d.dead {
		return sdk.Fail(abi.Unavailable, "Docker does not answer.")
	}
	return d.fails[op]
}

func (d *docker) info() abi.DockerInfo {
	return abi.DockerInfo{Hosts: d.hosts, Version: "28.5.2", APIVersion: "1.51", OS: "Debian GNU/Linux 12", Arch: "x86_64",
		StorageDriver: "overlay2", Containers: 7, Running: 5, Stopped: 2, Images: 12, EngineResponseMS: 1.25}
}

func (d *docker) page(q abi.ContainerQuery) abi.ContainerList {
	list := abi.ContainerList{Total: len(d.containers)}
	for _, c := range d.containers {
		if c.State == "running" {
			list.Running++
		}
	}
	rest := d.containers[min(q.Offset, len(d.containers)):]
	for _, limit := range []int{q.Count, d.most} {
		if limit > 0 {
			rest = rest[:min(limit, len(rest))]
		}
	}
	list.Containers = rest
	return list
}

func tap(action string, args ...string) sdk.Request {
	return sdk.Request{Action: action, Args: sdk.Do("", action, args...).Args, Time: noon}
}

func handle(t *testing.T, d *docker, req sdk.Request) sdk.Reply {
	t.Helper()
	reply, err := Module().Handle(d.host(), req)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func TestReplies(t *testing.T) {
	typed := func(command string) sdk.Request { return sdk.Request{Command: command, Time: noon} }
	as := func(spoil func(*docker)) *docker {
		d := holding(3)
		spoil(d)
		return d
	}
	const away = "Docker does not answer."
	for _, test := range []struct {
		name string
		d    *docker
		req  sdk.Request
	}{
		{"docker", holding(0), typed("docker")},
		{"docker-away", holding(0).failing(abi.OpDockerInfo, abi.Unavailable, away), typed("docker")},
		{"engine-of-several", as(func(d *docker) { d.hosts = []string{"local", "edge", "lab", "far"} }), tap("engine", "host", "edge")},
		{"engine-of-several-away", holding(0).failing(abi.OpDockerInfo, abi.Timeout, away), tap("engine", "host", "edge")},
		{"docker-of-several-away", as(firstIsDead), typed("docker")},
		{"list", holding(3), typed("containers")},
		{"list-empty", holding(0), typed("containers")},
		{"list-states", as(func(d *docker) { d.containers = states() }), typed("containers")},
		{"list-middle-page", holding(35), tap("list", "page", "3")},
		{"list-of-several-hosts", as(func(d *docker) { d.hosts = []string{"local", "edge"} }), typed("containers")},
		{"list-away", holding(3).failing(abi.OpContainerList, abi.Unavailable, away), typed("containers")},
		{"list-of-several-away", as(firstIsDead), typed("containers")},
		{"list-endpoint-removed", holding(3).failing(abi.OpContainerList, abi.NotFound, "There is no such endpoint."), tap("list", "host", "edge", "page", "2")},
		{"show", holding(3), tap("show", "id", id(0), "page", "2", "host", "edge")},
		{"show-to-an-admin", holding(3), byAdmin(tap("show", "id", id(0)))},
		{"show-to-an-admin-of-several", holding(3), byAdmin(tap("show", "id", id(0), "host", "edge"))},
		{"show-exited", as(exited), tap("show", "id", id(0))},
		{"show-without-figures", holding(3).failing(abi.OpContainerStats, abi.Timeout, "This took too long."), tap("show", "id", id(0))},
		{"show-unlimited", as(func(d *docker) { d.stats = abi.ContainerStats{CPUPercent: 3, MemoryUsed: 4096, NetworkIn: -1} }), tap("show", "id", id(0))},
		{"show-gone", holding(3), tap("show", "id", id(2), "page", "2", "host", "edge")},
		{"show-away", holding(3).failing(abi.OpContainerInspect, abi.Unavailable, away), tap("show", "id", id(0), "page", "2")},
		{"show-of-several-away", as(firstIsDead), tap("show", "id", id(0), "page", "2")},
		{"csv", holding(2), tap("csv", "host", "edge")},
		{"csv-away", holding(2).failing(abi.OpContainerList, abi.Timeout, away), tap("csv", "page", "2")},
	} {
		t.Run(test.name, func(t *testing.T) {
			golden.Check(t, Module(), test.name, handle(t, test.d, test.req))
		})
	}
}

func byAdmin(req sdk.Request) sdk.Request {
	req.Actor.Role = abi.RoleAdmin
	return req
}

// TestManageNamesTheContainer: what is typed for the admin always fits, and
// means this container on this host.
func TestManageNamesTheContainer(t *testing.T) {
	long, host := strings.Repeat("n", 64), strings.Repeat("h", maxHostName)
	for _, test := range []struct{ role, name, host, want string }{
		{abi.RoleUser, "web", "", ""},
		{"", "web", "", ""},
		{abi.RoleAdmin, "web", "", "web"},
		{abi.RoleAdmin, "web", "edge", "web@edge"},
		{abi.RoleAdmin, long, "", id(0)},
		{abi.RoleAdmin, "two\nlines", "edge", id(0) + "@edge"},
		{abi.RoleAdmin, long[1:], host, long[1:] + "@" + host},
		{abi.RoleAdmin, long, host, ""},
	} {
		d := holding(1)
		d.details.Name = test.name
		req := tap("show", "id", id(0), "host", test.host)
		req.Actor.Role = test.role
		reply := handle(t, d, req)
		golden.Fits(t, Module(), reply)
		got := ""
		for _, b := range slices.Concat(reply.Keyboard...) {
			if b.Command == "manage" {
				got = b.Text
			}
		}
		if got != test.want {
			t.Errorf("%s about %q on %q: typed %q, want %q", test.role, test.name, test.host, got, test.want)
		}
	}
}

func firstIsDead(d *docker) { d.hosts, d.dead = []string{"local", "edge"}, "local" }

// TestADeadFirstEngineHidesNoOther: from each view that it spoils, one tap leads
// to the engine that is well.
func TestADeadFirstEngineHidesNoOther(t *testing.T) {
	for _, req := range []sdk.Request{{Command: "docker"}, {Command: "containers"}, tap("engine"), tap("list"), tap("show", "id", id(0)), tap("csv")} {
		d := holding(3)
		firstIsDead(d)
		reply := handle(t, d, req)
		if !strings.HasPrefix(reply.Blocks[0].Spans[0].Text, "🔌") || reply.Menu != "" {
			t.Errorf("%s%s of a dead engine: %+v", req.Command, req.Action, reply)
		}
		edge := buttonOf(t, reply, "🖥 edge")
		there := handle(t, d, sdk.Request{Action: edge.Action, Args: edge.Args, Time: noon})
		if d.asked != "edge" || !strings.Contains(there.Blocks[0].Spans[0].Text, " on edge") {
			t.Errorf("%s%s leads to %q: %+v", req.Command, req.Action, d.asked, there.Blocks[0])
		}
		buttonOf(t, there, "🖥 local")
	}
}

func buttonOf(t *testing.T, reply sdk.Reply, label string) sdk.Button {
	t.Helper()
	for _, row := range reply.Keyboard {
		for _, b := range row {
			if b.Label == label {
				return b
			}
		}
	}
	t.Fatalf("no button %q in %+v", label, reply.Keyboard)
	return sdk.Button{}
}

// TestTheListAsksTheEngineOnce: what an engine says of itself takes it longer
// than the list.
func TestTheListAsksTheEngineOnce(t *testing.T) {
	fake := holding(3).fake()
	if _, err := Module().Handle(fake.Host(), tap("list")); err != nil {
		t.Fatal(err)
	}
	if got, want := fake.Calls(), []string{abi.OpDockerHosts, abi.OpContainerList}; !slices.Equal(got, want) {
		t.Errorf("calls %q, want %q", got, want)
	}
}

func states() []abi.Container {
	var all []abi.Container
	for i, state := range []string{"running", "running", "running", "paused", "restarting", "created", "removing", "exited", "dead", "new word"} {
		all = append(all, abi.Container{ID: id(i), Name: state, Image: "busybox", State: state, Status: "Up 1 second", Created: noon})
	}
	all[1].Health, all[1].Status = "unhealthy", "Up 2 minutes (unhealthy)"
	all[2].Health = "starting"
	all[5].Status, all[5].Created = "Created", 0
	return all
}

func exited(d *docker) {
	d.details.State, d.details.Health, d.details.Project = "exited", "", ""
	d.details.ExitCode, d.details.OOMKilled, d.details.Finished = 137, true, noon-60_000
	d.details.Error, d.details.Command, d.details.Ports = "no space left on device", nil, nil
	for i := range maxLabels + 3 {
		d.details.Labels = append(d.details.Labels, abi.Label{Name: fmt.Sprintf("label-%02d", i), Value: "yes"})
	}
}

func TestRefusalsReachTheUser(t *testing.T) {
	requests := []sdk.Request{{Command: "docker"}, {Command: "containers"}, tap("engine"), tap("list"), tap("show", "id", id(0)), tap("csv")}
	for _, req := range requests {
		reply, err := Module().Handle(sdk.NewFake().Host(), req)
		if sdk.CodeOf(err) != abi.Denied || len(reply.Blocks) != 0 || reply.Menu != "" {
			t.Errorf("%s%s without a grant: %+v, %v; want denied", req.Command, req.Action, reply, err)
		}
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	for _, args := range [][]string{
		{"page", "0"}, {"page", "-1"}, {"page", "x"}, {"page", "10001"}, {"page", "99999999999999999999"},
		{"host", "a\nb"}, {"host", strings.Repeat("h", 65)},
	} {
		for action := range maps.Keys(Module().Actions) {
			req := tap(action, append(args, "id", id(0))...)
			if _, err := Module().Handle(holding(3).host(), req); sdk.CodeOf(err) != abi.Invalid {
				t.Errorf("%s with %q: %v, want invalid", action, args, err)
			}
		}
	}
	for _, bad := range []string{"", "web", id(0)[:63], id(0) + "0", strings.ToUpper(id(0)), "../" + id(0)[3:]} {
		if _, err := Module().Handle(holding(3).host(), tap("show", "id", bad)); sdk.CodeOf(err) != abi.Invalid {
			t.Errorf("id %q: %v, want invalid", bad, err)
		}
	}
}

func TestTheHostIsCarriedThroughEveryView(t *testing.T) {
	for action := range maps.Keys(Module().Actions) {
		d := holding(25)
		reply := handle(t, d, tap(action, "host", "edge", "page", "2", "id", id(0)))
		if d.asked != "edge" {
			t.Errorf("%s asked %q", action, d.asked)
		}
		for _, row := range reply.Keyboard {
			for _, b := range row {
				if b.Args["host"] != "edge" && !strings.HasSuffix(b.Text, "@edge") {
					t.Errorf("%s: button %q loses the host: %v", action, b.Label, b.Args)
				}
			}
		}
	}
}

func TestPagingLeadsSomewhere(t *testing.T) {
	for _, test := range []struct {
		page, last int
		want       string
	}{
		{1, 1, ""},
		{1, 2, "2/2 ▶️"},
		{2, 2, "◀️ 1/2"},
		{2, 3, "◀️ 1/3|3/3 ▶️"},
		{3, 4, "⏮ 1/4|◀️ 2/4|4/4 ▶️"},
		{4, 4, "⏮ 1/4|◀️ 3/4"},
	} {
		var got []string
		for _, b := range pagingRow(place{page: test.page}, test.last) {
			got = append(got, b.Label)
		}
		if strings.Join(got, "|") != test.want {
			t.Errorf("page %d of %d: %q, want %q", test.page, test.last, got, test.want)
		}
	}
}

func TestPageBeyondTheEndIsTheLast(t *testing.T) {
	for _, test := range []struct {
		total     int
		page      string
		heading   string
		container string
	}{
		{21, "9", "📦 21 containers, 21 running, page 3 of 3", "🟢 Web_20"},
		{20, "3", "📦 20 containers, 20 running, page 2 of 2", "🟢 Web_10"},
		{1, "2", "📦 1 container, 1 running", "🟢 Web_00"},
		{0, "2", "📦 There are no containers", "🔄 Refresh"},
	} {
		reply := handle(t, holding(test.total), tap("list", "page", test.page))
		if got := reply.Blocks[0].Spans[0].Text; got != test.heading || reply.Keyboard[0][0].Label != test.container {
			t.Errorf("%d containers, page %s: %q, %q", test.total, test.page, got, reply.Keyboard[0][0].Label)
		}
	}
}

func TestTheListStaysWithoutTheNamesOfTheHosts(t *testing.T) {
	reply := handle(t, holding(3).failing(abi.OpDockerHosts, abi.Denied, "No."), tap("list"))
	if got := reply.Blocks[0].Spans[0].Text; got != "📦 3 containers, 3 running" {
		t.Errorf("got %q", got)
	}
}

func TestHostileNamesStayInTheirLineAndButton(t *testing.T) {
	d := holding(1)
	d.containers[0].Name = "x\n🟢 fine" + strings.Repeat("界", 200)
	d.containers[0].Image = strings.Repeat("i", 10_000)
	reply := handle(t, d, tap("list"))
	lines := ""
	for _, span := range reply.Blocks[1].Spans {
		lines += span.Text
	}
	if strings.Count(lines, "\n") != 2 || len([]rune(lines)) > 500 {
		t.Errorf("%d lines, %d runes", strings.Count(lines, "\n"), len([]rune(lines)))
	}
	if label := reply.Keyboard[0][0].Label; strings.Contains(label, "\n") {
		t.Errorf("label %q", label)
	}
	golden.Fits(t, Module(), reply)
}

func TestManyHostsAndContainersFitTheKeyboard(t *testing.T) {
	d := holding(50)
	for i := range 200 {
		d.hosts = append(d.hosts, fmt.Sprintf("host-%d", i))
	}
	reply := handle(t, d, tap("list", "page", "3"))
	golden.Fits(t, Module(), reply)
	if got := len(reply.Blocks); got != 12 {
		t.Errorf("%d blocks, want a heading, ten containers and the time", got)
	}
}

// TestAChartOfWhatRuns: whoever may see a running container can see what it used.
func TestAChartOfWhatRuns(t *testing.T) {
	host := strings.Repeat("h", maxHostName)
	for _, test := range []struct{ state, name, host, want string }{
		{"running", "web", "", "container web"},
		{"running", "web", "edge", "container web@edge"},
		{"running", strings.Repeat("n", 60), "", "container " + id(0)},
		{"running", strings.Repeat("n", 60), host, ""},
		{"exited", "web", "", ""},
	} {
		d := holding(1)
		d.details.State, d.details.Name = test.state, test.name
		reply := handle(t, d, tap("show", "id", id(0), "host", test.host))
		golden.Fits(t, Module(), reply)
		got := ""
		for _, b := range slices.Concat(reply.Keyboard...) {
			if b.Command == "chart" {
				got = b.Text
			}
		}
		if got != test.want {
			t.Errorf("%s %q on %q: typed %q, want %q", test.state, test.name, test.host, got, test.want)
		}
	}
}
