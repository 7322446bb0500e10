// Command process is the module as a program of its own, behind
// hashicorp/go-plugin.
package main

import (
	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/cofferdam-bot/cofferdam/runtime/engine/peers/logic"
	"github.com/cofferdam-bot/cofferdam/runtime/engine/peers/protogrpc"
)

func main() {
	plugin.Serve(&plugin.ServeConfig{
		HandshakeConfig: protogrpc.Handshake,
		Plugins:         plugin.PluginSet{protogrpc.Name: protogrpc.Plugin{Handle: logic.Handle}},
		GRPCServer:      plugin.DefaultGRPCServer,
		Logger:          hclog.NewNullLogger(),
	})
}
