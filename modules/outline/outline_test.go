package outline

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
	"github.com/cofferdam-bot/cofferdam/modules/outline/outlinetest"
)

const (
	noon    = 1_767_268_800_000
	maxBody = 256 << 10 // what the host reads of an answer
)

// hostOf asks a server as the host would, or fails with the error for a path.
func hostOf(t *testing.T, s *outlinetest.Server, fails map[string]error) sdk.Host {
	fake := sdk.NewFake()
	sdk.Answer(fake, abi.OpHTTPFetch, func(q abi.FetchRequest) (abi.FetchResponse, error) {
		path, ok := strings.CutPrefix(q.URL, "secret:api_url")
		if !ok || !strings.HasPrefix(path, "/") || q.Method != "" && q.Method != "GET" {
			t.Errorf("%s %s is outside the manifest's scope", q.Method, q.URL)
		}
		if err := fails[path]; err != nil {
			return abi.FetchResponse{}, err
		}
		recorder := httptest.NewRecorder()
		s.ServeHTTP(recorder, httptest.NewRequest("GET", s.Path+path, nil))
		body := recorder.Body.Bytes()
		return abi.FetchResponse{Status: recorder.Code, Body: body[:min(len(body), maxBody)], Cut: len(body) > maxBody}, nil
	})
	return fake.Host()
}

func typing() sdk.Request { return sdk.Request{Command: "outline", Time: noon} }

func tap(action string, args ...string) sdk.Request {
	return sdk.Request{Action: action, Args: sdk.Do("", action, args...).Args, Time: noon}
}

var everyView = []sdk.Request{typing(), tap("keys"), tap("keys", "page", "2"), tap("traffic"), tap("traffic", "page", "9")}

// with is a server that a test spoils.
func with(n int, spoil func(*outlinetest.Server)) *outlinetest.Server {
	s := outlinetest.New(n)
	spoil(s)
	return s
}

func says(path, body string) *outlinetest.Server {
	return with(3, func(s *outlinetest.Server) { s.Says[path] = body })
}

func answers(path string, status int) *outlinetest.Server {
	return with(3, func(s *outlinetest.Server) { s.Status[path] = status })
}

func TestReplies(t *testing.T) {
	away := map[string]error{"/server": sdk.Fail(abi.Unavailable, "The server does not answer.")}
	for _, test := range []struct {
		name  string
		s     *outlinetest.Server
		req   sdk.Request
		fails map[string]error
	}{
		{"server", outlinetest.New(12), typing(), nil},
		{"server-bare", says("/server", `{"serverId":"x"}`), tap("server"), nil},
		{"server-without-the-rest", answers("/access-keys", 500), typing(), map[string]error{"/metrics/transfer": away["/server"]}},
		{"server-limited", says("/server", `{"name":"N","metricsEnabled":true,"portForNewAccessKeys":1.5,"accessKeyDataLimit":{"bytes":5e9}}`), typing(), nil},
		{"server-away", outlinetest.New(0), typing(), away},
		{"server-slow", outlinetest.New(0), typing(), map[string]error{"/server": sdk.Fail(abi.Timeout, "It took too long.")}},
		{"server-refuses", answers("/server", 403), typing(), nil},
		{"server-elsewhere", answers("/server", 404), typing(), nil},
		{"server-moved", answers("/server", 302), typing(), nil},
		{"server-faulty", answers("/server", 500), typing(), nil},
		{"server-odd", answers("/server", 418), typing(), nil},
		{"server-is-another", says("/server", "<html>Hello</html>"), typing(), nil},
		{"keys", outlinetest.New(12), tap("keys"), nil},
		{"keys-second-page", outlinetest.New(12), tap("keys", "page", "2"), nil},
		{"keys-none", outlinetest.New(0), tap("keys"), nil},
		{"keys-bare", says("/access-keys", `{"accessKeys":[{"id":7},{"name":"only a name"},null,[],{}]}`), tap("keys"), nil},
		{"keys-without-traffic", answers("/metrics/transfer", 500), tap("keys"), nil},
		{"keys-away", answers("/access-keys", 401), tap("keys"), nil},
		{"traffic", with(12, func(s *outlinetest.Server) { s.Bytes["77"] = 1 << 30 }), tap("traffic"), nil},
		{"traffic-none", with(2, func(s *outlinetest.Server) { s.Bytes = nil }), tap("traffic"), nil},
		{"traffic-without-names", answers("/access-keys", 500), tap("traffic"), nil},
		{"traffic-away", answers("/metrics/transfer", 404), tap("traffic"), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.name == "traffic-none" {
				test.s.Says["/metrics/transfer"] = `{"bytesTransferredByUserId":{}}`
			}
			reply, err := Module().Handle(hostOf(t, test.s, test.fails), test.req)
			if err != nil {
				t.Fatal(err)
			}
			golden.Check(t, Module(), test.name, reply)
			discreet(t, test.s, reply)
		})
	}
}

// discreet fails for a reply that shows what opens a key or the server.
func discreet(t *testing.T, s *outlinetest.Server, reply sdk.Reply) {
	t.Helper()
	data, err := json.Marshal(reply)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range s.Secrets() {
		if strings.Contains(string(data), secret) {
			t.Errorf("a reply shows %q:\n%s", secret, data)
		}
	}
}

