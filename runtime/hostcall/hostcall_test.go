package hostcall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// spy is a source of everything. It counts the calls that reach it; with an
// err, every call fails.
type spy struct {
	calls []string
	err   error
	// records is the audit log, which full keeps from being written.
	records []audit.Entry
	full    error
}

func (s *spy) met(call string) error {
	s.calls = append(s.calls, call)
	return s.err
}

func (s *spy) Host(context.Context) (abi.HostInfo, error) { return abi.HostInfo{}, s.met("host") }
func (s *spy) CPU(context.Context) (abi.CPUInfo, error)   { return abi.CPUInfo{}, s.met("cpu") }
func (s *spy) Memory(context.Context) (abi.MemoryInfo, error) {
	return abi.MemoryInfo{}, s.met("memory")
}
func (s *spy) Disk(context.Context) (abi.DiskInfo, error) { return abi.DiskInfo{}, s.met("disk") }
func (s *spy) Sensors(context.Context) (abi.SensorInfo, error) {
	return abi.SensorInfo{}, s.met("sensors")
}
func (s *spy) Users(context.Context) (abi.UserInfo, error) { return abi.UserInfo{}, s.met("users") }
func (s *spy) Describe(role string) abi.BotInfo            { s.met("describe " + role); return abi.BotInfo{} }
func (s *spy) Info(context.Context, string) (abi.DockerInfo, error) {
	return abi.DockerInfo{}, s.met("info")
}
func (s *spy) Hosts() []string { _ = s.met("hosts"); return []string{"local", "edge"} }
func (s *spy) Processes(context.Context, abi.ProcessQuery) (abi.ProcessInfo, error) {
	return abi.ProcessInfo{}, s.met("processes")
}

func (s *spy) Logs(_ context.Context, _ abi.LogQuery, keep Keep) (abi.LogPage, error) {
	keep("web", nil)
	return abi.LogPage{}, s.met("logs")
}

func (s *spy) Runtime(_ context.Context, _ abi.ContainerRef, keep Keep) (abi.ContainerRuntime, error) {
	keep("web", nil)
	return abi.ContainerRuntime{}, s.met("runtime")
}

func (s *spy) Env(_ context.Context, _ abi.ContainerRef, keep Keep) (abi.ContainerEnv, error) {
	keep("web", nil)
	return abi.ContainerEnv{}, s.met("env")
}

func (s *spy) Rename(_ context.Context, host, id, to string) (abi.ContainerDone, error) {
	return abi.ContainerDone{}, s.met("rename " + host + " " + id + " " + to)
}

func (s *spy) Images(context.Context, abi.ImageQuery, KeepImage) (abi.ImageList, error) {
	return abi.ImageList{}, s.met("images")
}

func (s *spy) Image(_ context.Context, _ abi.ImageRef, keep KeepImage) (abi.ImageDetails, error) {
	keep([]string{"web:1"})
	return abi.ImageDetails{}, s.met("image")
}

func (s *spy) ImageHistory(_ context.Context, _ abi.ImageRef, keep KeepImage) (abi.ImageHistory, error) {
	keep([]string{"web:1"})
	return abi.ImageHistory{}, s.met("image history")
}

func (s *spy) Updates(context.Context, abi.UpdateQuery, KeepImage) (abi.UpdateReport, error) {
	return abi.UpdateReport{}, s.met("updates")
}

func (s *spy) Machine(context.Context, abi.HistoryQuery) (abi.History, error) {
	return abi.History{}, s.met("history")
}

func (s *spy) Container(_ context.Context, _ abi.ContainerHistoryQuery, keep Keep) (abi.History, error) {
	keep("web", nil)
	return abi.History{}, s.met("container history")
}

func (s *spy) DiskIO(context.Context) (abi.DiskIOInfo, error) {
	return abi.DiskIOInfo{}, s.met("disk io")
}

func (s *spy) Network(context.Context) (abi.NetworkInfo, error) {
	return abi.NetworkInfo{}, s.met("network")
}

func (s *spy) Pressure(context.Context) (abi.PressureInfo, error) {
	return abi.PressureInfo{}, s.met("pressure")
}

func (s *spy) Health(_ context.Context, role string) (abi.BotHealth, error) {
	return abi.BotHealth{}, s.met("health " + role)
}

