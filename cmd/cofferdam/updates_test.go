package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/image"
	dockerregistry "github.com/docker/docker/api/types/registry"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// The conversations below are about a registry over HTTP, from which the real
// engine pulls.

// shelf is a registry on this machine that wants a password, which Docker's
// config has.
type shelf struct {
	t        testing.TB
	host     string
	password string
	close    func()
}

func newShelf(t *testing.T) *shelf {
	t.Helper()
	s := &shelf{t: t, password: rand.Text()}
	inside := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, req *http.Request) {
		if _, password, _ := req.BasicAuth(); password != s.password {
			out.Header().Set("WWW-Authenticate", `Basic realm="shelf"`)
			http.Error(out, "no entry", http.StatusUnauthorized)
			return
		}
		inside.ServeHTTP(out, req)
	}))
	t.Cleanup(server.Close)
	s.host, s.close = strings.TrimPrefix(server.URL, "http://"), server.Close
	s.logsIn()
	return s
}

// logsIn writes Docker's config for the bots of this test.
func (s *shelf) logsIn() {
	s.t.Helper()
	folder := s.t.TempDir()
	config, err := json.Marshal(map[string]any{"auths": map[string]any{s.host: authn.AuthConfig{Username: "operator", Password: s.password}}})
	if err == nil {
		err = os.WriteFile(filepath.Join(folder, "config.json"), config, 0o600)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.(*testing.T).Setenv("DOCKER_CONFIG", folder)
}

// image is one from scratch that the engine takes.
func (s *shelf) image() v1.Image {
	s.t.Helper()
	made, err := random.Image(1024, 1)
	if err != nil {
		s.t.Fatal(err)
	}
	config, err := made.ConfigFile()
	if err == nil {
		config = config.DeepCopy()
		config.OS, config.Architecture = "linux", runtime.GOARCH
		made, err = mutate.ConfigFile(made, config)
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return made
}

// puts an image, or an index, on the shelf.
func (s *shelf) puts(what remote.Taggable, tags ...string) {
	s.t.Helper()
	login := remote.WithAuth(&authn.Basic{Username: "operator", Password: s.password})
	for _, tag := range tags {
		ref, err := name.NewTag(s.host + "/" + tag)
		if err != nil {
			s.t.Fatal(err)
		}
		switch what := what.(type) {
		case v1.ImageIndex:
			err = remote.WriteIndex(ref, what, login)
		case v1.Image:
			err = remote.Write(ref, what, login)
		}
		if err != nil {
			s.t.Fatal(err)
		}
	}
}

// pulls lets the engine pull a tag, until the test ends.
func (s *shelf) pulls(tag string) {
	s.t.Helper()
	auth, err := dockerregistry.EncodeAuthConfig(dockerregistry.AuthConfig{Username: "operator", Password: s.password, ServerAddress: s.host})
	if err != nil {
		s.t.Fatal(err)
	}
	cli, ref := dockertest.Client(s.t), s.host+"/"+tag
	progress, err := cli.ImagePull(context.Background(), ref, image.PullOptions{RegistryAuth: auth})
	if err != nil {
		s.t.Fatal(err)
	}
	defer progress.Close()
	said, err := io.ReadAll(progress)
	if err != nil || strings.Contains(string(said), `"error"`) {
		s.t.Fatalf("pull %s: %v\n%s", ref, err, said)
	}
	s.t.Cleanup(func() {
		if _, err := cli.ImageRemove(context.Background(), ref, image.RemoveOptions{Force: true, PruneChildren: true}); err != nil {
			s.t.Errorf("remove %s: %v", ref, err)
		}
	})
}

// lookedUp taps refresh until registries have answered.
func (p person) lookedUp(m emulator.Message) emulator.Message {
	p.t.Helper()
	for deadline := timeout(); strings.Contains(m.Styled(), "not yet") || strings.Contains(m.Styled(), "🔎"); m = p.taps("🔄 Refresh") {
		select {
		case <-deadline:
			p.t.Fatalf("the registries never answer:\n%s", m.Styled())
		default:
		}
	}
	return m
}

func TestNewerImagesAreShown(t *testing.T) {
	s, shelf, c := newScene(t), newShelf(t), &clock{}
	shelf.puts(shelf.image(), "team/app:1.2.3")
	shelf.pulls("team/app:1.2.3")
	ref := shelf.host + "/team/app:1.2.3"
	p := startBot(t, s.everyImage, c.setup).person(user, user)

	m := p.lookedUp(p.says("/updates " + ref))
	p.expect(m, "<b>✅ <code>"+ref+"</code></b>", "Same tag: ✅ up to date")
	p.lacks(m, "Newer version", "🆕")

	shelf.puts(shelf.image(), "team/app:1.3.0", "team/app:2.0.0", "team/app:3.0.0-rc.1", "team/app:2.5.0-alpine")
	c.advance(61 * time.Second)
	m = p.lookedUp(p.taps("🔍 Look again"))
	p.expect(m, "<b>🆕 <code>"+ref+"</code></b>", "Newer version: <code>2.0.0</code> ⚠️ a new major version",
		"Within the same major version: <code>1.3.0</code>", "Same tag: ✅ up to date")

	shelf.puts(shelf.image(), "team/app:1.2.3")
	c.advance(61 * time.Second)
	p.expect(p.lookedUp(p.taps("🔍 Look again")), "Same tag: 🔁 the tag means a newer image", "<code>2.0.0</code>")

	// The list has it, and leads to it and back.
	m = p.lookedUp(p.taps("⬅️ Back to the list"))
	p.expect(m, "🆕 <code>"+ref+"</code>\n→ <code>2.0.0</code> ⚠️ a new major version\n→ <code>1.3.0</code>\n🔁 the tag means a newer image")
	m = p.taps(buttonOf(t, m, ref))
	p.expect(m, "<b>🆕 <code>"+ref+"</code></b>")

	// A registry that goes away takes nothing back.
	shelf.close()
	c.advance(61 * time.Second)
	p.expect(p.until("🔍 Look again", "The registry cannot be reached."), "<code>2.0.0</code>", "🔁")
}

// everyImage shows the bot all images of the engine, and no other.
func (s scene) everyImage(b *bot) { b.cfg.Docker.Host = []string{s.host} }

func TestAnIndexThatIsNewForOthersIsNoUpdate(t *testing.T) {
	s, shelf, c := newScene(t), newShelf(t), &clock{}
	ours := shelf.image()
	index := func(ours v1.Image) v1.ImageIndex {
		add := func(i v1.Image, arch string) mutate.IndexAddendum {
			return mutate.IndexAddendum{Add: i, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: arch}}}
		}
		return mutate.AppendManifests(empty.Index, add(shelf.image(), "s390x"), add(ours, runtime.GOARCH))
	}
	shelf.puts(index(ours), "app:latest")
	shelf.pulls("app:latest")
	p := startBot(t, s.everyImage, c.setup).person(user, user)
	p.expect(p.lookedUp(p.says("/updates "+shelf.host+"/app")), "Same tag: ✅ up to date")

	shelf.puts(index(ours), "app:latest")
	c.advance(61 * time.Second)
	p.expect(p.lookedUp(p.taps("🔍 Look again")), "Same tag: ✅ up to date")

	shelf.puts(index(shelf.image()), "app:latest")
	c.advance(61 * time.Second)
	p.expect(p.lookedUp(p.taps("🔍 Look again")), "Same tag: 🔁 the tag means a newer image")
}

func TestWithoutTheLoginOfARegistry(t *testing.T) {
	s, shelf := newScene(t), newShelf(t)
	shelf.puts(shelf.image(), "app:1.0")
	shelf.pulls("app:1.0")
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	b := startBot(t, s.everyImage)
	p := b.person(user, user)
	p.expect(p.lookedUp(p.says("/updates "+shelf.host+"/app:1.0")), "The registry wants a login for this repository, or does not know it.")
	for _, text := range []string{`"event":"updates.failed"`, fmt.Sprintf(`"registry":%q`, shelf.host), "status 401"} {
		if !strings.Contains(b.log.String(), text) {
			t.Errorf("the log lacks %s", text)
		}
	}
}

func TestUpdatesOfWhatIsNotThere(t *testing.T) {
	s := newScene(t)
	p := startBot(t, s.everyImage).person(user, user)
	m := p.says("/updates no/such:image")
	p.expect(m, "There is no such image.")
	p.expect(p.taps("⬅️ Back to the list"), "As of")
}

func TestUpdatesWhileTheEngineIsAway(t *testing.T) {
	p := startBot(t).person(user, user)
	m := p.says("/updates")
	p.expect(m, "🔌")
	p.expect(p.taps("🔄 Try again"), "🔌")
}
