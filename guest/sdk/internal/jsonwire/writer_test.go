package jsonwire

import (
	"errors"
	"math"
	"testing"
)

// written returns what a value is written as.
func written(t *testing.T, write func(*Writer)) string {
	t.Helper()
	var w Writer
	write(&w)
	text, err := w.Text()
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestStrings(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", `""`},
		{"plain <b>&", `"plain <b>&"`},
		{"\"\\/", `"\"\\/"`},
		{"a\nb\tc\x00\x1f\x7f", "\"a\\nb\\u0009c\\u0000\\u001f\x7f\""},
		{"Zoë 🐳\u2028", "\"Zoë 🐳\u2028\""},
		{"\xffa\xc0\x80\xed\xa0\x80\xf0\x9f", "\"\ufffda\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd\""},
		{"\ufffd", "\"\ufffd\""},
	} {
		if got := written(t, func(w *Writer) { w.String(&test.text) }); got != test.want {
			t.Errorf("%q is written %s, want %s", test.text, got, test.want)
		}
	}
}

func TestNumbers(t *testing.T) {
	for _, test := range []struct {
		number float64
		want   string
	}{
		{0, "0"}, {math.Copysign(0, -1), "-0"}, {1, "1"}, {-12.5, "-12.5"}, {0.1, "0.1"}, {1e6, "1000000"}, {1e-6, "0.000001"},
		{1e-7, "1e-07"}, {1e20, "100000000000000000000"}, {1e21, "1e+21"}, {math.MaxFloat64, "1.7976931348623157e+308"}, {math.SmallestNonzeroFloat64, "5e-324"},
	} {
		if got := written(t, func(w *Writer) { w.Float64(&test.number) }); got != test.want {
			t.Errorf("%g is written %s, want %s", test.number, got, test.want)
		}
	}
	for _, number := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		var w Writer
		w.Float64(&number)
		if text, err := w.Text(); !errors.Is(err, ErrNotANumber) || text != nil {
			t.Errorf("%g is written %s, %v", number, text, err)
		}
	}
}

func TestMapsAreSorted(t *testing.T) {
	values := map[string]string{"b": "2", "": "0", "c\n": "3", "a": "1", "ä": "5", "bb": "4"}
	for range 20 { // ranging over a map begins anywhere
		got := written(t, func(w *Writer) { w.StringMap(&values) })
		if want := `{"":"0","a":"1","b":"2","bb":"4","c\n":"3","ä":"5"}`; got != want {
			t.Fatalf("got %s, want %s", got, want)
		}
	}
}

func TestNothingIsNull(t *testing.T) {
	var values map[string]string
	var data []byte
	if got := written(t, func(w *Writer) { w.StringMap(&values) }); got != "null" {
		t.Errorf("a nil map is written %s", got)
	}
	if got := written(t, func(w *Writer) { w.Bytes(&data) }); got != "null" {
		t.Errorf("nil bytes are written %s", got)
	}
	if data = []byte{}; written(t, func(w *Writer) { w.Bytes(&data) }) != `""` {
		t.Error("no bytes are not written as an empty string")
	}
}
