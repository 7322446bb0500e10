package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strings"
	"sync"
	"unicode"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/modules"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/engine"
	"github.com/cofferdam-bot/cofferdam/runtime/folder"
	"github.com/cofferdam-bot/cofferdam/runtime/hostcall"
	"github.com/cofferdam-bot/cofferdam/runtime/trigger"
	"github.com/cofferdam-bot/cofferdam/security/capability"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
	"github.com/cofferdam-bot/cofferdam/security/signature"
	"github.com/cofferdam-bot/cofferdam/security/trust"
)

// maxModuleFile bounds what is read of a module's file: 8 MiB, beyond which the
// scan refuses it, and one byte to tell.
const maxModuleFile = folder.MaxFile + 1

// readModuleFile reads a regular file, whatever its name. It does not wait for a
// pipe that nobody writes to.
func readModuleFile(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fmt.Errorf("%s is not there", quotedPath(path))
	case err != nil:
		return nil, fmt.Errorf("%s cannot be read: %s", quotedPath(path), reason(err))
	case !info.Mode().IsRegular():
		return nil, fmt.Errorf("%s is no file", quotedPath(path))
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %s", quotedPath(path), reason(err))
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit))
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %s", quotedPath(path), reason(err))
	}
	return data, nil
}

// quotedPath is a path in a message. Names of files are foreign.
func quotedPath(path string) string { return foreign.Line(path, 200) }

// moduleFile is what is known of a module's file that was read and not run. Its
// texts are its author's, made fit for a terminal.
type moduleFile struct {
	File   string `json:"file"`
	Size   int    `json:"size"`
	Digest string `json:"digest"`
	// OK tells that a bot would not refuse the file for what is in it. With a config
	// it also counts what that says.
	OK bool `json:"ok"`
	// Wrong says why not, a sentence each.
	Wrong []string `json:"wrong"`
	// Notes are what does no harm and is not right either.
	Notes    []string      `json:"notes"`
	Manifest *abi.Manifest `json:"manifest,omitempty"`
	// Asks is what it asks for, the most dangerous first.
	Asks      []abi.AskedCapability `json:"asks"`
	Imports   []importedFunction    `json:"imports"`
	Exports   []string              `json:"exports"`
	Memory    int64                 `json:"memory"` // bytes at the start
	Unused    []string              `json:"unused"` // capabilities it asks for and cannot use
	Signature fileSignature         `json:"signature"`
	// Pinned is "yes", "other" (the config pins another file under its name), "no", or
	// empty without a config.
	Pinned string `json:"pinned,omitempty"`
	// BuiltIn tells that these are the bytes of a module of this program.
	BuiltIn bool `json:"built_in,omitempty"`
}

type importedFunction struct {
	Module     string `json:"module"`
	Name       string `json:"name"`
	Capability string `json:"capability,omitempty"`
}

// States of a signature.
const (
	signedNot     = "none"
	signedClaimed = "claimed" // sound, but there are no keys to hold it against
	signedUnknown = "unknown" // by none of the keys
	signedTrusted = "trusted"
	signedBad     = "bad"
)

type fileSignature struct {
	State   string `json:"state"`
	KeyID   string `json:"key_id,omitempty"`
	Comment string `json:"comment,omitempty"`
	Why     string `json:"why,omitempty"`
}

// lookAt reads a module's file and its signature's, and holds it against a config;
// nil: there is none. The error says why the file cannot be read.
func lookAt(path string, cfg *config.Config) (moduleFile, error) {
	data, err := readModuleFile(path, maxModuleFile)
	if err != nil {
		return moduleFile{}, err
	}
	digest := sha256.Sum256(data)
	f := moduleFile{
		File: foreign.Line(path, 200), Size: len(data), Digest: hex.EncodeToString(digest[:]),
		Wrong: []string{}, Notes: []string{}, Asks: []abi.AskedCapability{}, Imports: []importedFunction{}, Exports: []string{}, Unused: []string{},
	}
	name := f.lookInside(data, cfg)
	f.lookAtSignature(path, data, cfg)
	if cfg != nil && f.Manifest != nil {
		f.holdAgainst(cfg, name)
	}
	f.OK = len(f.Wrong) == 0
	return f, nil
}

func (f *moduleFile) wrong(format string, args ...any) {
	f.Wrong = append(f.Wrong, cleanLine(fmt.Sprintf(format, args...)))
}

