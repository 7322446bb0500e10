//go:build !wasip1

package sdk

import (
	"encoding/json"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func TestHandleChoosesByCommandOrAction(t *testing.T) {
	say := func(text string) Handler {
		return func(Host, Request) (Reply, error) { return Reply{Notice: text}, nil }
	}
	m := Module{
		Commands: map[string]Handler{"list": say("command")},
		Actions:  map[string]Handler{"list": say("action"), "page": say("page")},
	}
	for _, test := range []struct {
		name string
		req  Request
		want string
		code abi.Code
	}{
		{"a command", Request{Command: "list"}, "command", abi.OK},
		{"an action of the same name", Request{Action: "list"}, "action", abi.OK},
		{"an unknown command", Request{Command: "page"}, "", abi.Invalid},
		{"an unknown action", Request{Action: "drop"}, "", abi.Invalid},
		{"nothing", Request{}, "", abi.Invalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			reply, err := m.Handle(Host{}, test.req)
			if reply.Notice != test.want || CodeOf(err) != test.code {
				t.Errorf("got %q, %v; want %q, %v", reply.Notice, err, test.want, test.code)
			}
		})
	}
}

func TestServeJSONTellsErrorsApart(t *testing.T) {
	m := Module{Commands: map[string]Handler{
		"known":   func(Host, Request) (Reply, error) { return Reply{}, Fail(abi.NotFound, "It is gone.") },
		"unknown": func(Host, Request) (Reply, error) { return Reply{}, errors.New("secret detail") },
	}}
	fake := NewFake()
	reply, code := m.ServeJSON(fake.Host(), []byte(`{"v":1,"command":"known"}`))
	if code != abi.NotFound || string(reply) != `{"blocks":[{"kind":"text","spans":[{"text":"It is gone."}]}]}` {
		t.Errorf("known error: %v %s", code, reply)
	}
	reply, code = m.ServeJSON(fake.Host(), []byte(`{"v":1,"command":"unknown"}`))
	if code != abi.Internal || reply != nil || len(fake.Lines()) != 1 {
		t.Errorf("unknown error: %v %s %v", code, reply, fake.Lines())
	}
	if _, code = m.ServeJSON(fake.Host(), []byte(`{`)); code != abi.Invalid {
		t.Errorf("broken request: %v", code)
	}
}

func TestHostCallCarriesAnswerAndRefusal(t *testing.T) {
	fake := NewFake()
	if _, err := fake.Host().Memory(abi.MetricsQuery{}); CodeOf(err) != abi.Denied {
		t.Errorf("without an answer: %v, want denied", err)
	}
	if _, err := (Host{}).Memory(abi.MetricsQuery{}); CodeOf(err) != abi.Denied {
		t.Errorf("zero host: %v, want denied", err)
	}
	Answer(fake, abi.OpMetricsMemory, func(q abi.MetricsQuery) (abi.MemoryInfo, error) {
		if q.Host != "" {
			return abi.MemoryInfo{}, &Error{Code: abi.Unavailable, Message: "away"}
		}
		return abi.MemoryInfo{Total: 7}, nil
	})
	if info, err := fake.Host().Memory(abi.MetricsQuery{}); err != nil || info.Total != 7 {
		t.Errorf("got %+v, %v", info, err)
	}
	_, err := fake.Host().Memory(abi.MetricsQuery{Host: "far"})
	var refusal *Error
	if !errors.As(err, &refusal) || *refusal != (Error{Code: abi.Unavailable, Message: "away"}) {
		t.Errorf("refusal: %v", err)
	}
}

func TestFormat(t *testing.T) {
	for _, test := range []struct{ got, want string }{
		{Bytes(0), "0 B"}, {Bytes(1023), "1023 B"}, {Bytes(1024), "1.0 KiB"}, {Bytes(1536 << 20), "1.5 GiB"},
		{Bytes(118 << 20), "118 MiB"}, {Bytes(1<<30 - 1), "1.0 GiB"}, {Bytes(1<<64 - 1), "16.0 EiB"},
		{Duration(0), "0 s"}, {Duration(59), "59 s"}, {Duration(60), "1 min"}, {Duration(3661), "1 h 1 min"},
		{Duration(4*86400 + 3600), "4 d 1 h"}, {Duration(86400 + 59), "1 d"}, {Duration(-5), "0 s"},
		{Count(1, "container"), "1 container"}, {Count(0, "container"), "0 containers"},
		{Percent(12.34), "12.3 %"}, {Decimal(0.5, 2), "0.50"},
	} {
		if test.got != test.want {
			t.Errorf("got %q, want %q", test.got, test.want)
		}
	}
}

