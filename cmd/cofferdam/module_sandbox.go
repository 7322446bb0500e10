package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/distribution"
	"github.com/cofferdam-bot/cofferdam/runtime/docker"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/metrics"
	"github.com/cofferdam-bot/cofferdam/runtime/transcript"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// sandbox is one module and what it can reach, for `module run`.
type sandbox struct {
	built
	limits engine.Limits
	// asked is what the manifest asks for, and is linked; granted is what calls are
	// held against.
	asked, granted capability.Set
	operations     []hostcall.Operation
	scrub          *scrub.Scrubber
	fixed          engine.Fixed
	confirm        func(capability.Act) bool
	kv             *memoryKV
	closing        []func() error
	onCall         func(hostcall.Exchange)
}

// world makes the sandbox for a request against this machine.
func (r *runOf) world(b built) (*sandbox, error) {
	cfg, err := r.readConfig()
	if err != nil {
		return nil, err
	}
	s := &sandbox{
		built: b, limits: moduleLimits(cfg.Modules, b.manifest), scrub: scrub.New(cfg.Secrets()),
		confirm: func(act capability.Act) bool { return r.yes || r.ask(act) },
	}
	rand.Read(s.fixed.Seed[:])
	if s.asked, err = askedBy(b.manifest); err != nil {
		return nil, err
	}
	if s.granted, err = grantedFor(b.manifest, s.asked, r.grants); err != nil {
		return nil, exitWith(exitUsage, err)
	}
	if s.kv, err = openKV(r.kv); err != nil {
		return nil, err
	}
	sources, err := s.sources(cfg, r)
	if err != nil {
		return nil, errors.Join(err, s.close())
	}
	s.operations = hostcall.Table(sources)
	if r.trace && !r.json {
		s.onCall = func(x hostcall.Exchange) { r.traced(s.scrub, x) }
	}
	return s, nil
}

// defaultEngine is where Docker listens if no config says otherwise.
const defaultEngine = "unix:///var/run/docker.sock"

// readConfig reads the config that --config names, or the one that a bot would take
// here, or else the defaults.
func (r *runOf) readConfig() (*config.Config, error) {
	path, err := config.Find(r.config, os.Getenv)
	if err != nil && r.config == "" {
		return &config.Config{Docker: config.Docker{Host: []string{defaultEngine}}}, nil
	}
	cfg, _, err := config.Load(path, config.Options{})
	if err != nil {
		return nil, exitWith(exitConfig, err)
	}
	return cfg, nil
}

func (s *sandbox) sources(cfg *config.Config, r *runOf) (hostcall.Sources, error) {
	client, err := docker.New(docker.Config{Hosts: cfg.Docker.Host}, zap.NewNop())
	if err != nil {
		return hostcall.Sources{}, exitWith(exitConfig, err)
	}
	updates := distribution.New(distribution.Config{
		Images: client, DockerConfig: distribution.DockerConfig(), Secret: s.scrub.Learn, Now: time.Now, Log: zap.NewNop(),
	})
	s.closing = append(s.closing, client.Close, updates.Close)
	return hostcall.Sources{
		Docker: client, Images: client, Updates: updates, Metrics: metrics.New(metrics.Config{}, time.Now),
		HTTP: outboundFor(func() *config.Config { return cfg }, time.Now),
		KV:   s.kv, Notifier: printedNotices{r}, Audit: printedActs{r},
	}, nil
}

func (s *sandbox) close() error {
	var errs []error
	for _, f := range slices.Backward(s.closing) {
		errs = append(errs, f())
	}
	if s.kv != nil {
		errs = append(errs, s.kv.close())
	}
	return errors.Join(errs...)
}

