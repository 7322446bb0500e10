package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/modules"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/docker"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// Levels of a finding.
const (
	levelOK   = "ok"
	levelWarn = "warn"
	levelFail = "fail"
)

// finding is one line of a check: what was looked at, how it is, and what to
// do about it.
type finding struct {
	Part    string `json:"part"`
	Level   string `json:"level"`
	Message string `json:"message"`
}

func checkCommand() *cobra.Command {
	var path, stateDir string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check",
		Short: "Look whether everything is in place",
		Long: `Look at config, token, Docker, state directory, audit log, webhook and modules,
and say for each whether it is fine and what to do if not. Nothing is changed.

Exit codes: 0 no failure, 1 a failure, 3 config refused, 4 token refused,
5 Docker needed (strict_access) and not there.`,
		Example: `  cofferdam check
  cofferdam check --config /etc/cofferdam.yaml --json`,
		Args: usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			findings, err := checkAll(cmd.Context(), path, stateDir)
			return errors.Join(report(cmd.OutOrStdout(), findings, asJSON), err)
		},
	}
	configFlag(cmd, &path)
	cmd.Flags().StringVar(&stateDir, "state-dir", "", "`directory` for state, as for run")
	cmd.Flags().BoolVar(&asJSON, "json", false, "one JSON object")
	return cmd
}

func report(w io.Writer, findings []finding, asJSON bool) error {
	if asJSON {
		out := json.NewEncoder(w)
		out.SetIndent("", "  ")
		return out.Encode(map[string]any{"findings": findings})
	}
	for _, f := range findings {
		fmt.Fprintf(w, "%-5s %-8s %s\n", f.Level, f.Part, f.Message)
	}
	return nil
}

// checkTime bounds each look at something outside.
const checkTime = 10 * time.Second

// checkAll looks at everything that can be looked at. Its error decides the
// exit code: that of the first failure.
func checkAll(ctx context.Context, path, stateDir string) ([]finding, error) {
	cfg, warnings, err := loadConfig(path, config.Options{LooseModeWarns: true, Further: checkGrants})
	var c checker
	for _, w := range warnings {
		c.add("config", levelWarn, w.String())
	}
	if err != nil {
		c.fail("config", err.Error(), exitConfig)
		return c.findings, c.err
	}
	c.scrubber = scrub.New(cfg.Secrets())
	c.add("config", levelOK, "valid: "+plural(len(cfg.AccessControl.AllowedUserIDs), "user")+", "+plural(len(cfg.AccessControl.AllowedAdminsIDs), "admin"))
	for _, u := range unusedKeys(cfg, true) { // what is to be said of the webhook has a part of its own
		c.add("config", levelWarn, u.String())
	}
	hook := c.telegram(ctx, cfg)
	c.docker(ctx, cfg)
	running := c.state(stateDir, cfg)
	c.webhook(ctx, cfg, hook, running)
	c.modules(cfg)
	c.moduleFolder(ctx, cfg, stateDir, running)
	return c.findings, c.err
}

type checker struct {
	findings []finding
	// scrubber hides shapes of secrets only until the config is known.
	scrubber *scrub.Scrubber
	err      error
}

func (c *checker) add(part, level, message string) {
	c.findings = append(c.findings, finding{part, level, c.scrubber.Secrets(message)})
}

func (c *checker) fail(part, message string, code int) {
	c.add(part, levelFail, message)
	if c.err == nil {
		c.err = exitWith(code, fmt.Errorf("not everything is in place: look at %s", part))
	}
}

// telegram tries the token, and asks what Telegram knows of a webhook.
func (c *checker) telegram(ctx context.Context, cfg *config.Config) (hook told) {
	ctx, cancel := context.WithTimeout(ctx, checkTime)
	defer cancel()
	client, err := telegram.New(telegram.Options{Token: string(cfg.BotToken.ProdToken), APIURL: cfg.Telegram.APIURL, Timeout: checkTime})
	if err != nil {
		c.fail("telegram", err.Error(), exitConfig)
		return told{}
	}
	defer client.Close()
	me, err := client.GetMe(ctx)
	switch {
	case errors.Is(err, telegram.ErrUnauthorized):
		c.fail("telegram", "the token is refused: ask @BotFather for the right one, and put it into bot_token.prod_token", exitUnauthorized)
		return told{}
	case err != nil:
		c.fail("telegram", "the token cannot be tried: "+callFailed(err)+"; is "+cfg.Telegram.APIURL+" reachable from here?", exitFailed)
		return told{}
	}
	c.add("telegram", levelOK, "the token is good: @"+me.Username)
	hook.info, hook.err = client.WebhookInfo(ctx)
	return hook
}

// callFailed is what happened to a call, without the names of the method and
// of its kind.
func callFailed(err error) string {
	if e, ok := errors.AsType[*telegram.Error](err); ok && e.Text != "" {
		return e.Text
	}
	return err.Error()
}

func (c *checker) docker(ctx context.Context, cfg *config.Config) {
	client, err := docker.New(docker.Config{Hosts: cfg.Docker.Host}, zap.NewNop())
	if err != nil {
		c.fail("docker", err.Error(), exitConfig)
		return
	}
	defer client.Close()
	for _, host := range client.Hosts() {
		info, err := client.Info(ctx, host)
		switch {
		case err == nil:
			c.add("docker", levelOK, fmt.Sprintf("%s: engine %s, API %s, %s", host, info.Version, info.APIVersion, plural(info.Containers, "container")))
		case cfg.Docker.StrictAccess:
			c.fail("docker", host+": "+sentence(err), exitDocker)
		default:
			c.add("docker", levelWarn, host+": "+sentence(err)+" The bot runs without it, and finds it when it comes.")
		}
	}
}

// sentence is the plain part of an error of ours.
func sentence(err error) string {
	var told *abi.Error
	if errors.As(err, &told) {
		return told.Message
	}
	return err.Error()
}

// state looks at the state directory, and tells whether a bot uses it.
func (c *checker) state(flag string, cfg *config.Config) (running bool) {
	dir, err := stateDir(flag, cfg)
	if err != nil {
		c.fail("state", err.Error(), exitFailed)
		return false
	}
	err = checkState(dir)
	switch {
	case errors.Is(err, store.ErrInUse):
		running = true
		c.add("state", levelOK, dir+": in use by a running bot")
	case err != nil:
		c.fail("state", err.Error(), exitFailed)
		return false
	default:
		c.add("state", levelOK, dir)
	}
	c.audit(filepath.Join(dir, store.AuditFile))
	return running
}

func (c *checker) modules(cfg *config.Config) {
	files, err := modules.Builtin()
	if err != nil {
		c.fail("modules", err.Error(), exitFailed)
		return
	}
	for _, f := range files {
		if !configured(cfg, f.Name) {
			continue
		}
		manifest, err := abi.ReadManifest(f.Data)
		if err != nil {
			c.fail("modules", f.Name+": "+err.Error(), exitFailed)
			continue
		}
		if _, err := registry.Grant(manifest, grantedTo(cfg, f.Name)); errors.Is(err, registry.ErrNotGranted) {
			c.add("modules", levelWarn, f.Name+" will not run: "+err.Error())
			continue
		}
		c.add("modules", levelOK, fmt.Sprintf("%s %s, built in, sha256 %s", manifest.Name, manifest.Version, f.Digest[:12]))
	}
}

func plural(n int, noun string) string {
	if n != 1 {
		noun += "s"
	}
	return strconv.Itoa(n) + " " + noun
}
