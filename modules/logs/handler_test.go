package logs

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
)

const noon = 1_767_268_800_000

func id(n int) string { return fmt.Sprintf("%012x%052d", n+0xa1b2c3d4e500, 0) }

// docker is what a test's host answers: one log, whose cursors are numbers of
// lines; err spoils every call to an engine.
type docker struct {
	hosts      []string
	containers int
	name       string
	lines      []abi.LogLine
	partial    bool
	most       int // lines of one answer
	err        error
	asked      []abi.LogQuery
}

// logging has a log of n lines, one a minute up to noon.
func logging(n int) *docker {
	d := &docker{hosts: []string{"local"}, containers: 1, name: "Web_00", most: 500}
	for i := range n {
		d.lines = append(d.lines, abi.LogLine{
			Time: noon - int64(n-1-i)*60_000, Stream: abi.StreamOut, Text: "line " + strconv.Itoa(i+1),
		})
	}
	return d
}

// saying has a log with these texts, "2…" on stderr.
func saying(lines ...string) *docker {
	d := logging(len(lines))
	for i, text := range lines {
		if d.lines[i].Text = text[1:]; text[0] == '2' {
			d.lines[i].Stream = abi.StreamErr
		}
	}
	return d
}

func (d *docker) failing(code abi.Code, sentence string) *docker {
	d.err = sdk.Fail(code, sentence)
	return d
}

func (d *docker) answer(q abi.LogQuery) (abi.LogPage, error) {
	d.asked = append(d.asked, q)
	page := abi.LogPage{Name: d.name, Partial: d.partial, Newer: strconv.Itoa(len(d.lines) - 1)}
	from, to := 0, len(d.lines)
	if q.Before != "" {
		to, _ = strconv.Atoi(q.Before)
	}
	if q.After != "" {
		from, _ = strconv.Atoi(q.After)
		from++
	}
	var found []int
	for i := from; i < to; i++ {
		l := d.lines[i]
		if l.Time >= q.Since && (q.Stream == "" || q.Stream == l.Stream) && strings.Contains(strings.ToLower(l.Text), strings.ToLower(q.Contains)) {
			found = append(found, i)
		}
	}
	count := q.Count
	if count == 0 || count > d.most {
		count = d.most
	}
	count = min(count, len(found))
	if q.After != "" {
		found = found[:count]
	} else {
		if count < len(found) {
			page.Older = strconv.Itoa(found[len(found)-count])
		}
		found = found[len(found)-count:]
	}
	for _, i := range found {
		page.Lines = append(page.Lines, d.lines[i])
	}
	if len(found) > 0 {
		if q.After != "" && found[0] > 0 {
			page.Older = strconv.Itoa(found[0])
		}
		page.Newer = strconv.Itoa(found[len(found)-1])
	}
	return page, d.err
}

func (d *docker) fake() *sdk.Fake {
	fake := sdk.NewFake()
	sdk.Answer(fake, abi.OpDockerHosts, func(abi.DockerQuery) (abi.DockerHosts, error) {
		return abi.DockerHosts{Names: d.hosts}, nil
	})
	sdk.Answer(fake, abi.OpContainerList, func(q abi.ContainerQuery) (abi.ContainerList, error) {
		list := abi.ContainerList{Total: d.containers, Running: d.containers}
		for i := q.Offset; i < min(d.containers, q.Offset+q.Count); i++ {
			list.Containers = append(list.Containers, abi.Container{ID: id(i), Name: fmt.Sprintf("Web_%02d", i), State: "running"})
		}
		return list, d.err
	})
	sdk.Answer(fake, abi.OpContainerLogs, d.answer)
	return fake
}

func typing(text string) sdk.Request {
	return sdk.Request{Command: "logs", Text: text, Time: noon, Actor: abi.Actor{Role: abi.RoleAdmin}, Chat: abi.Chat{Private: true}}
}

func tap(action string, args ...string) sdk.Request {
	return sdk.Request{Action: action, Args: sdk.Do("", action, args...).Args, Time: noon, Chat: abi.Chat{Private: true}}
}

