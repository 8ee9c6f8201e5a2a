package openai

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestRecordedErrors(t *testing.T) {
	cases := []struct {
		file   string
		status int
		kind   llm.Kind
		code   string
		param  string
	}{
		{"openai/error-400-context-length.response.json", 400, llm.KindInvalidRequest, "context_length_exceeded", "input"},
		{"openai/error-400-responses-model.response.json", 400, llm.KindNotFound, "model_not_found", "model"},
		{"openai/error-400-responses.response.json", 400, llm.KindInvalidRequest, "decimal_below_min_value", "temperature"},
		{"openai/error-400-system-role.response.json", 400, llm.KindInvalidRequest, "unsupported_value", "messages[0].role"},
		{"openai/error-400-web-search.response.json", 400, llm.KindInvalidRequest, "", "web_search_options"},
		{"openai/error-401.response.json", 401, llm.KindUpstreamAuth, "", ""},
		{"openai/error-404-embeddings.response.json", 404, llm.KindNotFound, "model_not_found", ""},
		{"openai/error-404-model.response.json", 404, llm.KindNotFound, "model_not_found", ""},
		{"openai/openai-error.1.json", 429, llm.KindUpstreamRateLimited, "insufficient_quota", ""},
		{"openai/reasoning-model-legacy-parameter-error.json", 400, llm.KindInvalidRequest, "unsupported_parameter", "max_tokens"},
		{"openai/reasoning-model-temperature-error.json", 400, llm.KindInvalidRequest, "", "temperature"},
		{"azure/error-401.response.json", 401, llm.KindUpstreamAuth, "", ""},
		{"azure/error-429.response.json", 429, llm.KindUpstreamRateLimited, "RateLimitReached", ""},
		{"openai-compatible/deepseek-error-400-length.response.json", 400, llm.KindInvalidRequest, "context_length_exceeded", ""},
		{"openai-compatible/deepseek-error-401.response.json", 401, llm.KindUpstreamAuth, "", ""},
		{"openai-compatible/groq-error-400-tool-use-failed.response.json", 400, llm.KindInvalidRequest, "tool_use_failed", ""},
		{"openai-compatible/groq-error-404.response.json", 404, llm.KindNotFound, "model_not_found", ""},
		{"openai-compatible/mistral-error-401.response.json", 401, llm.KindUpstreamAuth, "", ""},
		{"openai-compatible/ollama-error-400-length.response.json", 400, llm.KindInvalidRequest, "context_length_exceeded", ""},
		{"openai-compatible/ollama-error-401.response.json", 401, llm.KindUpstreamAuth, "", ""},
		{"openai-compatible/openrouter-error-400-length.response.json", 400, llm.KindInvalidRequest, "context_length_exceeded", ""},
		{"openai-compatible/openrouter-error-401.response.json", 401, llm.KindUpstreamAuth, "", ""},
		{"openai-compatible/openrouter-error-429.response.json", 429, llm.KindUpstreamRateLimited, "", ""},
		{"openai-compatible/xai-error-400-bad-key.response.json", 400, llm.KindUpstreamAuth, "", ""},
		{"dashscope/auth-error-nosse.response.json", 401, llm.KindUpstreamAuth, "", ""},
	}
	for _, tc := range cases {
		t.Run(tc.file, func(t *testing.T) {
			e := Codec{}.DecodeError(tc.status, dialecttest.Fixture(t, tc.file))
			if e.Kind != tc.kind || e.Code != tc.code || e.Param != tc.param || e.Message == "" {
				t.Errorf("got %s code %q param %q: %s", e.Kind, e.Code, e.Param, e.Message)
			}
		})
	}
}

