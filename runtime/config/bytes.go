package config

import (
	"errors"
	"math"
	"strconv"
	"strings"
)

// Bytes is a size in bytes. In the file it is a whole number, or one with a unit: 64MiB.
type Bytes int64

var errSize = errors.New("a size is a whole number of bytes, or one with B, KiB, MiB or GiB: 64MiB")

var sizeUnits = []struct {
	suffix string
	factor int64
}{{"GiB", 1 << 30}, {"MiB", 1 << 20}, {"KiB", 1 << 10}, {"B", 1}, {"", 1}}

// ParseBytes reads a size. Its errors do not repeat the text.
func ParseBytes(text string) (Bytes, error) {
	for _, unit := range sizeUnits {
		digits, ok := strings.CutSuffix(text, unit.suffix)
		if !ok {
			continue
		}
		n, err := strconv.ParseUint(strings.TrimSpace(digits), 10, 63)
		if err != nil || int64(n) > math.MaxInt64/unit.factor {
			return 0, errSize
		}
		return Bytes(int64(n) * unit.factor), nil
	}
	return 0, errSize
}

// String returns the size with the largest unit that needs no fraction: 64MiB, 1500B.
func (b Bytes) String() string {
	for _, unit := range sizeUnits {
		if n := int64(b); n != 0 && n%unit.factor == 0 {
			return strconv.FormatInt(n/unit.factor, 10) + unit.suffix
		}
	}
	return "0B"
}
