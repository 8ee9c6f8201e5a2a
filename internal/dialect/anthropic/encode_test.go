package anthropic

import (
	"encoding/json"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func call(id, name, args string) llm.Part {
	return llm.Part{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: id, Name: name, Arguments: args}}
}

func result(id, s string) llm.Part {
	r := &llm.ToolResult{CallID: id}
	if s != "" {
		r.Parts = []llm.Part{{Type: llm.PartText, Text: s}}
	}
	return llm.Part{Type: llm.PartToolResult, ToolResult: r}
}

func message(role llm.Role, parts ...llm.Part) llm.Message {
	return llm.Message{Role: role, Parts: parts}
}

func thinking(r llm.Reasoning) llm.Part { return llm.Part{Type: llm.PartReasoning, Reasoning: &r} }

func TestEncodeConversation(t *testing.T) {
	mark := json.RawMessage(`{"type":"ephemeral"}`)
	cases := []struct {
		name, system, want string
		messages           []llm.Message
	}{
		{name: "plain", want: `[{"role":"user","content":"hi"}]`, messages: []llm.Message{text(llm.RoleUser, "hi")}},
		{name: "system is hoisted", system: `"a"`, want: `[{"role":"user","content":"hi"}]`,
			messages: []llm.Message{text(llm.RoleSystem, "a"), text(llm.RoleUser, "hi")}},
		{name: "systems are hoisted in order", system: `[{"type":"text","text":"a"},{"type":"text","text":"b","cache_control":{"type":"ephemeral"}}]`,
			want: `[{"role":"user","content":[{"type":"text","text":"x"},{"type":"text","text":"y"}]}]`,
			messages: []llm.Message{text(llm.RoleSystem, "a"), text(llm.RoleUser, "x"),
				message(llm.RoleDeveloper, llm.Part{Type: llm.PartText, Text: "b", CacheControl: mark}), text(llm.RoleUser, "y")}},
		{name: "blank system", want: `[{"role":"user","content":"x"}]`, messages: []llm.Message{text(llm.RoleSystem, " "), text(llm.RoleUser, "x")}},
		{name: "turns are merged", want: `[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]},{"role":"assistant","content":[{"type":"text","text":"c"},{"type":"text","text":"d"}]},{"role":"user","content":"e"}]`,
			messages: []llm.Message{text(llm.RoleUser, "a"), text(llm.RoleUser, "b"), text(llm.RoleAssistant, "c"), text(llm.RoleAssistant, "d"), text(llm.RoleUser, "e")}},
		{name: "empty answer between", want: `[{"role":"user","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}]`,
			messages: []llm.Message{text(llm.RoleUser, "a"), text(llm.RoleAssistant, ""), text(llm.RoleUser, "b")}},
		{name: "results first", want: `[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"f","input":{"a":1}},{"type":"tool_use","id":"2","name":"g","input":{}}]},` +
			`{"role":"user","content":[{"type":"tool_result","tool_use_id":"2","content":"two"},{"type":"tool_result","tool_use_id":"1"},{"type":"text","text":"go on"}]}]`,
			messages: []llm.Message{text(llm.RoleUser, "q"), message(llm.RoleAssistant, llm.Part{Type: llm.PartText}, call("1", "f", `{"a":1}`), call("2", "g", "")),
				message(llm.RoleTool, result("2", "two")), message(llm.RoleTool, result("1", "")), text(llm.RoleUser, "go on")}},
		{name: "thinking of Anthropic alone", want: `[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"thinking","thinking":"t","signature":"s"},{"type":"redacted_thinking","data":"d"},{"type":"text","text":"a"}]},{"role":"user","content":"r"}]`,
			messages: []llm.Message{text(llm.RoleUser, "q"), message(llm.RoleAssistant,
				thinking(llm.Reasoning{Text: "unsigned"}),
				thinking(llm.Reasoning{Text: "g", Signature: "x", Origin: llm.DialectGemini}),
				thinking(llm.Reasoning{Text: "t", Signature: "s", Origin: llm.DialectAnthropic}),
				thinking(llm.Reasoning{Redacted: "d", Origin: llm.DialectAnthropic}),
				llm.Part{Type: llm.PartText, Text: "a"}), text(llm.RoleUser, "r")}},
		{name: "ids fit", want: `[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"tool_use","id":"toolu_call_1_bg9nj0","name":"f","input":{}},{"type":"tool_use","id":"ok-1_A","name":"f","input":{}}]},` +
			`{"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_call_1_bg9nj0","content":"x"},{"type":"tool_result","tool_use_id":"ok-1_A","content":"y"}]}]`,
			messages: []llm.Message{text(llm.RoleUser, "q"), message(llm.RoleAssistant, call("call.1", "f", "{}"), call("ok-1_A", "f", "{}")),
				message(llm.RoleTool, result("call.1", "x"), result("ok-1_A", "y"))}},
		{name: "ids are unique", want: `[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"tool_use","id":"c","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c","content":"1"}]},` +
			`{"role":"assistant","content":[{"type":"tool_use","id":"c_2","name":"f","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c_2","content":"2"}]}]`,
			messages: []llm.Message{text(llm.RoleUser, "q"), message(llm.RoleAssistant, call("c", "f", "")), message(llm.RoleTool, result("c", "1")),
				message(llm.RoleAssistant, call("c", "f", "")), message(llm.RoleTool, result("c", "2"))}},
		{name: "the last answer is trimmed", want: `[{"role":"user","content":"q"},{"role":"assistant","content":"so"}]`,
			messages: []llm.Message{text(llm.RoleUser, "q"), text(llm.RoleAssistant, "so \n")}},
		{name: "refusal is text", want: `[{"role":"user","content":"q"},{"role":"assistant","content":[{"type":"text","text":"no"}]},{"role":"user","content":"r"}]`,
			messages: []llm.Message{text(llm.RoleUser, "q"), message(llm.RoleAssistant, llm.Part{Type: llm.PartRefusal, Text: "no"}), text(llm.RoleUser, "r")}},
		{name: "media", want: `[{"role":"user","content":[{"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}},{"type":"image","source":{"type":"url","url":"https://x/y"},"cache_control":{"type":"ephemeral"}},` +
			`{"type":"document","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"},"title":"t"},{"type":"document","source":{"type":"text","media_type":"text/plain","data":"<&>"}},{"type":"document","source":{"type":"file","file_id":"f1"}}]}]`,
			messages: []llm.Message{message(llm.RoleUser,
				llm.Part{Type: llm.PartImage, Media: &llm.Media{MIME: "image/png", Data: "AAAA"}},
				llm.Part{Type: llm.PartImage, Media: &llm.Media{URL: "https://x/y"}, CacheControl: mark},
				llm.Part{Type: llm.PartFile, Media: &llm.Media{MIME: "application/pdf", Data: "AAAA", Name: "t"}},
				llm.Part{Type: llm.PartFile, Media: &llm.Media{MIME: "text/plain", Data: "PCY+"}},
				llm.Part{Type: llm.PartFile, Media: &llm.Media{FileID: "f1"}})}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out := encode(t, chat("m"), &llm.Request{Messages: c.messages})
			var got struct {
				System   json.RawMessage `json:"system"`
				Messages json.RawMessage `json:"messages"`
			}
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatal(err)
			}
			if string(got.System) != c.system || string(got.Messages) != c.want {
				t.Errorf("system %s\nmessages %s\nwant %s\n%s", got.System, got.Messages, c.system, c.want)
			}
		})
	}
}

