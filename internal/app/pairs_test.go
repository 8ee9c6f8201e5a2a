package app

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
)

// object is JSON that a client of any kind sends or gets.
type object = map[string]any

// wiretap is the mock behind real HTTP, with a copy of what it was sent last.
type wiretap struct {
	url string

	mu   sync.Mutex
	path string
	body string
}

func newWiretap(t *testing.T) *wiretap {
	t.Helper()
	w := &wiretap{}
	mock := mockserver.New(mockserver.Options{Key: provKey})
	s := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		w.mu.Lock()
		w.path, w.body = r.URL.Path, string(b)
		w.mu.Unlock()
		r.Body = io.NopCloser(bytes.NewReader(b))
		mock.ServeHTTP(rw, r)
	}))
	t.Cleanup(s.Close)
	w.url = s.URL
	return w
}

func (w *wiretap) last() (path, body string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.path, w.body
}

const pairsYAML = `
providers:
  oai: {type: openai, base_url: "%[1]s/v1", keys: ["` + provKey + `"], retry: {max: 0}, breaker: {min_requests: 0}}
  az: {type: azure-openai, base_url: "%[1]s/v1", api_version: v1, keys: ["` + provKey + `"], retry: {max: 0}, breaker: {min_requests: 0}}
  ant: {type: anthropic, base_url: "%[1]s", keys: ["` + provKey + `"], retry: {max: 0}, breaker: {min_requests: 0}}
  gem: {type: gemini, base_url: "%[1]s", keys: ["` + provKey + `"], retry: {max: 0}, breaker: {min_requests: 0}}
  dash: {type: dashscope, base_url: "%[1]s/api/v1", keys: ["` + provKey + `"], retry: {max: 0}, breaker: {min_requests: 0}}
limits: {rps: 0}
`

// upstreams are the providers of pairsYAML, and the paths that each is asked at.
var upstreams = []struct{ name, path string }{
	{"oai", "/v1/chat/completions"}, {"az", "/v1/chat/completions"}, {"ant", "/v1/messages"},
	{"gem", "/v1beta/models/"}, {"dash", "/api/v1/services/aigc/text-generation/generation"},
}

// endpointClient is a client of one of the gateway's endpoints.
type endpointClient struct {
	name, path string
	ask        func(model, text string, extra object) object // a request of one user message
	tools      func() object                                 // two tools, and the wish to think
	text       func(answer object) string
	calls      func(answer object) []string // ids of the calls
	next       func(ask, answer object) object
	piece      func(event string, data object) string // text in an event of a stream
	end        string                                 // what the stream ends with
	errorWord  func(answer object) any
}

func tool(name string) object {
	return object{"name": name, "description": "the " + name, "parameters": object{
		"type": "object", "properties": object{"city": object{"type": "string"}}, "required": []string{"city"}, "additionalProperties": false}}
}

func merged(objects ...object) object {
	out := object{}
	for _, o := range objects {
		for k, v := range o {
			out[k] = v
		}
	}
	return out
}

func dig(v any, path ...any) any {
	for _, p := range path {
		switch k := p.(type) {
		case string:
			m, _ := v.(object)
			v = m[k]
		case int:
			l, _ := v.([]any)
			if k >= len(l) {
				return nil
			}
			v = l[k]
		}
	}
	return v
}

func str(v any) string {
	s, _ := v.(string)
	return s
}

func openAITools() object {
	fn := func(name string) object { return object{"type": "function", "function": tool(name)} }
	return object{"reasoning_effort": "high", "tools": []any{fn("weather"), fn("clock")}}
}

func callIDs(list any, kind, id string) []string {
	var ids []string
	l, _ := list.([]any)
	for _, c := range l {
		if kind == "" || dig(c, "type") == kind {
			ids = append(ids, str(dig(c, id)))
		}
	}
	return ids
}

func openAINext(ask object, message any, ids []string) object {
	msgs := append([]any{}, ask["messages"].([]any)...)
	msgs = append(msgs, message)
	for _, id := range ids {
		msgs = append(msgs, object{"role": "tool", "tool_call_id": id, "content": "result of " + id})
	}
	return merged(ask, object{"messages": msgs})
}

func userMessage(text string) []any { return []any{object{"role": "user", "content": text}} }

func endpointClients() []endpointClient {
	return []endpointClient{nativeEndpoint(), openAIEndpoint(), anthropicEndpoint(), responsesEndpoint()}
}