func (f *moduleFile) note(format string, args ...any) {
	f.Notes = append(f.Notes, cleanLine(fmt.Sprintf(format, args...)))
}

// writeJSON writes one object, in which nothing is left that a terminal would obey
// rather than show: encoding/json escapes some of that only.
func writeJSON(out io.Writer, v any) error {
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	var b strings.Builder
	for _, r := range string(text) {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			fmt.Fprintf(&b, `\u%04x`, r)
			continue
		}
		b.WriteRune(r)
	}
	_, err = fmt.Fprintln(out, b.String())
	return err
}

// cleanLine makes one line of a text, of whatever length.
func cleanLine(text string) string { return foreign.Line(text, len(text)) }

// lookInside looks at the bytes alone, but for the limits that the config has for
// the module, and returns its name.
func (f *moduleFile) lookInside(data []byte, cfg *config.Config) (name string) {
	manifest, err := abi.ReadManifest(data)
	if err != nil {
		f.wrong("it has no good manifest: %v", err)
	} else {
		name = manifest.Name
		f.Manifest = &manifest
	}
	limits := config.Modules{}.LimitsFor(name)
	if cfg != nil {
		limits = cfg.Modules.LimitsFor(name)
	}
	anatomy, err := engine.Dissect(data, limitsOf(limits), hostcall.Table(hostcall.Sources{}))
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			f.wrong("%s", strings.TrimSpace(line))
		}
	}
	f.Memory = anatomy.Memory
	for _, i := range anatomy.Imports {
		f.Imports = append(f.Imports, importedFunction{cleanLine(i.Module), cleanLine(i.Name), string(i.Needs)})
	}
	for _, name := range anatomy.Exports {
		f.Exports = append(f.Exports, cleanLine(name))
	}
	if f.Manifest == nil {
		return name
	}
	f.BuiltIn = inside().digests[name] == f.Digest
	f.lookAtManifest(manifest, anatomy)
	return name
}

// lookAtManifest holds what the manifest asks for against what the code can use,
// and against what a module from elsewhere can have.
func (f *moduleFile) lookAtManifest(m abi.Manifest, anatomy engine.Anatomy) {
	_, err := capability.Parse(trust.Asked(m))
	if err == nil {
		err = trigger.CheckByItself(m)
	}
	if err != nil {
		for _, line := range linesOf(err) {
			f.wrong("its manifest: %s", line)
		}
	}
	uses, known := anatomy.Uses(), len(anatomy.Exports) > 0
	uses[capability.Schedule] = uses[capability.Schedule] || len(m.Schedules) > 0
	uses[capability.DockerEvents] = uses[capability.DockerEvents] || len(m.Events) > 0
	// Events are of the containers that it may list.
	uses[capability.ContainersList] = uses[capability.ContainersList] || len(m.Events) > 0
	asked := map[capability.Name]bool{}
	for _, c := range m.Capabilities {
		name := capability.Name(c.Name)
		asked[name] = true
		f.Asks = append(f.Asks, abi.AskedCapability{
			Name: c.Name, Scope: cleanLines(c.Scope), Words: capability.Words(name, c.Scope), Reason: cleanLine(c.Reason), Danger: capability.Danger(name),
		})
		if capability.BuiltInOnly(name) && !f.BuiltIn {
			f.wrong("it asks for %s, which only built-in modules can have", c.Name)
		}
		if known && !uses[name] {
			f.Unused = append(f.Unused, c.Name)
			f.note("it asks for %s and cannot use it: the manifest should not ask for it", c.Name)
		}
	}
	slices.SortStableFunc(f.Asks, func(a, b abi.AskedCapability) int { return b.Danger - a.Danger })
	for _, name := range slices.Sorted(maps.Keys(anatomy.Uses())) {
		if !asked[name] {
			f.wrong("it uses %s, and its manifest does not ask for it", name)
		}
	}
	if f.BuiltIn {
		return
	}
	for _, c := range m.Commands {
		if owner, ok := inside().commands[c.Name]; ok {
			f.wrong("its command /%s is taken by the built-in %s", c.Name, owner)
		}
		if c.Who == abi.WhoAnybody {
			f.wrong("its command /%s is for anybody, and only built-in modules may answer anybody", c.Name)
		}
	}
	if _, ok := inside().digests[m.Name]; ok {
		f.wrong("a built-in module has its name, %s", m.Name)
	}
}

func cleanLines(texts []string) []string {
	var clean []string
	for _, text := range texts {
		clean = append(clean, cleanLine(text))
	}
	return clean
}

