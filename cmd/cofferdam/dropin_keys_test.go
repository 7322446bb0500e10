package main

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"

	"github.com/cofferdam-bot/cofferdam/runtime/config"
	"github.com/cofferdam-bot/cofferdam/security/signature"
)

// TestTwoKeysOfOneID: an id is for its owner to choose, and it is what a module is known
// to be signed by. Whoever takes another's passes for the other.
func TestTwoKeysOfOneID(t *testing.T) {
	secret, err := signature.NewSecret(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ours := secret.Key().String()
	raw, err := base64.StdEncoding.DecodeString(ours)
	if err != nil {
		t.Fatal(err)
	}
	raw[len(raw)-1] ^= 1 // another key, with the id before it
	theirs := base64.StdEncoding.EncodeToString(raw)
	cfg := &config.Config{}
	cfg.Modules.TrustedKeys = []string{ours, theirs}
	if _, err := keysOf(cfg); err == nil || !strings.Contains(err.Error(), "modules.trusted_keys[1]: another key has its id, "+secret.Key().ID()) {
		t.Errorf("got %v", err)
	}
	cfg.Modules.TrustedKeys = []string{ours, ours}
	if keys, err := keysOf(cfg); err != nil || len(keys) != 2 {
		t.Errorf("one key that is there twice: %d, %v", len(keys), err)
	}
}
