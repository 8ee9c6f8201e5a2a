package breaker

import (
	"testing"
	"time"
)

func TestSnapshot(t *testing.T) {
	c := &clock{}
	b := New(Options{MinRequests: 4, Now: c.now, Cooldown: 10 * time.Second, Window: 30 * time.Second})
	begin := c.now()
	for _, r := range []Result{Success, Failure, Success} {
		ticket, _, _ := b.Allow()
		b.Report(ticket, r)
	}
	if s := b.Snapshot(); s != (Snapshot{Closed, begin, 3, 1}) {
		t.Errorf("closed: %+v", s)
	}
	c.advance(5 * time.Second)
	ticket, _, _ := b.Allow()
	b.Report(ticket, Failure)
	if s := b.Snapshot(); s != (Snapshot{Open, begin.Add(5 * time.Second), 0, 0}) {
		t.Errorf("open: %+v", s)
	}
	c.advance(10 * time.Second)
	b.Allow()
	if s := b.Snapshot(); s != (Snapshot{HalfOpen, begin.Add(15 * time.Second), 0, 0}) {
		t.Errorf("half-open: %+v", s)
	}
}
