package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
)

// The real program gets real signals here.

// fileOf is the config of the world as a file that the tests can change.
func (w *telegramFor) fileOf() configFile {
	w.t.Helper()
	cfg, _, err := config.Load(w.config, config.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	return configFile{
		token: w.world.Token(), api: cfg.Telegram.APIURL, docker: "unix://" + filepath.Join(w.t.TempDir(), "no-docker.sock"),
		users: w.ids,
	}
}

// hangup lets the process read a file, and waits until it has said so, once
// more than before.
func (w *telegramFor) hangup(process *exec.Cmd, text, event string) {
	w.t.Helper()
	before := w.count(event)
	w.write(text)
	w.signal(process)
	w.logs(event, before+1)
}

// write puts a config in the place of the one that is there, at once: a signal may be
// worked on at this moment.
func (w *telegramFor) write(text string) {
	w.t.Helper()
	next := filepath.Join(filepath.Dir(w.config), "next")
	if err := os.WriteFile(next, []byte(text), 0o600); err != nil {
		w.t.Fatal(err)
	}
	if err := os.Rename(next, w.config); err != nil {
		w.t.Fatal(err)
	}
}

func (w *telegramFor) signal(process *exec.Cmd) {
	w.t.Helper()
	if err := process.Process.Signal(syscall.SIGHUP); err != nil {
		w.t.Fatal(err)
	}
}

func (w *telegramFor) count(event string) int {
	return strings.Count(w.log.String(), `"event":"`+event+`"`)
}

// logs waits until an event was logged so many times.
func (w *telegramFor) logs(event string, n int) {
	w.t.Helper()
	deadline := timeout()
	for w.count(event) < n {
		select {
		case <-deadline:
			w.t.Fatalf("%s was logged %d times, want %d:\n%s", event, w.count(event), n, w.log)
		case <-tick():
		}
	}
}

func TestAHangupReadsTheConfig(t *testing.T) {
	w := newTelegram(t, 7_300_500_000, 2)
	w.flags = nil // the file has no webhook
	file := w.fileOf()
	both := file.users
	file.users = both[:1]
	if err := os.WriteFile(w.config, []byte(file.text()), 0o600); err != nil {
		t.Fatal(err)
	}
	process := w.run(warmState(t))
	p, q := w.person(both[0]), w.person(both[1])
	p.expect(p.says("/load"), "Load average")
	q.expect(q.says("/load"), notOnTheList)

	file.users = both
	w.hangup(process, file.text(), "config.reloaded")
	q.expect(q.says("/load"), "Load average")

	bad := file
	bad.users = both[:1]
	w.hangup(process, bad.text()+"nonsense: 1\n", "config.refused")
	w.hangup(process, "", "config.refused")
	w.write(bad.text())
	if err := os.Chmod(w.config, 0o644); err != nil {
		t.Fatal(err)
	}
	w.signal(process)
	w.logs("config.refused", 3)
	if err := os.Remove(w.config); err != nil {
		t.Fatal(err)
	}
	w.signal(process)
	w.logs("config.refused", 4)
	q.expect(q.says("/uptime"), "Uptime")

	file.users, file.grants = both[1:], "containers: []"
	w.hangup(process, file.text(), "config.reloaded")
	p.expect(p.says("/uptime"), notOnTheList)
	help := q.says("/help")
	q.expect(help, "/uptime")
	q.lacks(help, "/containers")
	w.end(process)
}

// A burst of commands is answered as if nobody sent signals meanwhile, and what
// the last signal asks for comes into effect.
func TestHangupsDuringABurst(t *testing.T) {
	const people, each, hangups = 40, 5, 50 // within the limit of a user (A8)
	w := newTelegram(t, 7_300_600_000, people)
	file := w.fileOf()
	process := w.run(warmState(t))
	first := w.person(w.ids[0])
	first.says("/back") // the process is there
	for i := range each {
		for _, id := range w.ids {
			w.person(id).Type(burst[i%len(burst)].command)
		}
	}
	for i := range hangups {
		file.limits = fmt.Sprintf("server: {host_calls: %d}", 100+i) // so that a module is loaded anew
		w.write(file.text())
		w.signal(process)
		w.sent(1 + (i+1)*people*each/hangups) // all along the burst
	}
	for _, id := range w.ids {
		p := w.person(id)
		for i, b := range burst {
			want := (each + len(burst) - 1 - i) / len(burst)
			p.hears(b.answer, want)
			if got := p.said(b.answer); got != want {
				t.Errorf("%d answers to %s, want %d", got, b.command, want)
			}
		}
	}
	reloads := w.count("config.reloaded")
	file.users = w.ids[1:]
	w.hangup(process, file.text(), "config.reloaded")
	for strings.Count(w.log.String(), `"users_removed":1`) == 0 {
		<-tick() // a signal of the burst was worked on last
	}
	first.expect(first.says("/load"), notOnTheList)
	if n := w.count("config.refused") + w.count("update.failed"); n > 0 || reloads < 1 {
		t.Errorf("%d reloads, and %d refused configs and failed commands:\n%s", reloads, n, w.log)
	}
	t.Logf("%d signals made %d reloads", hangups, reloads)
	w.end(process)
}

// A signal while the bot stops changes nothing, and does not end it early.
func TestAHangupWhileTheBotStops(t *testing.T) {
	w := newTelegram(t, 7_300_700_000, 1)
	process := w.run(warmState(t))
	p := w.person(w.ids[0])
	p.says("/back")
	if err := process.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	w.logs("app.stopping", 1)
	for w.count("app.stopped") == 0 {
		w.signal(process)
		<-tick()
	}
	if err := process.Wait(); err != nil {
		t.Errorf("the program ended with: %v", err)
	}
	if w.count("config.refused") > 0 || w.count("config.reloaded") > 0 {
		t.Errorf("it read its config while it stopped:\n%s", w.log)
	}
}
