package lenient

import (
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// tiers are the names of service tiers that have a price of their own.
var tiers = []string{"batch", "flex", "priority", "fast"}

// Tier reads the service tier that an answer names; a word without a price of its
// own, or none, is the standard tier. It allocates nothing.
func Tier(doc []byte, s jsonedit.Span) llm.ServiceTier {
	b := s.Of(doc)
	if len(b) < 2 || b[0] != '"' {
		return llm.TierStandard
	}
	for _, w := range tiers {
		if string(b[1:len(b)-1]) == w {
			return llm.ServiceTierOf(w)
		}
	}
	return llm.TierStandard
}
