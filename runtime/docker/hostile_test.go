package docker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func TestAnEngineThatMisbehaves(t *testing.T) {
	status := func(code int, s string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(code)
			_, _ = io.WriteString(w, s)
		}
	}
	for name, tc := range map[string]struct {
		list http.HandlerFunc
		want abi.Code
		says string
	}{
		"garbage":             {body(`<html>`), abi.Unavailable, "makes no sense"},
		"cut off":             {body(`[{"Id":"`), abi.Unavailable, "makes no sense"},
		"an object, no list":  {body(`{}`), abi.Unavailable, "makes no sense"},
		"wrong types":         {body(`[{"Id":7,"Names":"x"}]`), abi.Unavailable, "makes no sense"},
		"fraction of created": {body(`[{"Created":1.5}]`), abi.Unavailable, "makes no sense"},
		"500":                 {status(http.StatusInternalServerError, `{"message":"disk on fire"}`), abi.Unavailable, "error of its own"},
		"503":                 {status(http.StatusServiceUnavailable, `{"message":"later"}`), abi.Unavailable, "error of its own"},
		"500 without a body":  {status(http.StatusInternalServerError, ``), abi.Unavailable, "error of its own"},
		"403 of a proxy":      {status(http.StatusForbidden, `no`), abi.Unavailable, "proxy"},
		"a redirect away":     {http.RedirectHandler("http://127.0.0.1:1/", http.StatusFound).ServeHTTP, abi.Unavailable, "makes no sense"},
		"more than 16 MiB":    {body(`["` + strings.Repeat("x", maxBody) + `"]`), abi.Unavailable, "makes no sense"},
		"many small values":   {body(`[` + strings.Repeat("null,", maxValues+1) + `null]`), abi.Unavailable, "makes no sense"},
		"hangs up":            {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, abi.Unavailable, "does not answer"},
		"null":                {body(`null`), abi.OK, ""},
		"empty":               {body(`[]`), abi.OK, ""},
	} {
		t.Run(name, func(t *testing.T) {
			url := newFake(map[string]http.HandlerFunc{"/containers/json": tc.list}).serve(t)
			c := newClientWith(t, Config{Hosts: []string{url}, Timeout: 20 * time.Second})
			list, err := c.List(context.Background(), abi.ContainerQuery{}, anything)
			wantCode(t, err, tc.want)
			if err != nil && !strings.Contains(err.(*Error).Answer.Message, tc.says) {
				t.Errorf("says %q, want %q in it", err.(*Error).Answer.Message, tc.says)
			}
			if err == nil && list.Containers == nil {
				t.Error("an empty list must be [] in JSON, not null")
			}
		})
	}
}

func TestInspectOfNonsenseDoesNotPanic(t *testing.T) {
	for name, tc := range map[string]struct {
		json string
		want abi.Code
	}{
		"empty object":     {`{}`, abi.Unavailable},
		"null":             {`null`, abi.Unavailable},
		"short id":         {`{"Id":"abc","Name":"/web"}`, abi.Unavailable},
		"id and name only": {`{"Id":"` + idA + `","Name":"/web"}`, abi.OK},
		"nulls":            {`{"Id":"` + idA + `","Name":"/web","State":null,"Config":null,"HostConfig":null,"NetworkSettings":null}`, abi.OK},
		"negative":         {`{"Id":"` + idA + `","Name":"/web","RestartCount":-5,"State":{"ExitCode":-1,"StartedAt":"never"}}`, abi.OK},
		"another name":     {`{"Id":"` + idA + `","Name":"/webby"}`, abi.NotFound},
		"a doubled slash":  {`{"Id":"` + idA + `","Name":"//web"}`, abi.NotFound},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, newFake(map[string]http.HandlerFunc{
				"/containers/web/json": body(tc.json), "/containers/json": body(`[]`),
			}).serve(t))
			d, err := c.Inspect(context.Background(), abi.ContainerRef{ID: "web"}, anything)
			wantCode(t, err, tc.want)
			if err == nil && (d.RestartCount < 0 || d.Created < 0 || d.Started != 0) {
				t.Errorf("not cleaned: %+v", d)
			}
		})
	}
}

