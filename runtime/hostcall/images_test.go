package hostcall

import (
	"context"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// forger is an adapter, or an engine behind it, that answers with the image
// "secret" whatever it was asked. It asks keep about the tags in asked first.
type forger struct{ asked [][]string }

var secretImage = abi.Image{ID: "sha256:5ec", Tags: []string{"acme/secret:1"}, Containers: unknownUses}

func (f forger) ask(keep KeepImage) {
	for _, tags := range f.asked {
		keep(tags)
	}
}

func (f forger) Images(_ context.Context, _ abi.ImageQuery, keep KeepImage) (abi.ImageList, error) {
	f.ask(keep)
	return abi.ImageList{Total: 1, Images: []abi.Image{secretImage}}, nil
}

func (f forger) Image(_ context.Context, _ abi.ImageRef, keep KeepImage) (abi.ImageDetails, error) {
	f.ask(keep)
	return abi.ImageDetails{Image: secretImage, Env: []abi.Label{{Name: "COLOUR", Value: "blue"}}}, nil
}

func (f forger) ImageHistory(_ context.Context, _ abi.ImageRef, keep KeepImage) (abi.ImageHistory, error) {
	f.ask(keep)
	return abi.ImageHistory{Layers: []abi.ImageLayer{{CreatedBy: "RUN x"}}}, nil
}

// TestImagesOutsideTheScopeDoNotLeave (F1), whatever the adapter made of the
// question.
func TestImagesOutsideTheScopeDoNotLeave(t *testing.T) {
	var requests []capability.Request
	for _, name := range []capability.Name{capability.ImagesList, capability.ImagesInspect, capability.ImagesHistory} {
		requests = append(requests, capability.Request{Name: string(name), Scope: []string{"nginx", "acme/web"}})
	}
	grant, err := capability.Parse(requests)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		asked [][]string
	}{
		{"nobody was asked", nil},
		{"it was refused", [][]string{{"acme/secret:1"}}},
		{"a name that begins alike", [][]string{{"nginx-secret:1"}}},
		{"another registry's", [][]string{{"evil.example/nginx:1"}}},
		{"it has no tag", [][]string{{}}},
		{"a tag of nothing", [][]string{{""}}},
		{"a tag with a path in it", [][]string{{"nginx/../acme/secret:1"}}},
		{"a newline behind it", [][]string{{"nginx\n:1"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, op := range []string{abi.OpImageList, abi.OpImageInspect, abi.OpImageHistory} {
				c, _ := callerWith(grant, abi.RoleUser)
				code, answer := operation(t, Sources{Images: forger{test.asked}}, op).Call(t.Context(), c, []byte(`{"id":"nginx:1"}`))
				if told := mustRefuse(t, code, answer, abi.Internal); told.Message != general {
					t.Errorf("%s told %q", op, told.Message)
				}
			}
		})
	}
	c, _ := callerWith(grant, abi.RoleUser)
	honest := forger{[][]string{{"acme/other:1", "acme/web:2"}}} // one tag of several is enough
	for _, op := range []string{abi.OpImageList, abi.OpImageInspect, abi.OpImageHistory} {
		if code, answer := operation(t, Sources{Images: honest}, op).Call(t.Context(), c, []byte(`{"id":"acme/web:2"}`)); code != abi.OK {
			t.Errorf("%s: %v %s", op, code, answer)
		}
	}
}

// chronicle answers with the history of a container, after it asked about some.
type chronicle struct {
	History
	asked []string
}

func (h chronicle) Container(_ context.Context, _ abi.ContainerHistoryQuery, keep Keep) (abi.History, error) {
	for _, name := range h.asked {
		if !keep(name, nil) {
			return abi.History{Name: name, CPUs: 8}, nil // as if it had been admitted
		}
	}
	return abi.History{Name: "db", CPUs: 8}, nil
}

// TestHistoryStaysWithinGrantAndReach: what was measured of a container goes to
// nobody who may not see it now.
func TestHistoryStaysWithinGrantAndReach(t *testing.T) {
	grant, err := capability.Parse([]capability.Request{{Name: string(capability.ContainersStats), Scope: []string{"web-*", "db"}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name  string
		asked []string
		reach []string // nil: everywhere
		want  abi.Code
	}{
		{"in both", []string{"web-1"}, []string{"web-*"}, abi.OK},
		{"without a restriction", []string{"db"}, nil, abi.OK},
		{"out of the grant", []string{"mail"}, nil, abi.Internal},
		{"out of the reach", []string{"db"}, []string{"web-*"}, abi.Internal},
		{"nobody was asked", nil, nil, abi.Internal},
		{"a name that no container has", []string{"web-1\u202e"}, nil, abi.Internal},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _ := callerWith(grant, abi.RoleUser)
			if test.reach != nil {
				c.Pass.Reach = reaching(t, test.reach...)
			}
			s := Sources{History: chronicle{asked: test.asked}}
			if code, answer := operation(t, s, abi.OpContainerHistory).Call(t.Context(), c, []byte(`{"id":"x"}`)); code != test.want {
				t.Errorf("%v %s, want %v", code, answer, test.want)
			}
		})
	}
}
