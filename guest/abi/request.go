package abi

// Request is what a guest handles: a typed command, a tap on one of its
// buttons, or a word of a menu, all in the same shape.
type Request struct {
	// Version is [Version].
	Version int `json:"v"`
	// Command is the manifest's name of a command, without the slash. Either
	// Command or Action is set.
	Command string `json:"command,omitempty"`
	// Action is the action of a tapped button, with the Args that the module
	// put into that button.
	Action string            `json:"action,omitempty"`
	Args   map[string]string `json:"args,omitempty"`
	// Text is what the user typed behind the command, trimmed.
	Text  string `json:"text,omitempty"`
	Actor Actor  `json:"actor"`
	Chat  Chat   `json:"chat"`
	// Event is set when Action is that of a subscription of the manifest: what
	// happened. With an action of a schedule there is none.
	Event *Event `json:"event,omitempty"`
	// Time is when the host began to handle the request, in milliseconds
	// since 1970 UTC.
	Time int64 `json:"time"`
}

// Arg returns an argument of a tapped button, or "".
func (r Request) Arg(name string) string { return r.Args[name] }

// Roles of an actor.
const (
	RoleStranger = "stranger" // reaches only commands that are open to anybody
	RoleUser     = "user"
	RoleAdmin    = "admin"
	// RoleModule is the module itself: a schedule or an event runs it, and nobody
	// waits for a reply. It reaches what needs neither an admin nor a session.
	RoleModule = "module"
)

// Actor is who asks.
type Actor struct {
	ID   int64  `json:"id"`
	Role string `json:"role"`
	// Name is the first name that the user chose: foreign text.
	Name string `json:"name,omitempty"`
}

// Chat is where the request came from.
type Chat struct {
	ID      int64 `json:"id"`
	Private bool  `json:"private"`
}
