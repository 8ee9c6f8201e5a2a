package ledger

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// TestBatches: a full batch leaves at once, a few records after the interval.
func TestBatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{}
		var at []time.Duration
		start := time.Now()
		f.write = func(int, *Batch) error { at = append(at, time.Since(start)); return nil }
		r := New(Options{Store: f, Batch: 10})
		for n := range 10 {
			r.Record(rec(n))
		}
		synctest.Wait()
		for n := range 3 {
			r.Record(rec(n))
		}
		time.Sleep(time.Second)
		r.Stats() // synchronises with the writer
		if len(at) != 2 || at[0] != 0 || at[1] != defaultInterval || len(f.seen[0]) != 10 || len(f.seen[1]) != 3 {
			t.Errorf("written at %v", at)
		}
		r.Record(rec(1))
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if len(at) != 3 || time.Since(start) != time.Second {
			t.Errorf("close: written at %v", at)
		}
		if s := r.Stats(); s != (Stats{Store: "memory", Written: 14}) {
			t.Errorf("%+v", s)
		}
	})
}

func TestFlushWaitsForWhatWasRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{write: func(int, *Batch) error { time.Sleep(30 * time.Millisecond); return nil }}
		r := New(Options{Store: f, Batch: 4})
		for n := range 10 {
			r.Record(rec(n))
		}
		start := time.Now()
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := total(t, r); got != totalOf(recs(0, 10)) || time.Since(start) != 90*time.Millisecond {
			t.Errorf("%+v after %v", got, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		r.Record(rec(1))
		if err := r.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		if err := errors.Join(r.Close(t.Context()), r.Close(t.Context())); err != nil {
			t.Error(err)
		}
	})
}

// TestStoreGoneForAWhile: nothing is lost while the queue has room, order and
// content stay, and the log tells of the beginning and the end once.
func TestStoreGoneForAWhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(time.Minute)
		f := &fake{write: func(int, *Batch) error {
			if time.Now().Before(back) {
				return errors.New("connection refused")
			}
			return nil
		}}
		var log bytes.Buffer
		c := &tally{}
		r := New(Options{Store: f, Batch: 10, Logger: slog.New(slog.NewTextHandler(&log, nil)), Observer: c})
		for n := range 100 {
			r.Record(rec(n))
			time.Sleep(100 * time.Millisecond)
		}
		if s := r.Stats(); s.Failing != "connection refused" || s.Waiting != 100 {
			t.Errorf("%+v", s)
		}
		time.Sleep(time.Minute)
		written, lost, failed := c.get()
		if got := total(t, r); got != totalOf(recs(0, 100)) || lost != 0 || written != 100 || failed == 0 {
			t.Errorf("%+v; %d written, %d lost, %d failures", got, written, lost, failed)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if s := log.String(); strings.Count(s, "cannot be written") != 1 || strings.Count(s, "written again") != 1 {
			t.Errorf("log:\n%s", s)
		}
	})
}

// TestRefusedBatchIsGivenUp: a batch that the store will not have holds up
// nobody.
func TestRefusedBatchIsGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{write: func(n int, _ *Batch) error {
			if n < refusedTries {
				return refusal{errors.New("value out of range")}
			}
			return nil
		}}
		c := &tally{}
		r := New(Options{Store: f, Batch: 10, Observer: c})
		for n := range 20 {
			r.Record(rec(n))
		}
		time.Sleep(time.Minute)
		written, lost, _ := c.get()
		if got := total(t, r); got != totalOf(recs(10, 20)) || lost != 10 || written != 10 {
			t.Errorf("%+v; %d written, %d lost", got, written, lost)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestFullQueue is the policy: wait 50 ms for room, and then lose the record;
// while that is so nobody else waits; the loss is counted, and logged once a
// second; when the store is back all is as before.
func TestFullQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		f := &fake{write: func(n int, _ *Batch) error {
			if n == 0 {
				<-gate
			}
			return nil
		}}
		var log bytes.Buffer
		c := &tally{}
		r := New(Options{Store: f, Queue: 20, Batch: 10, Observer: c, Logger: slog.New(slog.NewTextHandler(&log, nil))})
		for n := range 10 {
			r.Record(rec(n)) // the writer takes these and hangs
		}
		synctest.Wait()
		for n := range 20 {
			r.Record(rec(10 + n))
		}
		start := time.Now()
		r.Record(rec(100))
		if waited := time.Since(start); waited != defaultPatience || r.Stats().Lost != 1 {
			t.Errorf("lost %d after %v", r.Stats().Lost, waited)
		}
		for range 50 {
			r.Record(rec(100))
		}
		if waited := time.Since(start); waited != defaultPatience || r.Stats().Lost != 51 {
			t.Errorf("lost %d after %v", r.Stats().Lost, waited)
		}
		if n := strings.Count(log.String(), "usage records are lost"); n != 1 {
			t.Errorf("logged %d times", n)
		}
		time.Sleep(2 * time.Second)
		r.Record(rec(100))
		if s := log.String(); !strings.Contains(s, "records=51 total=52") {
			t.Errorf("log:\n%s", s)
		}
		close(gate)
		time.Sleep(time.Second)
		r.Record(rec(30))
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got := total(t, f); got != totalOf(recs(0, 31)) {
			t.Errorf("%+v", got)
		}
		r.Record(rec(1))
		if s := r.Stats(); s.Lost != 53 || s.Written != 31 {
			t.Errorf("%+v", s)
		}
	})
}

