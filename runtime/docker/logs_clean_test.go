package docker

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestLinesAreCleaned(t *testing.T) {
	for in, want := range map[string]string{
		"plain":                "plain",
		"":                     "",
		"\x1b[1;31mred\x1b[0m": "red",
		"\x1b]0;title\aafter":  "after",
		"\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\": "link",
		"\x1bP1;2|data\x1b\\x":                     "x",
		"a\x1b(Bb\x1b=c\x1bMd":                     "abcd",
		"\u009b31mred\u009d0;t\u009cx":             "redx",
		"\x9b31m":                                  "�31m", // a lone byte is no UTF-8, and no sequence
		"er\x1b[31mror":                            "error",
		"\x1b]0;left open":                         "0;left open",
		"\x1b]0;left open \x1b[31mred\a":           "0;left open red",
		"\x1b[31":                                  "31",
		"\x1b":                                     "",
		"\x1b\x1b[1mx":                             "x",
		"\x1b[\x00m":                               "m",
		"\x1b[31\xffm":                             "31�m",
		"\x1b]" + strings.Repeat("a", 2*maxSequence) + "\a": strings.Repeat("a", 2*maxSequence),
		"10 %\r20 %\r\n":               "10 % 20 %",
		"a\tb\vc":                      "a b c",
		"a\x00b\x07c\x08d\x7fe\u0085f": "abcdef",
		"a\u202eb\u2066c":              "a�b�c",
		"日本 🦀 👩‍💻 שלום":                "日本 🦀 👩‍💻 שלום",
		"\xff\xfe":                     "�",
	} {
		if got, _, _ := cleanLine([]byte(in)); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	whole, short, cut := cleanLine([]byte(strings.Repeat("é", maxLogRunes+1)))
	if !cut || utf8.RuneCountInString(short) != maxLogRunes || utf8.RuneCountInString(whole) != maxLogRunes+1 {
		t.Errorf("%d runes of %d, cut %v", utf8.RuneCountInString(short), utf8.RuneCountInString(whole), cut)
	}
}

func FuzzCleanLine(f *testing.F) {
	f.Add([]byte("\x1b[1;31mred\x1b[0m \x1b]8;;u\x1b\\l\x9b\xff\u202e\u009b1m"))
	f.Add([]byte("\x1b]0;open"))
	f.Fuzz(func(t *testing.T, in []byte) {
		whole, short, cut := cleanLine(in)
		if !utf8.ValidString(whole) || !strings.HasPrefix(whole, short) || cut == (whole == short) || utf8.RuneCountInString(short) > maxLogRunes {
			t.Errorf("%q, %q, %v", whole, short, cut)
		}
		if strings.ContainsFunc(whole, func(r rune) bool { return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) }) {
			t.Errorf("%q", whole)
		}
		if again, _, _ := cleanLine([]byte(whole)); again != strings.TrimRight(whole, "\r\n") {
			t.Errorf("cleaned twice: %q, then %q", whole, again)
		}
	})
}
