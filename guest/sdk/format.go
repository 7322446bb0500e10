package sdk

import "strconv"

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
