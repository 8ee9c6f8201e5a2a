package dashscope

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func fail(code, message string) string {
	return `{"code":"` + code + `","message":"` + message + `","request_id":"r-1"}`
}

func TestDecodeError(t *testing.T) {
	for _, tc := range []struct {
		name      string
		status    int
		body      string
		kind      llm.Kind
		code      string
		permanent bool
		message   string
	}{
		{"parameter", 400, fail("InvalidParameter", "temperature: too hot"), llm.KindInvalidRequest, "", false, "too hot"},
		{"parameter with a suffix", 400, fail("InvalidParameter.DataInspection", "x"), llm.KindInvalidRequest, "", false, "x"},
		{"too long", 400, fail("InvalidParameter", "Range of input length should be [1, 6000]"), llm.KindInvalidRequest, "context_length_exceeded", false, "Range"},
		{"input", 400, fail("DataInspectionFailed", "Input data may contain inappropriate content."), llm.KindContentFiltered, "content_filter", false, "inappropriate"},
		{"policy", 400, fail("IPInfringementSuspect", "x"), llm.KindContentFiltered, "content_filter", false, "x"},
		{"empty", 400, fail("BadRequest.EmptyInput", "x"), llm.KindInvalidRequest, "", false, "x"},
		{"overdue", 400, fail("Arrearage", "Access denied, please make sure your account is in good standing."), llm.KindUpstreamRateLimited, "insufficient_quota", true, "quota with the provider is used up"},
		{"key", 401, fail("InvalidApiKey", "Invalid API-key provided."), llm.KindUpstreamAuth, "", false, "refused the gateway's credential"},
		{"access", 403, fail("AccessDenied.Unpurchased", "x"), llm.KindUpstreamAuth, "", false, "refused"},
		{"access to a model", 403, fail("Model.AccessDenied", "x"), llm.KindUpstreamAuth, "", false, "refused"},
		{"free tier", 403, fail("AllocationQuota.FreeTierOnly", "x"), llm.KindUpstreamRateLimited, "insufficient_quota", true, "quota"},
		{"model", 404, fail("ModelNotFound", "Model not found"), llm.KindNotFound, "model_not_found", false, "Model not found"},
		{"model, the old way", 400, fail("InvalidParameter", "Model not exist."), llm.KindNotFound, "model_not_found", false, "Model not exist"},
		{"workspace", 404, fail("WorkSpaceNotFound", "x"), llm.KindUpstreamAuth, "", false, "refused"},
		{"not found", 404, fail("NotFound", "x"), llm.KindNotFound, "", false, "x"},
		{"too slow", 408, fail("RequestTimeOut", "Request timed out"), llm.KindTimeout, "", false, "timed out"},
		{"too slow as 500", 500, fail("RequestTimeOut", "x"), llm.KindTimeout, "", false, "x"},
		{"too large", 413, fail("BadRequest.TooLarge", "x"), llm.KindRequestTooLarge, "", false, "x"},
		{"download", 415, fail("BadRequest.InputDownloadFailed", "x"), llm.KindInvalidRequest, "", false, "x"},
		{"throttled", 429, fail("Throttling", "x"), llm.KindUpstreamRateLimited, "", false, "x"},
		{"throttled by rate", 429, fail("Throttling.RateQuota", "x"), llm.KindUpstreamRateLimited, "", false, "x"},
		{"throttled by tokens", 429, fail("Throttling.AllocationQuota", "x"), llm.KindUpstreamRateLimited, "", false, "x"},
		{"throttled for good", 429, fail("Throttling.AllocationQuota", "Free allocated quota exceeded."), llm.KindUpstreamRateLimited, "insufficient_quota", true, "quota"},
		{"limit", 429, fail("LimitRequests", "x"), llm.KindUpstreamRateLimited, "", false, "x"},
		{"bill", 429, fail("PrepaidBillOverdue", "x"), llm.KindUpstreamRateLimited, "insufficient_quota", true, "quota"},
		{"internal", 500, fail("InternalError.Algo", "x"), llm.KindUpstreamError, "", false, "x"},
		{"internal time-out", 500, fail("InternalError.Timeout", "x"), llm.KindTimeout, "", false, "x"},
		{"short of capacity", 503, fail("ModelServingError", "Too many requests. Your requests are being throttled due to system capacity limits."), llm.KindUpstreamRateLimited, "", false, "capacity"},
		{"serving", 500, fail("ModelServingError", "x"), llm.KindUpstreamError, "", false, "x"},
		{"unavailable", 503, fail("ModelUnavailable", "x"), llm.KindUpstreamError, "", false, "x"},
		{"compatible", 400, `{"error":{"message":"m","type":"invalid_request_error","param":null,"code":"invalid_parameter_error"},"request_id":"r"}`, llm.KindInvalidRequest, "", false, "m"},
		{"compatible throttling", 429, `{"error":{"message":"m","type":"insufficient_quota","code":"insufficient_quota"}}`, llm.KindUpstreamRateLimited, "", false, "m"},
		{"compatible by type", 0, `{"error":{"message":"m","type":"server_error"}}`, llm.KindUpstreamError, "", false, "m"},
		{"a string", 503, `{"error":"down"}`, llm.KindUpstreamError, "", false, "down"},
		{"unknown code", 418, fail("Teapot", "x"), llm.KindInvalidRequest, "", false, "x"},
		{"unknown code in a stream", 0, fail("Teapot", "x"), llm.KindUpstreamError, "", false, "x"},
		{"known code in a stream", 0, fail("DataInspectionFailed", "x"), llm.KindContentFiltered, "content_filter", false, "x"},
		{"payment", 402, "", llm.KindUpstreamRateLimited, "insufficient_quota", true, "quota"},
		{"HTML", 502, "<html>Bad Gateway</html>", llm.KindUpstreamError, "", false, "502 Bad Gateway"},
		{"nothing", 500, "", llm.KindUpstreamError, "", false, "500 Internal Server Error"},
		{"a secret", 400, fail("InvalidParameter", "bad key sk-0123456789abcdef in hand"), llm.KindInvalidRequest, "", false, "[redacted]"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := codec.DecodeError(tc.status, []byte(tc.body))
			if e.Kind != tc.kind || e.Code != tc.code || e.Permanent != tc.permanent || e.Status != tc.status {
				t.Errorf("%s %q permanent %v status %d", e.Kind, e.Code, e.Permanent, e.Status)
			}
			if !strings.Contains(e.Message, tc.message) || strings.Contains(e.Error(), "sk-0123") {
				t.Errorf("message %q", e.Message)
			}
		})
	}
}

