package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"

	"go.uber.org/zap"
)

// hangups keeps SIGHUP from ending the process, from its making on. A terminal
// that goes away, or an operator who wants the config read anew, must not cost
// the chat its bot.
type hangups struct {
	signals chan os.Signal
	told    sync.WaitGroup
}

func catchHangups() *hangups {
	h := &hangups{signals: make(chan os.Signal, 1)}
	signal.Notify(h.signals, syscall.SIGHUP)
	return h
}

// tell logs each hangup until stop is called.
func (h *hangups) tell(log *zap.Logger) {
	h.told.Go(func() {
		for range h.signals {
			log.Warn("SIGHUP: reading the config anew is not available in this version; restart cofferdam to make a change count",
				zap.String("event", "config.reload_unavailable"))
		}
	})
}

func (h *hangups) stop() {
	signal.Stop(h.signals) // when it returns nothing is sent any more
	close(h.signals)
	h.told.Wait()
}
