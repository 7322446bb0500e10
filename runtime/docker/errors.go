package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/client"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

var (
	errSilent   = errors.New("the engine did not answer in time")
	errClosed   = errors.New("the client is closed")
	errNonsense = errors.New("the engine's answer makes no sense")
)

// Error is what every call of a [Client] fails with. What a user or a module
// may read is in Answer, reached with errors.As as an *abi.Error; what the log
// should say is in Cause and in the text of the error. Neither holds a secret.
type Error struct {
	Answer abi.Error
	Cause  error // nil: Answer says it all
}

// Error returns code, sentence and cause.
func (e *Error) Error() string {
	if e.Cause == nil {
		return "docker: " + e.Answer.Error()
	}
	return "docker: " + e.Answer.Error() + " (" + e.Cause.Error() + ")"
}

// Unwrap gives both sides: the answer and the cause.
func (e *Error) Unwrap() []error {
	if e.Cause == nil {
		return []error{&e.Answer}
	}
	return []error{&e.Answer, e.Cause}
}

func fail(code abi.Code, sentence string, cause error) *Error {
	return &Error{Answer: abi.Error{Code: code, Message: sentence}, Cause: cause}
}

// codeOf returns the code of an error of this package; OK for nil.
func codeOf(err error) abi.Code {
	var answer *abi.Error
	switch {
	case err == nil:
		return abi.OK
	case errors.As(err, &answer):
		return answer.Code
	}
	return abi.Internal
}

// gone tells whether nobody answered, other than an answer that was an error.
func gone(err error) bool {
	var conn *connectionError
	return errors.As(err, &conn) || client.IsErrConnectionFailed(err) || errors.Is(err, context.DeadlineExceeded)
}

// explain turns a failed request into an answer for users.
func (e *endpoint) explain(ctx context.Context, what string, err error) *Error {
	var conn *connectionError
	if errors.As(err, &conn) {
		err = conn.cause
	}
	cause := fmt.Errorf("%s on %s: %w", what, e.url, err)
	switch {
	case ctx.Err() != nil && !errors.Is(context.Cause(ctx), errSilent):
		return fail(abi.Timeout, "Docker did not answer before the time for this command was over.", cause)
	case conn != nil || gone(err) || ctx.Err() != nil:
		return fail(abi.Unavailable, e.absence(err), cause)
	case cerrdefs.IsNotFound(err):
		return fail(abi.NotFound, "Docker does not know that (any more).", cause)
	case cerrdefs.IsConflict(err):
		return fail(abi.Conflict, "Docker refuses this in the present state.", cause)
	case cerrdefs.IsPermissionDenied(err), cerrdefs.IsUnauthorized(err):
		return fail(abi.Unavailable, "Docker on "+e.url+" refuses this request. Does a proxy in front of it allow it?", cause)
	case cerrdefs.IsInternal(err), cerrdefs.IsUnavailable(err):
		return fail(abi.Unavailable, "Docker on "+e.url+" reports an error of its own.", cause)
	}
	return fail(abi.Unavailable, "Docker on "+e.url+" gave an answer that makes no sense.", cause)
}

// absence says why nobody answers, and what helps.
func (e *endpoint) absence(err error) string {
	switch {
	case e.network != "unix":
	case errors.Is(err, fs.ErrNotExist):
		return "There is no Docker socket at " + e.target + ". Is Docker running, and is the socket mounted?"
	case errors.Is(err, fs.ErrPermission):
		return "The bot may not open Docker's socket " + e.target + ". " + groupHint(e.target)
	}
	return "Docker does not answer on " + e.url + "."
}

// groupHint names the group that may use the socket.
func groupHint(socket string) string {
	if info, err := os.Stat(socket); err == nil {
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			return fmt.Sprintf("Give it the socket's group: group_add: [\"%d\"], or --group-add %d.", st.Gid, st.Gid)
		}
	}
	return "Give it the socket's group with group_add."
}
