package extra_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
)

const noon = 1_767_268_800_000

// harbour answers what ports asks.
type harbour struct {
	hostcall.Docker
	containers []abi.ContainerDetails // running ones first
	err        error                  // of the list
	inspect    map[string]error       // by name
	asked      string                 // the host that was asked last
}

func (h *harbour) Hosts() []string { return []string{"local", "edge"} }

func (h *harbour) List(_ context.Context, q abi.ContainerQuery, keep hostcall.Keep) (abi.ContainerList, error) {
	h.asked = q.Host
	var list abi.ContainerList
	var kept []abi.Container
	for _, c := range h.containers {
		if !keep(c.Name, nil) {
			continue
		}
		if c.State == "running" {
			list.Running++
		}
		kept = append(kept, c.Container)
	}
	list.Total = len(kept)
	rest := kept[min(q.Offset, len(kept)):]
	list.Containers = rest[:min(q.Count, len(rest))]
	return list, h.err
}

func (h *harbour) Inspect(_ context.Context, ref abi.ContainerRef, keep hostcall.Keep) (abi.ContainerDetails, error) {
	for _, c := range h.containers {
		if c.ID == ref.ID && keep(c.Name, nil) {
			return c, h.inspect[c.Name]
		}
	}
	return abi.ContainerDetails{}, &abi.Error{Code: abi.NotFound, Message: "There is no such container (any more)."}
}

// ship is a container with ports such as "0.0.0.0:8080->80/tcp".
func ship(n int, name, state string, ports ...string) abi.ContainerDetails {
	c := abi.ContainerDetails{Container: abi.Container{ID: fmt.Sprintf("%064x", n), Name: name, State: state}}
	for _, port := range ports {
		outside, inside, _ := strings.Cut(port, "->")
		at := strings.LastIndexByte(outside, ':')
		c.Ports = append(c.Ports, abi.Port{Container: inside, HostIP: outside[:max(at, 0)], HostPort: outside[at+1:]})
	}
	return c
}

func fleet() []abi.ContainerDetails {
	return []abi.ContainerDetails{
		ship(1, "web", "running", "0.0.0.0:8080->80/tcp", ":::8080->80/tcp", "->9000/tcp"),
		ship(2, "db", "running", "127.0.0.1:5432->5432/tcp"),
		ship(3, "dns", "running", "192.168.1.5:53->53/udp", "0.0.0.0:53->53/tcp"),
		ship(4, "dns-2", "running", "192.168.1.6:53->53/udp", ":::1->1/tcp"),
		ship(5, "old", "exited", "0.0.0.0:22->22/tcp"),
	}
}

func needClang(t testing.TB) {
	t.Helper()
	for _, program := range []string{"clang", "wasm-ld"} {
		if _, err := exec.LookPath(program); err != nil {
			if os.Getenv("COFFERDAM_CI") == "1" {
				t.Fatal(err)
			}
			t.Skip("there is no " + program + "; on Debian: apt-get install clang lld")
		}
	}
}

func TestPorts(t *testing.T) {
	needClang(t)
	h := &harbour{}
	s := load(t, "ports", hostcall.Sources{Docker: h})
	many := func() (list []abi.ContainerDetails) {
		for i := range 25 {
			list = append(list, ship(i, fmt.Sprintf("web-%02d", i), "running", fmt.Sprintf("0.0.0.0:%d->80/tcp", 8000+i)))
		}
		return list
	}
	shared := func() (list []abi.ContainerDetails) {
		for i := range 9 {
			list = append(list, ship(i, fmt.Sprintf("dns-%d", i), "running", fmt.Sprintf("10.0.0.%d:53->53/udp", i+1)))
		}
		return list
	}
	tap := func(page, host string) abi.Request {
		return abi.Request{Action: "list", Args: map[string]string{"page": page, "host": host}}
	}
	for _, test := range []struct {
		name string
		h    harbour
		req  abi.Request
		code abi.Code
	}{
		{"ports", harbour{containers: fleet()}, abi.Request{Command: "ports"}, abi.OK},
		{"ports-none", harbour{containers: fleet()[4:]}, abi.Request{Command: "ports", Text: "edge"}, abi.OK},
		{"ports-second-page", harbour{containers: many()}, tap("2", "edge"), abi.OK},
		{"ports-last-page", harbour{containers: many()}, tap("99", ""), abi.OK},
		{"ports-shared", harbour{containers: shared()}, tap("x", ""), abi.OK},
		{"ports-half-known", harbour{containers: fleet(), inspect: map[string]error{"web": &abi.Error{Code: abi.Timeout, Message: "Too slow."}}}, tap("1", ""), abi.OK},
		{"ports-away", harbour{err: &abi.Error{Code: abi.Unavailable, Message: "Docker does not answer."}}, tap("2", "edge"), abi.OK},
		{"ports-denied", harbour{err: &abi.Error{Code: abi.Denied, Message: "No."}}, abi.Request{Command: "ports"}, abi.Denied},
		{"ports-no-host", harbour{}, abi.Request{Command: "ports", Text: strings.Repeat("h", 65)}, abi.Invalid},
	} {
		t.Run(test.name, func(t *testing.T) {
			*h = test.h
			test.req.Time = noon
			code, reply := s.asks(t, test.req)
			if code != test.code {
				t.Errorf("code %v, want %v", code, test.code)
			}
			golden(t, test.name, reply)
			if want := test.req.Text + test.req.Args["host"]; want != h.asked && code != abi.Invalid {
				t.Errorf("%q was asked, want %q", h.asked, want)
			}
		})
	}
	t.Run("many containers", func(t *testing.T) { manyContainers(t, s, h) })
	t.Run("hostile", func(t *testing.T) { hostileContainers(t, s, h) })
}