func TestEncodeMembers(t *testing.T) {
	closed := `{"type":"object","properties":{"a":{"type":"object","properties":{},"additionalProperties":false}},"additionalProperties":false}`
	cases := []struct {
		name string
		mod  func(*llm.Request)
		want string // the members besides model and messages
	}{
		{"nothing", func(*llm.Request) {}, ``},
		{"sampling", func(r *llm.Request) {
			r.MaxTokens, r.Temperature, r.TopP, r.TopK, r.Stop = ptr(int64(5)), ptr(0.5), ptr(0.25), ptr(int64(3)), []string{"a", "\"b"}
		}, `"max_tokens":5,"temperature":0.5,"top_p":0.25,"top_k":3,"stop_sequences":["a","\"b"]`},
		{"user", func(r *llm.Request) { r.User = "u1" }, `"metadata":{"user_id":"u1"}`},
		{"user by e-mail", func(r *llm.Request) { r.User = "a@example.com" }, ``},
		{"user by phone", func(r *llm.Request) { r.User = "+49 (0) 30-1234567" }, ``},
		{"user by number", func(r *llm.Request) { r.User = "1234567" }, `"metadata":{"user_id":"1234567"}`},
		{"tier auto", func(r *llm.Request) { r.ServiceTier = "auto" }, `"service_tier":"auto"`},
		{"tier default", func(r *llm.Request) { r.ServiceTier = "default" }, `"service_tier":"standard_only"`},
		{"thinking off", func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Effort: "none"} }, `"thinking":{"type":"disabled"}`},
		{"thinking budget 0", func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Budget: ptr(int64(0)), Effort: "low"} },
			`"thinking":{"type":"disabled"},"output_config":{"effort":"low"}`},
		{"thinking budget", func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Budget: ptr(int64(2048))} },
			`"thinking":{"type":"enabled","budget_tokens":2048}`},
		{"thinking budget unseen", func(r *llm.Request) {
			r.Reasoning = &llm.ReasoningOptions{Budget: ptr(int64(2048)), Summary: "omitted"}
		},
			`"thinking":{"type":"enabled","budget_tokens":2048,"display":"omitted"}`},
		{"adaptive", func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Adaptive: true, Effort: "max"} },
			`"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"max"}`},
		{"adaptive unseen", func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Adaptive: true, Summary: "omitted"} },
			`"thinking":{"type":"adaptive","display":"omitted"}`},
		{"effort alone", func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Effort: "low"} }, `"output_config":{"effort":"low"}`},
		{"schema is closed", func(r *llm.Request) {
			r.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatJSONSchema, Name: "n", Schema: json.RawMessage(`{"type":"object","properties":{"a":{"type":"object","properties":{}}}}`)}
		}, `"output_config":{"format":{"type":"json_schema","schema":` + closed + `}}`},
		{"tools", func(r *llm.Request) {
			r.Tools = []llm.Tool{{Name: "f", Description: "d", Parameters: json.RawMessage(`{"properties":{}}`), Strict: ptr(true)}, {Name: "g"},
				{Type: "bash_20250124", Name: "bash", Raw: json.RawMessage(`{"type":"bash_20250124","name":"bash"}`)}}
		}, `"tools":[{"name":"f","description":"d","input_schema":{"properties":{},"type":"object"},"strict":true},{"name":"g","input_schema":{"type":"object","properties":{}}},{"type":"bash_20250124","name":"bash"}]`},
		{"tool choice", func(r *llm.Request) {
			r.Tools, r.ToolChoice = []llm.Tool{{Name: "g"}}, &llm.ToolChoice{Mode: llm.ToolNamed, Name: "g"}
		}, `"tools":[{"name":"g","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"tool","name":"g"}`},
		{"any tool", func(r *llm.Request) {
			r.Tools, r.ToolChoice = []llm.Tool{{Name: "g"}}, &llm.ToolChoice{Mode: llm.ToolRequired}
		},
			`"tools":[{"name":"g","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"any"}`},
		{"choice without tools", func(r *llm.Request) { r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolAuto} }, ``},
		{"one tool at a time", func(r *llm.Request) { r.Tools, r.ParallelToolCalls = []llm.Tool{{Name: "g"}}, ptr(false) },
			`"tools":[{"name":"g","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`},
		{"no tool at a time", func(r *llm.Request) {
			r.Tools, r.ParallelToolCalls, r.ToolChoice = []llm.Tool{{Name: "g"}}, ptr(false), &llm.ToolChoice{Mode: llm.ToolNone}
		}, `"tools":[{"name":"g","input_schema":{"type":"object","properties":{}}}],"tool_choice":{"type":"none"}`},
		{"parallel by default", func(r *llm.Request) { r.Tools, r.ParallelToolCalls = []llm.Tool{{Name: "g"}}, ptr(true) },
			`"tools":[{"name":"g","input_schema":{"type":"object","properties":{}}}]`},
		{"extra", func(r *llm.Request) { r.Extra = []llm.Member{{Name: "container", Value: json.RawMessage(`"c"`)}} }, `"container":"c"`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "q")}}
			c.mod(r)
			var got, want map[string]json.RawMessage
			if err := json.Unmarshal(encode(t, chat("m"), r), &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte("{"+c.want+"}"), &want); err != nil {
				t.Fatal(err)
			}
			delete(got, "model")
			delete(got, "messages")
			for k, v := range got {
				if string(want[k]) != string(v) {
					t.Errorf("%s is %s, want %s", k, v, want[k])
				}
				delete(want, k)
			}
			for k := range want {
				t.Errorf("no %s", k)
			}
		})
	}
}