func nativeEndpoint() endpointClient {
	return endpointClient{
		name: "native", path: "/v1/generate", tools: openAITools, end: "event: done\n",
		ask: func(model, text string, extra object) object {
			return merged(object{"model": model, "messages": userMessage(text)}, extra)
		},
		text:  func(a object) string { return str(dig(a, "data", "text")) },
		calls: func(a object) []string { return callIDs(dig(a, "data", "tool_calls"), "", "id") },
		next: func(ask, a object) object {
			message := object{"role": "assistant", "content": dig(a, "data", "text")}
			for _, k := range []string{"tool_calls", "reasoning_details"} {
				if v := dig(a, "data", k); v != nil {
					message[k] = v
				}
			}
			return openAINext(ask, message, callIDs(dig(a, "data", "tool_calls"), "", "id"))
		},
		piece: func(event string, d object) string {
			if event == "delta" {
				return str(d["text"])
			}
			return ""
		},
		errorWord: func(a object) any { return dig(a, "error", "kind") },
	}
}

func openAIEndpoint() endpointClient {
	return endpointClient{
		name: "openai", path: "/v1/chat/completions", tools: openAITools, end: "data: [DONE]\n\n",
		ask: func(model, text string, extra object) object {
			return merged(object{"model": model, "messages": userMessage(text)}, extra)
		},
		text:  func(a object) string { return str(dig(a, "choices", 0, "message", "content")) },
		calls: func(a object) []string { return callIDs(dig(a, "choices", 0, "message", "tool_calls"), "", "id") },
		next: func(ask, a object) object {
			message := dig(a, "choices", 0, "message").(object)
			if strings.HasPrefix(str(ask["model"]), "oai/") || strings.HasPrefix(str(ask["model"]), "az/") {
				delete(message, "reasoning_content") // as OpenAI's own clients do: it knows no such member
				delete(message, "reasoning_details")
			}
			return openAINext(ask, message, callIDs(message["tool_calls"], "", "id"))
		},
		piece:     func(_ string, d object) string { return str(dig(d, "choices", 0, "delta", "content")) },
		errorWord: func(a object) any { return dig(a, "error", "type") },
	}
}

func anthropicEndpoint() endpointClient {
	return endpointClient{
		name: "anthropic", path: "/v1/messages", end: "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n",
		ask: func(model, text string, extra object) object {
			return merged(object{"model": model, "max_tokens": 4000, "messages": userMessage(text)}, extra)
		},
		tools: func() object {
			fn := func(name string) object {
				t := tool(name)
				return object{"name": name, "description": t["description"], "input_schema": t["parameters"]}
			}
			return object{"thinking": object{"type": "adaptive"}, "tools": []any{fn("weather"), fn("clock")}}
		},
		text: func(a object) string {
			s := ""
			l, _ := a["content"].([]any)
			for _, b := range l {
				s += str(dig(b, "text"))
			}
			return s
		},
		calls: func(a object) []string { return callIDs(a["content"], "tool_use", "id") },
		next: func(ask, a object) object {
			var results []any
			for _, id := range callIDs(a["content"], "tool_use", "id") {
				results = append(results, object{"type": "tool_result", "tool_use_id": id, "content": "result of " + id})
			}
			msgs := append([]any{}, ask["messages"].([]any)...)
			msgs = append(msgs, object{"role": "assistant", "content": a["content"]}, object{"role": "user", "content": results})
			return merged(ask, object{"messages": msgs})
		},
		piece:     func(_ string, d object) string { return str(dig(d, "delta", "text")) },
		errorWord: func(a object) any { return dig(a, "error", "type") },
	}
}

func responsesEndpoint() endpointClient {
	return endpointClient{
		name: "responses", path: "/v1/responses", end: "event: response.completed\n",
		ask: func(model, text string, extra object) object {
			return merged(object{"model": model, "store": false, "input": userMessage(text)}, extra)
		},
		tools: func() object {
			fn := func(name string) object { return merged(tool(name), object{"type": "function"}) }
			return object{"reasoning": object{"effort": "high"}, "include": []string{"reasoning.encrypted_content"}, "tools": []any{fn("weather"), fn("clock")}}
		},
		text: func(a object) string {
			s := ""
			l, _ := a["output"].([]any)
			for _, item := range l {
				s += str(dig(item, "content", 0, "text"))
			}
			return s
		},
		calls: func(a object) []string { return callIDs(a["output"], "function_call", "call_id") },
		next: func(ask, a object) object {
			items := append(append([]any{}, ask["input"].([]any)...), a["output"].([]any)...)
			for _, id := range callIDs(a["output"], "function_call", "call_id") {
				items = append(items, object{"type": "function_call_output", "call_id": id, "output": "result of " + id})
			}
			return merged(ask, object{"input": items})
		},
		piece: func(event string, d object) string {
			if event == "response.output_text.delta" {
				return str(d["delta"])
			}
			return ""
		},
		errorWord: func(a object) any { return dig(a, "error", "type") },
	}
}

