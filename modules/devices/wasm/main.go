// Command wasm is the module devices as a WebAssembly reactor.
package main

import (
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/devices"
)

func init() { sdk.Serve(devices.Module()) }

func main() {}
