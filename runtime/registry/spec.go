package registry

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/quarantine"
)

// Spec is a module to add.
type Spec struct {
	// Wasm is the file, which then stays in memory.
	Wasm []byte
	// Read returns the file where there is no Wasm. It is called whenever the bytes
	// are needed, and what it returns counts only if its digest is Digest.
	Read func() ([]byte, error)
	// Digest is the SHA-256 of the file, in lower-case hexadecimal.
	Digest string
	// Manifest is the file's own, for who has read it; with its zero value it is
	// read from the file.
	Manifest abi.Manifest
	// BuiltIn modules may offer commands to anybody.
	BuiltIn bool
	// Trust says why the file may run, such as [abi.TrustApproved], and Signer is
	// the id of the key of the config that signed it, if one did. Both are for
	// people. Those of built-in modules are known.
	Trust, Signer string
	// Granted narrows what the manifest asks; nil grants all of it. Approved is what
	// whoever approved the file left of it; nil: all.
	Granted, Approved []capability.Request
	// Limits narrow the host's own.
	Limits engine.Limits
}

// read makes a module of a spec, as far as that can be done without loading it.
// With [ErrNotGranted] it returns one that must not run.
func read(s Spec) (*module, error) {
	manifest, err := s.manifest()
	if err != nil {
		return nil, err
	}
	life, end := context.WithCancel(context.Background())
	m := &module{
		life: life, end: end,
		manifest: manifest, digest: s.Digest, builtIn: s.BuiltIn, trust: s.Trust, signer: s.Signer,
		limits: narrowed(s.Limits, manifest.Limits), ready: make(chan struct{}),
	}
	if s.BuiltIn {
		m.trust, m.signer = abi.TrustBuiltIn, ""
	}
	if err := builtInOnly(manifest); err != nil && !s.BuiltIn {
		return nil, fmt.Errorf("module %s: %w", manifest.Name, err)
	}
	if m.grant, err = s.grant(manifest); err != nil {
		return m, fmt.Errorf("module %s: %w", manifest.Name, err)
	}
	m.words = m.grant.Words()
	return m, nil
}

// grant is what all who have a say leave of what the manifest asks.
func (s Spec) grant(manifest abi.Manifest) (capability.Set, error) {
	set, err := Grant(manifest, s.Granted)
	if err != nil || s.Approved == nil {
		return set, err
	}
	approved, err := Grant(manifest, s.Approved)
	if err != nil {
		return capability.Set{}, fmt.Errorf("its approval: %w", err)
	}
	return set.Narrow(approved), nil
}

// manifest returns the file's manifest.
func (s Spec) manifest() (abi.Manifest, error) {
	if s.Manifest.Name != "" {
		if err := s.Manifest.Check(); err != nil {
			return abi.Manifest{}, fmt.Errorf("manifest: %w", err)
		}
		return s.Manifest, nil
	}
	wasm, err := s.file()
	if err != nil {
		return abi.Manifest{}, err
	}
	return abi.ReadManifest(wasm)
}

// file returns the bytes. Those that were read are the ones that were meant:
// with this digest, and with this manifest.
func (s Spec) file() ([]byte, error) {
	if s.Read == nil {
		return s.Wasm, nil
	}
	wasm, err := s.Read()
	if err != nil {
		return nil, fmt.Errorf("its file cannot be read: %w", err)
	}
	if sum := sha256.Sum256(wasm); hex.EncodeToString(sum[:]) != s.Digest {
		return nil, fmt.Errorf("its file is not the one that was meant: its SHA-256 is %x, not %s", sum, s.Digest)
	}
	if s.Manifest.Name == "" {
		return wasm, nil
	}
	manifest, err := abi.ReadManifest(wasm)
	if err != nil {
		return nil, err
	}
	if !sameManifest(manifest, s.Manifest) {
		return nil, errors.New("its manifest is not the one that was meant")
	}
	return wasm, nil
}

// sameManifest compares what two manifests say. One that was written down and read
// again has no list where an empty one was.
func sameManifest(a, b abi.Manifest) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// builtInOnly returns an error for a manifest that asks for what no module from
// elsewhere can have.
func builtInOnly(manifest abi.Manifest) error {
	for _, c := range manifest.Capabilities {
		if capability.BuiltInOnly(capability.Name(c.Name)) {
			return fmt.Errorf("it asks for %s, which only built-in modules can have", c.Name)
		}
	}
	return nil
}

// refusal is what is listed of a module that is not granted what it needs.
func (m *module) refusal(err error) Status {
	return Status{BotModule: m.described(quarantine.Decision{Allowed: true}), State: StateRefused, Why: m.why(err)}
}

// ErrNotGranted is returned for a module that asks for a capability which the
// operator left out. It imports the host functions of that capability, and what
// is not granted is not linked, so the module cannot run at all.
var ErrNotGranted = errors.New("not granted")

// Grant is what the manifest asks and the operator allows, in the narrower
// scope of the two (F1). With granted nil it is what the manifest asks.
func Grant(manifest abi.Manifest, granted []capability.Request) (capability.Set, error) {
	var requests []capability.Request
	for _, c := range manifest.Capabilities {
		requests = append(requests, capability.Request{Name: c.Name, Scope: c.Scope})
	}
	asked, err := capability.Parse(requests)
	if err != nil {
		return capability.Set{}, fmt.Errorf("its manifest: %w", err)
	}
	if granted == nil {
		return asked, nil
	}
	allowed, err := capability.Parse(granted)
	if err != nil {
		return capability.Set{}, fmt.Errorf("its grants in the config: %w", err)
	}
	if missing := asked.Missing(allowed); len(missing) > 0 {
		return capability.Set{}, fmt.Errorf("%w: it asks for %v and cannot run without; to let it see less, grant that with a narrower scope", ErrNotGranted, missing)
	}
	return asked.Narrow(allowed), nil
}

// narrowed applies what a manifest asks for, never above the host's limits.
func narrowed(l engine.Limits, asks abi.LimitRequest) engine.Limits {
	if asked := int64(asks.MemoryMiB) << 20; asked > 0 {
		l.Memory = min(l.Memory, asked)
	}
	if asked := time.Duration(asks.TimeoutMS) * time.Millisecond; asked > 0 {
		l.Timeout = min(l.Timeout, asked)
	}
	if asks.HostCalls > 0 {
		l.HostCalls = min(l.HostCalls, asks.HostCalls)
	}
	if asks.ReplyKiB > 0 {
		l.Reply = min(l.Reply, asks.ReplyKiB<<10)
	}
	if asks.LogKiB > 0 {
		l.Log = min(l.Log, asks.LogKiB<<10)
	}
	if asks.Concurrency > 0 {
		l.Concurrency = min(l.Concurrency, asks.Concurrency)
	}
	if asks.Fuel > 0 {
		l.Fuel = min(l.Fuel, uint64(asks.Fuel))
	}
	return l
}
