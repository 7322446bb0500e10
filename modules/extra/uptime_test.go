package extra_test

import (
	"context"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
)

// away is a network in which nothing answers, a store and a box for notices.
type away struct {
	kept map[string]abi.KVValue
	told []abi.Notice
}

func (a *away) Fetch(context.Context, *hostcall.Caller, abi.FetchRequest) (abi.FetchResponse, error) {
	return abi.FetchResponse{}, &abi.Error{Code: abi.Unavailable, Message: "There is no such host."}
}

func (a *away) Get(_ context.Context, _ string, q abi.KVQuery) (abi.KVValue, error) {
	return a.kept[q.Key], nil
}

func (a *away) Put(_ context.Context, _ string, _ int64, q abi.KVPut) (abi.KVDone, error) {
	a.kept[q.Key] = abi.KVValue{Found: true, Value: q.Value, Revision: a.kept[q.Key].Revision + 1}
	return abi.KVDone{Revision: a.kept[q.Key].Revision}, nil
}

func (a *away) Delete(_ context.Context, _ string, _ int64, q abi.KVQuery) (abi.KVDone, error) {
	delete(a.kept, q.Key)
	return abi.KVDone{}, nil
}

func (a *away) List(context.Context, string, int64, abi.KVListQuery) (abi.KVKeys, error) {
	return abi.KVKeys{}, nil
}

func (a *away) Notify(_ context.Context, _ string, _ int, n abi.Notice) (abi.NoticeQueued, error) {
	a.told = append(a.told, n)
	return abi.NoticeQueued{}, nil
}

// TestUptimeInTheSandbox: the file that operators get has what its manifest says,
// and without an exact grant it asks nobody and says what to grant.
func TestUptimeInTheSandbox(t *testing.T) {
	network := &away{kept: map[string]abi.KVValue{}}
	s := load(t, "uptime", hostcall.Sources{HTTP: network, KV: network, Notifier: network})
	code, reply := s.asks(t, abi.Request{Command: "uptime", Time: noon})
	if code != abi.OK || !strings.Contains(reply.Blocks[0].Spans[0].Text, "No address is checked yet") {
		t.Errorf("%v %+v", code, reply)
	}
	code, _ = s.asks(t, abi.Request{Action: "check", Actor: abi.Actor{Role: abi.RoleModule}, Time: noon})
	if code != abi.OK || len(network.told) != 0 || len(network.kept) != 0 {
		t.Errorf("%v, told %+v, kept %v", code, network.told, network.kept)
	}
}
