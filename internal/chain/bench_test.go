package chain

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/breaker"
)

// nobody observes everything and keeps nothing.
type nobody struct{}

func (nobody) CallStarted(*llm.Call)                                       {}
func (nobody) CallEnded(*llm.Call, llm.Done, time.Duration, time.Duration) {}
func (nobody) AttemptEnded(Attempt)                                        {}
func (nobody) LimitHeld(string, time.Duration, bool)                       {}
func (nobody) Retried(llm.Kind)                                            {}

// fullOptions switches everything on, with limits that hold no one.
func fullOptions() Options {
	var n nobody
	return Options{
		Provider: "p", Observer: n, Attempts: n,
		Retry:   RetryOptions{Observer: n, Budget: NewRetryBudget(BudgetOptions{})},
		Circuit: breaker.New(breaker.Options{}),
		Limit:   newAccount(rule{RPS: 1e9, Concurrency: 1000}).limit(LimitOptions{Observer: n}),
	}
}

func unaryStub() llm.Provider {
	raw := []byte("{}")
	return llm.ProviderFunc(func(context.Context, *llm.Call) (*llm.Reply, error) {
		return &llm.Reply{Raw: raw, Usage: llm.Usage{Input: 1, Output: 1}}, nil
	})
}

// endless yields the same event again and again, n times.
type endless struct {
	n  int
	ev llm.Event
}

func (e *endless) Recv() (*llm.Event, error) {
	if e.n--; e.n < 0 {
		return nil, io.EOF
	}
	e.ev = llm.Event{Kind: llm.EventText, Text: "x"}
	return &e.ev, nil
}
func (e *endless) Close() error { return nil }

func streamStub(n int) llm.Provider {
	return llm.ProviderFunc(func(context.Context, *llm.Call) (*llm.Reply, error) {
		return &llm.Reply{Stream: &endless{n: n}}, nil
	})
}

func doUnary(tb testing.TB, p llm.Provider, ctx context.Context, c *llm.Call) {
	if _, err := p.Do(ctx, c); err != nil {
		tb.Fatal(err)
	}
}

func doStream(tb testing.TB, p llm.Provider, ctx context.Context, c *llm.Call) {
	r, err := p.Do(ctx, c)
	if err != nil {
		tb.Fatal(err)
	}
	defer r.Close()
	for {
		if _, err := r.Stream.Recv(); err == io.EOF {
			return
		} else if err != nil {
			tb.Fatal(err)
		}
	}
}

// TestAllocationCeilings keeps the fast path lean. A unary call allocates the
// attempt's context and its cancel function, and the stub its reply; the clock
// and its timer are used again. Events of a stream allocate nothing.
func TestAllocationCeilings(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	unary := &llm.Call{Op: llm.OpChat, Meta: &llm.Meta{}, Deadline: time.Now().Add(time.Hour)}
	stream := &llm.Call{Op: llm.OpChat, Stream: true, Meta: &llm.Meta{}}
	u, s1, s100 := Build(unaryStub(), fullOptions()), Build(streamStub(1), fullOptions()), Build(streamStub(101), fullOptions())
	if n := testing.AllocsPerRun(500, func() { doUnary(t, u, ctx, unary) }); n > 3 {
		t.Errorf("a unary call: %v allocations", n)
	}
	one := testing.AllocsPerRun(500, func() { doStream(t, s1, ctx, stream) })
	if one > 18 {
		t.Errorf("a stream: %v allocations", one)
	}
	if many := testing.AllocsPerRun(500, func() { doStream(t, s100, ctx, stream) }); many > one {
		t.Errorf("100 more events: %v allocations more", many-one)
	}
}

func BenchmarkUnary(b *testing.B) {
	b.ReportAllocs()
	p := Build(unaryStub(), fullOptions())
	c := &llm.Call{Op: llm.OpChat, Meta: &llm.Meta{}, Deadline: time.Now().Add(time.Hour)}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	for b.Loop() {
		doUnary(b, p, ctx, c)
	}
}

// BenchmarkUnaryFreshContext counts what a context that is new for each
// request, as a server's is, must allocate for its first child.
func BenchmarkUnaryFreshContext(b *testing.B) {
	b.ReportAllocs()
	p := Build(unaryStub(), fullOptions())
	c := &llm.Call{Op: llm.OpChat, Meta: &llm.Meta{}, Deadline: time.Now().Add(time.Hour)}
	for b.Loop() {
		ctx, cancel := context.WithCancel(b.Context())
		doUnary(b, p, ctx, c)
		cancel()
	}
}

func BenchmarkContextAlone(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		_, cancel := context.WithCancel(b.Context())
		cancel()
	}
}

func BenchmarkUnaryBare(b *testing.B) {
	b.ReportAllocs()
	p := unaryStub()
	c := &llm.Call{Op: llm.OpChat, Meta: &llm.Meta{}}
	for b.Loop() {
		doUnary(b, p, b.Context(), c)
	}
}

func BenchmarkStream100(b *testing.B) {
	b.ReportAllocs()
	p := Build(streamStub(100), fullOptions())
	c := &llm.Call{Op: llm.OpChat, Stream: true, Meta: &llm.Meta{}}
	ctx, cancel := context.WithCancel(b.Context())
	defer cancel()
	for b.Loop() {
		doStream(b, p, ctx, c)
	}
}
