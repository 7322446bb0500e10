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
			return s.container(ctx, c, needs, request)
		},
		do: func(ctx context.Context, target capability.Act, _ []byte) (abi.ContainerDone, error) {
			return s.Docker.Act(ctx, target.Host, target.ID, act)
		},
	}}
}

// renames is the row of the operation that gives a container another name.
func (s Sources) renames(name string) Operation {
	const needs = capability.ContainersRename
	return Operation{Import: name, Capability: needs, audit: s.Audit, observe: s.Observe, act: &action{
		find: func(ctx context.Context, c *Caller, request []byte) (capability.Act, error) {
			return s.container(ctx, c, needs, request)
		},
		do: func(ctx context.Context, target capability.Act, request []byte) (abi.ContainerDone, error) {
			var rename abi.ContainerRename
			if json.Unmarshal(request, &rename) != nil {
				return abi.ContainerDone{}, errNonsense
			}
			return s.Docker.Rename(ctx, target.Host, target.ID, rename.To)
		},
	}}
}

// container finds the container that a request names, and holds it against the
// scope of the capability.
func (s Sources) container(ctx context.Context, c *Caller, needs capability.Name, request []byte) (capability.Act, error) {
	if s.Docker == nil {
		return capability.Act{}, errNoDocker
	}
	var ref abi.ContainerRef
	if len(request) > maxRequest || json.Unmarshal(request, &ref) != nil {
		return capability.Act{}, errNonsense
	}
	w := watch(c, needs)
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
	return capability.Act{Capability: needs, Host: cmp.Or(ref.Host, abi.LocalHost), ID: found.ID, Name: found.Name}, nil
}
