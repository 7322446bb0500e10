package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
	"unicode/utf8"
)

// Bounds of D5. All texts at their longest, every byte of them escaped, fit in
// a line.
const (
	// MaxText bounds each text of an Entry, in bytes. A longer one is cut, and
	// ends in an ellipsis.
	MaxText = 512
	// MaxLine bounds a line, its newline included, in bytes. A longer one is
	// not a record.
	MaxLine = 64 << 10
)

// Head is the end of a chain: its last record. The zero Head is that of a chain
// without records.
type Head struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
}

// Record is one line of the log.
type Record struct {
	// Seq counts records from 1.
	Seq uint64 `json:"seq"`
	// Time is RFC 3339 in UTC with milliseconds. It is what the clock said: only
	// Seq orders records.
	Time string `json:"time"`
	Entry
	// Prev is the Hash of the record before; empty in the first one.
	Prev string `json:"prev"`
	// Hash is the SHA-256, in lower-case hexadecimal digits, of the line without
	// this member and without its newline.
	Hash string `json:"hash,omitempty"`
}

const timeFormat = "2006-01-02T15:04:05.000Z"

// Append returns the line, newline included, that carries a chain on, and the
// chain's new head. Texts are made valid UTF-8 and cut to [MaxText] bytes. An
// entry without Event or Actor, and a time outside the years 0 to 9999, is an
// error.
func Append(head Head, now time.Time, e Entry) (line []byte, next Head, err error) {
	now = now.UTC()
	switch {
	case e.Event == "" || e.Actor == "":
		return nil, head, errors.New("an audit record must say what was done, and who did it")
	case now.Year() < 0 || now.Year() > 9999:
		return nil, head, fmt.Errorf("the year %d fits in no audit record", now.Year())
	case head.Seq == math.MaxUint64:
		return nil, head, errors.New("the audit chain has no numbers left")
	}
	r := Record{Seq: head.Seq + 1, Time: now.Format(timeFormat), Entry: e.Clean(bounded), Prev: head.Hash}
	body, err := r.body()
	if err != nil {
		return nil, head, err
	}
	hash := sum(body)
	return append(sealed(body, hash), '\n'), Head{Seq: r.Seq, Hash: hash}, nil
}

const ellipsis = "…"

func bounded(text string) string {
	text = strings.ToValidUTF8(text, string(utf8.RuneError))
	if len(text) <= MaxText {
		return text
	}
	end := MaxText - len(ellipsis)
	for !utf8.RuneStart(text[end]) {
		end--
	}
	return text[:end] + ellipsis
}

// Parse reads a line, without its newline, and checks it against its own hash.
// Whether it stands where it should is for [Verify] to say. An error is a
// [*BadRecord] without line and number.
func Parse(line []byte) (Record, error) {
	var r Record
	in := json.NewDecoder(bytes.NewReader(line))
	in.DisallowUnknownFields()
	if err := in.Decode(&r); err != nil {
		return Record{}, unreadable(line, strings.TrimPrefix(err.Error(), "json: "))
	}
	body, err := r.body()
	if err != nil {
		return Record{}, err
	}
	// Exactly the bytes that Append would write: no member twice, none in
	// another case or order, no blanks, nothing behind the object.
	if !bytes.Equal(line, sealed(body, r.Hash)) {
		return Record{}, unreadable(line, "a member twice or in another place, or blanks")
	}
	if r.Hash != sum(body) {
		return r, &BadRecord{Problem: Changed, Detail: "its hash is another"}
	}
	if _, err := r.When(); err != nil {
		return r, &BadRecord{Problem: Malformed, Detail: "its time is none"}
	}
	return r, nil
}

// When returns the record's time.
func (r Record) When() (time.Time, error) { return time.Parse(timeFormat, r.Time) }

func unreadable(line []byte, why string) *BadRecord {
	if !json.Valid(line) {
		return &BadRecord{Problem: NotJSON}
	}
	return &BadRecord{Problem: Malformed, Detail: why}
}

// body is the line without hash and newline.
func (r Record) body() ([]byte, error) {
	r.Hash = ""
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(r); err != nil {
		return nil, fmt.Errorf("encode an audit record: %w", err)
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// sealed puts the hash behind the last member of a body.
func sealed(body []byte, hash string) []byte {
	if hash == "" {
		return body
	}
	line := append(make([]byte, 0, len(body)+len(hash)+16), body[:len(body)-1]...)
	return append(append(append(line, `,"hash":"`...), hash...), `"}`...)
}

func sum(body []byte) string {
	hash := sha256.Sum256(body)
	return hex.EncodeToString(hash[:])
}
