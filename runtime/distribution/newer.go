package distribution

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Masterminds/semver/v3"
)

// Newer is what a registry's tags say about one of them.
type Newer struct {
	// Tag is the newest version like the present one; empty: there is none.
	Tag string
	// Major tells that Tag has another first number.
	Major bool
	// Within is the newest version with the same first number, if Tag is a Major
	// one and there is such a version.
	Within string
}

// FindNewer looks among a repository's tags for versions that are newer than the
// tag that is here. Only tags of the same shape count: the same words around the
// numbers ("v", "-alpine"), as many numbers, and dates only among dates. A
// pre-release counts only if the present one is such. A tag that is no version,
// such as "latest", has no newer one. The order of tags does not matter.
func FindNewer(present string, tags []string) Newer {
	have, ok := parseTag(present)
	if !ok {
		return Newer{}
	}
	var newest, within *version
	for _, tag := range tags {
		v, ok := parseTag(tag)
		if !ok || !v.follows(have) {
			continue
		}
		newest = later(newest, v)
		if v.first() == have.first() {
			within = later(within, v)
		}
	}
	if newest == nil {
		return Newer{}
	}
	n := Newer{Tag: newest.tag, Major: !have.shape.date && newest.first() != have.first()}
	if n.Major && within != nil {
		n.Within = within.tag
	}
	return n
}

// isVersion reports whether a tag can have newer ones.
func isVersion(tag string) bool {
	_, ok := parseTag(tag)
	return ok
}

// shape is what two tags must share for one of them to be the newer.
type shape struct {
	prefix   string // "v", "release-"
	suffix   string // "-alpine"; "-debian-12-r" in front of a revision
	numbers  int
	date     bool // 20240101 or 2024-01-01
	calendar bool // begins with a year: 2024.10
	revision bool // ends with a number of its own: 1.2.3-4, 1.2.3-r4
}

// version is a tag, read.
type version struct {
	tag   string
	shape shape
	// semver has the first three numbers and the pre-release, more the numbers
	// behind them, the revision last.
	semver *semver.Version
	more   []uint64
}

func (v *version) first() uint64 { return v.semver.Major() }

func (v *version) compare(other *version) int {
	return cmp.Or(v.semver.Compare(other.semver), slices.Compare(v.more, other.more))
}

// follows reports whether v is newer than have, and of its kind. A first number
// with two digits more is none of its kind: beside 16 and 17, 48213 counts builds.
func (v *version) follows(have *version) bool {
	return v.shape == have.shape &&
		(v.semver.Prerelease() == "" || have.semver.Prerelease() != "") &&
		digits(v.first()) <= digits(have.first())+1 &&
		v.compare(have) > 0
}

func digits(n uint64) int { return len(strconv.FormatUint(n, 10)) }

// later is the newer one of both; of equal ones ("1.2" and "1.02") the one whose
// text comes first, so that the order of tags does not matter.
func later(a, b *version) *version {
	if a == nil || cmp.Or(b.compare(a), strings.Compare(a.tag, b.tag)) > 0 {
		return b
	}
	return a
}

// maxTag is how long a tag may be, in the distribution specification.
const maxTag = 128

// parseTag reads a tag as a version. It reports false for what is none, and for
// what no registry may call a tag.
func parseTag(tag string) (*version, bool) {
	if !validTag(tag) {
		return nil, false
	}
	v := &version{tag: tag}
	rest := tag[strings.IndexFunc(tag+"0", isDigit):]
	v.shape.prefix = tag[:len(tag)-len(rest)]
	numbers, rest, ok := leadingNumbers(rest)
	if !ok {
		return nil, false
	}
	if dashed, after, ok := dashedDate(numbers, rest); ok {
		numbers, rest, v.shape.date = dashed, after, true
	}
	v.shape.date = v.shape.date || len(numbers) == 1 && isDate(numbers[0])
	v.shape.calendar = !v.shape.date && len(numbers) > 1 && numbers[0] >= 1990 && numbers[0] < 2200
	v.shape.numbers = len(numbers)
	if !v.shape.plausible(numbers) {
		return nil, false
	}
	pre, rest := preRelease(rest)
	v.shape.suffix = rest
	revision, suffix, ok := trailingRevision(rest)
	if ok {
		v.shape.suffix, v.shape.revision = suffix, true
	}
	var three [3]uint64
	copy(three[:], numbers)
	v.semver = semver.New(three[0], three[1], three[2], pre, "")
	v.more = append(numbers[min(3, len(numbers)):], revision)
	return v, true
}

