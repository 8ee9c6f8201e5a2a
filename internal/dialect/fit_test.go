package dialect

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func ptr[T any](v T) *T { return &v }

func text(role llm.Role, s string) llm.Message {
	return llm.Message{Role: role, Parts: []llm.Part{{Type: llm.PartText, Text: s}}}
}

func calls(ids ...string) llm.Message {
	m := llm.Message{Role: llm.RoleAssistant}
	for _, id := range ids {
		m.Parts = append(m.Parts, llm.Part{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: id, Name: "f", Arguments: "{}"}})
	}
	return m
}

func results(ids ...string) llm.Message {
	m := llm.Message{Role: llm.RoleTool}
	for _, id := range ids {
		m.Parts = append(m.Parts, llm.Part{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{
			CallID: id, Parts: []llm.Part{{Type: llm.PartText, Text: "ok"}}}})
	}
	return m
}

// attached is a result of these parts.
func attached(id string, parts ...llm.Part) llm.Message {
	return llm.Message{Role: llm.RoleTool, Parts: []llm.Part{{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: id, Parts: parts}}}}
}

func resultText(m llm.Message) string {
	var s string
	for _, p := range m.Parts[0].ToolResult.Parts {
		s += p.Text
	}
	return s
}

func media(t llm.PartType, m llm.Media) llm.Message {
	return llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Type: t, Media: &m}}}
}

func function(name string) llm.Tool { return llm.Tool{Name: name} }

// ask returns a request of one user message, changed by mods.
func ask(mods ...func(*llm.Request)) *llm.Request {
	r := &llm.Request{Model: "m", Messages: []llm.Message{text(llm.RoleUser, "hi")}}
	for _, mod := range mods {
		mod(r)
	}
	return r
}

// say returns a request of these messages, with the tool f declared.
func say(msgs ...llm.Message) *llm.Request {
	return &llm.Request{Messages: msgs, Tools: []llm.Tool{function("f")}}
}

func claude() Support { return SupportAnthropic("claude-sonnet-4-5") }

