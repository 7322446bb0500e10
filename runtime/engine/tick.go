package engine

import (
	"context"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine/meter"
)

// quantum is how many units a guest works before it must ask. Between two
// questions it cannot be stopped, and a garbage collection must wait for it: a
// unit is an instruction at most, and the dearest that are not charged by their
// length, loads that miss every cache, take 100 ns.
const quantum = 250_000

// linkMeter defines the function with which a metered guest asks.
func linkMeter(ctx context.Context, runtime wazero.Runtime) error {
	i64 := []api.ValueType{api.ValueTypeI64}
	_, err := runtime.NewHostModuleBuilder(meter.ImportModule).NewFunctionBuilder().
		WithGoModuleFunction(api.GoModuleFunc(tick), i64, i64).Export(meter.ImportTick).Instantiate(ctx)
	return err
}

// tick is asked by a guest whose ration is burnt. It gets what is left, which
// is less than nothing, and returns the next ration.
func tick(ctx context.Context, _ api.Module, stack []uint64) {
	left := int64(stack[0])
	if left == meter.TooDeep {
		panic(&Fault{Code: abi.Limit, Blame: true, Reason: "the module calls itself too deeply"})
	}
	if ctx.Err() != nil {
		panic(overtime(ctx, "stopped at work"))
	}
	inv := invocationOf(ctx)
	inv.burn(left)
	if inv.used.Fuel >= inv.limits.Fuel {
		panic(&Fault{Code: abi.Limit, Blame: true, Reason: "the module worked more than it may"})
	}
	stack[0] = uint64(inv.ration())
}

// ration is what the guest may burn before it asks again.
func (inv *invocation) ration() int64 {
	inv.rationed = min(quantum, inv.limits.Fuel-min(inv.limits.Fuel, inv.used.Fuel))
	return int64(inv.rationed)
}

// burn counts what the guest used of its ration. What it has left is its own
// word, but the word of code that the meter wrote: a guest cannot reach that
// global.
func (inv *invocation) burn(left int64) {
	inv.used.Fuel += uint64(int64(inv.rationed) - left)
	inv.rationed = 0
}

// charge adds work that the host did for the guest. The guest notices when it
// asks the next time.
func (inv *invocation) charge(units int) { inv.used.Fuel += uint64(units) }

// spent counts what a guest used when it has ended.
func (inv *invocation) spent(i *instance) {
	if inv.rationed > 0 {
		inv.burn(int64(i.fuel.Get()))
	}
	inv.used.Memory = i.guest.Memory().Size()
}
