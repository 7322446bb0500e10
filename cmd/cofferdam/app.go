package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/modules"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/distribution"
	"github.com/cofferdam-bot/cofferdam/runtime/docker"
	"github.com/cofferdam-bot/cofferdam/runtime/dropin"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/health"
	"github.com/cofferdam-bot/cofferdam/runtime/history"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/metrics"
	"github.com/cofferdam-bot/cofferdam/runtime/notice"
	"github.com/cofferdam-bot/cofferdam/runtime/pipeline"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/runtime/releases"
	"github.com/cofferdam-bot/cofferdam/runtime/schedule"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram"
	"github.com/cofferdam-bot/cofferdam/runtime/telemetry"
	"github.com/cofferdam-bot/cofferdam/runtime/twofactor"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
	"github.com/cofferdam-bot/cofferdam/security/ratelimit"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
	"github.com/cofferdam-bot/cofferdam/security/signature"
)

// Rule A8: what one user may ask, and for how many users that is remembered.
const (
	userUpdates = 8
	userSpan    = 10 * time.Second
	usersAtMost = 10_000
)

// shutdownGrace is how long running commands may go on after a signal.
const shutdownGrace = 10 * time.Second

// options are what the command line decides.
type options struct {
	stateDir string // empty: state in memory
	cacheDir string // of compiled modules; empty: in memory
	log      *zap.Logger
	// config is the file that is read anew at each of hangups.
	config  string
	hangups <-chan os.Signal
	// userLimit and load are there for benchmarks: the figures of the whole
	// bot without A8, and with modules compiled into the host.
	userLimit *ratelimit.Window[int64]
	load      func([]hostcall.Operation) loader
	// dockerFresh is docker.Config.Fresh: what tests look at changes faster than
	// people can see.
	dockerFresh time.Duration
	// now is the clock by which updates, buttons, codes and deletions age; nil:
	// the real one.
	now func() time.Time
	// scrub is the log's, so that it learns secrets that come into being.
	scrub *scrub.Scrubber
	// ready is called when all parts are there; nil: nobody waits for that.
	ready func(*app)
	// insecure are warnings of the config that admins are told too.
	insecure []string
	// webhook lets Telegram bring updates, to socketHost.
	webhook    bool
	socketHost string
	// modules decides which files of the module folder run; nil: there is none.
	modules hostcall.Modules
	// feed asks for releases; nil: a client that trusts what the system does.
	feed *http.Client
}

// loader makes a module runnable.
type loader = func(context.Context, engine.Source) (registry.Runner, error)

// app is every part of the bot. It is built by newApp, from the bottom up, and
// closed in the opposite order.
type app struct {
	cfg  *config.Config
	log  *zap.Logger
	open []func(context.Context) error // what to close, the last first

	store     *store.Store
	docker    *docker.Client
	client    *telegram.Client
	sender    *telegram.Sender
	registry  *registry.Registry
	pipeline  *pipeline.Pipeline
	deletions *schedule.Deletions
	identity  *identity
	met       *met
	audit     *store.AuditLog
	factors   *twofactor.Keeper
	notices   *notice.Notices
	metrics   *telemetry.Metrics
	history   *history.History
	intake    intake
	webhook   *telegram.WebhookServer // nil: the bot polls
	page      *telemetry.Page         // nil: nobody asks for metrics
	health    *health.Check
	feed      *releases.Feed
	folder    hostModules         // nil: modules.dir is not set
	hide      func(string) string // secrets
	known     func([]string)      // hides more of them
	dropins   *dropin.Dropins     // nil: there is no folder of modules
	keys      atomic.Pointer[[]signature.Key]
	// current is the config as it was read last: what a reload changes is in it.
	current  atomic.Pointer[config.Config]
	now      func() time.Time
	insecure []string
}

