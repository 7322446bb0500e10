package access

import (
	"maps"
	"slices"
)

// Change is what other lists give and take. All ids are sorted.
type Change struct {
	// Users and Admins are those who may, and could not before; RemovedUsers
	// and RemovedAdmins the other way round. Who comes or goes as an admin is
	// also among the users.
	Users, RemovedUsers   []int64
	Admins, RemovedAdmins []int64
	// Private are the users of either lists for whom their private chat with
	// the bot is another than before: it is open or closed, or their role is
	// another.
	Private []int64
	// ClosedChats are chats in which the bot worked and works no more,
	// whoever asks. Private chats have their user's id (Bot API, Chat).
	ClosedChats []int64
}

// Compare says what changes when next takes the place of old.
func Compare(old, next Lists) Change {
	var c Change
	c.Users, c.RemovedUsers = gained(old, next, User), gained(next, old, User)
	c.Admins, c.RemovedAdmins = gained(old, next, Admin), gained(next, old, Admin)
	for chat := range old.chats {
		if !next.worksIn(chat) {
			c.ClosedChats = append(c.ClosedChats, chat)
		}
	}
	if old.anyPrivate && !next.anyPrivate {
		for user := range old.roles {
			if !old.chats[user] && !next.worksIn(user) {
				c.ClosedChats = append(c.ClosedChats, user)
			}
		}
	}
	slices.Sort(c.ClosedChats)
	for user := range union(old.roles, next.roles) {
		if old.Decide(user, user, true) != next.Decide(user, user, true) {
			c.Private = append(c.Private, user)
		}
	}
	slices.Sort(c.Private)
	return c
}

func union(a, b map[int64]Role) map[int64]Role {
	both := maps.Clone(a)
	if both == nil {
		return b
	}
	maps.Copy(both, b)
	return both
}

// gained returns who has at least that role in one list, and not in the other.
func gained(without, with Lists, role Role) []int64 {
	var ids []int64
	for id, r := range with.roles {
		if r >= role && without.roles[id] < role {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// worksIn reports whether somebody may use the bot in a chat. Ids of groups are
// negative.
func (l Lists) worksIn(chat int64) bool { return l.chats[chat] || l.anyPrivate && chat > 0 }

// Lost are the users who may less than before, sorted.
func (c Change) Lost() []int64 {
	lost := slices.Concat(c.RemovedUsers, c.RemovedAdmins)
	slices.Sort(lost)
	return slices.Compact(lost)
}
