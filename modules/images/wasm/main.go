// Command wasm is the module images as a WebAssembly reactor.
package main

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/images"
)

func init() { sdk.Serve(images.Module()) }

func main() {}
