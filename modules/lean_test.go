package modules

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// maxLean is what a module may weigh that does without the packages of heavy, in
// bytes. A Go program that does nothing has 1.8 MB.
const maxLean = 2_350_000

// heavy are packages that no built-in module carries. What they cost was
// measured with Go 1.26.
var heavy = map[string]string{
	"encoding/json": "the SDK has codecs of its own; 1.3 MB, with reflect and fmt",
	"reflect":       "it keeps alive what nobody calls",
	"fmt":           "strconv and the formatters of the SDK do; 0.7 MB, with reflect and os",
	"os":            "a module has no files and no environment",
	"time":          "the host writes moments in its own zone, and sdk.UTC does for files; 250 KB",
}

func TestModulesStayLean(t *testing.T) {
	files, err := Builtin()
	if errors.Is(err, ErrNotBuilt) {
		t.Skip("the modules are not built: run `make build`")
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if len(f.Data) > maxLean {
			t.Errorf("%s has %d bytes, at most %d: see what it links with `go list -deps`", f.Name, len(f.Data), maxLean)
		}
	}
}

func TestModulesLinkNothingHeavy(t *testing.T) {
	for name := range all {
		list := exec.Command("go", "list", "-deps", "./"+name+"/wasm")
		list.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
		out, err := list.Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		linked := strings.Fields(string(out))
		if !slices.Contains(linked, "runtime") {
			t.Fatalf("%s links %q, and no runtime", name, linked)
		}
		for _, dependency := range linked {
			if reason := heavy[dependency]; reason != "" {
				t.Errorf("%s links %s: %s", name, dependency, reason)
			}
		}
	}
}
