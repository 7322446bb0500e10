package main

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
	"github.com/cofferdam-bot/cofferdam/security/access"
	"github.com/cofferdam-bot/cofferdam/security/totp"
)

// knock is a message of somebody whom Telegram made up.
func knock(stranger int64) func(id int64) []byte {
	return func(id int64) []byte {
		return fmt.Appendf(nil, `{"update_id":%d,"message":{"message_id":7,"date":%d,"from":{"id":%d,"is_bot":false,"first_name":%q},"chat":{"id":%d,"type":"private"},"text":"/containers"}}`,
			id, time.Now().Unix(), stranger, fmt.Sprint("Mallory ", stranger), stranger)
	}
}

// 20,000 distinct ids: memory and state stay bounded, users are served, admins
// are told of a few, and no name or id of a stranger is in the log.
func TestTwentyThousandStrangers(t *testing.T) {
	const strangers, first = 20_000, 8_100_000_000
	b := startBot(t, onDisk, quick, func(b *bot) {
		// As in production: the answers to strangers must not use it up.
		b.cfg.Telegram.Flood = config.Flood{Overall: 30}
	})
	p, boss := b.person(user, user), b.person(admin, admin)
	boss.says("/start")
	before := heap()
	var slowest time.Duration
	for i := range int64(strangers) {
		b.world.InjectUpdate(knock(first + i))
		if i%2_000 == 1_999 {
			began := time.Now()
			p.expect(p.says("/load"), "Load average")
			slowest = max(slowest, time.Since(began))
		}
	}
	b.awaitLong(func() bool { return b.world.Waiting() == 0 })
	p.expect(p.says("/uptime"), "Uptime")
	t.Logf("slowest answer to a user %v; heap %d KiB more", slowest, (int64(heap())-int64(before))>>10)
	if more := int64(heap()) - int64(before); more > 32<<20 {
		t.Errorf("%d MiB of memory more", more>>20)
	}
	if n := boss.said("Somebody who is on no list"); n == 0 || n > 30 {
		t.Errorf("an admin was told %d times", n)
	}
	if strings.Contains(b.log.String(), "Mallory") {
		t.Error("a name that a stranger chose is in the log")
	}
	if err := b.stop(); err != nil {
		t.Fatal(err)
	}
	s, err := store.Open(b.o.stateDir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	kept := 0
	err = s.Table(store.Strikes).Each(func(_, value []byte, _ time.Time) error {
		var r access.Record
		if json.Unmarshal(value, &r) == nil {
			kept++
		}
		return nil
	})
	if err != nil || kept == 0 || kept > access.StrangersAtMost {
		t.Errorf("%d strangers are kept, %v; want at most %d", kept, err, access.StrangersAtMost)
	}
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func (b *bot) awaitLong(done func() bool) {
	b.t.Helper()
	for deadline := time.After(2 * patience); !done(); {
		select {
		case <-deadline:
			b.t.Fatal("it never happens")
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// A block outlives a restart of the whole bot.
func TestABlockedStrangerStaysBlocked(t *testing.T) {
	c := &clock{}
	b := startBot(t, onDisk, quick, c.setup)
	s := b.person(stranger, stranger)
	for range 2 {
		s.expect(s.says("/containers"), "not on this bot's list")
	}
	s.Type("/containers")
	b.await("access.blocked", 1)
	b.restart()
	friend := b.person(user, user)
	for range 3 {
		s.Type("/getmyid")
	}
	friend.says("/load")
	if n := answers(s); n != 2 {
		t.Errorf("%d answers to a blocked stranger, want the two from before", n)
	}
	b.recorded("access.blocked")
	c.advance(access.BlockFor + time.Second)
	s.expect(s.says("/getmyid"), "5003")
	b.await("access.unblocked", 1)
}

// cleans does at once what the bot does every few seconds, and every minute.
func (b *bot) cleans() {
	b.t.Helper()
	b.app.pipeline.Sweep()
	if err := b.app.store.Prune(b.t.Context(), b.o.now()); err != nil {
		b.t.Fatal(err)
	}
}

// A clock that jumps by an hour takes no block away for good, of a stranger or of
// codes, and makes none longer than it is; nor does a restart meanwhile.
func TestBlocksOutliveAClockThatJumps(t *testing.T) {
	c := &clock{}
	b := startBot(t, onDisk, quick, c.setup)
	p, s := b.person(admin, admin), b.person(stranger, stranger)
	phone := b.enrols(p, c)
	for range 2 {
		s.expect(s.says("/containers"), "not on this bot's list")
	}
	s.Type("/containers")
	b.await("access.blocked", 1)
	p.lately("Somebody who is on no list") // so that it comes between no question and its answer
	for range 3 {
		p.says(phone.wrong())
	}
	p.hears("one too many", 1)

	silences := 0
	blocked := func(when string) {
		t.Helper()
		s.Type("/getmyid")
		silences++
		b.await("access.silenced", silences)
		// The block was told once; after that a code is met with silence.
		menus, opened := p.said("Main menu"), p.said("That code is right")
		p.Type(phone.code())
		p.Type("/back")
		p.await(func([]emulator.Message) bool { return p.said("Main menu") > menus })
		if p.said("That code is right") > opened {
			t.Errorf("%s: a code was taken", when)
		}
	}
	blocked("at first")
	for _, rule := range []struct {
		name     string
		restarts bool
	}{
		{"an hour ahead and back", false}, {"an hour ahead, a restart, and back", true}, {"and again", false},
	} {
		c.advance(time.Hour)
		b.cleans()
		b.await("access.unblocked", 1) // told once by each process
		if rule.restarts {
			b.restart()
			b.cleans()
		}
		c.advance(-time.Hour)
		b.cleans()
		blocked(rule.name)
	}
	c.advance(-time.Hour)
	b.cleans()
	blocked("an hour back")
	b.restart()
	blocked("an hour back, after a restart")

	c.advance(totp.BlockFor + time.Second)
	p.expect(p.says(phone.code()), "That code was used already") // the clock was ahead when it enrolled
	c.advance(access.BlockFor - totp.BlockFor)
	b.cleans()
	s.expect(s.says("/getmyid"), "5003")
	c.advance(2 * time.Minute)
	p.expect(p.says(phone.code()), "That code is right")
}
