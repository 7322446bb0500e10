// Command wasm is the module outline as a WebAssembly reactor.
package main

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/outline"
)

func init() { sdk.Serve(outline.Module()) }

func main() {}
