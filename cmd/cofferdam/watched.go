package main

import (
	"context"
	"fmt"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/runtime/telemetry"
)

// openPage shows Prometheus what is counted, if the config says where. It comes
// before all that takes time: an address of no use is told at once.
func (a *app) openPage(context.Context, options) (err error) {
	a.metrics = telemetry.New()
	address := a.cfg.Metrics.Listen
	if address == "" {
		return nil
	}
	if a.page, err = a.metrics.Listen(address); err != nil {
		return fmt.Errorf("metrics.listen: %s cannot be listened on: %s; name another address, or leave it empty", address, reason(err))
	}
	a.closing(a.page.Close)
	a.log.Info("Prometheus finds /metrics", zap.String("event", "metrics.listening"), zap.String("address", a.page.Address()))
	return nil
}

// measured counts an invocation.
func (a *app) measured(i registry.Invocation) {
	if i.Outcome == registry.Off {
		a.metrics.Skipped(i.Module, string(i.Outcome))
		return
	}
	a.metrics.Invoked(telemetry.Invocation{
		Module: i.Module, Outcome: string(i.Outcome), Time: i.Used.Time, Fuel: i.Used.Fuel, Memory: i.Used.Memory, Bytes: i.Used.Bytes,
	})
}
