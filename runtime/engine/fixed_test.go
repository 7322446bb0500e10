package engine

import (
	"bytes"
	"encoding/binary"
	"testing"
	"time"
)

// TestFixedIsTheSameEachTime draws randomness and looks at the clock in two
// invocations of a replay, and in one of another.
func TestFixedIsTheSameEachTime(t *testing.T) {
	m := load(t, guest{}, patient())
	start := time.UnixMilli(1_767_225_600_123)
	draw := func(f *Fixed) (random []byte, clock time.Time) {
		m.engine.fixed = f
		r := wasiRigOf(t, m, time.Minute)
		if r.call("random_get", 64, 32) != wasiOK || r.call("random_get", 96, 32) != wasiOK || r.call("clock_time_get", clockReal, 0, 0) != wasiOK {
			t.Fatal("WASI refuses")
		}
		return r.bytes(64, 64), time.Unix(0, int64(binary.LittleEndian.Uint64(r.bytes(0, 8))))
	}
	first, clock := draw(&Fixed{Start: start, Seed: [32]byte{1}})
	again, _ := draw(&Fixed{Start: start, Seed: [32]byte{1}})
	other, _ := draw(&Fixed{Seed: [32]byte{2}})
	if !bytes.Equal(first, again) || bytes.Equal(first, other) || bytes.Equal(first[:32], first[32:]) {
		t.Errorf("drawn: %x, %x, %x", first, again, other)
	}
	if late := clock.Sub(start); late < 0 || late > time.Minute {
		t.Errorf("the clock begins at %v, want %v", clock, start)
	}
	fresh, clock := draw(nil)
	if bytes.Equal(fresh, first) || time.Since(clock) > time.Minute {
		t.Errorf("without it: %x at %v", fresh, clock)
	}
}
