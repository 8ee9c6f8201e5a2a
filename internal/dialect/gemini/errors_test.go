package gemini

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestDecodeError(t *testing.T) {
	body := func(code, word, message, details string) string {
		return `{"error":{"code":` + code + `,"message":"` + message + `","status":"` + word + `","details":[` + details + `]}}`
	}
	cases := []struct {
		name      string
		status    int
		body      string
		kind      llm.Kind
		code      string
		permanent bool
		message   string
		wait      time.Duration
	}{
		{name: "bad request", status: 400, body: body("400", "INVALID_ARGUMENT", "Unknown name", ""), kind: llm.KindInvalidRequest, message: "Unknown name"},
		{name: "bad key", status: 400, body: body("400", "INVALID_ARGUMENT", "API key not valid.", `{"@type":"x/google.rpc.ErrorInfo","reason":"API_KEY_INVALID"}`), kind: llm.KindUpstreamAuth, message: "credential"},
		{name: "too long", status: 400, body: body("400", "INVALID_ARGUMENT", "The input token count (5) exceeds the maximum number of tokens allowed (4).", ""), kind: llm.KindInvalidRequest, code: "context_length_exceeded", message: "token count"},
		{name: "location", status: 400, body: body("400", "FAILED_PRECONDITION", "User location is not supported for the API use.", ""), kind: llm.KindUpstreamAuth, message: "credential"},
		{name: "precondition", status: 400, body: body("400", "FAILED_PRECONDITION", "The file is not ready", ""), kind: llm.KindInvalidRequest, message: "not ready"},
		{name: "token", status: 401, body: body("401", "UNAUTHENTICATED", "expired", `{"reason":"ACCESS_TOKEN_EXPIRED"}`), kind: llm.KindUpstreamAuth, message: "credential"},
		{name: "permission", status: 403, body: body("403", "PERMISSION_DENIED", "no", ""), kind: llm.KindUpstreamAuth, message: "credential"},
		{name: "model", status: 404, body: body("404", "NOT_FOUND", "models/x is not found", ""), kind: llm.KindNotFound, code: "model_not_found", message: "models/x"},
		{name: "HTML", status: 404, body: "<html>", kind: llm.KindNotFound, code: "model_not_found", message: "404 Not Found"},
		{name: "rate limit", status: 429, body: body("429", "RESOURCE_EXHAUSTED", "quota", `{"retryDelay":"34.4s"},{"violations":[{"quotaId":"RequestsPerMinute"}]}`), kind: llm.KindUpstreamRateLimited, wait: 34400 * time.Millisecond, message: "quota"},
		{name: "rate limit in words", status: 429, body: body("429", "RESOURCE_EXHAUSTED", "Please retry in 26.5s.", ""), kind: llm.KindUpstreamRateLimited, wait: 26500 * time.Millisecond, message: "retry"},
		{name: "daily limit", status: 429, body: body("429", "RESOURCE_EXHAUSTED", "quota", `{"violations":[{"quotaId":"GenerateRequestsPerDayPerProject"}]}`), kind: llm.KindUpstreamRateLimited, code: "insufficient_quota", permanent: true, message: "used up"},
		{name: "no quota at all", status: 429, body: body("429", "RESOURCE_EXHAUSTED", "quota", `{"metadata":{"quota_limit_value":"0"}}`), kind: llm.KindUpstreamRateLimited, code: "insufficient_quota", permanent: true, message: "used up"},
		{name: "conflict", status: 409, body: body("409", "ABORTED", "x", ""), kind: llm.KindUpstreamError, message: "x"},
		{name: "canceled", status: 499, body: body("499", "CANCELLED", "x", ""), kind: llm.KindUpstreamError, message: "x"},
		{name: "internal", status: 500, body: body("500", "INTERNAL", "x", ""), kind: llm.KindUpstreamError, message: "x"},
		{name: "overloaded", status: 503, body: body("503", "UNAVAILABLE", "The model is overloaded.", ""), kind: llm.KindUpstreamError, message: "overloaded"},
		{name: "deadline", status: 504, body: body("504", "DEADLINE_EXCEEDED", "x", ""), kind: llm.KindTimeout, message: "x"},
		{name: "list", status: 503, body: "[" + body("503", "UNAVAILABLE", "x", "") + "]", kind: llm.KindUpstreamError, message: "x"},
		{name: "token exchange", status: 400, body: `{"error":"invalid_grant","error_description":"Invalid JWT"}`, kind: llm.KindUpstreamAuth, message: "credential"},
		{name: "in a stream", body: body("429", "RESOURCE_EXHAUSTED", "x", ""), kind: llm.KindUpstreamRateLimited, message: "x"},
		{name: "words alone", body: `{"error":{"message":"x","status":"OUT_OF_RANGE"}}`, kind: llm.KindInvalidRequest, message: "x"},
		{name: "nothing", kind: llm.KindUpstreamError, message: "failed"},
		{name: "text", status: 502, body: "bad gateway", kind: llm.KindUpstreamError, message: "502 Bad Gateway: bad gateway"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := codec.DecodeError(c.status, []byte(c.body))
			if e.Kind != c.kind || e.Code != c.code || e.Permanent != c.permanent || e.RetryAfter != c.wait || !strings.Contains(e.Message, c.message) {
				t.Errorf("%s %q permanent %v wait %v: %s", e.Kind, e.Code, e.Permanent, e.RetryAfter, e.Message)
			}
			if c.status != 0 && e.Status != c.status {
				t.Errorf("status %d", e.Status)
			}
		})
	}
}