// newApp builds the bot. Nothing is sent or received yet, but modules begin to
// load.
func newApp(ctx context.Context, cfg *config.Config, o options) (*app, error) {
	a := &app{cfg: cfg, log: o.log, identity: newIdentity(), met: newMet(peopleOf(cfg))}
	if o.now == nil {
		o.now = time.Now
	}
	if o.scrub == nil {
		o.scrub = scrub.New(cfg.Secrets())
	}
	a.now, a.insecure, a.hide, a.known = o.now, o.insecure, o.scrub.String, o.scrub.Configure
	a.current.Store(cfg)
	for _, build := range []func(context.Context, options) error{
		a.openStore, a.openPage, a.openFactors, a.openDocker, a.openTelegram, a.openModules, a.openDropins, a.openPipeline, a.openIntake, a.openHealth, a.openControl,
	} {
		if err := build(ctx, o); err != nil {
			return nil, errors.Join(err, a.close(context.WithoutCancel(ctx)))
		}
	}
	if o.ready != nil {
		o.ready(a)
	}
	return a, nil
}

// closing registers what is to be closed.
func (a *app) closing(f func(context.Context) error) { a.open = append(a.open, f) }

func (a *app) close(ctx context.Context) error {
	var errs []error
	for i := len(a.open) - 1; i >= 0; i-- {
		errs = append(errs, a.open[i](ctx))
	}
	a.open = nil
	return errors.Join(errs...)
}

func (a *app) openStore(_ context.Context, o options) (err error) {
	if o.stateDir == "" {
		a.store, err = store.OpenMemory()
	} else {
		a.store, err = store.Open(o.stateDir)
	}
	if err != nil {
		return err
	}
	a.closing(func(context.Context) error { return a.store.Close() })
	clean := func(text string) string { return foreign.Text(o.scrub.String(text)) }
	if o.stateDir == "" {
		a.audit = store.OpenAuditMemory(store.AuditOptions{Now: o.now, Clean: clean})
	} else {
		a.audit, err = store.OpenAudit(o.stateDir, store.AuditOptions{Now: o.now, Clean: clean})
	}
	if err != nil {
		return err
	}
	a.closing(func(context.Context) error { return a.audit.Close() })
	return nil
}

// openDocker makes the client. An engine that is not there is no reason to
// stop, unless the operator wants it so.
func (a *app) openDocker(ctx context.Context, o options) (err error) {
	a.docker, err = docker.New(docker.Config{Hosts: a.cfg.Docker.Host, Debug: a.cfg.Docker.DebugDockerClient, Fresh: o.dockerFresh}, a.log.Named("docker"))
	if err != nil {
		return exitWith(exitConfig, err)
	}
	a.closing(func(context.Context) error { return a.docker.Close() })
	if !a.cfg.Docker.StrictAccess {
		return nil
	}
	for _, host := range a.docker.Hosts() {
		if err := a.docker.Ping(ctx, host); err != nil {
			return exitWith(exitDocker, fmt.Errorf("docker.strict_access is set, and the engine %s is not there: %s", host, sentence(err)))
		}
	}
	return nil
}

func (a *app) openTelegram(_ context.Context, o options) (err error) {
	a.client, err = telegram.New(telegram.Options{
		Token: string(a.cfg.BotToken.ProdToken), APIURL: a.cfg.Telegram.APIURL, Scrub: o.scrub.String, Observe: a.metrics.TelegramRequest,
	})
	if err != nil {
		return exitWith(exitConfig, err)
	}
	a.closing(func(context.Context) error { a.client.Close(); return nil })
	flood := a.cfg.Telegram.Flood
	a.sender = telegram.NewSender(a.client, telegram.SenderOptions{
		Flood: telegram.Flood{Overall: flood.Overall, Chat: flood.Chat, Group: flood.Group},
		Log:   a.log.Named("telegram"),
	})
	a.closing(a.sender.Close)
	a.deletions = schedule.NewDeletions(a.store, a.sender.Delete, o.now, a.log.Named("schedule"))
	return nil
}

// sources makes what modules can ask of the host.
func (a *app) sources(o options) hostcall.Sources {
	machine := metrics.New(metrics.Config{}, o.now)
	a.history = history.New(history.Config{Machine: machine, Containers: sampled{a.docker}, Store: a.store, Now: o.now, Log: a.log.Named("history")})
	updates := distribution.New(distribution.Config{
		Images: a.docker, DockerConfig: distribution.DockerConfig(), Secret: o.scrub.Learn, Now: o.now, Log: a.log.Named("updates"),
	})
	a.closing(func(context.Context) error { return updates.Close() })
	return hostcall.Sources{
		Docker: a.docker, Images: a.docker, Updates: updates, Metrics: machine, History: a.history,
		Bot: botOf{a}, Health: healthOf{a}, Audit: a.audit, Observe: a.metrics.HostCall,
		HTTP: a.outbound(), KV: a.store.KV(o.now), Notifier: a.openNotifier(o),
		Modules: a.modulesOf(o),
	}
}

