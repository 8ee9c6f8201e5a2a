package catalog

import (
	"fmt"
	"math"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// The costs here were worked out by hand from the price list: dollars per
// million tokens times tokens.
func TestCostBuiltin(t *testing.T) {
	c := builtin(t)
	now := day("2026-11-22")
	for _, tc := range []struct {
		provider, model string
		at              time.Time
		u               llm.Usage
		want            string
	}{
		// 9 x 2.50 + 12 x 10, the example of the contract's envelope.
		{"openai", "gpt-4o", now, llm.Usage{Input: 9, Output: 12}, "0.0001425"},
		// 600 x 0.15 + 400 x 0.075 + 50 x 0.60
		{"openai", "gpt-4o-mini", now, llm.Usage{Input: 1000, CachedInput: 400, Output: 50}, "0.00015"},
		// no price for cached input: 1000 x 15
		{"openai", "gpt-5-pro", now, llm.Usage{Input: 1000, CachedInput: 1000}, "0.015"},
		// reasoning is part of the output: 100 x 1.10 + 500 x 4.40
		{"openai", "o4-mini", now, llm.Usage{Input: 100, Output: 500, Reasoning: 400}, "0.00231"},
		// the bound itself is below it: 272000 x 2.50 + 1000 x 15
		{"openai", "gpt-5.4", now, llm.Usage{Input: 272000, Output: 1000}, "0.695"},
		// one more token doubles all input: 272001 x 5 + 1000 x 22.50
		{"openai", "gpt-5.4", now, llm.Usage{Input: 272001, Output: 1000}, "1.382505"},
		// cached tokens count for the bound: 1 x 5 + 300000 x 0.50 + 10 x 22.50
		{"openai", "gpt-5.4", now, llm.Usage{Input: 300001, CachedInput: 300000, Output: 10}, "0.15023"},
		// 500 x 2 + 200 x 0.10 + 300 x 2.50 + 10 x 10
		{"openai", "gpt-6.2-sol", now, llm.Usage{Input: 1000, CachedInput: 200, CacheWrite: 300, Output: 10}, "0.00187"},
		// 100 x 3 + 5000 x 0.30 + 2000 x 3.75 + 1000 x 6 + 200 x 15
		{"anthropic", "claude-sonnet-4-6", now, llm.Usage{Input: 8100, CachedInput: 5000, CacheWrite: 3000, CacheWrite1h: 1000, Output: 200}, "0.0183"},
		// tier above 100000, writes and reads counted: 1 x 0.50 + 60000 x 0.05 + 30000 x 0.625 + 10000 x 1 + 100 x 2.50
		{"anthropic", "claude-haiku-5-5", now, llm.Usage{Input: 100001, CachedInput: 60000, CacheWrite: 40000, CacheWrite1h: 10000, Output: 100}, "0.0320005"},
		// 1 x 0.1875 + 1 x 0.234375 + 1 x 1.125: six decimals, per token twelve
		{"dashscope", "qwen3.6-flash", now, llm.Usage{Input: 2, CacheWrite: 1, Output: 1}, "0.000001546875"},
		// thinking at its own price: 1000 x 0.40 + 100 x 1.20 + 900 x 4
		{"dashscope", "qwen-plus", now, llm.Usage{Input: 1000, Output: 1000, Reasoning: 900}, "0.00412"},
		// the promotion ends with the year: 1000 x 0.75 + 1000 x 3.75, then 1.50 and 7.50
		{"gemini", "gemini-3.6-flash", day("2026-12-31").Add(24*time.Hour - 1), llm.Usage{Input: 1000, Output: 1000}, "0.0045"},
		{"gemini", "gemini-3.6-flash", day("2027-01-01"), llm.Usage{Input: 1000, Output: 1000}, "0.009"},
		// 1000 x 2.50 before, 1000 x 2 after; 1000 x 0.25 and 0.20 cached
		{"openai", "gpt-5.6-terra", day("2026-07-29"), llm.Usage{Input: 2000, CachedInput: 1000}, "0.00275"},
		{"openai", "gpt-5.6-terra", day("2026-07-30"), llm.Usage{Input: 2000, CachedInput: 1000}, "0.0022"},
		{"anthropic", "claude-sonnet-5-5", day("2026-10-06"), llm.Usage{Input: 1000, CachedInput: 1000}, "0.0002"},
		{"anthropic", "claude-sonnet-5-5", day("2026-10-07"), llm.Usage{Input: 1000, CachedInput: 1000}, "0.0001"},
		// embeddings: 1000 x 0.02, output free
		{"openai", "text-embedding-3-small", now, llm.Usage{Input: 1000}, "0.00002"},
		// the mock's fictitious 1 and 2
		{"mock", "anything-at-all", now, llm.Usage{Input: 10, CachedInput: 4, Output: 5}, "0.00002"},
		// kinds that sell others' models
		{"azure-openai", "gpt-4o", now, llm.Usage{Input: 1}, "0.0000025"},
		{"vertex", "claude-opus-4-5@20251101", now, llm.Usage{Input: 1}, "0.000005"},
	} {
		p := c.Find(tc.provider, tc.model).Pricer(tc.at)
		if p == nil {
			t.Errorf("%s/%s has no price", tc.provider, tc.model)
			continue
		}
		if got, ok := p.Cost(tc.u); !ok || got.String() != tc.want {
			t.Errorf("%s/%s on %s, %+v: %s, %v, want %s", tc.provider, tc.model, tc.at.Format(time.DateOnly), tc.u, got, ok, tc.want)
		}
	}
}

const priced = `{"id":"m","provider":"p","prices":[{"input":"1","cached_input":"0.1","cache_write_5m":"2","cache_write_1h":"3","output":"5","output_thinking":"7"}]}`

func TestCostOddUsage(t *testing.T) {
	p := load(t, "", priced).Find("p", "m").Pricer(day("2026-01-01"))
	for _, tc := range []struct {
		u    llm.Usage
		want llm.Money // in millionths of a dollar
	}{
		{llm.Usage{}, 0},
		{llm.Usage{Input: 10, CachedInput: 10}, 1},
		{llm.Usage{Input: 5, CachedInput: 10}, 1},                 // never negative
		{llm.Usage{Input: 10, CachedInput: 10, CacheWrite: 3}, 7}, // 1 + 3 x 2
		{llm.Usage{Input: 10, CacheWrite: 4, CacheWrite1h: 9}, 18},
		{llm.Usage{Input: -5, CachedInput: -5, CacheWrite: -5, CacheWrite1h: -5, Output: -5, Reasoning: -5}, 0},
		{llm.Usage{Output: 3, Reasoning: 9}, 21},
		{llm.Usage{Output: 3, Reasoning: -9}, 15},
		{llm.Usage{CachedInput: math.MaxInt64, CacheWrite: math.MaxInt64, Output: math.MaxInt64}, math.MaxInt64},
		{llm.Usage{Input: math.MaxInt64}, math.MaxInt64},
		{llm.Usage{Input: math.MinInt64, CachedInput: math.MaxInt64, CacheWrite: math.MaxInt64}, math.MaxInt64},
	} {
		want := tc.want
		if want != math.MaxInt64 {
			want *= llm.Dollar / million
		}
		if got, ok := p.Cost(tc.u); !ok || got != want {
			t.Errorf("%+v: %d, %v, want %d", tc.u, got, ok, want)
		}
	}
}

// What a list leaves out costs as its documentation says.
func TestRatesFilledIn(t *testing.T) {
	dollars := func(in, cached, w5, w1, out, think llm.Money) Rates {
		return Rates{in * million, cached * million, w5 * million, w1 * million, out * million, think * million}
	}
	for spec, want := range map[string]Rates{
		`"input":"2","output":"3"`:                                          dollars(2, 2, 2, 2, 3, 3),
		`"input":"2","output":"3","cached_input":"1"`:                       dollars(2, 1, 2, 2, 3, 3),
		`"input":"2","output":"3","cached_input":null,"cache_write_5m":"4"`: dollars(2, 2, 4, 4, 3, 3),
		`"input":"2","output":"3","cache_write_1h":"5"`:                     dollars(2, 2, 2, 5, 3, 3),
		`"input":"2","output":"0","cached_input":"0","output_thinking":"9"`: dollars(2, 0, 2, 2, 0, 9),
		`"input":2,"output":3.0,"cache_write_5m":"4.000000"`:                dollars(2, 2, 4, 4, 3, 3),
	} {
		e := load(t, "", `{"id":"m","provider":"p","prices":[{`+spec+`}]}`).Find("p", "m")
		if got := e.Prices[0].Rates; got != want {
			t.Errorf("%s: %+v, want %+v", spec, got, want)
		}
	}
}

// A tier replaces the whole price: what it leaves out is filled in from the
// tier, not from the price below it.
func TestTiers(t *testing.T) {
	e := load(t, "", `{"id":"m","provider":"p","prices":[{"input":"1","cached_input":"0.5","output":"1","tiers":[
		{"above":100,"input":"10","output":"20"},{"above":200,"input":"100","cached_input":"30","output":"200"}]}]}`).Find("p", "m")
	for input, want := range map[int64][2]llm.Money{
		0: {1, 500_000}, 100: {1, 500_000}, 101: {10, 10_000_000}, 200: {10, 10_000_000}, 201: {100, 30_000_000}, math.MaxInt64: {100, 30_000_000},
	} {
		r := e.Prices[0].For(input)
		if r.Input != want[0]*million || r.CachedInput != want[1] {
			t.Errorf("%d tokens: %+v, want %v", input, r, want)
		}
	}
}

// No price is nil, which is not a price of zero.
func TestUnknownPrice(t *testing.T) {
	c := load(t, "", `{"id":"none","provider":"p"},{"id":"empty","provider":"p","prices":[]},
		{"id":"later","provider":"p","prices":[{"from":"2026-05-01","input":"1","output":"1"}]},
		{"id":"free","provider":"p","prices":[{"input":"0","output":"0"}]}`)
	for model, want := range map[string]bool{"none": false, "empty": false, "later": false, "absent": false, "free": true} {
		p := c.Find("p", model).Pricer(day("2026-04-30"))
		if (p != nil) != want {
			t.Errorf("%s: %v", model, p)
		}
		if want {
			if cost, ok := p.Cost(llm.Usage{Input: 1e6}); cost != 0 || !ok {
				t.Errorf("%s: %v, %v", model, cost, ok)
			}
		}
	}
	if c.Find("p", "later").Pricer(day("2026-05-01")) == nil {
		t.Error("the first day has no price")
	}
}

// FuzzCost holds the exact sum against one in floating point.
func FuzzCost(f *testing.F) {
	f.Add(int64(1000), int64(100), int64(50), int64(10), int64(500), int64(100))
	f.Add(int64(-1), int64(5), int64(0), int64(7), int64(1)<<40, int64(1))
	p := load(f, "", priced).Find("p", "m").Pricer(day("2026-01-01"))
	f.Fuzz(func(t *testing.T, in, cached, write, hour, out, think int64) {
		u := llm.Usage{Input: in, CachedInput: cached, CacheWrite: write, CacheWrite1h: hour, Output: out, Reasoning: think}
		got, ok := p.Cost(u)
		if !ok || got < 0 {
			t.Fatalf("%+v: %d, %v", u, got, ok)
		}
		pos := func(n int64) float64 { return math.Max(float64(n), 0) }
		w, o := pos(write), pos(out)
		h, th := math.Min(pos(hour), w), math.Min(pos(think), o)
		want := math.Max(float64(in)-pos(cached)-w, 0)*1e6 + pos(cached)*1e5 + (w-h)*2e6 + h*3e6 + (o-th)*5e6 + th*7e6
		want = math.Min(want, math.MaxInt64)
		if diff := math.Abs(float64(got) - want); diff > 1e-9*want+1 {
			t.Fatalf("%+v: %d, about %s", u, got, fmt.Sprint(want))
		}
	})
}

func BenchmarkCost(b *testing.B) {
	p := builtin(b).Find("anthropic", "claude-haiku-5-5").Pricer(day("2026-11-22"))
	u := llm.Usage{Input: 8100, CachedInput: 5000, CacheWrite: 3000, CacheWrite1h: 1000, Output: 200}
	b.ReportAllocs()
	for b.Loop() {
		p.Cost(u)
	}
}
