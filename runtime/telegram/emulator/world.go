package emulator

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// User is a person, or the bot.
type User struct {
	ID           int64  `json:"id"`
	IsBot        bool   `json:"is_bot"`
	FirstName    string `json:"first_name"`
	LastName     string `json:"last_name,omitempty"`
	Username     string `json:"username,omitempty"`
	LanguageCode string `json:"language_code,omitempty"`
}

func (u User) name() string { return strings.TrimSpace(u.FirstName + " " + u.LastName) }

// Group is a chat of several people, or a channel.
type Group struct {
	ID      int64 // negative; ids from -1000000000000 downwards are supergroups, as at Telegram
	Title   string
	Members []int64 // ids of known users; the bot is a member without being named
	Channel bool    // a channel: people read, posts have no sender
	Forum   bool    // topics are on
	Admin   bool    // the bot is an administrator, and so may delete what others wrote
}

// Ids that Telegram itself uses as senders: https://core.telegram.org/bots/api#message, field "from" and "sender_chat".
const (
	AnonymousAdminID = 1087968824 // GroupAnonymousBot: an administrator who writes as the group
	ChannelBotID     = 136817688  // Channel_Bot: somebody who writes as a channel
	ServiceID        = 777000     // Telegram: posts that a linked channel forwards by itself
)

func serviceUsers() map[int64]User {
	return map[int64]User{
		AnonymousAdminID: {ID: AnonymousAdminID, IsBot: true, FirstName: "Group", Username: "GroupAnonymousBot"},
		ChannelBotID:     {ID: ChannelBotID, IsBot: true, FirstName: "Channel", Username: "Channel_Bot"},
		ServiceID:        {ID: ServiceID, FirstName: "Telegram"},
	}
}

// AddUser puts a person into the world, or changes one. Until the person writes to the bot, the bot cannot write to
// them. Panics if the id is not positive.
func (s *Server) AddUser(u User) {
	if u.ID <= 0 {
		panic(fmt.Sprintf("emulator: user id %d is not positive", u.ID))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[u.ID] = u
}

// AddGroup puts a group or channel into the world, or changes one; its messages stay. Panics if the id is not negative
// or a member is unknown.
func (s *Server) AddGroup(g Group) {
	if g.ID >= 0 {
		panic(fmt.Sprintf("emulator: group id %d is not negative", g.ID))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.chats[g.ID]
	if c == nil {
		c = s.newChat(g.ID)
	}
	c.kind, c.title, c.forum, c.admin = groupKind(g), g.Title, g.Forum, g.Admin
	c.members = make(map[int64]bool)
	for _, id := range g.Members {
		s.mustUser(id)
		c.members[id] = true
	}
}

func groupKind(g Group) string {
	switch {
	case g.Channel:
		return kindChannel
	case g.ID <= -1_000_000_000_000:
		return kindSupergroup
	}
	return kindGroup
}

// mustUser gives a known user; an unknown one is a mistake in the test.
func (s *Server) mustUser(id int64) User {
	u, ok := s.users[id]
	if !ok {
		panic(fmt.Sprintf("emulator: no user %d: call AddUser first", id))
	}
	return u
}

// Block makes a user block the bot: calls for the private chat get 403, and the bot gets a my_chat_member update.
func (s *Server) Block(userID int64) { s.setMembership(userID, userID, "member", "kicked") }

// Unblock undoes Block.
func (s *Server) Unblock(userID int64) { s.setMembership(userID, userID, "kicked", "member") }

// Kick lets a member remove the bot from a group; calls for it get 403, and the bot gets a my_chat_member update.
func (s *Server) Kick(groupID, byUserID int64) {
	s.setMembership(groupID, byUserID, "member", "kicked")
}

// Invite undoes Kick.
func (s *Server) Invite(groupID, byUserID int64) {
	s.setMembership(groupID, byUserID, "left", "member")
}

func (s *Server) setMembership(chatID, by int64, before, after string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	actor := s.mustUser(by)
	c := s.chats[chatID]
	if c == nil {
		if chatID < 0 {
			panic(fmt.Sprintf("emulator: no group %d: call AddGroup first", chatID))
		}
		c = s.privateChat(actor)
	}
	c.started = true
	c.botGone = after == "kicked"
	s.push("my_chat_member", wireMembership{
		Chat: c.wire(), From: actor, Date: s.unix(),
		Old: wireMember{Status: before, User: s.bot},
		New: wireMember{Status: after, User: s.bot},
	})
}

// privateChat gives the chat of a person with the bot, made when it is first needed. The bot sees it once the person
// has written.
func (s *Server) privateChat(u User) *chat {
	if c := s.chats[u.ID]; c != nil {
		return c
	}
	c := s.newChat(u.ID)
	c.kind, c.user = kindPrivate, u
	c.members = map[int64]bool{u.ID: true}
	return c
}

func (s *Server) newChat(id int64) *chat {
	c := &chat{id: id, lastID: &s.dialogID, streams: make(map[*stream]bool)}
	if id <= -1_000_000_000_000 {
		c.lastID = new(int) // supergroups and channels count for themselves
	}
	s.chats[id] = c
	return c
}

// findChat gives the chat that a call names in chat_id.
func (s *Server) findChat(p *params) (*chat, error) {
	if !p.has("chat_id") {
		return nil, badRequest("chat_id is empty")
	}
	id := p.int("chat_id")
	if c := s.chats[id]; c != nil && (c.kind != kindPrivate || c.started) {
		return c, nil
	}
	if u, known := s.users[id]; known && !u.IsBot {
		return nil, forbidden("bot can't initiate conversation with a user")
	}
	return nil, badRequest("chat not found")
}

// openChat gives the chat of a call that wants to write there.
func (s *Server) openChat(p *params) (*chat, error) {
	c, err := s.findChat(p)
	if err != nil {
		return nil, err
	}
	if !c.botGone {
		return c, nil
	}
	if c.kind == kindPrivate {
		return nil, forbidden("bot was blocked by the user")
	}
	return nil, forbidden("bot was kicked from the " + c.kind + " chat")
}

// sortedChats are all chats, in an order that does not change from run to run.
func (s *Server) sortedChats() []*chat {
	ids := slices.Sorted(maps.Keys(s.chats))
	out := make([]*chat, len(ids))
	for i, id := range ids {
		out[i] = s.chats[id]
	}
	return out
}
