package hostcall

import (
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// TestAModuleThatRunsByItselfDoesNothingForAnAdmin (F1, B7): whatever it is granted,
// a run that nobody asked for reaches nothing that needs an admin, a session or a
// tap, asks nobody for one, and leaves a record of its first try.
func TestAModuleThatRunsByItselfDoesNothingForAnAdmin(t *testing.T) {
	tried := 0
	for _, op := range Table(Sources{}) {
		need := capability.NeedOf(op.Capability)
		if need == (capability.Need{}) {
			continue
		}
		tried++
		request := capability.Request{Name: string(op.Capability), Scope: []string{"*"}}
		if capability.BuiltInOnly(op.Capability) {
			request.Scope = nil
		}
		set, err := capability.Parse([]capability.Request{request})
		if err != nil {
			t.Fatal(err)
		}
		for name, pass := range map[string]*capability.Pass{
			"as it runs":       {Durable: true, Reach: capability.Everywhere, Trace: "t1"},
			"with a tap of it": {Durable: true, Reach: capability.Everywhere, Confirmed: &capability.Act{Capability: op.Capability, Host: abi.LocalHost, Name: "web"}},
			"without a pass":   nil,
		} {
			s := &spy{}
			op := operation(t, s.sources(), op.Import)
			c, _ := callerWith(set, abi.RoleModule)
			c.Pass, c.Actor.ID = pass, 0
			code, answer := op.Call(t.Context(), c, []byte(`{"id":"web","to":"web"}`))
			mustRefuse(t, code, answer, abi.Denied)
			if len(s.calls) > 0 || c.Demand != nil {
				t.Errorf("%s %s: reached %q, asks %+v", op.Import, name, s.calls, c.Demand)
			}
			if len(s.records) != 1 || s.records[0].Event != "capability.denied" || s.records[0].Role != abi.RoleModule {
				t.Errorf("%s %s: recorded %+v", op.Import, name, s.records)
			}
		}
	}
	if tried < 14 {
		t.Errorf("only %d operations need anything", tried)
	}
}

// TestAModuleThatRunsByItselfKnowsNoMoreThanAUser: what tells admins more does not
// take it for one.
func TestAModuleThatRunsByItselfKnowsNoMoreThanAUser(t *testing.T) {
	set, err := capability.Parse([]capability.Request{{Name: string(capability.BotModules)}, {Name: string(capability.BotHealth)}})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := callerWith(set, abi.RoleModule)
	code, answer := operation(t, (&spy{}).sources(), abi.OpModulesPending).Call(t.Context(), c, []byte(`{}`))
	mustRefuse(t, code, answer, abi.Denied)
}
