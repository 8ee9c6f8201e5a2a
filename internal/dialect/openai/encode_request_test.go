package openai

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func encodeRequest(t *testing.T, k Codec, c llm.Call, r *llm.Request) string {
	t.Helper()
	if c.Op == 0 {
		c.Op = llm.OpChat
	}
	body, err := k.AppendRequest([]byte("kept"), &c, r)
	if err != nil {
		t.Fatal(err)
	}
	body, ok := []byte(strings.TrimPrefix(string(body), "kept")), strings.HasPrefix(string(body), "kept")
	if !ok || !json.Valid(body) {
		t.Fatalf("got %s", body)
	}
	return string(body)
}

func TestAppendRequest(t *testing.T) {
	r := fullRequest()
	var body strings.Builder
	for _, k := range []Codec{{}, {MaxTokensName: "max_tokens", NoStreamUsage: true, ReasoningField: "reasoning_details", ThoughtSignatures: true}} {
		body.WriteString(encodeRequest(t, k, llm.Call{Model: "gpt-5-mini", Stream: true}, &r) + "\n")
	}
	dialecttest.Golden(t, "request.golden.jsonl", []byte(body.String()))
}

// Every upstream must understand the small requests.
func TestAppendRequestSmall(t *testing.T) {
	const head, tail = `{"model":"up","messages":[{"role":"user","content":"x"}]`, `}`
	yes := true
	cases := []struct {
		name string
		edit func(*llm.Request)
		want string
	}{
		{"nothing", func(*llm.Request) {}, ``},
		{"one stop", func(r *llm.Request) { r.Stop = []string{"a"} }, `,"stop":["a"]`},
		{"a zero is a value", func(r *llm.Request) { r.Temperature, r.Seed = f64(0), i64(0) }, `,"temperature":0,"seed":0`},
		{"small numbers", func(r *llm.Request) { r.TopP = f64(1e-7) }, `,"top_p":1e-07`},
		{"a schema without a name", func(r *llm.Request) {
			r.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatJSONSchema, Schema: json.RawMessage(`{"type":"object"}`)}
		}, `,"response_format":{"type":"json_schema","json_schema":{"name":"response","schema":{"type":"object"}}}`},
		{"a tool without arguments", func(r *llm.Request) { r.Tools = []llm.Tool{{Name: "f"}} }, `,"tools":[{"type":"function","function":{"name":"f"}}]`},
		{"a choice", func(r *llm.Request) { r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolNone} }, `,"tool_choice":"none"`},
		{"a named choice", func(r *llm.Request) {
			r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolNamed, Name: "f"}
		}, `,"tool_choice":{"type":"function","function":{"name":"f"}}`},
		{"reasoning without a level", func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Adaptive: true} }, ``},
		{"reasoning", func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Effort: "low"} }, `,"reasoning_effort":"low"`},
		{"the gateway's own members stay here", func(r *llm.Request) { r.Tags = map[string]string{"team": "a"}; r.Timeout = 5 }, ``},
		{"what the client streams is not what is asked", func(r *llm.Request) { r.Stream, r.IncludeUsage = true, true }, ``},
		{"an extra name that needs escaping", func(r *llm.Request) { extra(r, `a"b`, `1`) }, `,"a\"b":1`},
		{"store", func(r *llm.Request) { r.Store = &yes }, `,"store":true`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			r := ask()
			tc.edit(&r)
			if got := encodeRequest(t, Codec{}, llm.Call{Model: "up"}, &r); got != head+tc.want+tail {
				t.Errorf("got  %s\nwant %s", got, head+tc.want+tail)
			}
		})
	}
	r := ask()
	if got := encodeRequest(t, Codec{}, llm.Call{Model: "up", Stream: true}, &r); got != head+`,"stream":true,"stream_options":{"include_usage":true}}` {
		t.Errorf("a stream: %s", got)
	}
}