// manyContainers: what is beyond the host's calls is said to be missing.
func manyContainers(t *testing.T, s sandbox, h *harbour) {
	*h = harbour{}
	for i := range 500 {
		h.containers = append(h.containers, ship(i, fmt.Sprintf("c-%03d", i), "running", fmt.Sprintf("127.0.0.1:%d->80/tcp", 1000+i)))
	}
	_, reply := s.asks(t, abi.Request{Command: "ports"})
	data, _ := json.Marshal(reply)
	for _, want := range []string{"200 published ports, 500 running containers, page 1 of 20", "Only 200 running containers were looked at, of 500"} {
		if !strings.Contains(string(data), want) {
			t.Errorf("no %q in %s", want, data)
		}
	}
}

// hostileContainers: whatever an engine says, there is a reply that the host takes.
func hostileContainers(t *testing.T, s sandbox, h *harbour) {
	for seed := range 12 {
		*h = harbour{containers: hostileFleet(rand.New(rand.NewPCG(uint64(seed), 1)))}
		for _, page := range []string{"1", "2", "-1", "9223372036854775807", "9223372036854775808", ""} {
			code, reply := s.asks(t, abi.Request{Action: "list", Args: map[string]string{"page": page}, Time: noon})
			if code != abi.OK || len(reply.Blocks) < 2 {
				t.Fatalf("seed %d, page %q: %v %+v", seed, page, code, reply)
			}
		}
	}
}

func hostileFleet(random *rand.Rand) (list []abi.ContainerDetails) {
	words := []string{"", "80/tcp", "80", "/", "0.0.0.0", "::", "8080", "0", "65536", "-1", "99999999999999999999", "127.0.0.1", "1e3",
		strings.Repeat("\x01", 200), strings.Repeat("😀", 70), "\"\\\u2028", "a\xffb", strings.Repeat("9", 400)}
	word := func() string {
		if random.IntN(3) == 0 {
			return strconv.Itoa(random.IntN(70_000))
		}
		return words[random.IntN(len(words))]
	}
	for i := range random.IntN(120) {
		c := ship(i, word()+strconv.Itoa(i), "running")
		for range random.IntN(60) {
			c.Ports = append(c.Ports, abi.Port{Container: word(), HostIP: word(), HostPort: word()})
		}
		list = append(list, c)
	}
	return list
}

// TestPortsNatively runs the same source as a program of this machine, where the
// compiler watches every access: over good, hostile and broken answers of a host.
func TestPortsNatively(t *testing.T) {
	needClang(t)
	program := filepath.Join(t.TempDir(), "ports")
	build := exec.Command("clang", "-std=c11", "-g", "-O1", "-fsanitize=address,undefined", "-fno-sanitize-recover=all",
		"-I", "../../guest/c", "testdata/ports_native.c", "-o", program)
	if text, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	random := rand.New(rand.NewPCG(5, 6))
	for i := range 24 {
		containers := hostileFleet(random)
		var list abi.ContainerList
		var details []string
		for _, c := range containers {
			list.Containers = append(list.Containers, c.Container)
			details = append(details, encoded(t, c))
		}
		list.Running = len(containers)
		files := append([]string{encoded(t, abi.Request{Command: "ports", Time: noon}), encoded(t, list)}, details...)
		if i%2 == 1 { // broken: cut, or with bytes that do not belong there
			for f := range files {
				files[f] = broken(random, files[f])
			}
		}
		run := exec.Command(program)
		run.Stdin = strings.NewReader(framed(files))
		out, err := run.CombinedOutput()
		if err != nil {
			t.Fatalf("round %d: %v\n%s", i, err, out)
		}
		if i%2 == 0 && !json.Valid(out) {
			t.Fatalf("round %d: %q is no JSON", i, out)
		}
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// broken spoils a text.
func broken(random *rand.Rand, text string) string {
	data := []byte(text)
	for range random.IntN(8) {
		data[random.IntN(len(data))] = `"\{}[]:,u0`[random.IntN(10)]
	}
	return string(data[:len(data)-random.IntN(1+len(data)/4)])
}

// framed writes texts with their lengths before them.
func framed(texts []string) string {
	var out strings.Builder
	for _, text := range texts {
		fmt.Fprintf(&out, "%d\n%s", len(text), text)
	}
	return out.String()
}