// again is the tap on a button.
func again(b sdk.Button) sdk.Request {
	return sdk.Request{Action: b.Action, Args: b.Args, Time: noon, Chat: abi.Chat{Private: true}}
}

func handle(t *testing.T, d *docker, req sdk.Request) sdk.Reply {
	t.Helper()
	reply, err := Module().Handle(d.fake().Host(), req)
	if err != nil {
		t.Fatal(err)
	}
	if len(reply.Blocks) > 0 { // not a notice alone
		golden.Fits(t, Module(), reply)
	}
	return reply
}

func button(t *testing.T, reply sdk.Reply, label string) sdk.Button {
	t.Helper()
	for _, row := range reply.Keyboard {
		for _, b := range row {
			if b.Label == label {
				return b
			}
		}
	}
	t.Fatalf("there is no button %q in %+v", label, reply.Keyboard)
	return sdk.Button{}
}

func has(reply sdk.Reply, label string) bool {
	return slices.ContainsFunc(slices.Concat(reply.Keyboard...), func(b sdk.Button) bool { return b.Label == label })
}

// code is the lines that a reply shows.
func code(reply sdk.Reply) []string {
	for _, b := range reply.Blocks {
		if b.Kind == abi.BlockCode {
			return strings.Split(b.Code, "\n")
		}
	}
	return nil
}

func numbers(from, to int) (lines []string) {
	for i := from; i <= to; i++ {
		lines = append(lines, "line "+strconv.Itoa(i))
	}
	return lines
}

