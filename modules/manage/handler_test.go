package manage

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
	"github.com/cofferdam-bot/cofferdam/modules/internal/place"
)

const noon = 1_767_268_800_000

var operations = map[string]string{
	abi.ActStart: abi.OpContainerStart, abi.ActStop: abi.OpContainerStop, abi.ActRestart: abi.OpContainerRestart,
	abi.ActPause: abi.OpContainerPause, abi.ActUnpause: abi.OpContainerUnpause,
	abi.ActKill: abi.OpContainerKill, abi.ActRemove: abi.OpContainerRemove,
}

func id(n int) string { return fmt.Sprintf("%012x%052d", n+0xa1b2c3d4e500, 0) }

// docker is what a test's host answers; err spoils every call to an engine.
type docker struct {
	hosts      []string
	containers []abi.Container
	done       abi.ContainerDone
	err        error
	asked      []abi.ContainerRef // of what
	renamed    string             // to what
}

func holding(states ...string) *docker {
	d := &docker{hosts: []string{"local"}}
	for i, state := range states {
		d.containers = append(d.containers, abi.Container{ID: id(i), Name: fmt.Sprintf("Web_%02d", i), Image: "nginx:1.27", State: state})
	}
	return d
}

func (d *docker) failing(code abi.Code, sentence string) *docker {
	d.err = sdk.Fail(code, sentence)
	return d
}

func (d *docker) ending(done abi.ContainerDone) *docker {
	done.Name = "Web_00"
	d.done = done
	return d
}

func (d *docker) fake() *sdk.Fake {
	fake := sdk.NewFake()
	sdk.Answer(fake, abi.OpDockerHosts, func(abi.DockerQuery) (abi.DockerHosts, error) {
		return abi.DockerHosts{Names: d.hosts}, nil
	})
	sdk.Answer(fake, abi.OpContainerList, func(q abi.ContainerQuery) (abi.ContainerList, error) {
		d.asked = append(d.asked, abi.ContainerRef{Host: q.Host})
		list := abi.ContainerList{Total: len(d.containers), Containers: d.containers[min(q.Offset, len(d.containers)):]}
		list.Containers = list.Containers[:min(len(list.Containers), q.Count)]
		for _, c := range d.containers {
			if c.State == "running" {
				list.Running++
			}
		}
		return list, d.err
	})
	sdk.Answer(fake, abi.OpContainerInspect, func(ref abi.ContainerRef) (abi.ContainerDetails, error) {
		d.asked = append(d.asked, ref)
		for _, c := range d.containers {
			if c.ID == ref.ID || c.Name == ref.ID {
				return abi.ContainerDetails{Container: c}, d.err
			}
		}
		return abi.ContainerDetails{}, sdk.Fail(abi.NotFound, "There is no such container (any more).")
	})
	sdk.Answer(fake, abi.OpContainerRename, func(q abi.ContainerRename) (abi.ContainerDone, error) {
		d.asked, d.renamed = append(d.asked, abi.ContainerRef{Host: q.Host, ID: q.ID}), q.To
		return d.done, d.err
	})
	for _, op := range operations {
		sdk.Answer(fake, op, func(ref abi.ContainerRef) (abi.ContainerDone, error) {
			d.asked = append(d.asked, ref)
			return d.done, d.err
		})
	}
	return fake
}

func typed(text string) sdk.Request {
	return sdk.Request{Command: "manage", Text: text, Time: noon, Actor: abi.Actor{Role: abi.RoleAdmin}}
}

func renamed(text string) sdk.Request {
	req := typed(text)
	req.Command = "rename"
	return req
}

func tap(action string, args ...string) sdk.Request {
	return sdk.Request{Action: action, Args: sdk.Do("", action, args...).Args, Time: noon}
}

