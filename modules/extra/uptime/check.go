package uptime

import (
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// Bounds of a run, which has ten seconds and 256 host calls: what is not checked in
// one is the first in the next.
const (
	timeout   = 5000 // milliseconds for one check
	lastStart = 4000 // milliseconds after which no check begins
	maxChecks = 60   // of four calls each
	maxStale  = 4    // records of addresses that are no longer granted
)

// addresses are what is granted, one by one, in the order of the grants.
func addresses(host sdk.Host) ([]address, error) {
	scope, err := host.FetchGrants()
	if err != nil {
		return nil, err
	}
	var list []address
	seen := map[string]int{}
	for _, g := range scope.Grants {
		if !g.Exact || g.URL == "" || len(g.URL) > maxURL || sdk.Line(g.URL, maxURL) != g.URL {
			continue
		}
		i, known := seen[g.URL]
		if !known {
			i = len(list)
			seen[g.URL] = i
			list = append(list, address{url: g.URL, method: "HEAD"})
		}
		for _, method := range g.Methods {
			if method == "GET" {
				list[i].method = method
			}
		}
	}
	return list, nil
}

// address is one that is checked. HEAD is used only where GET is not granted: some
// servers answer it wrongly.
type address struct{ url, method string }

// id is short enough for buttons: a hash (FNV-1a, 64 bits). A record has the whole
// address inside.
func (a address) id() string {
	hash := uint64(14695981039346656037)
	for i := range len(a.url) {
		hash = (hash ^ uint64(a.url[i])) * 1099511628211
	}
	return strconv.FormatUint(hash, 16)
}

// Keys of the store.
const (
	prefix    = "a/" // and an address's id
	cursorKey = "cursor"
)

func (a address) key() string { return prefix + a.id() }

// load returns what is kept of an address, and its revision.
func load(host sdk.Host, a address, now int64) (record, int64, error) {
	value, err := host.Get(a.key())
	if err != nil {
		return record{}, 0, err
	}
	return decode(value.Value, a.url, now), value.Revision, nil
}

// save keeps a record if nobody else did meanwhile, and returns its revision.
func save(host sdk.Host, a address, r *record, revision int64) (int64, error) {
	if revision == 0 {
		revision = -1
	}
	done, err := host.Put(abi.KVPut{Key: a.key(), Value: r.encode(), If: revision})
	return done.Revision, err
}

// checkBy is what the schedule runs. clock is in milliseconds, for how long a run
// takes.
func checkBy(clock func() int64) sdk.Handler {
	return func(host sdk.Host, req sdk.Request) (sdk.Reply, error) { return check(host, req, clock) }
}

func check(host sdk.Host, req sdk.Request, clock func() int64) (sdk.Reply, error) {
	if req.Actor.Role != abi.RoleModule {
		return sdk.Reply{}, sdk.Fail(abi.Denied, "Addresses are checked by the clock only.")
	}
	list, err := addresses(host)
	if err != nil {
		return sdk.Reply{}, err
	}
	if len(list) == 0 {
		return done(0), nil
	}
	began, at := clock(), 0
	if cursor, err := host.Get(cursorKey); err == nil {
		at = after(list, string(cursor.Value))
	}
	var changed []change
	checked := 0
	for ; checked < min(len(list), maxChecks) && clock()-began < lastStart; checked++ {
		a := list[(at+checked)%len(list)]
		c, ok := checkOne(host, a, req.Time)
		if ok && c.news != nothing {
			changed = append(changed, c)
		}
	}
	if checked < len(list) {
		next := list[(at+checked)%len(list)]
		if _, err := host.Put(abi.KVPut{Key: cursorKey, Value: []byte(next.id())}); err != nil {
			host.Log(abi.LogWarn, "where to go on cannot be kept: "+sdk.MessageOf(err))
		}
	}
	announce(host, changed)
	forget(host, list)
	return done(checked), nil
}

// done is for the log of whoever looks: nobody waits for it.
func done(checked int) sdk.Reply {
	return sdk.Reply{Blocks: []sdk.Block{sdk.Text(sdk.Plain("Checked: " + strconv.Itoa(checked)))}}
}

// after is where a run goes on: at the address with an id, or at the first.
func after(list []address, id string) int {
	for i, a := range list {
		if a.id() == id {
			return i
		}
	}
	return 0
}

// change is a record with something that admins do not know yet.
type change struct {
	address
	record
	revision int64
	news     news
}

// checkOne checks an address and keeps the outcome. ok is false if nothing came of
// it: nobody could ask, or the outcome could not be kept.
func checkOne(host sdk.Host, a address, now int64) (c change, ok bool) {
	r, revision, err := load(host, a, now)
	if err != nil {
		host.Log(abi.LogWarn, "the record of an address cannot be read: "+sdk.MessageOf(err))
		return c, false
	}
	// Of the body nobody needs more than that it begins.
	answer, err := host.Fetch(abi.FetchRequest{Method: a.method, URL: a.url, TimeoutMS: timeout, MaxBody: 1})
	switch sdk.CodeOf(err) {
	case abi.Limit, abi.Internal: // not the address's fault
		host.Log(abi.LogWarn, "an address cannot be checked: "+sdk.MessageOf(err))
		return c, false
	}
	r.note(outcomeOf(answer, err), now)
	if revision, err = save(host, a, &r, revision); err != nil {
		host.Log(abi.LogWarn, "what was checked cannot be kept: "+sdk.MessageOf(err))
		return c, false
	}
	return change{address: a, record: r, revision: revision, news: r.untold(now)}, true
}

// outcomeOf says what an answer means. A redirect is one that works.
func outcomeOf(answer abi.FetchResponse, err error) outcome {
	switch {
	case err != nil:
		return outcome{why: sdk.Line(sdk.MessageOf(err), maxWhy)}
	case answer.Status < 100 || answer.Status >= 400:
		return outcome{why: "It answers with status " + strconv.Itoa(answer.Status) + "."}
	}
	return outcome{latency: max(min(answer.TimeMS, 60*minute), 0), until: max(min(answer.CertificateUntil, latest), 0)}
}

// announce tells admins in one notice what changed. What could not be told is told
// by the next run.
func announce(host sdk.Host, changed []change) {
	if len(changed) == 0 {
		return
	}
	if _, err := host.Notify(notice(changed)); err != nil {
		host.Log(abi.LogWarn, "a change cannot be told yet: "+sdk.MessageOf(err))
		return
	}
	for i := range changed {
		c := &changed[i]
		c.tell(c.news)
		if _, err := save(host, c.address, &c.record, c.revision); err != nil {
			host.Log(abi.LogWarn, "it cannot be kept that a change was told: "+sdk.MessageOf(err))
		}
	}
}

// forget drops some records of addresses that are no longer granted, so that the
// store does not fill up.
func forget(host sdk.Host, list []address) {
	known := map[string]bool{}
	for _, a := range list {
		known[a.key()] = true
	}
	kept, err := host.Keys(abi.KVListQuery{Prefix: prefix})
	if err != nil {
		return
	}
	dropped := 0
	for _, key := range kept.Keys {
		if known[key] || dropped == maxStale {
			continue
		}
		dropped++
		if _, err := host.Delete(key); err != nil {
			return
		}
	}
}
