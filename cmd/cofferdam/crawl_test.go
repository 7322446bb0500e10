package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// TestEverythingThatCanBeReached walks through the whole bot, once as a user
// and once as an admin, and then lets a stranger try all that they found.
func TestEverythingThatCanBeReached(t *testing.T) {
	s := newScene(t)
	// Names that differ in their numbers only make views of one kind.
	made := func(state dockertest.State, args ...string) dockertest.Container {
		return dockertest.Container{Name: dockertest.Unique("crawled"), State: state, Args: args}
	}
	containers := []dockertest.Container{made(dockertest.Running), made(dockertest.Paused), made(dockertest.Exited, "exit", "2")}
	for range 18 {
		containers = append(containers, made(dockertest.Created))
	}
	s.has(containers...)
	b := newBot(t, s.only)
	for _, id := range []int64{user, admin} {
		// Telegram takes a menu of commands only for a chat that there is.
		b.world.Client(id, id).Type("/start")
	}
	b.start()
	for _, id := range []int64{user, admin} {
		p := b.person(id, id)
		p.await(func([]emulator.Message) bool { return p.Last().ID > 0 })
	}
	for name, id := range map[string]int64{"user": user, "admin": admin} {
		c := newCrawler(b, b.person(id, id))
		c.keyboards()
		c.commands(b.world.Commands(id, id))
		c.views()
		c.check()
		t.Logf("%s: %d keyboards, %d kinds of views, %d buttons tapped", name, len(c.boards), len(c.leads), len(c.tapped))
		if acts := id == admin; acts != (c.gated > 0) {
			t.Errorf("%s: %d buttons that act", name, c.gated)
		}
		c.triedByStrangers(9_000_000_000 + id*10_000)
	}
	b.tapsOfAStrangerInTheGroup()
	b.noCallWasRefused()
}

// crawler presses and taps all that a person can reach, each kind of view
// once.
type crawler struct {
	person
	b      *bot
	boards map[string]board    // reply keyboards
	texts  []string            // that were sent
	roots  map[string]bool     // first lines of the views that texts open
	leads  map[string][]string // from a view to those that its buttons open
	tapped []string            // callback data
	gated  int                 // buttons that need a second factor
	queue  []emulator.Message  // views with buttons that are still to be tapped
}

// board is a reply keyboard: how to get there from /start, and where its
// buttons lead.
type board struct {
	way   []string
	leads []string
}

// maxViews is far above what there is: a bot that always has another view
// would keep the crawler for ever.
const maxViews = 150

func newCrawler(b *bot, p person) *crawler {
	return &crawler{person: p, b: b, boards: map[string]board{}, roots: map[string]bool{}, leads: map[string][]string{}}
}

var digits = regexp.MustCompile(`[0-9]+`)

// kind tells views apart: by the first line and the buttons, with no regard to
// numbers.
func kind(m emulator.Message) string {
	return digits.ReplaceAllString(fmt.Sprintf("%s %q", headline(m), m.Labels()), "#")
}

func headline(m emulator.Message) string {
	line, _, _ := strings.Cut(m.Text, "\n")
	return digits.ReplaceAllString(line, "#")
}

// keyboards presses every button of every reply keyboard.
func (c *crawler) keyboards() {
	c.opened("/start", c.says("/start"))
	todo := [][]string{nil}
	for ; len(todo) > 0; todo = todo[1:] {
		way := todo[0]
		here := c.goes(way)
		if _, known := c.boards[here]; known {
			continue
		}
		place := board{way: way}
		for _, label := range slices.Concat(c.Keyboard()...) {
			if c.keyboard() != here {
				c.goes(way)
			}
			c.opened(label, c.presses(label))
			place.leads = append(place.leads, c.keyboard())
			todo = append(todo, append(slices.Clone(way), label))
		}
		c.boards[here] = place
	}
}

// goes presses its way to a keyboard.
func (c *crawler) goes(way []string) (keyboard string) {
	c.says("/start")
	for _, label := range way {
		c.presses(label)
	}
	return c.keyboard()
}

func (c *crawler) keyboard() string { return fmt.Sprintf("%q", c.Keyboard()) }

// commands sends every command of the menu.
func (c *crawler) commands(menu []emulator.BotCommand) {
	for _, command := range menu {
		c.opened("/"+command.Command, c.says("/"+command.Command))
	}
}

// opened notes a view that a text opened.
func (c *crawler) opened(text string, m emulator.Message) {
	c.texts = append(c.texts, text)
	c.roots[headline(m)] = true
	c.arrive(m)
}

func (c *crawler) arrive(m emulator.Message) {
	if len(m.Inline) == 0 && len(c.Keyboard()) == 0 {
		c.t.Errorf("a dead end:\n%s", m.Styled())
	}
	if _, known := c.leads[kind(m)]; known || len(m.Inline) == 0 {
		return
	}
	c.leads[kind(m)] = []string{}
	c.queue = append(c.queue, m)
}

// views taps every button of every view. A button stays good when its view has
// been replaced, so there is no need to go back first.
func (c *crawler) views() {
	for ; len(c.queue) > 0 && len(c.leads) < maxViews; c.queue = c.queue[1:] {
		view := c.queue[0]
		for _, b := range slices.Concat(view.Inline...) {
			m := c.taps(view.ID, b)
			c.leads[kind(view)] = append(c.leads[kind(view)], kind(m))
			c.arrive(m)
		}
	}
	if len(c.queue) > 0 {
		c.t.Errorf("there are more than %d kinds of views", maxViews)
	}
}

