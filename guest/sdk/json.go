package sdk

import (
	"iter"
	"math"
	"strconv"

	"github.com/cofferdam-bot/cofferdam/guest/sdk/internal/jsonwire"
)

// JSON is a value of somebody else's JSON, such as the answer to a [Host.Fetch].
// Nothing about it is certain: a member that is not there, or is of another kind,
// is the zero JSON, and asking that for anything is no error. So a view reads what
// it needs and decides once what to do without:
//
//	answer, err := sdk.ParseJSON(response.Body)
//	name := answer.Get("server", "name").String()
//	port, ok := answer.Get("port").Int()
//
// It keeps the text and reads it again each time: walk through long lists with
// [JSON.Each] and [JSON.Members].
type JSON struct{ text string } // checked, without blanks around it; "": nothing

// ParseJSON reads a text that holds one value and nothing else. It agrees with
// encoding/json about what that is, but that nesting is bounded by 64.
func ParseJSON(data []byte) (JSON, error) { return parseJSON(string(data)) }

// ParseCutJSON reads what there is of a text that was cut, as
// [abi.FetchResponse] tells: members and elements that are not complete are not
// there. The last element of a list may lack members.
func ParseCutJSON(data []byte) (JSON, error) { return parseJSON(jsonwire.Front(string(data))) }

func parseJSON(text string) (JSON, error) {
	r := jsonwire.NewReader(text)
	value := r.Raw()
	if err := r.End(); err != nil {
		return JSON{}, err
	}
	return JSON{value}, nil
}

// Exists reports whether the value is there. null is there.
func (j JSON) Exists() bool { return j.text != "" }

// Get follows the names of members inward. Where a name comes twice in an object,
// the last one counts.
func (j JSON) Get(names ...string) JSON {
	for _, name := range names {
		found := JSON{}
		for member, value := range j.Members() {
			if member == name {
				found = value
			}
		}
		j = found
	}
	return j
}

// Each goes through the elements of an array; of anything else there are none.
func (j JSON) Each() iter.Seq[JSON] {
	return func(yield func(JSON) bool) {
		if !j.begins('[') {
			return
		}
		for r := j.open('['); r.More(']'); {
			if !yield(JSON{r.Raw()}) {
				return
			}
		}
	}
}

// Members goes through the members of an object, as they stand; of anything else
// there are none.
func (j JSON) Members() iter.Seq2[string, JSON] {
	return func(yield func(string, JSON) bool) {
		if !j.begins('{') {
			return
		}
		for r := j.open('{'); r.More('}'); {
			name := r.Name()
			if !yield(name, JSON{r.Raw()}) {
				return
			}
		}
	}
}

// String returns a string's text; of anything else "".
func (j JSON) String() (text string) {
	if j.begins('"') {
		jsonwire.NewReader(j.text).String(&text)
	}
	return text
}

// Int returns a number that is whole and fits: 7, 7.0 and 7e0 are, 7.5 is not.
func (j JSON) Int() (n int64, ok bool) {
	if n, err := strconv.ParseInt(j.text, 10, 64); err == nil {
		return n, true
	}
	f, ok := j.Float()
	if !ok || f != math.Trunc(f) || math.Abs(f) >= 1<<63 {
		return 0, false
	}
	return int64(f), true
}

// Float returns a number; one beyond the range is none.
func (j JSON) Float() (f float64, ok bool) {
	if !j.begins('-') && (j.text == "" || j.text[0] < '0' || j.text[0] > '9') {
		return 0, false
	}
	f, err := strconv.ParseFloat(j.text, 64)
	return f, err == nil
}

// Bool returns true or false, if it is one of them.
func (j JSON) Bool() (value, ok bool) { return j.text == "true", j.text == "true" || j.text == "false" }

func (j JSON) begins(c byte) bool { return j.text != "" && j.text[0] == c }

func (j JSON) open(bracket byte) *jsonwire.Reader {
	r := jsonwire.NewReader(j.text)
	r.Open(bracket)
	return r
}
