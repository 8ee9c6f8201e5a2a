package mockserver_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/schema"
)

func TestWholeAnswer(t *testing.T) {
	r := upstream(t, mockserver.Options{Key: testKey})
	a := r.post(t, chat("mock/echo", "Hello there, world", ""))
	if a.status != http.StatusOK || a.header.Get("Content-Type") != "application/json" {
		t.Fatalf("status %d: %s", a.status, a.body)
	}
	c := parse(t, a.body)
	if c.Object != "chat.completion" || !strings.HasPrefix(c.ID, "chatcmpl-") || c.Model != "mock/echo" || c.Created == 0 {
		t.Errorf("answer = %s", a.body)
	}
	if m := c.Choices[0].Message; str(m.Content) != "Hello there, world" || str(c.Choices[0].Finish) != "stop" || m.Refusal != nil {
		t.Errorf("answer = %s", a.body)
	}
	if want := mock.CountTokens("Hello there, world"); c.Usage.Completion != want || c.Usage.Total != c.Usage.Prompt+want {
		t.Errorf("usage = %+v, want %d completion tokens", c.Usage, want)
	}
	again := r.post(t, chat("mock/echo", "Hello there, world", ""))
	if string(again.body) != string(a.body) {
		t.Errorf("the same request was answered by\n%s\n%s", a.body, again.body)
	}
	if again.header.Get("X-Request-Id") == a.header.Get("X-Request-Id") {
		t.Error("two requests have the same x-request-id")
	}
}

func TestHeaders(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	for _, extra := range []string{"", streaming} {
		h := r.post(t, chat("echo", "x", extra)).header
		for name, want := range map[string]string{
			"openai-version": "2020-10-01", "x-ratelimit-limit-requests": "10000", "x-ratelimit-remaining-requests": "9999",
			"x-ratelimit-limit-tokens": "2000000", "x-ratelimit-remaining-tokens": "1999993", "x-ratelimit-reset-requests": "6ms", "x-ratelimit-reset-tokens": "0s",
		} {
			if got := h.Get(name); got != want {
				t.Errorf("%s = %q, want %q", name, got, want)
			}
		}
		if !strings.HasPrefix(h.Get("x-request-id"), "req_") || h.Get("openai-processing-ms") == "" || h.Get("openai-organization") == "" {
			t.Errorf("headers = %v", h)
		}
	}
}

// TestStreamOrder is the order that was recorded of the real API: a chunk with
// the role, the pieces, a chunk with the finish reason and an empty delta, the
// usage without choices if it was asked for, [DONE].
func TestStreamOrder(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	for _, withUsage := range []bool{false, true} {
		extra := streaming
		if withUsage {
			extra += `,"stream_options":{"include_usage":true}`
		}
		a := r.post(t, chat("echo", "one two three", extra))
		if ct := a.header.Get("Content-Type"); ct != "text/event-stream; charset=utf-8" {
			t.Errorf("content type %q", ct)
		}
		list, done := chunks(t, a.body)
		want := 5
		if withUsage {
			want++
		}
		if !done || len(list) != want {
			t.Fatalf("%d chunks, [DONE] %v:\n%s", len(list), done, a.body)
		}
		if d := list[0].Choices[0].Delta; str(d.Role) != "assistant" || str(d.Content) != "" || list[0].Choices[0].Finish != nil {
			t.Errorf("first chunk = %s", list[0].raw)
		}
		for i, word := range []string{"one", " two", " three"} {
			if c := list[i+1].Choices[0]; str(c.Delta.Content) != word || c.Finish != nil || c.Delta.Role != nil {
				t.Errorf("chunk %d = %s", i+1, list[i+1].raw)
			}
		}
		if !strings.Contains(list[4].raw, `"delta":{}`) || str(list[4].Choices[0].Finish) != "stop" {
			t.Errorf("finish chunk = %s", list[4].raw)
		}
		for i, c := range list {
			if c.ID != list[0].ID || c.Created != list[0].Created || c.Object != "chat.completion.chunk" || c.Model != "echo" {
				t.Errorf("chunk %d = %s", i, c.raw)
			}
			if strings.Contains(c.raw, `"usage"`) != withUsage {
				t.Errorf("chunk %d, usage wanted %v: %s", i, withUsage, c.raw)
			}
		}
		if !withUsage {
			continue
		}
		whole := parse(t, r.post(t, chat("echo", "one two three", "")).body)
		last := list[5]
		if len(last.Choices) != 0 || last.Usage == nil || *last.Usage != *whole.Usage || list[4].Usage != nil {
			t.Errorf("usage chunk = %s, whole answer %s", last.raw, whole.raw)
		}
		if last.ID != whole.ID || last.Created != whole.Created {
			t.Error("stream and whole answer have other ids")
		}
	}
}

