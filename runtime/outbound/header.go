package outbound

import (
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// Bounds of headers, in lines and bytes, both ways.
const (
	maxLines     = 64
	maxName      = 64
	maxValue     = 4 << 10
	maxAllValues = 16 << 10
)

// ours are headers that a module does not set: they say how bytes travel, whom the
// request is for and who asks, or they let a server take another method or path
// than the one that was allowed. An underscore counts as a dash, as for servers
// that make variables of both.
var ours = map[string]bool{
	"host": true, "connection": true, "keep-alive": true, "transfer-encoding": true, "content-length": true, "te": true, "trailer": true,
	"upgrade": true, "expect": true, "http2-settings": true, "accept-encoding": true,
	"forwarded": true, "via": true, "x-real-ip": true, "true-client-ip": true, "cf-connecting-ip": true, "x-client-ip": true,
	"x-http-method": true, "x-http-method-override": true, "x-method-override": true,
	"x-original-url": true, "x-rewrite-url": true, "x-original-host": true, "x-host": true,
}

func isOurs(name string) bool {
	name = strings.ReplaceAll(strings.ToLower(name), "_", "-")
	return ours[name] || strings.HasPrefix(name, "proxy-") || strings.HasPrefix(name, "x-forwarded-")
}

// setHeader checks the headers of a module and puts its secrets in. Cookies are
// the module's own: none are kept for it.
func (t *task) setHeader(lines []abi.Header) error {
	t.header, t.secret = http.Header{"User-Agent": {"cofferdam"}, "Accept-Encoding": {"identity"}}, map[string]bool{}
	if len(lines) > maxLines {
		return errHeaders
	}
	size, given := 0, map[string]bool{}
	for _, line := range lines {
		if !isToken(line.Name) || !isValue(line.Value) {
			return refuse(abi.Invalid, "A header of the request has a name or a value that is none.")
		}
		if isOurs(line.Name) {
			return refuse(abi.Invalid, "A header of the request is not for modules to set.")
		}
		name, value := http.CanonicalHeaderKey(line.Name), line.Value
		if line.Secret != "" {
			secret, ok := t.cfg.Secret(t.module, line.Secret)
			switch {
			case !ok:
				return errNoSecret
			case !isValue(secret):
				return errSecretLine
			}
			value += secret
			t.secret[name] = true
		}
		if size += len(name) + len(value); size > maxAllValues {
			return errHeaders
		}
		if !given[name] {
			t.header.Del(name)
		}
		given[name] = true
		t.header.Add(name, value)
	}
	if len(t.secret) > 0 && (given["Range"] || given["If-Range"]) {
		// Of an answer in pieces no secret could be hidden that it repeats.
		return refuse(abi.Invalid, "A request with a secret asks for the whole answer.")
	}
	return nil
}

// secrets are the names that the rule is asked about, for as long as a header has
// one of them.
func (t *task) secrets() []string {
	if len(t.secret) == 0 {
		return nil
	}
	return t.first.Secrets()
}

// forget takes out what only the first server is to know.
func (t *task) forget() {
	for name := range t.secret {
		t.header.Del(name)
	}
	clear(t.secret)
	t.header.Del("Authorization")
	t.header.Del("Cookie")
}

// isToken reports whether a text can be a header's name (RFC 9110, 5.6.2).
func isToken(name string) bool {
	return name != "" && len(name) <= maxName && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune("()<>@,;:\\\"/[]?={}", r)
	})
}

// isValue reports whether a text can be a header's value: one line of ASCII.
func isValue(value string) bool {
	return len(value) <= maxValue && !strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r >= 0x7f })
}

// answered are the headers of an answer that a module gets: without those about
// the connection, clean, and without what is hidden. A cookie that a server gave
// for a secret is worth as much as that.
func (t *task) answered(header http.Header) []abi.Header {
	var lines []abi.Header
	size := 0
	for _, name := range slices.Sorted(maps.Keys(header)) {
		lower := strings.ToLower(name)
		if isOurs(lower) || lower == "set-cookie" && t.confided() || !isToken(name) {
			continue
		}
		for _, value := range header[name] {
			value = foreign.Line(scrub.Values(value, t.hide, maxHeader), maxValue)
			if size += len(name) + len(value); size > maxAllValues || len(lines) == maxLines {
				return lines
			}
			lines = append(lines, abi.Header{Name: lower, Value: value})
		}
	}
	return lines
}

// confided reports whether the request took a secret along.
func (t *task) confided() bool {
	_, _, based := t.first.Base()
	return based || len(t.first.Secrets()) > 0
}
