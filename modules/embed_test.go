package modules

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func sum(data string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(data))) }

// folder makes a folder of names and contents in turn.
func folder(entries ...string) fs.FS {
	dir := fstest.MapFS{".gitkeep": {}}
	for i := 0; i < len(entries); i += 2 {
		dir[entries[i]] = &fstest.MapFile{Data: []byte(entries[i+1])}
	}
	return dir
}

func TestReadReturnsModulesSortedByName(t *testing.T) {
	sums := sum("B") + "  server.wasm\n" + sum("A") + "  core.wasm\n"
	for _, test := range []struct {
		name string
		dir  fs.FS
	}{
		{"with sums", folder("server.wasm", "B", "core.wasm", "A", "SHA256SUMS", sums)},
		{"without sums", folder("server.wasm", "B", "core.wasm", "A")},
	} {
		t.Run(test.name, func(t *testing.T) {
			files, err := read(test.dir)
			if err != nil || len(files) != 2 {
				t.Fatalf("%d files, %v", len(files), err)
			}
			for i, want := range []File{{"core", []byte("A"), sum("A")}, {"server", []byte("B"), sum("B")}} {
				if got := files[i]; got.Name != want.Name || string(got.Data) != string(want.Data) || got.Digest != want.Digest {
					t.Errorf("file %d: %+v, want %+v", i, got, want)
				}
			}
		})
	}
}

func TestReadRefuses(t *testing.T) {
	for _, test := range []struct {
		name string
		dir  fs.FS
		want string
	}{
		{"an empty folder", folder(), "make build"},
		{"another digest", folder("core.wasm", "A", "SHA256SUMS", sum("B")+"  core.wasm\n"), "core: its digest is " + sum("A")},
		{"a file without a sum", folder("core.wasm", "A", "x.wasm", "X", "SHA256SUMS", sum("A")+"  core.wasm\n"), "module x"},
		{"a sum without a file", folder("core.wasm", "A", "SHA256SUMS", sum("A")+"  core.wasm\n"+sum("B")+"  gone.wasm\n"), "1 files, SHA256SUMS has 2"},
		{"an empty list of sums", folder("core.wasm", "A", "SHA256SUMS", ""), `has ""`},
		{"a line that is no sum", folder("core.wasm", "A", "SHA256SUMS", "hello\n"), `"hello"`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if _, err := read(test.dir); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want something about %q", err, test.want)
			}
		})
	}
}

func TestBuiltinReadsTheEmbeddedFolder(t *testing.T) {
	files, err := Builtin()
	if errors.Is(err, ErrNotBuilt) {
		t.Skip("the modules are not built: run `make build`")
	}
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name)
		if m, err := abi.ReadManifest(f.Data); err != nil || m.Name != f.Name {
			t.Errorf("%s: its manifest names %q, %v", f.Name, m.Name, err)
		}
		if again, err := Reader(f.Name)(); err != nil || !bytes.Equal(again, f.Data) {
			t.Errorf("%s: read again it is another, %v", f.Name, err)
		}
	}
	if want := slices.Sorted(maps.Keys(all)); !slices.Equal(names, want) {
		t.Errorf("built %v, want %v", names, want)
	}
}
