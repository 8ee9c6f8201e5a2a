package ledger

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// Observer counts what happens to records. It must not block.
type Observer interface {
	Written(records int, took time.Duration) // a batch was committed
	Lost(records int)                        // records will never be written
	Failed()                                 // a write failed, and may be tried again
}

// Options makes a Recorder. Zero values mean the defaults.
type Options struct {
	Store     Store         // required; the Recorder closes it
	Logger    *slog.Logger  // nil = none
	Observer  Observer      // nil = nobody
	Queue     int           // records that may wait; default 16,384
	Batch     int           // records of one commit; default 2,000
	Interval  time.Duration // how long a record waits for others to be committed with; default 200 ms
	Patience  time.Duration // how long Record waits for room at most; default 50 ms
	Retention time.Duration // records older than this are deleted; 0 = kept
}

const (
	defaultQueue    = 16_384
	defaultBatch    = 2000
	defaultInterval = 200 * time.Millisecond
	defaultPatience = 50 * time.Millisecond

	writeTimeout = 10 * time.Second // of one try
	retryBase    = 50 * time.Millisecond
	retryCap     = 2 * time.Second
	refusedTries = 3 // of a batch that the store will not have
	trimPeriod   = time.Hour
	trimFirst    = time.Minute // after the start
	trimPause    = 20 * time.Millisecond
	trimTimeout  = 30 * time.Second // of one step
)

func (o Options) withDefaults() Options {
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	if o.Observer == nil {
		o.Observer = nobody{}
	}
	if o.Queue <= 0 {
		o.Queue = defaultQueue
	}
	if o.Batch <= 0 {
		o.Batch = defaultBatch
	}
	if o.Interval <= 0 {
		o.Interval = defaultInterval
	}
	if o.Patience <= 0 {
		o.Patience = defaultPatience
	}
	return o
}

type nobody struct{}

func (nobody) Written(int, time.Duration) {}
func (nobody) Lost(int)                   {}
func (nobody) Failed()                    {}

// Stats are counts since the start, and the state of things.
type Stats struct {
	Store   string // where records go
	Waiting int    // records that are not committed yet
	Written int64
	Lost    int64
	Failing string // what the last write failed with; "" when it succeeded
}

// Recorder takes records and has them written. It is safe for concurrent use.
type Recorder struct {
	o    Options
	q    *queue
	life context.Context
	end  context.CancelFunc
	wg   sync.WaitGroup
	stop chan struct{} // closed by Close: no more waiting

	hurry   atomic.Int32 // callers of Flush
	written atomic.Int64
	lost    atomic.Int64
	told    atomic.Int64 // when a loss was logged last, Unix nanoseconds
	untold  atomic.Int64 // losses since

	mu       sync.Mutex // guards what follows
	failing  string
	ended    int64         // records that were accepted and are committed or lost
	progress chan struct{} // closed when a batch has ended
	closed   bool
}

// New starts a Recorder, which must be closed.
func New(o Options) *Recorder {
	r := &Recorder{o: o.withDefaults(), stop: make(chan struct{}), progress: make(chan struct{})}
	r.q = newQueue(r.o.Queue, r.o.Batch)
	// Not of any caller: what was recorded is written after they have gone.
	r.life, r.end = context.WithCancel(context.Background())
	r.wg.Go(r.write)
	if r.o.Retention > 0 {
		r.wg.Go(r.keep)
	}
	return r
}

// Record hands a record over. It returns at once, except when the queue is
// full: then it waits for room, at most Options.Patience and not at all while
// others wait in vain, and after that the record is lost, counted and logged.
func (r *Recorder) Record(rec Record) {
	if r.q.add(&rec) || r.q.addWaiting(&rec, r.o.Patience) {
		return
	}
	r.lose(1, "the queue is full")
}

// lose counts lost records, and logs them at most once a second.
func (r *Recorder) lose(n int, why string) {
	r.lost.Add(int64(n))
	r.o.Observer.Lost(n)
	r.untold.Add(int64(n))
	now, last := time.Now().UnixNano(), r.told.Load()
	if now-last < int64(time.Second) || !r.told.CompareAndSwap(last, now) {
		return
	}
	r.o.Logger.LogAttrs(r.life, slog.LevelError, "usage records are lost",
		slog.Int64("records", r.untold.Swap(0)), slog.Int64("total", r.lost.Load()), slog.String("why", why))
}

// Stats returns the counts.
func (r *Recorder) Stats() Stats {
	_, put := r.q.state()
	r.mu.Lock()
	defer r.mu.Unlock()
	return Stats{
		Store: r.o.Store.String(), Waiting: int(max(put-r.ended, 0)), Written: r.written.Load(), Lost: r.lost.Load(), Failing: r.failing,
	}
}

// Usage returns what has been committed so far; see Reader.
func (r *Recorder) Usage(ctx context.Context, q Query) ([]Row, error) {
	return r.o.Store.Usage(ctx, q)
}

// Flush waits until all that was recorded before has been committed or lost.
func (r *Recorder) Flush(ctx context.Context) error {
	r.hurry.Add(1)
	defer r.hurry.Add(-1)
	_, target := r.q.state()
	for {
		r.mu.Lock()
		progress := r.progress
		r.mu.Unlock()
		if r.settled() >= target {
			return nil
		}
		r.q.nudge()
		select {
		case <-progress:
		case <-ctx.Done():
			return fmt.Errorf("flush the usage ledger: %w", ctx.Err())
		}
	}
}

// settled is how many of the records that were accepted have come to an end.
func (r *Recorder) settled() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.ended
}

// Close takes no more records, writes what waits for as long as ctx allows,
// counts the rest as lost, and closes the store. A second call does nothing.
func (r *Recorder) Close(ctx context.Context) error {
	r.mu.Lock()
	again := r.closed
	r.closed = true
	r.mu.Unlock()
	if again {
		return nil
	}
	r.q.close()
	close(r.stop)
	stop := context.AfterFunc(ctx, r.end)
	r.wg.Wait()
	stop()
	r.end()
	return errors.Join(r.o.Store.Close())
}

// write is the writer's life.
func (r *Recorder) write() {
	var batch []Record
	for r.await() {
		batch = r.q.take(batch[:0])
		if len(batch) > 0 {
			r.commit(batch)
			clear(batch)
		}
	}
}

// await waits until there is something worth a batch: a full one, or some
// records for Options.Interval. It returns false at the end.
func (r *Recorder) await() bool {
	waiting, _ := r.q.state()
	for waiting == 0 {
		select {
		case <-r.q.wake:
		case <-r.stop:
			waiting, _ = r.q.state()
			return waiting > 0
		}
		waiting, _ = r.q.state()
	}
	t := time.NewTimer(r.o.Interval)
	defer t.Stop()
	for waiting < r.o.Batch && r.hurry.Load() == 0 {
		select {
		case <-r.q.wake:
		case <-r.stop:
			return true
		case <-t.C:
			return true
		}
		waiting, _ = r.q.state()
	}
	return true
}

// commit writes a batch, as often as it takes while the store may come back.
func (r *Recorder) commit(records []Record) {
	for i := range records {
		records[i].tame()
	}
	b := &Batch{ID: rand.Text(), Records: records}
	start := time.Now()
	err := r.try(b)
	if err != nil {
		r.lose(len(records), err.Error())
	} else {
		r.written.Add(int64(len(records)))
		r.o.Observer.Written(len(records), time.Since(start))
	}
	r.mu.Lock()
	r.ended += int64(len(records))
	close(r.progress)
	r.progress = make(chan struct{})
	r.mu.Unlock()
}
