package engine

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// WASI preview 1, as far as a Go, C or Rust guest needs it to start, to look at
// the clock, to get random bytes, to sleep and to write to its two streams.
// None of it holds any state: wazero's own has a table of descriptors, and a
// guest that closes one would leave a mark for the next user of its instance.
//
// Source: WASI snapshot preview 1, docs of wasi_snapshot_preview1.witx.

const wasiModule = "wasi_snapshot_preview1"

// The errno of WASI that guests here can meet.
const (
	wasiOK     = 0
	wasiBadF   = 8
	wasiFault  = 21
	wasiInval  = 28
	wasiNoSpc  = 51
	wasiNotSup = 58
	wasiSPipe  = 70
)

// wasiFunction is one of them: its parameters are i32 but for those named by
// wide, which are i64; its result is an errno.
type wasiFunction struct {
	params int
	wide   int // index of the one i64 parameter; -1: none
	call   func(ctx context.Context, guest api.Module, p []uint64) uint32
}

var wasiFunctions = map[string]wasiFunction{
	// There are no arguments, and there is no environment.
	"args_get":          {2, -1, nothing},
	"args_sizes_get":    {2, -1, noCounts},
	"environ_get":       {2, -1, nothing},
	"environ_sizes_get": {2, -1, noCounts},

	"clock_res_get":  {2, -1, clockResGet},
	"clock_time_get": {3, 1, clockTimeGet},
	"random_get":     {2, -1, randomGet},
	"sched_yield":    {0, -1, nothing},
	"poll_oneoff":    {4, -1, pollOneoff},

	// Descriptor 0 is empty, 1 and 2 lead to the log, and there is no other.
	"fd_write":            {4, -1, fdWrite},
	"fd_read":             {4, -1, fdRead},
	"fd_close":            {1, -1, fdKnown},
	"fd_fdstat_get":       {2, -1, fdStat},
	"fd_fdstat_set_flags": {2, -1, fdKnown},
	"fd_seek":             {4, 1, fdSeek},
	"fd_prestat_get":      {2, -1, noFolder},
	"fd_prestat_dir_name": {3, -1, noFolder},
}

// wasiExit is the one function without a result.
const wasiExit = "proc_exit"

// linkWASI defines the functions in a runtime.
func linkWASI(ctx context.Context, runtime wazero.Runtime) error {
	builder := runtime.NewHostModuleBuilder(wasiModule)
	for name, f := range wasiFunctions {
		params := make([]api.ValueType, f.params)
		for i := range params {
			params[i] = api.ValueTypeI32
			if i == f.wide {
				params[i] = api.ValueTypeI64
			}
		}
		call := f.call
		builder.NewFunctionBuilder().WithGoModuleFunction(checked(func(ctx context.Context, guest api.Module, stack []uint64) {
			stack[0] = uint64(call(ctx, guest, stack))
		}), params, []api.ValueType{api.ValueTypeI32}).Export(name)
	}
	builder.NewFunctionBuilder().WithGoModuleFunction(api.GoModuleFunc(procExit), []api.ValueType{api.ValueTypeI32}, nil).Export(wasiExit)
	_, err := builder.Instantiate(ctx)
	return err
}

// checked looks at the deadline first: a guest that calls in a loop is charged
// for its own instructions only, and a call can cost a thousand of them.
func checked(f api.GoModuleFunc) api.GoModuleFunc {
	return func(ctx context.Context, guest api.Module, stack []uint64) {
		if ctx.Err() != nil {
			panic(overtime(ctx, "stopped in a host call"))
		}
		f(ctx, guest, stack)
	}
}

func nothing(context.Context, api.Module, []uint64) uint32 { return wasiOK }

func noFolder(context.Context, api.Module, []uint64) uint32 { return wasiBadF }

// noCounts writes two zeros: how many texts there are, and their length.
func noCounts(_ context.Context, guest api.Module, p []uint64) uint32 {
	if !put32(guest, p[0], 0) || !put32(guest, p[1], 0) {
		return wasiFault
	}
	return wasiOK
}

