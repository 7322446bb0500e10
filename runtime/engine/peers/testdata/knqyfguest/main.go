//go:build wasip1

// Command knqyfguest uses what knqyf263/go-plugin generated.
package main

import (
	"context"

	"github.com/cofferdam-bot/cofferdam/runtime/engine/peers/logic"
	"github.com/cofferdam-bot/cofferdam/runtime/engine/peers/protowasm"
)

type module struct{}

func init() { protowasm.RegisterModule(module{}) }

func (module) Handle(ctx context.Context, request *protowasm.Request) (*protowasm.Reply, error) {
	host := protowasm.NewHost()
	reply, err := logic.Handle(request.Json, func(query []byte) ([]byte, error) {
		answer, err := host.MetricsMemory(ctx, &protowasm.Query{Json: query})
		return answer.GetJson(), err
	})
	return &protowasm.Reply{Json: reply}, err
}

func main() {}
