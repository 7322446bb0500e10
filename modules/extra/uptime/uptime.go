// Package uptime checks web addresses every minute, tells admins when one goes down
// or comes back, and shows what it measured. It checks the addresses that the
// operator grants one by one, and keeps what it knows in its store.
package uptime

import (
	"strconv"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// Module returns the command of this module, its views, and what the schedule runs.
func Module() sdk.Module { return moduleAt(func() int64 { return time.Now().UnixMilli() }) }

func moduleAt(clock func() int64) sdk.Module {
	return sdk.Module{
		Commands: map[string]sdk.Handler{"sites": list},
		Actions:  map[string]sdk.Handler{"list": list, "show": show, "check": checkBy(clock)},
	}
}

const perPage = 8

// list shows all addresses, those that are down first on every page's heading.
func list(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	granted, err := addresses(host)
	if err != nil {
		return away(req, err, sdk.Row(sdk.Do(tryAgain, "list")))
	}
	if len(granted) == 0 {
		return howTo(req), nil
	}
	records := make([]record, len(granted))
	for i, a := range granted {
		if records[i], _, err = load(host, a, req.Time); err != nil {
			return away(req, err, sdk.Row(sdk.Do(tryAgain, "list")))
		}
	}
	page, last := pageOf(req, len(granted))
	from, to := (page-1)*perPage, min(page*perPage, len(granted))
	blocks := []sdk.Block{sdk.Heading(heading(records, page, last))}
	var keyboard [][]sdk.Button
	for i, r := range records[from:to] {
		blocks = append(blocks, row(r, req.Time))
		keyboard = append(keyboard, sdk.Row(sdk.Do(sdk.Label(mark(r)+" "+short(r.url)), "show", "id", granted[from+i].id(), "page", strconv.Itoa(page))))
	}
	if turns := turns(page, last); len(turns) > 0 {
		keyboard = append(keyboard, turns)
	}
	keyboard = append(keyboard, sdk.Row(sdk.Do(refresh, "list", "page", strconv.Itoa(page))))
	return sdk.Reply{Blocks: append(blocks, sdk.AsOf(req)), Keyboard: keyboard}, nil
}

// pageOf reads the page of a button; one that is not there is the last.
func pageOf(req sdk.Request, total int) (page, last int) {
	last = max(1, (total+perPage-1)/perPage)
	page, err := strconv.Atoi(req.Arg("page"))
	if err != nil {
		page = 1
	}
	return min(max(page, 1), last), last
}

func turns(page, last int) (row []sdk.Button) {
	to := func(before string, n int, after string) sdk.Button {
		return sdk.Do(before+strconv.Itoa(n)+"/"+strconv.Itoa(last)+after, "list", "page", strconv.Itoa(n))
	}
	if page > 1 {
		row = append(row, to("◀️ ", page-1, ""))
	}
	if page < last {
		row = append(row, to("", page+1, " ▶️"))
	}
	return row
}

// row is one address in two lines.
func row(r record, now int64) sdk.Block {
	spans := []sdk.Span{sdk.Plain(mark(r) + " "), sdk.Code(r.url), sdk.Plain("\n")}
	spans = append(spans, standing(r)...)
	if r.state == up {
		spans = append(spans, sdk.Plain(", "+milliseconds(r.latency)))
	}
	if percent, ok := r.over(now/minute-slots+1, now/minute+1).availability(); ok {
		spans = append(spans, sdk.Plain(", "+share(percent)+" of 24 h"))
	}
	if r.state == down {
		spans = append(spans, sdk.Plain("\n"+r.why))
	}
	return sdk.Text(spans...)
}

// standing says how an address is, and since when.
func standing(r record) []sdk.Span {
	switch {
	case r.state == down:
		return []sdk.Span{sdk.Plain("down since "), sdk.Time(r.since)}
	case r.state == up && r.failures > 0:
		return []sdk.Span{sdk.Plain("failed once, up since "), sdk.Time(r.since)}
	case r.state == up:
		return []sdk.Span{sdk.Plain("up since "), sdk.Time(r.since)}
	case r.failures > 0:
		return []sdk.Span{sdk.Plain("failed once")}
	}
	return []sdk.Span{sdk.Plain("not checked yet")}
}

// away answers a view that could not be made, with the reason.
func away(req sdk.Request, err error, rows ...[]sdk.Button) (sdk.Reply, error) {
	switch sdk.CodeOf(err) {
	case abi.Unavailable, abi.Timeout, abi.Limit, abi.NotFound, abi.Conflict:
		return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain("🔌 " + sdk.MessageOf(err))), sdk.AsOf(req)}, Keyboard: rows}, nil
	}
	return sdk.Reply{}, err
}
