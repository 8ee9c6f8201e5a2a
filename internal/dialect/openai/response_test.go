package openai

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

func TestRecordedResponses(t *testing.T) {
	cases := []struct {
		file      string
		model     string
		text      string
		reasoning bool
		calls     int
		finish    llm.FinishReason
		usage     llm.Usage
	}{
		{"openai/gomodel-chat_completion.json", "gpt-4o-mini-2024-07-18", "Hello, World!", false, 0, llm.FinishStop, use(17, 4, 0, 0)},
		{"openai/gomodel-chat_completion_reasoning.json", "o3-mini-2025-01-31", "2 + 2 equals 4.", false, 0, llm.FinishStop, use(13, 85, 0, 64)},
		{"openai/gomodel-chat_with_tools.json", "gpt-4o-mini-2024-07-18", "", false, 1, llm.FinishToolCalls, use(47, 14, 0, 0)},
		{"openai/gomodel-chat_json_mode.json", "gpt-4o-mini-2024-07-18", `{"colors"`, false, 0, llm.FinishStop, use(14, 13, 0, 0)},
		{"openai/chat-with-ratelimit-headers.response.json", "gpt-audio-mini-2025-12-15", "It seems", false, 0, llm.FinishStop, use(53, 123, 0, 0)},
		{"azure/azure-deepseek-reasoning.1.json", "", "", true, 0, llm.FinishStop, llm.Usage{}},
		{"openai-compatible/deepseek-tool-call.json", "deepseek-reasoner", "", true, 1, llm.FinishToolCalls, use(339, 92, 320, 48)},
		{"openai-compatible/xai-chat_completion.json", "grok-3-mini", "Hello World!", true, 0, llm.FinishStop, use(10, 410, 3, 375)},
		{"openai-compatible/groq-chat_completion.json", "llama-3.3-70b-versatile", "Hello World!", false, 0, llm.FinishStop, use(38, 4, 0, 0)},
		{"dashscope/compat-alibaba-text.json", "", "", false, 0, llm.FinishStop, llm.Usage{}},
		{"dashscope/compat-alibaba-reasoning.json", "", "", true, 0, llm.FinishStop, llm.Usage{}},
		{"dashscope/compat-alibaba-tool-call.json", "", "", false, 1, llm.FinishToolCalls, llm.Usage{}},
	}
	for _, tc := range cases {
		t.Run(tc.file, func(t *testing.T) {
			body := dialecttest.Fixture(t, tc.file)
			r, err := Codec{}.DecodeResponse(llm.OpChat, body)
			if err != nil {
				t.Fatal(err)
			}
			if r.ID == "" || tc.model != "" && r.Model != tc.model || !strings.HasPrefix(r.Text(), tc.text) || len(r.ToolCalls()) != tc.calls || r.Finish != tc.finish {
				t.Errorf("got %+v", r)
			}
			if (r.ReasoningText() != "") != tc.reasoning {
				t.Errorf("reasoning %q", r.ReasoningText())
			}
			if tc.usage.Source != 0 && r.Usage != tc.usage || r.Usage.Input == 0 {
				t.Errorf("usage %+v", r.Usage)
			}
			u, fin, err := Codec{}.Inspect(llm.OpChat, body)
			if err != nil || u != r.Usage || fin != r.Finish {
				t.Errorf("the inspector sees %+v %q %v", u, fin, err)
			}
			if diff := cmp.Diff(r, reread(t, llm.OpChat, r)); diff != "" {
				t.Errorf("after encoding:\n%s", diff)
			}
		})
	}
}

// reread decodes what r encodes to.
func reread(t testing.TB, op llm.Op, r *llm.Response) *llm.Response {
	t.Helper()
	body, err := Codec{}.AppendResponse(nil, op, r, nil)
	if err != nil || !json.Valid(body) {
		t.Fatalf("%v: %s", err, body)
	}
	back, err := Codec{}.DecodeResponse(op, body)
	if err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	return back
}

func think(r llm.Reasoning) llm.Part { return llm.Part{Type: llm.PartReasoning, Reasoning: &r} }

func called(c llm.ToolCall) llm.Part { return llm.Part{Type: llm.PartToolCall, ToolCall: &c} }

