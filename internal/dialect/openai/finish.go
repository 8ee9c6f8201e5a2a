package openai

import "github.com/llm-gateway/llm-gateway/internal/llm"

// finishes maps what OpenAI and compatible providers say to the canonical
// reasons. What stands in no table ends as stop, with the native word kept.
var finishes = map[string]llm.FinishReason{
	"stop":                          llm.FinishStop,
	"eos":                           llm.FinishStop, // Together
	"length":                        llm.FinishLength,
	"max_tokens":                    llm.FinishLength,
	"model_length":                  llm.FinishLength, // Mistral
	"model_context_window_exceeded": llm.FinishLength, // Zhipu
	"tool_calls":                    llm.FinishToolCalls,
	"function_call":                 llm.FinishToolCalls,
	"content_filter":                llm.FinishContentFilter,
	"sensitive":                     llm.FinishContentFilter, // Zhipu
}

// finishOf returns the canonical reason of a native word. An answer with tool
// calls that ended with stop has stopped for them, as older servers and named
// tool choices say.
func finishOf(native string, calls bool) llm.FinishReason {
	f, ok := finishes[native]
	if !ok {
		f = llm.FinishStop
	}
	if f == llm.FinishStop && calls {
		f = llm.FinishToolCalls
	}
	return f
}
