package updates

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
)

const noon = 1_767_268_800_000

// registries is what a test's host answers; a test spoils what it is about.
type registries struct {
	hosts  []string
	report abi.UpdateReport
	err    error
	asked  abi.UpdateQuery
	steps  []string
}

func id(n int) string { return fmt.Sprintf("sha256:%012x%052d", n+0xa1b2c3d4e500, 0) }

// knowing returns a host that knows these images, each with an id of its own.
func knowing(images ...abi.ImageUpdate) *registries {
	for i := range images {
		images[i].ID = id(i)
	}
	return &registries{hosts: []string{"local"}, report: abi.UpdateReport{Images: images}}
}

func (r *registries) handle(t *testing.T, req sdk.Request) sdk.Reply {
	t.Helper()
	reply, err := r.try(req)
	if err != nil {
		t.Fatal(err)
	}
	return reply
}

func (r *registries) try(req sdk.Request) (sdk.Reply, error) {
	fake := sdk.NewFake()
	sdk.Answer(fake, abi.OpDockerHosts, func(abi.DockerQuery) (abi.DockerHosts, error) {
		return abi.DockerHosts{Names: r.hosts}, nil
	})
	sdk.Answer(fake, abi.OpImageUpdates, func(q abi.UpdateQuery) (abi.UpdateReport, error) {
		r.asked = q
		return r.report, r.err
	})
	reply, err := Module().Handle(fake.Host(), req)
	r.steps = fake.Steps()
	return reply, err
}

func typed(text string) sdk.Request {
	return sdk.Request{Command: "updates", Text: text, Time: noon}
}

func tap(action string, args ...string) sdk.Request {
	return sdk.Request{Action: action, Args: sdk.Do("", action, args...).Args, Time: noon}
}

// zoo has an image of each kind.
func zoo() *registries {
	const checked = noon - 180_000
	return knowing(
		abi.ImageUpdate{Reference: "alpine:3.20", Checked: checked},
		abi.ImageUpdate{Reference: "app:1.2.3", Checked: checked, NewerTag: "1.2.4"},
		abi.ImageUpdate{Reference: "busybox:latest", Checked: checked, NewerDigest: true},
		abi.ImageUpdate{Reference: "db:16-bookworm", Checked: checked, NewerTag: "18-bookworm", Major: true},
		abi.ImageUpdate{Reference: "mine:dev", Problem: "It was not pulled under this name: no registry knows it."},
		abi.ImageUpdate{Reference: "nginx:1.27.1-alpine", Checked: checked, NewerTag: "2.0.0-alpine", Major: true, NewerWithin: "1.28.0-alpine", NewerDigest: true},
		abi.ImageUpdate{Reference: "old:1.0", Checked: noon - 86_400_000, NewerTag: "1.1", Problem: "The registry cannot be reached."},
		abi.ImageUpdate{Reference: "secret.example.org/team/app:2", Checked: checked, Problem: "The registry wants a login for this repository, or does not know it."},
		abi.ImageUpdate{Reference: "zulu:1", Checked: checked},
	)
}

func pending(r *registries, n int) *registries {
	r.report.Pending = n
	for i := range n {
		r.report.Images[len(r.report.Images)-1-i] = abi.ImageUpdate{ID: id(100 + i), Reference: fmt.Sprintf("later%d:1", i)}
	}
	return r
}

// many are images of which all have a newer version.
func many(n int) *registries {
	var images []abi.ImageUpdate
	for i := range n {
		images = append(images, abi.ImageUpdate{Reference: fmt.Sprintf("app%02d:1.0", i), Checked: noon, NewerTag: "1.1"})
	}
	return knowing(images...)
}

func TestReplies(t *testing.T) {
	on := func(r *registries, hosts ...string) *registries { r.hosts = hosts; return r }
	failing := func(code abi.Code, sentence string) *registries {
		r := on(zoo(), "local", "edge")
		r.report, r.err = abi.UpdateReport{}, sdk.Fail(code, sentence)
		return r
	}
	one := func(u abi.ImageUpdate) *registries { return knowing(u) }
	for _, test := range []struct {
		name string
		r    *registries
		req  sdk.Request
	}{
		{"list", zoo(), typed("")},
		{"list-none", knowing(), typed("")},
		{"list-all-current", knowing(abi.ImageUpdate{Reference: "a:1", Checked: noon}), typed("")},
		{"list-asking", pending(zoo(), 3), typed("")},
		{"list-asking-first", pending(knowing(make([]abi.ImageUpdate, 2)...), 2), typed("")},
		{"list-middle-page", on(many(20), "local", "edge"), tap("list", "page", "2", "host", "edge")},
		{"list-of-a-host", on(knowing(abi.ImageUpdate{Reference: "a:1", Checked: noon}), "local", "edge"), typed("@edge")},
		{"list-away", failing(abi.Unavailable, "Docker does not answer."), typed("")},
		{"show", zoo(), tap("show", "id", id(5), "ref", "nginx:1.27.1-alpine", "page", "2")},
		{"show-typed", one(abi.ImageUpdate{Reference: "app:1.2.3", Checked: noon, NewerTag: "1.2.4"}), typed("app:1.2.3@edge")},
		{"show-current", one(abi.ImageUpdate{Reference: "app:1.2.3", Checked: noon}), typed("app:1.2.3")},
		{"show-asking", pending(one(abi.ImageUpdate{}), 1), tap("show", "id", id(100), "ref", "later0:1", "host", "edge")},
		{"show-problem", zoo(), tap("show", "id", id(7), "ref", "secret.example.org/team/app:2")},
		{"show-built-here", zoo(), tap("show", "id", id(4), "ref", "mine:dev")},
		{"show-gone", failing(abi.NotFound, "There is no such image."), tap("show", "id", id(1), "page", "3")},
		{"show-unknown", failing(abi.NotFound, "There is no such image."), typed("nothing")},
		{"show-away", failing(abi.Timeout, "Docker does not answer."), tap("show", "id", id(1), "host", "edge")},
	} {
		t.Run(test.name, func(t *testing.T) {
			golden.Check(t, Module(), test.name, test.r.handle(t, test.req))
		})
	}
}

