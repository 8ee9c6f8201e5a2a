package gemini

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestEncodeContents(t *testing.T) {
	const old, latest = "gemini-2.5-pro", "models/gemini-3-pro-preview"
	cases := []struct {
		name, model, system, want string
		messages                  []llm.Message
	}{
		{name: "plain", want: `[{"role":"user","parts":[{"text":"hi <&>"}]}]`, messages: []llm.Message{text(llm.RoleUser, "hi <&>")}},
		{name: "system is hoisted", system: `{"parts":[{"text":"a"},{"text":"b"}]}`, want: `[{"role":"user","parts":[{"text":"x"},{"text":"y"}]}]`,
			messages: []llm.Message{text(llm.RoleSystem, "a"), text(llm.RoleUser, "x"), text(llm.RoleDeveloper, "b"), text(llm.RoleUser, "y")}},
		{name: "empty answer between", want: `[{"role":"user","parts":[{"text":"a"},{"text":"b"}]}]`,
			messages: []llm.Message{text(llm.RoleUser, "a"), text(llm.RoleAssistant, ""), text(llm.RoleUser, "b")}},
		{name: "results in the order of calls, the user behind", model: old,
			want: `[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"text":"so"},{"functionCall":{"name":"f","args":{"a":1},"id":"1"}},{"functionCall":{"name":"g","args":{},"id":"2"}}]},` +
				`{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"one"},"id":"1"}},{"functionResponse":{"name":"g","response":{"b":[2]},"id":"2"}}]},{"role":"user","parts":[{"text":"go on"}]}]`,
			messages: []llm.Message{text(llm.RoleUser, "q"), message(llm.RoleAssistant, llm.Part{Type: llm.PartText, Text: "so"}, call("1", "f", `{"a":1}`, ""), call("2", "g", "", "")),
				message(llm.RoleTool, result("2", `{"b":[2]}`)), message(llm.RoleTool, result("1", "one")), text(llm.RoleUser, "go on")}},
		{name: "ids that were made here stay here", model: old,
			want:     `[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{}}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"[1]"}}}]}]`,
			messages: []llm.Message{text(llm.RoleUser, "q"), message(llm.RoleAssistant, call("call_gm_x_0", "f", "{}", "")), message(llm.RoleTool, result("call_gm_x_0", "[1]"))}},
		{name: "signatures go back", model: latest,
			want: `[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"text":"plan","thought":true,"thoughtSignature":"A="},{"text":"so","thoughtSignature":"B="},{"functionCall":{"name":"f","args":{},"id":"1"},"thoughtSignature":"C="},{"functionCall":{"name":"f","args":{},"id":"2"}}]},` +
				`{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"x"},"id":"1"}},{"functionResponse":{"name":"f","response":{"result":"y"},"id":"2"}}]}]`,
			messages: []llm.Message{text(llm.RoleUser, "q"), message(llm.RoleAssistant, thinking("plan", "A="), llm.Part{Type: llm.PartText, Text: "so"}, thinking("", "B="), call("1", "f", "", "C="), call("2", "f", "", "")),
				message(llm.RoleTool, result("1", "x"), result("2", "y"))}},
		{name: "lost signatures of the unfinished turn", model: latest,
			want: `[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{},"id":"1"}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"x"},"id":"1"}}]},{"role":"model","parts":[{"text":"a"}]},` +
				`{"role":"user","parts":[{"text":"r"}]},{"role":"model","parts":[{"functionCall":{"name":"f","args":{},"id":"2"},"thoughtSignature":"skip_thought_signature_validator"},{"functionCall":{"name":"f","args":{},"id":"3"}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"y"},"id":"2"}},{"functionResponse":{"name":"f","response":{"result":"z"},"id":"3"}}]},` +
				`{"role":"model","parts":[{"functionCall":{"name":"f","args":{},"id":"4"},"thoughtSignature":"skip_thought_signature_validator"}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"w"},"id":"4"}}]}]`,
			messages: []llm.Message{text(llm.RoleUser, "q"), message(llm.RoleAssistant, call("1", "f", "", "")), message(llm.RoleTool, result("1", "x")), text(llm.RoleAssistant, "a"),
				text(llm.RoleUser, "r"), message(llm.RoleAssistant, call("2", "f", "", ""), call("3", "f", "", "")), message(llm.RoleTool, result("2", "y"), result("3", "z")),
				message(llm.RoleAssistant, call("4", "f", "", "")), message(llm.RoleTool, result("4", "w"))}},
		{name: "thinking of others", model: latest, want: `[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"text":"a"}]},{"role":"user","parts":[{"text":"r"}]}]`,
			messages: []llm.Message{text(llm.RoleUser, "q"), message(llm.RoleAssistant, thinking("unsigned", ""),
				llm.Part{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "t", Signature: "s", Origin: llm.DialectAnthropic}}, llm.Part{Type: llm.PartText, Text: "a"}), text(llm.RoleUser, "r")}},
		{name: "signature before its text", model: latest, want: `[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"text":"a","thoughtSignature":"A="}]},{"role":"user","parts":[{"text":"r"}]}]`,
			messages: []llm.Message{text(llm.RoleUser, "q"), message(llm.RoleAssistant, thinking("plan", ""), thinking("", "A="), llm.Part{Type: llm.PartText, Text: "a"}), text(llm.RoleUser, "r")}},
		{name: "two signatures, one text", model: latest, want: `[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"text":"","thoughtSignature":"A="},{"text":"a","thoughtSignature":"B="}]},{"role":"user","parts":[{"text":"r"}]}]`,
			messages: []llm.Message{text(llm.RoleUser, "q"), message(llm.RoleAssistant, thinking("", "A="), llm.Part{Type: llm.PartText, Text: "a"}, thinking("", "B=")), text(llm.RoleUser, "r")}},
		{name: "signature without a text", model: old, want: `[{"role":"user","parts":[{"text":"q"}]},{"role":"model","parts":[{"text":"","thoughtSignature":"A="},{"functionCall":{"name":"f","args":{},"id":"1"}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"x"},"id":"1"}}]}]`,
			messages: []llm.Message{text(llm.RoleUser, "q"), message(llm.RoleAssistant, thinking("", "A="), call("1", "f", "", "")), message(llm.RoleTool, result("1", "x"))}},
		{name: "failed results", model: old,
			want: `[{"role":"model","parts":[{"functionCall":{"name":"f","args":{},"id":"1"}},{"functionCall":{"name":"f","args":{},"id":"2"}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"error":"no"},"id":"1"}},{"functionResponse":{"name":"f","response":{"error":{"c":1}},"id":"2"}}]}]`,
			messages: []llm.Message{message(llm.RoleAssistant, call("1", "f", "", ""), call("2", "f", "", "")), message(llm.RoleTool,
				llm.Part{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "1", IsError: true, Parts: []llm.Part{{Type: llm.PartText, Text: "no"}}}},
				llm.Part{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "2", IsError: true, Parts: []llm.Part{{Type: llm.PartText, Text: `{"c":1}`}}}})}},
		{name: "media", want: `[{"role":"user","parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"},"mediaResolution":{"level":"MEDIA_RESOLUTION_LOW"}},{"fileData":{"mimeType":"image/webp","fileUri":"https://x/y.webp?z=1#q"}},{"fileData":{"mimeType":"image/jpeg","fileUri":"https://x/y"},"mediaResolution":{"level":"MEDIA_RESOLUTION_HIGH"}},` +
			`{"inlineData":{"mimeType":"audio/wav","data":"AAAA"}},{"fileData":{"mimeType":"application/pdf","fileUri":"https://x/doc"}},{"fileData":{"mimeType":"text/plain","fileUri":"files/1"}}]}]`,
			messages: []llm.Message{message(llm.RoleUser,
				llm.Part{Type: llm.PartImage, Media: &llm.Media{MIME: "image/png", Data: "AAAA", Detail: "low"}},
				llm.Part{Type: llm.PartImage, Media: &llm.Media{URL: "https://x/y.webp?z=1#q"}},
				llm.Part{Type: llm.PartImage, Media: &llm.Media{URL: "https://x/y", Detail: "high"}},
				llm.Part{Type: llm.PartAudio, Media: &llm.Media{MIME: "audio/wav", Data: "AAAA"}},
				llm.Part{Type: llm.PartFile, Media: &llm.Media{URL: "https://x/doc"}},
				llm.Part{Type: llm.PartFile, Media: &llm.Media{FileID: "files/1", MIME: "text/plain"}})}},
		{name: "image in a result", model: old, want: `[{"role":"model","parts":[{"functionCall":{"name":"f","args":{},"id":"1"}}]},{"role":"user","parts":[{"functionResponse":{"name":"f","response":{"result":"see"},"id":"1","parts":[{"inlineData":{"mimeType":"image/png","data":"AAAA"}}]}}]}]`,
			messages: []llm.Message{message(llm.RoleAssistant, call("1", "f", "", "")), message(llm.RoleTool, llm.Part{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "1",
				Parts: []llm.Part{{Type: llm.PartText, Text: "see"}, {Type: llm.PartImage, Media: &llm.Media{MIME: "image/png", Data: "AAAA"}}}}})}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var got struct {
				System   json.RawMessage `json:"systemInstruction"`
				Contents json.RawMessage `json:"contents"`
			}
			out := encode(t, codec, chat(c.model), &llm.Request{Messages: c.messages})
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatal(err)
			}
			if string(got.System) != c.system || string(got.Contents) != c.want {
				t.Errorf("system %s\ncontents %s\nwant %s\n%s", got.System, got.Contents, c.system, c.want)
			}
		})
	}
}

