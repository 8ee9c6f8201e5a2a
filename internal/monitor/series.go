package monitor

import (
	"sync"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// span is how a ring divides time.
type span struct {
	Step int64 // seconds of one bucket
}

// The spans that are kept: the last ten minutes closely, the last hour roughly.
var spans = [...]span{{10}, {60}}

const ringSize = 60

// Sums are what is counted in a stretch of time.
type Sums struct {
	Requests     int64
	Errors       int64 // 5xx and 429
	Refused      int64 // other 4xx: the callers' own
	Gone         int64 // callers that left
	Fallbacks    int64 // more than one target was asked
	Retries      int64 // attempts beyond the first of each call
	Cached       int64 // answered from the cache
	CacheAsked   int64 // looked up in the cache
	InputTokens  int64
	OutputTokens int64
	Cost         llm.Money
	Unpriced     int64 // answered, at no known price
}

func (s *Sums) add(o *Sums) {
	s.Requests += o.Requests
	s.Errors += o.Errors
	s.Refused += o.Refused
	s.Gone += o.Gone
	s.Fallbacks += o.Fallbacks
	s.Retries += o.Retries
	s.Cached += o.Cached
	s.CacheAsked += o.CacheAsked
	s.InputTokens += o.InputTokens
	s.OutputTokens += o.OutputTokens
	s.Cost += o.Cost
	s.Unpriced += o.Unpriced
}

// statusGone is the status with which callers are logged that left.
const statusGone = 499

func (s *Sums) count(c *Call) {
	s.Requests++
	switch {
	case c.failed():
		s.Errors++
	case c.Status == statusGone:
		s.Gone++
	case c.Status >= 400:
		s.Refused++
	case !c.Priced:
		s.Unpriced++
	}
	if c.fellBack() {
		s.Fallbacks++
	}
	s.Retries += int64(max(c.Attempts-1, 0))
	if c.Cache != "" {
		s.CacheAsked++
		if c.Cache != "miss" {
			s.Cached++
		}
	}
	s.InputTokens += c.Usage.Input
	s.OutputTokens += c.Usage.Output
	if c.Priced {
		s.Cost += c.Cost
	}
}

// bucket is one stretch of time of a series.
type bucket struct {
	round int64 // the stretch, as Unix seconds divided by its length; another one's figures are stale
	sums  Sums
	took  histogram
	first histogram
}

// series are the figures of one route and provider.
type series struct {
	mu    sync.Mutex
	rings [len(spans)][ringSize]bucket
}

// add counts a call that ended at the Unix second sec.
func (s *series) add(c *Call, sec int64) {
	good := c.Status < 400
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range spans {
		round := sec / spans[i].Step
		b := &s.rings[i][round%ringSize]
		if b.round != round {
			*b = bucket{round: round}
		}
		b.sums.count(c)
		if good {
			b.took.add(c.Took)
		}
		if c.FirstToken > 0 {
			b.first.add(c.FirstToken)
		}
	}
}

// each calls fn for every bucket of a ring that is not stale. age counts from
// the present stretch, 0, back.
func (s *series) each(ring int, sec int64, fn func(age int64, b *bucket)) {
	now := sec / spans[ring].Step
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.rings[ring] {
		b := &s.rings[ring][i]
		if age := now - b.round; age >= 0 && age < ringSize && b.sums.Requests > 0 {
			fn(age, b)
		}
	}
}