func TestReplies(t *testing.T) {
	const away = "Docker does not answer."
	several := logging(3)
	several.hosts = []string{"local", "edge"}
	many := logging(1)
	many.containers = 25
	none := logging(0)
	none.containers = 0
	part := logging(60)
	part.partial = true
	group := typing("Web_00")
	group.Chat.Private = false
	for _, test := range []struct {
		name string
		d    *docker
		req  sdk.Request
	}{
		{"list", logging(1), typing("")},
		{"list-empty", none, typing("")},
		{"list-middle-page", many, tap("list", "page", "2")},
		{"list-of-several-hosts", several, tap("list", "host", "edge")},
		{"list-away", logging(0).failing(abi.Unavailable, away), typing("")},
		{"show", logging(60), typing("Web_00")},
		{"show-short", logging(3), typing("Web_00@edge")},
		{"show-in-a-group", logging(3), group},
		{"show-empty", logging(0), typing("Web_00")},
		{"show-nothing-in-a-range", logging(0), tap("show", "ref", id(0), "span", "15m", "stream", "stderr", "text", "panic")},
		{"show-older", logging(60), tap("show", "ref", id(0), "before", "35")},
		{"show-oldest", logging(60), tap("show", "ref", id(0), "before", "10")},
		{"show-newer", logging(100), tap("show", "ref", id(0), "after", "10")},
		{"show-both-streams", saying("1started", "2warning", "1ready"), typing("Web_00")},
		{"show-filtered", logging(60), typing("Web_00 LINE 1")},
		{"show-partial", part, typing("Web_00 line 60")},
		{"show-last-hour", logging(600), tap("show", "ref", id(0), "span", "1h", "page", "3")},
		{"show-gone", logging(0).failing(abi.NotFound, "There is no such container (any more)."), tap("show", "ref", id(0))},
		{"show-unreadable", logging(0).failing(abi.Unavailable, "The log of web cannot be read."), typing("web")},
		{"file", logging(3), tap("file", "ref", id(0))},
		{"follow-begins", logging(60), tap("follow", "ref", id(0))},
		{"follow-nothing-new", logging(60), tap("follow", "ref", id(0), "after", "59", "began", strconv.Itoa(noon-3_000))},
		{"follow-some-new", logging(60), tap("follow", "ref", id(0), "after", "57", "began", strconv.Itoa(noon-30_000))},
		{"follow-much-new", logging(600), tap("follow", "ref", id(0), "after", "299", "began", strconv.Itoa(noon-30_000))},
		{"follow-too-much-new", logging(6000), tap("follow", "ref", id(0), "after", "1", "began", strconv.Itoa(noon-30_000))},
		{"follow-ends", logging(60), tap("follow", "ref", id(0), "after", "57", "began", strconv.Itoa(noon-60_000))},
		{"follow-away", logging(60).failing(abi.Unavailable, away), tap("follow", "ref", id(0), "after", "57")},
		{"stop", logging(60), tap("stop", "ref", id(0))},
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

func TestPagesMeet(t *testing.T) {
	d := logging(103)
	reply := handle(t, d, typing("Web_00"))
	seen := code(reply)
	for has(reply, "◀️ Older") {
		reply = handle(t, d, again(button(t, reply, "◀️ Older")))
		seen = append(code(reply), seen...)
	}
	if !slices.Equal(seen, numbers(1, 103)) {
		t.Errorf("backwards: %q", seen)
	}
	seen = code(reply)
	for has(reply, "Newer ▶️") {
		reply = handle(t, d, again(button(t, reply, "Newer ▶️")))
		if has(reply, "Newer ▶️") {
			seen = append(seen, code(reply)...)
		}
	}
	if last := code(reply); !slices.Equal(last, numbers(79, 103)) || len(seen) < 75 || !slices.Equal(seen, numbers(1, len(seen))) {
		t.Errorf("forwards: %q, and at the end %q", seen, last)
	}
}

// TestLongLinesMakeShortPages, which meet as well.
func TestLongLinesMakeShortPages(t *testing.T) {
	d := logging(40)
	for i := range d.lines {
		d.lines[i].Text += " " + strings.Repeat("🦀", 100*(i%7))
	}
	reply := handle(t, d, typing("Web_00"))
	seen := code(reply)
	for has(reply, "◀️ Older") {
		reply = handle(t, d, again(button(t, reply, "◀️ Older")))
		seen = append(code(reply), seen...)
	}
	for i, line := range seen {
		if !strings.HasPrefix(line, "line "+strconv.Itoa(i+1)+" ") {
			t.Fatalf("line %d is %.20q", i+1, line)
		}
	}
	if len(seen) != 40 {
		t.Errorf("%d lines", len(seen))
	}
}

func TestWhatIsAskedOfTheHost(t *testing.T) {
	for name, test := range map[string]struct {
		req  sdk.Request
		want abi.LogQuery
	}{
		"a name":            {typing("web"), abi.LogQuery{ID: "web", Count: 25}},
		"a name and a host": {typing("web@edge"), abi.LogQuery{ID: "web", Host: "edge", Count: 25}},
		"a text":            {typing("web  out of memory "), abi.LogQuery{ID: "web", Contains: "out of memory", Count: 25}},
		"a range":           {tap("show", "ref", "web", "span", "24h", "stream", "stdout"), abi.LogQuery{ID: "web", Since: noon - 86_400_000, Stream: "stdout", Count: 25}},
		"older":             {tap("show", "ref", "web", "before", "7", "span", "15m"), abi.LogQuery{ID: "web", Before: "7", Since: noon - 900_000, Count: 25}},
		"newer":             {tap("show", "ref", "web", "after", "7", "text", "x"), abi.LogQuery{ID: "web", After: "7", Contains: "x", Count: 25}},
		"a file":            {tap("file", "ref", "web", "before", "7", "text", "x"), abi.LogQuery{ID: "web", Contains: "x"}},
	} {
		d := logging(500)
		handle(t, d, test.req)
		if len(d.asked) == 0 || d.asked[0] != test.want {
			t.Errorf("%s: asked %+v, want %+v", name, d.asked, test.want)
		}
	}
}

// TestAFilterStaysUntilItIsDropped.
func TestAFilterStaysUntilItIsDropped(t *testing.T) {
	d := logging(200)
	reply := handle(t, d, typing("Web_00 line 1"))
	for _, label := range []string{"◀️ Older", "1 h", "stdout", "🔄 Refresh", "👁 Follow", "📄 As file"} {
		if b := button(t, reply, label); b.Args["text"] != "line 1" {
			t.Errorf("%s forgets the filter: %v", label, b.Args)
		}
	}
	reply = handle(t, d, again(button(t, reply, "✖️ “line 1”")))
	if got := code(reply); !slices.Equal(got, numbers(176, 200)) {
		t.Errorf("without it: %q", got)
	}
}

// TestFollowingShowsEachLineOnce: what is new is set off, and it ends after a
// minute by itself.
func TestFollowingShowsEachLineOnce(t *testing.T) {
	d := logging(30)
	req := tap("follow", "ref", "Web_00")
	var fresh []string
	looks := 0
	for {
		reply := handle(t, d, req)
		if shown := code(reply); slices.Contains(shown, "── new ──") {
			fresh = append(fresh, shown[slices.Index(shown, "── new ──")+1:]...)
		} else if looks > 0 && looks%3 != 0 && reply.Again != nil {
			t.Errorf("look %d has nothing new: %q", looks, shown)
		}
		if reply.Again == nil {
			if !has(reply, "👁 Follow") || !has(reply, "◀️ Older") || has(reply, "⏹ Stop") {
				t.Errorf("at the end: %+v", reply.Keyboard)
			}
			break
		}
		if !has(reply, "⏹ Stop") || reply.Again.After != 3 {
			t.Errorf("while following: %+v, again %+v", reply.Keyboard, reply.Again)
		}
		looks++
		for range []int{0, 1, 20}[looks%3] {
			d.lines = append(d.lines, abi.LogLine{Time: noon, Stream: abi.StreamOut, Text: "line " + strconv.Itoa(len(d.lines)+1)})
		}
		req = sdk.Request{Action: reply.Again.Action, Args: reply.Again.Args, Time: req.Time + 3_000}
	}
	if looks != 20 {
		t.Errorf("%d looks in a minute, want 20", looks)
	}
	if !slices.Equal(fresh, numbers(31, 30+len(fresh))) || len(fresh) < 120 {
		t.Errorf("%d new lines: %q", len(fresh), fresh)
	}
}

func TestAFileHoldsTheNewestLinesThatFit(t *testing.T) {
	d := logging(10_000)
	d.most = 500
	reply := handle(t, d, tap("file", "ref", "Web_00"))
	f := reply.Blocks[0].File
	lines := strings.Split(strings.TrimSuffix(string(f.Data), "\n"), "\n")
	if len(f.Data) > maxFile || len(f.Data) < maxFile-100 || lines[len(lines)-1] != "2026-01-01T12:00:00Z stdout line 10000" {
		t.Errorf("%d bytes, %d lines, the last %q", len(f.Data), len(lines), lines[len(lines)-1])
	}
	if reply.DeleteAfter != 30 || f.Name != "log-Web_00.txt" {
		t.Errorf("%q, deleted after %d s", f.Name, reply.DeleteAfter)
	}
	if reply = handle(t, logging(0), tap("file", "ref", "Web_00")); len(reply.Blocks) != 0 || reply.Notice == "" || reply.DeleteAfter != 0 {
		t.Errorf("of nothing: %+v", reply)
	}
	req := tap("file", "ref", "Web_00")
	req.Chat.Private = false
	if _, err := Module().Handle(d.fake().Host(), req); sdk.CodeOf(err) != abi.Denied {
		t.Errorf("in a group: %v", err)
	}
}

// TestEveryFailureHasAWayBack: no view is a dead end.
func TestEveryFailureHasAWayBack(t *testing.T) {
	for _, code := range []abi.Code{abi.Unavailable, abi.Timeout, abi.Limit, abi.NotFound, abi.Conflict} {
		for action := range maps.Keys(Module().Actions) {
			reply := handle(t, logging(1).failing(code, "It is so."), tap(action, "ref", "web"))
			if !strings.Contains(reply.Blocks[0].Spans[0].Text, "It is so.") || !slices.ContainsFunc(slices.Concat(reply.Keyboard...), func(b sdk.Button) bool { return b.Back }) {
				t.Errorf("%s with %v: %+v", action, code, reply)
			}
		}
	}
	for action := range maps.Keys(Module().Actions) {
		if _, err := Module().Handle(logging(1).failing(abi.Denied, "No.").fake().Host(), tap(action, "ref", "web")); sdk.CodeOf(err) != abi.Denied {
			t.Errorf("%s: %v, want what the host said", action, err)
		}
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	for _, args := range [][]string{
		{"page", "0"}, {"page", "x"}, {"page", "10001"}, {"host", "a\nb"}, {"host", strings.Repeat("h", 65)},
	} {
		for action := range maps.Keys(Module().Actions) {
			d := logging(1)
			if _, err := Module().Handle(d.fake().Host(), tap(action, append(args, "ref", "web")...)); sdk.CodeOf(err) != abi.Invalid || d.asked != nil {
				t.Errorf("%s with %q: %v, want invalid", action, args, err)
			}
		}
	}
	for _, args := range [][]string{
		{}, {"ref", strings.Repeat("r", 256)}, {"ref", "a\nb"}, {"ref", "a", "span", "2h"}, {"ref", "a", "stream", "stdin"},
		{"ref", "a", "before", "1", "after", "2"}, {"ref", "a", "before", strings.Repeat("1", 65)}, {"ref", "a", "text", strings.Repeat("t", 401)},
	} {
		for _, action := range []string{"show", "file", "follow", "stop"} {
			d := logging(1)
			if _, err := Module().Handle(d.fake().Host(), tap(action, args...)); sdk.CodeOf(err) != abi.Invalid || d.asked != nil {
				t.Errorf("%s with %q: %v, want invalid", action, args, err)
			}
		}
	}
	for _, began := range []string{"x", "-1", "9223372036854775808"} {
		if _, err := Module().Handle(logging(1).fake().Host(), tap("follow", "ref", "a", "began", began)); sdk.CodeOf(err) != abi.Invalid {
			t.Errorf("began %q: %v, want invalid", began, err)
		}
	}
	for _, text := range []string{"web@a\nb", "@edge", "web " + strings.Repeat("t", 101), "web a\x00b"} {
		d := logging(1)
		if _, err := Module().Handle(d.fake().Host(), typing(text)); sdk.CodeOf(err) != abi.Invalid || d.asked != nil {
			t.Errorf("typed %q: %v, want invalid", text, err)
		}
	}
}

// TestFollowingInTheFutureEnds: a button's moment may be anything.
func TestFollowingInTheFutureEnds(t *testing.T) {
	if reply := handle(t, logging(1), tap("follow", "ref", "a", "began", strconv.Itoa(noon+1))); reply.Again != nil {
		t.Errorf("%+v", reply.Again)
	}
}

func TestHostileLinesStayInTheirMessage(t *testing.T) {
	var every strings.Builder
	for c := range rune(0xa0) {
		every.WriteRune(c)
	}
	hostile := []string{
		"1" + every.String(), "1" + strings.Repeat("x", 100_000), "2" + strings.Repeat("🦀", 3_000), "1\u202eturned\u2066", "1שלום عالم",
		"1" + strings.Repeat("👩‍💻", 500), "1```", "1</pre><b>", "1", "2a\nforged", "1\xff\xfe", "1" + strings.Repeat("\u2028", 50),
	}
	d := saying(append(hostile, hostile...)...)
	d.name = "n\n" + strings.Repeat("界", 300)
	for range 200 {
		d.hosts = append(d.hosts, "host\n"+strings.Repeat("h", 100))
	}
	for _, req := range []sdk.Request{
		typing("Web_00"), typing("Web_00 x"), typing(""), tap("follow", "ref", "a"), tap("follow", "ref", "a", "after", "3"), tap("show", "ref", "a", "after", "1"),
	} {
		reply := handle(t, d, req)
		total := 0
		for _, b := range reply.Blocks {
			total += units(b.Code)
			for _, s := range b.Spans {
				if total += units(s.Text); strings.ContainsAny(s.Text[min(1, len(s.Text)):], "\n\x1b") && !strings.HasPrefix(s.Text, "\n") {
					t.Errorf("span %q", s.Text)
				}
			}
		}
		if total > 3_600 {
			t.Errorf("%s %v: %d units do not fit into a message", req.Command+req.Action, req.Args, total)
		}
		if strings.ContainsFunc(strings.Join(code(reply), ""), func(r rune) bool { return r < ' ' || r >= 0x7f && r < 0xa0 || r == '\u202e' }) {
			t.Errorf("control characters in %q", code(reply))
		}
	}
}
