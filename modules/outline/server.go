package outline

import (
	"cmp"
	"math"
	"slices"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
)

// timeout is for one request, in milliseconds: a view makes three at most, and has
// ten seconds.
const timeout = 3000

// ask gets a path of the management API (outline-server, api.yml). The address
// before it is the operator's secret: the host puts it there. cut tells that the
// answer was too long, and is its beginning.
func ask(host sdk.Host, path string) (answer sdk.JSON, cut bool, err error) {
	response, err := host.Fetch(abi.FetchRequest{URL: "secret:api_url" + path, TimeoutMS: timeout})
	switch code := sdk.CodeOf(err); {
	case code == abi.Unavailable, code == abi.Timeout:
		return sdk.JSON{}, false, sdk.Fail(code, sdk.MessageOf(err)+" "+texts.OutlineCheck)
	case err != nil:
		return sdk.JSON{}, false, err
	}
	if response.Status != 200 {
		return sdk.JSON{}, false, sdk.Fail(abi.Unavailable, wrong(response.Status))
	}
	parse := sdk.ParseJSON
	if response.Cut {
		parse = sdk.ParseCutJSON
	}
	answer, err = parse(response.Body)
	if err != nil || !isObject(answer) {
		return sdk.JSON{}, false, sdk.Fail(abi.Unavailable, texts.OutlineNonsense)
	}
	return answer, response.Cut, nil
}

func isObject(j sdk.JSON) bool {
	for range j.Members() {
		return true
	}
	return false
}

// wrong says what a status other than 200 means to an operator.
func wrong(status int) string {
	switch {
	case status == 401, status == 403:
		return texts.OutlineRefused
	case status == 404:
		return texts.OutlineNotThere
	case status >= 300 && status < 400:
		return texts.OutlineMoved
	case status >= 500:
		return texts.OutlineFault(status)
	}
	return texts.OutlineStatus(status)
}

// Bounds of what a server says: more than real ones do.
const (
	maxName   = 60 // characters
	maxWord   = 40
	maxID     = 24
	maxLabel  = 10 // characters beside a bar
	latestDay = 253_402_300_799_000
)

// key is an access key. Its password, and the URL that has it inside, are not
// read: nothing can show them.
type key struct {
	id, name, method string
	port             int64  // 0: not known
	limit            uint64 // bytes in 30 days; 0: none
	used             uint64 // bytes in 30 days
	gone             bool   // it was removed: only its traffic is still known
}

// label is what a key goes by.
func (k key) label() string {
	switch {
	case k.gone:
		return texts.OutlineOld(k.id)
	case k.name != "":
		return k.name
	}
	return k.id
}

// keysOf asks for the keys, as the server lists them. cut: there are more.
func keysOf(host sdk.Host) (keys []key, cut bool, err error) {
	answer, cut, err := ask(host, "/access-keys")
	if err != nil {
		return nil, false, err
	}
	list := answer.Get("accessKeys")
	for k := range list.Each() {
		if isObject(k) {
			keys = append(keys, keyOf(k))
		}
	}
	if cut && len(keys) > 0 {
		keys = keys[:len(keys)-1] // the last one may be half of one
	}
	if !cut && !list.Exists() {
		return nil, false, sdk.Fail(abi.Unavailable, texts.OutlineNonsense)
	}
	return keys, cut, nil
}

func keyOf(j sdk.JSON) key {
	k := key{name: line(j.Get("name"), maxName), method: line(j.Get("method"), maxWord), id: line(j.Get("id"), maxID)}
	if n, ok := j.Get("id").Int(); ok {
		k.id = decimal(n)
	}
	k.port = port(j.Get("port"))
	k.limit, _ = size(j.Get("dataLimit", "bytes"))
	return k
}

// traffic is how many bytes each key had in the last 30 days, by its id, and all
// together. Keys that were removed since then are among them.
func traffic(host sdk.Host) (by map[string]uint64, total uint64, err error) {
	answer, cut, err := ask(host, "/metrics/transfer")
	if err != nil {
		return nil, 0, err
	}
	list := answer.Get("bytesTransferredByUserId")
	if !list.Exists() {
		if cut {
			return nil, 0, sdk.Fail(abi.Limit, texts.OutlineTooLong)
		}
		return nil, 0, sdk.Fail(abi.Unavailable, texts.OutlineNonsense)
	}
	by = map[string]uint64{}
	for id, value := range list.Members() {
		if n, ok := size(value); ok {
			by[sdk.Line(id, maxID)] = n
		}
	}
	for _, n := range by {
		total = add(total, n)
	}
	return by, total, nil
}

// withTraffic gives keys their traffic, and adds others that had some. Those are
// gone if keys are all that there are.
func withTraffic(keys []key, by map[string]uint64, whole bool) []key {
	known := map[string]bool{}
	for i, k := range keys {
		keys[i].used, known[k.id] = by[k.id], true
	}
	for id, n := range by {
		if !known[id] && n > 0 {
			keys = append(keys, key{id: id, used: n, gone: whole})
		}
	}
	return keys
}

// busiest sorts keys by their traffic, and leaves out those without.
func busiest(keys []key) []key {
	keys = slices.DeleteFunc(keys, func(k key) bool { return k.used == 0 })
	slices.SortStableFunc(keys, func(a, b key) int {
		return cmp.Or(cmp.Compare(b.used, a.used), cmp.Compare(a.id, b.id))
	})
	return keys
}

// line is one line of a foreign string; "" for anything else.
func line(j sdk.JSON, limit int) string { return sdk.Line(j.String(), limit) }

// port is a port's number, or 0.
func port(j sdk.JSON) int64 {
	n, ok := j.Int()
	if !ok || n < 1 || n > 65535 {
		return 0
	}
	return n
}

// size is a number of bytes. A server in JavaScript may write a large one with an
// exponent.
func size(j sdk.JSON) (n uint64, ok bool) {
	f, ok := j.Float()
	if !ok || f < 0 {
		return 0, false
	}
	if whole, ok := j.Int(); ok {
		return uint64(whole), true
	}
	return uint64(min(f, math.MaxInt64)), true
}

// add stops at the greatest number.
func add(a, b uint64) uint64 {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}
