package dashscope

import (
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

var usageNames = jsonedit.NewNames("input_tokens", "output_tokens", "total_tokens", "prompt_tokens_details", "output_tokens_details")

const (
	useInput = iota
	useOutput
	useTotal
	usePromptDetails
	useOutputDetails
	useCount
)

var (
	promptNames = jsonedit.NewNames("cached_tokens", "cache_creation_input_tokens")
	outputUse   = jsonedit.NewNames("reasoning_tokens")
)

// decodeUsage reads a usage object and reports whether it was one. Its input
// includes cached and image tokens, its output includes reasoning. total_tokens
// is missing from multimodal answers and stands alone in those to embeddings.
func decodeUsage(v []byte) (u llm.Usage, ok bool) {
	var at [useCount]jsonedit.Span
	lenient.Members(v, usageNames, at[:])
	if !at[useInput].Present() && !at[useTotal].Present() {
		return u, false
	}
	prompt, output := lenient.Present(v, at[usePromptDetails]), lenient.Present(v, at[useOutputDetails])
	var pin [2]jsonedit.Span
	var pout [1]jsonedit.Span
	lenient.Members(prompt, promptNames, pin[:])
	lenient.Members(output, outputUse, pout[:])
	u = llm.Usage{
		Input:       lenient.Count(v, at[useInput]),
		Output:      lenient.Count(v, at[useOutput]),
		CachedInput: lenient.Count(prompt, pin[0]),
		CacheWrite:  lenient.Count(prompt, pin[1]),
		Reasoning:   lenient.Count(output, pout[0]),
		Source:      llm.UsageReported,
	}
	if total := lenient.Count(v, at[useTotal]); u.Input == 0 && total > u.Output {
		u.Input = total - u.Output
	}
	u.CachedInput = min(u.CachedInput, u.Input)
	u.CacheWrite = min(u.CacheWrite, u.Input-u.CachedInput)
	u.Reasoning = min(u.Reasoning, u.Output)
	return u, true
}

// appendUsage appends u as DashScope words it.
func appendUsage(b []byte, u *llm.Usage) []byte {
	b = wire.Num(append(b, '{'), "total_tokens", u.Total())
	b = wire.Num(wire.Num(b, "output_tokens", u.Output), "input_tokens", u.Input)
	if u.Reasoning > 0 {
		b = append(wire.Num(append(wire.Key(b, "output_tokens_details"), '{'), "reasoning_tokens", u.Reasoning), '}')
	}
	b = wire.Num(append(wire.Key(b, "prompt_tokens_details"), '{'), "cached_tokens", u.CachedInput)
	if u.CacheWrite > 0 {
		b = wire.Num(b, "cache_creation_input_tokens", u.CacheWrite)
	}
	return append(b, `}}`...)
}
