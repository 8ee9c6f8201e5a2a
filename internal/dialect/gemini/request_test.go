package gemini

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
const everything = `{"system_instruction":{"role":"user","parts":[{"text":"Be brief."}]},
"contents":[{"parts":[{"text":"Hi"},{"inlineData":{"mimeType":"image/png","data":"_-A="},"mediaResolution":{"level":"MEDIA_RESOLUTION_HIGH"}},{"fileData":{"mime_type":"application/pdf","fileUri":"https://example.com/a.pdf"}},{"fileData":{"mimeType":"audio/mp3","fileUri":"gs://b/a.mp3"}}]},
 {"role":"model","parts":[{"text":"plan","thought":true,"thoughtSignature":"A="},{"text":"Looking.","thoughtSignature":"B="},{"functionCall":{"name":"weather","args":{"n":1.0}},"thoughtSignature":"C="},{"functionCall":{"name":"weather","id":"own"}}]},
 {"role":"function","parts":[{"functionResponse":{"name":"weather","response":{"result":"rain"}}},{"functionResponse":{"name":"weather","id":"own","response":{"error":"late"}}},{"text":"And?"}]}],
"tools":[{"functionDeclarations":[{"name":"weather","description":"d","parameters":{"type":"OBJECT","properties":{"n":{"type":"NUMBER"}}}},{"name":"now"}]},{"googleSearch":{}}],
"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["weather"]}},
"generationConfig":{"temperature":1.5,"topP":0.9,"top_k":5,"maxOutputTokens":100,"stopSequences":["END"],"seed":7,"presencePenalty":0.5,"frequencyPenalty":-0.5,"candidateCount":1,"responseLogprobs":true,"logprobs":2,
 "responseMimeType":"application/json","responseSchema":{"type":"OBJECT"},"thinkingConfig":{"thinkingLevel":"HIGH","includeThoughts":true},"responseModalities":["TEXT"],"speechConfig":{}},
"safetySettings":[{"category":"X"}]}`

