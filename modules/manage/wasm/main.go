// Command wasm is the module manage as a WebAssembly reactor.
package main

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/manage"
)

func init() { sdk.Serve(manage.Module()) }

func main() {}
