package app

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// tieredUpstream answers in OpenAI's and Anthropic's forms, whole and streamed:
// 100 tokens in, 10 out, served at the tier that stands in the path.
func tieredUpstream(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		tier, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "application/json")
		usage := `{"prompt_tokens":100,"completion_tokens":10,"total_tokens":110}`
		switch {
		case strings.HasSuffix(path, "messages"):
			fmt.Fprintf(w, `{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[{"type":"text","text":"hi"}],"stop_reason":"end_turn","usage":{"input_tokens":100,"output_tokens":10,"service_tier":%q}}`, tier)
		case strings.HasSuffix(path, "responses"):
			fmt.Fprintf(w, `{"id":"resp_1","object":"response","status":"completed","model":"gpt-5","service_tier":%q,"output":[{"type":"message","id":"m","role":"assistant","status":"completed","content":[{"type":"output_text","text":"hi","annotations":[]}]}],"usage":{"input_tokens":100,"output_tokens":10,"total_tokens":110}}`, tier)
		case strings.Contains(string(body), `"stream":true`):
			w.Header().Set("Content-Type", "text/event-stream")
			head := `data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"gpt-5","service_tier":"` + tier + `",`
			fmt.Fprint(w, head, `"choices":[{"index":0,"delta":{"role":"assistant","content":"hi"},"finish_reason":null}]}`, "\n\n",
				head, `"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}`, "\n\n", head, `"choices":[],"usage":`, usage, "}\n\ndata: [DONE]\n\n")
		default:
			fmt.Fprintf(w, `{"id":"c","object":"chat.completion","created":1,"model":"gpt-5","service_tier":%q,"choices":[{"index":0,"message":{"role":"assistant","content":"hi"},"finish_reason":"stop"}],"usage":%s}`, tier, usage)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL
}

// TestServiceTiersArePriced: the ledger has what the provider bills for the tier
// at which it says it served a call; a tier without a price is told, or costs what
// is configured, and is never taken for the standard one.
func TestServiceTiersArePriced(t *testing.T) {
	const yaml = `
providers:
  o: {type: openai, base_url: "%[1]s/%[2]s/v1", keys: [%[3]s]}
  a: {type: anthropic, base_url: "%[1]s/%[2]s", keys: [%[3]s]}
models:
  chat: {targets: [{provider: o, model: gpt-5}]}
  claude: {targets: [{provider: a, model: claude-sonnet-4-6}]}
limits: {rps: 0}
server: {admin: {token: ` + adminToken + `}}
%[4]s`
	const ask = `"messages":[{"role":"user","content":"hi"}]}`
	up := tieredUpstream(t)
	for _, tc := range []struct {
		name, tier, path, body, usage string
		cost                          string // "" = unknown
	}{
		// 100 x 1.25 + 10 x 10, half of it, twice it
		{"standard", "default", "/v1/chat/completions", `{"model":"chat",` + ask, "", "0.000225"},
		{"flex", "flex", "/v1/chat/completions", `{"model":"chat",` + ask, "", "0.0001125"},
		{"flex stream", "flex", "/v1/chat/completions", `{"model":"chat","stream":true,` + ask, "", "0.0001125"},
		{"priority stream, usage asked for", "priority", "/v1/chat/completions", `{"model":"chat","stream":true,"stream_options":{"include_usage":true},` + ask, "", "0.00045"},
		{"flex, translated", "flex", "/v1/messages", `{"model":"chat","max_tokens":50,` + ask, "", "0.0001125"},
		{"flex stream, translated", "flex", "/v1/messages", `{"model":"chat","max_tokens":50,"stream":true,` + ask, "", "0.0001125"},
		{"flex of the Responses API", "flex", "/v1/responses", `{"model":"chat","input":"hi"}`, "", "0.0001125"},
		{"no price", "batch", "/v1/chat/completions", `{"model":"chat",` + ask, "", ""},
		{"no price, stream", "batch", "/v1/chat/completions", `{"model":"chat","stream":true,` + ask, "", ""},
		// 110 x 5
		{"configured price", "batch", "/v1/chat/completions", `{"model":"chat",` + ask, "usage: {unknown_price: 5}", "0.00055"},
		{"configured, not needed", "flex", "/v1/chat/completions", `{"model":"chat",` + ask, "usage: {unknown_price: 5}", "0.0001125"},
		// 100 x 3 + 10 x 15
		{"Anthropic's standard", "standard", "/v1/messages", `{"model":"claude","max_tokens":50,` + ask, "", "0.00045"},
		{"Anthropic's priority", "priority", "/v1/messages", `{"model":"claude","max_tokens":50,` + ask, "", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := start(t, fmt.Sprintf(yaml, up, tc.tier, provKey, tc.usage), nil)
			if status, _, body := r.do(t, "POST", tc.path, tc.body); status != 200 {
				t.Fatalf("%d %s", status, body)
			}
			r.flushed(t)
			rows := r.sums(t)
			if len(rows) != 1 || rows[0].Input != 100 || rows[0].Output != 10 {
				t.Fatalf("%+v", rows)
			}
			_, usage := r.operator(t, "/admin/v1/usage", adminToken)
			want := `"unpriced":1`
			if tc.cost != "" {
				want = `"cost":` + tc.cost
			}
			if !strings.Contains(usage, want) || tc.cost != "" && strings.Contains(usage, `"unpriced":1`) {
				t.Errorf("the ledger lacks %s: %s", want, usage)
			}
		})
	}
}
