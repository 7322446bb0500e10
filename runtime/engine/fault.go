package engine

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// Fault is why an invocation ended without the module's own answer. It says
// nothing that must be kept from a log at INFO; it is not for users.
type Fault struct {
	Code abi.Code
	// Reason is one line of visible text.
	Reason string
	// Blame is set if the module itself is at fault: it trapped, exited, broke a
	// rule, went over a limit, or worked or slept until its deadline. It is not
	// set for a host call that was slow, for a wait, for an end that came from
	// outside, and for the host's own faults.
	Blame bool
	// Stack is for DEBUG only (D3). It holds names that the file's author
	// chose.
	Stack string
}

// Error returns code and reason.
func (f *Fault) Error() string { return f.Code.String() + ": " + f.Reason }

// FaultCode returns the code, for those who must not know this package.
func (f *Fault) FaultCode() abi.Code { return f.Code }

// faultOf classifies what wazero returned from a guest's code.
func faultOf(ctx context.Context, err error) *Fault {
	var fault *Fault
	if errors.As(err, &fault) {
		return fault
	}
	if ctx.Err() != nil {
		return overtime(ctx, "stopped")
	}
	if errors.Is(err, errNoMemory) {
		return &Fault{Code: abi.Unavailable, Reason: errNoMemory.Error()}
	}
	text := err.Error()
	var host runtime.Error // a panic in a function of the host's
	return &Fault{Code: abi.Internal, Blame: !errors.As(err, &host), Reason: oneLine(text), Stack: text[:min(len(text), maxStack)]}
}

// unloadable is the fault of an invocation whose code cannot be had.
func unloadable(ctx context.Context, err error) *Fault {
	var fault *Fault
	if errors.As(err, &fault) {
		return fault
	}
	if ctx.Err() != nil {
		return stopped(ctx, "waited for its code")
	}
	return &Fault{Code: abi.Unavailable, Reason: oneLine(err.Error())}
}

// errClosed is the cause with which a module's end reaches its invocations.
var errClosed = &Fault{Code: abi.Unavailable, Reason: "the module was closed"}

// stopped is the fault of one who was overtaken by the end of its context.
func stopped(ctx context.Context, where string) *Fault {
	cause := context.Cause(ctx)
	if errors.Is(cause, errClosed) {
		return errClosed
	}
	return &Fault{Code: abi.Timeout, Reason: where + ": " + cause.Error()}
}

// overtime is the fault of a guest that was overtaken by its deadline, or by an
// end that it is not to blame for, while it worked or slept.
func overtime(ctx context.Context, where string) *Fault {
	fault := *stopped(ctx, where)
	fault.Blame = errors.Is(context.Cause(ctx), context.DeadlineExceeded)
	return &fault
}

func panicked(doing string, value any) *Fault {
	return &Fault{Code: abi.Internal, Reason: oneLine(fmt.Sprintf("%s panicked: %v", doing, value)), Stack: string(debug.Stack())}
}

// Bounds of what a file's author can put into an error through the names of
// functions and exports: runes and bytes.
const (
	maxReason = 512
	maxStack  = 16 << 10
)

// oneLine cuts off the stacks that wazero puts behind its errors, and makes the
// rest fit for a log.
func oneLine(text string) string {
	line, _, _ := strings.Cut(text, "\n")
	return foreign.Line(line, maxReason)
}
