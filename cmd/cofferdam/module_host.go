package main

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"path/filepath"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/control"
)

// hostModules is what the command line asks of the module folder of a running bot.
// It decides anew: what a command saw may have changed since.
type hostModules interface {
	Pending(context.Context) (abi.PendingList, error)
	// ApproveAtHost and RevokeAtHost are for who has a shell here, the root of trust:
	// no session is needed.
	ApproveAtHost(context.Context, abi.ModuleApproval) (abi.ModuleDone, error)
	RevokeAtHost(context.Context, abi.ModuleRef) (abi.ModuleDone, error)
}

// The names under which a running bot is asked.
const (
	callPending = "modules/pending"
	callApprove = "modules/approve"
	callRevoke  = "modules/revoke"
)

// refusedNoFolder is the code of [errNoFolder] on its way over the socket.
const refusedNoFolder = "no_folder"

var errNoFolder = &control.Refusal{Code: refusedNoFolder, Reason: "the bot has no folder of modules: modules.dir of its config is not set"}

// namesakes bounds how many files of one name are told of: an answer has its
// bound, and one file can ask for much.
const namesakes = 4

// moduleCalls are handlers about the module folder. What they refuse is told in the
// words for people.
func (a *app) moduleCalls(others control.Handlers) control.Handlers {
	calls := maps.Clone(others)
	calls[callPending] = folderCall(a, func(ctx context.Context, m hostModules, called string) (abi.PendingList, error) {
		list, err := m.Pending(ctx)
		list.Modules = goingBy(list.Modules, called)
		return list, err
	})
	calls[callApprove] = folderCall(a, func(ctx context.Context, m hostModules, q abi.ModuleApproval) (abi.ModuleDone, error) {
		return m.ApproveAtHost(ctx, q)
	})
	calls[callRevoke] = folderCall(a, func(ctx context.Context, m hostModules, q abi.ModuleRef) (abi.ModuleDone, error) {
		return m.RevokeAtHost(ctx, q)
	})
	return calls
}

// folderCall makes a handler of what asks the module folder.
func folderCall[Q, R any](a *app, ask func(context.Context, hostModules, Q) (R, error)) func(context.Context, []byte) (any, error) {
	return func(ctx context.Context, argument []byte) (any, error) {
		var q Q
		if err := json.Unmarshal(argument, &q); err != nil {
			return nil, err
		}
		if a.folder == nil {
			return nil, errNoFolder
		}
		result, err := ask(ctx, a.folder, q)
		if told, ok := errors.AsType[*abi.Error](err); ok {
			return nil, &control.Refusal{Code: told.Code.String(), Reason: told.Message}
		}
		return result, err
	}
}

// goingBy returns the files that go by a name: the module's, or the file's.
func goingBy(files []abi.PendingModule, name string) []abi.PendingModule {
	found := []abi.PendingModule{}
	for _, f := range files {
		if (f.Name == name || f.File == filepath.Base(name)) && len(found) < namesakes {
			found = append(found, f)
		}
	}
	return found
}

// listedFiles are the files that do not run, without what they ask for: that is
// much, and for who approves one.
func (a *app) listedFiles(ctx context.Context) ([]abi.PendingModule, error) {
	if a.folder == nil {
		return nil, nil
	}
	list, err := a.folder.Pending(ctx)
	for i := range list.Modules {
		f := &list.Modules[i]
		f.Asks, f.Gone, f.Commands, f.Runs, f.Description = nil, nil, nil, nil, ""
	}
	return list.Modules, err
}
