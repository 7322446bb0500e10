package registry

import (
	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
)

// Narrowed are the limits with which a module runs: what its manifest asks for,
// never above the host's own.
func Narrowed(host engine.Limits, asks abi.LimitRequest) engine.Limits { return narrowed(host, asks) }
