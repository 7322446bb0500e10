package docker

import (
	"context"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func (c *Client) Runtime(context.Context, abi.ContainerRef, func(string, map[string]string) bool) (abi.ContainerRuntime, error) {
	return abi.ContainerRuntime{}, &abi.Error{Code: abi.Unavailable, Message: "Not read yet."}
}

func (c *Client) Env(context.Context, abi.ContainerRef, func(string, map[string]string) bool) (abi.ContainerEnv, error) {
	return abi.ContainerEnv{}, &abi.Error{Code: abi.Unavailable, Message: "Not read yet."}
}
