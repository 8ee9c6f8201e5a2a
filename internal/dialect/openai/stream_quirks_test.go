package openai

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// deltas frames deltas of choice 0 as a stream that ends well.
func deltas(list ...string) []byte {
	var out []byte
	for _, d := range list {
		out = sse.AppendData(out, []byte(`{"id":"i","model":"m","choices":[{"index":0,"delta":`+d+`}]}`))
	}
	out = sse.AppendData(out, []byte(`{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`))
	return sse.AppendData(out, []byte("[DONE]"))
}

func TestToolCallQuirks(t *testing.T) {
	cases := []struct {
		name string
		in   []byte
		want []llm.ToolCall
	}{
		{"in pieces", deltas(`{"tool_calls":[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]}`,
			`{"tool_calls":[{"index":0,"function":{"arguments":"{\"x\":"}}]}`, `{"tool_calls":[{"index":0,"function":{"arguments":"1}"}}]}`),
			[]llm.ToolCall{{ID: "a", Name: "f", Arguments: `{"x":1}`}}},
		{"interleaved", deltas(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}},{"index":1,"id":"b","function":{"name":"g","arguments":""}}]}`,
			`{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}`, `{"tool_calls":[{"index":0,"function":{"arguments":"[]"}}]}`),
			[]llm.ToolCall{{ID: "a", Name: "f", Arguments: `[]`}, {ID: "b", Name: "g", Arguments: `{}`}}},
		{"no index, whole calls", deltas(`{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"b","function":{"name":"g","arguments":"{}"}}]}`),
			[]llm.ToolCall{{ID: "a", Name: "f", Arguments: `{}`}, {ID: "b", Name: "g", Arguments: `{}`}}},
		{"no index, pieces by id", deltas(`{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}},{"id":"b","function":{"name":"g","arguments":"["}}]}`,
			`{"tool_calls":[{"id":"a","function":{"arguments":"}"}},{"id":"b","function":{"arguments":"]"}}]}`),
			[]llm.ToolCall{{ID: "a", Name: "f", Arguments: `{}`}, {ID: "b", Name: "g", Arguments: `[]`}}},
		{"no index and no id on the rest", deltas(`{"tool_calls":[{"id":"a","function":{"name":"f","arguments":"{"}}]}`, `{"tool_calls":[{"function":{"arguments":"}"}}]}`),
			[]llm.ToolCall{{ID: "a", Name: "f", Arguments: `{}`}}},
		{"no index and no id at all", deltas(`{"tool_calls":[{"function":{"name":"f","arguments":"{}"}}]}`, `{"tool_calls":[{"function":{"name":"g","arguments":"{}"}}]}`),
			[]llm.ToolCall{{Name: "f", Arguments: `{}`}, {Name: "g", Arguments: `{}`}}},
		{"an empty id on the rest (Qwen)", deltas(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}`, `{"tool_calls":[{"index":0,"id":"","type":"function","function":{"arguments":"{}"}}]}`),
			[]llm.ToolCall{{ID: "a", Name: "f", Arguments: `{}`}}},
		{"the id repeated", deltas(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}}]}`, `{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"}"}}]}`),
			[]llm.ToolCall{{ID: "a", Name: "f", Arguments: `{}`}}},
		{"the first index is 1 (behind a text)", deltas(`{"content":"x"}`, `{"tool_calls":[{"index":1,"id":"a","function":{"name":"f","arguments":""}}]}`, `{"tool_calls":[{"index":1,"function":{"arguments":"{}"}}]}`),
			[]llm.ToolCall{{ID: "a", Name: "f", Arguments: `{}`}}},
		{"an index used twice (Gemini)", deltas(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]}`, `{"tool_calls":[{"index":0,"id":"b","function":{"name":"f","arguments":"{}"}}]}`,
			`{"tool_calls":[{"index":0,"function":{"arguments":" "}}]}`),
			[]llm.ToolCall{{ID: "a", Name: "f", Arguments: `{}`}, {ID: "b", Name: "f", Arguments: `{} `}}},
		{"arguments as an object", deltas(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":{"x":1.0}}}]}`),
			[]llm.ToolCall{{ID: "a", Name: "f", Arguments: `{"x":1.0}`}}},
		{"arguments null", deltas(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":null}}]}`), []llm.ToolCall{{ID: "a", Name: "f"}}},
		{"a signature (Gemini)", deltas(`{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"},"extra_content":{"google":{"thought_signature":"s"}}}]}`),
			[]llm.ToolCall{{ID: "a", Name: "f", Arguments: `{}`, Signature: "s"}}},
		{"no id", deltas(`{"tool_calls":[{"index":0,"function":{"name":"f","arguments":""}}]}`, `{"tool_calls":[{"index":0,"function":{"arguments":"{}"}}]}`), []llm.ToolCall{{Name: "f", Arguments: `{}`}}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			events, err := dialecttest.Decode(Codec{}.NewStreamDecoder(), tc.in)
			if err != nil {
				t.Fatal(err)
			}
			checkOrder(t, events)
			got := dialecttest.Collect(events)
			for i := range got.Calls {
				if i < len(tc.want) && tc.want[i].ID == "" && strings.HasPrefix(got.Calls[i].ID, "call_") {
					got.Calls[i].ID = ""
				}
			}
			if diff := cmp.Diff(tc.want, got.Calls); diff != "" || got.Finish != llm.FinishToolCalls || got.Native != "stop" {
				t.Errorf("finish %q\n%s", got.Finish, diff)
			}
		})
	}
}

