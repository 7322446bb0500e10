// Package golden compares a module's replies with files in testdata, which a
// person can read and review. `go test -update` writes them anew.
package golden

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

var update = flag.Bool("update", false, "write the golden replies anew")

// Check compares reply with testdata/NAME.json, and checks that it [Fits].
func Check(t *testing.T, m sdk.Module, name string, reply sdk.Reply) {
	t.Helper()
	Fits(t, m, reply)
	path := filepath.Join("testdata", name+".json")
	got := encode(t, reply)
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (write it with -update)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs from the reply, which is:\n%s", path, got)
	}
}

// Fits checks that the host would take the reply, and that each of its action
// buttons leads to a handler of m.
func Fits(t *testing.T, m sdk.Module, reply sdk.Reply) {
	t.Helper()
	checkLimits(t, reply)
	checkButtons(t, m, reply)
}

func encode(t *testing.T, reply sdk.Reply) []byte {
	t.Helper()
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(reply); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// The host's limits, and what is readable on a phone.
const (
	maxReply       = 64 << 10
	maxBlocks      = 64
	maxButtons     = 100
	maxLabelBytes  = 64
	maxArgsBytes   = 2 << 10
	maxTextBytes   = 128
	maxDeleteAfter = 300
	maxTableWidth  = 32
)

func checkLimits(t *testing.T, reply sdk.Reply) {
	t.Helper()
	data, err := json.Marshal(reply)
	if err != nil || len(data) > maxReply {
		t.Errorf("reply of %d bytes, %v: at most %d", len(data), err, maxReply)
	}
	if len(reply.Blocks) == 0 || len(reply.Blocks) > maxBlocks {
		t.Errorf("%d blocks: 1 to %d", len(reply.Blocks), maxBlocks)
	}
	if reply.DeleteAfter < 0 || reply.DeleteAfter > maxDeleteAfter {
		t.Errorf("delete after %d s: at most %d", reply.DeleteAfter, maxDeleteAfter)
	}
	for _, b := range reply.Blocks {
		for _, bar := range b.Bars {
			if bar.Percent < 0 || bar.Percent > 100 {
				t.Errorf("bar %q of %v %%: 0 to 100", bar.Label, bar.Percent)
			}
		}
		if b.Table != nil && tableWidth(b.Table) > maxTableWidth {
			t.Errorf("table of %d columns: at most %d fit on a phone", tableWidth(b.Table), maxTableWidth)
		}
	}
}

// tableWidth is the sum of the widest cells and one space between them.
func tableWidth(table *sdk.Table) int {
	var widest []int
	for _, row := range append([][]string{table.Header}, table.Rows...) {
		for i, cell := range row {
			if i == len(widest) {
				widest = append(widest, 0)
			}
			widest[i] = max(widest[i], utf8.RuneCountInString(cell))
		}
	}
	width := len(widest) - 1
	for _, w := range widest {
		width += w
	}
	return width
}

func checkButtons(t *testing.T, m sdk.Module, reply sdk.Reply) {
	t.Helper()
	count := 0
	for _, row := range reply.Keyboard {
		if len(row) == 0 {
			t.Error("an empty row of buttons")
		}
		for _, b := range row {
			count++
			checkButton(t, m, b)
		}
	}
	if count > maxButtons {
		t.Errorf("%d buttons: at most %d", count, maxButtons)
	}
}

func checkButton(t *testing.T, m sdk.Module, b sdk.Button) {
	t.Helper()
	if b.Label == "" || len(b.Label) > maxLabelBytes {
		t.Errorf("label %q of %d bytes: 1 to %d", b.Label, len(b.Label), maxLabelBytes)
	}
	if (b.Command == "") == (b.Action == "") {
		t.Errorf("button %q: a command or an action, got %q and %q", b.Label, b.Command, b.Action)
	}
	if _, ok := m.Actions[b.Action]; b.Action != "" && !ok {
		t.Errorf("button %q leads to action %q, which nobody handles", b.Label, b.Action)
	}
	if b.Text != "" && b.Command == "" || len(b.Text) > maxTextBytes || sdk.Line(b.Text, maxTextBytes) != b.Text {
		t.Errorf("button %q: text %q, command %q", b.Label, b.Text, b.Command)
	}
	size := 0
	for name, value := range b.Args {
		size += len(name) + len(value)
	}
	if size > maxArgsBytes {
		t.Errorf("button %q: %d bytes of arguments, at most %d", b.Label, size, maxArgsBytes)
	}
}