// grantedFor is what a module may use here: what its manifest asks for, without what
// acts and what a user needs a session for, and what is named besides, in the
// narrower scope of the two.
func grantedFor(manifest abi.Manifest, asked capability.Set, named []string) (capability.Set, error) {
	scopes := map[string][]string{}
	var chosen []capability.Request
	for _, text := range named {
		g, err := config.ParseGrant(text)
		if err != nil {
			return capability.Set{}, fmt.Errorf("--grant %q: %w", text, err)
		}
		if !asked.Has(capability.Name(g.Capability)) {
			return capability.Set{}, fmt.Errorf("--grant %q: the module does not ask for %s", text, g.Capability)
		}
		scopes[g.Capability] = g.Scope
	}
	for _, c := range manifest.Capabilities {
		scope, isNamed := scopes[c.Name]
		need := capability.NeedOf(capability.Name(c.Name))
		switch {
		case isNamed && len(scope) > 0:
			chosen = append(chosen, capability.Request{Name: c.Name, Scope: scope})
		case isNamed || !need.Acts() && !need.Session:
			chosen = append(chosen, capability.Request{Name: c.Name, Scope: c.Scope})
		}
	}
	granted, err := capability.Parse(chosen)
	if err != nil {
		return capability.Set{}, fmt.Errorf("--grant: %w", err)
	}
	return asked.Narrow(granted), nil
}

// ran is one request as it ended.
type ran struct {
	File       string                `json:"file,omitempty"` // the transcript that was replayed
	Transcript transcript.Transcript `json:"transcript"`
	// Denied says of each refused capability why.
	Denied []string `json:"denied,omitempty"`
	// Difference is where a replay is not what was recorded.
	Difference string `json:"difference,omitempty"`
	HostCalls  int    `json:"host_calls"`

	reply    []byte
	replayed bool
}

// run lets the module handle a request, again after each question that was
// confirmed.
func (s *sandbox) run(ctx context.Context, request []byte) (ran, error) {
	var parsed abi.Request
	if err := json.Unmarshal(request, &parsed); err != nil {
		return ran{}, fmt.Errorf("request: %w", err)
	}
	var recorder *transcript.Recorder
	var denied denials
	operations := hostcall.Recorded(s.operations, func(x hostcall.Exchange) {
		if x.Asked {
			return
		}
		recorder.Call(x.Op, x.Request, x.Code, x.Answer, x.Took)
		denied.see(s, x)
		if s.onCall != nil {
			s.onCall(x)
		}
	})
	module, done, err := s.load(ctx, operations)
	if err != nil {
		return ran{}, err
	}
	defer done()
	admin := parsed.Actor.Role == abi.RoleAdmin
	pass := &capability.Pass{Admin: admin, Session: admin, Private: parsed.Chat.Private, Durable: true, Reach: capability.Everywhere}
	for {
		recorder, denied = transcript.NewRecorder(s.scrub, s.manifest.Name, s.digest(), s.fixed.Seed, request), denials{}
		caller := &hostcall.Caller{
			Module: s.manifest.Name, Digest: s.digest(), Grant: s.granted, Actor: parsed.Actor, Pass: pass,
			Log: zap.New(guestLines{LevelEnabler: zapcore.DebugLevel, to: func(level, line string) { recorder.Log(level, line) }}),
		}
		answer, err := module.Invoke(ctx, caller, request)
		if ctx.Err() != nil {
			return ran{}, ctx.Err()
		}
		if caller.Demand != nil {
			if !s.confirm(caller.Demand.Act) {
				return ran{}, errors.New("it was not confirmed, so nothing was done")
			}
			pass.Confirmed = &caller.Demand.Act
			continue
		}
		end := ran{Denied: denied.list, HostCalls: answer.Used.HostCalls, reply: answer.Reply}
		end.Transcript = recorder.End(ended(answer, err))
		return end, nil
	}
}

