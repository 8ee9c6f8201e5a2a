// Package anthropic is the Anthropic Messages dialect at both ends: as the
// gateway's clients speak it on /v1/messages and /v1/messages/count_tokens, and
// as the Anthropic API does. Reading a provider is tolerant, reading a client
// is exact. The wire facts are those of Anthropic's SDKs and documentation of
// 2026 and of recorded traffic.
//
// # Thinking and foreign state
//
// Thinking blocks carry a signature that Anthropic wants back unchanged; the
// canonical form keeps it with its origin. What other providers want back rides
// in the same place, so that an Anthropic client, which returns thinking blocks
// as it got them, carries it too: the signature (or, for a block that is opaque
// altogether, the data of a redacted_thinking block) is then marked by
// dialect.PackState, and holds
//
//	<state>              of a reasoning block
//	id:<id>:<state>      of an OpenAI Responses item with an id of its own
//	tool:<state>:<id>    of the tool call with that id (Gemini)
//
// The last is a thinking block without text beside the tool_use block it
// belongs to. Thinking of other providers is not sent to Anthropic.
//
// # Members without a canonical place
//
// Unknown top-level members are kept in llm.Request.Extra and written back for
// an Anthropic target; unknown members of messages, blocks and tools are kept
// under their path, which no target but a passing body can honour.
package anthropic

import (
	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Codec reads and writes the dialect. It holds no state.
type Codec struct{}

var (
	_ dialect.Client       = Codec{}
	_ dialect.ErrorEncoder = Codec{}
	_ dialect.Provider     = Codec{}
	_ dialect.ErrorDecoder = Codec{}
	_ dialect.Passer       = Codec{}
)

// finishes maps Anthropic's stop reasons to the canonical ones. What stands
// not here ends as stop, with the native word kept.
var finishes = map[string]llm.FinishReason{
	"end_turn":                      llm.FinishStop,
	"stop_sequence":                 llm.FinishStop,
	"pause_turn":                    llm.FinishStop, // a hosted tool's loop paused
	"compaction":                    llm.FinishStop,
	"max_tokens":                    llm.FinishLength,
	"model_context_window_exceeded": llm.FinishLength,
	"tool_use":                      llm.FinishToolCalls,
	"refusal":                       llm.FinishContentFilter,
}

func finishOf(native string) llm.FinishReason {
	if f, ok := finishes[native]; ok {
		return f
	}
	return llm.FinishStop
}

// stopReason is the reverse of finishOf. A native word of Anthropic's own that
// means the same is kept.
func stopReason(f llm.FinishReason, native, stopSequence string) string {
	if known, ok := finishes[native]; ok && known == f {
		return native
	}
	switch f {
	case llm.FinishLength:
		return "max_tokens"
	case llm.FinishToolCalls:
		return "tool_use"
	case llm.FinishContentFilter:
		return "refusal"
	}
	if stopSequence != "" {
		return "stop_sequence"
	}
	return "end_turn"
}
