package outbound

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

var (
	errOutside    = refuse(abi.Denied, "This module may not make that request.")
	errLeaves     = refuse(abi.Denied, "The server leads to an address that this module may not ask.")
	errReach      = refuse(abi.Denied, "The server is in a network that this module may not reach.")
	errPin        = refuse(abi.Unavailable, "The server's certificate is not the one that was agreed on.")
	errAddress    = refuse(abi.Invalid, "The address of the request makes no sense.")
	errHeaders    = refuse(abi.Limit, "The request has too many headers, or too long ones.")
	errNoSecret   = refuse(abi.Unavailable, "A secret that this module uses is not configured.")
	errSecretLine = refuse(abi.Unavailable, "A secret that this module uses cannot be put into a header.")
	errBase       = refuse(abi.Unavailable, "The address that is configured for this module cannot be asked so.")
	errNoHost     = refuse(abi.Unavailable, "There is no server of that name.")
	errAnswer     = refuse(abi.Unavailable, "The server's answer makes no sense.")
	errEncoded    = refuse(abi.Unavailable, "The server's answer is compressed, though it was asked not to be.")
	errCircle     = refuse(abi.Limit, "The server redirects again and again.")
	errBusy       = refuse(abi.Limit, "Too many requests are under way. Try again in a moment.")
)

func refuse(code abi.Code, sentence string) error { return &abi.Error{Code: code, Message: sentence} }

// failure is an error with its cause, which the log gets and no module.
type failure struct {
	told  error
	cause string
}

func (f *failure) Error() string { return f.told.Error() + " (" + f.cause + ")" }
func (f *failure) Unwrap() error { return f.told }

// maxCause bounds a cause, in runes. It may hold what a server wrote.
const maxCause = 200

// explain says in a sentence what went wrong.
func explain(ctx context.Context, err error) error {
	if told, ok := errors.AsType[*abi.Error](err); ok {
		return told // whatever the library wrapped around it
	}
	return &failure{sentence(ctx, err), foreign.Line(err.Error(), maxCause)}
}

func sentence(ctx context.Context, err error) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return refuse(abi.Timeout, "The server did not answer in time.")
	}
	if lookup, ok := errors.AsType[*net.DNSError](err); ok {
		if lookup.IsNotFound {
			return errNoHost
		}
		return refuse(abi.Unavailable, "The server's name cannot be looked up.")
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return refuse(abi.Unavailable, "The server's certificate has expired.")
	}
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return refuse(abi.Unavailable, "The server's certificate is for another name.")
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return refuse(abi.Unavailable, "Nobody who is trusted vouches for the server's certificate.")
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return refuse(abi.Unavailable, "The server's certificate cannot be trusted.")
	}
	if network, ok := errors.AsType[*net.OpError](err); ok && network.Op == "dial" {
		return refuse(abi.Unavailable, "No connection to the server can be made.")
	}
	return refuse(abi.Unavailable, "The server does not answer as it should.")
}
