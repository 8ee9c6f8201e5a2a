package server

import (
	"context"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestLimitTake(t *testing.T) {
	if NewLimit(0, 5) != nil || NewLimit(-1, 5) != nil {
		t.Error("a rate of nothing is no limit")
	}
	synctest.Test(t, func(t *testing.T) {
		l := NewLimit(2, 0) // burst 4
		for i := range 4 {
			s := l.take(time.Now())
			if !s.ok || s.limit != "4" || s.remaining != 3-i || s.reset != time.Duration(i+1)*500*time.Millisecond || s.retry != 0 {
				t.Errorf("take %d: %+v", i, s)
			}
		}
		s := l.take(time.Now())
		if s.ok || s.remaining != 0 || s.retry != 500*time.Millisecond || s.reset != 2*time.Second {
			t.Errorf("empty: %+v", s)
		}
		time.Sleep(s.retry) // the bubble's clock
		if s := l.take(time.Now()); !s.ok {
			t.Errorf("retry-after was a lie: %+v", s)
		}
		l.Set(100, 7)
		if s := l.take(time.Now()); s.ok || s.limit != "7" || s.retry != 10*time.Millisecond {
			t.Errorf("after Set: %+v", s)
		}
	})
}

// A request that started earlier and takes its token later must not turn the
// clock back: the limiter would pay for that time twice.
func TestLimitClockDoesNotGoBack(t *testing.T) {
	l := NewLimit(1, 1)
	now := time.Now()
	l.take(now)
	for range 10 {
		l.take(now.Add(-5 * time.Second))
		if s := l.take(now); s.ok {
			t.Fatal("a token out of nothing")
		}
	}
}

func TestLimitIsExactUnderConcurrency(t *testing.T) {
	l := NewLimit(0.001, 50)
	var taken atomic.Int32
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 100 {
				if l.take(time.Now()).ok {
					taken.Add(1)
				}
			}
		})
	}
	wg.Wait()
	if taken.Load() != 50 {
		t.Errorf("%d tokens taken of 50", taken.Load())
	}
}

func TestLimitWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var none *Limit
		if err := none.wait(t.Context(), 0); err != nil {
			t.Error(err)
		}
		l := NewLimit(1, 1)
		start := time.Now()
		for range 3 {
			if err := l.wait(t.Context(), time.Minute); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took != 2*time.Second {
			t.Errorf("three tokens took %v", took)
		}
		err := l.wait(t.Context(), 900*time.Millisecond)
		if e := llm.AsError(err); e == nil || e.Kind != llm.KindRateLimited || e.RetryAfter != time.Second {
			t.Errorf("too long a wait: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
		defer cancel()
		if err := l.wait(ctx, time.Minute); llm.AsError(err).Kind != llm.KindTimeout {
			t.Errorf("waited past the context: %v", err)
		}
	})
}

func TestRateLimitAnswers(t *testing.T) {
	called := 0
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) {
		called++
		return passing("{}"), nil
	}, func(o *Options) { o.Snapshot.Limit = NewLimit(0.01, 3) })
	for i, path := range []string{chatPath, genPath, "/v1/models"} {
		method, body := "POST", `{"bad":`
		if path == "/v1/models" {
			method, body = "GET", ""
		}
		r := h.do(method, path, body)
		if r.header.Get("X-Ratelimit-Limit-Requests") != "3" || r.header.Get("X-Ratelimit-Remaining-Requests") != string(rune('2'-i)) {
			t.Errorf("%s: %v", path, r.header)
		}
		if d, err := time.ParseDuration(r.header.Get("X-Ratelimit-Reset-Requests")); err != nil || d > time.Duration(i+1)*100*time.Second || d < time.Duration(i+1)*100*time.Second-5*time.Second {
			t.Errorf("%s: reset %v, %v", path, d, err)
		}
	}
	for _, path := range []string{chatPath, genPath, genPath + "/batch"} {
		r := h.post(path, chatBody)
		if r.status != 429 || r.header.Get("X-Ratelimit-Remaining-Requests") != "0" || r.header.Get("X-Should-Retry") != "" || r.header.Get("X-Request-Id") == "" {
			t.Fatalf("%s: %+v", path, r)
		}
		if after := r.header.Get("Retry-After"); after != "100" && after != "99" {
			t.Errorf("Retry-After %q", after)
		}
		if !strings.Contains(r.body, "rate") {
			t.Errorf("body %s", r.body)
		}
	}
	if called != 0 {
		t.Error("a refused request reached the service")
	}
	if r := h.do("GET", "/healthz", ""); r.status != 200 || r.header.Get("X-Ratelimit-Limit-Requests") != "" {
		t.Errorf("probes are limited: %+v", r)
	}
}

func TestReloadKeepsTheBucket(t *testing.T) {
	do := func(context.Context, *llm.Call) (*llm.Reply, error) { return passing("{}"), nil }
	h := serve(t, do, func(o *Options) { o.Snapshot.Limit = NewLimit(0.01, 1) })
	for i, step := range []struct {
		limit  *Limit
		size   string
		status int
	}{
		{NewLimit(0.01, 1), "1", 200},
		{NewLimit(0.02, 3), "3", 429}, // the bucket is still empty
		{nil, "", 200},
		{NewLimit(0.01, 2), "2", 200}, // there was none to keep
	} {
		if i > 0 {
			h.Swap(&Snapshot{Service: fakeService{do: do}, Limit: step.limit})
		}
		r := h.post(chatPath, chatBody)
		if r.status != step.status || r.header.Get("X-Ratelimit-Limit-Requests") != step.size {
			t.Errorf("step %d: %d, %v", i, r.status, r.header)
		}
	}
}

// Who is not authenticated takes no token.
func TestAuthenticationComesBeforeTheLimit(t *testing.T) {
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return passing("{}"), nil }, func(o *Options) {
		o.Snapshot.Limit = NewLimit(0.01, 1)
		o.Snapshot.Auth = keys(map[string]string{"sk-test-0000": "app"})
	})
	for range 3 {
		if r := h.post(chatPath, chatBody); r.status != 401 {
			t.Fatalf("got %+v", r)
		}
	}
	if r := h.post(chatPath, chatBody, "X-Api-Key: sk-test-0000"); r.status != 200 {
		t.Fatalf("got %+v", r)
	}
}
