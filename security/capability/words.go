package capability

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
)

// Dangers of a capability, for people. They are those of the wire (guest/abi).
const (
	dangerNone = iota // reads what every user of the bot may read
	dangerSome        // reaches out, keeps, or tells by itself
	dangerMuch        // reads what may hold secrets
	dangerMost        // changes something
)

// Danger says how much can go wrong with a capability: 0 to 3, as guest/abi has
// it. One that nobody classified is as bad as can be.
func Danger(name Name) int {
	rule, known := rules[name]
	switch {
	case !known || rule.need.Acts():
		return dangerMost
	case rule.need != (Need{}):
		return dangerMuch
	case rule.effects:
		return dangerSome
	}
	return dangerNone
}

// phrases say what a capability lets a module do. %s stands for what it is done
// to, where that has a scope.
var phrases = map[Name]string{
	MetricsHost:       "read the machine's name, system, load and uptime",
	MetricsCPU:        "read how busy the processors are",
	MetricsMemory:     "read how much memory is in use",
	MetricsDisk:       "read how full and how busy the disks are",
	MetricsSensors:    "read temperatures and fans",
	MetricsProcesses:  "read which processes run on the machine",
	MetricsUsers:      "read who is logged in on the machine",
	MetricsNetwork:    "read the machine's network interfaces and their traffic",
	MetricsHistory:    "read the machine's figures of the past",
	DockerInfo:        "read Docker's version, counts and hosts",
	ContainersList:    "list %s",
	ContainersInspect: "read state, ports, labels and command of %s",
	ContainersStats:   "read how much processor and memory is used by %s",
	ContainersStart:   "start %s",
	ContainersStop:    "stop %s",
	ContainersRestart: "restart %s",
	ContainersPause:   "pause %s",
	ContainersUnpause: "resume %s",
	ContainersKill:    "kill %s",
	ContainersRemove:  "delete %s",
	ContainersRename:  "rename %s",
	ContainersLogs:    "read the logs of %s",
	ContainersRuntime: "read mounts, networks, limits and security options of %s",
	ContainersEnv:     "read the environment variables, passwords among them, of %s",
	ImagesList:        "list %s",
	ImagesInspect:     "read the settings of %s",
	ImagesHistory:     "read the build steps of %s",
	ImagesUpdates:     "ask registries for newer versions of %s",
	BotModules:        "read which modules and commands the bot has",
	BotHealth:         "read how the bot itself does",
	HTTPFetch:         "make %s",
	KV:                "keep up to %s of its own data",
	Schedule:          "run by itself, %s",
	Notify:            "write to %s",
	DockerEvents:      "run by itself when %s",
	ModulesApprove:    "let modules run",
	ModulesRefuse:     "turn modules away",
	ModulesRevoke:     "take modules their approval",
}

// Words says in plain English what a capability in a scope lets a module do:
// "restart containers named web-*". Nothing of a scope is left out, and what
// nobody would see in it, or would see elsewhere, is a U+FFFD. A scope that cannot
// be read is quoted as it is.
func Words(name Name, scope []string) string {
	phrase, known := phrases[name]
	switch {
	case !known:
		return "use " + visible(string(name)) + ", which this version does not know" + quoted(scope)
	case !strings.Contains(phrase, "%s"):
		return phrase
	}
	object, ok := objects(name, scope)
	if !ok {
		return "use " + string(name) + " in a scope that cannot be read" + quoted(scope)
	}
	return fmt.Sprintf(phrase, object)
}

// Words says the same of all that is granted, the most dangerous first. What
// several scopes have in common is said by the narrowest, if one of them is surely
// inside of the others.
func (s Set) Words() []string {
	names := slices.SortedFunc(maps.Keys(s.granted), func(a, b Name) int {
		return cmp.Or(cmp.Compare(Danger(b), Danger(a)), strings.Compare(string(a), string(b)))
	})
	list := make([]string, 0, len(names))
	for _, name := range names {
		scopes := narrowest(name, s.granted[name])
		text := Words(name, scopes[0])
		for _, scope := range scopes[1:] {
			object, _ := objects(name, scope)
			text += "; of these only " + object
		}
		list = append(list, text)
	}
	return list
}

// narrowest leaves out what narrows nothing beside the others.
func narrowest(name Name, scopes []Scope) (left [][]string) {
	for _, scope := range scopes {
		if slices.ContainsFunc(left, func(l []string) bool { return Covers(name, scope.source, l) }) {
			continue
		}
		left = slices.DeleteFunc(left, func(l []string) bool { return Covers(name, l, scope.source) })
		left = append(left, scope.source)
	}
	return left
}

func quoted(scope []string) string {
	if len(scope) == 0 {
		return ""
	}
	return ": " + visible(strings.Join(scope, ", "))
}

// objects says what a scope is about.
func objects(name Name, patterns []string) (string, bool) {
	scope, err := parseFor(name, patterns)
	if err != nil {
		return "", false
	}
	t := scope.terms
	switch rules[name].scope {
	case ofContainers:
		return containersWords(scope), true
	case ofImages:
		return imagesWords(scope), true
	case ofURLs:
		return requestsWords(patterns), true
	case ofSize:
		return patterns[0], true
	case ofInterval:
		return "at most every " + spanWords(t.interval), true
	case ofNotices:
		places := map[string]string{PlaceAdmins: "admins", PlaceChats: "the chats for notices"}
		var to []string
		for _, place := range t.places {
			to = append(to, places[place])
		}
		return fmt.Sprintf("%s by itself, at most %s an hour", join(unique(to), "and"), times(t.per)), true
	case ofEvents:
		return eventsWords(t.events), true
	}
	return "", false
}

