package emulator

import (
	"bytes"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// form builds a multipart body.
func form(t testing.TB, values map[string]string, file []byte) (contentType, body string) {
	t.Helper()
	var b bytes.Buffer
	mw := multipart.NewWriter(&b)
	for name, value := range values {
		if err := mw.WriteField(name, value); err != nil {
			t.Fatal(err)
		}
	}
	if file != nil {
		part, err := mw.CreateFormFile("document", "log.txt")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := part.Write(file); err != nil {
			t.Fatal(err)
		}
	}
	if err := mw.Close(); err != nil {
		t.Fatal(err)
	}
	return mw.FormDataContentType(), b.String()
}

func TestEveryEncodingGivesTheSameParameters(t *testing.T) {
	want := map[string]string{"chat_id": "7", "text": "a & b", "entities": `[{"type":"bold"}]`}
	multi, multiBody := form(t, want, nil)
	for _, tc := range []struct{ method, query, contentType, body string }{
		{"GET", "chat_id=7&text=a+%26+b&entities=%5B%7B%22type%22%3A%22bold%22%7D%5D", "", ""},
		{"POST", "", "application/x-www-form-urlencoded", "chat_id=7&text=a+%26+b&entities=%5B%7B%22type%22%3A%22bold%22%7D%5D"},
		{"POST", "", "application/json; charset=utf-8", `{"chat_id":7,"text":"a & b","entities":[{"type":"bold"}],"x":null}`},
		{"POST", "", multi, multiBody},
		{"POST", "chat_id=7&text=overruled", "application/json", `{"text":"a & b","entities":"[{\"type\":\"bold\"}]"}`},
	} {
		r := httptest.NewRequest(tc.method, "/x?"+tc.query, nil)
		r.Header.Set("Content-Type", tc.contentType)
		p, err := decodeParams(strings.NewReader(tc.body), r)
		if err != nil {
			t.Errorf("%s %s: %v", tc.method, tc.contentType, err)
			continue
		}
		if len(p.values) != len(want) {
			t.Errorf("%s: %q", tc.contentType, p.values)
		}
		for name := range want {
			if p.str(name) != want[name] {
				t.Errorf("%s: %s is %q, want %q", tc.contentType, name, p.str(name), want[name])
			}
		}
	}
}

func TestUndecodableRequestsAreRefused(t *testing.T) {
	multi, body := form(t, map[string]string{"text": "x"}, nil)
	many := make(map[string]string)
	for i := range maxParts + 1 {
		many[strings.Repeat("x", i+1)] = "y"
	}
	multiMany, manyBody := form(t, many, nil)
	for _, tc := range []struct {
		name, method, contentType, body string
		want                            int
	}{
		{"empty multipart, as the library sends for getMe", "POST", multi, "", 0},
		{"empty with no type", "POST", "", "", 0},
		{"another method", "PUT", "", "", 405},
		{"no type", "POST", "", "x", 400},
		{"another type", "POST", "text/plain", "x", 400},
		{"broken JSON", "POST", "application/json", `{"a":`, 400},
		{"JSON that is no object", "POST", "application/json", `[1]`, 400},
		{"broken form", "POST", "application/x-www-form-urlencoded", "a=%zz", 400},
		{"broken off multipart", "POST", multi, body[:len(body)-10], 400},
		{"multipart without its boundary", "POST", multi, "hello", 400},
		{"multipart of no boundary", "POST", "multipart/form-data", "hello", 400},
		{"too many parts", "POST", multiMany, manyBody, 400},
		{"not UTF-8", "POST", "application/x-www-form-urlencoded", "text=%ff", 400},
		{"too large", "POST", "application/x-www-form-urlencoded", "text=" + strings.Repeat("x", 200_000), 413},
	} {
		r := httptest.NewRequest(tc.method, "/x", nil)
		r.Header.Set("Content-Type", tc.contentType)
		in := http.MaxBytesReader(httptest.NewRecorder(), io.NopCloser(strings.NewReader(tc.body)), 100_000)
		_, err := decodeParams(in, r)
		if tc.want == 0 {
			if err != nil {
				t.Errorf("%s: %v", tc.name, err)
			}
			continue
		}
		if refusal, ok := err.(*apiError); !ok || refusal.code != tc.want {
			t.Errorf("%s: %v, want %d", tc.name, err, tc.want)
		}
	}
}

// FuzzDecodeParams: no body makes the decoding panic, hang, or give more than it was given.
func FuzzDecodeParams(f *testing.F) {
	multi, body := form(f, map[string]string{"text": "x", "reply_markup": `{"inline_keyboard":[]}`}, []byte("log"))
	f.Add("POST", "a=b", multi, []byte(body))
	f.Add("POST", "", "application/json", []byte(`{"chat_id":7,"text":"x","entities":[{"type":"bold"}]}`))
	f.Add("POST", "", "application/x-www-form-urlencoded", []byte("a=b&c=%20"))
	f.Add("GET", "%zz", "", []byte{})
	f.Fuzz(func(t *testing.T, method, query, contentType string, body []byte) {
		r := httptest.NewRequest(http.MethodPost, "/x", nil)
		r.Method, r.URL.RawQuery = method, query
		r.Header.Set("Content-Type", contentType)
		p, err := decodeParams(bytes.NewReader(body), r)
		if err != nil {
			if _, ok := err.(*apiError); !ok {
				t.Fatalf("%T %v is no refusal", err, err)
			}
			return
		}
		total := 0
		for name, value := range p.values {
			total += len(name) + len(value)
		}
		if total > 3*(len(query)+len(body)) { // a bad byte may become a three-byte replacement
			t.Fatalf("%d bytes out of %d", total, len(query)+len(body))
		}
	})
}

// FuzzFormatText: what the text rules let through is within the limits, and can be shown.
func FuzzFormatText(f *testing.F) {
	f.Add("a🐳b", `[{"type":"bold","offset":1,"length":2},{"type":"code","offset":0,"length":3}]`)
	f.Add(" x ", `[{"type":"pre","offset":0,"length":3,"language":"go"}]`)
	f.Fuzz(func(t *testing.T, text, entities string) {
		p := &params{values: map[string]string{"text": text, "entities": entities}}
		got, err := formattedText(p)
		if err != nil {
			return
		}
		n := utf16Len(got.text)
		if n < 1 || n > maxText {
			t.Fatalf("%d units", n)
		}
		for _, e := range got.entities {
			if e.Offset < 0 || e.Length < 1 || e.end() > n {
				t.Fatalf("entity %+v in %d units", e, n)
			}
		}
		Message{Text: got.text, Entities: got.entities}.Styled()
	})
}

// FuzzParseMarkup: no keyboard makes the parser panic, and what passes is within the limits.
func FuzzParseMarkup(f *testing.F) {
	f.Add(`{"inline_keyboard":[[{"text":"x","callback_data":"y"}]]}`)
	f.Add(`{"keyboard":[["A",{"text":"B"}]],"resize_keyboard":true}`)
	f.Fuzz(func(t *testing.T, raw string) {
		m, err := parseMarkup(raw)
		if err != nil {
			return
		}
		total := 0
		for _, row := range m.inline {
			for _, b := range row {
				if b.Text == "" || len(b.Data) > maxData {
					t.Fatalf("button %+v", b)
				}
			}
			total += len(row)
		}
		if total > maxButtons {
			t.Fatalf("%d buttons", total)
		}
	})
}
