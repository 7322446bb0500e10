package hostcall

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// reaching is a pass of a user who is restricted to patterns.
func reaching(t *testing.T, patterns ...string) func() capability.Reach {
	t.Helper()
	scope, err := capability.ParseScope(patterns)
	if err != nil {
		t.Fatal(err)
	}
	return func() capability.Reach { return capability.Within(scope) }
}

// TestAUserSeesWhatModuleAndUserMay: neither widens the other.
func TestAUserSeesWhatModuleAndUserMay(t *testing.T) {
	for _, test := range []struct {
		grant, reach string
		want         []string
	}{
		{"*", "web-*", []string{"web-1", "web-2"}},
		{"web-*", "*", []string{"web-1", "web-2"}},
		{"web-*", "db", []string{}},
		{"web-*", "project:shop", []string{"web-1"}},
		{"label:tier=front", "label=tier=back", []string{}},
		{"web-1 db", "db shop", []string{"db"}},
		{"*", "nothing-like-that", []string{}},
	} {
		t.Run(test.grant+" and "+test.reach, func(t *testing.T) {
			c := scopedCaller(t, strings.Fields(test.grant)...)
			c.Pass.Reach = reaching(t, strings.Fields(test.reach)...)
			if got := listed(t, harbour, c); !slices.Equal(got, test.want) {
				t.Errorf("listed %q, want %q", got, test.want)
			}
			for _, box := range harbour.crates {
				want := abi.Denied
				if slices.Contains(test.want, box.shown().Name) {
					want = abi.OK
				}
				for _, op := range []string{abi.OpContainerInspect, abi.OpContainerStats} {
					for _, ref := range []string{box.id(), box.name} {
						if ref == "" {
							continue
						}
						code, answer := operation(t, Sources{Docker: harbour}, op).Call(t.Context(), c, []byte(`{"id":"`+ref+`"}`))
						if code != want {
							t.Errorf("%s of %q: %v %s, want %v", op, box.name, code, answer, want)
						}
					}
				}
			}
		})
	}
}

// TestWithoutAWordAboutReachNothingIsSeen: every operation that is about
// containers asks for it, the new ones too.
func TestWithoutAWordAboutReachNothingIsSeen(t *testing.T) {
	for _, op := range Table(Sources{Docker: &spy{}, History: &spy{}, Audit: &spy{}}) {
		if !strings.HasPrefix(string(op.Capability), "docker.containers.") || op.Capability == capability.ContainersList {
			continue // a list leaves out, which is tested above
		}
		s := &spy{}
		op = operation(t, Sources{Docker: s, History: s, Audit: s}, op.Import)
		c, _ := callerWith(grantOf(t, capability.Names()...), abi.RoleAdmin)
		c = entitled(c, op)
		c.Pass.Reach = nil
		code, answer := op.Call(t.Context(), c, []byte(`{"id":"web","to":"web"}`))
		if code == abi.OK || c.Pass.Acted {
			t.Errorf("%s without a reach: %v %s", op.Import, code, answer)
		}
	}
	c := scopedCaller(t, "*")
	c.Pass = nil
	if got := listed(t, harbour, c); len(got) != 0 {
		t.Errorf("without a pass, listed %q", got)
	}
}

// TestReachIsThatOfTheMoment: what the operator changes counts from the next
// call on, also within a command that runs.
func TestReachIsThatOfTheMoment(t *testing.T) {
	c := scopedCaller(t, "*")
	if got := listed(t, harbour, c); len(got) != 4 {
		t.Fatalf("listed %q", got)
	}
	now := reaching(t, "db")
	c.Pass.Reach = func() capability.Reach { return now() }
	if got := listed(t, harbour, c); !slices.Equal(got, []string{"db"}) {
		t.Errorf("listed %q", got)
	}
	now = reaching(t, "web-1")
	if got := listed(t, harbour, c); !slices.Equal(got, []string{"web-1"}) {
		t.Errorf("listed %q", got)
	}
}

func TestNothingIsDoneOutOfReach(t *testing.T) {
	for _, op := range generic(newYard().sources()) {
		if op.act == nil {
			continue
		}
		y := newYard()
		p := tapped(target(op.Capability, "web-1"))
		p.Reach = reaching(t, "db")
		c, _ := actor(t, p)
		code, answer := do(t, y, c, op.Import, "web-1")
		mustRefuse(t, code, answer, abi.Denied)
		y.met(t, "find web-1", "record deny")
		if y.record[0].Reason != "out_of_scope" || c.Pass.Acted {
			t.Errorf("%s: recorded %+v", op.Import, y.record)
		}
	}
}