const tools = `,"tools":[{"type":"function","function":{"name":"get_weather","description":"weather","parameters":{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false},"strict":true}},{"type":"function","function":{"name":"get_time"}}]`

func TestToolCalls(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	c := parse(t, r.post(t, chat("chat", "get_weather and get_time", tools)).body)
	calls := c.Choices[0].Message.ToolCalls
	if len(calls) != 2 || str(c.Choices[0].Finish) != "tool_calls" || c.Choices[0].Message.Content != nil {
		t.Fatalf("answer = %s", c.raw)
	}
	params := `{"type":"object","properties":{"city":{"type":"string"}},"required":["city"],"additionalProperties":false}`
	if ok, err := schema.Valid([]byte(params), []byte(calls[0].Function.Arguments)); !ok || err != nil || calls[0].Type != "function" || calls[1].Function.Arguments != "{}" {
		t.Errorf("calls = %+v", calls)
	}
	list, done := chunks(t, r.post(t, chat("chat", "get_weather and get_time", tools+streaming)).body)
	var got [2]toolCall
	last := -1
	for _, ch := range list {
		for _, d := range ch.Choices[0].Delta.ToolCalls {
			i := *d.Index
			if d.ID != "" {
				if i != last+1 || d.Type != "function" || d.Function.Name == "" || d.Function.Arguments != "" {
					t.Errorf("first piece = %+v", d)
				}
				last = i
				got[i] = d
				got[i].Index = nil
				continue
			}
			if i != last || d.Function.Name != "" || d.Type != "" {
				t.Errorf("later piece = %+v", d)
			}
			got[i].Function.Arguments += d.Function.Arguments
		}
	}
	if !done || got[0] != calls[0] || got[1] != calls[1] {
		t.Errorf("streamed %+v, whole %+v", got, calls)
	}
	loop := chat("chat", "get_weather", "")
	loop = strings.Replace(loop, `}]}`, `},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"21 degrees"}]`+tools+`}`, 1)
	c = parse(t, r.post(t, loop).body)
	if !strings.Contains(str(c.Choices[0].Message.Content), "get_weather returned: 21 degrees") {
		t.Errorf("after the result: %s", c.raw)
	}
}

func TestOtherAnswers(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	c := parse(t, r.post(t, chat("refuse", "x", "")).body)
	if c.Choices[0].Message.Content != nil || str(c.Choices[0].Message.Refusal) == "<null>" {
		t.Errorf("refusal = %s", c.raw)
	}
	list, _ := chunks(t, r.post(t, chat("refuse", "x", streaming)).body)
	refusal := ""
	for _, ch := range list {
		if p := ch.Choices[0].Delta.Refusal; p != nil {
			refusal += *p
		}
	}
	if refusal != str(c.Choices[0].Message.Refusal) {
		t.Errorf("streamed refusal %q, whole %s", refusal, c.raw)
	}
	c = parse(t, r.post(t, chat("lorem-50", "x", `,"max_completion_tokens":7`)).body)
	if str(c.Choices[0].Finish) != "length" || c.Usage.Completion != 7 {
		t.Errorf("limited = %s", c.raw)
	}
	c = parse(t, r.post(t, chat("filter", "x", "")).body)
	if str(c.Choices[0].Finish) != "content_filter" {
		t.Errorf("filtered = %s", c.raw)
	}
	c = parse(t, r.post(t, chat("cached-2", "x y z", `,"reasoning_effort":"low"`)).body)
	if c.Usage.PromptPart.Cached != 2 || c.Usage.CompletionPart.Reasoning != 16 || c.Usage.Completion <= 16 {
		t.Errorf("usage = %+v", c.Usage)
	}
	if b := r.post(t, chat("no-usage", "x", "")).body; strings.Contains(string(b), `"usage"`) {
		t.Errorf("no-usage = %s", b)
	}
	if b := r.post(t, chat("no-usage", "x", streaming+`,"stream_options":{"include_usage":true}`)).body; strings.Contains(string(b), "prompt_tokens") || !strings.Contains(string(b), "[DONE]") {
		t.Errorf("no-usage stream = %s", b)
	}
	strict := `{"type":"object","properties":{"n":{"type":"integer"}},"required":["n"],"additionalProperties":false}`
	c = parse(t, r.post(t, chat("chat", "x", `,"response_format":{"type":"json_schema","json_schema":{"name":"n","strict":true,"schema":`+strict+`}}`)).body)
	if ok, err := schema.Valid([]byte(strict), []byte(str(c.Choices[0].Message.Content))); !ok || err != nil {
		t.Errorf("structured = %s", c.raw)
	}
}

