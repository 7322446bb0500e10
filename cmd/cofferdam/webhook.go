package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/notice"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram"
	"github.com/cofferdam-bot/cofferdam/security/webhook"
)

// intake brings updates in until the context ends. Its only error is that
// Telegram refuses the token.
type intake interface{ Run(context.Context) error }

// openIntake makes the way on which updates come: the webhook's listener is open
// when it returns.
func (a *app) openIntake(_ context.Context, o options) error {
	log := a.log.Named("telegram")
	poller := &telegram.Poller{Client: a.client, Deliver: a.pipeline.Deliver, RemoveWebhook: true, Log: log}
	if !o.webhook {
		a.intake = poller
		return nil
	}
	server, err := a.listenWebhook(o)
	if err != nil {
		return err
	}
	log.Info("the webhook listens", zap.String("event", "webhook.listening"), zap.Stringer("address", server.Addr()))
	a.webhook = server
	a.closing(server.Close)
	a.intake = &telegram.Receiver{
		Client: a.client, Server: server, Poller: poller, Base: webhookBase(a.cfg), Changed: a.webhookChanged, Log: log,
	}
	return nil
}

func (a *app) listenWebhook(o options) (*telegram.WebhookServer, error) {
	hook := a.cfg.Webhook
	if hook.URL == "" {
		return nil, exitWith(exitConfig, errors.New("webhook mode needs webhook_config.url, the public host name without https://: write it, or run without --webhook"))
	}
	var certificate *telegram.Certificate
	if hook.Cert != "" {
		var err error
		if certificate, err = telegram.OpenCertificate(hook.Cert, hook.CertKey, a.now); err != nil {
			return nil, exitWith(exitConfig, err)
		}
	}
	table := a.store.Table(store.Bans)
	address := net.JoinHostPort(o.socketHost, strconv.Itoa(hook.LocalPort))
	server, err := telegram.ListenWebhook(telegram.WebhookOptions{
		Address: address, Certificate: certificate,
		Policy:  webhook.Policy{Additional: hook.AdditionalTelegramIPRanges, Proxies: hook.TrustedProxyIPs},
		Deliver: a.pipeline.Offer, Learn: o.scrub.Learn, Observe: a.metrics.WebhookRejected,
		KeepBan: func(b webhook.Ban) { table.PutLater([]byte(b.Host.String()), nil, b.Until) },
		Log:     a.log.Named("telegram"), Now: a.now,
	})
	if err != nil {
		return nil, fmt.Errorf("the webhook cannot listen on %s: %s; name another port with webhook_config.local_port, or another address with --socket-host", address, reason(err))
	}
	err = table.Each(func(key, _ []byte, until time.Time) error {
		if host, err := netip.ParsePrefix(string(key)); err == nil {
			server.RestoreBan(webhook.Ban{Host: host, Until: until})
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("read the webhook's bans: %w", err), server.Close(context.Background()))
	}
	return server, nil
}

// webhookBase is the public address, without the path. Telegram wants no port
// where the scheme says it.
func webhookBase(cfg *config.Config) string {
	base := "https://" + cfg.Webhook.URL
	if port := cfg.Webhook.WebhookPort; port != 443 {
		base += ":" + strconv.Itoa(port)
	}
	return base
}

// webhookChanged tells admins that the webhook failed, with the reason, or works
// again.
func (a *app) webhookChanged(why string) {
	if why == "" {
		a.notices.Tell(notice.AboutWebhook, "works", 0, "🔌 The webhook works again: Telegram brings updates to it.")
		return
	}
	a.notices.Tell(notice.AboutWebhook, "failed", 0, "🔌 The webhook does not work, so the bot asks Telegram for updates instead, and tries the webhook again later. Nothing is lost. On the host, `cofferdam check` says what to look at.\n\n"+why)
}

// sweepWebhook forgets bans that are over.
func (a *app) sweepWebhook() {
	if a.webhook != nil {
		a.webhook.Sweep()
	}
}
