package abi

// Places to which a module can be granted to write.
const (
	NotifyAdmins = "admins" // the private chats of all admins
	NotifyChats  = "chats"  // the notification chats, chat_id.global_chat_id
)

// Notice is what a module tells without having been asked. The host writes the
// module's name above it.
type Notice struct {
	To     string  `json:"to"` // NotifyAdmins or NotifyChats
	Blocks []Block `json:"blocks"`
	// Keyboard has buttons that run commands or actions of the module, as those of
	// a reply do. Only private chats get it.
	Keyboard [][]Button `json:"keyboard,omitempty"`
}

// NoticeQueued tells that a notice is on its way, and how many more may follow
// within the hour.
type NoticeQueued struct {
	Left int `json:"left"`
}

// Event is what a module's handler is told of, if its manifest subscribes to it:
// see [Request.Event].
type Event struct {
	// Type is the kind of thing and what happened to it: "container.die".
	Type string `json:"type"`
	Host string `json:"host"` // the Docker endpoint
	// ID, Name, Image and Labels are the container's.
	ID     string            `json:"id"`
	Name   string            `json:"name"`
	Image  string            `json:"image,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	// ExitCode is that of a container that died; -1: there is none.
	ExitCode int `json:"exit_code"`
	// Time is when it happened, in milliseconds since 1970 UTC.
	Time int64 `json:"time"`
}
