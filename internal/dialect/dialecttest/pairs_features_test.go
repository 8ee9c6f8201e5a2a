package dialecttest_test

import (
	"fmt"
	"slices"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// feature is one row of the table.
type feature struct {
	name   string
	bodies map[string]string // by client dialect; native speaks openai's where it has none of its own; "-" = cannot say it
	stream bool
	fails  bool
	absent func(provider llm.Dialect) bool
	answer func(provider llm.Dialect) *llm.Response
	sent   func(up *llm.Request) string                       // what is wrong with what the upstream gets
	got    func(v view) string                                // what is wrong with what the client gets
	again  func(up *llm.Request, provider llm.Dialect) string // the same of the next turn
}

func (f *feature) body(client string) string {
	b, ok := f.bodies[client]
	if !ok && client == "native" {
		b = f.bodies["openai"]
	}
	if b == "-" {
		return ""
	}
	switch client {
	case "anthropic":
		b = `"max_tokens":5000,` + b
	case "responses":
		b = `"store":false,` + b
	}
	return `{"model":"m",` + b + `}`
}

const (
	askOA = `"messages":[{"role":"user","content":"Hello"}]`
	askRS = `"input":"Hello"`

	schema   = `{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}`
	toolsOA  = `"tools":[{"type":"function","function":{"name":"weather","description":"d","parameters":` + schema + `}},{"type":"function","function":{"name":"time","parameters":` + schema + `}}]`
	toolsAN  = `"tools":[{"name":"weather","description":"d","input_schema":` + schema + `},{"name":"time","input_schema":` + schema + `}]`
	toolsRS  = `"tools":[{"type":"function","name":"weather","description":"d","parameters":` + schema + `},{"type":"function","name":"time","parameters":` + schema + `}]`
	pixel    = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
	imageURL = "https://example.com/cat.png"
	opaque   = "c2lnbmF0dXJl"
)

func same(s string) map[string]string {
	return map[string]string{"openai": askOA + s, "anthropic": askOA + s, "responses": askRS + s}
}

// says answers in text.
func says(text string) func(llm.Dialect) *llm.Response {
	return func(llm.Dialect) *llm.Response {
		return &llm.Response{ID: "a1", Model: "m", Created: 1, Finish: llm.FinishStop, Parts: []llm.Part{{Type: llm.PartText, Text: text}},
			Usage: llm.Usage{Input: 100, Output: 30, Source: llm.UsageReported}}
	}
}

func calls(d llm.Dialect) *llm.Response {
	r := says("")(d)
	r.Finish = llm.FinishToolCalls
	r.Parts = []llm.Part{
		{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "call_1", Name: "weather", Arguments: `{"city":"Bonn"}`}},
		{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "call_2", Name: "time", Arguments: `{"city":"Köln <1>"}`}},
	}
	return r
}

func wantText(text string) func(view) string {
	return func(v view) string {
		if v.text != text || v.finish != llm.FinishStop {
			return fmt.Sprintf("%q, finish %q", v.text, v.finish)
		}
		return ""
	}
}

func wantCalls(v view) string {
	if v.finish != llm.FinishToolCalls || len(v.calls) != 2 || v.calls[0].Name != "weather" || v.calls[1].Name != "time" ||
		v.calls[0].Arguments != `{"city":"Bonn"}` || v.calls[1].Arguments != `{"city":"Köln <1>"}` || v.calls[0].ID == "" || v.calls[0].ID == v.calls[1].ID {
		return fmt.Sprintf("finish %q, calls %+v", v.finish, v.calls)
	}
	return ""
}

func wantTools(up *llm.Request) string {
	if len(up.Tools) != 2 || up.Tools[0].Name != "weather" || up.Tools[1].Name != "time" || !strings.Contains(string(up.Tools[0].Parameters), `"city"`) {
		return fmt.Sprintf("tools %+v", up.Tools)
	}
	return ""
}

func anything(*llm.Request) string { return "" }

// transcript is a conversation in short: role:text.
func transcript(up *llm.Request) string {
	var all []string
	for _, m := range up.Messages {
		for _, p := range m.Parts {
			switch {
			case p.ToolCall != nil:
				all = append(all, "call "+p.ToolCall.Name)
			case p.ToolResult != nil:
				s := ""
				for _, q := range p.ToolResult.Parts {
					s += q.Text
				}
				all = append(all, "result "+s)
			case p.Text != "":
				all = append(all, string(m.Role)+" "+p.Text)
			}
		}
	}
	return strings.ReplaceAll(strings.Join(all, "; "), "developer", "system")
}

func wantTranscript(want string) func(*llm.Request) string {
	return func(up *llm.Request) string {
		if got := transcript(up); got != want {
			return got + ", not " + want
		}
		return ""
	}
}

