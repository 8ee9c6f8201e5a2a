package tracing

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The reasons for which spans are dropped.
const (
	DroppedQueueFull = "queue_full"    // they came faster than the collector takes them
	DroppedExport    = "export_failed" // the collector did not take them in time
	DroppedRejected  = "rejected"      // the collector took the batch, but not these
	DroppedShutdown  = "shutdown"      // the gateway ended before they could be sent
)

// Reasons returns all reasons for which spans are dropped.
func Reasons() []string {
	return []string{DroppedQueueFull, DroppedExport, DroppedRejected, DroppedShutdown}
}

// batcherOptions makes a batcher. No field may be zero but the logger.
type batcherOptions struct {
	exporter sdktrace.SpanExporter
	queue    int           // spans that wait at most
	batch    int           // spans in one export at most
	interval time.Duration // longest wait of a span for others
	timeout  time.Duration // for one export, its repetitions included
	dropped  func(n int, reason string)
	log      *slog.Logger
}

// batcher is the span processor between the SDK and the exporter: a bounded
// queue and one goroutine that empties it. Ending a span never waits: what
// finds the queue full is dropped and counted. It stands in for the SDK's own
// batch processor because that one tells nobody what it drops.
type batcher struct {
	o    batcherOptions
	wake chan struct{}        // a whole batch is waiting
	want chan chan<- struct{} // somebody waits for all to be sent
	stop chan struct{}        // closed by Shutdown
	done chan struct{}        // closed when the goroutine has ended
	life context.Context      // of exports; cut when Shutdown's time is over
	cut  context.CancelFunc

	mu     sync.Mutex
	queue  []sdktrace.ReadOnlySpan
	closed bool

	failing bool // the goroutine's own: the last export failed
}

func newBatcher(ctx context.Context, o batcherOptions) *batcher {
	b := &batcher{
		o: o, wake: make(chan struct{}, 1), want: make(chan chan<- struct{}), stop: make(chan struct{}), done: make(chan struct{}),
		queue: make([]sdktrace.ReadOnlySpan, 0, o.queue),
	}
	b.life, b.cut = context.WithCancel(ctx)
	go b.run()
	return b
}

// OnStart does nothing.
func (b *batcher) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd queues a span of a sampled trace, or drops it.
func (b *batcher) OnEnd(s sdktrace.ReadOnlySpan) {
	if !s.SpanContext().IsSampled() {
		return
	}
	b.mu.Lock()
	reason := ""
	switch {
	case b.closed:
		reason = DroppedShutdown
	case len(b.queue) == b.o.queue:
		reason = DroppedQueueFull
	default:
		b.queue = append(b.queue, s)
	}
	full := len(b.queue) >= b.o.batch
	b.mu.Unlock()
	if reason != "" {
		b.o.dropped(1, reason)
	}
	if full {
		select {
		case b.wake <- struct{}{}:
		default:
		}
	}
}

// ForceFlush returns when what was queued has been sent or dropped.
func (b *batcher) ForceFlush(ctx context.Context) error {
	sent := make(chan struct{})
	select {
	case b.want <- sent:
	case <-b.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case <-sent:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Shutdown sends what is queued until ctx ends, and drops the rest.
func (b *batcher) Shutdown(ctx context.Context) error {
	b.mu.Lock()
	again := b.closed
	b.closed = true
	b.mu.Unlock()
	if !again {
		close(b.stop)
	}
	var err error
	select {
	case <-b.done:
	case <-ctx.Done():
		err = context.Cause(ctx)
	}
	b.cut()
	<-b.done
	return errors.Join(err, b.o.exporter.Shutdown(ctx))
}

func (b *batcher) run() {
	defer close(b.done)
	tick := time.NewTimer(b.o.interval)
	defer tick.Stop()
	for {
		select {
		case <-b.wake:
			b.send(b.o.batch)
		case <-tick.C:
			b.send(1)
		case sent := <-b.want:
			b.send(1)
			close(sent)
		case <-b.stop:
			b.send(1)
			return
		}
		tick.Reset(b.o.interval)
	}
}

// send exports batches for as long as at least so many spans are waiting.
func (b *batcher) send(least int) {
	for {
		batch := b.take(least)
		if len(batch) == 0 {
			return
		}
		ctx, cancel := context.WithTimeout(b.life, b.o.timeout)
		err := b.o.exporter.ExportSpans(ctx, batch)
		cancel()
		b.report(len(batch), err)
	}
}

// take removes a batch from the head of the queue.
func (b *batcher) take(least int) []sdktrace.ReadOnlySpan {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.queue) < least {
		return nil
	}
	n := min(len(b.queue), b.o.batch)
	batch := append([]sdktrace.ReadOnlySpan(nil), b.queue[:n]...)
	rest := copy(b.queue, b.queue[n:])
	clear(b.queue[rest:])
	b.queue = b.queue[:rest]
	return batch
}

// report counts what a failed export lost, and logs the first failure and the
// first success after it, not every one.
func (b *batcher) report(spans int, err error) {
	if err == nil {
		if b.failing {
			b.o.log.InfoContext(b.life, "traces reach the collector again")
		}
		b.failing = false
		return
	}
	reason := DroppedExport
	if b.life.Err() != nil {
		reason = DroppedShutdown
	}
	b.o.dropped(spans, reason)
	if !b.failing {
		b.o.log.WarnContext(b.life, "traces do not reach the collector", slog.Any("error", err))
	}
	b.failing = true
}
