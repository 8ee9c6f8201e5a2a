package provider

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/providertest"
)

// One answer of OpenAI, whole and as a stream.
const (
	openAIText = "Grüße, 世界 🙂"
	openAIGood = `{"id":"chatcmpl-1","object":"chat.completion","created":1769093756,"model":"gpt-4o-2024-08-06","future":{"a":[1]},` +
		`"choices":[{"index":0,"message":{"role":"assistant","content":"Grüße, 世界 🙂","refusal":null,"annotations":[]},"logprobs":null,"finish_reason":"stop"}],` +
		`"usage":{"prompt_tokens":13,"completion_tokens":7,"total_tokens":20,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}`
	openAIUsage = `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-2024-08-06","choices":[],` +
		`"usage":{"prompt_tokens":13,"completion_tokens":7,"total_tokens":20,"prompt_tokens_details":{"cached_tokens":4},"completion_tokens_details":{"reasoning_tokens":2}}}` + "\n\n"
)

var (
	openAIAnswer = openAIChunk(`{"role":"assistant","content":"","refusal":null}`, "null") +
		openAIChunk(`{"content":"Grüße, "}`, "null") + openAIChunk(`{"content":"世界"}`, "null") + openAIChunk(`{"content":" 🙂"}`, "null") +
		openAIChunk(`{}`, `"stop"`)
	openAIStream = openAIAnswer + openAIUsage + "data: [DONE]\n\n"
)

func openAIChunk(delta, finish string) string {
	return `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":1,"model":"gpt-4o-2024-08-06","choices":[{"index":0,"delta":` +
		delta + `,"logprobs":null,"finish_reason":` + finish + `}],"usage":null,"obfuscation":"x"}` + "\n\n"
}

// passing makes a call whose body passes through, as the server does.
func passing(t testing.TB, body string) *llm.Call {
	t.Helper()
	p, err := dialect.Peek([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	return &llm.Call{
		Op: llm.OpChat, Model: p.Model, Stream: p.Stream, Dialect: llm.DialectOpenAI, Raw: []byte(body), Peek: p, Meta: &llm.Meta{},
		Request: func() (*llm.Request, error) { return openai.Codec{}.DecodeRequest(llm.OpChat, []byte(body)) },
	}
}

func openAICall(t testing.TB, stream bool) *llm.Call {
	body := `{"model":"gpt-4o","messages":[{"role":"user","content":"hi"}],"future":1}`
	if stream {
		body = `{"model":"gpt-4o","stream":true,"stream_options":{"include_usage":true},"messages":[{"role":"user","content":"hi"}],"future":1}`
	}
	return passing(t, body)
}

func openAISpec(t *testing.T) providertest.Spec {
	return providertest.Spec{
		New: func(_ testing.TB, o providertest.Target) (llm.Provider, error) {
			return NewOpenAI(OpenAIOptions{Name: "openai", BaseURL: o.BaseURL + "/v1", Keys: []string{o.Key}, Client: o.Client, MaxBody: o.MaxBody})
		},
		Call: func(stream bool) *llm.Call { return openAICall(t, stream) },
		Path: "/v1/chat/completions",
		CheckRequest: func(t testing.TB, r *providertest.Request, stream bool) {
			if got := r.Header.Get("Authorization"); got != "Bearer "+providertest.Key {
				t.Errorf("Authorization %q", got)
			}
			if want := string(openAICall(t, stream).Raw); string(r.Body) != want {
				t.Errorf("body %s", r.Body)
			}
		},
		Good: openAIGood, Stream: openAIStream, Text: openAIText,
		Usage:  llm.Usage{Input: 13, CachedInput: 4, Output: 7, Reasoning: 2, Source: llm.UsageReported},
		Finish: llm.FinishStop, Complete: len(openAIAnswer), Terminal: true,
		StreamError: `data: {"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}` + "\n\n",
		Disguised:   `{"error":{"message":"Overloaded","type":"server_error","param":null,"code":null}}`,
		Error: func(_ int, message string) string {
			quoted, err := json.Marshal(message)
			if err != nil {
				t.Fatal(err)
			}
			return `{"error":{"message":` + string(quoted) + `,"type":null,"param":null,"code":null}}`
		},
		Refusals:  openAIRefusals,
		Transport: func() *http.Transport { return NewTransport(TransportOptions{}) },
		Wrap:      Exchanger,
	}
}

var openAIRefusals = []providertest.Refusal{
	{
		Name: "bad key", Status: 401, Header: []string{"WWW-Authenticate", `Bearer realm="OpenAI API"`},
		Body:    `{"error":{"message":"Incorrect API key provided: ` + providertest.Key + `.","type":"invalid_request_error","param":null,"code":"invalid_api_key"}}`,
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamAuth, Permanent: true},
	},
	{
		Name: "rate limit", Status: 429,
		Body:    `{"error":{"message":"Rate limit reached for gpt-4o in organization org-abc on tokens per min (TPM). Please try again in 20s.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}`,
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamRateLimited},
	},
	{
		Name: "quota used up", Status: 429,
		Body:    `{"error":{"message":"You exceeded your current quota.","type":"insufficient_quota","param":null,"code":"insufficient_quota"}}`,
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamRateLimited, Permanent: true},
	},
	{
		Name: "no such model", Status: 404,
		Body:    `{"error":{"message":"The model 'x' does not exist","type":"invalid_request_error","param":null,"code":"model_not_found"}}`,
		Verdict: providertest.Verdict{Kind: llm.KindNotFound},
	},
	{
		Name: "too long", Status: 400,
		Body:    `{"error":{"message":"This model's maximum context length is 8192 tokens.","type":"invalid_request_error","param":"messages","code":"context_length_exceeded"}}`,
		Verdict: providertest.Verdict{Kind: llm.KindInvalidRequest},
	},
	{
		Name: "filtered", Status: 400,
		Body:    `{"error":{"message":"Filtered","type":"invalid_request_error","param":null,"code":"content_filter"}}`,
		Verdict: providertest.Verdict{Kind: llm.KindContentFiltered},
	},
	{
		Name: "overloaded", Status: 503,
		Body:    `{"error":{"message":"Slow down","type":"service_unavailable_error","param":null,"code":"server_is_overloaded"}}`,
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamError},
	},
	{
		Name: "an edge's HTML", Status: 520, Header: []string{"Content-Type", "text/html"},
		Body:    "<!DOCTYPE html><html><body>Web server is returning an unknown error</body></html>",
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamError},
	},
}

