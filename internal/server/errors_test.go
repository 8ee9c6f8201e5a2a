package server

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// bodies are a request for each path that makes one call.
var bodies = map[string]string{
	chatPath: chatBody, genPath: genBody, "/v1/embeddings": `{"model":"e","input":"x"}`,
	rspPath: `{"model":"m","input":"hi"}`,
	msgPath: `{"model":"m","max_tokens":9,"messages":[{"role":"user","content":"hi"}]}`,
	cntPath: `{"model":"m","messages":[{"role":"user","content":"hi"}]}`,
}

// Contract §5, in every dialect.
func TestEveryKind(t *testing.T) {
	type row struct {
		status     int
		typ        string
		code       any
		retryAfter bool
		noRetry    bool
		anthropic  string
	}
	rows := map[llm.Kind]row{
		llm.KindInternal:            {500, "server_error", nil, false, false, "api_error"},
		llm.KindInvalidRequest:      {400, "invalid_request_error", nil, false, false, "invalid_request_error"},
		llm.KindUnsupported:         {400, "invalid_request_error", "unsupported_parameter", false, false, "invalid_request_error"},
		llm.KindContentFiltered:     {400, "invalid_request_error", "content_filter", false, false, "invalid_request_error"},
		llm.KindUnauthenticated:     {401, "invalid_request_error", "invalid_api_key", false, false, "authentication_error"},
		llm.KindBudgetExceeded:      {402, "insufficient_quota", "budget_exceeded", false, false, "billing_error"},
		llm.KindPermissionDenied:    {403, "permission_error", nil, false, false, "permission_error"},
		llm.KindNotFound:            {404, "invalid_request_error", "model_not_found", false, false, "not_found_error"},
		llm.KindRequestTooLarge:     {413, "invalid_request_error", nil, false, false, "request_too_large"},
		llm.KindRateLimited:         {429, "rate_limit_error", "rate_limit_exceeded", true, false, "rate_limit_error"},
		llm.KindUpstreamRateLimited: {429, "rate_limit_error", nil, true, true, "rate_limit_error"},
		llm.KindUpstreamAuth:        {502, "server_error", nil, false, true, "api_error"},
		llm.KindUpstreamError:       {502, "server_error", nil, false, true, "api_error"},
		llm.KindOverloaded:          {503, "server_error", nil, true, true, "overloaded_error"},
		llm.KindTimeout:             {504, "server_error", "timeout", false, true, "api_error"},
	}
	if len(rows) != int(llm.KindCount)-1 { // all but canceled
		t.Fatalf("%d kinds, %d rows", llm.KindCount, len(rows))
	}
	var kind llm.Kind
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) {
		return nil, &llm.Error{Kind: kind, Message: "the reason", Param: "seed", Provider: "prov", Attempts: 3,
			Upstream: time.Millisecond, Err: errors.New("secret cause")}
	})
	for k, want := range rows {
		t.Run(k.String(), func(t *testing.T) {
			kind = k
			for path, body := range bodies {
				r := h.post(path, body)
				if r.status != want.status || !strings.Contains(r.body, "the reason") || strings.Contains(r.body, "secret") {
					t.Fatalf("%s: got %d %s", path, r.status, r.body)
				}
				shape(t, path, r)
				e := decode(t, r.body)["error"].(map[string]any)
				if path == msgPath || path == cntPath {
					if e["type"] != want.anthropic {
						t.Errorf("got %s, want type %s", r.body, want.anthropic)
					}
				} else if path == genPath {
					if e["kind"] != k.String() || e["param"] != "seed" || e["provider"] != "prov" {
						t.Errorf("envelope %s", r.body)
					}
				} else if e["type"] != want.typ || e["code"] != want.code || e["param"] != "seed" {
					t.Errorf("got %s, want type %s code %v", r.body, want.typ, want.code)
				}
				if got := r.header.Get("Retry-After") == "1"; got != want.retryAfter {
					t.Errorf("Retry-After %q", r.header.Get("Retry-After"))
				}
				if got := r.header.Get("X-Should-Retry") == "false"; got != want.noRetry {
					t.Errorf("X-Should-Retry %q", r.header.Get("X-Should-Retry"))
				}
				if r.header.Get("X-Gateway-Provider") != "prov" || r.header.Get("X-Gateway-Attempts") != "3" {
					t.Errorf("headers %v", r.header)
				}
			}
		})
	}
}

func TestRetryAfterIsHonest(t *testing.T) {
	var e llm.Error
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return nil, &e })
	for _, tc := range []struct {
		e           llm.Error
		after, ms   string
		shouldRetry string
	}{
		{llm.Error{Kind: llm.KindUpstreamRateLimited, RetryAfter: 1200 * time.Millisecond}, "2", "1200", "false"},
		{llm.Error{Kind: llm.KindUpstreamRateLimited}, "1", "1000", "false"},
		{llm.Error{Kind: llm.KindRateLimited, RetryAfter: 20 * time.Millisecond}, "1", "20", ""},
		{llm.Error{Kind: llm.KindRateLimited, RetryAfter: time.Microsecond}, "1", "1", ""},
		{llm.Error{Kind: llm.KindOverloaded, RetryAfter: 15 * time.Second}, "15", "15000", ""},
		{llm.Error{Kind: llm.KindUpstreamError, RetryAfter: 3 * time.Second}, "3", "3000", "false"},
		{llm.Error{Kind: llm.KindBudgetExceeded, Permanent: true}, "", "", "false"},
		{llm.Error{Kind: llm.KindInternal}, "", "", ""},
	} {
		e = tc.e
		r := h.post(genPath, genBody)
		if a, m, s := r.header.Get("Retry-After"), r.header.Get("Retry-After-Ms"), r.header.Get("X-Should-Retry"); a != tc.after || m != tc.ms || s != tc.shouldRetry {
			t.Errorf("%v after %v: %q, %q, %q", tc.e.Kind, tc.e.RetryAfter, a, m, s)
		}
	}
}

func TestStatusOfAnUnknownKind(t *testing.T) {
	if got := statusOf(llm.KindCount); got != http.StatusInternalServerError {
		t.Errorf("got %d", got)
	}
	for k := range llm.KindCount {
		if statusOf(k) == 0 {
			t.Errorf("%v has no status", k)
		}
	}
}
