package main

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/modules/containers"
	"github.com/cofferdam-bot/cofferdam/modules/core"
	"github.com/cofferdam-bot/cofferdam/modules/server"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// The figures of docs/PERFORMANCE.md. Each benchmark runs the same thing twice:
// with modules in the sandbox, and with their handlers compiled into the host,
// which is the limit of what the sandbox could reach.

// native runs a module's handlers in the host.
type native struct {
	module     sdk.Module
	operations map[string]hostcall.Operation
}

// inHost is the options.load of a bot without a sandbox.
func inHost(operations []hostcall.Operation) loader {
	byName := map[string]hostcall.Operation{}
	for _, op := range operations {
		byName[op.Import] = op
	}
	handlers := map[string]sdk.Module{"core": core.Module(), "server": server.Module(), "containers": containers.Module()}
	return func(_ context.Context, s engine.Source) (registry.Runner, error) {
		return native{handlers[s.Name], byName}, nil
	}
}

func (n native) Invoke(ctx context.Context, caller *hostcall.Caller, request []byte) (engine.Answer, error) {
	reply, code := n.module.ServeJSON(sdk.NativeHost(nativeHost{ctx, caller, n.operations}), request)
	return engine.Answer{Code: code, Reply: reply}, nil
}

func (native) Close(context.Context) error { return nil }

type nativeHost struct {
	ctx        context.Context
	caller     *hostcall.Caller
	operations map[string]hostcall.Operation
}

func (h nativeHost) Call(op string, request []byte) (abi.Code, []byte) {
	return h.operations[op].Call(h.ctx, h.caller, request)
}

func (nativeHost) Log(int32, string) {}

// engines are the two ways to run a module.
var engines = []struct {
	name string
	use  setup
}{
	{"sandbox", func(*bot) {}},
	{"native", func(b *bot) { b.o.load = inHost }},
}

// onDisk gives a bot the state that it has in production.
func onDisk(b *bot) { b.o.stateDir = filepath.Join(b.t.TempDir(), "state") }

// BenchmarkFirstReply is the time from a typed command to the first reply,
// over HTTP, on an idle bot.
func BenchmarkFirstReply(b *testing.B) {
	for _, view := range []struct{ name, command string }{{"start", "/start"}, {"memory", "/memory"}} {
		b.Run(view.name, func(b *testing.B) { benchmarkReply(b, view.command) })
	}
	for _, n := range []int{5, 200} {
		b.Run(fmt.Sprintf("containers=%d", n), func(b *testing.B) { benchmarkContainers(b, n) })
	}
}

func benchmarkReply(b *testing.B, command string, changes ...setup) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			bot := startBot(b, append(changes, silent, onDisk, e.use)...)
			p := bot.person(user, user)
			p.says(command) // loads the module
			var took []time.Duration
			for b.Loop() {
				began := time.Now()
				p.says(command)
				took = append(took, time.Since(began))
			}
			reportQuantiles(b, took)
		})
	}
}

// benchmarkContainers shows n containers out of those that are there.
func benchmarkContainers(b *testing.B, n int) {
	host := dockertest.Engine(b)
	label := dockertest.Unique("bench")
	dockertest.RunMany(b, n, func(int) dockertest.Container {
		return dockertest.Container{Labels: map[string]string{"bench": label}, State: dockertest.Created}
	})
	benchmarkReply(b, "/containers", func(bot *bot) {
		bot.cfg.Docker.Host = []string{host}
		bot.cfg.Modules.Grants = map[string][]config.Grant{"containers": {
			{Capability: "docker.info"},
			{Capability: "docker.containers.list", Scope: []string{"label:bench=" + label}},
			{Capability: "docker.containers.inspect", Scope: []string{"label:bench=" + label}},
			{Capability: "docker.containers.stats", Scope: []string{"label:bench=" + label}},
		}}
	})
}

func reportQuantiles(b *testing.B, took []time.Duration) {
	slices.Sort(took)
	ms := func(q float64) float64 {
		return float64(took[min(int(q*float64(len(took))), len(took)-1)].Microseconds()) / 1000
	}
	b.ReportMetric(ms(0.50), "p50-ms")
	b.ReportMetric(ms(0.99), "p99-ms")
}

// The burst of BenchmarkQueued.
const (
	queuedUsers   = 250
	queuedPerUser = 8
)

// BenchmarkQueued is how fast 2,000 commands of 250 users, all there when the
// bot starts to poll, are answered.
func BenchmarkQueued(b *testing.B) {
	for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
		for _, e := range engines {
			b.Run(fmt.Sprintf("latency=%v/%s", latency, e.name), func(b *testing.B) {
				var total time.Duration
				for range b.N {
					total += queued(b, latency, e.use)
				}
				b.ReportMetric(float64(b.N*queuedUsers*queuedPerUser)/total.Seconds(), "replies/s")
			})
		}
	}
}

func queued(b *testing.B, latency time.Duration, use setup) time.Duration {
	bot := newBot(b, silent, onDisk, use, manyUsers(queuedUsers))
	people := make([]person, queuedUsers)
	for i := range people {
		people[i] = bot.person(firstOfMany+int64(i), firstOfMany+int64(i))
		for range queuedPerUser {
			people[i].Type("/memory")
		}
	}
	bot.world.SetLatency(latency)
	bot.start()
	began := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := bot.world.WaitCalls(ctx, "sendMessage", queuedUsers*queuedPerUser); err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	if err := bot.stop(); err != nil {
		b.Fatal(err)
	}
	return took
}