func TestEmbeddings(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	type list struct {
		Object, Model string
		Data          []struct {
			Object    string
			Index     int
			Embedding json.RawMessage
		}
		Usage usage
	}
	get := func(body string) (l list) {
		t.Helper()
		a := r.do(t, http.MethodPost, "/v1/embeddings", body)
		if err := json.Unmarshal(a.body, &l); err != nil || a.status != 200 {
			t.Fatalf("%d %s: %v", a.status, a.body, err)
		}
		return l
	}
	plain := get(`{"model":"embed","input":["one","two words"],"dimensions":8}`)
	var v []float32
	if err := json.Unmarshal(plain.Data[1].Embedding, &v); err != nil || len(v) != 8 || plain.Data[1].Index != 1 || plain.Object != "list" || plain.Model != "embed" {
		t.Errorf("embeddings = %+v, %v", plain, err)
	}
	if plain.Usage.Prompt != 3 || plain.Usage.Total != 3 {
		t.Errorf("usage = %+v", plain.Usage)
	}
	packed := get(`{"model":"dim-8","input":"two words","encoding_format":"base64"}`)
	var s string
	_ = json.Unmarshal(packed.Data[0].Embedding, &s)
	if raw, err := base64.StdEncoding.DecodeString(s); err != nil || len(raw) != 32 {
		t.Errorf("base64 = %q, %v", s, err)
	}
	get(`{"model":"embed","input":[1,2,3]}`)
	get(`{"model":"embed","input":[[1,2],[3]]}`)
	if n := r.Stats().Models["embed"].InputTokens; n != 3+3+3 {
		t.Errorf("%d tokens counted", n)
	}
}

func TestModels(t *testing.T) {
	r := upstream(t, mockserver.Options{Engine: mock.New(mock.Options{Aliases: map[string]string{"gpt-4o": "echo"}})})
	var l struct {
		Object string
		Data   []struct{ ID, Object, Owned_by string }
	}
	a := r.do(t, http.MethodGet, "/v1/models", "")
	if err := json.Unmarshal(a.body, &l); err != nil || l.Object != "list" || len(l.Data) < 40 {
		t.Fatalf("%s: %v", a.body, err)
	}
	if !slices.ContainsFunc(l.Data, func(m struct{ ID, Object, Owned_by string }) bool { return m.ID == "gpt-4o" && m.Object == "model" }) {
		t.Errorf("models = %s", a.body)
	}
	for _, id := range []string{"echo", "mock/echo", "lorem-7+slow-3ms", "gpt-4o"} {
		a := r.do(t, http.MethodGet, "/v1/models/"+id, "")
		if a.status != 200 || !strings.Contains(string(a.body), `"id":"`+id+`"`) {
			t.Errorf("%s: %d %s", id, a.status, a.body)
		}
	}
	if a := r.do(t, http.MethodGet, "/v1/models/nonsense", ""); a.status != 404 || str(parse(t, a.body).Error.Code) != "model_not_found" {
		t.Errorf("unknown model: %d %s", a.status, a.body)
	}
}

func TestKey(t *testing.T) {
	r := upstream(t, mockserver.Options{Key: testKey})
	try := func(path, header string) (int, http.Header, completion) {
		t.Helper()
		method, body := http.MethodPost, chat("echo", "x", "")
		if path == "/v1/models" {
			method, body = http.MethodGet, ""
		}
		req, _ := http.NewRequestWithContext(t.Context(), method, r.base+path, strings.NewReader(body))
		req.Header.Set("Content-Type", "application/json")
		if header != "" {
			req.Header.Set("Authorization", header)
		}
		resp, err := r.client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		var c completion
		_ = json.NewDecoder(resp.Body).Decode(&c)
		return resp.StatusCode, resp.Header, c
	}
	for _, path := range []string{chatPath, "/v1/models", "/v1/embeddings"} {
		for _, header := range []string{"", "Bearer", "Bearer wrong", testKey, "Basic " + testKey, "Bearer " + testKey + "x"} {
			status, h, c := try(path, header)
			if status != http.StatusUnauthorized || c.Error == nil || c.Error.Type != "invalid_request_error" || h.Get("WWW-Authenticate") == "" {
				t.Errorf("%s with %q: %d %+v", path, header, status, c.Error)
			}
			if wrong := header == "Bearer wrong"; wrong && str(c.Error.Code) != "invalid_api_key" {
				t.Errorf("code = %s", str(c.Error.Code))
			}
			if c.Error != nil && strings.Contains(c.Error.Message, testKey) {
				t.Errorf("the message tells the key: %q", c.Error.Message)
			}
		}
	}
	if status, _, _ := try(chatPath, "Bearer "+testKey); status != 200 {
		t.Errorf("the right key: %d", status)
	}
	if s := r.Stats(); s.Total.Requests != 1 || s.Refused["401"] != 18 {
		t.Errorf("stats = %+v", s)
	}
}

