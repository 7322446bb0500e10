package access

import (
	"reflect"
	"slices"
	"testing"
)

func TestCompare(t *testing.T) {
	const ada, bob, eve, group, other = 1, 2, 3, -10, -11
	base := Policy{Users: []int64{bob, ada}, Admins: []int64{ada}, GroupChats: []int64{group}}
	for _, test := range []struct {
		name      string
		old, next Policy
		want      Change
	}{
		{"the same", base, base, Change{}},
		{"the same, written otherwise", base, Policy{Users: []int64{ada, bob, ada}, Admins: []int64{ada, eve}, GroupChats: []int64{group, group}}, Change{}},
		{"a user comes", base, Policy{Users: []int64{ada, bob, eve}, Admins: []int64{ada}, GroupChats: []int64{group}}, Change{Users: []int64{eve}, Private: []int64{eve}}},
		{"a user goes", base, Policy{Users: []int64{ada}, Admins: []int64{ada}, GroupChats: []int64{group}}, Change{RemovedUsers: []int64{bob}, Private: []int64{bob}}},
		{"an admin goes", base, Policy{Users: []int64{bob}, GroupChats: []int64{group}}, Change{RemovedUsers: []int64{ada}, RemovedAdmins: []int64{ada}, Private: []int64{ada}}},
		{"an admin comes", base, Policy{Users: []int64{ada, bob, eve}, Admins: []int64{ada, eve}, GroupChats: []int64{group}}, Change{Users: []int64{eve}, Admins: []int64{eve}, Private: []int64{eve}}},
		{"promoted and demoted", base, Policy{Users: []int64{ada, bob}, Admins: []int64{bob}, GroupChats: []int64{group}}, Change{Admins: []int64{bob}, RemovedAdmins: []int64{ada}, Private: []int64{ada, bob}}},
		{"an admin who is no user any more", base, Policy{Users: []int64{bob}, Admins: []int64{ada}, GroupChats: []int64{group}}, Change{RemovedUsers: []int64{ada}, RemovedAdmins: []int64{ada}, Private: []int64{ada}}},
		{"the group goes", base, Policy{Users: base.Users, Admins: base.Admins, GroupChats: []int64{other}}, Change{ClosedChats: []int64{group}}},
		{"only one group is left", base, Policy{Users: base.Users, Admins: base.Admins, Chats: []int64{other}, GroupChats: []int64{group}}, Change{ClosedChats: []int64{group, ada, bob}, Private: []int64{ada, bob}}},
		{"one private chat is left", base, Policy{Users: base.Users, Admins: base.Admins, Chats: []int64{ada, group}}, Change{ClosedChats: []int64{bob}, Private: []int64{bob}}},
		{"all private chats are open again", Policy{Users: base.Users, Admins: base.Admins, Chats: []int64{ada, other}}, base, Change{ClosedChats: []int64{other}, Private: []int64{bob}}},
		{"everybody goes", base, Policy{}, Change{RemovedUsers: []int64{ada, bob}, RemovedAdmins: []int64{ada}, ClosedChats: []int64{group}, Private: []int64{ada, bob}}},
		{"from nobody", Policy{}, base, Change{Users: []int64{ada, bob}, Admins: []int64{ada}, Private: []int64{ada, bob}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Compare(New(test.old), New(test.next)); !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %+v, want %+v", got, test.want)
			}
		})
	}
}

func TestWhoLost(t *testing.T) {
	c := Change{Users: []int64{4}, Admins: []int64{4}, RemovedUsers: []int64{1, 2}, RemovedAdmins: []int64{2, 3}}
	if got := c.Lost(); !slices.Equal(got, []int64{1, 2, 3}) {
		t.Errorf("lost: %v", got)
	}
}
