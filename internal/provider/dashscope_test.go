package provider

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/providertest"
)

// One answer of DashScope, whole and as a stream.
const (
	dashScopeUsage = `"usage":{"total_tokens":20,"output_tokens":7,"input_tokens":13,"output_tokens_details":{"reasoning_tokens":2},"prompt_tokens_details":{"cached_tokens":4}},"request_id":"r-1"}`
	dashScopeGood  = `{"output":{"choices":[{"finish_reason":"stop","message":{"role":"assistant","content":"Grüße, 世界 🙂"}}]},` + dashScopeUsage
)

var dashScopeStream = dashScopeEvent("1", "Grüße, ", "null") + dashScopeEvent("2", "世界 🙂", "null") + dashScopeEvent("3", "", "stop")

func dashScopeEvent(id, text, finish string) string {
	return "id:" + id + "\nevent:result\n:HTTP_STATUS/200\n" + `data:{"output":{"choices":[{"message":{"content":"` + text + `","role":"assistant"},"finish_reason":"` + finish + `"}]},` + dashScopeUsage + "\n\n"
}

const (
	textPath  = "/api/v1/services/aigc/text-generation/generation"
	mediaPath = "/api/v1/services/aigc/multimodal-generation/generation"
)

func dashScopeSpec(t *testing.T) providertest.Spec {
	return providertest.Spec{
		New: func(_ testing.TB, o providertest.Target) (llm.Provider, error) {
			return NewDashScope(DashScopeOptions{Account: Account{Name: "dashscope", BaseURL: o.BaseURL + "/api/v1", Keys: []string{o.Key}, Client: o.Client, MaxBody: o.MaxBody}, Workspace: "ws-1"})
		},
		Call: func(stream bool) *llm.Call { return canonical("qwen-plus", stream) },
		Path: textPath,
		CheckRequest: func(t testing.TB, r *providertest.Request, stream bool) {
			sse, incremental := "", `"parameters":{"result_format":"message"}`
			if stream {
				sse, incremental = "enable", `"incremental_output":true`
			}
			wantHeaders(t, r, map[string]string{"Authorization": "Bearer " + providertest.Key, "X-DashScope-SSE": sse, "X-DashScope-WorkSpace": "ws-1"})
			wantBody(t, r, `"model":"qwen-plus"`, incremental)
		},
		Good: dashScopeGood, Stream: dashScopeStream, Text: "Grüße, 世界 🙂",
		Usage:       llm.Usage{Input: 13, CachedInput: 4, Output: 7, Reasoning: 2, Source: llm.UsageReported},
		Finish:      llm.FinishStop,
		StreamError: "id:1\nevent:error\n:HTTP_STATUS/500\n" + `data:{"code":"InternalError","message":"An internal error has occured","request_id":"r-1"}` + "\n\n",
		Disguised:   `{"code":"InternalError.Algo","message":"An internal error has occured","request_id":"r-1"}`,
		Error: func(_ int, message string) string {
			return `{"code":"","message":` + quoted(message) + `,"request_id":"r-1"}`
		},
		Verdict:   lenientVerdict,
		Refusals:  dashScopeRefusals,
		Transport: openAISpec(t).Transport,
	}
}

func dashScopeFault(code, message string) string {
	return `{"code":"` + code + `","message":"` + message + `","request_id":"r-1"}`
}

var dashScopeRefusals = []providertest.Refusal{
	{
		Name: "bad key", Status: 401, Body: dashScopeFault("InvalidApiKey", "Invalid API-key provided: "+providertest.Key),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamAuth, Permanent: true},
	},
	{
		Name: "overdue", Status: 400, Body: dashScopeFault("Arrearage", "Access denied, please make sure your account is in good standing."),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamRateLimited, Permanent: true},
	},
	{
		Name: "filtered", Status: 400, Body: dashScopeFault("DataInspectionFailed", "Input data may contain inappropriate content."),
		Verdict: providertest.Verdict{Kind: llm.KindContentFiltered},
	},
	{
		Name: "throttled", Status: 429, Body: dashScopeFault("Throttling.AllocationQuota", "Allocated quota exceeded, please increase your quota limit."),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamRateLimited},
	},
	{
		Name: "free tier", Status: 429, Body: dashScopeFault("Throttling.AllocationQuota", "Free allocated quota exceeded."),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamRateLimited, Permanent: true},
	},
	{
		Name: "no such model", Status: 404, Body: dashScopeFault("ModelNotFound", "Model not found"),
		Verdict: providertest.Verdict{Kind: llm.KindNotFound},
	},
	{
		Name: "time-out as 500", Status: 500, Body: dashScopeFault("RequestTimeOut", "Request timed out, please try again later."),
		Verdict: providertest.Verdict{Kind: llm.KindTimeout},
	},
	{
		Name: "capacity", Status: 503, Body: dashScopeFault("ModelServingError", "Too many requests. Your requests are being throttled due to system capacity limits."),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamRateLimited},
	},
}

