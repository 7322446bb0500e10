package distribution

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

func TestANewerTag(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:1.2.3-alpine")
	u := w.one()
	if u.NewerTag != "" || u.NewerDigest || u.Problem != "" || u.Checked != noon.UnixMilli() {
		t.Errorf("up to date: %+v", u)
	}
	w.push(w.image(), "app:1.3.0-alpine", "app:2.0.0-alpine", "app:3.0.0", "other:9.0.0-alpine")
	w.passes(2 * keepFor)
	u = w.one()
	if u.NewerTag != "2.0.0-alpine" || !u.Major || u.NewerWithin != "1.3.0-alpine" || u.NewerDigest || u.Problem != "" {
		t.Errorf("after a push: %+v", u)
	}
	if want := w.host + "/app:1.2.3-alpine"; u.Reference != want {
		t.Errorf("the reference is %q, want %q", u.Reference, want)
	}
}

func TestANewerDigest(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:latest")
	if u := w.one(); u.NewerDigest {
		t.Errorf("up to date: %+v", u)
	}
	if n := w.requests("GET /v2/app/"); n != 0 {
		t.Errorf("%d manifests or lists were read of an image that is up to date and has no version", n)
	}
	w.push(w.image(), "app:latest")
	w.passes(2 * keepFor)
	if u := w.one(); !u.NewerDigest || u.NewerTag != "" || u.Problem != "" {
		t.Errorf("after a push: %+v", u)
	}
	w.requests("")
	w.passes(2 * keepFor)
	if u := w.one(); !u.NewerDigest {
		t.Errorf("at the next look: %+v", u)
	}
	if n := w.requests("GET /v2/app/manifests/"); n != 0 {
		t.Errorf("%d manifests were read for what was known", n)
	}
}

// TestANewIndexForAnothersSake: what differs for another platform only is no
// update here.
func TestANewIndexForAnothersSake(t *testing.T) {
	amd, arm := "linux/amd64", "linux/arm64"
	for _, test := range []struct {
		name    string
		now     func(w *world, ours v1.Image) map[string]v1.Image
		newer   bool
		problem string
	}{
		{"the other platform is new", func(w *world, ours v1.Image) map[string]v1.Image {
			return map[string]v1.Image{amd: ours, arm: w.image()}
		}, false, ""},
		{"ours is new", func(w *world, ours v1.Image) map[string]v1.Image {
			return map[string]v1.Image{amd: w.image(), arm: w.image()}
		}, true, ""},
		{"ours is written anew", func(w *world, ours v1.Image) map[string]v1.Image {
			return map[string]v1.Image{amd: mutate.Annotations(ours, map[string]string{"built": "again"}).(v1.Image), arm: w.image()}
		}, false, ""},
		{"ours is not there any more", func(w *world, ours v1.Image) map[string]v1.Image {
			return map[string]v1.Image{arm: w.image()}
		}, false, "The registry has a newer image of this tag, but not for linux/amd64."},
	} {
		for _, store := range []string{"classic", "containerd"} {
			t.Run(test.name+" in the store "+store, func(t *testing.T) {
				w := newWorld(t)
				ours := w.image()
				index := w.index(map[string]v1.Image{amd: ours, arm: w.image()})
				w.push(index, "app:1")
				w.has(ours, index, "app:1")
				if store == "containerd" {
					w.storedByDigest()
				}
				if u := w.one(); u.NewerDigest || u.Problem != "" {
					t.Fatalf("up to date: %+v", u)
				}
				w.push(w.index(test.now(w, ours)), "app:1")
				w.passes(2 * keepFor)
				u := w.one()
				// With containerd's ids, a manifest that was written anew cannot be
				// told from a new image.
				want := test.newer || store == "containerd" && test.name == "ours is written anew"
				if u.NewerDigest != want || u.Problem != test.problem {
					t.Errorf("%+v, want newer %v, problem %q", u, want, test.problem)
				}
			})
		}
	}
}

