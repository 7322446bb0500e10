package scrub

import (
	"net/netip"
	"strconv"
	"strings"
)

// maxAddress is the length of the longest way to write an IPv6 address.
const maxAddress = len("0000:0000:0000:0000:0000:ffff:255.255.255.255")

// ipv4 finds four numbers around dots, given the first dot, that are an address.
// A version of four parts cannot be told from one, and is masked too, unless a
// letter stands before it (v1.2.3.4).
func (f *finder) ipv4(dot int) {
	text := f.text
	if dot < f.addressEnd || dot == 0 || dot+1 == len(text) || !isDigit(text[dot-1]) || !isDigit(text[dot+1]) {
		return
	}
	to, dots := dot, 0
	for to < len(text) && to-dot < len(".255.255.255.") && (isDigit(text[to]) || text[to] == '.') {
		if text[to] == '.' {
			dots++
		}
		to++
	}
	if text[to-1] == '.' { // ends a sentence
		to, dots = to-1, dots-1
	}
	from := dot
	for from > 0 && dot-from < 6 && isDigit(text[from-1]) {
		from--
	}
	if behind := skipEscape(text, from); behind < dot {
		from = behind
	}
	if dots != 3 || dot-from > 3 || goesOn(text, to) || from > 0 && text[from-1] == '.' || joinsLetter(text, from) {
		return
	}
	addr, err := netip.ParseAddr(text[from:to])
	if err != nil {
		return
	}
	f.address(from, to, addr)
}

// ipv6 finds an address around a colon after one of its groups. Only the ranges
// that are in use are looked for: 2000::/3, fc00::/7, fe80::/10, ff00::/8, and
// the two that carry IPv4, ::ffff:0:0/96 and 64:ff9b::/96 (IANA, IPv6 address
// space). All of them have a group of four digits at their front, which tells
// them from times, hardware addresses and the :: of C++.
func (f *finder) ipv6(colon int) {
	text := f.text
	from := colon - 4
	if from < f.addressEnd || from < 0 || !isHex(text[from+1]) || !isHex(text[from+2]) || !isHex(text[from+3]) {
		return
	}
	switch text[from] {
	case '2', '3', 'f', 'F':
	default:
		return
	}
	to := colon
	for to < len(text) && to-colon < maxAddress && (isHex(text[to]) || text[to] == ':' || text[to] == '.') {
		to++
	}
	carrier := from // of an IPv4 address, begins before
	if text[from]|0x20 == 'f' {
		for carrier > 0 && from-carrier < maxAddress/2 && (isDigit(text[carrier-1]) || text[carrier-1] == ':') {
			carrier--
		}
	}
	for _, from := range []int{carrier, from} {
		if from > 0 && isHex(text[from-1]) && !afterEscape(text, from) || joinsLetter(text, from) {
			continue
		}
		if addr, to := longestAddress(text, from, to); to > from && inUse(addr) {
			f.address(from, to, addr)
			return
		}
	}
}

// longestAddress returns the longest address that begins at from and ends before
// limit: a colon, a full stop or a port may follow.
func longestAddress(text string, from, limit int) (netip.Addr, int) {
	for to := min(limit, from+maxAddress+1); to > from; {
		if addr, err := netip.ParseAddr(text[from:to]); err == nil && !(to == limit && goesOn(text, to)) {
			return addr, to
		}
		cut := strings.LastIndexAny(text[from:to], ":.")
		if cut <= 0 {
			break
		}
		if from+cut+1 == to {
			to--
		} else if to = from + cut; strings.HasSuffix(text[from:to], ":") {
			to++
		}
	}
	return netip.Addr{}, from
}

func inUse(addr netip.Addr) bool {
	b := addr.As16()
	switch {
	case addr.Is4In6():
		return true
	case b[0] == 0: // 64:ff9b::/96
		return b[1] == 0x64 && b[2] == 0xff && b[3] == 0x9b
	}
	return b[0]&0xe0 == 0x20 || b[0]&0xfe == 0xfc || b[0] == 0xfe && b[1]&0xc0 == 0x80 || b[0] == 0xff
}

// address masks what was found. Loopback and unspecified addresses identify
// nobody and stay.
func (f *finder) address(from, to int, addr netip.Addr) {
	f.addressEnd = to
	if plain := addr.Unmap(); plain.IsLoopback() || plain.IsUnspecified() {
		return
	}
	f.found = append(f.found, span{from, to, maskAddress(addr)})
}

// maskAddress keeps two octets of an IPv4 address and two groups of an IPv6 one.
func maskAddress(addr netip.Addr) string {
	if addr.Is4In6() {
		return "::ffff:" + maskAddress(addr.Unmap())
	}
	if addr.Is4() {
		b := addr.As4()
		return strconv.Itoa(int(b[0])) + "." + strconv.Itoa(int(b[1])) + ".*.*"
	}
	b := addr.As16()
	group := func(i int) string { return strconv.FormatUint(uint64(b[i])<<8|uint64(b[i+1]), 16) }
	return group(0) + ":" + group(2) + ":*"
}

// goesOn tells whether a number that ends at i is the front of something longer.
func goesOn(text string, i int) bool {
	if i == len(text) {
		return false
	}
	c := text[i]
	return isDigit(c) || isLetter(c) || c == '_' || c == '.' && i+1 < len(text) && isDigit(text[i+1])
}

// joinsLetter tells whether what begins at i goes on a word that is no escape.
func joinsLetter(text string, i int) bool {
	return i > 0 && isLetter(text[i-1]) && !afterEscape(text, i)
}

// afterEscape tells whether an escape may end at i, as \n, \x0a, \u0026 and %3A.
func afterEscape(text string, i int) bool {
	return strings.IndexByte(text[max(0, i-len(`\u0026`)):i], '\\') >= 0 || strings.IndexByte(text[max(0, i-len("%3A")):i], '%') >= 0
}

// skipEscape moves the begin of a number behind digits that belong to an escape
// with a percent sign: %2010.1.2.3.
func skipEscape(text string, from int) int {
	switch {
	case from >= 1 && text[from-1] == '%': // both digits are among the number's
		return from + 2
	case from >= 2 && text[from-2] == '%' && isHex(text[from-1]):
		return from + 1
	}
	return from
}

func isHex(c byte) bool { return hexDigit(c) >= 0 }
