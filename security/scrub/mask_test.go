package scrub

import "testing"

func TestIDShowsTwoDigitsAtEachEnd(t *testing.T) {
	for id, want := range map[int64]string{
		1234567889: "12******89", -1001234567890: "-10*********90", 42: "**", 123456: "******", 1234567: "12***67", 0: "*",
		-9223372036854775808: "-92***************08",
	} {
		if got := ID(id); got != want {
			t.Errorf("%d: got %s, want %s", id, got, want)
		}
	}
}

func TestNameTellsOneLetter(t *testing.T) {
	for name, want := range map[string]string{
		"alice": "a*****", "@alice": "a*****", "Åsa": "Å*****", "b": "b*****", "7up": "7*****", "": "", "@": "",
		"\u202eevil": "******", "\n": "******", "\xff": "******", "a very long name of somebody": "a*****",
	} {
		if got := Name(name); got != want {
			t.Errorf("%q: got %s, want %s", name, got, want)
		}
	}
}
