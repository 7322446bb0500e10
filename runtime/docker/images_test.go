package docker

import (
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

const (
	imageA = "sha256:" + idA
	imageB = "sha256:" + idB
	digest = "@sha256:" + idB
)

func anyImage([]string) bool { return true }

// ofRepository admits images with a tag or digest in one repository, and those
// without a name never.
func ofRepository(repository string) KeepImage {
	return func(references []string) bool {
		return slices.ContainsFunc(references, func(r string) bool {
			return strings.HasPrefix(r, repository+":") || strings.HasPrefix(r, repository+"@")
		})
	}
}

// anImageEngine answers lists of images and of containers.
func anImageEngine(t testing.TB, images, containers string) *Client {
	return newClient(t, newFake(map[string]http.HandlerFunc{
		"/images/json": body(images), "/containers/json": body(containers),
	}).serve(t))
}

func imageID(n int) string { return fmt.Sprintf("sha256:%064x", n) }

func TestImagesInOrder(t *testing.T) {
	// As engine 20.10 answers: no counts, "<none>" where there is no name.
	c := anImageEngine(t, `[
	 {"Id":"`+imageID(1)+`","RepoTags":["<none>:<none>"],"RepoDigests":["<none>@<none>"],"Created":10,"Size":1,"Containers":-1},
	 {"Id":"`+imageID(2)+`","RepoTags":["web:2","acme/web:1"],"RepoDigests":["acme/web`+digest+`"],"Created":20,"Size":20,"Containers":-1},
	 {"Id":"`+imageID(3)+`","RepoTags":null,"RepoDigests":["acme/pinned`+digest+`"],"Created":30,"Size":300},
	 {"Id":"`+imageID(4)+`","RepoTags":null,"RepoDigests":null,"Created":40,"Size":4000},
	 {"Id":"`+imageID(5)+`","RepoTags":["acme/db:9"],"Created":50,"Size":50000},
	 {"Id":"`+imageID(6)+`"}]`,
		`[{"Id":"`+idA+`","ImageID":"`+imageID(2)+`","State":"exited"},{"Id":"`+idB+`","ImageID":"`+imageID(2)+`"}]`)
	list, err := c.Images(t.Context(), abi.ImageQuery{}, anyImage)
	if err != nil {
		t.Fatal(err)
	}
	if list.Total != 6 || list.Dangling != 3 || list.Size != 54321 {
		t.Errorf("total %d, dangling %d, size %d", list.Total, list.Dangling, list.Size)
	}
	want := []abi.Image{
		{ID: imageID(5), Tags: []string{"acme/db:9"}, Size: 50000, Created: 50_000},
		{ID: imageID(2), Tags: []string{"acme/web:1", "web:2"}, Digests: []string{"acme/web" + digest}, Size: 20, Created: 20_000, Containers: 2},
		{ID: imageID(4), Size: 4000, Created: 40_000, Dangling: true},
		{ID: imageID(1), Size: 1, Created: 10_000, Dangling: true},
		{ID: imageID(6), Dangling: true},
		{ID: imageID(3), Digests: []string{"acme/pinned" + digest}, Size: 300, Created: 30_000},
	}
	for i := range want {
		if got := list.Images[i]; fmt.Sprint(got) != fmt.Sprint(want[i]) {
			t.Errorf("row %d:\n got %+v\nwant %+v", i, got, want[i])
		}
	}
	for _, tc := range []struct{ offset, count, rows int }{{0, 0, 6}, {0, 4, 4}, {4, 4, 2}, {6, 1, 0}, {99, 0, 0}, {0, MaxPage + 1, 6}} {
		list, err := c.Images(t.Context(), abi.ImageQuery{Offset: tc.offset, Count: tc.count}, anyImage)
		if err != nil || list.Total != 6 || list.Size != 54321 || len(list.Images) != tc.rows || list.Images == nil {
			t.Errorf("offset %d, count %d: %d rows of %d, %v", tc.offset, tc.count, len(list.Images), list.Total, err)
		}
	}
	for _, q := range []abi.ImageQuery{{Offset: -1}, {Count: -1}} {
		_, err := c.Images(t.Context(), q, anyImage)
		wantCode(t, err, abi.Invalid)
	}
}

// TestWhoMaySeeWhichImage: of an image with names in several repositories those
// outside the scope are not shown.
func TestWhoMaySeeWhichImage(t *testing.T) {
	const both = `"RepoTags":["acme/web:1","other/web:1"],"RepoDigests":["acme/web` + digest + `","other/web` + digest + `"]`
	inspect := body(`{"Id":"` + imageA + `",` + both + `}`)
	untagged := body(`{"Id":"` + imageB + `","RepoDigests":["acme/web` + digest + `"]}`)
	f := newFake(map[string]http.HandlerFunc{
		"/images/json":            body(`[{"Id":"` + imageA + `",` + both + `},{"Id":"` + imageB + `","RepoDigests":["acme/web` + digest + `"]}]`),
		"/containers/json":        body(`[]`),
		"/images/acme/web:1/json": inspect, "/images/other/web:1/json": inspect, "/images/" + imageA + "/json": inspect,
		"/images/aaaa:latest/json": inspect, "/images/" + imageB + "/json": untagged,
	})
	c := newClient(t, f.serve(t))
	acme := ofRepository("acme/web")
	list, err := c.Images(t.Context(), abi.ImageQuery{}, acme)
	if err != nil || list.Total != 1 || !slices.Equal(list.Images[0].Tags, []string{"acme/web:1"}) || !slices.Equal(list.Images[0].Digests, []string{"acme/web" + digest}) {
		t.Errorf("list %+v, %v", list, err)
	}
	if list, err := c.Images(t.Context(), abi.ImageQuery{}, nil); err != nil || list.Total != 0 {
		t.Errorf("without a scope: %+v, %v", list, err)
	}
	for name, tc := range map[string]struct {
		ref  string
		keep KeepImage
		want abi.Code
	}{
		"by tag":                                   {"acme/web:1", acme, abi.OK},
		"by the whole name":                        {"docker.io/acme/web:1", anyImage, abi.OK},
		"by id":                                    {imageA, acme, abi.OK},
		"by a tag outside the scope":               {"other/web:1", acme, abi.Denied},
		"by id, all tags outside":                  {imageA, ofRepository("nginx"), abi.Denied},
		"without a tag":                            {imageB, acme, abi.Denied},
		"without a tag, in the scope of all":       {imageB, anyImage, abi.OK},
		"no scope at all":                          {"acme/web:1", nil, abi.Denied},
		"no scope at all, by id":                   {imageA, nil, abi.Denied},
		"the beginning of an id":                   {"aaaa", anyImage, abi.NotFound},
		"gone, in scope":                           {"acme/web:2", acme, abi.NotFound},
		"gone, out of scope: the same as if there": {"other/web:2", acme, abi.Denied},
		"gone, by id":                              {imageID(7), acme, abi.NotFound},
		"a digest":                                 {"acme/web" + digest, anyImage, abi.Invalid},
		"no reference":                             {"../containers/json", anyImage, abi.Invalid},
	} {
		t.Run(name, func(t *testing.T) {
			d, err := c.Image(t.Context(), abi.ImageRef{ID: tc.ref}, tc.keep)
			wantCode(t, err, tc.want)
			if err == nil && d.ID == imageA && tc.ref != "docker.io/acme/web:1" && !slices.Equal(d.Tags, []string{"acme/web:1"}) {
				t.Errorf("shows the tags %q", d.Tags)
			}
			_, err = c.ImageHistory(t.Context(), abi.ImageRef{ID: tc.ref}, tc.keep)
			if tc.want == abi.OK {
				tc.want = abi.NotFound // this engine has no history of it
			}
			wantCode(t, err, tc.want)
		})
	}
	before := f.requests.Load()
	for _, ref := range []string{"", "a b", "a?b", "a#b", "a%2fb", "..", "a/../b", "a\x00", "é", "Nginx", "a:", idA, strings.Repeat("a", 500), "a@b"} {
		_, err := c.Image(t.Context(), abi.ImageRef{ID: ref}, anyImage)
		wantCode(t, err, abi.Invalid)
	}
	if n := f.requests.Load() - before; n != 0 {
		t.Errorf("the engine saw %d requests with a bad reference", n)
	}
}

func TestDetailsOfAnImage(t *testing.T) {
	c := newClient(t, newFake(map[string]http.HandlerFunc{
		"/containers/json": body(`[{"Id":"` + idA + `","ImageID":"` + imageA + `"}]`),
		"/images/" + imageA + "/json": body(`{"Id":"` + imageA + `","RepoTags":["web:1"],"Os":"linux","Architecture":"arm","Variant":"v7",
		 "Author":"Ada","Comment":"built\nby https://ci:hunter2@example.org","Created":"2026-01-01T12:00:00.5Z","Size":4096,"VirtualSize":9999,
		 "RootFS":{"Type":"layers","Layers":["a","b"]},"ContainerConfig":{"Env":["LEAK=hunter2"]},
		 "Config":{"User":"65534","WorkingDir":"/srv","StopSignal":"SIGQUIT","Entrypoint":["/app","--password"],"Cmd":["hunter2","serve"],
		  "ExposedPorts":{"443/tcp":{},"80/tcp":{}},"Volumes":{"/data":{},"/cache":{}},
		  "Env":["PATH=/bin","DB_PASSWORD=hunter2","DB_URL=postgres://bob:hunter2@db/x","EMPTY=","BARE"],
		  "Labels":{"token":"hunter2","org.opencontainers.image.authors":"Ada"},
		  "Healthcheck":{"Test":["CMD-SHELL","curl -u bob:hunter2 localhost"]}}}`),
	}).serve(t))
	got, err := c.Image(t.Context(), abi.ImageRef{ID: imageA}, anyImage)
	if err != nil {
		t.Fatal(err)
	}
	want := abi.ImageDetails{
		Image: abi.Image{ID: imageA, Tags: []string{"web:1"}, Size: 4096, Created: 1_767_268_800_500, Containers: 1, Platform: "linux/arm/v7"},
		OS:    "linux", Architecture: "arm", Variant: "v7", Author: "Ada", Comment: "built by https://•••@example.org", Layers: 2,
		User: "65534", WorkingDir: "/srv", StopSignal: "SIGQUIT", Entrypoint: []string{"/app", "--password"}, Command: []string{masked, "serve"},
		Ports: []string{"80/tcp", "443/tcp"}, Volumes: []string{"/cache", "/data"},
		Env:         []abi.Label{{Name: "BARE"}, {Name: "DB_PASSWORD", Value: masked}, {Name: "DB_URL", Value: "postgres://•••@db/x"}, {Name: "EMPTY"}, {Name: "PATH", Value: "/bin"}},
		Labels:      []abi.Label{{Name: "org.opencontainers.image.authors", Value: "Ada"}, {Name: "token", Value: masked}},
		HealthCheck: "curl -u bob:••• localhost",
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("\n got %+v\nwant %+v", got, want)
	}
}

func TestWhatAnEngineLeavesOutOfAnImage(t *testing.T) {
	for name, tc := range map[string]struct {
		json string
		want abi.Code
	}{
		"null":             {`null`, abi.Unavailable},
		"empty":            {`{}`, abi.Unavailable},
		"a short id":       {`{"Id":"sha256:abc"}`, abi.Unavailable},
		"another image":    {`{"Id":"` + imageB + `"}`, abi.NotFound},
		"id only":          {`{"Id":"` + imageA + `"}`, abi.OK},
		"nulls":            {`{"Id":"` + imageA + `","RepoTags":null,"RepoDigests":null,"Config":null,"RootFS":null,"Created":null}`, abi.OK},
		"a null config":    {`{"Id":"` + imageA + `","Config":{"Env":null,"Cmd":null,"Entrypoint":null,"Healthcheck":{"Test":null},"Labels":null,"ExposedPorts":null}}`, abi.OK},
		"negative":         {`{"Id":"` + imageA + `","Size":-5,"Created":"0001-01-01T00:00:00Z","Config":{"Healthcheck":{"Test":["NONE"]}}}`, abi.OK},
		"size as a word":   {`{"Id":"` + imageA + `","Size":"big"}`, abi.Unavailable},
		"a nameless env":   {`{"Id":"` + imageA + `","Config":{"Env":["","=","=x"]}}`, abi.OK},
		"no health at all": {`{"Id":"` + imageA + `","Config":{"Healthcheck":{}}}`, abi.OK},
	} {
		t.Run(name, func(t *testing.T) {
			c := newClient(t, newFake(map[string]http.HandlerFunc{
				"/images/" + imageA + "/json": body(tc.json), "/images/" + imageA + "/history": body(`null`),
			}).serve(t))
			d, err := c.Image(t.Context(), abi.ImageRef{ID: imageA}, anyImage)
			wantCode(t, err, tc.want)
			if err == nil && (d.Size < 0 || d.Created != 0 || d.HealthCheck != "" || d.Containers != unknown) {
				t.Errorf("not cleaned: %+v", d)
			}
			history, err := c.ImageHistory(t.Context(), abi.ImageRef{ID: imageA}, anyImage)
			wantCode(t, err, tc.want)
			if err == nil && history.Layers == nil {
				t.Error("an empty history must be [] in JSON, not null")
			}
		})
	}
}

func TestHostileImages(t *testing.T) {
	var rows []string
	for i := range 1500 {
		rows = append(rows, fmt.Sprintf(`{"Id":"%s","RepoTags":["r%04d:%s"],"Size":%d,"Created":-5}`, imageID(i), i, strings.Repeat("t", 2000), int64(math.MaxInt64)))
	}
	rows = append(rows, `{"Id":"../../etc","RepoTags":["evil:1"]}`, `{"Id":"`+strings.ToUpper(imageA)+`"}`,
		`{"Id":"`+imageA+`","RepoTags":["a\u0000b\u202e:1","`+strings.Repeat(`x:1","`, 500)+`y"],"Size":-1}`)
	c := newClientWith(t, Config{Hosts: []string{newFake(map[string]http.HandlerFunc{
		"/images/json": body("[" + strings.Join(rows, ",") + "]"), "/containers/json": body(`{}`),
	}).serve(t)}, Timeout: 20 * time.Second})
	list, err := c.Images(t.Context(), abi.ImageQuery{}, anyImage)
	if err != nil {
		t.Fatal(err)
	}
	if list.Total != 1501 || len(list.Images) != MaxPage || list.Size != math.MaxInt64 {
		t.Errorf("total %d, %d rows, size %d", list.Total, len(list.Images), list.Size)
	}
	for _, i := range list.Images {
		if i.Size < 0 || i.Created != 0 || i.Containers != unknown || len(i.Tags) > maxTags || len([]rune(i.Tags[0])) > maxReference || strings.ContainsAny(i.Tags[0], "\x00\u202e") {
			t.Fatalf("not cleaned: %.300s", fmt.Sprintf("%+v", i))
		}
	}
}

func TestStepsOfABuildWithSecrets(t *testing.T) {
	for step, want := range map[string]string{
		`/bin/sh -c #(nop)  CMD ["nginx" "-g" "daemon off;"]`: `/bin/sh -c #(nop)  CMD ["nginx" "-g" "daemon off;"]`,
		`/bin/sh -c #(nop)  ENV DB_PASSWORD=two words A=b`:    `/bin/sh -c #(nop)  ENV DB_PASSWORD=••• A=b`,
		`ENV A=b API_TOKEN=x y z`:                             `ENV A=b API_TOKEN=•••`,
		`ENV PATH=/usr/local/bin:/bin`:                        `ENV PATH=/usr/local/bin:/bin`,
		`ENV DB_URL=postgres://bob:hunter2@db/x`:              `ENV DB_URL=postgres://•••@db/x`,
		`ARG NPM_TOKEN=hunter2`:                               `ARG NPM_TOKEN=•••`,
		`ARG NPM_TOKEN`:                                       `ARG NPM_TOKEN`,
		`LABEL com.example.api-key=two words`:                 `LABEL com.example.api-key=•••`,
		`RUN |1 TOKEN=hunter2 /bin/sh -c make`:                `RUN |1 TOKEN=••• /bin/sh -c make`,
		`/bin/sh -c curl -u bob:hunter2 https://h`:            `/bin/sh -c curl -u bob:••• https://h`,
		`/bin/sh -c #(nop) COPY file:abc in / `:               `/bin/sh -c #(nop) COPY file:abc in / `,
		``:                                                    ``,
	} {
		if got := maskStep(step); got != want {
			t.Errorf("%s\n got %s\nwant %s", step, got, want)
		}
	}
}

// FuzzMaskStep: a secret of an instruction does not show, whatever is around it.
func FuzzMaskStep(f *testing.F) {
	f.Add("A=b ", " C=d")
	f.Add("", " words")
	f.Fuzz(func(t *testing.T, before, after string) {
		const secret = "hunter2hunter2"
		if strings.Contains(before+after, "hunter2") {
			return
		}
		if got := maskStep("ENV " + before + " DB_PASSWORD=" + secret + " " + after); strings.Contains(got, secret) {
			t.Errorf("shows %q", got)
		}
	})
}

func TestImagesOfARealEngine(t *testing.T) {
	c := realClient(t)
	name := dockertest.Unique("cofferdam-real")
	id := dockertest.Build(t, []string{
		"ENV COLOUR=blue DB_PASSWORD=hunter2", `LABEL api.token=hunter2 team=blue`, "EXPOSE 8080 80/udp", "VOLUME /data",
		"USER 65534", "WORKDIR /srv", "STOPSIGNAL SIGQUIT", `HEALTHCHECK CMD ["/probe","exit","0"]`,
	}, name+":1", name+":two")
	keep := ofRepository(name)
	list, err := c.Images(t.Context(), abi.ImageQuery{}, keep)
	if err != nil || list.Total != 1 || list.Images[0].ID != id || list.Images[0].Containers != 0 || !strings.HasPrefix(list.Images[0].Platform, "linux/") || list.Dangling != 0 || list.Size <= 0 ||
		!slices.Equal(list.Images[0].Tags, []string{name + ":1", name + ":two"}) {
		t.Fatalf("list %+v, %v", list, err)
	}
	labels, mineOnly := mine(t)
	made := dockertest.Run(t, dockertest.Container{Image: name + ":1", Labels: labels, State: dockertest.Created})
	dockertest.Run(t, dockertest.Container{Labels: labels, State: dockertest.Created})
	used, err := c.List(t.Context(), abi.ContainerQuery{Image: id}, mineOnly)
	if err != nil || used.Total != 1 || used.Containers[0].ID != made {
		t.Errorf("used by %+v, %v; want %s", used, err, made)
	}
	if used, err := c.List(t.Context(), abi.ContainerQuery{Image: id}, nil); err != nil || used.Total != 0 {
		t.Errorf("without a scope used by %+v, %v", used, err)
	}
	for _, ref := range []string{id, name + ":1", "docker.io/library/" + name + ":two"} {
		k := keep
		if strings.HasPrefix(ref, "docker.io") {
			k = anyImage
		}
		d, err := c.Image(t.Context(), abi.ImageRef{ID: ref}, k)
		if err != nil {
			t.Fatal(err)
		}
		text := fmt.Sprintf("%+v", d)
		for _, want := range []string{"{Name:COLOUR Value:blue}", "{Name:DB_PASSWORD Value:•••}", "{Name:api.token Value:•••}"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s lacks %s: %s", ref, want, text)
			}
		}
		if d.ID != id || d.OS != "linux" || d.Architecture == "" || d.Layers < 1 || d.Containers != 1 || d.User != "65534" || d.WorkingDir != "/srv" ||
			d.StopSignal != "SIGQUIT" || d.HealthCheck != "/probe exit 0" || !slices.Equal(d.Ports, []string{"80/udp", "8080/tcp"}) ||
			!slices.Equal(d.Volumes, []string{"/data"}) || !slices.Equal(d.Entrypoint, []string{"/probe"}) || strings.Contains(text, "hunter2") {
			t.Errorf("%s: %s", ref, text)
		}
	}
	history, err := c.ImageHistory(t.Context(), abi.ImageRef{ID: name + ":1"}, keep)
	if err != nil || len(history.Layers) < 9 || !strings.Contains(history.Layers[0].CreatedBy, "HEALTHCHECK") || !slices.Contains(history.Layers[0].Tags, name+":1") {
		t.Errorf("history %+v, %v", history, err)
	}
	if text := fmt.Sprint(history); strings.Contains(text, "hunter2") || !strings.Contains(text, "DB_PASSWORD=•••") {
		t.Errorf("history with a secret: %s", text)
	}
}

// TestAnImageThatVanishes: between a list and a tap, images come and go.
func TestAnImageThatVanishes(t *testing.T) {
	c := realClient(t)
	name := dockertest.Unique("cofferdam-gone")
	var id string
	t.Run("there", func(t *testing.T) { id = dockertest.Build(t, nil, name+":1") })
	for _, ref := range []string{id, name + ":1"} {
		_, err := c.Image(context.Background(), abi.ImageRef{ID: ref}, anyImage)
		wantCode(t, err, abi.NotFound)
		_, err = c.ImageHistory(context.Background(), abi.ImageRef{ID: ref}, anyImage)
		wantCode(t, err, abi.NotFound)
	}
}
