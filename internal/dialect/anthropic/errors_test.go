package anthropic

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestDecodeError(t *testing.T) {
	body := func(typ, msg string) string {
		return `{"type":"error","error":{"type":"` + typ + `","message":"` + msg + `"},"request_id":"req_1"}`
	}
	cases := []struct {
		name      string
		status    int
		body      string
		kind      llm.Kind
		code      string
		permanent bool
		message   string
	}{
		{"bad request", 400, body("invalid_request_error", "messages: too few"), llm.KindInvalidRequest, "", false, "messages: too few"},
		{"too long", 400, body("invalid_request_error", "prompt is too long: 3 tokens > 2 maximum"), llm.KindInvalidRequest, "context_length_exceeded", false, "prompt is too long"},
		{"too long with max_tokens", 400, body("invalid_request_error", "input length and max_tokens exceed context limit"), llm.KindInvalidRequest, "context_length_exceeded", false, "context limit"},
		{"credit", 400, body("invalid_request_error", "Your credit balance is too low to access the API."), llm.KindUpstreamRateLimited, "insufficient_quota", true, "quota with the provider is used up"},
		{"billing", 402, body("billing_error", "pay"), llm.KindUpstreamRateLimited, "insufficient_quota", true, "quota"},
		{"key", 401, body("authentication_error", "invalid x-api-key"), llm.KindUpstreamAuth, "", false, "refused the gateway's credential"},
		{"permission", 403, body("permission_error", "no"), llm.KindUpstreamAuth, "", false, "refused the gateway's credential"},
		{"model", 404, body("not_found_error", "model: claude-none"), llm.KindNotFound, "model_not_found", false, "model: claude-none"},
		{"not found", 404, body("not_found_error", "Not Found"), llm.KindNotFound, "", false, "Not Found"},
		{"too large", 413, body("request_too_large", "Request exceeds the maximum size"), llm.KindRequestTooLarge, "", false, "maximum size"},
		{"too large at the edge", 413, "<html>413</html>", llm.KindRequestTooLarge, "", false, "the provider answered 413 Request Entity Too Large"},
		{"rate limit", 429, body("rate_limit_error", "slow down"), llm.KindUpstreamRateLimited, "", false, "slow down"},
		{"spend limit", 429, body("rate_limit_error", "You have reached your spend limit"), llm.KindUpstreamRateLimited, "insufficient_quota", true, "quota"},
		{"server", 500, body("api_error", "Internal server error"), llm.KindUpstreamError, "", false, "Internal server error"},
		{"timeout", 504, body("timeout_error", "Request timed out"), llm.KindTimeout, "", false, "timed out"},
		{"overloaded", 529, body("overloaded_error", "Overloaded"), llm.KindUpstreamError, "", false, "Overloaded"},
		{"overloaded in a stream", 0, body("overloaded_error", "Overloaded"), llm.KindUpstreamError, "", false, "Overloaded"},
		{"bad request in a stream", 0, body("invalid_request_error", "x"), llm.KindInvalidRequest, "", false, "x"},
		{"unknown in a stream", 0, body("new_error", "x"), llm.KindUpstreamError, "", false, "x"},
		{"unknown type", 418, body("teapot_error", "x"), llm.KindInvalidRequest, "", false, "x"},
		{"conflict", 409, body("conflict_error", "x"), llm.KindUpstreamError, "", false, "x"},
		{"bare", 400, `{"type":"invalid_request_error","message":"bare"}`, llm.KindInvalidRequest, "", false, "bare"},
		{"string", 503, `{"error":"down"}`, llm.KindUpstreamError, "", false, "down"},
		{"code for type", 429, `{"error":{"code":"rate_limit_error","message":"m"}}`, llm.KindUpstreamRateLimited, "", false, "m"},
		{"plain text", 502, "upstream connect error", llm.KindUpstreamError, "", false, "502 Bad Gateway: upstream connect error"},
		{"nothing", 500, "", llm.KindUpstreamError, "", false, "500 Internal Server Error"},
		{"secret", 400, body("invalid_request_error", "bad key sk-ant-REDACTED"), llm.KindInvalidRequest, "", false, "[redacted]"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := codec.DecodeError(c.status, []byte(c.body))
			if e.Kind != c.kind || e.Code != c.code || e.Permanent != c.permanent || e.Status != c.status {
				t.Errorf("%s %q permanent %v status %d", e.Kind, e.Code, e.Permanent, e.Status)
			}
			if !strings.Contains(e.Message, c.message) || strings.Contains(e.Error(), "sk-ant") {
				t.Errorf("message %q", e.Message)
			}
		})
	}
}

func FuzzDecodeError(f *testing.F) {
	f.Add(400, `{"type":"error","error":{"type":"invalid_request_error","message":"x"}}`)
	f.Add(0, `{"error":[{"message":{}}]}`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		e := codec.DecodeError(status, []byte(body))
		if e.Message == "" || e.Kind >= llm.KindCount || len(e.Message) > 2*dialect.MaxMessage {
			t.Errorf("%+v", e)
		}
		if out := codec.AppendError(nil, e, nil); !json.Valid(out) {
			t.Errorf("%s", out)
		}
	})
}

func TestAppendError(t *testing.T) {
	types := map[llm.Kind]string{
		llm.KindInvalidRequest: "invalid_request_error", llm.KindUnsupported: "invalid_request_error", llm.KindContentFiltered: "invalid_request_error",
		llm.KindUnauthenticated: "authentication_error", llm.KindBudgetExceeded: "billing_error", llm.KindPermissionDenied: "permission_error",
		llm.KindNotFound: "not_found_error", llm.KindRequestTooLarge: "request_too_large", llm.KindRateLimited: "rate_limit_error",
		llm.KindUpstreamRateLimited: "rate_limit_error", llm.KindInternal: "api_error", llm.KindUpstreamAuth: "api_error",
		llm.KindUpstreamError: "api_error", llm.KindOverloaded: "overloaded_error", llm.KindTimeout: "api_error", llm.KindCanceled: "api_error",
		llm.KindCount: "api_error",
	}
	if len(types) != int(llm.KindCount)+1 {
		t.Fatal("a kind is missing")
	}
	for kind, typ := range types {
		got := string(codec.AppendError([]byte("x"), llm.Errorf(kind, "a \"b\""), &dialect.Facts{RequestID: "r1"}))
		want := `x{"type":"error","error":{"type":"` + typ + `","message":"a \"b\""},"request_id":"r1"}`
		if got != want {
			t.Errorf("%s: %s", kind, got)
		}
	}
	tooLong := &llm.Error{Kind: llm.KindInvalidRequest, Code: "context_length_exceeded", Message: "maximum context length is 5"}
	if got := string(codec.AppendError(nil, tooLong, nil)); got != `{"type":"error","error":{"type":"invalid_request_error","message":"prompt is too long: maximum context length is 5"}}` {
		t.Error(got)
	}
	got := string(codec.AppendStreamError(nil, llm.Errorf(llm.KindOverloaded, "busy"), nil))
	if got != "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"busy\"}}\n\n" {
		t.Error(got)
	}
}
