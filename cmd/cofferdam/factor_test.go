package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	_ "image/png"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/makiuchi-d/gozxing"
	"github.com/makiuchi-d/gozxing/qrcode"

	"github.com/cofferdam-bot/cofferdam/runtime/control"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
	"github.com/cofferdam-bot/cofferdam/runtime/twofactor"
	"github.com/cofferdam-bot/cofferdam/security/audit"
	"github.com/cofferdam-bot/cofferdam/security/totp"
)

// authenticator is the app on an admin's phone. Its clock is the bot's.
type authenticator struct {
	t      testing.TB
	secret string
	now    func() time.Time
}

// scan reads the QR code of a picture, as a phone's camera does.
func scan(t testing.TB, picture []byte) string {
	t.Helper()
	decoded, _, err := image.Decode(bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	bitmap, err := gozxing.NewBinaryBitmapFromImage(decoded)
	if err != nil {
		t.Fatal(err)
	}
	// Nothing but the code is in the picture. Looked for as in a photograph, one in fifty
	// is not found.
	result, err := qrcode.NewQRCodeReader().Decode(bitmap, map[gozxing.DecodeHintType]any{gozxing.DecodeHintType_PURE_BARCODE: true})
	if err != nil {
		t.Fatalf("the picture holds no QR code: %v", err)
	}
	return result.GetText()
}

func newAuthenticator(t testing.TB, uri string, now func() time.Time) authenticator {
	t.Helper()
	parsed, err := url.Parse(uri)
	if err != nil {
		t.Fatal(err)
	}
	return authenticator{t: t, secret: parsed.Query().Get("secret"), now: now}
}

func (a authenticator) code() string {
	a.t.Helper()
	code, err := totp.At(a.secret, a.now())
	if err != nil {
		a.t.Fatal(err)
	}
	return code
}

// wrong is a code that is not right at any time near now.
func (a authenticator) wrong() string {
	a.t.Helper()
	near := map[string]bool{}
	for step := -3; step <= 3; step++ {
		code, err := totp.At(a.secret, a.now().Add(time.Duration(step)*30*time.Second))
		if err != nil {
			a.t.Fatal(err)
		}
		near[code] = true
	}
	for i := range 10 {
		if code := fmt.Sprintf("%06d", i); !near[code] {
			return code
		}
	}
	a.t.Fatal("every code is right")
	return ""
}

// enrols lets an admin enrol in chat, and ends the session that it opened. The
// clock moves on, so that the next code is a new one.
func (b *bot) enrols(p person, c *clock) authenticator {
	b.t.Helper()
	m := p.says("/qrcode")
	if m.Photo == nil {
		b.t.Fatalf("there is no picture: %s", m.Styled())
	}
	a := newAuthenticator(b.t, scan(b.t, m.Photo.Bytes), c.now)
	p.Type(a.code())
	p.hears("Your session in this chat lasts", 1)
	p.expect(p.says("/logout"), "Your sessions are closed")
	c.advance(time.Minute)
	return a
}

// lately returns the newest message that has a text and is not deleted.
func (p person) lately(text string) emulator.Message { p.t.Helper(); return p.since(0, text) }

// since is lately for what came after a message.
func (p person) since(id int, text string) emulator.Message {
	p.t.Helper()
	var found emulator.Message
	p.await(func(all []emulator.Message) bool {
		for _, m := range slices.Backward(all) {
			if m.ID > id && !m.Deleted && strings.Contains(m.Text, text) {
				found = m
				return true
			}
		}
		return false
	})
	return found
}

// confirm taps the button of the newest question that does it.
func (p person) confirm(verb, name string) emulator.CallbackAnswer {
	p.t.Helper()
	question := p.lately(verb + " " + name + "?")
	query, err := p.TapOn(question.ID, verb+" "+name)
	if err != nil {
		p.t.Fatal(err)
	}
	return p.answer(query)
}

// managing is a scene in which the bot may manage its containers, with a clock
// and state on disk.
func (s scene) managing(c *clock) []setup {
	return []setup{s.only, onDisk, c.setup, func(b *bot) {
		scope := []string{"label:test=" + s.mark}
		b.cfg.Modules.Grants["manage"] = grants("docker.info", scope, "docker.containers.list", "docker.containers.inspect",
			"docker.containers.start", "docker.containers.stop", "docker.containers.restart", "docker.containers.pause",
			"docker.containers.unpause", "docker.containers.kill", "docker.containers.remove", "docker.containers.rename")
	}}
}

func (s scene) state(id string) string {
	s.t.Helper()
	got, err := dockertest.Client(s.t).ContainerInspect(context.Background(), id)
	if err != nil {
		return "gone"
	}
	return got.State.Status
}

// The main conversation: an admin who was never here before stops a container.
func TestAnAdminEnrolsAndStopsAContainer(t *testing.T) {
	t.Parallel()
	s, c := newScene(t), &clock{}
	name := dockertest.Unique("web")
	id := s.has(dockertest.Container{Name: name})[0]
	b := startBot(t, s.managing(c)...)
	p := b.person(admin, admin)

	view := p.says("/manage " + name)
	p.expect(view, name, "running")
	p.tapsForNote("⏹ Stop", "needs a second factor, and you have none yet")

	picture := p.says("/qrcode")
	p.expect(picture, "Scan this with your authenticator app")
	phone := newAuthenticator(t, scan(t, picture.Photo.Bytes), c.now)
	typed := p.types(phone.code())
	backups := p.lately("Your backup codes")
	p.expect(p.lately("That code is right"), "10 minutes")
	p.await(func([]emulator.Message) bool { return gone(p, typed) })
	b.recorded("totp.enrolled", "session.opened")

	if _, err := p.TapOn(view.ID, "⏹ Stop"); err != nil {
		t.Fatal(err)
	}
	question := p.lately("Stop " + name + "?")
	p.expect(question, name, id[:12], "local", "manage", "It stays stopped")
	if got := s.state(id); got != "running" {
		t.Fatalf("it is %s before the tap", got)
	}
	p.confirm("Stop", name)
	p.await(func([]emulator.Message) bool { return strings.Contains(p.message(view.ID).Text, "exited") })
	if got := s.state(id); got != "exited" {
		t.Errorf("the engine says it is %s", got)
	}
	p.await(func([]emulator.Message) bool { return gone(p, question.ID) })
	b.recorded("docker.action")

	// What is destroyed is asked for again each time; what is not is not.
	p.Type("/manage " + name)
	if _, err := p.TapOn(p.lately("exited").ID, "▶️ Start"); err != nil {
		t.Fatal(err)
	}
	p.await(func([]emulator.Message) bool { return s.state(id) == "running" })

	c.advance(61 * time.Second)
	p.await(func([]emulator.Message) bool { return gone(p, picture.ID) && gone(p, backups.ID) })
	c.advance(10 * time.Minute)
	p.Type("/manage " + name)
	if _, err := p.TapOn(p.lately("running").ID, "⏹ Stop"); err != nil {
		t.Fatal(err)
	}
	p.expect(p.lately("A code, please"), "docker.containers.stop", "123456", "3 wrong codes")
	p.Type("/" + phone.code())
	p.confirm("Stop", name)
	p.await(func([]emulator.Message) bool { return s.state(id) == "exited" })
	b.auditIsGood()
}

// A session is gone after a restart, and an accepted code stays used up.
func TestASessionEndsWithTheProcess(t *testing.T) {
	c := &clock{}
	b := startBot(t, onDisk, quick, c.setup)
	p := b.person(admin, admin)
	phone := b.enrols(p, c)
	code := phone.code()
	p.Type(code)
	p.hears("That code is right", 2)
	b.restart()
	p.expect(p.says("/logout"), "You have no session")
	p.expect(p.says(code), "That code was used already")
	c.advance(30 * time.Second)
	p.expect(p.says(phone.code()), "That code is right")
}

// Wrong codes block, also over a restart, and the other admins hear of it.
func TestABlockOutlivesARestartAndIsTold(t *testing.T) {
	c := &clock{}
	b := startBot(t, onDisk, quick, c.setup, func(b *bot) {
		b.cfg.AccessControl.AllowedAdminsIDs = append(b.cfg.AccessControl.AllowedAdminsIDs, user)
	})
	p, other := b.person(admin, admin), b.person(user, user)
	other.says("/start") // so that the bot may write to them
	phone := b.enrols(p, c)
	p.expect(p.says(phone.wrong()), "That code is wrong", "2 wrong codes")
	b.restart() // counters stay
	p.expect(p.says(phone.wrong()), "One more wrong code")
	p.expect(p.says(phone.wrong()), "one too many")
	p.expect(other.lately("Too many wrong codes"), "blocked for 10 minutes")
	b.restart()
	p.expect(p.says(phone.code()), "Codes are blocked")
	c.advance(10*time.Minute + time.Second)
	p.expect(p.says(phone.code()), "That code is right")
	if p.said("Too many wrong codes of") != 0 {
		t.Error("the blocked admin was told as the others are")
	}
	b.recorded("totp.blocked")
}

// totp enroll asks the bot that runs: its clock counts, and who is enrolled is
// refused by a code, not by how the refusal is worded.
func TestEnrolmentOverTheSocket(t *testing.T) {
	c := &clock{}
	b := startBot(t, onDisk, quick, c.setup, func(b *bot) {
		b.cfg.AccessControl.AllowedAdminsIDs = append(b.cfg.AccessControl.AllowedAdminsIDs, user)
	})
	b.enrols(b.person(admin, admin), c)
	var shown enrolment
	err := control.Call(t.Context(), b.o.stateDir, callEnroll, admin, &shown)
	refusal, refused := errors.AsType[*control.Refusal](err)
	if !refused || refusal.Code != refusedEnrolled || !isEnrolled(err) || shown.URI != "" {
		t.Errorf("who is enrolled gets %v", err)
	}
	if isEnrolled(&control.Refusal{Reason: twofactor.ErrEnrolled.Error()}) || isEnrolled(nil) {
		t.Error("it is recognised by its text")
	}
	c.advance(5 * time.Hour)
	if err := control.Call(t.Context(), b.o.stateDir, callEnroll, user, &shown); err != nil {
		t.Fatal(err)
	}
	key, err := totp.DeriveKey(string(b.cfg.AccessControl.AuthSalt))
	if err != nil {
		t.Fatal(err)
	}
	sealed, _, err := b.app.store.Table(store.SecondFactors).Get(idKey(user))
	if err != nil {
		t.Fatal(err)
	}
	state, err := key.Open(user, sealed)
	if err != nil || state.PendingAt.Sub(c.now()).Abs() > time.Minute {
		t.Errorf("drawn at %v, %v; the bot's clock says %v", state.PendingAt, err, c.now())
	}
}

// The same code from two chats at the same instant opens one session.
func TestTheSameCodeAtTheSameInstant(t *testing.T) {
	c := &clock{}
	b := startBot(t, onDisk, quick, c.setup)
	p := b.person(admin, admin)
	phone := b.enrols(p, c)
	code := phone.code()
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() { p.Type(code) })
	}
	all.Wait()
	p.hears("That code", 1+1+3) // enrolment's, one right one, replays until the block
	// Two replays, the third blocks, and of the rest one is told so (B3).
	p.await(func([]emulator.Message) bool {
		return p.said("Codes are blocked") == 1 && p.said("That code was used") == 2 && p.said("one too many") == 1
	})
	if n := p.said("That code is right"); n != 2 {
		t.Errorf("accepted %d times, want once beside the enrolment", n-1)
	}
}

