package chain

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// guess says that every call has a prompt and asks for output.
func guess(prompt, output int64) func(*llm.Call) (int64, int64) {
	return func(*llm.Call) (int64, int64) { return prompt, output }
}

func level(g *Gate) int64 { n, _ := g.tokens.Level(); return n }

// TestTokensAreSettled: what an attempt really used takes the place of what was
// reserved, however it ends.
func TestTokensAreSettled(t *testing.T) {
	used := &llm.Usage{Input: 40, Output: 30, Source: llm.UsageReported}
	usage := step{ev: llm.Event{Kind: llm.EventUsage, Usage: used}}
	cut := llm.Errorf(llm.KindUpstreamError, "cut")
	end := func(r *llm.Reply) { _, _ = drain(r) }
	whole := func(u llm.Usage) do {
		return func(context.Context, *llm.Call) (*llm.Reply, error) {
			return &llm.Reply{Raw: []byte("{}"), Usage: u}, nil
		}
	}
	for _, tc := range []struct {
		name   string
		next   do
		use    func(r *llm.Reply)
		output int64
		used   int64
	}{
		{"reported", whole(*used), nil, 100, 70},
		{"more than reserved", whole(llm.Usage{Input: 400, Output: 100, Source: llm.UsageReported}), nil, 100, 500},
		{"whole without usage", whole(llm.Usage{}), nil, 100, 150},
		{"no maximum", whole(llm.Usage{}), nil, -1, 50 + defaultOutput},
		{"larger than the bucket", whole(llm.Usage{}), nil, 1 << 40, 6000},
		{"error", fails(llm.KindUpstreamError), nil, 100, 0},
		{"panic", panics, nil, 100, 0},
		{"stream with usage", streams(text("abcd"), usage), end, 100, 70},
		{"stream cut", streams(text("abcdefgh"), ends(cut)), end, 100, 52},
		{"stream left", streams(text("abcdefgh"), usage), func(r *llm.Reply) { _, _ = r.Stream.Recv(); _ = r.Close() }, 100, 52},
		{"stream cut before its first event", streams(ends(cut)), end, 100, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				g := NewGate(GateOptions{TPM: 6000, Concurrency: 1})
				p := NewLimit(NewAttempts(tc.next, AttemptsOptions{}), LimitOptions{Gate: g, Estimate: guess(50, tc.output)})
				r, _ := p.Do(t.Context(), streamCall())
				if tc.use != nil {
					if n := level(g); n != 6000-150 {
						t.Errorf("%d left during the stream", n)
					}
					tc.use(r)
				}
				if n := level(g); n != 6000-tc.used || g.InFlight() != 0 {
					t.Errorf("%d used, want %d; %d in flight", 6000-n, tc.used, g.InFlight())
				}
			})
		})
	}
}

// TestTokensAreWaitedFor: at most MaxWait; then the next target is asked, and
// nothing stays taken.
func TestTokensAreWaitedFor(t *testing.T) {
	for _, tc := range []struct {
		name    string
		maxWait time.Duration
		want    int64 // tokens of the second call, when 100 are left of 6,000 a minute
		after   time.Duration
		refused bool
	}{
		{"there", sec, 100, 0, false},
		{"in half a second", sec, 150, sec / 2, false},
		{"too late", sec, 201, 0, true},
		{"no patience", -1, 101, 0, true},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var log heldLog
				g := NewGate(GateOptions{TPM: 6000, Concurrency: 5, RPS: 1e6})
				next := NewAttempts(do(answers), AttemptsOptions{})
				if _, ok := g.tokens.Reserve(5900); !ok {
					t.Fatal("a new bucket is not full")
				}
				p := NewLimit(next, LimitOptions{Provider: "p", Gate: g, MaxWait: tc.maxWait, Observer: &log, Estimate: guess(tc.want, 0)})
				began := time.Now()
				_, err := p.Do(t.Context(), streamCall())
				if took := time.Since(began); took != tc.after {
					t.Errorf("after %v", took)
				}
				if (err != nil) != tc.refused || g.InFlight() != 0 {
					t.Fatalf("%v, %d in flight", err, g.InFlight())
				}
				if tc.refused {
					e := llm.AsError(err)
					if e.Kind != llm.KindUpstreamRateLimited || e.RetryAfter <= 0 || !strings.Contains(e.Message, "tokens per minute") || e.Attempts != 0 || level(g) != 100 {
						t.Errorf("%v, wait %v, %d left", e, e.RetryAfter, level(g))
					}
				}
				if (tc.refused || tc.after > 0) && (len(log.list) != 1 || log.list[0].limit != limitTokens || log.list[0].passed == tc.refused) {
					t.Errorf("told %v", log.list)
				}
			})
		})
	}
}

// TestTokensUnderConcurrency: never more than the bucket holds and what flows in.
func TestTokensUnderConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateOptions{TPM: 6000})
		p := NewLimit(NewAttempts(late(time.Hour, answers), AttemptsOptions{}), LimitOptions{Gate: g, MaxWait: 3 * sec, Estimate: guess(100, 0)})
		var mu sync.Mutex
		passed := 0
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() {
				if _, err := p.Do(t.Context(), streamCall()); err == nil {
					mu.Lock()
					defer mu.Unlock()
					passed++
				}
			})
		}
		wg.Wait()
		if passed != 63 { // 6,000, and 100 a second for three seconds
			t.Errorf("%d passed", passed)
		}
	})
}

// TestPaceGivesTokensBack: who fails at a later limit takes nothing of an
// earlier one; nor does a client that leaves the queue.
func TestPaceGivesTokensBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(GateOptions{TPM: 6000, RPS: 0.1, Burst: 1, Concurrency: 2})
		p := NewLimit(NewAttempts(fails(llm.KindUpstreamError), AttemptsOptions{}), LimitOptions{Gate: g, Estimate: guess(100, 0)})
		_, _ = p.Do(t.Context(), streamCall()) // takes the burst
		if _, err := p.Do(t.Context(), streamCall()); llm.AsError(err).Kind != llm.KindUpstreamRateLimited || level(g) != 6000 || g.InFlight() != 0 {
			t.Errorf("%v: %d left, %d in flight", err, level(g), g.InFlight())
		}
		g = NewGate(GateOptions{TPM: 60})
		p = NewLimit(NewAttempts(do(answers), AttemptsOptions{}), LimitOptions{Gate: g, MaxWait: time.Minute, Estimate: guess(60, 0)})
		g.tokens.Reserve(30)
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(sec, cancel)
		if _, err := p.Do(ctx, streamCall()); llm.AsError(err).Kind != llm.KindCanceled || level(g) != 31 { // a token a second flows in
			t.Errorf("%v: %d left", err, level(g))
		}
	})
}
