package docker

import (
	"context"
	"strings"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Keep decides whether a caller may see a container, by the engine's own
// words, never the caller's: its name without the leading slash, empty if it
// has none, and its labels.
type Keep = func(name string, labels map[string]string) bool

const projectLabel = "com.docker.compose.project"

// maxName bounds a container's name. The engine sets no bound of its own.
const maxName = 255

// checkRef admits a full id or a container's name and nothing else, before
// the engine is asked: the reference becomes a part of a URL's path. Names are
// those that the engine admits: `[a-zA-Z0-9][a-zA-Z0-9_.-]+`.
func checkRef(ref string) error {
	if len(ref) < 2 || len(ref) > maxName || !alphanumeric(ref[0]) {
		return errBadRef
	}
	for i := 1; i < len(ref); i++ {
		if c := ref[i]; !alphanumeric(c) && c != '_' && c != '.' && c != '-' {
			return errBadRef
		}
	}
	return nil
}

var errBadRef = fail(abi.Invalid, "That is neither a container's full id nor its name. /containers lists them.", nil)

func alphanumeric(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z'
}

// isID tells a full id, 64 lower-case hexadecimal digits.
func isID(s string) bool {
	return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == ""
}

// resolve finds the container and asks keep with what the engine says it is.
//
// Who may not see a name learns nothing about it: outside the scope the answer
// is the same whether there is such a container or not. An id cannot be
// guessed, so one that is gone is said to be gone.
func (e *endpoint) resolve(ctx context.Context, ref string, keep Keep) (container.InspectResponse, error) {
	var got container.InspectResponse
	if err := checkRef(ref); err != nil {
		return got, err
	}
	err := e.ask(ctx, "inspect", func(cli *client.Client) (err error) {
		got, err = cli.ContainerInspect(ctx, ref)
		if ambiguous(err) {
			return cerrdefs.ErrNotFound.WithMessage("it is a prefix of several ids, and no name")
		}
		if err == nil && (got.ContainerJSONBase == nil || !isID(got.ID)) {
			err = errNonsense
		}
		return err
	})
	switch {
	case codeOf(err) == abi.NotFound || err == nil && !denotes(ref, got):
		if !isID(ref) && !allows(keep, ref, nil) {
			return container.InspectResponse{}, errOutside
		}
		return container.InspectResponse{}, fail(abi.NotFound, "There is no such container (any more).", err)
	case err != nil:
		return container.InspectResponse{}, err
	case !allows(keep, bareName(got.Name), labelsOf(got)):
		return container.InspectResponse{}, errOutside
	}
	return got, nil
}

var errOutside = fail(abi.Denied, "You, or this module, may not see that container.", nil)

// denotes tells whether the engine found what was asked for. It also resolves
// any prefix of an id, which a caller must not be able to use.
func denotes(ref string, got container.InspectResponse) bool {
	if isID(ref) {
		return got.ID == ref
	}
	return bareName(got.Name) == ref
}

// ambiguous tells an engine's refusal of a prefix of several ids. It looks for a
// name first, so there is no container of that name.
func ambiguous(err error) bool {
	return err != nil && strings.Contains(strings.ToLower(err.Error()), "multiple ids found with provided prefix")
}

func labelsOf(got container.InspectResponse) map[string]string {
	if got.Config == nil {
		return nil
	}
	return got.Config.Labels
}

// allows treats a missing scope as one that admits nothing.
func allows(keep Keep, name string, labels map[string]string) bool {
	return keep != nil && keep(name, labels)
}

func bareName(name string) string { return strings.TrimPrefix(name, "/") }
