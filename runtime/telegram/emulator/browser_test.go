package emulator

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/go-telegram/bot"
	"github.com/go-telegram/bot/models"
)

// The tests below look at the page with a real browser.

const browserPatience = 60 * time.Second

// tab is a tab of a browser.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// open starts a browser with an empty profile and opens the page in it. The test fails if the page puts an error or a
// warning on the console.
func (p *pageWorld) open(steps ...chromedp.Action[chromedp.Void]) tab {
	p.t.Helper()
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(browserPath(p.t)), chromedp.UserDataDir(p.t.TempDir()),
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.NoFirstRun, chromedp.WindowSize(1280, 800),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true),
	)
	ctx, stop := chromedp.NewExecAllocator(context.Background(), options...)
	p.t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	if err := chromedp.Do(ctx); err != nil {
		p.t.Fatalf("start the browser: %v", err)
	}
	var listening sync.WaitGroup
	messages := chromedp.Console(ctx)
	listening.Go(func() {
		for m, err := range messages {
			if err != nil {
				return
			}
			if m.IsException() || m.Type == chromedp.ConsoleError || m.Type == chromedp.ConsoleWarning {
				p.t.Errorf("the console has: %s (%s)", m, m.URL)
			}
		}
	})
	p.t.Cleanup(func() { closeTab(); listening.Wait() })
	b := tab{p.t, ctx}
	b.do(append(steps, chromedp.Navigate(p.page.URL))...)
	b.until(live)
	return b
}

// browserPath finds a browser, or skips the test.
func browserPath(t *testing.T) string {
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

func (b tab) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatal(err)
	}
}