func TestDashScope(t *testing.T) { providertest.Run(t, dashScopeSpec(t)) }

func TestDashScopeURLs(t *testing.T) {
	for _, tc := range []struct {
		base, model string
		op          llm.Op
		want        string
	}{
		{"", "qwen-plus", llm.OpChat, "https://dashscope.aliyuncs.com" + textPath},
		{"", "qwen-vl-max", llm.OpChat, "https://dashscope.aliyuncs.com" + mediaPath},
		{"https://dashscope-intl.aliyuncs.com", "qwen3.6-plus", llm.OpChat, "https://dashscope-intl.aliyuncs.com" + mediaPath},
		{"https://dashscope-intl.aliyuncs.com/api/v1", "deepseek-v3.2", llm.OpChat, "https://dashscope-intl.aliyuncs.com" + textPath},
		{"https://ws.cn-hongkong.maas.aliyuncs.com/api/v1/", "text-embedding-v4", llm.OpEmbed, "https://ws.cn-hongkong.maas.aliyuncs.com/api/v1/services/embeddings/text-embedding/text-embedding"},
		{"https://dashscope-us.aliyuncs.com" + textPath, "qwen-plus", llm.OpCountTokens, "https://dashscope-us.aliyuncs.com/api/v1/tokenizer"},
		{"https://proxy/dash", "qwen-plus", llm.OpChat, "https://proxy/dash/services/aigc/text-generation/generation"},
		{"https://dashscope.aliyuncs.com/compatible-mode/v1", "qwen-plus", llm.OpChat, "https://dashscope.aliyuncs.com/compatible-mode/v1/chat/completions"},
		{"https://dashscope.aliyuncs.com/compatible-mode/v1/chat/completions", "text-embedding-v4", llm.OpEmbed, "https://dashscope.aliyuncs.com/compatible-mode/v1/embeddings"},
	} {
		p, err := NewDashScope(DashScopeOptions{Account: Account{Name: "d", BaseURL: tc.base, Client: NewClient(tripFunc(nil))}})
		if err != nil {
			t.Fatal(err)
		}
		if u, err := p.wire.Endpoint(&llm.Call{Op: tc.op, Model: tc.model}); err != nil || u.String() != tc.want {
			t.Errorf("%q %s: %v, %v", tc.base, tc.model, u, err)
		}
	}
	for _, o := range []DashScopeOptions{{Account: Account{BaseURL: "hunter2"}}, {Account: Account{Keys: []string{"a\nhunter2"}}},
		{Account: Account{BaseURL: "https://h/compatible-mode/v1", Keys: []string{"a\nhunter2"}}}, {Workspace: "a\nhunter2"}} {
		o.Name, o.Client = "d", http.DefaultClient
		if _, err := NewDashScope(o); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
}

// TestDashScopeCompatible: bodies of OpenAI clients pass through, and a code
// that means a bill elsewhere is a limit that passes.
func TestDashScopeCompatible(t *testing.T) {
	up, client := serving(t, providertest.Answer(200, openAIGood))
	p, err := NewDashScope(DashScopeOptions{Account: Account{Name: "d", BaseURL: up.URL() + "/compatible-mode/v1", Keys: []string{"sk-test"}, Client: client}, Workspace: "ws-1"})
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"model":"qwen-plus","messages":[],"enable_thinking":true}`
	r, err := p.Do(t.Context(), passing(t, body))
	if err != nil || string(r.Raw) != openAIGood {
		t.Fatalf("%+v, %v", r, err)
	}
	last := up.Last()
	wantHeaders(t, last, map[string]string{"Authorization": "Bearer sk-test", "X-DashScope-WorkSpace": "ws-1", "X-DashScope-SSE": ""})
	if string(last.Body) != body || last.Path != "/compatible-mode/v1/chat/completions" {
		t.Errorf("%s %s", last.Path, last.Body)
	}
	up.Play(providertest.Say(providertest.Answer(429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"},"request_id":"r"}`)))
	if _, err := p.Do(t.Context(), passing(t, body)); !llm.AsError(err).Retryable() {
		t.Errorf("%v", err)
	}
	effort := canonical("qwen-plus", false)
	effort.Request = func() (*llm.Request, error) {
		return &llm.Request{Messages: fakeRequest.Messages, Reasoning: &llm.ReasoningOptions{Effort: "high"}}, nil
	}
	if _, err := p.Do(t.Context(), effort); kindOf(t, err) != llm.KindUnsupported {
		t.Errorf("thinking cannot be asked for in OpenAI's words: %v", err)
	}
	leaks(t, p, "sk-test")
}

