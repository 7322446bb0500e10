package main

import (
	"crypto/rand"
	"testing"

	"github.com/cofferdam-bot/cofferdam/security/signature"
)

func newKey(t testing.TB) signature.Secret {
	t.Helper()
	key, err := signature.NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func mustSign(t testing.TB, file []byte, key signature.Secret) []byte {
	t.Helper()
	sig, err := signature.Sign(file, key, "for tests")
	if err != nil {
		t.Fatal(err)
	}
	return sig
}
