package scrub

import "strconv"

// ID masks a user's or chat's id for a log (D2): "12******89". Ids too short
// to mask that way show nothing but their length.
func ID(id int64) string {
	text, sign := strconv.FormatInt(id, 10), ""
	if text[0] == '-' {
		text, sign = text[1:], "-"
	}
	masked := []byte(text)
	for i := range masked {
		if len(masked) <= 6 || (i >= 2 && i < len(masked)-2) {
			masked[i] = '*'
		}
	}
	return sign + string(masked)
}
