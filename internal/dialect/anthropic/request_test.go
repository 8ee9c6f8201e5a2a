package anthropic

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// everything is a request with all that the canonical form has a place for.
const everything = `{"model":"claude-opus-4-5","max_tokens":1000,"system":[{"type":"text","text":"Be brief.","cache_control":{"type":"ephemeral","ttl":"1h"}}],
"messages":[{"role":"user","content":"Hi"},
 {"role":"assistant","content":[{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"redacted_thinking","data":"b3BhcXVl"},
  {"type":"text","text":"Looking."},{"type":"tool_use","id":"toolu_1","name":"weather","input":{"city":"Bonn","n":1.0}},{"type":"tool_use","id":"toolu_2","name":"now"}]},
 {"role":"user","content":[{"type":"tool_result","tool_use_id":"toolu_1","content":[{"type":"text","text":"rain"},
   {"type":"image","source":{"type":"base64","media_type":"image/png","data":"AAAA"}}]},
  {"type":"tool_result","tool_use_id":"toolu_2","content":"late","is_error":true},
  {"type":"text","text":"And?","cache_control":{"type":"ephemeral"}},
  {"type":"image","source":{"type":"url","url":"https://example.com/a.png"}},
  {"type":"document","title":"a.pdf","source":{"type":"base64","media_type":"application/pdf","data":"AAAA"}},
  {"type":"document","source":{"type":"text","media_type":"text/plain","data":"plain"}}]}],
"temperature":1,"top_p":0.9,"top_k":5,"stop_sequences":["END"],"stream":true,"metadata":{"user_id":"u-1"},"service_tier":"standard_only",
"tools":[{"name":"weather","description":"The weather","input_schema":{"type":"object","properties":{"city":{"type":"string"}}},"strict":true,"cache_control":{"type":"ephemeral"}},
 {"type":"custom","name":"now","input_schema":{"type":"object"}}],
"tool_choice":{"type":"tool","name":"weather","disable_parallel_tool_use":true},
"thinking":{"type":"enabled","budget_tokens":2048},
"output_config":{"effort":"high","format":{"type":"json_schema","schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}}}}`

func TestDecodeRequest(t *testing.T) {
	mark := json.RawMessage(`{"type":"ephemeral"}`)
	want := &llm.Request{
		Model: "claude-opus-4-5", MaxTokens: ptr(int64(1000)),
		Temperature: ptr(1.0), TopP: ptr(0.9), TopK: ptr(int64(5)), Stop: []string{"END"},
		Stream: true, IncludeUsage: true, User: "u-1", ServiceTier: "default",
		Messages: []llm.Message{
			{Role: llm.RoleSystem, Parts: []llm.Part{{Type: llm.PartText, Text: "Be brief.", CacheControl: json.RawMessage(`{"type":"ephemeral","ttl":"1h"}`)}}},
			text(llm.RoleUser, "Hi"),
			{Role: llm.RoleAssistant, Parts: []llm.Part{
				{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "hm", Signature: "c2ln", Origin: llm.DialectAnthropic}},
				{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Redacted: "b3BhcXVl", Origin: llm.DialectAnthropic}},
				{Type: llm.PartText, Text: "Looking."},
				{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "toolu_1", Name: "weather", Arguments: `{"city":"Bonn","n":1.0}`}},
				{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "toolu_2", Name: "now", Arguments: `{}`}},
			}},
			{Role: llm.RoleTool, Parts: []llm.Part{
				{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "toolu_1", Parts: []llm.Part{
					{Type: llm.PartText, Text: "rain"},
					{Type: llm.PartImage, Media: &llm.Media{MIME: "image/png", Data: "AAAA"}}}}},
				{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "toolu_2", IsError: true, Parts: []llm.Part{{Type: llm.PartText, Text: "late"}}}},
			}},
			{Role: llm.RoleUser, Parts: []llm.Part{
				{Type: llm.PartText, Text: "And?", CacheControl: mark},
				{Type: llm.PartImage, Media: &llm.Media{URL: "https://example.com/a.png"}},
				{Type: llm.PartFile, Media: &llm.Media{MIME: "application/pdf", Data: "AAAA", Name: "a.pdf"}},
				{Type: llm.PartFile, Media: &llm.Media{MIME: "text/plain", Data: "cGxhaW4="}},
			}},
		},
		Tools: []llm.Tool{
			{Name: "weather", Description: "The weather", Strict: ptr(true), CacheControl: mark,
				Parameters: json.RawMessage(`{"type":"object","properties":{"city":{"type":"string"}}}`)},
			{Name: "now", Parameters: json.RawMessage(`{"type":"object"}`)},
		},
		ToolChoice:        &llm.ToolChoice{Mode: llm.ToolNamed, Name: "weather"},
		ParallelToolCalls: ptr(false),
		Reasoning:         &llm.ReasoningOptions{Effort: "high", Budget: ptr(int64(2048))},
		ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONSchema, Name: "response", Strict: ptr(true),
			Schema: json.RawMessage(`{"type":"object","properties":{"a":{"type":"string"}},"required":["a"],"additionalProperties":false}`)},
	}
	got := decode(t, everything)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// body puts members into a request that is otherwise in order.