func TestForeignTextIsCleaned(t *testing.T) {
	json := fmt.Sprintf(`[
	 {"Id":"%[1]s","Names":["/<b>&_*[x](y)😀"],"Image":"a\u0000b\u001b[31m","State":"running","Status":"Up 1 minute\nforged line (healthy)","Created":-5},
	 {"Id":"%[2]s","Names":["/web/alias","/\u202etxt.exe"],"Image":"%[3]s","State":"exited","Status":"x","Labels":{"com.docker.compose.project":"p\r\nq"}},
	 {"Id":"%[4]s","Names":[],"State":"dead"},
	 {"Id":"../../etc","Names":["/evil"],"State":"running"}]`,
		idA, idB, strings.Repeat("é", 1000), strings.Repeat("c", 64))
	c := newClient(t, newFake(map[string]http.HandlerFunc{"/containers/json": body(json)}).serve(t))
	list, err := c.List(context.Background(), abi.ContainerQuery{}, anything)
	if err != nil {
		t.Fatal(err)
	}
	if list.Total != 3 || list.Running != 1 {
		t.Fatalf("total %d, running %d; want 3 and 1: what has no proper id is left out", list.Total, list.Running)
	}
	got := list.Containers
	want := []abi.Container{
		{ID: idA, Name: "<b>&_*[x](y)😀", Image: "a�b�[31m", State: "running", Status: "Up 1 minute forged line (healthy)", Health: "healthy"},
		{ID: strings.Repeat("c", 64), Name: "cccccccccccc", State: "dead"},
		{ID: idB, Name: "�txt.exe", Image: strings.Repeat("é", 255) + "…", State: "exited", Status: "x", Project: "p  q"},
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("row %d:\n got %+v\nwant %+v", i, got[i], want[i])
		}
	}
}

func TestAnEngineThatHangs(t *testing.T) {
	for name, start := range map[string]func(t *testing.T) string{
		"never accepts a request": silentTCP,
		"hangs after the ping": func(t *testing.T) string {
			return newFake(map[string]http.HandlerFunc{"/containers/json": hang}).serve(t)
		},
		"hangs within the body": func(t *testing.T) string {
			return newFake(map[string]http.HandlerFunc{"/containers/json": func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, `[{"Id":`)
				w.(http.Flusher).Flush()
				hang(w, r)
			}}).serve(t)
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClientWith(t, Config{Hosts: []string{start(t)}, Timeout: 300 * time.Millisecond})
			begin := time.Now()
			_, err := c.List(context.Background(), abi.ContainerQuery{}, anything)
			wantCode(t, err, abi.Unavailable)
			if took := time.Since(begin); took < 200*time.Millisecond || took > 3*time.Second {
				t.Errorf("took %v, want about 300 ms", took)
			}
		})
	}
}

func TestCallersDoNotQueueBehindAHangingEngine(t *testing.T) {
	c := newClientWith(t, Config{Hosts: []string{silentTCP(t)}, Timeout: 400 * time.Millisecond})
	begin, done := time.Now(), make(chan error)
	for range 20 {
		go func() { done <- c.Ping(context.Background(), "") }()
	}
	for range 20 {
		wantCode(t, <-done, abi.Unavailable)
	}
	if took := time.Since(begin); took > 3*time.Second {
		t.Errorf("20 callers took %v, want one deadline for all", took)
	}
}

func TestTheCallersDeadlineIsATimeout(t *testing.T) {
	c := newClientWith(t, Config{Hosts: []string{silentTCP(t)}, Timeout: time.Minute})
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	err := c.Ping(ctx, "")
	wantCode(t, err, abi.Timeout)
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("cause is lost: %v", err)
	}
	gone, cancel := context.WithCancel(context.Background())
	cancel()
	wantCode(t, c.Ping(gone, ""), abi.Timeout)
}

func TestAnAbsentSocketIsExplained(t *testing.T) {
	c := newClient(t, "unix:///nonexistent/docker.sock")
	err := c.Ping(context.Background(), "")
	wantCode(t, err, abi.Unavailable)
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "There is no Docker socket at /nonexistent/docker.sock") {
		t.Errorf("says %v", err)
	}
	dead := filepath.Join(t.TempDir(), "d.sock")
	l, _ := net.Listen("unix", dead)
	l.(*net.UnixListener).SetUnlinkOnClose(false)
	_ = l.Close()
	err = newClient(t, "unix://"+dead).Ping(context.Background(), "")
	wantCode(t, err, abi.Unavailable)
	if want := "Docker does not answer on unix://" + dead + "."; err.(*Error).Answer.Message != want {
		t.Errorf("says %q, want %q", err.(*Error).Answer.Message, want)
	}
}