// TestARenameStaysWithinTheScope: neither the module's grant nor the user's reach
// is left, or felt out, by a new name.
func TestARenameStaysWithinTheScope(t *testing.T) {
	for _, test := range []struct {
		grant, reach, to string
		want             abi.Code
	}{
		{"*", "*", "web-9", abi.OK},
		{"web-*", "*", "web-9", abi.OK},
		{"*", "web-*", "web-9", abi.OK},
		{"web-*", "*", "db", abi.Denied},
		{"*", "web-*", "db", abi.Denied},
		{"*", "label=tier=front", "db", abi.OK}, // the label stays
		{"*", "*", "a\nb", abi.Denied},
	} {
		y := newYard()
		p := full()
		p.Reach = reaching(t, test.reach)
		set, err := capability.Parse([]capability.Request{{Name: string(capability.ContainersRename), Scope: []string{test.grant}}})
		if err != nil {
			t.Fatal(err)
		}
		c, _ := actor(t, p)
		c.Grant = set
		request, _ := json.Marshal(abi.ContainerRename{ID: "web-1", To: test.to})
		code, answer := operation(t, y.sources(), abi.OpContainerRename).Call(t.Context(), c, request)
		if code != test.want || c.Pass.Acted != (test.want == abi.OK) {
			t.Errorf("%+v: %v %s", test, code, answer)
		}
	}
}

// fleet is an engine that answers with pages, and counts everything itself.
type fleet struct {
	Docker
	containers []abi.Container
	pictures   []abi.Image
	of         map[string]string // container's name to image
	err        error
}

func (f fleet) Info(context.Context, string) (abi.DockerInfo, error) {
	return abi.DockerInfo{Containers: 99, Running: 98, Paused: 97, Stopped: 96, Images: 95}, nil
}

func (f fleet) List(_ context.Context, q abi.ContainerQuery, keep Keep) (list abi.ContainerList, err error) {
	for _, c := range f.containers {
		if (q.Image == "" || f.of[c.Name] == q.Image) && keep(c.Name, nil) {
			list.Containers = append(list.Containers, c)
		}
	}
	list.Total = len(list.Containers)
	list.Containers = list.Containers[min(q.Offset, list.Total):]
	list.Containers = list.Containers[:min(2, len(list.Containers))] // the host's limit
	return list, f.err
}

func (f fleet) Images(_ context.Context, _ abi.ImageQuery, keep KeepImage) (abi.ImageList, error) {
	for range f.pictures {
		keep([]string{"web:1"})
	}
	return abi.ImageList{Total: len(f.pictures), Images: slices.Clone(f.pictures)}, nil
}

func (f fleet) ImageHistory(context.Context, abi.ImageRef, KeepImage) (abi.ImageHistory, error) {
	return abi.ImageHistory{}, nil
}

func (f fleet) Image(_ context.Context, _ abi.ImageRef, keep KeepImage) (abi.ImageDetails, error) {
	keep([]string{"web:1"})
	return abi.ImageDetails{Image: f.pictures[0]}, nil
}

var ships = fleet{
	containers: []abi.Container{
		{Name: "web-1", State: "running"}, {Name: "db", State: "running"}, {Name: "web-2", State: "paused"},
		{Name: "web-3", State: "exited"}, {Name: "web-4", State: "restarting"}, {Name: "db-2", State: "exited"}, {Name: "web-5", State: "running"},
	},
	pictures: []abi.Image{{ID: "one", Containers: 4}, {ID: "two", Containers: 3}, {ID: "three", Containers: -1}, {Containers: 7}},
	of:       map[string]string{"web-1": "one", "db": "one", "db-2": "one", "web-2": "one", "web-3": "two", "web-4": "two", "web-5": "two"},
}

func call[R any](t *testing.T, s Sources, c *Caller, op string) (code abi.Code, result R) {
	t.Helper()
	code, answer := operation(t, s, op).Call(t.Context(), c, []byte(`{}`))
	if code == abi.OK {
		if err := json.Unmarshal(answer, &result); err != nil {
			t.Fatal(err)
		}
	}
	return code, result
}

