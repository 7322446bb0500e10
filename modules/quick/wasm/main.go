// Command wasm is the module quick as a WebAssembly reactor.
package main

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/quick"
)

func init() { sdk.Serve(quick.Module()) }

func main() {}
