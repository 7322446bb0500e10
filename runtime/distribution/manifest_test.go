package distribution

import (
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// FuzzManifest: whatever a registry sends as a manifest or an index, what is read
// out of it is a digest.
func FuzzManifest(f *testing.F) {
	const digest = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	f.Add([]byte(`{"schemaVersion":2,"config":{"digest":"` + digest + `"}}`))
	f.Add([]byte(`{"manifests":[{"digest":"` + digest + `","platform":{"os":"linux","architecture":"arm64","variant":"v8"}}]}`))
	f.Add([]byte(`{"manifests":[{"platform":{"os":"linux","architecture":"arm64"}},null,{"digest":"sha256:.."}]}`))
	repo, err := name.NewRepository("registry.example.org/app")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		child, err := childOf(&remote.Descriptor{Manifest: text}, v1.Platform{OS: "linux", Architecture: "arm64"})
		if _, wrong := name.NewDigest(repo.Digest(child).Name()); err == nil && wrong != nil {
			t.Fatalf("%q: %v", child, wrong)
		}
		manifest := &remote.Descriptor{Manifest: text}
		manifest.MediaType = types.OCIManifestSchema1
		config, err := configOf(manifest)
		if _, wrong := v1.NewHash(config); err == nil && wrong != nil {
			t.Fatalf("%q: %v", config, wrong)
		}
	})
}
