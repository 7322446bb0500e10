package server

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	"github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

func memory(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Memory(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	keyboard := [][]sdk.Button{
		sdk.Row(sdk.Do(texts.ServerToSwap, "memory_swap"), chart("memory")),
		commandView("memory"),
	}
	return view.Page(req, view.Whose(host), keyboard,
		sdk.Heading(texts.ServerMemory),
		sdk.Bars(bar(texts.ServerInUse, info.Percent)),
		sdk.Fields(
			size(texts.ServerTotal, info.Total),
			size(texts.ServerUsed, info.Used),
			size(texts.ServerFree, info.Free),
			size(texts.ServerAvailable, info.Available),
			size(texts.ServerActive, info.Active),
			size(texts.ServerInactive, info.Inactive),
			size(texts.ServerCached, info.Cached),
			size(texts.ServerShared, info.Shared),
		),
	), nil
}

func memorySwap(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	info, err := host.Memory(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	blocks := append([]sdk.Block{sdk.Heading(texts.ServerSwap)}, swapBlocks(info.Swap)...)
	return view.Page(req, view.Whose(host), subView("memory_swap", "memory"), blocks...), nil
}

func swapBlocks(swap abi.Swap) []sdk.Block {
	if swap.Total == 0 {
		return []sdk.Block{sdk.Text(sdk.Plain(texts.ServerNoSwap))}
	}
	return []sdk.Block{
		sdk.Bars(bar(texts.ServerInUse, swap.Percent)),
		sdk.Fields(
			size(texts.ServerTotal, swap.Total),
			size(texts.ServerUsed, swap.Used),
			size(texts.ServerFree, swap.Free),
			size(texts.ServerSwappedIn, swap.In),
			size(texts.ServerSwappedOut, swap.Out),
		),
	}
}

func size(name string, bytes uint64) sdk.Field {
	return sdk.Is(name, sdk.Plain(sdk.Bytes(bytes)))
}
