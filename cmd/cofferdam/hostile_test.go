package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// quick gives a bot its modules without the sandbox, for tests of what is
// around it: it then starts and answers within milliseconds.
func quick(b *bot) { b.o.load = inHost }

// check fails the test if a log holds a secret or a whole id, if a line of it
// is not one JSON object, or if a line about an update cannot be followed.
func (b *logBuffer) check(t testing.TB, token string, ids ...int64) {
	t.Helper()
	text := b.String()
	if strings.Contains(text, token) || strings.Contains(text, token[strings.IndexByte(token, ':')+1:]) {
		t.Error("the bot token is in the log")
	}
	for _, id := range ids {
		if id < 0 {
			id = -id
		}
		if found := regexp.MustCompile(`.*\b` + strconv.FormatInt(id, 10) + `\b.*`).FindString(text); found != "" {
			t.Errorf("the id %d is in the log: %s", id, found)
		}
	}
	for line := range strings.Lines(text) {
		var fields struct {
			Event string `json:"event"`
			Trace string `json:"trace_id"`
		}
		if err := json.Unmarshal([]byte(line), &fields); err != nil {
			t.Errorf("a line of the log is not JSON (%v): %s", err, line)
		}
		// Repeats are dropped before they are looked at.
		if strings.HasPrefix(fields.Event, "update.") && fields.Event != "update.duplicate" && len(fields.Trace) != 16 {
			t.Errorf("a line about an update has no trace id: %s", line)
		}
	}
}

// said is how many messages of the bot in the chat have a text in them.
func (p person) said(text string) int {
	n := 0
	for _, m := range p.Messages() {
		if m.From.IsBot && strings.Contains(m.Text, text) {
			n++
		}
	}
	return n
}

// hears waits until the bot said a text so many times.
func (p person) hears(text string, times int) {
	p.t.Helper()
	p.await(func([]emulator.Message) bool { return p.said(text) >= times })
}

// journalEmpty stops the bot and fails if anything is left to be done.
func (b *bot) journalEmpty() {
	b.t.Helper()
	if left := b.pending(); len(left) > 0 {
		b.t.Errorf("the journal keeps %d updates", len(left))
	}
}

// hostileUpdates are what must not harm the updates beside them. Each has the
// id that Telegram would give it, where it has one.
var hostileUpdates = map[string]func(id int64) string{
	"nothing":                func(int64) string { return "" },
	"no JSON":                func(int64) string { return "}}]]<html>" },
	"null":                   func(int64) string { return "null" },
	"a list":                 func(int64) string { return "[[],[]]" },
	"an empty object":        func(int64) string { return "{}" },
	"truncated":              func(id int64) string { return fmt.Sprintf(`{"update_id":%d,"message":{"from":{"id":`, id) },
	"truncated in a string":  func(id int64) string { return fmt.Sprintf(`{"update_id":%d,"message":{"text":"/st`, id) },
	"truncated in an escape": func(id int64) string { return fmt.Sprintf(`{"update_id":%d,"message":{"text":"\u00`, id) },
	"deeply nested":          func(id int64) string { return fmt.Sprintf(`{"update_id":%d,"message":%s`, id, nested(100_000)+"}") },
	"deeply nested, no end": func(id int64) string {
		return fmt.Sprintf(`{"update_id":%d,"message":%s`, id, strings.Repeat("[{", 50_000))
	},
	"huge":                     func(id int64) string { return message(id, strings.Repeat("x", 3<<20)) },
	"an unknown kind":          func(id int64) string { return fmt.Sprintf(`{"update_id":%d,"telepathy":{"text":"/start"}}`, id) },
	"no kind":                  func(id int64) string { return fmt.Sprintf(`{"update_id":%d}`, id) },
	"two kinds":                func(id int64) string { return strings.TrimSuffix(message(id, "/load"), "}") + `,"inline_query":{}}` },
	"invalid UTF-8":            func(id int64) string { return message(id, "/\xff\xfe\xc0\x80") },
	"lone surrogates":          func(id int64) string { return message(id, `\ud800\udfff\ud800`) },
	"a message that is a list": func(id int64) string { return fmt.Sprintf(`{"update_id":%d,"message":[]}`, id) },
	"a sender that is a text": func(id int64) string {
		return strings.Replace(message(id, "/load"), `{"id":5002,"is_bot":false}`, `"me"`, 1)
	},
	"a date after all time":   func(id int64) string { return strings.Replace(message(id, "/load"), `"date":`, `"date":999999`, 1) },
	"keys in capitals":        func(id int64) string { return strings.ToUpper(message(id, "/load")) },
	"no id":                   func(int64) string { return `{"message":{"text":"/load"}}` },
	"an id that is a text":    func(id int64) string { return fmt.Sprintf(`{"update_id":"%d"}`, id) },
	"an id below zero":        func(int64) string { return `{"update_id":-5,"message":{}}` },
	"an id far ahead":         func(id int64) string { return message(id+1<<40, "/nothing") },
	"an id above all numbers": func(int64) string { return `{"update_id":99999999999999999999999,"message":{}}` },
	"a tap without a message": func(id int64) string {
		return fmt.Sprintf(`{"update_id":%d,"callback_query":{"id":"1","from":{"id":5002}}}`, id)
	},
	"a private chat of others": func(id int64) string {
		return strings.Replace(message(id, "/load"), `"chat":{"id":5002`, `"chat":{"id":5001`, 1)
	},
}