func FuzzDecodeError(f *testing.F) {
	f.Add(400, `{"error":{"code":400,"message":"x","status":"INVALID_ARGUMENT","details":[{"retryDelay":"1s"}]}}`)
	f.Add(0, `[{"error":[{"message":{}}]}]`)
	f.Fuzz(func(t *testing.T, status int, body string) {
		e := codec.DecodeError(status, []byte(body))
		if e.Message == "" || e.Kind >= llm.KindCount || len(e.Message) > 2*dialect.MaxMessage || e.RetryAfter < 0 {
			t.Errorf("%+v", e)
		}
		if out := codec.AppendError(nil, e, nil); !json.Valid(out) {
			t.Errorf("%s", out)
		}
	})
}

// TestErrorRoundTrip: an error written for a client is understood as what it
// was, as far as Google's words go.
func TestErrorRoundTrip(t *testing.T) {
	same := map[llm.Kind]llm.Kind{
		llm.KindInvalidRequest: llm.KindInvalidRequest, llm.KindUnsupported: llm.KindInvalidRequest, llm.KindContentFiltered: llm.KindInvalidRequest,
		llm.KindUnauthenticated: llm.KindUpstreamAuth, llm.KindPermissionDenied: llm.KindUpstreamAuth, llm.KindNotFound: llm.KindNotFound,
		llm.KindRequestTooLarge: llm.KindRequestTooLarge, llm.KindRateLimited: llm.KindUpstreamRateLimited, llm.KindBudgetExceeded: llm.KindUpstreamRateLimited,
		llm.KindUpstreamRateLimited: llm.KindUpstreamRateLimited, llm.KindInternal: llm.KindUpstreamError, llm.KindUpstreamAuth: llm.KindUpstreamError,
		llm.KindUpstreamError: llm.KindUpstreamError, llm.KindOverloaded: llm.KindUpstreamError, llm.KindTimeout: llm.KindTimeout,
		llm.KindCanceled: llm.KindUpstreamError, llm.KindCount: llm.KindUpstreamError,
	}
	if len(same) != int(llm.KindCount)+1 {
		t.Fatal("a kind is missing")
	}
	for kind, want := range same {
		e := llm.Errorf(kind, "a \"b\"")
		e.RetryAfter = 1500 * time.Millisecond
		out := codec.AppendError(nil, e, nil)
		if got := codec.DecodeError(0, out); got.Kind != want || got.RetryAfter != e.RetryAfter {
			t.Errorf("%s: %s reads as %s after %v", kind, out, got.Kind, got.RetryAfter)
		}
	}
	out := string(codec.AppendStreamError(nil, llm.Errorf(llm.KindOverloaded, "busy"), &dialect.Facts{Status: 529}))
	if out != "data: {\"error\":{\"code\":529,\"message\":\"busy\",\"status\":\"UNAVAILABLE\"}}\n\n" {
		t.Error(out)
	}
}
