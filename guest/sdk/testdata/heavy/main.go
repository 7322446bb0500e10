// Command heavy is a module that uses encoding/json and fmt itself.
package main

import (
	"encoding/json"
	"fmt"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

func init() {
	sdk.Serve(sdk.Module{Commands: map[string]sdk.Handler{"heavy": heavy}})
}

func main() {}

func heavy(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	var asked struct{ Unit uint64 }
	if err := json.Unmarshal([]byte(req.Text), &asked); err != nil {
		return sdk.Reply{}, sdk.Fail(abi.Invalid, err.Error())
	}
	info, err := host.Memory(abi.MetricsQuery{Host: "edge"})
	if err != nil {
		return sdk.Reply{}, err
	}
	said, err := json.Marshal(map[string]any{"user": req.Actor.Name, "units": info.Total / asked.Unit})
	if err != nil {
		return sdk.Reply{}, err
	}
	return sdk.Reply{Blocks: []sdk.Block{sdk.Listing(string(said), "json")}, Notice: fmt.Sprintf("%+v", asked)}, nil
}