func TestAForbiddenSocketNamesItsGroup(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "d.sock")
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	e := newEndpoint("local", address{url: "unix://" + socket, network: "unix", target: socket}, zap.NewNop(), false)
	got := e.absence(&net.OpError{Op: "dial", Err: os.NewSyscallError("connect", os.ErrPermission)})
	if want := fmt.Sprintf("--group-add %d", os.Getgid()); !strings.Contains(got, want) {
		t.Errorf("says %q, want %q in it", got, want)
	}
}

func TestAnEngineThatComesBackInAnotherVersion(t *testing.T) {
	f := newFake(map[string]http.HandlerFunc{"/containers/json": body(`[]`)})
	c := newClient(t, f.serve(t))
	for _, version := range []string{"1.41", "1.24", "1.47", "1.30"} {
		f.version.Store(version)
		if _, err := c.List(context.Background(), abi.ContainerQuery{}, anything); err != nil {
			t.Errorf("engine of API %s: %v", version, err)
		}
	}
}

func TestAnEngineThatSpeaksNoVersionIsOld(t *testing.T) {
	f := newFake(nil)
	f.version.Store("")
	var asked string
	f.paths = map[string]http.HandlerFunc{"/containers/json": func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path
		_, _ = io.WriteString(w, `[]`)
	}}
	if _, err := newClient(t, f.serve(t)).List(context.Background(), abi.ContainerQuery{}, anything); err != nil {
		t.Fatal(err)
	}
	if asked != "/v1.24/containers/json" {
		t.Errorf("asked %s, want API 1.24", asked)
	}
}

func TestAVersionThatIsNoVersionIsRefused(t *testing.T) {
	for _, v := range []string{"../../evil", "1", "1.41/x", "999.1", "one.two"} {
		f := newFake(nil)
		f.version.Store(v)
		wantCode(t, newClient(t, f.serve(t)).Ping(context.Background(), ""), abi.Unavailable)
	}
}

func TestABadFirstPingDoesNotFixTheOldestVersion(t *testing.T) {
	f := newFake(map[string]http.HandlerFunc{
		"/_ping":           func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusInternalServerError) },
		"/containers/json": body(`[]`),
	})
	c := newClient(t, f.serve(t))
	_, err := c.List(context.Background(), abi.ContainerQuery{}, anything)
	wantCode(t, err, abi.Unavailable)
	delete(f.paths, "/_ping")
	if _, err = c.List(context.Background(), abi.ContainerQuery{}, anything); err != nil {
		t.Errorf("the engine is well again: %v", err)
	}
}

func TestGoingAndComingBackAreLoggedOnce(t *testing.T) {
	core, logs := observer.New(zap.InfoLevel)
	socket := filepath.Join(t.TempDir(), "d.sock")
	c, err := New(Config{Hosts: []string{"unix://" + socket}}, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f := newFake(nil)
	for range 3 {
		wantCode(t, c.Ping(context.Background(), ""), abi.Unavailable)
	}
	f.listen(t, socket)
	for range 3 {
		wantCode(t, c.Ping(context.Background(), ""), abi.OK)
	}
	var events []string
	for _, l := range logs.All() {
		events = append(events, fmt.Sprint(l.ContextMap()["event"]))
	}
	if got := strings.Join(events, " "); got != "docker.away docker.back" {
		t.Errorf("events %q", got)
	}
}

func TestAClosedClientRefuses(t *testing.T) {
	c := newClient(t, newFake(nil).serve(t))
	wantCode(t, c.Ping(context.Background(), ""), abi.OK)
	_ = c.Close()
	wantCode(t, c.Ping(context.Background(), ""), abi.Unavailable)
}

func hang(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }

// silentTCP accepts connections and never says a word.
func silentTCP(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			t.Cleanup(func() { _ = conn.Close() })
		}
	}()
	return "tcp://" + l.Addr().String()
}

func wantCode(t testing.TB, err error, want abi.Code) {
	t.Helper()
	if err == nil && want == abi.OK {
		return
	}
	var answer *abi.Error
	if !errors.As(err, &answer) {
		t.Fatalf("error %v, want %v", err, want)
	}
	if answer.Code != want {
		t.Fatalf("error %v, want %v", err, want)
	}
	if !strings.HasSuffix(answer.Message, ".") && !strings.HasSuffix(answer.Message, "?") {
		t.Errorf("%q is no sentence", answer.Message)
	}
}