// taps returns the view that a button opens: the message edited, or a new one.
func (c *crawler) taps(id int, b emulator.Button) emulator.Message {
	if len(b.Data) == 0 || len(b.Data) > 64 {
		c.t.Errorf("the button %q has callback data of %d bytes", b.Text, len(b.Data))
	}
	c.tapped = append(c.tapped, b.Data)
	before, last := c.message(id), c.Last().ID
	if answer := c.answer(c.TapData(id, b.Data)); answer.Text != "" {
		c.t.Errorf("tapping %q was answered with %q", b.Text, answer.Text)
	}
	c.await(func([]emulator.Message) bool { return c.message(id).Edits > before.Edits || c.Last().ID > last })
	if strings.Contains(c.Last().Text, "A code, please") {
		// The crawler has none, so that it changes nothing on the engine.
		c.gated++
	}
	if now := c.message(id); now.Edits > before.Edits {
		if len(now.Inline) == 0 {
			c.t.Errorf("%q leads into a dead end:\n%s", b.Text, now.Styled())
		}
		return now
	}
	return c.Last()
}

// check fails for what leads nowhere.
func (c *crawler) check() {
	c.t.Helper()
	home := fmt.Sprintf("%q", c.homeKeyboard())
	back := map[string][]string{}
	for here, place := range c.boards {
		back[here] = place.leads
	}
	for here := range c.boards {
		if !reaches(back, here, func(k string) bool { return k == home }) {
			c.t.Errorf("the keyboard %s does not lead to the main one", here)
		}
	}
	for view := range c.leads {
		if !reaches(c.leads, view, c.isRoot) {
			c.t.Errorf("the view %s does not lead back", view)
		}
	}
}

func (c *crawler) homeKeyboard() [][]string {
	c.says("/start")
	return c.Keyboard()
}

// isRoot tells a view that a text opens. The root of a section loses its
// buttons to the section's keyboard, so the first line counts.
func (c *crawler) isRoot(view string) bool {
	line, _, _ := strings.Cut(view, " [[")
	return c.roots[line]
}

// reaches walks a graph.
func reaches(leads map[string][]string, from string, done func(string) bool) bool {
	seen := map[string]bool{from: true}
	for todo := []string{from}; len(todo) > 0; todo = todo[1:] {
		if done(todo[0]) {
			return true
		}
		for _, next := range leads[todo[0]] {
			if !seen[next] {
				seen[next] = true
				todo = append(todo, next)
			}
		}
	}
	return false
}

// triedByStrangers lets strangers send every text, and every button's data, in
// their own chats: each a different one, since who is refused three times is not
// even heard.
func (c *crawler) triedByStrangers(first int64) {
	ended := strings.Count(c.b.log.String(), `"update_id":`)
	for i := range max(len(c.texts), len(c.tapped)) {
		id := first + int64(i)
		c.b.world.AddUser(emulator.User{ID: id, FirstName: "Stranger"})
		s := c.b.person(id, id)
		if i < len(c.texts) {
			s.Type(c.texts[i])
		}
		s.TapData(1, c.tapped[i%len(c.tapped)])
		c.b.awaitLines(`"update_id":`, ended+2*(i+1)-max(0, i+1-len(c.texts)))
		c.seesNothing(s)
	}
}

func (c *crawler) seesNothing(s person) {
	for _, m := range s.Messages() {
		if m.From.IsBot && m.Text != strangersAnswer && !strings.HasPrefix(m.Text, "🆔 Your ids") {
			c.t.Errorf("a stranger sees:\n%s", m.Styled())
		}
		if len(m.Inline) > 0 || m.Document != nil || m.Photo != nil {
			c.t.Errorf("a stranger has buttons or a file:\n%s %q", m.Styled(), m.Labels())
		}
	}
	if n := answers(s); n > 2 {
		c.t.Errorf("a stranger has %d answers", n)
	}
	if s.Keyboard() != nil {
		c.t.Errorf("a stranger has the keyboard %q", s.Keyboard())
	}
}

const strangersAnswer = "🚫 You are not on this bot's list. /getmyid tells the ids that its operator needs to let you in."

// tapsOfAStrangerInTheGroup: a group shows its views to all its members.
func (b *bot) tapsOfAStrangerInTheGroup() {
	p, s := b.person(user, group), b.person(stranger, group)
	taps := 0
	for _, command := range []string{"/containers", "/quick"} {
		view := p.says(command)
		for _, button := range slices.Concat(view.Inline...) {
			ended := strings.Count(b.log.String(), `"update_id":`)
			s.TapData(view.ID, button.Data)
			if taps++; taps <= 3 {
				b.awaitLines(`"update_id":`, ended+1)
				continue
			}
			// A blocked stranger's tap leaves no line: what comes after it is
			// answered.
			b.person(admin, admin).says("/back")
		}
		if now := p.message(view.ID); now.Edits != view.Edits {
			b.t.Errorf("a stranger changed a view to\n%s", now.Styled())
		}
	}
}

// noCallWasRefused fails if Telegram refused anything that the bot sent. Even
// a view that did not change has new callback data, so "message is not
// modified" is no exception here.
func (b *bot) noCallWasRefused() {
	b.t.Helper()
	const underWay, ok = 0, 200
	for _, method := range []string{
		"getMe", "getUpdates", "deleteWebhook", "setMyCommands", "sendChatAction", "sendMessage", "sendDocument", "sendPhoto",
		"editMessageText", "editMessageMedia", "editMessageCaption", "editMessageReplyMarkup", "answerCallbackQuery", "deleteMessage",
	} {
		for _, call := range b.world.Calls(method) {
			if call.Status != ok && call.Status != underWay {
				b.t.Errorf("%s was answered with %d: %v", method, call.Status, call.Params)
			}
		}
	}
}
