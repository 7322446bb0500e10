package engine

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/tetratelabs/wazero/sys"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Fault is why an invocation ended without the module's own answer. It says
// nothing that must be kept from a log at INFO; it is not for users.
type Fault struct {
	Code abi.Code
	// Reason is one line.
	Reason string
	// Stack is for DEBUG only (D3).
	Stack string
}

// Error returns code and reason.
func (f *Fault) Error() string { return f.Code.String() + ": " + f.Reason }

// faultOf classifies what wazero returned from a guest's code.
func faultOf(ctx context.Context, err error) *Fault {
	var fault *Fault
	if errors.As(err, &fault) {
		return fault
	}
	if cause := ctx.Err(); cause != nil {
		return &Fault{Code: abi.Timeout, Reason: "stopped: " + cause.Error()}
	}
	var exit *sys.ExitError
	if errors.As(err, &exit) {
		return &Fault{Code: abi.Internal, Reason: fmt.Sprintf("the module exited with status %d", exit.ExitCode())}
	}
	return &Fault{Code: abi.Internal, Reason: firstLine(err).Error(), Stack: err.Error()}
}

// firstLine cuts off the stacks that wazero puts behind its errors.
func firstLine(err error) error {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return errors.New(line)
}

// FaultCode returns the code, for those who must not know this package.
func (f *Fault) FaultCode() abi.Code { return f.Code }
