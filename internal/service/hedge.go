package service

import (
	"context"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/route"
	"github.com/llm-gateway/llm-gateway/pkg/tasks"
)

// What became of a hedge, as metrics show it.
const (
	HedgeWon      = "won"       // the second target answered first
	HedgeLost     = "lost"      // the first target did after all
	HedgeFailed   = "failed"    // neither did
	HedgeNoBudget = "no_budget" // it was time, but there had been enough of them
)

// HedgeOptions makes a Hedge.
type HedgeOptions struct {
	// Percentile, 50 to 99, of a target's latest times to an answer, or to the
	// first event of a stream, is what a call waits before a second target is
	// asked; 0 = After counts.
	Percentile int
	After      time.Duration
	MaxExtra   float64 // second calls at most, as a part of all

	// Estimate returns what a call has used that is called off. nil = nothing.
	Estimate func(c *llm.Call) llm.Usage
	// Observe is told of every hedge. It must not block. nil = nobody.
	Observe func(result string)
}

// Hedge asks a second target when the first one is slow, and takes the answer
// that comes first. It remembers how quick targets are and how often it was
// asked, so it outlives a reload. It is safe for concurrent use and must be
// closed.
type Hedge struct {
	o      HedgeOptions
	budget hedgeBudget
	tasks  tasks.Group

	mu   sync.Mutex
	seen map[timing]*quantile
}

// timing is what has a latency of its own.
type timing struct {
	target string // its label
	stream bool
}

// NewHedge makes a Hedge.
func NewHedge(o HedgeOptions) *Hedge {
	if o.Observe == nil {
		o.Observe = func(string) {}
	}
	h := &Hedge{o: o, seen: map[timing]*quantile{}}
	h.budget.share = int64(o.MaxExtra * oneHedge)
	return h
}

// Close waits for calls that were called off and have not come back yet.
func (h *Hedge) Close() error {
	h.tasks.Close()
	return nil
}

// of returns what is known of a target's calls.
func (h *Hedge) of(t *route.Target, stream bool) *quantile {
	h.mu.Lock()
	defer h.mu.Unlock()
	k := timing{t.Label, stream}
	q, ok := h.seen[k]
	if !ok {
		q = &quantile{}
		h.seen[k] = q
	}
	return q
}

// learn notes how long a target took.
func (h *Hedge) learn(t *route.Target, stream bool, took time.Duration) {
	if h.o.Percentile > 0 {
		h.of(t, stream).add(took)
	}
}

// after returns how long a call to a target may take before another one is
// asked; ok is false while too little is known.
func (h *Hedge) after(t *route.Target, stream bool) (d time.Duration, ok bool) {
	if h.o.Percentile == 0 {
		return h.o.After, true
	}
	return h.of(t, stream).at(h.o.Percentile)
}

// tryHedged is try for a plan of two targets or more under a Hedge.
func (s *Service) tryHedged(ctx context.Context, t *tries, h *Hedge) (*llm.Reply, error) {
	h.budget.request()
	first, start := t.targets[0], time.Now()
	after, ok := h.after(first, t.c.Stream)
	if !ok {
		reply, err := t.r.Do(ctx, first, t.call(0))
		if err == nil {
			h.learn(first, t.c.Stream, time.Since(start))
			return t.answered(0, reply), nil
		}
		if !t.failed(ctx, 0, err) {
			return nil, t.end()
		}
		return t.rest(ctx, 1)
	}
	d := &duel{h: h, t: t}
	d.run(ctx, after)
	return d.settle(ctx, start)
}

// duel is a call to one target and, when that is slow, to a second one. The
// first is made on the caller's goroutine, so that a call which is quick enough
// costs a timer and no more.
type duel struct {
	h       *Hedge
	t       *tries
	cancels [2]context.CancelCauseFunc

	mu     sync.Mutex
	over   bool          // nobody waits for the second any more
	begun  bool          // the second was asked
	back   bool          // it has come back
	won    bool          // with an answer, before the first
	waited bool          // the first has failed, and the second was waited for
	done   chan struct{} // closed when it has come back
	ended  [2]side
	called time.Time // when the second was asked
}

// side is how one of the two calls ended.
type side struct {
	reply *llm.Reply
	err   error
}

// lostError ends the slower call.
func lostError() *llm.Error {
	e := llm.Errorf(llm.KindCanceled, "another target has answered sooner")
	e.Code = llm.HedgeLost
	return e
}

// run asks the first target, and the second one after a while.
func (d *duel) run(ctx context.Context, after time.Duration) {
	var both [2]context.Context
	for i := range both {
		both[i], d.cancels[i] = context.WithCancelCause(ctx)
	}
	timer := time.AfterFunc(after, func() { d.fire(both[1]) })
	settled := false
	defer func() {
		timer.Stop()
		d.mu.Lock()
		d.over = true
		d.mu.Unlock()
		if !settled { // a panic on the way
			d.cancels[0](nil)
			d.cancels[1](nil)
		}
	}()
	start := time.Now()
	reply, err := d.t.r.Do(both[0], d.t.targets[0], d.t.call(0))
	d.ended[0] = side{reply, err}
	took := time.Since(start)
	d.mu.Lock()
	second := d.begun && !d.back && err != nil && d.t.goesOn(ctx, llm.AsError(err))
	if err == nil || d.won { // how long it would have taken is not known: longer
		d.h.learn(d.t.targets[0], d.t.c.Stream, took)
	}
	d.over = !second
	d.mu.Unlock()
	if second { // which is the fallback now
		d.waited = true
		<-d.done
	}
	settled = true
}

