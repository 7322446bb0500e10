package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/modules/charts"
	"github.com/cofferdam-bot/cofferdam/modules/containers"
	"github.com/cofferdam-bot/cofferdam/modules/core"
	"github.com/cofferdam-bot/cofferdam/modules/devices"
	"github.com/cofferdam-bot/cofferdam/modules/health"
	"github.com/cofferdam-bot/cofferdam/modules/images"
	"github.com/cofferdam-bot/cofferdam/modules/installs"
	"github.com/cofferdam-bot/cofferdam/modules/logs"
	"github.com/cofferdam-bot/cofferdam/modules/manage"
	quickview "github.com/cofferdam-bot/cofferdam/modules/quick"
	runtimeview "github.com/cofferdam-bot/cofferdam/modules/runtime"
	"github.com/cofferdam-bot/cofferdam/modules/server"
	"github.com/cofferdam-bot/cofferdam/modules/updates"

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

// handlers are the built-in modules, compiled into the host.
var handlers = map[string]func() sdk.Module{
	"charts": charts.Module, "containers": containers.Module, "core": core.Module, "devices": devices.Module,
	"health": health.Module, "images": images.Module, "installs": installs.Module, "logs": logs.Module, "manage": manage.Module,
	"quick": quickview.Module, "runtime": runtimeview.Module, "server": server.Module, "updates": updates.Module,
}

