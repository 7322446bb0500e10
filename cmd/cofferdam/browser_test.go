package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/security/ratelimit"
)

// The tests below look at `cofferdam demo` with a real browser.

// startDemo runs what `cofferdam demo` runs, on a free port.
func startDemo(t testing.TB, changes ...func(*demo)) *demo {
	t.Helper()
	logs := &logBuffer{}
	d, err := newDemo(runFlags{logLevel: "debug", logFormat: "json"}, "127.0.0.1:0", "", logs)
	if err != nil {
		t.Fatal(err)
	}
	d.o.cacheDir = moduleCache(t)
	d.o.userLimit = ratelimit.New[int64](100_000, time.Second, usersAtMost) // a test is quicker than people
	for _, change := range changes {
		change(d)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- d.run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the demo ended with: %v", err)
		}
		if t.Failed() {
			t.Logf("the demo's log:\n%s", logs)
		}
	})
	return d
}

// shows narrows the demo to containers, by patterns.
func shows(engine string, scope ...string) func(*demo) {
	return func(d *demo) {
		d.cfg.Docker.Host = []string{engine}
		d.cfg.Modules.Grants = seeing(scope...)
	}
}

// tab is a tab of a browser.
type tab struct {
	t   testing.TB
	ctx context.Context
}

// newTab starts a browser with an empty profile. The test fails if a page puts
// an error or a warning on the console, unless it does not mind.
func newTab(t testing.TB, minds bool) tab {
	t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(browserPath(t)), chromedp.UserDataDir(t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.WindowSize(1280, 800),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
	)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("start the browser: %v", err)
	}
	p := tab{t, ctx}
	var listening sync.WaitGroup
	messages := chromedp.Console(ctx)
	listening.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if minds && (m.IsException() || m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning) {
				t.Errorf("the console has: %s (%s)", m, m.URL)
			}
		}
	})
	t.Cleanup(func() { closeTab(); listening.Wait() })
	return p
}

// browserPath finds a browser, or skips the test.
func browserPath(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	const reason = "there is no chromium, chromium-browser or google-chrome"
	if os.Getenv("COFFERDAM_CI") == "1" {
		t.Fatal(reason)
	}
	t.Skip(reason)
	return ""
}

func (p tab) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		p.t.Fatalf("%v\nthe page says:\n%s", err, p.text())
	}
}

