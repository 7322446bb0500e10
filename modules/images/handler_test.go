package images

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

func id(n int) string { return fmt.Sprintf("sha256:%012x%052d", n+0xa1b2c3d4e500, 0) }

// engine is what a test's host answers; a test spoils what it is about.
type engine struct {
	hosts      []string
	images     []abi.Image
	details    abi.ImageDetails
	layers     []abi.ImageLayer
	containers []abi.Container
	fails      map[string]error
	asked      string // the endpoint that was asked last
}

func holding(n int) *engine {
	e := &engine{hosts: []string{"local"}, fails: map[string]error{}}
	for i := range n {
		e.images = append(e.images, abi.Image{
			ID: id(i), Tags: []string{fmt.Sprintf("acme/web-%02d:1.2.3", i)}, Size: 60 << 20, Created: noon - 86_400_000, Containers: i % 3, Platform: "linux/amd64",
		})
	}
	e.details = abi.ImageDetails{
		Image: abi.Image{ID: id(0), Tags: []string{"nginx:1.27", "nginx:latest"}, Digests: []string{"nginx@sha256:" + strings.Repeat("ab", 32)},
			Size: 187 << 20, Created: noon - 90*86_400_000, Containers: 2, Platform: "linux/amd64"},
		OS: "linux", Architecture: "amd64", Author: "Ada", Comment: "buildkit.dockerfile.v0", Layers: 7, User: "nginx", WorkingDir: "/srv", StopSignal: "SIGQUIT",
		Entrypoint: []string{"/docker-entrypoint.sh"}, Command: []string{"nginx", "-g", "daemon off;"}, Ports: []string{"80/tcp", "443/tcp"},
		Volumes: []string{"/var/cache/nginx"}, Env: []abi.Label{{Name: "DB_PASSWORD", Value: "•••"}, {Name: "NGINX_VERSION", Value: "1.27"}},
		Labels: []abi.Label{{Name: "maintainer", Value: "Ada"}}, HealthCheck: "curl -f localhost",
	}
	for i := range 12 {
		e.layers = append(e.layers, abi.ImageLayer{CreatedBy: fmt.Sprintf("/bin/sh -c #(nop)  ENV STEP=%d", i), Created: noon - 86_400_000})
	}
	e.layers[0] = abi.ImageLayer{CreatedBy: "/bin/sh -c make   install", Size: 12 << 20, Created: noon, Tags: []string{"nginx:1.27"}}
	e.layers[1] = abi.ImageLayer{CreatedBy: `RUN |1 NPM_TOKEN=••• /bin/sh -c npm ci # buildkit`, Size: 1024}
	e.layers[2] = abi.ImageLayer{}
	e.containers = []abi.Container{
		{ID: strings.Repeat("a", 64), Name: "web", State: "running", Status: "Up 3 minutes (unhealthy)", Health: "unhealthy"},
		{ID: strings.Repeat("b", 64), Name: "web-old", State: "exited", Status: "Exited (0) 2 days ago"},
	}
	return e
}

func (e *engine) with(spoil func(*engine)) *engine { spoil(e); return e }

func (e *engine) failing(op string, code abi.Code, sentence string) *engine {
	e.fails[op] = sdk.Fail(code, sentence)
	return e
}

func (e *engine) host() sdk.Host {
	fake := sdk.NewFake()
	sdk.Answer(fake, abi.OpDockerHosts, func(abi.DockerQuery) (abi.DockerHosts, error) {
		return abi.DockerHosts{Names: e.hosts}, e.fails[abi.OpDockerHosts]
	})
	sdk.Answer(fake, abi.OpImageList, func(q abi.ImageQuery) (abi.ImageList, error) {
		e.asked = q.Host
		list := abi.ImageList{Total: len(e.images)}
		for _, i := range e.images {
			list.Size += i.Size
			if i.Dangling {
				list.Dangling++
			}
		}
		rest := e.images[min(q.Offset, len(e.images)):]
		list.Images = rest[:min(q.Count, len(rest))]
		return list, e.fails[abi.OpImageList]
	})
	sdk.Answer(fake, abi.OpImageInspect, func(ref abi.ImageRef) (abi.ImageDetails, error) {
		e.asked = ref.Host
		err := e.fails[abi.OpImageInspect]
		if err == nil && ref.ID != e.details.ID && !slices.Contains(e.details.Tags, ref.ID) {
			err = sdk.Fail(abi.NotFound, "There is no such image (any more).")
		}
		return e.details, err
	})
	sdk.Answer(fake, abi.OpImageHistory, func(abi.ImageRef) (abi.ImageHistory, error) {
		return abi.ImageHistory{Layers: e.layers}, e.fails[abi.OpImageHistory]
	})
	sdk.Answer(fake, abi.OpContainerList, func(q abi.ContainerQuery) (abi.ContainerList, error) {
		if q.Image != e.details.ID {
			return abi.ContainerList{}, sdk.Fail(abi.Invalid, "of what?")
		}
		rest := e.containers[min(q.Offset, len(e.containers)):]
		return abi.ContainerList{Total: len(e.containers), Containers: rest[:min(q.Count, len(rest))]}, e.fails[abi.OpContainerList]
	})
	return fake.Host()
}

