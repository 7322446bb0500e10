package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// catchHangups keeps SIGHUP from ending the process, from now on and to its
// end: a terminal that goes away must not cost the chat its bot. One signal
// waits while the one before is worked on. More are not needed: what it asks
// for is begun after the last of them.
func catchHangups() <-chan os.Signal {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	return hangups
}

// onEach runs work for each signal, one after the other, until the context
// ends.
func onEach(ctx context.Context, signals <-chan os.Signal, work func(context.Context)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-signals:
		}
		if ctx.Err() == nil { // of two that are ready, select takes any
			work(ctx)
		}
	}
}
