// Command wasm is the module charts as a WebAssembly reactor.
package main

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/charts"
)

func init() { sdk.Serve(charts.Module()) }

func main() {}
