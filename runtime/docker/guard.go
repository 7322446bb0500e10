package docker

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync/atomic"
)

// Bounds of one answer. A container takes about 1.5 KB and 60 values in the
// engine's list, so these are several thousand containers. Bytes alone would
// not do: of `[{},{},…]` and `[null,null,…]` each element becomes a struct of
// several hundred bytes when it is decoded, so objects and elements of lists
// have lower bounds than values. A container has about a dozen of them.
const (
	maxBody     = 16 << 20
	maxValues   = 400_000
	maxObjects  = 50_000
	maxElements = 50_000
	maxDepth    = 100
)

var errTooLarge = errors.New("the engine's answer is too large")

// guard stands between the client library and the network: it bounds bodies,
// notices a change of the engine's version, and keeps the cause of a failed
// connection.
type guard struct {
	base    http.RoundTripper
	session *session
}

func (g *guard) RoundTrip(req *http.Request) (*http.Response, error) {
	resp, err := g.base.RoundTrip(req)
	if err != nil {
		return nil, &connectionError{err}
	}
	if status, ok := req.Context().Value(statusKey{}).(*atomic.Int32); ok {
		status.Store(int32(resp.StatusCode))
	}
	if v := resp.Header.Get("Api-Version"); v != "" && g.session.version != "" && v != g.session.version {
		g.session.stale.Store(true)
	}
	if resp.StatusCode == http.StatusOK && req.Context().Value(streamKey{}) != nil {
		return resp, nil
	}
	if resp.StatusCode == http.StatusOK && req.Context().Value(eventsKey{}) != nil {
		resp.Body = &eventBody{ReadCloser: resp.Body, budget: oneEvent()}
		return resp, nil
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, budget: wholeAnswer()}
	return resp, nil
}

type statusKey struct{}

// noting returns a context whose requests write the status of their answers
// into status: for the client library, "not modified" is the same as done.
func noting(ctx context.Context, status *atomic.Int32) context.Context {
	return context.WithValue(ctx, statusKey{}, status)
}

type streamKey struct{}

// streaming returns a context whose requests get bodies that are no JSON: who
// reads them bounds them.
func streaming(ctx context.Context) context.Context {
	return context.WithValue(ctx, streamKey{}, true)
}

// connectionError is a request that got no answer. The client library turns
// errors whose text it knows into a sentence and loses errno; this text says
// nothing, so that the chain below it survives.
type connectionError struct{ cause error }

func (e *connectionError) Error() string { return "no answer" }
func (e *connectionError) Unwrap() error { return e.cause }

// boundedBody ends in errTooLarge when its budget is spent. The client library
// decodes nothing before it has read the whole answer.
type boundedBody struct {
	io.ReadCloser
	budget budget
	failed bool
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.failed {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p)
	if !b.budget.spend(p[:n]) {
		b.failed = true
		return 0, errTooLarge
	}
	return n, err
}

// budget is what is left for an answer. It knows just enough of JSON to tell
// the elements of a list from the members of an object.
type budget struct {
	bytes, values, objects, elements int

	lists           []bool // the open brackets: whether each is a list's
	quoted, escaped bool
}

func wholeAnswer() budget {
	return budget{bytes: maxBody, values: maxValues, objects: maxObjects, elements: maxElements}
}

// spend counts the next bytes of the answer, and tells whether it may go on.
func (b *budget) spend(p []byte) bool {
	b.bytes -= len(p)
	for _, c := range p {
		if b.quoted {
			b.inString(c)
		} else {
			b.outside(c)
		}
	}
	return min(b.bytes, b.values, b.objects, b.elements) >= 0 && len(b.lists) <= maxDepth
}

func (b *budget) inString(c byte) {
	switch {
	case b.escaped:
		b.escaped = false
	case c == '\\':
		b.escaped = true
	case c == '"':
		b.quoted = false
	}
}

func (b *budget) outside(c byte) {
	switch c {
	case '"':
		b.quoted = true
	case '{':
		b.objects--
		b.lists = append(b.lists, false)
	case '[':
		b.elements--
		b.lists = append(b.lists, true)
	case '}', ']':
		b.lists = b.lists[:max(len(b.lists)-1, 0)]
	case ',':
		b.values--
		if n := len(b.lists); n > 0 && b.lists[n-1] {
			b.elements--
		}
	}
}
