package charts

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// noon is 2026-03-01 12:00:00 UTC in milliseconds.
const noon = 1_772_366_400_000

func id(i int) string { return fmt.Sprintf("%064x", i) }

// host is one with a history, and some containers.
type host struct {
	hosts   []string
	n       int // containers
	at      []int64
	fails   map[string]error
	without string // a series that has no points
	asked   abi.HistoryQuery
	askedOf abi.ContainerHistoryQuery
}

func aHost() *host {
	return &host{hosts: []string{abi.LocalHost}, n: 3, at: []int64{0, 900, 1800, 3000, 3590}, fails: map[string]error{}}
}

func (h *host) failing(op string, code abi.Code) *host {
	h.fails[op] = sdk.Fail(code, "It does not answer.")
	return h
}

func (h *host) history(series []string, seconds int64) abi.History {
	out := abi.History{From: noon - seconds*1000, To: noon, Step: seconds / 180, CPUs: 4}
	for i, name := range series {
		s := abi.Series{Name: name, At: []int64{}, Values: []float64{}}
		if name != h.without {
			for j, at := range h.at {
				s.At = append(s.At, max(at-3600, -seconds)+seconds)
				s.Values = append(s.Values, float64(10*(i+1)+j*j*5))
			}
		}
		out.Series = append(out.Series, s)
	}
	return out
}

func (h *host) fake() *sdk.Fake {
	fake := sdk.NewFake()
	sdk.Answer(fake, abi.OpMetricsHistory, func(q abi.HistoryQuery) (abi.History, error) {
		h.asked = q
		return h.history(q.Series, q.Seconds), h.fails[abi.OpMetricsHistory]
	})
	sdk.Answer(fake, abi.OpContainerHistory, func(q abi.ContainerHistoryQuery) (abi.History, error) {
		h.askedOf = q
		out := h.history(q.Series, q.Seconds)
		out.Name, out.MemoryLimit = "web_1", 64<<20
		return out, h.fails[abi.OpContainerHistory]
	})
	sdk.Answer(fake, abi.OpDockerHosts, func(abi.DockerQuery) (abi.DockerHosts, error) {
		return abi.DockerHosts{Names: h.hosts}, h.fails[abi.OpDockerHosts]
	})
	sdk.Answer(fake, abi.OpContainerList, func(q abi.ContainerQuery) (abi.ContainerList, error) {
		list := abi.ContainerList{Total: h.n, Running: h.n}
		for i := q.Offset; i < min(h.n, q.Offset+cmp.Or(q.Count, h.n)); i++ {
			list.Containers = append(list.Containers, abi.Container{ID: id(i), Name: fmt.Sprintf("Web_%02d", i), State: "running"})
		}
		return list, h.fails[abi.OpContainerList]
	})
	return fake
}

func typed(text string) sdk.Request { return sdk.Request{Command: "chart", Text: text, Time: noon} }

func tap(action string, args ...string) sdk.Request {
	return sdk.Request{Action: action, Args: sdk.Do("", action, args...).Args, Time: noon}
}

func handle(t *testing.T, h *host, req sdk.Request) sdk.Reply {
	t.Helper()
	reply, err := Module().Handle(h.fake().Host(), req)
	if err != nil {
		t.Fatal(err)
	}
	golden.Fits(t, Module(), reply)
	return reply
}

