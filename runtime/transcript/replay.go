package transcript

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// Replay answers a module's host calls from a transcript, in their order. It is
// safe for concurrent use.
type Replay struct {
	t    Transcript
	mu   sync.Mutex
	next int
	err  error // the first difference
}

// NewReplay returns a Replay of a transcript that [Parse] has read.
func NewReplay(t Transcript) *Replay { return &Replay{t: t} }

// Start is when the request began, for the module's clock.
func (r *Replay) Start() time.Time {
	var request abi.Request
	if json.Unmarshal(r.t.Request, &request) != nil || request.Time <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(request.Time)
}

// Seed is what the module's randomness follows from.
func (r *Replay) Seed() (seed [32]byte) {
	_, _ = hex.Decode(seed[:], []byte(r.t.Seed)) // checked when it was parsed; without one: zeros
	return seed
}

// Call answers a host call. One that the transcript does not have next is answered
// with an internal error, and so is everything after it.
func (r *Replay) Call(op string, request []byte) (abi.Code, []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.err == nil {
		r.err = r.compare(op, request)
	}
	if r.err != nil {
		return abi.Internal, []byte(`{"code":10,"message":"The transcript has another host call here."}`)
	}
	call := r.t.Calls[r.next]
	r.next++
	code, _ := CodeOf(call.Code)
	return code, call.Answer
}

func (r *Replay) compare(op string, request []byte) error {
	op = foreign.Line(op, maxName)
	if r.next == len(r.t.Calls) {
		return fmt.Errorf("call %d: the module calls %s, and the transcript has no further call", r.next+1, op)
	}
	want := r.t.Calls[r.next]
	if op != want.Op {
		return fmt.Errorf("call %d: the module calls %s, and the transcript has %s", r.next+1, op, want.Op)
	}
	if err := differ(want.Request, request); err != nil {
		return fmt.Errorf("call %d, %s: its request %w", r.next+1, op, err)
	}
	return nil
}

// End compares how the module ended with the transcript. The error is the first
// difference.
func (r *Replay) End(code abi.Code, reply []byte, fault string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.err != nil:
		return r.err
	case r.next < len(r.t.Calls):
		return fmt.Errorf("the module ended after %d host calls, and the transcript has %d: %s is next", r.next, len(r.t.Calls), r.t.Calls[r.next].Op)
	case (fault == "") != (r.t.Fault == ""):
		return fmt.Errorf("the module ended with the fault %q, and the transcript has %q", foreign.Line(fault, 256), foreign.Line(r.t.Fault, 256))
	case code.String() != r.t.Code:
		return fmt.Errorf("the module ended with %s, and the transcript has %s", code, r.t.Code)
	case len(reply) == 0 && len(r.t.Reply) == 0:
		return nil
	case len(reply) == 0:
		return errors.New("the module wrote no reply, and the transcript has one")
	case len(r.t.Reply) == 0:
		return errors.New("the module wrote a reply, and the transcript has none")
	}
	if err := differ(r.t.Reply, reply); err != nil {
		return fmt.Errorf("the reply %w", err)
	}
	return nil
}