func ask[T any](p tab, expression string) T {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

func (p tab) text() string { return ask[string](p, `document.body.innerText`) }

// until waits for an expression of JavaScript to be true.
func (p tab) until(expression string, args ...any) {
	p.t.Helper()
	for i, arg := range args {
		args[i] = strconv.Quote(arg.(string)) // JavaScript reads what Go writes of plain text
	}
	expression = fmt.Sprintf(expression, args...)
	for deadline := timeout(); !ask[bool](p, expression); {
		select {
		case <-deadline:
			p.t.Fatalf("never true: %s\nthe page says:\n%s", expression, p.text())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// Elements of the page, as JavaScript.
const (
	lastOfBot = `[...document.querySelectorAll('.message.other')].at(-1)`
	keyWith   = `[...document.querySelectorAll('.reply-key:enabled')].find((key) => key.textContent === %s)`
	inlineKey = `[...document.querySelectorAll('.inline-keyboard .key:enabled')].findLast((key) => key.textContent === %s)`
	linkTo    = `document.querySelector('a.chat-link[href="#as=%d&chat=%d"]')`
)

// sees waits until the bot's last message has a text.
func (p tab) sees(text string) {
	p.t.Helper()
	p.until("("+lastOfBot+")?.innerText.includes(%s) ?? false", text)
}

// types a text and sends it.
func (p tab) types(text string) {
	p.t.Helper()
	p.until(`document.body.dataset.state === "live"`)
	p.do(chromedp.SendKeys(chromedp.CSS("#composer"), text+"\r"))
}

// clicks an element with the mouse, or with a finger on a phone.
func (p tab) clicks(element string, label string) {
	p.t.Helper()
	p.until("Boolean("+element+")", label)
	element = fmt.Sprintf(element, strconv.Quote(label))
	if ask[bool](p, `matchMedia("(pointer: coarse)").matches`) {
		p.do(chromedp.Tap(chromedp.JSPath(element)))
		return
	}
	p.do(chromedp.Click(chromedp.JSPath(element)))
}

func (p tab) presses(label string) { p.t.Helper(); p.clicks(keyWith, label) }
func (p tab) taps(label string)    { p.t.Helper(); p.clicks(inlineKey, label) }

// goes to a chat as somebody, by the links beside the chat.
func (p tab) goes(as, chat int64) {
	p.t.Helper()
	link := fmt.Sprintf(linkTo, as, chat)
	p.do(chromedp.Click(chromedp.JSPath(link)))
	p.until(link + `.ariaCurrent === "page" && document.body.dataset.state === "live"`)
}

func TestTheDemoInABrowser(t *testing.T) {
	s := newScene(t)
	s.has(dockertest.Container{Name: s.mark}, dockertest.Container{State: dockertest.Created})
	d := startDemo(t, shows(s.host, "label:test="+s.mark))
	p := newTab(t, true)
	p.do(chromedp.Navigate(d.url()))

	p.types("/start")
	p.sees("Hello, Admin!")
	p.presses("🐳 Docker")
	p.sees("Engine: ")
	p.presses("📦 Containers")
	p.sees("2 containers, 1 running")
	messages := ask[int](p, `document.querySelectorAll(".message").length`)
	p.taps("🟢 " + s.mark)
	p.sees("State: running")
	p.sees("Processes and threads: ")
	p.taps("🔄 Refresh")
	p.until(`document.querySelectorAll(".key.waiting").length === 0`)
	p.taps("⬅️ Back")
	p.sees("2 containers, 1 running")
	if n := ask[int](p, `document.querySelectorAll(".message").length`); n != messages {
		t.Errorf("%d messages became %d: a view is edited in place", messages, n)
	}

	p.goes(demoUser, demoUser)
	p.types("/start")
	p.sees("Hello, User!")
	p.goes(demoStranger, demoStranger)
	p.types("/containers")
	p.sees("not on this bot's list")
	p.goes(demoUser, demoGroup)
	p.types("/load@" + d.world.Bot().Username)
	p.sees("Load average")
	p.goes(demoAdmin, demoGroup)
	p.sees("Load average")
	p.taps("🔄 Refresh")
	p.until(`document.querySelector("#alert[open]")?.textContent.includes("somebody else") ?? false`)
	p.do(chromedp.Click(chromedp.CSS("#alert .confirm")))
	p.goes(demoAdmin, demoAdmin)
	p.sees("Somebody who is on no list wrote to me")
}

// Who tries the demo has no authenticator that knows the demo's secret: the page
// stands in for it.
func TestTheDemoActsInABrowser(t *testing.T) {
	s := newScene(t)
	id := s.has(dockertest.Container{Name: s.mark})[0]
	d := startDemo(t, shows(s.host, "label:test="+s.mark))
	p := newTab(t, true)
	p.do(chromedp.Navigate(d.url()))
	says := `document.body.innerText.includes(%s)`

	p.types("/manage " + s.mark)
	p.sees("State: running")
	p.taps("⏹ Stop")
	p.sees("A code, please")
	p.until(`!document.querySelector("#authenticator").hidden`)
	p.do(chromedp.Click(chromedp.CSS("#authenticator")), chromedp.SendKeys(chromedp.CSS("#composer"), "\r"))
	p.until(says, "Your backup codes")
	p.sees("Stop " + s.mark + "?")
	p.taps("Stop " + s.mark)
	p.until(says, "It was stopped.")
	if got := s.state(id); got != "exited" {
		t.Errorf("the engine says it is %s", got)
	}
	p.until("!"+says, "A code, please") // the questions are gone
	p.until("!"+says, "You have 60 seconds")
}

func TestTheDemoOnAPhone(t *testing.T) {
	s := newScene(t)
	long := s.mark + strings.Repeat("-long", (63-len(s.mark))/5)
	s.has(dockertest.Container{Name: long, Labels: map[string]string{"com.example.some-long-label": strings.Repeat("unbroken", 20)}})
	d := startDemo(t, shows(s.host, "label:test="+s.mark))
	p := newTab(t, true)
	p.do(
		chromedp.EmulateViewport(360, 640, chromedp.EmulateMobile, chromedp.EmulateTouch),
		chromedp.Navigate(d.url()),
	)
	fits := func(view string) {
		t.Helper()
		if over := ask[[]string](p, tooWide); len(over) > 0 {
			t.Errorf("%s: wider than the screen: %q", view, over)
		}
	}
	p.types("/start")
	p.sees("Hello, Admin!")
	fits("start")
	for _, step := range []struct {
		label, sees string
		act         func(tab, string)
	}{
		{"⚡ Quick view", "Processes: ", tab.presses},
		{"ℹ️ About me", fmt.Sprintf("%d modules", builtInModules(t)), tab.presses},
		{"🐳 Docker", "Engine: ", tab.presses},
		{"📦 Containers", "1 container, 1 running", tab.presses},
	} {
		step.act(p, step.label)
		p.sees(step.sees)
		fits(step.label)
	}
	p.taps(ask[string](p, lastOfBot+`.querySelector(".key").textContent`))
	p.sees("State: running")
	fits("a container")
	p.do(chromedp.SetValue(chromedp.CSS("#persona"), strconv.Itoa(demoStranger)),
		chromedp.Evaluate[chromedp.Void](`document.querySelector("#persona").dispatchEvent(new Event("change"))`))
	p.until(`document.querySelector("#about").textContent.includes("sees nothing")`)
	p.types("/containers")
	p.sees("not on this bot's list")
	fits("a stranger")
}

// tooWide lists what reaches over the screen's edges and cannot be scrolled to.
const tooWide = `[...document.querySelectorAll("body *")].filter((node) => {
	const box = node.getBoundingClientRect();
	return box.width > 0 && (box.right > innerWidth + 1 || box.left < -1) && !node.closest("pre");
}).map((node) => node.outerHTML.slice(0, 200))`

func TestBadInputInABrowser(t *testing.T) {
	d := startDemo(t)
	p := newTab(t, true)
	// Somebody and a chat that are not there: the first ones are opened.
	p.do(chromedp.Navigate(d.url() + "/#as=12&chat=<b>"))
	p.until(`location.hash === %s`, fmt.Sprintf("#as=%d&chat=%d", demoAdmin, demoAdmin))
	const own = `[...document.querySelectorAll(".message.own")].at(-1)`
	for _, text := range []string{
		`<img src="x" onerror="alert(1)">`, `<b>&amp;</b> *_[x](javascript:alert(1))`, "/", "/start@another_bot", "/🦀",
		"שלום 🏳️‍🌈 \u202eend", strings.Repeat("x", 4096), strings.Repeat("1 ", 2000),
	} {
		p.until(`document.body.dataset.state === "live"`)
		count := ask[int](p, `document.querySelectorAll(".message.other").length`)
		// Typing thousands of keys would take the test's time, not the page's.
		p.do(chromedp.SetValue(chromedp.CSS("#composer"), text), chromedp.SendKeys(chromedp.CSS("#composer"), " \r"))
		p.until(own+`?.querySelector(".text").textContent.startsWith(%s) ?? false`, strings.TrimSpace(text))
		if text == "/start@another_bot" {
			continue
		}
		p.until(fmt.Sprintf(`document.querySelectorAll(".message.other").length > %d`, count))
		p.sees("I do not know that command")
		if over := ask[[]string](p, tooWide); len(over) > 0 {
			t.Errorf("%.20q: wider than the screen: %q", text, over)
		}
	}
	if n := ask[int](p, `document.querySelectorAll(".log img, .log script, .log b, .log a[href^='javascript:']").length`); n > 0 {
		t.Errorf("%d elements came out of typed text", n)
	}
}

// A page of another site can make the reader's browser send requests to the
// demo. None of them may make the bot do anything.
func TestAForgedRequestIsRefused(t *testing.T) {
	d := startDemo(t)
	target := fmt.Sprintf("%s/api/chats/%d/messages", d.url(), demoAdmin)
	body := fmt.Sprintf(`{"as":%d,"text":"/start"}`, demoAdmin)
	evil := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<!doctype html><link rel="icon" href="data:,"><iframe name="sink"></iframe>
<form method="post" enctype="text/plain" target="sink" action=%q><input name='{"as":%d,"text":"/start","x":"' value='"}'></form>`, target, demoAdmin)
	}))
	defer evil.Close()

	response, err := http.Post(target, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusForbidden || !strings.Contains(string(answer), "does not come from the chat page") {
		t.Errorf("a request without the page's token: %d %s %v", response.StatusCode, answer, err)
	}

	p := newTab(t, false)
	// Another name is another site, even on the same machine.
	p.do(chromedp.Navigate(strings.Replace(evil.URL, "127.0.0.1", "localhost", 1)))
	send := func(options string) string {
		return ask[string](p, fmt.Sprintf(`fetch(%q, {method: "POST", body: %q, %s}).then((r) => r.type + " " + r.status, (e) => e.name)`, target, body, options))
	}
	for options, want := range map[string]string{
		`mode: "no-cors"`: "opaque 0", // sent, and its answer is out of reach
		`headers: {"Content-Type": "application/json", "X-Cofferdam-Page": "guess"}`: "TypeError", // not even sent
	} {
		if got := send(options); got != want && got != "TypeError" {
			t.Errorf("%s: %q, want %q", options, got, want)
		}
	}
	if got := ask[string](p, fmt.Sprintf(`fetch(%q).then((r) => r.text(), (e) => e.name)`, d.url()+"/")); got != "TypeError" {
		t.Errorf("another site can read the page, and so its token: %q", got)
	}
	ask[chromedp.Void](p, `new Promise((done) => { document.querySelector("iframe").onload = done; document.forms[0].submit(); setTimeout(done, 2000); })`)
	if messages := d.world.Client(demoAdmin, demoAdmin).Messages(); len(messages) > 0 {
		t.Errorf("a forged request arrived: %+v", messages)
	}
}