// A clock that jumps an hour does not let an old code in, and makes no session
// or block longer than it is.
func TestTheClockJumps(t *testing.T) {
	c := &clock{}
	b := startBot(t, onDisk, quick, c.setup)
	p := b.person(admin, admin)
	phone := b.enrols(p, c)
	p.expect(p.says(phone.code()), "That code is right")
	c.advance(-time.Hour)
	// The session began in what is now the future: it is over. So are the steps
	// of the next hour.
	p.expect(p.says("/qrcode"), "You have a second factor already")
	p.expect(p.says(phone.code()), "That code was used already")
	c.advance(2 * time.Hour)
	p.expect(p.says("/qrcode"), "You have a second factor already")
	p.expect(p.says(phone.code()), "That code is right")
}

func TestLegacyAuthenticatorsGoOnWorking(t *testing.T) {
	c := &clock{}
	b := newBot(t, onDisk, quick, c.setup, func(b *bot) {
		b.cfg.AccessControl.TOTP.LegacyDerivation = true
		b.world.AddUser(emulator.User{ID: admin, FirstName: "Admin", Username: "Alice_Ops"})
		b.world.AddUser(emulator.User{ID: user, FirstName: "Nameless"})
		b.cfg.AccessControl.AllowedAdminsIDs = append(b.cfg.AccessControl.AllowedAdminsIDs, user)
	})
	b.start()
	secret, ok := totp.Legacy{Salt: string(b.cfg.AccessControl.AuthSalt), ProdToken: string(b.cfg.BotToken.ProdToken)}.Secret(admin, "alice_ops")
	if !ok {
		t.Fatal("no secret")
	}
	phone := authenticator{t: t, secret: secret, now: c.now}
	p := b.person(admin, admin)
	p.Type(phone.code())
	p.hears("Your session in this chat lasts", 1)
	// From now on it is the admin's own, whatever the username becomes.
	b.world.AddUser(emulator.User{ID: admin, FirstName: "Admin", Username: "somebody_else"})
	c.advance(time.Minute)
	p.expect(p.says("/"+phone.code()), "That code is right")
	// Who has no username has none to derive from, and enrols.
	nameless := b.person(user, user)
	b.enrols(nameless, c)
}