func TestReplies(t *testing.T) {
	const away = "Docker does not answer."
	many := holding(slices.Repeat([]string{"running"}, 25)...)
	several := holding("running", "exited")
	several.hosts = []string{"local", "edge"}
	gone := abi.ContainerDone{}
	for _, test := range []struct {
		name string
		d    *docker
		req  sdk.Request
	}{
		{"list", holding("running", "paused", "exited"), typed("")},
		{"list-empty", holding(), typed("")},
		{"list-middle-page", many, tap("list", "page", "2")},
		{"list-of-several-hosts", several, tap("list", "host", "edge")},
		{"list-away", holding().failing(abi.Unavailable, away), typed("")},
		{"list-of-several-away", (&docker{hosts: []string{"local", "edge"}}).failing(abi.Timeout, away), typed("")},
		{"show-running", holding("running"), typed("Web_00")},
		{"show-paused", holding("paused"), tap("show", "id", id(0))},
		{"show-exited", holding("exited"), tap("show", "id", id(0), "page", "2")},
		{"show-created", holding("created"), tap("show", "id", id(0))},
		{"show-restarting", holding("restarting"), tap("show", "id", id(0))},
		{"show-dead", holding("dead"), tap("show", "id", id(0))},
		{"show-removing", holding("removing"), tap("show", "id", id(0))},
		{"show-new-word", holding("hibernating"), tap("show", "id", id(0))},
		{"show-of-another-host", holding("running"), typed("Web_00@edge")},
		{"show-gone", holding("running"), tap("show", "id", id(7))},
		{"show-typed-gone", holding("running"), typed("nothing")},
		{"show-away", holding("running").failing(abi.Unavailable, away), tap("show", "id", id(0))},
		{"start", holding().ending(abi.ContainerDone{State: "running"}), tap("start", "id", id(0))},
		{"start-again", holding().ending(abi.ContainerDone{State: "running", Unchanged: true}), tap("start", "id", id(0))},
		{"start-conflict", holding().failing(abi.Conflict, "Docker could not start it: the port is taken."), tap("start", "id", id(0))},
		{"stop", holding().ending(abi.ContainerDone{State: "exited"}), tap("stop", "id", id(0), "host", "edge", "page", "3")},
		{"stop-pending", holding().ending(abi.ContainerDone{State: "running", Pending: true}), tap("stop", "id", id(0))},
		{"stop-gone", holding().ending(gone), tap("stop", "id", id(0))},
		{"stop-away", holding().failing(abi.Unavailable, away), tap("stop", "id", id(0))},
		{"restart", holding().ending(abi.ContainerDone{State: "running"}), tap("restart", "id", id(0))},
		{"pause", holding().ending(abi.ContainerDone{State: "paused"}), tap("pause", "id", id(0))},
		{"unpause", holding().ending(abi.ContainerDone{State: "running"}), tap("unpause", "id", id(0))},
		{"kill", holding().ending(abi.ContainerDone{State: "exited"}), tap("kill", "id", id(0))},
		{"remove", holding().ending(gone), tap("remove", "id", id(0), "page", "2")},
		{"remove-pending", holding().ending(abi.ContainerDone{State: "removing", Pending: true}), tap("remove", "id", id(0))},
		{"rename", holding("running").ending(abi.ContainerDone{State: "running"}), renamed("web-old Web_00")},
		{"rename-on-another-host", holding("exited").ending(abi.ContainerDone{State: "exited"}), renamed("web-old@edge Web_00")},
		{"rename-unchanged", holding("running").ending(abi.ContainerDone{State: "running", Unchanged: true}), renamed("Web_00 Web_00")},
		{"rename-taken", holding("running").failing(abi.Conflict, "Another container is called db already."), renamed("web db")},
		{"rename-how", holding("running"), tap("rename", "id", id(0), "host", "edge", "page", "2")},
		{"rename-gone", holding("running"), tap("rename", "id", id(7))},
		{"remove-not-there", holding().failing(abi.NotFound, "There is no such container (any more)."), tap("remove", "id", id(0))},
	} {
		t.Run(test.name, func(t *testing.T) {
			reply, err := Module().Handle(test.d.fake().Host(), test.req)
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, Module(), test.name, reply)
		})
	}
}

