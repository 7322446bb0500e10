package main

import (
	"bytes"
	"context"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/docker/docker/api/types/container"
	dockerimage "github.com/docker/docker/api/types/image"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

// TestThePicture takes the picture of the README. It is written only if
// COFFERDAM_PICTURES is 1.
func TestThePicture(t *testing.T) {
	write := os.Getenv("COFFERDAM_PICTURES") == "1"
	names := shop(t, write)
	engine := newProxy(t, dockertest.Engine(t), func(body []byte) []byte { return testLabel.ReplaceAll(body, nil) })
	d := startDemo(t, shows("unix://"+engine.socket, slices.Collect(maps.Values(names))...))
	p := newTab(t, true)
	p.do(
		chromedp.EmulateViewport(430, 932, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2)),
		chromedp.Navigate(d.url()),
	)
	// As narrow as the letters of phones.
	p.do(chromedp.Evaluate[chromedp.Void](`document.body.style.fontFamily = '"Liberation Sans", Roboto, sans-serif, "Noto Color Emoji"'`))
	p.types("/docker")
	p.sees("Engine: ")
	p.presses("📦 Containers")
	p.sees("7 containers, 5 running")
	list := p.shoots()
	p.taps("🟢 " + names["web-1"])
	p.sees("Health: healthy")
	page := p.shoots()

	picture := sideBySide(t, list, page)
	if b := picture.Bounds(); b.Dx() < 1600 || b.Dy() < 1700 || colours(picture) < 500 {
		t.Errorf("the picture is %v with %d colours", b, colours(picture))
	}
	var file bytes.Buffer
	if err := png.Encode(&file, picture); err != nil {
		t.Fatal(err)
	}
	if write {
		if err := os.WriteFile("../../docs/chat.png", file.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// testLabel is the label that every container of a test has; what follows it is
// there too.
var testLabel = regexp.MustCompile(`"` + regexp.QuoteMeta(dockertest.Label) + `":"[^"]*",`)

// shop makes the containers of the picture. Their names are plain in the
// picture that is kept, and unique otherwise.
func shop(t testing.TB, plain bool) map[string]string {
	t.Helper()
	suffix := ""
	if !plain {
		suffix = dockertest.Unique("")
	}
	healthy := func(code string) *container.HealthConfig {
		return &container.HealthConfig{Test: []string{"CMD", "/probe", "exit", code}, Interval: time.Second, Retries: 1}
	}
	names := map[string]string{}
	var containers []dockertest.Container
	for _, c := range []struct {
		name, image string
		state       dockertest.State
		args        []string
		health      *container.HealthConfig
	}{
		{"web-1", "shop/web:1.4.2", dockertest.Running, []string{"burn", "1"}, healthy("0")},
		{"web-2", "shop/web:1.4.2", dockertest.Running, nil, healthy("1")},
		{"api", "shop/api:2.0.1", dockertest.Running, nil, healthy("0")},
		{"db", "shop/postgres:17.2", dockertest.Running, nil, healthy("0")},
		{"cache", "shop/valkey:8.0.1", dockertest.Running, nil, nil},
		{"worker", "shop/api:2.0.1", dockertest.Paused, nil, nil},
		{"backup", "shop/backup:0.9.0", dockertest.Exited, []string{"exit", "0"}, nil},
	} {
		names[c.name] = c.name + suffix
		tag(t, c.image)
		containers = append(containers, dockertest.Container{
			Name: c.name + suffix, State: c.state, Args: c.args,
			Labels: map[string]string{"com.docker.compose.project": "shop", "org.opencontainers.image.title": c.name},
			Adjust: func(cfg *container.Config, host *container.HostConfig) {
				cfg.Image, cfg.Healthcheck = c.image, c.health
				host.Memory, host.NanoCPUs = 256<<20, 400_000_000
			},
		})
	}
	for _, id := range dockertest.RunMany(t, len(containers), func(i int) dockertest.Container { return containers[i] }) {
		checked(t, id)
	}
	return names
}

// checked waits until a container's health is known, if it has a health check
// and runs.
func checked(t testing.TB, id string) {
	t.Helper()
	cli := dockertest.Client(t)
	for deadline := timeout(); ; {
		c, err := cli.ContainerInspect(context.Background(), id)
		if err != nil {
			t.Fatal(err)
		}
		if c.State.Health == nil || c.State.Health.Status != container.Starting {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("the health of %s is never known", c.Name)
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// tag gives the test image another name for the time of a test.
func tag(t testing.TB, name string) {
	t.Helper()
	cli := dockertest.Client(t)
	if err := cli.ImageTag(context.Background(), dockertest.Image(t), name); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, err := cli.ImageRemove(context.Background(), name, dockerimage.RemoveOptions{})
		if err != nil && !strings.Contains(err.Error(), "No such image") {
			t.Errorf("remove the tag %s: %v", name, err)
		}
	})
}

// shoots takes a screenshot when the page has come to rest.
func (p tab) shoots() image.Image {
	p.t.Helper()
	p.until(`document.getAnimations().length === 0 && document.querySelectorAll(".key.waiting").length === 0`)
	data, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	shot, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		p.t.Fatal(err)
	}
	return shot
}

// sideBySide puts pictures onto one background.
func sideBySide(t testing.TB, shots ...image.Image) *image.RGBA {
	t.Helper()
	const gap = 40
	size := shots[0].Bounds().Size()
	all := image.NewRGBA(image.Rect(0, 0, gap+(size.X+gap)*len(shots), size.Y+2*gap))
	draw.Draw(all, all.Bounds(), image.NewUniform(color.RGBA{R: 0x2f, G: 0x4a, B: 0x5c, A: 0xff}), image.Point{}, draw.Src)
	for i, shot := range shots {
		at := image.Pt(gap+i*(size.X+gap), gap)
		draw.Draw(all, image.Rectangle{Min: at, Max: at.Add(size)}, shot, shot.Bounds().Min, draw.Src)
	}
	return all
}

// colours counts them in every seventh line.
func colours(p *image.RGBA) int {
	seen := map[color.RGBA]bool{}
	for y := 0; y < p.Bounds().Dy(); y += 7 {
		for x := range p.Bounds().Dx() {
			seen[p.RGBAAt(x, y)] = true
		}
	}
	return len(seen)
}
