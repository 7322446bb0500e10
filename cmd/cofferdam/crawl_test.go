package main

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// TestEverythingThatCanBeReached walks through the whole bot, once as a user
// and once as an admin with a session, and then lets a stranger try all that they
// found. The engine has containers of all sorts.
func TestEverythingThatCanBeReached(t *testing.T) {
	t.Parallel()
	s, c := newScene(t), &clock{}
	animals := zoo()
	s.has(animals...)
	b := newBot(t, s.everything, onDisk, c.setup, func(b *bot) {
		b.o.dockerFresh = time.Hour // this engine takes a second to measure a container
	})
	for _, id := range []int64{user, admin} {
		// Telegram takes a menu of commands only for a chat that there is.
		b.world.Client(id, id).Type("/start")
	}
	b.start()
	for _, id := range []int64{user, admin} {
		p := b.person(id, id)
		p.await(func([]emulator.Message) bool { return p.Last().ID > 0 })
	}
	boss := newCrawler(b, admin)
	boss.clock, boss.phone = c, b.enrols(boss.person, c)
	for name, crawler := range map[string]*crawler{"user": newCrawler(b, user), "admin": boss} {
		crawler.keyboards()
		crawler.commands(b.world.Commands(crawler.id, crawler.id))
		crawler.animals(animals)
		crawler.views()
		crawler.check()
		crawler.sawNoSecrets()
		t.Logf("%s: %d keyboards, %d kinds of views, %d buttons tapped, %d questions", name,
			len(crawler.boards), len(crawler.leads), len(crawler.tapped), len(crawler.asked))
		crawler.triedByStrangers(9_000_000_000 + crawler.id*10_000)
	}
	for _, verb := range []string{"Stop", "Restart", "Kill", "Remove"} {
		if !boss.asked[verb] {
			t.Errorf("no button asked whether to %s anything", verb)
		}
	}
	b.tapsOfAStrangerInTheGroup()
	b.noCallWasRefused()
}

// crawler presses and taps all that a person can reach, each kind of view
// once.
type crawler struct {
	person
	b      *bot
	id     int64
	clock  *clock              // nil: the person has no second factor
	phone  authenticator       // of an admin
	boards map[string]board    // reply keyboards
	texts  []string            // that were sent
	roots  map[string]bool     // first lines of the views that texts open
	leads  map[string][]string // from a view to those that its buttons open
	tapped []string            // callback data
	asked  map[string]bool     // what had to be confirmed, and was first not
	queue  []view              // with buttons that are still to be tapped
}

// view is a view with the way to it: the text that opens the first, and the
// labels of buttons.
type view struct {
	emulator.Message
	way []string
}

// board is a reply keyboard: how to get there from /start, and where its
// buttons lead.
type board struct {
	way   []string
	leads []string
}

// maxViews is far above what there is: a bot that always has another view
// would keep the crawler for ever.
const maxViews = 300

func newCrawler(b *bot, id int64) *crawler {
	return &crawler{
		person: b.person(id, id), b: b, id: id, boards: map[string]board{}, roots: map[string]bool{}, leads: map[string][]string{}, asked: map[string]bool{},
	}
}

var (
	digits   = regexp.MustCompile(`[0-9]+`)
	spans    = regexp.MustCompile(`last (# )?(hour|day)s?`)
	question = regexp.MustCompile(`^(?:.{0,8} )?(Stop|Restart|Kill|Remove) \S+\?`)
	names    = regexp.MustCompile(`[A-Za-z][A-Za-z_.-]*-[0-9]+-[0-9]+`) // of dockertest.Unique
)

// alike makes one of what differs in numbers, names and ticks only.
func alike(text string) string {
	text = digits.ReplaceAllString(names.ReplaceAllString(text, "NAME"), "#")
	return spans.ReplaceAllString(strings.ReplaceAll(text, "✅ ", ""), "span")
}

// kind tells views apart: by the first line and the buttons.
func kind(m emulator.Message) string { return alike(fmt.Sprintf("%s %q", headline(m), m.Labels())) }