func (s *spy) Release(context.Context) (abi.BotRelease, error) {
	return abi.BotRelease{}, s.met("release")
}

func (s *spy) List(context.Context, abi.ContainerQuery, Keep) (abi.ContainerList, error) {
	return abi.ContainerList{}, s.met("list")
}

func (s *spy) Inspect(_ context.Context, _ abi.ContainerRef, keep Keep) (abi.ContainerDetails, error) {
	keep("web", nil)
	return abi.ContainerDetails{Container: abi.Container{Name: "web"}}, s.met("inspect")
}

func (s *spy) Stats(_ context.Context, _ abi.ContainerRef, keep Keep) (abi.ContainerStats, error) {
	keep("web", nil)
	return abi.ContainerStats{}, s.met("stats")
}

func (s *spy) Find(_ context.Context, _ abi.ContainerRef, keep Keep) (abi.Container, error) {
	keep("web", nil)
	return abi.Container{ID: strings.Repeat("a", 64), Name: "web"}, s.met("find")
}

func (s *spy) Act(_ context.Context, host, id, act string) (abi.ContainerDone, error) {
	return abi.ContainerDone{Name: "web", State: "running"}, s.met(act + " " + host + " " + id[:4])
}

func (s *spy) Record(_ context.Context, e audit.Entry) error {
	s.records = append(s.records, e)
	return s.full
}

func (s *spy) sources() Sources {
	return Sources{Docker: s, Images: s, Updates: s, Metrics: s, History: s, Bot: s, Health: s, Audit: s}
}

// generic are the operations that make sense of an empty request. The others have
// tests of their own.
func generic(s Sources) []Operation {
	return slices.DeleteFunc(Table(s), func(op Operation) bool {
		switch op.Capability {
		case capability.HTTPFetch, capability.KV, capability.Notify:
			return true
		}
		return capability.BuiltInOnly(op.Capability) || op.Import == abi.OpModulesPending
	})
}

// scopes are those of capabilities that take no "*".
var scopes = map[capability.Name][]string{
	capability.HTTPFetch: {"GET https://example.org/*"}, capability.KV: {"64KiB"}, capability.Schedule: {"5m"},
	capability.Notify: {"admins", "chats", "20/h"}, capability.DockerEvents: {"container.*"},
}

// grantOf grants capabilities, each with the scope "*" if it takes one.
func grantOf(t *testing.T, names ...capability.Name) capability.Set {
	t.Helper()
	var requests []capability.Request
	for _, name := range names {
		r := capability.Request{Name: string(name), Scope: scopes[name]}
		if strings.HasPrefix(r.Name, "docker.containers.") || strings.HasPrefix(r.Name, "docker.images.") {
			r.Scope = []string{"*"}
		}
		if _, err := capability.ParseURLScope(r.Scope); name == capability.HTTPFetch && err != nil {
			continue
		}
		requests = append(requests, r)
	}
	set, err := capability.Parse(requests)
	if err != nil {
		t.Fatal(err)
	}
	return set
}

// everythingBut grants all capabilities but one.
func everythingBut(t *testing.T, left capability.Name) capability.Set {
	t.Helper()
	var names []capability.Name
	for _, name := range capability.Names() {
		if name != left {
			names = append(names, name)
		}
	}
	return grantOf(t, names...)
}

func callerWith(grant capability.Set, role string) (*Caller, *observer.ObservedLogs) {
	core, lines := observer.New(zapcore.DebugLevel)
	log := zap.New(core).With(zap.String("trace_id", "t1"), zap.String("module", "hostile"))
	return &Caller{Module: "hostile", Grant: grant, Actor: abi.Actor{ID: 1, Role: role}, Pass: &capability.Pass{Reach: capability.Everywhere}, Log: log}, lines
}

// entitled gives a caller what an operation demands besides the grant: an admin with a
// live session, who confirmed what would be done to the spy's container.
func entitled(c *Caller, op Operation) *Caller {
	if op.act == nil {
		c.Pass = &capability.Pass{Admin: true, Session: true, Durable: true, Private: true, Reach: capability.Everywhere}
		return c
	}
	c.Pass = &capability.Pass{Admin: true, Session: true, Durable: true, Private: true, Reach: capability.Everywhere, Confirmed: &capability.Act{
		Capability: op.Capability, Host: abi.LocalHost, ID: strings.Repeat("a", 64), Name: "web",
	}}
	return c
}

