package telegram

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
)

const (
	// lookEvery is how often Telegram is asked how the webhook goes.
	lookEvery = 30 * time.Second
	// registerFor is how long Telegram may be away before the bot polls instead.
	registerFor = 30 * time.Second
	// firstRetry is how long the bot polls before the webhook is tried again,
	// twice as long each time it fails anew, lastRetry at most.
	firstRetry = 5 * time.Minute
	lastRetry  = time.Hour
)

// Receiver brings updates in by webhook, and by polling while that does not work
// (C6). At the end the webhook stays, so that Telegram keeps what comes. Its
// fields are set before Run and not changed after it.
type Receiver struct {
	Client *Client
	Server *WebhookServer
	// Poller takes updates in while the webhook does not work.
	Poller *Poller
	// Base is https://host or https://host:port; the secret path follows it.
	Base string
	// Changed is told that the bot polls instead, with the reason (part of it
	// Telegram's words, clean), and that the webhook works again, with an empty
	// one. nil: nobody wants to know.
	Changed func(why string)
	Log     *zap.Logger
	Clock   Clock

	// url is what Telegram was told last.
	url string
	// fell is set from a fallback until the webhook has proved to work again.
	fell bool

	// told guards what State says.
	told   sync.Mutex
	intake Intake
	polls  bool
}

// errWebhookFails is how the webhook's failing is reported by [vigil].
var errWebhookFails = errors.New("telegram reports errors, and nothing comes")

// Run brings updates in until the context ends, and then returns nil. The only
// error that ends it is [ErrUnauthorized].
func (r *Receiver) Run(ctx context.Context) error {
	r.prepare()
	retry := firstRetry
	for ctx.Err() == nil {
		tried := r.Clock.Now()
		err := r.byWebhook(ctx)
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, ErrUnauthorized):
			return fmt.Errorf("receiving updates by webhook: %w", err)
		}
		if r.Server.Taken().After(tried) {
			retry = firstRetry // it worked for a while
		}
		if err := r.byPolling(ctx, err, retry); err != nil {
			return err
		}
		retry = min(2*retry, lastRetry)
	}
	return nil
}

func (r *Receiver) prepare() {
	r.Clock = r.Clock.orReal()
	if r.Log == nil {
		r.Log = zap.NewNop()
	}
	if r.Changed == nil {
		r.Changed = func(string) {}
	}
}

// byWebhook registers the webhook and looks after it until it has failed: the
// error says how.
func (r *Receiver) byWebhook(ctx context.Context) error {
	// An update may come before the answer that the webhook is registered.
	before := r.Server.Taken()
	if err := r.insist(ctx); err != nil {
		return err
	}
	r.Log.Info("Telegram brings updates to the webhook", zap.String("event", "webhook.registered"))
	return r.watch(ctx, before)
}

// insist registers the webhook, and tries again while Telegram is away.
func (r *Receiver) insist(ctx context.Context) error {
	pause, until := backoff{clock: r.Clock}, r.Clock.Now().Add(registerFor)
	registering := newOutage("registering the webhook", r.Log, r.Clock)
	for {
		err := r.register(ctx)
		away := errors.Is(err, ErrUnavailable) || errors.Is(err, ErrTooManyRequests)
		switch {
		case err == nil:
			registering.worked()
			r.reached()
			return nil
		case !away || r.Clock.Now().After(until):
			return err
		}
		registering.failed(eventOf(err), err)
		r.missed(err, false)
		if err := r.Clock.Sleep(ctx, pause.next(retryAfter(err))); err != nil {
			return err
		}
	}
}

// register makes a new pair valid, tells Telegram of it, and lets the old one
// run out (C1).
func (r *Receiver) register(ctx context.Context) error {
	pair, err := r.Server.NextPair()
	if err != nil {
		return err
	}
	hook := Webhook{URL: r.Base + pair.Path(), Secret: pair.Secret()}
	if c := r.Server.Certificate; c != nil && c.SelfSigned() {
		hook.Certificate = c.PEM()
	}
	if err := r.Client.SetWebhook(ctx, hook); err != nil {
		return err
	}
	r.Server.Registered()
	r.url = hook.URL
	return nil
}

