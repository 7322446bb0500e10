package totp

import (
	"bytes"
	"fmt"
	"image/png"
	"net/url"
	"strings"

	"github.com/boombuler/barcode/qr"
	"github.com/pquerna/otp"
)

// Issuer is what an authenticator shows above the code.
const Issuer = "cofferdam"

// URI is what a QR code holds: the key URI that authenticators read.
func URI(secret string, user int64) string {
	values := url.Values{
		"secret": {strings.TrimRight(secret, "=")}, "issuer": {Issuer},
		"algorithm": {"SHA1"}, "digits": {"6"}, "period": {"30"},
	}
	return (&url.URL{Scheme: "otpauth", Host: "totp", Path: "/" + Issuer + ":" + Label(user), RawQuery: values.Encode()}).String()
}

// qrPixels is the width of the picture: readable on another screen, and small.
const qrPixels = 512

// PNG draws a key URI.
func PNG(uri string) ([]byte, error) {
	key, err := otp.NewKeyFromURL(uri)
	if err != nil {
		return nil, fmt.Errorf("draw a QR code: %w", err)
	}
	picture, err := key.Image(qrPixels, qrPixels)
	if err != nil {
		return nil, fmt.Errorf("draw a QR code: %w", err)
	}
	var out bytes.Buffer
	if err := png.Encode(&out, picture); err != nil {
		return nil, fmt.Errorf("draw a QR code: %w", err)
	}
	return out.Bytes(), nil
}

// quiet is the margin around a code in a terminal, in modules. ISO 18004 wants
// four; a reader manages with two, and they keep a code within 24 lines.
const quiet = 2

// Terminal draws a key URI with block characters, two rows of modules a line. It
// sets its own colours, so that a dark terminal shows it right.
func Terminal(uri string) (string, error) {
	code, err := qr.Encode(uri, qr.L, qr.Auto)
	if err != nil {
		return "", fmt.Errorf("draw a QR code: %w", err)
	}
	size := code.Bounds().Dx()
	dark := func(x, y int) bool {
		if x < 0 || y < 0 || x >= size || y >= size {
			return false
		}
		r, _, _, _ := code.At(x, y).RGBA()
		return r == 0
	}
	const onWhite, end = "\x1b[30;107m", "\x1b[0m\n"
	var out strings.Builder
	for y := -quiet; y < size+quiet; y += 2 {
		out.WriteString(onWhite)
		for x := -quiet; x < size+quiet; x++ {
			out.WriteString(halves(dark(x, y), dark(x, y+1)))
		}
		out.WriteString(end)
	}
	return out.String(), nil
}

func halves(top, bottom bool) string {
	switch {
	case top && bottom:
		return "█"
	case top:
		return "▀"
	case bottom:
		return "▄"
	}
	return " "
}
