package docker

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func answering(code int, text string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text)
	}
}

func abort(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }

func inState(state string) string {
	return `{"Id":"` + idA + `","Name":"/web","State":{"Status":"` + state + `"}}`
}

// acting is an engine with container A, which its states describe in turn, the
// last one for ever, and which answers an act with a handler. Acts are counted.
type acting struct {
	*fake
	acts atomic.Int64
}

func newActing(act string, how http.HandlerFunc, states ...http.HandlerFunc) *acting {
	a := &acting{}
	var looks atomic.Int64
	path := "/containers/" + idA + "/" + act
	if act == abi.ActRemove {
		path = "/containers/" + idA
	}
	a.fake = newFake(map[string]http.HandlerFunc{
		path: func(w http.ResponseWriter, r *http.Request) { a.acts.Add(1); how(w, r) },
		"/containers/" + idA + "/json": func(w http.ResponseWriter, r *http.Request) {
			i := min(looks.Add(1), int64(len(states))) - 1
			states[i](w, r)
		},
	})
	return a
}

func within(t *testing.T, d time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), d)
	t.Cleanup(cancel)
	return ctx
}

func TestActsOfAnEngineThatMisbehaves(t *testing.T) {
	running, exited, paused, removing := body(inState("running")), body(inState("exited")), body(inState("paused")), body(inState("removing"))
	gone := answering(http.StatusNotFound, `{"message":"no such container"}`)
	conflict := answering(http.StatusConflict, `{"message":"no"}`)
	broken := answering(http.StatusInternalServerError, `{"message":"disk on fire"}`)
	done := answering(http.StatusNoContent, "")
	type answers = []http.HandlerFunc
	for name, tc := range map[string]struct {
		act    string
		how    http.HandlerFunc
		states answers
		want   abi.ContainerDone
		code   abi.Code
		says   string
	}{
		"done":                           {abi.ActStop, done, answers{running, exited}, abi.ContainerDone{State: "exited"}, abi.OK, ""},
		"done, with garbage":             {abi.ActStop, body(`<html>`), answers{running, exited}, abi.ContainerDone{State: "exited"}, abi.OK, ""},
		"done, but it runs":              {abi.ActStop, done, answers{running}, abi.ContainerDone{State: "running"}, abi.OK, ""},
		"304":                            {abi.ActStop, answering(http.StatusNotModified, ""), answers{exited}, abi.ContainerDone{State: "exited", Unchanged: true}, abi.OK, ""},
		"304 after a race":               {abi.ActStop, answering(http.StatusNotModified, ""), answers{running, exited}, abi.ContainerDone{State: "exited", Unchanged: true}, abi.OK, ""},
		"409, and it is so":              {abi.ActPause, conflict, answers{paused}, abi.ContainerDone{State: "paused", Unchanged: true}, abi.OK, ""},
		"409, so since a moment":         {abi.ActKill, conflict, answers{running, exited}, abi.ContainerDone{State: "exited", Unchanged: true}, abi.OK, ""},
		"500, and it was so":             {abi.ActUnpause, broken, answers{running}, abi.ContainerDone{State: "running", Unchanged: true}, abi.OK, ""},
		"500, so since a moment":         {abi.ActKill, broken, answers{running, exited}, abi.ContainerDone{}, abi.Unavailable, "error of its own"},
		"409, and nothing explains it":   {abi.ActStop, conflict, answers{running}, abi.ContainerDone{}, abi.Conflict, "while the container is running"},
		"409, without a state":           {abi.ActStop, conflict, answers{body(inState(""))}, abi.ContainerDone{}, abi.Conflict, "its present state"},
		"409, a hostile state":           {abi.ActStop, conflict, answers{body(inState("x\\ny" + strings.Repeat("z", 999)))}, abi.ContainerDone{}, abi.Conflict, "is x y"},
		"409, and it runs":               {abi.ActRemove, conflict, answers{running}, abi.ContainerDone{}, abi.Conflict, "stop it first"},
		"409, removed by another":        {abi.ActRemove, conflict, answers{exited, removing}, abi.ContainerDone{State: "removing", Pending: true}, abi.OK, ""},
		"removed":                        {abi.ActRemove, done, answers{exited, gone}, abi.ContainerDone{}, abi.OK, ""},
		"removed, and still there":       {abi.ActRemove, done, answers{exited, removing}, abi.ContainerDone{State: "removing", Pending: true}, abi.OK, ""},
		"404 before":                     {abi.ActStop, done, answers{gone}, abi.ContainerDone{}, abi.NotFound, "no such container"},
		"404, gone meanwhile":            {abi.ActStop, gone, answers{running, gone}, abi.ContainerDone{}, abi.NotFound, "no such container"},
		"404, and it is there":           {abi.ActStop, gone, answers{running}, abi.ContainerDone{}, abi.NotFound, "does not know"},
		"500":                            {abi.ActStart, broken, answers{exited}, abi.ContainerDone{}, abi.Unavailable, "error of its own"},
		"403 of a proxy":                 {abi.ActStart, answering(http.StatusForbidden, "no"), answers{exited}, abi.ContainerDone{}, abi.Unavailable, "proxy"},
		"a redirect":                     {abi.ActStart, http.RedirectHandler("/containers/"+idB+"/start", http.StatusTemporaryRedirect).ServeHTTP, answers{exited}, abi.ContainerDone{}, abi.Unavailable, "does not answer"},
		"hangs up":                       {abi.ActStop, abort, answers{running}, abi.ContainerDone{}, abi.Unavailable, "does not answer"},
		"done, then hangs up":            {abi.ActStop, done, answers{running, abort}, abi.ContainerDone{State: "running", Pending: true}, abi.OK, ""},
		"done, then hangs":               {abi.ActStop, done, answers{running, hang}, abi.ContainerDone{State: "running", Pending: true}, abi.OK, ""},
		"refused, then hangs up":         {abi.ActStop, conflict, answers{running, abort}, abi.ContainerDone{}, abi.Conflict, "refuses"},
		"done, then it is another":       {abi.ActStop, done, answers{running, body(`{"Id":"` + idB + `","Name":"/db"}`)}, abi.ContainerDone{}, abi.OK, ""},
		"done, then nonsense":            {abi.ActStop, done, answers{running, body(`{`)}, abi.ContainerDone{State: "running", Pending: true}, abi.OK, ""},
		"hangs":                          {abi.ActStop, hang, answers{running}, abi.ContainerDone{State: "running", Pending: true}, abi.OK, ""},
		"hangs, and it has stopped":      {abi.ActStop, hang, answers{running, exited}, abi.ContainerDone{State: "exited", Pending: true}, abi.OK, ""},
		"hangs, and it is gone":          {abi.ActRemove, hang, answers{exited, gone}, abi.ContainerDone{Pending: true}, abi.OK, ""},
		"a start that fails, and a word": {abi.ActStart, answering(http.StatusBadRequest, `{"message":"oops: PASSWORD=hunter2 is taken."}`), answers{exited, body(`{"Id":"` + idA + `","Name":"/web","State":{"Status":"exited","Error":"PASSWORD=hunter2 is taken."}}`)}, abi.ContainerDone{}, abi.Conflict, "could not start it: PASSWORD=" + masked + " is taken."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newActing(tc.act, tc.how, tc.states...)
			c := newClient(t, e.serve(t))
			t.Cleanup(func() { c.works.close(0) })
			begin := time.Now()
			got, err := c.Act(within(t, 1500*time.Millisecond), "", idA, tc.act)
			wantCode(t, err, tc.code)
			if took := time.Since(begin); took > 5*time.Second {
				t.Errorf("took %v", took)
			}
			if err != nil {
				if told := err.(*Error).Answer.Message; !strings.Contains(told, tc.says) || len(told) > 300 || strings.Contains(told, "hunter2") {
					t.Errorf("says %q, want %q in it", told, tc.says)
				}
			}
			if tc.code == abi.OK {
				tc.want.Name = "web"
			}
			if got != tc.want {
				t.Errorf("done %+v, want %+v", got, tc.want)
			}
			if n := e.acts.Load(); n > 1 {
				t.Errorf("it was told %d times", n)
			}
		})
	}
}

