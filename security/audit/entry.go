// Package audit is the record of privileged acts, denials and approvals (D5):
// what a record says, how records are chained, and how a chain is checked. It is
// pure; the file is kept by runtime/store.
package audit

// Entry is what is recorded of one event. Every text in it may be foreign; ids
// of users are masked before they come here (D2).
type Entry struct {
	// Event is a name of D4, such as "docker.action".
	Event string `json:"event"`
	// Trace is the trace id of the update.
	Trace string `json:"trace_id,omitempty"`
	// Actor is who asked: a masked id, "host" for somebody at the host's command
	// line, or "bot".
	Actor string `json:"actor"`
	Role  string `json:"role,omitempty"`
	// ActorID tells actors apart whose masked ids look alike. It is not recorded.
	ActorID int64 `json:"-"`
	// Module and Digest are in whose code the capability was used; Digest is
	// the SHA-256 of the file.
	Module     string `json:"module,omitempty"`
	Digest     string `json:"digest,omitempty"`
	Capability string `json:"capability,omitempty"`
	// Target is what it was done to: "web (0123456789ab) on local".
	Target string `json:"target,omitempty"`
	// Decision is "allow", "deny" or "ask", with its reason. It is empty where
	// nothing was decided.
	Decision string `json:"decision"`
	Reason   string `json:"reason,omitempty"`
	// Outcome is "begun" before an act, and how it ended after it: "done",
	// "unchanged", "pending", or an error code.
	Outcome string `json:"outcome,omitempty"`
}

// Clean returns the entry with clean applied to every text in it. A nil clean
// leaves it as it is.
func (e Entry) Clean(clean func(string) string) Entry {
	if clean != nil {
		for _, text := range e.texts() {
			*text = clean(*text)
		}
	}
	return e
}

func (e *Entry) texts() []*string {
	return []*string{
		&e.Event, &e.Trace, &e.Actor, &e.Role, &e.Module, &e.Digest, &e.Capability, &e.Target, &e.Decision, &e.Reason, &e.Outcome,
	}
}
