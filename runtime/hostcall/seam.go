package hostcall

import (
	"bytes"
	"context"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// Exchange is one call as it crossed the boundary.
type Exchange struct {
	Op         string
	Capability capability.Name
	Request    []byte
	Code       abi.Code
	Answer     []byte
	Took       time.Duration
	// Asked tells that the call ended with a question to the user, so that the
	// module never saw the answer.
	Asked bool
}

// Recorded returns operations that do what ops do and then tell sink of it. One
// invocation calls one after the other; several call at the same time.
func Recorded(ops []Operation, sink func(Exchange)) []Operation {
	return replaced(ops, func(op Operation) answerer {
		return func(ctx context.Context, caller *Caller, request []byte) (abi.Code, []byte) {
			began := time.Now()
			code, answer := op.Call(ctx, caller, request)
			sink(Exchange{
				Op: op.Import, Capability: op.Capability, Request: bytes.Clone(request), Code: code, Answer: bytes.Clone(answer),
				Took: time.Since(began), Asked: caller.Demand != nil,
			})
			return code, answer
		}
	})
}

// Replayed returns operations of the same names and capabilities that are answered
// by answer alone: nothing is checked, and nothing is reached.
func Replayed(ops []Operation, answer func(op string, request []byte) (abi.Code, []byte)) []Operation {
	return replaced(ops, func(op Operation) answerer {
		return func(_ context.Context, _ *Caller, request []byte) (abi.Code, []byte) {
			return answer(op.Import, request)
		}
	})
}

type answerer = func(context.Context, *Caller, []byte) (abi.Code, []byte)

func replaced(ops []Operation, with func(Operation) answerer) []Operation {
	out := make([]Operation, len(ops))
	for i, op := range ops {
		out[i] = Operation{Import: op.Import, Capability: op.Capability, instead: with(op)}
	}
	return out
}