// TestAnImageThatBecameAnIndex: its registry now has it for other platforms too.
func TestAnImageThatBecameAnIndex(t *testing.T) {
	for _, store := range []string{"classic", "containerd"} {
		w := newWorld(t)
		image := w.pulled("app:1")
		if store == "containerd" {
			w.storedByDigest()
		}
		w.push(w.index(map[string]v1.Image{"linux/amd64": image, "linux/arm64": w.image()}), "app:1")
		if u := w.one(); u.NewerDigest || u.Problem != "" {
			t.Errorf("in the store %s: %+v", store, u)
		}
	}
}

// storedByDigest gives images ids as an engine with containerd's store does.
func (w *world) storedByDigest() {
	w.engine.mu.Lock()
	defer w.engine.mu.Unlock()
	for i := range w.engine.images {
		_, w.engine.images[i].ID, _ = strings.Cut(w.engine.images[i].Digests[0], "@")
	}
}

func TestChildOfAnIndex(t *testing.T) {
	w := newWorld(t)
	v6, v7, amd := w.image(), w.image(), w.image()
	index := w.index(map[string]v1.Image{"linux/arm/v6": v6, "linux/arm/v7": v7, "linux/amd64": amd, "windows/amd64": w.image()})
	w.push(index, "app:1")
	w.has(v7, index, "app:1")
	w.engine.platform = v1.Platform{OS: "linux", Architecture: "arm", Variant: "v7"}
	w.push(w.index(map[string]v1.Image{"linux/arm/v6": w.image(), "linux/arm/v7": v7, "linux/amd64": w.image()}), "app:1")
	if u := w.one(); u.NewerDigest || u.Problem != "" {
		t.Errorf("v7 is the same: %+v", u)
	}
	w.push(w.index(map[string]v1.Image{"linux/arm/v6": v6, "linux/arm/v7": w.image(), "linux/amd64": amd}), "app:1")
	w.passes(2 * keepFor)
	if u := w.one(); !u.NewerDigest {
		t.Errorf("v7 is new: %+v", u)
	}
}

func TestWhatNoRegistryIsAskedFor(t *testing.T) {
	w := newWorld(t)
	id, digest := "sha256:"+strings.Repeat("a", 64), "@sha256:"+strings.Repeat("b", 64)
	for _, test := range []struct {
		name    string
		host    string
		image   abi.Image
		problem string
	}{
		{"built here", "", abi.Image{ID: id, Tags: []string{w.host + "/app:1.0"}}, builtHere},
		{"tagged here", "", abi.Image{ID: id, Tags: []string{w.host + "/mine:1.0"}, Digests: []string{w.host + "/app" + digest}}, builtHere},
		{"by digest", "", abi.Image{ID: id, Digests: []string{w.host + "/app" + digest}, Containers: 1}, pinned},
		{"no tag", "", abi.Image{ID: id, Containers: 1}, untagged},
		{"no name", "", abi.Image{ID: id, Tags: []string{"UPPER/case:1.0"}, Digests: []string{w.host + "/app" + digest}}, unreadable},
		{"on another machine's loopback", "edge", abi.Image{ID: id, Tags: []string{w.host + "/app:1.0"}, Digests: []string{w.host + "/app" + digest}}, otherLocal},
	} {
		t.Run(test.name, func(t *testing.T) {
			w.engine.set(test.image)
			u := w.only(w.looks(abi.UpdateQuery{Host: test.host}))
			w.wellTold(u, test.problem)
			if u.Checked != 0 || u.ID != id {
				t.Errorf("%+v", u)
			}
			if n := w.requests(""); n != 0 {
				t.Errorf("%d requests", n)
			}
		})
	}
	w.engine.set(abi.Image{ID: id, Dangling: true})
	if all := w.looks(abi.UpdateQuery{}); len(all) != 0 {
		t.Errorf("a dangling image that nobody uses is no news: %+v", all)
	}
	w.wellTold(w.only(w.looks(abi.UpdateQuery{ID: id})), untagged)
}

