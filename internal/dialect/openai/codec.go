// Package openai is the OpenAI dialect at both ends: Chat Completions and
// Embeddings as the gateway's clients speak them, and as OpenAI and the many
// compatible providers do. Reading a provider is tolerant (every deviation that
// has been seen in recorded traffic is accepted), reading a client is exact.
// The wire facts are those of OpenAI's OpenAPI document 2.3.0 and of recorded
// traffic of OpenAI, Azure, DeepSeek, Groq, Mistral, xAI, OpenRouter, Ollama,
// Z.ai and DashScope.
//
// # Reasoning and signatures
//
// Chat Completions has no official place for a model's thinking. The de-facto
// members are used, so that the opaque state of other providers survives a
// round trip through an OpenAI client:
//
//   - message.reasoning_content and delta.reasoning_content hold the readable
//     text.
//   - message.reasoning_details and delta.reasoning_details hold the blocks, in
//     OpenRouter's form: {"type":"reasoning.text","text","signature","format",
//     "index"} for text and its signature, {"type":"reasoning.encrypted",
//     "data","id","format","index"} for a block that is opaque altogether.
//     format says whose state it is: anthropic-claude-v1, google-gemini-v1 or
//     openai-responses-v1. In a stream the pieces of one block share an index;
//     its signature comes in a piece of its own.
//   - tool_calls[].extra_content.google.thought_signature holds Gemini's
//     signature of a call, as on Google's own OpenAI-compatible endpoint.
//
// A client that sends the assistant message back with these members, whole or
// as the list of pieces that it received, restores the conversation's state.
//
// # Members without a canonical place
//
// Unknown top-level members are kept in llm.Request.Extra under their name,
// unknown members of messages, parts and tools under their path
// (messages[2].prefix). This codec writes both back where they stood; any
// other dialect refuses or drops them by that name.
package openai

import (
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Codec reads and writes the dialect. The zero value speaks to OpenAI itself;
// the fields are for compatible providers that differ. It holds no state.
type Codec struct {
	// NoStreamUsage is for providers that refuse stream_options (those that
	// report usage without being asked).
	NoStreamUsage bool
	// MaxTokensName is the member that limits output tokens: max_tokens or
	// max_completion_tokens. "" chooses by model, as OpenAI's reasoning models
	// accept only the latter and most compatible servers know the former.
	MaxTokensName string
	// ReasoningField says how earlier reasoning goes back to the provider:
	// reasoning_content (DeepSeek, Moonshot, Z.ai), reasoning (Groq, vLLM) or
	// reasoning_details (OpenRouter). "" leaves it out, as OpenAI refuses it.
	ReasoningField string
	// ThoughtSignatures sends Gemini's signatures of tool calls back, as
	// Google's own OpenAI-compatible endpoint wants them; others may refuse
	// the member.
	ThoughtSignatures bool
	// QuotaThrottles is for DashScope, whose compatible mode answers
	// insufficient_quota for ordinary throttling that passes by itself.
	QuotaThrottles bool
}

var (
	_ dialect.Client       = Codec{}
	_ dialect.ErrorEncoder = Codec{}
	_ dialect.Provider     = Codec{}
	_ dialect.ErrorDecoder = Codec{}
	_ dialect.Passer       = Codec{}
)

// limitName returns the name of the member that limits output tokens.
func (k Codec) limitName(model string) string {
	if k.MaxTokensName != "" {
		return k.MaxTokensName
	}
	if Reasons(model) {
		return "max_completion_tokens"
	}
	return "max_tokens"
}

// Reasons reports whether model is one of OpenAI's reasoning models (o1 and
// later o-series, gpt-5 and later), which answer max_tokens with 400
// unsupported_parameter.
func Reasons(model string) bool {
	if i := strings.LastIndexByte(model, '/'); i >= 0 {
		model = model[i+1:]
	}
	if rest, ok := strings.CutPrefix(model, "gpt-"); ok {
		n := version(rest)
		return n >= 5 && n < 30 // gpt-35-turbo is Azure's name for 3.5
	}
	rest, ok := strings.CutPrefix(model, "o")
	return ok && version(rest) >= 1
}

// version returns the number that s begins with, 0 when it begins with no
// number of its own (4o, oss).
func version(s string) int {
	n, i := 0, 0
	for ; i < len(s) && i < 3 && s[i] >= '0' && s[i] <= '9'; i++ {
		n = n*10 + int(s[i]-'0')
	}
	if i < len(s) && s[i] != '-' && s[i] != '.' {
		return 0
	}
	return n
}

// The origins of reasoning state, as OpenRouter names them.
const (
	formatAnthropic = "anthropic-claude-v1"
	formatGemini    = "google-gemini-v1"
	formatResponses = "openai-responses-v1"
)

// formatOf names the provider whose state a reasoning block carries.
func formatOf(d llm.Dialect) string {
	switch d {
	case llm.DialectAnthropic:
		return formatAnthropic
	case llm.DialectGemini:
		return formatGemini
	case llm.DialectResponses:
		return formatResponses
	}
	return ""
}

// originOf is the reverse of formatOf; versions of a format are alike.
func originOf(format string) llm.Dialect {
	switch {
	case strings.HasPrefix(format, "anthropic"):
		return llm.DialectAnthropic
	case strings.HasPrefix(format, "google"):
		return llm.DialectGemini
	case strings.HasPrefix(format, "openai"), strings.HasPrefix(format, "azure-openai"):
		return llm.DialectResponses
	}
	return 0
}
