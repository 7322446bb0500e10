package main

import (
	"encoding/binary"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// second is another admin.
const second = 5004

// twoAdmins lets a bot have them, and enough time between what they type.
func twoAdmins(b *bot) {
	b.world.AddUser(emulator.User{ID: second, FirstName: "Second"})
	access := &b.cfg.AccessControl
	access.AllowedUserIDs = append(access.AllowedUserIDs, second)
	access.AllowedAdminsIDs = append(access.AllowedAdminsIDs, second)
}

// restarter is a guest that restarts a container at a short request, and another at one
// of more than 1,000 bytes. If that is done it gives its reply, else the error's code.
func restarter(reply, short, long string) []byte {
	first, other := `{"id":"`+short+`"}`, `{"id":"`+long+`"}`
	operation := func(at int, request string) []byte {
		return slices.Concat(constant(at), constant(len(request)), []byte{0x10, 1})
	}
	return twoWays(0x7e, operation(len(reply), first), operation(len(reply)+len(first), other), slices.Concat(
		[]byte{0x42, 32, 0x88, 0xa7, 0x22, 1, 0x04, 0x40, 0x20, 1, 0x0f, 0x0b}, // return the high half, unless it is 0
		constant(0), constant(len(reply)), []byte{0x10, 0},
	), reply+first+other, abi.OpContainerRestart)
}

// teller is a guest that gives a reply to a short request, and another to one of more
// than 1,000 bytes.
func teller(short, long string) []byte {
	reply := func(at, length int) []byte { return slices.Concat(constant(at), constant(length), []byte{0x10, 0}) }
	return twoWays(0x7f, reply(0, len(short)), reply(len(short), len(long)), nil, short+long)
}

// constant is i32.const, of two bytes, which is enough here.
func constant(n int) []byte { return []byte{0x41, byte(n&0x7f) | 0x80, byte(n >> 7)} }

// twoWays is a guest with two ways through it, which leave a value of some type, and what
// comes after both and leaves an i32. Its function 0 is reply_write, and those that
// follow are operations. Its data is at 0.
func twoWays(value byte, short, long, after []byte, data string, operations ...string) []byte {
	section := func(id byte, entries ...[]byte) []byte {
		content := slices.Concat(append([][]byte{{byte(len(entries))}}, entries...)...)
		return append(binary.AppendUvarint([]byte{id}, uint64(len(content))), content...)
	}
	text := func(s string) []byte { return append(binary.AppendUvarint(nil, uint64(len(s))), s...) }
	imports := [][]byte{slices.Concat(text(abi.ImportModule), text(abi.ImportReplyWrite), []byte{0, 0})}
	for _, name := range operations {
		imports = append(imports, slices.Concat(text(abi.ImportModule), text(name), []byte{0, 2}))
	}
	body := slices.Concat(
		[]byte{1, 1, 0x7f}, // a local
		[]byte{0x20, 0}, constant(1000), []byte{0x4b, 0x04, value}, long, []byte{0x05}, short, []byte{0x0b},
		after, []byte{0x1a, 0x41, byte(abi.OK), 0x0b},
	)
	return slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, []byte{0x60, 2, 0x7f, 0x7f, 1, 0x7f}, []byte{0x60, 1, 0x7f, 1, 0x7f}, []byte{0x60, 2, 0x7f, 0x7f, 1, 0x7e}),
		section(2, imports...), section(3, []byte{1}), section(5, []byte{1, 1, 1}),
		section(7, append(text(abi.ExportMemory), 2, 0), append(text(abi.ExportHandle), 0, byte(len(imports)))),
		section(10, append(binary.AppendUvarint(nil, uint64(len(body))), body...)),
		section(11, append([]byte{0, 0x41, 0, 0x0b}, text(data)...)))
}

// long is the text behind a command that makes a request a long one.
var long = " " + strings.Repeat("x", 1200)