func TestNoViewShowsWhatOpensAKey(t *testing.T) {
	s := outlinetest.New(40)
	host := hostOf(t, s, nil)
	seen := 0
	for page := 1; page <= 5; page++ {
		for _, action := range []string{"server", "keys", "traffic"} {
			reply, err := Module().Handle(host, tap(action, "page", fmt.Sprint(page)))
			if err != nil {
				t.Fatal(err)
			}
			discreet(t, s, reply)
			data, _ := json.Marshal(reply)
			seen += strings.Count(string(data), "Phone ")
		}
	}
	if seen < 2*len(s.Keys) {
		t.Errorf("%d names were seen: the test looks at too little", seen)
	}
}

// TestManyKeys: the host cuts such a list; what is left is shown, and said to be a
// part.
func TestManyKeys(t *testing.T) {
	s := outlinetest.New(10_000)
	host := hostOf(t, s, nil)
	for _, req := range append(everyView, tap("keys", "page", "1000000"), tap("keys", "page", "-1"), tap("keys", "page", "x")) {
		reply, err := Module().Handle(host, req)
		if err != nil {
			t.Fatal(err)
		}
		golden.Fits(t, Module(), reply)
		fits(t, reply)
		data, _ := json.Marshal(reply)
		text := string(data)
		if req.Action != "traffic" && !strings.Contains(text, "more than ") || strings.Contains(text, `"removed `) {
			t.Errorf("%s%s%v: a part is shown as the whole: %.300s", req.Command, req.Action, req.Args, text)
		}
	}
}

// fits fails for a view that is too long for one message.
func fits(t *testing.T, reply sdk.Reply) {
	t.Helper()
	data, err := json.Marshal(reply.Blocks)
	if err != nil {
		t.Fatal(err)
	}
	if units := len(utf16.Encode([]rune(string(data)))); units > 2*4096 { // with all its JSON
		t.Errorf("a view of %d units of JSON", units)
	}
}

// TestHostileServers: whatever a server says, a view is whole or a sentence says
// what to do.
func TestHostileServers(t *testing.T) {
	evil := strings.Repeat("<b>\u202e\n&😀", 60)
	quoted, _ := json.Marshal(evil)
	bodies := []string{
		"", "null", "[]", "{}", "0", `"x"`, "{", "\xff\xfe", strings.Repeat("[", 1000), `{"accessKeys":null,"bytesTransferredByUserId":null}`,
		`{"accessKeys":{"a":1},"bytesTransferredByUserId":[1]}`, `{"accessKeys":[1,"a",null,true,[[]]],"bytesTransferredByUserId":{"0":-5,"1":"7","2":1e300,"3":null,"4":1.5}}`,
		fmt.Sprintf(`{"name":%[1]s,"version":%[1]s,"hostnameForAccessKeys":%[1]s,"createdTimestampMs":1e18,"portForNewAccessKeys":-1,"metricsEnabled":"yes"}`, quoted),
		fmt.Sprintf(`{"accessKeys":[%s]}`, strings.TrimSuffix(strings.Repeat(fmt.Sprintf(`{"id":%[1]s,"name":%[1]s,"method":%[1]s,"port":1e9,"dataLimit":{"bytes":-1}},`, quoted), 30), ",")),
		fmt.Sprintf(`{"bytesTransferredByUserId":{%s:9223372036854775807,"a":9223372036854775807,"b":18446744073709551615,"c":1e25}}`, quoted),
		`{"bytesTransferredByUserId":{"1":1,"1":2}}`,
	}
	for _, body := range bodies {
		s := outlinetest.New(3)
		for _, path := range []string{"/server", "/access-keys", "/metrics/transfer"} {
			s.Says[path] = body
		}
		for _, req := range everyView {
			reply, err := Module().Handle(hostOf(t, s, nil), req)
			if err != nil {
				t.Errorf("%.60q: %v", body, err)
				continue
			}
			golden.Fits(t, Module(), reply)
			fits(t, reply)
			if text := reply.Blocks[0].Spans[0].Text; strings.HasPrefix(text, "🔌") && !strings.HasSuffix(text, ".") {
				t.Errorf("%.60q: %q is no sentence", body, text)
			}
		}
	}
}

// TestDeniedIsTheHosts: what the module may not do is not worded here.
func TestDeniedIsTheHosts(t *testing.T) {
	for path, req := range map[string]sdk.Request{"/server": typing(), "/access-keys": tap("keys"), "/metrics/transfer": tap("traffic")} {
		_, err := Module().Handle(hostOf(t, outlinetest.New(1), map[string]error{path: sdk.Fail(abi.Denied, "No.")}), req)
		if sdk.CodeOf(err) != abi.Denied {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// TestOnlyReads: nothing on the server is changed.
func TestOnlyReads(t *testing.T) {
	s := outlinetest.New(3)
	for _, req := range everyView {
		if _, err := Module().Handle(hostOf(t, s, nil), req); err != nil {
			t.Fatal(err)
		}
	}
	asked := s.Asked()
	slices.Sort(asked)
	if got := slices.Compact(asked); !slices.Equal(got, []string{"GET /access-keys", "GET /metrics/transfer", "GET /server"}) {
		t.Errorf("asked %q", got)
	}
}