func TestDecodeError(t *testing.T) {
	const (
		invalid = llm.KindInvalidRequest
		rate    = llm.KindUpstreamRateLimited
		auth    = llm.KindUpstreamAuth
		down    = llm.KindUpstreamError
	)
	cases := []struct {
		name      string
		status    int
		body      string
		kind      llm.Kind
		code      string
		permanent bool
		message   string // a part of it
	}{
		// OpenAI's own.
		{"tokens per minute", 429, `{"error":{"message":"Rate limit reached for gpt-4o in organization org-abcdefgh1234 on tokens per min (TPM): Limit 30000. Please try again in 1.2s.","type":"tokens","param":null,"code":"rate_limit_exceeded"}}`, rate, "rate_limit_exceeded", false, "Please try again in 1.2s."},
		{"one request above the limit", 429, `{"error":{"message":"Request too large for gpt-4o on tokens per min (TPM): Limit 30000, Requested 40000.","type":"tokens","code":"rate_limit_exceeded"}}`, rate, "rate_limit_exceeded", true, "Request too large"},
		{"quota", 429, `{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}`, rate, "insufficient_quota", true, "the gateway's quota"},
		{"credit", 429, `{"error":{"message":"x","type":"t","code":"credit_balance_exhausted"}}`, rate, "insufficient_quota", true, ""},
		{"overloaded", 503, `{"error":{"message":"Slow down","type":"server_error","code":"server_is_overloaded"}}`, down, "server_is_overloaded", false, "Slow down"},
		{"server error", 500, `{"error":{"message":"The server had an error","type":"server_error","param":null,"code":null}}`, down, "", false, "The server had an error"},
		{"policy", 400, `{"error":{"message":"rejected by our safety system","type":"invalid_request_error","code":"content_policy_violation"}}`, llm.KindContentFiltered, "content_filter", false, "safety system"},
		{"conflict", 409, `{"error":{"message":"locked"}}`, down, "", false, "locked"},
		{"too large", 413, `{"error":{"message":"Maximum content size limit exceeded"}}`, llm.KindRequestTooLarge, "", false, ""},
		{"unprocessable", 422, `{"error":{"message":"cannot"}}`, invalid, "", false, "cannot"},
		{"timed out", 408, ``, llm.KindTimeout, "", false, "408"},
		{"gateway timed out", 504, ``, llm.KindTimeout, "", false, "504"},
		{"country", 403, `{"error":{"message":"Country not supported","code":"unsupported_country_region_territory"}}`, auth, "", false, "refused the gateway's credential"},

		// Azure.
		{"azure prompt filter", 400, `{"error":{"message":"The response was filtered due to the prompt triggering","type":null,"param":"prompt","code":"content_filter","status":400,"innererror":{"code":"ResponsibleAIPolicyViolation","content_filter_result":{}}}}`, llm.KindContentFiltered, "content_filter", false, "filtered"},
		{"azure prompt filter, no code", 400, `{"error":{"message":"x","code":"400","inner_error":{"code":"ResponsibleAIPolicyViolation"}}}`, llm.KindContentFiltered, "content_filter", false, "x"},
		{"azure deployment", 404, `{"error":{"code":"DeploymentNotFound","message":"The API deployment for this resource does not exist."}}`, llm.KindNotFound, "model_not_found", false, "deployment"},
		{"azure classic 429", 429, `{"error":{"code":"429","message":"Requests have exceeded token rate limit. Please retry after 6 seconds."}}`, rate, "", false, "6 seconds"},
		{"azure role missing", 401, `{"error":{"code":"PermissionDenied","message":"principal lacks it"}}`, auth, "", false, ""},

		// Other shapes.
		{"anthropic shape", 529, `{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`, down, "", false, "Overloaded"},
		{"google shape", 400, `{"error":{"code":400,"message":"API key not valid. Please pass a valid API key.","status":"INVALID_ARGUMENT"}}`, auth, "", false, ""},
		{"google list", 429, `[{"error":{"code":429,"message":"Resource exhausted. Please retry in 26.1s.","status":"RESOURCE_EXHAUSTED"}}]`, rate, "RESOURCE_EXHAUSTED", false, "exhausted"},
		{"error is a string", 500, `{"error":"model failed to load"}`, down, "", false, "model failed to load"},
		{"dashscope native", 429, `{"code":"Throttling.RateQuota","message":"Requests rate limit exceeded","request_id":"r"}`, rate, "Throttling.RateQuota", false, "rate limit"},
		{"dashscope filter", 400, `{"code":"DataInspectionFailed","message":"Input data may contain inappropriate content.","request_id":"r"}`, llm.KindContentFiltered, "content_filter", false, ""},
		{"fastapi list", 422, `{"detail":[{"type":"missing","loc":["body","messages",0,"role"],"msg":"Field required"}]}`, invalid, "", false, "Field required"},
		{"fastapi object", 400, `{"detail":{"error":{"message":"bad thing","code":"x_y"}}}`, invalid, "x_y", false, "bad thing"},
		{"vllm flat", 400, `{"object":"error","message":"This model's maximum context length is 4096 tokens.","type":"BadRequestError","param":null,"code":400}`, invalid, "context_length_exceeded", false, ""},
		{"vllm nested", 404, `{"error":{"message":"The model x does not exist.","type":"NotFoundError","param":"model","code":404}}`, llm.KindNotFound, "model_not_found", false, ""},
		{"mistral flat", 429, `{"object":"error","message":"Rate limit exceeded","type":"rate_limited","param":null,"code":"1300","raw_status_code":429}`, rate, "", false, "Rate limit"},
		{"message alone", 400, `{"id":"1","message":"invalid request"}`, invalid, "", false, "invalid request"},
		{"llama.cpp loading", 503, `{"error":{"code":503,"message":"Loading model","type":"unavailable_error"}}`, down, "", false, "Loading model"},
		{"llama.cpp context", 400, `{"error":{"code":400,"message":"the request exceeds the available context size","type":"exceed_context_size_error","n_ctx":4096}}`, invalid, "context_length_exceeded", false, ""},
		{"together context", 403, `{"error":{"message":"Input validation error: inputs tokens + ` + "`max_new_tokens`" + ` must be <= 8193"}}`, invalid, "context_length_exceeded", false, ""},
		{"openrouter moderation", 403, `{"error":{"code":403,"message":"Input was flagged","metadata":{"reasons":["violence"],"flagged_input":"x"}}}`, llm.KindContentFiltered, "content_filter", false, ""},
		{"openrouter wraps", 502, `{"error":{"code":502,"message":"Provider returned error","metadata":{"raw":"{\"error\":{\"message\":\"inner words\",\"code\":\"inner_code\"}}","provider_name":"X"}}}`, down, "inner_code", false, "Provider returned error: inner words"},
		{"zhipu balance", 429, `{"error":{"code":"1113","message":"no balance"}}`, rate, "insufficient_quota", true, ""},
		{"zhipu busy", 429, `{"error":{"code":"1305","message":"busy"}}`, rate, "", false, "busy"},
		{"zhipu sensitive", 400, `{"error":{"code":"1301","message":"sensitive"}}`, llm.KindContentFiltered, "content_filter", false, ""},
		{"zhipu key", 400, `{"error":{"code":"1002","message":"token"}}`, auth, "", false, ""},
		{"zhipu odd status", 434, `{"error":{"code":"1220","message":"no"}}`, invalid, "", false, "no"},
		{"moonshot quota", 429, `{"error":{"message":"suspended","type":"exceeded_current_quota_error"}}`, rate, "insufficient_quota", true, ""},
		{"moonshot overloaded", 429, `{"error":{"message":"The engine is currently overloaded","type":"engine_overloaded_error"}}`, rate, "", false, "overloaded"},
		{"ark sensitive", 400, `{"error":{"code":"SensitiveContentDetected.SevereViolation","message":"m","param":"","type":"BadRequest"}}`, llm.KindContentFiltered, "content_filter", false, ""},
		{"ark overdue", 403, `{"error":{"code":"AccountOverdueError","message":"m","type":"Forbidden"}}`, rate, "insufficient_quota", true, ""},
		{"ark busy", 429, `{"error":{"code":"ServerOverloaded","message":"m","type":"TooManyRequests"}}`, rate, "ServerOverloaded", false, ""},
		{"payment", 402, `{"error":{"message":"Insufficient Balance"}}`, rate, "insufficient_quota", true, "the gateway's quota"},
		{"xai credits", 403, `{"code":"The caller does not have permission","error":"Your team has used all available credits"}`, rate, "insufficient_quota", true, ""},
		{"groq flex", 498, `{"error":{"message":"capacity"}}`, rate, "", false, ""},
		{"groq day", 429, `{"error":{"message":"Rate limit reached on requests per day (RPD): Limit 1000","code":"rate_limit_exceeded"}}`, rate, "rate_limit_exceeded", true, ""},

		// No JSON.
		{"html", 502, `<html><body>Bad gateway at 10.0.0.7</body></html>`, down, "", false, "the provider answered 502 Bad Gateway"},
		{"cloudflare", 524, "<!DOCTYPE html>", down, "", false, "the provider answered 524"},
		{"text", 503, "no healthy upstream", down, "", false, "503 Service Unavailable: no healthy upstream"},
		{"empty", 500, "", down, "", false, "500 Internal Server Error"},
		{"binary", 500, "\x1f\x8b\x00\x00", down, "", false, "500 Internal Server Error"},
		{"broken json", 500, `{"error":{"message":"x"`, down, "", false, "500"},
		{"html 404", 404, "<h1>Not Found</h1>", llm.KindNotFound, "model_not_found", false, "404"},
		{"an array of nothing", 500, `[]`, down, "", false, "500"},
		{"odd types", 400, `{"error":{"message":7,"type":[],"code":{},"param":1}}`, invalid, "", false, "400"},

		// Without a status: in a stream, or behind status 200.
		{"stream rate", 0, `{"error":{"message":"slow","type":"rate_limit_error"}}`, rate, "", false, "slow"},
		{"stream server", 0, `{"error":{"message":"broke","type":"server_error"}}`, down, "", false, "broke"},
		{"stream number", 0, `{"error":{"message":"p","code":429}}`, rate, "", false, "p"},
		{"stream status_code", 0, `{"error":{"message":"p","status_code":503}}`, down, "", false, "p"},
		{"stream unknown", 0, `{"error":{"message":"p"}}`, down, "", false, "p"},
		{"stream caller", 0, `{"error":{"message":"p","type":"invalid_request_error"}}`, invalid, "", false, "p"},
		{"stream key", 0, `{"error":{"message":"Incorrect API key provided: sk-test-0000"}}`, auth, "", false, "credential"},
		{"status 200", 200, `{"error":{"message":"p","code":"502"}}`, down, "", false, "p"},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			e := Codec{}.DecodeError(tc.status, []byte(tc.body))
			if e.Kind != tc.kind || e.Code != tc.code || e.Permanent != tc.permanent {
				t.Errorf("got %s code %q permanent %v: %s", e.Kind, e.Code, e.Permanent, e.Message)
			}
			if e.Message == "" || !strings.Contains(e.Message, tc.message) {
				t.Errorf("message %q lacks %q", e.Message, tc.message)
			}
			if strings.Contains(e.Message, "org-abc") || strings.Contains(e.Message, "10.0.0.7") || strings.Contains(e.Error(), "sk-test") {
				t.Errorf("a secret is left: %v", e)
			}
		})
	}
}

