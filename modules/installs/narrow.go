package installs

import (
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/guest/sdk"
	"github.com/cofferdam-bot/cofferdam/modules/internal/texts"
	"github.com/cofferdam-bot/cofferdam/modules/internal/view"
)

// Bounds of a choice: each button carries all of it, and the host bounds what the
// buttons of one message take.
const (
	maxToggles = 24
	maxOwn     = 200 // bytes of typed patterns
)

// between stands between typed patterns where a button carries them: one may have
// a blank in it.
const between = "\t"

// choice is what an admin leaves of what a file asks for.
type choice struct {
	file *abi.PendingModule
	// off has a bit for each pattern that was taken away, in the order of toggles.
	off int
	// own are the patterns that were typed in the place of those of a permission, by
	// its place among what the file asks for.
	own [][]string
}

// toggle is a pattern that can be taken away.
type toggle struct{ ask, pattern int }

// scopeOf is what a permission can reach at most.
func scopeOf(a *abi.AskedCapability) []string {
	if len(a.Narrowed) > 0 {
		return a.Narrowed
	}
	return a.Scope
}

// toggles are the patterns that have a button: those of permissions with several.
// How often a module may tell something is no place to tell it to.
func (c choice) toggles() (list []toggle) {
	for i := range c.file.Asks {
		a := &c.file.Asks[i]
		if c.own[i] != nil || len(patterns(a)) < 2 {
			continue
		}
		for _, n := range patterns(a) {
			if len(list) < maxToggles {
				list = append(list, toggle{i, n})
			}
		}
	}
	return list
}

// patterns are the places of what can be taken away of a permission.
func patterns(a *abi.AskedCapability) (list []int) {
	for n, text := range scopeOf(a) {
		if a.Name == "notify" && strings.HasSuffix(text, "/h") || n >= maxPatterns {
			continue
		}
		list = append(list, n)
	}
	return list
}

// canNarrow reports whether anything has a scope.
func canNarrow(f *abi.PendingModule) bool {
	for i := range f.Asks {
		if len(scopeOf(&f.Asks[i])) > 0 {
			return true
		}
	}
	return false
}

// choiceOf reads a choice from a button's arguments.
func choiceOf(f *abi.PendingModule, off, own string) (choice, error) {
	c := choice{file: f, own: make([][]string, len(f.Asks))}
	for _, line := range strings.Split(own, "\n") {
		words := strings.Split(line, between)
		if len(words) < 2 {
			continue
		}
		i, err := strconv.Atoi(words[0])
		if err != nil || i < 0 || i >= len(f.Asks) {
			return c, sdk.Fail(abi.Invalid, texts.InstallsBroken)
		}
		c.own[i] = words[1:]
	}
	var err error
	if off != "" {
		c.off, err = strconv.Atoi(off)
	}
	if err != nil || len(own) > maxOwn || c.off>>len(c.toggles()) != 0 {
		return c, sdk.Fail(abi.Invalid, texts.InstallsBroken)
	}
	return c, nil
}

// encoded are the arguments of a button that carries the choice.
func (c choice) encoded() []string {
	return append(reference(c.file), "off", strconv.Itoa(c.off), "own", c.written())
}

func (c choice) written() string {
	var own []string
	for i := range c.file.Asks {
		if c.own[i] != nil {
			own = append(own, strconv.Itoa(i)+between+strings.Join(c.own[i], between))
		}
	}
	return strings.Join(own, "\n")
}

// left is what stays of a permission.
func (c choice) left(ask int) []string {
	if own := c.own[ask]; own != nil {
		return own
	}
	toggles := c.toggles()
	var left []string
	for n, text := range scopeOf(&c.file.Asks[ask]) {
		gone := false
		for bit, t := range toggles {
			gone = gone || t == (toggle{ask, n}) && c.off>>bit&1 == 1
		}
		if !gone {
			left = append(left, text)
		}
	}
	return left
}

// stands reports whether each permission keeps a pattern of those that can be
// taken away.
func (c choice) stands() bool {
	for i := range c.file.Asks {
		a := &c.file.Asks[i]
		gone := len(scopeOf(a)) - len(c.left(i))
		if c.own[i] == nil && gone > 0 && gone >= len(patterns(a)) {
			return false
		}
	}
	return true
}

// grants are what is to be approved.
func (c choice) grants() []abi.GrantedCapability {
	grants := make([]abi.GrantedCapability, 0, len(c.file.Asks))
	for i := range c.file.Asks {
		grants = append(grants, abi.GrantedCapability{Name: c.file.Asks[i].Name, Scope: c.left(i)})
	}
	return grants
}

// tapNarrow opens the choice, or changes it by the pattern that was tapped.
func tapNarrow(host sdk.Host, req sdk.Request) (sdk.Reply, error) {
	f, _, err := find(host, req, req.Arg("name"), req.Arg("digest"))
	if err != nil {
		return sdk.Reply{}, err
	}
	c, err := choiceOf(f, req.Arg("off"), req.Arg("own"))
	if err != nil {
		return sdk.Reply{}, err
	}
	bit, tapped := req.Args["flip"]
	if !tapped {
		return choose(req, c), nil
	}
	n, err := strconv.Atoi(bit)
	if err != nil || n < 0 || n >= len(c.toggles()) {
		return sdk.Reply{}, sdk.Fail(abi.Invalid, texts.InstallsBroken)
	}
	before := c.off
	if c.off ^= 1 << n; !c.stands() {
		c.off = before
		reply := choose(req, c)
		reply.Notice = texts.InstallsOneStays
		return reply, nil
	}
	return choose(req, c), nil
}

