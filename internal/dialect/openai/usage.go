package openai

import (
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

var usageNames = jsonedit.NewNames("prompt_tokens", "completion_tokens", "total_tokens",
	"prompt_tokens_details", "completion_tokens_details",
	"prompt_cache_hit_tokens", "cached_tokens")

const (
	usagePrompt = iota
	usageCompletion
	usageTotal
	usagePromptDetails
	usageCompletionDetails
	usageCacheHit // DeepSeek
	usageCached   // Moonshot
	usageCount
)

var promptNames = jsonedit.NewNames("cached_tokens", "cache_write_tokens", "cache_creation_input_tokens")

var completionNames = jsonedit.NewNames("reasoning_tokens")

// decodeUsage reads a usage object into u and reports whether it was one. It
// allocates nothing.
func decodeUsage(v []byte, u *llm.Usage) bool {
	var at [usageCount]jsonedit.Span
	if len(v) == 0 || v[0] != '{' || lenient.Find(v, usageNames, at[:]) != nil {
		return false
	}
	if !at[usagePrompt].Present() && !at[usageTotal].Present() {
		return false
	}
	var prompt [3]jsonedit.Span
	var completion [1]jsonedit.Span
	lenient.Members(lenient.Present(v, at[usagePromptDetails]), promptNames, prompt[:])
	lenient.Members(lenient.Present(v, at[usageCompletionDetails]), completionNames, completion[:])
	inner := lenient.Present(v, at[usagePromptDetails])

	*u = llm.Usage{
		Input:       lenient.Count(v, at[usagePrompt]),
		Output:      lenient.Count(v, at[usageCompletion]),
		CachedInput: max(lenient.Count(inner, prompt[0]), lenient.Count(v, at[usageCacheHit]), lenient.Count(v, at[usageCached])),
		CacheWrite:  max(lenient.Count(inner, prompt[1]), lenient.Count(inner, prompt[2])),
		Reasoning:   lenient.Count(lenient.Present(v, at[usageCompletionDetails]), completion[0]),
		Source:      llm.UsageReported,
	}
	normalise(u, lenient.Count(v, at[usageTotal]))
	return true
}

// normalise makes Output include Reasoning and keeps the parts within the
// whole: xAI counts reasoning beside completion_tokens, and recorded traffic
// has cached and reasoning counts above the sums that should include them.
func normalise(u *llm.Usage, total int64) {
	switch {
	case u.Reasoning > 0 && total == u.Input+u.Output+u.Reasoning:
		u.Output += u.Reasoning
	case u.Input == 0 && total > u.Output:
		u.Input = total - u.Output
	case u.Output == 0 && total > u.Input:
		u.Output = total - u.Input
	}
	u.CachedInput = min(u.CachedInput, u.Input)
	u.CacheWrite = min(u.CacheWrite, u.Input-u.CachedInput)
	u.Reasoning = min(u.Reasoning, u.Output)
}

// appendUsage appends u as OpenAI words it. cache_write_tokens is its member
// of the newest models; it is left out where nothing was written.
func appendUsage(b []byte, u *llm.Usage) []byte {
	b = wire.Num(append(b, '{'), "prompt_tokens", u.Input)
	b = wire.Num(b, "completion_tokens", u.Output)
	b = wire.Num(b, "total_tokens", u.Total())
	b = wire.Num(append(wire.Key(b, "prompt_tokens_details"), '{'), "cached_tokens", u.CachedInput)
	if u.CacheWrite > 0 {
		b = wire.Num(b, "cache_write_tokens", u.CacheWrite)
	}
	b = append(b, '}')
	b = wire.Num(append(wire.Key(b, "completion_tokens_details"), '{'), "reasoning_tokens", u.Reasoning)
	return append(b, `}}`...)
}

var xGroqNames = jsonedit.NewNames("usage")