// post sends a request and reads the answer.
func (r *running) post(t *testing.T, path string, body object, headers ...string) (int, http.Header, object) {
	t.Helper()
	status, h, text := r.send(t, path, body, headers...)
	var a object
	if err := json.Unmarshal([]byte(text), &a); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return status, h, a
}

func (r *running) send(t *testing.T, path string, body object, headers ...string) (int, http.Header, string) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.base+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Api-Key", clientKey)
	req.Header.Set("Content-Type", "application/json")
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		req.Header.Set(name, value)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(text)
}

// TestPairs asks every kind of provider over every endpoint, with the strict
// mock of the provider's dialect behind real HTTP.
func TestPairs(t *testing.T) {
	tap := newWiretap(t)
	r := start(t, fmt.Sprintf(pairsYAML, tap.url), nil)
	for _, c := range endpointClients() {
		for _, up := range upstreams {
			t.Run(c.name+" to "+up.name, func(t *testing.T) {
				wantPath := up.path
				if c.name == "responses" && (up.name == "oai" || up.name == "az") {
					wantPath = "/v1/responses" // the fast path
				}
				t.Run("unary", func(t *testing.T) {
					status, h, a := r.post(t, c.path, c.ask(up.name+"/mock/echo", "Hello there", nil))
					path, _ := tap.last()
					if status != 200 || c.text(a) != "Hello there" || h.Get("X-Gateway-Provider") != up.name || !strings.HasPrefix(path, wantPath) {
						t.Errorf("%d by way of %s: %v", status, path, a)
					}
				})
				t.Run("stream", func(t *testing.T) { streamPair(t, r, &c, up.name) })
				t.Run("tools", func(t *testing.T) { toolsPair(t, r, &c, up.name, tap) })
				t.Run("errors", func(t *testing.T) { errorsPair(t, r, &c, up.name) })
			})
		}
	}
}

func streamPair(t *testing.T, r *running, c *endpointClient, up string) {
	status, h, body := r.send(t, c.path, c.ask(up+"/mock/lorem-40", "Hi", object{"stream": true}))
	if status != 200 || h.Get("Content-Type") != "text/event-stream" {
		t.Fatalf("%d %v %s", status, h, body)
	}
	text, pieces, event := "", 0, ""
	for line := range strings.Lines(body) {
		if name, ok := strings.CutPrefix(line, "event: "); ok {
			event = strings.TrimSpace(name)
		}
		data, ok := strings.CutPrefix(line, "data: ")
		var d object
		if !ok || json.Unmarshal([]byte(data), &d) != nil {
			continue
		}
		if p := c.piece(event, d); p != "" {
			pieces++
			text += p
		}
	}
	if len(strings.Fields(text)) != 40 || pieces < 20 || !strings.Contains(body, c.end) {
		t.Errorf("%d pieces, end %t: %q", pieces, strings.Contains(body, c.end), text)
	}
	_, _, cut := r.send(t, c.path, c.ask(up+"/mock/lorem-40+cut-after-9", "Hi", object{"stream": true}))
	if strings.Contains(cut, c.end) || !strings.Contains(cut, "error") {
		t.Errorf("a cut stream ends with %q", cut[max(0, len(cut)-200):])
	}
}

// toolsPair takes the turn of a model that thinks and calls two tools, and then
// gives the results. The mock refuses the second request when the state of its
// first answer does not come back as it was.
func toolsPair(t *testing.T, r *running, c *endpointClient, up string, tap *wiretap) {
	ask := c.ask(up+"/mock/chat", "Ask weather and clock", c.tools())
	status, _, a := r.post(t, c.path, ask)
	if ids := c.calls(a); status != 200 || len(ids) != 2 || ids[0] == ids[1] {
		t.Fatalf("%d, calls %v: %v", status, ids, a)
	}
	status, _, b := r.post(t, c.path, c.next(ask, a))
	_, sent := tap.last()
	if status != 200 || !strings.Contains(c.text(b), "result of") {
		t.Fatalf("%d %v\nthe upstream got %s", status, b, sent)
	}
	switch {
	case up == "ant" && (!strings.Contains(sent, `"signature":"`) || !strings.Contains(sent, `"thinking":{"`)):
		t.Errorf("no signature in %s", sent)
	case up == "gem" && (!strings.Contains(sent, `"thoughtSignature":"`) || strings.Contains(sent, "skip_thought")):
		t.Errorf("no signature in %s", sent)
	}
}

