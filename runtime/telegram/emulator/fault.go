package emulator

import (
	"context"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// WebhookCall is the Method of a Fault that is about deliveries to the webhook. Its ChatID is the chat of the update.
// Such a fault acts as the network between Telegram and the bot, or a proxy there, would: with Delay the update comes
// late, with Drop the connection breaks, with Status and RetryAfter the proxy answers. All that happens before the bot
// is called, or, with After, once it has answered. There is no Body.
const WebhookCall = "(webhook)"

// Fault is something that goes wrong with calls. Delay comes first; then one of Drop, Body and Status is done, in that
// order of precedence. With Delay alone the call is handled as usual after it.
type Fault struct {
	Method string // any case; "" is every method, but not WebhookCall
	ChatID int64  // the chat_id of the call; 0 is every call
	Times  int    // how many matching calls; 0 means 1, less means until ClearFaults

	Status      int    // answer with this error code instead
	Description string // of the error; "" is made from Status and RetryAfter
	RetryAfter  int    // seconds, in the error's parameters; with Status 0 the status is 429

	Delay time.Duration // in real time; cut short if the caller goes away or the server is closed
	Drop  bool          // close the connection without an answer
	Body  []byte        // answer with these bytes; Status 0 is 200 here
	After bool          // let the call take effect first: the bot does not learn that it worked

	Repeat bool // for WebhookCall: an update that the bot accepted is delivered once more
}

// faults are those that were ordered and are not used up, the oldest first.
type faults struct {
	mu   sync.Mutex
	list []*Fault
}

// Fail makes the next matching calls go wrong. Of several faults that match, the oldest is used.
func (s *Server) Fail(f Fault) {
	if f.Times == 0 {
		f.Times = 1
	}
	if f.Status == 0 && f.RetryAfter > 0 {
		f.Status = http.StatusTooManyRequests
	}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = append(s.faults.list, &f)
}

// ClearFaults forgets all faults that are not used up.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.list = nil
}

// take gives the fault for a call, and counts it; nil if there is none.
func (fs *faults) take(method string, chatID int64) *Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i, f := range fs.list {
		if !f.matches(method, chatID) {
			continue
		}
		taken := *f
		if f.Times--; f.Times == 0 {
			fs.list = slices.Delete(fs.list, i, i+1)
		}
		return &taken
	}
	return nil
}

func (f *Fault) matches(method string, chatID int64) bool {
	called := strings.EqualFold(f.Method, method) || f.Method == "" && method != WebhookCall
	return called && (f.ChatID == 0 || f.ChatID == chatID)
}

// breakCall does what a fault says; true if the call is over with that.
func (s *Server) breakCall(ctx context.Context, w http.ResponseWriter, call *Call, f *Fault) bool {
	if !s.pause(ctx, f.Delay) {
		s.record.end(call, writeAnswer(w, nil, errRestart), errRestart)
		return true
	}
	switch {
	case f.Drop:
		s.record.end(call, 0, nil)
		panic(http.ErrAbortHandler) // net/http's own way to break a connection off
	case f.Body != nil:
		status := f.Status
		if status == 0 {
			status = http.StatusOK
		}
		s.record.end(call, status, nil)
		writeBody(w, status, http.DetectContentType(f.Body), f.Body)
	case f.Status != 0:
		s.record.end(call, writeRefusal(w, f.refusal()), f.refusal())
	default:
		return false
	}
	return true
}

func (f *Fault) refusal() *apiError {
	e := &apiError{code: f.Status, description: f.Description, retryAfter: f.RetryAfter}
	if e.description == "" {
		e.description = http.StatusText(f.Status)
		if f.RetryAfter > 0 {
			e.description += ": retry after " + strconv.Itoa(f.RetryAfter)
		}
	}
	return e
}
