package gemini

import (
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

var usageNames = jsonedit.NewNames("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "cachedContentTokenCount",
	"toolUsePromptTokenCount", "totalTokenCount")

const (
	usePrompt = iota
	useCandidates
	useThoughts
	useCached
	useTool
	useTotal
	useCount
)

// usageOf reads usageMetadata. The candidates leave the thoughts out (where the
// total shows that they do not, as in old answers of Vertex AI, they are not
// added); the prompt includes what came from the cache. A part that counts
// nothing at all, as of a chunk that tells only the kind of traffic, is unknown.
func usageOf(v []byte) llm.Usage {
	var at [useCount]jsonedit.Span
	lenient.Members(v, usageNames, at[:])
	var n [useCount]int64
	known := false
	for i := range at {
		known = known || lenient.Present(v, at[i]) != nil
		n[i] = lenient.Count(v, at[i])
	}
	if !known {
		return llm.Usage{}
	}
	input := n[usePrompt] + n[useTool]
	output := n[useCandidates] + n[useThoughts]
	if n[useTotal] > 0 && n[useCandidates] >= n[useThoughts] && input+n[useCandidates] == n[useTotal] {
		output = n[useCandidates]
	}
	return llm.Usage{
		Input: input, CachedInput: min(n[useCached], input),
		Output: output, Reasoning: n[useThoughts],
		Source: llm.UsageReported,
	}
}

// appendUsage appends the object of a count, as Gemini's clients read it: zeros
// are left out.
func appendUsage(b []byte, u *llm.Usage) []byte {
	b = append(b, '{')
	for i, n := range [...]int64{
		usePrompt: u.Input, useCandidates: max(u.Output-u.Reasoning, 0), useThoughts: u.Reasoning,
		useCached: u.CachedInput, useTotal: u.Total(),
	} {
		if n != 0 {
			b = wire.Num(b, usageNames.Name(i), n)
		}
	}
	return append(b, '}')
}
