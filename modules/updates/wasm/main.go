// Command wasm is the module updates as a WebAssembly reactor.
package main

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/updates"
)

func init() { sdk.Serve(updates.Module()) }

func main() {}
