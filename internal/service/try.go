package service

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
)

// try asks the route's targets one after the other, in the order that the route
// plans for this call. A reply counts as good once its first event is there (the
// chain looks), so what fails here has shown nothing to the client yet. The way
// taken is written down in c.Meta when it was not the straight one.
func (s *Service) try(ctx context.Context, c *llm.Call, r *route.Route, deadline time.Time) (*llm.Reply, error) {
	plan, err := r.Plan(c)
	if err != nil {
		return nil, err
	}
	w := way{skipped: plan.Skipped}
	sum := spent{}
	var failed *llm.Error
	for i, t := range plan.Targets {
		if i > 0 {
			s.o.Observer.FellBack(ctx, r.Name, plan.Targets[i-1].Label, t.Label)
		}
		call := c.WithModel(t.Model)
		call.Deadline, call.Elsewhere = deadline, i+1 < len(plan.Targets)
		reply, err := r.Do(ctx, t, call)
		if err == nil {
			w.answered(c, t)
			sum.settle(reply, t)
			return reply, nil
		}
		e := llm.AsError(err)
		w.failed(t, e)
		sum.add(e)
		failed = worse(failed, e)
		if !e.Kind.Traits().NextTarget || ctx.Err() != nil || !time.Now().Before(deadline) {
			break
		}
	}
	w.end(c)
	if failed == nil {
		failed = llm.Errorf(llm.KindInternal, "the route %q has no targets", r.Name)
	}
	failed.Attempts, failed.Upstream = sum.attempts, sum.upstream
	return nil, failed
}

// way is the way of one call through its route. It costs nothing while the
// first target answers.
type way struct {
	skipped []route.Skip
	trail   route.Trail
	begun   bool
}

// begin writes the targets that were passed over, which comes before all else.
func (w *way) begin() {
	if w.begun {
		return
	}
	w.begun = true
	for _, s := range w.skipped {
		w.trail.Add(s.Target, s.Reason)
	}
}

func (w *way) failed(t *route.Target, e *llm.Error) {
	w.begin()
	w.trail.Add(t, e.Kind.String())
}

func (w *way) answered(c *llm.Call, t *route.Target) {
	if !w.begun && len(w.skipped) == 0 {
		return
	}
	w.begin()
	w.trail.Add(t, "")
	w.end(c)
}

// end writes the way down, unless it was one step.
func (w *way) end(c *llm.Call) {
	if w.trail.Steps() > 1 {
		c.Meta.Path = w.trail.String()
	}
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
