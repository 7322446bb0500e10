package telegram

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestSortOut(t *testing.T) {
	const big = 1 << 40
	tests := []struct {
		name    string
		offset  int64
		ids     []int64
		updates []int64
		next    int64
		behind  bool
	}{
		{"nothing", 5, nil, nil, 0, false},
		{"in a row", 5, []int64{5, 6, 7}, []int64{5, 6, 7}, 8, false},
		{"some are missing", 5, []int64{6, 9}, []int64{6, 9}, 10, false},
		{"out of order", 5, []int64{7, 5, 6}, []int64{5, 6, 7}, 8, false},
		{"one twice", 5, []int64{5, 5, 6}, []int64{5, 6}, 7, false},
		{"the first call", 0, []int64{big, big + 1}, []int64{big, big + 1}, big + 2, false},
		{"a jump at the start, after a week of silence", 5, []int64{big}, []int64{big}, big + 1, false},
		{"a jump inside is left for the next answer", 5, []int64{5, big}, []int64{5}, 6, false},
		{"a jump listed first", 5, []int64{big, 5}, []int64{5}, 6, false},
		{"old ones before new ones", big, []int64{5, big}, []int64{5, big}, big + 1, false},
		{"numbers that began anew", big, []int64{5, 6}, []int64{5, 6}, 7, true},
		{"the greatest id", 5, []int64{maxUpdateID}, []int64{maxUpdateID}, maxUpdateID + 1, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var elements []json.RawMessage
			for _, id := range tt.ids {
				elements = append(elements, json.RawMessage(fmt.Sprintf(`{"update_id":%d}`, id)))
			}
			b := sortOut(elements, tt.offset)
			var got []int64
			for _, u := range b.updates {
				got = append(got, u.ID)
			}
			if !slices.Equal(got, tt.updates) || b.next != tt.next || b.behind != tt.behind {
				t.Errorf("updates %v next %d behind %v, want %v, %d, %v", got, b.next, b.behind, tt.updates, tt.next, tt.behind)
			}
		})
	}
}

// Whatever comes, the offset moves only over what is handed over or known to be
// unreadable.
func FuzzSortOut(f *testing.F) {
	f.Add(int64(5), `{"update_id":5}|{"update_id":7}|x|{"update_id":99999999999}`)
	f.Add(int64(0), `{"update_id":9007199254740992}|{"update_id":-3}|{"update_id":6,}`)
	f.Add(int64(1000), `{"update_id":5}|{"update_id":6}`)
	f.Fuzz(func(t *testing.T, offset int64, joined string) {
		if offset < 0 || offset > maxUpdateID+1 {
			t.Skip("never asked for")
		}
		var elements []json.RawMessage
		for part := range strings.SplitSeq(joined, "|") {
			elements = append(elements, json.RawMessage(part))
		}
		b := sortOut(elements, offset)
		settled := map[int64]bool{}
		for i, u := range b.updates {
			settled[u.ID] = true
			if !json.Valid(u.Data) || u.ID >= b.next || (i > 0 && u.ID <= b.updates[i-1].ID) {
				t.Errorf("update %d: %s, next %d", u.ID, u.Data, b.next)
			}
		}
		for _, id := range b.skipped {
			settled[id] = true
		}
		for _, raw := range elements {
			if id, ok := updateID(raw); ok && id < b.next && !settled[id] {
				t.Errorf("update %d is confirmed and lost", id)
			}
		}
		if b.next != 0 && b.next <= offset && !b.behind {
			t.Errorf("the offset goes back from %d to %d unnoticed", offset, b.next)
		}
	})
}

func TestUpdateID(t *testing.T) {
	tests := []struct {
		raw  string
		want int64
	}{
		{`{"update_id":7}`, 7},
		{" {\n\"message\" : {\"update_id\":1, \"x\":\"}\\\"\"} ,\t\"update_id\" : 7 }", 7},
		{`{"update_id":7,"message":{`, 7},
		{`{"update_id":7,"update_id":8}`, 7},
		{`{"update_id":7`, 0}, // the number may go on
		{`{"update_id":"7"}`, 0},
		{`{"update_id":7.0}`, 0},
		{`{"update_id":+7}`, 7},
		{`{"update_id":-7}`, 0},
		{`{"update_id":0}`, 0},
		{`{"update_id":9007199254740993}`, 0},
		{`{"update_id":18446744073709551623}`, 0},
		{`{"Update_id":7}`, 0},
		{`{"message":{"update_id":7}}`, 0},
		{`[{"update_id":7}]`, 0},
		{`7`, 0},
		{``, 0},
		{`{`, 0},
		{`{"`, 0},
		{`{"a"`, 0},
		{`{"a":`, 0},
		{`{"a":"\`, 0},
	}
	for _, tt := range tests {
		if got, ok := updateID([]byte(tt.raw)); got != tt.want || ok != (tt.want != 0) {
			t.Errorf("updateID(%s) = %d, %v", tt.raw, got, ok)
		}
	}
}

// On valid JSON the scanner sees what encoding/json sees.
func FuzzField(f *testing.F) {
	f.Add([]byte(`{"a":[1,{"b":"]}\\\""}],"update_id":12,"c":null}`))
	f.Add([]byte(`{"update_id":"x\"","update_id":1}`))
	f.Add([]byte(`{"update_id":[[[`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		value, whole := field(raw, "update_id")
		_, _ = elements(raw)
		var want map[string]json.RawMessage
		if json.Unmarshal(raw, &want) != nil || strings.Count(string(raw), "update") != 1 {
			return
		}
		if got, ok := want["update_id"]; ok && strings.Contains(string(raw), `"update_id"`) && (!whole || string(got) != string(value)) {
			t.Errorf("got %q, want %q", value, got)
		}
	})
}

func TestElements(t *testing.T) {
	tests := []struct{ text, want, rest string }{
		{`{"ok":true,"result":[{"update_id":1},{"update_id":2}]}`, `{"update_id":1}|{"update_id":2}`, ""},
		{"[{ \"update_id\"\t: 1}, {\n\"update_id\":2 }]", "{ \"update_id\"\t: 1}|{\n\"update_id\":2 }", ""},
		{`[{"update_id":1,"a":{},junk,{"update_id":2}]`, `{"update_id":1,"a":{},junk,|{"update_id":2}`, ""},
		{`[{"update_id":1},{"update_id":2,"a":"`, `{"update_id":1}`, `{"update_id":2,"a":"`},
		{`[{"update_id":1}`, `{"update_id":1}`, ""},
		{`[{"update_id":1,"text":"{\"update_id\":2}"}]`, `{"update_id":1,"text":"{\"update_id\":2}"}`, ""},
		{`{"ok":true,"result":[]}`, "", ""},
		{`"update_id"`, "", ""},
	}
	for _, tt := range tests {
		found, rest := elements([]byte(tt.text))
		var got []string
		for _, e := range found {
			got = append(got, string(e))
		}
		if strings.Join(got, "|") != tt.want || string(rest) != tt.rest {
			t.Errorf("elements(%s) = %q, rest %q", tt.text, got, rest)
		}
	}
}