// fitCases is the policy: what happens to a member without and with drop.
// refused "" means that it is kept, mapped or left out in silence; dropped is
// what is listed with drop; check looks at the result of both.
var fitCases = []struct {
	name    string
	req     *llm.Request
	s       Support
	refused string
	invalid bool // KindInvalidRequest, with drop too
	dropped []string
	check   func(r *llm.Request) bool
	always  bool // refused with drop too
}{
	{name: "temperature in range", req: ask(func(r *llm.Request) { r.Temperature = ptr(0.5) }), s: claude(),
		check: func(r *llm.Request) bool { return *r.Temperature == 0.5 }},
	{name: "temperature above", req: ask(func(r *llm.Request) { r.Temperature = ptr(1.5) }), s: claude(),
		refused: "temperature", dropped: []string{"temperature=1"}, check: func(r *llm.Request) bool { return *r.Temperature == 1 }},
	{name: "temperature 2 at DashScope", req: ask(func(r *llm.Request) { r.Temperature = ptr(2.0) }), s: SupportDashScope("qwen-max"),
		refused: "temperature", dropped: []string{"temperature=1.99"}},
	{name: "top_p 0 at DashScope", req: ask(func(r *llm.Request) { r.TopP = ptr(0.0) }), s: SupportDashScope("qwen-max"),
		refused: "top_p", dropped: []string{"top_p=0.001"}},
	{name: "sampling on the newest", req: ask(func(r *llm.Request) { r.Temperature = ptr(0.2) }), s: SupportAnthropic("claude-opus-4-7"),
		refused: "temperature", dropped: []string{"temperature"}, check: func(r *llm.Request) bool { return r.Temperature == nil }},
	{name: "default sampling on the newest", req: ask(func(r *llm.Request) { r.Temperature, r.TopP = ptr(1.0), ptr(1.0) }),
		s: SupportAnthropic("claude-opus-5"), check: func(r *llm.Request) bool { return r.Temperature == nil && r.TopP == nil }},
	{name: "top_p beside temperature", req: ask(func(r *llm.Request) { r.Temperature, r.TopP = ptr(0.3), ptr(0.9) }), s: claude(),
		refused: "top_p", dropped: []string{"top_p"}, check: func(r *llm.Request) bool { return r.TopP == nil && *r.Temperature == 0.3 }},
	{name: "top_p alone", req: ask(func(r *llm.Request) { r.TopP = ptr(0.9) }), s: claude(),
		check: func(r *llm.Request) bool { return *r.TopP == 0.9 }},
	{name: "top_k at OpenAI", req: ask(func(r *llm.Request) { r.TopK = ptr(int64(5)) }), s: SupportOpenAI("gpt-4o"),
		refused: "top_k", dropped: []string{"top_k"}, check: func(r *llm.Request) bool { return r.TopK == nil }},
	{name: "top_k at Gemini", req: ask(func(r *llm.Request) { r.TopK = ptr(int64(5)) }), s: SupportGemini("gemini-2.5-pro"),
		check: func(r *llm.Request) bool { return *r.TopK == 5 }},
	{name: "seed at Anthropic", req: ask(func(r *llm.Request) { r.Seed = ptr(int64(7)) }), s: claude(),
		refused: "seed", dropped: []string{"seed"}, check: func(r *llm.Request) bool { return r.Seed == nil }},
	{name: "seed at OpenAI", req: ask(func(r *llm.Request) { r.Seed = ptr(int64(7)) }), s: SupportOpenAI("gpt-5.1"),
		check: func(r *llm.Request) bool { return r.Seed != nil && *r.Seed == 7 }},
	{name: "seed out of int32", req: ask(func(r *llm.Request) { r.Seed = ptr(int64(1) << 40) }), s: SupportGemini("gemini-2.5-pro"),
		refused: "seed", dropped: []string{"seed"}},
	{name: "penalty", req: ask(func(r *llm.Request) { r.PresencePenalty = ptr(0.5) }), s: claude(),
		refused: "presence_penalty", dropped: []string{"presence_penalty"}},
	{name: "penalties 0", req: ask(func(r *llm.Request) { r.PresencePenalty, r.FrequencyPenalty = ptr(0.0), ptr(0.0) }), s: claude(),
		check: func(r *llm.Request) bool { return r.PresencePenalty == nil && r.FrequencyPenalty == nil }},
	{name: "n 1", req: ask(func(r *llm.Request) { r.N = ptr(int64(1)) }), s: claude(), check: func(r *llm.Request) bool { return r.N == nil }},
	{name: "n 2", req: ask(func(r *llm.Request) { r.N = ptr(int64(2)) }), s: SupportOpenAI("gpt-4o"), refused: "n", dropped: []string{"n"}},
	{name: "n 0", req: ask(func(r *llm.Request) { r.N = ptr(int64(0)) }), s: claude(), refused: "n", invalid: true},
	{name: "logprobs false", req: ask(func(r *llm.Request) { r.Logprobs = ptr(false) }), s: claude(),
		check: func(r *llm.Request) bool { return r.Logprobs == nil }},
	{name: "logprobs", req: ask(func(r *llm.Request) { r.Logprobs, r.TopLogprobs = ptr(true), ptr(int64(3)) }), s: SupportGemini("x"),
		refused: "logprobs", dropped: []string{"logprobs"}, check: func(r *llm.Request) bool { return r.Logprobs == nil && r.TopLogprobs == nil }},
	{name: "logit_bias", req: ask(func(r *llm.Request) { r.LogitBias = json.RawMessage(`{"5":1}`) }), s: claude(),
		refused: "logit_bias", dropped: []string{"logit_bias"}},
	{name: "logit_bias empty", req: ask(func(r *llm.Request) { r.LogitBias = json.RawMessage("{ \n}") }), s: claude(),
		check: func(r *llm.Request) bool { return r.LogitBias == nil }},
	{name: "stop too many", req: ask(func(r *llm.Request) { r.Stop = []string{"a", "b", "c", "d", "e"} }), s: SupportOpenAI("gpt-4o"),
		refused: "stop[4]", dropped: []string{"stop[4]"}, check: func(r *llm.Request) bool { return len(r.Stop) == 4 }},
	{name: "stop blank", req: ask(func(r *llm.Request) { r.Stop = []string{"a", "\n"} }), s: claude(),
		refused: "stop[1]", dropped: []string{"stop[1]"}, check: func(r *llm.Request) bool { return slices.Equal(r.Stop, []string{"a"}) }},
	{name: "stop newline elsewhere", req: ask(func(r *llm.Request) { r.Stop = []string{"\n"} }), s: SupportOpenAI("gpt-4o"),
		check: func(r *llm.Request) bool { return len(r.Stop) == 1 }},

	{name: "max_tokens supplied", req: ask(), s: claude(), check: func(r *llm.Request) bool { return *r.MaxTokens == 64000 }},
	{name: "max_tokens not needed", req: ask(), s: SupportOpenAI("gpt-4o"), check: func(r *llm.Request) bool { return r.MaxTokens == nil }},
	{name: "max_tokens 0", req: ask(func(r *llm.Request) { r.MaxTokens = ptr(int64(0)) }), s: claude(), refused: "max_tokens", invalid: true},
	{name: "max_tokens -1", req: ask(func(r *llm.Request) { r.MaxTokens = ptr(int64(-1)) }), s: SupportOpenAI("x"), refused: "max_tokens", invalid: true},
	{name: "max_tokens above the model's", req: ask(func(r *llm.Request) { r.MaxTokens = ptr(int64(100000)) }), s: claude(),
		dropped: []string{"max_tokens=64000"}},

	{name: "json_object at Anthropic", req: ask(func(r *llm.Request) { r.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatJSONObject} }), s: claude(),
		refused: "response_format", dropped: []string{"response_format"}, check: func(r *llm.Request) bool { return r.ResponseFormat == nil }},
	{name: "json_schema at Anthropic", req: ask(func(r *llm.Request) { r.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatJSONSchema} }), s: claude(),
		check: func(r *llm.Request) bool { return r.ResponseFormat != nil }},
	{name: "json_schema on an old model", req: ask(func(r *llm.Request) { r.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatJSONSchema} }),
		s: SupportAnthropic("claude-3-5-haiku-20241022"), refused: "response_format", dropped: []string{"response_format"}},
	{name: "format text", req: ask(func(r *llm.Request) { r.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatText} }), s: claude(),
		check: func(r *llm.Request) bool { return r.ResponseFormat == nil }},
	{name: "schema beside tools", req: ask(func(r *llm.Request) {
		r.ResponseFormat, r.Tools = &llm.ResponseFormat{Type: llm.FormatJSONSchema}, []llm.Tool{function("f")}
	}), s: SupportGemini("gemini-2.5-flash"), refused: "response_format", dropped: []string{"response_format"}},

	{name: "hints", req: ask(func(r *llm.Request) {
		r.User, r.Metadata, r.ServiceTier, r.Verbosity, r.Store = "u", map[string]string{"a": "b"}, "default", "medium", ptr(false)
		r.Extra = []llm.Member{{Name: "prompt_cache_key", Value: json.RawMessage(`"k"`)}, {Name: "prediction", Value: json.RawMessage(`{}`)},
			{Name: "audio", Value: json.RawMessage("null")}, {Name: "modalities", Value: json.RawMessage(`["text"]`)}, {Name: "tools[0].eager_input_streaming", Value: json.RawMessage(`true`)}}
	}), s: SupportGemini("gemini-2.5-pro"), check: func(r *llm.Request) bool {
		return r.User == "" && r.Metadata == nil && r.ServiceTier == "" && r.Verbosity == "" && r.Store == nil && r.Extra == nil
	}},
	{name: "user at Anthropic", req: ask(func(r *llm.Request) { r.User = "u" }), s: claude(), check: func(r *llm.Request) bool { return r.User == "u" }},
	{name: "store", req: ask(func(r *llm.Request) { r.Store = ptr(true) }), s: claude(), refused: "store", dropped: []string{"store"}},
	{name: "verbosity", req: ask(func(r *llm.Request) { r.Verbosity = "low" }), s: claude(), refused: "verbosity", dropped: []string{"verbosity"}},
	{name: "service_tier", req: ask(func(r *llm.Request) { r.ServiceTier = "flex" }), s: claude(), refused: "service_tier", dropped: []string{"service_tier"}},
	{name: "service_tier default at Anthropic", req: ask(func(r *llm.Request) { r.ServiceTier = "default" }), s: claude(),
		check: func(r *llm.Request) bool { return r.ServiceTier == "default" }},
	{name: "extra", req: ask(func(r *llm.Request) {
		r.Extra = []llm.Member{{Name: "web_search_options", Value: json.RawMessage(`{}`)}, {Name: "audio", Value: json.RawMessage(`{"voice":"x"}`)}}
	}), s: claude(), refused: "web_search_options", dropped: []string{"web_search_options", "audio"}},
	{name: "audio modality", req: ask(func(r *llm.Request) {
		r.Extra = []llm.Member{{Name: "modalities", Value: json.RawMessage(`["text","audio"]`)}}
	}), s: claude(), refused: "modalities", dropped: []string{"modalities"}},
	{name: "extra of the same dialect", req: ask(func(r *llm.Request) { r.Extra = []llm.Member{{Name: "x", Value: json.RawMessage(`1`)}} }),
		s: func() Support { s := claude(); s.Same = true; return s }(), check: func(r *llm.Request) bool { return len(r.Extra) == 1 }},

	{name: "hosted tool", req: ask(func(r *llm.Request) {
		r.Tools = []llm.Tool{function("f"), {Type: "web_search", Raw: json.RawMessage(`{}`)}}
	}), s: claude(), refused: "tools[1]", dropped: []string{"tools[1]"}, check: func(r *llm.Request) bool { return len(r.Tools) == 1 && r.Tools[0].Name == "f" }},
	{name: "tool name", req: ask(func(r *llm.Request) { r.Tools = []llm.Tool{function("1st")} }), s: SupportGemini("gemini-3-pro"),
		refused: "tools[0].function.name", always: true},
	{name: "tool name with a dot", req: ask(func(r *llm.Request) { r.Tools = []llm.Tool{function("a.b")} }), s: claude(),
		refused: "tools[0].function.name", always: true},
	{name: "tool name with a dot at Gemini", req: ask(func(r *llm.Request) { r.Tools = []llm.Tool{function("a.b")} }), s: SupportGemini("gemini-3-pro")},
	{name: "strict", req: ask(func(r *llm.Request) { r.Tools = []llm.Tool{{Name: "f", Strict: ptr(true)}} }), s: SupportDashScope("qwen-max"),
		refused: "tools[0].function.strict", dropped: []string{"tools[0].function.strict"}, check: func(r *llm.Request) bool { return r.Tools[0].Strict == nil }},
	{name: "strict false", req: ask(func(r *llm.Request) { r.Tools = []llm.Tool{{Name: "f", Strict: ptr(false)}} }), s: SupportDashScope("qwen-max"),
		check: func(r *llm.Request) bool { return r.Tools[0].Strict == nil }},
	{name: "tool_choice without tools", req: ask(func(r *llm.Request) { r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolRequired} }), s: claude(),
		refused: "tool_choice", invalid: true},
	{name: "tool_choice auto without tools", req: ask(func(r *llm.Request) { r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolAuto} }), s: claude(),
		check: func(r *llm.Request) bool { return r.ToolChoice == nil }},
	{name: "tool_choice undeclared", req: ask(func(r *llm.Request) {
		r.Tools, r.ToolChoice = []llm.Tool{function("f")}, &llm.ToolChoice{Mode: llm.ToolNamed, Name: "g"}
	}), s: claude(), refused: "tool_choice", invalid: true},
	{name: "tool_choice required at DashScope", req: ask(func(r *llm.Request) {
		r.Tools, r.ToolChoice = []llm.Tool{function("f")}, &llm.ToolChoice{Mode: llm.ToolRequired}
	}), s: SupportDashScope("qwen-max"), refused: "tool_choice", dropped: []string{"tool_choice=auto"}},
	{name: "allowed tools", req: ask(func(r *llm.Request) {
		r.Tools = []llm.Tool{function("f"), function("g")}
		r.ToolChoice = &llm.ToolChoice{Mode: llm.ToolRequired, Allowed: []string{"g"}}
	}), s: claude(), check: func(r *llm.Request) bool {
		return len(r.Tools) == 1 && r.Tools[0].Name == "g" && r.ToolChoice.Mode == llm.ToolRequired && r.ToolChoice.Allowed == nil
	}},
	{name: "allowed tools at OpenAI", req: ask(func(r *llm.Request) {
		r.Tools, r.ToolChoice = []llm.Tool{function("f"), function("g")}, &llm.ToolChoice{Mode: llm.ToolAuto, Allowed: []string{"g"}}
	}), s: SupportOpenAI("gpt-4o"), check: func(r *llm.Request) bool { return len(r.Tools) == 2 && len(r.ToolChoice.Allowed) == 1 }},
	{name: "parallel false at Gemini", req: ask(func(r *llm.Request) { r.Tools, r.ParallelToolCalls = []llm.Tool{function("f")}, ptr(false) }),
		s: SupportGemini("gemini-2.5-pro"), refused: "parallel_tool_calls", dropped: []string{"parallel_tool_calls"}},
	{name: "parallel false without tools", req: ask(func(r *llm.Request) { r.ParallelToolCalls = ptr(false) }), s: SupportGemini("gemini-2.5-pro"),
		check: func(r *llm.Request) bool { return r.ParallelToolCalls == nil }},
	{name: "parallel false at Anthropic", req: ask(func(r *llm.Request) { r.Tools, r.ParallelToolCalls = []llm.Tool{function("f")}, ptr(false) }),
		s: claude(), check: func(r *llm.Request) bool { return !*r.ParallelToolCalls }},

	{name: "no messages", req: &llm.Request{}, s: SupportOpenAI("gpt-4o"), refused: "messages", invalid: true},
	{name: "system alone", req: say(text(llm.RoleSystem, "s")), s: claude(), refused: "messages", invalid: true},
	{name: "system alone at OpenAI", req: say(text(llm.RoleSystem, "s")), s: SupportOpenAI("gpt-4o")},
	{name: "assistant first", req: say(text(llm.RoleSystem, "s"), text(llm.RoleAssistant, "a"), text(llm.RoleUser, "u")), s: claude(),
		refused: "messages[1].role", invalid: true},
	{name: "prefill", req: say(text(llm.RoleUser, "u"), text(llm.RoleAssistant, "a")), s: SupportAnthropic("claude-sonnet-5"),
		refused: "messages[1].role", always: true},
	{name: "prefill on an older model", req: say(text(llm.RoleUser, "u"), text(llm.RoleAssistant, "a")), s: claude()},
	{name: "empty user message", req: say(text(llm.RoleUser, " ")), s: claude(), refused: "messages[0].content", invalid: true},
	{name: "empty user message at OpenAI", req: say(text(llm.RoleUser, "")), s: SupportOpenAI("gpt-4o")},
	{name: "tools pair up", req: say(text(llm.RoleUser, "u"), calls("a", "b"), results("b"), results("a")), s: claude()},
	{name: "orphan result", req: say(text(llm.RoleUser, "u"), calls("a"), results("x")), s: SupportOpenAI("gpt-4o"),
		refused: "messages[2].tool_call_id", invalid: true},
	{name: "missing result", req: say(text(llm.RoleUser, "u"), calls("a", "b"), results("a"), text(llm.RoleUser, "go on")), s: claude(),
		refused: "messages[1].tool_calls", invalid: true},
	{name: "missing result at the end", req: say(text(llm.RoleUser, "u"), calls("a")), s: claude(), refused: "messages[1].tool_calls", invalid: true},
	{name: "arguments not an object", req: say(text(llm.RoleUser, "u"), llm.Message{Role: llm.RoleAssistant, Parts: []llm.Part{
		{Type: llm.PartText, Text: "x"}, {Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "a", Name: "f", Arguments: "{}"}},
		{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "b", Name: "f", Arguments: "[1]"}}}}, results("a", "b")),
		s: claude(), refused: "messages[1].tool_calls[1].function.arguments", invalid: true},
	{name: "arguments cut off", req: say(text(llm.RoleUser, "u"), llm.Message{Role: llm.RoleAssistant, Parts: []llm.Part{
		{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "a", Name: "f", Arguments: `{"a":`}}}}, results("a")),
		s: claude(), refused: "messages[1].tool_calls[0].function.arguments", invalid: true},
	{name: "history without tools", req: &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "u"), calls("a"), results("a")}}, s: claude(),
		check: func(r *llm.Request) bool {
			return len(r.Tools) == 1 && r.Tools[0].Name == "f" && r.ToolChoice.Mode == llm.ToolNone
		}},

	{name: "image", req: say(media(llm.PartImage, llm.Media{MIME: "image/png", Data: "AA=="})), s: claude()},
	{name: "image/jpg", req: say(media(llm.PartImage, llm.Media{MIME: "image/jpg", Data: "AA=="})), s: claude(),
		check: func(r *llm.Request) bool { return r.Messages[0].Parts[0].Media.MIME == "image/jpeg" }},
	{name: "image type", req: say(media(llm.PartImage, llm.Media{MIME: "image/tiff", Data: "AA=="})), s: claude(),
		refused: "messages[0].content[0]", always: true},
	{name: "image by URL", req: say(media(llm.PartImage, llm.Media{URL: "https://x/y.png"})), s: claude()},
	{name: "image by URL not fetched", req: say(media(llm.PartImage, llm.Media{URL: "https://x/y.png"})), s: SupportGemini("gemini-2.0-flash"),
		refused: "messages[0].content[0]", always: true},
	{name: "image to a text model", req: say(media(llm.PartImage, llm.Media{URL: "https://x/y.png"})), s: SupportDashScope("qwen-max"),
		refused: "messages[0].content[0]", always: true},
	{name: "image detail", req: say(media(llm.PartImage, llm.Media{URL: "https://x/y.png", Detail: "low"})), s: claude(),
		refused: "messages[0].content[0].image_url.detail", dropped: []string{"messages[0].content[0].image_url.detail"},
		check: func(r *llm.Request) bool { return r.Messages[0].Parts[0].Media.Detail == "" }},
	{name: "image detail auto", req: say(media(llm.PartImage, llm.Media{URL: "https://x/y.png", Detail: "auto"})), s: claude(),
		check: func(r *llm.Request) bool { return r.Messages[0].Parts[0].Media.Detail == "" }},
	{name: "audio at Anthropic", req: say(media(llm.PartAudio, llm.Media{MIME: "audio/wav", Data: "AA=="})), s: claude(),
		refused: "messages[0].content[0]", always: true},
	{name: "pdf", req: say(media(llm.PartFile, llm.Media{MIME: "application/pdf", Data: "AA=="})), s: claude()},
	{name: "pdf at DashScope", req: say(media(llm.PartFile, llm.Media{MIME: "application/pdf", Data: "AA=="})), s: SupportDashScope("qwen-vl-max"),
		refused: "messages[0].content[0]", always: true},
	{name: "file id", req: say(media(llm.PartFile, llm.Media{FileID: "file-1"})), s: claude(), refused: "messages[0].content[0]", always: true},
	{name: "part of no kind", req: say(llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{}}}), s: claude(), refused: "messages[0].content[0]", invalid: true},
	{name: "image in a result", req: say(text(llm.RoleUser, "u"), calls("a"), llm.Message{Role: llm.RoleTool, Parts: []llm.Part{
		{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "a", Parts: []llm.Part{
			{Type: llm.PartImage, Media: &llm.Media{MIME: "image/jpg", Data: "AA=="}}}}}}}), s: claude(),
		check: func(r *llm.Request) bool {
			return r.Messages[2].Parts[0].ToolResult.Parts[0].Media.MIME == "image/jpeg"
		}},
	{name: "image in a result at OpenAI", req: say(text(llm.RoleUser, "u"), calls("a", "b"), attached("a", llm.Part{Type: llm.PartText, Text: "see"},
		llm.Part{Type: llm.PartImage, Media: &llm.Media{MIME: "image/png", Data: "AA=="}}), attached("b", llm.Part{Type: llm.PartFile, Media: &llm.Media{MIME: "application/pdf", Data: "AA=="}}),
		text(llm.RoleUser, "and?")), s: SupportOpenAI("gpt-4o"), check: func(r *llm.Request) bool {
		m := r.Messages
		return len(m) == 6 && resultText(m[2]) == "see" && resultText(m[3]) == "(see the attachment in the next message)" &&
			m[4].Role == llm.RoleUser && len(m[4].Parts) == 4 && m[4].Parts[1].Type == llm.PartImage && m[4].Parts[3].Type == llm.PartFile &&
			m[4].Parts[2].Text == "Attached to the result of tool call b:" && m[5].Parts[0].Text == "and?"
	}},
	{name: "image in the last result", req: say(text(llm.RoleUser, "u"), calls("a"), attached("a", llm.Part{Type: llm.PartImage, Media: &llm.Media{MIME: "image/jpg", Data: "AA=="}})),
		s: SupportOpenAI("gpt-4o"), check: func(r *llm.Request) bool {
			m := r.Messages
			return len(m) == 4 && m[3].Role == llm.RoleUser && m[3].Parts[1].Media.MIME == "image/jpeg"
		}},
	{name: "image in a result to a text model", req: say(text(llm.RoleUser, "u"), calls("a"), attached("a", llm.Part{Type: llm.PartImage, Media: &llm.Media{MIME: "image/png", Data: "AA=="}})),
		s: SupportDashScope("qwen-max"), refused: "messages[2].content[0].content[0]", always: true},
	{name: "audio in a result", req: say(text(llm.RoleUser, "u"), calls("a"), attached("a", llm.Part{Type: llm.PartAudio, Media: &llm.Media{MIME: "audio/wav", Data: "AA=="}})),
		s: claude(), refused: "messages[2].content[0].content[0]", always: true},
	{name: "text file at OpenAI", req: say(media(llm.PartFile, llm.Media{MIME: "text/plain", Data: "aGk=", Name: "a.txt"})), s: SupportOpenAI("gpt-4o"),
		check: func(r *llm.Request) bool {
			p := r.Messages[0].Parts[0]
			return p.Type == llm.PartText && p.Text == "a.txt\n\nhi" && p.Media == nil
		}},
	{name: "text file in a result at DashScope", req: say(text(llm.RoleUser, "u"), calls("a"), attached("a", llm.Part{Type: llm.PartFile, Media: &llm.Media{MIME: "text/markdown", Data: "aGk="}})),
		s: SupportDashScope("qwen-max"), check: func(r *llm.Request) bool { return resultText(r.Messages[2]) == "hi" && len(r.Messages) == 3 }},
	{name: "text file that is none", req: say(media(llm.PartFile, llm.Media{MIME: "text/plain", Data: "?"})), s: SupportOpenAI("gpt-4o"),
		refused: "messages[0].content[0]", invalid: true},
	{name: "text file at Anthropic", req: say(media(llm.PartFile, llm.Media{MIME: "text/plain", Data: "aGk="})), s: claude(),
		check: func(r *llm.Request) bool { return r.Messages[0].Parts[0].Type == llm.PartFile }},
	{name: "image by URL only", req: say(media(llm.PartImage, llm.Media{MIME: "image/png", Data: "AA=="})), s: func() Support {
		s := claude()
		s.Images.Inline = false
		return s
	}(), refused: "messages[0].content[0]", always: true},
	{name: "image of nothing", req: say(media(llm.PartImage, llm.Media{MIME: "image/png"})), s: claude(), refused: "messages[0].content[0]", invalid: true},
	{name: "file id of the same dialect", req: say(media(llm.PartImage, llm.Media{FileID: "f"})), s: func() Support { s := claude(); s.Same = true; return s }()},
	{name: "failed result without words", req: say(text(llm.RoleUser, "u"), calls("a"), llm.Message{Role: llm.RoleTool, Parts: []llm.Part{
		{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "a", IsError: true}}}}),
		s: SupportOpenAI("gpt-4o"), check: func(r *llm.Request) bool { return resultText(r.Messages[2]) == "Error: " }},
	{name: "tools where there are none", req: ask(func(r *llm.Request) {
		r.Tools, r.ToolChoice = []llm.Tool{function("f")}, &llm.ToolChoice{Mode: llm.ToolRequired}
	}), s: Support{Images: Media{}}, refused: "tools[0]", dropped: []string{"tools[0]"}, check: func(r *llm.Request) bool {
		return len(r.Tools) == 0 && r.ToolChoice == nil
	}},
	{name: "tool name too long", req: ask(func(r *llm.Request) { r.Tools = []llm.Tool{function(strings.Repeat("f", 65))} }), s: SupportOpenAI("gpt-4o"),
		refused: "tools[0].function.name", always: true},
	{name: "failed result", req: say(text(llm.RoleUser, "u"), calls("a"), llm.Message{Role: llm.RoleTool, Parts: []llm.Part{
		{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "a", IsError: true, Parts: []llm.Part{{Type: llm.PartText, Text: "no such file"}}}}}}),
		s: SupportOpenAI("gpt-4o"), check: func(r *llm.Request) bool {
			p := r.Messages[2].Parts[0].ToolResult
			return !p.IsError && len(p.Parts) == 2 && p.Parts[0].Text == "Error: "
		}},
	{name: "failed result that says so", req: say(text(llm.RoleUser, "u"), calls("a"), llm.Message{Role: llm.RoleTool, Parts: []llm.Part{
		{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "a", IsError: true, Parts: []llm.Part{{Type: llm.PartText, Text: "ERROR 5"}}}}}}),
		s: SupportOpenAI("gpt-4o"), check: func(r *llm.Request) bool { return len(r.Messages[2].Parts[0].ToolResult.Parts) == 1 }},

	{name: "embeddings at Anthropic", req: &llm.Request{Embed: &llm.EmbedRequest{Input: []string{"a"}}}, s: claude(), refused: "model", always: true},
	{name: "embeddings", req: &llm.Request{Embed: &llm.EmbedRequest{Input: []string{"a"}}}, s: SupportGemini("gemini-embedding-001")},
	{name: "embeddings of nothing", req: &llm.Request{Embed: &llm.EmbedRequest{}}, s: SupportGemini("x"), refused: "input", invalid: true},
	{name: "embeddings of tokens", req: &llm.Request{Embed: &llm.EmbedRequest{Tokens: [][]int64{{1}}}}, s: SupportGemini("x"), refused: "input", always: true},
	{name: "too many embeddings", req: &llm.Request{Embed: &llm.EmbedRequest{Input: make([]string, 11)}}, s: SupportDashScope("text-embedding-v4"),
		refused: "input", always: true},
	{name: "dimensions", req: &llm.Request{Embed: &llm.EmbedRequest{Input: []string{"a"}, Dimensions: ptr(int64(8))}}, s: Support{Embeddings: true},
		refused: "dimensions", dropped: []string{"dimensions"}, check: func(r *llm.Request) bool { return r.Embed.Dimensions == nil }},
}

