//go:build !wasip1

package c_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf16"
	"unicode/utf8"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/c"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/engine/compiler"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/render"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// machine answers metrics_memory_v1.
type machine struct {
	hostcall.Metrics
	memory abi.MemoryInfo
	err    error
}

func (m *machine) Memory(context.Context) (abi.MemoryInfo, error) { return m.memory, m.err }

// world is a module in the sandbox, over a machine.
type world struct {
	*engine.Module
	*machine
	grant capability.Set
}

var limits = engine.Limits{Memory: 1 << 20, Timeout: 10 * time.Second, HostCalls: 4, Reply: 1 << 20, Log: 1 << 10, Concurrency: 4, Fuel: 100_000_000}

// build builds a module as its author does.
func build(t testing.TB, dir string) []byte {
	t.Helper()
	c.NeedClang(t)
	wasm := filepath.Join(t.TempDir(), "guest.wasm")
	if text, err := exec.Command("go", "run", "../../cmd/cofferdam", "module", "build", dir, "--out", wasm).CombinedOutput(); err != nil {
		t.Fatalf("build %s: %v\n%s", dir, err, text)
	}
	file, err := os.ReadFile(wasm)
	if err != nil {
		t.Fatal(err)
	}
	return file
}

// TestMain lets the test binary be the child that compiles modules.
func TestMain(m *testing.M) {
	compiler.Main()
	os.Exit(m.Run())
}

// load loads a module with what its manifest asks for.
func load(t testing.TB, wasm []byte) world {
	t.Helper()
	manifest, err := abi.ReadManifest(wasm)
	if err != nil {
		t.Fatal(err)
	}
	var requests []capability.Request
	for _, c := range manifest.Capabilities {
		requests = append(requests, capability.Request{Name: c.Name, Scope: c.Scope})
	}
	grant, err := capability.Parse(requests)
	if err != nil {
		t.Fatal(err)
	}
	w := world{machine: &machine{}, grant: grant}
	e, err := engine.New(engine.Config{Operations: hostcall.Table(hostcall.Sources{Metrics: w.machine})})
	if err != nil {
		t.Fatal(err)
	}
	w.Module, err = e.Load(t.Context(), engine.Source{Name: manifest.Name, Wasm: wasm, Grant: grant, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := errors.Join(w.Module.Close(context.Background()), e.Close(context.Background())); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w world) send(t testing.TB, request []byte) engine.Answer {
	t.Helper()
	caller := &hostcall.Caller{Module: "c", Grant: w.grant, Actor: abi.Actor{ID: 1, Role: abi.RoleUser}, Pass: &capability.Pass{Reach: capability.Everywhere}, Log: zap.NewNop()}
	answer, err := w.Invoke(t.Context(), caller, request)
	if err != nil {
		t.Fatalf("%q: %v", request, err)
	}
	return answer
}

// asks sends a request and returns the reply as the host takes it.
func (w world) asks(t testing.TB, request abi.Request) (abi.Code, abi.Reply) {
	t.Helper()
	encoded, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	answer := w.send(t, encoded)
	reply, err := render.Parse(answer.Reply)
	if err != nil {
		t.Fatalf("the host does not take %q: %v", answer.Reply, err)
	}
	return answer.Code, reply
}

func fields(rows ...string) abi.Block {
	b := abi.Block{Kind: abi.BlockFields}
	for _, row := range rows {
		name, value, _ := strings.Cut(row, ": ")
		b.Fields = append(b.Fields, abi.Field{Name: name, Value: []abi.Span{{Text: value}}})
	}
	return b
}

func headroom(args map[string]string, rows ...string) abi.Reply {
	return abi.Reply{
		Blocks:   []abi.Block{{Kind: abi.BlockHeading, Spans: []abi.Span{{Text: "🧠 Headroom"}}}, fields(rows...)},
		Keyboard: [][]abi.Button{{{Label: "🔄 Refresh", Action: "refresh", Args: args}}},
	}
}

func sentence(text string) abi.Reply {
	return abi.Reply{Blocks: []abi.Block{{Kind: abi.BlockText, Spans: []abi.Span{{Text: text}}}}}
}

func TestExample(t *testing.T) {
	wasm := build(t, "example")
	if len(wasm) > 8<<10 {
		t.Errorf("the example is %d bytes long: a few kilobytes are promised", len(wasm))
	}
	w := load(t, wasm)
	memory := []string{"Available: 3.2 GiB", "Total: 7.7 GiB", "Free swap: 512 MiB"}
	hostile := "\x00\"\\\n\u202e<b>[x](http://e.x)👩\u200d👧\U0010ffff"
	for _, test := range []struct {
		name    string
		request abi.Request
		code    abi.Code
		reply   abi.Reply
	}{
		{"typed", abi.Request{Command: "headroom"}, abi.OK, headroom(nil, memory...)},
		{"it fits", abi.Request{Command: "headroom", Text: "2048"}, abi.OK,
			headroom(map[string]string{"mib": "2048"}, append(memory, "Room for 2.0 GiB: yes, 1.2 GiB would be left")...)},
		{"it does not, in a tap", abi.Request{Action: "refresh", Args: map[string]string{"mib": "4096"}}, abi.OK,
			headroom(map[string]string{"mib": "4096"}, append(memory, "Room for 4.0 GiB: no, 819 MiB are missing")...)},
		{"a tap without a number", abi.Request{Action: "refresh", Text: "5"}, abi.OK, headroom(nil, memory...)},
		{"no number", abi.Request{Command: "headroom", Text: hostile}, abi.Invalid, sentence("“" + hostile + "” is no number of MiB. Try /headroom 2048.")},
		{"zero", abi.Request{Command: "headroom", Text: "0"}, abi.Invalid, sentence("“0” is no number of MiB. Try /headroom 2048.")},
		{"a number above all", abi.Request{Command: "headroom", Text: "18446744073709551617"}, abi.Invalid,
			sentence("“18446744073709551617” is no number of MiB. Try /headroom 2048.")},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.memory = abi.MemoryInfo{Total: 8268226560, Available: 3435973837, Swap: abi.Swap{Free: 512 << 20}}
			code, reply := w.asks(t, test.request)
			if code != test.code || !reflect.DeepEqual(reply, test.reply) {
				t.Errorf("got %v %+v, want %v %+v", code, reply, test.code, test.reply)
			}
		})
	}
	w.err = &abi.Error{Code: abi.Unavailable, Message: "The machine does “not” answer."}
	if code, reply := w.asks(t, abi.Request{Command: "headroom"}); code != abi.Unavailable || !reflect.DeepEqual(reply, sentence("The machine does “not” answer.")) {
		t.Errorf("a refused call: %v %+v", code, reply)
	}
}

