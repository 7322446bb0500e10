package telegram

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"strings"
	"time"
)

const (
	// maxAnswer bounds an answer to any call but getUpdates, in bytes.
	maxAnswer = 1 << 20
	// maxUpdates bounds an answer to getUpdates, which holds up to 100 updates.
	maxUpdates = 16 << 20
	// uploadRate is the slowest uplink, in bytes per second, over which a file
	// still gets through: each call may last that much longer.
	uploadRate = 64 << 10
)

// wire does the HTTP part of a call. go-telegram/bot sends through it too, as
// its bot.HttpClient, so that there is one place where answers are bounded and
// errors are classified.
//
// It uses an http.RoundTripper and no http.Client: a client would look at the
// target of a redirect, and quote it in errors; a redirect of the Bot API would
// carry the token to another place.
type wire struct {
	transport http.RoundTripper
	// user is sent as basic authentication, as an http.Client would.
	user    *url.Userinfo
	timeout time.Duration
	veil    veil
	observe func(method, outcome string)
	offset  offset
}

// newTransport returns a transport for many chats side by side.
func newTransport() *http.Transport {
	return &http.Transport{
		Proxy:                  http.ProxyFromEnvironment,
		DialContext:            (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:    10 * time.Second,
		ExpectContinueTimeout:  time.Second,
		MaxIdleConns:           512,
		MaxIdleConnsPerHost:    512,
		IdleConnTimeout:        90 * time.Second,
		MaxResponseHeaderBytes: 64 << 10,
		ForceAttemptHTTP2:      true,
		// Without pings, a connection that a router forgot would swallow one
		// long poll after the other.
		HTTP2: &http.HTTP2Config{SendPingTimeout: 15 * time.Second, PingTimeout: 15 * time.Second},
	}
}

// Do makes a call for go-telegram/bot. Its error is an *Error, and it returns
// an answer only when Telegram said ok.
//
// The library writes the body into a pipe. It is read to its end first, so that
// it goes out with a length and in one piece, and can be sent again when an
// idle connection turns out to be closed.
func (w *wire) Do(req *http.Request) (*http.Response, error) {
	method := path.Base(req.URL.Path)
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, &Error{Method: method, Kind: ErrBadRequest, Text: w.veil.hide("building the request: " + err.Error())}
	}
	timeout := w.timeout + time.Duration(len(body)/uploadRate)*time.Second
	a, err := w.exchange(req.Context(), method, req, body, maxAnswer, timeout)
	if err == nil {
		err = w.verdict(method, a)
	}
	w.report(method, err)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: a.status, Body: io.NopCloser(bytes.NewReader(a.body))}, nil
}

// answer is what came back over HTTP.
type answer struct {
	status int
	body   []byte
	// cut is set when the body was longer than allowed.
	cut bool
	// retryAfter is the header, which proxies send instead of Telegram's field.
	retryAfter time.Duration
}

