package lenient

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestExplain(t *testing.T) {
	cases := []struct {
		name    string
		e       llm.Error
		status  int
		message string
		body    string
		want    string
		cause   string
		wait    time.Duration
	}{
		{name: "own words", e: llm.Error{Kind: llm.KindInvalidRequest}, status: 400, message: "temperature: too hot", want: "temperature: too hot"},
		{name: "a secret", e: llm.Error{Kind: llm.KindInvalidRequest}, message: "key sk-ant-api03-abcdef", want: "key [redacted]"},
		{name: "a wait", e: llm.Error{Kind: llm.KindUpstreamRateLimited}, status: 429, message: "try again in 2s", want: "try again in 2s", wait: 2 * time.Second},
		{name: "a wait that is known", e: llm.Error{Kind: llm.KindUpstreamRateLimited, RetryAfter: time.Second}, message: "try again in 2s", want: "try again in 2s", wait: time.Second},
		{name: "our credential", e: llm.Error{Kind: llm.KindUpstreamAuth}, status: 401, message: "invalid x-api-key", want: "the provider refused the gateway's credential", cause: "invalid x-api-key"},
		{name: "our quota", e: llm.Error{Kind: llm.KindUpstreamRateLimited, Permanent: true, Code: CodeQuota}, status: 402, want: "the gateway's quota with the provider is used up"},
		{name: "no words", e: llm.Error{}, status: 500, body: `{"x":1}`, want: "the provider answered 500 Internal Server Error"},
		{name: "no status either", e: llm.Error{}, want: "the provider failed"},
		{name: "no name either", e: llm.Error{}, status: 529, want: "the provider answered 529"},
		{name: "HTML", e: llm.Error{}, status: 502, body: "<html>secret</html>", want: "the provider answered 502 Bad Gateway"},
		{name: "text", e: llm.Error{}, status: 502, body: " no healthy upstream ", want: "the provider answered 502 Bad Gateway: no healthy upstream"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			e := Explain(&c.e, c.status, c.message, []byte(c.body))
			if e.Message != c.want || e.Status != c.status || e.RetryAfter != c.wait {
				t.Errorf("%q, status %d, wait %v", e.Message, e.Status, e.RetryAfter)
			}
			if (e.Err == nil) != (c.cause == "") || e.Err != nil && e.Err.Error() != c.cause {
				t.Errorf("cause %v", e.Err)
			}
		})
	}
	long := Explain(&llm.Error{}, 502, "", []byte(strings.Repeat("x", 10_000)))
	if len(long.Message) > quoted+64 {
		t.Errorf("%d bytes are quoted", len(long.Message))
	}
}

func TestKindOf(t *testing.T) {
	for status, want := range map[int]llm.Kind{
		http.StatusBadRequest: llm.KindInvalidRequest, http.StatusUnprocessableEntity: llm.KindInvalidRequest,
		http.StatusUnauthorized: llm.KindUpstreamAuth, http.StatusForbidden: llm.KindUpstreamAuth,
		http.StatusPaymentRequired: llm.KindUpstreamRateLimited, http.StatusTooManyRequests: llm.KindUpstreamRateLimited,
		http.StatusNotFound: llm.KindNotFound, http.StatusRequestTimeout: llm.KindTimeout, http.StatusGatewayTimeout: llm.KindTimeout,
		http.StatusRequestEntityTooLarge: llm.KindRequestTooLarge, http.StatusConflict: llm.KindUpstreamError,
		http.StatusTooEarly: llm.KindUpstreamError, 499: llm.KindUpstreamError, 500: llm.KindUpstreamError, 529: llm.KindUpstreamError, 0: llm.KindUpstreamError,
	} {
		if got := KindOf(status); got != want {
			t.Errorf("%d: %s, want %s", status, got, want)
		}
	}
}