func TestDashScopeEmbeds(t *testing.T) {
	up, client := serving(t, providertest.Answer(200, `{"output":{"embeddings":[{"embedding":[1,-0.5],"text_index":0}]},"usage":{"total_tokens":3},"request_id":"r"}`))
	p, err := NewDashScope(DashScopeOptions{Account: Account{Name: "d", BaseURL: up.URL(), Client: client}})
	if err != nil {
		t.Fatal(err)
	}
	dims := int64(2)
	r, err := p.Do(t.Context(), embedding("text-embedding-v4", &llm.EmbedRequest{Input: []string{"a"}, Dimensions: &dims}))
	if err != nil || r.Usage.Input != 3 || len(r.Response.Embeddings) != 1 || r.Response.Model != "text-embedding-v4" {
		t.Fatalf("%+v, %v", r, err)
	}
	wantBody(t, up.Last(), `"input":{"texts":["a"]}`, `"dimension":2`)
	if _, err := p.Do(t.Context(), embedding("text-embedding-v4", &llm.EmbedRequest{Input: strings.Split(strings.Repeat("a", 11), "")})); kindOf(t, err) != llm.KindUnsupported {
		t.Errorf("eleven texts: %v", err)
	}
}

func TestDashScopeCountsTokens(t *testing.T) {
	up, client := serving(t, providertest.Answer(200, `{"output":{"token_ids":[1],"tokens":["a"]},"usage":{"input_tokens":17},"request_id":"r"}`))
	p, err := NewDashScope(DashScopeOptions{Account: Account{Name: "d", BaseURL: up.URL(), Client: client}})
	if err != nil {
		t.Fatal(err)
	}
	c := canonical("qwen-plus", false)
	c.Op = llm.OpCountTokens
	r, err := p.Do(t.Context(), c)
	if err != nil || r.Usage.Input != 17 || up.Last().Path != "/api/v1/tokenizer" {
		t.Fatalf("%+v, %v", r, err)
	}
}

// TestDashScopeRecorded replays what was recorded: heads and bodies.
func TestDashScopeRecorded(t *testing.T) {
	recordings(t) // skips where there are none
	for name, want := range map[string]struct {
		model, path string
		kind        llm.Kind // of the failure; 0 = none
		output      int64
	}{
		"single-generation-message-nosse":                   {"qwen-max", textPath, 0, 39},
		"single-generation-message-with-parallel-tools-sse": {"qwen-plus", textPath, 0, 37},
		"multimodal-generation-vl-sse":                      {"qwen-vl-plus", mediaPath, 0, 85},
		"multimodal-generation-vl-nosse":                    {"qwen-vl-plus", mediaPath, 0, 3},
		"auth-error-nosse":                                  {"qwen-max", textPath, llm.KindUpstreamAuth, 0},
		"parameter-error-sse":                               {"qwen-max", textPath, llm.KindInvalidRequest, 0},
	} {
		t.Run(name, func(t *testing.T) {
			up, client := serving(t, dashScopeRecording(t, name))
			p, err := NewDashScope(DashScopeOptions{Account: Account{Name: "d", BaseURL: up.URL(), Client: client}})
			if err != nil {
				t.Fatal(err)
			}
			r, err := p.Do(t.Context(), canonical(want.model, strings.HasSuffix(name, "-sse")))
			if got := up.Last().Path; got != want.path {
				t.Errorf("asked %s", got)
			}
			if want.kind != 0 {
				if err == nil {
					defer r.Close()
					err = llm.Prime(r)
				}
				if kindOf(t, err) != want.kind {
					t.Errorf("%v", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			u := r.Usage
			if r.Stream != nil {
				u = drained(t, r)
			}
			if u.Output != want.output {
				t.Errorf("%+v", u)
			}
		})
	}
}

// dashScopeRecording puts a recorded head and body together. Some recordings
// have lost the headers of the body.
func dashScopeRecording(t *testing.T, name string) string {
	t.Helper()
	base := filepath.Join("../../../shared/providers/fixtures/dashscope", name+".response")
	head, err := os.ReadFile(base + ".headers.txt")
	if err != nil {
		t.Fatal(err)
	}
	ext, kind := ".json", "application/json"
	if strings.HasSuffix(name, "-sse") {
		ext, kind = ".sse", "text/event-stream;charset=UTF-8"
	}
	body, err := os.ReadFile(base + ext)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(head)), "\n")
	kept := ""
	for _, line := range lines {
		line = strings.TrimSpace(line)
		switch name, _, _ := strings.Cut(strings.ToLower(line), ":"); name {
		case "transfer-encoding", "content-encoding", "content-length", "content-type":
		default:
			kept += line + "\r\n"
		}
	}
	return kept + "Content-Type: " + kind + "\r\nTransfer-Encoding: chunked\r\n\r\n" + providertest.Chunk(string(body)) + providertest.LastChunk
}
