package dropin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/folder"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/trust"
)

// file is what is known of a file in the folder. Its bytes are not kept: five hundred
// that wait would be more than a gigabyte.
type file struct {
	trust.File
	name string // in the folder
	size int64
	// stamp is that of the bytes; empty: they are read again at the next look.
	stamp string
	// fault is what about the bytes, or the way in which they lie there, keeps it from
	// being run. Then the manifest may be missing.
	fault string
	// partial tells that the fault may be that the file is not whole yet.
	partial bool
	verdict trust.Verdict
	// waits tells that the verdict may still change by itself, and nobody is told yet.
	waits bool
}

// lookBytes is how much one look reads: whoever decides about a module waits for no
// more. It is at least one file.
const lookBytes = 8 * folder.MaxFile

// soon is when the rest is read.
const soon = 50 * time.Millisecond

// startingAt is a list that begins with another of its entries, and goes round: what
// one look left out comes first in the next, whatever changes meanwhile.
func startingAt(entries []folder.Entry, name string) []folder.Entry {
	at := max(slices.IndexFunc(entries, func(e folder.Entry) bool { return e.Name == name }), 0)
	return slices.Concat(entries[at:], entries[:at])
}

// look reads what is new in the folder. It returns the names of the files that are there;
// nil if the folder cannot be read, and nothing is to be concluded from what is missing.
func (d *Dropins) look(ctx context.Context) (there map[string]bool, again time.Duration) {
	list, err := d.Folder.List(d.isKnown)
	d.folderIs(ctx, err)
	if err != nil {
		clear(d.files)
		return nil, 0
	}
	for _, w := range list.Warnings {
		if !slices.Contains(d.warned, w) {
			d.warned = append(d.warned, w)
			d.Log.Warn(w, zap.String("event", "config.insecure"), zap.String("key", "modules.dir"))
		}
	}
	there = map[string]bool{}
	for _, e := range list.Entries {
		there[e.Name] = true
	}
	left, from := int64(lookBytes), d.next
	d.next = ""
	for _, e := range startingAt(list.Entries, from) {
		if ctx.Err() != nil {
			return nil, 0
		}
		if e.Fault == nil && d.unchanged(e) == nil {
			if left < e.Size {
				d.next, again = e.Name, soon
				break
			}
			left -= e.Size
		}
		if d.lookAt(e) {
			again = settling
		}
	}
	for name := range d.files {
		if !there[name] {
			delete(d.files, name)
		}
	}
	d.tooMany(ctx, list.Beyond)
	return there, again
}

// isKnown picks the files from which modules run.
func (d *Dropins) isKnown(name string) bool {
	for _, r := range d.records {
		if r.Runs != nil && r.Runs.File == name {
			return true
		}
	}
	return false
}

// lookAt reads a file if it is not the one that was read before. It reports whether that
// is to be tried again, because the file changes.
func (d *Dropins) lookAt(e folder.Entry) (again bool) {
	if e.Fault != nil {
		d.files[e.Name] = &file{name: e.Name, size: e.Size, fault: e.Fault.Error()}
		return false
	}
	if known := d.unchanged(e); known != nil {
		d.files[e.Name] = known
		return false
	}
	f, wasm, err := d.read(e.Name)
	switch {
	case errors.Is(err, folder.ErrChanging), errors.Is(err, folder.ErrGone):
		// What was there before stands, if anything did, until this has settled.
		if d.doubted("changing " + e.Name) {
			return true
		}
		// Now it is seen when it changes, or by and by: nobody keeps the bot busy with it.
		d.files[e.Name] = &file{name: e.Name, size: e.Size, fault: folder.ErrChanging.Error()}
		return false
	case err != nil:
		f = &file{name: e.Name, size: e.Size, fault: err.Error()}
	}
	delete(d.doubts, "changing "+e.Name)
	f.size = int64(len(wasm))
	if e.Fresh || f.stamp != e.Stamp {
		f.stamp = ""
	}
	if f.partial && d.doubted("partial "+e.Name+f.Digest) {
		return true
	}
	d.files[e.Name] = f
	return false
}

