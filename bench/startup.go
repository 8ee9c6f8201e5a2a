package main

import (
	"context"
	"os"
	"time"
)

// runStart measures what a contender costs before it does anything: from the
// start of its process to its first whole answer, its memory a while later,
// and the size of its binary. The gateway begins without a ledger file.
func runStart(ctx context.Context, k *kit, c testCase) (*caseResult, error) {
	up, err := upstreamContender(k.self).start(ctx, "")
	if err != nil {
		return nil, err
	}
	defer up.stop()
	res := newCaseResult(c, "start")
	var field []contender
	for _, f := range k.contenders {
		if f.running == nil { // one that runs already cannot be started
			field = append(field, f)
		}
	}
	rows := res.rowsFor(field)
	for round := range k.o.rounds {
		for _, i := range order(len(rows), round) {
			if err := startOnce(ctx, field[i], c, up.base, rows[i]); err != nil {
				return nil, err
			}
		}
	}
	return res, nil
}

func startOnce(ctx context.Context, k contender, c testCase, upstream string, r *row) error {
	s, err := k.start(ctx, upstream)
	if err != nil {
		return err
	}
	defer s.stop()
	req, err := c.as(k).request(s.target)
	if err != nil {
		return err
	}
	var answer result
	w := worker{addr: hostOf(s.base), request: req, c: c, r: &answer}
	err = w.exchange(ctx)
	took := time.Since(s.started)
	w.hangUp()
	answer.count(err, took)
	r.Good += answer.good
	r.Bad += answer.bad
	if err != nil {
		r.FirstBad = err.Error()
		return nil
	}
	r.StartMS = append(r.StartMS, ms(took))
	if err := pause(ctx, settleTime); err != nil {
		return err
	}
	r.IdleMB = append(r.IdleMB, mb(residentMemory(s.pid)))
	if info, err := os.Stat(k.path); err == nil && k.gateway { // the proxy is part of the kit's own binary
		r.BinaryMB = float64(info.Size()) / 1e6
	}
	return nil
}