// TestRoomComesInTime: who waits is let in when there is room.
func TestRoomComesInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{write: func(int, *Batch) error { time.Sleep(10 * time.Millisecond); return nil }}
		c := &tally{}
		r := New(Options{Store: f, Queue: 10, Batch: 5, Observer: c})
		for n := range 200 {
			r.Record(rec(n))
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if got := total(t, f); got != totalOf(recs(0, 200)) || c.lost != 0 {
			t.Errorf("%+v, lost %d", got, c.lost)
		}
	})
}

// TestCloseDoesNotWaitForever: a store that is gone costs what waits, and says so.
func TestCloseDoesNotWaitForever(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fake{write: func(int, *Batch) error { return errors.New("gone") }}
		r := New(Options{Store: f, Batch: 4})
		for n := range 10 {
			r.Record(rec(n))
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		if err := r.Close(ctx); err != nil {
			t.Error(err)
		}
		if s := r.Stats(); time.Since(start) != 3*time.Second || s.Lost != 10 || s.Waiting != 0 {
			t.Errorf("%v, %+v", time.Since(start), s)
		}
	})
}

func TestRetentionRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := &Memory{}
		r := New(Options{Store: m, Retention: 24 * time.Hour})
		old, fresh := rec(0), rec(1)
		old.Time, fresh.Time = time.Now().Add(-50*time.Hour), time.Now()
		r.Record(old)
		r.Record(fresh)
		time.Sleep(2 * trimFirst)
		m.mu.Lock()
		if len(m.records) != 1 || m.oldest(hour, 1<<62) != floor(fresh.Time.Unix(), hour) {
			t.Errorf("%d records, %v", len(m.records), m.rows)
		}
		m.mu.Unlock()
		if got := total(t, r); got.Attempts != 2 {
			t.Errorf("%+v", got)
		}
		if err := r.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestManyAtOnce is for the race detector: nothing is lost, nothing twice.