func TestDecodeResponseQuirks(t *testing.T) {
	cases := []struct {
		name, choice string
		parts        []llm.Part
		finish       llm.FinishReason
		native       string
	}{
		{"content null", `{"message":{"content":null},"finish_reason":"stop"}`, nil, "stop", "stop"},
		{"content absent", `{"message":{"role":"assistant"},"finish_reason":"content_filter"}`, nil, "content_filter", "content_filter"},
		{"content parts", `{"message":{"content":[{"type":"text","text":"a"},{"type":"thinking","thinking":"t"},{"type":"text","text":"b"},{"type":"reference","reference_ids":[1]}]},"finish_reason":"stop"}`,
			[]llm.Part{think(llm.Reasoning{Text: "t"}), {Type: llm.PartText, Text: "a"}, {Type: llm.PartText, Text: "b"}}, "stop", "stop"},
		{"refusal", `{"message":{"content":null,"refusal":"no"},"finish_reason":"stop"}`, []llm.Part{{Type: llm.PartRefusal, Text: "no"}}, "stop", "stop"},
		{"reasoning", `{"message":{"content":"a","reasoning":"r"},"finish_reason":"stop"}`, []llm.Part{think(llm.Reasoning{Text: "r"}), said("a")[0]}, "stop", "stop"},
		{"both reasonings", `{"message":{"content":"a","reasoning":"r","reasoning_content":"r"},"finish_reason":"stop"}`, []llm.Part{think(llm.Reasoning{Text: "r"}), said("a")[0]}, "stop", "stop"},
		{"details", `{"message":{"content":"a","reasoning":"r","reasoning_details":[{"type":"reasoning.text","text":"r","signature":"s","format":"anthropic-claude-v1","index":0},{"type":"reasoning.encrypted","data":"d","id":"rs","format":"openai-responses-v1","index":0}]},"finish_reason":"stop"}`,
			[]llm.Part{think(llm.Reasoning{Text: "r", Signature: "s", Origin: llm.DialectAnthropic}), think(llm.Reasoning{Signature: "d", ID: "rs", Origin: llm.DialectResponses}), said("a")[0]}, "stop", "stop"},
		{"summary", `{"message":{"content":"a","reasoning_details":[{"type":"reasoning.summary","summary":"r"}]},"finish_reason":"stop"}`, []llm.Part{think(llm.Reasoning{Text: "r"}), said("a")[0]}, "stop", "stop"},
		{"broken details", `{"message":{"content":"a","reasoning":"r","reasoning_details":[{"type":1},7]},"finish_reason":"stop"}`, []llm.Part{think(llm.Reasoning{Text: "r"}), said("a")[0]}, "stop", "stop"},
		{"object arguments", `{"message":{"content":"","tool_calls":[{"id":"c","function":{"name":"f","arguments":{"a":1.0}}}]},"finish_reason":"stop"}`,
			[]llm.Part{called(llm.ToolCall{ID: "c", Name: "f", Arguments: `{"a":1.0}`})}, "tool_calls", "stop"},
		{"signature of a call", `{"message":{"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":""},"extra_content":{"google":{"thought_signature":"s"}}}]},"finish_reason":"tool_calls"}`,
			[]llm.Part{called(llm.ToolCall{ID: "c", Name: "f", Signature: "s"})}, "tool_calls", "tool_calls"},
		{"finish absent", `{"message":{"content":"a"}}`, said("a"), "stop", ""},
		{"finish eos", `{"message":{"content":"a"},"finish_reason":"eos"}`, said("a"), "stop", "eos"},
		{"finish of no table", `{"message":{"content":"a"},"finish_reason":"insufficient_system_resource"}`, said("a"), "stop", "insufficient_system_resource"},
		{"finish sensitive", `{"message":{"content":"a"},"finish_reason":"sensitive"}`, said("a"), "content_filter", "sensitive"},
		{"finish model_length", `{"message":{"content":"a"},"finish_reason":"model_length"}`, said("a"), "length", "model_length"},
		{"odd types", `{"message":{"content":7,"refusal":[],"tool_calls":{},"reasoning":1},"finish_reason":3}`, nil, "stop", ""},
		{"the first choice counts", `{"index":1,"message":{"content":"b"}},{"index":0,"message":{"content":"a"},"finish_reason":"stop"}`, said("a"), "stop", "stop"},
		{"duplicate members", `{"message":{"content":"x"},"message":{"content":"a"},"finish_reason":"stop"}`, said("a"), "stop", "stop"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			r, err := Codec{}.DecodeResponse(llm.OpChat, []byte("\n \n{\"id\":\"i\",\"created\":0,\"choices\":["+tc.choice+"]}"))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.parts, r.Parts); diff != "" || r.Finish != tc.finish || r.NativeFinish != tc.native {
				t.Errorf("finish %q native %q\n%s", r.Finish, r.NativeFinish, diff)
			}
		})
	}
}