func TestOneImage(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:1.0")
	image := w.pulled("other:latest")
	config, err := image.ConfigName()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{config.String(), config.Hex, config.Hex[:12], w.host + "/other:latest", w.host + "/other"} {
		u := w.only(w.looks(abi.UpdateQuery{ID: id}))
		if u.ID != config.String() {
			t.Errorf("%s: %+v", id, u)
		}
	}
	for _, id := range []string{"other", "sha256:", config.Hex[:11], strings.Repeat("0", 64), w.host + "/app:2.0", "\x00", strings.Repeat("a", 10_000)} {
		_, err := w.client.Updates(t.Context(), abi.UpdateQuery{ID: id}, everything)
		if refusal, ok := err.(*abi.Error); !ok || refusal.Code != abi.NotFound {
			t.Errorf("%.40q: %v", id, err)
		}
	}
	if n := w.requests("GET /v2/app/"); n != 0 {
		t.Errorf("the other image was asked for %d times", n)
	}
	_, err = w.client.Updates(t.Context(), abi.UpdateQuery{ID: config.String()}, func([]string) bool { return false })
	if refusal, ok := err.(*abi.Error); !ok || refusal.Code != abi.NotFound {
		t.Errorf("an image that may not be seen: %v", err)
	}
}

func TestOnlyWhatMayBeSeen(t *testing.T) {
	w := newWorld(t)
	w.pulled("mine:1.0")
	w.pulled("yours:1.0")
	report, err := w.client.Updates(t.Context(), abi.UpdateQuery{WaitMS: 5000}, func(tags []string) bool { return strings.Contains(tags[0], "/mine:") })
	if err != nil || len(report.Images) != 1 || !strings.Contains(report.Images[0].Reference, "/mine:") {
		t.Errorf("%+v, %v", report, err)
	}
	if n := w.requests("HEAD /v2/yours/"); n != 0 {
		t.Errorf("what may not be seen was asked for %d times", n)
	}
}

// TestOtherTagsOfAnImage: one that is admitted by one tag does not tell of the
// others.
func TestOtherTagsOfAnImage(t *testing.T) {
	w := newWorld(t)
	image := w.pulled("mine:1.0")
	w.push(image, "yours:1.0")
	w.engine.images[0].Tags = append(w.engine.images[0].Tags, w.host+"/yours:1.0")
	report, err := w.client.Updates(t.Context(), abi.UpdateQuery{WaitMS: 5000}, func(tags []string) bool { return strings.Contains(strings.Join(tags, " "), "/mine:") })
	if err != nil || len(report.Images) != 1 || !strings.Contains(report.Images[0].Reference, "/mine:") {
		t.Errorf("%+v, %v", report, err)
	}
}

func TestLongListsOfImages(t *testing.T) {
	w := newWorld(t)
	w.engine.page = 3
	image := w.pulled("app:1.0")
	for i := range 10 {
		w.push(image, fmt.Sprintf("app:1.%d", i+1))
		w.has(image, image, fmt.Sprintf("app:1.%d", i+1))
	}
	all := w.looks(abi.UpdateQuery{})
	if len(all) != 11 {
		t.Fatalf("%d updates, want 11", len(all))
	}
	for _, u := range all[:10] {
		if u.NewerTag != "1.10" {
			t.Errorf("%+v", u)
		}
	}
	if n := w.requests("GET /v2/app/tags/list"); n > 2 {
		t.Errorf("the tags of one repository were listed %d times", n)
	}
}

// TestFindingsAreKept: for an hour; whoever wants to look again may do so after a
// minute.
func TestFindingsAreKept(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:1.0")
	w.one()
	w.requests("")
	for _, step := range []struct {
		after time.Duration
		fresh bool
		asks  bool
	}{
		{0, false, false}, {0, true, false}, {59 * time.Second, true, false}, {time.Second, true, true},
		{59 * time.Minute, false, false}, {time.Minute, false, true},
	} {
		w.passes(step.after)
		u := w.only(w.looks(abi.UpdateQuery{Fresh: step.fresh}))
		if got := w.requests("HEAD ") > 0; got != step.asks {
			t.Errorf("%+v: the registry was asked: %v", step, got)
		}
		if step.asks && u.Checked != w.clock().UnixMilli() {
			t.Errorf("%+v: checked at %d", step, u.Checked)
		}
	}
}

