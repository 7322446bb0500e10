package logs

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

const (
	followFor   = 60_000 // milliseconds
	followEvery = 3      // seconds
	// What is read of a log that grows quickly, between two looks.
	followReads = 3
	followLines = 500
)

// follow shows the end of a log, and lets the host ask again until a minute is
// over.
func follow(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	v, err := viewOf(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	began := req.Time
	if text := req.Arg("began"); text != "" {
		if began, err = strconv.ParseInt(text, 10, 64); err != nil || began < 0 {
			return sdk.Reply{}, errBroken
		}
	}
	left := began + followFor - req.Time
	if left <= 0 || left > followFor {
		return v.at("", "").show(host, req, sdk.Text(sdk.Plain(texts.LogsFollowed)))
	}
	seen, err := v.look(host, req)
	if err != nil {
		return v.away(req, err)
	}
	said := texts.LogsFollowing(int(left/1000), seen.fresh, len(seen.page.Lines))
	if seen.behind {
		said = texts.LogsBehind(int(left / 1000))
	}
	blocks := append([]sdk.Block{v.heading(seen.page.Name)}, v.body(seen.page, min(seen.fresh, len(seen.page.Lines)))...)
	next := v.at("", seen.page.Newer).button("", "follow", "began", strconv.FormatInt(began, 10))
	return sdk.Reply{
		Blocks:   append(blocks, sdk.Text(sdk.Bold(said)), sdk.AsOf(req)),
		Keyboard: [][]sdk.Button{sdk.Row(v.at("", "").button(texts.Stop, "stop"), back(v.Place))},
		Again:    &sdk.Again{After: followEvery, Action: next.Action, Args: next.Args},
	}, nil
}

// stop ends it by being a tap.
func stop(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	v, err := viewOf(req)
	if err != nil {
		return sdk.Reply{}, err
	}
	reply, err := v.at("", "").show(host, req)
	if err == nil {
		reply.Notice = texts.LogsStopped
	}
	return reply, err
}

// sight is what a look at the log's end found.
type sight struct {
	page   abi.LogPage // ends with what was seen last
	fresh  int         // lines that came since the look before
	behind bool        // more than could be read
}

// look reads what came after v.after, all of it, and as much before it as fits.
func (v view) look(host sdk.Host, req sdk.Request) (sight, error) {
	if v.after == "" {
		page, _, err := v.read(host, req)
		return sight{page: page}, err
	}
	var news []abi.LogLine
	page := abi.LogPage{Newer: v.after}
	older := ""
	for range followReads {
		next, err := host.Logs(v.at("", page.Newer).query(req, followLines))
		if err != nil {
			return sight{}, err
		}
		if page = next; older == "" {
			older = page.Older
		}
		news = append(news, page.Lines...)
		if len(page.Lines) == 0 || !page.Partial && len(page.Lines) < followLines {
			return v.around(host, req, page, news, older)
		}
	}
	page, _, err := v.at("", "").read(host, req)
	return sight{page: page, behind: true}, err
}

// around is the end of the log with news as its last lines.
func (v view) around(host sdk.Host, req sdk.Request, page abi.LogPage, news []abi.LogLine, older string) (sight, error) {
	if len(news) == 0 {
		page, _, err := v.at("", "").read(host, req)
		return sight{page: page}, err
	}
	lines := news
	if len(news) < perPage && older != "" {
		before, err := host.Logs(v.at(older, "").query(req, perPage-len(news)))
		if err != nil {
			return sight{}, err
		}
		lines = append(before.Lines, news...)
	}
	lines = lines[max(len(lines)-perPage, 0):]
	page.Lines = lines[len(lines)-fitting(lines, true):]
	return sight{page: page, fresh: len(news)}, nil
}
