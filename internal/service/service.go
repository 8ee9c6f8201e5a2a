// Package service is the use case: it takes a call, finds the targets that may
// answer it, tries them in order, and hands back the first reply that starts
// well. It knows no HTTP and no wire format.
package service

import (
	"context"
	"crypto/rand"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
)

// Router finds the route for a model name; see route.Table.
type Router interface {
	Resolve(model string) (*route.Route, error)
	Default() string
}

// Observer is told of what happens between targets.
type Observer interface {
	FellBack(route, from, to string)
}

// Admitter reserves what a call may use, before any target is asked: requests,
// tokens, a slot, money. It refuses with KindRateLimited or KindBudgetExceeded
// and reserves either everything or nothing.
type Admitter interface {
	Admit(ctx context.Context, c *llm.Call) (Lease, error)
}

// Lease is a reservation. Settle is called exactly once, when the call has
// ended, with the price of the target that answered (nil when none did or its
// price is unknown).
type Lease interface {
	Settle(d llm.Done, price llm.Pricer)
}

// Options makes a Service.
type Options struct {
	Router   Router
	Admit    Admitter // nil = no limits
	Observer Observer // nil = nobody
	Models   []Model  // what GET /v1/models lists, before the caller's permissions

	// Refused is told of every call that failed before any attempt at an
	// upstream: no such model, not allowed, over a limit, every circuit open.
	// It must not block. nil = nobody.
	Refused func(c *llm.Call, e *llm.Error)
}

// Service performs calls. It is safe for concurrent use.
type Service struct {
	o      Options
	models []Model
}

// New makes a Service.
func New(o Options) *Service {
	s := &Service{o: o, models: sortModels(o.Models)}
	if s.o.Observer == nil {
		s.o.Observer = nobody{}
	}
	return s
}

type nobody struct{}

func (nobody) FellBack(string, string, string) {}

// Do performs c. c.Model is what the client asked for, and may be empty when
// there is a default model; c.Meta must be set, and its Route is filled in
// here. The reply must be closed. Errors are always *llm.Error.
func (s *Service) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	reply, err := s.do(ctx, c)
	if err != nil && s.o.Refused != nil && c.Meta.Attempts() == 0 {
		s.o.Refused(c, llm.AsError(err))
	}
	return reply, err
}

func (s *Service) do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	r, err := s.o.Router.Resolve(c.Model)
	if err != nil {
		return nil, err
	}
	c.Meta.Route = r.Name
	if err := s.mayCall(c); err != nil {
		return nil, err
	}
	deadline := time.Now().Add(timeoutOf(r, c.Stream))
	if !c.Deadline.IsZero() && c.Deadline.Before(deadline) {
		deadline = c.Deadline
	}
	if s.o.Admit == nil {
		return s.try(ctx, c, r, deadline)
	}
	return s.admitted(ctx, c, func() (*llm.Reply, error) { return s.try(ctx, c, r, deadline) })
}

// admitted performs a call under a reservation.
func (s *Service) admitted(ctx context.Context, c *llm.Call, do func() (*llm.Reply, error)) (*llm.Reply, error) {
	lease, err := s.o.Admit.Admit(ctx, c)
	if err != nil {
		return nil, err
	}
	settled := false
	defer func() {
		if !settled { // a panic on the way: the slot must not leak
			lease.Settle(llm.Done{Err: llm.Errorf(llm.KindInternal, "internal error")}, nil)
		}
	}()
	reply, err := do()
	settled = true
	llm.OnDone(reply, err, func(d llm.Done) {
		var price llm.Pricer
		if reply != nil {
			price = reply.Price
		}
		lease.Settle(d, price)
	})
	return reply, err
}

func (s *Service) mayCall(c *llm.Call) error {
	asked := c.Model
	if asked == "" {
		asked = s.o.Router.Default()
	}
	if c.Meta.Caller.May(asked) {
		return nil
	}
	e := llm.Errorf(llm.KindPermissionDenied, "this key may not call the model %q", asked)
	e.Param = "model"
	return e
}

func timeoutOf(r *route.Route, stream bool) time.Duration {
	if stream {
		return r.StreamTimeout
	}
	return r.Timeout
}

// try asks the route's targets one after the other. A reply counts as good
// once its first event is there (the chain looks), so what fails here has
// shown nothing to the client yet.
func (s *Service) try(ctx context.Context, c *llm.Call, r *route.Route, deadline time.Time) (*llm.Reply, error) {
	var failed *llm.Error
	sum := spent{}
	for i, t := range r.Targets {
		if i > 0 {
			s.o.Observer.FellBack(r.Name, r.Targets[i-1].Label, t.Label)
		}
		call := c.WithModel(t.Model)
		call.Deadline = deadline
		reply, err := t.Chain.Do(ctx, call)
		if err == nil {
			sum.settle(reply, t)
			return reply, nil
		}
		e := llm.AsError(err)
		sum.add(e)
		failed = worse(failed, e)
		if !e.Kind.Traits().NextTarget || ctx.Err() != nil || !time.Now().Before(deadline) {
			break
		}
	}
	if failed == nil {
		failed = llm.Errorf(llm.KindInternal, "the route %q has no targets", r.Name)
	}
	failed.Attempts, failed.Upstream = sum.attempts, sum.upstream
	return nil, failed
}

// spent sums what the targets tried so far have cost.
type spent struct {
	attempts int
	upstream time.Duration
}

func (s *spent) add(e *llm.Error) {
	s.attempts += e.Attempts
	s.upstream += e.Upstream
}

func (s *spent) settle(r *llm.Reply, t *route.Target) {
	r.Attempts += s.attempts
	r.Upstream += s.upstream
	r.Provider, r.Model = t.Provider, t.Model
	if r.Price == nil {
		r.Price = t.Price
	}
}

// worse chooses the error that the client sees when every target failed: the
// last one that says something of an upstream. That circuits are open is said
// only when nothing else happened, with the shortest wait.
func worse(old, e *llm.Error) *llm.Error {
	if old == nil || e.Kind != llm.KindOverloaded {
		return e
	}
	if old.Kind == llm.KindOverloaded && e.RetryAfter > 0 && e.RetryAfter < old.RetryAfter {
		return e
	}
	return old
}

// newID returns a fresh random name for a call made inside the program.
func newID() string { return "int_" + rand.Text() }
