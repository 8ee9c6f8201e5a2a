package catalog

import (
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// The costs were worked out by hand, as those of TestCostBuiltin.
func TestCostOfServiceTiers(t *testing.T) {
	c := builtin(t)
	now := day("2026-11-22")
	for _, tc := range []struct {
		model string
		u     llm.Usage
		want  string // "" = unknown
	}{
		// half of 600 x 1.25 + 400 x 0.125 + 50 x 10
		{"gpt-5", llm.Usage{Input: 1000, CachedInput: 400, Output: 50, Tier: llm.TierFlex}, "0.00065"},
		// twice the same
		{"gpt-5", llm.Usage{Input: 1000, CachedInput: 400, Output: 50, Tier: llm.TierPriority}, "0.0026"},
		// 1.8 times: 1000 x 0.45 + 100 x 3.60
		{"gpt-5-mini", llm.Usage{Input: 1000, Output: 100, Tier: llm.TierPriority}, "0.00081"},
		// reasoning is part of the output, half of 100 x 1.10 + 500 x 4.40
		{"o4-mini", llm.Usage{Input: 100, Output: 500, Reasoning: 400, Tier: llm.TierFlex}, "0.001155"},
		// half of 272001 x 5 + 1000 x 22.50: the larger price of a long request, too
		{"gpt-5.4", llm.Usage{Input: 272001, Output: 1000, Tier: llm.TierFlex}, "0.6912525"},
		// nobody knows
		{"gpt-4o", llm.Usage{Input: 1000, Output: 100, Tier: llm.TierFlex}, ""},
		{"gpt-5", llm.Usage{Input: 1000, Tier: llm.TierBatch}, ""},
		{"gpt-5", llm.Usage{Input: 1000, Tier: llm.Tiers + 3}, ""},
	} {
		cost, ok := c.Find("openai", tc.model).Pricer(now).Cost(tc.u)
		if ok != (tc.want != "") || ok && cost.String() != tc.want || !ok && cost != 0 {
			t.Errorf("%s %v: %v, %v, want %q", tc.model, tc.u.Tier, cost, ok, tc.want)
		}
	}
}

func TestServiceTiersOfAFile(t *testing.T) {
	load := func(tiers string) error {
		_, err := Load([]byte(`{"schema":"llm-gateway-prices/1","models":[{"id":"m","provider":"openai","prices":[{"input":"0.000001","output":"1","service_tiers":` + tiers + `}]}]}`))
		return err
	}
	for tiers, says := range map[string]string{
		`{"flex":1,"priority":"2","batch":"3.000"}`: "",
		`{"gold":"2"}`:         `"gold" is not one of batch, flex, priority`,
		`{"fast":"2"}`:         `"fast" is not one of batch, flex, priority`,
		`{"standard":"2"}`:     `"standard" is not one of`,
		`{"flex":"0"}`:         "must be above 0",
		`{"flex":"-1"}`:        "must be above 0",
		`{"flex":"1001"}`:      "at most 1000",
		`{"flex":"0.0005"}`:    "more than three decimals",
		`{"flex":"half"}`:      "share of the price",
		`{"flex":"0.5"}`:       "no whole number of 10^-12 dollars a token",
		`{"flex":{"input":1}}`: "share of the price",
	} {
		if err := load(tiers); (err == nil) != (says == "") || err != nil && !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", tiers, err, says)
		}
	}
}
