package telemetry

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// fetch returns the page as Prometheus gets it.
func fetch(t *testing.T, p *Page) string {
	t.Helper()
	answer, err := http.Get("http://" + p.Address() + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		t.Fatalf("%s, %v", answer.Status, err)
	}
	return string(text)
}

func listen(t *testing.T, m *Metrics) *Page {
	t.Helper()
	p, err := m.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return p
}

// use counts something of everything there is.
func use(m *Metrics) {
	m.ModulesLoaded(func() int { return 4 })
	m.Update("answered", 1)
	m.Update("duplicate", 3)
	m.Command("core", 3*time.Millisecond)
	m.Denied("user")
	m.Invoked(Invocation{Module: "core", Outcome: "ok", Time: 2 * time.Millisecond, Fuel: 100, Memory: 5 << 20, Bytes: 70})
	m.Invoked(Invocation{Module: "core", Outcome: "trap", Time: 2 * time.Second, Fuel: 11, Memory: 3 << 20, Bytes: 7})
	m.Skipped("core", "off")
	m.HostCall("bot.modules", "ok")
	m.TelegramRequest("sendMessage", "flood")
	m.WebhookRejected("path")
}

func TestThePageShowsWhatWasCounted(t *testing.T) {
	m := New()
	use(m)
	page := fetch(t, listen(t, m))
	for _, line := range []string{
		`cofferdam_webhook_rejected_total{reason="path"} 1`,
		`cofferdam_updates_total{outcome="answered"} 1`,
		`cofferdam_updates_total{outcome="duplicate"} 3`,
		`cofferdam_command_seconds_count{module="core"} 1`,
		`cofferdam_command_seconds_bucket{module="core",le="0.0025"} 0`,
		`cofferdam_command_seconds_bucket{module="core",le="0.005"} 1`,
		`cofferdam_access_denied_total{reason="user"} 1`,
		`cofferdam_invocations_total{module="core",outcome="ok"} 1`,
		`cofferdam_invocations_total{module="core",outcome="trap"} 1`,
		`cofferdam_invocations_total{module="core",outcome="off"} 1`,
		`cofferdam_invocation_seconds_count{module="core"} 2`,
		`cofferdam_invocation_fuel_total{module="core"} 111`,
		`cofferdam_invocation_bytes_total{module="core"} 77`,
		`cofferdam_invocation_memory_bytes{module="core"} 5.24288e+06`,
		`cofferdam_hostcalls_total{capability="bot.modules",outcome="ok"} 1`,
		`cofferdam_telegram_requests_total{method="sendMessage",outcome="flood"} 1`,
		`cofferdam_modules_loaded 4`,
	} {
		if !strings.Contains(page, "\n"+line+"\n") {
			t.Errorf("the page lacks %s", line)
		}
	}
	for _, name := range []string{"go_goroutines ", "process_open_fds ", "process_resident_memory_bytes "} {
		if !strings.Contains(page, "\n"+name) {
			t.Errorf("the page lacks %s", name)
		}
	}
	if problems, err := testutil.GatherAndLint(m.registry); err != nil || len(problems) > 0 {
		t.Errorf("names that Prometheus would not choose: %v, %v", problems, err)
	}
}

func TestBotsShareNoFigures(t *testing.T) {
	one, other := New(), New()
	use(one)
	if page := fetch(t, listen(t, other)); strings.Contains(page, `module="core"`) {
		t.Error("the figures of one bot are on the page of another")
	}
}

func TestThePageIsAllThereIs(t *testing.T) {
	p := listen(t, New())
	for _, request := range []struct {
		method, path string
		want         int
	}{
		{"GET", "/", 404}, {"GET", "/metrics/", 404}, {"GET", "/debug/pprof/", 404}, {"GET", "/../metrics", 307},
		{"POST", "/metrics", 405}, {"HEAD", "/metrics", 200},
	} {
		r, err := http.NewRequest(request.method, "http://"+p.Address()+request.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.DefaultTransport.RoundTrip(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != request.want {
			t.Errorf("%s %s: %s, want %d", request.method, request.path, answer.Status, request.want)
		}
		if server := answer.Header.Get("Server"); server != "" {
			t.Errorf("the server tells what it is: %s", server)
		}
	}
}

func TestAnAddressThatIsTaken(t *testing.T) {
	taken := listen(t, New())
	_, err := New().Listen(taken.Address())
	if err == nil || !strings.Contains(err.Error(), taken.Address()) || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("got %v", err)
	}
}

func TestCloseEndsThePage(t *testing.T) {
	m := New()
	p, err := m.Listen("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	fetch(t, p)
	// Somebody who says nothing holds nothing up.
	silent, err := net.Dial("tcp", p.Address())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_ = p.Close(ctx) // its error would be that it did not wait for that one
	if took := time.Since(began); took > 5*time.Second {
		t.Errorf("closing took %v", took)
	}
	if _, err := net.Dial("tcp", p.Address()); err == nil {
		t.Error("something still listens")
	}
	m.Update("answered", 1) // what still runs may count
}
