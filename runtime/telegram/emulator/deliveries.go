package emulator

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// maxDeliveries is the number of deliveries kept.
const maxDeliveries = 10_000

// Delivery is one try to bring an update to the webhook.
type Delivery struct {
	UpdateID int64     // 0 for injected bytes without one
	ChatID   int64     // 0 for an update that belongs to none
	URL      string    // as registered
	Status   int       // of the answer, as far as Telegram saw one; else 0
	Error    string    // why the update was not accepted, in the words of getWebhookInfo; "" if it was
	At       time.Time // when it began, by Options.Now
}

// note adds a delivery to the record. Server.mu is held.
func (o *outbox) note(d Delivery) {
	if len(o.log) == maxDeliveries {
		o.log = o.log[1:]
	}
	o.log = append(o.log, d)
	o.changed.ring()
}

// Deliveries are the tries that have ended (at most 10,000), in the order in which they ended.
func (s *Server) Deliveries() []Delivery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.outbox.log)
}

// WaitDeliveries waits until what Deliveries gives is as wanted. It is woken by deliveries, it does not poll.
func (s *Server) WaitDeliveries(ctx context.Context, wanted func([]Delivery) bool) error {
	for {
		s.mu.Lock()
		log, changed := slices.Clone(s.outbox.log), s.outbox.changed.wait()
		s.mu.Unlock()
		if wanted(log) {
			return nil
		}
		if err := s.hear(ctx, changed); err != nil {
			return fmt.Errorf("wait for deliveries to the webhook (there were %d): %w", len(log), err)
		}
	}
}
