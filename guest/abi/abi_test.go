//go:build !wasip1

package abi

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestPackUnpack(t *testing.T) {
	for _, code := range []Code{OK, Denied, Internal, -1} {
		for _, length := range []uint32{0, 1, 1<<32 - 1} {
			if c, n := Unpack(Pack(code, length)); c != code || n != length {
				t.Errorf("Unpack(Pack(%d, %d)) = %d, %d", code, length, c, n)
			}
		}
	}
}

func TestCodeNamesAreClosed(t *testing.T) {
	if Limit.String() != "limit" || Code(99).String() != "internal" || Code(-1).String() != "internal" {
		t.Errorf("got %s, %s, %s", Limit, Code(99), Code(-1))
	}
}

func goodManifest() Manifest {
	return Manifest{
		Name: "hello", Version: "1.0.0", Description: "says hello", Author: "somebody", ABI: Version,
		Commands: []Command{{Name: "hello", Description: "Say hello", Who: WhoUser,
			Menus: []MenuEntry{{Section: "main", Label: "👋 Hello", Row: 1, Column: 1}, {Section: "more", Label: "👋 Hello", Row: 2, Column: 1}}}},
		Capabilities: []CapabilityRequest{{Name: "docker.info", Reason: "greets the engine"}},
	}
}

func TestManifestCheck(t *testing.T) {
	if err := goodManifest().Check(); err != nil {
		t.Fatalf("good manifest: %v", err)
	}
	for _, test := range []struct {
		name  string
		spoil func(*Manifest)
		want  string
	}{
		{"zero value", func(m *Manifest) { *m = Manifest{} }, "name"},
		{"capital name", func(m *Manifest) { m.Name = "Hello" }, "name"},
		{"path as name", func(m *Manifest) { m.Name = "../x" }, "name"},
		{"future abi", func(m *Manifest) { m.ABI = 2 }, "abi 2"},
		{"newline in author", func(m *Manifest) { m.Author = "a\nb" }, "author"},
		{"command with dash", func(m *Manifest) { m.Commands[0].Name = "a-b" }, `command "a-b"`},
		{"command for nobody", func(m *Manifest) { m.Commands[0].Who = "" }, "who is"},
		{"same command twice", func(m *Manifest) { m.Commands = append(m.Commands, m.Commands[0]) }, "twice"},
		{"menu without row", func(m *Manifest) { m.Commands[0].Menus[1].Row = 0 }, "row and column"},
		{"menu without label", func(m *Manifest) { m.Commands[0].Menus[0].Label = "" }, "label"},
		{"label with a blank of no width", func(m *Manifest) { m.Commands[0].Menus[0].Label = "📊 C\u200bPU" }, "label"},
		{"label that turns the direction", func(m *Manifest) { m.Commands[0].Menus[0].Label = "a\u202eb" }, "label"},
		{"label with a non-joiner", func(m *Manifest) { m.Commands[0].Menus[0].Label = "📊 C\u200cPU" }, "label"},
		{"label with a variation of a letter", func(m *Manifest) { m.Commands[0].Menus[0].Label = "📊 C\ufe00PU" }, "label"},
		{"description with blanks of Braille", func(m *Manifest) { m.Description = "a\u2800\u2800b" }, "description"},
		{"description with a Hangul filler", func(m *Manifest) { m.Description = "a\u115fb" }, "description"},
		{"description with a tag", func(m *Manifest) { m.Description = "a\U000e0041b" }, "description"},
		{"no version", func(m *Manifest) { m.Version = "" }, "version"},
		{"version that is a sentence", func(m *Manifest) { m.Version = "1.0 (signed)" }, "version"},
		{"version with digits of another script", func(m *Manifest) { m.Version = "1.٩.0" }, "version"},
		{"endless version", func(m *Manifest) { m.Version = strings.Repeat("1", 65) }, "version"},
		{"description with a filler", func(m *Manifest) { m.Description = "\u3164" }, "description"},
		{"same section twice", func(m *Manifest) { m.Commands[0].Menus[1].Section = "main" }, `section "main" twice`},
		{"nine menus", func(m *Manifest) { m.Commands[0].Menus = make([]MenuEntry, 9) }, "at most 8"},
		{"capability without reason", func(m *Manifest) { m.Capabilities[0].Reason = "" }, "reason"},
		{"same capability twice", func(m *Manifest) { m.Capabilities = append(m.Capabilities, m.Capabilities[0]) }, "twice"},
		{"negative limit", func(m *Manifest) { m.Limits.TimeoutMS = -1 }, "limits"},
		{"ten thousand commands", func(m *Manifest) { m.Commands = make([]Command, 10000) }, "at most"},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := goodManifest()
			test.spoil(&m)
			if err := m.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want something about %q", err, test.want)
			}
		})
	}
}

func TestManifestTravelsInTheModule(t *testing.T) {
	bare := append([]byte(nil), wasmHeader...)
	if _, err := ReadManifest(bare); !errors.Is(err, ErrNoManifest) {
		t.Errorf("bare module: %v, want ErrNoManifest", err)
	}
	with, err := WithManifest(bare, goodManifest())
	if err != nil {
		t.Fatal(err)
	}
	again, err := WithManifest(with, goodManifest())
	if err != nil || len(again) != len(with) {
		t.Errorf("a second manifest was appended: %d bytes, then %d, %v", len(with), len(again), err)
	}
	got, err := ReadManifest(again)
	if err != nil || !reflect.DeepEqual(got, goodManifest()) {
		t.Errorf("got %+v, %v", got, err)
	}
	double := append(append([]byte(nil), with...), with[len(wasmHeader):]...)
	if _, err := ReadManifest(double); err == nil || !strings.Contains(err.Error(), "two") {
		t.Errorf("two manifests: %v", err)
	}
	for cut := range with {
		if _, err := ReadManifest(with[:cut]); err == nil {
			t.Errorf("cut to %d bytes: no error", cut)
		}
	}
}

func FuzzReadManifest(f *testing.F) {
	with, err := WithManifest(wasmHeader, goodManifest())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(with)
	f.Add([]byte("\x00asm\x01\x00\x00\x00\x00\xff\xff\xff\xff\x0f"))
	f.Fuzz(func(t *testing.T, wasm []byte) {
		m, err := ReadManifest(wasm)
		if err != nil {
			return
		}
		if again := m.Check(); again != nil {
			t.Errorf("a manifest that was read does not pass its check: %v", again)
		}
		if _, err := WithManifest(wasm, m); err != nil {
			t.Errorf("a manifest that was read cannot be written: %v", err)
		}
	})
}
