// Package dropin lets modules of the module folder run (F2). It holds each file against
// the rule of security/trust, keeps a copy of what may run, hands that to the registry,
// and remembers what admins decided.
package dropin

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/folder"
	"github.com/cofferdam-bot/cofferdam/runtime/vault"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/trust"
)

// Spec is a module that may run.
type Spec struct {
	Name, Digest string
	Manifest     abi.Manifest
	// Read returns the file. Its bytes were held against Digest.
	Read func() ([]byte, error)
	// Granted and Approved each narrow what the manifest asks: what the config grants,
	// and what whoever approved it left. nil: nothing is left out.
	Granted, Approved []capability.Request
	// Trust is one of abi's sources of trust. Signer is the id of the trusted key that
	// signed it; empty: none did.
	Trust, Signer string
}

// Registry runs modules.
type Registry interface {
	// Put adds a module, or puts it in the place of the one of its name. An error says
	// why it cannot run, and leaves everything as it was.
	Put(ctx context.Context, s Spec) error
	// Remove takes a module out. Whoever runs it may end first.
	Remove(ctx context.Context, name string) error
	// End takes a module out that may run no more, and ends what runs of it.
	End(ctx context.Context, name string) error
}

// Table keeps what must outlive a restart; a table of runtime/store is one.
type Table interface {
	Get(key []byte) (value []byte, expires time.Time, err error)
	PutLater(key, value []byte, expires time.Time)
	Change(ctx context.Context, key []byte, f func(old []byte, expires time.Time) (value []byte, newExpires time.Time, err error)) error
	Each(visit func(key, value []byte, expires time.Time) error) error
}

// Config is what Dropins are made of. Every field is needed.
type Config struct {
	Folder *folder.Folder
	Vault  *vault.Vault
	// Records are what is known by the names of modules, Told what admins were told of.
	Records, Told Table
	// Policy is what the config says now, and Grants what it grants to a module; nil: it
	// says nothing of it.
	Policy   func() trust.Policy
	Grants   func(name string) []capability.Request
	Registry Registry
	// Scan says what about a file's bytes keeps it from being run.
	Scan func(wasm []byte) error
	// Verify holds a file against its signature: the id of the key that the signature
	// names, and whether that is a trusted key which made it. An error means that the
	// signature is malformed, or claims a trusted key and is not of it.
	Verify func(wasm, signature []byte) (keyID string, trusted bool, err error)
	// Words says a capability plainly, and Danger how dangerous it is for abi.AskedCapability.
	Words  func(name capability.Name, scope []string) string
	Danger func(name capability.Name) int
	// Tell tells admins of a file that does not run, and Notice anything else, in words;
	// except is whoever did it. Neither waits.
	Tell   func(abi.PendingModule)
	Notice func(subject string, except int64, text string)
	// Changed is told that other modules run than before.
	Changed func()
	Audit   interface {
		Record(ctx context.Context, e audit.Entry) error
	}
	// Mask hides most of a user's id.
	Mask func(id int64) string
	Log  *zap.Logger
	Now  func() time.Time
	Pace folder.Pace
}

// Dropins are the modules of the folder. They are safe for concurrent use.
type Dropins struct {
	Config
	// turn is held by whoever changes what runs: one after the other, so that of two
	// admins the later one wins as a whole. What follows belongs to that one.
	turn    chan struct{}
	files   map[string]*file   // by the names of files
	records map[string]*record // by the names of modules
	running map[string]Spec    // by name: what the registry has
	failed  map[string]failure // by digest
	doubts  map[string]time.Time
	away    string // why the folder cannot be read; empty: it can
	warned  []string
	beyond  int
	next    string // where the next look begins; empty: at the beginning
	anew    bool   // everything is put again: the config may grant otherwise
	told    told

	mu sync.Mutex
	// view is what Pending shows.
	view []abi.PendingModule
	// again asks Run for another look.
	again chan struct{}
	// settled is closed after the first look.
	settled chan struct{}
	once    sync.Once
}

