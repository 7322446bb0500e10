package main

import (
	"testing"
	"time"

	"github.com/cofferdam-bot/cofferdam/guest/abi"
	"github.com/cofferdam-bot/cofferdam/runtime/history"
	"github.com/cofferdam-bot/cofferdam/runtime/metrics"
	"github.com/cofferdam-bot/cofferdam/runtime/store"
)

// TestRatesOfThisMachine: two samples of the real machine make a point of each
// line of the charts of its network and disks.
func TestRatesOfThisMachine(t *testing.T) {
	s, err := store.OpenMemory()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	now := time.Now()
	h := history.New(history.Config{Machine: metrics.New(metrics.Config{}, time.Now), Store: s, Now: func() time.Time { return now }})
	for range 2 {
		h.SampleMachine(t.Context())
		now = now.Add(10 * time.Second)
	}
	got, err := h.Machine(t.Context(), abi.HistoryQuery{
		Series: []string{abi.SeriesDiskRead, abi.SeriesDiskWrite, abi.SeriesNetworkIn, abi.SeriesNetworkOut}, Seconds: 60,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, series := range got.Series {
		if len(series.Values) != 1 || series.Values[0] < 0 {
			t.Errorf("%s has the points %v, want one", series.Name, series.Values)
		}
	}
	if last, _, err := h.Condition(); !last.Equal(now.Add(-10*time.Second)) || err != nil {
		t.Errorf("the last sample was %v, %v", last, err)
	}
}
