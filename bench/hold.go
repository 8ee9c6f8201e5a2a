package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	openRate   = 2000                   // streams opened a second
	sampleGap  = 100 * time.Millisecond // between two looks at memory
	settleTime = 500 * time.Millisecond // before memory counts as idle
)

// runHold measures what an open stream holds: many slow streams at once, and
// the resident memory while they are open less that of the idle process. Each
// measurement has a process of its own, since Go gives memory back late.
func runHold(ctx context.Context, k *kit, c testCase) (*caseResult, error) {
	if err := raiseFiles(uint64(2*c.conns + 500)); err != nil {
		return nil, err
	}
	up, err := upstreamContender(k.self).start(ctx, "") // its own: it inherits the raised limit
	if err != nil {
		return nil, err
	}
	defer up.stop()
	res := newCaseResult(c, "hold")
	rows := res.rowsFor(k.contenders)
	for round := range min(k.o.rounds, 3) { // the streams take their time, and the figure repeats well
		for _, i := range order(len(rows), round) {
			if err := holdOnce(ctx, k.contenders[i], c, up.base, rows[i]); err != nil {
				return nil, err
			}
		}
	}
	return res, nil
}

func holdOnce(ctx context.Context, k contender, c testCase, upstream string, r *row) error {
	s, err := k.start(ctx, upstream)
	if err != nil {
		return err
	}
	defer s.stop()
	warm := testCase{model: "bench-stream-3", prompt: c.prompt, conns: 4, stream: 3}.as(k)
	if _, err := runCase(ctx, s.target, warm, 100*time.Millisecond); err != nil {
		return err
	}
	if err := pause(ctx, settleTime); err != nil {
		return err
	}
	idle := residentMemory(s.pid)
	resetPeak(s.pid)
	before, err := cpuTime(s.pid)
	if err != nil {
		return err
	}
	h := &holder{c: c.as(k), t: s.target}
	if err := h.run(ctx); err != nil {
		return err
	}
	after, err := cpuTime(s.pid)
	if err != nil {
		return err
	}
	r.add(h.sum, after-before, peakMemory(s.pid))
	open, rss := h.held()
	r.Open = append(r.Open, float64(open))
	r.IdleMB = append(r.IdleMB, mb(idle))
	r.StreamKB = append(r.StreamKB, float64(rss-idle)/float64(max(open, 1)))
	return nil
}

// holder opens streams at an even rate and reads them to their end.
type holder struct {
	c testCase
	t target

	open    atomic.Int64
	mu      sync.Mutex // over parts and samples
	parts   []result
	samples []sample
	sum     *result
}

// sample is what the server's process held while so many streams were open.
type sample struct{ open, kb int64 }

func (h *holder) run(ctx context.Context) error {
	req, err := h.c.request(h.t)
	if err != nil {
		return err
	}
	host := hostOf(h.t.base)
	start := time.Now()
	var wg sync.WaitGroup
	for i := range h.c.conns {
		if err := pause(ctx, time.Until(start.Add(time.Duration(i)*time.Second/openRate))); err != nil {
			break
		}
		wg.Go(func() { h.stream(ctx, worker{addr: host, request: req, c: h.c, small: true}) })
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	h.watch(done)
	h.sum = merge(h.parts, time.Since(start))
	return ctx.Err()
}

// watch looks at the memory until all streams have ended.
func (h *holder) watch(done <-chan struct{}) {
	tick := time.NewTicker(sampleGap)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			h.samples = append(h.samples, sample{h.open.Load(), residentMemory(h.t.pid)})
		}
	}
}

// held returns the most streams that were open at once, and the median of the
// memory while (nearly) that many were.
func (h *holder) held() (open, kb int64) {
	for _, s := range h.samples {
		open = max(open, s.open)
	}
	var at []int64
	for _, s := range h.samples {
		if s.open*100 >= open*99 {
			at = append(at, s.kb)
		}
	}
	if len(at) == 0 {
		return 0, 0
	}
	slices.Sort(at)
	return open, at[len(at)/2]
}

func (h *holder) stream(ctx context.Context, w worker) {
	var r result
	w.r = &r
	w.begun = func() { h.open.Add(1) }
	at := time.Now()
	err := w.exchange(ctx)
	if w.hasBegun {
		h.open.Add(-1)
	}
	w.hangUp()
	r.count(err, time.Since(at))
	h.mu.Lock()
	h.parts = append(h.parts, r)
	h.mu.Unlock()
}

// opening tells when the first byte of an answer's body is there.
type opening struct {
	io.Reader
	w *worker
}

func (o opening) Read(p []byte) (int, error) {
	n, err := o.Reader.Read(p)
	if n > 0 && !o.w.hasBegun {
		o.w.hasBegun = true
		o.w.begun()
	}
	return n, err
}

func pause(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stopped: %w", ctx.Err())
	}
}