// inHost is the options.load of a bot without a sandbox.
func inHost(operations []hostcall.Operation) loader {
	byName := map[string]hostcall.Operation{}
	for _, op := range operations {
		byName[op.Import] = op
	}
	return func(_ context.Context, s engine.Source) (registry.Runner, error) {
		m, ok := handlers[s.Name]
		if !ok {
			return nil, fmt.Errorf("the handlers of %s are not in the tests", s.Name)
		}
		return native{m(), byName}, nil
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

func (h nativeHost) Progress(line string) {
	if h.caller.Pass != nil && h.caller.Pass.Progress != nil {
		h.caller.Pass.Progress(line)
	}
}

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
	for _, view := range []struct{ name, command string }{{"start", "/start"}, {"load", "/load"}, {"memory", "/memory"}, {"quick", "/quick"}} {
		b.Run(view.name, func(b *testing.B) { benchmarkReply(b, view.command) })
	}
	for _, n := range []int{6, 200} {
		b.Run(fmt.Sprintf("containers=%d", n), func(b *testing.B) { benchmarkContainers(b, n) })
	}
}

func benchmarkReply(b *testing.B, command string, changes ...setup) {
	for _, e := range engines {
		b.Run(e.name, func(b *testing.B) {
			bot := startBot(b, append(changes, silent, onDisk, e.use, manyUsers(takingTurns))...)
			bot.person(user, user).says(command) // loads the module
			var took []time.Duration
			for b.Loop() {
				// Not one chat for all: to look for the answer in a thousand
				// messages costs the emulator's client more than the bot.
				who := int64(firstOfMany + len(took)/chatLength%takingTurns)
				p := bot.person(who, who)
				began := time.Now()
				p.says(command)
				took = append(took, time.Since(began))
			}
			reportQuantiles(b, took)
		})
	}
}

// How many take turns in BenchmarkFirstReply, and how long each stays.
const (
	takingTurns = 500
	chatLength  = 20
)

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

// queuedCommands is the burst of BenchmarkQueued.
const queuedCommands = 2000

// BenchmarkQueued is how fast 2,000 commands that wait when the bot starts are
// answered: 20 of each of 100 users, and 8 of each of 250.
func BenchmarkQueued(b *testing.B) {
	for _, users := range []int{100, 250} {
		for _, latency := range []time.Duration{0, 50 * time.Millisecond} {
			for _, e := range engines {
				b.Run(fmt.Sprintf("users=%d/latency=%v/%s", users, latency, e.name), func(b *testing.B) {
					fillCache(b, e.use)
					var replies, seconds float64
					for b.Loop() {
						replies += queuedCommands
						seconds += queued(b, users, latency, e.use).Seconds()
					}
					b.ReportMetric(replies/seconds, "replies/s")
					b.ReportMetric(0, "ns/op") // is mostly preparation
				})
			}
		}
	}
}

// fillCache compiles the modules: a bot with queued commands has them from its
// last run.
func fillCache(b *testing.B, use setup) {
	bot := startBot(b, silent, use)
	bot.person(user, user).says("/memory")
	if err := bot.stop(); err != nil {
		b.Fatal(err)
	}
}

func queued(b *testing.B, users int, latency time.Duration, use setup) time.Duration {
	bot := newBot(b, silent, onDisk, use, manyUsers(users))
	typeMany(bot.world, users, queuedCommands/users)
	bot.world.SetLatency(latency)
	began := time.Now()
	bot.start()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := bot.world.WaitCalls(ctx, "sendMessage", queuedCommands); err != nil {
		b.Fatal(err)
	}
	took := time.Since(began)
	if err := bot.stop(); err != nil {
		b.Fatal(err)
	}
	return took
}

// typeMany lets each of many users type a command several times.
func typeMany(world *emulator.Server, users, each int) {
	for i := range int64(users) {
		client := world.Client(firstOfMany+i, firstOfMany+i)
		for range each {
			client.Type("/memory")
		}
	}
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

// startsPerOp is how often BenchmarkStart starts the bot in one op, so that
// there is a median also where -benchtime is over after the first.
const startsPerOp = 5

// BenchmarkStart is the time from exec to the first getUpdates, and to the
// answer to a command that was waiting: without a state directory, and with
// one in which all modules are compiled.
func BenchmarkStart(b *testing.B) {
	for _, e := range programs {
		b.Run("cold/"+e.name, func(b *testing.B) {
			benchmarkStart(b, e, func() string { return filepath.Join(b.TempDir(), "state") })
		})
		b.Run("warm/"+e.name, func(b *testing.B) {
			state := compiledState(b)
			benchmarkStart(b, e, func() string { return state })
		})
	}
}

func benchmarkStart(b *testing.B, e program, state func() string) {
	var polls, answers []float64
	for b.Loop() {
		for range startsPerOp {
			p := startProcess(b, e, state(), 1)
			polls = append(polls, p.called("getUpdates", 1).Seconds()*1000)
			answers = append(answers, p.called("sendMessage", 1).Seconds()*1000)
			p.end()
		}
	}
	b.ReportMetric(median(polls), "first-poll-ms")
	b.ReportMetric(median(answers), "first-answer-ms")
	b.ReportMetric(0, "ns/op") // is starting and stopping, several times
}

// compiledState is a new state directory in which the program has compiled all
// modules.
func compiledState(b *testing.B) string {
	b.Helper()
	state := filepath.Join(b.TempDir(), "state")
	program, err := builtProgram()
	if err != nil {
		b.Fatal(err)
	}
	compile := exec.Command(program, "module", "compile", "--out", filepath.Join(state, "modules"))
	if text, err := compile.CombinedOutput(); err != nil {
		b.Fatalf("%v: %s", err, text)
	}
	if err := os.Chmod(state, 0o700); err != nil {
		b.Fatal(err)
	}
	return state
}

func median(list []float64) float64 {
	slices.Sort(list)
	return list[len(list)/2]
}

// BenchmarkMemory is the resident memory of the process, idle with all modules
// loaded, and right after 10,000 commands of 1,250 users: as many for each as
// A8 lets through at once.
func BenchmarkMemory(b *testing.B) {
	const users = 1250
	for _, e := range programs {
		b.Run(e.name, func(b *testing.B) {
			var idle, after []float64
			for b.Loop() {
				// One user more, whose command is answered first.
				p := startProcess(b, e, compiledState(b), users+1)
				p.called("sendMessage", 1)
				p.loaded()
				idle = append(idle, p.settled())
				typeMany(p.world, users, userUpdates)
				p.called("sendMessage", 1+users*userUpdates)
				after = append(after, p.resident())
				p.end()
			}
			b.ReportMetric(median(idle), "idle-MiB")
			b.ReportMetric(median(after), "after-10k-MiB")
			b.ReportMetric(0, "ns/op") // is mostly waiting for the memory to settle
		})
	}
}