func wantImage(check func(m *llm.Media) bool) func(*llm.Request) string {
	return func(up *llm.Request) string {
		for _, p := range up.Messages[0].Parts {
			if p.Type == llm.PartImage && check(p.Media) {
				return ""
			}
		}
		return fmt.Sprintf("no image in %+v", up.Messages[0].Parts)
	}
}

func features() []feature {
	return slices.Concat(basicFeatures(), toolFeatures(), contentFeatures(), endFeatures())
}

func basicFeatures() []feature {
	return []feature{
		{name: "unary", bodies: same(""), answer: says("Hi there"), sent: wantTranscript("user Hello"), got: wantText("Hi there")},
		{name: "stream", stream: true, bodies: map[string]string{
			"native": askOA + `,"stream":true`, "openai": askOA + `,"stream":true,"stream_options":{"include_usage":true}`,
			"anthropic": askOA + `,"stream":true`, "responses": askRS + `,"stream":true`,
		}, answer: says("Hi there"), sent: wantTranscript("user Hello"), got: wantText("Hi there")},
		{name: "system prompt", bodies: map[string]string{
			"native":    `"prompt":"Hello","system":"Be brief."`,
			"openai":    `"messages":[{"role":"system","content":"Be brief."},{"role":"user","content":"Hello"}]`,
			"anthropic": askOA + `,"system":"Be brief."`, "responses": askRS + `,"instructions":"Be brief."`,
		}, answer: says("Hi"), sent: wantTranscript("system Be brief.; user Hello"), got: wantText("Hi")},
		{name: "several turns", bodies: map[string]string{
			"openai":    `"messages":[{"role":"user","content":"One"},{"role":"assistant","content":"Two"},{"role":"user","content":"Three"}]`,
			"anthropic": `"messages":[{"role":"user","content":"One"},{"role":"assistant","content":"Two"},{"role":"user","content":"Three"}]`,
			"responses": `"input":[{"role":"user","content":"One"},{"role":"assistant","content":"Two"},{"role":"user","content":"Three"}]`,
		}, answer: says("Four"), sent: wantTranscript("user One; assistant Two; user Three"), got: wantText("Four")},
		{name: "stop sequences", bodies: map[string]string{
			"openai": askOA + `,"stop":["END"]`, "anthropic": askOA + `,"stop_sequences":["END"]`, "responses": "-",
		}, answer: says("Hi"), got: wantText("Hi"), sent: func(up *llm.Request) string {
			if !slices.Equal(up.Stop, []string{"END"}) {
				return fmt.Sprintf("stop %q", up.Stop)
			}
			return ""
		}},
		{name: "seed (or top_k)", bodies: map[string]string{
			"openai": askOA + `,"seed":7`, "anthropic": askOA + `,"top_k":7`, "responses": "-",
		}, answer: says("Hi"), got: wantText("Hi"), sent: func(up *llm.Request) string {
			if up.Seed == nil && up.TopK == nil {
				return "neither seed nor top_k"
			}
			return ""
		}},
	}
}

