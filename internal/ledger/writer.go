package ledger

import (
	"context"
	"log/slog"
	"time"

	"github.com/llm-gateway/llm-gateway/pkg/backoff"
)

// try writes one batch. While the store is gone it goes on trying, and the
// queue takes what comes; a batch that the store will not have is given up.
func (r *Recorder) try(b *Batch) error {
	wait := backoff.Backoff{Base: retryBase, Cap: retryCap}
	for n := 0; ; n++ {
		ctx, cancel := context.WithTimeout(r.life, writeTimeout)
		err := r.o.Store.Write(ctx, b)
		cancel()
		r.noteWrite(err)
		if err == nil {
			return nil
		}
		r.o.Observer.Failed()
		if r.life.Err() != nil || refused(err) && n+1 >= refusedTries {
			return err
		}
		if backoff.Wait(r.life, wait.Delay(n)) != nil {
			return err
		}
	}
}

// noteWrite keeps the state of the store, and logs when it changes.
func (r *Recorder) noteWrite(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	r.mu.Lock()
	before := r.failing
	r.failing = text
	r.mu.Unlock()
	switch {
	case before == "" && text != "":
		r.o.Logger.LogAttrs(r.life, slog.LevelError, "the usage ledger cannot be written; records wait",
			slog.String("store", r.o.Store.String()), slog.String("error", text))
	case before != "" && text == "":
		r.o.Logger.LogAttrs(r.life, slog.LevelInfo, "the usage ledger is written again", slog.String("store", r.o.Store.String()))
	}
}

// keep bounds the store's size, in small steps with pauses between them.
func (r *Recorder) keep() {
	t := time.NewTimer(trimFirst)
	defer t.Stop()
	for {
		select {
		case <-r.stop:
			return
		case <-t.C:
		}
		next := trimPeriod
		if r.trim() {
			next = trimPause
		}
		t.Reset(next)
	}
}

// trim makes one step and reports whether there is more to do.
func (r *Recorder) trim() bool {
	ctx, cancel := context.WithTimeout(r.life, trimTimeout)
	defer cancel()
	more, err := r.o.Store.Trim(ctx, time.Now().Add(-r.o.Retention))
	if err != nil {
		r.o.Logger.LogAttrs(r.life, slog.LevelWarn, "old usage records could not be deleted; the next try is in an hour", slog.Any("error", err))
		return false
	}
	return more
}
