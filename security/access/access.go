// Package access decides who may use the bot, and from which chat (A1, A5).
// It is pure, and its zero value lets nobody in.
package access

// Role is what somebody may be to the bot. The zero Role is Stranger.
type Role int

// The roles.
const (
	Stranger Role = iota
	User
	Admin
)

// String returns the role's name as modules read it.
func (r Role) String() string {
	switch r {
	case Admin:
		return "admin"
	case User:
		return "user"
	}
	return "stranger"
}

// Policy is the operator's lists, as Telegram ids.
type Policy struct {
	// Users may use the bot; Admins must be among them to count.
	Users, Admins []int64
	// Chats, when not empty, is the only chats in which the bot works.
	Chats []int64
	// GroupChats are the groups in which it works while Chats is empty.
	GroupChats []int64
}

// Decision is a verdict with its reason. The zero Decision refuses.
type Decision struct {
	Allowed bool
	Role    Role
	// Reason is a short word for logs: "" when allowed.
	Reason string
}

// Lists is a Policy made quick to ask. The zero Lists lets nobody in.
type Lists struct {
	roles      map[int64]Role
	chats      map[int64]bool
	anyPrivate bool
}

// New returns the Lists of a Policy.
func New(p Policy) Lists {
	l := Lists{roles: map[int64]Role{}, chats: map[int64]bool{}, anyPrivate: len(p.Chats) == 0}
	for _, id := range p.Users {
		l.roles[id] = User
	}
	for _, id := range p.Admins {
		if l.roles[id] == User {
			l.roles[id] = Admin
		}
	}
	chats := p.Chats
	if len(chats) == 0 {
		chats = p.GroupChats
	}
	for _, id := range chats {
		l.chats[id] = true
	}
	return l
}

// Decide says whether a user may use the bot in a chat. A private chat with a
// user has the user's id (Bot API, Chat); one that has not is refused.
func (l Lists) Decide(user, chat int64, private bool) Decision {
	role := l.roles[user]
	switch {
	case role == Stranger:
		return Decision{Reason: "not_listed"}
	case private && user != chat:
		return Decision{Reason: "foreign_private_chat"}
	case private && l.anyPrivate, l.chats[chat]:
		return Decision{Allowed: true, Role: role}
	}
	return Decision{Reason: "chat_not_listed"}
}

// Admins returns the ids of the admins, in no order.
func (l Lists) Admins() []int64 {
	var ids []int64
	for id, role := range l.roles {
		if role == Admin {
			ids = append(ids, id)
		}
	}
	return ids
}