func errorsPair(t *testing.T, r *running, c *endpointClient, up string) {
	words := map[string][3]any{ // native, openai, anthropic
		"status-429+retry-after-7": {"upstream_rate_limited", "rate_limit_error", "rate_limit_error"},
		"status-500":               {"upstream_error", "server_error", "api_error"},
		"status-401":               {"upstream_auth", "server_error", "api_error"},
		"blocked":                  {"content_filtered", "invalid_request_error", "invalid_request_error"},
	}
	column := map[string]int{"native": 0, "openai": 1, "responses": 1, "anthropic": 2}[c.name]
	for model, status := range map[string]int{"status-429+retry-after-7": 429, "status-500": 502, "status-401": 502, "blocked": 400} {
		if model == "blocked" && (up == "ant" || up == "gem") {
			continue // they have no error for it: an answer that ends so
		}
		got, h, a := r.post(t, c.path, c.ask(up+"/mock/"+model, "Hi", nil))
		if got != status || c.errorWord(a) != words[model][column] {
			t.Errorf("%s: %d, %v", model, got, a)
		}
		if status == 429 && (up == "oai" || up == "ant" || up == "gem") && h.Get("Retry-After") != "7" {
			t.Errorf("Retry-After %q", h.Get("Retry-After"))
		}
		if c.name == "anthropic" && (a["type"] != "error" || a["request_id"] != h.Get("Request-Id")) {
			t.Errorf("not Anthropic's form: %v", a)
		}
	}
	if status, _, a := r.post(t, c.path, c.ask(up+"/mock/nonsense", "Hi", nil)); status != 404 {
		t.Errorf("a model that there is not: %d, %v", status, a)
	}
}

// TestNothingIsDroppedInSilence: what a target cannot honour is refused by
// name, or dropped and listed when the client asked for that.
func TestNothingIsDroppedInSilence(t *testing.T) {
	tap := newWiretap(t)
	r := start(t, fmt.Sprintf(pairsYAML, tap.url), nil)
	clients := map[string]endpointClient{}
	for _, c := range endpointClients() {
		clients[c.name] = c
	}
	for _, tc := range []struct {
		client, up string
		extra      object
		param      string
	}{
		{"openai", "ant", object{"seed": 7}, "seed"},
		{"native", "ant", object{"seed": 7}, "seed"},
		{"openai", "ant", object{"temperature": 1.5}, "temperature"},
		{"openai", "gem", object{"logit_bias": object{"5": 1}}, "logit_bias"},
		{"openai", "gem", object{"brand_new": true}, "brand_new"},
		{"openai", "dash", object{"frequency_penalty": 0.5}, "frequency_penalty"},
		{"anthropic", "oai", object{"top_k": 5}, "top_k"},
		{"anthropic", "gem", object{"container": "c"}, "container"},
		{"responses", "ant", object{"text": object{"verbosity": "low"}}, "verbosity"},
		{"responses", "dash", object{"max_tool_calls": 3}, "max_tool_calls"},
	} {
		c := clients[tc.client]
		t.Run(tc.client+" to "+tc.up+", "+tc.param, func(t *testing.T) {
			ask := c.ask(tc.up+"/mock/echo", "Hello", tc.extra)
			status, _, a := r.post(t, c.path, ask)
			if msg := fmt.Sprint(a); status != 400 || !strings.Contains(msg, tc.param) {
				t.Errorf("not refused by name: %d %v", status, a)
			}
			status, h, a := r.post(t, c.path, ask, "X-Gateway-Unsupported: drop")
			_, sent := tap.last()
			if status != 200 || !strings.Contains(h.Get("X-Gateway-Dropped"), tc.param) || c.text(a) != "Hello" {
				t.Errorf("not dropped: %d, %q, %v", status, h.Get("X-Gateway-Dropped"), a)
			}
			if tc.param != "temperature" && strings.Contains(sent, tc.param) {
				t.Errorf("sent all the same: %s", sent)
			}
		})
	}
	// What a conversation says is never dropped.
	audio := []any{object{"role": "user", "content": []any{object{"type": "input_audio", "input_audio": object{"data": "QQ==", "format": "wav"}}}}}
	status, _, a := r.post(t, "/v1/chat/completions", object{"model": "ant/mock/echo", "messages": audio}, "X-Gateway-Unsupported: drop")
	if status != 400 {
		t.Errorf("sound for Anthropic: %d %v", status, a)
	}
}

// TestCountTokensOfEachTarget: the count is the target's own where it has one,
// else an estimate that says so.
func TestCountTokensOfEachTarget(t *testing.T) {
	r := start(t, fmt.Sprintf(pairsYAML, newWiretap(t).url), nil)
	body := func(up string) object {
		return object{"model": up + "/mock/echo", "messages": userMessage("Hello there, world")}
	}
	for _, up := range upstreams {
		status, h, a := r.post(t, "/v1/messages/count_tokens", body(up.name))
		estimated := up.name == "oai" || up.name == "az"
		if n, _ := a["input_tokens"].(float64); status != 200 || n < 4 || h.Get("Request-Id") == "" || h.Get("X-Gateway-Estimated") != "" != estimated {
			t.Errorf("%s: %d %v %v", up.name, status, a, h)
		}
	}
}
