package dropin

import (
	"fmt"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// churn puts another file of the name hello into the folder, whose signature is no good
// and may still be on its way, and looks at it.
func (r *rig) churn(n int) {
	r.t.Helper()
	r.drop("noise.wasm", wasm(r.t, "hello", fmt.Sprintf("2.0.%d", n)))
	r.drop("noise.wasm.minisig", fmt.Appendf(nil, "OURS %d", n))
	r.Sync(r.t.Context())
	r.pass(time.Second)
}

// TestWhoChurnsTheFolderKeepsNothingAlive (F2): a module that lost the operator's word, or
// a part of its grants, does not go on because another file of its name changes all the
// time, so that its signature is always waited for.
func TestWhoChurnsTheFolderKeepsNothingAlive(t *testing.T) {
	r := newRig(t)
	r.policy.Keys = []string{"OURS", "NEXT"}
	content := wasm(t, "hello", "1.0.0", "web-*")
	r.sign("hello.wasm", "OURS", content)
	digest := r.drop("hello.wasm", content)
	r.sync()
	r.runsAs("hello", digest, abi.TrustSigned)
	r.churn(0)

	r.granted["hello"] = []capability.Request{{Name: string(capability.ContainersRestart), Scope: []string{"web-1"}}}
	r.Reload(t.Context())
	r.churn(1)
	if granted := r.runs["hello"].Granted; len(granted) != 1 || granted[0].Scope[0] != "web-1" {
		t.Errorf("it goes on with %+v", granted)
	}
	r.policy.Keys = []string{"NEXT"}
	r.drop("noise.wasm.minisig", []byte("NEXT -"))
	r.Reload(t.Context())
	for n := range 3 {
		r.drop("noise.wasm", wasm(t, "hello", fmt.Sprintf("3.0.%d", n)))
		r.drop("noise.wasm.minisig", fmt.Appendf(nil, "NEXT %d", n))
		r.Sync(t.Context())
		r.pass(time.Second)
	}
	if len(r.runs) != 0 {
		t.Error("it goes on, though its key is not trusted any more")
	}
}
