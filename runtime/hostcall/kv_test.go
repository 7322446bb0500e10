package hostcall

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// larder is a KV and a Notifier that note what reaches them.
type larder struct {
	calls []string
	// marks are what entries were kept with.
	marks map[string]string
}

func (l *larder) note(call string) { l.calls = append(l.calls, call) }

func (l *larder) Get(_ context.Context, module string, q abi.KVQuery) (abi.KVValue, string, error) {
	l.note(fmt.Sprintf("%s get %s", module, q.Key))
	return abi.KVValue{}, l.marks[q.Key], nil
}

func (l *larder) Put(_ context.Context, module string, quota int64, q abi.KVPut, revealed string) (abi.KVDone, error) {
	if l.marks == nil {
		l.marks = map[string]string{}
	}
	l.marks[q.Key] = revealed
	l.note(fmt.Sprintf("%s put %s of %d", module, q.Key, quota))
	return abi.KVDone{}, nil
}

func (l *larder) Delete(_ context.Context, module string, quota int64, q abi.KVQuery) (abi.KVDone, error) {
	l.note(fmt.Sprintf("%s delete %s of %d", module, q.Key, quota))
	return abi.KVDone{}, nil
}

func (l *larder) List(_ context.Context, module string, quota int64, q abi.KVListQuery) (abi.KVKeys, string, error) {
	l.note(fmt.Sprintf("%s list %s %d of %d", module, q.Prefix, q.Count, quota))
	return abi.KVKeys{}, l.marks["a"], nil
}

func (l *larder) Notify(_ context.Context, module string, t NoticeTerms, n abi.Notice) (abi.NoticeQueued, error) {
	what := ""
	if t.Containers {
		what = ", of containers"
	}
	l.note(fmt.Sprintf("%s tells %s %d/h%s", module, n.To, t.PerHour, what))
	return abi.NoticeQueued{Left: t.PerHour - 1}, nil
}

