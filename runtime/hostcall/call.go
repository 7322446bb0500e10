package hostcall

import (
	"context"
	"encoding/json"
	"errors"

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
	// Log carries the trace id of the update that is handled.
	Log *zap.Logger
}

// allows reports whether a container lies inside the caller's grant.
func (c *Caller) allows(name capability.Name) func(name string, labels map[string]string) bool {
	return func(container string, labels map[string]string) bool {
		return c.Grant.Allows(name, capability.Target{Name: container, Labels: labels})
	}
}

// MaxAnswer bounds the JSON of an answer, in bytes. A full list of 1,000
// containers takes about 400 KB.
const MaxAnswer = 1 << 20

// Call performs the operation and returns what crosses the boundary: a code,
// and the JSON of the answer or of an [abi.Error].
func (o Operation) Call(ctx context.Context, caller *Caller, request []byte) (abi.Code, []byte) {
	result, err := o.perform(ctx, caller, request)
	if err == nil {
		var encoded []byte
		if encoded, err = json.Marshal(result); err == nil && len(encoded) <= MaxAnswer {
			return abi.OK, encoded
		}
		err = errors.Join(err, refuse(abi.Limit, "The answer is too long."))
	}
	return o.refuse(caller, err)
}

func (o Operation) perform(ctx context.Context, caller *Caller, request []byte) (any, error) {
	if !caller.Grant.Has(o.Capability) {
		return nil, refuse(abi.Denied, "This module may not do that.")
	}
	if caller.Actor.Role != abi.RoleUser && caller.Actor.Role != abi.RoleAdmin {
		return nil, refuse(abi.Denied, "You may not do that.")
	}
	return o.run(ctx, caller, request)
}

// refuse logs an error in full and returns the part that a module may see.
func (o Operation) refuse(caller *Caller, err error) (abi.Code, []byte) {
	told := &abi.Error{Code: abi.Internal, Message: "Something went wrong inside the bot."}
	switch {
	case errors.As(err, &told):
	case errors.Is(err, context.DeadlineExceeded):
		told = &abi.Error{Code: abi.Timeout, Message: "That took too long."}
	}
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
