package main

import (
	"context"
	"errors"
	"regexp"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/notice"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// reloaded are the keys of the config that a reload puts into effect. All
// others count from the next start on.
var reloaded = []string{
	"access_control.allowed_user_ids", "access_control.allowed_admins_ids", "access_control.allowed_chat_ids", "access_control.containers",
	"chat_id.global_chat_id", "modules.grants", "modules.limits", "modules.pins", "modules.trusted_keys", "modules.chat_approval",
	"modules.secrets", "plugins_config.outline.api_url", "plugins_config.outline.cert",
}

// reload reads the config file anew, and puts into effect what can change while
// the bot runs: all of it, or nothing if anything is wrong. It is not called
// twice at the same time.
func (a *app) reload(ctx context.Context, path string) {
	cfg, warnings, err := config.Load(path, config.Options{Further: checkGrants})
	if err != nil {
		a.refuse(problemsOf(err))
		return
	}
	specs, err := builtIn(cfg)
	if err != nil {
		a.refuse(linesOf(err))
		return
	}
	keys, err := keysOf(cfg)
	if err != nil {
		a.refuse(linesOf(err))
		return
	}
	a.known(cfg.Secrets()) // before anything can show one
	modules, err := a.registry.Replace(ctx, specs)
	if ctx.Err() != nil && err != nil {
		return // the bot stops
	}
	if err != nil {
		a.refuse(linesOf(err))
		return
	}
	// From here on nothing can go wrong.
	a.current.Store(cfg)
	a.revet(ctx, keys)
	people := a.met.replace(peopleOf(cfg))
	a.follow(ctx, cfg, modules, people)
	warn(a.log, cfg, warnings, a.webhook != nil)
	a.tellInsecure(insecureKeys(warnings))
	for _, err := range modules.Refused {
		a.doWithout(err)
	}
	if keys := restartKeys(a.cfg, cfg); len(keys) > 0 {
		a.log.Warn("these keys of the config differ from those with which the bot was started; they count after a restart",
			zap.String("event", "config.restart_needed"), zap.String("keys", strings.Join(keys, ", ")))
	}
	a.log.Info("the config was read anew", zap.String("event", "config.reloaded"),
		zap.Int("users_added", len(people.Users)), zap.Int("users_removed", len(people.RemovedUsers)),
		zap.Int("admins_added", len(people.Admins)), zap.Int("admins_removed", len(people.RemovedAdmins)),
		zap.Int("chats_removed", len(people.ClosedChats)),
		zap.Int("modules_loaded", len(modules.Loaded)), zap.Int("modules_removed", len(modules.Removed)))
}

// follow does what follows from a change.
func (a *app) follow(ctx context.Context, cfg *config.Config, modules registry.Change, people access.Change) {
	for _, user := range people.Lost() {
		a.forget(ctx, user)
	}
	for _, chat := range people.ClosedChats {
		a.forgetChat(ctx, chat)
	}
	a.met.outdated.add(people.Private...)
	if len(modules.Loaded)+len(modules.Removed) > 0 {
		a.met.outdated.add(everybody)
		a.met.outdated.add(cfg.AccessControl.AllowedUserIDs...)
		debug.FreeOSMemory() // see openModules
	}
}

// forget drops what is kept for a user who was removed from the lists, or is an
// admin no more: sessions, questions, and the tokens of buttons. The lists have
// changed when it is called, so nothing is added for the user afterwards that the
// new lists do not allow.
func (a *app) forget(ctx context.Context, user int64) {
	a.drop(ctx, func(u, _ int64) bool { return u == user })
}

// forgetChat does the same for a chat in which the bot works no more.
func (a *app) forgetChat(ctx context.Context, chat int64) {
	a.drop(ctx, func(_, c int64) bool { return c == chat })
}

func (a *app) drop(ctx context.Context, picks func(user, chat int64) bool) {
	if err := a.pipeline.Forget(ctx, picks); err != nil && ctx.Err() == nil {
		// They lead to nothing as long as the lists stay so.
		a.log.Error("tokens could not be dropped", zap.String("event", "store.error"), zap.Error(err))
	}
}

// refuse tells why the config that was read stays without effect.
func (a *app) refuse(problems []string) {
	a.log.Error("the config is refused, and the one before stays in effect: put it right, and send SIGHUP again",
		zap.String("event", "config.refused"), zap.Int("count", len(problems)), zap.String("problems", strings.Join(problems, "\n")))
	a.notices.Tell(notice.AboutConfig, "refused", 0, configRefusedText)
}

const configRefusedText = "⚠️ A new config was refused, and the one before stays in effect. The bot's log has every problem with its line."

// problemsOf returns what is wrong with a file, a line for each problem.
func problemsOf(err error) []string {
	found, ok := errors.AsType[config.Problems](err)
	if !ok {
		return linesOf(err)
	}
	var lines []string
	for _, p := range found {
		if isAboutIDs(p.Key) {
			p.Message = maskNumbers(p.Message)
			p.Key = maskKey(p.Key)
		}
		lines = append(lines, p.String())
	}
	return lines
}

// linesOf splits the text of joined errors.
func linesOf(err error) []string { return strings.Split(err.Error(), "\n") }

// isAboutIDs reports whether what is said of a key may name ids, which are
// masked in the log (D2).
func isAboutIDs(key string) bool {
	return strings.HasPrefix(key, "access_control.allowed_") || strings.HasPrefix(key, containersPrefix) || strings.HasPrefix(key, "chat_id.")
}

// containersPrefix stands before the ids of users whom the config restricts.
const containersPrefix = "access_control.containers."

// maskKey masks an id that is part of a key, and leaves the position in a list.
func maskKey(key string) string {
	user, ok := strings.CutPrefix(key, containersPrefix)
	if !ok {
		return key
	}
	id, position, _ := strings.Cut(user, "[")
	if position != "" {
		position = "[" + position
	}
	return containersPrefix + maskNumbers(id) + position
}

var number = regexp.MustCompile(`\d+`)

func maskNumbers(text string) string {
	return number.ReplaceAllStringFunc(text, func(digits string) string {
		id, err := strconv.ParseInt(digits, 10, 64)
		if err != nil {
			return "***"
		}
		return scrub.ID(id)
	})
}

// restartKeys returns the keys that differ from those of the start and that a
// reload leaves as they are.
func restartKeys(started, now *config.Config) []string {
	return slices.DeleteFunc(config.Differences(started, now), func(key string) bool { return slices.Contains(reloaded, key) })
}