func TestDecodeRequest(t *testing.T) {
	want := &llm.Request{
		IncludeUsage: true, MaxTokens: ptr(int64(100)), Temperature: ptr(1.5), TopP: ptr(0.9), TopK: ptr(int64(5)), Stop: []string{"END"}, Seed: ptr(int64(7)),
		PresencePenalty: ptr(0.5), FrequencyPenalty: ptr(-0.5), N: ptr(int64(1)), Logprobs: ptr(true), TopLogprobs: ptr(int64(2)),
		Messages: []llm.Message{
			text(llm.RoleSystem, "Be brief."),
			message(llm.RoleUser, llm.Part{Type: llm.PartText, Text: "Hi"},
				llm.Part{Type: llm.PartImage, Media: &llm.Media{MIME: "image/png", Data: "/+A=", Detail: "high"}},
				llm.Part{Type: llm.PartFile, Media: &llm.Media{MIME: "application/pdf", URL: "https://example.com/a.pdf"}},
				llm.Part{Type: llm.PartAudio, Media: &llm.Media{MIME: "audio/mp3", FileID: "gs://b/a.mp3"}}),
			message(llm.RoleAssistant, thinking("plan", "A="), llm.Part{Type: llm.PartText, Text: "Looking."}, thinking("", "B="),
				call("call_gm_0", "weather", `{"n":1.0}`, "C="), call("own", "weather", "{}", "")),
			message(llm.RoleTool,
				llm.Part{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "call_gm_0", Name: "weather", Parts: []llm.Part{{Type: llm.PartText, Text: "rain"}}}},
				llm.Part{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "own", Name: "weather", IsError: true, Parts: []llm.Part{{Type: llm.PartText, Text: "late"}}}}),
			text(llm.RoleUser, "And?"),
		},
		Tools: []llm.Tool{
			{Name: "weather", Description: "d", Parameters: json.RawMessage(`{"type":"object","properties":{"n":{"type":"number"}}}`)},
			{Name: "now"}, {Type: "googleSearch", Raw: json.RawMessage(`{"googleSearch":{}}`)},
		},
		ToolChoice:     &llm.ToolChoice{Mode: llm.ToolNamed, Name: "weather"},
		ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONSchema, Name: "response", Schema: json.RawMessage(`{"type":"object"}`)},
		Reasoning:      &llm.ReasoningOptions{Effort: "high", Summary: "auto"},
		Extra: []llm.Member{{Name: "generationConfig.speechConfig", Value: json.RawMessage(`{}`)},
			{Name: "safetySettings", Value: json.RawMessage(`[{"category":"X"}]`)}},
	}
	if diff := cmp.Diff(want, decode(t, llm.OpChat, everything)); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeConfig(t *testing.T) {
	body := func(s string) string { return `{"contents":[{"parts":[{"text":"q"}]}],` + s + `}` }
	cases := []struct {
		in   string
		want llm.Request
	}{
		{`"generationConfig":{"thinkingConfig":{"thinkingBudget":0}}`, llm.Request{Reasoning: &llm.ReasoningOptions{Budget: ptr(int64(0))}}},
		{`"generationConfig":{"thinkingConfig":{"thinkingBudget":-1,"includeThoughts":false}}`, llm.Request{Reasoning: &llm.ReasoningOptions{Adaptive: true, Summary: dialect.SummaryOmitted}}},
		{`"generationConfig":{"thinkingConfig":{}}`, llm.Request{}},
		{`"generationConfig":{"responseMimeType":"application/json"}`, llm.Request{ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONObject}}},
		{`"generationConfig":{"responseMimeType":"text/plain"}`, llm.Request{}},
		{`"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}`, llm.Request{ToolChoice: &llm.ToolChoice{Mode: llm.ToolNone}}},
		{`"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["a","b"]}}`, llm.Request{ToolChoice: &llm.ToolChoice{Mode: llm.ToolRequired, Allowed: []string{"a", "b"}}}},
		{`"tools":[{"functionDeclarations":[{"name":"a"}]}],"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}}`,
			llm.Request{Tools: []llm.Tool{{Name: "a", Strict: ptr(true)}}, ToolChoice: &llm.ToolChoice{Mode: llm.ToolAuto}}},
		{`"toolConfig":{"retrievalConfig":{}},"generationConfig":{"responseModalities":["AUDIO"]}`,
			llm.Request{Extra: []llm.Member{{Name: "toolConfig.retrievalConfig", Value: json.RawMessage(`{}`)}, {Name: "generationConfig.responseModalities", Value: json.RawMessage(`["AUDIO"]`)}}}},
	}
	for _, c := range cases {
		got := decode(t, llm.OpChat, body(c.in))
		c.want.IncludeUsage, c.want.Messages = true, []llm.Message{text(llm.RoleUser, "q")}
		if diff := cmp.Diff(&c.want, got); diff != "" {
			t.Errorf("%s: %s", c.in, diff)
		}
	}
}

