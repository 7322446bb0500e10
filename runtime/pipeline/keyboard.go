package pipeline

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
)

// keyboardLifetime is how long a button can be tapped.
const keyboardLifetime = 24 * time.Hour

// keyboard is what stands behind the tokens of one message: buttons that only
// this user in this chat may tap (F6).
type keyboard struct {
	id     string
	Module string `json:"module"`
	// Who may use the view: an action of an admin's view stays an admin's.
	Who  string `json:"who"`
	User int64  `json:"user"`
	Chat int64  `json:"chat"`
	// Message is the one that carries the buttons; 0 until it was sent.
	Message int          `json:"message,omitempty"`
	Buttons []abi.Button `json:"buttons"`
}

// maxKeyboard bounds what one message's buttons may take in the store, in bytes:
// with the store's bound on their number, 160 MiB in all.
const maxKeyboard = 16 << 10

var errKeyboardSize = errors.New("buttons and their arguments are too long")

// keyboardID makes an id that nobody can guess: 128 random bits, behind the
// time in hexadecimal, so that ids sort by age.
func (p *Pipeline) keyboardID() (string, error) {
	var bits [16]byte
	if _, err := io.ReadFull(p.Random, bits[:]); err != nil {
		return "", fmt.Errorf("randomness for a keyboard: %w", err)
	}
	return fmt.Sprintf("%08x", uint32(p.Now().Unix())) + base64.RawURLEncoding.EncodeToString(bits[:]), nil
}

// token is the callback data of a keyboard's nth button: 30 characters and a
// number, well within the 64 bytes that Telegram carries.
func token(id string, n int) string { return id + "." + strconv.Itoa(n) }

// readToken is the inverse of token.
func readToken(data string) (id string, n int, ok bool) {
	id, index, found := strings.Cut(data, ".")
	number, err := strconv.ParseUint(index, 10, 8)
	return id, int(number), found && err == nil
}

func readKeyboard(value []byte) (k keyboard, err error) {
	err = json.Unmarshal(value, &k)
	return k, err
}

func (k keyboard) encode() ([]byte, error) {
	var value bytes.Buffer
	encoder := json.NewEncoder(&value)
	encoder.SetEscapeHTML(false) // nothing here is HTML, and it would grow sixfold
	if err := encoder.Encode(k); err != nil {
		return nil, fmt.Errorf("keyboard: %w", err)
	}
	if value.Len() > maxKeyboard {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", errKeyboardSize, value.Len(), maxKeyboard)
	}
	return value.Bytes(), nil
}

// keep returns when the tokens are good, also after a restart. A view of a module
// that only reads does not wait for that: its buttons reach the disk with the
// note that it was answered, or the user is told after the restart that it was
// interrupted.
func (p *Pipeline) keep(ctx context.Context, k keyboard, reads bool) error {
	value, err := k.encode()
	if err != nil {
		return err
	}
	if reads {
		p.Keyboards.PutKeyboardLater(k.id, p.Now().Add(keyboardLifetime), value)
		return nil
	}
	return p.Keyboards.PutKeyboard(ctx, k.id, p.Now().Add(keyboardLifetime), value)
}

// button finds what a tap means. Callback data is untrusted: it may come from
// a button that the bot never sent (Bot API), and its message may be another
// than the one that carries the button. A problem is a sentence for the user.
func (p *Pipeline) button(t *passage) (button abi.Button, k keyboard, problem string) {
	id, n, ok := readToken(t.update.Data)
	if !ok {
		return button, k, textButtonExpired
	}
	value, expires, err := p.Keyboards.Keyboard(id)
	if err == nil && !expires.After(p.Now()) {
		return button, k, textButtonExpired
	}
	if err == nil {
		k, err = readKeyboard(value)
	}
	switch {
	case err != nil:
		t.log.Error("a keyboard cannot be read", zap.String("event", "store.error"), zap.Error(err))
		return button, k, textInternal
	case k.User != t.update.From.ID || k.Chat != t.update.Chat.ID:
		return button, k, textButtonOther
	case n >= len(k.Buttons), k.Message != 0 && k.Message != t.update.MessageID:
		return button, k, textButtonExpired
	}
	return k.Buttons[n], k, ""
}
