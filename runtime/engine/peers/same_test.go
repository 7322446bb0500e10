package peers

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine/peers/logic"
)

// opened returns a contestant that is closed when the test is over.
func opened(tb testing.TB, c contestant) peer {
	tb.Helper()
	p, err := c.open(tb.Context(), shop)
	if err != nil {
		tb.Fatalf("open %s: %v", c.id(), err)
	}
	tb.Cleanup(func() {
		// The test's context is over by now.
		if err := p.Close(background); err != nil {
			tb.Errorf("close %s: %v", c.id(), err)
		}
	})
	return p
}

func called(tb testing.TB, p peer, command string) []byte {
	tb.Helper()
	reply, err := p.Call(tb.Context(), requestFor(command))
	if err != nil {
		tb.Fatal(err)
	}
	return reply
}

// TestSameAnswer is what makes them comparable: to the byte.
func TestSameAnswer(t *testing.T) {
	const want = `{"blocks":[{"kind":"heading","spans":[{"text":"Memory for Alice"}]},` +
		`{"kind":"fields","fields":[{"name":"Total","value":[{"text":"15.6 GiB","style":"bold"}]},` +
		`{"name":"Used","value":[{"text":"5.7 GiB","style":"bold"}]},` +
		`{"name":"Available","value":[{"text":"9.1 GiB","style":"bold"}]},` +
		`{"name":"Cached","value":[{"text":"7.3 GiB","style":"bold"}]},` +
		`{"name":"Swap","value":[{"text":"0.5 GiB","style":"bold"}]}]},` +
		`{"kind":"bars","bars":[{"label":"used","percent":41.5}]}],` +
		`"keyboard":[[{"label":"Refresh","action":"memory","args":{"host":"local"}}]]}`
	for _, c := range available(t) {
		t.Run(c.id(), func(t *testing.T) {
			t.Parallel() // each may have to be compiled
			p := opened(t, c)
			for range 2 { // the second may differ where an instance is kept
				if got := called(t, p, "memory"); !bytes.Equal(got, []byte(want)) {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			}
		})
	}
}

// TestFreshMeansFresh holds the contestants to what the table says of them.
func TestFreshMeansFresh(t *testing.T) {
	for _, c := range available(t) {
		t.Run(c.id(), func(t *testing.T) {
			p := opened(t, c)
			// A snapshot may have been taken of an instance that has handled
			// something already: what counts is that no call changes the count.
			first, second := handledBy(t, p), handledBy(t, p)
			if c.fresh && first != second {
				t.Errorf("a fresh instance has handled %s requests, and the next one %s", first, second)
			}
			if !c.fresh && first == second {
				t.Errorf("a kept instance has twice handled %s requests", first)
			}
		})
	}
}

func handledBy(tb testing.TB, p peer) string {
	tb.Helper()
	var reply abi.Reply
	if err := json.Unmarshal(called(tb, p, logic.Count), &reply); err != nil {
		tb.Fatal(err)
	}
	return reply.Notice
}
