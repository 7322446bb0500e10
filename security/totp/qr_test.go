package totp

import (
	"bytes"
	"image/png"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/pquerna/otp"
)

// secretsToDraw are a secret of ours, and one of pyTMBot's, which is the longest.
func secretsToDraw(t *testing.T) map[string]string {
	t.Helper()
	legacy, ok := Legacy{Salt: newSecret(t), ProdToken: "x"}.Secret(1, "ada")
	if !ok || len(legacy) != 104 {
		t.Fatal("no legacy secret")
	}
	return map[string]string{"ours": newSecret(t), "pyTMBot's": legacy}
}

// longestID is of 52 bits, the most that the Bot API promises.
const longestID = 1<<52 - 1

func TestURI(t *testing.T) {
	for name, secret := range secretsToDraw(t) {
		key, err := otp.NewKeyFromURL(URI(secret, longestID))
		if err != nil {
			t.Fatal(err)
		}
		if key.Secret() != strings.TrimRight(secret, "=") || key.Type() != "totp" || key.Issuer() != Issuer ||
			key.AccountName() != "4503599627370495" || key.Period() != 30 || key.Digits() != otp.DigitsSix || key.Algorithm() != otp.AlgorithmSHA1 {
			t.Errorf("%s: %s %s %s, %d, %v, %v", name, key.Type(), key.Issuer(), key.AccountName(), key.Period(), key.Digits(), key.Algorithm())
		}
		read, err := At(key.Secret(), noon)
		if err != nil {
			t.Fatal(err)
		}
		if shown, err := At(secret, noon); shown != read || err != nil {
			t.Errorf("%s: what was read from the URI shows %s, want %s, %v", name, read, shown, err)
		}
	}
}

func TestPNG(t *testing.T) {
	for name, secret := range secretsToDraw(t) {
		file, err := PNG(URI(secret, longestID))
		if err != nil {
			t.Fatal(err)
		}
		picture, err := png.Decode(bytes.NewReader(file))
		if err != nil || picture.Bounds().Dx() != qrPixels || picture.Bounds().Dy() != qrPixels || len(file) > 16<<10 {
			t.Errorf("%s: %v, %d bytes, %v", name, picture.Bounds(), len(file), err)
		}
		if r, _, _, _ := picture.At(0, 0).RGBA(); r != 0xffff {
			t.Errorf("%s: there is no white margin", name)
		}
	}
	for _, uri := range []string{"\x00", "otpauth://totp/x?secret=" + strings.Repeat("A", 8000)} {
		if _, err := PNG(uri); err == nil {
			t.Errorf("%.40q was drawn", uri)
		}
	}
}

// TestTerminalFits: a code with its margin fits into 80 columns, for every secret,
// and one of ours into 24 lines.
func TestTerminalFits(t *testing.T) {
	for name, secret := range secretsToDraw(t) {
		drawn, err := Terminal(URI(secret, longestID))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(drawn, "\n"), "\n")
		width := 0
		for i, line := range lines {
			bare := strings.TrimSuffix(strings.TrimPrefix(line, "\x1b[30;107m"), "\x1b[0m")
			if len(bare) != len(line)-len("\x1b[30;107m\x1b[0m") || strings.Trim(bare, " █▀▄") != "" {
				t.Fatalf("%s: line %d is %q", name, i, line)
			}
			if n := utf8.RuneCountInString(bare); width != 0 && n != width {
				t.Errorf("%s: line %d has %d columns, the one before %d", name, i, n, width)
			}
			width = utf8.RuneCountInString(bare)
			if !strings.HasPrefix(bare, "  ") || !strings.HasSuffix(bare, "  ") {
				t.Errorf("%s: line %d has no margin", name, i)
			}
		}
		if width > 80 || len(lines) != (width+1)/2 {
			t.Errorf("%s: %d columns, %d lines", name, width, len(lines))
		}
		if name == "ours" && len(lines) >= 24 {
			t.Errorf("%s: %d lines", name, len(lines))
		}
		if first := strings.Trim(lines[0], "\x1b[0;1m37 "); first != "" {
			t.Errorf("%s: something stands in the upper margin: %q", name, first)
		}
	}
	if _, err := Terminal(strings.Repeat("x", 8000)); err == nil {
		t.Error("8,000 characters were drawn")
	}
}
