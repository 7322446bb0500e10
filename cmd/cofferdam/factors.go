package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/control"
	"github.com/cofferdam-bot/cofferdam/runtime/notice"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/runtime/twofactor"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
	"github.com/cofferdam-bot/cofferdam/security/totp"
)

// openFactors builds what asks for second factors, and what tells admins.
func (a *app) openFactors(_ context.Context, o options) (err error) {
	if a.factors, err = newFactors(a.cfg, a.store, o.scrub.Learn); err != nil {
		return err
	}
	a.notices = notice.New(notice.Config{
		Send: func(ctx context.Context, to notice.Chat, text string) error {
			_, err := a.sender.Send(ctx, chat.Address{Chat: to.ID, Thread: to.Topic, Group: to.ID < 0}, chat.Message{Text: text})
			return err
		},
		Admins: a.met.admins, Chats: a.met.chats, Table: a.store.Table(store.Notices), Now: o.now, Log: a.log.Named("notice"),
	})
	return nil
}

// newFactors keeps second factors in a store, encrypted with a key from the
// config's salt (B4).
func newFactors(cfg *config.Config, s *store.Store, learn func(string)) (*twofactor.Keeper, error) {
	key, err := totp.DeriveKey(string(cfg.AccessControl.AuthSalt))
	if err != nil {
		return nil, err
	}
	c := twofactor.Config{Table: s.Table(store.SecondFactors), Key: key, Random: rand.Reader, Learn: learn}
	if cfg.AccessControl.TOTP.LegacyDerivation {
		c.Legacy = &totp.Legacy{
			Salt: string(cfg.AccessControl.AuthSalt), ProdToken: string(cfg.BotToken.ProdToken), DevToken: string(cfg.BotToken.DevBotToken),
		}
	}
	return twofactor.New(c), nil
}

// strangers keeps strikes in a table.
type strangers struct{ table *store.Table }

func (s strangers) Remember(id int64, r access.Record) {
	if value, err := json.Marshal(r); err == nil { // times and nothing else
		s.table.PutLater(idKey(id), value, r.Expires())
	}
}

func (s strangers) Forget(id int64) { s.table.DeleteLater(idKey(id)) }

func idKey(id int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(id)) }

// restoreStrangers takes over the strikes from before a restart.
func (a *app) restoreStrangers() error {
	err := a.store.Table(store.Strikes).Each(func(key, value []byte, _ time.Time) error {
		var r access.Record
		if len(key) == 8 && json.Unmarshal(value, &r) == nil {
			a.pipeline.RestoreStranger(int64(binary.BigEndian.Uint64(key)), r)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read the strikes of strangers: %w", err)
	}
	return nil
}

// sweepEvery is how often what expired is looked for. Nothing depends on it:
// what expired does not count, whether it was removed or not.
const sweepEvery = 5 * time.Second

// sweep removes what expired, and tells admins when the state cannot be written.
func (a *app) sweep(ctx context.Context) {
	ticker := time.NewTicker(sweepEvery)
	defer ticker.Stop()
	writable := true
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			a.pipeline.Sweep()
			a.registry.Sweep(ctx)
			a.sweepWebhook()
			if now := a.store.Writable(); now != writable {
				writable = now
				a.tellWritable(now)
			}
		}
	}
}

func (a *app) tellWritable(writable bool) {
	if writable {
		a.log.Warn("the state can be written again", zap.String("event", "store.recovered"))
		a.notices.Tell(notice.AboutState, "writable", 0, "💾 The bot can write its state again. Everything works.")
		return
	}
	a.log.Error("the state cannot be written: is the disk full?", zap.String("event", "store.full"))
	a.notices.Tell(notice.AboutState, "full", 0, "💾 The bot cannot write its state: is the disk full? What changes something is refused until it can; what reads goes on.")
}

// tellInsecure tells admins what is insecure about the config.
func (a *app) tellInsecure(problems []string) {
	for _, problem := range problems {
		a.notices.Tell(notice.AboutConfig, problem, 0, "⚠️ The config is not secure: "+problem)
	}
}

// enrolment is what the command line shows of a new second factor.
type enrolment struct {
	URI     string   `json:"uri"`
	Backups []string `json:"backups"`
}

// The names under which a running bot is asked.
const (
	callEnroll = "totp/enroll"
	callReset  = "totp/reset"
)

// refusedEnrolled is the code of [twofactor.ErrEnrolled] on its way over the
// socket.
const refusedEnrolled = "enrolled"

// openControl lets the command line talk to this bot. In memory there is no
// place where it could be found.
func (a *app) openControl(_ context.Context, o options) error {
	if o.stateDir == "" {
		return nil
	}
	server, err := control.Listen(o.stateDir, a.moduleCalls(control.Handlers{
		callModules: func(ctx context.Context, _ []byte) (any, error) { return a.modules(ctx) },
		callEnroll: func(ctx context.Context, argument []byte) (any, error) {
			user, err := userOf(argument)
			if err != nil {
				return nil, err
			}
			shown, err := enrollFor(ctx, a.factors, a.audit, user, a.now())
			if errors.Is(err, twofactor.ErrEnrolled) {
				err = &control.Refusal{Code: refusedEnrolled, Reason: err.Error()}
			}
			return shown, err
		},
		callReset: func(ctx context.Context, argument []byte) (any, error) {
			user, err := userOf(argument)
			if err != nil {
				return nil, err
			}
			if err := resetFor(ctx, a.factors, a.audit, user); err != nil {
				return nil, err
			}
			a.log.Warn("a second factor was reset at the host", zap.String("event", "totp.reset"), zap.String("user", scrub.ID(user)))
			return true, a.pipeline.Forget(ctx, func(u, _ int64) bool { return u == user })
		},
	}))
	if err != nil {
		return err
	}
	a.closing(server.Close)
	return nil
}

func userOf(argument []byte) (user int64, err error) {
	err = json.Unmarshal(argument, &user)
	return user, err
}

// recorder is the audit log.
type recorder interface {
	Record(context.Context, audit.Entry) error
}

func enrollFor(ctx context.Context, k *twofactor.Keeper, log recorder, user int64, now time.Time) (enrolment, error) {
	if err := log.Record(ctx, audit.Entry{Event: "totp.shown", Actor: "host", Target: scrub.ID(user), Decision: "allow"}); err != nil {
		return enrolment{}, err
	}
	uri, backups, err := k.EnrolAtHost(ctx, twofactor.Person{ID: user}, now)
	return enrolment{URI: uri, Backups: backups}, err
}

func resetFor(ctx context.Context, k *twofactor.Keeper, log recorder, user int64) error {
	if err := log.Record(ctx, audit.Entry{Event: "totp.reset", Actor: "host", Target: scrub.ID(user), Decision: "allow"}); err != nil {
		return err
	}
	return k.Reset(ctx, user)
}

// mustBeAdmin refuses a user for whom a second factor would be of no use.
func mustBeAdmin(cfg *config.Config, user int64) error {
	if slices.Contains(cfg.AccessControl.AllowedAdminsIDs, user) {
		return nil
	}
	return fmt.Errorf("user %d is not in access_control.allowed_admins_ids: only admins have a second factor", user)
}
