package anthropic

import (
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func BenchmarkAppendResponse(b *testing.B) {
	answer := llm.Response{ID: "msg_1", Model: "claude-x", Finish: llm.FinishStop, Parts: []llm.Part{
		{Type: llm.PartText, Text: strings.Repeat("an answer of some length ", 20)},
		{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "toolu_1", Name: "f", Arguments: `{"a":1}`}},
	}, Usage: llm.Usage{Input: 21, Output: 140, Source: llm.UsageReported}}
	raw, err := codec.AppendResponse(nil, llm.OpChat, &answer, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if raw, err = codec.AppendResponse(raw[:0], llm.OpChat, &answer, nil); err != nil {
			b.Fatal(err)
		}
	}
}
