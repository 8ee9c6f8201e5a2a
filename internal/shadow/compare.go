package shadow

import (
	"math"
	"sync"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const (
	maxRecent = 50         // pairs that are kept
	complete  = "complete" // llm.Done.Outcome of a call that went well
)

// Side is how one of the two calls went, without any of its content.
type Side struct {
	Outcome      string     `json:"outcome"` // complete, or the error's kind; see llm.Done.Outcome
	LatencyMs    float64    `json:"latency_ms"`
	OutputTokens int64      `json:"output_tokens"` // 0 = not known
	Cost         *llm.Money `json:"cost"`          // null = not known
	Finish       string     `json:"finish_reason,omitempty"`
	TextBytes    int64      `json:"text_bytes"` // 0 = not known
	JSON         *bool      `json:"json_valid,omitempty"`
}

// Pair is one call and its copy.
type Pair struct {
	Time      time.Time `json:"time"`
	RequestID string    `json:"request_id"`
	Primary   Side      `json:"primary"`
	Target    Side      `json:"target"`
}

// sideOf measures a call that has ended. What passes through is not read for
// it: length is what a stream counted, or a canonical answer's.
func sideOf(d *llm.Done, r *llm.Reply, took time.Duration, price llm.Pricer) Side {
	s := Side{Outcome: d.Outcome(), LatencyMs: math.Round(took.Seconds()*1e4) / 10, Finish: string(d.Finish), TextBytes: d.TextBytes}
	if d.Usage.Source != llm.UsageUnknown {
		s.OutputTokens = d.Usage.Output
		if price != nil {
			if cost, ok := price.Cost(d.Usage); ok {
				s.Cost = &cost
			}
		}
	}
	if r != nil && r.Response != nil {
		s.TextBytes = int64(len(r.Response.Text()))
	}
	return s
}

// pending is a pair of which one side or both are still under way.
type pending struct {
	s     *Shadow
	start time.Time
	id    string

	mu              sync.Mutex
	target, sideOne *Side
}

func (p *pending) since() time.Duration { return p.s.o.Now().Sub(p.start) }

// primary notes how the client's own call goes, when it has ended.
func (p *pending) primary(reply *llm.Reply, err error) {
	var price llm.Pricer
	var whole *llm.Reply
	if reply != nil {
		if price = reply.Price; reply.Stream == nil {
			whole = reply
		}
	}
	llm.OnDone(reply, err, func(d llm.Done) { p.set(&p.sideOne, sideOf(&d, whole, p.since(), price)) })
}

// set completes a side, and the pair when it is the second.
func (p *pending) set(which **Side, side Side) {
	p.mu.Lock()
	*which = &side
	both := p.target != nil && p.sideOne != nil
	p.mu.Unlock()
	if both {
		p.s.compare(Pair{Time: p.start, RequestID: p.id, Primary: *p.sideOne, Target: *p.target})
	}
}

// compare adds a pair to the sums.
func (s *Shadow) compare(pair Pair) {
	s.mu.Lock()
	s.sums.add(&pair)
	if len(s.recent) < maxRecent {
		s.recent = append(s.recent, pair)
	} else {
		s.recent[s.next] = pair
		s.next = (s.next + 1) % maxRecent
	}
	s.mu.Unlock()
	s.o.Observer.Compared(pair)
}

// ratio sums two quantities over the pairs that have both.
type ratio struct{ target, primary float64 }

func (r *ratio) add(target, primary float64) {
	if target > 0 && primary > 0 {
		r.target += target
		r.primary += primary
	}
}

// of returns target over primary; nil when nothing was measured.
func (r ratio) of() *float64 {
	if r.primary == 0 {
		return nil
	}
	v := math.Round(1000*r.target/r.primary) / 1000
	return &v
}

type sums struct {
	count, bothOK, targetFailed, finishEqual, asked, valid int64
	latency, tokens, cost, length                          ratio
}

func (s *sums) add(p *Pair) {
	s.count++
	a, b := &p.Primary, &p.Target
	if b.JSON != nil {
		s.asked++
		if *b.JSON {
			s.valid++
		}
	}
	if b.Outcome != complete {
		s.targetFailed++
		return
	}
	if a.Outcome != complete {
		return
	}
	s.bothOK++
	if a.Finish == b.Finish {
		s.finishEqual++
	}
	s.latency.add(b.LatencyMs, a.LatencyMs)
	s.tokens.add(float64(b.OutputTokens), float64(a.OutputTokens))
	s.length.add(float64(b.TextBytes), float64(a.TextBytes))
	if a.Cost != nil && b.Cost != nil {
		s.cost.add(b.Cost.Dollars(), a.Cost.Dollars())
	}
}

// Status is a shadow as operators see it.
type Status struct {
	Route        string           `json:"route"`
	Target       string           `json:"target"` // provider/model
	Percent      float64          `json:"percent"`
	InFlight     int              `json:"in_flight"`
	Copied       int64            `json:"copied"` // since the start, as all counts
	Dropped      map[string]int64 `json:"dropped"`
	Failed       int64            `json:"failed"`
	SpentToday   llm.Money        `json:"spent_today"`
	BudgetPerDay llm.Money        `json:"budget_per_day"` // 0 = no limit
	Compared     Comparison       `json:"compared"`
	Recent       []Pair           `json:"recent"` // the latest first
}

// Comparison sums the pairs up. Ratios are the target's total over the
// primary's, of the pairs where both went well and both are known; null without
// any.
type Comparison struct {
	Count            int64    `json:"count"`
	BothOK           int64    `json:"both_ok"`
	TargetFailed     int64    `json:"target_failed"`
	LatencyRatio     *float64 `json:"latency_ratio"`
	OutputTokenRatio *float64 `json:"output_token_ratio"`
	CostRatio        *float64 `json:"cost_ratio"`
	FinishEqual      int64    `json:"finish_equal"`
	SchemaAsked      int64    `json:"schema_asked"` // whole answers to calls that ask for JSON
	SchemaValid      int64    `json:"schema_valid"` // those of them that are JSON
	LengthRatio      *float64 `json:"length_ratio"`
}

// Status returns the counts.
func (k *Copier) Status() Status {
	s := k.s
	s.mu.Lock()
	defer s.mu.Unlock()
	s.turn()
	c := &s.sums
	out := Status{
		Route: s.o.Route, Target: k.t.Provider + "/" + k.t.Model, Percent: 100 * s.o.Share, InFlight: s.inFlight, Copied: s.copied,
		Dropped: map[string]int64{}, Failed: s.failed, SpentToday: s.spent, BudgetPerDay: s.o.Budget, Recent: []Pair{},
		Compared: Comparison{
			Count: c.count, BothOK: c.bothOK, TargetFailed: c.targetFailed, FinishEqual: c.finishEqual, SchemaAsked: c.asked, SchemaValid: c.valid,
			LatencyRatio: c.latency.of(), OutputTokenRatio: c.tokens.of(), CostRatio: c.cost.of(), LengthRatio: c.length.of(),
		},
	}
	for reason, n := range s.dropped {
		out.Dropped[reason] = n
	}
	for i := range s.recent {
		out.Recent = append(out.Recent, s.recent[(s.next+len(s.recent)-1-i)%len(s.recent)])
	}
	return out
}