// operation returns the row of an import.
func operation(t *testing.T, s Sources, name string) Operation {
	t.Helper()
	for _, op := range Table(s) {
		if op.Import == name {
			return op
		}
	}
	t.Fatalf("no operation %s", name)
	return Operation{}
}

// refusal decodes what a module gets for a call that failed, and demands that
// the code in it is the code beside it.
func refusal(t *testing.T, code abi.Code, answer []byte) abi.Error {
	t.Helper()
	var told abi.Error
	if err := json.Unmarshal(answer, &told); err != nil || told.Code != code || code == abi.OK || told.Message == "" {
		t.Fatalf("code %v with %q, %v", code, answer, err)
	}
	return told
}

func mustRefuse(t *testing.T, code abi.Code, answer []byte, want abi.Code) abi.Error {
	t.Helper()
	if code != want {
		t.Fatalf("code %v %q, want %v", code, answer, want)
	}
	return refusal(t, code, answer)
}

func TestEachOperationNeedsItsOwnCapability(t *testing.T) {
	for _, op := range Table((&spy{}).sources()) {
		t.Run(op.Import, func(t *testing.T) {
			for name, grant := range map[string]capability.Set{"nothing": {}, "everything else": everythingBut(t, op.Capability)} {
				source := &spy{}
				c, lines := callerWith(grant, abi.RoleAdmin)
				code, answer := operation(t, source.sources(), op.Import).Call(t.Context(), entitled(c, op), []byte(`{}`))
				mustRefuse(t, code, answer, abi.Denied)
				mustLogDenial(t, lines, op.Capability)
				if len(source.calls) > 0 {
					t.Errorf("granted %s, it reached %v", name, source.calls)
				}
			}
		})
	}
}

// mustLogDenial demands one line, at WARN, that names the event, the
// capability, the module and the update (D1, D4).
func mustLogDenial(t *testing.T, lines *observer.ObservedLogs, name capability.Name) {
	t.Helper()
	all := lines.All()
	if len(all) != 1 {
		t.Fatalf("%d lines, want one", len(all))
	}
	fields := all[0].ContextMap()
	for key, want := range map[string]any{"event": "capability.denied", "capability": string(name), "module": "hostile", "trace_id": "t1", "code": "denied"} {
		if fields[key] != want {
			t.Errorf("%s is %v, want %v", key, fields[key], want)
		}
	}
	if all[0].Level != zapcore.WarnLevel {
		t.Errorf("level %v", all[0].Level)
	}
}

func TestEachOperationNeedsAUser(t *testing.T) {
	for _, op := range generic((&spy{}).sources()) {
		for role, allowed := range map[string]bool{
			abi.RoleUser: true, abi.RoleAdmin: true,
			abi.RoleStranger: false, "": false, "Admin": false, "admin ": false, "root": false,
		} {
			t.Run(op.Import+" "+role, func(t *testing.T) {
				source := &spy{}
				c, lines := callerWith(grantOf(t, capability.Names()...), role)
				code, answer := operation(t, source.sources(), op.Import).Call(t.Context(), entitled(c, op), []byte(`{}`))
				told := 0
				if op.act != nil {
					told = 1 // what was done
				}
				if !allowed {
					mustRefuse(t, code, answer, abi.Denied)
					mustLogDenial(t, lines, op.Capability)
				} else if code != abi.OK || !json.Valid(answer) || lines.Len() != told {
					t.Errorf("code %v %q, %d lines", code, answer, lines.Len())
				}
				if reached := len(source.calls) > 0; reached != allowed {
					t.Errorf("it reached %v", source.calls)
				}
			})
		}
	}
}

func TestZeroValuesDeny(t *testing.T) {
	source := &spy{}
	for _, op := range Table(source.sources()) {
		code, answer := op.Call(t.Context(), &Caller{Log: zap.NewNop()}, []byte(`{}`))
		mustRefuse(t, code, answer, abi.Denied)
	}
	if len(source.calls) > 0 {
		t.Errorf("a caller that is nobody reached %v", source.calls)
	}
}