func TestEncodeMembers(t *testing.T) {
	schema := json.RawMessage(`{"type":"object","properties":{"a":{"$ref":"#/$defs/x"}},"$defs":{"x":{"const":1}}}`)
	config := func(s string) string { return `"generationConfig":{` + s + `}` }
	cases := []struct {
		name string
		mod  func(*llm.Request)
		want string // the members besides contents
	}{
		{"nothing", func(*llm.Request) {}, ``},
		{"sampling", func(r *llm.Request) {
			r.MaxTokens, r.Temperature, r.TopP, r.TopK, r.Stop, r.Seed = ptr(int64(5)), ptr(0.5), ptr(0.25), ptr(int64(3)), []string{"a"}, ptr(int64(-7))
			r.PresencePenalty, r.FrequencyPenalty = ptr(1.5), ptr(-1.0)
		}, config(`"maxOutputTokens":5,"temperature":0.5,"topP":0.25,"topK":3,"seed":-7,"presencePenalty":1.5,"frequencyPenalty":-1,"stopSequences":["a"]`)},
		{"format text", func(r *llm.Request) { r.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatText} }, ``},
		{"format JSON", func(r *llm.Request) { r.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatJSONObject} }, config(`"responseMimeType":"application/json"`)},
		{"format schema", func(r *llm.Request) {
			r.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatJSONSchema, Schema: schema}
		},
			config(`"responseMimeType":"application/json","responseJsonSchema":` + string(schema))},
		{"thinking level", func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Effort: "low"} }, config(`"thinkingConfig":{"thinkingLevel":"LOW","includeThoughts":true}`)},
		{"thinking budget", func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Budget: ptr(int64(512))} }, config(`"thinkingConfig":{"thinkingBudget":512,"includeThoughts":true}`)},
		{"thinking unseen", func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Budget: ptr(int64(512)), Summary: "omitted"} }, config(`"thinkingConfig":{"thinkingBudget":512,"includeThoughts":false}`)},
		{"thinking by itself", func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Adaptive: true} }, config(`"thinkingConfig":{"thinkingBudget":-1,"includeThoughts":true}`)},
		{"thinking off", func(r *llm.Request) { r.Reasoning = &llm.ReasoningOptions{Budget: ptr(int64(0))} }, config(`"thinkingConfig":{"thinkingBudget":0}`)},
		{"tools in one element", func(r *llm.Request) {
			r.Tools = []llm.Tool{{Name: "f", Description: "d", Parameters: schema}, {Type: "googleSearch", Raw: json.RawMessage(`{"googleSearch":{}}`)}, {Name: "g"}, {Name: "h", Parameters: json.RawMessage(`{"type":"object","properties":{ },"additionalProperties":false}`)}}
		}, `"tools":[{"functionDeclarations":[{"name":"f","description":"d","parametersJsonSchema":` + string(schema) + `},{"name":"g"},{"name":"h"}]},{"googleSearch":{}}]`},
		{"choice auto", func(r *llm.Request) {
			r.Tools, r.ToolChoice = []llm.Tool{{Name: "f"}}, &llm.ToolChoice{Mode: llm.ToolAuto}
		}, `"tools":[{"functionDeclarations":[{"name":"f"}]}]`},
		{"choice none", func(r *llm.Request) {
			r.Tools, r.ToolChoice = []llm.Tool{{Name: "f"}}, &llm.ToolChoice{Mode: llm.ToolNone}
		},
			`"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"NONE"}}`},
		{"choice required", func(r *llm.Request) {
			r.Tools, r.ToolChoice = []llm.Tool{{Name: "f"}}, &llm.ToolChoice{Mode: llm.ToolRequired}
		},
			`"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY"}}`},
		{"choice named", func(r *llm.Request) {
			r.Tools, r.ToolChoice = []llm.Tool{{Name: "f"}}, &llm.ToolChoice{Mode: llm.ToolNamed, Name: "f"}
		},
			`"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"ANY","allowedFunctionNames":["f"]}}`},
		{"strict", func(r *llm.Request) { r.Tools = []llm.Tool{{Name: "f", Strict: ptr(true)}} },
			`"tools":[{"functionDeclarations":[{"name":"f"}]}],"toolConfig":{"functionCallingConfig":{"mode":"VALIDATED"}}`},
		{"extra", func(r *llm.Request) {
			r.Extra = []llm.Member{{Name: "safetySettings", Value: json.RawMessage(`[]`)}, {Name: "generationConfig.imageConfig", Value: json.RawMessage(`{}`)}}
		}, config(`"imageConfig":{}`) + `,"safetySettings":[]`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r := &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "q")}}
			c.mod(r)
			var got, want map[string]json.RawMessage
			if err := json.Unmarshal(encode(t, codec, chat("gemini-2.5-pro"), r), &got); err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal([]byte("{"+c.want+"}"), &want); err != nil {
				t.Fatal(err)
			}
			delete(got, "contents")
			if diff := cmp.Diff(want, got, cmp.Transformer("text", func(v json.RawMessage) string { return string(v) })); diff != "" {
				t.Error(diff)
			}
		})
	}
	lost := &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "q")}, Extra: []llm.Member{{Name: "toolConfig.x"}}}
	if _, err := codec.AppendRequest(nil, chat("m"), lost); llmError(t, err).Param != "toolConfig.x" {
		t.Error("a member that has lost its place is dropped")
	}
}