func nested(depth int) string { return strings.Repeat("[", depth) + strings.Repeat("]", depth) }

// message is an update as Telegram would write it for user, but for its text,
// which is put in as it is.
func message(id int64, text string) string {
	return fmt.Sprintf(`{"update_id":%d,"message":{"message_id":7,"date":%d,"from":{"id":5002,"is_bot":false},"chat":{"id":5002,"type":"private"},"text":"%s"}}`,
		id, time.Now().Unix(), text)
}

func TestHostileUpdatesHarmNoOthers(t *testing.T) {
	b := newBot(t, onDisk, quick)
	p := b.person(user, user)
	// All wait when the bot starts, so that they come in the same answers.
	good := 0
	for _, name := range slices.Sorted(maps.Keys(hostileUpdates)) {
		p.Type("/load")
		b.world.InjectUpdate(func(id int64) []byte { return []byte(hostileUpdates[name](id)) })
		good++
	}
	b.start()
	p.hears("Load average", good)
	// And one by one, while it runs.
	for name, update := range hostileUpdates {
		b.world.InjectUpdate(func(id int64) []byte { return []byte(update(id)) })
		if m := p.says("/uptime"); !strings.Contains(m.Text, "Uptime") {
			// What a hostile update was answered, such as an unknown command.
			t.Logf("after %s: %q", name, m.Text)
		}
		good++
	}
	p.hears("Uptime", len(hostileUpdates))
	if n := p.said("Load average") + p.said("Uptime"); n != good {
		t.Errorf("%d answers to %d good commands", n, good)
	}
	if n := len(b.person(admin, admin).Messages()); n != 0 {
		t.Errorf("%d messages went to somebody else's private chat", n)
	}
	b.journalEmpty()
}

// Rule A4: what nobody typed or tapped runs nothing, whoever seems to send it
// and however the lists are written.
func TestOnlyWhatAPersonTypedRuns(t *testing.T) {
	const otherBot, channel = 5009, -1001112223334
	b := newBot(t, onDisk, quick, func(b *bot) {
		b.cfg.AccessControl.AllowedUserIDs = append(b.cfg.AccessControl.AllowedUserIDs,
			otherBot, emulator.AnonymousAdminID, emulator.ChannelBotID, emulator.ServiceID)
		b.cfg.ChatID.GlobalChatID = append(b.cfg.ChatID.GlobalChatID, config.Chat{ID: channel})
	})
	b.world.AddUser(emulator.User{ID: otherBot, FirstName: "Other", IsBot: true})
	b.world.AddGroup(emulator.Group{ID: group, Title: "Operations", Members: []int64{admin, user, otherBot}})
	b.world.AddGroup(emulator.Group{ID: channel, Title: "News", Channel: true, Members: []int64{admin}})
	chatter := b.world.Send(emulator.MessageSpec{ChatID: group, From: admin, Text: "what is the load?"})
	for name, spec := range map[string]emulator.MessageSpec{
		"edited":             {ChatID: group, From: admin, Edits: chatter.ID},
		"a forward":          {ChatID: group, From: admin, ForwardedFrom: &emulator.Origin{UserID: user}},
		"a hidden forward":   {ChatID: group, From: admin, ForwardedFrom: &emulator.Origin{HiddenName: "Admin"}},
		"a channel's post":   {ChatID: channel},
		"forwarded by hand":  {ChatID: group, From: admin, ForwardedFrom: &emulator.Origin{ChatID: channel, MessageID: 1}},
		"forwarded by group": {ChatID: group, SenderChat: channel, AutoForward: true},
		"via an inline bot":  {ChatID: group, From: admin, ViaBot: &emulator.User{ID: otherBot, IsBot: true, FirstName: "Other"}},
		"an anonymous admin": {ChatID: group, SenderChat: group},
		"as a channel":       {ChatID: group, SenderChat: channel},
		"another bot":        {ChatID: group, From: otherBot},
		"a forward to us":    {ChatID: admin, From: admin, ForwardedFrom: &emulator.Origin{UserID: admin}},
	} {
		spec.Text = "/load"
		t.Log(name)
		b.world.Send(spec)
	}
	b.world.InjectUpdate(func(id int64) []byte {
		return fmt.Appendf(nil, `{"update_id":%d,"inline_query":{"id":"1","from":{"id":%d,"is_bot":false,"first_name":"A"},"query":"/load","offset":""}}`, id, admin)
	})
	b.start()
	p := b.person(admin, group)
	p.expect(p.says("/load"), "Load average")
	if n := b.world.Count("sendMessage") + b.world.Count("editMessageText") + b.world.Count("answerCallbackQuery"); n != 1 {
		t.Errorf("the bot sent %d times, want only the answer to what was typed", n)
	}
	b.journalEmpty()
}

