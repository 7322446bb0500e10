// Package protogrpc is what a host and a process share behind
// hashicorp/go-plugin.
package protogrpc

import (
	"context"

	"github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"
)

// Name is that of the one plugin which the process serves.
const Name = "module"

// Handshake keeps people from running the process by hand.
var Handshake = plugin.HandshakeConfig{ProtocolVersion: 1, MagicCookieKey: "COFFERDAM_PEER", MagicCookieValue: "module"}

// Plugin is the module on either side. Handle is set in the process, and
// Memory, which performs metrics_memory_v1, in the host.
type Plugin struct {
	plugin.NetRPCUnsupportedPlugin
	Handle func(request []byte, memory func([]byte) ([]byte, error)) ([]byte, error)
	Memory func(ctx context.Context, query []byte) ([]byte, error)
}

// GRPCServer serves the module in the process.
func (p Plugin) GRPCServer(broker *plugin.GRPCBroker, s *grpc.Server) error {
	RegisterModuleServer(s, &module{plugin: p, broker: broker})
	return nil
}

// GRPCClient serves the host, and returns a [ModuleClient].
func (p Plugin) GRPCClient(ctx context.Context, broker *plugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	id := broker.NextId()
	go broker.AcceptAndServe(id, func(options []grpc.ServerOption) *grpc.Server {
		s := grpc.NewServer(options...)
		RegisterHostServer(s, host{plugin: p})
		return s
	})
	client := NewModuleClient(conn)
	_, err := client.Connect(ctx, &Broker{Id: id})
	return client, err
}

type module struct {
	UnimplementedModuleServer
	plugin Plugin
	broker *plugin.GRPCBroker
	host   HostClient
}

// Connect dials the host once: go-plugin's own example does it for every call.
func (m *module) Connect(_ context.Context, where *Broker) (*Connected, error) {
	conn, err := m.broker.Dial(where.Id)
	if err != nil {
		return nil, err
	}
	m.host = NewHostClient(conn)
	return &Connected{}, nil
}

func (m *module) Handle(ctx context.Context, request *Request) (*Reply, error) {
	reply, err := m.plugin.Handle(request.Json, func(query []byte) ([]byte, error) {
		answer, err := m.host.MetricsMemory(ctx, &Query{Json: query})
		return answer.GetJson(), err
	})
	return &Reply{Json: reply}, err
}

type host struct {
	UnimplementedHostServer
	plugin Plugin
}

func (h host) MetricsMemory(ctx context.Context, query *Query) (*Answer, error) {
	answer, err := h.plugin.Memory(ctx, query.Json)
	return &Answer{Json: answer}, err
}