// fire asks the second target, if the first has still not answered.
func (d *duel) fire(ctx context.Context) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.over {
		return
	}
	if !d.h.budget.take() {
		d.h.o.Observe(HedgeNoBudget)
		return
	}
	d.done, d.called = make(chan struct{}), time.Now()
	d.begun = d.h.tasks.Go(func() { d.second(ctx) })
}

func (d *duel) second(ctx context.Context) {
	defer close(d.done)
	reply, err := d.ask(ctx)
	d.mu.Lock()
	late := d.over
	d.back, d.won = !late, err == nil && !late // who is late has lost, whatever the answer
	d.ended[1] = side{reply, err}
	called := d.called
	d.mu.Unlock()
	switch {
	case err == nil:
		d.h.learn(d.t.targets[1], d.t.c.Stream, time.Since(called))
	case llm.AsError(err).Attempts == 0 && !late:
		d.h.budget.giveBack() // nobody was asked
	}
	if late {
		llm.Abandon(reply, lostError())
		d.cancels[1](nil)
	} else if err == nil {
		d.cancels[0](lostError())
	}
}

// ask is the second call. A panic is its failure.
func (d *duel) ask(ctx context.Context) (reply *llm.Reply, err error) {
	defer func() {
		if p := recover(); p != nil {
			reply, err = nil, llm.Errorf(llm.KindInternal, "internal error")
		}
	}()
	return d.t.r.Do(ctx, d.t.targets[1], d.t.call(1))
}

// settle chooses the answer, calls the other call off, and goes on with the
// targets that are left when neither has answered.
func (d *duel) settle(ctx context.Context, start time.Time) (*llm.Reply, error) {
	d.mu.Lock()
	begun, back, won := d.begun, d.back, d.won
	first, second := d.ended[0], side{}
	if back {
		second = d.ended[1]
	}
	d.mu.Unlock()
	if won {
		return d.secondWon(ctx, first, second.reply, start), nil
	}
	if first.err != nil {
		return d.bothFailed(ctx, begun, back)
	}
	d.callOff(begun, back)
	if back {
		d.t.note(1, llm.AsError(second.err))
	}
	reply := d.t.answered(0, first.reply)
	if begun {
		d.h.o.Observe(HedgeLost)
		reply.Upstream = time.Since(start)
	}
	if begun && !back {
		d.charge(reply, 1, llm.Usage{})
	}
	return d.hold(reply, 0), nil
}

// callOff ends the second call, if it is under way.
func (d *duel) callOff(begun, back bool) {
	if begun && !back {
		d.cancels[1](lostError())
		d.t.lost(1)
		return
	}
	d.cancels[1](nil)
}

// bothFailed goes on with the targets that are left. The errors are noted in the
// order in which they came.
func (d *duel) bothFailed(ctx context.Context, begun, back bool) (*llm.Reply, error) {
	d.callOff(begun, back)
	d.cancels[0](nil)
	left, goesOn := 1, true
	if back && !d.waited {
		left, goesOn = 2, d.t.failed(ctx, 1, d.ended[1].err)
	}
	goesOn = d.t.failed(ctx, 0, d.ended[0].err) && goesOn
	if back && d.waited {
		left, goesOn = 2, d.t.failed(ctx, 1, d.ended[1].err) && goesOn
	}
	if begun {
		d.h.o.Observe(HedgeFailed)
	}
	if !goesOn {
		return nil, d.t.end()
	}
	return d.t.rest(ctx, left)
}

// secondWon gives the second answer.
func (d *duel) secondWon(ctx context.Context, first side, reply *llm.Reply, start time.Time) *llm.Reply {
	d.h.o.Observe(HedgeWon)
	off, used := true, llm.Usage{}
	if e := llm.AsError(first.err); e == nil { // it answered at the same moment
		used = first.reply.Usage
		llm.Abandon(first.reply, lostError())
		d.t.lost(0)
	} else if e.Code == llm.HedgeLost {
		d.t.lost(0)
	} else {
		off = false
		d.t.note(0, e)
		d.t.s.o.Observer.FellBack(ctx, d.t.r.Name, d.t.targets[0].Label, d.t.targets[1].Label)
	}
	d.cancels[0](nil)
	reply = d.t.answered(1, reply)
	reply.Upstream = time.Since(start)
	if off {
		d.charge(reply, 0, used)
	}
	return d.hold(reply, 1)
}

// hold keeps the context of the winner until it has ended.
func (d *duel) hold(reply *llm.Reply, i int) *llm.Reply {
	llm.OnDone(reply, nil, func(llm.Done) { d.cancels[i](nil) })
	return reply
}

// charge adds to the price of an answer what the call has used that was called
// off, so that the caller sees, and budgets count, what was really spent.
func (d *duel) charge(reply *llm.Reply, i int, used llm.Usage) {
	price := d.t.targets[i].Price
	if price == nil || reply.Price == nil {
		return
	}
	if used.Source == llm.UsageUnknown && d.h.o.Estimate != nil {
		used = d.h.o.Estimate(d.t.c)
	}
	if used.Source == llm.UsageUnknown {
		return
	}
	if cost, ok := price.Cost(used); ok {
		reply.Price = withExtra{reply.Price, cost}
	}
}

// withExtra is a price and what was spent besides.
type withExtra struct {
	llm.Pricer
	extra llm.Money
}

// Cost returns both.
func (p withExtra) Cost(u llm.Usage) (llm.Money, bool) {
	cost, ok := p.Pricer.Cost(u)
	return cost + p.extra, ok
}