// clock is real time, which a test can move on.
type clock struct{ ahead atomic.Int64 }

func (c *clock) now() time.Time          { return time.Now().Add(time.Duration(c.ahead.Load())) }
func (c *clock) advance(d time.Duration) { c.ahead.Add(int64(d)) }
func (c *clock) setup(b *bot)            { b.o.now = c.now }
func (b *bot) taps() (answered int)      { return b.world.Count("answerCallbackQuery") }

// dataOf is what a tap on a button of a message brings.
func dataOf(t testing.TB, m emulator.Message, label string) string {
	t.Helper()
	for _, b := range slices.Concat(m.Inline...) {
		if b.Text == label {
			return b.Data
		}
	}
	t.Fatalf("there is no button %q: %q", label, m.Labels())
	return ""
}

func TestForgedAndForeignTaps(t *testing.T) {
	var c clock
	b := startBot(t, onDisk, quick, c.setup)
	p := b.person(user, user)
	view := p.says("/load")
	data := dataOf(t, view, "🔄 Refresh")
	inGroup := b.person(user, group)
	groupView := inGroup.says("/load")
	groupData := dataOf(t, groupView, "🔄 Refresh")
	last := strings.LastIndexByte(data, '.')

	taps := 0
	try := func(name string, by person, message int, data, want string) {
		t.Helper()
		taps++
		if answer := by.answer(by.TapData(message, data)); !strings.Contains(answer.Text, want) || (want == "" && answer.Text != "") {
			t.Errorf("%s: answered with %q, want %q", name, answer.Text, want)
		}
	}
	const expired, foreign = "has expired", "somebody else, or to another chat"
	try("64 forged bytes", p, view.ID, strings.Repeat("x", 64), expired)
	try("64 forged bytes in the shape of a token", p, view.ID, strings.Repeat("A", 62)+".0", expired)
	try("no data", p, view.ID, "", "")
	try("65 bytes", p, view.ID, strings.Repeat("x", 65), "")
	try("bytes that are no text", p, view.ID, "\xff\x00\xfe", expired)
	try("a command's name", p, view.ID, "/load", expired)
	try("an index out of range", p, view.ID, data[:last]+".250", expired)
	try("an index that is none", p, view.ID, data[:last]+".-1", expired)
	try("an admin with a user's token", b.person(admin, admin), view.ID, data, foreign)
	try("a stranger with a user's token", b.person(stranger, stranger), view.ID, data, "not on this bot's list")
	try("another user of the group", b.person(admin, group), groupView.ID, groupData, foreign)
	try("a token from another chat", inGroup, groupView.ID, data, foreign)
	try("and the other way round", p, view.ID, groupData, foreign)
	if n := b.world.Count("editMessageText"); n != 0 {
		t.Errorf("%d views were changed", n)
	}

	try("one's own", p, view.ID, data, "")
	try("the same again", p, view.ID, data, "")
	try("under a message that is gone", p, view.ID+1000, data, expired)
	try("under another message of the bot", inGroup, groupView.ID+1, groupData, expired)
	p.await(func([]emulator.Message) bool { return b.world.Count("editMessageText") == 2 })

	b.restart()
	try("after a restart", p, view.ID, data, "")
	c.advance(24*time.Hour - time.Minute)
	try("within a day", p, view.ID, data, "")
	c.advance(2 * time.Minute)
	try("after a day", p, view.ID, data, expired)
	b.journalEmpty()
	if n := b.taps(); n != taps {
		t.Errorf("%d answers to %d taps", n, taps)
	}
}

func TestSlowDownIsSaidOnce(t *testing.T) {
	b := startBot(t, quick, func(b *bot) { b.o.userLimit = nil })
	p := b.person(user, user)
	for range 14 {
		p.Type("/back")
	}
	b.await("update.limited", 6)
	friend := b.person(admin, admin)
	friend.expect(friend.says("/back"), "Main menu")
	if done, told := p.said("Main menu"), p.said("Slow down"); done != 8 || told != 1 {
		t.Errorf("%d answers and %d times «slow down», want 8 and 1", done, told)
	}
	if n := b.lines("ratelimit.exceeded", `"trace_id":`); n != 6 {
		t.Errorf("%d of 6 updates over the limit are in the log", n)
	}
}