func TestDecodeErrorDetails(t *testing.T) {
	e := Codec{}.DecodeError(422, []byte(`{"detail":[{"loc":["body","messages",0,"role"],"msg":"Field required"}]}`))
	if e.Param != "messages[0].role" {
		t.Errorf("param %q", e.Param)
	}
	e = Codec{}.DecodeError(429, []byte(`{"error":{"message":"Please try again in 6m0s."}}`))
	if e.RetryAfter != 6*time.Minute || e.Status != 429 {
		t.Errorf("got %+v", e)
	}
	e = Codec{}.DecodeError(401, []byte(`{"error":{"message":"Incorrect API key provided: sk-test-0000."}}`))
	if e.Err == nil || strings.Contains(e.Err.Error(), "sk-test") || !strings.Contains(e.Err.Error(), "Incorrect API key") {
		t.Errorf("for the log: %v", e.Err)
	}
	deep := strings.Repeat(`{"error":`, 300) + `{"message":"x"}` + strings.Repeat(`}`, 300)
	if e = (Codec{}).DecodeError(500, []byte(deep)); e.Kind != llm.KindUpstreamError {
		t.Errorf("got %v", e)
	}
}

// DashScope's compatible mode calls ordinary throttling insufficient_quota.
func TestQuotaThrottles(t *testing.T) {
	body := []byte(`{"error":{"message":"You exceeded your current quota","type":"insufficient_quota","code":"insufficient_quota"}}`)
	if e := (Codec{QuotaThrottles: true}).DecodeError(429, body); e.Kind != llm.KindUpstreamRateLimited || e.Permanent {
		t.Errorf("got %+v", e)
	}
	body = []byte(`{"error":{"message":"Free allocated quota exceeded.","code":"insufficient_quota"}}`)
	if e := (Codec{QuotaThrottles: true}).DecodeError(429, body); !e.Permanent {
		t.Errorf("got %+v", e)
	}
}

