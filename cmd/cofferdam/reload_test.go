package main

import (
	"context"
	"crypto/rand"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/runtime/docker/dockertest"
	"github.com/cofferdam-bot/cofferdam/runtime/telegram/emulator"
)

// configFile is what of a config file the tests change.
type configFile struct {
	token, api, docker      string
	users, admins           []int64
	containers              string  // of access_control
	groups, allowed         []int64 // global_chat_id and allowed_chat_ids
	grants, limits, further string
	hook                    string // webhook_config, with its key
}

// reloadSalt is the salt of all these files: one that is not worth a warning.
var reloadSalt = strings.ToLower(rand.Text() + rand.Text())

// text is the file.
func (f configFile) text() string {
	list := func(ids []int64) string { return strings.ReplaceAll(fmt.Sprint(ids), " ", ", ") }
	return "bot_token: {prod_token: '" + f.token + "'}\n" +
		"access_control:\n" +
		"  allowed_user_ids: " + list(f.users) + "\n" +
		"  allowed_admins_ids: " + list(f.admins) + "\n" +
		"  allowed_chat_ids: " + list(f.allowed) + "\n" +
		"  auth_salt: " + reloadSalt + "\n" +
		f.restrictions() +
		"chat_id: {global_chat_id: " + list(f.groups) + "}\n" +
		"docker: {host: [" + f.docker + "]}\n" +
		"telegram: {api_url: " + f.api + ", flood: {overall: 0, chat: 0, group: 0}}\n" +
		"modules:\n  grants: {" + f.grants + "}\n  limits: {" + f.limits + "}\n" + f.further + f.hook
}

func (f configFile) restrictions() string {
	if f.containers == "" {
		return ""
	}
	return "  containers: {" + f.containers + "}\n"
}

// reloadable is a bot in this process whose config file can be changed.
type reloadable struct {
	*bot
	file configFile
	path string
}

// startReloadable runs a bot from a file, with change made to it.
func startReloadable(t *testing.T, change func(*configFile), changes ...setup) *reloadable {
	t.Helper()
	r := &reloadable{path: filepath.Join(t.TempDir(), "cofferdam.yaml")}
	fromFile := func(b *bot) {
		r.file = configFile{
			token: b.world.Token(), api: b.cfg.Telegram.APIURL, docker: b.cfg.Docker.Host[0],
			users: []int64{admin, user}, admins: []int64{admin}, groups: []int64{group},
		}
		if b.o.webhook {
			r.file.hook = fmt.Sprintf("webhook_config: {url: bot.example.org, local_port: %d, trusted_proxy_ips: 127.0.0.1}\n", freePort(t))
		}
		change(&r.file)
		cfg, _, err := config.Parse([]byte(r.file.text()))
		if err != nil {
			t.Fatal(err)
		}
		b.cfg = cfg
	}
	r.bot = startBot(t, append(changes, fromFile)...)
	return r
}

func asItIs(*configFile) {}

// reload changes the file and lets the bot read it.
func (r *reloadable) reload(change func(*configFile)) {
	r.t.Helper()
	change(&r.file)
	r.write(r.file.text(), 0o600)
	r.app.reload(r.t.Context(), r.path)
}

func (r *reloadable) write(text string, mode os.FileMode) {
	r.t.Helper()
	if err := os.WriteFile(r.path, []byte(text), mode); err != nil {
		r.t.Fatal(err)
	}
	if err := os.Chmod(r.path, mode); err != nil { // it may have been there
		r.t.Fatal(err)
	}
}

// told returns the last line of the log about an event.
func (r *reloadable) told(event string) string {
	r.t.Helper()
	last := ""
	for line := range strings.Lines(r.log.String()) {
		if strings.Contains(line, `"event":"`+event+`"`) {
			last = line
		}
	}
	return last
}

// logged fails unless the last line about an event has the texts.
func (r *reloadable) logged(event string, texts ...string) {
	r.t.Helper()
	line := r.told(event)
	for _, text := range texts {
		if !strings.Contains(line, text) {
			r.t.Errorf("%s lacks %s: %s", event, text, line)
		}
	}
}

