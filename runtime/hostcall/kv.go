package hostcall

import (
	"context"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// KV keeps what modules want to keep, each module's for itself. quota is in bytes
// of keys and values. Errors carry an [abi.Error]: limit over the quota, conflict
// where a compare-and-set fails, invalid for a key or value out of bounds.
type KV interface {
	Get(ctx context.Context, module string, q abi.KVQuery) (abi.KVValue, error)
	Put(ctx context.Context, module string, quota int64, q abi.KVPut) (abi.KVDone, error)
	Delete(ctx context.Context, module string, quota int64, q abi.KVQuery) (abi.KVDone, error)
	List(ctx context.Context, module string, quota int64, q abi.KVListQuery) (abi.KVKeys, error)
}

var errNoKV = refuse(abi.Unavailable, "Nothing is kept here.")

func (s Sources) kvGet(ctx context.Context, c *Caller, q abi.KVQuery) (abi.KVValue, error) {
	if s.KV == nil {
		return abi.KVValue{}, errNoKV
	}
	return s.KV.Get(ctx, c.Module, q)
}

func (s Sources) kvPut(ctx context.Context, c *Caller, q abi.KVPut) (abi.KVDone, error) {
	if s.KV == nil {
		return abi.KVDone{}, errNoKV
	}
	return s.KV.Put(ctx, c.Module, c.Grant.Quota(), q)
}

func (s Sources) kvDelete(ctx context.Context, c *Caller, q abi.KVQuery) (abi.KVDone, error) {
	if s.KV == nil {
		return abi.KVDone{}, errNoKV
	}
	return s.KV.Delete(ctx, c.Module, c.Grant.Quota(), q)
}

func (s Sources) kvList(ctx context.Context, c *Caller, q abi.KVListQuery) (abi.KVKeys, error) {
	if s.KV == nil {
		return abi.KVKeys{}, errNoKV
	}
	return s.KV.List(ctx, c.Module, c.Grant.Quota(), q)
}
