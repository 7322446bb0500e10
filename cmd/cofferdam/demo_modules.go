package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/cofferdam-bot/cofferdam/runtime/chat"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// drops runs modules that are not built in.
type drops interface {
	// Put adds a module, or replaces that of its name. An error leaves all as it was.
	Put(ctx context.Context, s registry.Spec) error
	Remove(ctx context.Context, name string) error
}

// demoModules runs what an author works on: the .wasm files of a folder, and the
// folders in it that have a manifest.yaml, which are built at each change. Nobody
// is asked for an approval: whoever types the command wrote them. What acts still
// asks for the second factor.
type demoModules struct {
	dir  string
	out  io.Writer
	to   drops
	cfg  *config.Config
	tell func(ctx context.Context, text string) // in the chat
	// seen are the sources by their paths.
	seen map[string]*demoSource
}

// demoSource is a file or a folder that a module is made of.
type demoSource struct {
	stamp string
	name  string // of the module that runs; empty: none does
}

// How quickly changes are seen: after a while without another one, and now and
// then, because some file systems tell nothing.
const (
	demoQuiet = 150 * time.Millisecond
	demoPoll  = 2 * time.Second
)

// check says whether there is a folder to watch.
func (d *demoModules) check() error {
	info, err := os.Stat(d.dir)
	switch {
	case err != nil:
		return fmt.Errorf("--modules %s cannot be read: %s", d.dir, reason(err))
	case !info.IsDir():
		return fmt.Errorf("--modules %s: a folder with .wasm files, or with folders that have a manifest.yaml", d.dir)
	}
	return nil
}

// run watches the folder until the context ends.
func (d *demoModules) run(ctx context.Context) {
	var events chan fsnotify.Event
	watcher, err := fsnotify.NewWatcher()
	if err == nil {
		defer watcher.Close()
		events = watcher.Events
	}
	for {
		if watcher != nil {
			d.watch(watcher)
		}
		d.sync(ctx)
		wait := time.NewTimer(demoPoll)
		for waiting := true; waiting; {
			select {
			case <-ctx.Done():
				wait.Stop()
				return
			case <-events:
				wait.Reset(demoQuiet)
			case <-wait.C:
				waiting = false
			}
		}
	}
}

// watch follows every folder that a change could be in. One that cannot be
// followed, or looked into, is looked at now and then.
func (d *demoModules) watch(watcher *fsnotify.Watcher) {
	_ = filepath.WalkDir(d.dir, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil || !entry.IsDir():
			return nil
		case path != d.dir && isAside(entry.Name()):
			return fs.SkipDir
		}
		_ = watcher.Add(path) // once or twice is the same
		return nil
	})
}

// isAside reports whether a folder holds nothing that one works on.
func isAside(name string) bool {
	return name == "vendor" || name == "testdata" || strings.HasPrefix(name, ".")
}

// sync builds and runs what changed, and ends what is gone.
func (d *demoModules) sync(ctx context.Context) {
	if d.seen == nil {
		d.seen = map[string]*demoSource{}
	}
	there, err := sourcesIn(d.dir)
	if err != nil {
		return // it comes back, or the demo is ended
	}
	for path, source := range d.seen {
		if _, stays := there[path]; stays {
			continue
		}
		delete(d.seen, path)
		if source.name != "" && ctx.Err() == nil {
			d.say(ctx, source.name+" is gone", d.to.Remove(ctx, source.name))
		}
	}
	for _, path := range slices.Sorted(maps.Keys(there)) {
		source := d.seen[path]
		if source == nil {
			source = &demoSource{}
			d.seen[path] = source
		}
		if source.stamp != there[path] && ctx.Err() == nil {
			source.stamp = there[path]
			d.take(ctx, path, source)
		}
	}
}

