package provider

import (
	"fmt"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/anthropic"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/providertest"
)

// One answer of Anthropic, whole and as a stream.
const (
	anthropicUsage = `"input_tokens":9,"cache_creation_input_tokens":0,"cache_read_input_tokens":4`
	anthropicGood  = `{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":[{"type":"text","text":"Grüße, 世界 🙂"}],` +
		`"stop_reason":"end_turn","stop_sequence":null,"future":{"a":[1]},"usage":{` + anthropicUsage + `,"output_tokens":7,"service_tier":"standard"}}`
)

var anthropicStream = anthropicEvent("message_start", `"message":{"id":"msg_1","type":"message","role":"assistant","model":"claude-sonnet-4-5-20250929","content":[],"stop_reason":null,"stop_sequence":null,"usage":{`+anthropicUsage+`,"output_tokens":1}}`) +
	anthropicEvent("content_block_start", `"index":0,"content_block":{"type":"text","text":""}`) +
	anthropicEvent("ping", "") +
	anthropicEvent("content_block_delta", `"index":0,"delta":{"type":"text_delta","text":"Grüße, "}`) +
	anthropicEvent("content_block_delta", `"index":0,"delta":{"type":"text_delta","text":"世界 🙂"}`) +
	anthropicEvent("content_block_stop", `"index":0`) +
	anthropicEvent("message_delta", `"delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{`+anthropicUsage+`,"output_tokens":7}`) +
	anthropicEvent("message_stop", "")

func anthropicEvent(name, members string) string {
	if members != "" {
		members = "," + members
	}
	return "event: " + name + "\ndata: {\"type\":\"" + name + `"` + members + "}\n\n"
}

// anthropicCall makes a call whose body passes through.
func anthropicCall(t testing.TB, body string) *llm.Call {
	t.Helper()
	c := passing(t, body)
	c.Dialect = llm.DialectAnthropic
	c.Request = func() (*llm.Request, error) { return anthropic.Codec{}.DecodeRequest(c.Op, []byte(body)) }
	return c
}

func anthropicSpec(t *testing.T) providertest.Spec {
	body := func(stream bool) string {
		return fmt.Sprintf(`{"model":"claude-sonnet-4-5","max_tokens":64,"stream":%v,"messages":[{"role":"user","content":"hi"}],"future":1}`, stream)
	}
	return providertest.Spec{
		New: func(_ testing.TB, o providertest.Target) (llm.Provider, error) {
			return NewAnthropic(AnthropicOptions{Account: Account{Name: "anthropic", BaseURL: o.BaseURL, Keys: []string{o.Key}, Client: o.Client, MaxBody: o.MaxBody}})
		},
		Call: func(stream bool) *llm.Call { return anthropicCall(t, body(stream)) },
		Path: "/v1/messages",
		CheckRequest: func(t testing.TB, r *providertest.Request, stream bool) {
			wantHeaders(t, r, map[string]string{"X-Api-Key": providertest.Key, "Authorization": "", "Anthropic-Version": "2023-06-01"})
			if string(r.Body) != body(stream) {
				t.Errorf("body %s", r.Body)
			}
		},
		Good: anthropicGood, Stream: anthropicStream, Text: "Grüße, 世界 🙂",
		Usage:  llm.Usage{Input: 13, CachedInput: 4, Output: 7, Source: llm.UsageReported},
		Finish: llm.FinishStop, Terminal: true,
		StreamError: anthropicEvent("error", `"error":{"type":"overloaded_error","message":"Overloaded"}`),
		Disguised:   `{"type":"error","error":{"type":"api_error","message":"Internal server error"}}`,
		Error: func(_ int, message string) string {
			return `{"type":"error","error":{"message":` + quoted(message) + `},"request_id":"req_1"}`
		},
		Verdict:   lenientVerdict,
		Refusals:  anthropicRefusals,
		Transport: openAISpec(t).Transport,
	}
}

func anthropicFault(typ, message string) string {
	return `{"type":"error","error":{"type":"` + typ + `","message":"` + message + `"},"request_id":"req_1"}`
}