func TestFit(t *testing.T) {
	for _, c := range fitCases {
		t.Run(c.name, func(t *testing.T) {
			before := dump(t, c.req)
			fitOnce(t, c.req, c.s, c.refused, c.invalid, c.check)
			fitDrop(t, c.req, c.s, c.dropped, c.invalid || c.always, c.check)
			if after := dump(t, c.req); after != before {
				t.Errorf("Fit changed its argument:\n%s", cmp.Diff(before, after))
			}
		})
	}
}

func fitOnce(t *testing.T, r *llm.Request, s Support, refused string, invalid bool, check func(*llm.Request) bool) {
	t.Helper()
	got, dropped, err := Fit(r, s, false)
	if refused == "" {
		if err != nil || len(dropped) != 0 {
			t.Fatalf("Fit = dropped %v, error %v; want neither", dropped, err)
		}
		if check != nil && !check(got) {
			t.Errorf("Fit = %s", dump(t, got))
		}
		return
	}
	wantRefusal(t, err, refused, invalid)
}

func fitDrop(t *testing.T, r *llm.Request, s Support, want []string, always bool, check func(*llm.Request) bool) {
	t.Helper()
	got, dropped, err := Fit(r, s, true)
	if always {
		if err == nil {
			t.Fatal("with drop: no error")
		}
		return
	}
	if err != nil {
		t.Fatalf("with drop: %v", err)
	}
	if !slices.Equal(dropped, want) {
		t.Errorf("dropped %q, want %q", dropped, want)
	}
	if check != nil && !check(got) {
		t.Errorf("with drop: %s", dump(t, got))
	}
	again, more, err := Fit(got, s, true)
	if err != nil || len(more) != 0 || again != got {
		t.Errorf("a fitted request does not fit: dropped %v, error %v, same %v", more, err, again == got)
	}
}

