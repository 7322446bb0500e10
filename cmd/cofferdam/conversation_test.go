package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
)

// The conversations below go over HTTP to the emulated Telegram, through the
// whole bot and into the sandboxed modules.

func TestAUserLooksAround(t *testing.T) {
	b := startBot(t)
	p := b.person(user, user)

	p.expect(p.says("/start"), "<b>👋 Hello, User!</b>", "/containers — ", "/help — ")
	if got := p.Keyboard(); !slices.EqualFunc(got, [][]string{{"🖥 Server", "🐳 Docker", "🧩 Plugins"}, {"⚡ Quick view", "❤️ Health", "ℹ️ About me"}}, slices.Equal[[]string]) {
		t.Errorf("main keyboard: %v", got)
	}
	p.expect(p.says("/help"), "What you can do here")
	p.expect(p.presses("ℹ️ About me"), "cofferdam", "core", "server", "containers")
	heading := fmt.Sprintf("🧩 %d modules, page ", builtInModules(t))
	p.expect(p.presses("🧩 Plugins"), heading+"1 of ", "core", "Author", "<code>bot.health</code>")
	p.expect(p.says("/modules"), heading+"1 of ", "metrics.history")
	p.expect(p.taps(fmt.Sprintf("2/%d ▶️", (builtInModules(t)+4)/5)), heading+"2 of ", "docker.images.list")

	p.expect(p.presses("🖥 Server"), "<b>🖥 Server</b>", "Kernel")
	p.expect(p.presses("📈 Load average"), "Load average", "1 min")
	p.expect(p.taps("🔄 Refresh"), "Load average")
	p.expect(p.says("memory load"), "<b>", "Available", "Used")
	p.expect(p.says("CPU"), "CPU", "Total")
	p.expect(p.says("/uptime"), "Uptime")
	p.expect(p.presses("⬅️ Back"), "Main menu")
	p.expect(p.says("/quick"), "Quick view", "Docker")
	p.expect(p.says("/nonsense"), "I do not know that command")
}

func TestIDsAreToldToAnybodyAndDeleted(t *testing.T) {
	b := startBot(t)
	p := b.person(stranger, stranger)
	m := p.says("/getmyid")
	p.expect(m, "5003", "allowed_user_ids")
	if strings.Contains(m.Text, "Stranger") {
		t.Error("a name that a stranger chose is repeated")
	}
}

func TestAStrangerHearsAShortRefusalTwice(t *testing.T) {
	b := startBot(t)
	p := b.person(stranger, stranger)
	for range 2 {
		p.expect(p.says("/containers"), "not on this bot's list")
	}
	for range 3 {
		p.Type("/containers")
	}
	// A friend's message behind theirs shows that theirs were handled.
	friend := b.person(user, user)
	friend.says("/start")
	// What comes after the block, and not together with what led to it, is
	// dropped before it is an update.
	b.awaitAny(5, "update.refused", "access.silenced")
	if n := answers(p); n != 2 {
		t.Errorf("%d answers to a stranger, want 2", n)
	}
}

func answers(p person) int {
	n := 0
	for _, m := range p.Messages() {
		if m.From.IsBot {
			n++
		}
	}
	return n
}

func TestInAGroupOnlyWhatIsMeantForTheBot(t *testing.T) {
	b := startBot(t)
	u, s := b.person(user, group), b.person(stranger, group)
	u.expect(u.says("/load@"+b.world.Bot().Username), "Load average")
	u.Type("what is the load average today?")
	u.Type("/load@some_other_bot")
	s.Type("/load")
	u.expect(u.says("load average"), "Load average")
	if n := answers(u); n != 2 {
		t.Errorf("%d answers in the group, want 2", n)
	}
	// Buttons are for the one who asked.
	if answer := b.person(admin, group).tapsOnly("🔄 Refresh"); !strings.Contains(answer.Text, "somebody else") {
		t.Errorf("another's button was answered with %q", answer.Text)
	}
}

func TestDockerAwayIsSaidAndTheRestGoesOn(t *testing.T) {
	b := startBot(t)
	p := b.person(user, user)
	for _, command := range []string{"/containers", "/docker"} {
		p.expect(p.says(command), "There is no Docker socket")
	}
	p.expect(p.says("/memory"), "Available")
	p.expect(p.says("/quick"), "Docker", "Uptime")
}

// builtInModules is how many modules of this binary run if the config says
// nothing about them.
func builtInModules(t testing.TB) int {
	t.Helper()
	specs, err := builtIn(&config.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return len(specs)
}

// usersCommands are those that the built-in modules have for every user, and show,
// but for some modules.
func usersCommands(t testing.TB, without ...string) string {
	t.Helper()
	files, err := filepath.Glob("../../modules/*/manifest.yaml")
	if err != nil || len(files) != builtInModules(t)+len(optional) {
		t.Fatalf("%d manifests, %v", len(files), err)
	}
	var names []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var manifest struct {
			Name     string
			Commands []struct {
				Name, Who string
				Hidden    bool
			}
		}
		if err := yaml.Unmarshal(text, &manifest); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, c := range manifest.Commands {
			if !slices.Contains(without, manifest.Name) && optional[manifest.Name] == nil && c.Who != "admin" && !c.Hidden {
				names = append(names, c.Name)
			}
		}
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// await waits until the log has an event n times.
func (b *bot) await(event string, n int) {
	b.t.Helper()
	b.awaitLines(`"event":"`+event+`"`, n)
}

// awaitAny waits until the log has n lines of some events together.
func (b *bot) awaitAny(n int, events ...string) {
	b.t.Helper()
	var texts []string
	for _, event := range events {
		texts = append(texts, `"event":"`+event+`"`)
	}
	b.awaitTexts(n, texts...)
}

// awaitLines waits until the log has a text n times.
func (b *bot) awaitLines(text string, n int) {
	b.t.Helper()
	b.awaitTexts(n, text)
}

func (b *bot) awaitTexts(n int, texts ...string) {
	b.t.Helper()
	deadline := timeout()
	for {
		found, log := 0, b.log.String()
		for _, text := range texts {
			found += strings.Count(log, text)
		}
		if found >= n {
			return
		}
		select {
		case <-deadline:
			b.t.Fatalf("the log does not have %v %d times", texts, n)
		case <-tick():
		}
	}
}
