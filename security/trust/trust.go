// Package trust decides whether a file of the module folder may run (F2): because
// the config pins it, because a key of the config signed it, or because an admin
// approved exactly these bytes with exactly these grants. It is pure: what was
// read, verified and remembered is passed in. The zero value of every type denies.
package trust

import (
	"fmt"
	"slices"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// File is what was found out about a file, all of it from the same bytes.
type File struct {
	Manifest abi.Manifest
	// Digest is the SHA-256, in lower-case hexadecimal.
	Digest    string
	Signature Signature
}

// Signature is what was found beside a file.
type Signature struct {
	// KeyID is the key that it names; empty: the file is not signed.
	KeyID string `json:"key_id,omitempty"`
	// Verified tells that a key which was trusted when it was looked at made it, for
	// these bytes. Whether that key still is trusted, the [Policy] says.
	Verified bool `json:"verified,omitempty"`
	// Fault says what is wrong with it; empty: nothing.
	Fault string `json:"-"`
}

// Policy is what the operator's config says about all files.
type Policy struct {
	// Pins are digests by the names of modules.
	Pins map[string]string
	// Keys are the ids of the trusted keys.
	Keys []string
	// Chat tells that admins may approve files in chat.
	Chat bool
	// BuiltIn are the names of the modules inside the program.
	BuiltIn []string
	// Covers reports whether every target of the inner scope is in the outer one. It
	// may say false where it is not sure. nil: only scopes that are written the
	// same do.
	Covers func(name capability.Name, outer, inner []string) bool
}

// State is what becomes of a file.
type State string

// The states. The zero State is none of them, and runs nothing.
const (
	Runs    State = "runs"
	Pending State = abi.FilePending
	Refused State = abi.FileRefused
)

// Verdict is what becomes of a file, and why. The zero Verdict runs nothing.
type Verdict struct {
	State State
	// Source is whose word a file that runs goes by: [abi.TrustPinned],
	// [abi.TrustSigned] or [abi.TrustApproved].
	Source string
	// Granted is what an approval leaves of what the manifest asks; nil: all of it.
	Granted []capability.Request
	// Why is one sentence without a full stop, for operators. It may repeat the
	// author's words.
	Why string
	// More are the capabilities that it asks for, and the version before did not have,
	// or not so far.
	More []capability.Name
	// Silent tells that nobody wants to be told: an admin refused this file.
	Silent bool
	// Final tells that nobody can approve it, neither in chat nor at the host: what is
	// wrong is in the file, or in the config.
	Final bool
	// Doubt tells that it is refused for its signature, which may still be on its way.
	Doubt bool
	// Host tells that only the host's command line can approve it: whoever has a shell
	// there is the root of trust.
	Host bool
}

// Decide holds a file against the config and what is remembered of its name. The
// rules stand in their order: the first that applies decides.
func Decide(f File, p Policy, l Lineage, granted []capability.Request) Verdict {
	v := decide(f, p, l, granted)
	v.Host = v.Host || v.State == Pending && !p.Chat
	return v
}

func decide(f File, p Policy, l Lineage, granted []capability.Request) Verdict {
	asked := Asked(f.Manifest)
	pin, pinned := p.Pins[f.Manifest.Name]
	right := pinned && pin == f.Digest
	switch why := Impossible(f.Manifest, p, granted); {
	case f.Digest == "":
		return final("it was not read")
	case why != "":
		return final("%s", why)
	case pinned && !right:
		return final("the config pins another file for %s: its modules.pins says %s", f.Manifest.Name, short(pin))
	case l.Revoked == f.Digest:
		return Verdict{State: Pending, Why: "it was revoked, and needs a new approval"}
	case right:
		return Verdict{State: Runs, Source: abi.TrustPinned, Why: "the config pins it"}
	case f.Signature.Fault != "":
		return Verdict{State: Refused, Final: true, Doubt: true, Why: "its signature is no good: " + f.Signature.Fault}
	case slices.Contains(l.Refused, f.Digest):
		return Verdict{State: Refused, Silent: true, Host: true, Why: "an admin refused it"}
	case l.Approval.Of(f.Manifest.Name, f.Digest, asked):
		return Verdict{State: Runs, Source: abi.TrustApproved, Granted: slices.Clone(l.Approval.Grants), Why: "it was approved"}
	}
	return f.unvouched(p, l, asked)
}

// unvouched decides about a file that is named neither by a pin nor by an approval.
func (f File) unvouched(p Policy, l Lineage, asked []capability.Request) Verdict {
	signed := f.Signature.Verified && slices.Contains(p.Keys, f.Signature.KeyID)
	age := compare(f.Manifest.Version, l.Last.Version)
	switch {
	case l.Last.Digest != "" && age == older:
		return atHost("it is older than the version that was let run last, %s", l.Last.Version)
	case l.Last.Signed && !signed && f.Signature.KeyID == "":
		return stripped("it is not signed, and the version before was")
	case l.Last.Signed && !signed:
		return stripped("the key that signed it, %s, is none of modules.trusted_keys, and the version before was signed by one", f.Signature.KeyID)
	}
	more := p.beyond(l.Last, asked)
	switch {
	case l.Last.Digest != "" && l.Last.Digest != f.Digest && age == same:
		return pending(more, "it has the version of the file that was let run last, %s, and other bytes", l.Last.Version)
	case l.Last.Digest != "" && l.Last.Digest != f.Digest && age == unknown:
		return pending(more, "whether it is newer than the version that was let run last cannot be told: %q and %q", f.Manifest.Version, l.Last.Version)
	case signed && l.Last.Signed && l.Last.Signer != "" && l.Last.Signer != f.Signature.KeyID:
		// Its author would get what another's module kept, and the secrets of its name.
		return pending(more, "a trusted key signed it, %s, but another than the version before, %s", f.Signature.KeyID, l.Last.Signer)
	case signed && l.Revoked != "":
		return pending(more, "a trusted key signed it, and the version before was revoked")
	case signed && len(more) > 0:
		return pending(more, "a trusted key signed it, and it newly asks for more: %s", join(more))
	case signed:
		return Verdict{State: Runs, Source: abi.TrustSigned, Why: "a trusted key signed it, " + f.Signature.KeyID}
	case f.Signature.KeyID != "":
		return pending(more, "the key that signed it, %s, is none of modules.trusted_keys", f.Signature.KeyID)
	}
	return pending(more, "it is neither pinned nor signed")
}

// ours are names that no module from elsewhere has: what it says carries its name, so
// that nobody takes it for the host's.
var ours = []string{"cofferdam", "bot", "host", "system", "security", "admin", "admins", "telegram", "docker", "module", "modules"}

// Impossible says why a module can run under no circumstances; empty: it can. granted
// is what the config grants it; nil: the config says nothing.
func Impossible(m abi.Manifest, p Policy, granted []capability.Request) string {
	asked, err := capability.Parse(Asked(m))
	if err != nil {
		return "its manifest: " + err.Error()
	}
	for _, c := range m.Capabilities {
		if capability.BuiltInOnly(capability.Name(c.Name)) {
			return "it asks for " + c.Name + ", which only built-in modules can have"
		}
	}
	for _, c := range m.Commands {
		if c.Who == abi.WhoAnybody {
			return "its command /" + c.Name + " is for anybody, and only built-in modules may answer anybody"
		}
	}
	if slices.Contains(p.BuiltIn, m.Name) {
		return "a built-in module has its name, " + m.Name
	}
	if slices.Contains(ours, m.Name) {
		return "its name is " + m.Name + ", and people would take what it says for the bot's own words"
	}
	if granted == nil {
		return ""
	}
	allowed, err := capability.Parse(granted)
	if err != nil {
		return "its grants in the config: " + err.Error()
	}
	if missing := asked.Missing(allowed); len(missing) > 0 {
		return fmt.Sprintf("modules.grants.%s leaves out %s, without which it cannot run; to let it see less, grant that with a narrower scope", m.Name, join(missing))
	}
	return ""
}

// Asked is what a manifest asks for.
func Asked(m abi.Manifest) []capability.Request {
	asked := make([]capability.Request, 0, len(m.Capabilities))
	for _, c := range m.Capabilities {
		asked = append(asked, capability.Request{Name: c.Name, Scope: c.Scope})
	}
	return asked
}

// beyond lists what is asked and was not granted to the version before; nothing if
// there was none.
func (p Policy) beyond(last Version, asked []capability.Request) (more []capability.Name) {
	if last.Digest == "" {
		return nil
	}
	for _, a := range asked {
		if !p.Within(last.Granted, a) {
			more = append(more, capability.Name(a.Name))
		}
	}
	return more
}

// Within reports whether a request surely asks for nothing beyond others.
func (p Policy) Within(granted []capability.Request, asked capability.Request) bool {
	i := slices.IndexFunc(granted, func(g capability.Request) bool { return g.Name == asked.Name })
	if i < 0 {
		return false
	}
	outer := granted[i].Scope
	return slices.Equal(outer, asked.Scope) || p.Covers != nil && p.Covers(capability.Name(asked.Name), outer, asked.Scope)
}

func final(format string, args ...any) Verdict {
	return Verdict{State: Refused, Final: true, Why: fmt.Sprintf(format, args...)}
}

func atHost(format string, args ...any) Verdict {
	return Verdict{State: Refused, Host: true, Why: fmt.Sprintf(format, args...)}
}

func stripped(format string, args ...any) Verdict {
	v := atHost(format, args...)
	v.Doubt = true
	return v
}

func pending(more []capability.Name, format string, args ...any) Verdict {
	return Verdict{State: Pending, More: more, Why: fmt.Sprintf(format, args...)}
}

func join(names []capability.Name) string {
	texts := make([]string, 0, len(names))
	for _, n := range names {
		texts = append(texts, string(n))
	}
	return strings.Join(texts, ", ")
}

// short is a digest as people compare it.
func short(digest string) string { return digest[:min(len(digest), 12)] }