func TestAFailureIsForgottenSooner(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:1.0")
	broken := true
	w.guardedBy(func(out http.ResponseWriter, _ *http.Request) bool {
		if broken {
			http.Error(out, "trouble", http.StatusBadGateway)
		}
		return broken
	})
	w.wellTold(w.one(), "The registry has trouble of its own (502).")
	broken = false
	w.passes(failedFor - time.Second)
	w.wellTold(w.one(), "The registry has trouble of its own (502).")
	w.passes(time.Second)
	w.wellTold(w.one(), "")
}

// TestWhatWasKnownStays: a registry that fails takes nothing back.
func TestWhatWasKnownStays(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:1.0")
	w.push(w.image(), "app:1.1", "app:1.0")
	w.one()
	w.guardedBy(func(out http.ResponseWriter, _ *http.Request) bool {
		http.Error(out, "trouble", http.StatusInternalServerError)
		return true
	})
	w.passes(2 * keepFor)
	u := w.one()
	if u.NewerTag != "1.1" || !u.NewerDigest || u.Checked != noon.UnixMilli() {
		t.Errorf("%+v", u)
	}
	w.wellTold(u, "The registry has trouble of its own (500).")
}

func TestATagThatWent(t *testing.T) {
	w := newWorld(t)
	image := w.image()
	w.push(w.image(), "app:1.1")
	w.has(image, image, "app:1.0")
	u := w.one()
	w.wellTold(u, tagGone)
	if u.NewerTag != "1.1" || u.NewerDigest {
		t.Errorf("the newer tag is there all the same: %+v", u)
	}
}

func TestARepositoryThatWent(t *testing.T) {
	w := newWorld(t)
	image := w.image()
	w.has(image, image, "app:1.0")
	w.wellTold(w.one(), repoGone)
}

// TestLooksAreFew: two at a registry at a time, and one question waits for what
// others are at.
func TestLooksAreFew(t *testing.T) {
	w := newWorld(t)
	for i := range 12 {
		w.pulled(fmt.Sprintf("app%d:1.0", i))
	}
	var mu sync.Mutex
	running, most := 0, 0
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		running += n
		most = max(most, running)
	}
	gate, reached := make(chan struct{}), make(chan struct{}, 12)
	w.guardedBy(func(_ http.ResponseWriter, req *http.Request) bool {
		if strings.HasSuffix(req.URL.Path, "/tags/list") {
			count(1)
			reached <- struct{}{}
			<-gate
			count(-1)
		}
		return false
	})
	ask := func(waitMS int) abi.UpdateReport {
		report, err := w.client.Updates(t.Context(), abi.UpdateQuery{WaitMS: waitMS}, everything)
		if err != nil {
			t.Fatal(err)
		}
		return report
	}
	if report := ask(0); report.Pending != 12 || len(report.Images) != 12 || report.Images[0].Checked != 0 {
		t.Errorf("at once: %+v", report)
	}
	for range perRegistry {
		<-reached
	}
	if report := ask(50); report.Pending != 12 {
		t.Errorf("after a while: %d are pending", report.Pending)
	}
	close(gate)
	w.looks(abi.UpdateQuery{})
	if most != perRegistry {
		t.Errorf("%d looks at a time, want %d", most, perRegistry)
	}
	if n := w.requests("HEAD "); n != 12 {
		t.Errorf("12 images asked thrice about took %d requests", n)
	}
}