func body(members string) string {
	return `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]` + members + `}`
}

func userTurn(blocks string) string {
	return `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":[` + blocks + `]}]}`
}

func TestDecodeRequestRefuses(t *testing.T) {
	cases := []struct{ name, body, param string }{
		{"not JSON", `{"model":`, ""},
		{"no object", `[]`, ""},
		{"no max_tokens", `{"model":"m","messages":[{"role":"user","content":"hi"}]}`, "max_tokens"},
		{"max_tokens a string", `{"max_tokens":"9"}`, "max_tokens"},
		{"no messages", `{"max_tokens":9}`, "messages"},
		{"empty messages", `{"max_tokens":9,"messages":[]}`, "messages"},
		{"role", `{"max_tokens":9,"messages":[{"role":"tool","content":"x"}]}`, "messages[0].role"},
		{"no role", `{"max_tokens":9,"messages":[{"content":"x"}]}`, "messages[0].role"},
		{"no content", `{"max_tokens":9,"messages":[{"role":"user"}]}`, "messages[0].content"},
		{"content a number", `{"max_tokens":9,"messages":[{"role":"user","content":1}]}`, "messages[0].content"},
		{"block without type", userTurn(`{"text":"x"}`), "messages[0].content[0].type"},
		{"text without text", userTurn(`{"type":"text","text":"x"},{"type":"text"}`), "messages[0].content[1].text"},
		{"text a number", userTurn(`{"type":"text","text":1}`), "messages[0].content[0].text"},
		{"tool_use of a user", userTurn(`{"type":"tool_use","id":"a","name":"b","input":{}}`), "messages[0].content[0].type"},
		{"hosted block", userTurn(`{"type":"search_result","content":[]}`), "messages[0].content[0].type"},
		{"input a string", `{"max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"a","name":"b","input":"{}"}]}]}`, "messages[0].content[0].input"},
		{"result without id", userTurn(`{"type":"tool_result"}`), "messages[0].content[0].tool_use_id"},
		{"result in a result", userTurn(`{"type":"tool_result","tool_use_id":"a","content":[{"type":"tool_result","tool_use_id":"b"}]}`), "messages[0].content[0].content[0].type"},
		{"image without source", userTurn(`{"type":"image"}`), "messages[0].content[0].source"},
		{"image not base64", userTurn(`{"type":"image","source":{"type":"base64","media_type":"image/png","data":"a b"}}`), "messages[0].content[0].source.data"},
		{"image without media type", userTurn(`{"type":"image","source":{"type":"base64","data":"AAAA"}}`), "messages[0].content[0].source.media_type"},
		{"source of no type", userTurn(`{"type":"image","source":{"url":"x"}}`), "messages[0].content[0].source.type"},
		{"source of blocks", userTurn(`{"type":"document","source":{"type":"content","content":[]}}`), "messages[0].content[0].source.content"},
		{"temperature", body(`,"temperature":1.5`), "temperature"},
		{"top_p", body(`,"top_p":-1`), "top_p"},
		{"stop_sequences", body(`,"stop_sequences":"x"`), "stop_sequences"},
		{"metadata", body(`,"metadata":{"user":"x"}`), "metadata.user"},
		{"service_tier", body(`,"service_tier":"flex"`), "service_tier"},
		{"tool without name", body(`,"tools":[{"input_schema":{}}]`), "tools[0].name"},
		{"tool without schema", body(`,"tools":[{"name":"a"}]`), "tools[0].input_schema"},
		{"tool_choice without tools", body(`,"tool_choice":{"type":"any"}`), "tool_choice"},
		{"tool_choice undeclared", body(`,"tools":[{"name":"a","input_schema":{}}],"tool_choice":{"type":"tool","name":"b"}`), "tool_choice.name"},
		{"tool_choice of no type", body(`,"tools":[{"name":"a","input_schema":{}}],"tool_choice":{"name":"a"}`), "tool_choice.type"},
		{"thinking of no type", body(`,"thinking":{"budget_tokens":2000}`), "thinking.type"},
		{"thinking without budget", body(`,"thinking":{"type":"enabled"}`), "thinking.budget_tokens"},
		{"budget without thinking", body(`,"thinking":{"type":"disabled","budget_tokens":2000}`), "thinking.budget_tokens"},
		{"effort", body(`,"output_config":{"effort":"huge"}`), "output_config.effort"},
		{"format", body(`,"output_config":{"format":{"type":"json"}}`), "output_config.format.type"},
		{"message a string", `{"max_tokens":9,"messages":["hi"]}`, "messages[0]"},
		{"block a string", userTurn(`"hi"`), "messages[0].content[0]"},
		{"member twice", userTurn(`{"type":"text","text":"a","text":"b"}`), "messages[0].content[0]"},
		{"type a number", userTurn(`{"type":1}`), "messages[0].content[0].type"},
		{"cache mark a string", userTurn(`{"type":"text","text":"a","cache_control":"x"}`), "messages[0].content[0].cache_control"},
		{"tool id a number", `{"max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":1,"name":"b"}]}]}`, "messages[0].content[0].id"},
		{"tool name a number", `{"max_tokens":9,"messages":[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":2}]}]}`, "messages[0].content[0].name"},
		{"result id a number", userTurn(`{"type":"tool_result","tool_use_id":1}`), "messages[0].content[0].tool_use_id"},
		{"is_error a string", userTurn(`{"type":"tool_result","tool_use_id":"1","is_error":"no"}`), "messages[0].content[0].is_error"},
		{"title a number", userTurn(`{"type":"document","title":1,"source":{"type":"url","url":"x"}}`), "messages[0].content[0].title"},
		{"url source without url", userTurn(`{"type":"image","source":{"type":"url"}}`), "messages[0].content[0].source.url"},
		{"file source without id", userTurn(`{"type":"image","source":{"type":"file"}}`), "messages[0].content[0].source.file_id"},
		{"base64 source without data", userTurn(`{"type":"image","source":{"type":"base64","media_type":"a/b"}}`), "messages[0].content[0].source.data"},
		{"source of another type", userTurn(`{"type":"image","source":{"type":"cloud"}}`), "messages[0].content[0].source.type"},
		{"member of a source", userTurn(`{"type":"image","source":{"type":"url","url":"x","size":1}}`), "messages[0].content[0].source.size"},
		{"system of images", `{"max_tokens":9,"system":[{"type":"image","source":{"type":"url","url":"x"}}],"messages":[{"role":"user","content":"q"}]}`, "system[0].type"},
		{"system a number", `{"max_tokens":9,"system":5,"messages":[{"role":"user","content":"q"}]}`, "system"},
		{"member of tool_choice", body(`,"tools":[{"name":"a","input_schema":{}}],"tool_choice":{"type":"auto","x":1}`), "tool_choice.x"},
		{"tool_choice without name", body(`,"tools":[{"name":"a","input_schema":{}}],"tool_choice":{"type":"tool"}`), "tool_choice.name"},
		{"member of thinking", body(`,"thinking":{"type":"adaptive","x":1}`), "thinking.x"},
		{"display", body(`,"thinking":{"type":"adaptive","display":"some"}`), "thinking.display"},
		{"member of output_config", body(`,"output_config":{"x":1}`), "output_config.x"},
		{"member of format", body(`,"output_config":{"format":{"type":"json_schema","schema":{},"name":"x"}}`), "output_config.format.name"},
		{"format without type", body(`,"output_config":{"format":{"schema":{}}}`), "output_config.format.type"},
		{"format without schema", body(`,"output_config":{"format":{"type":"json_schema"}}`), "output_config.format.schema"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := codec.DecodeRequest(llm.OpChat, []byte(c.body))
			e := llmError(t, err)
			if e.Param != c.param || e.Kind != llm.KindInvalidRequest && e.Kind != llm.KindUnsupported {
				t.Errorf("%s about %q (%s), want %q", e.Kind, e.Param, e.Message, c.param)
			}
			if !strings.Contains(e.Message, c.param) {
				t.Errorf("%q does not name %s", e.Message, c.param)
			}
		})
	}
	if _, err := codec.DecodeRequest(llm.OpEmbed, []byte(body(""))); llmError(t, err).Kind != llm.KindUnsupported {
		t.Error("embeddings decode")
	}
	if _, err := codec.DecodeRequest(llm.OpCountTokens, []byte(`{"model":"m","messages":[{"role":"user","content":"hi"}]}`)); err != nil {
		t.Errorf("a count needs max_tokens: %v", err)
	}
}