func TestAppendMessages(t *testing.T) {
	result := func(id, s string) llm.Part {
		return llm.Part{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: id, Parts: said(s)}}
	}
	signed := think(llm.Reasoning{Text: "t", Signature: "s", Origin: llm.DialectAnthropic})
	plain := think(llm.Reasoning{Text: "p"})
	cases := []struct {
		name  string
		codec Codec
		model string
		in    llm.Message
		want  string
	}{
		{"developer of a reasoning model", Codec{}, "o3-mini", llm.Message{Role: llm.RoleDeveloper, Parts: said("x")}, `{"role":"developer","content":"x"}`},
		{"developer of another model", Codec{}, "llama", llm.Message{Role: llm.RoleDeveloper, Parts: said("x")}, `{"role":"system","content":"x"}`},
		{"nothing said", Codec{}, "", llm.Message{Role: llm.RoleUser}, `{"role":"user","content":""}`},
		{"two texts", Codec{}, "", llm.Message{Role: llm.RoleUser, Name: "n", Parts: append(said("a"), said("b")...)},
			`{"role":"user","name":"n","content":[{"type":"text","text":"a"},{"type":"text","text":"b"}]}`},
		{"results and words in one turn", Codec{}, "", llm.Message{Role: llm.RoleTool, Parts: append([]llm.Part{result("a", "1"), result("b", "")}, said("and")...)},
			`{"role":"tool","tool_call_id":"a","content":"1"},{"role":"tool","tool_call_id":"b","content":""},{"role":"user","content":"and"}`},
		{"a result of nothing", Codec{}, "", llm.Message{Role: llm.RoleTool, Parts: []llm.Part{{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "a"}}}},
			`{"role":"tool","tool_call_id":"a","content":""}`},
		{"thinking stays out", Codec{}, "", llm.Message{Role: llm.RoleAssistant, Parts: append([]llm.Part{signed, plain}, said("x")...)}, `{"role":"assistant","content":"x"}`},
		{"thinking as text", Codec{ReasoningField: "reasoning_content"}, "", llm.Message{Role: llm.RoleAssistant, Parts: append([]llm.Part{signed, plain}, said("x")...)},
			`{"role":"assistant","reasoning_content":"p","content":"x"}`},
		{"thinking of others alone", Codec{ReasoningField: "reasoning"}, "", llm.Message{Role: llm.RoleAssistant, Parts: append([]llm.Part{signed}, said("x")...)}, `{"role":"assistant","content":"x"}`},
		{"thinking as blocks", Codec{ReasoningField: "reasoning_details"}, "", llm.Message{Role: llm.RoleAssistant, Parts: append([]llm.Part{signed, plain}, said("x")...)},
			`{"role":"assistant","reasoning_details":[{"type":"reasoning.text","text":"t","signature":"s","format":"anthropic-claude-v1","index":0},{"type":"reasoning.text","text":"p","index":1}],"content":"x"}`},
		{"a call without arguments", Codec{}, "", llm.Message{Role: llm.RoleAssistant, Parts: []llm.Part{called(llm.ToolCall{ID: "c", Name: "f"})}},
			`{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}`},
		{"nothing but thinking", Codec{}, "", llm.Message{Role: llm.RoleAssistant, Parts: []llm.Part{plain}}, `{"role":"assistant","content":""}`},
		{"a sound", Codec{}, "", llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartAudio, Media: &llm.Media{MIME: "audio/mpeg", Data: "AAAA"}}}},
			`{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"mp3"}}]}`},
		{"a sound of another kind", Codec{}, "", llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartAudio, Media: &llm.Media{MIME: "audio/ogg", Data: "AAAA"}}}},
			`{"role":"user","content":[{"type":"input_audio","input_audio":{"data":"AAAA","format":"ogg"}}]}`},
		{"a file", Codec{}, "", llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartFile, Media: &llm.Media{MIME: "application/pdf", Data: "AAAA", Name: "a.pdf"}}}},
			`{"role":"user","content":[{"type":"file","file":{"filename":"a.pdf","file_data":"data:application/pdf;base64,AAAA"}}]}`},
		{"cache marks stay out", Codec{}, "", llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartText, Text: "x", CacheControl: json.RawMessage(`{}`)}}}, `{"role":"user","content":"x"}`},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got := encodeRequest(t, tc.codec, llm.Call{Model: tc.model}, &llm.Request{Messages: []llm.Message{tc.in}})
			if want := `{"model":"` + tc.model + `","messages":[` + tc.want + `]}`; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

func TestLimitName(t *testing.T) {
	for model, want := range map[string]string{
		"o1": "max_completion_tokens", "o1-mini": "max_completion_tokens", "o3-mini-2025-01-31": "max_completion_tokens", "o4-mini": "max_completion_tokens",
		"gpt-5": "max_completion_tokens", "gpt-5-mini": "max_completion_tokens", "gpt-5.2-codex": "max_completion_tokens", "gpt-6.1": "max_completion_tokens",
		"openai/o3": "max_completion_tokens", "openai/gpt-5.1": "max_completion_tokens",
		"gpt-4o": "max_tokens", "gpt-4.1-mini": "max_tokens", "gpt-3.5-turbo": "max_tokens", "gpt-35-turbo": "max_tokens", "gpt-oss-120b": "max_tokens",
		"chatgpt-4o-latest": "max_tokens", "omni-moderation": "max_tokens", "olmo": "max_tokens", "o": "max_tokens", "qwen-max": "max_tokens", "": "max_tokens", "gpt-": "max_tokens",
		"deepseek-reasoner": "max_tokens", "mistral-large-2411": "max_tokens", "o1x": "max_tokens",
	} {
		if got := (Codec{}).limitName(model); got != want {
			t.Errorf("%s: %s", model, got)
		}
	}
	r := ask()
	r.MaxTokens = i64(9)
	if got := encodeRequest(t, Codec{MaxTokensName: "max_completion_tokens"}, llm.Call{Model: "m"}, &r); !strings.Contains(got, `"max_completion_tokens":9`) {
		t.Errorf("got %s", got)
	}
}