// New returns Dropins that know what the table does. Nothing runs before [Dropins.Sync].
func New(c Config) (*Dropins, error) {
	d := &Dropins{
		Config: c, turn: make(chan struct{}, 1), files: map[string]*file{}, running: map[string]Spec{},
		failed: map[string]failure{}, doubts: map[string]time.Time{}, again: make(chan struct{}, 1),
		settled: make(chan struct{}),
	}
	var err error
	d.records, err = readRecords(c.Records, c.Log)
	return d, err
}

// Run watches the folder until the context ends.
func (d *Dropins) Run(ctx context.Context) {
	ctx, cancel := context.WithCancel(ctx)
	var asked sync.WaitGroup
	defer asked.Wait()
	defer cancel()
	asked.Go(func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-d.again:
				d.untilSettled(ctx)
			}
		}
	})
	d.Folder.Watch(ctx, d.Pace, d.Sync, func(err error) {
		d.Log.Warn("the folder of modules is looked at every now and then only: the system does not tell of changes",
			zap.String("event", "module.unwatched"), zap.Error(err))
	})
}

// untilSettled looks until nothing is waited for.
func (d *Dropins) untilSettled(ctx context.Context) {
	for again := d.Sync(ctx); again > 0; again = d.Sync(ctx) {
		select {
		case <-ctx.Done():
			return
		case <-time.After(again):
		}
	}
}

// Settled is closed after the first look: what may run at the start does, or cannot.
func (d *Dropins) Settled() <-chan struct{} { return d.settled }

// Reload looks at everything again: the config grants, pins, limits or trusts otherwise.
func (d *Dropins) Reload(ctx context.Context) {
	if d.lock(ctx) != nil {
		return
	}
	d.anew = true
	d.unlock()
	if d.Sync(ctx) > 0 {
		d.askAgain()
	}
}

func (d *Dropins) lock(ctx context.Context) error {
	select {
	case d.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (d *Dropins) unlock() { <-d.turn }

// settling is how soon a file is looked at again that is not whole yet, or whose signature
// may still be on its way; and patience, how long that may last before it is told.
const (
	settling = 500 * time.Millisecond
	patience = 2 * time.Second
)

// Sync looks at the folder, and lets run what may. It returns how soon it is to be called
// again; 0: whenever something happens.
func (d *Dropins) Sync(ctx context.Context) (again time.Duration) {
	if d.lock(ctx) != nil {
		return 0
	}
	defer d.unlock()
	there, again := d.look(ctx)
	for _, name := range d.names() {
		if ctx.Err() != nil {
			return 0
		}
		if d.settle(ctx, name, there) {
			again = settling
		}
	}
	d.anew = d.anew && again != 0 // what waits was not put again yet
	d.tidy()
	d.show(ctx)
	d.once.Do(func() { close(d.settled) })
	return again
}

// names are those of all modules, in the order in which they come to their commands: by
// the time of their first permission to run, those without one last, then by name.
func (d *Dropins) names() []string {
	var names []string
	for name := range d.records {
		names = append(names, name)
	}
	for _, f := range d.files {
		if name := f.Manifest.Name; name != "" && d.records[name] == nil && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(a, b string) int {
		if c := d.first(a).Compare(d.first(b)); c != 0 {
			return c
		}
		return strings.Compare(a, b)
	})
	return names
}

// farAway stands for no time yet.
var farAway = time.Unix(1<<40, 0)

func (d *Dropins) first(name string) time.Time {
	if r := d.records[name]; r != nil && !r.First.IsZero() {
		return r.First
	}
	return farAway
}

// tidy drops copies of what can run no more.
func (d *Dropins) tidy() {
	keep := map[string]bool{}
	for _, r := range d.records {
		keep[r.Approval.Digest] = true
		if r.Runs != nil {
			keep[r.Runs.Digest] = true
		}
	}
	for _, s := range d.running {
		keep[s.Digest] = true
	}
	if err := d.Vault.Keep(func(digest string) bool { return keep[digest] }); err != nil {
		d.Log.Warn("copies of modules cannot be removed", zap.String("event", "store.error"), zap.Error(err))
	}
}

// record puts an event into the audit log.
func (d *Dropins) record(ctx context.Context, e audit.Entry) {
	if err := d.Audit.Record(context.WithoutCancel(ctx), e); err != nil {
		d.Log.Error("the audit log cannot be written", zap.String("event", "audit.error"), zap.Error(err))
	}
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