func put32(guest api.Module, at uint64, v uint32) bool {
	return guest.Memory().WriteUint32Le(api.DecodeU32(at), v)
}

func put64(guest api.Module, at uint64, v uint64) bool {
	return guest.Memory().WriteUint64Le(api.DecodeU32(at), v)
}

// clockResolution keeps a guest from timing what other guests do (F4).
const clockResolution = time.Millisecond

// The clocks that there are.
const (
	clockReal      = 0
	clockMonotonic = 1
)

func clockResGet(_ context.Context, guest api.Module, p []uint64) uint32 {
	if clock := api.DecodeU32(p[0]); clock != clockReal && clock != clockMonotonic {
		return wasiInval
	}
	if !put64(guest, p[1], uint64(clockResolution)) {
		return wasiFault
	}
	return wasiOK
}

func clockTimeGet(ctx context.Context, guest api.Module, p []uint64) uint32 {
	clock := api.DecodeU32(p[0])
	if clock != clockReal && clock != clockMonotonic {
		return wasiInval
	}
	if !put64(guest, p[2], uint64(now(ctx, clock))) {
		return wasiFault
	}
	return wasiOK
}

// now is what a clock says, in nanoseconds, at its resolution.
func now(ctx context.Context, clock uint32) int64 {
	if clock == clockReal {
		return invocationOf(ctx).fixed.now().Truncate(clockResolution).UnixNano()
	}
	return int64(invocationOf(ctx).clock().Truncate(clockResolution))
}

// randomGet fills in steps, so that a guest that asks for all of its memory is
// stopped at its deadline.
func randomGet(ctx context.Context, guest api.Module, p []uint64) uint32 {
	part, ok := guest.Memory().Read(api.DecodeU32(p[0]), api.DecodeU32(p[1]))
	if !ok {
		return wasiFault
	}
	const step = 64 << 10
	invocationOf(ctx).charge(2 * len(part)) // about two instructions a byte
	for len(part) > 0 {
		if ctx.Err() != nil {
			panic(overtime(ctx, "stopped while it asked for random bytes"))
		}
		n := min(len(part), step)
		invocationOf(ctx).fixed.read(part[:n])
		part = part[n:]
	}
	return wasiOK
}

func procExit(_ context.Context, _ api.Module, p []uint64) {
	panic(&Fault{Code: abi.Internal, Blame: true, Reason: fmt.Sprintf("the module exited with status %d", api.DecodeU32(p[0]))})
}

// maxVectors bounds the buffers of one call of fd_write; Go hands over one.
const maxVectors = 1024

func fdWrite(ctx context.Context, guest api.Module, p []uint64) uint32 {
	inv := invocationOf(ctx)
	var to *stream
	switch api.DecodeU32(p[0]) {
	case 1:
		to = inv.stdout
	case 2:
		to = inv.stderr
	default:
		return wasiBadF
	}
	memory, vectors, count := guest.Memory(), api.DecodeU32(p[1]), api.DecodeU32(p[2])
	if count > maxVectors {
		return wasiInval
	}
	written, errno := 0, uint32(wasiOK)
	for i := range count {
		at, ok := memory.ReadUint64Le(vectors + 8*i)
		if !ok || vectors+8*i < vectors {
			return wasiFault
		}
		part, ok := memory.Read(uint32(at), uint32(at>>32))
		if !ok {
			return wasiFault
		}
		n, err := to.Write(part)
		written += n
		if err != nil {
			errno = wasiNoSpc
			break
		}
	}
	if written > math.MaxInt32 { // many buffers may name the same bytes
		return wasiInval
	}
	if !put32(guest, p[3], uint32(written)) {
		return wasiFault
	}
	return errno
}

// fdRead finds standard input at its end.
func fdRead(_ context.Context, guest api.Module, p []uint64) uint32 {
	if api.DecodeU32(p[0]) != 0 {
		return wasiBadF
	}
	if !put32(guest, p[3], 0) {
		return wasiFault
	}
	return wasiOK
}

