package hostcall

import (
	"context"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// Modules decides which files of the module folder run.
type Modules interface {
	Pending(ctx context.Context) (abi.PendingList, error)
	// Approve lets exactly this file run with exactly these grants. Its error is an
	// [abi.Error]: not_found for a file that is not there (any more), conflict for
	// one that cannot be approved, invalid for grants beyond what it asks.
	Approve(ctx context.Context, by abi.Actor, q abi.ModuleApproval) (abi.ModuleDone, error)
	Refuse(ctx context.Context, by abi.Actor, q abi.ModuleRef) (abi.ModuleDone, error)
	Revoke(ctx context.Context, by abi.Actor, q abi.ModuleRef) (abi.ModuleDone, error)
}

var errNoModules = refuse(abi.Unavailable, "There is no folder of modules here: the config names none.")

func (s Sources) pending(ctx context.Context, c *Caller, _ abi.PendingQuery) (abi.PendingList, error) {
	switch {
	case c.Actor.Role != abi.RoleAdmin:
		return abi.PendingList{}, refuse(abi.Denied, "That is for admins only.")
	case s.Modules == nil:
		return abi.PendingList{Modules: []abi.PendingModule{}}, nil
	}
	return s.Modules.Pending(ctx)
}

// vouches is the row of an operation that lets a module run, or ends one.
func (s Sources) vouches(name string, needs capability.Name) Operation {
	return Operation{Import: name, Capability: needs, audit: s.Audit, observe: s.Observe, act: &action{
		find: func(context.Context, *Caller, []byte) (capability.Act, error) { return capability.Act{}, errNoModules },
		do: func(context.Context, capability.Act, []byte) (abi.ContainerDone, error) {
			return abi.ContainerDone{}, errNoModules
		},
	}}
}
