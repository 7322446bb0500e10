package emulator

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"
)

// maxReply is how much of a webhook's answer is read.
const maxReply = 1 << 20

// mostRetryAfter is the longest Retry-After that Telegram obeys, in seconds.
const mostRetryAfter = 3600

// outcome is how a delivery ended, as Telegram sees it.
type outcome struct {
	status     int           // 0 if there was no answer
	retryAfter time.Duration // what the answer asked for; 0 for nothing
	err        string        // in the words of getWebhookInfo; "" if the update was accepted
}

// refusedForGood is an answer that says: this update is wrong, and will be wrong later.
func (o outcome) refusedForGood() bool {
	return o.status >= 400 && o.status < 500 && o.status != http.StatusTooManyRequests
}

// answered is the outcome of an answer. Status is that of the status line, "404 Not Found".
func answered(code int, status string, retryAfter int) outcome {
	if code >= 200 && code < 300 {
		return outcome{status: code}
	}
	return outcome{
		status:     code,
		retryAfter: time.Duration(clamp(int64(retryAfter), 0, mostRetryAfter)) * time.Second,
		err:        "Wrong response from the webhook: " + status,
	}
}

const connectionClosed = "Connection closed"

// attempt delivers an update, with what a fault says.
func (s *Server) attempt(reg *registration, raw []byte, f *Fault) outcome {
	if f == nil {
		return s.post(reg, raw)
	}
	var out outcome
	if f.After {
		out = s.post(reg, raw)
	}
	if !s.pause(s.outbox.ctx, f.Delay) {
		return outcome{err: connectionClosed}
	}
	switch {
	case f.Drop:
		return outcome{err: connectionClosed}
	case f.Status != 0:
		return answered(f.Status, strconv.Itoa(f.Status)+" "+http.StatusText(f.Status), f.RetryAfter)
	case f.After:
		return out
	}
	return s.post(reg, raw)
}

// post makes one request to a webhook. Redirects are not followed, and a call that the answer may hold is not made.
func (s *Server) post(reg *registration, raw []byte) outcome {
	ctx, cancel := context.WithTimeout(s.outbox.ctx, s.outbox.timeout)
	defer cancel()
	var sent atomic.Bool
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { sent.Store(true) },
	})
	req, err := newPost(ctx, reg.Webhook, raw)
	if err != nil {
		return outcome{err: err.Error()}
	}
	resp, err := reg.transport.RoundTrip(req)
	if err != nil {
		return outcome{err: words(err, sent.Load())}
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(resp.Body, maxReply)); err != nil {
		return outcome{err: words(err, true)}
	}
	seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
	if err != nil {
		seconds = 0 // absent, or a date, which Telegram does not read
	}
	return answered(resp.StatusCode, resp.Status, seconds)
}

// newPost has the headers that Telegram sends, and no others: the host stands without its port.
func newPost(ctx context.Context, hook Webhook, raw []byte) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, hook.URL, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	req.Host = strings.TrimSuffix(req.URL.Host, ":"+req.URL.Port())
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Connection", "keep-alive")
	req.Header.Set("Accept-Encoding", "gzip, deflate")
	req.Header["User-Agent"] = nil // there is none; net/http would put its own
	if hook.SecretToken != "" {
		req.Header.Set("X-Telegram-Bot-Api-Secret-Token", hook.SecretToken)
	}
	return req, nil
}

// words says what went wrong as Telegram does in last_error_message. Sent: the request had gone out.
func words(err error, sent bool) string {
	netErr, _ := errors.AsType[net.Error](err)
	errno, isErrno := errors.AsType[syscall.Errno](err)
	switch {
	case isA[*net.DNSError](err):
		return "Failed to resolve host: Name or service not known"
	case errors.Is(err, errCertificate):
		return "Can't create an SSL context"
	case isA[*tls.CertificateVerificationError](err):
		return "SSL error {error:0A000086:SSL routines::certificate verify failed}"
	case isA[tls.RecordHeaderError](err):
		return "SSL error {error:0A00010B:SSL routines::wrong version number}"
	case isAlert(err):
		return "SSL error {" + err.Error() + "}"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, context.Canceled):
		return connectionClosed
	case netErr != nil && netErr.Timeout() && sent:
		return "Read timeout expired"
	case netErr != nil && netErr.Timeout():
		return "Connection timed out"
	case isErrno:
		text := errno.Error() // the system's own: connection refused
		return strings.ToUpper(text[:1]) + text[1:]
	}
	return err.Error()
}

func isA[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}

// isAlert tells a TLS alert, whose own type crypto/tls does not export, by the operation that it names.
func isAlert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "remote error" || op.Op == "local error")
}
