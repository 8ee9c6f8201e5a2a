package llm

// ServiceTier is how a provider served a call, as far as that sets its price.
type ServiceTier uint8

// The tiers. The zero value is the standard one; Tiers is their number.
const (
	TierStandard ServiceTier = iota
	TierBatch
	TierFlex
	TierPriority

	Tiers
)

// ServiceTierOf reads a tier's name in an answer. Words that name no other price,
// such as default, auto, standard and on_demand, are the standard tier.
// Source: OpenAI's reference of service_tier, Anthropic's of usage.service_tier.
func ServiceTierOf(word string) ServiceTier {
	switch word {
	case "batch":
		return TierBatch
	case "flex":
		return TierFlex
	case "priority", "fast":
		return TierPriority
	}
	return TierStandard
}

// String returns standard, batch, flex or priority.
func (t ServiceTier) String() string {
	switch t {
	case TierBatch:
		return "batch"
	case TierFlex:
		return "flex"
	case TierPriority:
		return "priority"
	}
	return "standard"
}