func TestBurst(t *testing.T) {
	for _, code := range []string{"Throttling.BurstRate", "limit_burst_rate"} {
		e := codec.DecodeError(429, []byte(fail(code, "Request rate increased too quickly.")))
		if e.Kind != llm.KindUpstreamRateLimited || e.RetryAfter != burstWait || !e.Retryable() {
			t.Errorf("%s: %+v", code, e)
		}
	}
	if e := codec.DecodeError(429, []byte(fail("Throttling.RateQuota", "try again in 2s"))); e.RetryAfter != 2*time.Second {
		t.Errorf("%+v", e)
	}
}

// TestAppendError: each kind has a code of its own that is read as the kind
// that DashScope's client must take it for.
func TestAppendError(t *testing.T) {
	for kind, back := range map[llm.Kind]llm.Kind{
		llm.KindInternal: llm.KindUpstreamError, llm.KindInvalidRequest: llm.KindInvalidRequest, llm.KindUnsupported: llm.KindInvalidRequest,
		llm.KindContentFiltered: llm.KindContentFiltered, llm.KindUnauthenticated: llm.KindUpstreamAuth, llm.KindBudgetExceeded: llm.KindUpstreamRateLimited,
		llm.KindPermissionDenied: llm.KindUpstreamAuth, llm.KindNotFound: llm.KindNotFound, llm.KindRequestTooLarge: llm.KindRequestTooLarge,
		llm.KindRateLimited: llm.KindUpstreamRateLimited, llm.KindUpstreamRateLimited: llm.KindUpstreamRateLimited, llm.KindCanceled: llm.KindUpstreamError,
		llm.KindUpstreamAuth: llm.KindUpstreamAuth, llm.KindUpstreamError: llm.KindUpstreamError, llm.KindOverloaded: llm.KindUpstreamError,
		llm.KindTimeout: llm.KindTimeout, llm.KindCount + 3: llm.KindUpstreamError,
	} {
		e := &llm.Error{Kind: kind, Message: `so "it" goes`}
		_, status := ErrorWords(e)
		body := codec.AppendError(nil, e, &dialect.Facts{RequestID: "r-1"})
		var got struct{ Code, Message, Request_ID string }
		if err := json.Unmarshal(body, &got); err != nil || got.Code == "" || got.Message != e.Message || !strings.Contains(string(body), `"request_id":"r-1"`) {
			t.Errorf("%s: %v %s", kind, err, body)
		}
		if d := codec.DecodeError(status, body); d.Kind != back {
			t.Errorf("%s is read as %s", kind, d.Kind)
		}
	}
	if code, status := ErrorWords(&llm.Error{Kind: llm.KindUpstreamRateLimited, Code: "insufficient_quota", Status: http.StatusTooManyRequests}); code != "Arrearage" || status != 429 {
		t.Errorf("%s, %d", code, status)
	}
}
