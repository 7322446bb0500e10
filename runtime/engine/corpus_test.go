package engine

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// The corpus: one file in testdata/hostile is one crime. Its first paragraph
// says what the module does, the next what is expected, the rest is the module
// in the language of assembleText. It is committed in the real engine, with the
// real table of host functions. Meanwhile another module of the same engine is
// asked all the time and must answer, and afterwards nothing may be left.
//
// What can be expected:
//
//	verdict: refused at scan: SECTION: RULE    Load refuses it, for that reason
//	verdict: refused at load: TEXT             the same, in another place
//	verdict: fault CODE: TEXT                  each invocation ends so
//	verdict: answer CODE                       each ends by itself, with that code
//	verdict: harmless                          each ends by itself, with ok
//	blame: nobody                              a fault that is not the module's
//	reply: TEXT, reply-bytes: N                what it answered
//	shown: TEXT                                the message that is made of the reply; its
//	                                           entities follow as 0+5=bold, its buttons in []
//	not-shown: TEXT                            why no message is made of it
//	log: TEXT                                  a line that it wrote
//	log-lines: N                               how many it wrote at most
//	acted: TEXT                                what was done to which container; "nothing" at least
//	recorded: TEXT                             the reason of a denial in the audit log
//
// How it is done, if not once, by a user, with metrics.memory and the usual
// limits; but what is expected to be stopped at a deadline has one of 200 ms and
// all the fuel there is:
//
//	limits: KEY=VALUE ...    loads: N    times: N    at-once: N    request: TEXT
//	grant: CAPABILITY=SCOPE ...    role: ROLE    pass: WORD ...
//	machine: HOW    docker: HOW    harness: WHAT
func TestHostileCorpus(t *testing.T) {
	files, err := filepath.Glob("testdata/hostile/*/*.txt")
	if err != nil {
		t.Fatal(err)
	}
	groups := map[string]int{}
	w := newCrimeWorld(t)
	if file := os.Getenv(poorProcess); file != "" {
		w.commitWithoutMemory(t, readCrime(t, file))
		return
	}
	for _, file := range files {
		group, name := filepath.Base(filepath.Dir(file)), strings.TrimSuffix(filepath.Base(file), ".txt")
		groups[group]++
		t.Run(group+"/"+name, func(t *testing.T) {
			c := readCrime(t, file)
			// Under the race detector a module takes 20 times as long to compile,
			// and a stack to grow.
			if raceEnabled && c.facts["at-once"]+c.facts["harness"]+c.facts["machine"] == "" {
				t.Log("nothing of it happens at once")
				return
			}
			if c.facts["harness"] == "a machine without memory" {
				commitInAPoorProcess(t, file)
				return
			}
			w.investigate(t, c)
		})
	}
	for _, group := range []string{"decode", "compile", "cpu", "memory", "abi", "output", "authority"} {
		if groups[group] == 0 {
			t.Errorf("there are no crimes of the group %s", group)
		}
	}
}

// crime is a file of the corpus.
type crime struct {
	facts   map[string]string
	verdict string
	wasm    []byte
	limits  Limits
	grant   capability.Set
}

var knownFacts = strings.Fields(`verdict blame reply reply-bytes shown not-shown log log-lines acted recorded
	limits loads times at-once request grant role pass machine docker harness`)

func readCrime(t *testing.T, path string) crime {
	t.Helper()
	file, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(string(file), "\n\n", 3)
	if len(parts) < 3 || !strings.ContainsAny(parts[0][len(parts[0])-1:], ".?") {
		t.Fatalf("%s needs a sentence, what is expected, and a source", path)
	}
	c := crime{facts: map[string]string{}}
	for line := range strings.Lines(parts[1]) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok || !slices.Contains(knownFacts, key) || c.facts[key] != "" {
			t.Fatalf("%s: %q is not understood, or there twice", path, line)
		}
		c.facts[key] = value
	}
	c.verdict, c.limits, c.grant = c.facts["verdict"], patient(), grantOf(t, c.facts["grant"])
	// What ends by itself may take long on a busy machine, and what is stopped
	// must not run out of fuel before.
	if strings.HasPrefix(c.verdict, "fault timeout") || strings.HasPrefix(c.verdict, "refused") {
		c.limits = quick()
		c.limits.Fuel = math.MaxInt64
	}
	setLimits(t, &c.limits, c.facts["limits"])
	if c.wasm, err = assembleText(parts[2]); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return c
}

// number returns a fact that is a number.
func (c crime) number(t *testing.T, fact string, otherwise int) int {
	t.Helper()
	text, ok := c.facts[fact]
	if !ok {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", fact, err)
	}
	return n
}

// text returns a fact that is a text in quotes.
func (c crime) text(t *testing.T, fact string) (string, bool) {
	t.Helper()
	quoted, ok := c.facts[fact]
	if !ok {
		return "", false
	}
	text, err := strconv.Unquote(quoted)
	if err != nil {
		t.Fatalf("%s is no text in quotes: %s", fact, quoted)
	}
	return text, true
}

// setLimits changes limits as a file says.
func setLimits(t *testing.T, l *Limits, text string) {
	t.Helper()
	for _, part := range strings.Fields(text) {
		key, value, _ := strings.Cut(part, "=")
		n, err := strconv.Atoi(value)
		switch key {
		case "memory": // in pages
			l.Memory = int64(n) * pageSize
		case "timeout":
			l.Timeout, err = time.ParseDuration(value)
		case "host-calls":
			l.HostCalls = n
		case "reply":
			l.Reply = n
		case "log":
			l.Log = n
		case "fuel":
			l.Fuel = uint64(n)
		case "concurrency":
			l.Concurrency = n
		default:
			err = errors.New("there is no such limit")
		}
		if err != nil {
			t.Fatalf("limits: %s: %v", part, err)
		}
	}
}

