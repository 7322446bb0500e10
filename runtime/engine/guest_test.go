package engine

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap/zapcore"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// What is tested here needs the runtime of a real Go guest: testdata/guest.

// request is the JSON of a command with a text.
func request(t testing.TB, command, text string) string {
	t.Helper()
	encoded, err := json.Marshal(abi.Request{Version: abi.Version, Command: command, Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded)
}

// notice invokes the Go guest and returns what it says.
func notice(t testing.TB, m *Module, command, text string) string {
	t.Helper()
	answer, fault := invoke(t, m, request(t, command, text))
	if fault != nil {
		t.Fatalf("%s: %v\n%s", command, fault, fault.Stack)
	}
	var reply abi.Reply
	if err := json.Unmarshal(answer.Reply, &reply); err != nil || answer.Code != abi.OK {
		t.Fatalf("%s: %v %q, %v", command, answer.Code, answer.Reply, err)
	}
	return reply.Notice
}

func TestGoGuest(t *testing.T) {
	m := loadGo(t, patient())
	t.Run("echoes", func(t *testing.T) {
		for _, text := range []string{"", "hello", strings.Repeat("ü", 10_000)} {
			if got := notice(t, m, "echo", text); got != text {
				t.Errorf("got %d bytes of %d", len(got), len(text))
			}
		}
	})
	t.Run("asks the host", func(t *testing.T) {
		if got := notice(t, m, "memory", ""); got != "7" {
			t.Errorf("got %q", got)
		}
	})
	t.Run("remembers nothing", func(t *testing.T) {
		for _, text := range []string{"my password", "second", "third"} {
			if got := notice(t, m, "count", text); got != text {
				t.Errorf("after %q it remembers %q", text, got)
			}
		}
	})
	t.Run("serves many at once", func(t *testing.T) {
		var all sync.WaitGroup
		for i := range 6 {
			all.Go(func() {
				answer, fault := invoke(t, m, request(t, "count", fmt.Sprint(i)))
				if want := fmt.Sprintf(`{"notice":"%d"}`, i); fault != nil || string(answer.Reply) != want {
					t.Errorf("got %q, %v; want %q", answer.Reply, fault, want)
				}
			})
		}
		all.Wait()
	})
	t.Run("sees nothing of the machine", func(t *testing.T) {
		const constant = 3 // is every process's id, says syscall for wasip1
		if got, want := notice(t, m, "world", ""), fmt.Sprintf("args [] environ [] pid %d", constant); got != want {
			t.Errorf("it sees %s", got)
		}
	})
	t.Run("has a clock of 1 ms", func(t *testing.T) { checkTicks(t, notice(t, m, "ticks", "")) })
	t.Run("throws other dice each time", func(t *testing.T) {
		first, second := notice(t, m, "random", ""), notice(t, m, "random", "")
		if len(first) != 32 || first == second {
			t.Errorf("%s, then %s", first, second)
		}
	})
	t.Run("writes to the log", func(t *testing.T) { checkPrint(t, m) })
	t.Run("answers what it does not know", func(t *testing.T) {
		for _, bad := range []string{request(t, "nothing", ""), "", "{", "null", strings.Repeat("[", 100_000)} {
			if answer, fault := invoke(t, m, bad); fault != nil || answer.Code != abi.Invalid {
				t.Errorf("%.20q: %v, %v", bad, answer.Code, fault)
			}
		}
	})
	t.Run("replies too much", func(t *testing.T) {
		_, fault := invoke(t, m, request(t, "echo", strings.Repeat("x", usualLimits().Reply)))
		if fault == nil || fault.Code != abi.Limit {
			t.Errorf("got %v", fault)
		}
	})
}

func checkTicks(t *testing.T, said string) {
	t.Helper()
	var wall, steady string
	var rest int
	if _, err := fmt.Sscan(said, &wall, &steady, &rest); err != nil {
		t.Fatalf("%q: %v", said, err)
	}
	for _, text := range []string{wall, steady} {
		if step, err := time.ParseDuration(text); err != nil || step < time.Millisecond || step%time.Millisecond != 0 {
			t.Errorf("a step of %s, %v; want whole milliseconds", text, err)
		}
	}
	if rest != 0 {
		t.Errorf("the time has %d ns below a millisecond", rest)
	}
}

func checkPrint(t *testing.T, m *Module) {
	t.Helper()
	c, lines := caller(t)
	if _, fault := invokeAs(t.Context(), t, m, c, request(t, "print", "")); fault != nil {
		t.Fatal(fault)
	}
	var got []string
	for _, e := range lines.All() {
		got = append(got, e.Level.String()+" "+lineOf(e))
	}
	want := []string{"info to stdout", "warn to stderr\uFFFD[31m\uFFFD, no end of line"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestGoGuestBreaks(t *testing.T) {
	limits := patient()
	limits.Timeout = time.Second
	m := loadGo(t, limits)
	t.Run("in a sleep", func(t *testing.T) {
		_, fault := invoke(t, m, request(t, "sleep", ""))
		// A busy machine may come to it only when the guest asks for more sleep.
		if fault == nil || fault.Code != abi.Timeout || !strings.Contains(fault.Reason, "stopped in") {
			t.Errorf("fault %v", fault)
		}
	})
	t.Run("all at once", func(t *testing.T) {
		for _, test := range []struct {
			command, text string
			code          abi.Code
			reason        string
		}{
			{"exit", "0", abi.Internal, "exited with status 0"},
			{"exit", "3", abi.Internal, "exited with status 3"},
			{"sleep", "", abi.Timeout, "deadline"}, // on a busy machine before it sleeps
			{"loop", "", abi.Timeout, "deadline"},
		} {
			t.Run(test.command+test.text, func(t *testing.T) {
				t.Parallel()
				began := time.Now()
				_, fault := invoke(t, m, request(t, test.command, test.text))
				if fault == nil || fault.Code != test.code || !strings.Contains(fault.Reason, test.reason) {
					t.Errorf("fault %v, want %v and %q", fault, test.code, test.reason)
				}
				if took := time.Since(began); took > 2*limits.Timeout+5*time.Second { // once to get a place, once in it
					t.Errorf("it took %v", took)
				}
			})
		}
		t.Run("panic", func(t *testing.T) { t.Parallel(); checkPanic(t, m) })
		// Neither of these ends by itself; under the race detector the deadline
		// may come before the limit.
		for _, command := range []string{"hoard", "recurse"} {
			t.Run(command, func(t *testing.T) {
				t.Parallel()
				answer, fault := invoke(t, m, request(t, command, ""))
				if fault == nil || answer.Used.Memory > uint32(limits.Memory) {
					t.Errorf("used %+v, fault %v", answer.Used, fault)
				}
			})
		}
	})
	if got := notice(t, m, "echo", "still here"); got != "still here" {
		t.Errorf("afterwards: %q", got)
	}
}

// The message of a panic is told, its stack is for DEBUG.
func checkPanic(t *testing.T, m *Module) {
	t.Helper()
	c, lines := caller(t)
	if _, fault := invokeAs(t.Context(), t, m, c, request(t, "panic", "")); fault == nil || fault.Code != abi.Internal {
		t.Errorf("fault %v", fault)
	}
	var told, stack bool
	for _, e := range lines.All() {
		line := lineOf(e)
		told = told || e.Level == zapcore.WarnLevel && strings.Contains(line, "panic: on purpose")
		stack = stack || strings.Contains(line, "main.init")
		if e.Level > zapcore.DebugLevel && (strings.Contains(line, "goroutine") || strings.Contains(line, ".go:")) {
			t.Errorf("%s: %s", e.Level, line)
		}
	}
	if !told || !stack {
		t.Errorf("the message was told: %v; the stack: %v", told, stack)
	}
}

// BenchmarkInvoke measures an invocation of a Go guest, instance included: one
// that answers at once, and one that asks the host before.
func BenchmarkInvoke(b *testing.B) {
	m := loadGo(b, patient())
	c, _ := caller(b)
	for _, command := range []string{"echo", "memory"} {
		b.Run(command, func(b *testing.B) {
			req := []byte(request(b, command, "hello"))
			for b.Loop() {
				if answer, err := m.Invoke(b.Context(), c, req); err != nil || answer.Code != abi.OK {
					b.Fatal(answer.Code, err)
				}
			}
		})
	}
}

// BenchmarkLoadCached measures Load of a 3.5 MB file whose code is in the
// folder, and beside it one that has to compile.
func BenchmarkLoadCached(b *testing.B) {
	loadGo(b, patient())
	for name, dir := range map[string]string{"cached": goCacheDir(), "compiled": ""} {
		b.Run(name, func(b *testing.B) {
			e := newEngine(b, dir, operations(nil))
			for b.Loop() {
				m, err := e.Load(b.Context(), Source{Name: "guest", Wasm: goGuestFile(b), Grant: memoryGrant(b), Limits: patient()})
				if err != nil {
					b.Fatal(err)
				}
				if err := m.Close(b.Context()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
