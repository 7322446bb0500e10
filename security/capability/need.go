package capability

// Need is what a capability demands of the user in whose name it is used,
// beyond the module's grant (A5, B7, B8).
type Need struct {
	Admin   bool // the user is an admin
	Session bool // with a live session
	Confirm bool // who tapped, within a minute, a button that says what will happen to what
	Private bool // in a private chat: others would see what is shown (A5)
}

// NeedOf returns what a capability demands. One that nobody classified demands
// everything.
func NeedOf(name Name) Need {
	rule, known := rules[name]
	if !known {
		return Need{Admin: true, Session: true, Confirm: true, Private: true}
	}
	return rule.need
}

// Acts reports whether the capability changes something. What acts is checked
// against its target first, and recorded before and after (D5).
func (n Need) Acts() bool { return n.Admin || n.Confirm }

// Act is one use of a capability on one target, as the engine names it. What a tap
// confirms is all of it: also the words that were shown.
type Act struct {
	Capability Name
	Host       string // the Docker endpoint, or HostModules
	ID         string // the container's full id, or what identifies a module with its grants
	Name       string // the container's name, for people
	// By is who made the module, as its file says: foreign. Details are lines that
	// say what the act would permit, in the host's words. Both are empty for containers.
	By, Details string
}

// HostModules is the Host of acts on the bot's own modules.
const HostModules = "modules"

// Pass is what a request brings along besides its module's grant: what its user
// is and has shown. The zero Pass permits nothing that needs anything.
type Pass struct {
	Admin   bool
	Session bool
	// Private tells that the request came from a private chat with its user.
	Private bool
	// Durable tells that what is done can be recorded. While the state cannot be
	// written, nothing that acts is permitted.
	Durable bool
	// Borrowed tells that another module's button led here. What it says need
	// not be what the command does, so each act is confirmed.
	Borrowed bool
	// Confirmed is the act that the user approved with a tap. It is used up by
	// the first act.
	Confirmed *Act
	// Acted tells that something was done already. Then nothing can be asked any
	// more: a command that is run again after the answer would do it twice.
	Acted bool
	// Revealed is a capability with which something was read that needs a session,
	// in this request or in one that what it brings along comes from; empty: none.
	// What is read so does not go into a group as a file (A5).
	Revealed Name
	// Reach is asked at each call how far the user reaches now: the operator may
	// change that while a command runs. nil: nowhere.
	Reach func() Reach
	// Fresh is asked right before something is done: was it asked for just now
	// (A7)? nil: that is known.
	Fresh func() bool
	// Still is asked right before something is done: do Admin and Session still
	// hold? A command runs for seconds. nil: yes.
	Still func() bool
	// Trace is the trace id of the request, for the record.
	Trace string
	// Progress is told in one line what is under way; nil: nobody waits. It
	// returns at once.
	Progress func(line string)
}

// Reaches says how far the user of a request reaches. Without a pass, or with
// one that does not say, that is nowhere.
func (p *Pass) Reaches() Reach {
	if p == nil || p.Reach == nil {
		return Reach{}
	}
	return p.Reach()
}

// Asked is the error of a request that ended with a question to its user.
type Asked struct {
	// Verdict is AskSession or AskConfirm.
	Verdict Verdict
	// Act is what would be done. For AskSession only its capability is known.
	Act Act
}

// Error names the question.
func (a *Asked) Error() string {
	if a.Verdict == AskConfirm {
		return string(a.Act.Capability) + " must be confirmed"
	}
	return string(a.Act.Capability) + " needs a session"
}

// Verdict is what the gate makes of a use. The zero Verdict refuses.
type Verdict int

// The verdicts.
const (
	Refuse     Verdict = iota
	Allow              // go on
	AskSession         // the user must send a code first
	AskConfirm         // the user must tap first
)

// Reasons of decisions, short words for logs.
const (
	ReasonAdmins   = "admins_only"
	ReasonPrivate  = "private_chats_only"
	ReasonState    = "state_not_writable"
	ReasonSession  = "no_session"
	ReasonConfirm  = "not_confirmed"
	ReasonActed    = "asks_after_it_acted"
	ReasonOne      = "one_confirmed_act_for_each_command"
	ReasonEnded    = "ended_meanwhile"
	ReasonFree     = "needs_nothing"
	ReasonHeld     = "session"
	ReasonApproved = "session_and_confirmed"
)

// Decision is a verdict with its reason.
type Decision struct {
	Verdict Verdict
	Reason  string
}

// Decide is the gate: what a use demands, held against what the request brings.
// It decides from the capability, never from what a module says.
func Decide(need Need, pass Pass, act Act) Decision {
	if need == (Need{}) {
		return Decision{Allow, ReasonFree}
	}
	// Only admins have sessions, so what needs one is theirs.
	if !pass.Admin {
		return Decision{Refuse, ReasonAdmins}
	}
	if need.Private && !pass.Private {
		return Decision{Refuse, ReasonPrivate}
	}
	if need.Acts() && !pass.Durable {
		return Decision{Refuse, ReasonState}
	}
	confirm := need.Confirm || pass.Borrowed && need.Acts()
	switch {
	case need.Session && !pass.Session && pass.Acted:
		return Decision{Refuse, ReasonActed}
	case need.Session && !pass.Session:
		return Decision{AskSession, ReasonSession}
	case !confirm:
		return Decision{Allow, ReasonHeld}
	case pass.Confirmed != nil && act.ID != "" && *pass.Confirmed == act:
		return Decision{Allow, ReasonApproved}
	case pass.Acted:
		return Decision{Refuse, ReasonOne}
	}
	return Decision{AskConfirm, ReasonConfirm}
}
