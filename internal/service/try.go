package service

import (
	"context"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
)

// ask asks the route's targets one after the other, in the order that the route
// plans for this call. A reply counts as good once its first event is there (the
// chain looks), so what fails here has shown nothing to the client yet. The way
// taken is written down in c.Meta when it was not the straight one.
func (s *Service) ask(ctx context.Context, c *llm.Call, r *route.Route, deadline time.Time) (*llm.Reply, error) {
	plan, err := r.Plan(c)
	if err != nil {
		return nil, err
	}
	t := tries{s: s, c: c, r: r, deadline: deadline, targets: plan.Targets, way: way{skipped: plan.Skipped}, trial: plan.Trial}
	if p := s.policy(r); p != nil && p.Hedge != nil && len(t.targets) > 1 && !t.trial.Counts() {
		c.Keep()    // whoever loses may not have sent its request yet
		hedged := t // this one escapes
		return s.tryHedged(ctx, &hedged, p.Hedge)
	}
	return t.rest(ctx, 0)
}

// tries is one call on its way through the targets of its plan.
type tries struct {
	s        *Service
	c        *llm.Call
	r        *route.Route
	deadline time.Time
	targets  []*route.Target
	way      way
	trial    *route.Trial // nil = no canary
	sum      spent
	worst    *llm.Error // the error to show, if it comes to that
}

// rest asks the targets one after the other, from one on.
func (t *tries) rest(ctx context.Context, from int) (*llm.Reply, error) {
	for i := from; i < len(t.targets); i++ {
		if i > 0 {
			t.s.o.Observer.FellBack(ctx, t.r.Name, t.targets[i-1].Label, t.targets[i].Label)
		}
		reply, err := t.r.Do(ctx, t.targets[i], t.call(i))
		if i == 0 {
			t.trial.Watch(reply, err)
		}
		if err == nil {
			return t.answered(i, reply), nil
		}
		if !t.failed(ctx, i, err) {
			break
		}
	}
	return nil, t.end()
}

// call is the call to a target.
func (t *tries) call(i int) *llm.Call {
	call := t.c.WithModel(t.targets[i].Model)
	call.Deadline, call.Elsewhere = t.deadline, i+1 < len(t.targets)
	return call
}

// answered completes the reply of a target.
func (t *tries) answered(i int, reply *llm.Reply) *llm.Reply {
	t.way.answered(t.c, t.targets[i])
	t.sum.settle(reply, t.targets[i])
	return reply
}

// failed notes how a target failed, and reports whether others may be asked.
func (t *tries) failed(ctx context.Context, i int, err error) bool {
	e := llm.AsError(err)
	t.note(i, e)
	return t.goesOn(ctx, e) || t.trial.Onward(i, e) && ctx.Err() == nil && time.Now().Before(t.deadline)
}

func (t *tries) note(i int, e *llm.Error) {
	t.way.failed(t.targets[i], e)
	t.sum.add(e)
	t.worst = worse(t.worst, e)
}

// lost notes a target whose call was called off.
func (t *tries) lost(i int) {
	t.way.begin()
	t.way.trail.Add(t.targets[i], llm.HedgeLost)
	t.sum.attempts++
}

// goesOn reports whether others may be asked after an error.
func (t *tries) goesOn(ctx context.Context, e *llm.Error) bool {
	return e.Kind.Traits().NextTarget && ctx.Err() == nil && time.Now().Before(t.deadline)
}

// end is the error when nobody has answered.
func (t *tries) end() *llm.Error {
	t.way.end(t.c)
	failed := t.worst
	if failed == nil {
		failed = llm.Errorf(llm.KindInternal, "the route %q has no targets", t.r.Name)
	}
	failed.Attempts, failed.Upstream = t.sum.attempts, t.sum.upstream
	return failed
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
// last one that says something of an upstream. That circuits are open, or that
// the money of an account is spent, is said only when nothing else happened,
// with the shortest wait; the circuit before the money, as it closes sooner.
func worse(old, e *llm.Error) *llm.Error {
	switch {
	case old == nil, weight(e) > weight(old):
		return e
	case weight(e) < weight(old):
		return old
	case weight(e) == saysUpstream, e.RetryAfter > 0 && e.RetryAfter < old.RetryAfter:
		return e
	}
	return old
}

// The weights of errors.
const (
	saysMoney = iota
	saysCircuit
	saysUpstream
)

func weight(e *llm.Error) int {
	switch e.Kind {
	case llm.KindBudgetExceeded:
		return saysMoney
	case llm.KindOverloaded:
		return saysCircuit
	}
	return saysUpstream
}