// typedNarrow reads "NAME PERMISSION PATTERN … PERMISSION PATTERN …".
func typedNarrow(host sdk.Host, req sdk.Request, words []string) (sdk.Reply, error) {
	f, _, err := find(host, req, words[0], "")
	if err != nil {
		return sdk.Reply{}, err
	}
	c := choice{file: f, own: make([][]string, len(f.Asks))}
	at := -1
	for _, word := range words[1:] {
		if i := permission(f, word); i >= 0 {
			at = i
			continue
		}
		if at < 0 || len(scopeOf(&f.Asks[at])) == 0 {
			return sdk.Reply{}, sdk.Fail(abi.Invalid, texts.InstallsNarrowHow)
		}
		c.add(at, word)
	}
	if len(c.written()) > maxOwn {
		return sdk.Reply{}, sdk.Fail(abi.Limit, texts.InstallsTooLong)
	}
	return choose(req, c), nil
}

// permission is the place of what a file asks for by that name; -1: it does not.
func permission(f *abi.PendingModule, name string) int {
	for i := range f.Asks {
		if f.Asks[i].Name == name {
			return i
		}
	}
	return -1
}

// add takes a typed word: a pattern, or the second half of one, as in "GET
// https://example.org/*".
func (c choice) add(ask int, word string) {
	own := c.own[ask]
	if last := len(own) - 1; last >= 0 && c.file.Asks[ask].Name == "http.fetch" && isMethods(own[last]) {
		own[last] += " " + word
		return
	}
	c.own[ask] = append(own, word)
}

// isMethods reports whether a word is "GET", or "GET,HEAD".
func isMethods(s string) bool {
	for _, r := range s {
		if (r < 'A' || r > 'Z') && r != ',' {
			return false
		}
	}
	return true
}

// choose shows what is left of what a file asks for, with a button for each pattern
// that can be taken away.
func choose(req sdk.Request, c choice) sdk.Reply {
	f := c.file
	how := texts.InstallsNarrowIt + " " + texts.InstallsCannotLack
	if !canNarrow(f) {
		how = texts.InstallsNarrowNone
	}
	blocks := []sdk.Block{named(texts.InstallsFileMark(false), f.Name, f.Version, texts.InstallsWaits(false)), says(how), sdk.Text(c.lines()...)}
	if example := c.example(); example != "" {
		blocks = append(blocks, sdk.Text(sdk.Plain(texts.InstallsOnlyTyped+" "+texts.InstallsNarrowOld+"\n"), sdk.Code(example)))
	}
	rows := append(view.InRows(c.buttons()),
		sdk.Row(do(texts.InstallsApproveThese, "approve", c.encoded()...)),
		sdk.Row(do(texts.InstallsBackToFile, "pending", reference(f)...), toList))
	return sdk.Reply{Blocks: append(blocks, sdk.Text(sdk.Italic(texts.InstallsConfirmed)), sdk.AsOf(req)), Keyboard: rows}
}

// buttons has one for each pattern that can be taken away, or given back.
func (c choice) buttons() (all []sdk.Button) {
	for bit, t := range c.toggles() {
		mark := texts.InstallsOn
		if c.off>>bit&1 == 1 {
			mark = texts.InstallsOff
		}
		a := &c.file.Asks[t.ask]
		label := mark + shortName(a.Name) + " " + sdk.Line(scopeOf(a)[t.pattern], 24)
		all = append(all, do(label, "narrow", append(c.encoded(), "flip", strconv.Itoa(bit))...))
	}
	return all
}

// shortName is the last word of a capability's name.
func shortName(name string) string {
	return sdk.Line(name[strings.LastIndex(name, ".")+1:], 12)
}

// lines say of each permission what is left of it.
func (c choice) lines() (spans []sdk.Span) {
	for i := range c.file.Asks[:min(len(c.file.Asks), maxShown)] {
		a := &c.file.Asks[i]
		if i > 0 {
			spans = append(spans, sdk.Plain("\n"))
		}
		spans = append(spans, sdk.Plain(texts.InstallsMark(a.Danger)), sdk.Code(sdk.Line(a.Name, 60)))
		mark := ": "
		if c.own[i] != nil {
			mark += texts.InstallsTyped
		}
		if left := c.left(i); len(left) > 0 {
			spans = append(spans, sdk.Plain(mark+sdk.Line(strings.Join(left, ", "), maxWords)))
		}
	}
	if more := len(c.file.Asks) - maxShown; more > 0 {
		spans = append(spans, sdk.Plain("\n…"+texts.InstallsAndMore(more)))
	}
	return spans
}

// example is a line to type: for the most dangerous permission that has a scope.
func (c choice) example() string {
	for i := range c.file.Asks {
		a := &c.file.Asks[i]
		if scope := scopeOf(a); len(scope) > 0 {
			return "/modules narrow " + sdk.Line(c.file.Name, maxName) + " " + sdk.Line(a.Name, 60) + " " + sdk.Line(scope[0], 40)
		}
	}
	return ""
}