// TestOnlyWhatFitsIsOffered reads like the table of states.
func TestOnlyWhatFitsIsOffered(t *testing.T) {
	for state, want := range map[string]string{
		"running":    "stop! restart! pause kill!",
		"paused":     "unpause kill!",
		"exited":     "start remove!",
		"created":    "start remove!",
		"restarting": "stop! kill!",
		"dead":       "remove!",
		"removing":   "",
		"":           "",
		"new word":   "",
	} {
		var got []string
		for _, row := range fitting(place.Place{Page: 1}, id(0), "web", state) {
			for _, b := range row {
				name := b.Action
				if b.Style == abi.ButtonDanger {
					name += "!"
				}
				got = append(got, name)
			}
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %q, want %q", state, got, want)
		}
	}
}

// TestAnActAsksItsOwnOperationOnce, and nothing else: the state afterwards comes
// with the answer.
func TestAnActAsksItsOwnOperationOnce(t *testing.T) {
	for act, op := range operations {
		d := holding().ending(abi.ContainerDone{State: "running"})
		fake := d.fake()
		reply, err := Module().Handle(fake.Host(), tap(act, "id", id(3), "host", "edge", "name", "web"))
		if err != nil {
			t.Fatal(err)
		}
		if got := fake.Calls(); !slices.Equal(got, []string{op}) || d.asked[0] != (abi.ContainerRef{Host: "edge", ID: id(3)}) {
			t.Errorf("%s calls %q about %+v", act, got, d.asked)
		}
		if steps := fake.Steps(); len(steps) != 1 || !strings.HasSuffix(steps[0], "ing web") {
			t.Errorf("%s: who waits is shown %q", act, steps)
		}
		for _, row := range reply.Keyboard {
			for _, b := range row {
				if b.Action != "" && b.Args["host"] != "edge" {
					t.Errorf("%s: button %q loses the host: %v", act, b.Label, b.Args)
				}
			}
		}
	}
}

// TestTheHostsQuestionsAreItsOwn: the module neither swallows nor words them.
func TestTheHostsQuestionsAreItsOwn(t *testing.T) {
	for _, code := range []abi.Code{abi.Denied, abi.AuthRequired, abi.ConfirmRequired, abi.Invalid, abi.Internal} {
		for action := range maps.Keys(Module().Actions) {
			reply, err := Module().Handle(holding("running").failing(code, "The host's words.").fake().Host(), tap(action, "id", id(0)))
			if sdk.CodeOf(err) != code || sdk.MessageOf(err) != "The host's words." || len(reply.Blocks) != 0 {
				t.Errorf("%s with %v: %+v, %v", action, code, reply, err)
			}
		}
	}
}