// unchanged is what is known of a file that need not be read again; nil: it must be.
func (d *Dropins) unchanged(e folder.Entry) *file {
	known := d.files[e.Name]
	if known == nil {
		known = d.remembered(e.Name)
	}
	if known != nil && known.stamp != "" && known.stamp == e.Stamp && !d.trustedSince(known) {
		return known
	}
	return nil
}

// remembered is the file from which a module runs, as it was when it was read last,
// maybe before the bot was started.
func (d *Dropins) remembered(name string) *file {
	for _, r := range d.records {
		if r.Runs != nil && r.Runs.File == name {
			return &file{File: r.Runs.trusted(), name: name, size: r.Runs.Size, stamp: r.Runs.Stamp}
		}
	}
	return nil
}

// trustedSince reports whether a key that signed a file is trusted now, and was not when
// the signature was looked at.
func (d *Dropins) trustedSince(f *file) bool {
	return f.Signature.KeyID != "" && !f.Signature.Verified && slices.Contains(d.Policy().Keys, f.Signature.KeyID)
}

// read reads a file once: what is hashed is what is scanned, verified, and handed on.
func (d *Dropins) read(name string) (*file, []byte, error) {
	raw, err := d.Folder.Read(name)
	if err != nil {
		return nil, nil, err
	}
	sum := sha256.Sum256(raw.Wasm)
	f := &file{name: name, stamp: raw.Stamp, File: trust.File{Digest: hex.EncodeToString(sum[:])}}
	if err := d.Scan(raw.Wasm); err != nil {
		f.fault, f.partial = err.Error(), true
		return f, raw.Wasm, nil
	}
	manifest, err := abi.ReadManifest(raw.Wasm)
	if err != nil {
		f.fault, f.partial = err.Error(), true
		return f, raw.Wasm, nil
	}
	f.Manifest = manifest
	if raw.Signature != nil {
		f.Signature.KeyID, f.Signature.Verified, err = d.Verify(raw.Wasm, raw.Signature)
		if err != nil {
			f.Signature = trust.Signature{Fault: err.Error()}
		}
	}
	return f, raw.Wasm, nil
}

// doubted reports whether something is still to be waited for: it may come right by
// itself, as a file does that is being copied.
func (d *Dropins) doubted(what string) bool {
	since, ok := d.doubts[what]
	if !ok {
		if len(d.doubts) > 2*folder.MaxFiles {
			clear(d.doubts)
		}
		since = d.Now()
		d.doubts[what] = since
	}
	return d.Now().Sub(since) < patience
}

// folderIs tells once that the folder cannot be read, and once that it can again.
func (d *Dropins) folderIs(ctx context.Context, err error) {
	why := ""
	if err != nil {
		why = err.Error()
	}
	if why == d.away {
		return
	}
	d.away = why
	if why == "" {
		d.Log.Info("the folder of modules can be read again", zap.String("event", "module.folder_back"))
		return
	}
	event := "module.folder_gone"
	text := "⚠️ The folder of modules cannot be read. Modules that run go on, and new ones are not seen. The bot's log says why."
	if errors.Is(err, folder.ErrOpen) {
		event = "config.insecure"
		text = "⚠️ Others than the bot's owner can put files into the folder of modules, so it is not read. Modules that run go on. The bot's log says what to do."
	}
	d.Log.Warn("the folder of modules cannot be read; modules that run go on", zap.String("event", event), zap.Error(err))
	d.record(ctx, audit.Entry{Event: event, Actor: "bot", Decision: "deny", Reason: why})
	d.Notice("folder", 0, text)
}

// tooMany tells of files that are not even considered.
func (d *Dropins) tooMany(ctx context.Context, beyond int) {
	before := d.beyond
	d.beyond = beyond
	if beyond == 0 || before > 0 {
		return
	}
	why := "there are more than " + plural(folder.MaxFiles, "module") + " in the folder; " + plural(beyond, "file") + " of them are not looked at"
	d.Log.Warn(why, zap.String("event", "module.rejected"))
	d.record(ctx, audit.Entry{Event: "module.rejected", Actor: "bot", Decision: "deny", Reason: why})
	d.Notice("too many", 0, "⚠️ In the folder of modules, "+why+".")
}
