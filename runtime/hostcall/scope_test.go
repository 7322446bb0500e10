package hostcall

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// crate is a container of a fake engine.
type crate struct {
	name   string
	labels map[string]string
}

func (c crate) id() string {
	digest := sha256.Sum256([]byte(c.name))
	return hex.EncodeToString(digest[:])
}

// shown is the container as an adapter shows it: cleaned, and one without a
// name goes by its short id.
func (c crate) shown() abi.Container {
	name := foreign.Line(c.name, maxName)
	if name == "" {
		name = c.id()[:12]
	}
	return abi.Container{ID: c.id(), Name: name}
}

// engine is an honest adapter: it asks about every container it answers with,
// under the name that the engine gives.
type engine struct {
	Docker
	crates []crate
}

func (e engine) List(_ context.Context, _ abi.ContainerQuery, keep Keep) (abi.ContainerList, error) {
	var list abi.ContainerList
	for _, c := range e.crates {
		if keep(c.name, c.labels) {
			list.Containers = append(list.Containers, c.shown())
		}
	}
	list.Total = len(list.Containers)
	return list, nil
}

// find resolves an id or a name; the engine's word counts, not the module's.
func (e engine) find(ref abi.ContainerRef, keep Keep) (crate, error) {
	for _, c := range e.crates {
		if ref.ID != c.id() && ref.ID != c.name {
			continue
		}
		if !keep(c.name, c.labels) {
			return crate{}, refuse(abi.Denied, "This module may not see that container.")
		}
		return c, nil
	}
	return crate{}, refuse(abi.NotFound, "There is no such container.")
}

func (e engine) Inspect(_ context.Context, ref abi.ContainerRef, keep Keep) (abi.ContainerDetails, error) {
	c, err := e.find(ref, keep)
	return abi.ContainerDetails{Container: c.shown()}, err
}

func (e engine) Stats(_ context.Context, ref abi.ContainerRef, keep Keep) (abi.ContainerStats, error) {
	_, err := e.find(ref, keep)
	return abi.ContainerStats{PIDs: 7}, err
}

var harbour = engine{crates: []crate{
	{"web-1", map[string]string{capability.ProjectLabel: "shop", "tier": "front"}},
	{"web-2", map[string]string{capability.ProjectLabel: "blog", "tier": "front"}},
	{"db", map[string]string{capability.ProjectLabel: "shop", "tier": "back"}},
	{"shop", nil},
	{"", map[string]string{"tier": "front"}},
}}

// scopedCaller may list, inspect and measure containers in that scope.
func scopedCaller(t *testing.T, scope ...string) *Caller {
	t.Helper()
	var requests []capability.Request
	for _, name := range []capability.Name{capability.ContainersList, capability.ContainersInspect, capability.ContainersStats} {
		requests = append(requests, capability.Request{Name: string(name), Scope: scope})
	}
	set, err := capability.Parse(requests)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := callerWith(set, abi.RoleUser)
	return c
}

func listed(t *testing.T, d Docker, c *Caller) []string {
	t.Helper()
	code, answer := operation(t, Sources{Docker: d}, abi.OpContainerList).Call(t.Context(), c, []byte(`{}`))
	var list abi.ContainerList
	if err := json.Unmarshal(answer, &list); err != nil || code != abi.OK {
		t.Fatalf("list: %v %s, %v", code, answer, err)
	}
	names := []string{}
	for _, row := range list.Containers {
		names = append(names, row.Name)
	}
	return names
}

func TestScopeOfContainers(t *testing.T) {
	short := crate{}.shown().Name
	for _, test := range []struct {
		scope string
		want  []string
	}{
		{"web-1", []string{"web-1"}},
		{"web-*", []string{"web-1", "web-2"}},
		{"web", nil},
		{"shop", []string{"shop"}}, // a name, not the project
		{"project:shop", []string{"web-1", "db"}},
		{"label:tier=front", []string{"web-1", "web-2", short}},
		{"label:tier=*", []string{"web-1", "web-2", "db", short}},
		{"db label:tier=front", []string{"web-1", "web-2", "db", short}},
		{"*", []string{"web-1", "web-2", "db", "shop"}},
	} {
		t.Run(test.scope, func(t *testing.T) {
			c := scopedCaller(t, strings.Fields(test.scope)...)
			if got := listed(t, harbour, c); !slices.Equal(got, append([]string{}, test.want...)) {
				t.Errorf("listed %q, want %q", got, test.want)
			}
			for _, box := range harbour.crates {
				want := abi.Denied
				if slices.Contains(test.want, box.shown().Name) {
					want = abi.OK
				}
				for _, op := range []string{abi.OpContainerInspect, abi.OpContainerStats} {
					code, answer := operation(t, Sources{Docker: harbour}, op).Call(t.Context(), c, []byte(`{"id":"`+box.id()+`"}`))
					if code != want {
						t.Errorf("%s of %q: %v %s, want %v", op, box.name, code, answer, want)
					}
				}
			}
		})
	}
}

