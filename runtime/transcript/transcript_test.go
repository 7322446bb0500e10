package transcript

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// secret makes one that stands in no source.
func secret() string {
	const letters = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
	var out strings.Builder
	for range 32 {
		out.WriteByte(letters[rand.N(len(letters))])
	}
	return out.String()
}

func encoded(t testing.TB, v any) []byte {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func formatted(t testing.TB, v Transcript) []byte {
	t.Helper()
	text, err := v.Format()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func recorded(t testing.TB) Transcript {
	t.Helper()
	request := encoded(t, abi.Request{Version: 1, Command: "hello", Actor: abi.Actor{ID: 1, Role: abi.RoleUser}, Chat: abi.Chat{ID: 1, Private: true}, Time: 1_767_225_600_000})
	r := NewRecorder(scrub.New(nil), "hello", strings.Repeat("0a", 32), [32]byte{1}, request)
	r.Call(abi.OpMetricsMemory, []byte(`{}`), abi.OK, []byte(`{"total":9007199254740993,"load":0.50}`), 3*time.Millisecond)
	r.Call(abi.OpContainerList, []byte(`{"host":"edge","count":2}`), abi.Unavailable, []byte(`{"code":6,"message":"Docker is away."}`), 0)
	r.Log("info", "one\nline")
	return r.End(abi.OK, []byte(`{"blocks":[{"kind":"text","spans":[{"text":"a"}]}]}`), "", Used{Fuel: 7, Memory: 65536, TimeUS: 9})
}

func TestRoundTrip(t *testing.T) {
	text := formatted(t, recorded(t))
	back, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if again := formatted(t, back); string(again) != string(text) {
		t.Errorf("written again it is\n%s\nand was\n%s", again, text)
	}
	if !strings.Contains(string(text), "9007199254740993") {
		t.Errorf("a large number is not kept:\n%s", text)
	}
	if want := []Line{{"info", "one line"}}; !reflect.DeepEqual(back.Log, want) {
		t.Errorf("log %v", back.Log)
	}
	r := NewReplay(back)
	if r.Start().UnixMilli() != 1_767_225_600_000 || r.Seed() != [32]byte{1} {
		t.Errorf("start %v, seed %v", r.Start(), r.Seed())
	}
}

func TestReplay(t *testing.T) {
	const memory, list = `{}`, `{"count":2,"host":"edge"}`
	reply := `{"keyboard":[],"blocks":[{"spans":[{"style":"","text":"a"}],"kind":"text"}]}`
	type step struct{ op, request string }
	for _, test := range []struct {
		name  string
		steps []step
		code  abi.Code
		reply string
		fault string
		want  string // "": no error
	}{
		{name: "the same, written otherwise", steps: []step{{abi.OpMetricsMemory, `{"host":""}`}, {abi.OpContainerList, list}}, reply: reply},
		{name: "another operation", steps: []step{{abi.OpMetricsCPU, memory}}, reply: reply, want: "call 1: the module calls metrics_cpu_v1, and the transcript has metrics_memory_v1"},
		{name: "another order", steps: []step{{abi.OpContainerList, list}, {abi.OpMetricsMemory, memory}}, reply: reply, want: "call 1"},
		{name: "another request", steps: []step{{abi.OpMetricsMemory, memory}, {abi.OpContainerList, `{"host":"edge","count":3}`}}, reply: reply,
			want: "call 2, docker_container_list_v1: its request differs in count: the transcript has 2, and now it is 3"},
		{name: "no JSON", steps: []step{{abi.OpMetricsMemory, `{`}}, reply: reply, want: "differs"},
		{name: "a call too few", steps: []step{{abi.OpMetricsMemory, memory}}, reply: reply, want: "ended after 1 host calls, and the transcript has 2: docker_container_list_v1 is next"},
		{name: "a call too many", steps: []step{{abi.OpMetricsMemory, memory}, {abi.OpContainerList, list}, {abi.OpMetricsMemory, memory}}, reply: reply, want: "no further call"},
		{name: "another code", steps: []step{{abi.OpMetricsMemory, memory}, {abi.OpContainerList, list}}, code: abi.Invalid, reply: reply, want: "ended with invalid, and the transcript has ok"},
		{name: "another reply", steps: []step{{abi.OpMetricsMemory, memory}, {abi.OpContainerList, list}}, reply: `{"blocks":[{"kind":"text","spans":[{"text":"b"}]}]}`,
			want: `the reply differs in blocks[0].spans[0].text: the transcript has "a", and now it is "b"`},
		{name: "no reply", steps: []step{{abi.OpMetricsMemory, memory}, {abi.OpContainerList, list}}, want: "wrote no reply"},
		{name: "a fault", steps: []step{{abi.OpMetricsMemory, memory}, {abi.OpContainerList, list}}, fault: "it\ntrapped", want: `the fault "it trapped"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := NewReplay(recorded(t))
			for _, s := range test.steps {
				r.Call(s.op, []byte(s.request))
			}
			err := r.End(test.code, []byte(test.reply), test.fault)
			if (err == nil) != (test.want == "") || err != nil && !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	r := NewReplay(recorded(t))
	if code, answer := r.Call(abi.OpMetricsMemory, []byte(memory)); code != abi.OK || string(answer) != `{"load":0.50,"total":9007199254740993}` {
		t.Errorf("got %v %s", code, answer)
	}
	if code, _ := r.Call(abi.OpContainerList, []byte(list)); code != abi.Unavailable {
		t.Errorf("got %v, want what was recorded", code)
	}
}

// TestNothingSecretIsKept puts secrets wherever a module, a container or a server
// can put them.
func TestNothingSecretIsKept(t *testing.T) {
	configured, inBytes, named := secret(), secret(), secret()
	token := fmt.Sprintf("%d:%s", 100_000_000+rand.N(900_000_000), "AA"+secret()+"x")
	s := scrub.New([]string{configured, inBytes})
	request := encoded(t, abi.Request{Version: 1, Command: "hello", Text: "with " + configured,
		Actor: abi.Actor{ID: 123456789, Role: abi.RoleAdmin, Name: "Marieluise"}, Chat: abi.Chat{ID: -1001234567, Private: false}})
	r := NewRecorder(s, "hello", "", [32]byte{}, request)
	body := base64.StdEncoding.EncodeToString([]byte("x-key: " + inBytes + "\n"))
	r.Call(abi.OpContainerInspect, []byte(`{"name":"`+configured+`"}`), abi.OK, encoded(t, map[string]any{
		"labels": []abi.Label{{Name: "DB_PASSWORD", Value: named}, {Name: "url", Value: "https://u:" + named + "@h"}, {Name: "hook", Value: "https://api.telegram.org/bot" + token + "/x"}},
		"body":   body, configured: 1, "owner": 123456789, "said": "by Marieluise in -1001234567", "at": "10.1.2.3",
	}), 0)
	r.Log("error", "it failed: Authorization: Bearer "+named+" "+configured)
	transcript := r.End(abi.OK, []byte("no JSON "+configured), "trap in "+token, Used{})
	text := string(formatted(t, transcript))
	for what, hidden := range map[string]string{
		"a configured secret": configured, "one in bytes": inBytes, "bytes with one": body, "a named one": named, "a bot token": token,
		"a user's id": "123456789", "a chat's id": "1001234567", "a name": "Marieluise", "an address": "10.1.2.3",
	} {
		if strings.Contains(text, hidden) {
			t.Errorf("%s is kept:\n%s", what, text)
		}
	}
	if _, err := Parse([]byte(text)); err != nil {
		t.Errorf("it cannot be read any more: %v", err)
	}
	// A replay with the secrets is still the same conversation.
	replay := NewReplay(transcript)
	if code, _ := replay.Call(abi.OpContainerInspect, []byte(`{"name":"`+configured+`"}`)); code != abi.OK {
		t.Errorf("the same call is refused: %v", replay.End(abi.OK, nil, ""))
	}
}

func TestParseRefuses(t *testing.T) {
	good := string(formatted(t, recorded(t)))
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	for _, test := range []struct{ name, text, want string }{
		{"nothing", "", "no transcript"},
		{"another thing", `[]`, "no transcript"},
		{"two", good + good, "behind the transcript"},
		{"a later version", strings.Replace(good, `"version": 1`, `"version": 2`, 1), "version 2"},
		{"a key too many", strings.Replace(good, `"version": 1`, `"version": 1, "x": 1`, 1), "unknown field"},
		{"an unknown code", strings.Replace(good, `"code": "unavailable"`, `"code": "away"`, 1), "call 2: code"},
		{"a module with a path", strings.Replace(good, `"module": "hello"`, `"module": "../hello"`, 1), "module"},
		{"an operation with a newline", strings.Replace(good, `"op": "metrics_memory_v1"`, `"op": "a\nb"`, 1), "call 1: op"},
		{"a seed that is short", strings.Replace(good, `"seed": "01`, `"seed": "`, 1), "seed"},
		{"a request that is none", strings.Replace(good, `"request": {
    "actor"`, `"request": {"command": 7,
    "actor"`, 1), "request"},
		{"deep", strings.Replace(good, `"answer": {`, `"answer": {"x": `+deep+`,`, 1), "deep"},
		{"a level", strings.Replace(good, `"level": "info"`, `"level": "loud"`, 1), "line 1 of the log"},
		{"no request", strings.Replace(good, `"request": {
        "count": 2,
        "host": "edge"
      },`, "", 1), "call 2: request: it is not there"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.text == good {
				t.Fatal("the test changes nothing")
			}
			if _, err := Parse([]byte(test.text)); err == nil || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	if _, err := Parse(make([]byte, MaxSize+1)); err == nil {
		t.Error("32 MiB and a byte are read")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(formatted(f, recorded(f)))
	f.Add([]byte(`{"version":1,"module":"a","request":{},"calls":[{"op":"a","request":"\"[hidden]","code":"ok"}],"code":"ok","reply":[1e999]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		transcript, err := Parse(data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("an error of two lines: %q", err)
			}
			return
		}
		text, err := transcript.Format()
		if err != nil {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if _, err := Parse(text); err != nil && len(text) < len(data) {
			t.Errorf("what was written cannot be read: %v", err)
		}
		// It is its own replay, unless it hides something by its shape.
		r := NewReplay(transcript)
		for _, c := range transcript.Calls {
			r.Call(c.Op, c.Request)
		}
		code, _ := CodeOf(transcript.Code)
		_ = r.End(code, transcript.Reply, transcript.Fault)
	})
}

func FuzzRecord(f *testing.F) {
	f.Add("value", []byte(`{"a":["b",1.50,{"name":"key","value":"v"}]}`))
	f.Fuzz(func(t *testing.T, text string, payload []byte) {
		hidden := secret()
		r := NewRecorder(scrub.New([]string{hidden}), "m", "", [32]byte{}, []byte(`{}`))
		r.Call("op", payload, abi.OK, encoded(t, map[string]string{"text": text + hidden + text}), 0)
		r.Log("info", text+hidden)
		out, err := r.End(abi.OK, payload, text, Used{}).Format()
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(out), hidden) {
			t.Errorf("a secret is kept: %s", out)
		}
	})
}
