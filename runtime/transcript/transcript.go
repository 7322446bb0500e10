// Package transcript is one request to a module as it was handled: what was asked,
// every host call with its answer, and what was replied. It is kept as JSON, for
// tests and for reports of faults, holds no secret, and is replayed without a host.
//
// Everything here is pure. A transcript from elsewhere is hostile until [Parse]
// has read it.
package transcript

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/security/foreign"
)

// Version is that of the format.
const Version = 1

// Transcript is one request. Payloads are JSON; what a module wrote that is none
// stands there as a JSON string.
type Transcript struct {
	Version int `json:"version"`
	// About says in a line what it is there for; a person writes it.
	About string `json:"about,omitempty"`
	// Module is the manifest's name, Digest the SHA-256 of the file.
	Module string `json:"module"`
	Digest string `json:"digest,omitempty"`
	// Seed is what the module's randomness followed from, in hexadecimal.
	Seed    string          `json:"seed,omitempty"`
	Request json.RawMessage `json:"request"`
	Calls   []Call          `json:"calls"`
	Log     []Line          `json:"log,omitempty"`
	// Code is the name of an [abi.Code].
	Code  string          `json:"code"`
	Reply json.RawMessage `json:"reply,omitempty"`
	// Fault is why the module did not end by itself.
	Fault string `json:"fault,omitempty"`
	Used  *Used  `json:"used,omitempty"`
}

// Call is one call of an operation.
type Call struct {
	Op      string          `json:"op"`
	Request json.RawMessage `json:"request"`
	Code    string          `json:"code"`
	Answer  json.RawMessage `json:"answer,omitempty"`
	TookUS  int64           `json:"took_us,omitempty"`
}

// Line is one line that the module wrote for the log.
type Line struct {
	Level string `json:"level"`
	Text  string `json:"text"`
}

// Used is what the request took. Nothing is compared with it.
type Used struct {
	Fuel   uint64 `json:"fuel"`
	Memory uint32 `json:"memory"` // bytes
	TimeUS int64  `json:"time_us"`
}

// Bounds of a transcript: what a bot could ever have recorded.
const (
	// MaxSize is in bytes.
	MaxSize    = 32 << 20
	maxCalls   = 100_000 // the most host calls that a manifest can ask for
	maxLines   = 16 << 10
	maxRequest = 64 << 10
	maxAnswer  = 4 << 20  // an answer is at most 1 MiB; indented it is longer
	maxReply   = 24 << 20 // the longest reply that a manifest can ask for
	maxText    = 16 << 10
	maxName    = 64
	// maxDepth is how deep a payload may be nested: replies have ten levels.
	maxDepth = 64
)

// Parse reads a transcript and checks it. Its error is one line.
func Parse(data []byte) (Transcript, error) {
	if len(data) > MaxSize {
		return Transcript{}, fmt.Errorf("%d bytes: a transcript has at most %d", len(data), MaxSize)
	}
	var t Transcript
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&t); err != nil {
		return Transcript{}, fmt.Errorf("it is no transcript: %s", foreign.Line(err.Error(), 256))
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return Transcript{}, errors.New("something stands behind the transcript")
	}
	if err := t.check(); err != nil {
		return Transcript{}, err
	}
	return t, nil
}

// Format writes a transcript for people and for version control.
func (t Transcript) Format() ([]byte, error) {
	if t.Calls == nil {
		t.Calls = []Call{}
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	if err := encoder.Encode(t); err != nil {
		return nil, fmt.Errorf("encode the transcript: %w", err)
	}
	if out.Len() > MaxSize {
		return nil, fmt.Errorf("the transcript has %d bytes: at most %d", out.Len(), MaxSize)
	}
	return out.Bytes(), nil
}

func (t Transcript) check() error {
	switch {
	case t.Version != Version:
		return fmt.Errorf("version %d: this program reads version %d", t.Version, Version)
	case !isWord(t.Module, maxName):
		return errors.New("module: the name of a module")
	case t.Digest != "" && !isHex(t.Digest, 64):
		return errors.New("digest: 64 hexadecimal digits")
	case t.Seed != "" && !isHex(t.Seed, 64):
		return errors.New("seed: 64 hexadecimal digits")
	case len(t.About) > maxText || len(t.Fault) > maxText:
		return fmt.Errorf("a text of more than %d bytes", maxText)
	case len(t.Calls) > maxCalls || len(t.Log) > maxLines:
		return fmt.Errorf("at most %d calls and %d lines of log", maxCalls, maxLines)
	}
	if _, ok := CodeOf(t.Code); !ok {
		return fmt.Errorf("code: %q is none", foreign.Line(t.Code, maxName))
	}
	if err := checkPayload(t.Request, maxAnswer); err != nil {
		return fmt.Errorf("request: %w", err)
	}
	var request abi.Request
	if err := json.Unmarshal(t.Request, &request); err != nil {
		return errors.New("request: it is not that of a module")
	}
	if len(t.Reply) > 0 {
		if err := checkPayload(t.Reply, maxReply); err != nil {
			return fmt.Errorf("reply: %w", err)
		}
	}
	for i, c := range t.Calls {
		if err := c.check(); err != nil {
			return fmt.Errorf("call %d: %w", i+1, err)
		}
	}
	for i, l := range t.Log {
		if len(l.Text) > maxText || !slices.Contains(levels, l.Level) {
			return fmt.Errorf("line %d of the log: one of %v, and a text of at most %d bytes", i+1, levels, maxText)
		}
	}
	return nil
}

func (c Call) check() error {
	if !isWord(c.Op, maxName) {
		return errors.New("op: the name of an operation")
	}
	if _, ok := CodeOf(c.Code); !ok {
		return fmt.Errorf("code: %q is none", foreign.Line(c.Code, maxName))
	}
	if err := checkPayload(c.Request, 4*maxRequest); err != nil { // indented
		return fmt.Errorf("request: %w", err)
	}
	if len(c.Answer) > 0 {
		if err := checkPayload(c.Answer, maxAnswer); err != nil {
			return fmt.Errorf("answer: %w", err)
		}
	}
	return nil
}

func checkPayload(data json.RawMessage, most int) error {
	switch {
	case len(data) == 0:
		return errors.New("it is not there")
	case len(data) > most:
		return fmt.Errorf("%d bytes: at most %d", len(data), most)
	case !utf8.Valid(data):
		return errors.New("it is no UTF-8")
	}
	depth, inText := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inText && c == '\\':
			i++
		case c == '"':
			inText = !inText
		case !inText && (c == '{' || c == '['):
			if depth++; depth > maxDepth {
				return fmt.Errorf("nested more than %d deep", maxDepth)
			}
		case !inText && (c == '}' || c == ']'):
			depth--
		}
	}
	return nil
}

// levels are the names of levels of the log, in the order of their numbers.
var levels = []string{"debug", "info", "warn", "error"}

// LevelName is the name of a level, such as [abi.LogInfo]; of an unknown one,
// "debug", as the host takes it.
func LevelName(level int32) string {
	if level < 0 || int(level) >= len(levels) {
		return levels[0]
	}
	return levels[level]
}

// CodeOf returns the code of that name.
func CodeOf(name string) (abi.Code, bool) {
	for code := abi.OK; code <= abi.Internal; code++ {
		if code.String() == name {
			return code, true
		}
	}
	return abi.Internal, false
}

func isWord(s string, most int) bool {
	return s != "" && len(s) <= most && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz0123456789_-") == ""
}

func isHex(s string, length int) bool {
	return len(s) == length && strings.Trim(s, "0123456789abcdef") == ""
}
