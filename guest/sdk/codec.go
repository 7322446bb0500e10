package sdk

import "github.com/cofferdam-bot/cofferdam/guest/sdk/internal/jsonwire"

// The wire is JSON. The functions writeX and readX of codec_gen.go know how a
// type of package abi is written; after a change there, run go generate.

//go:generate go run ./internal/codecgen

// encode writes what v, a pointer, points to.
func encode[P any](write func(*jsonwire.Writer, P), v P) ([]byte, error) {
	var w jsonwire.Writer
	write(&w, v)
	return w.Text()
}

// decode reads into what v, a pointer, points to.
func decode[P any](read func(*jsonwire.Reader, P), data []byte, v P) error {
	r := jsonwire.NewReader(string(data))
	read(r, v)
	return r.End()
}
