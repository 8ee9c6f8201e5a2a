package route

import (
	"slices"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// leastLatency takes the quicker of two targets chosen at random, so that not
// everyone runs to the one that was the quickest a moment ago. The others
// follow, the quickest first. Calls are not told apart but by whether they
// stream: a whole answer takes longer than a first event.
type leastLatency struct{ *world }

func (l leastLatency) order(targets []*Target, c *llm.Call) []*Target {
	now := l.now()
	var room [few]ranked
	all := room[:0]
	for _, t := range targets {
		cost := 0.0
		if t.Health != nil {
			cost = t.Health.of(c.Stream).cost(now)
		}
		all = append(all, ranked{t, cost})
	}
	first := l.pick(all)
	front := all[first]
	sorted := byRank(slices.Delete(all, first, first+1))
	return slices.Insert(sorted, 0, front.target)
}

// pick returns the index of the better of two.
func (l leastLatency) pick(all []ranked) int {
	n := float64(len(all))
	i := int(l.rand() * n)
	j := int(l.rand() * (n - 1))
	if j >= i {
		j++
	}
	if all[j].rank < all[i].rank {
		return j
	}
	return i
}
