package core

import (
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
	last := reply.Blocks[len(reply.Blocks)-1].Spans
	if len(reply.Blocks) != 1+maxGroups+1 || last[0].Text != "More" || strings.Count(last[1].Text, "\n/") != 2*maxGroups {
		t.Errorf("%d blocks, the last is %+v", len(reply.Blocks), last)
	}
}