func TestDecodeRequestRefuses(t *testing.T) {
	part := func(s string) string { return `{"contents":[{"parts":[` + s + `]}]}` }
	config := func(s string) string {
		return `{"contents":[{"parts":[{"text":"q"}]}],"generationConfig":{` + s + `}}`
	}
	cases := []struct{ name, body, param string }{
		{"not JSON", `{"contents":`, ""},
		{"no contents", `{}`, "contents"},
		{"role", `{"contents":[{"role":"assistant","parts":[]}]}`, "contents[0].role"},
		{"member of a content", `{"contents":[{"part":[]}]}`, "contents[0].part"},
		{"no data", part(`{"thought":true}`), "contents[0].parts[0]"},
		{"two data", part(`{"text":"a","inlineData":{"mimeType":"a/b","data":"AAAA"}}`), "contents[0].parts[0]"},
		{"unknown part", part(`{"executableCode":{}}`), "contents[0].parts[0].executableCode"},
		{"not base64", part(`{"inlineData":{"mimeType":"image/png","data":"?"}}`), "contents[0].parts[0].inlineData.data"},
		{"no media type", part(`{"inlineData":{"data":"AAAA"}}`), "contents[0].parts[0].inlineData.mimeType"},
		{"no data in inlineData", part(`{"inlineData":{"mimeType":"image/png"}}`), "contents[0].parts[0].inlineData.data"},
		{"no URI", part(`{"fileData":{"mimeType":"image/png"}}`), "contents[0].parts[0].fileData.fileUri"},
		{"call without name", part(`{"functionCall":{"args":{}}}`), "contents[0].parts[0].functionCall.name"},
		{"args a string", part(`{"functionCall":{"name":"f","args":"{}"}}`), "contents[0].parts[0].functionCall.args"},
		{"response without name", part(`{"functionResponse":{"response":{}}}`), "contents[0].parts[0].functionResponse.name"},
		{"response without response", part(`{"functionResponse":{"name":"f"}}`), "contents[0].parts[0].functionResponse.response"},
		{"response a string", part(`{"functionResponse":{"name":"f","response":"x"}}`), "contents[0].parts[0].functionResponse.response"},
		{"orphan response", part(`{"functionResponse":{"name":"f","response":{}}}`), "contents[0].parts"},
		{"system image", `{"systemInstruction":{"parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]},"contents":[{}]}`, "systemInstruction.parts[0]"},
		{"temperature", config(`"temperature":2.5`), "generationConfig.temperature"},
		{"candidates", config(`"candidateCount":9`), "generationConfig.candidateCount"},
		{"max tokens", config(`"maxOutputTokens":0`), "generationConfig.maxOutputTokens"},
		{"seed", config(`"seed":3000000000`), "generationConfig.seed"},
		{"stops", config(`"stopSequences":["1","2","3","4","5","6"]`), "generationConfig.stopSequences"},
		{"schema without JSON", config(`"responseSchema":{}`), "generationConfig.responseMimeType"},
		{"enum", config(`"responseMimeType":"text/x.enum"`), "generationConfig.responseMimeType"},
		{"thinking", config(`"thinkingConfig":{"effort":1}`), "generationConfig.thinkingConfig.effort"},
		{"response in two", part(`{"functionResponse":{"name":"f","response":{},"parts":[{"text":"x"}]}}`), "contents[0].parts[0].functionResponse.parts[0].text"},
		{"member of a call", part(`{"functionCall":{"name":"f","x":1}}`), "contents[0].parts[0].functionCall.x"},
		{"member of a response", part(`{"functionResponse":{"name":"f","x":1}}`), "contents[0].parts[0].functionResponse.x"},
		{"member of a file", part(`{"fileData":{"mimeType":"a/b","fileUri":"x","y":1}}`), "contents[0].parts[0].fileData.y"},
		{"resolution", part(`{"inlineData":{"mimeType":"image/png","data":"AAAA"},"mediaResolution":{"level":1}}`), "contents[0].parts[0].mediaResolution.level"},
		{"level", config(`"thinkingConfig":{"thinkingLevel":"HUGE"}`), "generationConfig.thinkingConfig.thinkingLevel"},
		{"budget", config(`"thinkingConfig":{"thinkingBudget":-2}`), "generationConfig.thinkingConfig.thinkingBudget"},
		{"member of the calling", `{"contents":[{}],"toolConfig":{"functionCallingConfig":{"x":1}}}`, "toolConfig.functionCallingConfig.x"},
		{"mode", `{"contents":[{}],"toolConfig":{"functionCallingConfig":{"mode":"MAYBE"}}}`, "toolConfig.functionCallingConfig.mode"},
		{"function without name", `{"contents":[{}],"tools":[{"functionDeclarations":[{}]}]}`, "tools[0].functionDeclarations[0].name"},
		{"member of a function", `{"contents":[{}],"tools":[{"functionDeclarations":[{"name":"f","strict":true}]}]}`, "tools[0].functionDeclarations[0].strict"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := codec.DecodeRequest(llm.OpChat, []byte(c.body))
			e := llmError(t, err)
			if e.Param != c.param || e.Kind != llm.KindInvalidRequest && e.Kind != llm.KindUnsupported || !strings.Contains(e.Message, c.param) {
				t.Errorf("%s about %q (%s), want %q", e.Kind, e.Param, e.Message, c.param)
			}
		})
	}
	if _, err := codec.DecodeRequest(llm.OpEmbed, []byte(`{"instances":[{"content":5}]}`)); llmError(t, err).Param != "instances[0].content" {
		t.Errorf("%v", err)
	}
	if _, err := codec.DecodeRequest(llm.OpEmbed, []byte(`{"requests":[]}`)); llmError(t, err).Param != "requests" {
		t.Errorf("%v", err)
	}
}