func TestDecodeResponseMakesIDs(t *testing.T) {
	r, err := Codec{}.DecodeResponse(llm.OpChat, []byte(`{"choices":[{"message":{"tool_calls":[{"function":{"name":"f"}},{"id":"","function":{"name":"g"}}]}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	calls := r.ToolCalls()
	if len(calls) != 2 || calls[0].ID == calls[1].ID || !strings.HasPrefix(calls[0].ID, "call_") || len(calls[0].ID) > 40 {
		t.Errorf("got %+v", calls)
	}
}

func TestDecodeResponseFails(t *testing.T) {
	for body, kind := range map[string]llm.Kind{
		``:                                     llm.KindUpstreamError,
		`<html>`:                               llm.KindUpstreamError,
		`{"choices":[]}`:                       llm.KindUpstreamError,
		`{}`:                                   llm.KindUpstreamError,
		`{"error":{"message":"m","code":429}}`: llm.KindUpstreamRateLimited,
		`{"error":"model not loaded"}`:         llm.KindUpstreamError,
		`{"error":{"message":"Your input exceeds the context window","code":400},"choices":null}`:          llm.KindInvalidRequest,
		`{"choices":[{"message":{"content":"x"},"finish_reason":"stop"}]} trailing`:                        llm.KindUpstreamError,
		`{"choices":[{"message":{"content":"` + "\x01" + `"}}]}`:                                           llm.KindUpstreamError,
		strings.Repeat(`{"choices":[`, 600) + strings.Repeat(`]}`, 600):                                    llm.KindUpstreamError,
		`{"error":{"message":"flagged","code":"content_filter"},"choices":[],"usage":{"prompt_tokens":1}}`: llm.KindContentFiltered,
	} {
		_, err := Codec{}.DecodeResponse(llm.OpChat, []byte(body))
		checkEnd(t, err, kind)
	}
}

func TestUsage(t *testing.T) {
	for raw, want := range map[string]llm.Usage{
		`{"prompt_tokens":9,"completion_tokens":12,"total_tokens":21}`: use(9, 12, 0, 0),
		// xAI: reasoning stands beside the completion.
		`{"prompt_tokens":291,"completion_tokens":26,"total_tokens":513,"completion_tokens_details":{"reasoning_tokens":196}}`: use(291, 222, 0, 196),
		// OpenRouter: more reasoning than output.
		`{"prompt_tokens":43,"completion_tokens":10,"total_tokens":53,"completion_tokens_details":{"reasoning_tokens":11}}`: use(43, 10, 0, 10),
		// DeepSeek and Moonshot have their own cache members.
		`{"prompt_tokens":339,"completion_tokens":1,"total_tokens":340,"prompt_cache_hit_tokens":320,"prompt_cache_miss_tokens":19}`: use(339, 1, 320, 0),
		`{"prompt_tokens":30,"completion_tokens":1,"total_tokens":31,"cached_tokens":20}`:                                            use(30, 1, 20, 0),
		// Azure has been seen to report more cached than sent.
		`{"prompt_tokens":7,"completion_tokens":8,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":161}}`: use(7, 8, 7, 0),
		`{"prompt_tokens":100,"completion_tokens":1,"prompt_tokens_details":{"cached_tokens":60,"cache_write_tokens":70}}`: {
			Input: 100, Output: 1, CachedInput: 60, CacheWrite: 40, Source: llm.UsageReported},
		`{"prompt_tokens":100,"completion_tokens":1,"prompt_tokens_details":{"cache_creation_input_tokens":7}}`: {Input: 100, Output: 1, CacheWrite: 7, Source: llm.UsageReported},
		`{"prompt_tokens":8,"total_tokens":8}`:                                                                    use(8, 0, 0, 0),
		`{"completion_tokens":3,"total_tokens":8}`:                                                                use(5, 3, 0, 0),
		`{"prompt_tokens":null,"completion_tokens":3,"total_tokens":8}`:                                           use(5, 3, 0, 0),
		`{"prompt_tokens":5,"total_tokens":8}`:                                                                    use(5, 3, 0, 0),
		`{"prompt_tokens":5.0,"completion_tokens":-3,"prompt_tokens_details":null,"completion_tokens_details":7}`: use(5, 0, 0, 0),
		`{"prompt_tokens":2,"prompt_tokens":3,"completion_tokens":4}`:                                             use(3, 4, 0, 0),
	} {
		var u llm.Usage
		if !decodeUsage([]byte(raw), &u) || u != want {
			t.Errorf("%s: %+v", raw, u)
		}
	}
	for _, raw := range []string{``, `null`, `7`, `[]`, `{}`, `{"queue_time":1}`} {
		var u llm.Usage
		if decodeUsage([]byte(raw), &u) || u != (llm.Usage{}) {
			t.Errorf("%s: %+v", raw, u)
		}
	}
}

// wholeAnswer uses every place that an answer has.
func wholeAnswer() *llm.Response {
	return &llm.Response{
		ID: "chatcmpl-1", Model: "gpt-4o", Created: 1700000000, Finish: llm.FinishToolCalls, NativeFinish: "tool_calls", ServiceTier: "default",
		Usage: llm.Usage{Input: 20, CachedInput: 5, CacheWrite: 3, Output: 9, Reasoning: 4, Source: llm.UsageReported},
		Parts: []llm.Part{
			think(llm.Reasoning{Text: "I think", Signature: "c2ln", Origin: llm.DialectAnthropic}),
			think(llm.Reasoning{Redacted: "cmVk", Origin: llm.DialectAnthropic}),
			think(llm.Reasoning{Text: "plainly"}),
			{Type: llm.PartText, Text: "Zürich <b>&\u2028</b> \"q\""},
			called(llm.ToolCall{ID: "call_1", Name: "f", Arguments: `{"a":1}`, Signature: "dGg="}),
			called(llm.ToolCall{ID: "call_2", Name: "g", Arguments: `{}`}),
		},
	}
}

func TestAppendResponse(t *testing.T) {
	r := wholeAnswer()
	body, err := Codec{}.AppendResponse(nil, llm.OpChat, r, &dialect.Facts{RequestID: "x"})
	if err != nil {
		t.Fatal(err)
	}
	dialecttest.Golden(t, "response.golden.json", body)
	if diff := cmp.Diff(r, reread(t, llm.OpChat, r)); diff != "" {
		t.Error(diff)
	}
}

func TestAppendResponseSmall(t *testing.T) {
	f := &dialect.Facts{RequestID: "r1", Usage: llm.Usage{Input: 1, Output: 2, Source: llm.UsageEstimated}}
	const head = `{"id":"chatcmpl-r1","object":"chat.completion","created":9,"model":"m","choices":[{"index":0,"message":{"role":"assistant",`
	const tail = `,"usage":{"prompt_tokens":1,"completion_tokens":2,"total_tokens":3,"prompt_tokens_details":{"cached_tokens":0},"completion_tokens_details":{"reasoning_tokens":0}}}`
	for _, tc := range []struct {
		parts []llm.Part
		want  string
	}{
		{nil, `"content":"","refusal":null},"logprobs":null,"finish_reason":"stop"}]`},
		{append(said("a"), said("b")...), `"content":"ab","refusal":null},"logprobs":null,"finish_reason":"stop"}]`},
		{[]llm.Part{{Type: llm.PartRefusal, Text: "no"}}, `"content":null,"refusal":"no"},"logprobs":null,"finish_reason":"stop"}]`},
		{[]llm.Part{called(llm.ToolCall{ID: "c", Name: "f"})}, `"content":null,"refusal":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},"logprobs":null,"finish_reason":"stop"}]`},
	} {
		got, err := Codec{}.AppendResponse(nil, llm.OpChat, &llm.Response{Model: "m", Created: 9, Finish: llm.FinishStop, Parts: tc.parts}, f)
		if err != nil {
			t.Fatal(err)
		}
		if want := head + tc.want + tail; string(got) != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	got, err := Codec{}.AppendResponse(nil, llm.OpChat, &llm.Response{Model: "m"}, nil)
	if err != nil || strings.Contains(string(got), "usage") || !strings.Contains(string(got), `"finish_reason":null`) || strings.Contains(string(got), `"created":0,`) {
		t.Errorf("%v: %s", err, got)
	}
}

func FuzzResponse(f *testing.F) {
	body, _ := Codec{}.AppendResponse(nil, llm.OpChat, wholeAnswer(), nil)
	f.Add(body)
	f.Add([]byte(`{"choices":[{"message":{"content":[{"type":"thinking","thinking":[{"text":"a"}]}],"tool_calls":[{"function":{"arguments":{}}}]}}],"usage":{"total_tokens":3}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := Codec{}.DecodeResponse(llm.OpChat, raw)
		if err != nil {
			return
		}
		if u := r.Usage; u.CachedInput+u.CacheWrite > u.Input || u.Reasoning > u.Output || u.Input < 0 || u.Output < 0 {
			t.Fatalf("%q: usage %+v", raw, u)
		}
		once := reread(t, llm.OpChat, r)
		twice := reread(t, llm.OpChat, once)
		if diff := cmp.Diff(once, twice, cmpopts.IgnoreFields(llm.Response{}, "Created")); diff != "" {
			t.Fatalf("%q\n%s", raw, diff)
		}
		if once.Text() != r.Text() || len(once.ToolCalls()) != len(r.ToolCalls()) || once.Usage != r.Usage {
			t.Fatalf("%q: %+v became %+v", raw, r, once)
		}
	})
}

func TestEmbeddings(t *testing.T) {
	for _, tc := range []struct {
		body string
		want llm.EmbedRequest
	}{
		{`{"model":"m","input":"a"}`, llm.EmbedRequest{Input: []string{"a"}}},
		{`{"model":"m","input":["a","b"],"encoding_format":"base64","dimensions":256,"user":null}`, llm.EmbedRequest{Input: []string{"a", "b"}, Base64: true, Dimensions: i64(256)}},
		{`{"model":"m","input":[1,2,3],"encoding_format":"float"}`, llm.EmbedRequest{Tokens: [][]int64{{1, 2, 3}}}},
		{`{"model":"m","input":[[1],[2,3]]}`, llm.EmbedRequest{Tokens: [][]int64{{1}, {2, 3}}}},
	} {
		r, err := Codec{}.DecodeRequest(llm.OpEmbed, []byte(tc.body))
		if err != nil {
			t.Errorf("%s: %v", tc.body, err)
			continue
		}
		if diff := cmp.Diff(&tc.want, r.Embed); diff != "" || r.Model != "m" {
			t.Errorf("%s: %s", tc.body, diff)
		}
		if diff := cmp.Diff(r, again(t, llm.OpEmbed, r)); diff != "" {
			t.Errorf("after encoding %s:\n%s", tc.body, diff)
		}
	}
	for body, at := range map[string]string{
		`{"model":"m"}`:                         "input",
		`{"input":""}`:                          "input",
		`{"input":[]}`:                          "input",
		`{"input":{}}`:                          "input",
		`{"input":["a",1]}`:                     "input[1]",
		`{"input":["a",""]}`:                    "input[1]",
		`{"input":[1,"a"]}`:                     "input[1]",
		`{"input":[1.5]}`:                       "input[0]",
		`{"input":[[1],[]]}`:                    "input[1]",
		`{"input":[[1],["a"]]}`:                 "input[1][0]",
		`{"input":[true]}`:                      "input[0]",
		`{"input":"a","encoding_format":"hex"}`: "encoding_format",
		`{"input":"a","dimensions":0}`:          "dimensions",
		`{"input":[` + strings.Repeat(`"a",`, 2048) + `"a"]}`: "input[2048]",
	} {
		_, err := Codec{}.DecodeRequest(llm.OpEmbed, []byte(body))
		if e := llm.AsError(err); err == nil || e.Kind != llm.KindInvalidRequest || e.Param != at {
			t.Errorf("%.60s: %v, want %s", body, err, at)
		}
	}
	r, err := Codec{}.DecodeRequest(llm.OpEmbed, []byte(`{"input":"a","input_type":"query"}`))
	if err != nil || len(r.Extra) != 1 || r.Extra[0].Name != "input_type" {
		t.Errorf("%v %+v", err, r)
	}
}

func TestEmbeddingAnswers(t *testing.T) {
	r, err := Codec{}.DecodeResponse(llm.OpEmbed, []byte(`{"object":"list","data":[{"index":1,"embedding":[0.5,-1e-3]},{"embedding":[1,2]},{"index":2,"embedding":"AAAAPwAAgL8="}],"model":"e","usage":{"prompt_tokens":8,"total_tokens":8}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []llm.Embedding{{Index: 1, Vector: []float32{0.5, -1e-3}}, {Index: 1, Vector: []float32{1, 2}}, {Index: 2, Base64: "AAAAPwAAgL8="}}
	if diff := cmp.Diff(want, r.Embeddings); diff != "" || r.Usage != use(8, 0, 0, 0) || r.Model != "e" {
		t.Errorf("%s %+v", diff, r.Usage)
	}
	if diff := cmp.Diff(r, reread(t, llm.OpEmbed, r)); diff != "" {
		t.Error(diff)
	}
	if err := dialect.PackEmbeddings(r, false); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]float32{0.5, -1}, r.Embeddings[2].Vector); diff != "" || r.Embeddings[2].Base64 != "" {
		t.Error(diff)
	}
	if err := dialect.PackEmbeddings(r, true); err != nil || r.Embeddings[2].Base64 != "AAAAPwAAgL8=" || r.Embeddings[0].Vector != nil {
		t.Errorf("%v %+v", err, r.Embeddings)
	}
	body, err := Codec{}.AppendResponse(nil, llm.OpEmbed, r, nil)
	if err != nil {
		t.Fatal(err)
	}
	dialecttest.Golden(t, "embeddings.golden.json", body)
	for _, bad := range []string{`{"data":[{"embedding":[]}]}`, `{"data":[{"embedding":["x"]}]}`, `{"data":[{}]}`, `{"data":[{"embedding":"?"}]}`, `{"model":"m"}`, `{"error":{"message":"m"}}`} {
		if r, err := (Codec{}).DecodeResponse(llm.OpEmbed, []byte(bad)); err == nil {
			t.Errorf("%s: %+v", bad, r.Embeddings)
		}
	}
	rec := dialecttest.Fixture(t, "openai/openai-embedding.json")
	if r, err = (Codec{}).DecodeResponse(llm.OpEmbed, rec); err != nil || len(r.Embeddings) != 2 || len(r.Embeddings[0].Vector) != 5 {
		t.Errorf("%v %+v", err, r)
	}
}

func TestModels(t *testing.T) {
	got := AppendModels(nil, []Model{{ID: "chat", OwnedBy: "gateway", Created: 1700000000},
		{ID: "gpt-4o", OwnedBy: "openai", Created: 1, ContextWindow: 128000, MaxOutput: 16384, Capabilities: []string{"tools", "images"}}})
	const want = `{"object":"list","data":[{"id":"chat","object":"model","created":1700000000,"owned_by":"gateway"},` +
		`{"id":"gpt-4o","object":"model","created":1,"owned_by":"openai","context_window":128000,"max_output_tokens":16384,"capabilities":["tools","images"]}]}`
	if string(got) != want {
		t.Errorf("got %s", got)
	}
	if got := AppendModels(nil, nil); string(got) != `{"object":"list","data":[]}` {
		t.Errorf("got %s", got)
	}
}

// everything is a stream that uses every kind of event.
func everything() []llm.Event {
	u := llm.Usage{Input: 20, CachedInput: 5, Output: 9, Reasoning: 4, Source: llm.UsageReported}
	return []llm.Event{
		{Kind: llm.EventStart, ID: "msg_1", Model: "claude"},
		{Kind: llm.EventUsage, Usage: &llm.Usage{Input: 20, Source: llm.UsageReported}},
		{Kind: llm.EventPing},
		{Kind: llm.EventReasoning, Text: "I ", Block: 0},
		{Kind: llm.EventReasoning, Text: "think", Block: 0},
		{Kind: llm.EventReasoning, Block: 0, Signature: "c2ln", Origin: llm.DialectAnthropic},
		{Kind: llm.EventReasoning, Block: 1, Redacted: "cmVk", Origin: llm.DialectAnthropic},
		{Kind: llm.EventText, Text: "Hel\"lo\n"},
		{Kind: llm.EventText, Text: "ü"},
		{Kind: llm.EventRefusal, Text: "no"},
		{Kind: llm.EventToolCall, Index: 0, ID: "call_0", Name: "f"},
		{Kind: llm.EventToolCall, Index: 0, Text: `{"a":`},
		{Kind: llm.EventToolCall, Index: 0, Text: `1}`},
		{Kind: llm.EventToolCall, Index: 1, ID: "call_1", Name: "g", Signature: "dGg="},
		{Kind: llm.EventToolCall, Index: 2, ID: "call_2", Name: "h", Text: `{"b":2}`},
		{Kind: llm.EventUsage, Usage: &u},
		{Kind: llm.EventFinish, Finish: llm.FinishToolCalls},
	}
}

func encodeStream(o dialect.StreamOptions, events []llm.Event, f *dialect.Facts) []byte {
	enc := Codec{}.NewStreamEncoder(o)
	var out []byte
	for i := range events {
		out = enc.Append(out, &events[i])
	}
	return enc.AppendEnd(out, f)
}

func TestStreamEncoder(t *testing.T) {
	o := dialect.StreamOptions{Model: "chat", Created: 1700000000, ID: "chatcmpl-r1", IncludeUsage: true}
	out := encodeStream(o, everything(), nil)
	dialecttest.Golden(t, "stream.golden.sse", out)
	o.IncludeUsage = false
	plain := encodeStream(o, everything(), nil)
	if bytes.Contains(plain, []byte(`usage`)) {
		t.Error("usage is shown to a client that did not ask")
	}
	checkChunks(t, out)
	checkChunks(t, plain)

	events, err := decodeStream(Codec{}, bytes.NewReader(out))
	if err != nil {
		t.Fatal(err)
	}
	got, want := collect(events), collect(everything())
	want.NativeFinish = "tool_calls"
	want.ToolCalls()[1].Arguments = "{}" // a client must be able to parse it
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// checkChunks demands what OpenAI's clients rely on.
func checkChunks(t *testing.T, out []byte) {
	t.Helper()
	if !bytes.HasSuffix(out, []byte("data: [DONE]\n\n")) {
		t.Error("no [DONE] at the end")
	}
	rd := sse.NewReader(bytes.NewReader(out), sse.Options{})
	defer rd.Release()
	var id, model string
	for n := 0; ; n++ {
		ev, err := rd.Next()
		if err != nil || string(ev.Data) == "[DONE]" {
			return
		}
		var c struct {
			ID, Object, Model string
			Created           int64
			Choices           []struct {
				Delta        map[string]json.RawMessage
				FinishReason *string `json:"finish_reason"`
			}
		}
		if err := json.Unmarshal(ev.Data, &c); err != nil {
			t.Fatalf("%v: %s", err, ev.Data)
		}
		if n == 0 {
			id, model = c.ID, c.Model
			if string(c.Choices[0].Delta["role"]) != `"assistant"` {
				t.Errorf("the first chunk has no role: %s", ev.Data)
			}
		}
		if c.ID != id || c.Model != model || c.Object != "chat.completion.chunk" || c.Created != 1700000000 {
			t.Errorf("chunk %d differs in what all share: %s", n, ev.Data)
		}
	}
}

func TestStreamEncoderEdges(t *testing.T) {
	o := dialect.StreamOptions{Model: "chat", Created: 1700000000, ID: "chatcmpl-r1", IncludeUsage: true}
	// Nothing but an end; the usage is what the gateway reckons.
	out := string(encodeStream(o, nil, &dialect.Facts{Usage: llm.Usage{Input: 1, Output: 2, Source: llm.UsageEstimated}}))
	for _, want := range []string{`"id":"chatcmpl-r1"`, `"model":"chat"`, `"finish_reason":"stop"`, `"choices":[],"usage":{"prompt_tokens":1`} {
		if !strings.Contains(out, want) {
			t.Errorf("%s is not in %s", want, out)
		}
	}
	// The provider gives neither id nor model.
	out = string(encodeStream(o, []llm.Event{{Kind: llm.EventStart}, {Kind: llm.EventText, Text: "x"}}, nil))
	if !strings.Contains(out, `"id":"chatcmpl-r1"`) || strings.Contains(out, `"choices":[],`) {
		t.Errorf("got %s", out)
	}
	// What comes behind the finish is not shown.
	out = string(encodeStream(o, []llm.Event{{Kind: llm.EventFinish, Finish: llm.FinishLength}, {Kind: llm.EventText, Text: "late"}, {Kind: llm.EventFinish, Finish: llm.FinishStop}}, nil))
	if strings.Contains(out, "late") || strings.Count(out, "finish_reason\":\"") != 1 {
		t.Errorf("got %s", out)
	}
}

func TestStreamEncoderAllocations(t *testing.T) {
	enc := Codec{}.NewStreamEncoder(dialect.StreamOptions{Model: "m", ID: "i", Created: 1})
	buf := make([]byte, 0, 4096)
	ev := llm.Event{Kind: llm.EventText, Text: "word"}
	buf = enc.Append(buf, &ev)
	if n := testing.AllocsPerRun(100, func() { buf = enc.Append(buf[:0], &ev) }); n > 0 {
		t.Errorf("a text chunk costs %v allocations", n)
	}
}

// FuzzStream feeds anything to the decoder and demands a lawful stream, which
// the encoder and the decoder then agree on.
func FuzzStream(f *testing.F) {
	f.Add(encodeStream(dialect.StreamOptions{Model: "m", IncludeUsage: true, Created: 1}, everything(), nil))
	f.Add([]byte(`data: {"choices":[{"delta":{"tool_calls":[{"id":"a","function":{"name":"f"}},{"index":0,"id":"b"},{"index":0,"id":""}]}}]}` + "\n\n"))
	f.Add([]byte(": c\r\r\rdata: {\"choices\":[{\"delta\":{\"reasoning_details\":[{\"type\":\"reasoning.text\",\"text\":\"a\",\"index\":3}]}}]}\r\n\r\ndata:[DONE]\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		events, err := decodeStream(Codec{}, bytes.NewReader(raw))
		checkOrder(t, events)
		if err != nil {
			return
		}
		out := encodeStream(dialect.StreamOptions{Model: "m", IncludeUsage: true, Created: 1}, events, nil)
		back, err := decodeStream(Codec{}, bytes.NewReader(out))
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		want, got := collect(events), collect(back)
		for _, c := range append(want.ToolCalls(), got.ToolCalls()...) {
			if c.Arguments == "" {
				c.Arguments = "{}"
			}
		}
		ignore := cmpopts.IgnoreFields(llm.Response{}, "NativeFinish", "ID", "Model", "Parts")
		if diff := cmp.Diff(want, got, ignore); diff != "" || want.Text() != got.Text() || want.ReasoningText() != got.ReasoningText() || !cmp.Equal(want.ToolCalls(), got.ToolCalls()) {
			t.Fatalf("%q\n%s\n%+v\n%+v", raw, diff, want, got)
		}
	})
}

func TestEverySplit(t *testing.T) {
	all := everything()
	few := append(append(all[:1:1], all[4:6]...), all[7], all[10], all[11], all[15], all[16])
	raw := encodeStream(dialect.StreamOptions{Model: "m", IncludeUsage: true, Created: 1}, few, nil)
	dialecttest.Splits(t, Codec{}.NewStreamDecoder, raw)
	// A stream that stops between two events is complete only behind the finish.
	for i := 0; i < len(raw); {
		i += bytes.Index(raw[i:], []byte("\n\n")) + 2
		_, err := decodeStream(Codec{}, bytes.NewReader(raw[:i]))
		if whole := bytes.Contains(raw[:i], []byte(`"finish_reason":"tool_calls"`)); whole != (err == nil) {
			t.Errorf("cut at %d: %v", i, err)
		}
	}
}

func FuzzElement(f *testing.F) {
	for _, s := range []string{`[]`, `[1, "a]" ,{"b":[2]} , null]`, `{}`, `[[[]],""]`, `["\"" ,"\\"]`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !json.Valid(raw) {
			return
		}
		raw = bytes.TrimSpace(raw)
		var want, got []string
		if raw[0] == '[' {
			err := jsonedit.EachElem(raw, jsonedit.Span{End: len(raw)}, func(_ int, at jsonedit.Span) error {
				want = append(want, string(at.Of(raw)))
				return nil
			})
			if err != nil {
				return // too deep
			}
		}
		for v, i := element(raw, 0); v != nil; v, i = element(raw, i) {
			got = append(got, string(v))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("%q\n%s", raw, diff)
		}
	})
}

func BenchmarkAppendResponse(b *testing.B) {
	r := wholeAnswer()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = Codec{}.AppendResponse(buf[:0], llm.OpChat, r, nil)
	}
}

func BenchmarkDecodeResponse(b *testing.B) {
	body, _ := Codec{}.AppendResponse(nil, llm.OpChat, wholeAnswer(), nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (Codec{}).DecodeResponse(llm.OpChat, body); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkStreamEncoder(b *testing.B) {
	enc := Codec{}.NewStreamEncoder(dialect.StreamOptions{Model: "m", ID: "i", Created: 1})
	ev := llm.Event{Kind: llm.EventText, Text: "word"}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = enc.Append(buf[:0], &ev)
	}
}