func TestCountsTellNothingOfWhatIsOutOfReach(t *testing.T) {
	all := grantOf(t, capability.DockerInfo, capability.ImagesList, capability.ImagesInspect)
	s := Sources{Docker: ships, Images: ships}
	for _, test := range []struct {
		name  string
		reach func() capability.Reach
		info  abi.DockerInfo
		uses  []int
	}{
		{"everywhere", capability.Everywhere, abi.DockerInfo{Containers: 99, Running: 98, Paused: 97, Stopped: 96, Images: 95}, []int{4, 3, -1, 7}},
		{"web", reaching(t, "web-*"), abi.DockerInfo{Containers: 5, Running: 2, Paused: 1, Stopped: 2, Images: 95}, []int{2, 3, -1, -1}},
		{"all that has a name", reaching(t, "*"), abi.DockerInfo{Containers: 7, Running: 3, Paused: 1, Stopped: 3, Images: 95}, []int{4, 3, -1, -1}},
		{"nothing", nil, abi.DockerInfo{Images: 95}, []int{0, 0, -1, -1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _ := callerWith(all, abi.RoleUser)
			c.Pass.Reach = test.reach
			if _, info := call[abi.DockerInfo](t, s, c, abi.OpDockerInfo); info.Containers != test.info.Containers || info.Running != test.info.Running ||
				info.Paused != test.info.Paused || info.Stopped != test.info.Stopped || info.Images != test.info.Images {
				t.Errorf("got %+v", info)
			}
			_, list := call[abi.ImageList](t, s, c, abi.OpImageList)
			var uses []int
			for _, image := range list.Images {
				uses = append(uses, image.Containers)
			}
			if !slices.Equal(uses, test.uses) {
				t.Errorf("images are used by %v, want %v", uses, test.uses)
			}
			if _, details := call[abi.ImageDetails](t, s, c, abi.OpImageInspect); details.Containers != test.uses[0] {
				t.Errorf("the image is used by %d", details.Containers)
			}
		})
	}
}

func (f fleet) Updates(context.Context, abi.UpdateQuery, KeepImage) (abi.UpdateReport, error) {
	return abi.UpdateReport{Images: []abi.ImageUpdate{
		{ID: "one", Reference: "nginx:1"}, {ID: "one", Reference: "one"}, {ID: "two", Reference: "app@sha256:2"},
	}}, nil
}

// TestUpdatesTellNothingOfWhatIsOutOfReach: an image without a tag is told of
// because there is a container of it.
func TestUpdatesTellNothingOfWhatIsOutOfReach(t *testing.T) {
	for _, test := range []struct {
		name  string
		reach func() capability.Reach
		want  []string
	}{
		{"everywhere", capability.Everywhere, []string{"nginx:1", "one", "app@sha256:2"}},
		{"one of them", reaching(t, "db"), []string{"nginx:1", "one"}},
		{"nothing", nil, []string{"nginx:1"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _ := callerWith(grantOf(t, capability.ImagesUpdates), abi.RoleUser)
			c.Pass.Reach = test.reach
			_, report := call[abi.UpdateReport](t, Sources{Docker: ships, Updates: ships}, c, abi.OpImageUpdates)
			var got []string
			for _, u := range report.Images {
				got = append(got, u.Reference)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("told of %q, want %q", got, test.want)
			}
		})
	}
}

func (f fleet) Runtime(_ context.Context, _ abi.ContainerRef, keep Keep) (abi.ContainerRuntime, error) {
	keep("web-1", nil)
	return abi.ContainerRuntime{NetworkMode: "container:d00d", PIDMode: "container:d00d", IPCMode: "private"}, nil
}

func (f fleet) Record(context.Context, audit.Entry) error { return nil }

// TestTiesDoNotNameWhatIsOutOfReach: a container can share the network of one
// that its user may not know.
func TestTiesDoNotNameWhatIsOutOfReach(t *testing.T) {
	for want, reach := range map[string]func() capability.Reach{
		"container:d00d container:d00d private": capability.Everywhere,
		"container:… container:… private":       reaching(t, "web-*"),
	} {
		c, _ := actor(t, capability.Pass{Admin: true, Session: true, Durable: true, Reach: reach})
		_, r := call[abi.ContainerRuntime](t, Sources{Docker: ships, Audit: ships}, c, abi.OpContainerRuntime)
		if got := r.NetworkMode + " " + r.PIDMode + " " + r.IPCMode; got != want {
			t.Errorf("told of %q, want %q", got, want)
		}
	}
}

// TestCountsThatCannotBeHadAreNotTheEngines: an error must not leave the old
// number standing.
func TestCountsThatCannotBeHadAreNotTheEngines(t *testing.T) {
	broken := ships
	broken.err = refuse(abi.Unavailable, "Docker does not answer.")
	c, _ := callerWith(grantOf(t, capability.DockerInfo, capability.ImagesList, capability.ImagesInspect), abi.RoleUser)
	c.Pass.Reach = reaching(t, "web-*")
	for _, op := range []string{abi.OpDockerInfo, abi.OpImageList, abi.OpImageInspect} {
		if code, _ := call[struct{}](t, Sources{Docker: broken, Images: broken}, c, op); code != abi.Unavailable {
			t.Errorf("%s: %v", op, code)
		}
	}
}