func TestEncodeCount(t *testing.T) {
	c := &llm.Call{Op: llm.OpCountTokens, Model: "gemini-2.5-pro"}
	plain := &llm.Request{Messages: []llm.Message{text(llm.RoleUser, "q")}, MaxTokens: ptr(int64(4))}
	full := &llm.Request{Messages: []llm.Message{text(llm.RoleSystem, "s"), text(llm.RoleUser, "q")}, Tools: []llm.Tool{{Name: "f"}}}
	const inner = `"systemInstruction":{"parts":[{"text":"s"}]},"contents":[{"role":"user","parts":[{"text":"q"}]}],"tools":[{"functionDeclarations":[{"name":"f"}]}]`
	for _, x := range []struct {
		k    Codec
		r    *llm.Request
		want string
	}{
		{Codec{}, plain, `{"contents":[{"role":"user","parts":[{"text":"q"}]}]}`},
		{Codec{}, full, `{"generateContentRequest":{"model":"models/gemini-2.5-pro",` + inner + `}}`},
		{Codec{Vertex: true}, full, `{` + inner + `}`},
	} {
		got := string(encode(t, x.k, c, x.r))
		if got != x.want {
			t.Errorf("%s", got)
		}
		back := decode(t, llm.OpCountTokens, got)
		if len(back.Messages) != len(x.r.Messages) || len(back.Tools) != len(x.r.Tools) {
			t.Errorf("reads as %+v", back)
		}
	}
}