// sees waits until Telegram shows somebody these commands in private.
func (r *reloadable) sees(who int64, commands string) {
	r.t.Helper()
	deadline := timeout()
	for {
		var names []string
		for _, c := range r.world.Commands(who, who) {
			names = append(names, c.Command)
		}
		slices.Sort(names)
		got := strings.Join(names, " ")
		if got == commands {
			return
		}
		select {
		case <-deadline:
			r.t.Fatalf("%d sees the commands %q, want %q", who, got, commands)
		case <-tick():
		}
	}
}

const (
	strangersCommands = "getmyid"
	notOnTheList      = "not on this bot's list"
)

func TestReloadLetsAUserIn(t *testing.T) {
	r := startReloadable(t, asItIs, quick)
	p := r.person(stranger, stranger)
	p.expect(p.says("/load"), notOnTheList)
	r.sees(stranger, strangersCommands)
	r.reload(func(f *configFile) { f.users = append(f.users, stranger) })
	p.expect(p.says("/load"), "Load average")
	r.sees(stranger, usersCommands(t))
	r.logged("config.reloaded", `"users_added":1`, `"users_removed":0`, `"admins_added":0`, `"admins_removed":0`, `"modules_loaded":0`)
	if r.told("config.restart_needed") != "" {
		t.Error("a restart is asked for")
	}
}

func TestReloadPutsAUserOut(t *testing.T) {
	r := startReloadable(t, asItIs, quick)
	p, g := r.person(user, user), r.person(user, group)
	p.expect(p.says("/load"), "Load average")
	r.sees(user, usersCommands(t))
	r.reload(func(f *configFile) { f.users = []int64{admin} })
	// In the middle of a conversation: by button, by text, in a group.
	if answer := p.tapsOnly("🔄 Refresh"); !strings.Contains(answer.Text, notOnTheList) {
		t.Errorf("a tap is answered with %q", answer.Text)
	}
	p.expect(p.says("/load"), notOnTheList)
	g.Type("/load")
	r.await("access.denied", 3)
	r.sees(user, strangersCommands)
	r.logged("config.reloaded", `"users_removed":1`, `"admins_removed":0`)
	a := r.person(admin, admin)
	a.expect(a.says("/load"), "Load average")
	if p.said("Load average") != 1 || g.said("Load average") != 0 {
		t.Error("somebody who was removed got an answer")
	}
}

