package docker

import (
	"context"
	"strings"

	"github.com/docker/docker/client"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// MaxNewName bounds a name that a container is given, in bytes. The engine sets
// no bound; DNS ends at 63, and a message should stay readable.
const MaxNewName = 128

var (
	errBadName  = fail(abi.Invalid, "A container's name begins with a letter or a digit, and goes on with letters, digits, _, . and -: 2 to 128 characters.", nil)
	errNameIsID = fail(abi.Invalid, "A name of 64 hexadecimal digits would be taken for a container's id.", nil)
)

// checkName admits what the engine admits as a name, `[a-zA-Z0-9][a-zA-Z0-9_.-]+`,
// but for what looks like a full id: a reference must mean one thing.
func checkName(name string) error {
	switch {
	case len(name) > MaxNewName || checkRef(name) != nil:
		return errBadName
	case isID(name):
		return errNameIsID
	}
	return nil
}

// Rename gives the container with this full id another name. That it has it
// already is no error. A name that no container can have is [abi.Invalid], one
// that another has is [abi.Conflict]; the bot's own container is refused as
// [Client.Act] does.
func (c *Client) Rename(ctx context.Context, host, id, to string) (abi.ContainerDone, error) {
	if !isID(id) {
		return abi.ContainerDone{}, errBadAct
	}
	if err := checkName(to); err != nil {
		return abi.ContainerDone{}, err
	}
	e, before, err := c.target(ctx, abi.ContainerRef{Host: host, ID: id}, everything)
	if err != nil {
		return abi.ContainerDone{}, err
	}
	done := abi.ContainerDone{Name: displayName(bareName(before.Name), id), State: stateOf(before)}
	if bareName(before.Name) == to {
		done.Unchanged = true
		return done, nil
	}
	w, err := c.begun(ctx, e, id, abi.ActRename, func(ctx context.Context, cli *client.Client, id string) error {
		return cli.ContainerRename(ctx, id, to)
	})
	if err != nil {
		return abi.ContainerDone{}, err
	}
	failed, finished := w.wait(ctx)
	after, looked := e.look(ctx, id)
	if looked == nil {
		done.Name, done.State = displayName(bareName(after.Name), id), stateOf(after)
	}
	switch {
	case absent(looked):
		return abi.ContainerDone{}, fail(abi.NotFound, "There is no such container (any more).", failed)
	case finished && failed != nil:
		return abi.ContainerDone{}, notRenamed(to, failed)
	case !finished || looked != nil:
		done.Pending = true
	}
	return done, nil
}

// notRenamed tells a name that is taken from other reasons.
func notRenamed(to string, failed error) error {
	if codeOf(failed) == abi.Conflict && strings.Contains(failed.Error(), "already in use") {
		return fail(abi.Conflict, "Another container is called "+to+" already.", failed)
	}
	return failed
}
