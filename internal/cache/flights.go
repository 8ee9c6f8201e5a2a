package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/tasks"
)

// Upstream makes the call for which there is no answer yet. It is called at most
// once for a call, perhaps from another goroutine and after the caller has gone.
type Upstream func(ctx context.Context, c *llm.Call) (*llm.Reply, error)

// Flights are the calls under way that others may share. The zero value is not
// ready: see NewFlights. It is safe for concurrent use and must be closed.
type Flights struct {
	bound int
	tasks tasks.Group

	mu sync.Mutex
	m  map[Key]*flight
}

// defaultBound is how much of a stream is kept for those who join late.
const defaultBound = 1 << 20

// NewFlights makes an empty set. A stream of which more than bound bytes have
// come, bookkeeping included, cannot be joined any more; 0 = 1 MiB.
func NewFlights(bound int) *Flights {
	if bound <= 0 {
		bound = defaultBound
	}
	return &Flights{bound: bound, m: map[Key]*flight{}}
}

// Close waits for the flights under way, which end with their last reader.
func (g *Flights) Close() error {
	g.tasks.Close()
	return nil
}

// Len returns how many flights can be joined.
func (g *Flights) Len() int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.m)
}

// departure is what a new flight does.
type departure struct {
	key  Key
	call *llm.Call // the flight's own
	up   Upstream
	keep func(value []byte) // an answer that may be given again, nil = it may not
	max  int                // bytes of the largest entry
}

// board returns a reader of a flight under way, or of a new one. It returns nil
// when no more flights are made.
func (g *Flights) board(ctx context.Context, d func() departure, k Key) *reader {
	g.mu.Lock()
	defer g.mu.Unlock()
	if f, ok := g.m[k]; ok {
		if r := f.join(false); r != nil {
			return r
		}
	}
	// The flight outlives the call that begins it, if others want it.
	life, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	f := newFlight(g.bound, cancel)
	r := f.join(true)
	dep := d()
	if !g.tasks.Go(func() { g.fly(life, f, dep) }) {
		cancel(nil)
		return nil
	}
	g.m[k] = f
	return r
}

// remove makes room for a new flight of the same call.
func (g *Flights) remove(k Key, f *flight) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.m[k] == f {
		delete(g.m, k)
	}
}

// fly performs a flight from its beginning to its end.
func (g *Flights) fly(ctx context.Context, f *flight, d departure) {
	defer f.cancel(nil)
	defer g.remove(d.key, f)
	defer func() {
		if p := recover(); p != nil {
			f.failed(panicked(p))
		}
	}()
	reply, err := d.up(ctx, d.call)
	if err != nil {
		f.failed(llm.AsError(err))
		return
	}
	if reply.Stream == nil {
		g.whole(f, reply, d)
		return
	}
	defer reply.Close()
	g.pump(ctx, f, reply, d)
}

// errPanic says that an error was a panic.
var errPanic = errors.New("panic")

// panicked is the error of a flight that has panicked. Only logs see its cause.
func panicked(p any) *llm.Error {
	e := llm.Errorf(llm.KindInternal, "internal error")
	e.Err = fmt.Errorf("%w: %T\n%s", errPanic, p, debug.Stack())
	return e
}

func (g *Flights) whole(f *flight, reply *llm.Reply, d departure) {
	value := whole(reply)
	if value == nil {
		f.failed(llm.Errorf(llm.KindInternal, "the answer cannot be shared"))
		return
	}
	if worth(d.call, reply.Finish) {
		d.keep(value)
	}
	f.answered(reply, value)
}

// pump gives a stream to the readers.
func (g *Flights) pump(ctx context.Context, f *flight, reply *llm.Reply, d departure) {
	rec := newRecorder(d.call, reply, d.max)
	f.begun(reply)
	open := true
	for {
		ev, err := reply.Stream.Recv()
		if err != nil {
			if err == io.EOF {
				d.keep(rec.entry())
			}
			f.ended(err)
			return
		}
		rec.add(ev)
		f.add(ctx, own(*ev))
		if open && f.full() {
			open = false
			g.remove(d.key, f)
		}
	}
}
