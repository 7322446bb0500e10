package telegram

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
)

func TestWhatCannotBeTakenComesBack(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	secret := newToken()
	h := listenHook(t, func(o *WebhookOptions) { o.Log = zap.New(core) })
	client := clientFrom(t, telegramPeer)
	ask := func(want int) {
		t.Helper()
		res, err := client.Do(h.post(update(1)))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		if res.StatusCode != want || (res.Header.Get("Retry-After") != "") != (want >= 429) || res.ContentLength != 0 {
			t.Errorf("got %d with %v, want %d", res.StatusCode, res.Header, want)
		}
	}
	h.in.fail(fmt.Errorf("on the way: %w", chat.ErrBusy))
	ask(http.StatusTooManyRequests)
	h.in.fail(errors.New("the disk is full"))
	for range 10 {
		ask(http.StatusServiceUnavailable)
	}
	if n := logs.FilterField(zap.String("event", "telegram.deliver_failed")).Len(); n != 1 {
		t.Errorf("logged %d times in a minute", n)
	}
	h.in.fail(nil)
	ask(http.StatusOK)
	for _, line := range logs.All() {
		if strings.Contains(fmt.Sprint(line), secret) || strings.Contains(fmt.Sprint(line), h.pair().PathSecret()) {
			t.Error("the log has a secret")
		}
	}
	if h.in.count() != 1 {
		t.Errorf("%d were taken", h.in.count())
	}
}
