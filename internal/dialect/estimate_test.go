package dialect

import (
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestEstimateTokens(t *testing.T) {
	text := func(s string) llm.Part { return llm.Part{Type: llm.PartText, Text: s} }
	ask := func(parts ...llm.Part) *llm.Request {
		return &llm.Request{Messages: []llm.Message{{Role: llm.RoleUser, Parts: parts}}}
	}
	for name, tc := range map[string]struct {
		r    *llm.Request
		want int64
	}{
		"nothing":     {&llm.Request{}, 0},
		"ASCII":       {ask(text(strings.Repeat("word", 100))), 104},
		"Chinese":     {ask(text(strings.Repeat("天气", 10))), 4 + 24},
		"image":       {ask(llm.Part{Type: llm.PartImage, Media: &llm.Media{Data: strings.Repeat("A", 1<<20)}}), 1504},
		"tool call":   {ask(llm.Part{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{Name: "four", Arguments: `{"a":10}`}}), 4 + 3},
		"tool result": {ask(llm.Part{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{Parts: []llm.Part{text("12345678")}}}), 4 + 2},
		"reasoning":   {ask(llm.Part{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "12345678"}}), 4 + 2},
		"tools":       {&llm.Request{Tools: []llm.Tool{{Name: "four", Description: "four", Parameters: []byte(`{"a":10}`)}}}, 4 + 4},
		"schema":      {&llm.Request{ResponseFormat: &llm.ResponseFormat{Schema: []byte(`{"a":10}`)}}, 2},
	} {
		if got := EstimateTokens(tc.r); got != tc.want {
			t.Errorf("%s: %d, want %d", name, got, tc.want)
		}
	}
}
