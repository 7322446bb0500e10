package hostcall

import (
	"context"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// HTTP makes requests to other servers.
type HTTP interface {
	Fetch(ctx context.Context, c *Caller, q abi.FetchRequest) (abi.FetchResponse, error)
}

var errNoHTTP = refuse(abi.Unavailable, "No requests are made from here.")

func (s Sources) fetch(ctx context.Context, c *Caller, q abi.FetchRequest) (abi.FetchResponse, error) {
	if s.HTTP == nil {
		return abi.FetchResponse{}, errNoHTTP
	}
	return s.HTTP.Fetch(ctx, c, q)
}

func (s Sources) fetchGrants(context.Context, *Caller, abi.HTTPQuery) (abi.FetchScope, error) {
	return abi.FetchScope{}, errNoHTTP
}
