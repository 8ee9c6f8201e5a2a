package chain

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type do = llm.ProviderFunc

// upstream is a provider that plays one function for each call, the last one
// again and again.
type upstream struct {
	mu    sync.Mutex
	play  []do
	calls int
}

func plays(fs ...do) *upstream { return &upstream{play: fs} }

func (u *upstream) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	u.mu.Lock()
	f := u.play[min(u.calls, len(u.play)-1)]
	u.calls++
	u.mu.Unlock()
	return f(ctx, c)
}

// asked returns how many calls came.
func (u *upstream) asked() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.calls
}

// pass lets time pass. Inside a synctest bubble it is exact and takes no time.
func pass(d time.Duration) { <-time.After(d) }

// sleep waits as a transport does: until d is over or ctx ends.
func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// late delays a provider by d.
func late(d time.Duration, f do) do {
	return func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
		if err := sleep(ctx, d); err != nil {
			return nil, err
		}
		return f(ctx, c)
	}
}

func answers(context.Context, *llm.Call) (*llm.Reply, error) {
	return &llm.Reply{Raw: []byte("{}"), ID: "req_1", Usage: llm.Usage{Input: 3, Output: 4, Source: llm.UsageReported}, Finish: llm.FinishStop}, nil
}

func fails(k llm.Kind) do {
	return func(context.Context, *llm.Call) (*llm.Reply, error) {
		return nil, &llm.Error{Kind: k, Message: "failed", Status: 500}
	}
}

func failsAfter(k llm.Kind, retryAfter time.Duration) do {
	return func(context.Context, *llm.Call) (*llm.Reply, error) {
		return nil, &llm.Error{Kind: k, Message: "failed", Status: 429, RetryAfter: retryAfter}
	}
}

func panics(context.Context, *llm.Call) (*llm.Reply, error) { panic("provider bug") }

// hangs waits for the context alone and then says so in its own words.
func hangs(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
	<-ctx.Done()
	return nil, errors.New("transport: operation was stopped")
}

// step is one Recv of a feed: wait, then an event, an error or a panic.
type step struct {
	after time.Duration
	ev    llm.Event
	err   error
	panic string
}

func text(s string) step               { return step{ev: llm.Event{Kind: llm.EventText, Text: s}} }
func kind(k llm.EventKind) step        { return step{ev: llm.Event{Kind: k}} }
func ends(err error) step              { return step{err: err} }
func (s step) in(d time.Duration) step { s.after = d; return s }

// feed is a provider's stream: it plays steps and obeys its context, as a body
// of an HTTP response does.
type feed struct {
	ctx    context.Context
	steps  []step
	closes *int
}

func (f *feed) Recv() (*llm.Event, error) {
	if err := f.ctx.Err(); err != nil {
		return nil, err
	}
	if len(f.steps) == 0 {
		return nil, io.EOF
	}
	s := f.steps[0]
	if err := sleep(f.ctx, s.after); err != nil {
		return nil, err
	}
	f.steps = f.steps[1:]
	if s.panic != "" {
		panic(s.panic)
	}
	return &s.ev, s.err
}

func (f *feed) Close() error {
	if f.closes != nil {
		*f.closes++
	}
	return nil
}

func streams(steps ...step) do {
	return func(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
		return &llm.Reply{Stream: &feed{ctx: ctx, steps: steps}, ID: "req_s"}, nil
	}
}

func unaryCall() *llm.Call { return &llm.Call{Op: llm.OpChat, Model: "m", Meta: &llm.Meta{}} }
func streamCall() *llm.Call {
	return &llm.Call{Op: llm.OpChat, Model: "m", Stream: true, Meta: &llm.Meta{}}
}

// drain reads a reply's stream to its end.
func drain(r *llm.Reply) (text string, err error) {
	for {
		ev, err := r.Stream.Recv()
		if err != nil {
			return text, err
		}
		text += ev.Text
	}
}

// failed checks that err is an *llm.Error of a kind and returns it.
func failed(t *testing.T, err error, k llm.Kind) *llm.Error {
	t.Helper()
	var e *llm.Error
	if !errors.As(err, &e) || e.Kind != k {
		t.Fatalf("got %v, want %v", err, k)
	}
	return e
}

// succeeded checks that there is a reply.
func succeeded(t *testing.T, r *llm.Reply, err error) *llm.Reply {
	t.Helper()
	if err != nil || r == nil {
		t.Fatalf("got %v, %v", r, err)
	}
	return r
}

// attempts collects attempts.
type attempts struct {
	mu   sync.Mutex
	list []Attempt
}

func (a *attempts) AttemptEnded(x Attempt) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, x)
}

func (a *attempts) all() []Attempt {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.list
}

// outcomes returns the outcome of each attempt, in order.
func (a *attempts) outcomes() (list []string) {
	for _, x := range a.all() {
		list = append(list, x.Done.Outcome())
	}
	return list
}
