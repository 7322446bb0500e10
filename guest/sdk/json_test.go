//go:build !wasip1

package sdk

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func parsed(t *testing.T, text string) JSON {
	t.Helper()
	j, err := ParseJSON([]byte(text))
	if err != nil {
		t.Fatalf("%q: %v", text, err)
	}
	return j
}

func TestJSON(t *testing.T) {
	j := parsed(t, ` {"a":{"b":[1, "two" ,{"c":null}, true]},"n":7.0,"big":9223372036854775807,"bigger":9223372036854775808,
		"half":7.5,"e":1e3,"huge":1e999,"s":"\u00e9\ud83d\ude00\n","no":false,"twice":1,"twice":2} `)
	if s := j.Get("s").String(); s != "é😀\n" {
		t.Errorf("s is %q", s)
	}
	for name, want := range map[string]int64{"n": 7, "big": math.MaxInt64, "e": 1000, "twice": 2} {
		if n, ok := j.Get(name).Int(); !ok || n != want {
			t.Errorf("%s is %d, %v", name, n, ok)
		}
	}
	for _, name := range []string{"bigger", "half", "huge", "s", "a", "no", "nothing"} {
		if n, ok := j.Get(name).Int(); ok {
			t.Errorf("%s is %d", name, n)
		}
	}
	if f, ok := j.Get("half").Float(); !ok || f != 7.5 {
		t.Errorf("half is %v", f)
	}
	if value, ok := j.Get("no").Bool(); value || !ok {
		t.Error("no is not false")
	}
	var elements []string
	for e := range j.Get("a", "b").Each() {
		elements = append(elements, e.text)
	}
	if !reflect.DeepEqual(elements, []string{"1", `"two"`, `{"c":null}`, "true"}) {
		t.Errorf("a.b has %q", elements)
	}
	if !j.Get("a").Exists() || j.Get("a", "x", "y").Exists() || j.Get("s", "a").Exists() {
		t.Error("what is there is not there, or the other way round")
	}
	for range (JSON{}).Each() {
		t.Error("nothing has elements")
	}
	for range j.Get("a", "b").Each() {
		break // a loop may end early
	}
}

func TestNoJSON(t *testing.T) {
	for _, text := range []string{"", "  ", "nul", `{"a":1}x`, "<html>", "[1,]", `{"a"}`, "'a'", "01", strings.Repeat("[", 65) + strings.Repeat("]", 65)} {
		if j, err := ParseJSON([]byte(text)); err == nil || j.Exists() {
			t.Errorf("%q became %q", text, j.text)
		}
	}
}

func TestCutJSON(t *testing.T) {
	for text, want := range map[string]string{
		`{"keys":[{"id":"1","n":[1,2]},{"id":"2","na`: `{"keys":[{"id":"1","n":[1,2]},{"id":"2"}]}`,
		`{"keys":[{"id":"1"},{"id":"2","name`:         `{"keys":[{"id":"1"},{"id":"2"}]}`,
		`{"keys":[{"id":"1"}`:                         `{"keys":[{"id":"1"}]}`,
		`{"keys":[{"id":"1"},`:                        `{"keys":[{"id":"1"}]}`,
		`{"keys":`:                                    `{}`,
		`[12,34`:                                      `[12]`, // it may have gone on
		`["a,]","b\"`:                                 `["a,]"]`,
		`["b\`:                                        `[]`,
		`{"a":1}`:                                     `{"a":1}`,
		` 7 `:                                         `7`,
	} {
		j, err := ParseCutJSON([]byte(text))
		if err != nil || j.text != want {
			t.Errorf("%q became %q, %v, want %q", text, j.text, err, want)
		}
	}
	for _, text := range []string{"", `"a`, "<html><body", "]", `{"a" 1, "b`} {
		if j, err := ParseCutJSON([]byte(text)); err == nil {
			t.Errorf("%q became %q", text, j.text)
		}
	}
}

// all makes of a value what encoding/json makes of it.
func (j JSON) all() any {
	switch {
	case j.begins('{'):
		out := map[string]any{}
		for name, value := range j.Members() {
			out[name] = value.all()
		}
		return out
	case j.begins('['):
		out := []any{}
		for e := range j.Each() {
			out = append(out, e.all())
		}
		return out
	case j.begins('"'):
		return j.String()
	}
	if value, ok := j.Bool(); ok {
		return value
	}
	if f, ok := j.Float(); ok {
		return f
	}
	return nil
}

// FuzzJSON holds a walk through any text against encoding/json, which is the
// reference. Of a text that is cut anywhere a part remains, and no more than that.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		"", "null", "true", "-1.5e-3", "1e999", `"\ud83d\ude00\ud83d"`, `[1,[2,[3]],{}]`, `{"a":{"b":["c",{"d":null}]},"a":1}`,
		`{"accessKeys":[{"id":"0","name":"A","port":9443},{"id":"1"}]}`, "{\"\xff\":\"\xff\"}", `{"a" 1,"b":2}`, "[1,]", strings.Repeat("[", 70), `{"a":[}`,
	} {
		f.Add([]byte(seed), len(seed)/2)
	}
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		j, err := ParseJSON(data)
		var want any
		switch wantErr := json.Unmarshal(data, &want); {
		case err != nil && strings.Contains(err.Error(), "levels"):
		case wantErr != nil && strings.Contains(wantErr.Error(), "cannot unmarshal number"):
			return // a number beyond the range is JSON, and no float64
		case (err == nil) != (wantErr == nil):
			t.Fatalf("%q: %v, want %v", data, err, wantErr)
		case err == nil && !reflect.DeepEqual(j.all(), want):
			t.Fatalf("%q is %v, want %v", data, j.all(), want)
		}
		if at < 0 || at > len(data) || err != nil {
			return
		}
		cut, err := ParseCutJSON(data[:at])
		if err != nil {
			return // its beginning says nothing
		}
		if _, number := cut.Float(); !number && !isPartOf(cut, j) { // no text tells that a number goes on
			t.Fatalf("%q of %q became %q", data[:at], data, cut.text)
		}
		if whole, err := ParseCutJSON(data); err != nil || whole != j {
			t.Fatalf("%q became %q, %v, though it is whole", data, whole.text, err)
		}
	})
}

// isPartOf reports whether every value in part is in whole, at the same place.
func isPartOf(part, whole JSON) bool {
	switch {
	case part.begins('{'):
		for name, value := range part.Members() {
			found := false // a name may come twice, and the cut be between
			for other, in := range whole.Members() {
				found = found || name == other && isPartOf(value, in)
			}
			if !found {
				return false
			}
		}
		return whole.begins('{')
	case part.begins('['):
		rest := slices.Collect(whole.Each())
		for e := range part.Each() {
			if len(rest) == 0 || !isPartOf(e, rest[0]) {
				return false
			}
			rest = rest[1:]
		}
		return whole.begins('[')
	}
	return part == whole
}

func TestForeignTextStaysUTF8(t *testing.T) {
	j := parsed(t, "{\"a\":\"\xff\xfe\"}")
	if s := j.Get("a").String(); !utf8.ValidString(s) || !bytes.ContainsRune([]byte(s), utf8.RuneError) {
		t.Errorf("a is %q", s)
	}
}
