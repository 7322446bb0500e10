package peers

import (
	"context"
	"errors"
	"os/exec"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/go-plugin"

	"github.com/cofferdam-bot/cofferdam/runtime/engine/peers/protogrpc"
)

// hashicorp is hashicorp/go-plugin: a process, and gRPC over a Unix socket. It
// is no sandbox: the process may do all that the host may.
type hashicorp struct {
	path    string
	process *process // nil: one for each call
	// ended is told of a process that is about to be ended.
	ended func(pid int)
}

type process struct {
	client *plugin.Client
	pid    int
	module protogrpc.ModuleClient
}

func openHashicorp(life lifetime) func(context.Context, workshop) (peer, error) {
	return func(ctx context.Context, w workshop) (peer, error) {
		path, err := w.built(goOnMachine)
		if err != nil {
			return nil, err
		}
		h := &hashicorp{path: path, ended: func(int) {}}
		if life == kept {
			h.process, err = h.start()
		}
		return h, err
	}
}

func (h *hashicorp) start() (*process, error) {
	command := exec.Command(h.path)
	client := plugin.NewClient(&plugin.ClientConfig{
		HandshakeConfig:  protogrpc.Handshake,
		Plugins:          plugin.PluginSet{protogrpc.Name: protogrpc.Plugin{Memory: askHost}},
		Cmd:              command,
		AllowedProtocols: []plugin.Protocol{plugin.ProtocolGRPC},
		Logger:           hclog.NewNullLogger(),
	})
	protocol, err := client.Client()
	if err != nil {
		client.Kill()
		return nil, err
	}
	module, err := protocol.Dispense(protogrpc.Name)
	if err != nil {
		client.Kill()
		return nil, err
	}
	return &process{client: client, pid: command.Process.Pid, module: module.(protogrpc.ModuleClient)}, nil
}

func (h *hashicorp) Call(ctx context.Context, request []byte) ([]byte, error) {
	p := h.process
	if p == nil {
		started, err := h.start()
		if err != nil {
			return nil, err
		}
		defer h.end(started)
		p = started
	}
	reply, err := p.module.Handle(ctx, &protogrpc.Request{Json: request})
	return reply.GetJson(), err
}

func (h *hashicorp) end(p *process) {
	h.ended(p.pid)
	p.client.Kill()
}

func (h *hashicorp) Close(context.Context) error {
	if h.process == nil {
		return nil
	}
	h.end(h.process)
	if !h.process.client.Exited() {
		return errors.New("the process goes on")
	}
	return nil
}
