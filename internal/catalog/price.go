package catalog

import (
	"math"
	"math/bits"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Rates are prices of one token each, exact. What a price list leaves out is
// filled in: cached input and cache writes cost as input, a write for an hour
// as the shorter one, thinking as output.
type Rates struct {
	Input          llm.Money
	CachedInput    llm.Money
	CacheWrite     llm.Money // every lifetime but an hour
	CacheWrite1h   llm.Money
	Output         llm.Money
	OutputThinking llm.Money
}

// Tier is the price of requests with more than Above input tokens, cached ones
// included. It holds for the whole request.
type Tier struct {
	Above int64
	Rates
}

// Price is what a model costs from a day on. It is an llm.Pricer.
type Price struct {
	From time.Time // zero = since ever
	Rates
	Tiers []Tier // in order of Above

	// Services are the prices of other service tiers than the standard one, whose
	// own is nil; nil = unknown.
	Services [llm.Tiers]*Price
}

// For returns the rates of a request with so many input tokens.
func (p *Price) For(input int64) Rates {
	for i := len(p.Tiers) - 1; i >= 0; i-- {
		if input > p.Tiers[i].Above {
			return p.Tiers[i].Rates
		}
	}
	return p.Rates
}

// Cost returns what a call cost. Counts below zero count as zero, parts of a
// count are at most the whole, and a sum beyond the range of llm.Money stays
// at its end. ok is false for a service tier whose price is unknown.
func (p *Price) Cost(u llm.Usage) (cost llm.Money, ok bool) {
	if u.Tier != llm.TierStandard {
		if u.Tier >= llm.Tiers || p.Services[u.Tier] == nil {
			return 0, false
		}
		p = p.Services[u.Tier]
	}
	r := p.For(u.Input)
	cached, written := max(u.CachedInput, 0), max(u.CacheWrite, 0)
	hour := min(max(u.CacheWrite1h, 0), written)
	output := max(u.Output, 0)
	thinking := min(max(u.Reasoning, 0), output)

	cost = charge(cost, minus(minus(u.Input, cached), written), r.Input)
	cost = charge(cost, cached, r.CachedInput)
	cost = charge(cost, written-hour, r.CacheWrite)
	cost = charge(cost, hour, r.CacheWrite1h)
	cost = charge(cost, output-thinking, r.Output)
	return charge(cost, thinking, r.OutputThinking), true
}

// minus returns n less part, but not less than zero; part is not negative.
func minus(n, part int64) int64 {
	if n <= part {
		return 0
	}
	return n - part
}

// charge adds the price of n tokens to sum and stays at the greatest amount.
func charge(sum llm.Money, n int64, rate llm.Money) llm.Money {
	hi, lo := bits.Mul64(uint64(n), uint64(rate))
	if hi != 0 || lo > uint64(math.MaxInt64-sum) {
		return math.MaxInt64
	}
	return sum + llm.Money(lo)
}