// insideThis are the modules inside this program, by name: what no file can be.
type insideThis struct {
	digests map[string]string
	// manifests are without those that cannot be read: check and run say so.
	manifests map[string]abi.Manifest
	// commands are those that no other module can have, with whose they are.
	commands map[string]string
}

// inside reads them once: there may be hundreds of files to hold against them.
var inside = sync.OnceValue(func() insideThis {
	all := insideThis{digests: map[string]string{}, manifests: map[string]abi.Manifest{}, commands: map[string]string{}}
	files, err := modules.Builtin()
	if err != nil {
		return all
	}
	for _, file := range files {
		all.digests[file.Name] = file.Digest
		if m, err := abi.ReadManifest(file.Data); err == nil {
			all.manifests[m.Name] = m
			for _, c := range m.Commands {
				all.commands[c.Name] = "module " + m.Name
			}
		}
	}
	for _, c := range ownCommands {
		all.commands[c.Name] = "commands of the bot"
	}
	return all
})

// lookAtSignature holds the file against its signature, if one lies beside it.
func (f *moduleFile) lookAtSignature(path string, data []byte, cfg *config.Config) {
	f.Signature.State = signedNot
	sig, err := readModuleFile(path+signature.Suffix, signature.MaxFile+1)
	if err != nil {
		if _, gone := os.Lstat(path + signature.Suffix); gone == nil {
			f.Signature = fileSignature{State: signedBad, Why: err.Error()}
			f.wrong("its signature is no good: %v", err)
		}
		return
	}
	var keys []signature.Key
	if cfg != nil {
		keys = trustedKeys(cfg)
	}
	signed, err := signature.Verify(data, sig, keys)
	f.Signature.KeyID, f.Signature.Comment = signed.KeyID, cleanLine(signed.Comment)
	switch {
	case err != nil:
		f.Signature.State, f.Signature.Why = signedBad, cleanLine(err.Error())
		f.wrong("its signature is no good: %v", err)
	case signed.Trusted:
		f.Signature.State = signedTrusted
	case cfg == nil:
		f.Signature.State = signedClaimed
	default:
		f.Signature.State = signedUnknown
	}
}

// trustedKeys are those of a config, which was checked.
func trustedKeys(cfg *config.Config) (keys []signature.Key) {
	for _, line := range cfg.Modules.TrustedKeys {
		if key, err := signature.ParseKey(line); err == nil {
			keys = append(keys, key)
		}
	}
	return keys
}

// holdAgainst holds the file against pins and grants.
func (f *moduleFile) holdAgainst(cfg *config.Config, name string) {
	f.Pinned = "no"
	if pin, ok := cfg.Modules.Pins[name]; ok {
		f.Pinned = "yes"
		if !strings.EqualFold(pin, f.Digest) {
			f.Pinned = "other"
			f.wrong("the config pins another file for %s: modules.pins.%s begins with %s", name, name, pin[:12])
		}
	}
	granted, limited := cfg.Modules.Grants[name]
	if !limited {
		return
	}
	for i, ask := range f.Asks {
		at := slices.IndexFunc(granted, func(g config.Grant) bool { return g.Capability == ask.Name })
		if at < 0 {
			f.wrong("modules.grants.%s leaves out %s, without which it cannot run; to let it see less, grant that with a narrower scope", name, ask.Name)
			continue
		}
		scope := granted[at].Scope
		switch {
		case capability.Disjoint(capability.Name(ask.Name), ask.Scope, scope):
			f.wrong("modules.grants.%s[%d] has nothing in common with what it asks for: %s", name, at, ask.Words)
		case !capability.Covers(capability.Name(ask.Name), scope, ask.Scope):
			f.Asks[i].Narrowed = cleanLines(scope)
		}
	}
}

// where says whose word the file goes by, with a config, as the bot decides it for a
// file of which it remembers nothing.
func (f *moduleFile) where() string {
	switch {
	case f.BuiltIn:
		return "built in"
	case !f.OK:
		return "refused"
	case f.Pinned == "yes":
		return "pinned"
	case f.Signature.State == signedTrusted:
		return "signed by the trusted key " + f.Signature.KeyID
	case f.Signature.State == signedUnknown:
		return "pending: the key that signed it, " + f.Signature.KeyID + ", is none of modules.trusted_keys"
	}
	return "pending: it is neither pinned nor signed"
}
