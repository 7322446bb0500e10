package hostcall

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// Caller is in whose name an operation runs: the module with its grant, and
// the user whose request it handles. Both must be allowed.
type Caller struct {
	Module string
	// Digest is the SHA-256 of the module's file, for the audit log.
	Digest string
	Grant  capability.Set
	Actor  abi.Actor
	// Trace is the trace id of the update that is handled.
	Trace string
	// Pass is what the request brings along; nil: nothing.
	Pass *capability.Pass
	// Demand is set when an operation ended with a question to the user.
	Demand *Demand
	// Log carries the trace id and the module's name.
	Log *zap.Logger
	// denied are the capabilities whose denial was recorded: a module that goes
	// on asking fills no disk.
	denied map[capability.Name]bool
	// used are those whose use was recorded, for the same reason.
	used map[capability.Name]bool
}

// Demand is what an operation needs of the user before it can go on. The
// invocation ends, the host asks, and the command is run again.
type Demand struct {
	// Code is [abi.AuthRequired] or [abi.ConfirmRequired].
	Code abi.Code
	// Act is what would be done. For AuthRequired only its capability is known.
	Act capability.Act
}

// MaxAnswer bounds the JSON of an answer, in bytes. A full list of 1,000
// containers takes about 400 KB.
const MaxAnswer = 1 << 20

// Call performs the operation and returns what crosses the boundary: a code,
// and the JSON of the answer or of an [abi.Error].
func (o Operation) Call(ctx context.Context, caller *Caller, request []byte) (abi.Code, []byte) {
	if o.instead != nil {
		return o.instead(ctx, caller, request)
	}
	code, answer := o.answer(ctx, caller, request)
	if o.observe != nil {
		o.observe(string(o.Capability), code.String())
	}
	return code, answer
}

func (o Operation) answer(ctx context.Context, caller *Caller, request []byte) (abi.Code, []byte) {
	encoded, err := o.perform(ctx, caller, request)
	if err != nil {
		return o.refuse(ctx, caller, err)
	}
	return abi.OK, encoded
}

func (o Operation) perform(ctx context.Context, caller *Caller, request []byte) ([]byte, error) {
	if !caller.Grant.Has(o.Capability) {
		return nil, refuse(abi.Denied, "This module may not do that.")
	}
	if !known(caller.Actor.Role) {
		return nil, refuse(abi.Denied, "You may not do that.")
	}
	result, err := o.gated(ctx, caller, request)
	if err != nil {
		return nil, err
	}
	encoded, err := json.Marshal(result)
	if err != nil {
		return nil, fmt.Errorf("encode the answer of %s: %w", o.Import, err)
	}
	if len(encoded) > MaxAnswer {
		return nil, refuse(abi.Limit, "The answer is too long.")
	}
	return encoded, nil
}

// refuse logs an error in full and returns the part that a module may see.
func (o Operation) refuse(ctx context.Context, caller *Caller, err error) (abi.Code, []byte) {
	told := public(err)
	fields := []zap.Field{zap.String("capability", string(o.Capability)), zap.Stringer("code", told.Code), zap.Error(err)}
	if caller.Demand != nil && told.Code == caller.Demand.Code {
		caller.Log.Info("the user is asked first", append(fields, zap.String("event", "capability.asked"))...)
	} else if told.Code == abi.Denied {
		o.recordDenial(ctx, caller, capability.Act{}, capability.Decision{Reason: o.denial(caller)})
		caller.Log.Warn("host call refused", append(fields, zap.String("event", "capability.denied"))...)
	} else {
		caller.Log.Info("host call did not succeed", append(fields, zap.String("event", "hostcall.error"))...)
	}
	encoded, err := json.Marshal(told)
	if err != nil {
		return abi.Internal, nil
	}
	return told.Code, encoded
}

// denial says in a word why a call was denied before the gate had to decide.
func (o Operation) denial(caller *Caller) string {
	switch {
	case !caller.Grant.Has(o.Capability):
		return "not_granted"
	case !known(caller.Actor.Role):
		return "no_user"
	}
	return "out_of_scope"
}

// known reports whether a role is that of somebody on the lists, or of a module
// that runs by itself.
func known(role string) bool {
	return role == abi.RoleUser || role == abi.RoleAdmin || role == abi.RoleModule
}

// public is the part of an error that leaves the host. A code that is no error's
// would make the module take the refusal for an answer.
func public(err error) abi.Error {
	var meant *abi.Error
	switch {
	case errors.As(err, &meant) && meant != nil && meant.Code > abi.OK && meant.Code <= abi.Internal:
		return *meant
	case errors.Is(err, context.DeadlineExceeded):
		return abi.Error{Code: abi.Timeout, Message: "That took too long."}
	}
	return abi.Error{Code: abi.Internal, Message: "Something went wrong inside the bot."}
}

func refuse(code abi.Code, sentence string) error { return &abi.Error{Code: code, Message: sentence} }

var errNonsense = refuse(abi.Invalid, "The module asked for something that makes no sense.")

// maxRequest bounds the JSON of a request, in bytes.
const maxRequest = 64 << 10

// answer adapts a typed function to the table.
func answer[Q, R any](f func(context.Context, *Caller, Q) (R, error)) func(context.Context, *Caller, []byte) (any, error) {
	return func(ctx context.Context, caller *Caller, request []byte) (any, error) {
		var query Q
		if len(request) > maxRequest || json.Unmarshal(request, &query) != nil {
			return nil, errNonsense
		}
		return f(ctx, caller, query)
	}
}