func (a *app) openModules(ctx context.Context, o options) error {
	specs, err := builtIn(a.cfg)
	if err != nil {
		return err
	}
	operations := hostcall.Table(a.sources(o))
	runtimes, err := engine.New(engine.Config{CacheDir: o.cacheDir, Shipped: shippedCode(), Operations: operations, Log: a.log.Named("engine")})
	if err != nil {
		return err
	}
	a.closing(runtimes.Close)
	load := func(ctx context.Context, s engine.Source) (registry.Runner, error) {
		m, err := runtimes.Load(ctx, s)
		if err != nil {
			return nil, err // a nil *engine.Module would be a runner
		}
		return m, nil
	}
	if o.load != nil {
		load = o.load(operations)
	}
	a.registry = registry.New(registry.Config{
		Load: load, Username: a.identity.username, Log: a.log.Named("registry"), Own: ownCommands, Version: version(), Commit: commit(), Started: time.Now(),
		Now: o.now, Switched: a.switched, Faulted: a.faulted, Measured: a.measured,
	}, runtime.GOMAXPROCS(0))
	a.metrics.ModulesLoaded(a.registry.Running)
	// Loading ends with the app, not with the call that built it.
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.closing(func(closing context.Context) error { cancel(); return a.registry.Close(closing) })
	for _, spec := range specs {
		switch err := a.registry.Add(ctx, spec); {
		case errors.Is(err, registry.ErrNotGranted):
			a.doWithout(err)
		case err != nil:
			return fmt.Errorf("built-in %w", err)
		}
	}
	return nil
}

// ownCommands are the host's own: what they are about is for no module to see.
var ownCommands = []abi.Command{
	{Name: "qrcode", Description: "Set up your second factor", Who: abi.WhoAdmin},
	{Name: "logout", Description: "End your sessions", Who: abi.WhoAdmin},
}

// doWithout tells of a module that does not run, as an operator may want it.
func (a *app) doWithout(err error) {
	a.log.Warn("a built-in module does not run", zap.String("event", "module.rejected"), zap.Error(err))
}

// builtIn returns the built-in modules as a config lets them run.
func builtIn(cfg *config.Config) ([]registry.Spec, error) {
	files, err := modules.Builtin()
	if err != nil {
		return nil, err
	}
	// core comes first: its commands head the list, and whoever starts the bot
	// sends /start.
	if i := slices.IndexFunc(files, func(f modules.File) bool { return f.Name == "core" }); i > 0 {
		files = slices.Insert(slices.Delete(slices.Clone(files), i, i+1), 0, files[i])
	}
	var specs []registry.Spec
	for _, file := range files {
		if configured(cfg, file.Name) {
			specs = append(specs, specOf(cfg, file))
		}
	}
	return specs, nil
}

// specOf says how a built-in module runs. It is granted what its manifest asks;
// the config can narrow that.
func specOf(cfg *config.Config, file modules.File) registry.Spec {
	return registry.Spec{
		Read: modules.Reader(file.Name), Digest: file.Digest, BuiltIn: true, Limits: limitsOf(cfg.Modules.LimitsFor(file.Name)), Granted: grantedTo(cfg, file.Name),
	}
}

// grantedTo is what the config grants to a module; nil if it says nothing.
func grantedTo(cfg *config.Config, module string) []capability.Request {
	granted, ok := cfg.Modules.Grants[module]
	if !ok {
		return nil
	}
	requests := []capability.Request{}
	for _, g := range granted {
		requests = append(requests, capability.Request{Name: g.Capability, Scope: g.Scope})
	}
	return requests
}

// botOf lets modules ask about the bot once all of it is there.
type botOf struct{ *app }

func (b botOf) Describe(role string) abi.BotInfo { return b.registry.Describe(role) }

