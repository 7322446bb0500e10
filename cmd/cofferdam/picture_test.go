package main

import (
	"context"
	"fmt"
	"image"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/docker/docker/api/types/container"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
)

// pictures is where those of docs/SCREENS.md are kept.
const pictures = "../../docs/screens/"

// TestThePictures takes the pictures of the documents, as an admin with a phone
// sees a small shop. They are written only if COFFERDAM_PICTURES is 1; each run
// takes them and looks at them.
func TestThePictures(t *testing.T) {
	write := os.Getenv("COFFERDAM_PICTURES") == "1"
	w := openShop(t, write)
	d := startDemo(t, w.narrows, remembers(t))
	p := newTab(t, true)
	p.do(
		chromedp.EmulateViewport(390, 844, chromedp.EmulateMobile, chromedp.EmulateTouch, chromedp.EmulateScale(2)),
		chromedp.Navigate(d.url()),
	)
	// As narrow as the letters of phones.
	p.do(chromedp.Evaluate[chromedp.Void](`document.body.style.fontFamily = '"Liberation Sans", Roboto, sans-serif, "Noto Color Emoji"'`))
	for _, of := range []struct {
		file  string
		shots func(tab, shop) []image.Image
	}{
		{pictures + "menu.png", pictureOfTheMenus},
		{"../../docs/chat.png", pictureOfContainers},
		{pictures + "server.png", pictureOfTheServer},
		{pictures + "chart.png", pictureOfAChart},
		{pictures + "health.png", pictureOfHealth},
		{pictures + "images.png", pictureOfImages},
		{pictures + "logs.png", pictureOfALog},
		{pictures + "manage.png", pictureOfAQuestion},
		{pictures + "pending.png", pictureOfAModule},
	} {
		p.t = t
		picture := sideBySide(t, of.shots(p, w)...)
		name := filepath.Base(of.file)
		if size := picture.Bounds().Size(); size != (image.Point{X: 1680, Y: 1768}) || colours(picture) < 500 {
			t.Errorf("%s: %v with %d colours", name, size, colours(picture))
		}
		file := inFewColours(t, picture)
		if len(file) > largestPicture {
			t.Errorf("%s has %d bytes, more than %d", name, len(file), largestPicture)
		}
		if write {
			if err := os.WriteFile(of.file, file, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func pictureOfTheMenus(p tab, _ shop) []image.Image {
	p.types("/start")
	p.reads("Hello, Admin!", "What you can do here", "/containers")
	start := p.shoots()
	p.presses("⚡ Quick view")
	p.reads("Load: ", "Memory: ", "Containers: 7, 5 running", "As of ")
	return []image.Image{start, p.shoots()}
}

func pictureOfContainers(p tab, w shop) []image.Image {
	p.presses("🐳 Docker")
	p.sees("Engine: ")
	p.presses("📦 Containers")
	p.reads("7 containers, 5 running", w.names["backup"])
	list := p.shoots()
	p.taps("🟢 " + w.names["web-1"])
	p.reads("Health: healthy", "CPU: ", "Project: shop")
	return []image.Image{list, p.shoots()}
}

func pictureOfTheServer(p tab, _ shop) []image.Image {
	p.types("/server")
	p.sees("Kernel: ")
	p.presses("🧠 Memory load")
	p.reads("In use", "Available: ", "As of ")
	memory := p.shoots()
	p.presses("💾 File system")
	p.reads("File system", "free", "As of ")
	return []image.Image{memory, p.shoots()}
}

func pictureOfAChart(p tab, _ shop) []image.Image {
	p.types("/chart cpu")
	p.sees("CPU, last hour")
	p.taps("6 h")
	p.reads("CPU, last 6 hours", ", mean ", "Each point is the mean of ")
	light := p.shoots()
	id := ask[string](p, lastOfBot+`.dataset.messageId`)
	p.dark(true)
	p.taps("🌙 Dark")
	p.until("("+inlineKey+") !== undefined", "☀️ Light")
	dark := p.shoots()
	p.dark(false)
	if now := ask[string](p, lastOfBot+`.dataset.messageId`); now != id {
		p.t.Errorf("the picture is message %s after %s: it is replaced in place", now, id)
	}
	if was, is := paper(p.t, light), paper(p.t, dark); was < 200 || is > 60 {
		p.t.Errorf("the light picture's paper is %d, the dark one's %d", was, is)
	}
	return []image.Image{light, dark}
}

func pictureOfHealth(p tab, _ shop) []image.Image {
	p.types("/back")
	p.sees("Main menu")
	p.presses("❤️ Health")
	p.reads(" of 100", "What to do", "1 unhealthy container", "Telegram, receiving")
	health := p.shoots()
	p.taps("🔎 Parts of the bot")
	p.reads("Parts of the bot", "Audit log: ")
	return []image.Image{health, p.shoots()}
}

func pictureOfImages(p tab, w shop) []image.Image {
	p.types("/docker")
	p.sees("Engine: ")
	p.presses("🖼 Images")
	p.reads("6 images", w.base+"/postgres:17.2", "1 container")
	list := p.shoots()
	p.taps("🟢 " + w.base + "/postgres:17.2")
	p.reads("Entrypoint: ", "POSTGRES_PASSWORD=•••", "5432/tcp")
	if strings.Contains(p.text(), "hunter2") {
		p.t.Error("a secret is on the screen")
	}
	return []image.Image{list, p.shoots()}
}

func pictureOfALog(p tab, w shop) []image.Image {
	p.types("/logs " + w.names["api"])
	p.sees("A code, please")
	p.sendsTheCode()
	p.reads("lines", "GET /cart 200", "As of ")
	// Once more, without the question above it.
	p.types("/logs " + w.names["api"])
	p.reads("lines", "GET /cart 200", "As of ")
	all := p.shoots()
	p.types("/logs " + w.names["api"] + " timeout")
	p.reads("with “timeout”", "db: timeout after 2 s")
	return []image.Image{all, p.shoots()}
}

func pictureOfAQuestion(p tab, w shop) []image.Image {
	p.types("/manage " + w.names["web-2"])
	p.sees("State: running")
	page := p.shoots()
	p.taps("🔁 Restart")
	p.sees("Restart " + w.names["web-2"] + "?")
	return []image.Image{page, p.shoots()}
}

// pictureOfAModule is of a file that is dropped in.
func pictureOfAModule(p tab, w shop) []image.Image {
	file := tinyModule(p.t, abi.Manifest{
		Name: "watch", Version: "1.2.0", Description: "Restarts what hangs, and says so", Author: "somebody else", ABI: abi.Version,
		Commands: []abi.Command{{Name: "watch", Description: "What was restarted", Who: abi.WhoAdmin}},
		Capabilities: []abi.CapabilityRequest{
			{Name: "docker.containers.list", Scope: []string{"*"}, Reason: "looks which containers hang"},
			{Name: "kv", Scope: []string{"64KiB"}, Reason: "remembers what it restarted"},
			{Name: "notify", Scope: []string{"admins", "4/h"}, Reason: "says what hangs"},
			{Name: "docker.containers.logs", Scope: []string{"web-*"}, Reason: "shows why it hangs"},
			{Name: "docker.containers.restart", Scope: []string{"web-*", "api"}, Reason: "restarts what hangs"},
		},
	})
	if err := os.WriteFile(filepath.Join(w.drops, "watch.wasm"), file, 0o600); err != nil {
		p.t.Fatal(err)
	}
	p.reads("watch 1.2.0 waits for you", "restart containers named web-* or api", "somebody else", "As of ")
	waits := p.shoots()
	p.taps("✅ Approve")
	p.reads("Approve the module watch 1.2.0?", "It may:", "Nothing happens without your tap.")
	return []image.Image{waits, p.shoots()}
}

// testLabel is the label that every container of a test has; what follows it is
// there too.
var testLabel = regexp.MustCompile(`"` + regexp.QuoteMeta(dockertest.Label) + `":"[^"]*",`)

// shop is what the pictures show.
type shop struct {
	engine *proxy
	names  map[string]string // of the containers
	base   string            // of the images' names
	drops  string            // the folder of modules
}

// narrows shows a demo the shop only.
func (w shop) narrows(d *demo) {
	d.cfg.Docker.Host = []string{"unix://" + w.engine.socket}
	d.cfg.Modules.Dir = w.drops
	scope := slices.Sorted(maps.Values(w.names))
	on := func(unscoped string, names ...string) []config.Grant { return grants(unscoped, scope, names...) }
	d.cfg.Modules.Grants = seeing(scope...)
	d.cfg.Modules.Grants["logs"] = on("docker.info", "docker.containers.list", "docker.containers.logs")
	d.cfg.Modules.Grants["charts"] = append(on("docker.info", "docker.containers.list", "docker.containers.stats"), config.Grant{Capability: "metrics.history"})
	d.cfg.Modules.Grants["images"] = append(
		grants("docker.info", []string{w.base + "/*"}, "docker.images.list", "docker.images.inspect", "docker.images.history"),
		config.Grant{Capability: "docker.containers.list", Scope: scope})
	d.cfg.Modules.Grants["health"] = append(on("docker.info", "docker.containers.list"),
		grants("bot.health", nil, "bot.modules", "metrics.host", "metrics.memory", "metrics.disk", "metrics.sensors")...)
	d.cfg.Modules.Grants["manage"] = on("docker.info", "docker.containers.list", "docker.containers.inspect",
		"docker.containers.start", "docker.containers.stop", "docker.containers.restart", "docker.containers.pause",
		"docker.containers.unpause", "docker.containers.kill", "docker.containers.remove", "docker.containers.rename")
}

// engineCounts is what an engine says of how much it has. In the pictures it is the
// shop alone, whatever else is there.
var engineCounts = regexp.MustCompile(`"Containers":\d+,"ContainersRunning":\d+,"ContainersPaused":\d+,"ContainersStopped":\d+,"Images":\d+`)

// openShop makes the containers and images of the pictures. Their names are plain
// in those that are kept, and unique otherwise.
func openShop(t testing.TB, plain bool) shop {
	t.Helper()
	suffix := ""
	if !plain {
		suffix = dockertest.Unique("")
	}
	w := shop{names: map[string]string{}, base: "shop" + suffix, drops: t.TempDir()}
	healthy := func(code string) *container.HealthConfig {
		return &container.HealthConfig{Test: []string{"CMD", "/probe", "exit", code}, Interval: time.Second, Retries: 1}
	}
	for tag, lines := range shopImages {
		dockertest.Build(t, lines, w.base+"/"+tag)
	}
	var containers []dockertest.Container
	for _, c := range []struct {
		name, image string
		state       dockertest.State
		args        []string
		health      *container.HealthConfig
	}{
		{"web-1", "web:1.4.2", dockertest.Running, []string{"burn", "1"}, healthy("0")},
		{"web-2", "web:1.4.2", dockertest.Running, nil, healthy("1")},
		{"api", "api:2.0.1", dockertest.Running, append([]string{"say"}, requests()...), healthy("0")},
		{"db", "postgres:17.2", dockertest.Running, nil, healthy("0")},
		{"cache", "valkey:8.0.1", dockertest.Running, nil, nil},
		{"worker", "api:2.0.1", dockertest.Paused, nil, nil},
		{"backup", "backup:0.9.0", dockertest.Exited, []string{"exit", "0"}, nil},
	} {
		w.names[c.name] = c.name + suffix
		containers = append(containers, dockertest.Container{
			Name: c.name + suffix, State: c.state, Args: c.args, Image: w.base + "/" + c.image,
			Labels: map[string]string{"com.docker.compose.project": "shop", "org.opencontainers.image.title": c.name},
			Adjust: func(cfg *container.Config, host *container.HostConfig) {
				cfg.Healthcheck = c.health
				host.Memory, host.NanoCPUs = 256<<20, 400_000_000
			},
		})
	}
	for _, id := range dockertest.RunMany(t, len(containers), func(i int) dockertest.Container { return containers[i] }) {
		checked(t, id)
	}
	w.engine = newProxy(t, dockertest.Engine(t), func(body []byte) []byte {
		body = engineCounts.ReplaceAll(body, []byte(`"Containers":7,"ContainersRunning":5,"ContainersPaused":1,"ContainersStopped":1,"Images":6`))
		return testLabel.ReplaceAll(body, nil)
	})
	return w
}

// shopImages are instructions by the names of images.
var shopImages = map[string][]string{
	"web:1.4.2":     {"EXPOSE 8080", "USER 65534"},
	"web:1.4.1":     {"EXPOSE 8080"},
	"api:2.0.1":     {"EXPOSE 9000", "ENV LOG_LEVEL=info", "USER 65534"},
	"postgres:17.2": {"ENV PGDATA=/var/lib/postgresql/data POSTGRES_USER=shop POSTGRES_PASSWORD=hunter2", "EXPOSE 5432", "VOLUME /var/lib/postgresql/data", "STOPSIGNAL SIGINT", "LABEL org.opencontainers.image.title=postgres"},
	"valkey:8.0.1":  {"EXPOSE 6379"},
	"backup:0.9.0":  {"VOLUME /backup"},
}

// requests are what the shop's api logs.
func requests() (lines []string) {
	for i := range 28 {
		line := []string{"GET /cart 200 %d ms", "GET /items/%d1 200 9 ms", "POST /cart 201 1%d ms", "GET /health 200 0 ms"}[i%4]
		if strings.Contains(line, "%d") {
			line = fmt.Sprintf(line, 3+i*7%11)
		}
		lines = append(lines, "1"+line+`\n`)
		if i%9 == 7 {
			lines = append(lines, `2db: timeout after 2 s, trying again\n`)
		}
	}
	return lines
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
