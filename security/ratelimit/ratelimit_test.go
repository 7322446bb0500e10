package ratelimit

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestWindowReadsLikeTheRule(t *testing.T) {
	w := New[int64](2, 10*time.Second, 100)
	for i, step := range []struct {
		after time.Duration // since noon
		key   int64
		want  Verdict
	}{
		{0, 1, Verdict{Allowed: true}},
		{1 * time.Second, 1, Verdict{Allowed: true}},
		{2 * time.Second, 1, Verdict{Tell: true}},
		{3 * time.Second, 1, Verdict{}},
		{3 * time.Second, 2, Verdict{Allowed: true}},
		{10 * time.Second, 1, Verdict{Allowed: true}},
		{10 * time.Second, 1, Verdict{Tell: true}},
		{11 * time.Second, 1, Verdict{Allowed: true}},
		{40 * time.Second, 1, Verdict{Allowed: true}},
	} {
		if got := w.Add(step.key, noon.Add(step.after)); got != step.want {
			t.Errorf("step %d: got %+v, want %+v", i, got, step.want)
		}
	}
}

func TestZeroValuesRefuse(t *testing.T) {
	var none *Window[int64]
	for _, w := range []*Window[int64]{none, {}, New[int64](0, time.Second, 1)} {
		if got := w.Add(1, noon); got != (Verdict{}) {
			t.Errorf("got %+v", got)
		}
	}
}

func TestKeysAreBounded(t *testing.T) {
	w := New[int64](1, time.Hour, 1000)
	for key := range int64(20_000) {
		if !w.Add(key, noon.Add(time.Duration(key)*time.Millisecond)).Allowed {
			t.Fatalf("key %d was refused for what others did", key)
		}
	}
	if w.Len() != 1000 {
		t.Errorf("%d keys are remembered", w.Len())
	}
	if w.Add(19_999, noon.Add(20*time.Second)).Allowed {
		t.Error("the latest key was forgotten before the quietest")
	}
}
