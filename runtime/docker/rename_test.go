package docker

import (
	"regexp"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

func TestNamesThatContainersCanHave(t *testing.T) {
	every := "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_.-"
	for _, name := range []string{"ab", "A9", "0_", every, strings.Repeat("n", 63), strings.Repeat("n", 128), strings.Repeat("a", 63), strings.Repeat("A", 64)} {
		if err := checkName(name); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	for _, name := range []string{
		"", "a", "_a", ".a", "-a", "a b", "a/b", "/a", "a\n", "a\x00", "ä1", "1ä", "a:b", "a@b", "a%2fb", "..", "a?", "a#",
		strings.Repeat("n", 129), strings.Repeat("a", 64), idA,
	} {
		err := checkName(name)
		wantCode(t, err, abi.Invalid)
	}
}

func FuzzCheckName(f *testing.F) {
	engines := regexp.MustCompile(`^[a-zA-Z0-9][a-zA-Z0-9_.-]+\z`) // moby's RestrictedNamePattern
	for _, seed := range []string{"web", "web-1", "", "/web", "a\nb", idA} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, name string) {
		want := engines.MatchString(name) && len(name) <= MaxNewName && !isID(name)
		if got := checkName(name) == nil; got != want {
			t.Errorf("%q: admitted %v, want %v", name, got, want)
		}
	})
}

func TestRenameOfARealContainer(t *testing.T) {
	c := realClient(t)
	base := dockertest.Unique("name")
	id := dockertest.Run(t, dockertest.Container{Name: base})
	dockertest.Run(t, dockertest.Container{Name: base + "-other", State: dockertest.Created})
	for _, test := range []struct {
		to   string
		want abi.ContainerDone
		code abi.Code
		says string
	}{
		{base + "-2", abi.ContainerDone{Name: base + "-2", State: "running"}, abi.OK, ""},
		{base + "-2", abi.ContainerDone{Name: base + "-2", State: "running", Unchanged: true}, abi.OK, ""},
		{base + "-other", abi.ContainerDone{}, abi.Conflict, "Another container is called " + base + "-other already."},
		{base + "._-" + strings.Repeat("x", 128-len(base)-3), abi.ContainerDone{Name: base + "._-" + strings.Repeat("x", 128-len(base)-3), State: "running"}, abi.OK, ""},
		{"-x", abi.ContainerDone{}, abi.Invalid, "begins with a letter"},
		{base, abi.ContainerDone{Name: base, State: "running"}, abi.OK, ""},
	} {
		done, err := c.Rename(t.Context(), "", id, test.to)
		if codeOf(err) != test.code || done != test.want || err != nil && !strings.Contains(err.Error(), test.says) {
			t.Errorf("to %q: %+v, %v", test.to, done, err)
		}
	}
	_, err := c.Rename(t.Context(), "", idA, base+"-3")
	wantCode(t, err, abi.NotFound)
	_, err = c.Rename(t.Context(), "", base, base+"-3")
	wantCode(t, err, abi.Invalid)
}

func TestTheBotsOwnContainerKeepsItsName(t *testing.T) {
	name := dockertest.Unique("self")
	id := dockertest.Run(t, dockertest.Container{Name: name, State: dockertest.Created})
	c := newClientWith(t, Config{Hosts: []string{dockertest.Engine(t)}, Self: id})
	_, err := c.Rename(t.Context(), "", id, name+"-2")
	wantCode(t, err, abi.Conflict)
}

// TestAnActShowsInTheNextList, however long lists are kept.
func TestAnActShowsInTheNextList(t *testing.T) {
	c := newClientWith(t, Config{Hosts: []string{dockertest.Engine(t)}, Fresh: DefaultFresh * 3600})
	labels, keep := mine(t)
	name := dockertest.Unique("shown")
	id := dockertest.Run(t, dockertest.Container{Name: name, Labels: labels, State: dockertest.Created})
	row := func() abi.Container {
		t.Helper()
		list, err := c.List(t.Context(), abi.ContainerQuery{}, keep)
		if err != nil || len(list.Containers) != 1 {
			t.Fatalf("%+v, %v", list, err)
		}
		return list.Containers[0]
	}
	if got := row(); got.State != "created" {
		t.Fatalf("it is %+v", got)
	}
	for _, step := range []struct{ act, state string }{{abi.ActStart, "running"}, {abi.ActPause, "paused"}, {abi.ActUnpause, "running"}, {abi.ActKill, "exited"}} {
		mustAct(t, c, id, step.act)
		if got := row(); got.State != step.state {
			t.Errorf("after %s the list has %+v", step.act, got)
		}
	}
	if _, err := c.Rename(t.Context(), "", id, name+"-2"); err != nil {
		t.Fatal(err)
	}
	if got := row(); got.Name != name+"-2" {
		t.Errorf("after a rename the list has %+v", got)
	}
}