func TestMethod(t *testing.T) {
	vertex := Codec{Vertex: true}
	for _, x := range []struct {
		k    Codec
		c    llm.Call
		want string
	}{
		{codec, llm.Call{Op: llm.OpChat}, "generateContent"},
		{codec, llm.Call{Op: llm.OpChat, Stream: true}, "streamGenerateContent"},
		{codec, llm.Call{Op: llm.OpCountTokens, Stream: true}, "countTokens"},
		{codec, llm.Call{Op: llm.OpEmbed, Model: "gemini-embedding-001"}, "batchEmbedContents"},
		{vertex, llm.Call{Op: llm.OpEmbed, Model: "gemini-embedding-001"}, "predict"},
		{vertex, llm.Call{Op: llm.OpEmbed, Model: "text-embedding-005"}, "predict"},
		{vertex, llm.Call{Op: llm.OpEmbed, Model: "gemini-embedding-2"}, "embedContent"},
		{Codec{Embed: EmbedContent}, llm.Call{Op: llm.OpEmbed}, "embedContent"},
	} {
		if got := x.k.Method(&x.c); got != x.want {
			t.Errorf("%+v: %s, want %s", x.c, got, x.want)
		}
	}
}

func TestEmbed(t *testing.T) {
	dims := ptr(int64(2))
	cases := []struct {
		name    string
		k       Codec
		model   string
		in      []string
		request string
		answer  string
		usage   llm.Usage
	}{
		{"batch", Codec{}, "gemini-embedding-001", []string{"a", "b"},
			`{"requests":[{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"a"}]},"outputDimensionality":2},{"model":"models/gemini-embedding-001","content":{"parts":[{"text":"b"}]},"outputDimensionality":2}]}`,
			`{"embeddings":[{"values":[0.5,-1]},{"values":[0.25,1e-07]}]}`, llm.Usage{}},
		{"one", Codec{Vertex: true}, "gemini-embedding-2", []string{"a"},
			`{"content":{"parts":[{"text":"a"}]},"outputDimensionality":2}`,
			`{"embedding":{"values":[0.5,-1]},"usageMetadata":{"promptTokenCount":3}}`, llm.Usage{Input: 3, Source: llm.UsageReported}},
		{"predict", Codec{Vertex: true}, "text-embedding-005", []string{"a", "b"},
			`{"instances":[{"content":"a"},{"content":"b"}],"parameters":{"outputDimensionality":2}}`,
			`{"predictions":[{"embeddings":{"values":[0.5,-1],"statistics":{"truncated":false,"token_count":4}}},{"embeddings":{"values":[0.25,1e-07],"statistics":{"truncated":false,"token_count":0}}}]}`,
			llm.Usage{Input: 4, Source: llm.UsageReported}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			call := &llm.Call{Op: llm.OpEmbed, Model: c.model}
			r := &llm.Request{Embed: &llm.EmbedRequest{Input: c.in, Dimensions: dims}}
			out := encode(t, c.k, call, r)
			if string(out) != c.request {
				t.Errorf("%s", out)
			}
			if back := decode(t, llm.OpEmbed, string(out)); cmp.Diff(r.Embed, back.Embed) != "" {
				t.Errorf("reads as %+v", back.Embed)
			}
			got, err := c.k.DecodeResponse(llm.OpEmbed, []byte(c.answer))
			if err != nil {
				t.Fatal(err)
			}
			want := []llm.Embedding{{Vector: []float32{0.5, -1}}, {Index: 1, Vector: []float32{0.25, 1e-7}}}[:len(c.in)]
			if diff := cmp.Diff(want, got.Embeddings); diff != "" || got.Usage != c.usage {
				t.Errorf("%s%+v", diff, got.Usage)
			}
			got.Model = c.model
			if b, err := c.k.AppendResponse(nil, llm.OpEmbed, got, nil); err != nil || string(b) != c.answer {
				t.Errorf("written as %s, %v", b, err)
			}
		})
	}
	b64 := &llm.Response{Embeddings: []llm.Embedding{{Base64: "AAAAPwAAgL8="}}}
	if b, _ := codec.AppendResponse(nil, llm.OpEmbed, b64, nil); string(b) != `{"embeddings":[{"values":[0.5,-1]}]}` {
		t.Errorf("%s", b)
	}
	if b, _ := (Codec{Embed: EmbedContent}).AppendResponse(nil, llm.OpEmbed, &llm.Response{}, nil); string(b) != `{"embedding":{"values":[]}}` {
		t.Errorf("%s", b)
	}
}

