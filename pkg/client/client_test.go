package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestGenerate(t *testing.T) {
	c, got := fake(t, Options{Key: testKey, UserAgent: "tester/1"}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("X-Gateway-Dropped", "seed, top_p")
		answer(200, "application/json", envelopeOf(wholeData))(w, r)
	})
	r, err := c.Generate(t.Context(), Request{Model: "chat", Prompt: "hi", Temperature: new(0.0), Timeout: 1500 * time.Microsecond, DropUnsupported: true})
	if err != nil {
		t.Fatal(err)
	}
	want := &Response{
		ID: "gen_r1", Model: "gpt-4o", Provider: "openai", Text: "Zürich", Reasoning: "I think",
		ToolCalls:    []ToolCall{{ID: "call_1", Type: "function", Function: FunctionCall{Name: "f", Arguments: `{"a":1}`}}},
		FinishReason: "tool_calls", Usage: &Usage{9, 3, 12, 2, 21, true}, Cost: &Cost{"0.000042500001", "USD"},
		LatencyMS: 812, Attempts: 2, Cache: "miss", RequestID: "r1", Dropped: []string{"seed", "top_p"}, Raw: json.RawMessage(wholeData),
	}
	if d := cmp.Diff(want, r); d != "" {
		t.Error(d)
	}
	if r.Latency() != 812*time.Millisecond {
		t.Error(r.Latency())
	}
	s := (*got)[0]
	if s.method != "POST" || s.path != "/v1/generate" || s.body != `{"model":"chat","prompt":"hi","temperature":0,"timeout_ms":2}` {
		t.Errorf("sent %s %s %s", s.method, s.path, s.body)
	}
	for name, want := range map[string]string{
		"Authorization": "Bearer " + testKey, "Content-Type": "application/json", "Accept": "application/json",
		"User-Agent": "tester/1", "X-Gateway-Unsupported": "drop",
	} {
		if s.header.Get(name) != want {
			t.Errorf("%s: %q", name, s.header.Get(name))
		}
	}
}

func TestRequestForms(t *testing.T) {
	full := Request{
		System: "s", MaxTokens: 5, TopP: new(0.5), Stop: []string{"x"}, Seed: new(int64(0)), PresencePenalty: new(1.0), FrequencyPenalty: new(-1.0),
		Messages: []Message{
			{Role: RoleUser, Parts: []Part{Text("see"), Image("https://h/i.png")}},
			{Role: RoleAssistant, ToolCalls: []ToolCall{{ID: "1", Type: "function", Function: FunctionCall{"f", "{}"}}}},
			{Role: RoleTool, ToolCallID: "1"},
		},
		Tools:      []Tool{{Type: "function", Function: Function{Name: "f", Parameters: json.RawMessage(`{}`)}}},
		ToolChoice: json.RawMessage(`"auto"`), ParallelToolCalls: new(false), ReasoningEffort: "low",
		ResponseFormat: &ResponseFormat{Type: "json_schema", JSONSchema: &JSONSchema{Name: "n", Schema: json.RawMessage(`{"type":"object"}`), Strict: new(true)}},
		Metadata:       map[string]string{"k": "v"},
	}
	fullText := `{"system":"s","messages":[{"role":"user","content":[{"type":"text","text":"see"},{"type":"image_url","image_url":{"url":"https://h/i.png"}}]},{"role":"assistant","content":null,"tool_calls":[{"id":"1","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","content":"","tool_call_id":"1"}],"max_tokens":5,"top_p":0.5,"stop":["x"],"seed":0,"presence_penalty":1,"frequency_penalty":-1,"tools":[{"type":"function","function":{"name":"f","parameters":{}}}],"tool_choice":"auto","parallel_tool_calls":false,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object"},"strict":true}},"reasoning_effort":"low","metadata":{"k":"v"},"stream":true}`
	for _, tc := range []struct {
		name   string
		req    Request
		stream bool
		want   string
	}{
		{"every member", full, true, fullText},
		{"raw as it is", Request{Prompt: "ignored", Raw: json.RawMessage(`{ "x": 1.50, "s":"<\u00e9>" }`)}, false, `{ "x": 1.50, "s":"<\u00e9>" }`},
		{"raw made a stream", Request{Raw: json.RawMessage(`{ "x": 1.50 }`)}, true, `{ "x": 1.50 ,"stream":true}`},
		{"raw of nothing made a stream", Request{Raw: json.RawMessage(`{}`)}, true, `{"stream":true}`},
		{"raw with stream, made whole", Request{Raw: json.RawMessage(`{"stream":true,"x":1}`)}, false, `{"stream":false,"x":1}`},
		{"raw without stream, made one", Request{Raw: json.RawMessage(`{"stream":null,"x":1}`)}, true, `{"stream":true,"x":1}`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.req.encode(tc.stream)
			if d := cmp.Diff(tc.want, string(got)); err != nil || d != "" {
				t.Error(err, d)
			}
		})
	}
	for name, req := range map[string]Request{
		"raw is an array": {Raw: json.RawMessage(`[]`)}, "raw is cut": {Raw: json.RawMessage(`{"a":`)},
		"stream twice": {Raw: json.RawMessage(`{"stream":true,"stream":false}`)}, "bad schema": {ToolChoice: json.RawMessage(`{`)},
	} {
		if _, err := req.encode(false); err == nil {
			t.Errorf("%s: no error", name)
		} else {
			kindIs(t, err, KindInvalidRequest, "")
		}
	}
}

