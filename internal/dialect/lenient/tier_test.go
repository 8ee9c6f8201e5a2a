package lenient

import (
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

func TestTier(t *testing.T) {
	names := jsonedit.NewNames("service_tier")
	for doc, want := range map[string]llm.ServiceTier{
		`{}`: llm.TierStandard, `{"service_tier":null}`: llm.TierStandard, `{"service_tier":7}`: llm.TierStandard, `{"service_tier":""}`: llm.TierStandard,
		`{"service_tier":"default"}`: llm.TierStandard, `{"service_tier":"scale"}`: llm.TierStandard, `{"service_tier": "flex" }`: llm.TierFlex,
		`{"service_tier":"priority"}`: llm.TierPriority, `{"service_tier":"batch"}`: llm.TierBatch, `{"service_tier":["flex"]}`: llm.TierStandard,
	} {
		raw := []byte(doc)
		var at [1]jsonedit.Span
		Members(raw, names, at[:])
		var got llm.ServiceTier
		if n := testing.AllocsPerRun(10, func() { got = Tier(raw, at[0]) }); got != want || n != 0 {
			t.Errorf("%s: %v, %v allocations", doc, got, n)
		}
	}
}
