package distribution

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	memory "github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// world is a registry over HTTP, an engine with images, and a client with a clock
// of its own.
type world struct {
	t      *testing.T
	host   string // of the registry
	client *Client
	engine *engine
	logs   *observer.ObservedLogs
	folder string // of Docker's config

	mu     sync.Mutex
	inside http.Handler
	now    time.Time
	asked  []string // "HEAD /v2/app/manifests/1.0"
	// guard may answer in the registry's place; it reports whether it did.
	guard func(http.ResponseWriter, *http.Request) bool
}

var noon = time.Date(2026, 1, 1, 12, 0, 0, 0, time.UTC)

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, inside: memory.New(memory.Logger(log.New(io.Discard, "", 0))), now: noon, folder: t.TempDir(), engine: &engine{platform: v1.Platform{OS: "linux", Architecture: "amd64"}}}
	server := httptest.NewServer(w)
	t.Cleanup(server.Close)
	w.host = strings.TrimPrefix(server.URL, "http://")
	core, logs := observer.New(zapcore.DebugLevel)
	w.logs = logs
	w.client = New(Config{Images: w.engine, DockerConfig: w.folder, Now: w.clock, Log: zap.New(core)})
	t.Cleanup(func() {
		if err := w.client.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func (w *world) clock() time.Time {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.now
}

func (w *world) passes(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now = w.now.Add(d)
}

func (w *world) guardedBy(guard func(http.ResponseWriter, *http.Request) bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.guard = guard
}

func (w *world) ServeHTTP(out http.ResponseWriter, req *http.Request) {
	w.mu.Lock()
	own := strings.HasPrefix(req.UserAgent(), "cofferdam")
	guard := w.guard
	if own {
		w.asked = append(w.asked, req.Method+" "+req.URL.Path)
	}
	w.mu.Unlock()
	if own && guard != nil && guard(out, req) {
		return
	}
	w.inside.ServeHTTP(out, req)
}

// requests counts what the bot asked since the last call, with a prefix.
func (w *world) requests(prefix string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, line := range w.asked {
		if strings.HasPrefix(line, prefix) {
			n++
		}
	}
	w.asked = nil
	return n
}

func (w *world) ref(tag string) name.Tag {
	w.t.Helper()
	ref, err := name.NewTag(w.host + "/" + tag)
	if err != nil {
		w.t.Fatal(err)
	}
	return ref
}

func (w *world) image() v1.Image {
	w.t.Helper()
	image, err := random.Image(64, 1)
	if err != nil {
		w.t.Fatal(err)
	}
	return image
}

// push puts an image, or an index, under tags.
func (w *world) push(what remote.Taggable, tags ...string) {
	w.t.Helper()
	for _, tag := range tags {
		var err error
		switch what := what.(type) {
		case v1.ImageIndex:
			err = remote.WriteIndex(w.ref(tag), what)
		case v1.Image:
			err = remote.Write(w.ref(tag), what)
		}
		if err != nil {
			w.t.Fatal(err)
		}
	}
}

// has lets the engine have an image under a tag, as if it had been pulled as
// what: itself or an index that it is in.
func (w *world) has(image v1.Image, what interface{ Digest() (v1.Hash, error) }, tag string) string {
	w.t.Helper()
	id, err := image.ConfigName()
	if err != nil {
		w.t.Fatal(err)
	}
	digest, err := what.Digest()
	if err != nil {
		w.t.Fatal(err)
	}
	repo, _, _ := strings.Cut(tag, ":")
	w.engine.add(abi.Image{ID: id.String(), Tags: []string{w.host + "/" + tag}, Digests: []string{w.host + "/" + repo + "@" + digest.String()}})
	return id.String()
}

// pulled pushes a new image under a tag, and lets the engine have it.
func (w *world) pulled(tag string) v1.Image {
	w.t.Helper()
	image := w.image()
	w.push(image, tag)
	w.has(image, image, tag)
	return image
}

// index is an index of images for platforms.
func (w *world) index(images map[string]v1.Image) v1.ImageIndex {
	w.t.Helper()
	var index v1.ImageIndex = emptyIndex(w.t)
	for text, image := range images {
		platform, err := v1.ParsePlatform(text)
		if err != nil {
			w.t.Fatal(err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image, Descriptor: v1.Descriptor{Platform: platform}})
	}
	return index
}

func emptyIndex(t *testing.T) v1.ImageIndex {
	t.Helper()
	index, err := random.Index(1, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

// looks asks until nothing is pending.
func (w *world) looks(q abi.UpdateQuery) []abi.ImageUpdate {
	w.t.Helper()
	q.WaitMS = int(maxWait / time.Millisecond)
	ctx, cancel := context.WithTimeout(w.t.Context(), 30*time.Second)
	defer cancel()
	for {
		report, err := w.client.Updates(ctx, q, everything)
		if err != nil {
			w.t.Fatal(err)
		}
		if report.Pending == 0 {
			return report.Images
		}
		if ctx.Err() != nil {
			w.t.Fatalf("%d images are pending for ever", report.Pending)
		}
		q.Fresh = false
	}
}

// one is the only update of a look at everything.
func (w *world) one() abi.ImageUpdate {
	w.t.Helper()
	return w.only(w.looks(abi.UpdateQuery{}))
}

// fresh is one, looked at again.
func (w *world) fresh() abi.ImageUpdate {
	w.t.Helper()
	return w.only(w.looks(abi.UpdateQuery{Fresh: true}))
}

func (w *world) only(all []abi.ImageUpdate) abi.ImageUpdate {
	w.t.Helper()
	if len(all) != 1 {
		w.t.Fatalf("%d updates, want one: %+v", len(all), all)
	}
	return all[0]
}

// wellTold fails if an update has another problem than this.
func (w *world) wellTold(u abi.ImageUpdate, problem string) {
	w.t.Helper()
	if u.Problem != problem {
		w.t.Errorf("the problem is %q, want %q", u.Problem, problem)
	}
}

// config writes Docker's config.json.
func (w *world) config(config any) {
	w.t.Helper()
	data, err := json.Marshal(config)
	if err == nil {
		err = os.WriteFile(filepath.Join(w.folder, "config.json"), data, 0o600)
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

// logged is the whole log as text.
func (w *world) logged() string {
	var text strings.Builder
	for _, entry := range w.logs.All() {
		text.WriteString(entry.Message)
		for name, value := range entry.ContextMap() {
			line, _ := json.Marshal(value)
			text.WriteString(" " + name + "=" + string(line))
		}
		text.WriteString("\n")
	}
	return text.String()
}

func everything([]string) bool { return true }

// secret is a password that stands in no source.
func secret() string { return rand.Text() }

// engine is what a Docker engine says of its images.
type engine struct {
	mu       sync.Mutex
	images   []abi.Image
	platform v1.Platform
	err      error
	page     int // images in one answer; 0: all
}

func (e *engine) add(image abi.Image) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.images = append(e.images, image)
}

func (e *engine) set(images ...abi.Image) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.images = images
}

func (e *engine) Images(_ context.Context, q abi.ImageQuery, keep func([]string) bool) (abi.ImageList, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.err != nil {
		return abi.ImageList{}, e.err
	}
	kept := slices.DeleteFunc(slices.Clone(e.images), func(i abi.Image) bool { return !keep(i.Tags) })
	list := abi.ImageList{Total: len(kept), Images: kept[min(q.Offset, len(kept)):]}
	if e.page > 0 {
		list.Images = list.Images[:min(e.page, len(list.Images))]
	}
	return list, nil
}

func (e *engine) Image(context.Context, abi.ImageRef, func([]string) bool) (abi.ImageDetails, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return abi.ImageDetails{OS: e.platform.OS, Architecture: e.platform.Architecture, Variant: e.platform.Variant}, e.err
}
