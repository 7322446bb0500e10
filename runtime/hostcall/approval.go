package hostcall

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// asked is a capability in the scope in which it is to be granted, and what the
// host says of it.
type asked struct {
	name   string
	scope  []string
	words  string
	danger int
	fresh  bool // the version before did not have it
}

// approval reads what is to be approved, held against the file that waits: with
// every grant written out, and with the act that a tap has to confirm.
func (s Sources) approval(ctx context.Context, request []byte) (abi.ModuleApproval, capability.Act, error) {
	var q abi.ModuleApproval
	fail := func(err error) (abi.ModuleApproval, capability.Act, error) {
		return abi.ModuleApproval{}, capability.Act{}, err
	}
	switch {
	case s.Modules == nil:
		return fail(errNoModules)
	case len(request) > maxRequest || json.Unmarshal(request, &q) != nil || q.Name == "" || q.Digest == "":
		return fail(errNonsense)
	}
	list, file, err := s.waiting(ctx, q.Name, q.Digest)
	switch {
	case err != nil:
		return fail(err)
	case !list.Approval:
		return fail(refuse(abi.Denied, "Files are not approved in chat here (modules.chat_approval): run `cofferdam module approve` at the host."))
	case file.State != abi.FilePending:
		return fail(refuse(abi.Conflict, "That file cannot be approved: "+foreign.Line(cmp.Or(file.Why, "something about it is wrong"), 200)))
	}
	grants, err := chosen(file, q.Grants)
	if err != nil {
		return fail(err)
	}
	details, err := mayDo(grants)
	if err != nil {
		return fail(err)
	}
	q.Grants = make([]abi.GrantedCapability, len(grants))
	for i, g := range grants {
		q.Grants[i] = abi.GrantedCapability{Name: g.name, Scope: g.scope}
	}
	id, err := grantsID(q.Grants)
	if err != nil {
		return fail(err)
	}
	act := actOn(capability.ModulesApprove, file.Name, file.Version, file.Digest+"/"+id)
	act.By, act.Details = foreign.Line(file.Author, maxShownAuthor), details
	return q, act, nil
}

// waiting finds a file that does not run.
func (s Sources) waiting(ctx context.Context, name, digest string) (list abi.PendingList, file abi.PendingModule, err error) {
	if list, err = s.Modules.Pending(ctx); err != nil {
		return list, file, err
	}
	same := false
	for _, f := range list.Modules {
		switch {
		case f.Name != name || f.Name == "":
		case f.Digest == digest && isDigest(digest):
			return list, f, nil
		default:
			same = true
		}
	}
	if same {
		return list, file, errOtherFile
	}
	return list, file, refuse(abi.NotFound, "No such file waits (any more).")
}

// chosen are the grants that were chosen, sorted by name. None chosen means all
// that the file asks, as far as the config lets it.
func chosen(file abi.PendingModule, grants []abi.GrantedCapability) ([]asked, error) {
	given := map[string][]string{}
	for _, g := range grants {
		if _, twice := given[g.Name]; twice {
			return nil, errNonsense
		}
		given[g.Name] = g.Scope
	}
	var list []asked
	var requests []capability.Request
	for _, a := range file.Asks {
		name, scope := capability.Name(a.Name), a.Scope
		if len(a.Narrowed) > 0 && capability.Covers(name, scope, a.Narrowed) {
			scope = a.Narrowed
		} // else the config's scope lies beside it, and holds beside what is approved
		if own, chosen := given[a.Name]; chosen {
			if !capability.Covers(name, scope, own) {
				return nil, refuse(abi.Invalid, "A pattern of "+a.Name+" reaches beyond what the module asks for.")
			}
			scope = own
			delete(given, a.Name)
		} else if len(grants) > 0 {
			return nil, refuse(abi.Invalid, "The module cannot run without "+a.Name+". It can be made narrower, not left out.")
		}
		list = append(list, asked{name: a.Name, scope: scope, words: capability.Words(name, scope), danger: a.Danger, fresh: a.New})
		requests = append(requests, capability.Request{Name: a.Name, Scope: scope})
	}
	if len(given) > 0 {
		return nil, refuse(abi.Invalid, "The module does not ask for all of that.")
	}
	if _, err := capability.Parse(requests); err != nil {
		return nil, errors.Join(refuse(abi.Invalid, "One of these patterns means nothing for its capability."), err)
	}
	slices.SortFunc(list, func(a, b asked) int { return cmp.Compare(a.name, b.name) })
	return list, nil
}

// maxDetails bounds what a confirmation lists, in bytes: with all that stands
// around it, it fits into one message of 4,096 UTF-16 units.
const maxDetails = 2800

// dangers are the marks of the degrees of danger.
var dangers = map[int]string{abi.DangerMost: "🔴 ", abi.DangerMuch: "🟠 ", abi.DangerSome: "🟡 ", abi.DangerNone: "⚪️ "}

// mayDo lists in plain words what is to be granted, the most dangerous first. If
// there is too much for one message, what is only counted is what reads no more
// than every user of the bot may. If the rest alone is too much, nobody can see
// what they would approve, so it is refused.
func mayDo(grants []asked) (string, error) {
	if len(grants) == 0 {
		return "It may do nothing beyond answering.", nil
	}
	sorted := slices.Clone(grants)
	slices.SortStableFunc(sorted, func(a, b asked) int { return cmp.Compare(b.danger, a.danger) })
	lines, size, left := []string{"It may:"}, 0, 0
	for _, g := range sorted {
		mark, known := dangers[g.danger]
		if !known {
			mark = dangers[abi.DangerMost]
		}
		line := mark + foreign.Line(g.words, len(g.words))
		if g.fresh {
			line += " (new)"
		}
		if size+len(line) > maxDetails {
			if !known || g.danger > abi.DangerNone {
				return "", refuse(abi.Limit, "That asks for more than one message can show, so it is not approved in chat. Choose narrower, or run `cofferdam module approve` at the host.")
			}
			left++
			continue
		}
		size += len(line) + 1
		lines = append(lines, line)
	}
	if left > 0 {
		lines = append(lines, fmt.Sprintf("and %d more, which read no more than every user of the bot may", left))
	}
	return strings.Join(lines, "\n"), nil
}

// grantsID is a hash of exactly these grants, in their order.
func grantsID(grants []abi.GrantedCapability) (string, error) {
	data, err := json.Marshal(grants)
	if err != nil {
		return "", fmt.Errorf("encode grants: %w", err)
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:]), nil
}
