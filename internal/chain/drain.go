package chain

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/tasks"
)

// The defaults of DrainerOptions.
const (
	DefaultDrains     = 100
	DefaultDrainTime  = time.Minute
	DefaultDrainBytes = 16 << 20
)

// How a drain ended.
const (
	DrainComplete = "complete" // the stream's end came, and its usage with it
	DrainCut      = "cut"      // the stream broke off
	DrainBound    = "bound"    // it took too long, or was too much
	DrainRefused  = "refused"  // too many drains were under way
)

// DrainObserver counts drains. Its methods must not block.
type DrainObserver interface {
	DrainStarted()
	DrainEnded(result string) // of DrainRefused there was no start
}

// DrainerOptions makes a Drainer.
type DrainerOptions struct {
	Most     int           // drains at once; 0 = DefaultDrains
	Time     time.Duration // from the client's leaving to the end; 0 = DefaultDrainTime
	Bytes    int64         // read after the client has left; 0 = DefaultDrainBytes
	Observer DrainObserver // nil = nobody
}

// Drainer reads streams whose clients have left on to their end, to learn what
// they used. It owns the goroutines that do so, and must be closed.
type Drainer struct {
	o     DrainerOptions
	slots chan struct{} // one element for each drain
	group tasks.Group
	life  context.Context
	end   context.CancelFunc
}

// NewDrainer makes a Drainer.
func NewDrainer(o DrainerOptions) *Drainer {
	if o.Most <= 0 {
		o.Most = DefaultDrains
	}
	if o.Time <= 0 {
		o.Time = DefaultDrainTime
	}
	if o.Bytes <= 0 {
		o.Bytes = DefaultDrainBytes
	}
	if o.Observer == nil {
		o.Observer = noDrains{}
	}
	d := &Drainer{o: o, slots: make(chan struct{}, o.Most)}
	d.life, d.end = context.WithCancel(context.Background()) // of no request: those it reads for have gone
	return d
}

type noDrains struct{}

func (noDrains) DrainStarted()     {}
func (noDrains) DrainEnded(string) {}

// Close waits for the drains under way as long as ctx allows, and then ends
// them. Streams that are left afterwards are not drained.
func (d *Drainer) Close(ctx context.Context) {
	stop := context.AfterFunc(ctx, d.end)
	d.group.Close()
	stop()
	d.end()
}

// Drain lets streams outlive their clients: the upstream's context is not the
// client's. While an answer is awaited, and when a context ends for another
// reason than that the client left, the upstream is still cancelled at once. It
// belongs outermost, so that a drained call holds what it holds until its end.
type Drain struct {
	next llm.Provider
	d    *Drainer
}

// NewDrain decorates a provider.
func NewDrain(next llm.Provider, d *Drainer) *Drain { return &Drain{next: next, d: d} }

// Do performs the call.
func (p *Drain) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	if !c.Stream {
		return p.next.Do(ctx, c)
	}
	c.Keep()
	w := &watch{d: p.d}
	w.detach(ctx)
	stop := context.AfterFunc(ctx, func() { w.ended(ctx) })
	reply, err := p.next.Do(w.life, c)
	if _, over := llm.Settled(reply, err); over {
		stop()
		w.cancel(nil)
		return reply, err
	}
	w.begin()
	llm.OnDone(reply, nil, func(llm.Done) {
		stop()
		w.finish()
	})
	llm.OnLeave(reply, w.take)
	return reply, nil
}

// errDrained is why a drain's upstream is cancelled.
var errDrained = errors.New("the client has left, and its stream is not read on")

// watch is the state of one stream.
type watch struct {
	d      *Drainer
	life   context.Context // the upstream's
	cancel context.CancelCauseFunc

	mu        sync.Mutex
	streaming bool
	over      bool
	held      bool        // a slot
	timer     *time.Timer // set with held
	unlife    func() bool // likewise
}

// detach makes the upstream's context: it has the values and the deadline of
// the client's.
func (w *watch) detach(ctx context.Context) {
	life := context.WithoutCancel(ctx)
	release := func() {}
	if until, ok := ctx.Deadline(); ok {
		life, release = context.WithDeadline(life, until)
	}
	life, cancel := context.WithCancelCause(life)
	w.life, w.cancel = life, func(cause error) {
		cancel(cause)
		release()
	}
}

func (w *watch) begin() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.streaming = true
}

// ended is told that the client's context has ended. If the client left, the
// stream may go on; whoever reads it will notice, and close it.
func (w *watch) ended(ctx context.Context) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch cause := context.Cause(ctx); {
	case cause == context.DeadlineExceeded: // that of w.life is the same
	case cause != context.Canceled: // the server's end, a lost race
		w.cancel(cause)
	case !w.streaming || !w.hold():
		w.cancel(cause)
	}
}

// hold takes a slot, if need be, and starts the clock. w.mu is held.
func (w *watch) hold() bool {
	if w.held {
		return true
	}
	if w.over || w.d.life.Err() != nil {
		return false
	}
	select {
	case w.d.slots <- struct{}{}:
	default:
		w.d.o.Observer.DrainEnded(DrainRefused)
		return false
	}
	w.held = true
	w.timer = time.AfterFunc(w.d.o.Time, func() { w.cancel(errDrained) })
	w.unlife = context.AfterFunc(w.d.life, func() { w.cancel(errDrained) })
	return true
}

// take has the stream read on in a goroutine of the Drainer's.
func (w *watch) take(l llm.Left) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.hold() {
		return false
	}
	return w.d.group.Go(func() {
		w.d.o.Observer.DrainStarted()
		result := w.read(l)
		l.End()
		w.d.o.Observer.DrainEnded(result)
	})
}

// read reads to the end or a bound, and says which.
func (w *watch) read(l llm.Left) string {
	for n := int64(0); n <= w.d.o.Bytes; {
		ev, err := l.Recv()
		switch {
		case err == io.EOF:
			return DrainComplete
		case err != nil && context.Cause(w.life) == errDrained:
			return DrainBound
		case err != nil:
			return DrainCut
		}
		n += int64(len(ev.Raw) + len(ev.Text) + 1) // an event without either is no reason to read for ever
	}
	return DrainBound
}

// finish gives back what hold has taken and ends the upstream's context.
func (w *watch) finish() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.over = true
	if w.held {
		w.held = false
		w.timer.Stop()
		w.unlife()
		<-w.d.slots
	}
	w.cancel(nil)
}
