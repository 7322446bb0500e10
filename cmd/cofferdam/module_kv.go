package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// memoryKV is a module's store while it is developed: in memory, or in a file that
// a person can read and change.
type memoryKV struct {
	mu      sync.Mutex
	path    string // empty: memory only
	changed bool
	last    int64
	entries map[string]kvEntry
}

type kvEntry struct {
	Value    []byte `json:"value"`
	Revision int64  `json:"revision"`
	// Until is when it is gone, in milliseconds since 1970 UTC; 0: never.
	Until int64 `json:"until,omitempty"`
}

func openKV(path string) (*memoryKV, error) {
	kv := &memoryKV{path: path, entries: map[string]kvEntry{}}
	if path == "" {
		return kv, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return kv, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %s", path, reason(err))
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&kv.entries); err != nil {
		return nil, fmt.Errorf("%s is no store: %w", path, err)
	}
	for _, e := range kv.entries {
		kv.last = max(kv.last, e.Revision)
	}
	return kv, nil
}

// close writes the file, if there is one and something changed.
func (kv *memoryKV) close() error {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	if kv.path == "" || !kv.changed {
		return nil
	}
	text, err := json.MarshalIndent(kv.entries, "", "  ")
	if err != nil {
		return err
	}
	if err := os.WriteFile(kv.path, append(text, '\n'), 0o600); err != nil {
		return fmt.Errorf("%s cannot be written: %s", kv.path, reason(err))
	}
	return nil
}

// entry returns what is there and has not expired.
func (kv *memoryKV) entry(key string) (kvEntry, bool) {
	e, ok := kv.entries[key]
	if ok && e.Until != 0 && e.Until <= time.Now().UnixMilli() {
		delete(kv.entries, key)
		return kvEntry{}, false
	}
	return e, ok
}

func (kv *memoryKV) used() (used int64) {
	for _, key := range slices.Collect(maps.Keys(kv.entries)) {
		if e, ok := kv.entry(key); ok {
			used += int64(len(key) + len(e.Value))
		}
	}
	return used
}

// Get implements [hostcall.KV], as the others do: their bounds are checked before.
func (kv *memoryKV) Get(_ context.Context, _ string, q abi.KVQuery) (abi.KVValue, string, error) {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	e, ok := kv.entry(q.Key)
	return abi.KVValue{Found: ok, Value: e.Value, Revision: e.Revision}, "", nil
}

// Put keeps an entry.
func (kv *memoryKV) Put(_ context.Context, _ string, quota int64, q abi.KVPut, _ string) (abi.KVDone, error) {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	before, there := kv.entry(q.Key)
	if q.If == -1 && there || q.If > 0 && before.Revision != q.If {
		return abi.KVDone{}, &abi.Error{Code: abi.Conflict, Message: "The entry was changed meanwhile."}
	}
	used := kv.used() + int64(len(q.Key)+len(q.Value))
	if there {
		used -= int64(len(q.Key) + len(before.Value))
	}
	if used > quota {
		return abi.KVDone{}, &abi.Error{Code: abi.Limit, Message: "There is no room for that in the module's store."}
	}
	kv.last++
	e := kvEntry{Value: q.Value, Revision: kv.last}
	if q.Seconds > 0 {
		e.Until = time.Now().Add(time.Duration(q.Seconds) * time.Second).UnixMilli()
	}
	kv.entries[q.Key], kv.changed = e, true
	return abi.KVDone{Revision: e.Revision, Used: used, Quota: quota}, nil
}

// Delete forgets an entry.
func (kv *memoryKV) Delete(_ context.Context, _ string, quota int64, q abi.KVQuery) (abi.KVDone, error) {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	delete(kv.entries, q.Key)
	kv.changed = true
	return abi.KVDone{Used: kv.used(), Quota: quota}, nil
}

// List lists keys.
func (kv *memoryKV) List(_ context.Context, _ string, quota int64, q abi.KVListQuery) (abi.KVKeys, string, error) {
	kv.mu.Lock()
	defer kv.mu.Unlock()
	page := abi.KVKeys{Keys: []string{}, Used: kv.used(), Quota: quota}
	for _, key := range slices.Sorted(maps.Keys(kv.entries)) {
		if !strings.HasPrefix(key, q.Prefix) || key <= q.After && q.After != "" {
			continue
		}
		if len(page.Keys) == q.Count {
			page.More = true
			break
		}
		page.Keys = append(page.Keys, key)
	}
	return page, "", nil
}
