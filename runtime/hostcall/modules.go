package hostcall

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
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

// maxPending bounds a page of files.
const maxPending = 20

// pending lists the files that do not run: those of a name in full, or a page of
// all in short. A folder full of files whose manifests are as long as they may be
// makes no answer too long.
func (s Sources) pending(ctx context.Context, c *Caller, q abi.PendingQuery) (abi.PendingList, error) {
	switch {
	case c.Actor.Role != abi.RoleAdmin:
		return abi.PendingList{}, refuse(abi.Denied, "That is for admins only.")
	case q.Offset < 0 || q.Count < 0:
		return abi.PendingList{}, errNonsense
	case s.Modules == nil:
		return abi.PendingList{Modules: []abi.PendingModule{}}, nil
	}
	all, err := s.Modules.Pending(ctx)
	if err != nil {
		return abi.PendingList{}, err
	}
	list := abi.PendingList{Approval: all.Approval, Modules: []abi.PendingModule{}, Total: len(all.Modules)}
	for i, f := range all.Modules {
		if f.State != abi.FilePending {
			list.Refused++
		}
		count := cmp.Or(min(q.Count, maxPending), maxPending)
		switch {
		case len(list.Modules) >= count:
		case q.Name != "" && f.Name == q.Name && strings.HasPrefix(f.Digest, q.Digest):
			list.Modules = append(list.Modules, f)
		case q.Name == "" && i >= q.Offset:
			list.Modules = append(list.Modules, inShort(f))
		}
	}
	return list, nil
}

// inShort is a file as it stands in a list.
func inShort(f abi.PendingModule) abi.PendingModule {
	short := abi.PendingModule{
		File: f.File, Size: f.Size, Digest: f.Digest, State: f.State, Why: f.Why, Name: f.Name, Version: f.Version, Author: f.Author, Signer: f.Signer, Trusted: f.Trusted,
	}
	for _, a := range f.Asks {
		short.Asks = append(short.Asks, abi.AskedCapability{Name: a.Name, Danger: a.Danger})
	}
	return short
}

// approves is the row of the operation that lets a file of the module folder run.
// What a tap confirms is this digest with exactly these grants, in the words that
// were shown.
func (s Sources) approves(name string) Operation {
	find := func(ctx context.Context, c *Caller, request []byte) (capability.Act, error) {
		_, act, err := s.approval(ctx, request)
		return act, err
	}
	return Operation{Import: name, Capability: capability.ModulesApprove, audit: s.Audit, observe: s.Observe, act: &action{
		find: find,
		do: func(ctx context.Context, c *Caller, target capability.Act, request []byte) (any, error) {
			approval, act, err := s.approval(ctx, request)
			switch {
			case err != nil:
				return nil, err
			case act != target:
				return nil, errOtherFile
			}
			return s.Modules.Approve(ctx, c.Actor, approval)
		},
	}}
}

// refuses is the row of the operation that has a file not asked about again.
func (s Sources) refuses(name string) Operation {
	return Operation{Import: name, Capability: capability.ModulesRefuse, audit: s.Audit, observe: s.Observe, act: &action{
		find: func(ctx context.Context, _ *Caller, request []byte) (capability.Act, error) {
			q, err := s.reference(request)
			if err != nil {
				return capability.Act{}, err
			}
			_, file, err := s.waiting(ctx, q.Name, q.Digest)
			if err != nil {
				return capability.Act{}, err
			}
			return actOn(capability.ModulesRefuse, file.Name, file.Version, file.Digest), nil
		},
		do: func(ctx context.Context, c *Caller, target capability.Act, request []byte) (any, error) {
			q, err := s.reference(request)
			if err != nil {
				return nil, err
			}
			return s.Modules.Refuse(ctx, c.Actor, abi.ModuleRef{Name: q.Name, Digest: target.ID})
		},
	}}
}

// revokes is the row of the operation that ends a module. Without a digest it is the
// one that runs when it is asked for, and no other when it is done.
func (s Sources) revokes(name string) Operation {
	return Operation{Import: name, Capability: capability.ModulesRevoke, audit: s.Audit, observe: s.Observe, act: &action{
		find: func(_ context.Context, _ *Caller, request []byte) (capability.Act, error) {
			q, err := s.reference(request)
			if err != nil {
				return capability.Act{}, err
			}
			return s.running(q)
		},
		do: func(ctx context.Context, c *Caller, target capability.Act, request []byte) (any, error) {
			q, err := s.reference(request)
			if err != nil {
				return nil, err
			}
			return s.Modules.Revoke(ctx, c.Actor, abi.ModuleRef{Name: q.Name, Digest: target.ID})
		},
	}}
}

// reference reads which module a request is about.
func (s Sources) reference(request []byte) (q abi.ModuleRef, err error) {
	switch {
	case s.Modules == nil:
		return q, errNoModules
	case len(request) > maxRequest || json.Unmarshal(request, &q) != nil || q.Name == "":
		return q, errNonsense
	}
	return q, nil
}

// running is the module of that name that runs, if it came from the folder.
func (s Sources) running(q abi.ModuleRef) (capability.Act, error) {
	if s.Bot == nil {
		return capability.Act{}, errNoHealth
	}
	for _, m := range s.Bot.Describe(abi.RoleAdmin).Modules {
		switch {
		case m.Name != q.Name:
		case m.Trust != abi.TrustPinned && m.Trust != abi.TrustSigned && m.Trust != abi.TrustApproved:
			return capability.Act{}, refuse(abi.Denied, "That module is a part of the bot.")
		case q.Digest != "" && q.Digest != m.Digest:
			return capability.Act{}, errOtherFile
		case !isDigest(m.Digest):
			return capability.Act{}, fmt.Errorf("module %s runs without a digest", m.Name)
		default:
			return actOn(capability.ModulesRevoke, m.Name, m.Version, m.Digest), nil
		}
	}
	return capability.Act{}, refuse(abi.NotFound, "No module of that name runs.")
}

// actOn is an act on a module. The version is its author's: one line, and short.
func actOn(name capability.Name, module, version, id string) capability.Act {
	shown := foreign.Line(module, maxShownName)
	if version != "" {
		shown += " " + foreign.Line(version, maxShownVersion)
	}
	return capability.Act{Capability: name, Host: capability.HostModules, ID: id, Name: shown}
}

// What is shown of a module's own words, in characters.
const (
	maxShownName    = 32
	maxShownVersion = 24
	maxShownAuthor  = 60
)

// isDigest reports whether a text is a SHA-256 in hexadecimal.
func isDigest(s string) bool {
	_, err := hex.DecodeString(s)
	return err == nil && len(s) == 2*sha256.Size && s == strings.ToLower(s)
}

var errOtherFile = refuse(abi.Conflict, "The file changed meanwhile: look at it again.")
