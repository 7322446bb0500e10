// Command wasm is the module logs as a WebAssembly reactor.
package main

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/logs"
)

func init() { sdk.Serve(logs.Module()) }

func main() {}
