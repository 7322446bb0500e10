package capability

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// place is where a request goes. In a pattern, host and port may be * and host
// also *.example.com.
type place struct {
	// base is the name of an operator's address. Then the rest is empty.
	base string
	// scheme is https or http.
	scheme string
	// host is in lower case, an IPv6 address without brackets.
	host string
	port string
}

// maxURL bounds the URL of a request, in bytes.
const maxURL = 2048

// secretScheme stands before the name of an operator's address.
const secretScheme = "secret:"

var (
	errURLSize     = fmt.Errorf("a URL has at most %d bytes", maxURL)
	errURLScheme   = errors.New("a URL begins with https://, or is secret:NAME with a path behind it")
	errURLUser     = errors.New("a URL has no user or password in it")
	errURLHost     = errors.New("the host is not an ASCII name (others are written with xn--) or an IP address in its usual form")
	errURLPort     = errors.New("a port is a number from 1 to 65535")
	errURLName     = errors.New("secret: needs the name of an address")
	errURLPath     = errors.New("behind the host comes a path, which begins with /")
	errURLBytes    = errors.New("the path has a character that must be written as % and two hexadecimal digits")
	errURLEscape   = errors.New("in the path, % does not stand before two hexadecimal digits, or before those of a dot, a slash, a backslash or a control character")
	errURLDots     = errors.New("the path has a segment of dots")
	errURLFragment = errors.New("a URL has nothing behind a # here")
)

// parsePlace splits a URL into the place and the tail: the path with the query
// behind it. With wild it is a pattern's. What two programs could read differently
// is refused, and what is left is brought into one form.
func parsePlace(text string, wild bool) (place, string, error) {
	if len(text) > maxURL {
		return place{}, "", errURLSize
	}
	if strings.Contains(text, "#") {
		return place{}, "", errURLFragment
	}
	if rest, ok := strings.CutPrefix(text, secretScheme); ok {
		name, tail := cutTail(rest)
		if !isSecretName(name) {
			return place{}, "", errURLName
		}
		tail, err := canonicalTail(tail)
		return place{base: name}, tail, err
	}
	scheme, rest, _ := strings.Cut(text, "://")
	if scheme != "https" && scheme != "http" {
		return place{}, "", errURLScheme
	}
	authority, tail := cutTail(rest)
	if tail == "" {
		tail = "/"
	}
	host, port, err := splitHost(authority, wild)
	switch {
	case err != nil:
		return place{}, "", err
	case tail[0] != '/':
		return place{}, "", errURLPath
	case port == "" && scheme == "https":
		port = "443"
	case port == "":
		port = "80"
	}
	tail, err = canonicalTail(tail)
	return place{scheme: scheme, host: host, port: port}, tail, err
}

// cutTail cuts before the first / or ?.
func cutTail(text string) (before, tail string) {
	if i := strings.IndexAny(text, "/?"); i >= 0 {
		return text[:i], text[i:]
	}
	return text, ""
}

func splitHost(authority string, wild bool) (host, port string, err error) {
	if strings.Contains(authority, "@") {
		return "", "", errURLUser
	}
	host, port, hasPort := authority, "", false
	if i := strings.LastIndex(authority, ":"); i > strings.LastIndex(authority, "]") {
		host, port, hasPort = authority[:i], authority[i+1:], true
	}
	if hasPort && !isPort(port) && !(wild && port == "*") {
		return "", "", errURLPort
	}
	if wild && host == "*" {
		return host, port, nil
	}
	if suffix, ok := strings.CutPrefix(host, "*."); ok && wild {
		suffix, isName := canonicalName(suffix)
		if !isName {
			return "", "", errURLHost
		}
		return "*." + suffix, port, nil
	}
	host, ok := canonicalHost(host)
	if !ok {
		return "", "", errURLHost
	}
	return host, port, nil
}

func isPort(text string) bool {
	n, err := strconv.ParseUint(text, 10, 16)
	return err == nil && n > 0 && text[0] != '0'
}

// canonicalHost brings a host into one form. A host that looks like an address in
// any of the forms that inet_aton reads is an address, in four numbers, or nothing.
func canonicalHost(host string) (string, bool) {
	if inner, ok := strings.CutPrefix(host, "["); ok {
		inner, ok = strings.CutSuffix(inner, "]")
		addr, err := netip.ParseAddr(inner)
		if !ok || err != nil || !addr.Is6() || addr.Zone() != "" || addr.Is4In6() {
			return "", false
		}
		return addr.String(), true
	}
	if addr, err := netip.ParseAddr(host); err == nil && addr.Is4() {
		return addr.String(), true
	}
	return canonicalName(host)
}

