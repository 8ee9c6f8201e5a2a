package dashscope

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// conversation has a turn of every kind.
func conversation() []llm.Message {
	return []llm.Message{
		text(llm.RoleSystem, "Be brief."),
		{Role: llm.RoleDeveloper, Parts: []llm.Part{{Type: llm.PartText, Text: "Answer"}, {Type: llm.PartText, Text: "in JSON."}}},
		text(llm.RoleUser, "Wetter in Köln & <Bonn>?"),
		{Role: llm.RoleAssistant, Parts: []llm.Part{
			{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "two calls"}},
			{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "call_1", Name: "weather", Arguments: `{"city":"Köln"}`}},
			{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "call_2", Name: "now"}},
		}},
		{Role: llm.RoleTool, Parts: []llm.Part{
			{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "call_1", Name: "weather", Parts: []llm.Part{{Type: llm.PartText, Text: "rain"}}}},
			{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "call_2"}},
			{Type: llm.PartText, Text: "And then?"},
		}},
		{Role: llm.RoleAssistant, Parts: []llm.Part{{Type: llm.PartText, Text: "It "}, {Type: llm.PartRefusal, Text: "rains."}}},
		text(llm.RoleUser, "Thanks"),
	}
}

var weather = llm.Tool{Name: "weather", Description: "The weather", Parameters: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}}}`)}

func TestAppendRequest(t *testing.T) {
	media := []llm.Part{
		{Type: llm.PartImage, Media: &llm.Media{URL: "https://example.com/a.png"}},
		{Type: llm.PartImage, Media: &llm.Media{MIME: "image/png", Data: "AAAA"}},
		{Type: llm.PartAudio, Media: &llm.Media{MIME: "audio/wav", Data: "AAAA"}},
		{Type: llm.PartText, Text: "What is this?"},
	}
	for name, tc := range map[string]struct {
		call *llm.Call
		req  *llm.Request
	}{
		"plain":    {chat("qwen-plus", false), &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "Hi")}}},
		"stream":   {chat("qwen-plus", true), &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "Hi")}}},
		"turns":    {chat("qwen-plus", false), &llm.Request{Messages: conversation(), Tools: []llm.Tool{weather, {Name: "now"}}}},
		"parts":    {chat("qwen3-vl-plus", false), &llm.Request{Messages: conversation()}},
		"media":    {chat("qwen-omni-turbo", true), &llm.Request{Messages: []llm.Message{{Role: llm.RoleUser, Parts: media}}}},
		"sampling": {chat("qwen-plus", false), sampling()},
		"budget": {chat("qwen-plus", true), &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "Hi")}, MaxTokens: ptr(int64(99)),
			Reasoning: &llm.ReasoningOptions{Budget: ptr(int64(1024))}}},
		"effort": {chat("deepseek-v4-pro", true), &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "Hi")},
			Reasoning: &llm.ReasoningOptions{Effort: "high"}}},
		"thinking-off": {chat("qwen-plus", true), &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "Hi")}, MaxTokens: ptr(int64(99)),
			Reasoning: &llm.ReasoningOptions{Effort: dialect.EffortNone}}},
		"hybrid": {chat("qwen3-235b-a22b", false), &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "Hi")}}},
		"schema": {chat("qwen-plus", false), &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "Hi")},
			ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONSchema, Schema: json.RawMessage(`{"type":"object"}`), Strict: ptr(true)}}},
		"named": {chat("qwen-plus", false), &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "Hi")}, Tools: []llm.Tool{weather},
			ToolChoice: &llm.ToolChoice{Mode: llm.ToolNamed, Name: "weather"}, ParallelToolCalls: ptr(false)}},
		"extra": {chat("qwen-plus", false), &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "Hi"), text(llm.RoleAssistant, "Ha")}, Extra: []llm.Member{
			{Name: "parameters.enable_search", Value: json.RawMessage(`true`)},
			{Name: "input.messages[1].partial", Value: json.RawMessage(`true`)},
			{Name: "input.history", Value: json.RawMessage(`[]`)},
			{Name: "task", Value: json.RawMessage(`"x"`)},
		}}},
		"embed": {&llm.Call{Op: llm.OpEmbed, Model: "text-embedding-v4"}, &llm.Request{
			Embed: &llm.EmbedRequest{Input: []string{"代码", "b"}, Dimensions: ptr(int64(64))},
			Extra: []llm.Member{{Name: "parameters.text_type", Value: json.RawMessage(`"query"`)}}}},
		"count": {&llm.Call{Op: llm.OpCountTokens, Model: "qwen-vl-plus"}, &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "Hi")}}},
	} {
		t.Run(name, func(t *testing.T) {
			out := encode(t, tc.call, tc.req)
			dialecttest.Golden(t, "request/"+name+".json", indent(t, out))
			if name == "turns" || name == "parts" {
				return // the user's words behind tool results read as a turn of their own
			}
			again, err := codec.DecodeRequest(tc.call.Op, out)
			if err != nil {
				t.Fatal(err)
			}
			if tc.call.Op == llm.OpCountTokens {
				return
			}
			if second := encode(t, tc.call, again); string(second) != string(out) {
				t.Errorf("%s\nreads as\n%s", out, second)
			}
		})
	}
}

func sampling() *llm.Request {
	return &llm.Request{
		Messages: []llm.Message{text(llm.RoleUser, "Hi, in json")}, MaxTokens: ptr(int64(100)),
		Temperature: ptr(0.7), TopP: ptr(0.9), TopK: ptr(int64(5)), Seed: ptr(int64(7)), PresencePenalty: ptr(-1.5),
		Stop: []string{"END", "\n"}, N: ptr(int64(1)),
		ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONObject},
	}
}

func TestAppendRequestRefuses(t *testing.T) {
	named := &llm.Request{Messages: conversation(), Tools: []llm.Tool{weather}, ToolChoice: &llm.ToolChoice{Mode: llm.ToolNamed, Name: "weather"},
		Reasoning: &llm.ReasoningOptions{Adaptive: true}}
	_, err := codec.AppendRequest(nil, chat("qwen-plus", true), named)
	if e := llmError(t, err); e.Kind != llm.KindUnsupported || e.Param != "tool_choice" {
		t.Errorf("%v", e)
	}
	seen := &llm.Request{Messages: []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartImage, Media: &llm.Media{URL: "https://a.b/c"}}}}}}
	_, err = codec.AppendRequest(nil, &llm.Call{Op: llm.OpCountTokens, Model: "qwen-vl-plus"}, seen)
	if e := llmError(t, err); e.Kind != llm.KindUnsupported || e.Param != "messages" {
		t.Errorf("%v", e)
	}
}

// TestThinkingReachesTheWire follows what clients ask through the capability
// check to the wire.
func TestThinkingReachesTheWire(t *testing.T) {
	for _, tc := range []struct {
		name string
		ask  *llm.ReasoningOptions
		want string // in parameters; "" = nothing about thinking
	}{
		{"nothing", nil, ""},
		{"high", &llm.ReasoningOptions{Effort: "high"}, `"enable_thinking":true,"thinking_budget":24576`},
		{"none", &llm.ReasoningOptions{Effort: "none"}, `"enable_thinking":false`},
		{"budget", &llm.ReasoningOptions{Budget: ptr(int64(77))}, `"enable_thinking":true,"thinking_budget":77`},
		{"budget of nothing", &llm.ReasoningOptions{Budget: ptr(int64(0))}, `"enable_thinking":false`},
		{"adaptive", &llm.ReasoningOptions{Adaptive: true}, `"enable_thinking":true`},
		{"a summary alone", &llm.ReasoningOptions{Summary: "auto"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r, _, err := dialect.Fit(&llm.Request{Messages: []llm.Message{text(llm.RoleUser, "Hi")}, Reasoning: tc.ask}, dialect.SupportDashScope("qwen-plus"), false)
			if err != nil {
				t.Fatal(err)
			}
			out := string(encode(t, chat("qwen-plus", false), r))
			if !strings.Contains(out, tc.want) || (tc.want == "") == strings.Contains(out, "thinking") {
				t.Errorf("%s", out)
			}
		})
	}
}

func TestHybridModels(t *testing.T) {
	r := &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "Hi")}}
	for model, open := range map[string]bool{
		"qwen3-32b": true, "qwen3-0.6b": true, "Qwen3-30B-A3B": true, "qwen3-235b-a22b": true,
		"qwen3-235b-a22b-instruct-2507": false, "qwen3-32b-thinking": false, "qwen3-max": false, "qwen2.5-32b": false, "qwen-plus": false,
	} {
		for _, stream := range []bool{false, true} {
			out := string(encode(t, chat(model, stream), r))
			if strings.Contains(out, `"enable_thinking":false`) != (open && !stream) {
				t.Errorf("%s, stream %v: %s", model, stream, out)
			}
		}
	}
}

const everything = `{"model":"qwen-plus","input":{"messages":[
 {"role":"system","content":"Be brief, in JSON."},
 {"role":"user","content":"Hi","name":"u"},
 {"role":"assistant","content":"","reasoning_content":"hm","tool_calls":[{"index":0,"id":"call_1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Bonn\"}"}}]},
 {"role":"tool","content":"rain","tool_call_id":"call_1","name":"weather"},
 {"role":"assistant","content":"It","partial":true}]},
