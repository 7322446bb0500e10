package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// runFlags are those of `cofferdam run`.
type runFlags struct {
	config, stateDir, logLevel, logFormat string
	socketHost                            string
	ephemeral, webhook                    bool
}

func runCommand() *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run",
		Short: "Run the bot",
		Long: `Run the bot until SIGINT or SIGTERM. SIGHUP makes it read its config anew: who
may use it, where, and what modules are granted. A config that is wrong is
refused, and nothing changes.

The config is --config, else $COFFERDAM_CONFIG, else ./cofferdam.yaml. State is
kept in --state-dir, else $COFFERDAM_STATE_DIR, else state.dir of the config,
else $XDG_STATE_HOME/cofferdam, else ~/.local/state/cofferdam.

Exit codes: 0 stopped by a signal, 1 failed, 2 wrong usage, 3 config refused,
4 Telegram refused the token, 5 Docker needed (strict_access) and not there.`,
		Example: `  cofferdam run
  cofferdam run --config /etc/cofferdam.yaml --state-dir /var/lib/cofferdam
  cofferdam run --webhook --socket-host 0.0.0.0
  cofferdam run --ephemeral --log-format human --log-level debug`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return runBot(cmd.Context(), f, cmd.ErrOrStderr()) },
	}
	flags := cmd.Flags()
	configFlag(cmd, &f.config)
	flags.StringVar(&f.stateDir, "state-dir", "", "`directory` for state, mode 0700")
	flags.BoolVar(&f.webhook, "webhook", false, "let Telegram bring updates, as webhook_config says, instead of asking for them")
	flags.StringVar(&f.socketHost, "socket-host", "127.0.0.1", "`address` on which the webhook listens, at webhook_config.local_port")
	flags.BoolVar(&f.ephemeral, "ephemeral", false, "keep state in memory; it is lost at the end")
	flags.StringVar(&f.logLevel, "log-level", "", "`level`: debug, info, warn or error (default: the config's)")
	flags.StringVar(&f.logFormat, "log-format", "", "`format`: human or json (default: the config's)")
	return cmd
}

func configFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVar(to, "config", "", "config `file` (default: $COFFERDAM_CONFIG, else cofferdam.yaml)")
	// Both are here to help the shell; neither can fail for a flag that exists.
	_ = cmd.MarkFlagFilename("config", "yaml", "yml")
}

func runBot(ctx context.Context, f runFlags, logs io.Writer) error {
	if err := f.check(); err != nil {
		return exitWith(exitUsage, err)
	}
	hangups := catchHangups()
	path, err := config.Find(f.config, os.Getenv)
	if err != nil {
		return exitWith(exitConfig, err)
	}
	cfg, warnings, err := config.Load(path, config.Options{Further: checkGrants})
	if err != nil {
		return exitWith(exitConfig, err)
	}
	scrubber := scrub.New(cfg.Secrets())
	log := f.logger(cfg, logs, scrubber)
	hook := f.webhook || cfg.Webhook.Enabled
	warn(log, cfg, warnings, hook)
	warnOfZone(log, os.Getenv("TZ"))
	o := options{log: log, scrub: scrubber, config: path, hangups: hangups, insecure: insecureKeys(warnings), webhook: hook, socketHost: f.socketHost}
	if f.ephemeral {
		log.Warn("state is kept in memory and lost at the end", zap.String("event", "config.ephemeral"))
	} else if o.stateDir, o.cacheDir, err = stateDirs(f.stateDir, cfg); err != nil {
		return err
	}
	return serveUntil(ctx, cfg, o)
}

// warn logs what the operator should know about a config that is good enough.
func warn(log *zap.Logger, cfg *config.Config, warnings []config.Warning, webhook bool) {
	for _, w := range warnings {
		event := "config.warning"
		if w.Insecure {
			event = "config.insecure"
		}
		log.Warn(w.String(), zap.String("event", event), zap.String("key", w.Key), zap.Int("line", w.Line))
	}
	for _, u := range unusedKeys(cfg, webhook) {
		log.Warn(u.String(), zap.String("event", "config.unused"), zap.String("key", u.key))
	}
}

