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
	FellBack(ctx context.Context, route, from, to string)
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
	Router Router
	Guard  *Guard // sheds load before anything is reserved; nil = never

	// Class says how important a caller is when the guard has to choose; nil =
	// all are alike.
	Class func(c *llm.Caller) Class

	Admit Admitter // nil = no limits

	// Bounded reports whether there is any limit that a call may meet; those
	// for which there is none are not brought before Admit. nil = every call is.
	Bounded func(m *llm.Meta) bool

	Observer Observer // nil = nobody
	Models   []Model  // what GET /v1/models lists, before the caller's permissions

	// Policies are what single routes have besides; nil = nothing.
	Policies map[*route.Route]*Policy

	// Served is told of every call that was answered without asking a
	// provider, or that failed while it waited for such an answer, when it has
	// ended. It must not block. nil = nobody.
	Served func(c *llm.Call, how Served)

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

func (nobody) FellBack(context.Context, string, string, string) {}

// Do performs c. c.Model is what the client asked for, and may be empty when
// there is a default model; c.Meta must be set, and its Route is filled in
// here. The reply must be closed. Errors are always *llm.Error.
func (s *Service) Do(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
	reply, err := s.do(ctx, c)
	if err != nil && c.Meta.Cache == "" {
		s.refused(c, err)
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
	if p := s.policy(r); p != nil && p.Content != nil {
		c.Keep()
		reply, err := s.guarded(ctx, c, r)
		p.Content.Record(ctx, c, reply, err)
		return reply, err
	}
	return s.guarded(ctx, c, r)
}

// guarded performs a call unless load is being shed.
func (s *Service) guarded(ctx context.Context, c *llm.Call, r *route.Route) (*llm.Reply, error) {
	deadline := deadlineOf(r, c)
	if s.o.Guard != nil {
		return s.o.Guard.Do(ctx, s.classOf(c), func() (*llm.Reply, error) { return s.perform(ctx, c, r, deadline) })
	}
	return s.perform(ctx, c, r, deadline)
}

// classOf returns what tells a call's class, should anyone ask.
func (s *Service) classOf(c *llm.Call) func() Class {
	if s.o.Class == nil {
		return nil
	}
	return func() Class { return s.o.Class(c.Meta.Caller) }
}

// perform reserves what the call may use and asks the targets.
func (s *Service) perform(ctx context.Context, c *llm.Call, r *route.Route, deadline time.Time) (*llm.Reply, error) {
	if kept := s.policy(r).cacheOf(r); kept != nil {
		return s.cached(ctx, c, r, kept)
	}
	if s.o.Admit == nil || s.o.Bounded != nil && !s.o.Bounded(c.Meta) {
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
	return underLease(lease, do)
}

// underLease performs a call that has been admitted, and settles when it ends.
func underLease(lease Lease, do func() (*llm.Reply, error)) (*llm.Reply, error) {
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

// deadlineOf returns when a call must have ended: by its route, or earlier by
// its own wish.
func deadlineOf(r *route.Route, c *llm.Call) time.Time {
	timeout := r.Timeout
	if c.Stream {
		timeout = r.StreamTimeout
	}
	deadline := time.Now().Add(timeout)
	if !c.Deadline.IsZero() && c.Deadline.Before(deadline) {
		return c.Deadline
	}
	return deadline
}

// newID returns a fresh random name for a call made inside the program.
func newID() string { return "int_" + rand.Text() }
