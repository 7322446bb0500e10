package docker

import (
	"bytes"
	"errors"
	"io"
	"net/http"
)

// Bounds of one answer. A container takes about 1.5 KB and 60 values in the
// engine's list, so these are several thousand containers. Bytes alone would
// not do: `[null,null,…]` grows fiftyfold when it is decoded.
const (
	maxBody   = 16 << 20
	maxValues = 400_000
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
	if v := resp.Header.Get("Api-Version"); v != "" && g.session.version != "" && v != g.session.version {
		g.session.stale.Store(true)
	}
	resp.Body = &boundedBody{ReadCloser: resp.Body, bytes: maxBody, values: maxValues}
	return resp, nil
}

// connectionError is a request that got no answer. The client library turns
// errors whose text it knows into a sentence and loses errno; this text says
// nothing, so that the chain below it survives.
type connectionError struct{ cause error }

func (e *connectionError) Error() string { return "no answer" }
func (e *connectionError) Unwrap() error { return e.cause }

// boundedBody ends in errTooLarge when either budget is spent.
type boundedBody struct {
	io.ReadCloser
	bytes, values int
	failed        bool
}

func (b *boundedBody) Read(p []byte) (int, error) {
	if b.failed {
		return 0, errTooLarge
	}
	n, err := b.ReadCloser.Read(p)
	b.bytes -= n
	b.values -= bytes.Count(p[:n], []byte{','})
	if b.bytes < 0 || b.values < 0 {
		b.failed = true
		return 0, errTooLarge
	}
	return n, err
}
