package dockertest

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	_ "embed" // the program's source
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/client"
)

//go:embed probe/main.go
var source []byte

// Image returns the name of the test image, which it builds if the engine does
// not have it: one static program, nothing else.
func Image(tb testing.TB) string {
	tb.Helper()
	cli := dial(tb, Engine(tb))
	sum := sha256.Sum256(source)
	name := "cofferdam-dockertest:" + hex.EncodeToString(sum[:6])
	unlock := lock(tb)
	defer unlock()
	if _, err := cli.ImageInspect(context.Background(), name); err == nil {
		return name
	}
	archive, err := build(tb.TempDir())
	if err != nil {
		tb.Fatal(err)
	}
	if err := importImage(cli, name, archive); err != nil {
		tb.Fatal(err)
	}
	return name
}

// lock keeps packages that test side by side from building the image twice.
func lock(tb testing.TB) (unlock func()) {
	tb.Helper()
	f, err := os.OpenFile(filepath.Join(os.TempDir(), "cofferdam-dockertest.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		tb.Fatal(err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		tb.Fatalf("lock %s: %v", f.Name(), err)
	}
	return func() { _ = f.Close() } // which unlocks
}

// build compiles the program and returns it in a tar archive.
func build(dir string) ([]byte, error) {
	src, bin := filepath.Join(dir, "main.go"), filepath.Join(dir, "probe")
	if err := os.WriteFile(src, source, 0o600); err != nil {
		return nil, err
	}
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", bin, src)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOFLAGS=", "GOWORK=off")
	if out, err := cmd.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("build the test program: %w\n%s", err, out)
	}
	program, err := os.ReadFile(bin)
	if err != nil {
		return nil, err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: "probe", Mode: 0o755, Size: int64(len(program))}); err != nil {
		return nil, err
	}
	if _, err := w.Write(program); err != nil {
		return nil, err
	}
	return archive.Bytes(), w.Close()
}

func importImage(cli *client.Client, name string, archive []byte) error {
	answer, err := cli.ImageImport(context.Background(),
		image.ImportSource{Source: bytes.NewReader(archive), SourceName: "-"}, name,
		image.ImportOptions{Changes: []string{`ENTRYPOINT ["/probe"]`, `CMD ["sleep"]`, "LABEL " + Label + "=image"}})
	if err != nil {
		return fmt.Errorf("import the test image: %w", err)
	}
	defer answer.Close()
	if _, err := io.Copy(io.Discard, answer); err != nil {
		return fmt.Errorf("import the test image: %w", err)
	}
	// The engine reports a failed import in the body of a 200.
	if _, err := cli.ImageInspect(context.Background(), name); err != nil {
		return fmt.Errorf("import the test image: %w", err)
	}
	return nil
}