func TestContentQuirks(t *testing.T) {
	cases := []struct {
		name string
		in   []byte
		want dialecttest.Answer
	}{
		{"a role on every chunk", deltas(`{"role":"assistant","content":"a"}`, `{"role":"assistant","content":"b"}`), dialecttest.Answer{Text: "ab"}},
		{"a refusal", deltas(`{"refusal":"n"}`, `{"refusal":"o","content":null}`), dialecttest.Answer{Refusal: "no"}},
		{"reasoning_content", deltas(`{"reasoning_content":"a","content":null}`, `{"reasoning_content":"b"}`, `{"content":"c","reasoning_content":null}`),
			dialecttest.Answer{Text: "c", Reasoning: []llm.Reasoning{{Text: "ab"}}}},
		{"reasoning", deltas(`{"reasoning":"a","channel":"analysis"}`, `{"content":"c"}`), dialecttest.Answer{Text: "c", Reasoning: []llm.Reasoning{{Text: "a"}}}},
		{"reasoning and details say the same", deltas(`{"reasoning":"a","reasoning_details":[{"type":"reasoning.text","text":"a","index":0}]}`,
			`{"reasoning":"b","reasoning_details":[{"type":"reasoning.text","text":"b","index":0}]}`, `{"reasoning_details":[{"type":"reasoning.text","signature":"s","format":"anthropic-claude-v1","index":0}]}`, `{"content":"c"}`),
			dialecttest.Answer{Text: "c", Reasoning: []llm.Reasoning{{Text: "ab", Signature: "s", Origin: llm.DialectAnthropic}}}},
		{"blocks by index", deltas(`{"reasoning_details":[{"type":"reasoning.text","text":"a","index":0}]}`, `{"reasoning_details":[{"type":"reasoning.text","text":"b","index":1}]}`,
			`{"reasoning_details":[{"type":"reasoning.encrypted","data":"d","format":"openai-responses-v1","index":2}]}`, `{"content":"c"}`),
			dialecttest.Answer{Text: "c", Reasoning: []llm.Reasoning{{Text: "a"}, {Text: "b"}, {Signature: "d", Origin: llm.DialectResponses}}}},
		{"a block ends with its signature", deltas(`{"reasoning_details":[{"type":"reasoning.text","text":"a","signature":"s"}]}`, `{"reasoning_details":[{"type":"reasoning.text","text":"b"}]}`, `{"content":"c"}`),
			dialecttest.Answer{Text: "c", Reasoning: []llm.Reasoning{{Text: "a", Signature: "s"}, {Text: "b"}}}},
		{"an array of parts (Mistral)", deltas(`{"content":[{"type":"thinking","thinking":[{"type":"text","text":"t"}]}]}`, `{"content":[{"type":"text","text":"a"},{"type":"refusal","refusal":"r"},{"type":"reference","reference_ids":[1]}]}`, `{"content":"b"}`),
			dialecttest.Answer{Text: "ab", Refusal: "r", Reasoning: []llm.Reasoning{{Text: "t"}}}},
		{"odd types", deltas(`{"content":7,"refusal":{},"tool_calls":"x","reasoning":[],"reasoning_details":{}}`, `{"content":"a"}`, `null`, `"x"`), dialecttest.Answer{Text: "a"}},
		{"members twice", deltas(`{"content":"x","content":"a"}`), dialecttest.Answer{Text: "a"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			events, err := dialecttest.Decode(Codec{}.NewStreamDecoder(), tc.in)
			if err != nil {
				t.Fatal(err)
			}
			want := tc.want
			want.ID, want.Model, want.Finish, want.Native, want.Starts, want.Finishes = "i", "m", llm.FinishStop, "stop", 1, 1
			if diff := cmp.Diff(want, dialecttest.Collect(events)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFrameQuirks(t *testing.T) {
	const (
		word   = `{"id":"i","model":"m","choices":[{"index":0,"delta":{"content":"a"}}]}`
		finish = `{"id":"i","model":"m","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`
		counts = `"usage":{"prompt_tokens":3,"completion_tokens":4,"total_tokens":7}`
	)
	frame := func(list ...string) []byte {
		var out []byte
		for _, d := range list {
			out = sse.AppendData(out, []byte(d))
		}
		return out
	}
	done := dialecttest.Answer{ID: "i", Model: "m", Text: "a", Finish: llm.FinishStop, Native: "stop", Starts: 1, Finishes: 1}
	counted := done
	counted.Usage = use(3, 4, 0, 0)
	edit := func(f func(*dialecttest.Answer)) dialecttest.Answer { a := done; f(&a); return a }
	cases := []struct {
		name  string
		in    []byte
		want  dialecttest.Answer
		fails llm.Kind
	}{
		{"usage in a chunk of its own", frame(word, finish, `{"choices":[],`+counts+`}`, "[DONE]"), counted, 0},
		{"usage in the finish chunk", frame(word, `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],`+counts+`}`, "[DONE]"), counted, 0},
		{"usage on every chunk", frame(`{"id":"i","model":"m","choices":[{"delta":{"content":"a"}}],"usage":{"prompt_tokens":3,"completion_tokens":1}}`, finish, `{"choices":[],`+counts+`}`, "[DONE]"), counted, 0},
		{"usage in the choice (Moonshot)", frame(word, `{"choices":[{"index":0,"delta":{},"finish_reason":"stop",`+counts+`}]}`, "[DONE]"), counted, 0},
		{"usage under x_groq", frame(word, `{"choices":[{"index":0,"delta":{},"finish_reason":"stop"}],"x_groq":{`+counts+`}}`, "[DONE]"), counted, 0},
		{"usage with a choice behind the finish (OpenRouter)", frame(word, finish, `{"choices":[{"index":0,"delta":{"content":""},"finish_reason":null}],`+counts+`}`, "[DONE]"), counted, 0},
		{"no usage", frame(word, finish, "[DONE]"), done, 0},
		{"no [DONE]", frame(word, finish), done, 0},
		{"no finish but [DONE]", frame(word, "[DONE]"), edit(func(a *dialecttest.Answer) { a.Native = "" }), 0},
		{"cut", frame(word), edit(func(a *dialecttest.Answer) { a.Finish, a.Native, a.Finishes = "", "", 0 }), llm.KindUpstreamError},
		{"nothing", nil, dialecttest.Answer{}, llm.KindUpstreamError},
		{"[DONE] alone", frame("[DONE]"), dialecttest.Answer{}, llm.KindUpstreamError},
		{"a role and [DONE]", frame(`{"id":"i","model":"m","choices":[{"delta":{"role":"assistant"}}]}`, "[DONE]"), dialecttest.Answer{ID: "i", Model: "m", Starts: 1}, llm.KindUpstreamError},
		{"the finish repeated (OpenRouter)", frame(word, finish, finish, "[DONE]"), done, 0},
		{"the finish null as a word (DashScope)", frame(`{"id":"i","model":"m","choices":[{"delta":{"content":"a"},"finish_reason":"null"}]}`, finish, "[DONE]"), done, 0},
		{"text with the finish", frame(`{"id":"i","model":"m","choices":[{"delta":{"content":"a"},"finish_reason":"stop"}]}`, "[DONE]"), done, 0},
		{"an empty answer", frame(finish, "[DONE]"), edit(func(a *dialecttest.Answer) { a.Text = "" }), 0},
		{"azure's first chunk", frame(`{"choices":[],"created":0,"id":"","model":"","object":"","prompt_filter_results":[]}`, word, finish, "[DONE]"), done, 0},
		{"no id", frame(`{"id":"","choices":[{"delta":{"content":"a"}}]}`, finish, "[DONE]"), edit(func(a *dialecttest.Answer) { a.ID, a.Model = "", "" }), 0},
		{"other choices are left out", frame(word, `{"choices":[{"index":1,"delta":{"content":"b"},"finish_reason":"length"}]}`, finish, "[DONE]"), done, 0},
		{"a message for a delta", frame(`{"id":"i","model":"m","choices":[{"message":{"content":"a"}}]}`, finish), done, 0},
		{"events of other names", []byte("event: ping\ndata: {\"type\":\"ping\"}\n\n" + string(frame(word, finish, "[DONE]"))), done, 0},
		{"behind [DONE] nothing counts", frame(word, finish, "[DONE]", `{"error":{"message":"late"}}`, "garbage"), done, 0},
		{"an error", frame(word, `{"error":{"message":"m","type":"server_error"}}`, "[DONE]"), edit(func(a *dialecttest.Answer) { a.Finish, a.Native, a.Finishes = "", "", 0 }), llm.KindUpstreamError},
		{"an error that is null", frame(`{"id":"i","model":"m","error":null,"choices":[{"delta":{"content":"a"}}]}`, finish), done, 0},
		{"an error that is empty", frame(`{"id":"i","model":"m","error":{},"choices":[{"delta":{"content":"a"}}]}`, finish), done, 0},
		{"an error with usage (OpenRouter)", frame(`{"id":"i","model":"m","error":{"code":429,"message":"m"},"choices":[{"delta":{"content":""}}],` + counts + `}`), dialecttest.Answer{Usage: use(3, 4, 0, 0)}, llm.KindUpstreamRateLimited},
		{"an event named error", []byte("event: error\ndata: {\"error\":{\"message\":\"m\",\"status_code\":400}}\n\n"), dialecttest.Answer{}, llm.KindInvalidRequest},
		{"an event named error, no JSON", []byte("event: error\ndata: boom\n\n"), dialecttest.Answer{}, llm.KindUpstreamError},
		{"no JSON", frame("boom"), dialecttest.Answer{}, llm.KindUpstreamError},
		{"half a chunk", frame(`{"choices":[`), dialecttest.Answer{}, llm.KindUpstreamError},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			events, err := dialecttest.Decode(Codec{}.NewStreamDecoder(), tc.in)
			checkEnd(t, err, tc.fails)
			if diff := cmp.Diff(tc.want, dialecttest.Collect(events)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestPings(t *testing.T) {
	events, err := Codec{}.NewStreamDecoder().Decode(nil, sse.Event{Raw: []byte(": OPENROUTER PROCESSING\n\n")})
	if err != nil || len(events) != 1 || events[0].Kind != llm.EventPing || events[0].Content() {
		t.Errorf("%v %+v", err, events)
	}
}
