// Command wasm is the module core as a WebAssembly reactor.
package main

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/core"
)

func init() { sdk.Serve(core.Module()) }

func main() {}
