package provider

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/providertest"
)

// One answer of Gemini, whole and as a stream.
const (
	geminiUsage = `"usageMetadata":{"promptTokenCount":13,"candidatesTokenCount":5,"thoughtsTokenCount":2,"totalTokenCount":20,"cachedContentTokenCount":4},"modelVersion":"gemini-2.5-flash","responseId":"r-1"}`
	geminiGood  = `{"candidates":[{"content":{"role":"model","parts":[{"text":"Grüße, 世界 🙂"}]},"finishReason":"STOP","index":0}],` + geminiUsage
)

var geminiStream = geminiChunk(`{"text":"Grüße, "}`, "") + geminiChunk(`{"text":"世界 🙂"}`, `,"finishReason":"STOP"`)

func geminiChunk(part, finish string) string {
	return `data: {"candidates":[{"content":{"role":"model","parts":[` + part + `]}` + finish + `,"index":0}],` + geminiUsage + "\n\n"
}

func geminiSpec(t *testing.T) providertest.Spec {
	return providertest.Spec{
		New: func(_ testing.TB, o providertest.Target) (llm.Provider, error) {
			return NewGemini(Account{Name: "gemini", BaseURL: o.BaseURL, Keys: []string{o.Key}, Client: o.Client, MaxBody: o.MaxBody})
		},
		Call:       func(stream bool) *llm.Call { return canonical("gemini-2.5-flash", stream) },
		Path:       "/v1beta/models/gemini-2.5-flash:generateContent",
		StreamPath: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
		CheckRequest: func(t testing.TB, r *providertest.Request, _ bool) {
			wantHeaders(t, r, map[string]string{"X-Goog-Api-Key": providertest.Key, "Authorization": ""})
			wantBody(t, r, `"contents":[{"role":"user","parts":[{"text":"hi"}]}]`)
			if strings.Contains(string(r.Body), "gemini") {
				t.Errorf("the body names the model: %s", r.Body)
			}
		},
		Good: geminiGood, Stream: geminiStream, Text: "Grüße, 世界 🙂",
		Usage:       llm.Usage{Input: 13, CachedInput: 4, Output: 7, Reasoning: 2, Source: llm.UsageReported},
		Finish:      llm.FinishStop,
		StreamError: `data: {"error":{"code":503,"message":"The model is overloaded.","status":"UNAVAILABLE"}}` + "\n\n",
		Disguised:   `[{"error":{"code":500,"message":"Internal error","status":"INTERNAL"}}]`,
		Error: func(_ int, message string) string {
			return `{"error":{"message":` + quoted(message) + `}}`
		},
		Verdict:   geminiVerdict,
		Refusals:  geminiRefusals,
		Transport: openAISpec(t).Transport,
	}
}

// geminiVerdict: Google has no payment status.
func geminiVerdict(status int) providertest.Verdict {
	v := lenientVerdict(status)
	if status == 402 {
		v.Permanent = false
	}
	return v
}

func googleFault(code, status, message, details string) string {
	return `{"error":{"code":` + code + `,"message":"` + message + `","status":"` + status + `","details":[` + details + `]}}`
}

const errorInfo = `"@type":"type.googleapis.com/google.rpc.ErrorInfo","domain":"googleapis.com"`

var geminiRefusals = []providertest.Refusal{
	{
		Name: "bad key", Status: 400, Body: googleFault("400", "INVALID_ARGUMENT", "API key not valid: "+providertest.Key, `{`+errorInfo+`,"reason":"API_KEY_INVALID"}`),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamAuth, Permanent: true},
	},
	{
		Name: "service off", Status: 403, Body: googleFault("403", "PERMISSION_DENIED", "Generative Language API has not been used in project 123456789012", `{`+errorInfo+`,"reason":"SERVICE_DISABLED"}`),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamAuth, Permanent: true},
	},
	{
		Name: "place", Status: 400, Body: googleFault("400", "FAILED_PRECONDITION", "User location is not supported for the API use.", ""),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamAuth, Permanent: true},
	},
	{
		Name: "no such model", Status: 404, Body: googleFault("404", "NOT_FOUND", "models/x is not found for API version v1beta", ""),
		Verdict: providertest.Verdict{Kind: llm.KindNotFound},
	},
	{
		Name: "too long", Status: 400, Body: googleFault("400", "INVALID_ARGUMENT", "The input token count (2000000) exceeds the maximum number of tokens allowed (1048576).", ""),
		Verdict: providertest.Verdict{Kind: llm.KindInvalidRequest},
	},
	{
		Name: "rate", Status: 429, Body: googleFault("429", "RESOURCE_EXHAUSTED", "Quota exceeded. Please retry in 48.9s.", `{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"48.9s"}`),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamRateLimited},
	},
	{
		Name: "the day's quota", Status: 429,
		Body:    googleFault("429", "RESOURCE_EXHAUSTED", "Quota exceeded.", `{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"quotaId":"GenerateRequestsPerDayPerProjectPerModel"}]}`),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamRateLimited, Permanent: true},
	},
	{
		Name: "overloaded", Status: 503, Body: googleFault("503", "UNAVAILABLE", "The model is overloaded.", ""),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamError},
	},
	{
		Name: "time-out", Status: 504, Body: googleFault("504", "DEADLINE_EXCEEDED", "Deadline expired.", ""),
		Verdict: providertest.Verdict{Kind: llm.KindTimeout},
	},
	{
		Name: "HTML", Status: 404, Header: []string{"Content-Type", "text/html"}, Body: "<!DOCTYPE html><title>Error 404 (Not Found)!!1</title>",
		Verdict: providertest.Verdict{Kind: llm.KindNotFound},
	},
}