func TestPaths(t *testing.T) {
	r := upstream(t, mockserver.Options{MaxBody: 1000})
	for _, tc := range []struct {
		method, path, body string
		status             int
	}{
		{"GET", "/", "", 404},
		{"GET", "/v1/nothing", "", 404},
		{"POST", "/v1/nothing", "{}", 404},
		{"GET", chatPath, "", 405},
		{"PUT", chatPath, "{}", 405},
		{"POST", "/v1/models", "{}", 405},
		{"GET", "/v1/embeddings", "", 405},
		{"GET", "/mock/reset", "", 405},
		{"GET", "/healthz", "", 200},
		{"POST", chatPath, "", 400},
		{"POST", chatPath, "{", 400},
		{"POST", chatPath, "[]", 400},
		{"POST", chatPath, `{"model":"echo"} x`, 400},
		{"POST", chatPath, chat("echo", strings.Repeat("x", 2000), ""), 413},
		{"POST", "/v1/embeddings", chat("echo", strings.Repeat("x", 2000), ""), 413},
	} {
		a := r.do(t, tc.method, tc.path, tc.body)
		if a.status != tc.status {
			t.Errorf("%s %s: %d %s, want %d", tc.method, tc.path, a.status, a.body, tc.status)
		}
		if tc.status == 405 && a.header.Get("Allow") == "" {
			t.Errorf("%s %s: no Allow", tc.method, tc.path)
		}
		if tc.status >= 400 && tc.status != 405 {
			if c := parse(t, a.body); c.Error == nil || c.Error.Message == "" || c.Error.Type != "invalid_request_error" {
				t.Errorf("%s %s: %s", tc.method, tc.path, a.body)
			}
		}
	}
	req, _ := http.NewRequestWithContext(t.Context(), "POST", r.base+chatPath, strings.NewReader(chat("echo", "x", "")))
	req.Header.Set("Content-Type", "text/plain")
	resp, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("text/plain: %d", resp.StatusCode)
	}
}

func TestLenient(t *testing.T) {
	body := chat("echo", "x", `,"weird":1,"top_k":5,"max_tokens":5,"max_completion_tokens":5`)
	if a := upstream(t, mockserver.Options{}).post(t, body); a.status != 400 {
		t.Errorf("strict: %d", a.status)
	}
	if a := upstream(t, mockserver.Options{Lenient: true}).post(t, body); a.status != 200 {
		t.Errorf("lenient: %d %s", a.status, a.body)
	}
}

func TestReset(t *testing.T) {
	r := upstream(t, mockserver.Options{})
	if a := r.post(t, chat("echo+fail-first-1", "x", "")); a.status != 503 {
		t.Errorf("first try: %d", a.status)
	}
	if a := r.do(t, http.MethodPost, "/mock/reset", ""); a.status != http.StatusNoContent {
		t.Errorf("reset: %d", a.status)
	}
	var s mockserver.Stats
	if err := json.Unmarshal(r.do(t, http.MethodGet, "/mock/stats", "").body, &s); err != nil || len(s.Models) != 0 || len(s.Refused) != 0 || s.Total != (mockserver.ModelStats{}) {
		t.Errorf("stats after reset = %+v, %v", s, err)
	}
	if a := r.post(t, chat("echo+fail-first-1", "x", "")); a.status != 503 {
		t.Errorf("the engine did not forget: %d", a.status)
	}
	if a := r.post(t, chat("echo+fail-first-1", "x", "")); a.status != 200 {
		t.Errorf("second try: %d", a.status)
	}
}
