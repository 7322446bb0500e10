// Package headroom is the module that the vectors of package testkit are about, in
// Go: it says how much memory is left, and whether something of a given size would
// fit in.
package headroom

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// Module returns the command headroom and the action refresh.
func Module() sdk.Module {
	return sdk.Module{
		Commands: map[string]sdk.Handler{"headroom": func(host sdk.Host, req sdk.Request) (sdk.Reply, error) { return show(host, req.Text) }},
		Actions:  map[string]sdk.Handler{"refresh": func(host sdk.Host, req sdk.Request) (sdk.Reply, error) { return show(host, req.Arg("mib")) }},
	}
}

const (
	mib  = 1 << 20
	most = 1 << 30 // MiB
)

func show(host sdk.Host, typed string) (sdk.Reply, error) {
	amount, err := strconv.ParseInt(typed, 10, 64)
	if typed == "" {
		amount, err = 0, nil
	}
	if err != nil || typed != "" && (amount <= 0 || amount > most || typed[0] == '+') {
		return sdk.Reply{}, sdk.Fail(abi.Invalid, "“"+typed+"” is no number of MiB. Try /headroom 2048.")
	}
	memory, err := host.Memory(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	size := func(name string, bytes uint64) sdk.Field { return sdk.Is(name, sdk.Plain(sdk.Bytes(bytes))) }
	fields := []sdk.Field{size("Available", memory.Available), size("Total", memory.Total), size("Free swap", memory.Swap.Free)}
	refresh := sdk.Do("🔄 Refresh", "refresh")
	if amount > 0 {
		fields = append(fields, sdk.Is("Room for "+sdk.Bytes(uint64(amount)*mib), sdk.Plain(verdict(memory.Available, uint64(amount)*mib))))
		refresh.Args = map[string]string{"mib": typed}
	}
	return sdk.Reply{
		Blocks:   []sdk.Block{sdk.Heading("🧠 Headroom"), sdk.Fields(fields...)},
		Keyboard: [][]sdk.Button{sdk.Row(refresh)},
	}, nil
}

func verdict(available, wanted uint64) string {
	if available < wanted {
		return "no, " + sdk.Bytes(wanted-available) + " are missing"
	}
	return "yes, " + sdk.Bytes(available-wanted) + " would be left"
}
