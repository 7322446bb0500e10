package capability

import (
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// urlPattern is one pattern of http.fetch: which requests lie inside, and what is
// demanded of them.
type urlPattern struct {
	methods methods
	place   place
	tail    glob // the path, and the query behind it
	clause
}

// clause is what a pattern says about requests that lie inside of it.
type clause struct {
	// exact tells that the pattern names one host, itself or by the name that the
	// operator gave to an address.
	exact bool
	// private permits addresses that are not in the public network.
	private bool
	// pins are the certificates that the server may show; none: whichever proves
	// its name.
	pins []pin
	// secrets are the names of those that may be put into headers.
	secrets []string
}

// pin is the SHA-256 of a certificate, or the name of the setting that has it.
type pin struct {
	digest [32]byte
	name   string
}

// methods is a set of HTTP methods, a bit for each of methodNames.
type methods uint8

var methodNames = [...]string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"}

// onlyReading is the set that a pattern has which names no methods.
const onlyReading methods = 1<<0 | 1<<1

// methodOf returns the set of one method; 0: there is no such method.
func methodOf(name string) methods {
	if i := slices.Index(methodNames[:], name); i >= 0 {
		return 1 << i
	}
	return 0
}

func (m methods) names() []string {
	var names []string
	for i, name := range methodNames {
		if m&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	return names
}

// ParseURLScope checks the patterns of http.fetch. A pattern is
//
//	[METHOD|METHOD… ]URL[ pin=PIN][ secret=NAME|NAME…][ private]
//
// with one blank between its parts. Without methods it is for GET and HEAD.
//
// URL is https://HOST[:PORT]/PATH: HOST is a name, an IP address, *.example.com
// (one or more labels stand for the star) or *; PORT a number or *. In the path,
// to which the query belongs, * stands for any run of characters. Or it is
// secret:NAME with a path behind it: the operator's address of that name.
//
// pin=PIN is the SHA-256 of the server's certificate in hexadecimal digits, or the
// name of the operator's setting that has it, or several with | between them.
// secret=NAME lets the host put that secret into headers. private permits
// addresses that are not public, and http:// is for patterns with that word only.
// Both words, and http://, count only where some party names the host without a *:
// see [Set.AllowsFetch].
func ParseURLScope(patterns []string) (Scope, error) {
	if len(patterns) == 0 || len(patterns) > MaxPatterns {
		return Scope{}, fmt.Errorf("needs a scope of 1 to %d patterns, such as https://example.org/status or POST https://example.org/api/*", MaxPatterns)
	}
	scope := Scope{source: append([]string(nil), patterns...)}
	for _, text := range patterns {
		p, err := parseURLPattern(text)
		if err != nil {
			return Scope{}, fmt.Errorf("pattern %q: %w", text, err)
		}
		scope.urls = append(scope.urls, p)
	}
	return scope, nil
}

// CheckFetchGrant says what is wrong with a pattern of http.fetch as an operator's
// grant, without repeating it. A module may ask for "whatever private host I am
// given"; who gives names it.
func CheckFetchGrant(text string) error {
	p, err := parseURLPattern(text)
	switch {
	case err != nil:
		return err
	case !p.exact && p.place.scheme == "http":
		return errors.New("http:// is granted for a host by its name, not with *")
	case !p.exact && p.private:
		return errors.New("private is granted for a host by its name, not with *")
	case !p.exact && len(p.secrets) > 0:
		return errors.New("secrets are granted for a host by its name, not with *")
	}
	return nil
}

var (
	errPatternSize   = fmt.Errorf("must be 1 to %d bytes of ASCII", maxPattern)
	errPatternBlanks = errors.New("must have single blanks between its parts, and none else")
	errPatternWord   = errors.New("has a word that is none of pin=…, secret=… and private, or one twice")
	errPatternMethod = errors.New("has a method that is none of GET, HEAD, POST, PUT, PATCH and DELETE, or one twice")
	errPatternPin    = errors.New("pin= needs the SHA-256 of a certificate, 64 hexadecimal digits, or the name of a setting")
	errPatternSecret = errors.New("secret= needs names of secrets, with | between them")
	errPatternPlain  = errors.New("http:// is not encrypted: it is for patterns with the word private, and without pins and secrets")
)

func parseURLPattern(text string) (urlPattern, error) {
	if text == "" || len(text) > maxPattern || strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r >= 0x7f }) {
		return urlPattern{}, errPatternSize
	}
	parts := strings.Split(text, " ")
	if slices.Contains(parts, "") {
		return urlPattern{}, errPatternBlanks
	}
	p := urlPattern{methods: onlyReading}
	var err error
	if len(parts) > 1 && !strings.Contains(parts[0], ":") {
		if p.methods, err = parseMethods(parts[0]); err != nil {
			return urlPattern{}, err
		}
		parts = parts[1:]
	}
	var tail string
	if p.place, tail, err = parsePlace(parts[0], true); err != nil {
		return urlPattern{}, err
	}
	p.tail, p.exact = newGlob(tail), !strings.Contains(p.place.host, "*")
	for _, word := range parts[1:] {
		if err := p.demand(word); err != nil {
			return urlPattern{}, err
		}
	}
	if p.place.scheme == "http" && (!p.private || len(p.pins) > 0 || len(p.secrets) > 0) {
		return urlPattern{}, errPatternPlain
	}
	return p, nil
}