var anthropicRefusals = []providertest.Refusal{
	{
		Name: "bad key", Status: 401, Header: []string{"X-Should-Retry", "false"}, Body: anthropicFault("authentication_error", "invalid x-api-key "+providertest.Key),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamAuth, Permanent: true},
	},
	{
		Name: "no credit", Status: 400, Header: []string{"X-Should-Retry", "false"}, Body: anthropicFault("invalid_request_error", "Your credit balance is too low to access the Anthropic API."),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamRateLimited, Permanent: true},
	},
	{
		Name: "bill", Status: 402, Body: anthropicFault("billing_error", "Payment required"),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamRateLimited, Permanent: true},
	},
	{
		Name: "no such model", Status: 404, Body: anthropicFault("not_found_error", "model: claude-none"),
		Verdict: providertest.Verdict{Kind: llm.KindNotFound},
	},
	{
		Name: "too long", Status: 400, Body: anthropicFault("invalid_request_error", "prompt is too long: 300000 tokens > 200000 maximum"),
		Verdict: providertest.Verdict{Kind: llm.KindInvalidRequest},
	},
	{
		Name: "too large, from the edge", Status: 413, Header: []string{"Content-Type", "text/html"}, Body: "<html>413</html>",
		Verdict: providertest.Verdict{Kind: llm.KindRequestTooLarge},
	},
	{
		Name: "rate", Status: 429, Header: []string{"Retry-After", "12", "X-Should-Retry", "true"}, Body: anthropicFault("rate_limit_error", "This request would exceed your organization's rate limit."),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamRateLimited},
	},
	{
		Name: "overloaded", Status: 529, Body: anthropicFault("overloaded_error", "Overloaded"),
		Verdict: providertest.Verdict{Kind: llm.KindUpstreamError},
	},
	{
		Name: "time-out", Status: 504, Body: anthropicFault("timeout_error", "Request timed out"),
		Verdict: providertest.Verdict{Kind: llm.KindTimeout},
	},
}

func TestAnthropicPassing(t *testing.T) { providertest.Run(t, anthropicSpec(t)) }

func TestAnthropicTranslating(t *testing.T) {
	s := anthropicSpec(t)
	s.Call = func(stream bool) *llm.Call { return canonical("claude-sonnet-4-5", stream) }
	s.CheckRequest = func(t testing.TB, r *providertest.Request, stream bool) {
		wantBody(t, r, `"model":"claude-sonnet-4-5"`, `"max_tokens":64000`)
		if strings.Contains(string(r.Body), `"stream":true`) != stream {
			t.Errorf("body %s", r.Body)
		}
	}
	providertest.Run(t, s)
}

func TestAnthropicURLs(t *testing.T) {
	for base, want := range map[string]string{
		"":                                      "https://api.anthropic.com",
		"https://host":                          "https://host",
		"https://host/":                         "https://host",
		"https://host/v1":                       "https://host",
		"https://host/v1/messages":              "https://host",
		"https://host/apps/anthropic":           "https://host/apps/anthropic",
		"http://127.0.0.1:9/x/v1/messages/":     "http://127.0.0.1:9/x",
		"https://host/anthropic?tenant=a":       "https://host/anthropic",
		"https://host/v1/messages/count_tokens": "https://host",
	} {
		p, err := NewAnthropic(AnthropicOptions{Account: Account{Name: "a", BaseURL: base, Client: NewClient(tripFunc(nil))}})
		if err != nil {
			t.Errorf("%q: %v", base, err)
			continue
		}
		query := ""
		if strings.Contains(base, "?") {
			query = "?tenant=a"
		}
		for op, path := range map[llm.Op]string{llm.OpChat: "/v1/messages", llm.OpCountTokens: "/v1/messages/count_tokens"} {
			if u, err := p.wire.Endpoint(&llm.Call{Op: op}); err != nil || u.String() != want+path+query {
				t.Errorf("%q: %v, %v", base, u, err)
			}
		}
		if _, err := p.wire.Endpoint(&llm.Call{Op: llm.OpEmbed}); kindOf(t, err) != llm.KindUnsupported {
			t.Errorf("embeddings: %v", err)
		}
	}
	for _, o := range []Account{{Name: "a", BaseURL: "hunter2"}, {Name: "a", Keys: []string{"hunter2\nx"}}} {
		o.Client = NewClient(tripFunc(nil))
		if _, err := NewAnthropic(AnthropicOptions{Account: o}); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%+v: %v", o.BaseURL, err)
		}
	}
}

// TestAnthropicHeaders: what the client says of version and betas goes along,
// its credential does not.
func TestAnthropicHeaders(t *testing.T) {
	for _, tc := range []struct {
		name    string
		o       AnthropicOptions
		forward []llm.Header
		want    map[string]string
	}{
		{"nothing", AnthropicOptions{}, nil, map[string]string{"Anthropic-Version": "2023-06-01", "Anthropic-Beta": "", "X-Api-Key": "sk-ant-test"}},
		{"configured", AnthropicOptions{Account: Account{Headers: map[string]string{"anthropic-beta": "context-1m-2025-08-07"}}, APIVersion: "2026-10-21"}, nil,
			map[string]string{"Anthropic-Version": "2026-10-21", "Anthropic-Beta": "context-1m-2025-08-07"}},
		{"the client's", AnthropicOptions{}, []llm.Header{{Name: "anthropic-version", Value: "2026-10-21"}, {Name: "anthropic-beta", Value: "a,b"}, {Name: "x-api-key", Value: "stolen"}, {Name: "authorization", Value: "Bearer stolen"}},
			map[string]string{"Anthropic-Version": "2026-10-21", "Anthropic-Beta": "a,b", "X-Api-Key": "sk-ant-test", "Authorization": ""}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			up, client := serving(t, providertest.Answer(200, anthropicGood))
			tc.o.Name, tc.o.BaseURL, tc.o.Keys, tc.o.Client = "anthropic", up.URL(), []string{"sk-ant-test"}, client
			p, err := NewAnthropic(tc.o)
			if err != nil {
				t.Fatal(err)
			}
			c := anthropicCall(t, `{"model":"m","max_tokens":1,"messages":[]}`)
			c.Forward = tc.forward
			if _, err := p.Do(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			wantHeaders(t, up.Last(), tc.want)
			leaks(t, p, "sk-ant-test")
		})
	}
}

