// Package logic is what every contestant computes: it parses a request, asks
// the host for the machine's memory, and builds a reply. It is bound into the
// Go guests, into the process, and into the host as the native contestant.
// testdata/guest.c says the same in C.
package logic

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Count is a command that answers with how many requests this instance has
// handled: so a test can tell whether an instance is a new one.
const Count = "count"

var handled int

// Handle answers the JSON of an [abi.Request] with that of an [abi.Reply].
// memory performs metrics_memory_v1: the JSON of an [abi.MetricsQuery] in, of
// an [abi.MemoryInfo] out.
func Handle(request []byte, memory func(query []byte) ([]byte, error)) ([]byte, error) {
	handled++
	var req abi.Request
	if err := json.Unmarshal(request, &req); err != nil {
		return nil, fmt.Errorf("parse the request: %w", err)
	}
	if req.Command == Count {
		return json.Marshal(abi.Reply{Notice: strconv.Itoa(handled)})
	}
	query, err := json.Marshal(abi.MetricsQuery{Host: req.Arg("host")})
	if err != nil {
		return nil, err
	}
	answer, err := memory(query)
	if err != nil {
		return nil, err
	}
	var info abi.MemoryInfo
	if err := json.Unmarshal(answer, &info); err != nil {
		return nil, fmt.Errorf("parse the host's answer: %w", err)
	}
	return json.Marshal(reply(req, info))
}

func reply(req abi.Request, info abi.MemoryInfo) abi.Reply {
	return abi.Reply{
		Blocks: []abi.Block{
			{Kind: abi.BlockHeading, Spans: []abi.Span{{Text: "Memory for " + req.Actor.Name}}},
			{Kind: abi.BlockFields, Fields: []abi.Field{
				field("Total", info.Total),
				field("Used", info.Used),
				field("Available", info.Available),
				field("Cached", info.Cached),
				field("Swap", info.Swap.Used),
			}},
			{Kind: abi.BlockBars, Bars: []abi.Bar{{Label: "used", Percent: info.Percent}}},
		},
		Keyboard: [][]abi.Button{{{Label: "Refresh", Action: "memory", Args: map[string]string{"host": req.Arg("host")}}}},
	}
}

func field(name string, bytes uint64) abi.Field {
	return abi.Field{Name: name, Value: []abi.Span{{Text: gib(bytes), Style: abi.StyleBold}}}
}

// gib writes bytes in GiB to one decimal, in whole numbers: so C need not
// format a float.
func gib(bytes uint64) string {
	tenths := (bytes*10 + 1<<29) >> 30
	return fmt.Sprintf("%d.%d GiB", tenths/10, tenths%10)
}

// Practise does once what the first request would do: above all, encoding/json
// learns the types. It leaves no trace but that.
func Practise() {
	request, err := json.Marshal(abi.Request{Version: abi.Version, Command: "memory", Action: "memory", Args: map[string]string{"host": "local"}})
	if err != nil {
		panic(err)
	}
	answer, err := json.Marshal(abi.MemoryInfo{Total: 1})
	if err != nil {
		panic(err)
	}
	for range 3 {
		if _, err := Handle(request, func([]byte) ([]byte, error) { return answer, nil }); err != nil {
			panic(err)
		}
	}
	handled = 0
}