func headline(m emulator.Message) string {
	line, _, _ := strings.Cut(m.Text, "\n")
	return alike(line)
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

// animals opens all that is shown of each container by its name.
func (c *crawler) animals(all []dockertest.Container) {
	texts := []string{"/container", "/chart container"}
	if c.clock != nil {
		texts = append(texts, "/manage", "/logs", "/runtime", "/volumes", "/networks", "/environment")
	}
	for _, animal := range all {
		for _, text := range texts {
			c.opened(text+" "+animal.Name, c.asks(text+" "+animal.Name))
		}
	}
}

// opened notes a view that a text opened.
func (c *crawler) opened(text string, m emulator.Message) {
	c.texts = append(c.texts, text)
	c.roots[headline(m)] = true
	c.arrive(m, []string{text})
}

func (c *crawler) arrive(m emulator.Message, way []string) {
	if len(m.Inline) == 0 && len(c.Keyboard()) == 0 {
		c.t.Errorf("a dead end:\n%s", m.Styled())
	}
	if _, known := c.leads[kind(m)]; known || len(m.Inline) == 0 {
		return
	}
	c.leads[kind(m)] = []string{}
	c.queue = append(c.queue, view{m, way})
}

// views taps every button of every view. A button stays good when its view has
// been replaced, so there is no need to go back first, unless its message is
// gone: a picture makes room for a text so.
func (c *crawler) views() {
	for ; len(c.queue) > 0 && len(c.leads) < maxViews; c.queue = c.queue[1:] {
		here := c.queue[0]
		for n, label := range slices.Concat(here.Labels()...) {
			if c.message(here.ID).Deleted && !c.reopens(&here) {
				break
			}
			m := c.taps(here.ID, slices.Concat(here.Inline...)[n])
			c.leads[kind(here.Message)] = append(c.leads[kind(here.Message)], kind(m))
			c.arrive(m, append(slices.Clone(here.way), label))
			if len(c.tapped)%400 == 0 { // before the emulator forgets
				c.b.noCallWasRefused()
			}
		}
	}
	if len(c.queue) > 0 {
		c.t.Errorf("there are more than %d kinds of views", maxViews)
	}
}

// reopens goes the way to a view once more. What was done meanwhile may have
// changed it.
func (c *crawler) reopens(v *view) bool {
	was := kind(v.Message)
	m := c.asks(v.way[0])
	for _, label := range v.way[1:] {
		buttons := slices.Concat(m.Inline...)
		n := slices.IndexFunc(buttons, func(b emulator.Button) bool { return alike(b.Text) == alike(label) })
		if n < 0 {
			return false
		}
		m = c.taps(m.ID, buttons[n])
	}
	v.Message = m
	return kind(m) == was
}

// taps returns the view that a button opens: the message edited, or a new one.
func (c *crawler) taps(id int, b emulator.Button) emulator.Message {
	if len(b.Data) == 0 || len(b.Data) > 64 {
		c.t.Errorf("the button %q has callback data of %d bytes", b.Text, len(b.Data))
	}
	c.tapped = append(c.tapped, b.Data)
	before := c.message(id)
	m := c.leadsOn(fmt.Sprintf("%q in\n%s", b.Text, before.Styled()), id, before.Edits, func() {
		if answer := c.answer(c.TapData(id, b.Data)); answer.Alert {
			c.t.Errorf("tapping %q was answered with %q", b.Text, answer.Text)
		}
	})
	if found := question.FindStringSubmatch(m.Text); found != nil {
		return c.decides(found[1], id, b, m)
	}
	if before.Photo != nil && m.Photo == nil {
		// A picture goes when the text that takes its place has come.
		c.await(func([]emulator.Message) bool { return c.message(id).Deleted })
	}
	if len(m.Inline) == 0 && m.ID == id {
		c.t.Errorf("%q leads into a dead end:\n%s", b.Text, m.Styled())
	}
	return m
}

// decides answers the question whether to do something: the first time with no,
// and then with yes.
func (c *crawler) decides(verb string, id int, b emulator.Button, m emulator.Message) emulator.Message {
	yes, no := m.Inline[0][0], m.Inline[0][1]
	if !c.asked[verb] {
		c.asked[verb] = true
		c.answer(c.TapData(m.ID, no.Data))
		c.await(func([]emulator.Message) bool { return c.message(m.ID).Deleted })
		return c.taps(id, b)
	}
	edits := c.message(id).Edits
	return c.leadsOn(yes.Text, id, edits, func() { c.answer(c.TapData(m.ID, yes.Data)) })
}

// asks returns what a text leads to.
func (c *crawler) asks(text string) emulator.Message {
	return c.leadsOn(text, 0, 0, func() { c.Type(text) })
}

// leadsOn returns what an act leads to: a message edited more often than that, or
// a new one. If it leads to the question for a code, that is answered first.
func (c *crawler) leadsOn(doing string, id, edits int, act func()) emulator.Message {
	last := c.Last().ID
	act()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for {
		var found emulator.Message
		err := c.Wait(ctx, func(all []emulator.Message) bool {
			for _, m := range slices.Backward(all) {
				switch {
				case m.ID > last && m.From.IsBot && !m.Deleted && !isUnderWay(m):
					found = m
				case m.ID == id && m.Edits > edits && !m.Deleted && !isUnderWay(m):
					found = m
				default:
					continue
				}
				return true
			}
			return false
		})
		if err != nil {
			c.t.Fatalf("after %s: %v", doing, err)
		}
		if !strings.Contains(found.Text, "A code, please") {
			return found
		}
		if c.clock == nil {
			c.t.Fatalf("a user is asked for a code:\n%s", found.Styled())
		}
		last = found.ID
		c.clock.advance(31 * time.Second)
		c.Type(c.phone.code())
	}
}

// isUnderWay tells what is only said meanwhile.
func isUnderWay(m emulator.Message) bool {
	return working(m) || strings.Contains(m.Text, "Your session in this chat lasts")
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

// sawNoSecrets fails for what was shown to somebody who may not see it: a value
// that should be masked, to anybody, and what admins only can do, to a user.
func (c *crawler) sawNoSecrets() {
	for _, m := range c.Messages() {
		if !m.From.IsBot {
			continue
		}
		if strings.Contains(m.Text, unseen) {
			c.t.Errorf("a secret is shown:\n%s", m.Styled())
		}
		for _, label := range slices.Concat(m.Labels()...) {
			if c.clock == nil && forAdmins.MatchString(label) {
				c.t.Errorf("a user has the button %q:\n%s", label, m.Styled())
			}
		}
	}
}

var forAdmins = regexp.MustCompile(`Manage|Logs|Runtime|Volumes|Networks|Environment|(Start|Stop|Restart|Pause|Unpause|Kill|Rename|Remove)$`)

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
	for i := 0; i < max(len(c.texts), len(c.tapped)); i++ {
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
				b.t.Errorf("%s was refused, %s: %v", method, call.Refusal, call.Params)
			}
		}
	}
}