// take builds a source and lets it run. If that fails, what ran before goes on.
func (d *demoModules) take(ctx context.Context, path string, source *demoSource) {
	began := time.Now()
	b, err := openModule(ctx, path)
	if err == nil {
		err = d.free(path, b.manifest.Name)
	}
	if err == nil && source.name != "" && source.name != b.manifest.Name {
		err = d.to.Remove(ctx, source.name)
		source.name = ""
	}
	if err == nil {
		err = d.to.Put(ctx, registry.Spec{Wasm: b.wasm, Digest: b.digest(), Limits: limitsOf(d.cfg.Modules.LimitsFor(b.manifest.Name))})
	}
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		d.say(ctx, path+" does not run", err)
		return
	}
	source.name = b.manifest.Name
	var commands []string
	for _, c := range b.manifest.Commands {
		commands = append(commands, "/"+c.Name)
	}
	text := fmt.Sprintf("%s %s runs, after %s: %s", b.manifest.Name, b.manifest.Version, time.Since(began).Round(10*time.Millisecond), strings.Join(commands, ", "))
	for _, warning := range b.warnings {
		text += "\nwarning: " + warning
	}
	d.say(ctx, text, nil)
}

// free returns an error if another source has the module's name.
func (d *demoModules) free(path, name string) error {
	for other, source := range d.seen {
		if other != path && source.name == name {
			return fmt.Errorf("%s makes the module %s already", other, name)
		}
	}
	return nil
}

// say tells the author, in the terminal and in the chat.
func (d *demoModules) say(ctx context.Context, text string, err error) {
	if err != nil {
		text += ": " + err.Error()
	}
	text = foreign.Text(text)
	fmt.Fprintln(d.out, text)
	const most = 2000 // of what a compiler has to say
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	d.tell(ctx, "🧩 "+text)
}

// sourcesIn returns what modules are made of in a folder, each with a stamp that is
// another one after a change. A folder that has a manifest.yaml itself is the only
// one; links are not followed.
func sourcesIn(dir string) (map[string]string, error) {
	if isSource(dir) {
		stamp, err := stampOf(dir)
		return map[string]string{dir: stamp}, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	there := map[string]string{}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		isFile := entry.Type().IsRegular() && strings.HasSuffix(entry.Name(), ".wasm")
		if !isFile && !(entry.IsDir() && isSource(path)) {
			continue
		}
		if there[path], err = stampOf(path); err != nil {
			delete(there, path) // it vanished just now
		}
	}
	return there, nil
}

func isSource(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, "manifest.yaml"))
	return err == nil && info.Mode().IsRegular()
}

// stampOf is made of names, sizes and times of what a module is built from: not of
// what is built, recorded or tested.
func stampOf(path string) (string, error) {
	sum := sha256.New()
	err := filepath.WalkDir(path, func(at string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && at != path && isAside(entry.Name()):
			return fs.SkipDir
		case entry.IsDir(), at != path && strings.HasSuffix(at, ".wasm"), strings.HasSuffix(at, "_test.go"), strings.HasPrefix(entry.Name(), "."):
			return nil
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		fmt.Fprintf(sum, "%q %d %d\n", at, info.Size(), info.ModTime().UnixNano())
		return nil
	})
	return string(sum.Sum(nil)), err
}

// atOnce runs modules in the demo's bot, and has its users see them.
type atOnce struct{ *app }

// Put implements drops.
func (d atOnce) Put(ctx context.Context, s registry.Spec) error {
	err := d.registry.Put(ctx, s)
	d.changed()
	return err
}

// Remove implements drops.
func (d atOnce) Remove(ctx context.Context, name string) error {
	err := d.registry.Remove(ctx, name)
	d.changed()
	return err
}

// tellAdmin writes to the demo's admin, if they opened the chat.
func tellAdmin(a *app) func(context.Context, string) {
	return func(ctx context.Context, text string) {
		_, _ = a.sender.Send(ctx, chat.Address{Chat: demoAdmin}, chat.Message{Text: text}) // the terminal has it
	}
}
