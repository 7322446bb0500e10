// Package render makes Telegram messages of a module's reply: blocks become
// text with entities, so that nothing needs escaping and nothing can be
// injected; long texts are split at block borders; buttons get their tokens.
// Everything here is pure.
package render

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// Bounds of a reply beyond its size, which the engine bounds. Telegram allows
// 100 buttons; the rest is far above what anybody can read on a phone.
const (
	maxBlocks      = 64
	maxButtons     = 100
	maxRow         = 8
	maxLabel       = 64   // bytes
	maxArgs        = 2048 // bytes of names and values of one button
	maxTyped       = 128  // bytes behind a button's command
	maxNotice      = 200  // characters (Bot API, answerCallbackQuery)
	maxDeleteAfter = 300  // seconds
	maxAfter       = 60   // seconds of Again
	maxFileName    = 64   // bytes
	maxFiles       = 5
	maxColumns     = 16
	maxRows        = 500 // of a table, of bars, of fields
	maxCell        = 256 // bytes of a cell, a label, a field's name
	maxLanguage    = 32  // bytes
)

// Parse decodes a module's reply and checks it. The error is for the log; it
// names the first rule that is broken.
func Parse(data []byte) (abi.Reply, error) {
	var reply abi.Reply
	if err := json.Unmarshal(data, &reply); err != nil {
		return abi.Reply{}, fmt.Errorf("reply: %w", err)
	}
	if err := Check(reply); err != nil {
		return abi.Reply{}, err
	}
	return reply, nil
}

// Check returns the first rule that a reply breaks, or nil.
func Check(reply abi.Reply) error {
	if err := check(reply); err != nil {
		return fmt.Errorf("reply: %w", err)
	}
	return nil
}

func check(r abi.Reply) error {
	switch {
	case len(r.Blocks) == 0 && r.Notice == "":
		return errors.New("it is empty")
	case len(r.Blocks) > maxBlocks:
		return fmt.Errorf("%d blocks: at most %d", len(r.Blocks), maxBlocks)
	case r.Notice != "" && strings.TrimSpace(r.Notice) == "":
		return errors.New("a notice of blanks")
	case utf8.RuneCountInString(r.Notice) > maxNotice:
		return fmt.Errorf("a notice of more than %d characters", maxNotice)
	case r.DeleteAfter < 0 || r.DeleteAfter > maxDeleteAfter:
		return fmt.Errorf("delete_after %d: 0 to %d seconds", r.DeleteAfter, maxDeleteAfter)
	case r.Menu != "" && len(r.Keyboard) > 0:
		return errors.New("a message has either a keyboard or a menu")
	}
	if err := checkAgain(r); err != nil {
		return fmt.Errorf("again: %w", err)
	}
	files, charts := 0, 0
	for i, b := range r.Blocks {
		if err := checkBlock(b); err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
		if b.File != nil {
			files++
		}
		if b.Chart != nil {
			charts++
		}
	}
	if charts > 1 {
		return fmt.Errorf("%d charts: at most one", charts)
	}
	if files > maxFiles {
		return fmt.Errorf("%d files: at most %d", files, maxFiles)
	}
	return checkKeyboard(r.Keyboard)
}

func checkAgain(r abi.Reply) error {
	switch a := r.Again; {
	case a == nil:
		return nil
	case a.After < 1 || a.After > maxAfter:
		return fmt.Errorf("after %d: 1 to %d seconds", a.After, maxAfter)
	case a.Action == "" || !isName(a.Action):
		return fmt.Errorf("an action is at most %d of a-z, 0-9, _ and -", maxLabel)
	case argsSize(a.Args) > maxArgs:
		return fmt.Errorf("arguments of more than %d bytes", maxArgs)
	case r.Menu != "" || r.DeleteAfter != 0:
		return errors.New("it goes with a message that stays, and has no menu")
	}
	return nil
}

func argsSize(args map[string]string) (size int) {
	for name, value := range args {
		size += len(name) + len(value)
	}
	return size
}

func checkBlock(b abi.Block) error {
	for _, s := range b.Spans {
		if err := checkSpan(s); err != nil {
			return err
		}
	}
	switch b.Kind {
	case abi.BlockHeading, abi.BlockText, abi.BlockQuote:
		return nil
	case abi.BlockCode:
		if len(b.Language) > maxLanguage {
			return fmt.Errorf("a language of %d bytes: at most %d", len(b.Language), maxLanguage)
		}
		return nil
	case abi.BlockBars:
		return checkBars(b.Bars)
	case abi.BlockFields:
		return checkFields(b.Fields)
	case abi.BlockTable:
		return checkTable(b.Table)
	case abi.BlockFile:
		return checkFile(b.File)
	case abi.BlockChart:
		return checkChart(b.Chart)
	}
	return fmt.Errorf("unknown kind %q", b.Kind)
}

