package registry

import (
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Nobody vouches for a module that is not there: what it said last still carries
// its name.
func TestWhoIsFromElsewhere(t *testing.T) {
	i := newInfirmary(t)
	own := wasm(t, "own", []abi.Command{cmd("own", abi.WhoUser)})
	own.BuiltIn = true
	add(t, i.Registry, own)
	for name, want := range map[string]bool{"own": false, "ships": !onlyShips(t).BuiltIn, "gone": true, "": true} {
		if got := i.DropIn(name); got != want {
			t.Errorf("%q is from elsewhere: %v", name, got)
		}
	}
}
