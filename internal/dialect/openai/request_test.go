package openai

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// again decodes what r encodes to.
func again(t testing.TB, op llm.Op, r *llm.Request) *llm.Request {
	t.Helper()
	k := Codec{ReasoningField: "reasoning_details", ThoughtSignatures: true}
	body, err := k.AppendRequest(nil, &llm.Call{Op: op, Model: r.Model, Stream: r.Stream}, r)
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(body) {
		t.Fatalf("not JSON: %s", body)
	}
	back, err := k.DecodeRequest(op, body)
	if err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return back
}

// sameRequest compares requests, leaving out what this codec does not write
// back; JSON text may be laid out differently.
var sameRequest = cmp.Options{
	cmp.FilterPath(func(p cmp.Path) bool { return p.Last().String() == ".CacheControl" }, cmp.Ignore()),
	cmp.Comparer(func(a, b json.RawMessage) bool {
		var x, y any
		if json.Unmarshal(a, &x) != nil || json.Unmarshal(b, &y) != nil {
			return string(a) == string(b)
		}
		return cmp.Equal(x, y)
	}),
}

func TestRecordedRequests(t *testing.T) {
	for _, file := range []string{
		"openai/chat-stream-parallel-tools.request.json", "openai/chat-stream-tools-complex-1.request.json",
		"openai/error-400-web-search.request.json", "openai-compatible/groq-midstream-error-tool-use-failed.request.json",
		"openai-compatible/openrouter-cache-stream.request.json", "openai-compatible/zai-thinking-stream.request.json",
		"azure/error-429.request.json", "openai-compatible/openrouter-error-429.request.json",
	} {
		t.Run(file, func(t *testing.T) {
			r, err := Codec{}.DecodeRequest(llm.OpChat, dialecttest.Fixture(t, file))
			if err != nil {
				t.Fatal(err)
			}
			if len(r.Messages) == 0 || r.Model == "" {
				t.Errorf("got %+v", r)
			}
			r.IncludeUsage = r.Stream // an upstream is always asked
			if diff := cmp.Diff(r, again(t, llm.OpChat, r), sameRequest); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeRequest(t *testing.T) {
	yes, no := true, false
	cases := []struct {
		name, body string
		want       llm.Request
	}{
		{"everything", string(testdata(t, "request-full.json")), fullRequest()},
		{"null is absent", `{"model":"m","messages":[{"role":"user","content":"x","name":null}],"temperature":null,"stop":null,"tools":null,"stream":null,"x_future":null}`,
			ask()},
		{"white space and escapes", " \n{\"mod\\u0065l\":\"m\", \"messages\" : [ {\"role\":\"user\",\"content\":\"x\"} ] }\r\n", ask()},
		{"integers in other forms", `{"model":"m","messages":[{"role":"user","content":"x"}],"max_tokens":1e3,"seed":9007199254740993,"n":1.0}`,
			with(ask(), func(r *llm.Request) { r.MaxTokens, r.Seed, r.N = i64(1000), i64(9007199254740993), i64(1) })},
		{"the newer limit wins", `{"max_completion_tokens":7,"max_tokens":9,"model":"m","messages":[{"role":"user","content":"x"}]}`,
			with(ask(), func(r *llm.Request) { r.MaxTokens = i64(7) })},
		{"the newer limit wins in any order", `{"max_tokens":9,"max_completion_tokens":7,"model":"m","messages":[{"role":"user","content":"x"}]}`,
			with(ask(), func(r *llm.Request) { r.MaxTokens = i64(7) })},
		{"defaults that say nothing", `{"model":"m","messages":[{"role":"user","content":"x"}],"logit_bias":{},"modalities":["text"],"metadata":{},"stop":[],"tools":[],"tool_choice":"auto","stream_options":{}}`,
			ask()},
		{"safety_identifier is the user", `{"model":"m","safety_identifier":"u1","messages":[{"role":"user","content":"x"}]}`,
			with(ask(), func(r *llm.Request) { r.User = "u1" })},
		{"both users", `{"model":"m","safety_identifier":"u1","user":"u2","messages":[{"role":"user","content":"x"}]}`,
			with(ask(), func(r *llm.Request) { r.User = "u2"; extra(r, "safety_identifier", `"u1"`) })},
		{"unknown members keep their order", `{"z":1,"model":"m","a":{"b":[1.10]},"messages":[{"role":"user","content":"x"}],"k":"v"}`,
			with(ask(), func(r *llm.Request) { extra(r, "z", `1`); extra(r, "a", `{"b":[1.10]}`); extra(r, "k", `"v"`) })},
		{"unknown members inside", `{"model":"m","messages":[{"role":"user","content":[{"type":"text","text":"x","p":1}],"prefix":true}],"tools":[{"type":"function","t":3,"function":{"name":"f","g":4}}],"stream":true,"stream_options":{"include_usage":true,"future":2}}`,
			with(ask(), func(r *llm.Request) {
				extra(r, "messages[0].prefix", `true`)
				extra(r, "messages[0].content[0].p", `1`)
				extra(r, "tools[0].t", `3`)
				extra(r, "tools[0].function.g", `4`)
				extra(r, "stream_options.future", `2`)
				r.Stream, r.IncludeUsage = true, true
				r.Tools = []llm.Tool{{Name: "f"}}
			})},
		{"a custom tool stays as it is", `{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"custom","custom":{"name":"g","format":{"type":"text"}}},{"type":"web_search"}],"tool_choice":{"type":"custom","custom":{"name":"g"}}}`,
			with(ask(), func(r *llm.Request) {
				r.Tools = []llm.Tool{{Type: "custom", Name: "g", Raw: json.RawMessage(`{"type":"custom","custom":{"name":"g","format":{"type":"text"}}}`)},
					{Type: "web_search", Raw: json.RawMessage(`{"type":"web_search"}`)}}
				r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolNamed, Name: "g"}
			})},
		{"allowed tools", `{"model":"m","messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"required","tools":[{"type":"function","function":{"name":"f"}}]}}}`,
			with(ask(), func(r *llm.Request) {
				r.Tools = []llm.Tool{{Name: "f"}}
				r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolRequired, Allowed: []string{"f"}}
			})},
		{"formats", `{"model":"m","messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_object"},"logprobs":false,"store":false,"parallel_tool_calls":true}`,
			with(ask(), func(r *llm.Request) {
				r.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatJSONObject}
				r.Logprobs, r.Store, r.ParallelToolCalls = &no, &no, &yes
			})},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Codec{}.DecodeRequest(llm.OpChat, []byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Fatal(diff)
			}
			if got.Stream {
				got.IncludeUsage = true
			}
			if diff := cmp.Diff(got, again(t, llm.OpChat, got), sameRequest); diff != "" {
				t.Errorf("after encoding:\n%s", diff)
			}
		})
	}
}

