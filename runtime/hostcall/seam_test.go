package hostcall

import (
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

func one(ops []Operation, name string) Operation {
	for _, op := range ops {
		if op.Import == name {
			return op
		}
	}
	return Operation{}
}

// TestRecordedChangesNothing: the gate stays where it is, and what is told is what
// crossed the boundary.
func TestRecordedChangesNothing(t *testing.T) {
	var told []Exchange
	ops := Recorded(Table(Sources{}), func(x Exchange) { told = append(told, x) })
	if len(ops) != len(Table(Sources{})) {
		t.Fatalf("%d operations", len(ops))
	}
	for _, test := range []struct {
		name  string
		grant []capability.Request
		op    string
		role  string
		want  abi.Code
		asked bool
	}{
		{"without a grant", nil, abi.OpMetricsMemory, abi.RoleUser, abi.Denied, false},
		{"without a source", []capability.Request{{Name: "metrics.memory"}}, abi.OpMetricsMemory, abi.RoleUser, abi.Unavailable, false},
		{"for admins", []capability.Request{{Name: "docker.containers.stop", Scope: []string{"*"}}}, abi.OpContainerStop, abi.RoleUser, abi.Denied, false},
		{"with a question", []capability.Request{{Name: "docker.containers.stop", Scope: []string{"*"}}}, abi.OpContainerStop, abi.RoleAdmin, abi.AuthRequired, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			told = nil
			grant, err := capability.Parse(test.grant)
			if err != nil {
				t.Fatal(err)
			}
			caller, _ := callerWith(grant, test.role)
			caller.Pass = &capability.Pass{Admin: test.role == abi.RoleAdmin, Durable: true, Reach: capability.Everywhere}
			request := []byte(`{"id":"web"}`)
			code, answer := one(ops, test.op).Call(t.Context(), caller, request)
			request[2] = 'X' // the guest's, from here on
			if code != test.want || len(told) != 1 {
				t.Fatalf("%v %s, told %+v", code, answer, told)
			}
			if x := told[0]; x.Op != test.op || x.Code != code || string(x.Answer) != string(answer) || string(x.Request) != `{"id":"web"}` || x.Asked != test.asked {
				t.Errorf("told %+v", x)
			}
		})
	}
}

// TestReplayedReachesNothing: not even a caller is needed.
func TestReplayedReachesNothing(t *testing.T) {
	ops := Replayed(Table(Sources{}), func(op string, request []byte) (abi.Code, []byte) {
		return abi.Conflict, []byte(op + string(request))
	})
	for _, op := range ops {
		if code, answer := op.Call(t.Context(), nil, []byte("?")); code != abi.Conflict || string(answer) != op.Import+"?" {
			t.Errorf("%s: %v %s", op.Import, code, answer)
		}
	}
}
