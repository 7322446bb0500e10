package vetting

import (
	"fmt"
	"unicode/utf8"
)

// reader reads a file from pos to end. Its first error stays, and from then on
// it is at its end and returns zeros, so that callers may check late. Slices
// that it returns are the file's own bytes.
type reader struct {
	file     []byte
	pos, end int
	section  string
	err      *Error
}

// fail keeps the first error. offset is where the offence begins.
func (r *reader) fail(offset int, rule, format string, values ...any) {
	if r.err == nil {
		r.err = &Error{Section: r.section, Offset: offset, Rule: rule, Detail: fmt.Sprintf(format, values...)}
	}
	r.pos = r.end
}

func (r *reader) left() int { return r.end - r.pos }

func (r *reader) byte() byte {
	if r.pos >= r.end {
		r.fail(r.pos, "truncated", "a byte is missing")
		return 0
	}
	b := r.file[r.pos]
	r.pos++
	return b
}

func (r *reader) bytes(n uint32) []byte {
	if uint64(n) > uint64(r.left()) {
		r.fail(r.pos, "truncated", "%d bytes are announced, %d are left", n, r.left())
		return nil
	}
	b := r.file[r.pos : r.pos+int(n) : r.pos+int(n)]
	r.pos += int(n)
	return b
}

// u32 reads an unsigned number of 32 bits. Linkers pad such numbers with
// zeros to the full 5 bytes, so this is allowed; a sixth byte is not.
func (r *reader) u32() uint32 {
	if r.pos < r.end && r.file[r.pos] < 0x80 {
		r.pos++
		return uint32(r.file[r.pos-1])
	}
	return uint32(r.number(32, false))
}

func (r *reader) s32() int32 { return int32(r.number(32, true)) }
func (r *reader) s33() int64 { return int64(r.number(33, true)) }
func (r *reader) s64() int64 { return int64(r.number(64, true)) }

// number reads a LEB128 number of that many bits. The bits of the last byte
// that the number has no room for must repeat its sign.
func (r *reader) number(bits int, signed bool) uint64 {
	start, most := r.pos, (bits+6)/7
	var n uint64
	for i := range most {
		if r.pos >= r.end {
			r.fail(start, "leb128", "a number is cut short")
			return 0
		}
		b := r.file[r.pos]
		r.pos++
		n |= uint64(b&0x7f) << (7 * i)
		if b&0x80 != 0 {
			continue
		}
		if i == most-1 && !fits(b, bits-7*i, signed) {
			r.fail(start, "leb128", "a number has more than %d bits", bits)
			return 0
		}
		if signed && b&0x40 != 0 && 7*i+7 < 64 {
			n |= ^uint64(0) << (7*i + 7)
		}
		return n
	}
	r.fail(start, "leb128", "a number of %d bits has more than %d bytes", bits, most)
	return 0
}

// fits tells whether the last byte b holds no more than room bits.
func fits(b byte, room int, signed bool) bool {
	if !signed {
		return b>>room == 0
	}
	rest := b >> (room - 1) // with the sign
	return rest == 0 || rest == 0x7f>>(room-1)
}

// count reads how many entries follow. Each takes a byte at least, so that a
// larger count than there are bytes is a lie that nobody may believe.
func (r *reader) count(most int) int {
	start := r.pos
	n := r.u32()
	if uint64(n) > uint64(r.left()) {
		r.fail(start, "count", "%d entries in %d bytes", n, r.left())
		return 0
	}
	return int(r.atMost(start, "count", n, most))
}

// atMost returns n, or fails with the rule and returns 0 if it is more than
// most.
func (r *reader) atMost(start int, rule string, n uint32, most int) uint32 {
	if uint64(n) > uint64(most) {
		r.fail(start, rule, "%d, at most %d", n, most)
		return 0
	}
	return n
}

// index reads an index into what of which there are n.
func (r *reader) index(n int, what string) uint32 {
	start := r.pos
	i := r.u32()
	r.within(start, i, n, what)
	return i
}

func (r *reader) within(start int, i uint32, n int, what string) {
	if r.err == nil && uint64(i) >= uint64(n) {
		r.fail(start, "index", "%s %d of %d", what, i, n)
	}
}

func (r *reader) name() string {
	start := r.pos
	text := r.bytes(r.atMost(start, "name", r.u32(), maxName))
	if !utf8.Valid(text) {
		r.fail(start, "utf8", "a name is not UTF-8")
		return ""
	}
	return string(text)
}