func TestReplies(t *testing.T) {
	as := func(change func(*host)) *host {
		h := aHost()
		change(h)
		return h
	}
	for _, test := range []struct {
		name string
		h    *host
		req  sdk.Request
	}{
		{"list", aHost(), typed("")},
		{"unknown", aHost(), typed("weather")},
		{"cpu", aHost(), typed("cpu")},
		{"load", aHost(), typed("load")},
		{"memory-without-swap", as(func(h *host) { h.without = abi.SeriesSwap }), typed("memory")},
		{"disk", aHost(), typed("disk")},
		{"network-dark-week", aHost(), tap("show", "kind", "network", "span", "7 d", "dark", "1")},
		{"nothing-measured", as(func(h *host) { h.at = nil }), tap("show", "kind", "cpu", "span", "6 h")},
		{"only-before", as(func(h *host) { h.at = []int64{0, 20, 40} }), typed("cpu")},
		{"no-history", aHost().failing(abi.OpMetricsHistory, abi.Unavailable), typed("cpu")},
		{"container", aHost(), typed("container web_1")},
		{"container-on-a-host", aHost(), typed("container web_1@edge")},
		{"container-memory", aHost(), tap("container", "kind", "memory", "span", "24 h", "ref", id(1), "host", "edge")},
		{"container-gone", aHost().failing(abi.OpContainerHistory, abi.NotFound), typed("container web_1")},
		{"containers", aHost(), tap("containers")},
		{"containers-pages", as(func(h *host) { h.n = 25; h.hosts = []string{"local", "edge"} }), tap("containers", "page", "2", "host", "edge")},
		{"containers-none", as(func(h *host) { h.n = 0 }), tap("containers")},
		{"containers-away", as(func(h *host) { h.hosts = []string{"local", "edge"} }).failing(abi.OpContainerList, abi.Timeout), tap("containers")},
	} {
		t.Run(test.name, func(t *testing.T) {
			golden.Check(t, Module(), test.name, handle(t, test.h, test.req))
		})
	}
}

func picture(t *testing.T, reply sdk.Reply) *abi.Chart {
	t.Helper()
	for _, b := range reply.Blocks {
		if b.Chart != nil {
			return b.Chart
		}
	}
	t.Fatalf("no chart in %+v", reply)
	return nil
}

// TestEveryButtonKeepsWhereOneIs: from each chart, each button changes what it
// says and nothing else.
func TestEveryButtonKeepsWhereOneIs(t *testing.T) {
	start := map[string]string{"kind": "memory", "span": "6 h", "dark": "1", "ref": id(1), "host": "edge"}
	changes := map[string]string{"CPU": "kind", "✅ Memory": "", "Network": "kind", "Disk I/O": "kind",
		"1 h": "span", "✅ 6 h": "", "24 h": "span", "7 d": "span", "☀️ Light": "dark", "🔄 Refresh": ""}
	reply := handle(t, aHost(), sdk.Request{Action: "container", Args: start, Time: noon})
	for _, b := range slices.Concat(reply.Keyboard...) {
		change, ok := changes[b.Label]
		if !ok {
			if b.Action != "list" && !b.Back {
				t.Errorf("button %q is not expected", b.Label)
			}
			continue
		}
		for name, value := range start {
			if got := b.Args[name]; (got != value) != (name == change) {
				t.Errorf("button %q: %s is %q, was %q", b.Label, name, got, value)
			}
		}
		delete(changes, b.Label)
	}
	if len(changes) > 0 {
		t.Errorf("missing: %v", slices.Collect(maps.Keys(changes)))
	}
}

// TestTheCaptionSaysWhatThePictureShows: whoever hears the message instead of
// seeing it gets every line's figures.
func TestTheCaptionSaysWhatThePictureShows(t *testing.T) {
	for _, kinds := range [][]kind{machineKinds, containerKinds} {
		for _, k := range kinds {
			req := tap("show", "kind", k.name, "span", "24 h")
			if len(kinds) == len(containerKinds) {
				req = tap("container", "kind", k.name, "span", "24 h", "ref", "web")
			}
			reply := handle(t, aHost(), req)
			c := picture(t, reply)
			if len(c.Series) != len(k.lines) || c.Gap <= 20 || c.To-c.From != 86_400_000 {
				t.Errorf("%s: %d lines, a gap of %d, from %d to %d", k.name, len(c.Series), c.Gap, c.From, c.To)
			}
			var fields []sdk.Field
			for _, b := range reply.Blocks {
				fields = append(fields, b.Fields...)
			}
			for i, s := range c.Series {
				want := "now " + written(k.unit, s.Values[4]) + ", mean "
				if fields[i].Name != s.Name || !strings.HasPrefix(fields[i].Value[0].Text, want) {
					t.Errorf("%s: %+v, want %q", k.name, fields[i], want)
				}
			}
		}
	}
}