// TestWhatIsAsked: what each view asks of the registries, and how long it waits.
func TestWhatIsAsked(t *testing.T) {
	for _, test := range []struct {
		req  sdk.Request
		want abi.UpdateQuery
	}{
		{typed(""), abi.UpdateQuery{WaitMS: 1500}},
		{typed(" nginx "), abi.UpdateQuery{ID: "nginx", WaitMS: 1500}},
		{typed("127.0.0.1:5000/a/b:1@edge"), abi.UpdateQuery{ID: "127.0.0.1:5000/a/b:1", Host: "edge", WaitMS: 1500}},
		{typed("a@sha256:" + strings.Repeat("0", 64)), abi.UpdateQuery{ID: "a@sha256:" + strings.Repeat("0", 64), WaitMS: 1500}},
		{tap("list", "host", "edge"), abi.UpdateQuery{Host: "edge", WaitMS: 1500}},
		{tap("list", "look", "again"), abi.UpdateQuery{Fresh: true, WaitMS: 1500}},
		{tap("list", "look", "on"), abi.UpdateQuery{}},
		{tap("show", "id", id(1), "ref", "a:1", "look", "again"), abi.UpdateQuery{ID: id(1), Fresh: true, WaitMS: 1500}},
	} {
		r := zoo()
		r.handle(t, test.req)
		if r.asked != test.want {
			t.Errorf("%+v asked %+v, want %+v", test.req, r.asked, test.want)
		}
		if waits := test.want.WaitMS > 0; waits != (len(r.steps) == 1) {
			t.Errorf("%+v told its progress as %q", test.req, r.steps)
		}
	}
}

// TestItGoesOnUntilNothingIsPending, without asking anew each time.
func TestItGoesOnUntilNothingIsPending(t *testing.T) {
	r := pending(zoo(), 2)
	reply := r.handle(t, tap("list", "look", "again", "page", "1", "host", "edge"))
	if reply.Again == nil || reply.Again.After != 2 {
		t.Fatalf("again: %+v", reply.Again)
	}
	next := sdk.Request{Action: reply.Again.Action, Args: reply.Again.Args, Time: noon}
	reply = r.handle(t, next)
	if r.asked.Fresh || r.asked.Host != "edge" || reply.Again == nil {
		t.Errorf("the next one asked %+v, and goes on: %v", r.asked, reply.Again != nil)
	}
	r.report.Pending = 0
	if reply = r.handle(t, next); reply.Again != nil {
		t.Error("it goes on although nothing is pending")
	}
}

func TestBrokenButtons(t *testing.T) {
	for _, req := range []sdk.Request{
		tap("list", "page", "0"), tap("list", "page", "x"), tap("list", "page", "10001"), tap("list", "host", "a\nb"),
		tap("list", "host", strings.Repeat("h", 65)), tap("show"), tap("show", "id", "a\nb"), tap("show", "id", id(1), "ref", strings.Repeat("r", 513)),
		typed("a\nb"), typed("nginx@" + strings.Repeat("h", 65)), typed(strings.Repeat("r", 513)),
	} {
		if _, err := zoo().try(req); sdk.CodeOf(err) != abi.Invalid {
			t.Errorf("%+v: %v", req, err)
		}
	}
}

func TestEveryPageHasItsRows(t *testing.T) {
	r := many(20)
	var got []string
	for page := 1; page <= 4; page++ {
		reply := r.handle(t, tap("list", "page", fmt.Sprint(page)))
		golden.Fits(t, Module(), reply)
		for _, row := range reply.Keyboard {
			if row[0].Action == "show" {
				got = append(got, row[0].Args["ref"])
			}
		}
	}
	// The last page again, for one that is not there any more.
	if len(got) != 24 || !slices.Equal(got[16:20], got[20:]) || !slices.IsSorted(got[:20]) {
		t.Errorf("%d buttons: %q", len(got), got)
	}
}

func TestHostileWordsStayInTheirLine(t *testing.T) {
	r := knowing(abi.ImageUpdate{Reference: "x\n🆕 fine" + strings.Repeat("界", 600), Checked: noon, NewerTag: "1\n2" + strings.Repeat("t", 999), Problem: "a\nb" + strings.Repeat("p", 9999)})
	for _, req := range []sdk.Request{typed(""), tap("show", "id", id(0))} {
		reply := r.handle(t, req)
		golden.Fits(t, Module(), reply)
		for _, b := range reply.Blocks {
			for _, span := range b.Spans {
				if len([]rune(span.Text)) > 220 || strings.Contains(strings.TrimPrefix(span.Text, "\n"), "\n") {
					t.Errorf("a span of %d runes: %.40q", len([]rune(span.Text)), span.Text)
				}
			}
		}
	}
}

func TestManyHostsFitTheKeyboard(t *testing.T) {
	r := many(50)
	r.hosts = nil
	for i := range 200 {
		r.hosts = append(r.hosts, fmt.Sprintf("host-%d", i))
	}
	golden.Fits(t, Module(), r.handle(t, tap("list", "page", "3")))
}
