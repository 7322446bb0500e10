package hostcall

import (
	"encoding/json"
	"testing"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// TestEnvironmentsAreReadForPrivateChatsOnly (A5): whatever a module asks from a
// group, the engine is not asked, nobody is asked for a code, and it is recorded.
func TestEnvironmentsAreReadForPrivateChatsOnly(t *testing.T) {
	for name, session := range map[string]bool{"with a session": true, "without one": false} {
		t.Run(name, func(t *testing.T) {
			s := &spy{}
			c, lines := actor(t, capability.Pass{Admin: true, Session: session, Durable: true})
			for range 3 {
				code, answer := operation(t, s.sources(), abi.OpContainerEnv).Call(t.Context(), c, []byte(`{"id":"web"}`))
				mustRefuse(t, code, answer, abi.Denied)
				var told abi.Error
				if err := json.Unmarshal(answer, &told); err != nil || told.Message != "That may hold secrets, so it is shown in a private chat only." {
					t.Errorf("told %q, %v", told.Message, err)
				}
			}
			if len(s.calls) > 0 || c.Demand != nil || c.Pass.Revealed != "" {
				t.Errorf("it came to %q, demand %+v, revealed %q", s.calls, c.Demand, c.Pass.Revealed)
			}
			if len(s.records) != 1 || s.records[0].Event != "capability.denied" || s.records[0].Reason != capability.ReasonPrivate ||
				s.records[0].Capability != string(capability.ContainersEnv) {
				t.Errorf("recorded %+v", s.records)
			}
			if n := lines.FilterField(zap.String("event", "capability.denied")).Len(); n != 3 {
				t.Errorf("%d of 3 denials are in the log", n)
			}
		})
	}
}

// TestWhatWasReadIsToldToTheHost: of a session's reading the pipeline knows, so
// that no file of it goes into a group. What anybody may see is not told of.
func TestWhatWasReadIsToldToTheHost(t *testing.T) {
	for _, op := range Table((&spy{}).sources()) {
		if op.act != nil {
			continue
		}
		c, _ := actor(t, full())
		op.Call(t.Context(), c, []byte(`{"id":"web"}`))
		want := op.Capability
		if capability.NeedOf(op.Capability) == (capability.Need{}) {
			want = ""
		}
		if c.Pass.Revealed != want {
			t.Errorf("%s: revealed %q, want %q", op.Import, c.Pass.Revealed, want)
		}
	}
}
