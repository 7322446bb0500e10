package notice

import (
	"context"
	"slices"
	"sync"
	"testing"
)

// TestOneSenderDelaysNoOther: a sender that floods, and whose chat takes nothing,
// has a bounded queue, and others' come through.
func TestOneSenderDelaysNoOther(t *testing.T) {
	o := NewOutbox()
	defer o.Close()
	stuck := make(chan struct{})
	began := make(chan struct{}, waitingOfOne+1)
	taken := 0
	for range 10_000 {
		if o.Put("flood", func(ctx context.Context) {
			began <- struct{}{}
			select {
			case <-stuck:
			case <-ctx.Done():
			}
		}) {
			taken++
		}
	}
	if taken < waitingOfOne || taken > waitingOfOne+1 {
		t.Errorf("%d of 10,000 wait", taken)
	}
	<-began
	arrived := make(chan int, 3)
	for i := range 3 {
		if !o.Put("calm", func(context.Context) { arrived <- i }) {
			t.Fatal("another's is refused")
		}
	}
	if got := []int{<-arrived, <-arrived, <-arrived}; !slices.Equal(got, []int{0, 1, 2}) {
		t.Errorf("they came as %v", got)
	}
	close(stuck)
}

func TestAnOutboxIsBoundedAndForgets(t *testing.T) {
	o := NewOutbox()
	stuck := make(chan struct{})
	taken := 0
	for sender := range 100 {
		for range waitingOfOne {
			if o.Put(string(rune('a'+sender)), func(context.Context) { <-stuck }) {
				taken++
			}
		}
	}
	if taken < waitingOfAll || taken > waitingOfAll+100 {
		t.Errorf("%d wait", taken)
	}
	close(stuck)
	var all sync.WaitGroup
	all.Add(1)
	for !o.Put("last", func(context.Context) { all.Done() }) {
	}
	all.Wait()
	o.Close()
	if o.waiting != 0 || len(o.queues) != 0 {
		t.Errorf("%d wait of %d senders", o.waiting, len(o.queues))
	}
	if o.Put("late", func(context.Context) { t.Error("delivered after the end") }) {
		t.Error("it takes more after the end")
	}
}

func TestClosingEndsWhatIsUnderWay(t *testing.T) {
	o := NewOutbox()
	began := make(chan struct{})
	o.Put("a", func(ctx context.Context) { close(began); <-ctx.Done() })
	o.Put("a", func(context.Context) { t.Error("delivered after the end") })
	<-began
	o.Close()
	if o.waiting != 0 {
		t.Errorf("%d wait", o.waiting)
	}
}
