package route

import "github.com/llm-gateway/llm-gateway/internal/llm"

// weighted draws lots for each call.
type weighted struct{ *world }

func (w weighted) order(targets []*Target, _ *llm.Call) []*Target {
	var room [few]ranked
	all := room[:0]
	for _, t := range targets {
		all = append(all, ranked{t, lottery(w.rand(), t.Weight)})
	}
	return byRank(all)
}