func typing(text string) sdk.Request {
	return sdk.Request{Command: "images", Text: text, Time: noon}
}

func tap(action string, args ...string) sdk.Request {
	return sdk.Request{Action: action, Args: sdk.Do("", action, args...).Args, Time: noon}
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
	const away = "Docker does not answer."
	of := func(spoil func(*engine)) *engine { return holding(3).with(spoil) }
	kinds := of(func(e *engine) {
		e.images = append(e.images,
			abi.Image{ID: id(3), Tags: []string{"a:1", "a:2", "a:3", "a:4", "a:5", "a:6"}, Size: 1, Containers: -1},
			abi.Image{ID: id(4), Digests: []string{"acme/pinned@sha256:" + strings.Repeat("ab", 32)}, Size: 1 << 30},
			abi.Image{ID: id(5), Dangling: true, Size: 5 << 20, Created: noon - 1000},
		)
	})
	for _, test := range []struct {
		name string
		e    *engine
		req  sdk.Request
	}{
		{"list", holding(3), typing("")},
		{"list-empty", holding(0), typing("")},
		{"list-kinds", kinds, typing("")},
		{"list-middle-page", holding(35), tap("list", "page", "3")},
		{"list-of-several-hosts", of(func(e *engine) { e.hosts = []string{"local", "edge"} }), typing("@edge")},
		{"list-away", holding(3).failing(abi.OpImageList, abi.Unavailable, away), typing("")},
		{"list-of-several-away", of(func(e *engine) { e.hosts = []string{"local", "edge"} }).failing(abi.OpImageList, abi.Timeout, away), tap("list", "page", "2")},
		{"show", holding(3), tap("show", "id", id(0), "page", "2")},
		{"show-typed", holding(3), typing("nginx:1.27@edge")},
		{"show-typed-gone", holding(3), typing("redis:7")},
		{"show-bare", of(func(e *engine) { e.details = abi.ImageDetails{Image: abi.Image{ID: id(0), Dangling: true}} }), tap("show", "id", id(0))},
		{"show-much", of(much), tap("show", "id", id(0))},
		{"show-gone", holding(3), tap("show", "id", id(1), "page", "2", "host", "edge")},
		{"show-away", holding(3).failing(abi.OpImageInspect, abi.Unavailable, away), tap("show", "id", id(0), "page", "2")},
		{"settings", of(much), tap("settings", "id", id(0), "page", "2")},
		{"history", holding(3), tap("history", "id", id(0), "page", "2")},
		{"history-second", holding(3), tap("history", "id", id(0), "part", "2", "outside", "1")},
		{"history-none", of(func(e *engine) { e.layers = nil }), tap("history", "id", id(0))},
		{"history-away", holding(3).failing(abi.OpImageHistory, abi.Unavailable, away), tap("history", "id", id(0))},
		{"used", holding(3), tap("used", "id", id(0), "host", "edge")},
		{"used-by-nobody", of(func(e *engine) { e.containers = nil }), tap("used", "id", id(0), "part", "7")},
		{"used-away", holding(3).failing(abi.OpContainerList, abi.Unavailable, away), tap("used", "id", id(0))},
	} {
		t.Run(test.name, func(t *testing.T) {
			reply := handle(t, test.e, test.req)
			golden.Check(t, Module(), test.name, reply)
			fits(t, reply)
		})
	}
}

// much is an image of which there is more than a page can show.
func much(e *engine) {
	long := strings.Repeat("x", 400)
	for i := range 60 {
		e.details.Env = append(e.details.Env, abi.Label{Name: fmt.Sprintf("V%02d", i), Value: long})
		e.details.Labels = append(e.details.Labels, abi.Label{Name: fmt.Sprintf("l%02d", i), Value: long})
		e.details.Volumes = append(e.details.Volumes, "/"+long)
		e.details.Tags = append(e.details.Tags, fmt.Sprintf("t%02d:%s", i, long))
		e.details.Digests = append(e.details.Digests, "r/"+long+"@sha256:"+long)
		e.details.Ports = append(e.details.Ports, fmt.Sprint(i, "/tcp"))
	}
	e.details.Author, e.details.Comment, e.details.User, e.details.HealthCheck = long, long, long, long
	e.details.Entrypoint, e.details.Command, e.details.WorkingDir, e.details.StopSignal = []string{long}, []string{long}, long, long
}