func TestDecodeThinking(t *testing.T) {
	cases := []struct {
		members string
		want    *llm.ReasoningOptions
	}{
		{``, nil},
		{`,"thinking":null`, nil},
		{`,"thinking":{"type":"disabled"}`, &llm.ReasoningOptions{Effort: "none"}},
		{`,"thinking":{"type":"disabled"},"output_config":{"effort":"low"}`, &llm.ReasoningOptions{Effort: "low", Budget: ptr(int64(0))}},
		{`,"thinking":{"type":"adaptive"}`, &llm.ReasoningOptions{Adaptive: true}},
		{`,"thinking":{"type":"adaptive","display":"omitted"}`, &llm.ReasoningOptions{Adaptive: true, Summary: dialect.SummaryOmitted}},
		{`,"thinking":{"type":"adaptive","display":"summarized"},"output_config":{"effort":"max"}`, &llm.ReasoningOptions{Adaptive: true, Effort: "max", Summary: "auto"}},
	}
	for _, c := range cases {
		if diff := cmp.Diff(c.want, decode(t, body(c.members)).Reasoning); diff != "" {
			t.Errorf("%s: %s", c.members, diff)
		}
	}
}

func TestDecodeToolChoice(t *testing.T) {
	cases := []struct {
		choice   string
		want     *llm.ToolChoice
		parallel *bool
	}{
		{`{"type":"auto"}`, &llm.ToolChoice{Mode: llm.ToolAuto}, nil},
		{`{"type":"any","disable_parallel_tool_use":true}`, &llm.ToolChoice{Mode: llm.ToolRequired}, ptr(false)},
		{`{"type":"tool","name":"a","disable_parallel_tool_use":false}`, &llm.ToolChoice{Mode: llm.ToolNamed, Name: "a"}, ptr(true)},
		{`{"type":"none"}`, &llm.ToolChoice{Mode: llm.ToolNone}, nil},
		{`null`, nil, nil},
	}
	for _, c := range cases {
		r := decode(t, body(`,"tools":[{"name":"a","input_schema":{}}],"tool_choice":`+c.choice))
		if diff := cmp.Diff(c.want, r.ToolChoice); diff != "" || cmp.Diff(c.parallel, r.ParallelToolCalls) != "" {
			t.Errorf("%s: %s%v", c.choice, diff, r.ParallelToolCalls)
		}
		out := decode(t, string(encode(t, chat("m"), r)))
		if diff := cmp.Diff(c.want, out.ToolChoice); c.want != nil && diff != "" {
			t.Errorf("%s is sent as %s", c.choice, diff)
		}
	}
}