// fdKnown changes nothing, and is content with a descriptor that there is.
func fdKnown(_ context.Context, _ api.Module, p []uint64) uint32 {
	if api.DecodeU32(p[0]) > 2 {
		return wasiBadF
	}
	return wasiOK
}

// fdStat says that a descriptor is a terminal without any rights but to read
// or write.
func fdStat(_ context.Context, guest api.Module, p []uint64) uint32 {
	fd := api.DecodeU32(p[0])
	if fd > 2 {
		return wasiBadF
	}
	const characterDevice, rightRead, rightWrite = 2, 1 << 1, 1 << 6
	stat := make([]byte, 24)
	stat[0] = characterDevice
	rights := uint64(rightWrite)
	if fd == 0 {
		rights = rightRead
	}
	binary.LittleEndian.PutUint64(stat[8:], rights)
	if !guest.Memory().Write(api.DecodeU32(p[1]), stat) {
		return wasiFault
	}
	return wasiOK
}

func fdSeek(_ context.Context, _ api.Module, p []uint64) uint32 {
	if api.DecodeU32(p[0]) > 2 {
		return wasiBadF
	}
	return wasiSPipe
}

// The layout of poll_oneoff's records, in bytes.
const (
	subscriptionSize = 48
	eventSize        = 32
	maxSubscriptions = 64 // Go has at most three
)

// subscription is what a guest waits for.
type subscription struct {
	userdata uint64
	kind     byte // 0: a clock; 1: to read; 2: to write
	wait     time.Duration
	errno    uint16
}

// pollOneoff waits for the first of the guest's subscriptions, but never beyond
// the deadline. The streams are always ready.
func pollOneoff(ctx context.Context, guest api.Module, p []uint64) uint32 {
	in, out, count := api.DecodeU32(p[0]), api.DecodeU32(p[1]), api.DecodeU32(p[2])
	if count == 0 || count > maxSubscriptions {
		return wasiInval
	}
	memory := guest.Memory()
	raw, ok := memory.Read(in, count*subscriptionSize)
	if !ok {
		return wasiFault
	}
	wait := time.Duration(math.MaxInt64)
	subscriptions := make([]subscription, count)
	for i := range subscriptions {
		s := readSubscription(ctx, raw[i*subscriptionSize:])
		subscriptions[i], wait = s, min(wait, s.wait)
	}
	if wait > 0 {
		sleep(ctx, wait)
	}
	var events []byte
	for _, s := range subscriptions {
		if s.wait <= wait {
			events = s.appendEvent(events)
		}
	}
	if !memory.Write(out, events) || !put32(guest, p[3], uint32(len(events)/eventSize)) {
		return wasiFault
	}
	return wasiOK
}

func readSubscription(ctx context.Context, raw []byte) subscription {
	s := subscription{userdata: binary.LittleEndian.Uint64(raw), kind: raw[8]}
	switch s.kind {
	case 0:
		clock, absolute := binary.LittleEndian.Uint32(raw[16:]), raw[40]&1 != 0
		ns := binary.LittleEndian.Uint64(raw[24:])
		if absolute {
			ns -= min(ns, uint64(now(ctx, clock)))
		}
		// Whole steps of the clock: how long it takes must tell no more than the
		// clock does.
		const step = uint64(clockResolution)
		s.wait = time.Duration(min(ns, math.MaxInt64-step)+step-1) / clockResolution * clockResolution
		if clock != clockReal && clock != clockMonotonic {
			s.wait, s.errno = 0, wasiNotSup
		}
	case 1, 2:
		if binary.LittleEndian.Uint32(raw[16:]) > 2 {
			s.errno = wasiBadF
		}
	default:
		s.errno = wasiInval
	}
	return s
}

func (s subscription) appendEvent(out []byte) []byte {
	event := make([]byte, eventSize)
	binary.LittleEndian.PutUint64(event, s.userdata)
	binary.LittleEndian.PutUint16(event[8:], s.errno)
	event[10] = s.kind
	return append(out, event...)
}

// sleep waits as long as a guest wishes, but not beyond the deadline.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		panic(overtime(ctx, "stopped in its sleep"))
	}
}
