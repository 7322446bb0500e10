package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/control"
	"github.com/cofferdam-bot/cofferdam/runtime/registry"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// folderOf is a module folder that remembers what it was asked.
type folderOf struct {
	files    []abi.PendingModule
	refuses  error
	same     bool
	approved []abi.ModuleApproval
	revoked  []abi.ModuleRef
}

func (f *folderOf) Pending(context.Context) (abi.PendingList, error) {
	return abi.PendingList{Modules: slices.Clone(f.files)}, f.refuses
}

func (f *folderOf) ApproveAtHost(_ context.Context, q abi.ModuleApproval) (abi.ModuleDone, error) {
	f.approved = append(f.approved, q)
	return abi.ModuleDone{Name: q.Name, Digest: q.Digest, Changed: !f.same}, f.refuses
}

func (f *folderOf) RevokeAtHost(_ context.Context, q abi.ModuleRef) (abi.ModuleDone, error) {
	f.revoked = append(f.revoked, q)
	return abi.ModuleDone{Name: q.Name, Changed: !f.same}, f.refuses
}

// watchFile is a file that waits.
func watchFile() abi.PendingModule {
	f := abi.PendingModule{
		File: "watch.wasm", Size: 10, Digest: strings.Repeat("ab", 32), State: abi.FilePending, Why: "it is neither pinned nor signed",
		Name: "watch", Version: "1.2.0", Author: "somebody else", Description: "Restarts what hangs", Before: "1.1.0",
		Commands: []string{"watch"}, Runs: []string{"every 5 minutes"}, Gone: []string{"read how busy the processors are"},
	}
	for _, c := range watchManifest().Capabilities[:3] {
		f.Asks = append(f.Asks, abi.AskedCapability{Name: c.Name, Scope: c.Scope, Words: "words of the bot", Reason: c.Reason, New: c.Name == "kv"})
	}
	return f
}

// atHost is a terminal at the host of a bot that has a module folder, or none.
type atHost struct {
	t   *testing.T
	dir string
}

func hostOf(t *testing.T, folder hostModules) atHost {
	t.Helper()
	h := atHost{t, t.TempDir()}
	a := &app{folder: folder, registry: registry.New(registry.Config{Log: zap.NewNop()}, 1), hide: scrub.New(nil).String}
	server, err := control.Listen(h.dir, a.moduleCalls(control.Handlers{
		callModules: func(ctx context.Context, _ []byte) (any, error) { return a.modules(ctx) },
	}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Close(context.Background()) })
	return h
}

// types runs a command, with an answer to what it asks.
func (h atHost) types(answer string, args ...string) (string, error) {
	h.t.Helper()
	root := newRoot()
	var out bytes.Buffer
	root.SetOut(&out)
	root.SetErr(&out)
	root.SetIn(strings.NewReader(answer))
	root.SetArgs(append([]string{"module", args[0], "--state-dir", h.dir}, args[1:]...))
	err := root.ExecuteContext(h.t.Context())
	return out.String(), err
}

const approvalText = `watch.wasm, watch 1.2.0, pending
  why       it is neither pinned nor signed
  author    somebody else
  sha256    abababababababababababababababababababababababababababababababab
  about     Restarts what hangs
  before    version 1.1.0 was approved
  commands  /watch
  runs      every 5 minutes
  asks      for what follows, the most dangerous first

    Changes something, when a user asks for it:
    - restart containers named web-1
      docker.containers.restart{web-1}
      The author says: restarts what hangs

    Reaches out, keeps something or acts by itself:
    - keep up to 64KiB of its own data (new: the version before did not)
      kv{64KiB}
      The author says: remembers what it restarted

    Reads what every user may read:
    - list all containers
      docker.containers.list{*}
      The author says: looks which containers hang

  no more   read how busy the processors are
Let exactly this file run, with exactly that? [y/N] 
watch is approved, and runs.
`

