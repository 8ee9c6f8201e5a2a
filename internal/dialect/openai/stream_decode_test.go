package openai

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// recorded says what the recorded streams of each provider come to.
var recorded = []struct {
	file      string
	text      string // how the text begins
	reasoning bool
	calls     []llm.ToolCall // ids are checked only where given
	finish    llm.FinishReason
	usage     llm.Usage
	fails     llm.Kind // 0 = the stream is complete
}{
	{file: "openai/chat-stream-text.response.sse", text: "The capital of Mexico is Mexico City.", finish: llm.FinishStop, usage: use(14, 8, 0, 0)},
	{file: "openai/chat-stream-parallel-tools.response.sse", finish: llm.FinishToolCalls, usage: use(398, 40, 0, 0),
		calls: []llm.ToolCall{{Name: "get_country", Arguments: "{}"}, {Name: "get_product_name", Arguments: "{}"}}},
	{file: "openai/chat-stream-tools-complex-0.response.sse", finish: llm.FinishToolCalls, usage: use(398, 10, 0, 0), calls: []llm.ToolCall{{Name: "get_country", Arguments: "{}"}}},
	{file: "openai/chat-stream-tools-complex-1.response.sse", finish: llm.FinishToolCalls},
	{file: "openai/gomodel-chat_stream.sse", text: "Hello, World!", finish: llm.FinishStop},
	{file: "azure/azure-model-router.chunks.jsonl", text: "Capital of Denmark.", finish: llm.FinishStop, usage: use(15, 78, 0, 64)},
	{file: "azure/models-chat-stream.response.sse", finish: llm.FinishStop, usage: use(7, 8, 7, 0)},
	{file: "openai-compatible/deepseek-stream.response.sse", text: "1, 2, 3.", finish: llm.FinishStop, usage: use(11, 8, 0, 0)},
	{file: "openai-compatible/deepseek-thinking-stream.response.sse", reasoning: true, finish: llm.FinishStop, usage: use(6, 212, 0, 198)},
	{file: "openai-compatible/deepseek-tool-call.chunks.jsonl", reasoning: true, finish: llm.FinishToolCalls, usage: use(339, 83, 320, 39)},
	{file: "openai-compatible/groq-chat_completion_stream.sse", text: "Hello World!", finish: llm.FinishStop, usage: use(38, 4, 0, 0)},
	{file: "openai-compatible/groq-tool-call.chunks.jsonl", finish: llm.FinishToolCalls, usage: use(210, 15, 0, 0),
		calls: []llm.ToolCall{{ID: "tk85n1k4m", Name: "weather", Arguments: "{}"}}},
	{file: "openai-compatible/groq-midstream-error-tool-use-failed.response.sse", reasoning: true, fails: llm.KindInvalidRequest},
	{file: "openai-compatible/mistral-stream.response.sse", text: "1, 2, 3", finish: llm.FinishStop, usage: use(22, 8, 0, 0)},
	{file: "openai-compatible/mistral-thinking-stream.response.sse", reasoning: true, finish: llm.FinishStop, usage: use(10, 232, 0, 0)},
	{file: "openai-compatible/mistral-tool-call.chunks.jsonl", finish: llm.FinishToolCalls, usage: use(124, 22, 0, 0),
		calls: []llm.ToolCall{{ID: "gSIMJiOkT", Name: "weather", Arguments: `{"location": "San Francisco"}`}}},
	{file: "openai-compatible/mistral-incremental-tool-call.chunks.jsonl", finish: llm.FinishToolCalls, usage: use(171, 14, 128, 0),
		calls: []llm.ToolCall{{ID: "chatcmpl-tool-9f149c74c42f265b", Name: "webSearchTool", Arguments: `{"query": "current Berlin weather"}`}}},
	{file: "openai-compatible/xai-chat_completion_stream.sse", text: "Hello World!", reasoning: true, finish: llm.FinishStop},
	{file: "openai-compatible/xai-tool-call.chunks.jsonl", reasoning: true, finish: llm.FinishToolCalls, usage: use(291, 222, 290, 196)},
	{file: "openai-compatible/openrouter-cache-stream.response.sse", text: "Hello!", finish: llm.FinishStop, usage: use(254, 5, 0, 0)},
	{file: "openai-compatible/openrouter-reasoning-stream.response.sse", reasoning: true, finish: llm.FinishStop, usage: use(9, 104, 0, 0)},
	{file: "openai-compatible/openrouter-stream-error.response.sse", reasoning: true, usage: use(43, 10, 0, 10), fails: llm.KindInvalidRequest},
	{file: "openai-compatible/zai-thinking-stream.response.sse", text: "4", reasoning: true, finish: llm.FinishStop, usage: use(13, 564, 0, 561)},
	{file: "openai-compatible/ollama-stream.response.sse", reasoning: true, finish: llm.FinishStop},
	{file: "openai-compatible/anthropic-fallback-tool-call.sse", text: "Reading it.", finish: llm.FinishToolCalls,
		calls: []llm.ToolCall{{ID: "toolu_sanitized", Name: "read_file", Arguments: `{"path": "a.txt"}`}}},
	{file: "dashscope/compat-alibaba-text.chunks.jsonl", finish: llm.FinishStop},
	{file: "dashscope/compat-alibaba-reasoning.chunks.jsonl", reasoning: true, finish: llm.FinishStop, usage: use(24, 1355, 0, 1084)},
	{file: "dashscope/compat-alibaba-tool-call.chunks.jsonl", finish: llm.FinishToolCalls, usage: use(295, 22, 0, 0),
		calls: []llm.ToolCall{{ID: "call_eee11723464a4b9eb8cee71d", Name: "weather", Arguments: `{"location": "San Francisco"}`}}},
}

