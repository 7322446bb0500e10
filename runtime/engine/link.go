package engine

import (
	"bytes"
	"context"
	"slices"

	"github.com/tetratelabs/wazero"
	"github.com/tetratelabs/wazero/api"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// The boundary. A guest is hostile: every pointer and length is checked by the
// memory that it points into, bytes are copied before they are looked at, and
// an argument that makes no sense ends the invocation (F6).

// link defines the module "cofferdam" with the four functions that every guest
// gets and one for each granted operation. What is not granted is not there:
// a guest cannot even name it.
func link(ctx context.Context, runtime wazero.Runtime, granted map[string]hostcall.Operation) error {
	i32, i64 := api.ValueTypeI32, api.ValueTypeI64
	builder := runtime.NewHostModuleBuilder(abi.ImportModule)
	define := func(name string, f api.GoModuleFunc, params, results []api.ValueType) {
		builder.NewFunctionBuilder().WithGoModuleFunction(checked(f), params, results).Export(name)
	}
	define(abi.ImportRequestRead, requestRead, []api.ValueType{i32, i32}, []api.ValueType{i32})
	define(abi.ImportReplyWrite, replyWrite, []api.ValueType{i32, i32}, []api.ValueType{i32})
	define(abi.ImportResultRead, resultRead, []api.ValueType{i32, i32}, []api.ValueType{i32})
	define(abi.ImportLog, logLine, []api.ValueType{i32, i32, i32}, nil)
	define(abi.ImportProgress, progress, []api.ValueType{i32, i32}, nil)
	for name, op := range granted {
		define(name, perform(op), []api.ValueType{i32, i32}, []api.ValueType{i64})
	}
	_, err := builder.Instantiate(ctx)
	return err
}

type invocationKey struct{}

func withInvocation(ctx context.Context, inv *invocation) context.Context {
	return context.WithValue(ctx, invocationKey{}, inv)
}

// invocationOf returns the invocation in whose context a guest calls. There is
// one whenever a guest runs: instances are made and called nowhere else.
func invocationOf(ctx context.Context) *invocation {
	return ctx.Value(invocationKey{}).(*invocation)
}

func requestRead(ctx context.Context, guest api.Module, stack []uint64) {
	stack[0] = copyOut(ctx, guest, invocationOf(ctx).request, stack)
}

func resultRead(ctx context.Context, guest api.Module, stack []uint64) {
	stack[0] = copyOut(ctx, guest, invocationOf(ctx).result, stack)
}

// view returns the guest's bytes at (ptr, length), live: the guest can change
// them later.
func view(guest api.Module, ptr, length uint64) []byte {
	part, ok := guest.Memory().Read(api.DecodeU32(ptr), api.DecodeU32(length))
	if !ok {
		panic(&Fault{Code: abi.Invalid, Blame: true, Reason: "the module pointed outside its memory"})
	}
	return part
}

// copyOut fills the guest's buffer (ptr, capacity) with as much of data as
// there is room for, and returns the length of data. All of the buffer must lie
// in the memory: a wrong one shows at the first request, not at the first long
// one.
func copyOut(ctx context.Context, guest api.Module, data []byte, stack []uint64) uint64 {
	invocationOf(ctx).charge(copy(view(guest, stack[0], stack[1]), data) / 8)
	return uint64(len(data))
}

// copyIn returns a copy of the guest's bytes at (ptr, length), at most limit.
func copyIn(guest api.Module, ptr, length uint64, limit int) []byte {
	if uint64(api.DecodeU32(length)) > uint64(limit) {
		panic(&Fault{Code: abi.Limit, Blame: true, Reason: "the module handed over more bytes than it may"})
	}
	return bytes.Clone(view(guest, ptr, length))
}

func replyWrite(ctx context.Context, guest api.Module, stack []uint64) {
	inv := invocationOf(ctx)
	if inv.replied {
		stack[0] = uint64(abi.Conflict)
		return
	}
	inv.reply, inv.replied = copyIn(guest, stack[0], stack[1], inv.limits.Reply), true
	inv.used.Bytes += len(inv.reply)
	stack[0] = uint64(abi.OK)
}

// logLine lets the log cut a line that is too long: that is no breach, it is
// often an error text.
func logLine(ctx context.Context, guest api.Module, stack []uint64) {
	invocationOf(ctx).log.line(api.DecodeI32(stack[0]), view(guest, stack[1], stack[2]))
}

// performed is what an operation returns. A panic in it is the host's own fault,
// which costs the invocation and is not held against the module.
func performed(ctx context.Context, op hostcall.Operation, caller *hostcall.Caller, request []byte) (abi.Code, []byte) {
	defer func() {
		if r := recover(); r != nil {
			panic(panicked("an operation", r))
		}
	}()
	return op.Call(ctx, caller, request)
}

// maxHostRequest bounds the JSON that a guest hands to an operation, in bytes.
const maxHostRequest = 64 << 10

func perform(op hostcall.Operation) api.GoModuleFunc {
	return func(ctx context.Context, guest api.Module, stack []uint64) {
		inv := invocationOf(ctx)
		if inv.used.HostCalls >= inv.limits.HostCalls {
			panic(&Fault{Code: abi.Limit, Blame: true, Reason: "the module made more host calls than it may"})
		}
		inv.used.HostCalls++
		request := copyIn(guest, stack[0], stack[1], maxHostRequest)
		code, result := performed(ctx, op, inv.caller, request)
		inv.used.Bytes += len(request) + len(result)
		// Work that went on beyond the deadline must not reach the guest.
		if ctx.Err() != nil {
			panic(stopped(ctx, "stopped in a host call"))
		}
		// The user is asked first: the guest is not, and the command begins anew
		// when the answer is there.
		if inv.caller.Demand != nil {
			panic(&Fault{Code: inv.caller.Demand.Code, Reason: "the user is asked first"})
		}
		inv.result = slices.Clip(result)
		stack[0] = uint64(abi.Pack(code, uint32(len(result))))
	}
}

// maxProgress bounds a line of progress, in bytes.
const maxProgress = 256

// progress tells whoever waits what is under way.
func progress(ctx context.Context, guest api.Module, stack []uint64) {
	line := copyIn(guest, stack[0], stack[1], maxProgress)
	inv := invocationOf(ctx)
	inv.charge(len(line) / 8)
	if pass := inv.caller.Pass; pass != nil && pass.Progress != nil {
		pass.Progress(foreign.Line(string(line), maxProgress))
	}
}
