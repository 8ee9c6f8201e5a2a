package service

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/cache"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
)

// Cache answers a call with what it was answered before or with what an
// identical call is being answered, or else by up. It says which in
// c.Meta.Cache before it calls up; see cache.Route.
type Cache interface {
	Do(ctx context.Context, c *llm.Call, deadline time.Time, up cache.Upstream) (*llm.Reply, error)
}

// Policy is what some routes have and most have not. Its zero value is nothing.
type Policy struct {
	Cache  Cache  // nil = none
	Tried  Cache  // in its place when a canary's candidate answers every caller; nil = none
	Hedge  *Hedge // nil = none
	Shadow Shadow // nil = none

	Content Content // nil = nothing of what calls say is recorded
}

// Content records what a call says and what it is answered. It is shown every
// call once, with its outcome, and may put a stream of its own around the
// reply's.
type Content interface {
	Record(ctx context.Context, c *llm.Call, reply *llm.Reply, err error)
}

// Served is a call that was answered without asking a provider, and how it
// ended.
type Served struct {
	Start    time.Time
	Answered time.Duration // from Start until the answer or its first piece was there
	Took     time.Duration // from Start until it had ended
	Provider string        // who had answered before; "" when nobody has
	Model    string
	Usage    llm.Usage // what the answer had cost to make: it is not spent again
	Done     llm.Done
}

// policy returns a route's, nil when it has none.
func (s *Service) policy(r *route.Route) *Policy {
	if s.o.Policies == nil {
		return nil
	}
	return s.o.Policies[r]
}

// cacheOf returns the cache for a call now, nil when there is none. While a
// canary's callers are divided there is none: an answer of one side must not
// stand for the other, neither to the callers nor to who judges.
func (p *Policy) cacheOf(r *route.Route) Cache {
	if p == nil || p.Cache == nil {
		return nil
	}
	switch r.CandidateShare() {
	case 0:
		return p.Cache
	case 1:
		return p.Tried
	}
	return nil
}

// cached performs a call of a route with a cache. A request that no provider is
// asked for pays with its request, and gives back tokens and money.
func (s *Service) cached(ctx context.Context, c *llm.Call, r *route.Route, kept Cache) (*llm.Reply, error) {
	deadline := deadlineOf(r, c)
	c.Keep() // others may wait for what this call is answered
	c.Meta.Cache = ""
	pay, err := s.payment(ctx, c)
	if err != nil {
		return nil, err
	}
	start, returned := time.Now(), false
	defer func() {
		if !returned { // a panic on the way: the slot must not leak
			pay.forget()
		}
	}()
	reply, err := kept.Do(ctx, c, deadline, func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
		return s.upstream(ctx, c, r, pay)
	})
	returned = true
	if c.Meta.Cache == cache.Hit || c.Meta.Cache == cache.Shared {
		llm.OnDone(reply, err, func(llm.Done) { pay.forget() })
		s.served(c, reply, err, Served{Start: start, Answered: time.Since(start)})
	}
	return reply, err
}

// upstream asks the targets for a call, which pays for it even when its client
// has gone and others wait for the answer.
func (s *Service) upstream(ctx context.Context, c *llm.Call, r *route.Route, pay *payment) (*llm.Reply, error) {
	reply, err := pay.during(func() (*llm.Reply, error) { return s.try(ctx, c, r, deadlineOf(r, c)) })
	if err != nil && c.Meta.Cache != "" { // else Do tells
		s.refused(c, err)
	}
	return reply, err
}

// refused tells of a call that failed before any attempt.
func (s *Service) refused(c *llm.Call, err error) {
	if s.o.Refused != nil && c.Meta.Attempts() == 0 {
		s.o.Refused(c, llm.AsError(err))
	}
}

// served tells of a call that no provider was asked for, once it has ended.
func (s *Service) served(c *llm.Call, reply *llm.Reply, err error, how Served) {
	if s.o.Served == nil {
		return
	}
	if reply != nil {
		how.Provider, how.Model = reply.Provider, reply.Model
	}
	llm.OnDone(reply, err, func(d llm.Done) {
		how.Took, how.Done, how.Usage = time.Since(how.Start), d, d.Usage
		s.o.Served(c, how)
	})
}

// payment is a reservation that is settled once: by the upstream call that it
// pays for, or as unused.
type payment struct {
	lease Lease // nil = there are no limits
	begun atomic.Bool
}

func (s *Service) payment(ctx context.Context, c *llm.Call) (*payment, error) {
	if s.o.Admit == nil || s.o.Bounded != nil && !s.o.Bounded(c.Meta) {
		return &payment{}, nil
	}
	lease, err := s.o.Admit.Admit(ctx, c)
	if err != nil {
		return nil, err
	}
	return &payment{lease: lease}, nil
}

// during pays for a call.
func (p *payment) during(do func() (*llm.Reply, error)) (*llm.Reply, error) {
	if p.lease == nil || !p.begun.CompareAndSwap(false, true) {
		return do()
	}
	return underLease(p.lease, do)
}

// forget gives back the slot, the tokens and the money that no upstream call has
// been paid with.
func (p *payment) forget() {
	if p.lease != nil && p.begun.CompareAndSwap(false, true) {
		p.lease.Settle(llm.Done{Usage: llm.Usage{Source: llm.UsageReported}}, nil)
	}
}