func TestManyAtOnce(t *testing.T) {
	s := stores(t)["sqlite"]
	r := New(Options{Store: keepOpen{s}, Batch: 50, Interval: time.Millisecond, Patience: time.Minute, Queue: 200})
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for n := range 500 {
				r.Record(rec(g*500 + n))
				if n%100 == 0 {
					r.Stats()
					if _, err := r.Usage(t.Context(), Query{GroupBy: []Group{ByDay}}); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if err := r.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := total(t, s); got != totalOf(recs(0, 4000)) || r.Stats().Lost != 0 {
		t.Errorf("%+v, %+v", got, r.Stats())
	}
}

// keepOpen is a store that outlives its recorder.
type keepOpen struct{ Store }

func (keepOpen) Close() error { return nil }

func TestEstimate(t *testing.T) {
	reported := llm.Usage{Input: 100, Output: 20, Source: llm.UsageReported}
	for name, tc := range map[string]struct {
		d      llm.Done
		prompt int
		want   llm.Usage
	}{
		"reported":            {llm.Done{Usage: reported}, 400, reported},
		"reported, cut":       {llm.Done{Usage: reported, Stream: true, Gone: true, TextBytes: 100}, 400, reported},
		"first word, cut":     {llm.Done{Usage: llm.Usage{Input: 100, Output: 1, Source: llm.UsageReported}, Stream: true, Gone: true, TextBytes: 4001}, 1, llm.Usage{Input: 100, Output: 1001, Source: llm.UsageEstimated}},
		"finished, then gone": {llm.Done{Usage: llm.Usage{Output: 1, Source: llm.UsageReported}, Stream: true, Gone: true, Finish: "stop", TextBytes: 4001}, 1, llm.Usage{Output: 1, Source: llm.UsageReported}},
		"gone":                {llm.Done{Stream: true, Gone: true, Events: 3, TextBytes: 41}, 401, llm.Usage{Input: 101, Output: 11, Source: llm.UsageEstimated}},
		"gone before a word":  {llm.Done{Stream: true, Gone: true}, 400, llm.Usage{Input: 100, Source: llm.UsageEstimated}},
		"cut":                 {llm.Done{Stream: true, Err: llm.Errorf(llm.KindUpstreamError, "x"), Events: 1, TextBytes: 4}, 4, llm.Usage{Input: 1, Output: 1, Source: llm.UsageEstimated}},
		"complete, no usage":  {llm.Done{Stream: true, Finish: "stop", Events: 1, TextBytes: 8}, 8, llm.Usage{Input: 2, Output: 2, Source: llm.UsageEstimated}},
		"failed at once":      {llm.Done{Err: llm.Errorf(llm.KindUpstreamError, "x")}, 400, llm.Usage{}},
		"stream failed early": {llm.Done{Stream: true, Err: llm.Errorf(llm.KindUpstreamError, "x")}, 400, llm.Usage{}},
		"whole, no usage":     {llm.Done{Finish: "stop"}, 400, llm.Usage{}},
	} {
		if got := Estimate(tc.d, tc.prompt); got != tc.want {
			t.Errorf("%s: %+v, want %+v", name, got, tc.want)
		}
	}
}

func TestParseGroups(t *testing.T) {
	for s, ok := range map[string]bool{"": true, "key": true, "key,tenant,route,provider,model,day": true, "key,key": false, "nonsense": false, "key,": false, "Key": false} {
		g, err := ParseGroups(s)
		if (err == nil) != ok {
			t.Errorf("%q: %v, %v", s, g, err)
		}
	}
}

func FuzzParseGroups(f *testing.F) {
	f.Add("key,day")
	f.Add(",")
	f.Fuzz(func(t *testing.T, s string) {
		groups, err := ParseGroups(s)
		if err != nil {
			return
		}
		var names []string
		for _, g := range groups {
			names = append(names, g.String())
		}
		if strings.Join(names, ",") != s {
			t.Errorf("%q became %v", s, names)
		}
	})
}

// free is a store that costs nothing.
type free struct{ Memory }

func (*free) Write(context.Context, *Batch) error { return nil }

func BenchmarkRecord(b *testing.B) {
	r := New(Options{Store: &free{}, Patience: time.Hour})
	defer r.Close(context.Background()) //nolint:errcheck // it cannot fail
	one := rec(1)
	b.ReportAllocs()
	for b.Loop() {
		r.Record(one)
	}
}

func BenchmarkEncode(b *testing.B) {
	all := recs(0, 500)
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = appendRows(buf[:0], all)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/500, "ns/record")
	b.ReportMetric(float64(len(buf))/500, "bytes/record")
}

// benchBatch is a full batch of calls as three keys make them. The calls of a
// key share their labels, as they do in the gateway.
func benchBatch(tags bool) []Record {
	all := recs(0, defaultBatch)
	labels := map[string]string{"team": "a", "stage": "production"}
	for i := range all {
		all[i].Time, all[i].Labels = noon, labels
		all[i].RequestID, all[i].UpstreamID = fmt.Sprintf("req_%026d", i), fmt.Sprintf("chatcmpl-%029d", i)
		if !tags {
			all[i].Tags = nil
		}
	}
	return all
}

// BenchmarkSQLite is what a record costs in the end, in full batches.
func BenchmarkSQLite(b *testing.B) {
	for _, tags := range []bool{false, true} {
		b.Run(fmt.Sprintf("tags=%v", tags), func(b *testing.B) {
			s, err := OpenSQLite(b.Context(), b.TempDir()+"/ledger.db")
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			all := benchBatch(tags)
			n := 0
			b.ReportAllocs()
			before := cpuTime()
			for b.Loop() {
				n++
				if err := s.Write(b.Context(), &Batch{ID: time.Duration(n).String(), Records: all}); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(n)/defaultBatch, "cpu-ns/record")
		})
	}
}
