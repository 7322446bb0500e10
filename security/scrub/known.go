package scrub

import (
	"slices"
	"strings"
)

// What a byte may begin or be the mark of. Most bytes of a log are none of it,
// so that one look into a table of 256 is all that they cost.
const (
	marksShape  = 1 << iota // findShape looks closer here
	marksEscape             // may write another byte
	startsValue             // a known value begins with this byte
)

// shapeMarks are the rarest byte of each shape: the z of "authorization", the k
// of "webhook".
const shapeMarks = ".:%-_bBzZkK"

// known is a set of values, made for finding them all in one pass. It does not
// change.
type known struct {
	configured, learned []string

	class [256]byte
	// pairs has a bit for each two bytes with which a value begins.
	pairs [1 << 16 / 64]uint64
	// prefixes has the values by their first four bytes.
	prefixes map[string][]string
	// all are the values with the bytes that they are made of.
	all []value
}

type value struct {
	text  string
	bytes byteSet
}

var nothingKnown = newKnown(nil, nil)

func newKnown(configured, learned []string) *known {
	k := &known{learned: learned, prefixes: map[string][]string{}}
	for i := range len(shapeMarks) {
		k.class[shapeMarks[i]] |= marksShape
	}
	for _, c := range []byte(`%\+`) {
		k.class[c] |= marksEscape
	}
	for _, v := range configured {
		if len(v) >= minValue && !slices.Contains(k.configured, v) {
			k.configured = append(k.configured, v)
			k.add(v)
		}
	}
	for _, v := range learned {
		k.add(v)
	}
	return k
}

func (k *known) add(v string) {
	k.class[v[0]] |= startsValue
	pair := pairOf(v)
	k.pairs[pair/64] |= 1 << (pair % 64)
	k.prefixes[v[:minValue]] = append(k.prefixes[v[:minValue]], v)
	k.all = append(k.all, value{v, bytesOf(v)})
}

func pairOf(text string) uint16 { return uint16(text[0])<<8 | uint16(text[1]) }

// find returns where the text holds a secret or an address. It looks at every
// byte once and only then closer.
func (k *known) find(text string) []span {
	f := finder{text: text}
	var seen byte
	for i := range len(text) {
		c := k.class[text[i]]
		if c == 0 {
			continue
		}
		seen |= c
		if c&startsValue != 0 {
			k.valueAt(&f, i)
		}
		if c&marksShape != 0 {
			f.shapeAt(i)
		}
	}
	f.base32Secrets()
	if seen&marksEscape != 0 {
		k.escaped(&f)
	}
	return f.found
}

// valueAt finds the values that begin at i.
func (k *known) valueAt(f *finder, i int) {
	if len(f.text)-i < minValue {
		return
	}
	pair := pairOf(f.text[i:])
	if k.pairs[pair/64]&(1<<(pair%64)) == 0 {
		return
	}
	for _, v := range k.prefixes[f.text[i:i+minValue]] {
		if strings.HasPrefix(f.text[i:], v) {
			f.hide(i, i+len(v))
		}
	}
}

// byteSet is a set of bytes.
type byteSet [4]uint64

func (s *byteSet) add(c byte) { s[c/64] |= 1 << (c % 64) }

func (s *byteSet) meets(o *byteSet) bool {
	return s[0]&o[0]|s[1]&o[1]|s[2]&o[2]|s[3]&o[3] != 0
}

func bytesOf(text string) (s byteSet) {
	for i := range len(text) {
		s.add(text[i])
	}
	return s
}