func TestGemini(t *testing.T) { providertest.Run(t, geminiSpec(t)) }

func TestGeminiURLs(t *testing.T) {
	for _, tc := range []struct {
		base  string
		call  llm.Call
		model string
		want  string // "" = refused
	}{
		{"", llm.Call{Op: llm.OpChat}, "gemini-2.5-pro", "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:generateContent"},
		{"", llm.Call{Op: llm.OpChat, Stream: true}, "models/gemini-2.5-pro", "https://generativelanguage.googleapis.com/v1beta/models/gemini-2.5-pro:streamGenerateContent?alt=sse"},
		{"", llm.Call{Op: llm.OpCountTokens, Stream: true}, "g", "https://generativelanguage.googleapis.com/v1beta/models/g:countTokens"},
		{"", llm.Call{Op: llm.OpEmbed}, "gemini-embedding-001", "https://generativelanguage.googleapis.com/v1beta/models/gemini-embedding-001:batchEmbedContents"},
		{"https://host/v1beta/", llm.Call{Op: llm.OpChat}, "g", "https://host/v1beta/models/g:generateContent"},
		{"https://host/v1", llm.Call{Op: llm.OpChat}, "g", "https://host/v1/models/g:generateContent"},
		{"https://host/v1/models", llm.Call{Op: llm.OpChat}, "g", "https://host/v1/models/g:generateContent"},
		{"https://host/vault", llm.Call{Op: llm.OpChat}, "g", "https://host/vault/v1beta/models/g:generateContent"},
		{"https://host?a=b", llm.Call{Op: llm.OpChat, Stream: true}, "g", "https://host/v1beta/models/g:streamGenerateContent?a=b&alt=sse"},
		{"", llm.Call{Op: llm.OpChat}, "tunedModels/mine-1", "https://generativelanguage.googleapis.com/v1beta/tunedModels/mine-1:generateContent"},
		{"", llm.Call{Op: llm.OpChat}, "../../secret", "https://generativelanguage.googleapis.com/v1beta/models/..%2F..%2Fsecret:generateContent"},
		{"", llm.Call{Op: llm.OpChat}, "a?key=b", "https://generativelanguage.googleapis.com/v1beta/models/a%3Fkey=b:generateContent"},
		{"", llm.Call{Op: llm.OpChat}, "", ""},
		{"", llm.Call{Op: llm.OpChat}, "models/", ""},
	} {
		p, err := NewGemini(Account{Name: "g", BaseURL: tc.base, Client: NewClient(tripFunc(nil))})
		if err != nil {
			t.Fatal(err)
		}
		tc.call.Model = tc.model
		u, err := p.wire.Endpoint(&tc.call)
		switch {
		case tc.want == "":
			if e := llm.AsError(err); e == nil || e.Param != "model" {
				t.Errorf("%q: %v", tc.model, err)
			}
		case err != nil || u.String() != tc.want:
			t.Errorf("%q %q: %v, %v", tc.base, tc.model, u, err)
		}
	}
	if _, err := NewGemini(Account{Name: "g", BaseURL: "hunter2", Client: http.DefaultClient}); err == nil || strings.Contains(err.Error(), "hunter2") {
		t.Errorf("%v", err)
	}
}

