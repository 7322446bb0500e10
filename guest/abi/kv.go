package abi

// KVQuery names an entry of the module's own store. What other modules keep is out
// of reach. A key has 1 to 128 bytes of UTF-8.
type KVQuery struct {
	Key string `json:"key"`
}

// KVValue is an entry.
type KVValue struct {
	Found bool   `json:"found"`
	Value []byte `json:"value,omitempty"` // base64 in JSON
	// Revision changes with each write of the entry; 0: there is none.
	Revision int64 `json:"revision,omitempty"`
}

// KVPut keeps an entry, of at most 32 KiB.
type KVPut struct {
	Key   string `json:"key"`
	Value []byte `json:"value"`
	// If makes it a compare-and-set: the entry must have that revision, else the
	// answer is Conflict. 0: whatever is there; -1: it must not be there.
	If int64 `json:"if,omitempty"`
	// Seconds after which the entry is gone; 0: it stays.
	Seconds int64 `json:"seconds,omitempty"`
}

// KVDone is the state of the store after a change.
type KVDone struct {
	Revision int64 `json:"revision,omitempty"` // of the entry; 0: it is gone
	Used     int64 `json:"used"`               // bytes of keys and values
	Quota    int64 `json:"quota"`              // bytes
}

// KVListQuery asks for keys in order.
type KVListQuery struct {
	Prefix string `json:"prefix,omitempty"`
	After  string `json:"after,omitempty"` // the last key of the page before
	Count  int    `json:"count,omitempty"` // 0, or more than 256: 256
}

// KVKeys is a page of keys.
type KVKeys struct {
	Keys  []string `json:"keys"`
	More  bool     `json:"more,omitempty"`
	Used  int64    `json:"used"`
	Quota int64    `json:"quota"`
}
