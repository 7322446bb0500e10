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
	maxNotice      = 200  // characters (Bot API, answerCallbackQuery)
	maxDeleteAfter = 300  // seconds
	maxFileName    = 64   // bytes
	maxFiles       = 5
	maxColumns     = 16
)

// Parse decodes a module's reply and checks it. The error is for the log; it
// names the first rule that is broken.
func Parse(data []byte) (abi.Reply, error) {
	var reply abi.Reply
	if err := json.Unmarshal(data, &reply); err != nil {
		return abi.Reply{}, fmt.Errorf("reply: %w", err)
	}
	if err := check(reply); err != nil {
		return abi.Reply{}, fmt.Errorf("reply: %w", err)
	}
	return reply, nil
}

func check(r abi.Reply) error {
	switch {
	case len(r.Blocks) == 0 && r.Notice == "":
		return errors.New("it is empty")
	case len(r.Blocks) > maxBlocks:
		return fmt.Errorf("%d blocks: at most %d", len(r.Blocks), maxBlocks)
	case utf8.RuneCountInString(r.Notice) > maxNotice:
		return fmt.Errorf("a notice of more than %d characters", maxNotice)
	case r.DeleteAfter < 0 || r.DeleteAfter > maxDeleteAfter:
		return fmt.Errorf("delete_after %d: 0 to %d seconds", r.DeleteAfter, maxDeleteAfter)
	case r.Menu != "" && len(r.Keyboard) > 0:
		return errors.New("a message has either a keyboard or a menu")
	}
	files := 0
	for i, b := range r.Blocks {
		if err := checkBlock(b); err != nil {
			return fmt.Errorf("block %d: %w", i, err)
		}
		if b.File != nil {
			files++
		}
	}
	if files > maxFiles {
		return fmt.Errorf("%d files: at most %d", files, maxFiles)
	}
	return checkKeyboard(r.Keyboard)
}

func checkBlock(b abi.Block) error {
	for _, s := range b.Spans {
		if err := checkSpan(s); err != nil {
			return err
		}
	}
	switch b.Kind {
	case abi.BlockHeading, abi.BlockText, abi.BlockQuote, abi.BlockCode, abi.BlockBars:
		return nil
	case abi.BlockFields:
		for _, f := range b.Fields {
			for _, s := range f.Value {
				if err := checkSpan(s); err != nil {
					return err
				}
			}
		}
		return nil
	case abi.BlockTable:
		return checkTable(b.Table)
	case abi.BlockFile:
		return checkFile(b.File)
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

func checkTable(t *abi.Table) error {
	if t == nil {
		return errors.New("a table without content")
	}
	for _, row := range append([][]string{t.Header}, t.Rows...) {
		if len(row) > maxColumns {
			return fmt.Errorf("a table of %d columns: at most %d", len(row), maxColumns)
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
	size := 0
	for name, value := range b.Args {
		size += len(name) + len(value)
	}
	switch {
	case strings.TrimSpace(line(b.Label)) == "" || len(b.Label) > maxLabel:
		return fmt.Errorf("a label of 1 to %d bytes", maxLabel)
	case (b.Command == "") == (b.Action == ""):
		return errors.New("either a command or an action")
	case b.Command != "" && len(b.Args) > 0:
		return errors.New("arguments go with an action")
	case size > maxArgs || len(b.Action) > maxLabel || len(b.Command) > maxLabel:
		return fmt.Errorf("arguments of more than %d bytes, or a name of more than %d", maxArgs, maxLabel)
	}
	switch b.Style {
	case abi.ButtonPlain, abi.ButtonDanger, abi.ButtonSuccess, abi.ButtonPrimary:
		return nil
	}
	return fmt.Errorf("unknown style %q", b.Style)
}