const firstOfMany = 100_000

// manyUsers lets n more users in.
func manyUsers(n int) setup {
	return func(b *bot) {
		for i := range int64(n) {
			b.world.AddUser(emulator.User{ID: firstOfMany + i, FirstName: "User"})
			b.cfg.AccessControl.AllowedUserIDs = append(b.cfg.AccessControl.AllowedUserIDs, firstOfMany+i)
		}
	}
}

// process is the real program, as an operator runs it.
type process struct {
	*exec.Cmd
	world *emulator.Server
	began time.Time
}

// BenchmarkStart is the time from exec to the first getUpdates, and to the
// answer to a command that was waiting.
func BenchmarkStart(b *testing.B) {
	for _, cache := range []string{"cold", "warm"} {
		b.Run(cache, func(b *testing.B) {
			state := filepath.Join(b.TempDir(), "state")
			if cache == "warm" {
				p := startProcess(b, state, 1)
				p.answered(b, 1)
				time.Sleep(3 * time.Second) // the other modules are compiled too
				p.end(b)
			}
			var polls, answers []time.Duration
			for range b.N {
				if cache == "cold" {
					if err := os.RemoveAll(state); err != nil {
						b.Fatal(err)
					}
				}
				p := startProcess(b, state, 1)
				polls = append(polls, p.polled(b))
				answers = append(answers, p.answered(b, 1))
				p.end(b)
			}
			b.ReportMetric(median(polls).Seconds()*1000, "first-poll-ms")
			b.ReportMetric(median(answers).Seconds()*1000, "first-answer-ms")
		})
	}
}

func median(list []time.Duration) time.Duration {
	slices.Sort(list)
	return list[len(list)/2]
}

// BenchmarkMemory is the resident memory of the process, idle with all modules
// loaded, and after 10,000 commands of 1,250 users.
func BenchmarkMemory(b *testing.B) {
	const users, each = 1250, 8
	for range b.N {
		p := startProcess(b, filepath.Join(b.TempDir(), "state"), users)
		p.answered(b, 1)
		time.Sleep(15 * time.Second) // cold: all modules are compiled, and the garbage is collected
		b.ReportMetric(p.resident(b), "idle-MiB")
		for i := range users {
			c := p.world.Client(firstOfMany+int64(i), firstOfMany+int64(i))
			for range each {
				c.Type("/memory")
			}
		}
		p.answered(b, users*each)
		b.ReportMetric(p.resident(b), "after-10k-MiB")
		p.end(b)
	}
}

// startProcess starts the built program against an emulated Telegram in which
// one command already waits.
func startProcess(b *testing.B, state string, users int) *process {
	b.Helper()
	world := emulator.New(emulator.Options{})
	server := httptest.NewServer(world)
	b.Cleanup(func() { world.Close(); server.Close() })
	in := config.SampleInput{Token: config.Secret(world.Token()), Salt: config.Secret(strings.Repeat("salt", 12))}
	for i := range int64(users) {
		world.AddUser(emulator.User{ID: firstOfMany + i, FirstName: "User"})
		in.UserIDs = append(in.UserIDs, firstOfMany+i)
	}
	world.Client(firstOfMany, firstOfMany).Type("/start")
	text, err := config.Sample(in)
	if err != nil {
		b.Fatal(err)
	}
	text = fmt.Appendf(text, "\ntelegram:\n  api_url: %s\n  flood: {overall: 0, chat: 0, group: 0}\n", server.URL)
	file := filepath.Join(b.TempDir(), "cofferdam.yaml")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		b.Fatal(err)
	}
	p := &process{Cmd: exec.Command(builtBinary(b), "run", "--config", file, "--state-dir", state, "--log-level", "error"), world: world}
	p.Stderr = os.Stderr
	p.began = time.Now()
	if err := p.Start(); err != nil {
		b.Fatal(err)
	}
	return p
}

// builtBinary is what `make build` leaves.
func builtBinary(b *testing.B) string {
	b.Helper()
	path, err := filepath.Abs("../../bin/cofferdam")
	if err != nil {
		b.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		b.Skipf("run `make build` first: %v", err)
	}
	return path
}

func (p *process) polled(b *testing.B) time.Duration { return p.called(b, "getUpdates", 1) }

func (p *process) answered(b *testing.B, n int) time.Duration { return p.called(b, "sendMessage", n) }

func (p *process) called(b *testing.B, method string, n int) time.Duration {
	b.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := p.world.WaitCalls(ctx, method, n); err != nil {
		b.Fatal(err)
	}
	return time.Since(p.began)
}

// resident returns VmRSS in MiB (proc(5)).
func (p *process) resident(b *testing.B) float64 {
	b.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.Process.Pid))
	if err != nil {
		b.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.ParseFloat(strings.Fields(rest)[0], 64)
	if err != nil {
		b.Fatal(err)
	}
	return kib / 1024
}

func (p *process) end(b *testing.B) {
	b.Helper()
	if err := p.Process.Signal(os.Interrupt); err != nil {
		b.Fatal(err)
	}
	if err := p.Wait(); err != nil {
		b.Fatal(err)
	}
}