// exchange sends one request and reads the answer, up to limit bytes of it.
func (w *wire) exchange(ctx context.Context, method string, req *http.Request, body []byte, limit int64, timeout time.Duration) (*answer, error) {
	bounded, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	req = req.WithContext(bounded)
	req.ContentLength = int64(len(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	req.Body, _ = req.GetBody()
	if w.user != nil {
		password, _ := w.user.Password()
		req.SetBasicAuth(w.user.Username(), password)
	}
	resp, err := w.transport.RoundTrip(req)
	if err != nil {
		return nil, w.broken(ctx, bounded, method, err)
	}
	defer resp.Body.Close()
	w.offset.note(resp, time.Now())
	got, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err != nil {
		return nil, w.broken(ctx, bounded, method, err)
	}
	a := &answer{status: resp.StatusCode, body: got, retryAfter: seconds(resp.Header.Get("Retry-After"))}
	if int64(len(got)) > limit {
		a.body, a.cut = got[:limit], true
	}
	return a, nil
}

// broken is the error of an exchange that did not end: the caller's context,
// our time-out, or the network.
func (w *wire) broken(caller, bounded context.Context, method string, err error) error {
	if caller.Err() != nil {
		return &Error{Method: method, Kind: caller.Err()}
	}
	text := w.veil.hide(err.Error())
	if errors.Is(bounded.Err(), context.DeadlineExceeded) {
		text = "no answer in time"
	}
	return &Error{Method: method, Kind: ErrUnavailable, Text: text}
}

// envelope is the frame around every answer of the Bot API.
type envelope struct {
	OK          bool   `json:"ok"`
	ErrorCode   int    `json:"error_code"`
	Description string `json:"description"`
	Parameters  struct {
		RetryAfter json.RawMessage `json:"retry_after"`
		MigratedTo int64           `json:"migrate_to_chat_id"`
	} `json:"parameters"`
}

// verdict is nil if Telegram said ok, otherwise the classified *Error.
func (w *wire) verdict(method string, a *answer) error {
	if a.cut {
		return &Error{Method: method, Kind: ErrUnavailable, Code: a.status, Text: fmt.Sprintf("the answer is longer than %d bytes", len(a.body))}
	}
	var e envelope
	err := json.Unmarshal(a.body, &e)
	switch {
	case err != nil || (!e.OK && e.ErrorCode == 0):
		return foreign(method, a)
	case e.OK:
		return nil
	}
	out := &Error{
		Method: method,
		Kind:   kindOf(method, e.ErrorCode, e.Description),
		Code:   e.ErrorCode,
		Text:   w.veil.hide(e.Description),
	}
	switch {
	case e.ErrorCode == http.StatusBadRequest && e.Parameters.MigratedTo != 0:
		out.Kind, out.MigratedTo = ErrMigrated, e.Parameters.MigratedTo
	case out.Kind == ErrTooManyRequests:
		out.RetryAfter = max(seconds(string(e.Parameters.RetryAfter)), a.retryAfter)
	}
	return out
}

// foreign is the error for an answer that is not Telegram's: a proxy's page, a
// captive portal, another service. Nothing of it is quoted. Its 401 or 404 says
// nothing about the token.
func foreign(method string, a *answer) error {
	e := &Error{Method: method, Kind: ErrUnavailable, Code: a.status, Text: "the answer is not the Bot API's"}
	switch a.status {
	case http.StatusTooManyRequests:
		e.Kind, e.RetryAfter = ErrTooManyRequests, a.retryAfter
	case http.StatusRequestEntityTooLarge:
		e.Kind = ErrTooLong
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		e.Text = "redirects are not followed: is telegram.api_url right?"
	}
	return e
}

// seconds reads a number of seconds, in quotes or not; 0 if it is none.
func seconds(text string) time.Duration {
	n, err := strconv.ParseFloat(strings.Trim(text, `" `), 64)
	if err != nil || !(n > 0) {
		return 0
	}
	return time.Duration(math.Min(n, 1<<31) * float64(time.Second))
}

// outcomes names the kinds for metrics, the special ones first.
var outcomes = []struct {
	kind error
	name string
}{
	{ErrNotModified, "not_modified"}, {ErrMessageGone, "gone"}, {ErrQueryTooOld, "too_old"},
	{ErrUnauthorized, "unauthorized"}, {ErrConflict, "conflict"}, {ErrTooManyRequests, "flood"},
	{ErrForbidden, "forbidden"}, {ErrNotFound, "not_found"}, {ErrBadRequest, "bad_request"},
	{ErrUnavailable, "unavailable"},
}

// report tells the observer how a call ended, in one of a few words.
func (w *wire) report(method string, err error) {
	if w.observe == nil {
		return
	}
	outcome := "canceled"
	if err == nil {
		outcome = "ok"
	}
	for _, o := range outcomes {
		if errors.Is(err, o.kind) {
			outcome = o.name
			break
		}
	}
	w.observe(method, outcome)
}