func parseMethods(text string) (set methods, err error) {
	for name := range strings.SplitSeq(text, "|") {
		m := methodOf(name)
		if m == 0 || set&m != 0 {
			return 0, errPatternMethod
		}
		set |= m
	}
	return set, nil
}

// demand reads one of the words behind a pattern's URL.
func (c *clause) demand(word string) error {
	key, value, _ := strings.Cut(word, "=")
	switch {
	case word == "private" && !c.private:
		c.private = true
	case key == "pin" && c.pins == nil:
		for text := range strings.SplitSeq(value, "|") {
			p, ok := parsePin(text)
			if !ok {
				return errPatternPin
			}
			c.pins = append(c.pins, p)
		}
	case key == "secret" && c.secrets == nil:
		c.secrets = strings.Split(value, "|")
		if slices.ContainsFunc(c.secrets, func(name string) bool { return !isSecretName(name) }) {
			return errPatternSecret
		}
	default:
		return errPatternWord
	}
	return nil
}

func parsePin(text string) (pin, bool) {
	if digest, ok := parseDigest(text); ok {
		return pin{digest: digest}, true
	}
	return pin{name: text}, isSecretName(text)
}

// parseDigest reads a fingerprint as tools print it: 64 hexadecimal digits, with
// colons or without.
func parseDigest(text string) (digest [32]byte, ok bool) {
	raw, err := hex.DecodeString(strings.ReplaceAll(text, ":", ""))
	if err != nil || len(raw) != len(digest) {
		return digest, false
	}
	return [32]byte(raw), true
}

// isSecretName reports whether a secret can be called so: up to 31 letters,
// digits, _, - and dots, as in the config.
func isSecretName(name string) bool {
	return name != "" && len(name) <= 31 && !strings.ContainsFunc(name, func(r rune) bool {
		return !oneOf(r, "_.-") && (r < 'A' || r > 'Z')
	})
}

// matches reports whether a request lies inside, whatever is demanded of it.
func (p urlPattern) matches(f Fetch) bool {
	return p.methods&methodOf(f.method) != 0 && p.place.contains(f.place) && p.tail.matches(f.tail)
}

// coversURL reports whether each request inside of inner is inside of outer too,
// whatever is demanded of them. It may say no where it is not sure.
func coversURL(outer, inner urlPattern) bool {
	return inner.methods&^outer.methods == 0 && coversPlace(outer, inner)
}

// coversPlace is coversURL without the methods. A star of inner is a byte that
// only a star of outer can stand for.
func coversPlace(outer, inner urlPattern) bool {
	return outer.place.contains(inner.place) && outer.tail.matches(strings.Join(inner.tail, "*"))
}

// covers reports whether all that inner permits, outer permits too: to which
// addresses, with which secrets, to servers with which certificates. It may say no
// where it is not sure.
func covers(outer, inner urlPattern) bool {
	if !coversURL(outer, inner) || inner.private && !outer.private {
		return false
	}
	for _, secret := range inner.secrets {
		if !slices.Contains(outer.secrets, secret) {
			return false
		}
	}
	// A pin stands for the verification of the name, so that a pattern which has
	// one does not permit less than one without.
	if (len(outer.pins) == 0) != (len(inner.pins) == 0) {
		return false
	}
	return !slices.ContainsFunc(inner.pins, func(p pin) bool { return !slices.Contains(outer.pins, p) })
}

// coversURLs is covers for whole scopes.
func coversURLs(outer, inner Scope) bool {
	return len(inner.urls) > 0 && !slices.ContainsFunc(inner.urls, func(p urlPattern) bool {
		return !slices.ContainsFunc(outer.urls, func(q urlPattern) bool { return covers(q, p) })
	})
}

// apart is disjointURLs for whole scopes.
func apart(a, b Scope) bool {
	return len(a.urls) > 0 && len(b.urls) > 0 && !slices.ContainsFunc(a.urls, func(p urlPattern) bool {
		return slices.ContainsFunc(b.urls, func(q urlPattern) bool { return !disjointURLs(p, q) })
	})
}

// disjointURLs reports whether surely no request lies inside of both.
func disjointURLs(a, b urlPattern) bool {
	if a.methods&b.methods == 0 || a.place.disjoint(b.place) {
		return true
	}
	// What stands before the first star must agree, and what stands behind the last.
	begin, other := a.tail[0], b.tail[0]
	if len(a.tail) == 1 {
		return !b.tail.matches(begin)
	}
	if len(b.tail) == 1 {
		return !a.tail.matches(other)
	}
	end, otherEnd := a.tail[len(a.tail)-1], b.tail[len(b.tail)-1]
	return !strings.HasPrefix(begin, other) && !strings.HasPrefix(other, begin) ||
		!strings.HasSuffix(end, otherEnd) && !strings.HasSuffix(otherEnd, end)
}