func TestDoPairsArguments(t *testing.T) {
	b := Do("Next", "page", "n", "2", "odd")
	got, err := json.Marshal(b)
	if want := `{"label":"Next","action":"page","args":{"n":"2"}}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

func TestRunWithCarriesWhatIsTyped(t *testing.T) {
	got, err := json.Marshal(RunWith("Manage", "manage", "web"))
	if want := `{"label":"Manage","command":"manage","text":"web"}`; err != nil || string(got) != want {
		t.Errorf("got %s, %v; want %s", got, err, want)
	}
}

// TestActsOnContainers: each method asks its own operation, and hands the host's
// questions to the user on as they are.
func TestActsOnContainers(t *testing.T) {
	for op, act := range map[string]func(Host, abi.ContainerRef) (abi.ContainerDone, error){
		abi.OpContainerStart: Host.StartContainer, abi.OpContainerStop: Host.StopContainer, abi.OpContainerRestart: Host.RestartContainer,
		abi.OpContainerPause: Host.PauseContainer, abi.OpContainerUnpause: Host.UnpauseContainer,
		abi.OpContainerKill: Host.KillContainer, abi.OpContainerRemove: Host.RemoveContainer,
	} {
		fake := NewFake()
		Answer(fake, op, func(ref abi.ContainerRef) (abi.ContainerDone, error) {
			if ref.Host != "edge" {
				return abi.ContainerDone{}, Fail(abi.ConfirmRequired, "That must be confirmed first.")
			}
			return abi.ContainerDone{Name: ref.ID, State: "exited", Unchanged: true, Pending: true}, nil
		})
		done, err := act(fake.Host(), abi.ContainerRef{Host: "edge", ID: "web"})
		if err != nil || done != (abi.ContainerDone{Name: "web", State: "exited", Unchanged: true, Pending: true}) {
			t.Errorf("%s: %+v, %v", op, done, err)
		}
		if _, err := act(fake.Host(), abi.ContainerRef{ID: "web"}); CodeOf(err) != abi.ConfirmRequired {
			t.Errorf("%s: %v, want confirm_required", op, err)
		}
	}
}

func TestMessageOf(t *testing.T) {
	for _, test := range []struct {
		err  error
		want string
	}{
		{nil, ""},
		{Fail(abi.Timeout, "It took too long."), "It took too long."},
		{errors.New("secret detail"), "Something went wrong."},
	} {
		if got := MessageOf(test.err); got != test.want {
			t.Errorf("MessageOf(%v) = %q, want %q", test.err, got, test.want)
		}
	}
}

func TestLine(t *testing.T) {
	for _, test := range []struct {
		text  string
		limit int
		want  string
	}{
		{"nginx", 5, "nginx"},
		{"project-web-1", 7, "pro…b-1"},
		{"project-web-1", 1, "…"},
		{"nginx", 0, ""},
		{"", 0, ""},
		{"x\n✅ fine", 20, "x\ufffd✅ fine"},
		{"abc\u202efdp.exe", 20, "abc\ufffdfdp.exe"},
		{"\xff", 20, "\ufffd"},
		{"👨‍👩‍👧", 20, "👨‍👩‍👧"},
	} {
		if got := Line(test.text, test.limit); got != test.want {
			t.Errorf("Line(%q, %d) = %q, want %q", test.text, test.limit, got, test.want)
		}
	}
}

func TestLabelFitsAButton(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"🟢 web", "🟢 web"},
		{strings.Repeat("a", 40) + strings.Repeat("b", 20), strings.Repeat("a", 20) + "…" + strings.Repeat("b", 19)},
		{strings.Repeat("界", 40), strings.Repeat("界", 10) + "…" + strings.Repeat("界", 10)},
	} {
		if got := Label(test.text); got != test.want || len(got) > 64 {
			t.Errorf("Label(%q) = %q of %d bytes, want %q", test.text, got, len(got), test.want)
		}
	}
}

func TestUTCAgreesWithPackageTime(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	moments := []int64{0, -1, 951782400000, 951868799999, 4107542399000}
	for range 10000 {
		moments = append(moments, random.Int64N(253402300800000)) // to the end of 9999
	}
	for _, ms := range moments {
		if got, want := UTC(ms), time.UnixMilli(ms).UTC().Format("2006-01-02T15:04:05Z"); got != want {
			t.Fatalf("UTC(%d) = %s, want %s", ms, got, want)
		}
	}
}