"parameters":{"result_format":"message","incremental_output":true,"max_tokens":5,"max_completion_tokens":50,"temperature":1.99,"top_p":0.5,"top_k":0,"seed":1,
 "presence_penalty":-2,"repetition_penalty":1.1,"stop":"END","n":1,"logprobs":true,"top_logprobs":5,
 "tools":[{"type":"function","function":{"name":"weather","description":"d","parameters":{"type":"object"}}}],"tool_choice":"none","parallel_tool_calls":false,
 "response_format":{"type":"json_object"},"enable_thinking":true,"thinking_budget":9,"enable_search":true}}`

func TestDecodeRequest(t *testing.T) {
	want := &llm.Request{
		Model: "qwen-plus", Stream: true, MaxTokens: ptr(int64(50)), Temperature: ptr(1.99), TopP: ptr(0.5), TopK: ptr(int64(0)), Seed: ptr(int64(1)),
		PresencePenalty: ptr(-2.0), Stop: []string{"END"}, N: ptr(int64(1)), Logprobs: ptr(true), TopLogprobs: ptr(int64(5)),
		Messages: []llm.Message{
			text(llm.RoleSystem, "Be brief, in JSON."),
			{Role: llm.RoleUser, Name: "u", Parts: []llm.Part{{Type: llm.PartText, Text: "Hi"}}},
			{Role: llm.RoleAssistant, Parts: []llm.Part{
				{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "hm"}},
				{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "call_1", Name: "weather", Arguments: `{"city":"Bonn"}`}},
			}},
			{Role: llm.RoleTool, Parts: []llm.Part{{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{
				CallID: "call_1", Name: "weather", Parts: []llm.Part{{Type: llm.PartText, Text: "rain"}}}}}},
			text(llm.RoleAssistant, "It"),
		},
		Tools:      []llm.Tool{{Name: "weather", Description: "d", Parameters: json.RawMessage(`{"type":"object"}`)}},
		ToolChoice: &llm.ToolChoice{Mode: llm.ToolNone}, ParallelToolCalls: ptr(false),
		ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONObject},
		Reasoning:      &llm.ReasoningOptions{Budget: ptr(int64(9))},
		Extra: []llm.Member{
			{Name: "input.messages[4].partial", Value: json.RawMessage(`true`)},
			{Name: "parameters.repetition_penalty", Value: json.RawMessage(`1.1`)},
			{Name: "parameters.enable_search", Value: json.RawMessage(`true`)},
		},
	}
	if diff := cmp.Diff(want, decode(t, everything)); diff != "" {
		t.Error(diff)
	}
}

func TestDecodePrompt(t *testing.T) {
	r := decode(t, ` {"model":"m","input":{"prompt":"Hi"},"parameters":{"stop":[[37763,367]],"thinking_budget":4}} `)
	want := &llm.Request{Model: "m", Messages: []llm.Message{text(llm.RoleUser, "Hi")}, Extra: []llm.Member{
		{Name: "parameters.stop", Value: json.RawMessage(`[[37763,367]]`)},
		{Name: "parameters.thinking_budget", Value: json.RawMessage(`4`)},
	}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeEmbed(t *testing.T) {
	r, err := codec.DecodeRequest(llm.OpEmbed, []byte(`{"model":"text-embedding-v3","input":{"texts":["a","b"]},"parameters":{"dimension":64,"text_type":"query","output_type":"dense"}}`))
	if err != nil {
		t.Fatal(err)
	}
	want := &llm.Request{Model: "text-embedding-v3", Embed: &llm.EmbedRequest{Input: []string{"a", "b"}, Dimensions: ptr(int64(64))},
		Extra: []llm.Member{{Name: "parameters.text_type", Value: json.RawMessage(`"query"`)}}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeRequestRefuses(t *testing.T) {
	body := func(messages, parameters string) string {
		return `{"model":"qwen-plus","input":{"messages":[` + messages + `]},"parameters":{` + parameters + `}}`
	}
	const hi = `{"role":"user","content":"Hi"}`
	const tool = `{"type":"function","function":{"name":"f"}}`
	for _, tc := range []struct{ name, body, param string }{
		{"no JSON", `{"model":`, ""},
		{"no object", `[]`, ""},
		{"no model", `{"input":{"prompt":"x"}}`, "model"},
		{"empty model", `{"model":"","input":{"prompt":"x"}}`, "model"},
		{"no input", `{"model":"m"}`, "input"},
		{"empty input", `{"model":"m","input":{}}`, "input.messages"},
		{"empty prompt", `{"model":"m","input":{"prompt":""}}`, "input.prompt"},
		{"no messages", body("", ""), "input.messages"},
		{"a name like a path", `{"model":"m","input":{"prompt":"x"},"parameters.seed":1}`, "parameters.seed"},
		{"role", body(`{"role":"developer","content":"x"}`, ""), "input.messages[0].role"},
		{"no role", body(`{"content":"x"}`, ""), "input.messages[0].role"},
		{"no content", body(`{"role":"user"}`, ""), "input.messages[0].content"},
		{"parts for a text model", body(`{"role":"user","content":[{"text":"x"}]}`, ""), "input.messages[0].content"},
		{"calls of a user", body(`{"role":"user","content":"x","tool_calls":[]}`, ""), "input.messages[0].tool_calls"},
		{"call without id", body(`{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":""}}]},`+hi, ""), "input.messages[0].tool_calls[0].id"},
		{"call without name", body(`{"role":"assistant","tool_calls":[{"id":"1","function":{"arguments":""}}]},`+hi, ""), "input.messages[0].tool_calls[0].function.name"},
		{"call of another type", body(`{"role":"assistant","tool_calls":[{"id":"1","type":"x"}]},`+hi, ""), "input.messages[0].tool_calls[0].type"},
		{"result without call id", body(`{"role":"tool","content":"x"}`, ""), "input.messages[0].tool_call_id"},
		{"result of no call", body(hi+`,{"role":"tool","content":"x","tool_call_id":"1"}`, ""), "input.messages[1]"},
		{"assistant last", body(hi+`,{"role":"assistant","content":"x"}`, ""), "input.messages[1]"},
		{"the old form", body(hi, `"result_format":"text"`), "parameters.result_format"},
		{"temperature", body(hi, `"temperature":2`), "parameters.temperature"},
		{"top_p", body(hi, `"top_p":0`), "parameters.top_p"},
		{"top_k", body(hi, `"top_k":-1`), "parameters.top_k"},
		{"seed", body(hi, `"seed":2147483648`), "parameters.seed"},
		{"max_tokens", body(hi, `"max_tokens":0`), "parameters.max_tokens"},
		{"presence_penalty", body(hi, `"presence_penalty":2.1`), "parameters.presence_penalty"},
		{"repetition_penalty", body(hi, `"repetition_penalty":0`), "parameters.repetition_penalty"},
		{"mixed stop", body(hi, `"stop":["a",[1]]`), "parameters.stop"},
		{"stop of another type", body(hi, `"stop":[true]`), "parameters.stop[0]"},
		{"n", body(hi, `"n":5`), "parameters.n"},
		{"n with tools", body(hi, `"n":2,"tools":[`+tool+`]`), "parameters.n"},
		{"top_logprobs", body(hi, `"logprobs":true,"top_logprobs":6`), "parameters.top_logprobs"},
		{"top_logprobs alone", body(hi, `"top_logprobs":1`), "parameters.top_logprobs"},
		{"tool of another type", body(hi, `"tools":[{"type":"x","function":{"name":"f"}}]`), "parameters.tools[0].type"},
		{"tool without function", body(hi, `"tools":[{"type":"function"}]`), "parameters.tools[0].function"},
		{"tool without name", body(hi, `"tools":[{"type":"function","function":{}}]`), "parameters.tools[0].function.name"},
		{"required", body(hi, `"tool_choice":"required"`), "parameters.tool_choice"},
		{"choice without name", body(hi, `"tool_choice":{"type":"function","function":{}}`), "parameters.tool_choice.function.name"},
		{"choice of no tool", body(hi, `"tools":[`+tool+`],"tool_choice":{"type":"function","function":{"name":"g"}}`), "parameters.tool_choice"},
		{"choice and thinking", body(hi, `"enable_thinking":true,"tools":[`+tool+`],"tool_choice":{"type":"function","function":{"name":"f"}}`), "parameters.tool_choice"},
		{"format", body(hi, `"response_format":{"type":"xml"}`), "parameters.response_format.type"},
		{"format without type", body(hi, `"response_format":{}`), "parameters.response_format.type"},
		{"schema missing", body(hi, `"response_format":{"type":"json_schema"}`), "parameters.response_format.json_schema"},
		{"json not mentioned", body(hi, `"response_format":{"type":"json_object"}`), "parameters.response_format"},
		{"string for parts", `{"model":"qwen-vl-plus","input":{"messages":[{"role":"user","content":"x"}]}}`, "input.messages[0].content"},
		{"two in a part", `{"model":"qwen-vl-plus","input":{"messages":[{"role":"user","content":[{"text":"x","image":"y"}]}]}}`, "input.messages[0].content[0].image"},
		{"nothing in a part", `{"model":"qwen-vl-plus","input":{"messages":[{"role":"user","content":[{}]}]}}`, "input.messages[0].content[0]"},
		{"a type in a part", `{"model":"qwen-vl-plus","input":{"messages":[{"role":"user","content":[{"type":"text"}]}]}}`, "input.messages[0].content[0].type"},
		{"an image of the system", `{"model":"qwen-vl-plus","input":{"messages":[{"role":"system","content":[{"image":"https://a.b/c"}]}]}}`, "input.messages[0].content[0].image"},
		{"no URL", `{"model":"qwen-vl-plus","input":{"messages":[{"role":"user","content":[{"image":"a.png"}]}]}}`, "input.messages[0].content[0].image"},
		{"no data URL", `{"model":"qwen-vl-plus","input":{"messages":[{"role":"user","content":[{"image":"data:image/png,AAAA"}]}]}}`, "input.messages[0].content[0].image"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := codec.DecodeRequest(llm.OpChat, []byte(tc.body))
			if err == nil {
				t.Fatal("accepted")
			}
			e := llmError(t, err)
			if e.Kind != llm.KindInvalidRequest && e.Kind != llm.KindUnsupported || e.Param != tc.param {
				t.Errorf("%s at %q: %s", e.Kind, e.Param, e.Message)
			}
			if tc.param != "" && !strings.Contains(e.Message, tc.param) {
				t.Errorf("the message does not name the member: %s", e.Message)
			}
		})
	}
	for name, body := range map[string]string{
		"no texts":      `{"model":"m","input":{"texts":[]}}`,
		"an empty text": `{"model":"m","input":{"texts":[""]}}`,
		"messages":      `{"model":"m","input":{"messages":[` + hi + `]}}`,
		"too many":      `{"model":"m","input":{"texts":["a"` + strings.Repeat(`,"a"`, maxInputs) + `]}}`,
		"sparse":        `{"model":"m","input":{"texts":["a"]},"parameters":{"output_type":"sparse"}}`,
		"dimension":     `{"model":"m","input":{"texts":["a"]},"parameters":{"dimension":0}}`,
	} {
		if _, err := codec.DecodeRequest(llm.OpEmbed, []byte(body)); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