func TestErrors(t *testing.T) {
	for _, tc := range []struct {
		name    string
		h       http.HandlerFunc
		want    Error
		message string
	}{
		{"the gateway's", answer(429, "application/json", limitedBody),
			Error{Kind: KindRateLimited, Code: 429, Message: "slow down", Retryable: true, RetryAfter: 1200 * time.Millisecond, Provider: "openai", Param: "model", RequestID: "r9"},
			"rate_limited: slow down (param model, provider openai, request r9)"},
		{"wait in the head alone", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "7")
			answer(503, "application/json", `{"code":503,"message":"full","error":{"kind":"overloaded","retryable":true}}`)(w, nil)
		}, Error{Kind: KindOverloaded, Code: 503, Message: "full", Retryable: true, RetryAfter: 7 * time.Second}, ""},
		{"another's page", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After-Ms", "20.5")
			w.Header().Set("X-Request-Id", "lb-1")
			answer(502, "text/html", "<html>\x1b[31m\n bad   gateway</html>")(w, nil)
		}, Error{Kind: KindUpstreamError, Code: 502, Message: "HTTP 502 Bad Gateway, not by the gateway: <html> [31m bad gateway</html>",
			Retryable: true, RetryAfter: 20500 * time.Microsecond, RequestID: "lb-1"}, ""},
		{"an empty 404", answer(404, "text/plain", ""), Error{Kind: KindNotFound, Code: 404, Message: "HTTP 404 Not Found"}, ""},
		{"a 500 is for good", answer(500, "text/plain", ""), Error{Kind: KindInternal, Code: 500, Message: "HTTP 500 Internal Server Error"}, ""},
		{"an unknown kind", answer(400, "application/json", `{"code":400,"message":"m","error":{"kind":"new_kind"}}`), Error{Kind: "new_kind", Code: 400, Message: "m"}, ""},
		{"an error with status 200", answer(200, "application/json", limitedBody), Error{Kind: KindRateLimited, Code: 429, Message: "slow down",
			Retryable: true, RetryAfter: 1200 * time.Millisecond, Provider: "openai", Param: "model", RequestID: "r9"}, ""},
		{"success without data", answer(200, "application/json", envelopeOf("null")), Error{Kind: KindProtocol, Message: "the gateway's success has no data", RequestID: "r1"}, ""},
		{"not an envelope", answer(200, "text/html", "hello"), Error{Kind: KindProtocol, Message: "the answer is not the gateway's: hello"}, ""},
		{"too large", answer(200, "application/json", envelopeOf(`{"text":"`+strings.Repeat("x", 5000)+`"}`)), Error{Kind: KindProtocol, Message: "the answer is larger than 4096 bytes"}, ""},
		{"a large page", answer(502, "text/html", strings.Repeat("x", 300)), Error{Kind: KindUpstreamError, Code: 502, Retryable: true,
			Message: "HTTP 502 Bad Gateway, not by the gateway: " + strings.Repeat("x", 200) + "…"}, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c, _ := fake(t, Options{MaxAnswer: 4096}, tc.h)
			_, err := c.Generate(t.Context(), Request{Prompt: "hi"})
			e := kindIs(t, err, tc.want.Kind, tc.message)
			if d := cmp.Diff(tc.want, *e); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestWrongTypeInData(t *testing.T) {
	c, _ := fake(t, Options{}, answer(200, "application/json", envelopeOf(`{"text":7}`)))
	_, err := c.Generate(t.Context(), Request{Prompt: "hi"})
	if e := kindIs(t, err, KindProtocol, "cannot be read"); e.Err == nil || e.RequestID != "r1" {
		t.Errorf("%+v", e)
	}
}

func TestCutAnswer(t *testing.T) {
	c, _ := fake(t, Options{}, cut("application/json", `{"code":200,`))
	_, err := c.Generate(t.Context(), Request{Prompt: "hi"})
	if e := kindIs(t, err, KindConnection, "was cut"); !e.Retryable || e.NeverSent() {
		t.Errorf("%+v", e)
	}
}

func TestContext(t *testing.T) {
	c, _ := fake(t, Options{}, func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	why := errors.New("had enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(time.Millisecond, func() { cancel(why) })
	_, err := c.Generate(ctx, Request{Prompt: "hi"})
	kindIs(t, err, KindCanceled, "had enough")
	if !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
		t.Error(err)
	}
	late, cancelLate := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancelLate()
	_, err = c.Generate(late, Request{Prompt: "hi"})
	kindIs(t, err, KindTimeout, "deadline")
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Error(err)
	}
}

func TestConnectRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			retries int
			err     error
			dials   int
		}{
			{0, &net.OpError{Op: "dial", Err: errors.New("refused")}, 1},
			{3, &net.OpError{Op: "dial", Err: errors.New("refused")}, 4},
			{3, &net.OpError{Op: "read", Err: errors.New("reset")}, 1}, // somebody may have seen it
		} {
			dials := 0
			hc := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
				dials++
				return nil, tc.err
			})}
			c, err := New(Options{HTTPClient: hc, ConnectRetries: tc.retries})
			if err != nil {
				t.Fatal(err)
			}
			_, err = c.Generate(t.Context(), Request{Prompt: "hi"})
			e := kindIs(t, err, KindConnection, tc.err.Error())
			if dials != tc.dials || e.NeverSent() != (tc.err.(*net.OpError).Op == "dial") {
				t.Errorf("%+v: %d dials, never sent %v", tc, dials, e.NeverSent())
			}
			c.Close() // the transport is not the client's to close
		}
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestConnectRetryEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	hc := &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
		cancel()
		return nil, &net.OpError{Op: "dial", Err: errors.New("refused")}
	})}
	c, err := New(Options{HTTPClient: hc, ConnectRetries: 1000})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Generate(ctx, Request{Prompt: "hi"})
	kindIs(t, err, KindCanceled, "")
}

