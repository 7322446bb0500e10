package containers

import (
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
)

func container(text string) sdk.Request {
	return sdk.Request{Command: "container", Text: text, Time: noon}
}

func TestAContainerByItsName(t *testing.T) {
	for name, test := range map[string]struct {
		d   *docker
		req sdk.Request
	}{
		"container":       {holding(3), container("Web_00@edge")},
		"container-gone":  {holding(3), container("web")},
		"container-away":  {holding(3).failing(abi.OpContainerInspect, abi.Unavailable, "Docker does not answer."), container("Web_00")},
		"container-again": {holding(3), tap("show", "id", id(0), "outside", "1")},
	} {
		t.Run(name, func(t *testing.T) { golden.Check(t, Module(), name, handle(t, test.d, test.req)) })
	}
	for _, text := range []string{"", "@edge", "a\u202eb", strings.Repeat("n", 300), "web@" + strings.Repeat("h", 65)} {
		if _, err := Module().Handle(holding(3).host(), container(text)); sdk.CodeOf(err) != abi.Invalid || !strings.HasSuffix(sdk.MessageOf(err), ".") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestTheWayBackFromAContainer: it leads to the view that a name opened, also
// after a refresh, and from the list to the list.
func TestTheWayBackFromAContainer(t *testing.T) {
	back := func(reply sdk.Reply) sdk.Button { return buttonOf(t, reply, "⬅️ Back") }
	opened := handle(t, holding(3), container(id(0)))
	refresh := buttonOf(t, opened, "🔄 Refresh")
	again := handle(t, holding(3), sdk.Request{Action: refresh.Action, Args: refresh.Args, Time: noon})
	for _, reply := range []sdk.Reply{opened, again} {
		if b := back(reply); !b.Back || b.Action != "list" {
			t.Errorf("back by %+v", b)
		}
	}
	if b := back(handle(t, holding(3), tap("show", "id", id(0)))); b.Back {
		t.Errorf("from the list, back by %+v", b)
	}
	list := handle(t, holding(3), tap("list", "outside", "1"))
	for _, b := range slices.Concat(list.Keyboard...) {
		if b.Args["outside"] != "" {
			t.Errorf("the list hands on that it was opened from outside: %+v", b)
		}
	}
}

func TestImagesAreThoseOfTheSameHost(t *testing.T) {
	for host, want := range map[string]string{"": "", "edge": "@edge"} {
		if b := toImages(place{host: host}); b.Command != "images" || b.Text != want {
			t.Errorf("on %q: %+v", host, b)
		}
	}
}