// types sends a text and returns the message's id.
func (p person) types(text string) int { return p.Type(text).ID }

// tapsForNote taps a button that does not change its view, and expects a text in
// the answer to the tap.
func (p person) tapsForNote(label, text string) {
	p.t.Helper()
	if answer := p.tapsOnly(label); !strings.Contains(answer.Text, text) {
		p.t.Errorf("tapping %q was answered with %q, want %q", label, answer.Text, text)
	}
}

// auditFile is the path of the bot's audit log.
func (b *bot) auditFile() string { return filepath.Join(b.o.stateDir, "audit.jsonl") }

// recorded fails unless the audit log has all of these events.
func (b *bot) recorded(events ...string) {
	b.t.Helper()
	text, err := os.ReadFile(b.auditFile())
	if err != nil {
		b.t.Fatal(err)
	}
	for _, event := range events {
		if !regexp.MustCompile(`"event":"` + regexp.QuoteMeta(event) + `"`).Match(text) {
			b.t.Errorf("the audit log lacks %s:\n%s", event, text)
		}
	}
}

// auditIsGood stops the bot and checks the chain of its audit log.
func (b *bot) auditIsGood() {
	b.t.Helper()
	if err := b.stop(); err != nil {
		b.t.Errorf("the bot ended with: %v", err)
	}
	file, err := os.Open(b.auditFile())
	if err != nil {
		b.t.Fatal(err)
	}
	defer file.Close()
	if _, err := audit.Verify(file, audit.Head{}); err != nil {
		b.t.Error(err)
	}
}
