package hostcall

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// acts is the row of an operation that does something to a container.
func (s Sources) acts(name string, needs capability.Name, act string) Operation {
	return Operation{Import: name, Capability: needs, audit: s.Audit, observe: s.Observe, act: &action{
		find: func(ctx context.Context, c *Caller, request []byte) (capability.Act, error) {
			return s.container(ctx, c, watch(c, needs), request)
		},
		do: func(ctx context.Context, _ *Caller, target capability.Act, _ []byte) (any, error) {
			return s.Docker.Act(ctx, target.Host, target.ID, act)
		},
	}}
}

// renames is the row of the operation that gives a container another name. The
// new name must lie inside the scope as well: else a container could be moved to
// where others reach it, and names that are out of reach could be found by trying
// them.
func (s Sources) renames(name string) Operation {
	const needs = capability.ContainersRename
	return Operation{Import: name, Capability: needs, audit: s.Audit, observe: s.Observe, act: &action{
		find: func(ctx context.Context, c *Caller, request []byte) (capability.Act, error) {
			w := watch(c, needs)
			target, err := s.container(ctx, c, w, request)
			var rename abi.ContainerRename
			switch {
			case err != nil:
				return capability.Act{}, err
			case json.Unmarshal(request, &rename) != nil:
				return capability.Act{}, errNonsense
			case rename.To != "" && !w.keep(rename.To, w.labels): // an empty name is the adapter's to refuse
				return capability.Act{}, errNameOutside
			}
			return target, nil
		},
		do: func(ctx context.Context, _ *Caller, target capability.Act, request []byte) (any, error) {
			var rename abi.ContainerRename
			if json.Unmarshal(request, &rename) != nil {
				return nil, errNonsense
			}
			return s.Docker.Rename(ctx, target.Host, target.ID, rename.To)
		},
	}}
}

var errNameOutside = refuse(abi.Denied, "That name lies outside of what you or this module may see.")

// container finds the container that a request names, and holds it against the
// scope that w watches.
func (s Sources) container(ctx context.Context, c *Caller, w *watcher, request []byte) (capability.Act, error) {
	if s.Docker == nil {
		return capability.Act{}, errNoDocker
	}
	var ref abi.ContainerRef
	if len(request) > maxRequest || json.Unmarshal(request, &ref) != nil {
		return capability.Act{}, errNonsense
	}
	found, err := s.Docker.Find(ctx, ref, w.keep)
	if err == nil {
		err = w.admits(found)
	}
	if err == nil && found.ID == "" {
		err = fmt.Errorf("container %q came without an id", found.Name)
	}
	if err != nil {
		return capability.Act{}, err
	}
	return capability.Act{Capability: w.name, Host: cmp.Or(ref.Host, abi.LocalHost), ID: found.ID, Name: found.Name}, nil
}