// What waits in a user's lane when he is removed is refused.
func TestReloadReachesWhatWaits(t *testing.T) {
	r := startReloadable(t, asItIs, quick)
	p := r.person(user, user)
	p.says("/back")
	held := r.world.Count("sendMessage") + 1
	r.world.Fail(emulator.Fault{Method: "sendMessage", ChatID: user, Delay: time.Second})
	for _, text := range []string{"/load", "/uptime", "/memory"} {
		p.Type(text)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.world.WaitCalls(ctx, "sendMessage", held); err != nil {
		t.Fatal(err)
	}
	r.reload(func(f *configFile) { f.users = []int64{admin} })
	p.hears(notOnTheList, 2)
	if p.said("Uptime")+p.said("Available") != 0 {
		t.Error("a command ran that waited when its sender was removed")
	}
}

func TestReloadMakesAndUnmakesAdmins(t *testing.T) {
	r := startReloadable(t, asItIs, quick)
	role := func(id int64) string { return r.app.met.Decide(id, id, true).Role.String() }
	r.reload(func(f *configFile) { f.admins = []int64{user} })
	if role(admin) != "user" || role(user) != "admin" {
		t.Errorf("the roles are %s and %s", role(admin), role(user))
	}
	r.logged("config.reloaded", `"admins_added":1`, `"admins_removed":1`, `"users_added":0`, `"users_removed":0`)
	p := r.person(admin, admin)
	p.expect(p.says("/load"), "Load average")
}

func TestReloadOpensAndClosesChats(t *testing.T) {
	r := startReloadable(t, asItIs, quick)
	p, g := r.person(user, user), r.person(user, group)
	g.expect(g.says("/load"), "Load average")
	r.reload(func(f *configFile) { f.allowed = []int64{user} })
	r.logged("config.reloaded", `"chats_removed":2`) // the group, and the admin's
	g.Type("/load")
	r.await("access.denied", 1)
	p.expect(p.says("/load"), "Load average")
	r.reload(func(f *configFile) { f.allowed = nil })
	g.expect(g.says("/uptime"), "Uptime")
	if g.said("Load average") != 1 {
		t.Error("a closed chat was answered")
	}
}

func TestReloadRefusesABadConfig(t *testing.T) {
	r := startReloadable(t, asItIs, quick, byPolling) // the lines of the file are counted
	p := r.person(user, user)
	p.says("/load")
	good := func() string { f := r.file; f.users = []int64{admin}; return f.text() } // without the user
	var secret = strings.Repeat("s3cret-", 5)
	for _, test := range []struct {
		name  string
		write func()
		want  []string
	}{
		{"a typo", func() { r.write(strings.Replace(good(), "allowed_user_ids", "alowed_user_ids", 1), 0o600) }, []string{"line 3: access_control.alowed_user_ids", "did you mean"}},
		{"an unknown key", func() { r.write(good()+"nonsense: "+secret+"\n", 0o600) }, []string{"line 13: nonsense", "unknown key"}},
		{"two problems", func() { r.write(good()+"nonsense: 1\nlog: {level: loud}\n", 0o600) }, []string{`"count":2`, "line 13: nonsense", `\nline 14: log.level`}},
		{"no YAML", func() { r.write(good()+"a: [\n", 0o600) }, []string{"line 1"}},
		{"a stray admin", func() { f := r.file; f.admins = []int64{admin, stranger}; r.write(f.text(), 0o600) }, []string{"line 4: access_control.allowed_admins_ids", "not in allowed_user_ids"}},
		{"open to others", func() { r.write(good(), 0o644) }, []string{"mode 0644", "chmod 600"}},
		{"deleted", func() { os.Remove(r.path) }, []string{"is not there"}},
		{"empty", func() { r.write("", 0o600) }, []string{"empty"}},
		{"a directory", func() { os.Remove(r.path); os.Mkdir(r.path, 0o700) }, []string{"is a directory"}},
		{"a bad pattern", func() {
			f := r.file
			f.users = f.users[:1]
			f.grants = "containers: [docker.info, 'docker.containers.list{a/b}']"
			r.write(f.text(), 0o600)
		},
			[]string{"modules.grants.containers", "cannot be in a container's name"}},
		{"unknown capabilities", func() {
			f := r.file
			f.users = f.users[:1]
			f.grants = "core: [docker.exec], server: [docker.everything]"
			r.write(f.text(), 0o600)
		},
			[]string{`"count":2`, "modules.grants.core", "modules.grants.server", "unknown in this version"}},
		{"a limit with which no module starts", func() { f := r.file; f.users = f.users[:1]; f.limits = "core: {memory: 1}"; r.write(f.text(), 0o600) }, []string{"modules.limits.core.memory"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			os.Remove(r.path)
			before := strings.Count(r.log.String(), `"event":"config.refused"`)
			test.write()
			r.app.reload(t.Context(), r.path)
			if n := strings.Count(r.log.String(), `"event":"config.refused"`); n != before+1 {
				t.Errorf("refused %d times, want once", n-before)
			}
			r.logged("config.refused", append(test.want, `"level":"error"`)...)
			p.expect(p.says("/load"), "Load average")
			if strings.Contains(r.log.String(), secret) {
				t.Error("a value of the file is in the log")
			}
		})
	}
	if r.told("config.reloaded") != "" {
		t.Error("one of them was accepted")
	}
	if err := os.RemoveAll(r.path); err != nil {
		t.Fatal(err)
	}
	r.reload(func(f *configFile) { f.users = []int64{admin} })
	p.expect(p.says("/load"), notOnTheList)
}

// A module that cannot be loaded with what the new config says keeps everything
// else back too.
func TestReloadChangesNothingIfAModuleDoesNotLoad(t *testing.T) {
	r := startReloadable(t, asItIs) // in the sandbox
	p := r.person(user, user)
	p.expect(p.says("/load"), "Load average")
	r.reload(func(f *configFile) {
		f.users, f.limits = []int64{admin}, "server: {memory: 1MiB}" // a Go guest needs more to start
		f.grants = "containers: []"
	})
	r.logged("config.refused", "module server", "at most 16")
	p.expect(p.says("/load"), "Load average")
	p.expect(p.says("/help"), "/containers")
	r.reload(func(f *configFile) { f.limits = "server: {memory: 32MiB}" })
	r.logged("config.reloaded", `"users_removed":1`, `"modules_loaded":1`, `"modules_removed":1`)
	p.expect(p.says("/load"), notOnTheList)
}

func TestReloadNamesWhatNeedsARestart(t *testing.T) {
	r := startReloadable(t, asItIs, quick)
	secret := strings.Repeat("other", 8)
	r.reload(func(f *configFile) {
		f.token = "4815162342:" + strings.Repeat("Ab3_-", 7)
		f.further = "influxdb: {token: " + secret + "}\nlog: {level: DEBUG}\n"
		f.users = append(f.users, stranger)
	})
	r.logged("config.restart_needed", `"keys":"bot_token.prod_token, influxdb.token, log.level"`)
	if strings.Contains(r.log.String(), secret) || strings.Contains(r.log.String(), r.file.token) {
		t.Error("a value of the file is in the log")
	}
	p := r.person(stranger, stranger)
	p.expect(p.says("/load"), "Load average") // the rest counts, and the old token goes on
}

func TestReloadedKeysAreKeys(t *testing.T) {
	old, _, err := config.Parse([]byte(configFile{token: "4815162342:" + strings.Repeat("Ab3_-", 7), api: "http://a", docker: "unix:///a", users: []int64{1, 2}}.text()))
	if err != nil {
		t.Fatal(err)
	}
	now := *old
	now.AccessControl.AllowedUserIDs, now.AccessControl.AllowedAdminsIDs, now.AccessControl.AllowedChatIDs = []int64{1}, []int64{1}, []int64{1}
	now.AccessControl.Containers = map[string][]string{"1": {"web"}}
	now.ChatID.GlobalChatID = []config.Chat{{ID: -1}}
	now.Modules.Grants, now.Modules.Limits = map[string][]config.Grant{"x": nil}, map[string]config.Limits{"x": {}}
	now.Modules.Secrets, now.Plugins.Outline = map[string]map[string]config.Secret{"x": nil}, config.Outline{APIURL: "x", Cert: "x"}
	now.Modules.Pins, now.Modules.TrustedKeys, now.Modules.ChatApproval = map[string]string{"x": "y"}, []string{"x"}, !old.Modules.ChatApproval
	if keys := restartKeys(old, &now); len(keys) > 0 {
		t.Errorf("a restart is asked for %v", keys)
	}
	if keys := config.Differences(old, &now); !slices.Equal(slices.Sorted(slices.Values(keys)), slices.Sorted(slices.Values(reloaded))) {
		t.Errorf("the keys of a reload are %v, and %v were changed", reloaded, keys)
	}
}

func TestReloadNarrowsAGrant(t *testing.T) {
	s := newScene(t)
	s.has(dockertest.Container{Name: s.mark + "-web", Labels: map[string]string{"part": "web"}}, dockertest.Container{Name: s.mark + "-db"})
	grants := func(scope string) string {
		return fmt.Sprintf("containers: [docker.info, 'docker.containers.list{%s}', 'docker.containers.inspect{%s}', 'docker.containers.stats{%s}']", scope, scope, scope)
	}
	all := "label:test=" + s.mark
	r := startReloadable(t, func(f *configFile) { f.docker, f.grants = s.host, grants(all) })
	p := r.person(admin, admin)
	list := p.says("/containers")
	p.expect(list, "2 containers", s.mark+"-web", s.mark+"-db")
	r.reload(func(f *configFile) { f.grants = grants(s.mark + "-web") })
	r.logged("config.reloaded", `"modules_loaded":1`, `"modules_removed":0`)
	// A button that was made before is held against the new grant.
	query, err := p.TapOn(list.ID, buttonOf(t, list, s.mark+"-db"))
	if err != nil {
		t.Fatal(err)
	}
	if answer := p.answer(query); !strings.Contains(answer.Text, "may not see that container") {
		t.Errorf("a tap on a container outside the scope is answered with %q", answer.Text)
	}
	now := p.says("/containers")
	p.expect(now, "1 container", s.mark+"-web")
	p.lacks(now, s.mark+"-db")
	r.reload(func(f *configFile) { f.grants = grants(all) })
	p.expect(p.says("/containers"), "2 containers", s.mark+"-db")
}

func TestReloadDropsAModule(t *testing.T) {
	r := startReloadable(t, asItIs)
	p := r.person(user, user)
	p.expect(p.says("/help"), "/containers", "/docker", "/load")
	r.sees(user, usersCommands(t))
	r.reload(func(f *configFile) { f.grants = "containers: [docker.info]" })
	r.logged("module.rejected", "docker.containers.list", `"level":"warn"`)
	r.logged("config.reloaded", `"modules_loaded":0`, `"modules_removed":1`)
	help := p.says("/help")
	p.expect(help, "/load")
	p.lacks(help, "/containers", "/docker")
	if row := p.Keyboard()[0]; !slices.Equal(row, []string{"🖥 Server", "🧩 Plugins"}) {
		t.Errorf("the first row of the main menu is %q", row)
	}
	p.expect(p.says("/containers"), "I do not know that command")
	p.lacks(p.says("/about"), "containers")
	r.sees(user, usersCommands(t, "containers"))
	r.reload(func(f *configFile) { f.grants = "" })
	p.expect(p.says("/help"), "/containers", "/docker", "/load")
	r.sees(user, usersCommands(t))
}

// Commands run in the sandbox while modules are put in each other's place.
func TestReloadUnderLoad(t *testing.T) {
	r := startReloadable(t, asItIs)
	p, q := r.person(user, user), r.person(admin, admin)
	p.says("/load")
	ctx, stop := context.WithCancel(t.Context())
	var reloading sync.WaitGroup
	var reloads atomic.Int32
	reloading.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			r.reload(func(f *configFile) {
				f.limits = fmt.Sprintf("server: {host_calls: %d}", 200+i%2)
				f.grants = []string{"", "containers: []"}[i%2]
			})
			reloads.Add(1)
		}
	})
	for n := 0; n < 10 || reloads.Load() < 4; n++ {
		p.expect(p.says("/load"), "Load average")
		q.expect(q.says("/uptime"), "Uptime")
	}
	stop()
	reloading.Wait()
	if r.told("config.refused") != "" || r.told("update.failed") != "" {
		t.Errorf("after %d reloads: %s%s", reloads.Load(), r.told("config.refused"), r.told("update.failed"))
	}
}