// TestAnActIsNeverRepeated: the engine shows another version with its answer,
// which makes the client ask anew what only reads.
func TestAnActIsNeverRepeated(t *testing.T) {
	e := newActing(abi.ActRestart, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.30")
		answering(http.StatusInternalServerError, `{"message":"no"}`)(w, r)
	}, body(inState("running")))
	_, err := newClient(t, e.serve(t)).Act(t.Context(), "", idA, abi.ActRestart)
	wantCode(t, err, abi.Unavailable)
	if n := e.acts.Load(); n != 1 {
		t.Errorf("the engine was told %d times", n)
	}
}

func TestWhatMustNotBeDoneNeverReachesTheEngine(t *testing.T) {
	swapped := body(`{"Id":"` + idB + `","Name":"/web","State":{"Status":"running"}}`)
	layered := body(`{"Id":"` + idA + `","Name":"/web","GraphDriver":{"Data":{"UpperDir":"/d/` + layerA + `/diff"}}}`)
	for name, tc := range map[string]struct {
		id, act string
		self    self
		looks   http.HandlerFunc
		want    abi.Code
	}{
		"no act":                {idA, "exec", self{}, body(inState("running")), abi.Invalid},
		"an empty act":          {idA, "", self{}, body(inState("running")), abi.Invalid},
		"a name, no id":         {"web", abi.ActStop, self{}, body(inState("running")), abi.Invalid},
		"a prefix of an id":     {idA[:12], abi.ActStop, self{}, body(inState("running")), abi.Invalid},
		"a path":                {"../" + idA[3:], abi.ActStop, self{}, body(inState("running")), abi.Invalid},
		"the id is another's":   {idA, abi.ActStop, self{}, swapped, abi.NotFound},
		"the bot's own":         {idA, abi.ActStop, self{id: idA}, body(inState("running")), abi.Conflict},
		"the bot's own, by its": {idA, abi.ActStop, self{id: idB, layer: layerA}, layered, abi.Conflict},
		"nonsense before":       {idA, abi.ActStop, self{}, body(`{}`), abi.Unavailable},
		"a hang before":         {idA, abi.ActStop, self{}, hang, abi.Unavailable},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			e := newActing(abi.ActStop, answering(http.StatusNoContent, ""), tc.looks)
			c := newClientWith(t, Config{Hosts: []string{e.serve(t)}, Timeout: 300 * time.Millisecond})
			c.self = tc.self
			_, err := c.Act(t.Context(), "", tc.id, tc.act)
			wantCode(t, err, tc.want)
			if n := e.acts.Load(); n != 0 {
				t.Error("the engine was told to stop it")
			}
		})
	}
	c := newClient(t, newActing(abi.ActStop, hang, body(inState("running"))).serve(t))
	_, err := c.Act(t.Context(), "elsewhere", idA, abi.ActStop)
	wantCode(t, err, abi.NotFound)
}

