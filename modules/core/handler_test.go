package core

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
)

const noon = 1_767_268_800_000

func botInfo() abi.BotInfo {
	return abi.BotInfo{
		Version: "1.2.3", Commit: "0123456789ab", Started: noon - 3_600_000,
		Modules: []abi.BotModule{
			{Name: "core", Version: "1.0.0", Digest: strings.Repeat("0123456789abcdef", 4)},
			{Name: "containers", Version: "1.0.1", Digest: strings.Repeat("fedcba9876543210", 4)},
		},
		Commands: []abi.BotCommand{
			{Name: "start", Description: "Say hello and show the main menu", Module: "core"},
			{Name: "containers", Description: "List the containers", Module: "containers"},
			{Name: "help", Description: "List what you can do here", Module: "core"},
			{Name: "ships", Description: "Show ships\n/evil", Module: "of-somebody"},
			{Name: "logout", Description: "End your sessions"},
		},
	}
}

func answering(info abi.BotInfo) sdk.Host {
	fake := sdk.NewFake()
	sdk.Answer(fake, abi.OpBotModules, func(abi.BotQuery) (abi.BotInfo, error) { return info, nil })
	return fake.Host()
}

func run(t *testing.T, host sdk.Host, req sdk.Request) sdk.Reply {
	t.Helper()
	reply, err := Module().Handle(host, req)
	if err != nil {
		t.Fatalf("%s: %v", req.Command, err)
	}
	return reply
}

func TestReplies(t *testing.T) {
	ada := abi.Actor{ID: 1001, Role: abi.RoleUser, Name: "Ada"}
	private := abi.Chat{ID: 1001, Private: true}
	denied := sdk.NewFake().Host()
	for _, test := range []struct {
		name string
		host sdk.Host
		req  sdk.Request
	}{
		{"start", answering(botInfo()), sdk.Request{Command: "start", Actor: ada, Chat: private}},
		{"start-nameless", answering(botInfo()), sdk.Request{Command: "start", Actor: abi.Actor{ID: 1001}}},
		{"start-without-list", denied, sdk.Request{Command: "start", Actor: ada}},
		{"help", answering(botInfo()), sdk.Request{Command: "help", Actor: ada}},
		{"help-with-a-drop-in", answering(withDropIn()), sdk.Request{Command: "help", Actor: ada}},
		{"help-nothing", answering(abi.BotInfo{}), sdk.Request{Command: "help", Actor: ada}},
		{"back", denied, sdk.Request{Command: "back", Actor: ada}},
		{"about", answering(botInfo()), sdk.Request{Command: "about", Actor: ada, Time: noon}},
		{"about-nothing-loaded", answering(abi.BotInfo{Version: "1.2.3"}), sdk.Request{Command: "about", Time: noon}},
		{"getmyid-private", denied, sdk.Request{Command: "getmyid", Actor: ada, Chat: private}},
		{"getmyid-group", denied, sdk.Request{Command: "getmyid", Actor: ada, Chat: abi.Chat{ID: -100}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			golden.Check(t, Module(), test.name, run(t, test.host, test.req))
		})
	}
}

func TestRefusalsReachTheUser(t *testing.T) {
	for _, command := range []string{"help", "about", "check_bot_updates"} {
		if _, err := Module().Handle(sdk.NewFake().Host(), sdk.Request{Command: command}); sdk.CodeOf(err) != abi.Denied {
			t.Errorf("%s without a grant: %v, want denied", command, err)
		}
	}
}

func TestGetMyIDTellsStrangersNothingElse(t *testing.T) {
	stranger := abi.Actor{ID: 777, Role: abi.RoleStranger, Name: "Mallory"}
	for _, test := range []struct {
		name     string
		chat     abi.Chat
		tellsIDs bool
	}{
		{"private chat", abi.Chat{ID: 777, Private: true}, true},
		{"group", abi.Chat{ID: -100123}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			fake := sdk.NewFake()
			text := encoded(t, run(t, fake.Host(), sdk.Request{Command: "getmyid", Actor: stranger, Chat: test.chat}))
			if strings.Contains(text, "777") != test.tellsIDs || strings.Contains(text, "100123") || strings.Contains(text, "Mallory") {
				t.Errorf("reply: %s", text)
			}
			if calls := fake.Calls(); len(calls) != 0 {
				t.Errorf("a stranger caused calls: %v", calls)
			}
		})
	}
}

func TestGreetingStaysOneLine(t *testing.T) {
	reply := run(t, answering(botInfo()), sdk.Request{Command: "start", Actor: abi.Actor{Name: "Ada\nadmin: yes"}})
	if got := reply.Blocks[0].Spans[0].Text; got != "👋 Hello, Ada\ufffdadmin: yes!" {
		t.Errorf("got %q", got)
	}
}

func TestLongListsCanBeSplit(t *testing.T) {
	info := botInfo()
	for len(info.Commands) < 200 {
		info.Commands = append(info.Commands, abi.BotCommand{Module: "core", Name: "again", Description: strings.Repeat("long ", 40)})
	}
	reply := run(t, answering(info), sdk.Request{Command: "help"})
	lines := 0
	for _, b := range reply.Blocks[1:] {
		text := b.Spans[len(b.Spans)-1].Text
		if len(text) > maxListBytes {
			t.Errorf("a block of %d bytes", len(text))
		}
		lines += strings.Count("\n"+strings.TrimPrefix(text, "\n"), "\n/")
	}
	if lines != 200 {
		t.Errorf("%d commands are listed, want 200", lines)
	}
}

func TestAboutCutsLongListsOfModules(t *testing.T) {
	info := botInfo()
	info.Modules = make([]abi.BotModule, maxModules+2)
	fields := run(t, answering(info), sdk.Request{Command: "about"}).Blocks[4].Fields
	if last := fields[len(fields)-1]; len(fields) != maxModules+1 || last.Name != "More" || last.Value[0].Text != "2 modules" {
		t.Errorf("%d fields, the last is %+v", len(fields), last)
	}
}

// withDropIn is a bot with a module that did not come with it.
func withDropIn() abi.BotInfo {
	info := botInfo()
	info.Modules[0].Trust, info.Modules[1].Trust = abi.TrustBuiltIn, abi.TrustApproved
	return info
}

func encoded(t *testing.T, reply sdk.Reply) string {
	t.Helper()
	data, err := json.Marshal(reply)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