// Equal sources give equal bytes, and nothing of this machine gets into them.
func TestBuildsAreReproducible(t *testing.T) {
	first := build(t, "example")
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS("example")); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(build(t, copied), first) {
		t.Error("the same sources in another folder give another file")
	}
}

// mirrored is what the module of testdata/mirror says it read.
type mirrored struct {
	Text   string   `json:"text"`
	Inner  string   `json:"inner"`
	Number int64    `json:"number"`
	Size   string   `json:"size"`
	Same   bool     `json:"same"`
	List   []string `json:"list"`
}

func (w world) mirrors(t testing.TB, request string) mirrored {
	t.Helper()
	answer := w.send(t, []byte(request))
	var m mirrored
	if err := json.Unmarshal(answer.Reply, &m); err != nil || answer.Code != abi.OK || !utf8.Valid(answer.Reply) {
		t.Fatalf("%q became %v %q: %v", request, answer.Code, answer.Reply, err)
	}
	return m
}

func TestReading(t *testing.T) {
	w := load(t, build(t, "testdata/mirror"))
	for _, test := range []struct {
		name, request string
		want          mirrored
	}{
		{"nothing", `{}`, mirrored{Number: -1, Same: true}},
		{"no object", `[]`, mirrored{Number: -1, Same: true}},
		{"blanks", " { \"text\" :\t\"a\" ,\r\n \"number\" : 7 } ", mirrored{Text: "a", Number: 7, Size: "7 B"}},
		{"other types", `{"text":7,"number":"7"}`, mirrored{Number: -1}},
		{"null", `{"text":null,"number":null,"outer":null,"list":null}`, mirrored{Number: -1}},
		{"no whole number", `{"number":7.5}`, mirrored{Number: -1, Same: true}},
		{"below zero", `{"number":-9223372036854775808}`, mirrored{Number: -1 << 63, Size: "8.0 EiB", Same: true}},
		{"the greatest", `{"number":9223372036854775807}`, mirrored{Number: 1<<63 - 1, Size: "8.0 EiB", Same: true}},
		{"one above", `{"number":9223372036854775808}`, mirrored{Number: -1, Same: true}},
		{"inside", `{"x":{"text":"not this"},"text":"this","outer":{"inn\u0022er":{"text":"and this"}}}`, mirrored{Text: "this", Inner: "and this", Number: -1}},
		{"in a string", `{"x":"\"text\":\"not this\"}","text":"this","again":"this"}`, mirrored{Text: "this", Number: -1, Same: true}},
		{"a list", `{"list":[1, "a,]" ,{"b":[2,3]},[],null]}`, mirrored{Number: -1, Same: true, List: []string{"1", `"a,]"`, `{"b":[2,3]}`, "[]", "null"}}},
		{"an empty list", `{"list":[ ]}`, mirrored{Number: -1, Same: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.want.Number == -1 {
				test.want.Size = "16.0 EiB"
			}
			if test.want.List == nil {
				test.want.List = []string{}
			}
			if got := w.mirrors(t, test.request); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

// Sizes read as those of Go modules do.
func TestSizesAreWrittenAsBySDK(t *testing.T) {
	w := load(t, build(t, "testdata/mirror"))
	random := rand.New(rand.NewPCG(1, 2))
	sizes := []uint64{0, 1, 1023, 1024, 1100, 1280, 1792, 102348, 102349, 102400, 1023*1024 + 511, 1023*1024 + 512, 5 << 28, 1<<53 - 1}
	for range 500 {
		sizes = append(sizes, random.Uint64()>>(11+random.IntN(53)))
	}
	for _, size := range sizes {
		if got, want := w.mirrors(t, fmt.Sprintf(`{"number":%d}`, size)).Size, sdk.Bytes(size); got != want {
			t.Errorf("%d is written as %q, want %q", size, got, want)
		}
	}
}

// FuzzStrings holds what comes through a module against what Go reads from the
// same JSON: bytes as they are, in escapes, and as Go writes them.
func FuzzStrings(f *testing.F) {
	w := load(f, build(f, "testdata/mirror"))
	for _, seed := range []string{
		"", "plain", "\x00\x01\x1f\x7f", "\"\\/\b\f\n\r\t", "\xff\xfe\xc0\x80\xed\xa0\x80\xf4\x90\x80\x80", "é\u2028ش👩\u200d👧\U0010ffff\ufffd",
		"\u00e9\xc3", "\xe2\x82", "\xf0\x9f\x98", `\ud83d\ude00`, `\ud83d`, `\ude00\ud83d`, `\ud800`, `\udfff`, `\ud83dx`, `\ud83d\u0041`, `\uD83D\uDE00`, `\u00zz`, `\u`, `\u12`, `\q`, `\`, "{}[],:",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 8<<10 {
			return
		}
		marshalled, err := json.Marshal(text)
		if err != nil {
			t.Fatal(err)
		}
		for _, literal := range []string{string(marshalled), escaped(text), `"` + text + `"`} {
			request := `{"a":` + literal + `,"text":` + literal + "}"
			var want string
			if json.Unmarshal([]byte(literal), &want) != nil {
				w.send(t, []byte(request)) // nothing is promised but that it ends
				continue
			}
			if got := w.mirrors(t, request).Text; got != want {
				t.Errorf("%q came through as %q, want %q", request, got, want)
			}
		}
	})
}

// escaped writes every UTF-16 unit of a text as an escape.
func escaped(text string) string {
	var out strings.Builder
	for _, unit := range utf16.Encode([]rune(text)) {
		fmt.Fprintf(&out, `\u%04x`, unit)
	}
	return `"` + out.String() + `"`
}

// FuzzRequest sends what is no request at all: the module ends, and within its
// memory.
func FuzzRequest(f *testing.F) {
	w := load(f, build(f, "testdata/mirror"))
	for _, seed := range []string{
		"", "{", `{"text"`, `{"text":`, `{"text":"`, `{"text":"\`, `{"text":"\u`, `{"list":[`, `{"list":[1`, `{"list":[1,`, `{"list":[,]}`, `{"":"","text":"x"}`,
		strings.Repeat("[", 10_000), strings.Repeat(`{"outer":`, 5_000), "\xff\xff", `{"text":}`, `{"number":-}`, `{"number":--1}`, `}}}`, `{"list":[}]}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, request []byte) {
		if len(request) > 64<<10 {
			return
		}
		if answer := w.send(t, request); answer.Code == abi.OK && !(json.Valid(answer.Reply) && utf8.Valid(answer.Reply)) {
			t.Errorf("%q became %q, which is no JSON in UTF-8", request, answer.Reply)
		}
	})
}