func TestBaseURL(t *testing.T) {
	c, got := fake(t, Options{}, answer(200, "application/json", envelopeOf(wholeData)))
	for _, tail := range []string{"", "/", "/v1", "/v1/", "/gateway/v1"} {
		other, err := New(Options{BaseURL: c.base + tail, HTTPClient: c.o.HTTPClient})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := other.Generate(t.Context(), Request{Prompt: "hi"}); err != nil {
			t.Fatal(err)
		}
		want := strings.TrimSuffix(strings.TrimSuffix(tail, "/"), "/v1") + "/v1/generate"
		if s := (*got)[len(*got)-1]; s.path != want || s.header.Get("Authorization") != "" {
			t.Errorf("%q: %+v", tail, s)
		}
	}
	for _, bad := range []string{"127.0.0.1:8080", "ftp://h", "http://", "http://u:p@h", "http://h?x=1", "http://h#x", "://"} {
		if _, err := New(Options{BaseURL: bad}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	if c, err := New(Options{}); err != nil || c.base != DefaultBaseURL {
		t.Errorf("%v %v", c, err)
	}
}

func TestKeyIsNeverShown(t *testing.T) {
	o := Options{BaseURL: "http://127.0.0.1:1", Key: testKey}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	var log strings.Builder
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "o", o, "c", c)
	_, failed := c.Generate(t.Context(), Request{Prompt: "hi"})
	all := fmt.Sprintf("%v %+v %#v %s %v %+v %#v %v %s", o, o, o, o, c, c, c, failed, log.String())
	if strings.Contains(all, testKey) {
		t.Errorf("the key is shown: %s", all)
	}
	if !strings.Contains(all, "with a key") {
		t.Errorf("got %s", all)
	}
}

func TestRetryAfter(t *testing.T) {
	for _, tc := range []struct {
		ms, s    string
		min, max time.Duration
	}{
		{"", "", 0, 0}, {"", "-3", 0, 0}, {"", "soon", 0, 0}, {"nan", "2", 2 * time.Second, 2 * time.Second},
		{"1e300", "", time.Hour, 366 * 24 * time.Hour}, {"", "9999999999999", time.Hour, 366 * 24 * time.Hour},
		{"", time.Now().Add(time.Hour).UTC().Format(http.TimeFormat), 59 * time.Minute, time.Hour},
		{"", time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat), 0, 0},
	} {
		h := http.Header{}
		h.Set("Retry-After-Ms", tc.ms)
		h.Set("Retry-After", tc.s)
		if got := retryAfter(h); got < tc.min || got > tc.max {
			t.Errorf("%q %q: %v", tc.ms, tc.s, got)
		}
	}
}

