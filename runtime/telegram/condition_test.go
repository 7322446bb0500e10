package telegram

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func TestAReceiverSaysHowUpdatesCome(t *testing.T) {
	s := newStation(t)
	s.says("one")
	s.await("registration", func() bool { return s.receiver.State().Connected })
	in := s.receiver.State()
	if !in.Webhook || in.Fallback || in.LastError != "" || in.LastSuccess.Before(in.Since) || in.Since.IsZero() {
		t.Errorf("with a webhook: %+v", in)
	}
	s.cut.Store(true)
	s.says("two") // by polling
	s.await("polling", func() bool { in := s.receiver.State(); return in.Fallback && in.Connected })
	if in = s.receiver.State(); !in.Webhook || !strings.Contains(in.LastError, "nothing comes") {
		t.Errorf("in place of it: %+v", in)
	}
	s.cut.Store(false)
	s.await("the webhook", func() bool { in := s.receiver.State(); return !in.Fallback && in.Connected })
}

func TestAReceiverSaysWhyTheWebhookIsNotTaken(t *testing.T) {
	s := newStation(t, refusing(unresolved))
	s.says("one") // by polling
	s.await("the reason", func() bool {
		in := s.receiver.State()
		return in.Fallback && strings.Contains(in.LastError, "Failed to resolve host")
	})
}

func TestTheClockIsComparedWithTelegrams(t *testing.T) {
	for _, test := range []struct {
		date  string
		known bool
		ahead time.Duration
	}{
		{time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), true, time.Hour},
		{time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), true, -time.Hour},
		{"yesterday", false, 0},
	} {
		api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Date", test.date)
			_, _ = w.Write([]byte(`{"ok":true,"result":{"id":1,"is_bot":true,"first_name":"b"}}`))
		}))
		c := newTestClient(t, api.URL, newToken())
		if _, known := c.ClockAhead(); known {
			t.Error("it is known before anything came")
		}
		if _, err := c.GetMe(context.Background()); err != nil {
			t.Fatal(err)
		}
		api.Close()
		ahead, known := c.ClockAhead()
		if off := (ahead - test.ahead).Abs(); known != test.known || off > time.Minute {
			t.Errorf("%s: %v ahead, known %v", test.date, ahead, known)
		}
	}
}