// TestGeminiWaits: Google says in the body when to come back.
func TestGeminiWaits(t *testing.T) {
	up, client := serving(t, providertest.Answer(429, geminiRefusals[5].Body))
	p, err := NewGemini(Account{Name: "gemini", BaseURL: up.URL(), Keys: []string{"AIza-test"}, Client: client})
	if err != nil {
		t.Fatal(err)
	}
	_, err = p.Do(t.Context(), canonical("g", false))
	if e := llm.AsError(err); e == nil || e.RetryAfter != 48900*time.Millisecond || !e.Retryable() {
		t.Errorf("%+v", e)
	}
	leaks(t, p, "AIza-test")
}

func TestGeminiEmbeds(t *testing.T) {
	up, client := serving(t, providertest.Answer(200, `{"embeddings":[{"values":[1,-0.5]},{"values":[0,2]}]}`))
	p, err := NewGemini(Account{Name: "gemini", BaseURL: up.URL(), Client: client})
	if err != nil {
		t.Fatal(err)
	}
	dims := int64(2)
	r, err := p.Do(t.Context(), embedding("gemini-embedding-001", &llm.EmbedRequest{Input: []string{"a", "b"}, Dimensions: &dims}))
	if err != nil || len(r.Response.Embeddings) != 2 || r.Response.Embeddings[0].Vector[1] != -0.5 || r.Response.Model != "gemini-embedding-001" {
		t.Fatalf("%+v, %v", r, err)
	}
	wantBody(t, up.Last(), `"model":"models/gemini-embedding-001"`, `"outputDimensionality":2`)
}

func TestGeminiCountsTokens(t *testing.T) {
	up, client := serving(t, providertest.Answer(200, `{"totalTokens":31}`))
	p, err := NewGemini(Account{Name: "gemini", BaseURL: up.URL(), Client: client})
	if err != nil {
		t.Fatal(err)
	}
	c := canonical("gemini-2.5-flash", false)
	c.Op = llm.OpCountTokens
	r, err := p.Do(t.Context(), c)
	if err != nil || r.Usage.Input != 31 || up.Last().Path != "/v1beta/models/gemini-2.5-flash:countTokens" {
		t.Fatalf("%+v, %v", r, err)
	}
}

// TestGeminiLooseError: a stream breaks off with an error outside any field.
func TestGeminiLooseError(t *testing.T) {
	up, client := serving(t, providertest.Stream(geminiChunk(`{"text":"a"}`, "")+"{\n \"error\": {\n  \"code\": 499,\n  \"message\": \"The operation was cancelled.\",\n  \"status\": \"CANCELLED\"\n }\n}\n"))
	p, err := NewGemini(Account{Name: "gemini", BaseURL: up.URL(), Client: client})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Do(t.Context(), canonical("g", true))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for err == nil {
		_, err = r.Stream.Recv()
	}
	if e := llm.AsError(err); e.Kind != llm.KindUpstreamError || !strings.Contains(e.Message, "cancelled") {
		t.Errorf("%v", err)
	}
}

// TestGeminiRecorded replays what was recorded of the Gemini API.
func TestGeminiRecorded(t *testing.T) {
	for _, meta := range recordings(t, "gemini/error-*.meta.json", "gemini/embeddings-*.meta.json", "gemini/stream-*.meta.json") {
		rec := load(t, meta)
		path := strings.TrimPrefix(rec.URL, "https://generativelanguage.googleapis.com")
		model := path[strings.LastIndexByte(path, '/')+1 : strings.IndexByte(path, ':')]
		up, client := serving(t, rec.answer())
		p, err := NewGemini(Account{Name: "gemini", BaseURL: up.URL(), Client: client})
		if err != nil {
			t.Fatal(err)
		}
		c := canonical(model, rec.stream())
		if strings.Contains(path, "Embed") {
			c = embedding(model, &llm.EmbedRequest{Input: []string{"a"}})
		}
		r, err := p.Do(t.Context(), c)
		if got := up.Last().Path; got != path {
			t.Errorf("asked %s, recorded %s", got, path)
		}
		switch rec.Status {
		case 200:
			if err != nil {
				t.Fatalf("%s: %v", meta, err)
			}
			if u := drained(t, r); u.Input == 0 || u.Output == 0 {
				t.Errorf("%s: %+v", meta, u)
			}
		case 404:
			if kindOf(t, err) != llm.KindNotFound {
				t.Errorf("%s: %v", meta, err)
			}
		case 429:
			if e := llm.AsError(err); e.Kind != llm.KindUpstreamRateLimited || e.RetryAfter == 0 {
				t.Errorf("%s: %+v", meta, e)
			}
		default:
			if kindOf(t, err) != llm.KindUpstreamAuth {
				t.Errorf("%s: %v", meta, err)
			}
		}
	}
}