// insecureKeys are the warnings that admins are told too.
func insecureKeys(warnings []config.Warning) (texts []string) {
	for _, w := range warnings {
		if w.Insecure {
			texts = append(texts, w.String())
		}
	}
	return texts
}

// serveUntil is a bot's whole life.
func serveUntil(ctx context.Context, cfg *config.Config, o options) error {
	a, err := newApp(ctx, cfg, o)
	if err != nil {
		return err
	}
	// No reload may be under way when the parts are closed.
	reloading, end := context.WithCancel(ctx)
	var reloads sync.WaitGroup
	reloads.Go(func() { onEach(reloading, o.hangups, func(ctx context.Context) { a.reload(ctx, o.config) }) })
	err = a.serve(ctx)
	end()
	reloads.Wait()
	return errors.Join(err, a.stop())
}

func (f runFlags) check() error {
	if !slices.Contains([]string{"", "debug", "info", "warn", "error"}, strings.ToLower(f.logLevel)) {
		return fmt.Errorf("--log-level %q: use debug, info, warn or error", f.logLevel)
	}
	if !slices.Contains([]string{"", "human", "json"}, f.logFormat) {
		return fmt.Errorf("--log-format %q: use human or json", f.logFormat)
	}
	if _, err := netip.ParseAddr(f.socketHost); err != nil && f.socketHost != "localhost" && f.socketHost != "" {
		return fmt.Errorf("--socket-host %q: give the address of one of this machine's interfaces, such as 127.0.0.1, or 0.0.0.0 for all", f.socketHost)
	}
	if f.ephemeral && f.stateDir != "" {
		return errors.New("--ephemeral keeps no state and --state-dir says where to keep it: use one of them")
	}
	return nil
}

func (f runFlags) logger(cfg *config.Config, to io.Writer, scrubber *scrub.Scrubber) *zap.Logger {
	level, format := cfg.Log.Level, cfg.Log.Format
	if f.logLevel != "" {
		level = f.logLevel
	}
	if f.logFormat != "" {
		format = f.logFormat
	}
	return newLogger(to, level, format, scrubber)
}

func loadConfig(flag string, o config.Options) (*config.Config, []config.Warning, error) {
	path, err := config.Find(flag, os.Getenv)
	if err != nil {
		return nil, nil, err
	}
	return config.Load(path, o)
}

// stateDirs returns where state and compiled modules are kept, and makes both
// directories: the second lies inside the first.
func stateDirs(flag string, cfg *config.Config) (state, cache string, err error) {
	state, err = stateDir(flag, cfg)
	if err != nil {
		return "", "", fmt.Errorf("%w; or use --ephemeral", err)
	}
	if err := os.MkdirAll(state, 0o700); err != nil {
		return "", "", fmt.Errorf("the state directory %s cannot be made: %s; "+
			"name another with --state-dir, mount a volume there, or use --ephemeral", state, reason(err))
	}
	// Before anything is put into it.
	if err := checkState(state); err != nil {
		return "", "", err
	}
	cache, err = cacheIn(state)
	return state, cache, err
}

// stateDir returns where state is kept, which need not be there.
func stateDir(flag string, cfg *config.Config) (string, error) {
	home, err := os.UserHomeDir()
	if err != nil {
		home = ""
	}
	return config.StateDir(flag, os.Getenv, cfg, home)
}

// checkState says why a state directory cannot be used, and what to do.
func checkState(dir string) error {
	err := store.Check(dir)
	_, unreachable := errors.AsType[*fs.PathError](err)
	switch {
	case errors.Is(err, store.ErrInUse):
		return fmt.Errorf("%w, %s: stop that one, or give this one another with --state-dir", store.ErrInUse, dir)
	case unreachable:
		return fmt.Errorf("the state directory %s cannot be reached: %s; name another with --state-dir", dir, reason(err))
	case err != nil && !strings.Contains(err.Error(), "--state-dir"):
		return fmt.Errorf("%w (or name another with --state-dir)", err)
	}
	return err
}
