package sdk

import (
	"strconv"
	"strings"
)

// The formatters below write numbers as people read them, without package fmt,
// which would add a third to a module's size.

var byteUnits = [...]string{"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"}

// Bytes writes a size in IEC units with three significant digits at most:
// "512 B", "1.5 GiB", "118 MiB".
func Bytes(n uint64) string {
	value, unit := float64(n), 0
	for value >= 1023.5 && unit < len(byteUnits)-1 {
		value, unit = value/1024, unit+1
	}
	decimals := 1
	if unit == 0 || value >= 99.95 {
		decimals = 0
	}
	return strconv.FormatFloat(value, 'f', decimals, 64) + " " + byteUnits[unit]
}

// Percent writes a share of 100: "12.3 %".
func Percent(p float64) string { return strconv.FormatFloat(p, 'f', 1, 64) + " %" }

// Decimal writes a number with that many digits behind the point.
func Decimal(v float64, digits int) string { return strconv.FormatFloat(v, 'f', digits, 64) }

// Count writes a number with its noun: "1 container", "3 containers".
func Count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return strconv.Itoa(n) + " " + noun + "s"
}

// Duration writes seconds in their two largest units: "3 d 4 h", "59 s".
func Duration(seconds int64) string {
	units := [...]struct {
		name string
		size int64
	}{{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}}
	if seconds < 0 {
		seconds = 0
	}
	for i, u := range units {
		if seconds < u.size && u.size > 1 {
			continue
		}
		text := strconv.FormatInt(seconds/u.size, 10) + " " + u.name
		if i+1 < len(units) {
			if rest := seconds % u.size / units[i+1].size; rest > 0 {
				text += " " + strconv.FormatInt(rest, 10) + " " + units[i+1].name
			}
		}
		return text
	}
	return ""
}

// Line makes one line of foreign text: characters that break lines or turn
// the direction of writing become U+FFFD, and a text of more than limit runes
// loses its middle to an ellipsis, since names often differ at their ends.
func Line(text string, limit int) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || (r >= 0x7f && r < 0xa0) || (r >= 0x2028 && r <= 0x202e) || (r >= 0x2066 && r <= 0x2069) {
			return '\ufffd'
		}
		return r
	}, text)
	runes := []rune(text)
	if len(runes) <= limit {
		return text
	}
	if limit < 1 {
		return ""
	}
	head := limit / 2
	tail := limit - head - 1
	return string(runes[:head]) + "…" + string(runes[len(runes)-tail:])
}

// Bounds of a button's label: what fits on a phone, and what the host takes.
const (
	labelRunes = 40
	labelBytes = 64
)

// Label is [Line] for a button's label.
func Label(text string) string {
	for limit := labelRunes; ; limit-- {
		if label := Line(text, limit); len(label) <= labelBytes {
			return label
		}
	}
}

// UTC writes a moment for files, which the host does not write into:
// "2026-01-31T23:59:59Z". Unit: milliseconds since 1970 UTC.
func UTC(ms int64) string {
	seconds := floorDiv(ms, 1000)
	days := floorDiv(seconds, 86400)
	second := seconds - days*86400
	year, month, day := civil(days)
	two := func(n int64) string { return pad(n, 2) }
	return pad(year, 4) + "-" + two(month) + "-" + two(day) +
		"T" + two(second/3600) + ":" + two(second/60%60) + ":" + two(second%60) + "Z"
}

// civil turns days since 1970 into a date of the Gregorian calendar; see
// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms". Counting from
// 1 March puts the leap day at the end of the year, and 400 years always have
// 146,097 days.
func civil(days int64) (year, month, day int64) {
	days += 719468 // from 0000-03-01
	era := floorDiv(days, 146097)
	dayOfEra := days - era*146097
	yearOfEra := (dayOfEra - dayOfEra/1460 + dayOfEra/36524 - dayOfEra/146096) / 365
	dayOfYear := dayOfEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	marchMonth := (5*dayOfYear + 2) / 153
	day = dayOfYear - (153*marchMonth+2)/5 + 1
	year, month = yearOfEra+era*400, marchMonth+3
	if month > 12 {
		year, month = year+1, month-12
	}
	return year, month, day
}

func floorDiv(a, b int64) int64 {
	if a%b < 0 {
		return a/b - 1
	}
	return a / b
}

func pad(n int64, width int) string {
	digits := strconv.FormatInt(n, 10)
	if len(digits) >= width {
		return digits
	}
	return strings.Repeat("0", width-len(digits)) + digits
}
