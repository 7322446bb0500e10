package transcript

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/cofferdam-bot/cofferdam/security/foreign"
	"github.com/cofferdam-bot/cofferdam/security/scrub"
)

// decode reads one JSON value; numbers stay as they are written.
func decode(data []byte) (any, error) {
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one value")
	}
	return value, nil
}

// differ compares what was recorded with what came now, as JSON: a member that is
// not there is the same as one that is zero, and numbers are compared by their
// value. What is hidden in the recording stands for anything. The error says where
// the first difference is.
func differ(recorded json.RawMessage, now []byte) error {
	want, err := decode(recorded)
	if err != nil {
		return fmt.Errorf("cannot be read in the transcript: %w", err)
	}
	got, err := decode(now)
	if err != nil {
		got = strings.ToValidUTF8(string(now), "\ufffd")
	}
	// What the recording hides by its shape is hidden here, too.
	got = cleaner{}.value(got)
	return difference("", want, got)
}

func difference(path string, want, got any) error {
	switch {
	case isZero(want) && isZero(got):
		return nil
	case want == nil || got == nil:
		return differs(path, want, got)
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return differs(path, want, got)
		}
		keys := slices.AppendSeq(slices.Collect(maps.Keys(w)), maps.Keys(g))
		slices.Sort(keys)
		for _, key := range slices.Compact(keys) {
			if err := difference(join(path, key), w[key], g[key]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		g, ok := got.([]any)
		if !ok || len(w) != len(g) {
			return differs(path, want, got)
		}
		for i := range w {
			if err := difference(path+"["+strconv.Itoa(i)+"]", w[i], g[i]); err != nil {
				return err
			}
		}
		return nil
	case string:
		if g, ok := got.(string); ok && matches(w, g) {
			return nil
		}
	case json.Number:
		if g, ok := got.(json.Number); ok && sameNumber(w, g) {
			return nil
		}
	default:
		if want == got {
			return nil
		}
	}
	return differs(path, want, got)
}

func join(path, key string) string {
	key = foreign.Line(key, 64)
	if path == "" {
		return key
	}
	return path + "." + key
}

func differs(path string, want, got any) error {
	if path == "" {
		path = "as a whole"
	}
	return fmt.Errorf("differs in %s: the transcript has %s, and now it is %s", path, shown(want), shown(got))
}

// shown is a value for people, cut.
func shown(v any) string {
	if v == nil {
		return "nothing"
	}
	text, err := json.Marshal(v)
	if err != nil {
		return "something else"
	}
	return foreign.Line(string(text), 160)
}

// isZero reports whether a writer could have left it out.
func isZero(v any) bool {
	switch v := v.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case bool:
		return !v
	case json.Number:
		return sameNumber(v, "0")
	case []any:
		return len(v) == 0
	case map[string]any:
		for _, member := range v {
			if !isZero(member) {
				return false
			}
		}
		return true
	}
	return false
}

func sameNumber(a, b json.Number) bool {
	if a == b {
		return true
	}
	if _, err := a.Int64(); err == nil {
		if _, err := b.Int64(); err == nil {
			return false // both whole, and written otherwise
		}
	}
	x, errA := a.Float64()
	y, errB := b.Float64()
	return errA == nil && errB == nil && x == y
}

// matches reports whether a text is the recorded one, in which each mask stands for
// anything.
func matches(recorded, text string) bool {
	parts := strings.Split(recorded, scrub.Mask)
	if len(parts) == 1 {
		return recorded == text
	}
	rest, ok := strings.CutPrefix(text, parts[0])
	if !ok {
		return false
	}
	last := parts[len(parts)-1]
	for _, part := range parts[1 : len(parts)-1] {
		at := strings.Index(rest, part)
		if at < 0 {
			return false
		}
		rest = rest[at+len(part):]
	}
	return strings.HasSuffix(rest, last)
}
