package main

import (
	"fmt"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
)

// TestAModuleRunsByItself: the clock runs it, it finds what it kept, tells admins
// under its name, and nobody else, and cannot do what needs one.
func TestAModuleRunsByItself(t *testing.T) {
	var refusals atomic.Int64
	tick := func(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
		value, err := host.Get("count")
		if err != nil {
			return sdk.Reply{}, err
		}
		n, _ := strconv.Atoi(string(value.Value))
		if _, err := host.Put(abi.KVPut{Key: "count", Value: []byte(strconv.Itoa(n + 1)), If: value.Revision}); err != nil {
			return sdk.Reply{}, err
		}
		if _, err := host.StopContainer(abi.ContainerRef{ID: "web"}); err != nil {
			refusals.Add(1)
		}
		_, err = host.Notify(abi.Notice{To: abi.NotifyAdmins, Blocks: []sdk.Block{sdk.Text(sdk.Plain(fmt.Sprintf("It ran %d times, as %s", n+1, req.Actor.Role)))}})
		return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain("Nobody sees this"))}}, err
	}
	var ahead atomic.Int64
	b := startBot(t, withModule("ticks", sdk.Module{Actions: map[string]sdk.Handler{"tick": tick}}), func(b *bot) {
		b.o.now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
	})
	wasm, err := abi.WithManifest([]byte("\x00asm\x01\x00\x00\x00"), abi.Manifest{
		Name: "ticks", Version: "1", Description: "Ticks", Author: "a", ABI: abi.Version,
		Capabilities: []abi.CapabilityRequest{
			{Name: "schedule", Scope: []string{"10s"}, Reason: "r"}, {Name: "kv", Scope: []string{"1KiB"}, Reason: "r"},
			{Name: "notify", Scope: []string{"admins", "100/h"}, Reason: "r"}, {Name: "docker.containers.stop", Scope: []string{"*"}, Reason: "r"},
		},
		Schedules: []abi.Schedule{{Name: "tick", Every: "10s", Action: "tick"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	spec := registry.Spec{Wasm: wasm, Digest: "digest-of-ticks", Limits: engine.Limits{Memory: 1 << 20, Timeout: time.Second, HostCalls: 10, Reply: 1 << 16, Log: 1 << 10, Concurrency: 1, Fuel: 1 << 30}}
	p, other := b.person(admin, admin), b.person(user, user)
	p.says("/start") // nobody can be written to before
	other.says("/start")
	if err := b.app.registry.Add(t.Context(), spec); err != nil {
		t.Fatal(err)
	}
	ahead.Add(int64(10 * time.Second))
	p.hears("It ran 1 times, as module", 1)
	ahead.Add(int64(10 * time.Second))
	p.hears("It ran 2 times, as module", 1)
	if p.said("ticks") < 2 {
		t.Error("the module's name is not above what it tells")
	}
	if p.said("Nobody sees this")+other.said("It ran")+other.said("Nobody sees this") > 0 {
		t.Error("somebody sees what is not for them")
	}
	if refusals.Load() < 2 {
		t.Error("it did what needs an admin")
	}
}
