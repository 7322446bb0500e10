// Command wasm is the module health as a WebAssembly reactor.
package main

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/health"
)

func init() { sdk.Serve(health.Module()) }

func main() {}
