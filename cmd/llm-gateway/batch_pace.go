package main

import (
	"context"
	"sync"
	"time"
)

// pace says when a call may start. It allows at most so many calls at once;
// when the gateway refuses one for the time being, none starts before the time
// that the gateway asked for, and from then on half as many run at once, to
// grow again by one for as many successes as run at once. Of those that wait
// the oldest goes first. So a batch settles at what its limits allow, and no
// call uses up its retries on losing the race for the next token to younger
// ones.
type pace struct {
	most float64

	mu        sync.Mutex
	limit     float64
	active    int
	notBefore time.Time
	waiting   map[int]struct{}
	changed   chan struct{} // closed, and made anew, when somebody may be able to start
}

func newPace(most int) *pace {
	return &pace{most: float64(most), limit: float64(most), waiting: map[int]struct{}{}, changed: make(chan struct{})}
}

// start waits for the turn of the call of an item, of which the lowest number
// is the oldest; each nil is followed by one of succeeded, refused and ended.
// The error is the context's.
func (p *pace) start(ctx context.Context, item int) error {
	p.mu.Lock()
	p.waiting[item] = struct{}{}
	p.mu.Unlock()
	defer p.stopWaiting(item)
	for ctx.Err() == nil {
		wait, changed := p.try(item)
		if wait < 0 {
			return nil
		}
		p.sleep(ctx, wait, changed)
	}
	return context.Cause(ctx)
}

// try takes a turn, or says what to wait for: a time, when that is not 0, or a
// change. A negative time is a turn taken.
func (p *pace) try(item int) (time.Duration, <-chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if wait := time.Until(p.notBefore); wait > 0 {
		return wait, p.changed
	}
	if p.active >= int(p.limit) {
		return 0, p.changed
	}
	for other := range p.waiting {
		if other < item {
			return 0, p.changed
		}
	}
	p.active++
	return -1, nil
}

func (p *pace) stopWaiting(item int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.waiting, item)
	p.tell()
}

func (p *pace) sleep(ctx context.Context, wait time.Duration, changed <-chan struct{}) {
	var due <-chan time.Time
	if wait > 0 {
		t := time.NewTimer(wait)
		defer t.Stop()
		due = t.C
	}
	select {
	case <-ctx.Done():
	case <-due:
	case <-changed:
	}
}

// succeeded ends a call that the gateway took.
func (p *pace) succeeded() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.limit = min(p.most, p.limit+1/p.limit)
	p.leave()
}

// refused ends a call that the gateway will not take before wait has passed.
// Refusals of calls that ran side by side count as one.
func (p *pace) refused(wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if !now.Before(p.notBefore) {
		p.limit = max(1, p.limit/2)
	}
	if t := now.Add(wait); t.After(p.notBefore) {
		p.notBefore = t
	}
	p.leave()
}

// ended ends a call that says nothing about limits.
func (p *pace) ended() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.leave()
}

func (p *pace) leave() {
	p.active--
	p.tell()
}

// tell lets everybody who waits look again.
func (p *pace) tell() {
	close(p.changed)
	p.changed = make(chan struct{})
}