func TestEncodeCount(t *testing.T) {
	r := &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "q")}, MaxTokens: ptr(int64(5)), Temperature: ptr(0.5), Stop: []string{"x"}, User: "u"}
	got := string(encode(t, &llm.Call{Op: llm.OpCountTokens, Model: "m"}, r))
	if got != `{"model":"m","messages":[{"role":"user","content":"q"}]}` {
		t.Error(got)
	}
	if _, err := codec.AppendRequest(nil, chat("m"), &llm.Request{Embed: &llm.EmbedRequest{}}); llmError(t, err).Kind != llm.KindUnsupported {
		t.Error("embeddings are encoded")
	}
	if _, err := codec.AppendRequest(nil, chat("m"), &llm.Request{Messages: []llm.Message{message(llm.RoleUser, llm.Part{Type: llm.PartAudio, Media: &llm.Media{}})}}); err == nil {
		t.Error("audio is encoded")
	}
}

func TestEncodeFails(t *testing.T) {
	bad := llm.Part{Type: llm.PartFile, Media: &llm.Media{MIME: "text/plain", Data: "?"}}
	for name, r := range map[string]*llm.Request{
		"file":           {Messages: []llm.Message{message(llm.RoleUser, bad)}},
		"file in result": {Messages: []llm.Message{message(llm.RoleTool, llm.Part{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{Parts: []llm.Part{bad}}})}},
		"schema":         {Messages: []llm.Message{text(llm.RoleUser, "q")}, ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONSchema, Schema: json.RawMessage(`{"type":`)}},
	} {
		if b, err := codec.AppendRequest(nil, chat("m"), r); err == nil {
			t.Errorf("%s: %s", name, b)
		} else {
			llmError(t, err)
		}
	}
}

