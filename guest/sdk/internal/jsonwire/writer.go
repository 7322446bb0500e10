package jsonwire

import (
	"encoding/base64"
	"errors"
	"math"
	"strconv"
	"unicode/utf8"
)

// ErrNotANumber is the error for a float that JSON has no number for: an
// infinity, or the result of a division by zero.
var ErrNotANumber = errors.New("JSON has no infinity, and nothing that is not a number")

// A Writer appends values to a JSON text, which is always valid: what is not
// UTF-8 becomes U+FFFD. It puts commas where they belong. The zero value is
// ready; the first error stays, and [Writer.Text] returns it.
type Writer struct {
	text []byte
	err  error
}

// Text returns the text, or the first error.
func (w *Writer) Text() ([]byte, error) {
	if w.err != nil {
		return nil, w.err
	}
	return w.text, nil
}

// Open begins an array or object with its bracket: '[' or '{'.
//
//go:noinline
func (w *Writer) Open(bracket byte) { w.text = append(w.text, bracket) }

// Close ends an array or object with its bracket: ']' or '}'.
//
//go:noinline
func (w *Writer) Close(bracket byte) { w.text = append(w.text, bracket) }

// Key begins a member of an object. The name must need no escapes.
//
//go:noinline
func (w *Writer) Key(name string) {
	w.comma('{')
	w.text = append(append(append(w.text, '"'), name...), '"', ':')
}

// Element begins an element of an array.
//
//go:noinline
func (w *Writer) Element() { w.comma('[') }

// comma parts an element or member from the one before it, if there is one.
func (w *Writer) comma(open byte) {
	if w.text[len(w.text)-1] != open {
		w.text = append(w.text, ',')
	}
}

// Null writes what stands for no value.
//
//go:noinline
func (w *Writer) Null() { w.text = append(w.text, "null"...) }

// Bool writes a truth value.
//
//go:noinline
func (w *Writer) Bool(v *bool) { w.text = strconv.AppendBool(w.text, *v) }

// Int writes a whole number.
//
//go:noinline
func (w *Writer) Int(v *int) { w.text = strconv.AppendInt(w.text, int64(*v), 10) }

// Int32 writes a whole number.
//
//go:noinline
func (w *Writer) Int32(v *int32) { w.text = strconv.AppendInt(w.text, int64(*v), 10) }

// Int64 writes a whole number.
//
//go:noinline
func (w *Writer) Int64(v *int64) { w.text = strconv.AppendInt(w.text, *v, 10) }

// Uint64 writes a whole number.
//
//go:noinline
func (w *Writer) Uint64(v *uint64) { w.text = strconv.AppendUint(w.text, *v, 10) }

// Float64 writes a number with as many digits as it needs to be read back as
// the same. One that JSON cannot hold is [ErrNotANumber].
//
//go:noinline
func (w *Writer) Float64(v *float64) {
	if math.IsNaN(*v) || math.IsInf(*v, 0) {
		if w.err == nil {
			w.err = ErrNotANumber
		}
		w.Null()
		return
	}
	format := byte('f')
	if size := math.Abs(*v); size != 0 && (size < 1e-6 || size >= 1e21) {
		format = 'e'
	}
	w.text = strconv.AppendFloat(w.text, *v, format, -1, 64)
}

// Bytes writes bytes in base64.
//
//go:noinline
func (w *Writer) Bytes(v *[]byte) {
	if *v == nil {
		w.Null()
		return
	}
	w.text = append(w.text, '"')
	w.text = base64.StdEncoding.AppendEncode(w.text, *v)
	w.text = append(w.text, '"')
}

// StringMap writes an object of strings, sorted by name; null if it is nil.
func (w *Writer) StringMap(v *map[string]string) {
	if *v == nil {
		w.Null()
		return
	}
	w.Open('{')
	for _, name := range sortedNames(*v) {
		value := (*v)[name]
		w.comma('{')
		w.String(&name)
		w.text = append(w.text, ':')
		w.String(&value)
	}
	w.Close('}')
}

// sortedNames inserts each name where it belongs: slices.Sort would be another
// 16 KB in each guest, and a button has a few arguments.
func sortedNames(values map[string]string) []string {
	names := make([]string, 0, len(values))
	for name := range values {
		i := len(names)
		names = append(names, name)
		for ; i > 0 && names[i-1] > name; i-- {
			names[i] = names[i-1]
		}
		names[i] = name
	}
	return names
}

const hexDigits = "0123456789abcdef"

// String writes a string. Markup is not escaped: nobody puts this into HTML.
//
//go:noinline
func (w *Writer) String(v *string) {
	text := append(w.text, '"')
	s, start := *v, 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\' {
			i++
			continue
		}
		if c >= utf8.RuneSelf {
			r, size := utf8.DecodeRuneInString(s[i:])
			if r != utf8.RuneError || size > 1 {
				i += size
				continue
			}
		}
		text = append(text, s[start:i]...)
		text = appendEscape(text, c)
		i++
		start = i
	}
	text = append(text, s[start:]...)
	w.text = append(text, '"')
}

// appendEscape writes a byte that must not stand in a string as it is.
func appendEscape(text []byte, c byte) []byte {
	switch {
	case c >= utf8.RuneSelf:
		return utf8.AppendRune(text, utf8.RuneError)
	case c == '"' || c == '\\':
		return append(text, '\\', c)
	case c == '\n':
		return append(text, '\\', 'n')
	}
	return append(text, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
}
