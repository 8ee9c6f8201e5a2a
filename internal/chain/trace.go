package chain

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Tracer makes a span of each attempt. The span travels in the context. Its
// methods must not block; they may be called from several goroutines at once,
// but for one span from one at a time.
type Tracer interface {
	// Begin starts a span below that of ctx. The call that it returns carries
	// the span on to the provider. When recorded is false, nothing more is told
	// of this attempt.
	Begin(ctx context.Context, c *llm.Call) (_ context.Context, traced *llm.Call, recorded bool)

	// First is told of the events of a stream up to its first piece of content,
	// that one included. The event is valid only until it returns.
	First(ctx context.Context, ev *llm.Event)

	// End ends the span, a stream's when the stream has ended. r is nil when
	// there was no reply.
	End(ctx context.Context, r *llm.Reply, d llm.Done)
}

// EventTracer notes on the span of ctx, which is that of the request, what
// happens around the attempts.
type EventTracer interface {
	Retrying(ctx context.Context, reason llm.Kind, wait time.Duration)

	// CircuitChanged is told of a change that this call has caused, and of a
	// refusal by the circuit, where from and to are the same.
	CircuitChanged(ctx context.Context, from, to string)
}

// TraceOptions makes a Trace.
type TraceOptions struct {
	Tracer Tracer // must not be nil
}

// Trace makes a span of each attempt. It stands around Attempts, whose errors
// have their final form.
type Trace struct {
	next llm.Provider
	o    TraceOptions
}

// NewTrace decorates a provider.
func NewTrace(next llm.Provider, o TraceOptions) *Trace { return &Trace{next: next, o: o} }

// Do makes the attempt below a span of its own.
func (t *Trace) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	ctx, c, recorded := t.o.Tracer.Begin(ctx, c)
	reply, err := t.next.Do(ctx, c)
	if !recorded {
		return reply, err
	}
	if d, over := llm.Settled(reply, err); over {
		t.o.Tracer.End(ctx, reply, d)
		return reply, err
	}
	llm.Wrap(reply, func(st llm.Stream) llm.Stream { return &traced{Stream: st, ctx: ctx, tracer: t.o.Tracer} })
	llm.OnDone(reply, nil, func(d llm.Done) { t.o.Tracer.End(ctx, reply, d) })
	return reply, nil
}

// traced shows a stream's first events to the tracer.
type traced struct {
	llm.Stream
	ctx    context.Context // of the span
	tracer Tracer
	begun  bool // the first piece of content has come
}

// Recv receives the next event.
func (t *traced) Recv() (*llm.Event, error) {
	ev, err := t.Stream.Recv()
	if !t.begun && err == nil {
		t.begun = ev.Content()
		t.tracer.First(t.ctx, ev)
	}
	return ev, err
}
