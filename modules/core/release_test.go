package core

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/golden"
)

func TestReleases(t *testing.T) {
	newer := abi.BotRelease{
		Configured: true, Current: "v1.2.3", Latest: "v1.3.0", Newer: true, URL: "https://example.org/v1.3.0", Notes: "## New\n* more",
		Published: noon - 86_400_000, Checked: noon - 60_000,
	}
	same, source, little := newer, newer, abi.BotRelease{Configured: true, Current: "v1.2.3", Latest: "v1.2.3"}
	same.Current, same.Newer = "v1.3.0", false
	source.Current, source.Newer = "devel-0123456789ab+changes", false
	for _, test := range []struct {
		name  string
		found abi.BotRelease
		err   error
	}{
		{"release-newer", newer, nil},
		{"release-same", same, nil},
		{"release-from-source", source, nil},
		{"release-little-known", little, nil},
		{"release-no-feed", abi.BotRelease{Current: "v1.2.3"}, nil},
		{"release-feed-away", abi.BotRelease{}, sdk.Fail(abi.Unavailable, "The release feed is of no use now: it does not answer.")},
	} {
		t.Run(test.name, func(t *testing.T) {
			fake := sdk.NewFake()
			sdk.Answer(fake, abi.OpBotRelease, func(abi.BotQuery) (abi.BotRelease, error) { return test.found, test.err })
			golden.Check(t, Module(), test.name, run(t, fake.Host(), sdk.Request{Command: "check_bot_updates", Time: noon}))
		})
	}
}

func TestWhatIsARelease(t *testing.T) {
	for version, want := range map[string]bool{
		"v1.2.3": true, "1.2.3": true, "v1.2.3-rc.1": true, "devel": false, "devel-0123456789ab": false, "unknown": false, "v": false, "": false, "vv1": false,
	} {
		if isRelease(version) != want {
			t.Errorf("%q: a release %v", version, !want)
		}
	}
}

func TestManyModulesShareTheLastGroup(t *testing.T) {
	info := abi.BotInfo{}
	for n := range 3 * maxGroups {
		info.Commands = append(info.Commands, abi.BotCommand{Name: "c" + strconv.Itoa(n), Module: "m" + strconv.Itoa(n)})
	}
	reply := run(t, answering(info), sdk.Request{Command: "help"})
	golden.Fits(t, Module(), reply)
	blocks := reply.Blocks // a heading, then one and a list for each group
	title, last := blocks[len(blocks)-2].Spans[0].Text, blocks[len(blocks)-1].Spans[0].Text
	if len(blocks) != 1+2*(maxGroups+1) || title != "More" || strings.Count("\n"+last, "\n/") != 2*maxGroups {
		t.Errorf("%d blocks, the last is %s: %s", len(blocks), title, last)
	}
}

// TestGroupsStandInTheirOrder: what is about one thing stands together, and the
// host's own commands last.
func TestGroupsStandInTheirOrder(t *testing.T) {
	var commands []abi.BotCommand
	for _, m := range []string{"core", "", "charts", "containers", "logs", "mine", "quick", "server"} {
		commands = append(commands, abi.BotCommand{Name: "of" + m, Module: m})
	}
	var got []string
	for _, g := range groups(commands) {
		for _, c := range g.commands {
			got = append(got, g.title.Text+": "+c.Module)
		}
	}
	want := []string{"At a glance: quick", "Machine: server", "Machine: charts", "Docker: containers", "Docker: logs", "The bot: core", "mine: mine", "Your second factor: "}
	if !slices.Equal(got, want) {
		t.Errorf("the groups are %q, want %q", got, want)
	}
}