func TestRequestsThatMakeNoSense(t *testing.T) {
	for _, op := range generic((&spy{}).sources()) {
		for name, request := range map[string]string{
			"empty":            ``,
			"not JSON":         `{`,
			"two values":       `{}{}`,
			"an array":         `[]`,
			"text":             `"web"`,
			"a number":         `1`,
			"NUL behind it":    "{}\x00",
			"too deep":         strings.Repeat(`[`, 20_000),
			"one byte too big": `{"x":"` + strings.Repeat("x", maxRequest+1-len(`{"x":""}`)) + `"}`,
		} {
			t.Run(op.Import+" "+name, func(t *testing.T) {
				source := &spy{}
				c, _ := callerWith(grantOf(t, capability.Names()...), abi.RoleUser)
				code, answer := operation(t, source.sources(), op.Import).Call(t.Context(), entitled(c, op), []byte(request))
				mustRefuse(t, code, answer, abi.Invalid)
				if len(source.calls) > 0 {
					t.Errorf("it reached %v", source.calls)
				}
			})
		}
	}
}

func TestRequestsOfALaterVersion(t *testing.T) {
	biggest := `{"x":"` + strings.Repeat("x", maxRequest-len(`{"x":""}`)) + `"}`
	for _, op := range generic((&spy{}).sources()) {
		for _, request := range []string{`{"host":"","later":{"deep":[1]},"":null}`, " {} ", biggest} {
			c, _ := callerWith(grantOf(t, capability.Names()...), abi.RoleUser)
			if code, answer := op.Call(t.Context(), entitled(c, op), []byte(request)); code != abi.OK {
				t.Errorf("%s %.40s: %v %s", op.Import, request, code, answer)
			}
		}
	}
}

func TestWrongTypesInARequest(t *testing.T) {
	for name, request := range map[string]string{
		abi.OpContainerList:    `{"offset":"0"}`,
		abi.OpContainerInspect: `{"id":7}`,
		abi.OpContainerStats:   `{"id":["web"]}`,
		abi.OpDockerInfo:       `{"host":{}}`,
		abi.OpDockerHosts:      `{"host":[]}`,
		abi.OpMetricsMemory:    `{"host":false}`,
		abi.OpMetricsProcesses: `{"count":1e99}`,
		abi.OpContainerStart:   `{"id":null,"host":1}`,
		abi.OpContainerKill:    `{"id":{"id":"web"}}`,
	} {
		source := &spy{}
		c, _ := callerWith(grantOf(t, capability.Names()...), abi.RoleUser)
		op := operation(t, source.sources(), name)
		code, answer := op.Call(t.Context(), entitled(c, op), []byte(request))
		mustRefuse(t, code, answer, abi.Invalid)
		if len(source.calls) > 0 {
			t.Errorf("%s reached %v", name, source.calls)
		}
	}
}

const (
	general = "Something went wrong inside the bot."
	secret  = "dial tcp 10.0.0.7: password hunter2 refused"
)

func TestErrors(t *testing.T) {
	var nothing *abi.Error
	for _, test := range []struct {
		name    string
		err     error
		code    abi.Code
		message string
	}{
		{"meant for the module", &abi.Error{Code: abi.Conflict, Message: "It runs already."}, abi.Conflict, "It runs already."},
		{"wrapped", fmt.Errorf("start: %w", &abi.Error{Code: abi.NotFound, Message: "It is gone."}), abi.NotFound, "It is gone."},
		{"beside its cause", errors.Join(&abi.Error{Code: abi.Unavailable, Message: "Docker does not answer."}, errors.New(secret)), abi.Unavailable, "Docker does not answer."},
		{"a deadline", context.DeadlineExceeded, abi.Timeout, "That took too long."},
		{"a wrapped deadline", fmt.Errorf("%s: %w", secret, context.DeadlineExceeded), abi.Timeout, "That took too long."},
		{"a sentence for a deadline", errors.Join(context.DeadlineExceeded, &abi.Error{Code: abi.Unavailable, Message: "Docker is slow."}), abi.Unavailable, "Docker is slow."},
		{"anything else", errors.New(secret), abi.Internal, general},
		{"a cancelled call", context.Canceled, abi.Internal, general},
		{"an error that says OK", &abi.Error{Code: abi.OK, Message: secret}, abi.Internal, general},
		{"an error with a code of its own", &abi.Error{Code: 11, Message: secret}, abi.Internal, general},
		{"an error with a negative code", &abi.Error{Code: -1, Message: secret}, abi.Internal, general},
		{"a nil that is an error", nothing, abi.Internal, general},
	} {
		t.Run(test.name, func(t *testing.T) {
			for _, op := range generic((&spy{}).sources()) {
				if op.Import == abi.OpBotModules || op.Import == abi.OpDockerHosts {
					continue // cannot fail
				}
				c, lines := callerWith(grantOf(t, capability.Names()...), abi.RoleUser)
				code, answer := operation(t, (&spy{err: test.err}).sources(), op.Import).Call(t.Context(), entitled(c, op), []byte(`{}`))
				if told := mustRefuse(t, code, answer, test.code); told.Message != test.message {
					t.Errorf("%s told %q, want %q", op.Import, told.Message, test.message)
				}
				mustLogCause(t, lines, op, test.err)
			}
		})
	}
}

