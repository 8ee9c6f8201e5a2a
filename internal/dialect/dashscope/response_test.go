package dashscope

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const wholeAnswer = `{"output":{"choices":[{"finish_reason":"tool_calls","message":{"role":"assistant","content":"Looking.","reasoning_content":"hm",` +
	`"tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Köln\"}"}}]}}]},` +
	`"usage":{"total_tokens":40,"output_tokens":10,"input_tokens":30,"output_tokens_details":{"reasoning_tokens":4},"prompt_tokens_details":{"cached_tokens":20,"cache_creation_input_tokens":5}},"request_id":"r-1"}`

func TestDecodeResponse(t *testing.T) {
	textPart := func(s string) []llm.Part { return []llm.Part{{Type: llm.PartText, Text: s}} }
	for _, tc := range []struct {
		name, body string
		want       llm.Response
	}{
		{"everything", wholeAnswer, llm.Response{ID: "r-1", Finish: llm.FinishToolCalls, NativeFinish: "tool_calls",
			Usage: llm.Usage{Input: 30, CachedInput: 20, CacheWrite: 5, Output: 10, Reasoning: 4, Source: llm.UsageReported},
			Parts: []llm.Part{
				{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "hm"}},
				{Type: llm.PartText, Text: "Looking."},
				{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "call_1", Name: "weather", Arguments: `{"city":"Köln"}`}},
			}}},
		{"text form", `{"output":{"text":"a","finish_reason":"length"},"usage":{"total_tokens":3,"input_tokens":1,"output_tokens":2},"request_id":"r"}`,
			llm.Response{ID: "r", Finish: llm.FinishLength, NativeFinish: "length", Parts: textPart("a"), Usage: llm.Usage{Input: 1, Output: 2, Source: llm.UsageReported}}},
		{"both forms", `{"output":{"text":null,"finish_reason":null,"choices":[{"finish_reason":"stop","message":{"content":"a"}}]}}`,
			llm.Response{Finish: llm.FinishStop, NativeFinish: "stop", Parts: textPart("a")}},
		{"parts", `{"output":{"choices":[{"finish_reason":"stop","message":{"content":[{"text":"a"},{"box":1},{"text":"b"}]}}]},"usage":{"input_tokens":9,"output_tokens":1,"image_tokens":8}}`,
			llm.Response{Finish: llm.FinishStop, NativeFinish: "stop", Parts: textPart("ab"), Usage: llm.Usage{Input: 9, Output: 1, Source: llm.UsageReported}}},
		{"no text at all", `{"output":{"choices":[{"finish_reason":"stop","message":{"content":[]}}]}}`, llm.Response{Finish: llm.FinishStop, NativeFinish: "stop"}},
		{"counts that cannot be", `{"output":{"text":"a","finish_reason":"stop"},"usage":{"input_tokens":1,"output_tokens":1,"output_tokens_details":{"reasoning_tokens":7},"prompt_tokens_details":{"cached_tokens":9,"cache_creation_input_tokens":9}}}`,
			llm.Response{Finish: llm.FinishStop, NativeFinish: "stop", Parts: textPart("a"), Usage: llm.Usage{Input: 1, CachedInput: 1, Output: 1, Reasoning: 1, Source: llm.UsageReported}}},
		{"no usage", `{"output":{"text":"a","finish_reason":"stop"},"usage":{}}`, llm.Response{Finish: llm.FinishStop, NativeFinish: "stop", Parts: textPart("a")}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := codec.DecodeResponse(llm.OpChat, []byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeResponseFails(t *testing.T) {
	for name, body := range map[string]string{
		"no JSON":   `{"output":`,
		"a list":    `[]`,
		"empty":     `{}`,
		"no choice": `{"output":{"choices":[]},"request_id":"r"}`,
		"an error":  `{"code":"InternalError","message":"m","request_id":"r"}`,
		"another":   `{"error":{"message":"m","code":"internal_error"}}`,
	} {
		_, err := codec.DecodeResponse(llm.OpChat, []byte(body))
		if err == nil {
			t.Errorf("%s: taken for an answer", name)
			continue
		}
		if e := llmError(t, err); e.Kind != llm.KindUpstreamError || !e.Retryable() {
			t.Errorf("%s: %v", name, e)
		}
	}
	for name, body := range map[string]string{"none": `{"output":{}}`, "not a list": `{"output":{"embeddings":{}}}`, "no numbers": `{"output":{"embeddings":[{"embedding":["x"]}]}}`} {
		if _, err := codec.DecodeResponse(llm.OpEmbed, []byte(body)); err == nil {
			t.Errorf("embeddings, %s: accepted", name)
		}
	}
	if _, err := codec.DecodeResponse(llm.OpCountTokens, []byte(`{"output":{"token_ids":[]}}`)); err == nil {
		t.Error("a count without a count: accepted")
	}
}

func TestDecodeEmbeddings(t *testing.T) {
	got, err := codec.DecodeResponse(llm.OpEmbed, []byte(`{"output":{"embeddings":[{"embedding":[1,-0.5],"text_index":1},{"embedding":[0.25,2]}]},"usage":{"total_tokens":3},"request_id":"r"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &llm.Response{ID: "r", Usage: llm.Usage{Input: 3, Source: llm.UsageReported},
		Embeddings: []llm.Embedding{{Index: 1, Vector: []float32{1, -0.5}}, {Index: 1, Vector: []float32{0.25, 2}}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// TestAppendResponse writes answers and reads them again.
func TestAppendResponse(t *testing.T) {
	chatAnswer, err := codec.DecodeResponse(llm.OpChat, []byte(wholeAnswer))
	if err != nil {
		t.Fatal(err)
	}
	vectors := &llm.Response{ID: "r", Usage: llm.Usage{Input: 3, Source: llm.UsageReported}, Embeddings: []llm.Embedding{{Vector: []float32{0.1, -2}}, {Index: 1, Vector: []float32{3}}}}
	for _, tc := range []struct {
		name string
		op   llm.Op
		r    *llm.Response
		f    *dialect.Facts
		want string // somewhere in the body
	}{
		{"chat", llm.OpChat, chatAnswer, nil, `"content":"Looking."`},
		{"chat in parts", llm.OpChat, chatAnswer, &dialect.Facts{Model: "qwen-vl-max"}, `"content":[{"text":"Looking."}]`},
		{"embeddings", llm.OpEmbed, vectors, nil, `"text_index":1`},
		{"count", llm.OpCountTokens, &llm.Response{ID: "r", Usage: llm.Usage{Input: 7, Source: llm.UsageReported}}, nil, `"usage":{"input_tokens":7}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out, err := codec.AppendResponse([]byte("x"), tc.op, tc.r, tc.f)
			if err != nil || !json.Valid(out[1:]) || !strings.Contains(string(out), tc.want) {
				t.Fatalf("%v\n%s", err, out)
			}
			again, err := codec.DecodeResponse(tc.op, out[1:])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.r, again); diff != "" {
				t.Error(diff)
			}
		})
	}
	out, err := codec.AppendResponse(nil, llm.OpChat, &llm.Response{Parts: []llm.Part{{Type: llm.PartRefusal, Text: "no"}}, Finish: llm.FinishContentFilter},
		&dialect.Facts{RequestID: "own", Usage: llm.Usage{Input: 1, Source: llm.UsageEstimated}})
	if err != nil || string(out) != `{"output":{"choices":[{"finish_reason":"stop","message":{"role":"assistant","content":"no"}}]},`+
		`"usage":{"total_tokens":1,"output_tokens":0,"input_tokens":1,"prompt_tokens_details":{"cached_tokens":0}},"request_id":"own"}` {
		t.Errorf("%s, %v", out, err)
	}
}