func toolFeatures() []feature {
	return []feature{
		{name: "tools, parallel calls", bodies: map[string]string{
			"openai": askOA + "," + toolsOA, "anthropic": askOA + "," + toolsAN, "responses": askRS + "," + toolsRS,
		}, answer: calls, sent: wantTools, got: wantCalls},
		{name: "tool calls streamed in pieces", stream: true, bodies: map[string]string{
			"openai": askOA + `,"stream":true,"stream_options":{"include_usage":true},` + toolsOA, "anthropic": askOA + `,"stream":true,` + toolsAN, "responses": askRS + `,"stream":true,` + toolsRS,
			"native": askOA + `,"stream":true,` + toolsOA,
		}, answer: calls, sent: wantTools, got: wantCalls},
		{name: "tool results", bodies: map[string]string{
			"openai": toolsOA + `,"messages":[{"role":"user","content":"Hello"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"weather","arguments":"{\"city\":\"Bonn\"}"}},` +
				`{"id":"c2","type":"function","function":{"name":"time","arguments":"{\"city\":\"Bonn\"}"}}]},{"role":"tool","tool_call_id":"c1","content":"21"},{"role":"tool","tool_call_id":"c2","content":"noon"}]`,
			"anthropic": toolsAN + `,"messages":[{"role":"user","content":"Hello"},{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"weather","input":{"city":"Bonn"}},` +
				`{"type":"tool_use","id":"c2","name":"time","input":{"city":"Bonn"}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"21"},{"type":"tool_result","tool_use_id":"c2","content":"noon"}]}]`,
			"responses": toolsRS + `,"input":[{"role":"user","content":"Hello"},{"type":"function_call","call_id":"c1","name":"weather","arguments":"{\"city\":\"Bonn\"}"},{"type":"function_call","call_id":"c2","name":"time","arguments":"{\"city\":\"Bonn\"}"},` +
				`{"type":"function_call_output","call_id":"c1","output":"21"},{"type":"function_call_output","call_id":"c2","output":"noon"}]`,
		}, answer: says("It is warm"), got: wantText("It is warm"), sent: func(up *llm.Request) string {
			got := strings.NewReplacer(`{"result":"21"}`, "21", `{"result":"noon"}`, "noon").Replace(transcript(up))
			if got != "user Hello; call weather; call time; result 21; result noon" {
				return got
			}
			return ""
		}},
		{name: "forced tool choice", bodies: map[string]string{
			"openai":    askOA + "," + toolsOA + `,"tool_choice":{"type":"function","function":{"name":"time"}}`,
			"anthropic": askOA + "," + toolsAN + `,"tool_choice":{"type":"tool","name":"time"}`,
			"responses": askRS + "," + toolsRS + `,"tool_choice":{"type":"function","name":"time"}`,
		}, answer: calls, got: wantCalls, sent: func(up *llm.Request) string {
			tc := up.ToolChoice
			if tc == nil || tc.Name != "time" && !slices.Equal(tc.Allowed, []string{"time"}) {
				return fmt.Sprintf("tool choice %+v", tc)
			}
			return ""
		}},
		{name: "any tool must be called", bodies: map[string]string{
			"openai":    askOA + "," + toolsOA + `,"tool_choice":"required"`,
			"anthropic": askOA + "," + toolsAN + `,"tool_choice":{"type":"any"}`,
			"responses": askRS + "," + toolsRS + `,"tool_choice":"required"`,
		}, answer: calls, got: wantCalls, sent: func(up *llm.Request) string {
			if tc := up.ToolChoice; tc == nil || tc.Mode != llm.ToolRequired {
				return fmt.Sprintf("tool choice %+v", tc)
			}
			return ""
		}},
		{name: "no parallel calls", bodies: map[string]string{
			"openai":    askOA + "," + toolsOA + `,"parallel_tool_calls":false`,
			"anthropic": askOA + "," + toolsAN + `,"tool_choice":{"type":"auto","disable_parallel_tool_use":true}`,
			"responses": askRS + "," + toolsRS + `,"parallel_tool_calls":false`,
		}, answer: says("Hi"), got: wantText("Hi"), sent: func(up *llm.Request) string {
			// DashScope's default is false already.
			if p := up.ParallelToolCalls; p != nil && *p {
				return "parallel calls allowed"
			}
			return ""
		}},
	}
}

func contentFeatures() []feature {
	return []feature{
		{name: "structured output", bodies: map[string]string{
			"openai":    askOA + `,"response_format":{"type":"json_schema","json_schema":{"name":"place","strict":true,"schema":` + schema + `}}`,
			"anthropic": askOA + `,"output_config":{"format":{"type":"json_schema","schema":` + schema + `}}`,
			"responses": askRS + `,"text":{"format":{"type":"json_schema","name":"place","strict":true,"schema":` + schema + `}}`,
		}, answer: says(`{"city":"Bonn"}`), got: wantText(`{"city":"Bonn"}`), sent: func(up *llm.Request) string {
			if f := up.ResponseFormat; f == nil || f.Type != llm.FormatJSONSchema || !strings.Contains(string(f.Schema), `"city"`) {
				return fmt.Sprintf("format %+v", f)
			}
			return ""
		}},
		{name: "any JSON object", bodies: map[string]string{
			"openai":    `"messages":[{"role":"user","content":"Hello in JSON"}],"response_format":{"type":"json_object"}`,
			"anthropic": "-", "responses": `"input":"Hello in JSON","text":{"format":{"type":"json_object"}}`,
		}, answer: says(`{}`), got: wantText(`{}`), sent: func(up *llm.Request) string {
			if f := up.ResponseFormat; f == nil || f.Type != llm.FormatJSONObject {
				return fmt.Sprintf("format %+v", f)
			}
			return ""
		}},
		{name: "image by value", bodies: map[string]string{
			"openai":    `"messages":[{"role":"user","content":[{"type":"text","text":"Hello"},{"type":"image_url","image_url":{"url":"data:image/png;base64,` + pixel + `"}}]}]`,
			"anthropic": `"messages":[{"role":"user","content":[{"type":"text","text":"Hello"},{"type":"image","source":{"type":"base64","media_type":"image/png","data":"` + pixel + `"}}]}]`,
			"responses": `"input":[{"role":"user","content":[{"type":"input_text","text":"Hello"},{"type":"input_image","image_url":"data:image/png;base64,` + pixel + `"}]}]`,
		}, answer: says("A dot"), got: wantText("A dot"), sent: wantImage(func(m *llm.Media) bool { return m.Data == pixel && m.MIME == "image/png" })},
		{name: "image by URL", bodies: map[string]string{
			"openai":    `"messages":[{"role":"user","content":[{"type":"text","text":"Hello"},{"type":"image_url","image_url":{"url":"` + imageURL + `"}}]}]`,
			"anthropic": `"messages":[{"role":"user","content":[{"type":"text","text":"Hello"},{"type":"image","source":{"type":"url","url":"` + imageURL + `"}}]}]`,
			"responses": `"input":[{"role":"user","content":[{"type":"input_text","text":"Hello"},{"type":"input_image","image_url":"` + imageURL + `"}]}]`,
		}, answer: says("A cat"), got: wantText("A cat"), sent: wantImage(func(m *llm.Media) bool { return m.URL == imageURL })},
		{name: "reasoning effort in, reasoning text out", bodies: reasoningBodies(), answer: func(d llm.Dialect) *llm.Response {
			r := says("Hi")(d)
			r.Parts = append([]llm.Part{{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "I think so"}}}, r.Parts...)
			return r
		}, sent: wantReasoning, got: func(v view) string {
			if v.reasoning != "I think so" || v.text != "Hi" {
				return fmt.Sprintf("reasoning %q, text %q", v.reasoning, v.text)
			}
			return ""
		}},
		{name: "reasoning state survives the turn", bodies: reasoningBodies(), absent: stateless, answer: signed, sent: wantReasoning,
			got: func(v view) string { return wantCalls(view{calls: v.calls, finish: v.finish}) }, again: wantState},
	}
}

