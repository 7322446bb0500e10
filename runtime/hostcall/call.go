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
	Grant  capability.Set
	Actor  abi.Actor
	// Log carries the trace id of the update that is handled, and the module's
	// name.
	Log *zap.Logger
}

// MaxAnswer bounds the JSON of an answer, in bytes. A full list of 1,000
// containers takes about 400 KB.
const MaxAnswer = 1 << 20

// Call performs the operation and returns what crosses the boundary: a code,
// and the JSON of the answer or of an [abi.Error].
func (o Operation) Call(ctx context.Context, caller *Caller, request []byte) (abi.Code, []byte) {
	encoded, err := o.perform(ctx, caller, request)
	if err != nil {
		return o.refuse(caller, err)
	}
	return abi.OK, encoded
}

func (o Operation) perform(ctx context.Context, caller *Caller, request []byte) ([]byte, error) {
	if !caller.Grant.Has(o.Capability) {
		return nil, refuse(abi.Denied, "This module may not do that.")
	}
	if caller.Actor.Role != abi.RoleUser && caller.Actor.Role != abi.RoleAdmin {
		return nil, refuse(abi.Denied, "You may not do that.")
	}
	result, err := o.run(ctx, caller, request)
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
func (o Operation) refuse(caller *Caller, err error) (abi.Code, []byte) {
	told := public(err)
	fields := []zap.Field{zap.String("capability", string(o.Capability)), zap.Stringer("code", told.Code), zap.Error(err)}
	if told.Code == abi.Denied {
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

// public is the part of an error that leaves the host. A code that is no error's
// would make the module take the refusal for an answer.
func public(err error) abi.Error {
	var known *abi.Error
	switch {
	case errors.As(err, &known) && known != nil && known.Code > abi.OK && known.Code <= abi.Internal:
		return *known
	case errors.Is(err, context.DeadlineExceeded):
		return abi.Error{Code: abi.Timeout, Message: "That took too long."}
	}
	return abi.Error{Code: abi.Internal, Message: "Something went wrong inside the bot."}
}

func refuse(code abi.Code, sentence string) error { return &abi.Error{Code: code, Message: sentence} }

// maxRequest bounds the JSON of a request, in bytes.
const maxRequest = 64 << 10

// answer adapts a typed function to the table.
func answer[Q, R any](f func(context.Context, *Caller, Q) (R, error)) func(context.Context, *Caller, []byte) (any, error) {
	return func(ctx context.Context, caller *Caller, request []byte) (any, error) {
		var query Q
		if len(request) > maxRequest || json.Unmarshal(request, &query) != nil {
			return nil, refuse(abi.Invalid, "The module asked for something that makes no sense.")
		}
		return f(ctx, caller, query)
	}
}
