// Package dashscope is Alibaba's DashScope (Qwen) dialect in its native form,
// at both ends: as DashScope speaks it on text-generation, multimodal-generation,
// text-embedding and tokenizer, and as its clients do, which is what the mock
// upstream needs. Reading a provider is tolerant, reading a client is exact. The
// wire facts are those of DashScope's SDKs and documentation of 2024 to 2026 and
// of recorded traffic. The OpenAI-compatible mode of the same service is package
// openai's matter.
//
// # What is peculiar
//
//   - Sampling and tools stand in "parameters", the conversation in "input".
//     result_format is always asked to be message.
//   - Nothing in the body asks for a stream: a header does (X-DashScope-SSE),
//     which is the provider's matter. What a stream must ask for in the body is
//     incremental_output, without which each event repeats the whole answer; the
//     canonical Stream stands for it.
//   - Models that see and hear (dialect.MultimodalDashScope) have an endpoint of
//     their own and take every content as an array of parts.
//   - An event of a stream has its HTTP status in a comment (:HTTP_STATUS/400),
//     and an error comes with HTTP status 200 outside.
//   - There is no [DONE]. A stream is complete when a finish_reason has come that
//     is not the string "null".
//
// # Members without a canonical place
//
// They are kept in llm.Request.Extra under their path (parameters.enable_search,
// input.messages[1].partial) and written back for a DashScope target. Reasoning
// of earlier turns is not sent: DashScope does not want it.
package dashscope

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
)

// The finish reasons. While an answer is still coming, the member holds the
// string "null".
const (
	finishStop   = "stop"
	finishLength = "length"
	finishCalls  = "tool_calls"
	finishNone   = "null"
)

// finishOf is the canonical form of a native finish reason. Older models say
// stop when they call tools.
func finishOf(native string, calls bool) llm.FinishReason {
	switch {
	case native == finishLength:
		return llm.FinishLength
	case native == finishCalls, calls:
		return llm.FinishToolCalls
	case native == string(llm.FinishContentFilter):
		return llm.FinishContentFilter
	}
	return llm.FinishStop
}

// finishWord is the reverse of finishOf. DashScope has no word for an answer
// that was filtered: it fails instead.
func finishWord(f llm.FinishReason) string {
	switch f {
	case llm.FinishLength:
		return finishLength
	case llm.FinishToolCalls:
		return finishCalls
	}
	return finishStop
}