func TestDecodeEmbedExtras(t *testing.T) {
	r := decode(t, llm.OpEmbed, `{"requests":[{"model":"models/m","content":{"parts":[{"text":"a"},{"text":"b"}]},"task_type":"X"},{"model":"models/m","content":{"parts":[{"text":"c"}]},"taskType":"X"}]}`)
	want := &llm.Request{IncludeUsage: true, Model: "models/m", Embed: &llm.EmbedRequest{Input: []string{"ab", "c"}},
		Extra: []llm.Member{{Name: "taskType", Value: json.RawMessage(`"X"`)}}}
	if diff := cmp.Diff(want, r); diff != "" {
		t.Error(diff)
	}
	got := string(encode(t, codec, &llm.Call{Op: llm.OpEmbed, Model: "tunedModels/m"}, r))
	if got != `{"requests":[{"model":"tunedModels/m","content":{"parts":[{"text":"ab"}]},"taskType":"X"},{"model":"tunedModels/m","content":{"parts":[{"text":"c"}]},"taskType":"X"}]}` {
		t.Error(got)
	}
	single := decode(t, llm.OpEmbed, `{"instances":[{"content":"a","task_type":"X"}],"parameters":{"autoTruncate":true}}`)
	if len(single.Extra) != 2 || single.Embed.Input[0] != "a" {
		t.Errorf("%+v", single)
	}
}

func TestOutcome(t *testing.T) {
	for in, want := range map[string]struct {
		text   string
		failed bool
	}{
		`{"result":"a"}`:       {"a", false},
		`{"result":{"b":1}}`:   {`{"result":{"b":1}}`, false},
		`{"result":"a","b":1}`: {`{"result":"a","b":1}`, false},
		`{"error":"no"}`:       {"no", true},
		`{"error":{"code":1}}`: {`{"code":1}`, true},
		`{"error":5}`:          {`{"error":5}`, false},
		`{"return_value":"x"}`: {`{"return_value":"x"}`, false},
		`{}`:                   {`{}`, false},
	} {
		if text, failed := outcome([]byte(in)); text != want.text || failed != want.failed {
			t.Errorf("%s: %q, %v", in, text, failed)
		}
	}
}

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
			c := chat("gemini-3-pro-preview")
			s := dialect.SupportGemini(c.Model)
			s.Same = true
			r, _, err := dialect.Fit(decode(t, llm.OpChat, string(raw)), s, false)
			if err != nil {
				t.Fatal(err)
			}
			out := encode(t, codec, c, r)
			dialecttest.Golden(t, "request/"+name+".out.json", indent(t, out))
			twice := encode(t, codec, c, decode(t, llm.OpChat, string(out)))
			if !bytes.Equal(out, twice) {
				t.Errorf("a second time it is\n%s\nnot\n%s", twice, out)
			}
		})
	}
}
