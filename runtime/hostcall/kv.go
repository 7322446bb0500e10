package hostcall

import (
	"context"
	"unicode/utf8"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// KV keeps what modules want to keep, each module's for itself. quota is in bytes
// of keys and values. Errors carry an [abi.Error]: limit over the quota, conflict
// where a compare-and-set fails, invalid for a key or value out of bounds,
// unavailable where nothing can be written.
//
// revealed goes with an entry: [capability.Pass.Revealed] of the request that wrote
// it. List returns that of a key of the page, if one has any.
type KV interface {
	Get(ctx context.Context, module string, q abi.KVQuery) (value abi.KVValue, revealed string, err error)
	Put(ctx context.Context, module string, quota int64, q abi.KVPut, revealed string) (abi.KVDone, error)
	Delete(ctx context.Context, module string, quota int64, q abi.KVQuery) (abi.KVDone, error)
	List(ctx context.Context, module string, quota int64, q abi.KVListQuery) (keys abi.KVKeys, revealed string, err error)
}

// Bounds of entries: in bytes, keys of a page, and how long one may last.
const (
	maxKVKey     = 128
	maxKVValue   = 32 << 10
	maxKVPage    = 256
	maxKVSeconds = 366 * 24 * 60 * 60
)

var (
	errNoKV      = refuse(abi.Unavailable, "Nothing is kept here.")
	errKVKey     = refuse(abi.Invalid, "A key has 1 to 128 bytes of text.")
	errKVValue   = refuse(abi.Invalid, "A value has at most 32 KiB.")
	errKVIf      = refuse(abi.Invalid, "A revision is a number that the host gave, or -1 for none.")
	errKVSeconds = refuse(abi.Invalid, "An entry lasts for 1 second to 366 days, or for good.")
	errKVReach   = refuse(abi.Denied, "What this module keeps may be about containers that you do not see.")
	errKVPrefix  = refuse(abi.Invalid, "A prefix has at most 128 bytes of text.")
)

// checkKVKey says what is wrong with a key.
func checkKVKey(key string) error {
	if key == "" || len(key) > maxKVKey || !utf8.ValidString(key) {
		return errKVKey
	}
	return nil
}

// checkKVPut says what is wrong with an entry.
func checkKVPut(q abi.KVPut) error {
	switch {
	case checkKVKey(q.Key) != nil:
		return errKVKey
	case len(q.Value) > maxKVValue:
		return errKVValue
	case q.If < -1:
		return errKVIf
	case q.Seconds < 0 || q.Seconds > maxKVSeconds:
		return errKVSeconds
	}
	return nil
}

// checkKVList says what is wrong with a question for keys, and how many it is for.
func checkKVList(q abi.KVListQuery) (abi.KVListQuery, error) {
	for _, text := range []string{q.Prefix, q.After} {
		if len(text) > maxKVKey || !utf8.ValidString(text) {
			return q, errKVPrefix
		}
	}
	if q.Count <= 0 || q.Count > maxKVPage {
		q.Count = maxKVPage
	}
	return q, nil
}

func (s Sources) kvGet(ctx context.Context, c *Caller, q abi.KVQuery) (abi.KVValue, error) {
	if s.KV == nil {
		return abi.KVValue{}, errNoKV
	}
	if err := checkKVKey(q.Key); err != nil {
		return abi.KVValue{}, err
	}
	if !c.maySeeKept() {
		return abi.KVValue{}, errKVReach
	}
	value, revealed, err := s.KV.Get(ctx, c.Module, q)
	if err == nil {
		err = c.learn(revealed)
	}
	if err != nil {
		return abi.KVValue{}, err
	}
	return value, nil
}

// maySeeKept reports whether what a module keeps may be read for the user. What was put
// there for others, or by the module itself, may be about any container, so whom the
// operator keeps from some of them learns nothing of it.
func (c *Caller) maySeeKept() bool {
	return c.Pass.Reaches().Unlimited() || !c.Grant.SeesContainers()
}

// learn takes note that an answer may hold what was read within a session: by a
// request before, which kept it. Else a store would be the way around what is not
// told to a group (A5).
func (c *Caller) learn(revealed string) error {
	switch {
	case revealed == "":
		return nil
	case c.Pass == nil:
		return refuse(abi.Denied, "That was read within a session.")
	case c.Pass.Revealed == "":
		c.Pass.Revealed = capability.Name(revealed)
	}
	return nil
}

// revealed is what the request, or one that led here, has read within a session.
func (c *Caller) revealed() string {
	if c.Pass == nil {
		return ""
	}
	return string(c.Pass.Revealed)
}

func (s Sources) kvPut(ctx context.Context, c *Caller, q abi.KVPut) (abi.KVDone, error) {
	if s.KV == nil {
		return abi.KVDone{}, errNoKV
	}
	if err := checkKVPut(q); err != nil {
		return abi.KVDone{}, err
	}
	return s.KV.Put(ctx, c.Module, c.Grant.Quota(), q, c.revealed())
}

func (s Sources) kvDelete(ctx context.Context, c *Caller, q abi.KVQuery) (abi.KVDone, error) {
	if s.KV == nil {
		return abi.KVDone{}, errNoKV
	}
	if err := checkKVKey(q.Key); err != nil {
		return abi.KVDone{}, err
	}
	return s.KV.Delete(ctx, c.Module, c.Grant.Quota(), q)
}

func (s Sources) kvList(ctx context.Context, c *Caller, q abi.KVListQuery) (abi.KVKeys, error) {
	if s.KV == nil {
		return abi.KVKeys{}, errNoKV
	}
	q, err := checkKVList(q)
	if err != nil {
		return abi.KVKeys{}, err
	}
	if !c.maySeeKept() {
		return abi.KVKeys{}, errKVReach
	}
	keys, revealed, err := s.KV.List(ctx, c.Module, c.Grant.Quota(), q)
	if err == nil {
		err = c.learn(revealed)
	}
	if err != nil {
		return abi.KVKeys{}, err
	}
	return keys, nil
}