// mustLogCause demands that what the module is not told is in the log.
func mustLogCause(t *testing.T, lines *observer.ObservedLogs, op Operation, cause error) {
	t.Helper()
	all := lines.FilterField(zap.String("capability", string(op.Capability))).All()
	if len(all) != 1 || all[0].ContextMap()["event"] != "hostcall.error" {
		t.Fatalf("lines %+v, want one about %s", all, op.Capability)
	}
	if cause != error((*abi.Error)(nil)) && all[0].ContextMap()["error"] != cause.Error() {
		t.Errorf("logged %v, want %v", all[0].ContextMap()["error"], cause)
	}
}

// loud answers with so much, or with such a number.
type loud struct {
	Metrics
	model   string
	percent float64
}

func (l loud) CPU(context.Context) (abi.CPUInfo, error) {
	return abi.CPUInfo{Model: l.model, Percent: l.percent}, nil
}

func TestAnswersThatCannotLeave(t *testing.T) {
	empty, err := json.Marshal(abi.CPUInfo{Model: "x"})
	if err != nil {
		t.Fatal(err)
	}
	room := MaxAnswer - len(empty) + 1
	for _, test := range []struct {
		name   string
		source loud
		want   abi.Code
	}{
		{"as long as allowed", loud{model: strings.Repeat("x", room)}, abi.OK},
		{"one byte longer", loud{model: strings.Repeat("x", room+1)}, abi.Limit},
		{"not a number", loud{percent: math.NaN()}, abi.Internal},
		{"infinite", loud{percent: math.Inf(1)}, abi.Internal},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _ := callerWith(grantOf(t, capability.MetricsCPU), abi.RoleUser)
			code, answer := operation(t, Sources{Metrics: test.source}, abi.OpMetricsCPU).Call(t.Context(), c, []byte(`{}`))
			if code != test.want {
				t.Fatalf("code %v, want %v", code, test.want)
			}
			if code == abi.OK && len(answer) != MaxAnswer {
				t.Errorf("%d bytes", len(answer))
			}
			if code != abi.OK {
				refusal(t, code, answer)
			}
		})
	}
}

func TestMetricsKnowOneMachine(t *testing.T) {
	for _, op := range Table((&spy{}).sources()) {
		if !strings.HasPrefix(op.Import, "metrics_") {
			continue
		}
		for host, want := range map[string]abi.Code{"": abi.OK, abi.LocalHost: abi.OK, "Local": abi.NotFound, "db-1": abi.NotFound, "local\x00": abi.NotFound} {
			source := &spy{}
			c, _ := callerWith(grantOf(t, capability.Names()...), abi.RoleUser)
			request, err := json.Marshal(abi.MetricsQuery{Host: host})
			if err != nil {
				t.Fatal(err)
			}
			code, answer := operation(t, source.sources(), op.Import).Call(t.Context(), c, request)
			if code != want || (len(source.calls) > 0) != (want == abi.OK) {
				t.Errorf("%s of %q: %v %s, reached %v", op.Import, host, code, answer, source.calls)
			}
		}
	}
}

func TestSourcesThatAreNotThere(t *testing.T) {
	for _, op := range generic(Sources{Audit: &spy{}}) {
		c, _ := callerWith(grantOf(t, capability.Names()...), abi.RoleUser)
		code, answer := op.Call(t.Context(), entitled(c, op), []byte(`{"host":"elsewhere"}`))
		mustRefuse(t, code, answer, abi.Unavailable)
	}
}

