package docker

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// dialect is an engine of one API version: it takes requests of versions from
// least to newest, as real ones do, and leaves out of its answers what came later.
type dialect struct {
	newest, least int // minor: 41 is 1.41
	mu            sync.Mutex
	asked         map[string]bool // versions of requests
}

func (d *dialect) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", fmt.Sprintf("1.%d", d.newest))
	w.Header().Set("Content-Type", "application/json")
	if r.URL.Path == "/_ping" {
		return
	}
	version, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v"), "/")
	var minor int
	if _, err := fmt.Sscanf(version, "1.%d", &minor); err != nil || minor > d.newest || minor < d.least {
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"message":"client version %s is not supported"}`, version)
		return
	}
	d.mu.Lock()
	d.asked[version] = true
	d.mu.Unlock()
	switch {
	case path == "info":
		fmt.Fprint(w, `{"ServerVersion":"x","Containers":1,"ContainersRunning":1}`)
	case path == "containers/json":
		d.write(w, []any{d.row()})
	case path == "containers/"+idA+"/json":
		d.write(w, d.details())
	case path == "containers/"+idA+"/stats":
		d.write(w, d.stats())
	case strings.HasPrefix(path, "containers/"+idA+"/") && r.Method == http.MethodPost:
		w.WriteHeader(http.StatusNoContent)
	default:
		w.WriteHeader(http.StatusNotFound)
		fmt.Fprint(w, `{"message":"no such thing"}`)
	}
}

func (d *dialect) write(w http.ResponseWriter, v any) { _ = json.NewEncoder(w).Encode(v) }

func (d *dialect) row() map[string]any {
	row := map[string]any{
		"Id": idA, "Names": []string{"/web"}, "Image": "nginx", "ImageID": imageOne, "State": "running", "Status": "Up 3 minutes (healthy)", "Created": 1_700_000_000,
	}
	if d.newest >= 48 {
		row["ImageManifestDescriptor"] = map[string]any{"digest": "sha256:2"}
	}
	if d.newest >= 52 {
		row["Health"] = map[string]any{"Status": "healthy", "FailingStreak": 0}
	}
	return row
}

func (d *dialect) details() map[string]any {
	network := map[string]any{"Ports": map[string]any{"80/tcp": []any{map[string]any{"HostIp": "0.0.0.0", "HostPort": "8080"}}}}
	if d.newest < 51 { // fields of the default bridge, which later versions leave out
		network["Bridge"], network["LinkLocalIPv6Address"] = "", ""
	}
	out := map[string]any{
		"Id": idA, "Name": "/web", "Created": "2023-11-14T22:13:20Z", "Image": imageOne, "Path": "nginx", "Args": []string{"-g"}, "RestartCount": 2,
		"State":           map[string]any{"Status": "running", "Running": true, "StartedAt": "2023-11-14T22:13:21Z", "Health": map[string]any{"Status": "healthy"}},
		"Config":          map[string]any{"Image": "nginx", "Labels": map[string]string{"a": "b"}},
		"NetworkSettings": network,
	}
	if d.newest < 52 {
		out["GraphDriver"] = map[string]any{"Name": "overlay2", "Data": map[string]string{}}
	}
	if d.newest >= 48 {
		out["ImageManifestDescriptor"] = map[string]any{"digest": "sha256:2"}
	}
	return out
}

func (d *dialect) stats() map[string]any {
	now := time.Now()
	return map[string]any{
		"read": now, "id": idA, "name": "/web", "pids_stats": map[string]any{"current": 3},
		"cpu_stats":    map[string]any{"cpu_usage": map[string]any{"total_usage": now.UnixNano() / 4}, "online_cpus": 2},
		"memory_stats": map[string]any{"usage": 1000, "limit": 4000, "stats": map[string]any{"inactive_file": 100}},
		"networks":     map[string]any{"eth0": map[string]any{"rx_bytes": 5, "tx_bytes": 7}},
	}
}

// TestEnginesOfManyVersions: from 20.10 on up to what this client knows, and
// beyond: such an engine still speaks the client's newest.
func TestEnginesOfManyVersions(t *testing.T) {
	const ours = 51 // of github.com/docker/docker, api.DefaultVersion
	for newest := 41; newest <= ours+4; newest++ {
		t.Run(fmt.Sprintf("1.%d", newest), func(t *testing.T) {
			t.Parallel()
			d := &dialect{newest: newest, least: 24, asked: map[string]bool{}}
			if newest > ours {
				d.least = 44 // as engine 29 has it
			}
			c := newClientWith(t, Config{Hosts: []string{d.serve(t)}, SampleInterval: time.Millisecond})
			info, err := c.Info(t.Context(), "")
			if err != nil || info.APIVersion != fmt.Sprintf("1.%d", newest) {
				t.Errorf("info %+v, %v", info, err)
			}
			list, err := c.List(t.Context(), abi.ContainerQuery{Image: imageOne}, anything)
			if err != nil || len(list.Containers) != 1 || list.Containers[0].Health != "healthy" || list.Containers[0].Name != "web" {
				t.Errorf("list %+v, %v", list, err)
			}
			ref := abi.ContainerRef{ID: idA}
			got, err := c.Inspect(t.Context(), ref, anything)
			if err != nil || got.Health != "healthy" || got.RestartCount != 2 || got.Started == 0 || len(got.Ports) != 1 || got.Status != "Up 3 minutes (healthy)" {
				t.Errorf("inspect %+v, %v", got, err)
			}
			stats, err := c.Stats(t.Context(), ref, anything)
			if err != nil || stats.MemoryUsed != 900 || stats.PIDs != 3 || stats.NetworkIn != 5 || stats.CPUPercent < 20 || stats.CPUPercent > 30 {
				t.Errorf("stats %+v, %v", stats, err)
			}
			if done, err := c.Act(t.Context(), "", idA, abi.ActRestart); err != nil || done.State != "running" {
				t.Errorf("restart %+v, %v", done, err)
			}
			if done, err := c.Rename(t.Context(), "", idA, "db"); err != nil || done.State != "running" {
				t.Errorf("rename %+v, %v", done, err)
			}
			if want := fmt.Sprintf("1.%d", min(newest, ours)); len(d.asked) != 1 || !d.asked[want] {
				t.Errorf("it was asked in %v, want %s", d.asked, want)
			}
		})
	}
}

func (d *dialect) serve(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("unix", filepath.Join(t.TempDir(), "docker.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: d}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	return "unix://" + l.Addr().String()
}

// imageOne is the id of an image.
var imageOne = "sha256:" + strings.Repeat("1", 64)