// fits fails for a view that is too long for one message: 4096 UTF-16 code units.
func fits(t *testing.T, reply sdk.Reply) {
	t.Helper()
	units := 0
	for _, b := range reply.Blocks {
		for _, s := range b.Spans {
			units += len(utf16.Encode([]rune(s.Text))) + 20*min(1, int(s.Time))
		}
		for _, f := range b.Fields {
			units += len(f.Name) + 3
			for _, s := range f.Value {
				units += len(utf16.Encode([]rune(s.Text))) + 20*min(1, int(s.Time))
			}
		}
		units += 2
	}
	if units > 4096 {
		t.Errorf("a view of %d characters", units)
	}
}

// TestHostileImages: whatever an engine says, views are whole and fit.
func TestHostileImages(t *testing.T) {
	evil := strings.Repeat("<b>\u202e\n&😀", 60)
	e := holding(10).with(much)
	for i := range e.images {
		e.images[i] = abi.Image{ID: id(i), Tags: slices.Repeat([]string{evil}, 50), Size: -5, Created: 1 << 62, Containers: 1 << 40, Platform: evil}
	}
	e.details.Tags, e.details.Platform, e.details.Comment = []string{evil, evil}, evil, evil
	for i := range e.layers {
		e.layers[i] = abi.ImageLayer{CreatedBy: evil, Created: 1 << 62, Size: -1, Tags: slices.Repeat([]string{evil}, 50)}
	}
	for range 20 {
		e.containers = append(e.containers, abi.Container{ID: strings.Repeat("c", 64), Name: evil, State: evil, Status: evil})
	}
	for _, req := range []sdk.Request{typing(""), tap("show", "id", id(0)), tap("settings", "id", id(0)), tap("history", "id", id(0)), tap("used", "id", id(0), "part", "2")} {
		reply := handle(t, e, req)
		golden.Fits(t, Module(), reply)
		fits(t, reply)
	}
}

func TestBrokenButtons(t *testing.T) {
	for _, req := range []sdk.Request{
		tap("list", "page", "0"), tap("list", "host", "a\nb"), tap("show"), tap("show", "id", "nginx"), tap("show", "id", id(0)[7:]),
		tap("history", "id", id(0), "part", "x"), tap("used", "id", id(0), "part", "-1"), tap("settings", "id", strings.ToUpper(id(0))),
		tap("used", "id", ""), typing("@" + strings.Repeat("h", 65)), typing("a\u202eb"),
	} {
		if _, err := Module().Handle(holding(3).host(), req); sdk.CodeOf(err) != abi.Invalid || !strings.HasSuffix(sdk.MessageOf(err), ".") {
			t.Errorf("%s%v %q: %v", req.Action, req.Args, req.Text, err)
		}
	}
}

// TestDeniedIsTheHosts: what a user may not do is not worded here.
func TestDeniedIsTheHosts(t *testing.T) {
	for op, req := range map[string]sdk.Request{
		abi.OpImageList: typing(""), abi.OpImageInspect: tap("show", "id", id(0)), abi.OpImageHistory: tap("history", "id", id(0)), abi.OpContainerList: tap("used", "id", id(0)),
	} {
		if _, err := Module().Handle(holding(3).failing(op, abi.Denied, "No.").host(), req); sdk.CodeOf(err) != abi.Denied {
			t.Errorf("%s: %v", op, err)
		}
	}
}

// TestAShorterListIsShown: a page that is no longer there is the last one.
func TestAShorterListIsShown(t *testing.T) {
	reply := handle(t, holding(15), tap("list", "page", "9"))
	if text := reply.Blocks[0].Spans[0].Text; !strings.Contains(text, "page 2 of 2") {
		t.Errorf("heading %q", text)
	}
	e := holding(1).with(func(e *engine) { e.containers = slices.Repeat(e.containers, 8) })
	reply = handle(t, e, tap("used", "id", id(0), "part", "9"))
	if text := reply.Blocks[1].Spans[0].Text; !strings.Contains(text, "16 containers, page 2 of 2") {
		t.Errorf("heading %q", text)
	}
}
