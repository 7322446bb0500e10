package docker

import (
	"context"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func (c *Client) Rename(context.Context, string, string, string) (abi.ContainerDone, error) {
	return abi.ContainerDone{}, &abi.Error{Code: abi.Unavailable, Message: "Not done yet."}
}
