package foreign

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLine(t *testing.T) {
	for _, test := range []struct {
		name, in string
		limit    int
		want     string
	}{
		{"plain", "web-1_a.b", 20, "web-1_a.b"},
		{"markup is only text", "<b>&amp;_*", 20, "<b>&amp;_*"},
		{"letters of any script", "אבג 日本 ß", 20, "אבג 日本 ß"},
		{"emoji with joiners", "👩‍💻", 20, "👩‍💻"},
		{"line breaks", "a\nb\tc\u2028d\re", 20, "a b c d e"},
		{"terminal sequences", "\x1b[31mred\x07", 20, "\uFFFD[31mred\uFFFD"},
		{"direction", "a\u202eb\u2066c\u200f", 20, "a\uFFFDb\uFFFDc\uFFFD"},
		{"invisible blanks", "a\u200bb\ufeff", 20, "a\uFFFDb\uFFFD"},
		{"NUL", "a\x00b", 20, "a\uFFFDb"},
		{"invalid UTF-8", "a\xffb", 20, "a\uFFFDb"},
		{"cut", "abcdef", 4, "abc…"},
		{"cut by runes", "日本日本", 3, "日本…"},
		{"just fits", "日本日", 3, "日本日"},
		{"nothing", "", 5, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := Line(test.in, test.limit); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}

func TestTextKeepsItsLines(t *testing.T) {
	if got, want := Text("a\n\tb\u2028c\r\x1b\u202e"), "a\n\tb\nc\uFFFD\uFFFD\uFFFD"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzLine(f *testing.F) {
	f.Add("a\u202e\x00\xff日本", 3)
	f.Fuzz(func(t *testing.T, s string, limit int) {
		limit = limit & 0xff
		got := Line(s, limit)
		if !utf8.ValidString(got) || utf8.RuneCountInString(got) > max(limit, 1) {
			t.Errorf("%q with limit %d", got, limit)
		}
		if strings.ContainsFunc(got, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Errorf("%q", got)
		}
		if again := Line(got, limit); again != got {
			t.Errorf("cleaned twice: %q, then %q", got, again)
		}
	})
}