func grantOf(t *testing.T, text string) capability.Set {
	t.Helper()
	if text == "" {
		return memoryGrant(t)
	}
	var requests []capability.Request
	for _, part := range strings.Fields(text) {
		name, scope, scoped := strings.Cut(part, "=")
		r := capability.Request{Name: name}
		if scoped {
			r.Scope = strings.Split(scope, ",")
		}
		requests = append(requests, r)
	}
	set, err := capability.Parse(requests)
	if err != nil {
		t.Fatalf("grant: %v", err)
	}
	return set
}

// outcome is how one invocation ended.
type outcome struct {
	answer Answer
	err    error
	took   time.Duration
	lines  []observer.LoggedEntry
}

// crimeWorld is the engine with a module that does no harm, over a machine and
// a Docker engine that do what a crime needs.
type crimeWorld struct {
	*Engine
	*stage
	good *Module
}

// bystander reads its request, asks the machine and answers.
const bystander = `
	host request_read
	host reply_write
	host metrics_cpu_v1
	data 0 "{}"
	func handle {
		i32.const 16  local.get 0  call request_read  drop
		i32.const 0  i32.const 2  call metrics_cpu_v1  drop
		i32.const 16  local.get 0  call reply_write
	}`

func newCrimeWorld(t *testing.T) *crimeWorld {
	w := &crimeWorld{stage: newStage()}
	w.Engine = newEngine(t, t.TempDir(), hostcall.Table(hostcall.Sources{Metrics: w.stage, Docker: w.stage, Audit: w.stage}))
	wasm, err := assembleText(bystander)
	if err != nil {
		t.Fatal(err)
	}
	limits := usualLimits()
	limits.Timeout = 5 * time.Second
	w.good, err = w.Load(t.Context(), Source{Name: "bystander", Wasm: wasm, Grant: bystanderGrant(t), Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.good.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return w
}

func bystanderGrant(t *testing.T) capability.Set { return grantOf(t, string(capability.MetricsCPU)) }

// investigate commits a crime under watch, and says what does not fit its
// verdict.
func (w *crimeWorld) investigate(t *testing.T, c crime) {
	t.Helper()
	for try := 1; ; try++ {
		w.reset(c.facts["machine"], c.facts["docker"])
		before := takeTrace()
		watched := w.watch(t)
		outcomes, err := w.commit(t, c)
		seen := watched.end()
		c.judge(t, w.stage, outcomes, err)
		if t.Failed() {
			return
		}
		leaves(t, before)
		// A busy machine can hold a thread up for long, but not three times in
		// the same place.
		if complaint := seen.complaint(); complaint == "" || try == 3 {
			if complaint != "" {
				t.Error(complaint)
			}
			return
		}
	}
}

// commit loads the module, invokes it as its file says, and closes it.
func (w *crimeWorld) commit(t *testing.T, c crime) (outcomes []outcome, err error) {
	t.Helper()
	for range c.number(t, "loads", 1) {
		began := time.Now()
		m, failed := w.Load(t.Context(), Source{Name: "hostile", Wasm: c.wasm, Grant: c.grant, Limits: c.limits})
		if took := time.Since(began); took > 20*time.Second {
			t.Errorf("loading took %v", took)
		}
		if err = failed; err != nil {
			continue
		}
		w.again = func(ctx context.Context) error { return w.send(ctx, t, m, c).err }
		for range c.number(t, "times", 1) {
			outcomes = append(outcomes, w.invokeAll(t, m, c)...)
		}
		if err := m.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	}
	return outcomes, err
}

func (w *crimeWorld) invokeAll(t *testing.T, m *Module, c crime) []outcome {
	t.Helper()
	outcomes := make([]outcome, c.number(t, "at-once", 1))
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var after func()
	switch c.facts["harness"] {
	case "", "a machine without memory":
	case "call after close":
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	case "close while it runs":
		after = func() {
			if err := m.Close(context.Background()); err != nil {
				t.Error(err)
			}
		}
	case "give up while it runs":
		after = cancel
	default:
		t.Fatalf("there is no harness %q", c.facts["harness"])
	}
	var running sync.WaitGroup
	for i := range outcomes {
		running.Go(func() { outcomes[i] = w.send(ctx, t, m, c) })
	}
	if after != nil {
		<-w.entered // it has asked the machine
		after()
	}
	running.Wait()
	return outcomes
}

// send invokes the module once.
func (w *crimeWorld) send(ctx context.Context, t *testing.T, m *Module, c crime) outcome {
	request, ok := c.text(t, "request")
	if !ok {
		request = "hello!"
	}
	core, lines := observer.New(zapcore.DebugLevel)
	caller := &hostcall.Caller{
		Module: "hostile", Grant: c.grant, Log: zap.New(core), Trace: "0123456789abcdef",
		Actor: abi.Actor{ID: 1, Role: abi.RoleUser}, Pass: w.pass(c.facts["pass"]),
	}
	if role := c.facts["role"]; role != "" {
		caller.Actor.Role = role
	}
	began := time.Now()
	answer, err := m.Invoke(ctx, caller, []byte(request))
	return outcome{answer, err, time.Since(began), lines.FilterField(zap.String("event", "module.log")).All()}
}
