package peers

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine/peers/logic"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// peer handles requests. It is used by one goroutine.
type peer interface {
	// Call returns the reply. What a call leaves behind, an instance or a
	// process, is cleared away before it returns.
	Call(ctx context.Context, request []byte) ([]byte, error)
	Close(ctx context.Context) error
}

// What a guest is written in.
const (
	inGo = "go"
	inC  = "c"
)

// contestant is one way to run the logic.
type contestant struct {
	name  string
	guest string
	// fresh promises that no call sees what another one left.
	fresh bool
	// stops says how a guest that loops for ever is ended: by the deadline of
	// the call, by killing its process, or not at all ("no").
	stops string
	open  func(context.Context, workshop) (peer, error)
}

// ours is the name of this project's engine.
const ours = "cofferdam"

// id tells a contestant from all others.
func (c contestant) id() string { return c.guest + "/" + c.name }

// The contestants, in the order in which they take turns. Each peer is set up as
// its documentation advises, at its fastest: compiled once, with compiled code
// shared between instances, without a log.
var contestants = []contestant{
	{"native", inGo, false, "no", openNative},
	{ours, inGo, true, "deadline", openCofferdam(goReady)},
	{"wazero-fresh", inGo, true, "no", openWazero(goGuest, fresh, endless)},
	{"wazero-kept", inGo, false, "no", openWazero(goGuest, kept, endless)},
	{"wazero-kept-deadline", inGo, false, "deadline", openWazero(goGuest, kept, limited)},
	{"extism-fresh", inGo, true, "no", openExtism(goExtism, fresh, endless)},
	{"extism-kept", inGo, false, "no", openExtism(goExtism, kept, endless)},
	{"extism-kept-deadline", inGo, false, "deadline", openExtism(goExtism, kept, limited)},
	{"knqyf263-fresh", inGo, true, "no", openKnqyf(fresh)},
	{"knqyf263-kept", inGo, false, "no", openKnqyf(kept)},
	{"hashicorp-fresh", inGo, true, "kill", openHashicorp(fresh)},
	{"hashicorp-kept", inGo, false, "kill", openHashicorp(kept)},

	{ours, inC, true, "deadline", openCofferdam(cGuest)},
	{"wazero-fresh", inC, true, "no", openWazero(cGuest, fresh, endless)},
	{"wazero-kept", inC, false, "no", openWazero(cGuest, kept, endless)},
	{"wazero-kept-deadline", inC, false, "deadline", openWazero(cGuest, kept, limited)},
	{"extism-fresh", inC, true, "no", openExtism(cExtism, fresh, endless)},
	{"extism-kept", inC, false, "no", openExtism(cExtism, kept, endless)},
	{"extism-kept-deadline", inC, false, "deadline", openExtism(cExtism, kept, limited)},
}

// lifetime is how long an instance is used.
type lifetime int

const (
	kept  lifetime = iota // for all calls
	fresh                 // for one
)

// patience says whether a call can be ended by its context.
type patience int

const (
	endless patience = iota
	limited
)

// callTimeout is that of a call with a deadline: the usual one of the config.
const callTimeout = 10 * time.Second

// The host's side of the one host call, for all contestants alike: the product's
// operation, with its checks of grant and role.

type machine struct{ hostcall.Metrics }

func (machine) Memory(context.Context) (abi.MemoryInfo, error) {
	return abi.MemoryInfo{
		Total: 16_767_541_248, Used: 6_112_215_040, Free: 1_998_848_000, Available: 9_812_336_640, Percent: 41.5,
		Active: 7_340_032_000, Inactive: 4_194_304_000, Cached: 7_812_939_776, Buffers: 443_539_456, Shared: 126_877_696,
		Swap: abi.Swap{Total: 2_147_479_552, Used: 537_919_488, Free: 1_609_560_064, Percent: 25.0, In: 40_960, Out: 1_048_576},
	}, nil
}

var operations = hostcall.Table(hostcall.Sources{Metrics: machine{}})

var memoryOperation = func() hostcall.Operation {
	for _, op := range operations {
		if op.Import == abi.OpMetricsMemory {
			return op
		}
	}
	panic("there is no " + abi.OpMetricsMemory)
}()

var grant = func() capability.Set {
	set, err := capability.Parse([]capability.Request{{Name: string(capability.MetricsMemory)}})
	if err != nil {
		panic(err)
	}
	return set
}()

var actor = abi.Actor{ID: 1_234_567, Role: abi.RoleUser, Name: "Alice"}

// newCaller is made for each call, as the pipeline does.
func newCaller() *hostcall.Caller {
	return &hostcall.Caller{Module: "peer", Grant: grant, Actor: actor, Log: zap.NewNop()}
}

func askHost(ctx context.Context, query []byte) ([]byte, error) {
	code, answer := memoryOperation.Call(ctx, newCaller(), query)
	if code != abi.OK {
		return nil, fmt.Errorf("%s: %s", code, answer)
	}
	return answer, nil
}

// requestFor is a request as the pipeline writes it.
func requestFor(command string) []byte {
	request, err := json.Marshal(abi.Request{
		Version: abi.Version, Command: command, Args: map[string]string{"host": abi.LocalHost},
		Actor: actor, Chat: abi.Chat{ID: 1_234_567, Private: true}, Time: 1_767_225_600_000,
	})
	if err != nil {
		panic(err)
	}
	return request
}

// native is the logic bound into the host: the limit.
type native struct{}

func openNative(context.Context, workshop) (peer, error) { return native{}, nil }

func (native) Call(ctx context.Context, request []byte) ([]byte, error) {
	return logic.Handle(request, func(query []byte) ([]byte, error) { return askHost(ctx, query) })
}

func (native) Close(context.Context) error { return nil }