// ended is how an invocation is written down.
func ended(answer engine.Answer, err error) (code abi.Code, reply []byte, fault string, used transcript.Used) {
	code, reply = answer.Code, answer.Reply
	if err != nil {
		code, fault = abi.Internal, err.Error()
		if f, ok := errors.AsType[*engine.Fault](err); ok {
			code, fault = f.Code, f.Reason
		}
	}
	return code, reply, fault, transcript.Used{Fuel: answer.Used.Fuel, Memory: answer.Used.Memory, TimeUS: answer.Used.Time.Microseconds()}
}

// load makes the module runnable, with everything linked that its manifest asks for:
// what is not granted is denied when it is called.
func (s *sandbox) load(ctx context.Context, operations []hostcall.Operation) (*engine.Module, func(), error) {
	runtimes, err := engine.New(engine.Config{CacheDir: demoCache(), Operations: operations, Fixed: &s.fixed})
	if err != nil {
		return nil, nil, err
	}
	module, err := runtimes.Load(ctx, engine.Source{Name: s.manifest.Name, Wasm: s.wasm, Grant: s.asked, Limits: s.limits})
	if err != nil {
		return nil, nil, errors.Join(err, runtimes.Close(ctx))
	}
	return module, func() {
		ending := context.WithoutCancel(ctx)
		_ = errors.Join(module.Close(ending), runtimes.Close(ending)) // the process ends
	}, nil
}

// replayOne runs a module against a transcript.
func (r *runOf) replayOne(ctx context.Context, b built, path string) (ran, error) {
	t, err := readTranscript(path)
	if err != nil {
		return ran{}, err
	}
	if t.Module != b.manifest.Name {
		return ran{}, fmt.Errorf("%s is a transcript of the module %s, and this is %s", path, t.Module, b.manifest.Name)
	}
	asked, err := askedBy(b.manifest)
	if err != nil {
		return ran{}, err
	}
	replay := transcript.NewReplay(t)
	s := &sandbox{built: b, limits: moduleLimits(config.Modules{}, b.manifest), asked: asked, fixed: engine.Fixed{Start: replay.Start(), Seed: replay.Seed()}}
	recorder := transcript.NewRecorder(nil, b.manifest.Name, s.digest(), replay.Seed(), t.Request)
	operations := hostcall.Replayed(hostcall.Table(hostcall.Sources{}), replay.Call)
	operations = hostcall.Recorded(operations, func(x hostcall.Exchange) {
		recorder.Call(x.Op, x.Request, x.Code, x.Answer, x.Took)
		if r.trace && !r.json {
			r.traced(nil, x)
		}
	})
	module, done, err := s.load(ctx, operations)
	if err != nil {
		return ran{}, err
	}
	defer done()
	caller := &hostcall.Caller{
		Module: b.manifest.Name, Grant: asked, Pass: &capability.Pass{},
		Log: zap.New(guestLines{LevelEnabler: zapcore.DebugLevel, to: recorder.Log}),
	}
	answer, err := module.Invoke(ctx, caller, t.Request)
	if ctx.Err() != nil {
		return ran{}, ctx.Err()
	}
	code, reply, fault, used := ended(answer, err)
	end := ran{File: path, HostCalls: answer.Used.HostCalls, reply: reply, replayed: true}
	end.Transcript = recorder.End(code, reply, fault, used)
	if err := replay.End(code, reply, fault); err != nil {
		end.Difference = err.Error()
	}
	return end, nil
}

// guestLines is a core that keeps what a module says.
type guestLines struct {
	zapcore.LevelEnabler
	to func(level, line string)
}

func (g guestLines) With([]zapcore.Field) zapcore.Core { return g }
func (g guestLines) Sync() error                       { return nil }

func (g guestLines) Check(e zapcore.Entry, checked *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return checked.AddCore(e, g)
}

func (g guestLines) Write(e zapcore.Entry, fields []zapcore.Field) error {
	if i := slices.IndexFunc(fields, func(f zapcore.Field) bool { return f.Key == "line" }); i >= 0 {
		g.to(e.Level.String(), fields[i].String)
	}
	return nil
}