func use(in, out, cached, reasoning int64) llm.Usage {
	return llm.Usage{Input: in, Output: out, CachedInput: cached, Reasoning: reasoning, Source: llm.UsageReported}
}

func TestRecordedStreams(t *testing.T) {
	for _, tc := range recorded {
		t.Run(tc.file, func(t *testing.T) {
			raw := stream(t, tc.file)
			events, err := decodeStream(Codec{}, bytes.NewReader(raw))
			checkEnd(t, err, tc.fails)
			r := collect(events)
			if !strings.HasPrefix(r.Text(), tc.text) {
				t.Errorf("text %q", r.Text())
			}
			if (r.ReasoningText() != "") != tc.reasoning && !opaque1(r) {
				t.Errorf("reasoning %q", r.ReasoningText())
			}
			if r.Finish != tc.finish {
				t.Errorf("finish %q, want %q", r.Finish, tc.finish)
			}
			if tc.usage.Source != 0 && r.Usage != tc.usage {
				t.Errorf("usage %+v, want %+v", r.Usage, tc.usage)
			}
			for i, want := range tc.calls {
				got := *r.ToolCalls()[i]
				if want.ID == "" {
					want.ID = got.ID
				}
				if diff := cmp.Diff(want, got); diff != "" || got.ID == "" {
					t.Errorf("call %d: %s", i, diff)
				}
			}
			checkOrder(t, events)

			again, err2 := decodeStream(Codec{}, iotest.OneByteReader(bytes.NewReader(raw)))
			if diff := cmp.Diff(events, again); diff != "" || (err == nil) != (err2 == nil) {
				t.Errorf("one byte at a time it reads differently: %s %v", diff, err2)
			}
		})
	}
}

func opaque1(r *llm.Response) bool {
	for _, p := range r.Parts {
		if p.Reasoning != nil && p.Reasoning.Signature != "" {
			return true
		}
	}
	return false
}

func checkEnd(t *testing.T, err error, fails llm.Kind) {
	t.Helper()
	var e *llm.Error
	switch {
	case fails == 0 && err != nil:
		t.Errorf("fails with %v", err)
	case fails != 0 && (!errors.As(err, &e) || e.Kind != fails):
		t.Errorf("ends with %v, want the kind %s", err, fails)
	}
}

// checkOrder demands what llm.Event promises of a stream.
func checkOrder(t *testing.T, events []llm.Event) {
	t.Helper()
	calls := 0
	for i, ev := range events {
		switch ev.Kind {
		case llm.EventStart:
			for _, before := range events[:i] {
				if before.Kind != llm.EventPing {
					t.Errorf("event %d: the start stands behind %+v", i, before)
				}
			}
		case llm.EventToolCall:
			if (ev.ID != "") != (ev.Index == calls) || ev.Index > calls {
				t.Errorf("event %d: %d calls so far, got %+v", i, calls, ev)
			}
			if ev.ID != "" {
				calls++
			}
		case llm.EventFinish:
			for _, later := range events[i+1:] {
				if later.Kind != llm.EventUsage && later.Kind != llm.EventPing {
					t.Errorf("event %d: behind the finish stands %+v", i, later)
				}
			}
		}
	}
}
