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
	"github.com/cofferdam-bot/cofferdam/security/capability"
)

const (
	// keyboardLifetime is how long a button can be tapped.
	keyboardLifetime = 24 * time.Hour
	// viewLifetime is how long it is known afterwards what the view was, so that
	// an expired button offers it anew.
	viewLifetime = 7 * 24 * time.Hour
)

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
	// Until is when the buttons expire, in seconds since 1970 UTC; 0: with the
	// entry.
	Until int64 `json:"until,omitempty"`
	// Visit is what made the view, and Way where the user came from.
	Visit *visit `json:"visit,omitempty"`
	Way   way    `json:"way,omitempty"`
	// Revealed is what the buttons' arguments may hold a part of: something that was
	// read with this capability, which goes into no group as a file (A5).
	Revealed capability.Name `json:"revealed,omitempty"`
	// Generation counts how often the buttons of a view changed that the host
	// keeps up to date. Before are those that stood there until the last change:
	// who taps in that moment means what can be seen.
	Generation int          `json:"generation,omitempty"`
	Before     []abi.Button `json:"before,omitempty"`
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

// generationMark stands between an id and its generation.
const generationMark = "~"

// inGeneration is the id as it stands in the tokens of a generation.
func inGeneration(id string, generation int) string {
	if generation == 0 {
		return id
	}
	return id + generationMark + strconv.Itoa(generation)
}

// generationOf is the inverse of inGeneration.
func generationOf(id string) (string, int) {
	plain, number, found := strings.Cut(id, generationMark)
	if !found {
		return id, 0
	}
	generation, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return id, 0 // which no keyboard has
	}
	return plain, int(generation)
}

// hasExpired reports whether an id that the store does not know may have been
// good once: its buttons are older than they may be, or than this process, whose
// state was lost. Any other was forged, or taken away.
func (p *Pipeline) hasExpired(id string) bool {
	if len(id) != 8+22 {
		return false
	}
	made, notNumber := strconv.ParseUint(id[:8], 16, 32)
	_, notBits := base64.RawURLEncoding.DecodeString(id[8:])
	at := time.Unix(int64(made), 0)
	return notNumber == nil && notBits == nil && (at.Before(p.started) || at.Before(p.Now().Add(-keyboardLifetime)))
}

func readKeyboard(value []byte) (k keyboard, err error) {
	err = json.Unmarshal(value, &k)
	return k, err
}

// encode returns what is kept of a keyboard. The way back is left out where the
// buttons themselves leave no room for it.
func (k keyboard) encode() ([]byte, error) {
	value, err := k.encodeAll()
	if errors.Is(err, errKeyboardSize) {
		k.Before, k.Way = nil, nil
		value, err = k.encodeAll()
	}
	if errors.Is(err, errKeyboardSize) {
		k.Visit = nil
		value, err = k.encodeAll()
	}
	return value, err
}

func (k keyboard) encodeAll() ([]byte, error) {
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
	k.Until = p.Now().Add(keyboardLifetime).Unix()
	value, err := k.encode()
	if err != nil {
		return err
	}
	if reads {
		p.Keyboards.PutKeyboardLater(k.id, p.Now().Add(viewLifetime), value)
		return nil
	}
	return p.Keyboards.PutKeyboard(ctx, k.id, p.Now().Add(viewLifetime), value)
}

// live reports whether the buttons can still be tapped.
func (k keyboard) live(now time.Time) bool { return k.Until == 0 || now.Before(time.Unix(k.Until, 0)) }

// standing are the buttons as they stood in a generation.
func (k keyboard) standing(generation int) (buttons []abi.Button, known bool) {
	switch generation {
	case k.Generation:
		return k.Buttons, true
	case k.Generation - 1:
		return k.Before, k.Before != nil
	}
	return nil, false
}

// button finds what a tap means. Callback data is untrusted: it may come from
// a button that the bot never sent (Bot API), and its message may be another
// than the one that carries the button. A problem is a sentence for the user; the
// keyboard then has an id if it was this user's, on this message.
func (p *Pipeline) button(t *passage) (button abi.Button, k keyboard, problem string) {
	id, n, ok := readToken(t.update.Data)
	if !ok {
		return button, k, textButtonExpired
	}
	id, generation := generationOf(id)
	value, expires, err := p.Keyboards.Keyboard(id)
	if err == nil && !expires.After(p.Now()) {
		if t.update.Chat.Private && p.hasExpired(id) {
			k.id = id // long gone, and in this chat it can have been nobody else's
		}
		return button, k, textButtonExpired
	}
	if err == nil {
		k, err = readKeyboard(value)
	}
	switch {
	case err != nil:
		t.log.Error("a keyboard cannot be read", zap.String("event", "store.error"), zap.Error(err))
		return button, keyboard{}, textInternal
	case k.User != t.update.From.ID || k.Chat != t.update.Chat.ID:
		return button, keyboard{}, textButtonOther
	case k.Message != 0 && k.Message != t.update.MessageID:
		return button, keyboard{}, textButtonExpired
	}
	if k.Message != 0 {
		k.id = id
	}
	if !k.live(p.Now()) {
		return button, k, textButtonExpired
	}
	buttons, known := k.standing(generation)
	if !known || n >= len(buttons) {
		return button, keyboard{}, textButtonExpired
	}
	return buttons[n], k, ""
}