func TestStatusKinds(t *testing.T) {
	for status, want := range map[int]Kind{
		401: KindUnauthenticated, 402: KindBudgetExceeded, 403: KindPermissionDenied, 404: KindNotFound, 413: KindRequestTooLarge,
		429: KindRateLimited, 400: KindInvalidRequest, 418: KindInvalidRequest, 500: KindInternal, 502: KindUpstreamError, 503: KindOverloaded,
		504: KindTimeout, 599: KindInternal, 302: KindProtocol,
	} {
		if got := kindOf(status); got != want {
			t.Errorf("%d: %s, want %s", status, got, want)
		}
	}
}

const usageData = `{"key":"app","tenant":"team","today":{"from":"2026-01-02T00:00:00Z","requests":3,"input_tokens":10,"cached_input_tokens":1,"output_tokens":20,"reasoning_tokens":2,"estimated_tokens":4,"unpriced_requests":1,"cost":{"amount":0.5,"currency":"USD"}},"month":%s,"limits":{"key":{"name":"app","requests":{"limit":20,"rps":10,"used":3,"remaining":17,"reset_at":"2026-01-02T03:04:05Z"},"budget":{"day":{"limit":0.5,"used":0.75,"remaining":0}}}},"more":1}`

func TestUsage(t *testing.T) {
	data := fmt.Sprintf(usageData, `"changed its form"`)
	c, got := fake(t, Options{Key: testKey}, answer(200, "application/json", envelopeOf(data)))
	r, err := c.Usage(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	reset := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	limits := &LimitsUse{Name: "app", Requests: &LimitUse{Limit: 20, RPS: 10, Used: 3, Remaining: 17, ResetAt: &reset}}
	limits.Budget.Day = &LimitUse{Limit: 0.5, Used: 0.75}
	want := &UsageReport{
		Key: "app", Tenant: "team", RequestID: "r1", Raw: json.RawMessage(data), Limits: OwnLimits{Key: limits},
		Today: Use{time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC), 3, 10, 1, 20, 2, 4, 1, &Cost{"0.5", "USD"}},
	}
	if d := cmp.Diff(want, r); d != "" {
		t.Error(d)
	}
	if s := (*got)[0]; s.method != "GET" || s.path != "/v1/usage" || s.header.Get("Authorization") == "" || s.header.Get("Content-Type") != "" {
		t.Errorf("sent %+v", s)
	}
}

func TestUsageFails(t *testing.T) {
	for _, tc := range []struct {
		h    http.HandlerFunc
		kind Kind
	}{
		{answer(404, "application/json", `{"code":404,"message":"no such path","error":{"kind":"not_found"}}`), KindNotFound},
		{answer(200, "application/json", envelopeOf("null")), KindProtocol},
		{answer(200, "text/html", "hi"), KindProtocol},
		{cut("application/json", "{"), KindConnection},
	} {
		c, _ := fake(t, Options{}, tc.h)
		_, err := c.Usage(t.Context())
		kindIs(t, err, tc.kind, "")
	}
}
