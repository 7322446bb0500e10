package engine

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// A module that was admitted once, and started if it is not the project's own,
// need not show that again at each start of the bot: with two hundred of them that
// would take half a minute. So a
// note of it lies beside its code, and with the note a module waits for its first
// request, which holds the file against scan and grant before anything runs. The
// note spares work and grants nothing: without it, or with another, everything is
// done at once.

// admittedFile is the one file in a folder that the seal does not cover: it comes
// later.
const admittedFile = "admitted"

// admission is what a module was admitted with: all on which the verdict depends
// but the file, by which the folder is named.
func (m *Module) admission() string {
	return fmt.Sprintf("%d %q\n", m.limits.Memory, slices.Sorted(maps.Keys(m.granted)))
}

// wasAdmitted reports whether there is code, and a note that the module was
// admitted as it is now.
func (e *Engine) wasAdmitted(m *Module) bool {
	if !e.has(m.file.digest) {
		return false
	}
	note, err := os.ReadFile(filepath.Join(e.own, e.name(m.file.digest), admittedFile))
	return err == nil && string(note) == m.admission()
}

// noteAdmitted leaves the note, for a module that can wait. If it cannot be left,
// the module is looked at when it is loaded the next time.
func (e *Engine) noteAdmitted(m *Module) {
	if !m.file.lazy() {
		return
	}
	dir := filepath.Join(e.own, e.name(m.file.digest))
	path := filepath.Join(dir, admittedFile)
	_ = os.Remove(path) // a link that a child has left is not followed
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return
	}
	_, err = file.WriteString(m.admission())
	if file.Close() != nil || err != nil {
		_ = os.Remove(path)
	}
}
