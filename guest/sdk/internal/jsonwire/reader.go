// Package jsonwire reads and writes JSON for the generated codecs of the SDK,
// without reflection: encoding/json and what it needs would nearly double the
// size of a guest. It agrees with encoding/json but for what its [Reader] says.
package jsonwire

import (
	"encoding/base64"
	"slices"
	"strconv"
)

// maxDepth bounds how deep arrays and objects may be nested, so that nobody's
// input exhausts the stack. What crosses the boundary nests 7 deep.
const maxDepth = 64

// A Reader takes values from the front of a JSON text. Its first error stays,
// and nothing is read after it; [Reader.End] returns it.
//
// It accepts what encoding/json accepts into the same types, with the same
// values: null leaves a value as it is, unknown members are skipped, what is
// not UTF-8 becomes U+FFFD. It differs in three things: names of members must
// match in case, a second member of the same name replaces a list instead of
// being read into its elements, and nesting is bounded by 64 instead of 10,000.
//
// Generated code calls its methods at hundreds of places, and those of [Writer]:
// they are not inlined, which makes a guest 3 % smaller.
//
// The strings it returns share the memory of the text, so that it allocates
// little more than what the lists need.
type Reader struct {
	text  string
	at    int
	depth int
	first bool // an array or object was opened, and nothing of it was read
	err   error
}

// NewReader returns a Reader for a text that holds one value.
func NewReader(text string) *Reader { return &Reader{text: text} }

// SyntaxError says where a text is not the expected JSON.
type SyntaxError struct {
	Offset int // bytes from the front
	Want   string
}

// Error says what was expected, and where.
func (e *SyntaxError) Error() string {
	return "want " + e.Want + " at byte " + strconv.Itoa(e.Offset)
}

// End returns the first error. Anything but blanks behind the value is one.
func (r *Reader) End() error {
	if r.peek(); r.at < len(r.text) {
		r.fail("the end")
	}
	return r.err
}

// Open enters an array or object, named by its bracket: '[' or '{'. It returns
// false for null, and for anything else, which is an error.
//
//go:noinline
func (r *Reader) Open(bracket byte) bool {
	if r.peek() != bracket {
		r.null(string(rune(bracket)))
		return false
	}
	if r.depth++; r.depth > maxDepth {
		r.fail("at most " + strconv.Itoa(maxDepth) + " levels")
		return false
	}
	r.at++
	r.first = true
	return true
}

// More reports whether the array or object has another element or member. If
// not, it leaves it; bracket is the one that closes it: ']' or '}'.
//
//go:noinline
func (r *Reader) More(bracket byte) bool {
	c := r.peek()
	first := r.first
	r.first = false
	switch {
	case r.err != nil:
		return false
	case c == bracket:
		r.at++
		r.depth--
		return false
	case first:
		return true
	case c == ',':
		r.at++
		return true
	}
	r.fail("a comma or " + string(rune(bracket)))
	return false
}

// Key reads the name of a member, up to its value, and returns its index in
// names, or -1.
func (r *Reader) Key(names []string) int { return slices.Index(names, r.key()) }

func (r *Reader) key() string {
	key := r.quoted()
	if r.peek() != ':' {
		r.fail("a colon")
		return ""
	}
	r.at++
	return key
}

// Null reports whether null comes next, and reads it.
func (r *Reader) Null() bool { return r.peek() == 'n' && r.word("null") }

// String reads a string.
//
//go:noinline
func (r *Reader) String(v *string) {
	if r.peek() != '"' {
		r.null("a string")
		return
	}
	*v = r.quoted()
}

// Bytes reads base64.
//
//go:noinline
func (r *Reader) Bytes(v *[]byte) {
	if r.peek() != '"' {
		*v = nil
		r.null("a string")
		return
	}
	start := r.at
	decoded, err := base64.StdEncoding.DecodeString(r.quoted())
	if r.err != nil {
		return
	}
	if err != nil {
		r.failAt(start, "base64")
		return
	}
	*v = decoded
}

// Bool reads a truth value.
//
//go:noinline
func (r *Reader) Bool(v *bool) {
	switch r.peek() {
	case 't':
		if r.word("true") {
			*v = true
		}
	case 'f':
		if r.word("false") {
			*v = false
		}
	default:
		r.null("true or false")
	}
}

// Int reads a whole number; one that does not fit is an error.
//
//go:noinline
func (r *Reader) Int(v *int) {
	n := int64(*v)
	r.integer(&n, strconv.IntSize)
	*v = int(n)
}

// Int32 reads a whole number; one that does not fit is an error.
//
//go:noinline
func (r *Reader) Int32(v *int32) {
	n := int64(*v)
	r.integer(&n, 32)
	*v = int32(n)
}

