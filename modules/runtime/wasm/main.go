// Command wasm is the module runtime as a WebAssembly reactor.
package main

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/runtime"
)

func init() { sdk.Serve(runtime.Module()) }

func main() {}
