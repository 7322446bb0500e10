package distribution

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// problem is why nothing, or not all, is known of a tag. The zero value is none.
type problem struct {
	sentence string
	until    time.Time // when the registry may be asked again; zero: no matter
}

// text is the sentence for a user, at a moment.
func (p problem) text(now time.Time) string {
	if p.sentence == "" || !p.until.After(now) {
		return p.sentence
	}
	return p.sentence + " It can be asked again in " + duration(p.until.Sub(now)) + "."
}

// duration is rounded up, so that whoever waits for it does not come too early.
func duration(d time.Duration) string {
	switch minutes := int((d + time.Minute - 1) / time.Minute); {
	case d <= time.Minute:
		return plural(int((d+time.Second-1)/time.Second), "second")
	case minutes <= 90:
		return plural(minutes, "minute")
	default:
		return plural((minutes+59)/60, "hour")
	}
}

func plural(n int, unit string) string {
	if n != 1 {
		unit += "s"
	}
	return strconv.Itoa(n) + " " + unit
}

// Sentences of what has no error.
const (
	builtHere  = "It was not pulled under this name: no registry knows it."
	pinned     = "It was pulled by its digest, which never means another image."
	untagged   = "It has no tag, so there is nothing to look for."
	unreadable = "Its name cannot be read as a registry's."
	otherLocal = "Its registry is on that machine itself, where the bot cannot ask it."
	tagGone    = "The registry does not have this tag any more."
	repoGone   = "The registry does not know this repository."
)

// tooManyTags may hide newer ones.
var tooManyTags = "The registry has more than " + strconv.Itoa(maxTags) + " tags here: newer ones may be among those that were not read."

// explain is the sentence of an error of a look at a registry. What registries
// write into their errors is not repeated: it may echo a token.
func explain(err error, l login, notFound string) problem {
	var paused *errPaused
	if errors.As(err, &paused) {
		return problem{sentence: sentenceOf(paused.reason, l, notFound), until: paused.until}
	}
	return problem{sentence: sentenceOf(err, l, notFound)}
}

func sentenceOf(err error, l login, notFound string) string {
	var status *transport.Error
	var certificate *tls.CertificateVerificationError
	switch {
	case errors.As(err, &status):
		return statusSentence(status.StatusCode, l, notFound)
	case errors.Is(err, errLimited):
		return "The registry limits how often it is asked."
	case errors.Is(err, errAway):
		return "The registry cannot be reached."
	case errors.Is(err, errLeads), strings.Contains(err.Error(), "private or link-local"): // the library's own guard
		return "The registry leads to an address where it must not lead."
	case errors.Is(err, errElsewhere):
		return "The registry wants its credentials to be sent to another host."
	case errors.As(err, &certificate):
		return "The registry's certificate is not trusted."
	case errors.Is(err, errPlain), isPlainAnswer(err):
		return "The registry does not use HTTPS."
	case errors.Is(err, errTooLong):
		return "The registry's answer is too long."
	case isTimeout(err):
		return "The registry does not answer in time."
	case isConnection(err):
		return "The registry cannot be reached."
	}
	return "The registry's answer makes no sense."
}

func statusSentence(status int, l login, notFound string) string {
	switch {
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && l.known():
		return "The registry refuses the login of the Docker config."
	case (status == http.StatusUnauthorized || status == http.StatusForbidden) && l.helper:
		return "The registry wants a login, and the Docker config leaves that to a helper program, which the bot does not run."
	case status == http.StatusUnauthorized || status == http.StatusForbidden:
		return "The registry wants a login for this repository, or does not know it."
	case status == http.StatusNotFound:
		return notFound
	case status == http.StatusTooManyRequests:
		return "The registry limits how often it is asked."
	case status >= 500:
		return "The registry has trouble of its own (" + strconv.Itoa(status) + ")."
	}
	return "The registry refuses to answer (" + strconv.Itoa(status) + ")."
}

// isPlainAnswer tells what net/http and crypto/tls say of a server without TLS.
func isPlainAnswer(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout()
}

func isConnection(err error) bool {
	var op *net.OpError
	return errors.As(err, &op) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}

// isAway tells an error after which others need not be asked for now: no
// connection, or no answer.
func isAway(err error) bool {
	var op *net.OpError
	if errors.Is(err, errLeads) || errors.Is(err, context.Canceled) {
		return false
	}
	return errors.As(err, &op) && op.Op == "dial" || isTimeout(err)
}

// maxCause bounds what the log gets of an error, in runes.
const maxCause = 200

// cause is what the log gets of an error: of an answer its status and the code
// words of the specification; of anything else the innermost text, without
// addresses, whose queries can hold tokens, and without the credentials.
func cause(err error, l login) string {
	var status *transport.Error
	if errors.As(err, &status) {
		text := "status " + strconv.Itoa(status.StatusCode)
		for _, e := range status.Errors[:min(len(status.Errors), 3)] {
			if code := string(e.Code); strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == "" && len(code) <= 32 {
				text += " " + code
			}
		}
		return text
	}
	var address *url.Error
	for errors.As(err, &address) {
		err = address.Err
	}
	text := err.Error()
	if before, _, found := strings.Cut(text, "no token in bearer response"); found {
		text = before + "no token in bearer response"
	}
	for _, secret := range l.secrets() {
		text = strings.ReplaceAll(text, secret, "•••")
	}
	return foreign.Line(text, maxCause)
}
