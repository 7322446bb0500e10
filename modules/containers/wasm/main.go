// Command wasm is the module containers as a WebAssembly reactor.
package main

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/containers"
)

func init() { sdk.Serve(containers.Module()) }

func main() {}