func ask() llm.Request {
	return llm.Request{Model: "m", Messages: []llm.Message{{Role: llm.RoleUser, Parts: said("x")}}}
}

func said(s string) []llm.Part { return []llm.Part{{Type: llm.PartText, Text: s}} }

func with(r llm.Request, edit func(*llm.Request)) llm.Request {
	edit(&r)
	return r
}

func extra(r *llm.Request, name, value string) {
	r.Extra = append(r.Extra, llm.Member{Name: name, Value: json.RawMessage(value)})
}

func i64(n int64) *int64 { return &n }

func f64(f float64) *float64 { return &f }

// fullRequest is what testdata/request-full.json holds.
func fullRequest() llm.Request {
	yes, no := true, false
	return llm.Request{
		Model: "gpt-5", MaxTokens: i64(256), Temperature: f64(0.1), TopP: f64(0.9), TopK: i64(40), Stop: []string{"a", "b"},
		Seed: i64(-3), PresencePenalty: f64(-2), FrequencyPenalty: f64(1.5), N: i64(2), Logprobs: &yes, TopLogprobs: i64(5),
		LogitBias: json.RawMessage(`{"50256":-100}`), Stream: true, IncludeUsage: true, User: "u-1",
		Metadata: map[string]string{"k": "v"}, ServiceTier: "flex", Store: &no, Verbosity: "low",
		Reasoning: &llm.ReasoningOptions{Effort: "high"}, ParallelToolCalls: &no,
		ToolChoice: &llm.ToolChoice{Mode: llm.ToolNamed, Name: "get_weather"},
		ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONSchema, Name: "answer", Description: "d",
			Schema: json.RawMessage(`{"type":"object","properties":{"n":{"type":"number","multipleOf":0.10}}}`), Strict: &yes},
		Tools: []llm.Tool{
			{Name: "get_weather", Description: "w", Parameters: json.RawMessage(`{"type":"object"}`), Strict: &yes, CacheControl: json.RawMessage(`{"type":"ephemeral"}`)},
			{Name: "noargs"},
		},
		Messages: []llm.Message{
			{Role: llm.RoleDeveloper, Parts: said("be brief")},
			{Role: llm.RoleSystem, Name: "s", Parts: []llm.Part{{Type: llm.PartText, Text: "one"}, {Type: llm.PartText, Text: "two", CacheControl: json.RawMessage(`{"type":"ephemeral","ttl":"1h"}`)}}},
			{Role: llm.RoleUser, Name: "ada", Parts: []llm.Part{
				{Type: llm.PartText, Text: "look", CacheControl: json.RawMessage(`{"type":"ephemeral"}`)},
				{Type: llm.PartImage, Media: &llm.Media{URL: "https://example.com/a.png", Detail: "low"}},
				{Type: llm.PartImage, Media: &llm.Media{MIME: "image/jpeg", Data: "aGk="}},
				{Type: llm.PartAudio, Media: &llm.Media{MIME: "audio/wav", Data: "AAAA"}},
				{Type: llm.PartFile, Media: &llm.Media{MIME: "application/pdf", Data: "JVBERg==", Name: "a.pdf"}},
				{Type: llm.PartFile, Media: &llm.Media{FileID: "file-1"}},
			}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{
				{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "thinking", Signature: "c2ln", Origin: llm.DialectAnthropic}},
				{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Redacted: "cmVk", Origin: llm.DialectAnthropic}},
				{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Signature: "Z2Vt", Origin: llm.DialectGemini}},
				{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Signature: "b2Fp", ID: "rs_1", Origin: llm.DialectResponses}},
				{Type: llm.PartText, Text: "I call"},
				{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "call_1", Name: "get_weather", Arguments: `{"city":"Bern"}`, Signature: "dGg="}},
				{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "call_2", Name: "noargs", Arguments: `{}`}},
			}},
			{Role: llm.RoleTool, Parts: []llm.Part{{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "call_2", Name: "noargs", Parts: said("ok")}}}},
			{Role: llm.RoleTool, Parts: []llm.Part{{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "call_1",
				Parts: []llm.Part{{Type: llm.PartText, Text: "sunny"}, {Type: llm.PartText, Text: "warm"}}}}}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{{Type: llm.PartRefusal, Text: "no"}}},
			{Role: llm.RoleAssistant, Parts: said("")},
		},
		Extra: []llm.Member{
			{Name: "messages[2].content[1].x", Value: json.RawMessage(`1`)},
			{Name: "prompt_cache_key", Value: json.RawMessage(`"pk"`)},
			{Name: "modalities", Value: json.RawMessage(`["text","audio"]`)},
			{Name: "prediction", Value: json.RawMessage(`{"type":"content","content":"p"}`)},
		},
	}
}

