package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
)

// burst is how many streams one contender gets before the other's turn.
const burst = 10_000

// runMillion sends a million streams (-streams) through each contender, in
// bursts taken in turn, and counts those that come truncated.
func runMillion(ctx context.Context, k *kit, c testCase) (*caseResult, error) {
	if err := raiseFiles(uint64(2*c.conns + 500)); err != nil {
		return nil, err
	}
	up, err := upstreamContender(k.self).start(ctx, "")
	if err != nil {
		return nil, err
	}
	defer up.stop()
	res := newCaseResult(c, "load")
	rows := res.rowsFor(k.contenders)
	servers, stop, err := k.startAll(ctx, k.contenders, up.base)
	defer stop()
	if err != nil {
		return nil, err
	}
	for done, round := 0, 0; done < k.o.streams; round++ {
		n := min(burst, k.o.streams-done)
		for _, i := range order(len(rows), round) {
			if err := burstOnce(ctx, servers[i].target, c.as(k.contenders[i]), n, rows[i]); err != nil {
				return nil, err
			}
		}
		done += n
		fmt.Fprintf(k.log, "%d of %d streams:", done, k.o.streams)
		for _, r := range rows {
			fmt.Fprintf(k.log, " %s %d bad;", r.Name, r.Bad)
		}
		fmt.Fprintln(k.log)
	}
	return res, nil
}

func burstOnce(ctx context.Context, t target, c testCase, n int, r *row) error {
	resetPeak(t.pid)
	before, err := cpuTime(t.pid)
	if err != nil {
		return err
	}
	res, err := runCount(ctx, t, c, n)
	if err != nil {
		return err
	}
	after, err := cpuTime(t.pid)
	if err != nil {
		return err
	}
	r.add(res, after-before, peakMemory(t.pid))
	return nil
}

// runCount sends exactly n requests with c's callers, in a closed loop.
func runCount(ctx context.Context, t target, c testCase, n int) (*result, error) {
	req, err := c.request(t)
	if err != nil {
		return nil, err
	}
	var left atomic.Int64
	left.Store(int64(n))
	parts := make([]result, c.conns)
	start := time.Now()
	var wg sync.WaitGroup
	for i := range parts {
		w := worker{addr: hostOf(t.base), request: req, c: c, r: &parts[i]}
		wg.Go(func() {
			defer w.hangUp()
			for ctx.Err() == nil && left.Add(-1) >= 0 {
				at := time.Now()
				err := w.exchange(ctx)
				if err != nil {
					w.hangUp()
				}
				w.r.count(err, time.Since(at))
			}
		})
	}
	wg.Wait()
	return merge(parts, time.Since(start)), ctx.Err()
}
