package server

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

func memory(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Memory(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	keyboard := [][]sdk.Button{
		sdk.Row(sdk.Do("💱 Swap", "memory_swap")),
		commandView("memory"),
	}
	return page(req, whose(host), keyboard, memoryBlocks(info)...), nil
}

func memoryBlocks(info abi.MemoryInfo) []sdk.Block {
	return []sdk.Block{
		sdk.Heading("🧠 Memory"),
		sdk.Bars(sdk.Bar{Label: "In use", Percent: share(info.Percent)}),
		sdk.Fields(
			size("Total", info.Total),
			size("Used", info.Used),
			size("Free", info.Free),
			size("Available", info.Available),
			size("Active", info.Active),
			size("Inactive", info.Inactive),
			size("Cached", info.Cached),
			size("Shared", info.Shared),
		),
	}
}

func memorySwap(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Memory(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	return page(req, whose(host), subView("memory_swap", "memory"), append([]sdk.Block{sdk.Heading("💱 Swap")}, swapBlocks(info.Swap)...)...), nil
}

func swapBlocks(swap abi.Swap) []sdk.Block {
	if swap.Total == 0 {
		return []sdk.Block{sdk.Text(sdk.Plain("This machine has no swap."))}
	}
	return []sdk.Block{
		sdk.Bars(sdk.Bar{Label: "In use", Percent: share(swap.Percent)}),
		sdk.Fields(
			size("Total", swap.Total),
			size("Used", swap.Used),
			size("Free", swap.Free),
			size("Swapped in since boot", swap.In),
			size("Swapped out since boot", swap.Out),
		),
	}
}

func size(name string, bytes uint64) sdk.Field {
	return sdk.Is(name, sdk.Plain(sdk.Bytes(bytes)))
}