func TestBotIsDescribedToTheActor(t *testing.T) {
	source := &spy{}
	c, _ := callerWith(grantOf(t, capability.BotModules), abi.RoleUser)
	operation(t, source.sources(), abi.OpBotModules).Call(t.Context(), c, []byte(`{"role":"admin","actor":{"role":"admin"}}`))
	if len(source.calls) != 1 || source.calls[0] != "describe user" {
		t.Errorf("got %v", source.calls)
	}
}

func TestRequestReachesTheSource(t *testing.T) {
	var got []any
	source := recorder{&spy{}, &got}
	grant := grantOf(t, capability.Names()...)
	for _, call := range []struct{ op, request string }{
		{abi.OpContainerList, `{"host":"h","offset":3,"count":4}`},
		{abi.OpContainerInspect, `{"host":"h","id":"web"}`},
		{abi.OpContainerStats, `{"host":"h","id":"db"}`},
		{abi.OpDockerInfo, `{"host":"h"}`},
		{abi.OpMetricsProcesses, `{"by":"memory","count":5}`},
	} {
		c, _ := callerWith(grant, abi.RoleUser)
		operation(t, Sources{Docker: source, Metrics: source}, call.op).Call(t.Context(), c, []byte(call.request))
	}
	want := []any{
		abi.ContainerQuery{Host: "h", Offset: 3, Count: 4}, abi.ContainerRef{Host: "h", ID: "web"},
		abi.ContainerRef{Host: "h", ID: "db"}, "h", abi.ProcessQuery{By: abi.ByMemory, Count: 5},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

// TestHostsAreNamedWithoutAnEngine: the names are there when every engine is
// away, and whatever endpoint the query names.
func TestHostsAreNamedWithoutAnEngine(t *testing.T) {
	source := &spy{err: refuse(abi.Unavailable, "Docker does not answer.")}
	c, _ := callerWith(grantOf(t, capability.DockerInfo), abi.RoleUser)
	code, answer := operation(t, source.sources(), abi.OpDockerHosts).Call(t.Context(), c, []byte(`{"host":"gone"}`))
	if code != abi.OK || string(answer) != `{"names":["local","edge"]}` {
		t.Errorf("%v %s", code, answer)
	}
	if fmt.Sprint(source.calls) != "[hosts]" {
		t.Errorf("it reached %v", source.calls)
	}
}

// recorder remembers what it was asked.
type recorder struct {
	*spy
	seen *[]any
}

func (r recorder) saw(query any) error {
	*r.seen = append(*r.seen, query)
	return errors.New("recorded")
}

func (r recorder) Info(_ context.Context, host string) (abi.DockerInfo, error) {
	return abi.DockerInfo{}, r.saw(host)
}

func (r recorder) List(_ context.Context, q abi.ContainerQuery, _ Keep) (abi.ContainerList, error) {
	return abi.ContainerList{}, r.saw(q)
}

func (r recorder) Inspect(_ context.Context, ref abi.ContainerRef, _ Keep) (abi.ContainerDetails, error) {
	return abi.ContainerDetails{}, r.saw(ref)
}

func (r recorder) Stats(_ context.Context, ref abi.ContainerRef, _ Keep) (abi.ContainerStats, error) {
	return abi.ContainerStats{}, r.saw(ref)
}

func (r recorder) Processes(_ context.Context, q abi.ProcessQuery) (abi.ProcessInfo, error) {
	return abi.ProcessInfo{}, r.saw(q)
}

func TestEndsOfCallsAreTold(t *testing.T) {
	var told []string
	source := &spy{}
	sources := source.sources()
	sources.Observe = func(capability, outcome string) { told = append(told, capability+" "+outcome) }
	for _, op := range Table(sources) {
		c, _ := callerWith(capability.Set{}, abi.RoleAdmin)
		op.Call(t.Context(), c, []byte("{}"))
		if last := told[len(told)-1]; last != string(op.Capability)+" denied" {
			t.Errorf("%s: told %q", op.Import, last)
		}
	}
	told = nil
	c, _ := callerWith(grantOf(t, capability.MetricsMemory), abi.RoleUser)
	op := operation(t, sources, abi.OpMetricsMemory)
	op.Call(t.Context(), c, []byte("{}"))
	source.err = errors.New("broken")
	op.Call(t.Context(), c, []byte("{}"))
	if got := strings.Join(told, ", "); got != "metrics.memory ok, metrics.memory internal" {
		t.Errorf("told %q", got)
	}
}