// TestEveryFailureHasAWayBack: no view is a dead end.
func TestEveryFailureHasAWayBack(t *testing.T) {
	for _, code := range []abi.Code{abi.Unavailable, abi.Timeout, abi.Limit, abi.NotFound, abi.Conflict} {
		for action := range maps.Keys(Module().Actions) {
			reply, err := Module().Handle(holding("running").failing(code, "It is so.").fake().Host(), tap(action, "id", id(0)))
			if err != nil || len(reply.Keyboard) == 0 || !strings.Contains(reply.Blocks[0].Spans[0].Text, "It is so.") {
				t.Errorf("%s with %v: %+v, %v", action, code, reply, err)
				continue
			}
			golden.Fits(t, Module(), reply)
			row := slices.Concat(reply.Keyboard...)
			if !slices.ContainsFunc(row, func(b sdk.Button) bool { return b.Command == "containers" }) {
				t.Errorf("%s with %v: no way to the containers in %+v", action, code, row)
			}
		}
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	for _, args := range [][]string{
		{"page", "0"}, {"page", "x"}, {"page", "10001"}, {"host", "a\nb"}, {"host", strings.Repeat("h", 65)},
	} {
		for action := range maps.Keys(Module().Actions) {
			d := holding("running")
			if _, err := Module().Handle(d.fake().Host(), tap(action, append(args, "id", id(0))...)); sdk.CodeOf(err) != abi.Invalid || d.asked != nil {
				t.Errorf("%s with %q: %v, want invalid", action, args, err)
			}
		}
	}
	for _, bad := range []string{"", "web", id(0)[:63], id(0) + "0", strings.ToUpper(id(0)), "../" + id(0)[3:]} {
		for action := range maps.Keys(Module().Actions) {
			d := holding("running")
			if _, err := Module().Handle(d.fake().Host(), tap(action, "id", bad)); action != "list" && (sdk.CodeOf(err) != abi.Invalid || d.asked != nil) {
				t.Errorf("%s of id %q: %v, want invalid", action, bad, err)
			}
		}
	}
	for _, bad := range []string{"web@a\nb", "web@" + strings.Repeat("h", 65)} {
		d := holding("running")
		if _, err := Module().Handle(d.fake().Host(), typed(bad)); sdk.CodeOf(err) != abi.Invalid || d.asked != nil {
			t.Errorf("typed %q: %v, want invalid", bad, err)
		}
	}
}

func TestPageBeyondTheEndIsTheLast(t *testing.T) {
	reply, err := Module().Handle(holding(slices.Repeat([]string{"exited"}, 21)...).fake().Host(), tap("list", "page", "9"))
	if err != nil || reply.Blocks[0].Spans[0].Text != "⚙️ Manage 21 containers, page 3 of 3" || reply.Keyboard[0][0].Label != "🔴 Web_20" {
		t.Errorf("%+v, %v", reply, err)
	}
}

func TestHostileWordsStayInTheirLine(t *testing.T) {
	d := holding("x\n🟢 fine" + strings.Repeat("z", 500))
	d.containers[0].Name, d.containers[0].Image = "n\n"+strings.Repeat("界", 300), strings.Repeat("i", 10_000)
	for range 200 {
		d.hosts = append(d.hosts, "host\n"+strings.Repeat("h", 100))
	}
	for _, req := range []sdk.Request{typed(""), tap("show", "id", id(0))} {
		reply, err := Module().Handle(d.fake().Host(), req)
		if err != nil {
			t.Fatal(err)
		}
		golden.Fits(t, Module(), reply)
		for _, b := range reply.Blocks {
			spans := b.Spans
			for _, f := range b.Fields {
				spans = append(spans, f.Value...)
			}
			for _, s := range spans {
				if strings.Contains(s.Text, "\n") || len([]rune(s.Text)) > maxImage {
					t.Errorf("span %q", s.Text)
				}
			}
		}
	}
}

func TestWhatIsTypedToRename(t *testing.T) {
	for text, want := range map[string]abi.ContainerRef{
		"web db": {ID: "web"}, " web\t db ": {ID: "web"}, "web@edge db": {Host: "edge", ID: "web"}, id(0) + " db": {ID: id(0)},
	} {
		d := holding("running").ending(abi.ContainerDone{State: "running"})
		if _, err := Module().Handle(d.fake().Host(), renamed(text)); err != nil || d.asked[0] != want || d.renamed != "db" {
			t.Errorf("%q: %+v to %q, %v", text, d.asked, d.renamed, err)
		}
	}
	for _, text := range []string{"", "web", "web db x", "@edge db", "@ db", "web@" + strings.Repeat("h", 65) + " db"} {
		d := holding("running")
		if _, err := Module().Handle(d.fake().Host(), renamed(text)); sdk.CodeOf(err) != abi.Invalid || d.asked != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestALongNameStillHasAWayBack: a button carries 128 bytes.
func TestALongNameStillHasAWayBack(t *testing.T) {
	for _, name := range []string{strings.Repeat("n", 128), strings.Repeat("n", 129), "a\u202eb"} {
		d := holding("running").failing(abi.Conflict, "It is so.")
		reply, err := Module().Handle(d.fake().Host(), renamed(name+" db"))
		if err != nil {
			t.Fatal(err)
		}
		golden.Fits(t, Module(), reply)
	}
}
