package emulator

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"
)

// maxCalls is the number of calls kept for each method; the counters go on.
const maxCalls = 1024

// Call is a recorded Bot API call.
type Call struct {
	Method  string
	At      time.Time         // by Options.Now
	Params  map[string]string // as sent; numbers, lists and objects are JSON text. Not to be written to.
	Files   []string          // the names of the parts that held files
	Refusal string            // why it was refused; empty: it was not
	Status  int               // HTTP status of the answer; 0 while it is under way, or if the connection was dropped
}

// Int is a parameter as a number; 0 if it is none.
func (c Call) Int(name string) int64 {
	n, err := strconv.ParseInt(c.Params[name], 10, 64)
	if err != nil {
		return 0
	}
	return n
}

// Decode reads a JSON parameter, such as reply_markup, into dest.
func (c Call) Decode(name string, dest any) error {
	if err := json.Unmarshal([]byte(c.Params[name]), dest); err != nil {
		return fmt.Errorf("decode parameter %s of %s: %w", name, c.Method, err)
	}
	return nil
}

// recorder counts and keeps calls. It has its own lock, so that it never holds up the world.
type recorder struct {
	now     func() time.Time
	mu      sync.Mutex
	logs    map[string]*callLog
	changed bell
}

type callLog struct {
	count int
	ring  []*Call
}

func newRecorder(now func() time.Time) *recorder {
	r := &recorder{now: now, logs: make(map[string]*callLog, len(methods))}
	for name := range methods {
		r.logs[name] = &callLog{}
	}
	return r
}

func (r *recorder) begin(method string, p *params) *Call {
	call := &Call{Method: method, At: r.now(), Params: p.values}
	for name := range p.uploads {
		call.Files = append(call.Files, name)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	log := r.logs[strings.ToLower(method)]
	if len(log.ring) < maxCalls {
		log.ring = append(log.ring, call)
	} else {
		log.ring[log.count%maxCalls] = call
	}
	log.count++
	r.changed.ring()
	return call
}

func (r *recorder) end(call *Call, status int, refusal error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	call.Status = status
	if refusal != nil {
		call.Refusal = refusal.Error()
	}
}

// Calls are the last calls of a method (at most 1,024), the oldest first, including those still under way.
func (s *Server) Calls(method string) []Call {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	log := s.record.logs[strings.ToLower(method)]
	if log == nil {
		return nil
	}
	out := make([]Call, 0, len(log.ring))
	first := log.count - len(log.ring)
	for n := first; n < log.count; n++ {
		out = append(out, *log.ring[n%maxCalls])
	}
	return out
}

// Count is how often a method was called since New, refused and broken calls included.
func (s *Server) Count(method string) int {
	s.record.mu.Lock()
	defer s.record.mu.Unlock()
	if log := s.record.logs[strings.ToLower(method)]; log != nil {
		return log.count
	}
	return 0
}

// WaitCalls waits until a method was called n times since New; the last of these calls may still be under way. It is
// woken by calls, it does not poll.
func (s *Server) WaitCalls(ctx context.Context, method string, n int) error {
	for {
		s.record.mu.Lock()
		changed := s.record.changed.wait()
		s.record.mu.Unlock()
		if s.Count(method) >= n {
			return nil
		}
		if err := s.hear(ctx, changed); err != nil {
			return fmt.Errorf("wait for %d calls of %s (there were %d): %w", n, method, s.Count(method), err)
		}
	}
}