func (a *app) openPipeline(_ context.Context, o options) error {
	limit := o.userLimit
	if limit == nil {
		limit = ratelimit.New[int64](userUpdates, userSpan, usersAtMost)
	}
	a.pipeline = pipeline.New(pipeline.Config{
		Journal: a.store, Keyboards: a.store, Delete: a.deletions.Add,
		Modules: a.registry, Sender: a.sender, Access: a.met, Reach: a.met.reach, Decode: telegram.Decode,
		SecondFactor: a.factors, Strangers: strangers{a.store.Table(store.Strikes)}, Audit: a.audit, Notices: a.notices, Counts: a.metrics,
		Writable: a.store.Writable,
		MaxAge:   a.cfg.Telegram.MaxUpdateAge, UserLimit: limit,
		Log: a.log.Named("pipeline"), Now: o.now, Random: rand.Reader, Zone: time.Local,
	})
	a.closing(func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, shutdownGrace)
		defer cancel()
		a.pipeline.Close(ctx)
		return nil
	})
	return a.restoreStrangers()
}

// policy is who may use the bot (A1, A5).
func policy(cfg *config.Config) access.Policy {
	return access.Policy{
		Users: cfg.AccessControl.AllowedUserIDs, Admins: cfg.AccessControl.AllowedAdminsIDs,
		Chats: cfg.AccessControl.AllowedChatIDs, GroupChats: cfg.ChatID.IDs(),
	}
}

// serve takes updates until the context ends. It returns nil then, and an
// error if Telegram refuses the token.
func (a *app) serve(ctx context.Context) error {
	pending, err := a.store.Pending()
	if err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()
	workers.Go(func() { a.deletions.Run(ctx) })
	workers.Go(func() { a.prune(ctx) })
	workers.Go(func() { a.history.Run(ctx) })
	workers.Go(func() { a.introduce(ctx) })
	workers.Go(func() { a.notices.Run(ctx) })
	workers.Go(func() { a.sweep(ctx) })
	workers.Go(func() { a.runByThemselves(ctx) })
	if a.dropins != nil {
		workers.Go(func() { a.dropins.Run(ctx) })
		a.awaitDropins(ctx)
	}
	for _, u := range pending {
		a.pipeline.Resume(u.Received, u.Since, u.Started)
	}
	a.tellInsecure(a.insecure)
	a.log.Info("cofferdam is running", zap.String("event", "app.started"), zap.String("version", version()), zap.Int("resumed", len(pending)))
	err = a.intake.Run(ctx)
	switch {
	case errors.Is(err, telegram.ErrUnauthorized):
		return exitWith(exitUnauthorized, errors.New("the bot token is refused by Telegram: look at bot_token.prod_token, and whether @BotFather gave a new one"))
	case ctx.Err() != nil:
		return nil
	}
	return err
}

// prune drops what expired from the store, once a minute.
func (a *app) prune(ctx context.Context) {
	ticker := time.NewTicker(time.Minute)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-ticker.C:
			if err := a.store.Prune(ctx, now); err != nil && ctx.Err() == nil {
				a.log.Error("the store cannot be cleaned up", zap.String("event", "store.error"), zap.Error(err))
			}
		}
	}
}

// stop ends the bot in order: what runs may end, the rest stays in the journal.
func (a *app) stop() error {
	a.log.Info("stopping", zap.String("event", "app.stopping"))
	ctx, cancel := context.WithTimeout(context.Background(), shutdownGrace+5*time.Second)
	defer cancel()
	// The webhook may still take what is on its way: it is for the next start.
	a.pipeline.Halt()
	err := a.close(ctx)
	a.log.Info("stopped", zap.String("event", "app.stopped"), zap.Error(err))
	return err
}

// cacheIn returns the folder of compiled modules inside a directory, made with
// mode 0700: its files are native code that will be run.
func cacheIn(dir string) (string, error) {
	cache := filepath.Join(dir, "modules")
	if err := os.MkdirAll(cache, 0o700); err != nil {
		return "", fmt.Errorf("cache of compiled modules: %w", err)
	}
	if err := os.Chmod(cache, 0o700); err != nil {
		return "", fmt.Errorf("cache of compiled modules: %w", err)
	}
	return cache, nil
}
