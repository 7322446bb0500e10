package access

import "testing"

func TestDecide(t *testing.T) {
	const ada, bob, eve, group, other = 1, 2, 3, -10, -11
	open := New(Policy{Users: []int64{ada, bob}, Admins: []int64{ada, eve}, GroupChats: []int64{group}})
	narrow := New(Policy{Users: []int64{ada, bob}, Admins: []int64{ada}, Chats: []int64{ada, other}, GroupChats: []int64{group}})
	for _, test := range []struct {
		name       string
		lists      Lists
		user, chat int64
		private    bool
		want       Decision
	}{
		{"an admin in private", open, ada, ada, true, Decision{true, Admin, ""}},
		{"a user in private", open, bob, bob, true, Decision{true, User, ""}},
		{"a stranger in private", open, 4, 4, true, Decision{Reason: "not_listed"}},
		{"an admin who is not a user", open, eve, eve, true, Decision{Reason: "not_listed"}},
		{"a user in the listed group", open, bob, group, false, Decision{true, User, ""}},
		{"a stranger in the listed group", open, 4, group, false, Decision{Reason: "not_listed"}},
		{"a user in another group", open, bob, other, false, Decision{Reason: "chat_not_listed"}},
		{"a user in somebody else's private chat", open, bob, ada, true, Decision{Reason: "foreign_private_chat"}},
		{"a group that says it is private", open, bob, group, true, Decision{Reason: "foreign_private_chat"}},
		{"listed chats: a listed private chat", narrow, ada, ada, true, Decision{true, Admin, ""}},
		{"listed chats: another private chat", narrow, bob, bob, true, Decision{Reason: "chat_not_listed"}},
		{"listed chats: a listed group", narrow, bob, other, false, Decision{true, User, ""}},
		{"listed chats: the notification group", narrow, bob, group, false, Decision{Reason: "chat_not_listed"}},
		{"user 0", open, 0, 0, true, Decision{Reason: "not_listed"}},
		{"the zero value", Lists{}, ada, ada, true, Decision{Reason: "not_listed"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := test.lists.Decide(test.user, test.chat, test.private); got != test.want {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestRoleNames(t *testing.T) {
	if Stranger.String() != "stranger" || User.String() != "user" || Admin.String() != "admin" || Role(9).String() != "stranger" {
		t.Error("a role has a wrong name")
	}
}