func wantRefusal(t *testing.T, err error, param string, invalid bool) {
	t.Helper()
	var e *llm.Error
	if !errors.As(err, &e) {
		t.Fatalf("error %v, want a refusal of %s", err, param)
	}
	kind := llm.KindUnsupported
	if invalid {
		kind = llm.KindInvalidRequest
	}
	if e.Kind != kind || e.Param != param {
		t.Errorf("refused %s as %s (%s), want %s as %s", e.Param, e.Kind, e.Message, param, kind)
	}
	if name, _, _ := strings.Cut(param, "["); !strings.Contains(e.Message, name) && param != "model" {
		t.Errorf("message %q does not name %s", e.Message, param)
	}
}

func dump(t *testing.T, r *llm.Request) string {
	t.Helper()
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFitReturnsItself(t *testing.T) {
	r := say(text(llm.RoleSystem, "s"), text(llm.RoleUser, "u"), calls("a"), results("a"))
	r.MaxTokens, r.Temperature, r.Stop = ptr(int64(100)), ptr(0.5), []string{"x"}
	for _, s := range []Support{claude(), SupportOpenAI("gpt-4o"), SupportGemini("gemini-3-pro"), SupportDashScope("qwen-max")} {
		got, dropped, err := Fit(r, s, false)
		if err != nil || got != r || dropped != nil {
			t.Errorf("%s: Fit = same %v, %v, %v", s.Target, got == r, dropped, err)
		}
	}
}

func BenchmarkFit(b *testing.B) {
	r := say(text(llm.RoleSystem, "s"), text(llm.RoleUser, "u"), calls("a"), results("a"))
	r.MaxTokens, r.Temperature = ptr(int64(100)), ptr(0.5)
	s := claude()
	b.ReportAllocs()
	for b.Loop() {
		if _, _, err := Fit(r, s, false); err != nil {
			b.Fatal(err)
		}
	}
}
