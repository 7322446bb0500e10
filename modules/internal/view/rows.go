package view

import (
	"unicode/utf8"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

// shortLabel is how many characters fit on half the width of a phone.
const shortLabel = 18

// InRows sets buttons below each other, two short ones that follow each other
// side by side: a list of ten is then no wall.
func InRows(buttons []sdk.Button) (rows [][]sdk.Button) {
	room := false
	for _, b := range buttons {
		short := utf8.RuneCountInString(b.Label) <= shortLabel
		if short && room {
			rows[len(rows)-1] = append(rows[len(rows)-1], b)
			room = false
			continue
		}
		rows, room = append(rows, sdk.Row(b)), short
	}
	return rows
}