func TestApproveAtTheHost(t *testing.T) {
	folder := &folderOf{files: []abi.PendingModule{watchFile()}}
	h := hostOf(t, folder)
	got, err := h.types("y\n", "approve", "watch", "--grant", "docker.containers.restart{web-1}")
	if err != nil || got != approvalText {
		t.Errorf("%v\n%s", err, got)
	}
	want := abi.ModuleApproval{Name: "watch", Digest: watchFile().Digest, Grants: []abi.GrantedCapability{
		{Name: "docker.containers.list", Scope: []string{"*"}}, {Name: "kv", Scope: []string{"64KiB"}}, {Name: "docker.containers.restart", Scope: []string{"web-1"}},
	}}
	if len(folder.approved) != 1 || !slices.EqualFunc(folder.approved[0].Grants, want.Grants, func(a, b abi.GrantedCapability) bool {
		return a.Name == b.Name && slices.Equal(a.Scope, b.Scope)
	}) || folder.approved[0].Digest != want.Digest {
		t.Errorf("approved %+v, want %+v", folder.approved, want)
	}
	if got, err := h.types("", "approve", "watch", "--yes", "--json"); err != nil || got != `{"name":"watch","digest":"`+want.Digest+`","changed":true}`+"\n" || len(folder.approved) != 2 {
		t.Errorf("%v\n%s", err, got)
	}
	folder.approved = folder.approved[:1]
	if got, err := h.types("y\n", "approve", "watch", "--json"); err == nil || !strings.Contains(err.Error(), "add --yes") {
		t.Errorf("it asks in the midst of JSON: %v\n%s", err, got)
	}
	for _, answer := range []string{"", "\n", "n\n", "yeah\n", "Yes please\n"} {
		if got, err := h.types(answer, "approve", "watch.wasm"); err == nil || !strings.Contains(err.Error(), "nothing was changed") {
			t.Errorf("answered with %q: %v\n%s", answer, err, got)
		}
	}
	if len(folder.approved) != 1 {
		t.Error("it was approved without a yes")
	}
	folder.same = true
	if got, err := h.types("", "approve", "watch", "--yes", "--digest", strings.ToUpper(watchFile().Digest)); err != nil || !strings.HasSuffix(got, "watch was approved so already.\n") {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestApprovalsThatAreRefused(t *testing.T) {
	other := watchFile()
	other.File, other.Digest = "watch-2.wasm", strings.Repeat("cd", 32)
	folder := &folderOf{files: []abi.PendingModule{watchFile(), other}}
	h := hostOf(t, folder)
	local := placeFile(t, "watch.wasm", []byte("other bytes"))
	for _, test := range []struct {
		name  string
		args  []string
		usage bool
		says  string
	}{
		{"two of one name", []string{"watch"}, false, "several files go by that name; name one with --digest: watch.wasm abab"},
		{"nobody's name", []string{"wahtch"}, false, `no file of the module folder goes by "wahtch": cofferdam module list shows`},
		{"another digest", []string{"watch", "--digest", strings.Repeat("0", 64)}, false, "the bot has other bytes under that name"},
		{"no digest", []string{"watch", "--digest", "abab"}, true, "64 hexadecimal digits"},
		{"a file with other bytes", []string{local}, false, "the bot has other bytes under that name: watch.wasm has the digest abab"},
		{"a file that is not the digest's", []string{local, "--digest", strings.Repeat("ab", 32)}, false, "has another digest than --digest says"},
		{"a grant of something else", []string{"watch.wasm", "--grant", "docker.info"}, false, "--grant: it does not ask for docker.info"},
		{"a wider grant", []string{"watch.wasm", "--grant", "docker.containers.restart{*}"}, false, "not surely within what it asks for: restart containers named web-*"},
		{"a grant that is none", []string{"watch.wasm", "--grant", "docker.containers.restart{web-1"}, true, "--grant: a scope stands in braces"},
		{"a grant without its scope", []string{"watch.wasm", "--grant", "docker.containers.restart"}, true, "--grant: "},
	} {
		got, err := h.types("y\n", append([]string{"approve"}, test.args...)...)
		exit, _ := errors.AsType[*exitError](err)
		if err == nil || !strings.Contains(err.Error(), test.says) || (exit != nil && exit.code == exitUsage) != test.usage {
			t.Errorf("%s: %v\n%s", test.name, err, got)
		}
	}
	if len(folder.approved) != 0 {
		t.Errorf("approved %+v", folder.approved)
	}
	folder.files = folder.files[:1]
	folder.refuses = nil
	refusing := &refusingFolder{folderOf{files: folder.files}}
	if got, err := hostOf(t, refusing).types("y\n", "approve", "watch"); err == nil || err.Error() != "watch is not approved: The file was changed meanwhile \ufffd[2J" {
		t.Errorf("the bot refuses: %v\n%s", err, got)
	}
}

// refusingFolder shows its files and changes nothing.
type refusingFolder struct{ folderOf }

func (*refusingFolder) ApproveAtHost(context.Context, abi.ModuleApproval) (abi.ModuleDone, error) {
	return abi.ModuleDone{}, &abi.Error{Code: abi.Conflict, Message: "The file was changed\nmeanwhile \x1b[2J."}
}

func TestRevokeAtTheHost(t *testing.T) {
	folder := &folderOf{}
	h := hostOf(t, folder)
	if got, err := h.types("", "revoke", "watch"); err != nil || !strings.HasPrefix(got, "watch is revoked: ") {
		t.Errorf("%v\n%s", err, got)
	}
	if !slices.Equal(folder.revoked, []abi.ModuleRef{{Name: "watch"}}) {
		t.Errorf("revoked %+v", folder.revoked)
	}
	if got, err := h.types("", "revoke", "watch", "--json"); err != nil || !strings.HasPrefix(got, `{"name":"watch",`) || !strings.HasSuffix(got, `"changed":true}`+"\n") {
		t.Errorf("%v\n%s", err, got)
	}
	folder.revoked = folder.revoked[:1]
	folder.same = true
	if got, err := h.types("", "revoke", "watch"); err != nil || got != "watch did not run, and still does not.\n" {
		t.Errorf("%v\n%s", err, got)
	}
	folder.refuses = &abi.Error{Code: abi.NotFound, Message: "There is no module of that name."}
	if _, err := h.types("", "revoke", "watch"); err == nil || err.Error() != "watch is not revoked: There is no module of that name" {
		t.Errorf("%v", err)
	}
}

func TestWithoutAFolderOrABot(t *testing.T) {
	h := hostOf(t, nil)
	for _, command := range []string{"approve", "revoke"} {
		if _, err := h.types("y\n", command, "watch"); err == nil || !strings.Contains(err.Error(), "modules.dir of its config is not set") {
			t.Errorf("%s without a folder: %v", command, err)
		}
	}
	if got, err := h.types("", "list"); err != nil || strings.Contains(got, "pending") {
		t.Errorf("list: %v\n%s", err, got)
	}
	alone := atHost{t, t.TempDir()}
	local := placeFile(t, "watch.wasm", []byte("bytes"))
	if _, err := alone.types("y\n", "approve", local); err == nil || !strings.Contains(err.Error(), "no bot runs") || !strings.Contains(err.Error(), digestOf([]byte("bytes"))) {
		t.Errorf("approve without a bot: %v", err)
	}
	if _, err := alone.types("", "revoke", "watch"); err == nil || !strings.Contains(err.Error(), "{grants: {watch: []}}") {
		t.Errorf("revoke without a bot: %v", err)
	}
	if got, err := alone.types("", "list"); err != nil || !strings.Contains(got, "No bot runs") {
		t.Errorf("list without a bot: %v\n%s", err, got)
	}
}

// What does not run is listed with why, and nothing of a file's texts gets out.
func TestListShowsTheModuleFolder(t *testing.T) {
	bad := abi.PendingModule{File: "x\x1b[2J.wasm", State: abi.FileRefused, Why: "it is a link\r\nok  everything", Signer: "ABC"}
	folder := &folderOf{files: []abi.PendingModule{watchFile(), bad}}
	h := hostOf(t, folder)
	got, err := h.types("", "list")
	for _, line := range []string{
		"watch.wasm, watch 1.2.0, pending\n  why       it is neither pinned nor signed\n",
		"x\ufffd[2J.wasm, refused\n  why       it is a link ok everything\n  signed    by ABC, as it says; that is no key of modules.trusted_keys\n",
	} {
		if !strings.Contains(got, line) {
			t.Errorf("%q is not in:\n%s", line, got)
		}
	}
	if err != nil || strings.Contains(got, "\x1b") || strings.Contains(got, "restart") {
		t.Errorf("%v\n%s", err, got)
	}
	if got, err := h.types("", "list", "--json"); err != nil || !strings.Contains(got, `"files":[{"file":"watch.wasm"`) || strings.ContainsRune(strings.TrimSuffix(got, "\n"), '\x1b') {
		t.Errorf("%v\n%s", err, got)
	}
	folder.refuses = os.ErrPermission
	if got, err := h.types("", "list"); err != nil || !strings.Contains(got, "folder    cannot be looked at: permission denied") {
		t.Errorf("%v\n%s", err, got)
	}
}

func TestModuleNamesAreCompleted(t *testing.T) {
	h := hostOf(t, &folderOf{files: []abi.PendingModule{watchFile(), {File: "x.wasm", State: abi.FileRefused}}})
	p := place{stateDir: h.dir}
	if names, _ := (approval{place: p}).completePending(t.Context(), nil); !slices.Equal(names, []string{"watch"}) {
		t.Errorf("approve is offered %q", names)
	}
	if names, _ := (approval{place: p}).completePending(t.Context(), []string{"watch"}); len(names) != 0 {
		t.Errorf("behind a name it is offered %q", names)
	}
	if names, _ := (place{stateDir: t.TempDir()}).completeModules(t.Context(), nil); len(names) != 0 {
		t.Errorf("without a bot it is offered %q", names)
	}
}
