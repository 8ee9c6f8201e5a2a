package tracing

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		tr := start(t, Options{Queue: 100, Batch: 10}, s)
		for range 10 {
			tr.one()
		}
		synctest.Wait()
		if s.count() != 10 {
			t.Errorf("a whole batch waits: %d sent", s.count())
		}
		tr.one()
		synctest.Wait()
		if s.count() != 10 {
			t.Error("a part of a batch does not wait")
		}
		time.Sleep(DefaultInterval) // the bubble's clock
		synctest.Wait()
		if s.count() != 11 {
			t.Error("a part of a batch waits for longer than the interval")
		}
		tr.one()
		if err := tr.provider.ForceFlush(t.Context()); err != nil || s.count() != 12 {
			t.Errorf("flush: %v, %d", err, s.count())
		}
		tr.one()
		closeNow(t, tr)
		if s.count() != 13 || !s.shut {
			t.Errorf("the end: %d sent, exporter shut %v", s.count(), s.shut)
		}
	})
}

// A collector that hangs costs a queue's length of spans and no time: ending a
// span never waits, and what is lost is counted.
func TestHungCollector(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d drops
		s := &sink{fail: func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }}
		tr := start(t, Options{Queue: 100, Batch: 10, Dropped: d.add}, s)
		began := time.Now()
		for range 1000 {
			tr.one()
		}
		if took := time.Since(began); took != 0 {
			t.Errorf("spans waited %v", took)
		}
		synctest.Wait()
		if n := d.of(DroppedQueueFull); n < 890 || n > 900 {
			t.Errorf("%d dropped of 1000 with a queue of 100 and a batch of 10 under way", n)
		}
		time.Sleep(DefaultTimeout + time.Millisecond)
		synctest.Wait()
		if n := d.of(DroppedExport); n != 10 {
			t.Errorf("%d dropped with the export", n)
		}
		began = time.Now()
		closeNow(t, tr)
		if took := time.Since(began); took > time.Second {
			t.Errorf("closing took %v", took)
		}
		if sum := d.of(DroppedQueueFull) + d.of(DroppedExport) + d.of(DroppedShutdown); sum != 1000 {
			t.Errorf("%d of 1000 spans accounted for: %v", sum, d.m)
		}
		tr.one()
	})
}

func TestFailedExports(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var d drops
		broken := true
		s := &sink{fail: func(context.Context) error {
			if broken {
				return errors.New("no")
			}
			return nil
		}}
		tr := start(t, Options{Queue: 10, Batch: 5, Dropped: d.add}, s)
		for range 5 {
			tr.one()
		}
		synctest.Wait()
		broken = false
		tr.one()
		closeNow(t, tr)
		if d.of(DroppedExport) != 5 || s.count() != 1 {
			t.Errorf("dropped %v, sent %d", d.m, s.count())
		}
	})
}

func TestUnsampledSpansAreNotQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &sink{}
		tr := start(t, Options{Sampler: "always_off"}, s)
		tr.one()
		closeNow(t, tr)
		if s.count() != 0 {
			t.Error("an unsampled span was sent")
		}
	})
}

func TestSamplers(t *testing.T) {
	for _, name := range []string{"", "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"} {
		if _, err := newSampler(name, 0.5); err != nil {
			t.Errorf("%q: %v", name, err)
		}
	}
	if _, err := New(t.Context(), Options{Endpoint: "http://127.0.0.1:1", Sampler: "xray"}); err == nil {
		t.Error("an unknown sampler passes")
	}
}