// ok surrounds members with what every request needs.
func ok(members string) string {
	return `{"model":"m","messages":[{"role":"user","content":"x"}],` + members + `}`
}

func msgs(list string) string { return `{"model":"m","messages":[` + list + `]}` }

func TestDecodeRequestRefuses(t *testing.T) {
	const call = `{"role":"assistant","tool_calls":[{"id":"c1","type":"function","function":{"name":"f","arguments":"{}"}}]}`
	cases := []struct {
		body  string
		kind  llm.Kind
		param string
	}{
		{``, llm.KindInvalidRequest, ""},
		{`[]`, llm.KindInvalidRequest, ""},
		{`{"model":"m",}`, llm.KindInvalidRequest, ""},
		{`{"model":"m"}`, llm.KindInvalidRequest, "messages"},
		{msgs(``), llm.KindInvalidRequest, "messages"},
		{`{"model":1,"messages":[]}`, llm.KindInvalidRequest, "model"},
		{`{"messages":{}}`, llm.KindInvalidRequest, "messages"},
		{msgs(`null`), llm.KindInvalidRequest, "messages[0]"},
		{msgs(`{"content":"x"}`), llm.KindInvalidRequest, "messages[0].role"},
		{msgs(`{"role":"robot","content":"x"}`), llm.KindInvalidRequest, "messages[0].role"},
		{msgs(`{"role":"function","name":"f","content":"x"}`), llm.KindUnsupported, "messages[0].role"},
		{msgs(`{"role":"user"}`), llm.KindInvalidRequest, "messages[0].content"},
		{msgs(`{"role":"user","content":3}`), llm.KindInvalidRequest, "messages[0].content"},
		{msgs(`{"role":"user","content":[]}`), llm.KindInvalidRequest, "messages[0].content"},
		{msgs(`{"role":"user","content":"a"},{"role":"user","content":[{"type":"text","text":"b"},{"type":"vibe"}]}`), llm.KindInvalidRequest, "messages[1].content[1].type"},
		{msgs(`{"role":"user","content":[{"text":"b"}]}`), llm.KindInvalidRequest, "messages[0].content[0].type"},
		{msgs(`{"role":"user","content":[{"type":"text"}]}`), llm.KindInvalidRequest, "messages[0].content[0].text"},
		{msgs(`{"role":"user","content":[{"type":"text","text":7}]}`), llm.KindInvalidRequest, "messages[0].content[0].text"},
		{msgs(`{"role":"user","content":[{"type":"refusal","refusal":"x"}]}`), llm.KindInvalidRequest, "messages[0].content[0].type"},
		{msgs(`{"role":"system","content":[{"type":"image_url","image_url":{"url":"https://a/b"}}]}`), llm.KindInvalidRequest, "messages[0].content[0].type"},
		{msgs(`{"role":"user","content":[{"type":"image_url","image_url":{}}]}`), llm.KindInvalidRequest, "messages[0].content[0].image_url.url"},
		{msgs(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"ftp://a/b"}}]}`), llm.KindInvalidRequest, "messages[0].content[0].image_url.url"},
		{msgs(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png,xx"}}]}`), llm.KindInvalidRequest, "messages[0].content[0].image_url.url"},
		{msgs(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,???"}}]}`), llm.KindInvalidRequest, "messages[0].content[0].image_url.url"},
		{msgs(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:image/png;base64,A"}}]}`), llm.KindInvalidRequest, "messages[0].content[0].image_url.url"},
		{msgs(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:;base64,AAAA"}}]}`), llm.KindInvalidRequest, "messages[0].content[0].image_url.url"},
		{msgs(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a/b","detail":"huge"}}]}`), llm.KindInvalidRequest, "messages[0].content[0].image_url.detail"},
		{msgs(`{"role":"user","content":[{"type":"image_url","image_url":{"url":"https://a/b","zoom":1}}]}`), llm.KindUnsupported, "messages[0].content[0].image_url.zoom"},
		{msgs(`{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"ogg"}}]}`), llm.KindInvalidRequest, "messages[0].content[0].input_audio.format"},
		{msgs(`{"role":"user","content":[{"type":"input_audio","input_audio":{"format":"wav"}}]}`), llm.KindInvalidRequest, "messages[0].content[0].input_audio.data"},
		{msgs(`{"role":"user","content":[{"type":"file","file":{"filename":"a"}}]}`), llm.KindInvalidRequest, "messages[0].content[0].file"},
		{msgs(`{"role":"assistant"}`), llm.KindInvalidRequest, "messages[0].content"},
		{msgs(`{"role":"assistant","function_call":{"name":"f"}}`), llm.KindUnsupported, "messages[0].function_call"},
		{msgs(`{"role":"user","content":"x","tool_calls":[]}`), llm.KindInvalidRequest, "messages[0].tool_calls"},
		{msgs(`{"role":"user","content":"x","tool_call_id":"c"}`), llm.KindInvalidRequest, "messages[0].tool_call_id"},
		{msgs(`{"role":"assistant","tool_calls":[{"type":"function","function":{"name":"f"}}]}`), llm.KindInvalidRequest, "messages[0].tool_calls[0].id"},
		{msgs(`{"role":"assistant","tool_calls":[{"id":"c"}]}`), llm.KindInvalidRequest, "messages[0].tool_calls[0].function"},
		{msgs(`{"role":"assistant","tool_calls":[{"id":"c","function":{"arguments":""}}]}`), llm.KindInvalidRequest, "messages[0].tool_calls[0].function.name"},
		{msgs(`{"role":"assistant","tool_calls":[{"id":"c","function":{"name":"f","arguments":[]}}]}`), llm.KindInvalidRequest, "messages[0].tool_calls[0].function.arguments"},
		{msgs(`{"role":"assistant","tool_calls":[{"id":"c","type":"custom","custom":{"name":"g","input":"i"}}]}`), llm.KindUnsupported, "messages[0].tool_calls[0].type"},
		{msgs(call), llm.KindInvalidRequest, "messages[0].tool_calls"},
		{msgs(call + `,{"role":"user","content":"x"}`), llm.KindInvalidRequest, "messages[0].tool_calls"},
		{msgs(call + `,{"role":"tool","tool_call_id":"c2","content":"x"}`), llm.KindInvalidRequest, "messages[1].tool_call_id"},
		{msgs(call + `,{"role":"tool","tool_call_id":"c1","content":"x"},{"role":"tool","tool_call_id":"c1","content":"x"}`), llm.KindInvalidRequest, "messages[2].tool_call_id"},
		{msgs(`{"role":"tool","tool_call_id":"c","content":"x"}`), llm.KindInvalidRequest, "messages[0].tool_call_id"},
		{msgs(call + `,{"role":"tool","content":"x"}`), llm.KindInvalidRequest, "messages[1].tool_call_id"},
		{msgs(call + `,{"role":"tool","tool_call_id":"c1"}`), llm.KindInvalidRequest, "messages[1].content"},
		{ok(`"temperature":2.1`), llm.KindInvalidRequest, "temperature"},
		{ok(`"temperature":-1`), llm.KindInvalidRequest, "temperature"},
		{ok(`"temperature":"1"`), llm.KindInvalidRequest, "temperature"},
		{ok(`"temperature":1e999`), llm.KindInvalidRequest, "temperature"},
		{ok(`"top_p":1.01`), llm.KindInvalidRequest, "top_p"},
		{ok(`"presence_penalty":3`), llm.KindInvalidRequest, "presence_penalty"},
		{ok(`"frequency_penalty":-2.5`), llm.KindInvalidRequest, "frequency_penalty"},
		{ok(`"n":0`), llm.KindInvalidRequest, "n"},
		{ok(`"n":129`), llm.KindInvalidRequest, "n"},
		{ok(`"n":1.5`), llm.KindInvalidRequest, "n"},
		{ok(`"max_tokens":0`), llm.KindInvalidRequest, "max_tokens"},
		{ok(`"max_completion_tokens":-5`), llm.KindInvalidRequest, "max_completion_tokens"},
		{ok(`"seed":"x"`), llm.KindInvalidRequest, "seed"},
		{ok(`"stop":["a","b","c","d","e"]`), llm.KindInvalidRequest, "stop"},
		{ok(`"stop":["a",2]`), llm.KindInvalidRequest, "stop[1]"},
		{ok(`"stop":{}`), llm.KindInvalidRequest, "stop"},
		{ok(`"top_logprobs":3`), llm.KindInvalidRequest, "top_logprobs"},
		{ok(`"logprobs":true,"top_logprobs":21`), llm.KindInvalidRequest, "top_logprobs"},
		{ok(`"logit_bias":{"5":101}`), llm.KindInvalidRequest, "logit_bias.5"},
		{ok(`"logit_bias":[]`), llm.KindInvalidRequest, "logit_bias"},
		{ok(`"functions":[]`), llm.KindUnsupported, "functions"},
		{ok(`"function_call":"auto"`), llm.KindUnsupported, "function_call"},
		{ok(`"reasoning_effort":"extreme"`), llm.KindInvalidRequest, "reasoning_effort"},
		{ok(`"verbosity":"chatty"`), llm.KindInvalidRequest, "verbosity"},
		{ok(`"stream":1`), llm.KindInvalidRequest, "stream"},
		{ok(`"stream":true,"stream_options":{"include_usage":"yes"}`), llm.KindInvalidRequest, "stream_options.include_usage"},
		{ok(`"metadata":{"a":1}`), llm.KindInvalidRequest, "metadata.a"},
		{ok(`"metadata":{"` + strings.Repeat("k", 65) + `":"v"}`), llm.KindInvalidRequest, "metadata"},
		{ok(`"modalities":"text"`), llm.KindInvalidRequest, "modalities"},
		{ok(`"response_format":{}`), llm.KindInvalidRequest, "response_format.type"},
		{ok(`"response_format":{"type":"xml"}`), llm.KindInvalidRequest, "response_format.type"},
		{ok(`"response_format":{"type":"json_schema"}`), llm.KindInvalidRequest, "response_format.json_schema"},
		{ok(`"response_format":{"type":"json_schema","json_schema":{"schema":{}}}`), llm.KindInvalidRequest, "response_format.json_schema.name"},
		{ok(`"response_format":{"type":"json_schema","json_schema":{"name":"a b"}}`), llm.KindInvalidRequest, "response_format.json_schema.name"},
		{ok(`"response_format":{"type":"json_schema","json_schema":{"name":"a","schema":[]}}`), llm.KindInvalidRequest, "response_format.json_schema.schema"},
		{ok(`"tools":[{"function":{"name":"f"}}]`), llm.KindInvalidRequest, "tools[0].type"},
		{ok(`"tools":[{"type":"function"}]`), llm.KindInvalidRequest, "tools[0].function"},
		{ok(`"tools":[{"type":"function","function":{"name":"f.g"}}]`), llm.KindInvalidRequest, "tools[0].function.name"},
		{ok(`"tools":[{"type":"function","function":{"name":"` + strings.Repeat("f", 65) + `"}}]`), llm.KindInvalidRequest, "tools[0].function.name"},
		{ok(`"tools":[{"type":"function","function":{"name":"f","parameters":"{}"}}]`), llm.KindInvalidRequest, "tools[0].function.parameters"},
		{ok(`"tool_choice":"required"`), llm.KindInvalidRequest, "tool_choice"},
		{ok(`"tool_choice":"sometimes"`), llm.KindInvalidRequest, "tool_choice"},
		{ok(`"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":{"type":"function","function":{"name":"g"}}`), llm.KindInvalidRequest, "tool_choice"},
		{ok(`"tool_choice":{"type":"function"}`), llm.KindInvalidRequest, "tool_choice.function"},
		{ok(`"tool_choice":{"type":"allowed_tools","allowed_tools":{"mode":"auto"}}`), llm.KindInvalidRequest, "tool_choice.allowed_tools.tools"},
	}
	for _, tc := range cases {
		_, err := Codec{}.DecodeRequest(llm.OpChat, []byte(tc.body))
		var e *llm.Error
		if !errors.As(err, &e) || e.Kind != tc.kind || e.Param != tc.param {
			t.Errorf("%s\n got %v (param %q)\nwant %s at %q", tc.body, err, param(e), tc.kind, tc.param)
			continue
		}
		if tc.param != "" && !strings.Contains(e.Message, "'"+tc.param+"'") {
			t.Errorf("the message does not name %q: %s", tc.param, e.Message)
		}
	}
}

func param(e *llm.Error) string {
	if e == nil {
		return ""
	}
	return e.Param
}

func TestMalformedJSONNamesTheOffset(t *testing.T) {
	_, err := Codec{}.DecodeRequest(llm.OpChat, []byte(`{"model":"m",,}`))
	var e *llm.Error
	if !errors.As(err, &e) || !strings.Contains(e.Message, "byte 13") {
		t.Errorf("got %v", err)
	}
}

// What SDKs copy from an answer into the history is neither refused nor kept.
func TestDecodeEchoes(t *testing.T) {
	r, err := Codec{}.DecodeRequest(llm.OpChat, []byte(msgs(`{"role":"user","content":"q"},
		{"role":"assistant","content":"","refusal":null,"annotations":[],"audio":null,"parsed":{"a":1},"function_call":null,
		 "tool_calls":[{"index":0,"id":"c1","type":"function","function":{"name":"f","arguments":{"a":1.0},"parsed_arguments":{"a":1}}}]},
		{"role":"tool","tool_call_id":"c1","content":""}`)))
	if err != nil {
		t.Fatal(err)
	}
	want := []llm.Part{{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "c1", Name: "f", Arguments: `{"a":1.0}`}}}
	if diff := cmp.Diff(want, r.Messages[1].Parts); diff != "" || len(r.Extra) != 0 {
		t.Errorf("%s extra %v", diff, r.Extra)
	}
}

// A client that appends the deltas of a stream to a list sends pieces of
// blocks back; they become the blocks that they were.
func TestDecodeReasoningPieces(t *testing.T) {
	r, err := Codec{}.DecodeRequest(llm.OpChat, []byte(msgs(`{"role":"user","content":"q"},{"role":"assistant","content":"a","reasoning_content":"abcd","reasoning_details":[
		{"type":"reasoning.text","text":"a","index":0},{"type":"reasoning.text","text":"b","index":0},
		{"type":"reasoning.text","text":"","signature":"S0","format":"anthropic-claude-v1","index":0},
		{"type":"reasoning.encrypted","data":"R","format":"anthropic-claude-v1","index":1},
		{"type":"reasoning.text","text":"c","index":2,"format":null},{"type":"reasoning.text","text":"d","signature":"S2","index":2,"format":"anthropic-claude-v1"},
		{"type":"reasoning.future","x":1}]}`)))
	if err != nil {
		t.Fatal(err)
	}
	want := []llm.Part{
		{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "ab", Signature: "S0", Origin: llm.DialectAnthropic}},
		{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Redacted: "R", Origin: llm.DialectAnthropic}},
		{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "cd", Signature: "S2", Origin: llm.DialectAnthropic}},
		{Type: llm.PartText, Text: "a"},
	}
	if diff := cmp.Diff(want, r.Messages[1].Parts); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeMedia(t *testing.T) {
	long := strings.Repeat("QUJD", 30)
	for url, want := range map[string]llm.Media{
		"data:image/jpg;base64,aGk=":                     {MIME: "image/jpeg", Data: "aGk="},
		"DATA:IMAGE/PNG;charset=x;BASE64,aGk":            {MIME: "image/png", Data: "aGk="},
		`data:image/png;base64,aG\n k=\r\n`:              {MIME: "image/png", Data: "aGk="},
		"data:image/png;base64," + long:                  {MIME: "image/png", Data: long},
		"https://example.com/a?b=c":                      {URL: "https://example.com/a?b=c"},
		"data:image/svg+xml;base64,PHN2Zy8+":             {MIME: "image/svg+xml", Data: "PHN2Zy8+"},
		"http://example.com/data:image/png;base64,ignor": {URL: "http://example.com/data:image/png;base64,ignor"},
	} {
		for _, form := range []string{`{"url":"` + url + `"}`, `"` + url + `"`} {
			r, err := Codec{}.DecodeRequest(llm.OpChat, []byte(msgs(`{"role":"user","content":[{"type":"image_url","image_url":`+form+`}]}`)))
			if err != nil {
				t.Errorf("%s: %v", url, err)
			} else if got := *r.Messages[0].Parts[0].Media; got != want {
				t.Errorf("%s: %+v", url, got)
			}
		}
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add(testdata(f, "request-full.json"))
	f.Add([]byte(ok(`"tools":[{"type":"custom","custom":{"name":"g"}}],"stop":"x","logit_bias":{"1":2}`)))
	f.Add([]byte(msgs(`{"role":"assistant","content":null,"refusal":"r"},{"role":"user","content":[{"type":"text","text":"a","x":1}]}`)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := Codec{}.DecodeRequest(llm.OpChat, raw)
		if err != nil {
			var e *llm.Error
			if !errors.As(err, &e) || e.Message == "" {
				t.Fatalf("%v for %q", err, raw)
			}
			return
		}
		if r.Stream {
			r.IncludeUsage = true
		} else {
			r.IncludeUsage = false // stream_options stand only in a stream
			for i := len(r.Extra) - 1; i >= 0; i-- {
				if strings.HasPrefix(r.Extra[i].Name, "stream_options.") {
					r.Extra = append(r.Extra[:i], r.Extra[i+1:]...)
				}
			}
		}
		once := again(t, llm.OpChat, r)
		twice := again(t, llm.OpChat, once)
		if diff := cmp.Diff(once, twice, sameRequest); diff != "" {
			t.Fatalf("%q\n%s", raw, diff)
		}
		if diff := cmp.Diff(r.Messages, once.Messages, sameRequest); diff != "" {
			t.Fatalf("%q\n%s", raw, diff)
		}
	})
}

func BenchmarkDecodeRequest(b *testing.B) {
	raw := testdata(b, "request-full.json")
	b.SetBytes(int64(len(raw)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := (Codec{}).DecodeRequest(llm.OpChat, raw); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendRequest(b *testing.B) {
	r := fullRequest()
	c := &llm.Call{Op: llm.OpChat, Model: "m", Stream: true}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = Codec{}.AppendRequest(buf[:0], c, &r)
	}
}
