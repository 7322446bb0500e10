package extra_test

import (
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
)

// TestUptimeInTheSandbox: the file that operators get imports what its manifest
// says. With no more than that it asks nobody and says what to grant.
func TestUptimeInTheSandbox(t *testing.T) {
	s := load(t, "uptime", hostcall.Sources{})
	code, reply := s.asks(t, abi.Request{Command: "sites", Time: noon})
	if code != abi.OK || !strings.Contains(reply.Blocks[0].Spans[0].Text, "No address is checked yet") {
		t.Errorf("%v %+v", code, reply)
	}
	if code, reply = s.asks(t, abi.Request{Action: "check", Actor: abi.Actor{Role: abi.RoleModule}, Time: noon}); code != abi.OK {
		t.Errorf("%v %+v", code, reply)
	}
}
