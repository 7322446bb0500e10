// Command wasm is the module uptime as a WebAssembly reactor.
package main

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/extra/uptime"
)

func init() { sdk.Serve(uptime.Module()) }

func main() {}
