package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
)

// maxFolderFiles bounds how many files of the module folder are looked at, as the
// bot does.
const maxFolderFiles = 256

// writableByOthers are the permissions with which nothing is believed.
const writableByOthers = 0o022

// moduleFolder looks at each file of the module folder as a bot would that
// remembers nothing, and at names in the config that no module has. A bot that runs
// is asked what it remembers: approvals.
func (c *checker) moduleFolder(ctx context.Context, cfg *config.Config, flag string, running bool) {
	names := map[string]bool{}
	for name := range inside().digests {
		names[name] = true
	}
	if cfg.Modules.Dir != "" {
		approved := map[string]bool{}
		if running {
			approved = c.running(ctx, cfg, flag)
		}
		for _, path := range c.folderFiles(cfg.Modules.Dir) {
			c.moduleFile(path, cfg, names, approved)
		}
	}
	c.namesAreKnown(cfg, names)
}

// running returns the digests of what the bot that uses the state runs.
func (c *checker) running(ctx context.Context, cfg *config.Config, flag string) map[string]bool {
	digests := map[string]bool{}
	dir, err := stateDir(flag, cfg)
	if err != nil {
		return digests // said before
	}
	list, err := listModules(ctx, dir)
	if err != nil {
		c.add("modules", levelWarn, "the running bot cannot be asked which files it runs: "+err.Error())
		return digests
	}
	for _, m := range list.Modules {
		if list.Running && m.State != registry.StateRefused {
			digests[m.Digest] = true
		}
	}
	return digests
}

// folderFiles are the paths of the files in the module folder that may be modules.
func (c *checker) folderFiles(dir string) (paths []string) {
	info, err := os.Stat(dir)
	if err != nil {
		c.fail("modules", fmt.Sprintf("modules.dir: %s cannot be read: %s; make it, or remove the line", quotedPath(dir), reason(err)), exitFailed)
		return nil
	}
	if info.Mode().Perm()&writableByOthers != 0 {
		c.fail("modules", fmt.Sprintf("modules.dir: others can put modules into %s, so nothing of it runs: chmod go-w it", quotedPath(dir)), exitFailed)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		c.fail("modules", fmt.Sprintf("modules.dir: %s cannot be read: %s", quotedPath(dir), reason(err)), exitFailed)
		return nil
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		switch {
		case !strings.HasSuffix(entry.Name(), ".wasm"):
		case !entry.Type().IsRegular():
			c.fail("modules", quotedPath(path)+" is no plain file, and is not read: put the file itself there", exitFailed)
		case len(paths) == maxFolderFiles:
			c.add("modules", levelWarn, fmt.Sprintf("modules.dir: only the first %d files were looked at", maxFolderFiles))
			return paths
		default:
			paths = append(paths, path)
		}
	}
	return paths
}

// moduleFile says of one file how it is, and what to do.
func (c *checker) moduleFile(path string, cfg *config.Config, names, approved map[string]bool) {
	f, err := lookAt(path, cfg)
	if err != nil {
		c.fail("modules", err.Error(), exitFailed)
		return
	}
	if info, err := os.Lstat(path); err == nil && info.Mode().Perm()&writableByOthers != 0 {
		f.OK = false
		f.wrong("others can write to it: chmod go-w it")
	}
	name, file := "", quotedPath(filepath.Base(path))
	if f.Manifest != nil {
		name = f.Manifest.Name
	}
	switch {
	case !f.OK:
		c.fail("modules", fmt.Sprintf("%s is refused: %s; all of it: cofferdam module inspect %s", file, f.Wrong[0], quotedPath(path)), exitFailed)
	case names[name]:
		c.add("modules", levelWarn, fmt.Sprintf("%s: another file is the module %s as well, and only one can run: remove one", file, name))
	case f.Pinned == "yes" || f.Signature.State == signedTrusted:
		c.add("modules", levelOK, fmt.Sprintf("%s: %s %s, %s, sha256 %s", file, name, cleanLine(f.Manifest.Version), f.where(), f.Digest[:12]))
	case approved[f.Digest]:
		c.add("modules", levelOK, fmt.Sprintf("%s: %s %s, approved, sha256 %s", file, name, cleanLine(f.Manifest.Version), f.Digest[:12]))
	default:
		c.add("modules", levelWarn, fmt.Sprintf("%s: %s %s is %s; unless it was approved before: cofferdam module approve %s while the bot runs, or modules.pins: {%s: %s}",
			file, name, cleanLine(f.Manifest.Version), f.where(), name, name, f.Digest))
	}
	if name != "" {
		names[name] = true
	}
}

// namesAreKnown warns of names in the config that no module has, as far as can be
// known: a file can still come into the folder.
func (c *checker) namesAreKnown(cfg *config.Config, names map[string]bool) {
	there := "there is no module of that name"
	if cfg.Modules.Dir != "" {
		there += " inside the program, and none in modules.dir yet"
	}
	for _, part := range []struct {
		key   string
		names []string
	}{
		{"grants", slices.Sorted(maps.Keys(cfg.Modules.Grants))},
		{"limits", slices.Sorted(maps.Keys(cfg.Modules.Limits))},
		{"pins", slices.Sorted(maps.Keys(cfg.Modules.Pins))},
		{"secrets", slices.Sorted(maps.Keys(cfg.Modules.Secrets))},
	} {
		for _, name := range part.names {
			_, builtIn := inside().digests[name]
			switch {
			case !names[name]:
				c.add("modules", levelWarn, "modules."+part.key+"."+name+": "+there)
			case builtIn && part.key == "pins":
				c.add("modules", levelWarn, "modules.pins."+name+": that module is part of the program, and is not pinned: remove the line")
			}
		}
	}
}