func containersWords(s Scope) string {
	var names []string
	var rest []string // of other kinds, in their order
	for _, p := range s.patterns {
		value := visible(p.glob.String())
		switch {
		case p.label == "" && p.glob.all():
			return "all containers"
		case p.label == "":
			names = append(names, value)
		case p.label == ProjectLabel && p.glob.all():
			rest = append(rest, "containers of any project")
		case p.label == ProjectLabel:
			rest = append(rest, "containers of the project "+value)
		case p.glob.all():
			rest = append(rest, "containers that have the label "+visible(p.label))
		default:
			rest = append(rest, "containers with the label "+visible(p.label)+"="+value)
		}
	}
	if len(names) > 0 {
		rest = slices.Insert(rest, 0, "containers named "+join(unique(names), "or"))
	}
	return join(unique(rest), "and")
}

func imagesWords(s Scope) string {
	var names []string
	for i, r := range s.repositories {
		if r.all {
			return "all images"
		}
		names = append(names, visible(s.source[i]))
	}
	return "images of " + join(unique(names), "or")
}

// requestsWords reads patterns of http.fetch that were parsed: the methods, if they
// are not the ones that only read, a URL, and what is demanded behind it.
func requestsWords(patterns []string) string {
	var requests []string
	for _, pattern := range patterns {
		words := strings.Fields(visible(pattern))
		methods := "GET"
		if len(words) > 1 && !strings.Contains(words[0], ":") {
			methods, words = join(strings.Split(words[0], "|"), "and"), words[1:]
		}
		request := methods + " requests to " + placeWords(words[0])
		for _, word := range words[1:] {
			request += demandWords(word)
		}
		requests = append(requests, request)
	}
	return join(unique(requests), "and")
}

// placeWords says which addresses a URL pattern means.
func placeWords(url string) string {
	if name, ok := strings.CutPrefix(url, "secret:"); ok {
		name, path, _ := strings.Cut(name, "/")
		if path == "" || path == "*" {
			return "your secret address " + name
		}
		return "/" + path + " at your secret address " + name
	}
	scheme, rest, _ := strings.Cut(url, "://")
	host, path, _ := strings.Cut(rest, "/")
	switch {
	case host == "*" && path == "*":
		return "any " + scheme + " address"
	case host == "*":
		return "/" + path + " at any " + scheme + " host"
	}
	return url
}

func demandWords(word string) string {
	key, value, _ := strings.Cut(word, "=")
	switch key {
	case "private":
		return ", private addresses included"
	case "secret":
		return " with your secret " + join(strings.Split(value, "|"), "or")
	case "pin":
		return " (only to a server that shows " + join(pinsWords(value), "or") + ")"
	}
	return " " + word
}

// pinsWords tells the operator's certificates from those that the pattern brings
// along: whoever wrote it may have made them, and can then stand between.
func pinsWords(value string) (words []string) {
	for text := range strings.SplitSeq(value, "|") {
		if _, brought := parseDigest(text); brought {
			words = append(words, "the certificate "+text+", whoever made it")
		} else {
			words = append(words, "a certificate you name")
		}
	}
	return unique(words)
}

func eventsWords(types []string) string {
	if slices.Contains(types, "container.*") {
		return "anything happens to a container"
	}
	var actions []string
	for _, t := range types {
		actions = append(actions, strings.TrimPrefix(t, "container."))
	}
	return "a container has the event " + join(unique(actions), "or")
}

func times(n int) string {
	switch n {
	case 1:
		return "once"
	case 2:
		return "twice"
	}
	return fmt.Sprintf("%d times", n)
}

// spanWords writes 90s as "1 minute 30 seconds".
func spanWords(d time.Duration) string {
	var parts []string
	for _, unit := range []struct {
		size time.Duration
		name string
	}{{24 * time.Hour, "day"}, {time.Hour, "hour"}, {time.Minute, "minute"}, {time.Second, "second"}} {
		n := d / unit.size
		d -= n * unit.size
		switch {
		case n == 1:
			parts = append(parts, "1 "+unit.name)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", n, unit.name))
		}
	}
	if d > 0 {
		parts = append(parts, d.String())
	}
	if len(parts) == 1 {
		return strings.TrimPrefix(parts[0], "1 ") // every hour
	}
	return strings.Join(parts, " ")
}

// join writes "a, b and c".
func join(list []string, last string) string {
	n := len(list)
	if n < 2 {
		return strings.Join(list, "")
	}
	return strings.Join(list[:n-1], ", ") + " " + last + " " + list[n-1]
}

// unique drops what is there twice, and keeps the order.
func unique(list []string) []string {
	var out []string
	for _, text := range list {
		if !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return out
}

// visible replaces what nobody sees, and what turns the direction of writing.
func visible(text string) string {
	return strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) || unicode.In(r, unicode.Other_Default_Ignorable_Code_Point, unicode.Variation_Selector) || r == brailleBlank {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// brailleBlank counts as a symbol, and looks like a blank: with it one pattern could
// read like a sentence of the host's.
const brailleBlank = '\u2800'

// all reports whether a glob matches every text.
func (g glob) all() bool { return len(g) > 1 && strings.Join(g, "") == "" }

// String is the pattern as it was written.
func (g glob) String() string { return strings.Join(g, "*") }
