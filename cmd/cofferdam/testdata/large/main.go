// Command large is a guest of more than 3 MB: it uses the larger packages of the standard
// library, which modules do without if size matters to them.
package main

import (
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

func init() {
	sdk.Serve(sdk.Module{Commands: map[string]sdk.Handler{"large": large}})
}

func main() {}

var digits = regexp.MustCompile(`[0-9]+`)

type figure struct {
	Total uint64 `json:"total"`
}

func large(host sdk.Host, _ sdk.Request) (sdk.Reply, error) {
	info, err := host.Memory(abi.MetricsQuery{})
	if err != nil {
		return sdk.Reply{}, err
	}
	inJSON, err := json.Marshal(figure{info.Total})
	if err != nil {
		return sdk.Reply{}, err
	}
	var read figure
	if err := json.Unmarshal(inJSON, &read); err != nil {
		return sdk.Reply{}, err
	}
	var total big.Int
	total.SetString(digits.FindString(fmt.Sprint(read)), 10)
	return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain(fmt.Sprintf("Memory: %v bytes", &total)))}}, nil
}