func checkSpan(s abi.Span) error {
	switch s.Style {
	case abi.StylePlain, abi.StyleBold, abi.StyleItalic, abi.StyleCode, abi.StyleTime, abi.StyleAgo:
		return nil
	}
	return fmt.Errorf("unknown style %q", s.Style)
}

func checkFields(fields []abi.Field) error {
	if len(fields) > maxRows {
		return fmt.Errorf("%d fields: at most %d", len(fields), maxRows)
	}
	for _, f := range fields {
		if len(f.Name) > maxCell {
			return fmt.Errorf("a field's name of %d bytes: at most %d", len(f.Name), maxCell)
		}
		for _, s := range f.Value {
			if err := checkSpan(s); err != nil {
				return err
			}
		}
	}
	return nil
}

func checkBars(bars []abi.Bar) error {
	if len(bars) > maxRows {
		return fmt.Errorf("%d bars: at most %d", len(bars), maxRows)
	}
	for _, b := range bars {
		if len(b.Label) > maxCell || len(b.Text) > maxCell {
			return fmt.Errorf("a bar with more than %d bytes of text", maxCell)
		}
	}
	return nil
}

// checkTable bounds what a table can grow to: each row is as wide as the widest
// cells.
func checkTable(t *abi.Table) error {
	switch {
	case t == nil:
		return errors.New("a table without content")
	case len(t.Rows) > maxRows:
		return fmt.Errorf("a table of %d rows: at most %d", len(t.Rows), maxRows)
	}
	for _, row := range append([][]string{t.Header}, t.Rows...) {
		if len(row) > maxColumns {
			return fmt.Errorf("a table of %d columns: at most %d", len(row), maxColumns)
		}
		for _, cell := range row {
			if len(cell) > maxCell {
				return fmt.Errorf("a cell of %d bytes: at most %d", len(cell), maxCell)
			}
		}
	}
	return nil
}

func checkFile(f *abi.File) error {
	if f == nil || len(f.Data) == 0 {
		return errors.New("a file without content")
	}
	if f.Name == "" || len(f.Name) > maxFileName || strings.ContainsAny(f.Name, `/\`) || line(f.Name) != f.Name || f.Name[0] == '.' {
		return errors.New("a file needs a plain name")
	}
	return nil
}

func checkKeyboard(rows [][]abi.Button) error {
	total := 0
	for _, row := range rows {
		if len(row) == 0 || len(row) > maxRow {
			return fmt.Errorf("a row of %d buttons: 1 to %d", len(row), maxRow)
		}
		total += len(row)
		for _, b := range row {
			if err := checkButton(b); err != nil {
				return fmt.Errorf("button %q: %w", b.Label, err)
			}
		}
	}
	if total > maxButtons {
		return fmt.Errorf("%d buttons: at most %d", total, maxButtons)
	}
	return nil
}

func checkButton(b abi.Button) error {
	switch {
	case strings.TrimSpace(line(b.Label)) == "" || len(b.Label) > maxLabel:
		return fmt.Errorf("a label of 1 to %d bytes", maxLabel)
	case (b.Command == "") == (b.Action == ""):
		return errors.New("either a command or an action")
	case b.Command != "" && len(b.Args) > 0:
		return errors.New("arguments go with an action")
	case b.Command == "" && b.Text != "":
		return errors.New("a text goes with a command")
	case len(b.Text) > maxTyped || line(b.Text) != b.Text || strings.TrimSpace(b.Text) != b.Text:
		return fmt.Errorf("a text is one clean line of at most %d bytes", maxTyped)
	case argsSize(b.Args) > maxArgs:
		return fmt.Errorf("arguments of more than %d bytes", maxArgs)
	case !isName(b.Action) || !isName(b.Command):
		return fmt.Errorf("names are at most %d of a-z, 0-9, _ and -", maxLabel)
	}
	switch b.Style {
	case abi.ButtonPlain, abi.ButtonDanger, abi.ButtonSuccess, abi.ButtonPrimary:
		return nil
	}
	return fmt.Errorf("unknown style %q", b.Style)
}

// isName reports whether s, if it is there, is a name of a command or action. It
// goes into the log, too.
func isName(s string) bool {
	return len(s) <= maxLabel && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}