func TestThresholds(t *testing.T) {
	for what, want := range map[string]string{"load": "4 cores", "disk": "90 %", "container web": "4 cores"} {
		if lines := picture(t, handle(t, aHost(), typed(what))).Lines; len(lines) != 1 || lines[0].Label != want {
			t.Errorf("%s: %+v, want %s", what, lines, want)
		}
	}
	lines := picture(t, handle(t, aHost(), tap("container", "kind", "memory", "span", "1 h", "ref", "web"))).Lines
	if len(lines) != 1 || lines[0] != (abi.ChartLine{Label: "limit 64.0 MiB", Value: 64 << 20}) {
		t.Errorf("memory: %+v", lines)
	}
}

func TestArgumentsAreChecked(t *testing.T) {
	good := map[string]string{"kind": "cpu", "span": "1 h", "ref": "web"}
	for name, value := range map[string]string{"kind": "weather", "span": "2 h", "ref": "a\nb", "host": strings.Repeat("h", 65)} {
		args := maps.Clone(good)
		args[name] = value
		for _, action := range []string{"show", "container"} {
			if _, err := Module().Handle(aHost().fake().Host(), sdk.Request{Action: action, Args: args, Time: noon}); sdk.CodeOf(err) != abi.Invalid {
				t.Errorf("%s with %s %q: %v", action, name, value, err)
			}
		}
	}
	for _, req := range []sdk.Request{
		tap("container", "kind", "cpu", "span", "1 h"), tap("containers", "page", "0"), tap("containers", "page", "x"),
		tap("containers", "host", "a\nb"), typed("container"), typed("container a\u202eb"), typed("container " + strings.Repeat("x", 256)),
	} {
		if _, err := Module().Handle(aHost().fake().Host(), req); sdk.CodeOf(err) != abi.Invalid {
			t.Errorf("%+v: %v", req, err)
		}
	}
}

func TestRefusalsReachTheUser(t *testing.T) {
	for _, req := range []sdk.Request{typed("cpu"), typed("container web"), tap("containers")} {
		if _, err := Module().Handle(sdk.NewFake().Host(), req); sdk.CodeOf(err) != abi.Denied {
			t.Errorf("%+v without a grant: %v", req, err)
		}
	}
}

func TestPageBeyondTheEndIsTheLast(t *testing.T) {
	h := aHost()
	h.n = 11
	if reply := handle(t, h, tap("containers", "page", "9")); reply.Keyboard[0][0].Label != "Web_10" {
		t.Errorf("%+v", reply.Keyboard)
	}
}

// TestTheWayBackFromAContainersChart: to the page of the list that it was picked
// from, also after another range; else to where it was opened.
func TestTheWayBackFromAContainersChart(t *testing.T) {
	h := aHost()
	h.n = 25
	named := func(reply sdk.Reply, label string) sdk.Button {
		for _, b := range slices.Concat(reply.Keyboard...) {
			if b.Label == label {
				return b
			}
		}
		t.Fatalf("no button %q", label)
		return sdk.Button{}
	}
	follow := func(b sdk.Button) sdk.Reply {
		return handle(t, h, sdk.Request{Action: b.Action, Args: b.Args, Time: noon})
	}
	picked := follow(named(handle(t, h, tap("containers", "page", "2", "host", "edge")), "Web_12"))
	for _, reply := range []sdk.Reply{picked, follow(named(picked, "7 d"))} {
		b := named(reply, texts.Back)
		if b.Back || b.Action != "containers" || b.Args["page"] != "2" || b.Args["host"] != "edge" {
			t.Errorf("back by %+v", b)
		}
	}
	if b := named(handle(t, h, typed("container web_1")), texts.Back); !b.Back || b.Command != "containers" {
		t.Errorf("back by %+v", b)
	}
	if _, err := Module().Handle(h.fake().Host(), tap("container", "kind", "cpu", "span", "1 h", "ref", id(1), "page", "0")); sdk.CodeOf(err) != abi.Invalid {
		t.Errorf("page 0: %v", err)
	}
}