func canonicalName(host string) (string, bool) {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	if host == "" || len(host) > 253 {
		return "", false
	}
	var last string
	for last = range strings.SplitSeq(host, ".") {
		if last == "" || len(last) > 63 || last[0] == '-' || last[len(last)-1] == '-' ||
			strings.ContainsFunc(last, func(r rune) bool { return !oneOf(r, "-_") }) {
			return "", false
		}
	}
	// 127.1, 0177.0.0.1, 0x7f000001 and 2130706433 are what some resolvers take for
	// an address; no name ends so.
	number := strings.Trim(last, "0123456789") == "" || strings.HasPrefix(last, "0x") && strings.Trim(last[2:], "0123456789abcdef") == ""
	return host, !number
}

// pathBytes and queryBytes are what may stand there as it is (RFC 3986), beside
// letters and digits.
const (
	pathBytes  = "-._~!$&'()*+,;=:@/"
	queryBytes = pathBytes + "?[]|"
)

// canonicalTail checks a path with its query, and writes escapes in capitals. The
// query may hold any escapes: it leads nowhere.
func canonicalTail(tail string) (string, error) {
	path, _, _ := strings.Cut(tail, "?")
	out := []byte(tail)
	for i := 0; i < len(tail); i++ {
		c := tail[i]
		inPath := i < len(path)
		switch {
		case c == '%':
			b, n := hexPair(tail[i+1:])
			if n == 0 || inPath && (leads(b) || b == '%' && leadsTwice(tail[i+3:])) {
				return "", errURLEscape
			}
			copy(out[i:], strings.ToUpper(tail[i:i+3]))
			i += 2
		case c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9':
		case inPath && strings.IndexByte(pathBytes, c) < 0, strings.IndexByte(queryBytes, c) < 0:
			return "", errURLBytes
		}
	}
	for segment := range strings.SplitSeq(path, "/") {
		// Some servers cut what is behind a semicolon before they read the dots.
		segment, _, _ = strings.Cut(segment, ";")
		if segment == "." || segment == ".." {
			return "", errURLDots
		}
	}
	return string(out), nil
}

// leads reports whether a byte, when it is decoded too early, leads elsewhere.
func leads(b byte) bool { return b < ' ' || b == 0x7f || strings.IndexByte(`./\`, b) >= 0 }

// leadsTwice is leads for what stands behind an encoded %.
func leadsTwice(text string) bool {
	b, n := hexPair(text)
	return n > 0 && leads(b)
}

func hexPair(text string) (b byte, n int) {
	if len(text) < 2 {
		return 0, 0
	}
	v, err := strconv.ParseUint(text[:2], 16, 8)
	if err != nil {
		return 0, 0
	}
	return byte(v), 2
}

// contains reports whether a place lies inside of a pattern's, or all of another
// pattern's places do.
func (p place) contains(q place) bool {
	if p.base != "" || q.base != "" {
		return p.base == q.base
	}
	return p.scheme != "" && p.scheme == q.scheme && (p.port == "*" || p.port == q.port) && hostContains(p.host, q.host)
}

func hostContains(pattern, host string) bool {
	suffix, several := strings.CutPrefix(pattern, "*")
	switch {
	case !several:
		return pattern == host
	case suffix == "":
		return host != ""
	}
	return strings.HasSuffix(host, suffix) && len(host) > len(suffix)
}

// disjoint reports whether surely no place lies inside of both patterns'.
func (p place) disjoint(q place) bool {
	if p.base != "" || q.base != "" {
		return p.base != q.base
	}
	return p.scheme != q.scheme || p.port != q.port && p.port != "*" && q.port != "*" ||
		!hostContains(p.host, q.host) && !hostContains(q.host, p.host)
}

// String writes a place as a URL has it, without the port that goes without saying.
func (p place) String() string {
	if p.base != "" {
		return secretScheme + p.base
	}
	host := p.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if p.scheme == "https" && p.port == "443" || p.scheme == "http" && p.port == "80" {
		return p.scheme + "://" + host
	}
	return p.scheme + "://" + host + ":" + p.port
}