// fixer is somebody's module: /fix restarts the scene's web, or its db.
func (s scene) fixer(version string, more ...abi.CapabilityRequest) (file []byte, digest string) {
	s.t.Helper()
	const reply = `{"blocks":[{"kind":"text","spans":[{"text":"It was restarted."}]}],"keyboard":[[{"label":"Again","action":"again"}]]}`
	file, err := abi.WithManifest(restarter(reply, s.mark+"-web", s.mark+"-db"), abi.Manifest{
		Name: "fixer", Version: version, Description: "Restarts what hangs", Author: "an author", ABI: abi.Version,
		Commands: []abi.Command{{Name: "fix", Description: "Restart what hangs", Who: abi.WhoUser}},
		Capabilities: append([]abi.CapabilityRequest{
			{Name: "docker.containers.list", Scope: []string{s.mark + "-*"}, Reason: "looks which containers hang"},
			{Name: "docker.containers.restart", Scope: []string{s.mark + "-web", s.mark + "-db"}, Reason: "they hang now and then"},
		}, more...),
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return file, digestOf(file)
}

// conversation is a bot with a folder of modules, two admins and a user, in whose scene
// are a web and a db.
type conversation struct {
	*bot
	s                 scene
	host              atHost
	c                 *clock
	boss, other, user person
	phone             authenticator
}

func newConversation(t *testing.T) conversation {
	t.Helper()
	s, c := newScene(t), &clock{}
	s.has(dockertest.Container{Name: s.mark + "-web"}, dockertest.Container{Name: s.mark + "-db"})
	b := startBot(t, s.only, sandboxed, fromFolder, c.setup, twoAdmins)
	v := conversation{bot: b, s: s, host: atHost{t, b.o.stateDir}, c: c, boss: b.person(admin, admin), other: b.person(second, second), user: b.person(user, user)}
	v.other.says("/start") // a bot cannot begin to talk to somebody
	v.user.says("/start")
	v.phone = b.enrols(v.boss, c)
	return v
}

// tapsAway taps a button whose answer is another message.
func (p person) tapsAway(m emulator.Message, label string) {
	p.t.Helper()
	if _, err := p.TapOn(m.ID, label); err != nil {
		p.t.Fatal(err)
	}
}

// isTold taps a button that is answered with a sentence over the view.
func (p person) isTold(m emulator.Message, label, sentence string) {
	p.t.Helper()
	query, err := p.TapOn(m.ID, label)
	if err != nil {
		p.t.Fatal(err)
	}
	p.answersTo(query, sentence)
}

// TestAModuleFromSomebody is the way of a module of somebody else into a bot and out of
// it, with everything that people see of it (F1, F2).
func TestAModuleFromSomebody(t *testing.T) {
	v := newConversation(t)
	boss := v.boss

	// It waits, and both admins are told once, with what it wants, the worst first.
	file, digest := v.s.fixer("1.0.0")
	v.drop("fixer.wasm", file)
	page := boss.lately("fixer 1.0.0 waits for you")
	boss.expect(page, "Made, it says, by", "an author", digest, "“they hang now and then”", "“looks which containers hang”")
	if text := page.Text; strings.Index(text, "restart containers named") > strings.Index(text, "list containers named") {
		t.Errorf("the worst is not the first:\n%s", text)
	}
	v.other.lately("fixer 1.0.0 waits for you")
	v.user.expect(v.user.says("/fix"), "I do not know that command")

	// A code, a tap on the exact list, and it runs.
	boss.tapsAway(page, "✅ Approve")
	boss.lately("A code, please")
	boss.Type(v.phone.code())
	question := boss.lately("Approve the module fixer 1.0.0?")
	boss.expect(question, digest, v.s.mark+"-web", v.s.mark+"-db", "an author")
	v.user.expect(v.user.says("/fix"), "I do not know that command")
	boss.tapsAway(question, "Approve fixer 1.0.0")
	boss.lately("fixer is approved, and runs")
	v.other.lately("The module fixer was approved by another admin")
	boss.Type("/fix")
	boss.confirm("Restart", v.s.mark+"-web")
	fixed := boss.lately("It was restarted.")
	if first, _, _ := strings.Cut(fixed.Text, "\n"); first != "🧩 fixer" {
		t.Errorf("its reply begins with %q", first)
	}
	asked := answers(boss)
	v.user.expect(v.user.says("/fix"), "not permitted")
	if n := answers(boss); n != asked {
		t.Errorf("an admin was told %d things of what a user may not do", n-asked)
	}
	v.wantsMore()
	v.isRefused()
	v.isRevoked(fixed)
	v.isDecidedAtTheHost()
	v.recorded("module.pending", "module.approved", "module.rejected", "module.revoked", "module.action", "docker.action", "capability.denied")
	v.auditIsGood()
}

// wantsMore is the next version: what is new is said, the old one goes on meanwhile, and
// it gets less than it asks for.
func (v conversation) wantsMore() {
	boss, web := v.boss, v.s.mark+"-web"
	file, digest := v.s.fixer("1.1.0", abi.CapabilityRequest{Name: "docker.containers.kill", Scope: []string{v.s.mark + "-*"}, Reason: "some hang hard"})
	v.drop("fixer.wasm", file)
	page := boss.lately("fixer 1.1.0 waits for you")
	boss.expect(page, "🔴 🆕 kill containers named "+v.s.mark+"-*", "“some hang hard”", "🔴 restart", "Approved before")
	others := v.other.lately("fixer 1.1.0 waits for you")
	boss.Type("/fix")
	boss.confirm("Restart", web)
	boss.hears("It was restarted.", 2)

	choice := boss.gets("/modules narrow fixer docker.containers.kill "+web, "Tap a pattern to take it away")
	choice = boss.tapsOn(choice.ID, "✅ restart "+sdk.Line(v.s.mark+"-db", 24))
	boss.expect(choice, "docker.containers.restart</code>: "+web, "docker.containers.kill</code>: ✏️ "+web)
	boss.lacks(choice, v.s.mark+"-db,", "restart</code>: "+web+", ")
	boss.tapsAway(choice, "✅ Approve these")
	question := boss.lately("Approve the module fixer 1.1.0?")
	boss.expect(question, digest, "restart containers named "+web, "kill containers named "+web+" (new)")
	boss.tapsAway(question, "Approve fixer 1.1.0")
	boss.hears("fixer is approved, and runs", 1)
	v.fixesWebOnly()

	// What another admin still sees of it is worth nothing any more.
	v.other.isTold(others, "✅ Approve", "That file does not wait any more")

	// All of it outlives a restart but the session.
	v.restart()
	v.c.advance(time.Minute)
	boss.expect(boss.says("/fix"), "A code, please")
	boss.Type(v.phone.code())
	boss.confirm("Restart", web)
	v.fixesWebOnly()
}

// fixesWebOnly shows that the module is kept from what it was not granted.
func (v conversation) fixesWebOnly() {
	v.boss.gets("/fix"+long, "That is not permitted")
	if v.boss.said("Restart "+v.s.mark+"-db?") != 0 {
		v.boss.t.Error("it asks to restart what it was not granted")
	}
}

// isRefused is a version that nobody is asked about again.
func (v conversation) isRefused() {
	file, _ := v.s.fixer("1.2.0")
	v.drop("fixer.wasm", file)
	page := v.boss.lately("fixer 1.2.0 waits for you")
	v.other.lately("fixer 1.2.0 waits for you")
	v.boss.tapsAway(page, "🚫 Refuse")
	v.boss.lately("fixer is refused. Nobody is asked about this file again")
	before := answers(v.other)
	v.drop("fixer-again.wasm", file)
	v.awaits("the copy is seen", func() bool { return len(v.waiting()) == 2 })
	if n := answers(v.other); n != before {
		v.other.t.Errorf("an admin is told of what was refused")
	}
	v.user.expect(v.user.readsOf("fixer"), "1.1.0", "an author")
	v.user.lacks(v.user.lately("modules, page"), "1.2.0", "waits", "refused")
}

// isRevoked ends what runs, with its buttons.
func (v conversation) isRevoked(fixed emulator.Message) {
	boss := v.boss
	page := boss.gets("/modules fixer", "approved by an admin")
	boss.expect(page, "1.1.0", "restart containers named "+v.s.mark+"-web", "calls")
	boss.tapsAway(page, "⛔ Revoke")
	question := boss.lately("Revoke the module fixer")
	boss.tapsAway(question, buttonWith(boss.t, question, "Revoke fixer"))
	boss.lately("fixer does not run, and has no commands")
	v.other.lately("The module fixer was revoked by another admin")
	boss.gets("/fix", "I do not know that command")
	boss.isTold(fixed, "Again", "no longer there")
}

// isDecidedAtTheHost is the same over the control socket of the bot that runs.
func (v conversation) isDecidedAtTheHost() {
	t := v.host.t
	types := func(want string, args ...string) {
		t.Helper()
		if got, err := v.host.types("", args...); err != nil || !strings.Contains(got, want) {
			t.Errorf("%q: %v\n%s", args, err, got)
		}
	}
	types("fixer.wasm, fixer 1.2.0, refused", "list")
	types("fixer is approved, and runs", "approve", "fixer.wasm", "--yes")
	v.other.lately("The module fixer was approved by somebody at the host")
	types("fixer 1.2.0, loaded", "list")
	v.user.expect(v.user.says("/fix"), "not permitted")
	types("fixer is revoked", "revoke", "fixer")
	v.user.expect(v.user.says("/fix"), "I do not know that command")
}

// TestAModuleThatLies answers with the very question of the host for a code, with the
// button of a confirmation that is under way, and with another's callback data: it gets
// neither the code nor anything approved (F6).
func TestAModuleThatLies(t *testing.T) {
	v := newConversation(t)
	boss := v.boss
	fixer, digest := v.s.fixer("1.0.0")
	v.drop("fixer.wasm", fixer)
	page := boss.lately("fixer 1.0.0 waits for you")
	boss.tapsAway(page, "✅ Approve")
	truth := boss.lately("A code, please")

	answer := func(text, label, action string) string {
		t.Helper()
		data, err := json.Marshal(abi.Reply{
			Blocks: []abi.Block{{Kind: abi.BlockText, Spans: []abi.Span{{Text: text}}}}, Keyboard: [][]abi.Button{{{Label: label, Action: action}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	const label = "Approve fixer 1.0.0"
	wasm := teller(answer(truth.Text, label, "again"), answer("Tap here", label, dataOf(t, page, "✅ Approve")))
	liar := func(t *testing.T) []byte {
		file, err := abi.WithManifest(wasm, abi.Manifest{
			Name: "liar", Version: "1.0.0", Description: "Says what it likes", Author: "Mallory", ABI: abi.Version,
			Commands: []abi.Command{{Name: "lie", Description: "Lie", Who: abi.WhoUser}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return file
	}
	v.drop("liar.wasm", liar(t))
	boss.lately("liar 1.0.0 waits for you")
	if got, err := v.host.types("", "approve", "liar", "--yes"); err != nil {
		t.Fatalf("%v\n%s", err, got)
	}
	v.c.advance(6 * time.Minute) // the host's own question is over
	boss.Type("/lie")
	lie := boss.since(truth.ID, "A code, please")
	if lie.Text != "🧩 liar\n"+truth.Text {
		t.Errorf("it is not said who asks:\n%s", lie.Text)
	}
	calls := func() int64 {
		for _, m := range v.app.registry.List() {
			if m.Name == "liar" {
				return m.Use.Invocations
			}
		}
		return 0
	}
	before := calls()
	boss.Type(v.phone.code())
	boss.hears("That code is right", 2)
	if n := calls(); n != before {
		t.Errorf("the module was called %d times with a code", n-before)
	}
	boss.tapsAway(lie, label) // its own button, which leads to itself
	v.awaits("the module gets the tap", func() bool { return calls() == before+1 })
	boss.gets("/lie"+long, "an answer that cannot be shown")
	v.user.answersTo(v.user.TapData(v.user.says("/lie").ID, dataOf(t, page, "✅ Approve")), "somebody else, or to another chat")
	if got := v.waiting(); len(got) != 1 || got[0] != digest {
		t.Errorf("%v wait", got)
	}
	boss.gets("/fix", "I do not know that command")
	v.auditIsGood()
}

// answersTo fails unless a tap was answered so.
func (p person) answersTo(query, sentence string) {
	p.t.Helper()
	if answer := p.answer(query); !strings.Contains(answer.Text, sentence) {
		p.t.Errorf("the tap is answered with %q", answer.Text)
	}
}

// buttonWith is the label of the button that begins so.
func buttonWith(t testing.TB, m emulator.Message, begins string) string {
	t.Helper()
	for _, label := range slices.Concat(m.Labels()...) {
		if strings.HasPrefix(label, begins) {
			return label
		}
	}
	t.Fatalf("no button %q: %q", begins, m.Labels())
	return ""
}