func FuzzDecodeError(f *testing.F) {
	for _, s := range []string{`{"error":{"message":"m","code":"c"}}`, `[{"error":"x"}]`, `<html>`, `{"detail":[{"loc":["body",1],"msg":"x"}]}`,
		`{"error":{"metadata":{"raw":"{\"error\":{}}"}}}`, `{"error":{"innererror":{"code":1}}}`} {
		f.Add(400, []byte(s))
	}
	f.Fuzz(func(t *testing.T, status int, body []byte) {
		e := Codec{}.DecodeError(status, body)
		if e == nil || e.Message == "" || len(e.Message) > 1000 {
			t.Fatalf("%d %q: %+v", status, body, e)
		}
		if !json.Valid((Codec{}).AppendError(nil, e, nil)) {
			t.Fatalf("%q cannot be told to a client", body)
		}
	})
}

// TestAppendError walks the table of the contract, §5.
func TestAppendError(t *testing.T) {
	cases := []struct {
		kind      llm.Kind
		typ, code string
	}{
		{llm.KindInvalidRequest, "invalid_request_error", "null"},
		{llm.KindUnsupported, "invalid_request_error", `"unsupported_parameter"`},
		{llm.KindContentFiltered, "invalid_request_error", `"content_filter"`},
		{llm.KindUnauthenticated, "invalid_request_error", `"invalid_api_key"`},
		{llm.KindBudgetExceeded, "insufficient_quota", `"budget_exceeded"`},
		{llm.KindPermissionDenied, "permission_error", "null"},
		{llm.KindNotFound, "invalid_request_error", `"model_not_found"`},
		{llm.KindRequestTooLarge, "invalid_request_error", "null"},
		{llm.KindRateLimited, "rate_limit_error", `"rate_limit_exceeded"`},
		{llm.KindUpstreamRateLimited, "rate_limit_error", "null"},
		{llm.KindInternal, "server_error", "null"},
		{llm.KindUpstreamAuth, "server_error", "null"},
		{llm.KindUpstreamError, "server_error", "null"},
		{llm.KindOverloaded, "server_error", "null"},
		{llm.KindTimeout, "server_error", `"timeout"`},
		{llm.KindCount + 3, "server_error", "null"},
	}
	for _, tc := range cases {
		e := &llm.Error{Kind: tc.kind, Message: `say "no"`}
		want := `{"error":{"message":"say \"no\"","type":"` + tc.typ + `","param":null,"code":` + tc.code + `}}`
		if got := string((Codec{}).AppendError(nil, e, nil)); got != want {
			t.Errorf("%s:\n got %s\nwant %s", tc.kind, got, want)
		}
	}
	e := &llm.Error{Kind: llm.KindInvalidRequest, Message: "m", Param: "messages[0]", Code: "context_length_exceeded", Err: errors.New("inner")}
	const want = `data: {"error":{"message":"m","type":"invalid_request_error","param":"messages[0]","code":"context_length_exceeded"}}` + "\n\n"
	if got := string((Codec{}).AppendStreamError([]byte("x"), e, nil)); got != "x"+want {
		t.Errorf("got %s", got)
	}
}