// TestNamesThatNoContainerHas: such a container is left out, the others and
// their count stay, and the log says it once.
func TestNamesThatNoContainerHas(t *testing.T) {
	grant := grantOf(t, capability.ContainersList, capability.ContainersInspect, capability.ContainersStats)
	for title, name := range map[string]string{
		"a line feed":      "web\n2",
		"an override":      "\u202eexe.txt",
		"a NUL":            "web\x00",
		"no UTF-8":         "web\xff",
		"longer than ever": strings.Repeat("x", maxName+1),
	} {
		t.Run(title, func(t *testing.T) {
			d := engine{crates: []crate{{"web-1", nil}, {name, nil}, {name + "2", nil}, {"db", nil}}}
			c, lines := callerWith(grant, abi.RoleUser)
			if got := listed(t, d, c); !slices.Equal(got, []string{"web-1", "db"}) {
				t.Errorf("listed %q", got)
			}
			left := lines.FilterField(zap.String("event", "docker.bad_name")).All()
			if lines.Len() != 1 || len(left) != 1 || left[0].ContextMap()["containers"] != int64(2) {
				t.Errorf("logged %+v, want one line about two containers", lines.All())
			}
			for _, op := range []string{abi.OpContainerInspect, abi.OpContainerStats} {
				code, answer := operation(t, Sources{Docker: d}, op).Call(t.Context(), c, []byte(`{"id":"`+d.crates[1].id()+`"}`))
				mustRefuse(t, code, answer, abi.Denied)
			}
		})
	}
	c, lines := callerWith(grant, abi.RoleUser)
	longest := strings.Repeat("x", maxName)
	if got := listed(t, engine{crates: []crate{{longest, nil}}}, c); len(got) != 1 || lines.Len() != 0 {
		t.Errorf("the longest name: listed %q, logged %v", got, lines.All())
	}
}

// Each operation asks its own capability's scope.
func TestScopesAreNotShared(t *testing.T) {
	set, err := capability.Parse([]capability.Request{
		{Name: string(capability.ContainersList), Scope: []string{"*"}},
		{Name: string(capability.ContainersInspect), Scope: []string{"db"}},
		{Name: string(capability.ContainersStats), Scope: []string{"web-1"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		op, id string
		want   abi.Code
	}{
		{abi.OpContainerInspect, "db", abi.OK}, {abi.OpContainerInspect, "web-1", abi.Denied},
		{abi.OpContainerStats, "db", abi.Denied}, {abi.OpContainerStats, "web-1", abi.OK},
	} {
		c, lines := callerWith(set, abi.RoleAdmin)
		code, answer := operation(t, Sources{Docker: harbour}, test.op).Call(t.Context(), c, []byte(`{"id":"`+test.id+`"}`))
		if code != test.want {
			t.Errorf("%s of %s: %v %s, want %v", test.op, test.id, code, answer, test.want)
		}
		if code == abi.Denied {
			mustLogDenial(t, lines, map[string]capability.Name{
				abi.OpContainerInspect: capability.ContainersInspect, abi.OpContainerStats: capability.ContainersStats}[test.op])
		}
	}
	c, _ := callerWith(set, abi.RoleUser)
	if got := listed(t, harbour, c); len(got) != 4 {
		t.Errorf("listed %q", got)
	}
}

// adversary is an adapter, or an engine behind it, that answers with container
// "db" whatever it was asked. It asks keep about the names in asked first.
type adversary struct {
	Docker
	asked []string
	rows  []abi.Container
}

func (a adversary) ask(keep Keep) {
	for _, name := range a.asked {
		keep(name, nil)
	}
}

func (a adversary) List(_ context.Context, _ abi.ContainerQuery, keep Keep) (abi.ContainerList, error) {
	a.ask(keep)
	return abi.ContainerList{Total: len(a.rows), Containers: a.rows}, nil
}

func (a adversary) Inspect(_ context.Context, _ abi.ContainerRef, keep Keep) (abi.ContainerDetails, error) {
	a.ask(keep)
	return abi.ContainerDetails{Container: a.rows[len(a.rows)-1]}, nil
}

func (a adversary) Stats(_ context.Context, _ abi.ContainerRef, keep Keep) (abi.ContainerStats, error) {
	a.ask(keep)
	return abi.ContainerStats{PIDs: 7}, nil
}

func TestAnswersOutsideTheScopeDoNotLeave(t *testing.T) {
	web, db := crate{name: "web-1"}.shown(), crate{name: "db"}.shown()
	for _, test := range []struct {
		name  string
		d     adversary
		stats bool // whether statistics may leave: they carry no name
	}{
		{"nobody was asked", adversary{rows: []abi.Container{web, db}}, false},
		{"another was asked", adversary{asked: []string{"web-1"}, rows: []abi.Container{web, db}}, true},
		{"it was asked and refused", adversary{asked: []string{"web-1", "db"}, rows: []abi.Container{web, db}}, false},
		{"it has another's id", adversary{asked: []string{"web-1"}, rows: []abi.Container{{ID: web.ID, Name: "db"}}}, true},
		{"it has no name", adversary{asked: []string{"web-1", ""}, rows: []abi.Container{{ID: db.ID}}}, false},
		{"it goes by its short id", adversary{asked: []string{"web-1"}, rows: []abi.Container{{ID: db.ID, Name: db.ID[:12]}}}, true},
		{"a name that begins alike", adversary{asked: []string{"web-1"}, rows: []abi.Container{{ID: db.ID, Name: "web-10"}}}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := scopedCaller(t, "web-1")
			request := []byte(`{"id":"web-1"}`)
			for _, op := range []string{abi.OpContainerList, abi.OpContainerInspect} {
				code, answer := operation(t, Sources{Docker: test.d}, op).Call(t.Context(), c, request)
				if told := mustRefuse(t, code, answer, abi.Internal); told.Message != general {
					t.Errorf("%s told %q", op, told.Message)
				}
			}
			want := abi.Internal
			if test.stats {
				want = abi.OK
			}
			if code, answer := operation(t, Sources{Docker: test.d}, abi.OpContainerStats).Call(t.Context(), c, request); code != want {
				t.Errorf("statistics: %v %s, want %v", code, answer, want)
			}
		})
	}
}