// TestNoTimeLeft: what could not be answered is not begun.
func TestNoTimeLeft(t *testing.T) {
	e := newActing(abi.ActStop, answering(http.StatusNoContent, ""), body(inState("running")))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := newClient(t, e.serve(t)).Act(ctx, "", idA, abi.ActStop)
	wantCode(t, err, abi.Timeout)
	if e.acts.Load() != 0 {
		t.Error("it was begun")
	}
}

func TestTheEngineGoesOnWhenTheCallerLeaves(t *testing.T) {
	arrived, release, cut := make(chan struct{}), make(chan struct{}), make(chan bool, 1)
	e := newActing(abi.ActStop, func(w http.ResponseWriter, r *http.Request) {
		close(arrived)
		select {
		case <-release:
			cut <- false
		case <-r.Context().Done():
			cut <- true
		}
		w.WriteHeader(http.StatusNoContent)
	}, body(inState("running")))
	core, logs := observer.New(zap.InfoLevel)
	c, err := New(Config{Hosts: []string{e.serve(t)}}, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	done, err := c.Act(ctx, "", idA, abi.ActStop)
	if err != nil || !done.Pending || done.State != "running" {
		t.Errorf("done %+v, %v; want it pending", done, err)
	}
	close(release)
	if <-cut {
		t.Error("the engine's work was cut off")
	}
	_ = c.Close() // which waits for the goroutine
	if late := logs.FilterField(zap.String("event", "docker.late")).All(); len(late) != 1 || late[0].ContextMap()["act"] != abi.ActStop || late[0].ContextMap()["container"] != idA[:12] {
		t.Errorf("logged %+v", logs.All())
	}
}

func TestCloseEndsWhatIsGoingOn(t *testing.T) {
	e := newActing(abi.ActStop, hang, body(inState("running")))
	c := newClient(t, e.serve(t))
	if done, err := c.Act(within(t, 1200*time.Millisecond), "", idA, abi.ActStop); err != nil || !done.Pending {
		t.Fatalf("done %+v, %v", done, err)
	}
	begin := time.Now()
	c.works.close(50 * time.Millisecond)
	if took := time.Since(begin); took < 50*time.Millisecond || took > 3*time.Second || c.works.active != 0 {
		t.Errorf("after %v there are %d acts", took, c.works.active)
	}
	_, err := c.Act(t.Context(), "", idA, abi.ActStop)
	wantCode(t, err, abi.Unavailable)
	_ = c.Close()
	_ = c.Close()
}

func TestActsAtTheSameTimeAreBounded(t *testing.T) {
	e := newActing(abi.ActStop, hang, body(inState("running")))
	c := newClientWith(t, Config{Hosts: []string{e.serve(t)}, Timeout: 10 * time.Second})
	t.Cleanup(func() { c.works.close(0) })
	ctx := within(t, 2*time.Second)
	var wg sync.WaitGroup
	for range maxWorks {
		wg.Go(func() {
			if done, err := c.Act(ctx, "", idA, abi.ActStop); err != nil || !done.Pending {
				t.Errorf("done %+v, %v", done, err)
			}
		})
	}
	wg.Wait()
	_, err := c.Act(t.Context(), "", idA, abi.ActStop)
	wantCode(t, err, abi.Limit)
	if n := e.acts.Load(); n != maxWorks {
		t.Errorf("the engine was told %d times, want %d", n, maxWorks)
	}
}

func TestEveryActIsAnOrder(t *testing.T) {
	for _, act := range []string{abi.ActStart, abi.ActStop, abi.ActRestart, abi.ActPause, abi.ActUnpause, abi.ActKill, abi.ActRemove} {
		if orders[act].give == nil {
			t.Errorf("%s is none", act)
		}
	}
	if len(orders) != 7 {
		t.Error(fmt.Sprint("there are ", len(orders), " orders, want the seven Act words"))
	}
}