func TestAnthropicCountTokens(t *testing.T) {
	up, client := serving(t, providertest.Answer(200, `{"input_tokens":2095}`, "Request-Id", "req_7"))
	p, err := NewAnthropic(AnthropicOptions{Account: Account{Name: "anthropic", BaseURL: up.URL(), Client: client}})
	if err != nil {
		t.Fatal(err)
	}
	const body = `{"model":"claude-sonnet-4-5","messages":[{"role":"user","content":"hi"}]}`
	pass := anthropicCall(t, body)
	pass.Op = llm.OpCountTokens
	translate := canonical("claude-sonnet-4-5", false)
	translate.Op = llm.OpCountTokens
	for _, c := range []*llm.Call{pass, translate} {
		r, err := p.Do(t.Context(), c)
		if err != nil || r.Usage.Input != 2095 || r.ID != "req_7" {
			t.Fatalf("%+v, %v", r, err)
		}
		if last := up.Last(); last.Path != "/v1/messages/count_tokens" || string(last.Body) != body {
			t.Errorf("asked %s %s", last.Path, last.Body)
		}
	}
}

// TestAnthropicFits: the model's rules hold for what is translated.
func TestAnthropicFits(t *testing.T) {
	up, client := serving(t, providertest.Answer(200, anthropicGood))
	var asked string
	p, err := NewAnthropic(AnthropicOptions{Account: Account{Name: "anthropic", BaseURL: up.URL(), Client: client, Support: func(model string) dialect.Support {
		asked = model
		return dialect.SupportAnthropic(model)
	}}})
	if err != nil {
		t.Fatal(err)
	}
	hot := 1.5
	c := canonical("claude-sonnet-4-5", false)
	c.Request = func() (*llm.Request, error) {
		return &llm.Request{Messages: fakeRequest.Messages, Temperature: &hot}, nil
	}
	if _, err := p.Do(t.Context(), c); kindOf(t, err) != llm.KindUnsupported || llm.AsError(err).Param != "temperature" || asked != "claude-sonnet-4-5" {
		t.Errorf("%v for %q", err, asked)
	}
	c.Drop = true
	r, err := p.Do(t.Context(), c)
	if err != nil || len(r.Dropped) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	wantBody(t, up.Last(), `"temperature":1`)
	if _, err := p.Do(t.Context(), embedding("claude-sonnet-4-5", &llm.EmbedRequest{Input: []string{"a"}})); kindOf(t, err) != llm.KindUnsupported {
		t.Errorf("embeddings: %v", err)
	}
}

// TestAnthropicRecorded replays what was recorded, as calls that pass through
// and as calls that are translated.
func TestAnthropicRecorded(t *testing.T) {
	kinds := map[string]llm.Kind{"error-400-effort": llm.KindInvalidRequest, "error-400-prompt-too-long": llm.KindInvalidRequest, "error-401": llm.KindUpstreamAuth,
		"error-404-count-tokens": llm.KindNotFound, "error-404-model": llm.KindNotFound}
	for _, meta := range recordings(t, "anthropic/*.meta.json") {
		rec := load(t, meta)
		if rec == nil {
			continue
		}
		name := strings.TrimSuffix(meta[strings.LastIndex(meta, "/")+1:], ".meta.json")
		t.Run(name, func(t *testing.T) {
			var usage [2]llm.Usage
			for i, c := range rec.calls(t) {
				if c.Raw != nil {
					c.Dialect = llm.DialectAnthropic
				}
				up, client := serving(t, rec.answer())
				p, err := NewAnthropic(AnthropicOptions{Account: Account{Name: "anthropic", BaseURL: up.URL(), Client: client}})
				if err != nil {
					t.Fatal(err)
				}
				r, err := p.Do(t.Context(), c)
				if want, ok := kinds[name]; ok {
					if kindOf(t, err) != want {
						t.Errorf("%v", err)
					}
					continue
				}
				if err != nil {
					t.Fatal(err)
				}
				usage[i] = r.Usage
				if r.Stream != nil {
					usage[i] = drained(t, r)
				}
			}
			if usage[0] != usage[1] {
				t.Errorf("passing %+v, translated %+v", usage[0], usage[1])
			}
		})
	}
}
