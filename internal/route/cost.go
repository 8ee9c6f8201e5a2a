package route

import (
	"math"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// assumedOutput is how many tokens of answer a call is priced with that sets no
// limit. Comparing prices needs one number for all targets, not the true one.
const assumedOutput = 1000

// lowestCost takes the target with the lowest price for the estimated prompt
// and the longest answer that the call allows. Targets without a price come
// last; equals stay as configured.
type lowestCost struct{ *world }

func (l lowestCost) order(targets []*Target, c *llm.Call) []*Target {
	u := llm.Usage{Source: llm.UsageEstimated}
	u.Input, u.Output = l.estimate(c)
	if u.Output < 0 {
		u.Output = assumedOutput
	}
	var room [few]ranked
	all := room[:0]
	for _, t := range targets {
		all = append(all, ranked{t, priceOf(t, u)})
	}
	return byRank(all)
}

func priceOf(t *Target, u llm.Usage) float64 {
	if t.Price == nil {
		return math.Inf(1)
	}
	cost, ok := t.Price.Cost(u)
	if !ok {
		return math.Inf(1)
	}
	return float64(cost)
}
