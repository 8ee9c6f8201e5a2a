package anthropic

import (
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

var (
	usageNames = jsonedit.NewNames("input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens",
		"cache_creation", "output_tokens_details", "service_tier")
	lifetimeNames = jsonedit.NewNames("ephemeral_5m_input_tokens", "ephemeral_1h_input_tokens")
	detailNames   = jsonedit.NewNames("thinking_tokens")
)

const (
	useInput = iota
	useOutput
	useWrite
	useRead
	useLifetimes
	useDetails
	useTier
	useCount
)

// usage is Anthropic's count, in which the input leaves the cache out. In a
// stream its members are running totals: each event replaces those it names.
type usage struct {
	input, output, write, read int64
	write5m, write1h, thinking int64
	tier                       string
	known                      bool
}

// set takes over the members of v that are there.
func (u *usage) set(v []byte) {
	if len(v) == 0 || v[0] != '{' {
		return
	}
	var at [useCount]jsonedit.Span
	lenient.Members(v, usageNames, at[:])
	u.known = true
	for i, n := range [...]*int64{useInput: &u.input, useOutput: &u.output, useWrite: &u.write, useRead: &u.read} {
		if lenient.Present(v, at[i]) != nil {
			*n = lenient.Count(v, at[i])
		}
	}
	if d := lenient.Present(v, at[useLifetimes]); d != nil {
		var in [2]jsonedit.Span
		lenient.Members(d, lifetimeNames, in[:])
		u.write5m, u.write1h = lenient.Count(d, in[0]), lenient.Count(d, in[1])
	}
	if d := lenient.Present(v, at[useDetails]); d != nil {
		var in [1]jsonedit.Span
		lenient.Members(d, detailNames, in[:])
		u.thinking = lenient.Count(d, in[0])
	}
	if at[useTier].Present() {
		u.tier = lenient.Text(v, at[useTier])
	}
}

// canonical returns the count as the gateway has it: input with the cache,
// output with the thinking.
func (u *usage) canonical(source llm.UsageSource) llm.Usage {
	if !u.known {
		return llm.Usage{}
	}
	write := max(u.write, u.write5m+u.write1h)
	return llm.Usage{
		Input:        u.input + write + u.read,
		CachedInput:  u.read,
		CacheWrite:   write,
		CacheWrite1h: min(u.write1h, write),
		Output:       max(u.output, u.thinking),
		Reasoning:    u.thinking,
		Source:       source,
		Tier:         llm.ServiceTierOf(u.tier),
	}
}

// appendUsage appends the object of a count, as Anthropic's clients read it.
func appendUsage(b []byte, u *llm.Usage, tier string) []byte {
	read := min(u.CachedInput, u.Input)
	write := min(u.CacheWrite, u.Input-read)
	hour := min(u.CacheWrite1h, write)
	b = wire.Num(append(b, '{'), "input_tokens", u.Input-read-write)
	b = wire.Num(b, "cache_creation_input_tokens", write)
	b = wire.Num(b, "cache_read_input_tokens", read)
	b = wire.Num(append(wire.Key(b, "cache_creation"), '{'), "ephemeral_5m_input_tokens", write-hour)
	b = append(wire.Num(b, "ephemeral_1h_input_tokens", hour), '}')
	b = wire.Num(b, "output_tokens", u.Output)
	if u.Reasoning > 0 {
		b = append(wire.Num(append(wire.Key(b, "output_tokens_details"), '{'), "thinking_tokens", u.Reasoning), '}')
	}
	return append(wire.StrIf(b, "service_tier", tierWord(tier)), '}')
}

// tierWord names a service tier as Anthropic does.
func tierWord(tier string) string {
	if tier == "default" || tier == "auto" {
		return "standard"
	}
	return tier
}