func TestEmbedFails(t *testing.T) {
	call := &llm.Call{Op: llm.OpEmbed, Model: "m"}
	for _, r := range []*llm.Request{{}, {Embed: &llm.EmbedRequest{Tokens: [][]int64{{1}}}}} {
		if _, err := codec.AppendRequest(nil, call, r); llmError(t, err).Param != "input" {
			t.Errorf("%v", err)
		}
	}
	two := &llm.Request{Embed: &llm.EmbedRequest{Input: []string{"a", "b"}}}
	if _, err := (Codec{Embed: EmbedContent}).AppendRequest(nil, call, two); llmError(t, err).Kind != llm.KindUnsupported {
		t.Errorf("%v", err)
	}
	if _, err := codec.AppendRequest(nil, chat("m"), two); err == nil {
		t.Error("a chat of embeddings")
	}
	for _, body := range []string{``, `{}`, `{"embeddings":[]}`, `{"embeddings":[{}]}`, `{"embeddings":[{"values":["x"]}]}`, `{"predictions":[{}]}`} {
		if _, err := codec.DecodeResponse(llm.OpEmbed, []byte(body)); llmError(t, err).Kind != llm.KindUpstreamError {
			t.Errorf("%s: %v", body, err)
		}
	}
	if _, err := codec.DecodeResponse(llm.OpEmbed, []byte(`{"error":{"code":429,"status":"RESOURCE_EXHAUSTED"}}`)); llmError(t, err).Kind != llm.KindUpstreamRateLimited {
		t.Errorf("%v", err)
	}
}
