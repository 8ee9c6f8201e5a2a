package route

import (
	"math"
	"slices"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Strategy is how a route orders its targets for a call.
type Strategy string

// The strategies; see docs/routing.md.
const (
	Ordered      Strategy = "ordered"       // as configured; the zero value means the same
	Weighted     Strategy = "weighted"      // by chance, in proportion to the weights
	LeastLatency Strategy = "least_latency" // the quicker of two
	LowestCost   Strategy = "lowest_cost"   // the cheapest by list price
)

// orderer orders a route's targets for one call. It returns targets itself when
// their order stays, else a new slice; it never changes targets.
type orderer interface {
	order(targets []*Target, c *llm.Call) []*Target
}

// world is what strategies see beside the call.
type world struct {
	now      func() time.Time
	rand     func() float64 // in [0, 1); safe for concurrent use
	estimate func(*llm.Call) (prompt, output int64)
}

// orderer returns what orders the targets of a route; nil = nothing does.
func (w *world) orderer(s Strategy, sticky bool, targets []*Target) orderer {
	if len(targets) < 2 {
		return nil
	}
	var o orderer
	switch s {
	case Weighted:
		o = weighted{w}
	case LeastLatency:
		o = leastLatency{w}
	case LowestCost:
		return lowestCost{w}
	default:
		return nil
	}
	if sticky {
		o = newStickyOrder(o, targets)
	}
	return o
}

// ranked is a target with what it is sorted by, the least first.
type ranked struct {
	target *Target
	rank   float64
}

// byRank sorts in place, keeping the order of equals, and returns the targets.
func byRank(all []ranked) []*Target {
	slices.SortStableFunc(all, func(a, b ranked) int {
		switch {
		case a.rank < b.rank:
			return -1
		case a.rank > b.rank:
			return 1
		}
		return 0
	})
	sorted := make([]*Target, len(all))
	for i := range all {
		sorted[i] = all[i].target
	}
	return sorted
}

// few is how many targets are ranked without an allocation for it.
const few = 8

// lottery is the rank of a target that drew u, in [0, 1): the least of
// exponential variables with the weights as their rates. Whoever is first was
// chosen in proportion to the weights, and so is the second among the rest.
// A weight of zero comes last.
func lottery(u float64, weight int) float64 {
	if weight <= 0 {
		return math.Inf(1)
	}
	return -math.Log(1-u) / float64(weight)
}
