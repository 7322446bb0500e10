package hostcall

import (
	"context"
	"fmt"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// HTTP makes requests to other servers. f is the request as the rule sees it, and
// allows the rule: it is asked again for each redirect, and its terms say which
// addresses a connection may be made to. Errors carry an [abi.Error]: denied,
// invalid, unavailable, timeout or limit.
type HTTP interface {
	Fetch(ctx context.Context, module string, f capability.Fetch, allows func(capability.Fetch) (capability.Terms, bool), q abi.FetchRequest) (abi.FetchResponse, error)
}

var errNoHTTP = refuse(abi.Unavailable, "No requests are made from here.")

func (s Sources) fetch(ctx context.Context, c *Caller, q abi.FetchRequest) (abi.FetchResponse, error) {
	if s.HTTP == nil {
		return abi.FetchResponse{}, errNoHTTP
	}
	var secrets []string
	for _, h := range q.Headers {
		if h.Secret != "" {
			secrets = append(secrets, h.Secret)
		}
	}
	f, err := capability.ParseFetch(q.Method, q.URL, secrets)
	if err != nil {
		return abi.FetchResponse{}, refuse(abi.Invalid, "The module's request makes no sense: "+err.Error()+".")
	}
	// The log says what was asked for, without the path: that may be the user's.
	if _, ok := c.Grant.AllowsFetch(f); !ok {
		return abi.FetchResponse{}, fmt.Errorf("%s %s: %w", f.Method(), f.Origin(), refuse(abi.Denied, "This module may not make that request."))
	}
	answer, err := s.HTTP.Fetch(ctx, c.Module, f, c.Grant.AllowsFetch, q)
	if err != nil {
		return abi.FetchResponse{}, fmt.Errorf("%s %s: %w", f.Method(), f.Origin(), err)
	}
	return answer, nil
}

func (s Sources) fetchGrants(_ context.Context, c *Caller, _ abi.HTTPQuery) (abi.FetchScope, error) {
	scope := abi.FetchScope{Grants: []abi.HTTPGrant{}}
	for _, p := range c.Grant.FetchPatterns() {
		scope.Grants = append(scope.Grants, abi.HTTPGrant{Methods: p.Methods, URL: p.URL, Exact: p.Exact})
	}
	return scope, nil
}