// TestDecodeSystemTurns: newer SDKs put system messages among the others.
func TestDecodeSystemTurns(t *testing.T) {
	r := decode(t, `{"model":"m","max_tokens":9,"system":"a","messages":[{"role":"user","content":"q"},{"role":"system","content":[{"type":"text","text":"b"}]},{"role":"user","content":"r"}]}`)
	want := []llm.Message{text(llm.RoleSystem, "a"), text(llm.RoleUser, "q"), text(llm.RoleSystem, "b"), text(llm.RoleUser, "r")}
	if diff := cmp.Diff(want, r.Messages); diff != "" {
		t.Error(diff)
	}
}

// TestDecodeKeepsStrangers: what the canonical form has no place for is named,
// so that it can be refused.
func TestDecodeKeepsStrangers(t *testing.T) {
	r := decode(t, `{"model":"m","max_tokens":9,"container":"c","mcp_servers":[],
"system":[{"type":"text","text":"s","x":1}],
"messages":[{"role":"user","content":[{"type":"text","text":"q"},
 {"type":"document","context":"why","citations":{"enabled":true},"source":{"type":"url","url":"https://x/y.pdf"}}],"y":2},
 {"role":"assistant","content":[{"type":"text","text":"a","citations":[{}]},{"type":"tool_use","id":"1","name":"f","input":{},"caller":{"type":"direct"}}]},
 {"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":[{"type":"text","text":"t","z":3}]}]}],
"tools":[{"name":"f","input_schema":{"type":"object"},"defer_loading":true},{"type":"web_search_20250305","name":"web_search","max_uses":3}]}`)
	var names []string
	for _, m := range r.Extra {
		names = append(names, m.Name+"="+string(m.Value))
	}
	want := []string{"container=\"c\"", "mcp_servers=[]", "system[0].x=1", "messages[0].y=2", `messages[0].content[1].context="why"`,
		`messages[0].content[1].citations={"enabled":true}`, "messages[2].content[0].content[0].z=3", "tools[0].defer_loading=true"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	hosted := r.Tools[1]
	if hosted.Type != "web_search_20250305" || string(hosted.Raw) != `{"type":"web_search_20250305","name":"web_search","max_uses":3}` {
		t.Errorf("hosted tool %+v", hosted)
	}
	if _, err := codec.AppendRequest(nil, chat("m"), r); llmError(t, err).Param != "system[0].x" {
		t.Errorf("a member that has lost its place is dropped: %v", err)
	}
}

// TestRequestGolden translates our own requests to the wire and compares with
// golden files; each body must decode to what was encoded.
func TestRequestGolden(t *testing.T) {
	files, err := filepath.Glob("testdata/request/*.in.json")
	if err != nil || len(files) == 0 {
		t.Fatalf("no requests: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".in.json")
		t.Run(name, func(t *testing.T) {
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			r := decode(t, string(raw))
			c := chat(r.Model)
			c.Stream = r.Stream
			out := encode(t, c, fitted(t, r, r.Model))
			dialecttest.Golden(t, "request/"+name+".out.json", indent(t, out))
			again := decode(t, string(out))
			twice := encode(t, c, again)
			if !bytes.Equal(out, twice) {
				t.Errorf("a second time it is\n%s\nnot\n%s", twice, out)
			}
		})
	}
}