func reasoningBodies() map[string]string {
	return map[string]string{
		"openai":    askOA + "," + toolsOA + `,"reasoning_effort":"high"`,
		"anthropic": askOA + "," + toolsAN + `,"thinking":{"type":"adaptive"},"output_config":{"effort":"high"}`,
		"responses": askRS + "," + toolsRS + `,"reasoning":{"effort":"high","summary":"auto"},"include":["reasoning.encrypted_content"]`,
	}
}

func wantReasoning(up *llm.Request) string {
	if o := up.Reasoning; o == nil || o.Effort != "high" && o.Budget == nil && !o.Adaptive {
		return fmt.Sprintf("reasoning %+v", o)
	}
	return ""
}

// stateless are the providers that want nothing back.
func stateless(d llm.Dialect) bool { return d == llm.DialectOpenAI || d == llm.DialectDashScope }

// signed is an answer with the state of its provider.
func signed(d llm.Dialect) *llm.Response {
	r := calls(d)
	thought := &llm.Reasoning{Text: "I think so"}
	if d == llm.DialectAnthropic {
		thought.Signature, thought.Origin = opaque, d
	} else {
		r.Parts[0].ToolCall.Signature = opaque
	}
	r.Parts = append([]llm.Part{{Type: llm.PartReasoning, Reasoning: thought}}, r.Parts...)
	return r
}

// wantState finds the state where its provider wants it.
func wantState(up *llm.Request, d llm.Dialect) string {
	for _, m := range up.Messages {
		for _, p := range m.Parts {
			if d == llm.DialectAnthropic && p.Reasoning != nil && p.Reasoning.Signature == opaque && p.Reasoning.Text == "I think so" ||
				d == llm.DialectGemini && p.ToolCall != nil && p.ToolCall.Name == "weather" && p.ToolCall.Signature == opaque {
				return ""
			}
		}
	}
	return "no signature"
}

func endFeatures() []feature {
	ends := func(f llm.FinishReason) func(llm.Dialect) *llm.Response {
		return func(d llm.Dialect) *llm.Response {
			r := says("Hi")(d)
			r.Finish = f
			return r
		}
	}
	finishes := func(f llm.FinishReason) func(view) string {
		return func(v view) string {
			if v.finish != f {
				return fmt.Sprintf("finish %q", v.finish)
			}
			return ""
		}
	}
	return []feature{
		{name: "cut at max_tokens", bodies: same(""), answer: ends(llm.FinishLength), sent: anything, got: finishes(llm.FinishLength)},
		{name: "content filter", bodies: same(""), answer: ends(llm.FinishContentFilter), sent: anything, got: finishes(llm.FinishContentFilter),
			absent: func(d llm.Dialect) bool { return d == llm.DialectDashScope }},
		{name: "usage: cached and reasoning tokens", bodies: same(""), answer: func(d llm.Dialect) *llm.Response {
			r := says("Hi")(d)
			r.Usage = llm.Usage{Input: 100, CachedInput: 40, Output: 30, Reasoning: 10, Source: llm.UsageReported}
			return r
		}, sent: anything, got: func(v view) string {
			if v.usage.Input != 100 || v.usage.CachedInput != 40 || v.usage.Output != 30 || v.usage.Reasoning != 10 {
				return fmt.Sprintf("usage %+v", v.usage)
			}
			return ""
		}},
		{name: "errors in the client's form", bodies: same(""), fails: true},
	}
}
