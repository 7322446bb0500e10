package view

import (
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/guest/sdk"
)

func TestShortButtonsStandSideBySide(t *testing.T) {
	long := strings.Repeat("🐳", shortLabel+1)
	for labels, want := range map[string]string{
		"":                        "",
		"a":                       "a",
		"a b c":                   "a b|c",
		"a " + long + " b c":      "a|" + long + "|b c",
		long + " a b " + long:     long + "|a b|" + long,
		long[4:] + " " + long[4:]: long[4:] + " " + long[4:],
	} {
		var buttons []sdk.Button
		for _, label := range strings.Fields(labels) {
			buttons = append(buttons, sdk.Do(label, "x"))
		}
		var rows []string
		for _, row := range InRows(buttons) {
			var got []string
			for _, b := range row {
				got = append(got, b.Label)
			}
			rows = append(rows, strings.Join(got, " "))
		}
		if got := strings.Join(rows, "|"); got != want {
			t.Errorf("%q stand as %q, want %q", labels, got, want)
		}
	}
}