func TestSchema(t *testing.T) {
	cases := []struct{ in, want string }{
		{`{"type":"object"}`, `{"type":"object","additionalProperties":false}`},
		{`{"type":"object","additionalProperties":true}`, `{"type":"object","additionalProperties":true}`},
		{`{"type":["object","null"],"properties":{}}`, `{"type":["object","null"],"properties":{},"additionalProperties":false}`},
		{`{"anyOf":[{"type":"object"},{"type":"string"}]}`, `{"anyOf":[{"type":"object","additionalProperties":false},{"type":"string"}]}`},
		{`{"$defs":{"type":{"type":"object"}},"$ref":"#/$defs/type"}`, `{"$defs":{"type":{"type":"object","additionalProperties":false}},"$ref":"#/$defs/type"}`},
		{`{"type":"array","items":{"properties":{"properties":{"type":"object"}}}}`,
			`{"type":"array","items":{"properties":{"properties":{"type":"object","additionalProperties":false}},"additionalProperties":false}}`},
		{`{"items":5,"properties":[],"anyOf":{"type":"object"}}`, `{"items":5,"properties":[],"anyOf":{"type":"object","additionalProperties":false},"additionalProperties":false}`},
		{`{"type":"string","default":{"type":"object"}}`, `{"type":"string","default":{"type":"object"}}`},
	}
	for _, c := range cases {
		got, err := closeSchema(json.RawMessage(c.in))
		if err != nil || string(got) != c.want {
			t.Errorf("%s\ngives %s, %v\nwant  %s", c.in, got, err, c.want)
		}
	}
	for in, want := range map[string]bool{
		`{"type":"string"}`: true,
		`{"type":"object","properties":{"a":{}},"required":["a"],"additionalProperties":false}`: true,
		`{"type":"object","properties":{"a":{}},"additionalProperties":false}`:                  false,
		`{"type":"object","properties":{},"required":[]}`:                                       false,
		`{"type":"object","properties":{},"additionalProperties":true}`:                         false,
		`{"type":"array","items":{"type":"object"}}`:                                            false,
	} {
		if got := strictSchema(json.RawMessage(in)); got != want {
			t.Errorf("%s: strict %v, want %v", in, got, want)
		}
	}
}
