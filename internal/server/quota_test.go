package server

import (
	"context"
	"encoding/json"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// The caller's own limits stand in the headers, of answers and of refusals, in
// place of the gateway's.
func TestQuotaHeaders(t *testing.T) {
	var quota llm.Quota
	var refuse *llm.Error
	h := serve(t, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		*c.Meta.Quota = quota
		if refuse != nil {
			return nil, refuse
		}
		return passing("{}"), nil
	}, func(o *Options) { o.Snapshot.Limit = NewLimit(0.01, 9) })
	names := []string{"Limit-Requests", "Remaining-Requests", "Reset-Requests", "Limit-Tokens", "Remaining-Tokens", "Reset-Tokens"}
	tooLarge := llm.Errorf(llm.KindRateLimited, "too large")
	tooLarge.Permanent = true
	limited := llm.Errorf(llm.KindRateLimited, "limited")
	limited.RetryAfter = 1500 * time.Millisecond
	for _, tc := range []struct {
		name  string
		quota llm.Quota
		err   *llm.Error
		want  string // the headers of names
		after string
	}{
		{"none of its own", llm.Quota{}, nil, "9 8 100s   ", ""},
		{"requests and tokens", llm.Quota{Requests: 40, RequestsLeft: 39, RequestsReset: 50 * time.Millisecond, Tokens: 100, TokensLeft: 3, TokensReset: 61 * time.Second}, nil, "40 39 50ms 100 3 1m1s", ""},
		{"refused", llm.Quota{Requests: 40, RequestsLeft: 0, RequestsReset: 2 * time.Second}, limited, "40 0 2s   ", "2"},
		{"never", llm.Quota{Tokens: 10, TokensLeft: 10}, tooLarge, "9 5 6m40s 10 10 0s", ""},
	} {
		quota, refuse = tc.quota, tc.err
		r := h.post(chatPath, chatBody)
		var got []string
		for _, n := range names {
			got = append(got, r.header.Get("X-Ratelimit-"+n))
		}
		for i, v := range got[:3] { // the gateway's bucket fills while the test runs
			if d, err := time.ParseDuration(v); i == 2 && err == nil && d > 90*time.Second {
				got[i] = d.Round(10 * time.Second).String()
			}
		}
		want := strings.Replace(tc.want, "100s", "1m40s", 1)
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%s: %q, want %q", tc.name, s, want)
		}
		if r.header.Get("Retry-After") != tc.after {
			t.Errorf("%s: Retry-After %q", tc.name, r.header.Get("Retry-After"))
		}
		if tc.err == tooLarge && r.header.Get("X-Should-Retry") != "false" {
			t.Errorf("%s: an SDK would try again", tc.name)
		}
	}
}

// An item that meets a limit behind the edge waits for it, as long as that is
// not too long and waiting can help.
func TestBatchItemsWaitForTheServicesLimits(t *testing.T) {
	for _, tc := range []struct {
		name  string
		err   llm.Error
		codes string
		took  time.Duration
		calls int
	}{
		{"a short wait", llm.Error{Kind: llm.KindRateLimited, RetryAfter: 2 * time.Second}, "200 200", 4 * time.Second, 4},
		{"too long a wait", llm.Error{Kind: llm.KindRateLimited, RetryAfter: time.Hour}, "429 429", 0, 2},
		{"no use waiting", llm.Error{Kind: llm.KindRateLimited, Permanent: true}, "429 429", 0, 2},
		{"an upstream's limit", llm.Error{Kind: llm.KindUpstreamRateLimited, RetryAfter: time.Second}, "429 429", 0, 2},
		{"a budget", llm.Error{Kind: llm.KindBudgetExceeded, RetryAfter: time.Second}, "402 402", 0, 2},
	} {
		synctest.Test(t, func(t *testing.T) {
			start, calls := time.Now(), 0
			seen := map[string]bool{}
			s := New(Options{Snapshot: &Snapshot{Batch: BatchOptions{Concurrency: 1, MaxWait: 10 * time.Second}, Service: fakeService{
				do: func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
					calls++
					if id := c.Meta.RequestID; !seen[id] {
						seen[id] = true
						e := tc.err
						return nil, &e
					}
					return answer("x"), nil
				}}}})
			req := httptest.NewRequestWithContext(t.Context(), "POST", batchPath, strings.NewReader(items("x", "x")))
			req.Header.Set("Content-Type", "application/json")
			rec := httptest.NewRecorder()
			s.ServeHTTP(rec, req)
			var got batchAnswer
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			var codes []string
			for _, r := range got.Data.Results {
				b, _ := json.Marshal(r.Code)
				codes = append(codes, string(b))
			}
			if s := strings.Join(codes, " "); s != tc.codes || time.Since(start) != tc.took || calls != tc.calls {
				t.Errorf("%s: %s after %v and %d calls", tc.name, s, time.Since(start), calls)
			}
		})
	}
}