// Int64 reads a whole number; one that does not fit is an error.
//
//go:noinline
func (r *Reader) Int64(v *int64) { r.integer(v, 64) }

func (r *Reader) integer(v *int64, bits int) {
	start := r.at
	digits := r.number()
	if digits == "" {
		return
	}
	n, err := strconv.ParseInt(digits, 10, bits)
	if err != nil {
		r.failAt(start, "a whole number of "+strconv.Itoa(bits)+" bits")
		return
	}
	*v = n
}

// Uint64 reads a whole number that is not negative; one that does not fit is
// an error.
//
//go:noinline
func (r *Reader) Uint64(v *uint64) {
	start := r.at
	digits := r.number()
	if digits == "" {
		return
	}
	n, err := strconv.ParseUint(digits, 10, 64)
	if err != nil {
		r.failAt(start, "a whole number from 0, of 64 bits")
		return
	}
	*v = n
}

// Float64 reads a number; one beyond the range is an error.
//
//go:noinline
func (r *Reader) Float64(v *float64) {
	start := r.at
	digits := r.number()
	if digits == "" {
		return
	}
	n, err := strconv.ParseFloat(digits, 64)
	if err != nil {
		r.failAt(start, "a number of 64 bits")
		return
	}
	*v = n
}

// StringMap reads an object of strings.
func (r *Reader) StringMap(v *map[string]string) {
	if !r.Open('{') {
		*v = nil
		return
	}
	if *v == nil {
		*v = map[string]string{}
	}
	for r.More('}') {
		key, value := r.key(), ""
		if r.String(&value); r.err == nil {
			(*v)[key] = value
		}
	}
}

// Skip passes over a value of any kind.
func (r *Reader) Skip() {
	switch r.peek() {
	case '{':
		if r.Open('{') {
			for r.More('}') {
				r.key()
				r.Skip()
			}
		}
	case '[':
		if r.Open('[') {
			for r.More(']') {
				r.Skip()
			}
		}
	case '"':
		r.quoted()
	case 't', 'f':
		r.Bool(new(bool))
	default:
		r.number()
	}
}

// Name reads the name of a member, up to its value.
func (r *Reader) Name() string { return r.key() }

// Raw passes over a value of any kind and returns its text.
func (r *Reader) Raw() string {
	r.peek()
	start := r.at
	if r.Skip(); r.err != nil {
		return ""
	}
	return r.text[start:r.at]
}

// peek passes over blanks and returns the next byte, 0 at the end.
func (r *Reader) peek() byte {
	for ; r.at < len(r.text); r.at++ {
		switch c := r.text[r.at]; c {
		case ' ', '\t', '\n', '\r':
		default:
			return c
		}
	}
	return 0
}

// null passes over null, which may stand for any value; anything else is not
// what was wanted.
func (r *Reader) null(want string) {
	if r.peek() != 'n' {
		r.fail(want)
		return
	}
	r.word("null")
}

func (r *Reader) word(word string) bool {
	if len(r.text)-r.at < len(word) || r.text[r.at:r.at+len(word)] != word {
		r.fail(word)
		return false
	}
	r.at += len(word)
	return true
}

// number returns the digits of a number with all that belongs to it, as the
// grammar of JSON has it; "" for null and after an error.
func (r *Reader) number() string {
	c := r.peek()
	if c != '-' && !isDigit(c) {
		r.null("a number")
		return ""
	}
	start := r.at
	r.take('-')
	if !r.take('0') && !r.digits() {
		return ""
	}
	if r.take('.') && !r.digits() {
		return ""
	}
	if r.take('e') || r.take('E') {
		if !r.take('+') {
			r.take('-')
		}
		if !r.digits() {
			return ""
		}
	}
	return r.text[start:r.at]
}

// take passes over a byte, if it is the next.
func (r *Reader) take(c byte) bool {
	found := r.at < len(r.text) && r.text[r.at] == c
	if found {
		r.at++
	}
	return found
}

// digits passes over at least one digit.
func (r *Reader) digits() bool {
	start := r.at
	for r.at < len(r.text) && isDigit(r.text[r.at]) {
		r.at++
	}
	if r.at == start {
		r.fail("a digit")
	}
	return r.err == nil
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// fail keeps the first error, and goes to the end, so that all loops end.
func (r *Reader) fail(want string) { r.failAt(r.at, want) }

func (r *Reader) failAt(offset int, want string) {
	if r.err == nil {
		r.err = &SyntaxError{Offset: offset, Want: want}
	}
	r.at = len(r.text)
}