func TestOpenAIPassing(t *testing.T) { providertest.Run(t, openAISpec(t)) }

func TestOpenAITranslating(t *testing.T) {
	s := openAISpec(t)
	s.Call = func(stream bool) *llm.Call {
		c := openAICall(t, stream)
		c.Raw, c.Dialect = nil, llm.DialectNative
		c.Request = func() (*llm.Request, error) {
			return &llm.Request{Model: "gpt-4o", Stream: stream, Messages: fakeRequest.Messages}, nil
		}
		return c
	}
	s.CheckRequest = func(t testing.TB, r *providertest.Request, stream bool) {
		got := string(r.Body)
		if !json.Valid(r.Body) || !strings.Contains(got, `"model":"gpt-4o"`) || strings.Contains(got, `"include_usage":true`) != stream {
			t.Errorf("body %s", got)
		}
	}
	providertest.Run(t, s)
}

func TestOpenAIUsageIsAskedForAndHidden(t *testing.T) {
	up := providertest.NewUpstream(t, providertest.Say(providertest.Stream(openAIStream)))
	tr := NewTransport(TransportOptions{})
	t.Cleanup(tr.CloseIdleConnections)
	p, err := NewOpenAI(OpenAIOptions{Name: "openai", BaseURL: up.URL(), Client: NewClient(tr)})
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Do(t.Context(), passing(t, `{"model":"gpt-4o","stream":true,"messages":[]}`))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got, usage := "", llm.Usage{}
	for {
		ev, err := r.Stream.Recv()
		if err != nil {
			break
		}
		got += string(ev.Raw)
		if ev.Usage != nil {
			usage = *ev.Usage
		}
	}
	if got != openAIAnswer+"data: [DONE]\n\n" {
		t.Errorf("the client sees %q", got)
	}
	if usage.Input != 13 || usage.Output != 7 {
		t.Errorf("usage %+v", usage)
	}
	if body := string(up.Last().Body); body != `{"model":"gpt-4o","stream":true,"messages":[],"stream_options":{"include_usage":true}}` {
		t.Errorf("asked %s", body)
	}
}
