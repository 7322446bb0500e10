package docker

import (
	"context"
	"net/http"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// twoContainers is an engine with web (A), which has a label and a project,
// and db (B). Like the real one it finds a container by any prefix of its id.
func twoContainers(t *testing.T) *Client {
	web := `{"Id":"` + idA + `","Name":"/web","State":{"Status":"exited"},"Config":{"Labels":{"team":"red","com.docker.compose.project":"shop"}}}`
	db := `{"Id":"` + idB + `","Name":"/db","State":{"Status":"exited"}}`
	return newClient(t, newFake(map[string]http.HandlerFunc{
		"/containers/json":     body(`[]`),
		"/containers/web/json": body(web), "/containers/" + idA + "/json": body(web), "/containers/aa/json": body(web),
		"/containers/db/json": body(db), "/containers/" + idB + "/json": body(db),
		"/containers/ab/json": func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, `{"message":"Multiple IDs found with provided prefix: ab"}`, http.StatusInternalServerError)
		},
	}).serve(t))
}

func TestWhoMaySeeWhichContainer(t *testing.T) {
	named := func(name string) Keep { return func(got string, _ map[string]string) bool { return got == name } }
	team := func(_ string, labels map[string]string) bool { return labels["team"] == "red" }
	project := func(_ string, labels map[string]string) bool { return labels[projectLabel] == "shop" }
	for name, tc := range map[string]struct {
		ref  string
		keep Keep
		want abi.Code
	}{
		"by name, in scope":                         {"web", named("web"), abi.OK},
		"by id, scope holds the engine's name":      {idA, named("web"), abi.OK},
		"by label":                                  {"web", team, abi.OK},
		"by project":                                {idA, project, abi.OK},
		"another's name":                            {"db", named("web"), abi.Denied},
		"another's id":                              {idB, named("web"), abi.Denied},
		"another's, by label":                       {"db", team, abi.Denied},
		"no scope at all":                           {"web", nil, abi.Denied},
		"a prefix of an id is not a name":           {"aa", anything, abi.NotFound},
		"a prefix, and its name in scope":           {"aa", named("web"), abi.Denied},
		"a prefix of several ids":                   {"ab", anything, abi.NotFound},
		"a prefix of several ids, out of scope":     {"ab", named("web"), abi.Denied},
		"gone, name in scope":                       {"gone", named("gone"), abi.NotFound},
		"gone, name out of scope: same as if there": {"gone", named("web"), abi.Denied},
		"gone, by id":                               {strings.Repeat("d", 64), named("web"), abi.NotFound},
		"no reference":                              {"../images/json", anything, abi.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			ref := abi.ContainerRef{ID: tc.ref}
			_, err := twoContainers(t).Inspect(context.Background(), ref, tc.keep)
			wantCode(t, err, tc.want)
			_, err = twoContainers(t).Stats(context.Background(), ref, tc.keep)
			if tc.want == abi.OK {
				tc.want = abi.Conflict // seen, and not running
			}
			wantCode(t, err, tc.want)
		})
	}
}

func TestARefusalIsTheSameWhetherTheContainerExists(t *testing.T) {
	c := twoContainers(t)
	none := func(string, map[string]string) bool { return false }
	_, there := c.Inspect(context.Background(), abi.ContainerRef{ID: "db"}, none)
	_, gone := c.Inspect(context.Background(), abi.ContainerRef{ID: "nothing"}, none)
	if there.Error() != gone.Error() {
		t.Errorf("told apart: %q and %q", there, gone)
	}
}

func TestABadReferenceNeverReachesTheEngine(t *testing.T) {
	f := newFake(nil)
	c := newClient(t, f.serve(t))
	for _, ref := range []string{"", "a", "/web", "..", ".", "../x", "a/../b", "a%2fb", "%2e%2e", "a?b", "a#b", "a b", "a\x00b", "web\n", "wéb", "-web", "_web", strings.Repeat("a", 256)} {
		_, err := c.Inspect(context.Background(), abi.ContainerRef{ID: ref}, anything)
		wantCode(t, err, abi.Invalid)
	}
	if n := f.requests.Load(); n != 0 {
		t.Errorf("the engine saw %d requests", n)
	}
}

func TestAnUnknownHost(t *testing.T) {
	_, err := twoContainers(t).Inspect(context.Background(), abi.ContainerRef{Host: "nas\n", ID: "web"}, anything)
	wantCode(t, err, abi.NotFound)
	if want := `There is no Docker host named "nas ".`; err.(*Error).Answer.Message != want {
		t.Errorf("says %q", err.(*Error).Answer.Message)
	}
}

func FuzzCheckRef(f *testing.F) {
	for _, s := range []string{"web", idA, "..", "a/b", "%2e%2e", "a?b", "a\x00", "é", "a..b", "a.-_"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, ref string) {
		if checkRef(ref) != nil {
			return
		}
		if len(ref) < 2 || len(ref) > maxName || strings.Trim(ref[:1], "._-") == "" {
			t.Fatalf("admitted %q", ref)
		}
		for _, r := range ref {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-", r) {
				t.Fatalf("admitted %q", ref)
			}
		}
	})
}
