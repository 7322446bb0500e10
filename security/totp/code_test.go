package totp

import (
	"regexp"
	"strings"
	"testing"
)

func TestReadCode(t *testing.T) {
	const accepted, seems, neither = "accepted", "seems a code", "neither"
	for _, test := range []struct{ name, text, want string }{
		{"six digits", "123456", accepted},
		{"with a slash", "/123456", accepted},
		{"zeros", "000000", accepted},
		{"blanks around it", " \t123456\r\n", accepted},
		{"a backup code", "k3x7a-pq2bd", accepted},
		{"a backup code from a keyboard that capitalises", "K3x7a-pq2bd", accepted},

		{"five digits", "12345", seems},
		{"seven digits", "1234567", seems},
		{"an inner blank", "123 456", seems},
		{"an inner hyphen", "123-456", seems},
		{"an inner no-break space", "123\u00a0456", seems},
		{"a blank after the slash", "/ 123456", seems},
		{"full-width digits", "１２３４５６", seems},
		{"Arabic-Indic digits", "١٢٣٤٥٦", seems},
		{"three Arabic-Indic digits, which are six bytes", "١٢٣", neither},
		{"one foreign digit", "12345６", seems},

		{"nothing", "", neither},
		{"a slash", "/", neither},
		{"blanks", "      ", neither},
		{"two slashes", "//123456", neither},
		{"a slash behind it", "123456/", neither},
		{"letters", "abcdef", neither},
		{"a letter among digits", "12345a", neither},
		{"O for zero", "12345O", neither},
		{"three digits", "123", neither},
		{"eleven digits", "12345678901", neither},
		{"an inner newline", "123\n456", neither},
		{"a NUL behind it", "123456\x00", neither},
		{"a NUL for a digit", "12345\x00", neither},
		{"a sign", "+12345", neither},
		{"a decimal point", "123.456", neither},
		{"a superscript", "12345²", neither},
		{"a zero-width space", "123\u200b456", neither},
		{"no UTF-8", "12345\xff", neither},
		{"a command", "/start", neither},
		{"a backup code with a slash", "/k3x7a-pq2bd", neither},
		{"a backup code without its hyphen", "k3x7apq2bd", neither},
		{"a backup code with a digit that it has not", "k3x1a-pq2bd", neither},
		{"a backup code with a Kelvin sign", "\u212a3x7a-pq2", neither},
		{"a long way of digits", strings.Repeat("1", 1<<20), neither},
		{"a long way of blanks", strings.Repeat(" ", 1<<20), neither},
	} {
		t.Run(test.name, func(t *testing.T) {
			code, ok := ReadCode(test.text)
			got := neither
			switch {
			case ok && SeemsCode(test.text):
				t.Fatal("it is a code, and only seems to be one")
			case ok:
				got = accepted
			case SeemsCode(test.text):
				got = seems
			}
			if got != test.want {
				t.Errorf("%.40q: %s, want %s", test.text, got, test.want)
			}
			if !ok && code != (Code{}) {
				t.Errorf("refused, it is %+v", code)
			}
		})
	}
}

func TestSlashAndBlanksAreNotPartOfACode(t *testing.T) {
	plain, _ := ReadCode("123456")
	for _, text := range []string{"/123456", " 123456 ", " /123456\n"} {
		if code, ok := ReadCode(text); !ok || code != plain {
			t.Errorf("%q is %+v, want %+v", text, code, plain)
		}
	}
	backup, _ := ReadCode("k3x7a-pq2bd")
	if !backup.Backup() || plain.Backup() {
		t.Error("which code is a backup code is mixed up")
	}
}

// FuzzReadCode holds what is read against the shapes as expressions.
func FuzzReadCode(f *testing.F) {
	for _, seed := range []string{"123456", "/123456", " 123456\n", "k3x7a-pq2bd", "K3X7A-PQ2BD", "//123456", "１２３４５６", "١٢٣", "12345\x00", "\u212a3x7a-pq2", ""} {
		f.Add(seed)
	}
	shape := regexp.MustCompile(`^(/?[0-9]{6}|[A-Za-z2-7]{5}-[A-Za-z2-7]{5})$`)
	f.Fuzz(func(t *testing.T, text string) {
		code, ok := ReadCode(text)
		if want := shape.MatchString(strings.TrimSpace(text)); ok != want {
			t.Fatalf("%q: accepted %v, want %v", text, ok, want)
		}
		if ok == (code == Code{}) {
			t.Fatalf("%q: accepted %v as %+v", text, ok, code)
		}
		if ok && SeemsCode(text) {
			t.Fatalf("%q is a code, and only seems to be one", text)
		}
		if again, same := ReadCode(code.text); same != ok || again != code {
			t.Fatalf("%q is %+v, and read again %+v", text, code, again)
		}
	})
}