// validTag is the grammar of the distribution specification.
func validTag(tag string) bool {
	if tag == "" || len(tag) > maxTag || tag[0] == '.' || tag[0] == '-' {
		return false
	}
	for i := range len(tag) {
		if c := tag[i]; !isWord(c) && c != '.' && c != '-' {
			return false
		}
	}
	return true
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_'
}

func isDigit(r rune) bool { return r >= '0' && r <= '9' }

// plausible tells versions from commits and build numbers: a lone number is a
// version if it is short or a date, and has no word before it.
func (s shape) plausible(numbers []uint64) bool {
	if s.date || len(numbers) > 1 {
		return true
	}
	return digits(numbers[0]) <= 5 && (s.prefix == "" || s.prefix == "v" || s.prefix == "V")
}

// maxNumbers and maxDigits bound what is a version, and keep numbers in 64 bits.
const (
	maxNumbers = 4
	maxDigits  = 18
)

// leadingNumbers cuts "1.2.3" off.
func leadingNumbers(text string) (numbers []uint64, rest string, ok bool) {
	for {
		n, after, ok := leadingNumber(text)
		if !ok || len(numbers) == maxNumbers {
			return nil, "", false
		}
		numbers = append(numbers, n)
		if len(after) < 2 || after[0] != '.' || !isDigit(rune(after[1])) {
			return numbers, after, true
		}
		text = after[1:]
	}
}

func leadingNumber(text string) (n uint64, rest string, ok bool) {
	rest = strings.TrimLeft(text, "0123456789")
	word := text[:len(text)-len(rest)]
	if word == "" || len(word) > maxDigits {
		return 0, "", false
	}
	n, err := strconv.ParseUint(word, 10, 64)
	return n, rest, err == nil
}

// dashedDate reads 2024-01-31, of which leadingNumbers has the year.
func dashedDate(numbers []uint64, rest string) (date []uint64, after string, ok bool) {
	if len(numbers) != 1 || len(rest) < 6 || rest[0] != '-' || rest[3] != '-' {
		return nil, "", false
	}
	month, _, ok1 := leadingNumber(rest[1:3])
	day, _, ok2 := leadingNumber(rest[4:6])
	if !ok1 || !ok2 || !isDate(numbers[0]*10_000+month*100+day) {
		return nil, "", false
	}
	return []uint64{numbers[0], month, day}, rest[6:], true
}

// isDate reports whether n is a day of the calendar, as 20240131.
func isDate(n uint64) bool {
	if n < 1990_01_01 || n > 2199_12_31 {
		return false
	}
	_, err := time.Parse("20060102", strconv.FormatUint(n, 10))
	return err == nil
}

// preWords are what marks a pre-release, with the word that it is compared by.
var preWords = map[string]string{
	"alpha": "alpha", "a": "alpha", "beta": "beta", "b": "beta", "rc": "rc", "pre": "pre", "preview": "preview",
	"milestone": "milestone", "dev": "dev", "snapshot": "snapshot", "nightly": "nightly", "canary": "canary", "edge": "edge", "next": "next",
}

// preRelease cuts "-rc.1", "rc1" or "-beta-2" off what follows the numbers, and
// returns it as semantic versioning writes it: "rc.1". "a1" and "b1" are such
// marks only directly behind the numbers, as in Python's "3.14.0b1".
func preRelease(text string) (pre, rest string) {
	body := strings.TrimLeft(text, "-._")
	word := body[:len(body)-len(strings.TrimLeftFunc(body, isLetter))]
	mark, ok := preWords[strings.ToLower(word)]
	if !ok || len(text)-len(body) > 1 || len(word) == 1 && len(body) != len(text) {
		return "", text
	}
	rest = body[len(word):]
	number := rest
	if len(rest) > 1 && (rest[0] == '.' || rest[0] == '-') {
		number = rest[1:]
	}
	n, after, ok := leadingNumber(number)
	switch {
	case ok && (after == "" || !isWord(after[0])):
		return mark + "." + strconv.FormatUint(n, 10), after
	case len(word) == 1 || rest != "" && isWord(rest[0]):
		return "", text // "b" of "1.2b", "dev" of "1.2-devel"
	}
	return mark, rest
}

func isLetter(r rune) bool { return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' }

// trailingRevision reads the number of a repeated build at the end: "-4" alone,
// or behind the words that packagers use, "-r4", "-ls4" and "-build4".
func trailingRevision(rest string) (revision uint64, suffix string, ok bool) {
	suffix = strings.TrimRight(rest, "0123456789")
	revision, _, ok = leadingNumber(rest[len(suffix):])
	if !ok {
		return 0, "", false
	}
	word := suffix[strings.LastIndexByte(suffix, '-')+1:]
	known := suffix == "-" || len(word) < len(suffix) && slices.Contains([]string{"r", "ls", "build", "build."}, word)
	return revision, suffix, known
}
