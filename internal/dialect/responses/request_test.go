package responses

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func user(s string) llm.Message { return llm.Message{Role: llm.RoleUser, Parts: words(s)} }

func member0(name, value string) llm.Member {
	return llm.Member{Name: name, Value: json.RawMessage(value)}
}

func TestDecodeRequest(t *testing.T) {
	n, n5, f, yes, no := int64(64), int64(5), 0.5, true, false
	cases := []struct {
		name, body string
		want       llm.Request
	}{
		{"a string", `{"model":"m","input":"hi"}`, llm.Request{Model: "m", Messages: []llm.Message{user("hi")}}},
		{"scalars", `{"model":"m","input":"hi","instructions":"be brief","max_output_tokens":64,"temperature":0.5,"top_p":0.5,"top_logprobs":5,"parallel_tool_calls":false,
			"metadata":{"k":"v"},"service_tier":"flex","store":false,"user":"u","stream":true,"stream_options":{"include_obfuscation":false},"truncation":"disabled","background":false,
			"include":["reasoning.encrypted_content"],"reasoning":{"effort":"low","summary":"auto"},"text":{"format":{"type":"json_object"},"verbosity":"low"},
			"previous_response_id":null,"conversation":null,"prompt":null,"max_tool_calls":null}`,
			llm.Request{Model: "m", Messages: []llm.Message{{Role: llm.RoleSystem, Parts: words("be brief")}, user("hi")}, MaxTokens: &n, Temperature: &f, TopP: &f,
				Logprobs: &yes, TopLogprobs: &n5, ParallelToolCalls: &no, Metadata: map[string]string{"k": "v"}, ServiceTier: "flex", Store: &no, User: "u", Stream: true,
				Verbosity: "low", Reasoning: &llm.ReasoningOptions{Effort: "low", Summary: "auto"}, ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONObject}}},
		{"a schema", `{"input":"hi","text":{"format":{"type":"json_schema","name":"a","schema":{"type":"object"},"strict":true,"description":"d"}}}`,
			llm.Request{Messages: []llm.Message{user("hi")}, ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONSchema, Name: "a", Schema: json.RawMessage(`{"type":"object"}`), Strict: &yes, Description: "d"}}},
		{"tools", `{"input":"hi","tools":[{"type":"function","name":"f","description":"d","parameters":{"type":"object"},"strict":false},{"type":"function","name":"g","parameters":null,"strict":null},
			{"type":"custom","name":"c","format":{"type":"text"}},{"type":"web_search","search_context_size":"low"}],"tool_choice":{"type":"function","name":"g"}}`,
			llm.Request{Messages: []llm.Message{user("hi")}, ToolChoice: &llm.ToolChoice{Mode: llm.ToolNamed, Name: "g"}, Tools: []llm.Tool{
				{Name: "f", Description: "d", Parameters: json.RawMessage(`{"type":"object"}`), Strict: &no}, {Name: "g"},
				{Type: "custom", Name: "c", Raw: json.RawMessage(`{"type":"custom","name":"c","format":{"type":"text"}}`)},
				{Type: "web_search", Raw: json.RawMessage(`{"type":"web_search","search_context_size":"low"}`)}}}},
		{"allowed tools", `{"input":"hi","tools":[{"type":"function","name":"f"}],"tool_choice":{"type":"allowed_tools","mode":"required","tools":[{"type":"function","name":"f"}]}}`,
			llm.Request{Messages: []llm.Message{user("hi")}, Tools: []llm.Tool{{Name: "f"}}, ToolChoice: &llm.ToolChoice{Mode: llm.ToolRequired, Allowed: []string{"f"}}}},
		{"members without a place", `{"input":[{"role":"user","content":"hi","x":1}],"prompt_cache_key":"k","truncation":"auto","include":["file_search_call.results","message.output_text.logprobs"],
			"reasoning":{"context":"all"},"text":{"y":2},"tools":[{"type":"function","name":"f","z":3}],"stream_options":{"w":4},"max_tool_calls":5}`,
			llm.Request{Messages: []llm.Message{user("hi")}, Logprobs: &yes, Tools: []llm.Tool{{Name: "f"}}, Extra: []llm.Member{
				member0("prompt_cache_key", `"k"`), member0("truncation", `"auto"`), member0("include[0]", `"file_search_call.results"`), member0("reasoning.context", `"all"`), member0("text.y", `2`),
				member0("tools[0].z", `3`), member0("stream_options.w", `4`), member0("max_tool_calls", `5`), member0("input[0].x", `1`)}}},
		{"a conversation", string(conversation(t)), llm.Request{Model: "m", Messages: []llm.Message{
			{Role: llm.RoleDeveloper, Parts: words("rules")},
			{Role: llm.RoleUser, Parts: []llm.Part{
				{Type: llm.PartText, Text: "look"},
				{Type: llm.PartImage, Media: &llm.Media{URL: "https://a.example/b.png", Detail: "high"}},
				{Type: llm.PartImage, Media: &llm.Media{MIME: "image/png", Data: "aGk="}},
				{Type: llm.PartImage, Media: &llm.Media{FileID: "file-1"}},
				{Type: llm.PartFile, Media: &llm.Media{MIME: "application/pdf", Data: "JVBERg==", Name: "a.pdf"}},
				{Type: llm.PartFile, Media: &llm.Media{URL: "https://a.example/b.pdf"}},
				{Type: llm.PartFile, Media: &llm.Media{FileID: "file-2"}}}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{
				{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "a\n\nb", Signature: "gAAA", ID: "rs_1", Origin: llm.DialectResponses}},
				{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "t", Signature: "c2ln", Origin: llm.DialectAnthropic}},
				{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Redacted: "cmVk", Origin: llm.DialectAnthropic}},
				{Type: llm.PartText, Text: "I call"},
				{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "call_1", Name: "f", Arguments: `{"a":1}`, Signature: "Z2Vt"}},
				{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "call_2", Name: "g"}}}},
			{Role: llm.RoleTool, Parts: []llm.Part{
				{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "call_2", Parts: words("two")}},
				{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "call_1", Parts: []llm.Part{{Type: llm.PartText, Text: "one"}, {Type: llm.PartImage, Media: &llm.Media{URL: "https://a.example/c.png"}}}}}}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{{Type: llm.PartText, Text: "done"}, {Type: llm.PartRefusal, Text: "no"}}},
			user("thanks")}}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Codec{}.DecodeRequest(llm.OpChat, []byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// conversation is a request with items of every kind.
func conversation(testing.TB) []byte {
	return []byte(`{"model":"m","input":[
	{"role":"developer","content":"rules"},
	{"type":"message","role":"user","content":[{"type":"input_text","text":"look"},
		{"type":"input_image","image_url":"https://a.example/b.png","detail":"high"},
		{"type":"input_image","image_url":"data:image/png;base64,aGk="},
		{"type":"input_image","file_id":"file-1"},
		{"type":"input_file","filename":"a.pdf","file_data":"data:application/pdf;base64,JVBERg=="},
		{"type":"input_file","file_url":"https://a.example/b.pdf"},
		{"type":"input_file","file_id":"file-2"}]},
	{"type":"reasoning","id":"rs_1","summary":[{"type":"summary_text","text":"a"},{"type":"summary_text","text":"b"}],"encrypted_content":"gAAA","content":[],"status":null},
	{"type":"reasoning","id":"rs_x_1","summary":[{"type":"summary_text","text":"t"}],"encrypted_content":"gw1:anthropic:c2ln"},
	{"type":"reasoning","id":"rs_x_2","summary":[],"encrypted_content":"gw1:anthropic:redacted:cmVk"},
	{"type":"reasoning","id":"rs_x_3","summary":[]},
	{"type":"message","id":"msg_1","status":"completed","role":"assistant","content":[{"type":"output_text","text":"I call","annotations":[],"logprobs":[]}]},
	{"type":"reasoning","id":"rs_x_4","summary":[],"encrypted_content":"gw1:gemini:tool:Z2Vt:call_1"},
	{"type":"function_call","id":"fc_1","call_id":"call_1","name":"f","arguments":"{\"a\":1}","status":"completed"},
	{"type":"function_call","call_id":"call_2","name":"g","arguments":""},
	{"type":"function_call_output","call_id":"call_2","output":"two"},
	{"type":"function_call_output","call_id":"call_1","output":[{"type":"input_text","text":"one"},{"type":"input_image","image_url":"https://a.example/c.png"}]},
	{"role":"assistant","content":"done"},
	{"role":"assistant","content":[{"type":"refusal","refusal":"no"}]},
	{"role":"user","content":"thanks"}]}`)
}

func TestDecodeRequestRefuses(t *testing.T) {
	in := func(items string) string { return `{"input":[` + items + `]}` }
	with := func(members string) string { return `{"input":"hi",` + members + `}` }
	const call = `{"type":"function_call","call_id":"c1","name":"f","arguments":"{}"}`
	cases := []struct {
		body  string
		kind  llm.Kind
		param string
	}{
		{`{`, llm.KindInvalidRequest, ""},
		{`{}`, llm.KindInvalidRequest, "input"},
		{`{"input":[]}`, llm.KindInvalidRequest, "input"},
		{`{"input":""}`, llm.KindInvalidRequest, "input"},
		{`{"input":7}`, llm.KindInvalidRequest, "input"},
		{with(`"previous_response_id":"resp_1"`), llm.KindUnsupported, "previous_response_id"},
		{with(`"conversation":{"id":"conv_1"}`), llm.KindUnsupported, "conversation"},
		{with(`"prompt":{"id":"pmpt_1"}`), llm.KindUnsupported, "prompt"},
		{with(`"background":true`), llm.KindUnsupported, "background"},
		{with(`"temperature":3`), llm.KindInvalidRequest, "temperature"},
		{with(`"max_output_tokens":0`), llm.KindInvalidRequest, "max_output_tokens"},
		{with(`"top_logprobs":21`), llm.KindInvalidRequest, "top_logprobs"},
		{with(`"instructions":[]`), llm.KindInvalidRequest, "instructions"},
		{with(`"truncation":"some"`), llm.KindInvalidRequest, "truncation"},
		{with(`"reasoning":{"effort":"extreme"}`), llm.KindInvalidRequest, "reasoning.effort"},
		{with(`"reasoning":{"summary":"long"}`), llm.KindInvalidRequest, "reasoning.summary"},
		{with(`"include":"x"`), llm.KindInvalidRequest, "include"},
		{with(`"text":{"format":{}}`), llm.KindInvalidRequest, "text.format.type"},
		{with(`"text":{"format":{"type":"json_schema","schema":{}}}`), llm.KindInvalidRequest, "text.format.name"},
		{with(`"text":{"format":{"type":"json_schema","name":"a"}}`), llm.KindInvalidRequest, "text.format.schema"},
		{with(`"text":{"verbosity":"x"}`), llm.KindInvalidRequest, "text.verbosity"},
		{with(`"tools":[{"name":"f"}]`), llm.KindInvalidRequest, "tools[0].type"},
		{with(`"tools":[{"type":"function"}]`), llm.KindInvalidRequest, "tools[0].name"},
		{with(`"tools":[{"type":"function","name":"a b"}]`), llm.KindInvalidRequest, "tools[0].name"},
		{with(`"tools":[{"type":"function","name":"a","parameters":[]}]`), llm.KindInvalidRequest, "tools[0].parameters"},
		{with(`"tool_choice":"required"`), llm.KindInvalidRequest, "tool_choice"},
		{with(`"tool_choice":{"type":"function"}`), llm.KindInvalidRequest, "tool_choice.name"},
		{with(`"tool_choice":{"type":"web_search"}`), llm.KindUnsupported, "tool_choice.type"},
		{with(`"tool_choice":{"type":"allowed_tools","mode":"auto"}`), llm.KindInvalidRequest, "tool_choice.tools"},
		{in(`{"content":"x"}`), llm.KindInvalidRequest, "input[0].role"},
		{in(`{"role":"robot","content":"x"}`), llm.KindInvalidRequest, "input[0].role"},
		{in(`{"role":"user"}`), llm.KindInvalidRequest, "input[0].content"},
		{in(`{"role":"user","content":[]}`), llm.KindInvalidRequest, "input[0].content"},
		{in(`{"role":"user","content":[{"text":"x"}]}`), llm.KindInvalidRequest, "input[0].content[0].type"},
		{in(`{"role":"user","content":[{"type":"text","text":"x"}]}`), llm.KindInvalidRequest, "input[0].content[0].type"},
		{in(`{"role":"user","content":[{"type":"input_text"}]}`), llm.KindInvalidRequest, "input[0].content[0].text"},
		{in(`{"role":"user","content":[{"type":"input_text","text":"x","bold":1}]}`), llm.KindUnsupported, "input[0].content[0].bold"},
		{in(`{"role":"user","content":[{"type":"input_image"}]}`), llm.KindInvalidRequest, "input[0].content[0].image_url"},
		{in(`{"role":"user","content":[{"type":"input_image","image_url":"x"}]}`), llm.KindInvalidRequest, "input[0].content[0].image_url"},
		{in(`{"role":"user","content":[{"type":"input_file","filename":"x"}]}`), llm.KindInvalidRequest, "input[0].content[0]"},
		{in(`{"role":"user","content":[{"type":"input_file","file_data":"?"}]}`), llm.KindInvalidRequest, "input[0].content[0].file_data"},
		{in(`{"role":"system","content":[{"type":"input_image","image_url":"https://a/b"}]}`), llm.KindInvalidRequest, "input[0].content[0].type"},
		{in(`{"type":"item_reference","id":"msg_1"}`), llm.KindUnsupported, "input[0].type"},
		{in(`{"type":"web_search_call","id":"ws_1"}`), llm.KindUnsupported, "input[0].type"},
		{in(call), llm.KindInvalidRequest, "input[0].call_id"},
		{in(call + `,` + call), llm.KindInvalidRequest, "input[1].call_id"},
		{in(`{"type":"function_call","name":"f","arguments":"{}"}`), llm.KindInvalidRequest, "input[0].call_id"},
		{in(`{"type":"function_call","call_id":"c","arguments":"{}"}`), llm.KindInvalidRequest, "input[0].name"},
		{in(`{"type":"function_call","call_id":"c","name":"f"}`), llm.KindInvalidRequest, "input[0].arguments"},
		{in(`{"type":"function_call_output","call_id":"c","output":"x"}`), llm.KindInvalidRequest, "input[0].call_id"},
		{in(call + `,{"type":"function_call_output","call_id":"c1"}`), llm.KindInvalidRequest, "input[1].output"},
		{in(call + `,{"type":"function_call_output","output":"x"}`), llm.KindInvalidRequest, "input[1].call_id"},
		{in(`{"type":"reasoning","summary":"x"}`), llm.KindInvalidRequest, "input[0].summary"},
	}
	for _, tc := range cases {
		_, err := Codec{}.DecodeRequest(llm.OpChat, []byte(tc.body))
		var e *llm.Error
		if !errors.As(err, &e) || e.Kind != tc.kind || e.Param != tc.param || !strings.Contains(e.Message, tc.param) {
			t.Errorf("%s\n got %v\nwant %s at %q", tc.body, err, tc.kind, tc.param)
		}
	}
}

func TestRecordedRequests(t *testing.T) {
	for _, file := range []string{"azure/responses-stream.request.json", "openai/error-400-context-length.request.json",
		"openai/error-401.request.json", "openai/error-400-responses-model.request.json"} {
		t.Run(file, func(t *testing.T) {
			r, err := Codec{}.DecodeRequest(llm.OpChat, dialecttest.Fixture(t, file))
			if err != nil || len(r.Messages) == 0 || r.Model == "" || len(r.Extra) > 0 {
				t.Errorf("%v %+v", err, r)
			}
		})
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add(conversation(f))
	f.Add([]byte(`{"input":"x","tools":[{"type":"custom","name":"c"}],"text":{"format":{"type":"text"}},"reasoning":{"summary":"auto"}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := Codec{}.DecodeRequest(llm.OpChat, raw)
		var e *llm.Error
		if err != nil {
			if !errors.As(err, &e) || e.Message == "" {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		if len(r.Messages) == 0 {
			t.Fatalf("%q: no messages", raw)
		}
		for _, m := range r.Messages {
			for _, p := range m.Parts {
				if (p.Type == llm.PartToolResult) != (m.Role == llm.RoleTool) {
					t.Fatalf("%q: %+v", raw, m)
				}
			}
		}
	})
}

func BenchmarkDecodeRequest(b *testing.B) {
	raw := conversation(b)
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (Codec{}).DecodeRequest(llm.OpChat, raw); err != nil {
			b.Fatal(err)
		}
	}
}
