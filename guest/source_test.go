package guest

import (
	"bytes"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// TestSourceIsWhatGuestsLink holds the folders that are carried against those that
// the toolchain compiles the SDK from.
func TestSourceIsWhatGuestsLink(t *testing.T) {
	list := exec.Command("go", "list", "-deps", "-f", "{{.ImportPath}}{{range .GoFiles}} {{.}}{{end}}", "./sdk")
	list.Env = append(os.Environ(), "GOOS=wasip1", "GOARCH=wasm")
	out, err := list.Output()
	if err != nil {
		t.Fatal(err)
	}
	carried := map[string][]byte{}
	if err := Source(func(name string, content []byte) error { carried[name] = content; return nil }); err != nil {
		t.Fatal(err)
	}
	packages := 0
	for line := range strings.Lines(string(out)) {
		words := strings.Fields(line)
		folder, ours := strings.CutPrefix(words[0], "github.com/cofferdam-bot/cofferdam/guest/")
		if !ours {
			continue
		}
		packages++
		if !slices.Contains(Packages, folder) {
			t.Errorf("the SDK is compiled with %s, which is not carried", folder)
		}
		for _, file := range words[1:] {
			if carried[folder+"/"+file] == nil {
				t.Errorf("%s/%s is not carried", folder, file)
			}
		}
	}
	if packages != len(Packages) {
		t.Errorf("%d packages, and %v are carried", packages, Packages)
	}
	for name, content := range carried {
		if strings.Contains(name, "_test") || strings.Contains(name, "codecgen") || len(content) == 0 {
			t.Errorf("%s (%d bytes) is carried", name, len(content))
		}
	}
}

func TestLicenseIsTheProjects(t *testing.T) {
	whole, err := os.ReadFile("../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	carried, err := source.ReadFile("LICENSE")
	if err != nil || !bytes.Equal(whole, carried) {
		t.Errorf("guest/LICENSE is not the project's: %v", err)
	}
}
