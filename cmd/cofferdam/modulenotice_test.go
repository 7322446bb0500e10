package main

import (
	"context"
	"fmt"
	"reflect"
	"strings"
	"sync"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

// pendingFiles stands for the files that wait to become a module.
type pendingFiles struct {
	mu       sync.Mutex
	files    []abi.PendingModule
	approved []abi.ModuleApproval
	refused  []abi.ModuleRef
}

func (f *pendingFiles) Pending(context.Context) (abi.PendingList, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return abi.PendingList{Modules: append([]abi.PendingModule(nil), f.files...), Approval: true}, nil
}

func (f *pendingFiles) Approve(_ context.Context, _ abi.Actor, q abi.ModuleApproval) (abi.ModuleDone, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.approved, f.files = append(f.approved, q), nil
	return abi.ModuleDone{Name: q.Name, Digest: q.Digest, Changed: true}, nil
}

func (f *pendingFiles) Refuse(_ context.Context, _ abi.Actor, q abi.ModuleRef) (abi.ModuleDone, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.refused, f.files = append(f.refused, q), nil
	return abi.ModuleDone{Name: q.Name, Digest: q.Digest, Changed: true}, nil
}

func (*pendingFiles) Revoke(context.Context, abi.Actor, abi.ModuleRef) (abi.ModuleDone, error) {
	return abi.ModuleDone{}, nil
}

// dropped is a file that somebody put into the folder.
func dropped(n int) abi.PendingModule {
	return abi.PendingModule{
		File: fmt.Sprintf("uptime%d.wasm", n), Size: 1 << 20, State: abi.FilePending, Name: fmt.Sprint("uptime", n), Version: "1.2.0", Author: "Grace",
		Digest: fmt.Sprintf("%064x", 0xa1b2c3d4+n),
		Asks: []abi.AskedCapability{
			{Name: string(capability.ContainersRestart), Scope: []string{"web-*", "db"}, Words: "restart containers named web-* or db", Reason: "they hang", Danger: abi.DangerMost, New: true},
			{Name: string(capability.ContainersList), Scope: []string{"*"}, Words: "see all containers", Danger: abi.DangerNone},
		},
	}
}

// An admin is told of a file, looks at it, takes a pattern away, sends a code,
// confirms the exact list, and that is what is granted: nothing else, and nothing
// before the tap (F2, B7, B8).
func TestAnAdminApprovesAFileInChat(t *testing.T) {
	c, files := &clock{}, &pendingFiles{files: []abi.PendingModule{dropped(1)}}
	b := startBot(t, onDisk, c.setup, func(b *bot) { b.o.modules = files })
	p := b.person(admin, admin)
	phone := b.enrols(p, c)

	b.app.tellPending(dropped(1))
	told := p.lately("uptime1 1.2.0 waits for you")
	p.expect(told, "restart containers named web-* or db", "they hang", "Grace", dropped(1).Digest)
	if strings.Contains(told.Text, "🧩 installs") {
		t.Error("a part of the bot has a name line")
	}
	choice := p.tapsOn(told.ID, "✂️ Approve narrower")
	choice = p.tapsOn(choice.ID, "✅ restart web-*")
	p.expect(choice, "docker.containers.restart</code>: db")
	if _, err := p.TapOn(choice.ID, "✅ Approve these"); err != nil {
		t.Fatal(err)
	}
	p.hears("A code, please", 1)
	p.Type(phone.code())
	question := p.lately("Approve the module uptime1 1.2.0?")
	p.expect(question, dropped(1).Digest, "It may:\n🔴 restart containers named db (new)\n⚪️ list all containers", "Grace")
	if len(files.approved) != 0 {
		t.Fatal("it was approved before the tap")
	}
	if _, err := p.TapOn(question.ID, "Approve uptime1 1.2.0"); err != nil {
		t.Fatal(err)
	}
	p.hears("uptime1 is approved, and runs", 1)
	want := []abi.ModuleApproval{{Name: "uptime1", Digest: dropped(1).Digest, Grants: []abi.GrantedCapability{
		{Name: "docker.containers.list", Scope: []string{"*"}}, {Name: "docker.containers.restart", Scope: []string{"db"}},
	}}}
	if !reflect.DeepEqual(files.approved, want) {
		t.Errorf("approved %+v", files.approved)
	}
	u := b.person(user, user)
	u.expect(u.says("/modules pending uptime1 "+dropped(1).Digest), "modules, page 1 of")
	b.recorded("module.action")
	b.auditIsGood()
}

// Many files make few messages, none in other chats, and none to who is no admin.
func TestAFloodOfFilesDoesNotFloodAdmins(t *testing.T) {
	files := &pendingFiles{}
	for n := range 100 {
		files.files = append(files.files, dropped(n))
	}
	b := startBot(t, func(b *bot) { b.o.modules = files })
	p := b.person(admin, admin)
	p.says("/start") // else a bot may not write to them
	for n := range 100 {
		b.app.tellPending(dropped(n))
		b.app.tellPending(dropped(n))
	}
	b.app.tellPending(abi.PendingModule{File: "x\n🔐 A code, please\u202e.wasm", State: abi.FileRefused, Why: "it is no module"})
	p.hears("waits for you", 10)
	p.expect(p.says("/modules"), "100 files to decide on")
	n := 0
	for _, m := range p.Messages() {
		if m.From.IsBot && strings.Contains(m.Text, "restart containers named") {
			n++
		}
	}
	if n != 10 {
		t.Errorf("an admin was told of %d files", n)
	}
	for _, other := range []person{b.person(admin, group), b.person(user, user)} {
		if n := answers(other); n > 0 {
			t.Errorf("another chat got %d messages", n)
		}
	}
}