// keeper may keep 1 KiB and tell admins, and chats if places says so.
func keeper(t *testing.T, role string, places ...string) *Caller {
	t.Helper()
	set, err := capability.Parse([]capability.Request{
		{Name: string(capability.KV), Scope: []string{"1KiB"}},
		{Name: string(capability.Notify), Scope: append([]string{"7/h"}, places...)},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := callerWith(set, role)
	return c
}

func TestEntriesAreCheckedBeforeTheStore(t *testing.T) {
	long, key := strings.Repeat("k", 129), strings.Repeat("k", 128)
	for _, test := range []struct {
		op, request, reaches string
	}{
		{abi.OpKVGet, `{"key":"a"}`, "hostile get a"},
		{abi.OpKVGet, `{"key":"` + key + `"}`, "hostile get " + key},
		{abi.OpKVGet, `{}`, ""},
		{abi.OpKVGet, `{"key":"` + long + `"}`, ""},
		{abi.OpKVPut, `{"key":"a","value":"eA=="}`, "hostile put a of 1024"},
		{abi.OpKVPut, `{"key":"a","if":-1,"seconds":60}`, "hostile put a of 1024"},
		{abi.OpKVPut, `{"key":"a","if":-2}`, ""},
		{abi.OpKVPut, `{"key":"a","seconds":-1}`, ""},
		{abi.OpKVPut, `{"key":"a","seconds":31622401}`, ""},
		{abi.OpKVPut, `{"key":"a","seconds":9223372036854775807}`, ""},
		{abi.OpKVPut, `{"key":"","value":"eA=="}`, ""},
		{abi.OpKVPut, `{"key":"a","value":"not base64!"}`, ""},
		{abi.OpKVPut, `{"key":"a","value":"` + strings.Repeat("AAAA", 11<<10) + `"}`, ""},
		{abi.OpKVDelete, `{"key":"a"}`, "hostile delete a of 1024"},
		{abi.OpKVDelete, `{"key":"` + long + `"}`, ""},
		{abi.OpKVList, `{}`, "hostile list  256 of 1024"},
		{abi.OpKVList, `{"prefix":"a","count":1000000}`, "hostile list a 256 of 1024"},
		{abi.OpKVList, `{"prefix":"a","count":-1}`, "hostile list a 256 of 1024"},
		{abi.OpKVList, `{"prefix":"a","count":3}`, "hostile list a 3 of 1024"},
		{abi.OpKVList, `{"prefix":"` + long + `"}`, ""},
		{abi.OpKVList, `{"after":"` + long + `"}`, ""},
	} {
		l := &larder{}
		c := keeper(t, abi.RoleModule, abi.NotifyAdmins)
		code, answer := operation(t, Sources{KV: l}, test.op).Call(t.Context(), c, []byte(test.request))
		switch got := strings.Join(l.calls, ", "); {
		case got != test.reaches:
			t.Errorf("%s %.60s reached %q, want %q", test.op, test.request, got, test.reaches)
		case test.reaches == "":
			mustRefuse(t, code, answer, abi.Invalid)
		case code != abi.OK:
			t.Errorf("%s %.60s: %v %s", test.op, test.request, code, answer)
		}
	}
}

func TestNothingIsKeptWithoutAGrant(t *testing.T) {
	for _, op := range []string{abi.OpKVGet, abi.OpKVPut, abi.OpKVDelete, abi.OpKVList, abi.OpNotify} {
		l := &larder{}
		c, _ := callerWith(capability.Set{}, abi.RoleAdmin)
		code, answer := operation(t, Sources{KV: l, Notifier: l}, op).Call(t.Context(), c, []byte(`{"key":"a","to":"admins","blocks":[{"kind":"text"}]}`))
		mustRefuse(t, code, answer, abi.Denied)
		if len(l.calls) > 0 {
			t.Errorf("%s reached %q", op, l.calls)
		}
	}
}

func TestNoticesGoWhereTheyMay(t *testing.T) {
	for _, test := range []struct {
		places, to, reaches string
		code                abi.Code
	}{
		{"admins", "admins", "hostile tells admins 7/h", abi.OK},
		{"admins chats", "chats", "hostile tells chats 7/h", abi.OK},
		{"admins", "chats", "", abi.Denied},
		{"chats", "admins", "", abi.Denied},
		{"admins chats", "123456789", "", abi.Invalid},
		{"admins chats", "", "", abi.Invalid},
	} {
		l := &larder{}
		c := keeper(t, abi.RoleModule, strings.Fields(test.places)...)
		request, err := json.Marshal(abi.Notice{To: test.to, Blocks: []abi.Block{{Kind: abi.BlockText}}})
		if err != nil {
			t.Fatal(err)
		}
		code, answer := operation(t, Sources{Notifier: l}, abi.OpNotify).Call(t.Context(), c, request)
		if got := strings.Join(l.calls, ", "); got != test.reaches || code != test.code {
			t.Errorf("%+v reached %q: %v %s", test, got, code, answer)
		}
	}
	l := &larder{}
	code, answer := operation(t, Sources{Notifier: l}, abi.OpNotify).Call(t.Context(), keeper(t, abi.RoleModule, "admins"), []byte(`{"to":"admins"}`))
	mustRefuse(t, code, answer, abi.Invalid)
	if len(l.calls) > 0 {
		t.Errorf("an empty notice reached %q", l.calls)
	}
}

// TestWhatASessionReadGoesIntoNoGroup (A5): a module that reads a log for an admin
// cannot tell it to the notification chats; to admins it can.
func TestWhatASessionReadGoesIntoNoGroup(t *testing.T) {
	for to, reaches := range map[string]int{abi.NotifyChats: 0, abi.NotifyAdmins: 1} {
		l := &larder{}
		set, err := capability.Parse([]capability.Request{
			{Name: string(capability.ContainersLogs), Scope: []string{"*"}}, {Name: string(capability.Notify), Scope: []string{"7/h", "admins", "chats"}},
		})
		if err != nil {
			t.Fatal(err)
		}
		c, lines := callerWith(set, abi.RoleAdmin)
		c.Pass = &capability.Pass{Admin: true, Session: true, Durable: true, Private: true, Reach: capability.Everywhere}
		s := Sources{Docker: &spy{}, Audit: &spy{}, Notifier: l}
		if code, answer := operation(t, s, abi.OpContainerLogs).Call(t.Context(), c, []byte(`{"id":"web"}`)); code != abi.OK {
			t.Fatalf("%v %s", code, answer)
		}
		code, answer := operation(t, s, abi.OpNotify).Call(t.Context(), c, []byte(`{"to":"`+to+`","blocks":[{"kind":"text"}]}`))
		if len(l.calls) != reaches {
			t.Errorf("to %s: reached %q, %v", to, l.calls, code)
		}
		if reaches == 0 {
			mustRefuse(t, code, answer, abi.Denied)
			if lines.FilterField(zap.String("reason", capability.ReasonPrivate)).Len() != 1 {
				t.Error("it is not in the log")
			}
		}
	}
}

// TestTheStoreIsNoWayAroundASession (A5): what was kept by a request that read a log
// is told to no group later either, by whatever way it is read.
func TestTheStoreIsNoWayAroundASession(t *testing.T) {
	set, err := capability.Parse([]capability.Request{
		{Name: string(capability.ContainersLogs), Scope: []string{"*"}}, {Name: string(capability.Notify), Scope: []string{"7/h", "chats"}},
		{Name: string(capability.KV), Scope: []string{"1KiB"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, read := range []struct {
		op, request string
		told        bool
	}{{abi.OpKVGet, `{"key":"a"}`, false}, {abi.OpKVList, `{}`, false}, {abi.OpKVGet, `{"key":"b"}`, true}} {
		l := &larder{}
		s := Sources{Docker: &spy{}, Audit: &spy{}, Notifier: l, KV: l}
		call := func(c *Caller, op, request string) abi.Code {
			code, _ := operation(t, s, op).Call(t.Context(), c, []byte(request))
			return code
		}
		c, _ := callerWith(set, abi.RoleAdmin)
		c.Pass = &capability.Pass{Admin: true, Session: true, Durable: true, Private: true, Reach: capability.Everywhere}
		for _, step := range [][2]string{{abi.OpKVPut, `{"key":"b"}`}, {abi.OpContainerLogs, `{"id":"web"}`}, {abi.OpKVPut, `{"key":"a"}`}} {
			if code := call(c, step[0], step[1]); code != abi.OK {
				t.Fatalf("%s: %v", step[0], code)
			}
		}
		later, _ := callerWith(set, abi.RoleModule)
		if code := call(later, read.op, read.request); code != abi.OK {
			t.Fatalf("%s: %v", read.op, code)
		}
		code := call(later, abi.OpNotify, `{"to":"chats","blocks":[{"kind":"text"}]}`)
		if told := code == abi.OK; told != read.told {
			t.Errorf("after %s %s: %v", read.op, read.request, code)
		}
		nobody, _ := callerWith(set, abi.RoleModule)
		nobody.Pass = nil
		if code := call(nobody, read.op, read.request); code != abi.Denied {
			t.Errorf("without a pass, %s: %v", read.op, code)
		}
	}
}

// TestTheStoreIsNoWayAroundTheReach: what a module keeps for itself, or for others, is
// about containers that a restricted user does not see. One without containers is no
// such way.
func TestTheStoreIsNoWayAroundTheReach(t *testing.T) {
	web, err := capability.ParseScope([]string{"web-*"})
	if err != nil {
		t.Fatal(err)
	}
	some := func() capability.Reach { return capability.Within(web) }
	kept := capability.Request{Name: string(capability.KV), Scope: []string{"1KiB"}}
	for _, test := range []struct {
		name    string
		reach   func() capability.Reach
		granted []capability.Request
		told    bool
	}{
		{"sees all", capability.Everywhere, []capability.Request{kept, {Name: string(capability.ContainersList), Scope: []string{"*"}}}, true},
		{"sees some", some, []capability.Request{kept, {Name: string(capability.ContainersList), Scope: []string{"*"}}}, false},
		{"sees some, and events", some, []capability.Request{kept, {Name: string(capability.DockerEvents), Scope: []string{"container.die"}}}, false},
		{"no containers", some, []capability.Request{kept}, true},
	} {
		set, err := capability.Parse(test.granted)
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range []struct{ op, request string }{{abi.OpKVGet, `{"key":"a"}`}, {abi.OpKVList, `{}`}} {
			l := &larder{}
			c, _ := callerWith(set, abi.RoleUser)
			c.Pass = &capability.Pass{Reach: test.reach}
			code, answer := operation(t, Sources{KV: l}, q.op).Call(t.Context(), c, []byte(q.request))
			if test.told != (code == abi.OK) || test.told != (len(l.calls) == 1) {
				t.Errorf("%s, %s: %v %s, asked %q", test.name, q.op, code, answer, l.calls)
			}
		}
		l := &larder{}
		c, _ := callerWith(set, abi.RoleUser)
		c.Pass = &capability.Pass{Reach: test.reach}
		if code, answer := operation(t, Sources{KV: l}, abi.OpKVPut).Call(t.Context(), c, []byte(`{"key":"a","value":"eA=="}`)); code != abi.OK {
			t.Errorf("%s: %v %s", test.name, code, answer)
		}
	}
}
