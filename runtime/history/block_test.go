package history

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

func TestCodesAreCloseToWhatWasMeasured(t *testing.T) {
	for _, v := range []float64{1e-6, 0.001, 0.37, 1, 12.3, 99.95, 100, 800, 4096, 1 << 30, 3.7e11, 1 << 43} {
		got := codeOf(v).value()
		if math.Abs(got-v)/v > 0.0004 {
			t.Errorf("%v became %v", v, got)
		}
	}
	for v, want := range map[float64]float64{0: 0, 1e-9: 0, math.MaxFloat64: code(math.MaxUint16).value(), math.Inf(1): code(math.MaxUint16).value(), 1: 1, 64: 64} {
		if got := codeOf(v).value(); got != want {
			t.Errorf("%v became %v, want %v", v, got, want)
		}
	}
	for _, v := range []float64{math.NaN(), -1, math.Inf(-1)} {
		if got := codeOf(v); got != gap {
			t.Errorf("%v became %v, want a gap", v, got)
		}
	}
}

func TestBlocksComeBackAsTheyWere(t *testing.T) {
	filled := func(set func(b *block)) *block {
		b := newBlock(fineMachine, 3600, 3)
		set(b)
		return b
	}
	nan := math.NaN()
	for _, test := range []struct {
		name string
		b    *block
		size int
	}{
		{"empty", filled(func(*block) {}), 6 + 3*3},
		{"one sample", filled(func(b *block) { b.set(3650, []float64{1, nan, 3}) }), 6 + 3*3},
		{"both ends", filled(func(b *block) { b.set(3600, []float64{1, nan, 0}); b.set(5399, []float64{2, nan, 0}) }), 6 + 361 + 3 + 361},
		{"full and constant", filled(func(b *block) {
			for at := int64(3600); at < 5400; at += 10 {
				b.set(at, []float64{float64(at), 7, 0})
			}
		}), 6 + 361 + 3 + 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			data := test.b.encode()
			if len(data) != test.size {
				t.Errorf("%d bytes, want %d", len(data), test.size)
			}
			got, err := decodeBlock(fineMachine, 3600, 3, data)
			if err != nil {
				t.Fatal(err)
			}
			for i, column := range got.columns {
				for slot, c := range column {
					if c != test.b.columns[i][slot] {
						t.Fatalf("series %d, slot %d: %d, was %d", i, slot, c, test.b.columns[i][slot])
					}
				}
			}
		})
	}
}

// TestSeriesCanBeAdded: what a version with fewer series wrote is still read.
func TestSeriesCanBeAdded(t *testing.T) {
	old := newBlock(coarse, 0, 1)
	old.set(600, []float64{5})
	b, err := decodeBlock(coarse, 0, 2, old.encode())
	if err != nil {
		t.Fatal(err)
	}
	if got := b.mean(600, 300); got[0] < 4.99 || got[0] > 5.01 || !math.IsNaN(got[1]) {
		t.Errorf("got %v", got)
	}
}

func TestDamagedBlocksAreRefused(t *testing.T) {
	b := newBlock(fineContainer, 0, 2)
	b.set(0, []float64{1, 5})
	b.set(60, []float64{2, 5})
	good := b.encode()
	for name, data := range map[string][]byte{
		"nothing":         nil,
		"another version": append([]byte{2}, good[1:]...),
		"more series":     append([]byte{1, 3}, good[2:]...),
		"beyond the end":  append([]byte{1, 2, 0, 59}, good[4:]...),
		"cut off":         good[:len(good)-1],
		"too long":        append(bytes.Clone(good), 0),
		"another tag":     append(append(bytes.Clone(good[:6]), 7), good[7:]...),
	} {
		if _, err := decodeBlock(fineContainer, 0, 2, data); !errors.Is(err, errBlock) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := decodeBlock(fineContainer, 0, 2, good); err != nil {
		t.Errorf("the whole one: %v", err)
	}
}

// FuzzBlock: whatever lies in the store, reading it neither fails in another way
// nor yields what could not be written again.
func FuzzBlock(f *testing.F) {
	b := newBlock(fineContainer, 0, 6)
	f.Add(b.encode())
	b.set(30, []float64{1, 2, 3, 4, 5, 6})
	b.set(90, []float64{1, 3, 3, 0, 5, 6})
	f.Add(b.encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		b, err := decodeBlock(fineContainer, 0, 6, data)
		if err != nil {
			return
		}
		again, err := decodeBlock(fineContainer, 0, 6, b.encode())
		if err != nil {
			t.Fatal(err)
		}
		for i, column := range b.columns {
			for slot, c := range column {
				if again.columns[i][slot] != c {
					t.Fatalf("series %d, slot %d: %d became %d", i, slot, c, again.columns[i][slot])
				}
				if v := c.value(); c != gap && !(v >= 0 && v < 1e14) {
					t.Fatalf("the value %v", v)
				}
			}
		}
	})
}