// watch rotates the pair, follows changes of the certificate, and asks Telegram
// how the webhook goes. It returns when the webhook has failed. before is when the
// last update was taken before it was registered.
func (r *Receiver) watch(ctx context.Context, before time.Time) error {
	v := r.newVigil(ctx, before)
	certificate := newOutage("reading the webhook's certificate", r.Log, r.Clock)
	for {
		if err := r.Clock.Sleep(ctx, lookEvery); err != nil {
			return err
		}
		renewed := r.reloadCertificate(certificate)
		if err := r.rotate(ctx, renewed); errors.Is(err, ErrUnauthorized) {
			return err
		}
		if err := r.look(ctx, v); err != nil {
			return err
		}
	}
}

func (r *Receiver) newVigil(ctx context.Context, before time.Time) *vigil {
	v := &vigil{patience: webhookPatience, taken: before}
	if r.fell {
		v.patience = trialPatience
	}
	// What Telegram reports at first is about the time before.
	if info, err := r.Client.WebhookInfo(ctx); err == nil {
		v.known = info.LastErrorDate
	}
	return v
}

// reloadCertificate reports whether Telegram must be given another certificate.
func (r *Receiver) reloadCertificate(o *outage) (renewed bool) {
	c := r.Server.Certificate
	if c == nil {
		return false
	}
	changed, err := c.Reload()
	if err != nil {
		o.failed("webhook.certificate_refused", err)
		return false
	}
	o.worked()
	if changed {
		r.Log.Info("the webhook's certificate was read anew", zap.String("event", "webhook.certificate"))
	}
	return changed && c.SelfSigned()
}

// rotate replaces the pair if it is time (C1). If Telegram does not take the new
// one, the old one goes on to be valid, and both are until it does.
func (r *Receiver) rotate(ctx context.Context, renewed bool) error {
	if !renewed && !r.Server.Due() {
		return nil
	}
	if err := r.register(ctx); err != nil {
		if ctx.Err() == nil {
			r.Log.Warn("the webhook's path and secret could not be replaced; those that there are stay valid",
				zap.String("event", "webhook.rotation_failed"), zap.Error(err))
		}
		return err
	}
	r.Log.Info("the webhook has another path and secret", zap.String("event", "webhook.rotated"))
	return nil
}

// look asks Telegram how the webhook goes. Its error is that the webhook has
// failed.
func (r *Receiver) look(ctx context.Context, v *vigil) error {
	info, err := r.Client.WebhookInfo(ctx)
	if err != nil {
		if errors.Is(err, ErrUnauthorized) {
			return err
		}
		return nil // what cannot be asked tells nothing
	}
	r.reached()
	taken := r.Server.Taken()
	if r.fell && !taken.Equal(v.taken) {
		r.fell = false
		r.Log.Info("the webhook works again", zap.String("event", "webhook.restored"))
		r.Changed("")
	}
	if info.URL != r.url {
		// After a call that failed and had its effect it is the next pair's.
		if !r.Server.knows(strings.TrimPrefix(info.URL, r.Base)) {
			r.Log.Warn("somebody removed the webhook or set another one: does a second bot run with this token?",
				zap.String("event", "webhook.displaced"))
		}
		return r.insist(ctx)
	}
	if failed, why := v.look(info, taken, r.Clock.Now()); failed {
		return fmt.Errorf("%w: %s", errWebhookFails, r.Client.wire.veil.hide(why))
	}
	return nil
}

// byPolling tells that the webhook does not work, and why, and polls for a
// while.
func (r *Receiver) byPolling(ctx context.Context, cause error, during time.Duration) error {
	r.Log.Warn("the webhook does not work, so the bot polls", zap.String("event", "webhook.fallback"),
		zap.String("error", cause.Error()), zap.Duration("retry_in", during))
	r.missed(cause, true)
	if !r.fell {
		r.fell = true
		r.Changed(cause.Error())
	}
	// The poller would remove it too, after Telegram refused its first call.
	if _, err := r.Client.DeleteWebhook(ctx); errors.Is(err, ErrUnauthorized) {
		return fmt.Errorf("removing the webhook: %w", err)
	}
	polling, end := context.WithCancel(ctx)
	defer end()
	go func() {
		_ = r.Clock.Sleep(polling, during) // either way it is over
		end()
	}()
	return r.Poller.Run(polling)
}
