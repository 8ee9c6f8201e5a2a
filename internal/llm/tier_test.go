package llm

import "testing"

func TestServiceTierOf(t *testing.T) {
	for word, want := range map[string]ServiceTier{
		"": TierStandard, "default": TierStandard, "auto": TierStandard, "standard": TierStandard, "on_demand": TierStandard,
		"batch": TierBatch, "flex": TierFlex, "priority": TierPriority, "fast": TierPriority,
	} {
		if got := ServiceTierOf(word); got != want {
			t.Errorf("%q: %v", word, got)
		}
	}
	for tier := TierStandard; tier < Tiers; tier++ { // each has a name of its own, which reads as itself
		if got := ServiceTierOf(tier.String()); got != tier {
			t.Errorf("%v reads as %v", tier, got)
		}
	}
}