// ask gives the value of an expression of JavaScript.
func ask[T any](b tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, browserPatience)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// until waits for an expression of JavaScript to be true; %s in it stands for texts.
func (b tab) until(expression string, texts ...any) {
	b.t.Helper()
	for i, text := range texts {
		texts[i] = string(mustJSON(text))
	}
	expression = fmt.Sprintf(expression, texts...)
	for deadline := time.After(browserPatience); !ask[bool](b, expression); {
		select {
		case <-deadline:
			b.t.Fatalf("never true: %s\nthe page says:\n%s", expression, ask[string](b, `document.body.innerText`))
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// box is where an element is, in CSS pixels.
type box struct{ Left, Top, Right, Bottom, Width, Height float64 }

func (b tab) box(element string) box {
	b.t.Helper()
	var out box
	raw := ask[string](b, `JSON.stringify(`+element+`.getBoundingClientRect())`)
	if err := json.Unmarshal([]byte(raw), &out); err != nil {
		b.t.Fatalf("%s: %s: %v", element, raw, err)
	}
	return out
}

// Elements and states of the page, as JavaScript.
const (
	live      = `document.body.dataset.state === "live"`
	chip      = `document.querySelector("#authenticator")`
	composer  = `document.querySelector("#composer")`
	lastPhoto = `[...document.querySelectorAll(".photo img")].at(-1)`
)

// becomes chooses a persona by the link to one of its chats.
func (b tab) becomes(as, chat int64) {
	b.t.Helper()
	link := fmt.Sprintf(`document.querySelector('a.chat-link[href="#as=%d&chat=%d"]')`, as, chat)
	b.do(chromedp.Click(chromedp.JSPath(link)))
	b.until(link + `.ariaCurrent === "page" && ` + live)
}

func (b tab) shows(code string) {
	b.t.Helper()
	b.until(`!`+chip+`.hidden && `+chip+`.ariaLabel === %s`, "Insert the code "+code+" of the authenticator")
}

func TestTheAuthenticatorInABrowser(t *testing.T) {
	var app app
	app.set("123456", 25*time.Second)
	p := newPageWorldWith(t, app.show)
	b := p.open()

	b.shows("123456")
	if got := ask[string](b, chip+`.innerText.replace(/\s+/g, " ")`); !strings.HasPrefix(got, "🔢 Authenticator: 123 456 2") || !strings.HasSuffix(got, " s") {
		t.Errorf("the button says %q", got)
	}
	if got := ask[bool](b, `Boolean(`+chip+`.closest("[aria-live]"))`); got {
		t.Error("each second would be read out")
	}
	before := len(p.Client(ada, ada).Messages())
	b.do(chromedp.SendKeys(chromedp.CSS("#composer"), "/confirm "), chromedp.Click(chromedp.CSS("#authenticator")))
	b.until(composer+`.value === %s && document.activeElement === `+composer, "/confirm 123456")

	app.set("000042", time.Millisecond) // over at once: the page must look again without being told
	b.shows("000042")
	app.set("654321", 25*time.Second)
	b.shows("654321")
	b.do(chromedp.Click(chromedp.CSS("#authenticator")))
	b.until(composer+`.value === %s`, "/confirm 654321") // in place of the one that is too old
	if n := len(p.Client(ada, ada).Messages()); n != before {
		t.Errorf("%d messages were sent by inserting", n-before)
	}
	b.do(chromedp.SendKeys(chromedp.CSS("#composer"), "\r"))
	b.until(`[...document.querySelectorAll(".message.own .text")].some((text) => text.textContent.startsWith(%s))`, "/confirm 654321")
	b.until(composer + `.value === ""`)

	b.do(chromedp.Focus(chromedp.CSS("#composer")), chromedp.KeyEvent(kb.Tab, chromedp.KeyModifiers(chromedp.ModifierShift)))
	b.until(`document.activeElement === ` + chip + ` && getComputedStyle(` + chip + `).outlineStyle === "solid"`)
	app.reset()
	b.until(chip + `.hidden && document.activeElement === ` + composer)
	app.set("111222", 25*time.Second)
	b.shows("111222")

	b.becomes(30, 30)
	b.until(chip + `.hidden`)
	b.becomes(ada, group)
	b.shows("111222")
}

func TestTheAuthenticatorOnAPhone(t *testing.T) {
	var app app
	app.set("123456", 25*time.Second)
	p := newPageWorldWith(t, app.show)
	b := p.open(chromedp.EmulateViewport(320, 568, chromedp.EmulateMobile, chromedp.EmulateTouch))
	b.shows("123456")
	at, input := b.box(chip), b.box(composer)
	if at.Left < 0 || at.Right > 320 || at.Height < 40 || at.Bottom > input.Top {
		t.Errorf("the button is at %+v, the input at %+v", at, input)
	}
	if ask[bool](b, `document.querySelector("#authenticator-left").getBoundingClientRect().right > `+chip+`.getBoundingClientRect().right`) {
		t.Error("the seconds reach over the button")
	}
	b.do(chromedp.Tap(chromedp.CSS("#authenticator")))
	b.until(composer+`.value === %s`, "123456")
	b.do(chromedp.Tap(chromedp.CSS("#send")))
	b.until(`document.querySelectorAll(".message.own").length === 2`)
}

// leastQR is the side, in CSS pixels, that a QR code has to have to be scanned off a screen.
const leastQR = 256

func TestAQRCodeIsShownLargeEnoughToScan(t *testing.T) {
	p := newPageWorld(t)
	sender := library(t, p.world)
	b := p.open()
	for _, screen := range []struct{ width, height int64 }{{1280, 800}, {360, 640}, {320, 568}, {640, 360}} {
		b.do(chromedp.EmulateViewport(screen.width, screen.height))
		for _, side := range []int{200, 256, 600} {
			m, err := sender.SendPhoto(t.Context(), &bot.SendPhotoParams{ChatID: ada, Caption: "Scan this",
				Photo: &models.InputFileUpload{Filename: "qrcode.png", Data: bytes.NewReader(pngOf(t, side, side))}})
			if err != nil {
				t.Fatal(err)
			}
			message := fmt.Sprintf(`document.querySelector('.message[data-message-id="%d"]')`, m.ID)
			b.until(message + `?.querySelector(".photo img").complete ?? false`)
			picture, caption := b.box(lastPhoto), b.box(message+`.querySelector(".text")`)
			if min(picture.Width, picture.Height) < leastQR || math.Abs(picture.Width-picture.Height) > 1 {
				t.Errorf("%v: a picture of %d pixels is shown at %+v", screen, side, picture)
			}
			if picture.Right > float64(screen.width) || caption.Top < picture.Bottom {
				t.Errorf("%v: a picture of %d pixels is at %+v, its caption at %+v", screen, side, picture, caption)
			}
			p.call("deleteMessage", fields{"chat_id": ada, "message_id": m.ID})
			b.until(message + ` === null && document.querySelectorAll(".photo").length === 0`)
		}
	}
}

func TestADangerousButtonLooksDifferent(t *testing.T) {
	p := newPageWorld(t)
	b := p.open()
	p.sent("sendMessage", fields{"chat_id": ada, "text": "x", "reply_markup": inline(
		fields{"text": "Look", "callback_data": "a"}, fields{"text": "Stop", "callback_data": "b", "style": "danger"})})
	b.until(`document.querySelectorAll(".inline-keyboard .key").length === 2`)
	colours := ask[[]string](b, `[...document.querySelectorAll(".inline-keyboard .key")].map((key) => getComputedStyle(key).backgroundColor)`)
	if colours[0] == colours[1] {
		t.Errorf("both buttons are %s", colours[0])
	}
}
