// Command wasm is the module server as a WebAssembly reactor.
package main

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/server"
)

func init() { sdk.Serve(server.Module()) }

func main() {}