func TestWaitingEndsWithTheQuestion(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:1.0")
	gate := make(chan struct{})
	w.guardedBy(func(http.ResponseWriter, *http.Request) bool { <-gate; return false })
	defer close(gate)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	begin := time.Now()
	report, err := w.client.Updates(ctx, abi.UpdateQuery{WaitMS: 1 << 30}, everything)
	if err != nil || report.Pending != 1 || time.Since(begin) > maxWait/2 {
		t.Errorf("%+v, %v after %v", report, err, time.Since(begin))
	}
	if _, err := w.client.Updates(t.Context(), abi.UpdateQuery{WaitMS: -1}, everything); err == nil {
		t.Error("a wait of less than nothing is no error")
	}
}

func TestTheEnginesErrorIsPassedOn(t *testing.T) {
	w := newWorld(t)
	w.engine.err = &abi.Error{Code: abi.Unavailable, Message: "Docker does not answer."}
	if _, err := w.client.Updates(t.Context(), abi.UpdateQuery{}, everything); err != w.engine.err {
		t.Errorf("%v", err)
	}
}

// TestClosing ends looks that go on, and starts no more.
func TestClosing(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:1.0")
	reached := make(chan struct{}, 10)
	w.guardedBy(func(_ http.ResponseWriter, req *http.Request) bool {
		reached <- struct{}{}
		<-req.Context().Done()
		return true
	})
	if _, err := w.client.Updates(t.Context(), abi.UpdateQuery{}, everything); err != nil {
		t.Fatal(err)
	}
	<-reached
	if err := w.client.Close(); err != nil {
		t.Fatal(err)
	}
	w.requests("")
	if _, err := w.client.Updates(t.Context(), abi.UpdateQuery{Fresh: true}, everything); err != nil {
		t.Fatal(err)
	}
	if n := w.requests(""); n != 0 {
		t.Errorf("%d requests after the end", n)
	}
	if strings.Contains(w.logged(), "updates.failed") {
		t.Errorf("the end is no failure:\n%s", w.logged())
	}
}

func TestWhatNobodyAsksForIsForgotten(t *testing.T) {
	w := newWorld(t)
	w.pulled("app:1.0")
	w.one()
	w.engine.set()
	w.passes(2 * forgotten)
	w.looks(abi.UpdateQuery{})
	if n := len(w.client.entries); n != 0 {
		t.Errorf("%d entries", n)
	}
}

// An engine may name an image anything. What is no name is not asked for, and what
// it holds stands in no answer; a name that leads inside is not followed.
func TestHostileReferences(t *testing.T) {
	secret := rand.Text()
	id, digest := "sha256:"+strings.Repeat("a", 64), "@sha256:"+strings.Repeat("b", 64)
	for name, repository := range map[string]string{
		"a login in it":       "bob:" + secret + "@" + "registry.example/app",
		"a metadata service":  "169.254.169.254/latest/app",
		"a port that is none": "registry.example:99999/app",
		"a path out of it":    "registry.example/../../etc/passwd",
		"a query behind it":   "registry.example/app?x=" + secret,
		"a fragment":          "registry.example/app#" + secret,
		"a newline":           "registry.example/app\r\nHost: evil.example",
		"turned around":       "registry.example/\u202eppa",
		"a scheme":            "http://registry.example/app",
		"nothing":             "",
		"long":                "registry.example/" + strings.Repeat("a/", 5000) + "app",
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.engine.set(abi.Image{ID: id, Tags: []string{repository + ":1.0"}, Digests: []string{repository + digest}, Containers: 1})
			u := w.only(w.looks(abi.UpdateQuery{}))
			if u.Problem == "" || u.NewerTag != "" || u.NewerDigest {
				t.Errorf("something is known of it: %+v", u)
			}
			if strings.Contains(u.Problem, secret) || strings.ContainsAny(u.Problem+u.Reference, "\r\n\u202e") || len([]rune(u.Reference)) > maxReference {
				t.Errorf("told %q of %q", u.Problem, u.Reference)
			}
			if n := w.requests(""); n != 0 {
				t.Errorf("%d requests", n)
			}
		})
	}
}
