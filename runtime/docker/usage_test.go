package docker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

// fleet is a fake engine of n running containers; every tenth is as measure says.
func fleet(n int, measure http.HandlerFunc) (f *fake, busiest *atomic.Int64) {
	var rows []map[string]any
	var now atomic.Int64
	busiest = &atomic.Int64{}
	paths := map[string]http.HandlerFunc{}
	for i := range n {
		id := fmt.Sprintf("%064x", i+1)
		state := "running"
		if i%10 == 9 {
			state = "exited"
		}
		rows = append(rows, map[string]any{"Id": id, "Names": []string{fmt.Sprintf("/c%04d", i)}, "State": state})
		paths["/containers/"+id+"/stats"] = func(w http.ResponseWriter, r *http.Request) {
			busy := now.Add(1)
			defer now.Add(-1)
			for most := busiest.Load(); busy > most && !busiest.CompareAndSwap(most, busy); most = busiest.Load() {
			}
			measure(w, r)
		}
	}
	list, _ := json.Marshal(rows)
	paths["/containers/json"] = body(string(list))
	return newFake(paths), busiest
}

func measured(wait time.Duration) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(wait):
		case <-r.Context().Done():
		}
		fmt.Fprintf(w, `{"read":%q,"memory_stats":{"usage":7},"pids_stats":{"current":1}}`, time.Now().Format(time.RFC3339Nano))
	}
}

func TestUsagesOfManyContainers(t *testing.T) {
	f, busiest := fleet(300, measured(5*time.Millisecond))
	c := newClientWith(t, Config{Hosts: []string{f.serve(t)}, Timeout: 30 * time.Second, SampleInterval: time.Millisecond, Fresh: time.Minute})
	usages, err := c.Usages(t.Context(), "", func(name string, _ map[string]string) bool { return name < "c0200" })
	if err != nil || len(usages) != 180 {
		t.Fatalf("%d, %v", len(usages), err)
	}
	for _, u := range usages {
		if u.Err != nil || u.Stats.MemoryUsed != 7 {
			t.Fatalf("%+v", u)
		}
	}
	if !slices.IsSortedFunc(usages, func(a, b Usage) int { return strings.Compare(a.Container.Name, b.Container.Name) }) {
		t.Error("they are not in the order of the list")
	}
	if n := busiest.Load(); n > measuredAtOnce || n < 2 {
		t.Errorf("%d were measured at the same time", n)
	}
	asked := f.requests.Load()
	if _, err := c.Usages(t.Context(), "", anything); err != nil {
		t.Fatal(err)
	}
	// One list for both, and what was measured a moment ago is not measured again.
	if more := f.requests.Load() - asked; more > 2*90 {
		t.Errorf("the second time cost %d requests", more)
	}
}

// TestUsagesEndInTime: an engine that hangs costs one deadline, not one for each
// container.
func TestUsagesEndInTime(t *testing.T) {
	f, _ := fleet(300, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	c := newClientWith(t, Config{Hosts: []string{f.serve(t)}, Timeout: time.Second})
	began := time.Now()
	usages, err := c.Usages(t.Context(), "", anything)
	if err != nil || len(usages) != 270 {
		t.Fatalf("%d, %v", len(usages), err)
	}
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %v", took)
	}
	for _, u := range usages {
		wantCode(t, u.Err, abi.Unavailable)
	}
	if _, err := c.Usages(t.Context(), "nowhere", anything); codeOf(err) != abi.NotFound {
		t.Errorf("of no engine: %v", err)
	}
}

func TestUsagesOfARealEngine(t *testing.T) {
	c := realClient(t)
	labels, keep := mine(t)
	dockertest.RunMany(t, 6, func(i int) dockertest.Container {
		return dockertest.Container{Labels: labels, State: []dockertest.State{dockertest.Running, dockertest.Created}[i%2]}
	})
	usages, err := c.Usages(t.Context(), "", keep)
	if err != nil || len(usages) != 3 {
		t.Fatalf("%+v, %v", usages, err)
	}
	for _, u := range usages {
		if u.Err != nil || u.Stats.PIDs < 1 || u.Stats.MemoryUsed == 0 {
			t.Errorf("%+v", u)
		}
	}
}