func TestAFullChatIsToldAndLosesNothingSilently(t *testing.T) {
	const typed = 40
	b := newBot(t, onDisk, quick)
	p := b.person(user, user)
	for range typed {
		p.Type("/back")
	}
	b.start()
	p.expect(b.person(admin, admin).says("/back"), "Main menu")
	p.await(func([]emulator.Message) bool {
		return p.said("Main menu")+b.lines("ratelimit.exceeded", `"reason":"lane_full"`) == typed
	})
	// A webhook brings one after the other, so that none may be too much.
	want := min(1, b.lines("ratelimit.exceeded", `"reason":"lane_full"`))
	if want == 0 && b.app.webhook == nil {
		t.Error("nothing was too much")
	}
	if n := p.said("Too much is waiting"); n != want {
		t.Errorf("told %d times, want %d", n, want)
	}
	b.journalEmpty()
}

func TestOneSlowChatDelaysNoOther(t *testing.T) {
	b := startBot(t, quick)
	b.world.Fail(emulator.Fault{Method: "sendMessage", ChatID: user, Delay: 2 * time.Second})
	slow, quick := b.person(user, user), b.person(admin, admin)
	slow.Type("/back")
	slow.Type("/back")
	for range 3 {
		quick.expect(quick.says("/back"), "Main menu")
	}
	if answers(slow) != 0 {
		t.Error("the slow chat was not slow: the test shows nothing")
	}
	slow.hears("Main menu", 2)
}

// hostileName is what somebody may be called.
const hostileName = "<b>_*A&amp;`[x](http://e.x)👩\u200d👧ش"

func TestNamesAreNeverMarkup(t *testing.T) {
	b := newBot(t)
	b.world.AddUser(emulator.User{ID: user, FirstName: hostileName})
	b.start()
	p := b.person(user, user)
	m := p.says("/start")
	greeting := "👋 Hello, " + hostileName + "!"
	if !strings.HasPrefix(m.Text, greeting) {
		t.Errorf("the greeting is %q, want %q", strings.SplitN(m.Text, "\n", 2)[0], greeting)
	}
	for _, e := range m.Entities {
		if e.Type == "text_link" || e.Type == "url" && e.Offset > len(greeting) {
			t.Errorf("an entity of its own: %+v", e)
		}
	}
	// What would turn the rest of the line around is made visible.
	b.world.AddUser(emulator.User{ID: user, FirstName: "\u202eEvil\u200f"})
	p.expect(p.says("/start"), "<b>👋 Hello, \ufffdEvil\ufffd!</b>")
}

func TestWhatAnEngineSaysIsNeverMarkup(t *testing.T) {
	const image, label = "<b>_*evil&amp;`[x](http://e.x)🦊", "<i>&_*`\u202ex"
	const id = "abcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcdefabcd"
	list := []map[string]any{{
		"Id": id, "Names": []string{"/web_1"}, "Image": image, "State": "running", "Status": "Up <b>2</b> hours",
		"Labels": map[string]string{"note": label},
	}}
	inspect := map[string]any{
		"Id": id, "Name": "/web_1", "Image": "sha256:" + id, "Created": "2026-01-02T03:04:05Z",
		"State":  map[string]any{"Status": "running", "Running": true, "StartedAt": "2026-01-02T03:04:05Z"},
		"Config": map[string]any{"Image": image, "Labels": map[string]string{"note": label}},
	}
	b := startBot(t, fakeEngine(t, map[string]any{"/containers/json": list, "/containers/" + id + "/json": inspect}))
	p := b.person(user, user)
	m := p.says("/containers")
	p.expect(m, "web_1", "Up &lt;b>2&lt;/b> hours", "<code>"+escape(image)+"</code>")
	p.expect(p.taps("🟢 web_1"), "<code>"+escape(image)+"</code>", escape("note=<i>&_*`\ufffdx"))
}

func escape(s string) string { return strings.NewReplacer("&", "&amp;", "<", "&lt;").Replace(s) }

// fakeEngine gives a bot an engine that answers what a test says.
func fakeEngine(t *testing.T, answers map[string]any) setup {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "docker.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`^/v1\.[0-9]+`)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.41")
		w.Header().Set("Content-Type", "application/json")
		path := version.ReplaceAllString(r.URL.Path, "")
		answer, ok := answers[path]
		switch {
		case path == "/_ping":
		case ok:
			_ = json.NewEncoder(w).Encode(answer)
		default:
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, `{"message":"no such thing"}`)
		}
	})}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(listener) }()
	t.Cleanup(func() { server.Close(); <-served })
	return func(b *bot) { b.cfg.Docker.Host = []string{"unix://" + socket} }
}
