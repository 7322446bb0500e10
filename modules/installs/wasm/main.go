// Command wasm is the module installs as a WebAssembly reactor.
package main

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/installs"
)

func init() { sdk.Serve(installs.Module()) }

func main() {}
