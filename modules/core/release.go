package core

import (
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// checkUpdates tells of a newer release. That the feed cannot be asked is told in
// the view, so that the user can try again.
func checkUpdates(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	blocks := []sdk.Block{sdk.Heading(texts.CoreLookNewer)}
	found, err := host.Release()
	switch {
	case sdk.CodeOf(err) == abi.Denied:
		return sdk.Reply{}, err
	case err != nil:
		blocks = append(blocks, sdk.Text(sdk.Plain(sdk.MessageOf(err))))
	case !found.Configured:
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.CoreNoFeed)))
	default:
		blocks = append(blocks, releaseBlocks(found)...)
	}
	return sdk.Reply{
		Blocks:   append(blocks, sdk.AsOf(req)),
		Keyboard: [][]sdk.Button{sdk.Row(sdk.Run(texts.Refresh, "check_bot_updates"), sdk.Run(texts.Back, "about"))},
	}, nil
}

// releaseBlocks describes a release. Its address is text, not a link: nobody is
// led anywhere with one tap by what a feed says.
func releaseBlocks(r abi.BotRelease) []sdk.Block {
	verdict := texts.CoreNewest
	switch {
	case r.Newer:
		verdict = texts.CoreNewer
	case !isRelease(r.Current):
		verdict = texts.CoreNoRelease
	}
	fields := []sdk.Field{
		sdk.Is(texts.CoreRuns, sdk.Code(sdk.Line(r.Current, 64))),
		sdk.Is(texts.CoreIsNewest, sdk.Code(sdk.Line(r.Latest, 64))),
	}
	if r.Published > 0 {
		fields = append(fields, sdk.Is(texts.CorePublished, sdk.Time(r.Published), sdk.Plain(", "), sdk.Ago(r.Published)))
	}
	if r.URL != "" {
		fields = append(fields, sdk.Is(texts.CorePage, sdk.Code(sdk.Line(r.URL, 300))))
	}
	if r.Checked > 0 {
		fields = append(fields, sdk.Is(texts.CoreAsked, sdk.Ago(r.Checked)))
	}
	blocks := []sdk.Block{sdk.Text(sdk.Plain(verdict)), sdk.Fields(fields...)}
	if r.Newer && r.Notes != "" {
		blocks = append(blocks, sdk.Quote(sdk.Plain(r.Notes)))
	}
	return blocks
}

// isRelease tells a release's version from that of a build from the source, which
// begins with a word.
func isRelease(version string) bool {
	digits := strings.TrimPrefix(version, "v")
	return digits != "" && digits[0] >= '0' && digits[0] <= '9'
}