// What an admin held is gone when the admin was removed, and stays gone when the
// same id is let in again.
func TestReloadEndsWhatARemovedAdminHolds(t *testing.T) {
	c := &clock{}
	r := startReloadable(t, asItIs, quick, onDisk, c.setup)
	p := r.person(admin, admin)
	phone := r.enrols(p, c)
	p.expect(p.says(phone.code()), "That code is right")
	view := p.says("/load")
	r.reload(func(f *configFile) { f.users, f.admins = []int64{user}, nil })
	p.expect(p.says("/logout"), notOnTheList)
	r.reload(asItIs)
	r.reload(func(f *configFile) { f.users, f.admins = []int64{admin, user}, []int64{admin} })
	p.expect(p.says("/logout"), "You have no session")
	if answer := p.answer(p.TapData(view.ID, view.Inline[0][0].Data)); !strings.Contains(answer.Text, "has expired") {
		t.Errorf("an old button is answered with %q", answer.Text)
	}
	// The second factor is the person's, and stays.
	c.advance(time.Minute)
	p.expect(p.says(phone.code()), "That code is right")
}

// Admins are told of problems of the config: of what is insecure at the start,
// and of one that was refused.
func TestAdminsAreToldOfProblemsOfTheConfig(t *testing.T) {
	r := startReloadable(t, asItIs, quick, func(b *bot) { b.o.insecure = []string{"the file can be read by its group"} })
	p, other := r.person(admin, admin), r.person(user, user)
	p.says("/back") // so that the bot may write to them
	other.says("/back")
	r.write("nonsense: true\n", 0o600)
	r.app.reload(t.Context(), r.path)
	p.hears("A new config was refused", 1)
	r.logged("config.refused")
	if other.said("config") > 0 {
		t.Error("somebody who is no admin was told")
	}
	r.write(r.file.text(), 0o640)
	r.app.reload(t.Context(), r.path)
	p.hears("The config is not secure: ", 1)
	// The first one may come before the chat is there, and then is in the log.
	r.restartTold(p)
}

// restartTold starts the bot again, now that the chat is there.
func (r *reloadable) restartTold(p person) {
	r.t.Helper()
	before := p.said("The config is not secure: the file can be read by its group")
	if err := r.stop(); err != nil {
		r.t.Fatal(err)
	}
	r.start()
	p.hears("The config is not secure: the file can be read by its group", before+1)
}
