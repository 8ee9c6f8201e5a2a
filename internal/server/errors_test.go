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

// Contract §5, in both dialects.
func TestEveryKind(t *testing.T) {
	type row struct {
		status     int
		typ        string
		code       any
		retryAfter bool
		noRetry    bool
	}
	rows := map[llm.Kind]row{
		llm.KindInternal:            {500, "server_error", nil, false, false},
		llm.KindInvalidRequest:      {400, "invalid_request_error", nil, false, false},
		llm.KindUnsupported:         {400, "invalid_request_error", "unsupported_parameter", false, false},
		llm.KindContentFiltered:     {400, "invalid_request_error", "content_filter", false, false},
		llm.KindUnauthenticated:     {401, "invalid_request_error", "invalid_api_key", false, false},
		llm.KindBudgetExceeded:      {402, "insufficient_quota", "budget_exceeded", false, false},
		llm.KindPermissionDenied:    {403, "permission_error", nil, false, false},
		llm.KindNotFound:            {404, "invalid_request_error", "model_not_found", false, false},
		llm.KindRequestTooLarge:     {413, "invalid_request_error", nil, false, false},
		llm.KindRateLimited:         {429, "rate_limit_error", "rate_limit_exceeded", true, false},
		llm.KindUpstreamRateLimited: {429, "rate_limit_error", nil, true, true},
		llm.KindUpstreamAuth:        {502, "server_error", nil, false, true},
		llm.KindUpstreamError:       {502, "server_error", nil, false, true},
		llm.KindOverloaded:          {503, "server_error", nil, true, true},
		llm.KindTimeout:             {504, "server_error", "timeout", false, true},
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
			for _, path := range []string{chatPath, genPath, "/v1/embeddings"} {
				r := h.post(path, map[string]string{chatPath: chatBody, genPath: genBody, "/v1/embeddings": `{"model":"e","input":"x"}`}[path])
				if r.status != want.status || !strings.Contains(r.body, "the reason") || strings.Contains(r.body, "secret") {
					t.Fatalf("%s: got %d %s", path, r.status, r.body)
				}
				shape(t, path, r)
				e := decode(t, r.body)["error"].(map[string]any)
				if path == genPath {
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
