package server

import (
	"context"
	"math"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Limit is a token bucket of requests for the whole gateway. It outlives
// reloads (see Swap). Safe for concurrent use.
type Limit struct {
	mu   sync.Mutex
	lim  *rate.Limiter
	last time.Time // the bucket's clock; it never goes back
	size string    // the burst, for the header
}

// NewLimit makes a full bucket of burst tokens that refills with rps tokens a
// second. A burst below 1 means twice the rate. A rate of 0 or less means no
// limit, which is a nil Limit.
func NewLimit(rps float64, burst int) *Limit {
	if !(rps > 0) {
		return nil
	}
	n := burstFor(rps, burst)
	return &Limit{lim: rate.NewLimiter(rate.Limit(rps), n), size: strconv.Itoa(n)}
}

// Set changes rate and burst; tokens already in the bucket stay. rps must be
// above 0.
func (l *Limit) Set(rps float64, burst int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now(time.Now())
	l.lim.SetLimitAt(now, rate.Limit(rps))
	n := burstFor(rps, burst)
	l.lim.SetBurstAt(now, n)
	l.size = strconv.Itoa(n)
}

// become returns what is in force after n has been asked for: this bucket with
// n's rate and burst, or n itself where one of the two is no limit.
func (l *Limit) become(n *Limit) *Limit {
	if l == nil || n == nil || l == n {
		return n
	}
	l.Set(float64(n.lim.Limit()), n.lim.Burst())
	return l
}

func burstFor(rps float64, burst int) int {
	if burst >= 1 {
		return burst
	}
	return int(min(max(math.Ceil(2*rps), 1), math.MaxInt32))
}

// bucketState is a bucket after one attempt to take a token.
type bucketState struct {
	ok        bool
	limit     string        // size of the bucket
	remaining int           // whole tokens left
	reset     time.Duration // until the bucket is full
	retry     time.Duration // until the next token; 0 when ok
}

// take takes one token if there is one.
func (l *Limit) take(at time.Time) bucketState {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now(at)
	s := bucketState{ok: l.lim.AllowN(now, 1), limit: l.size}
	tokens, rps := l.lim.TokensAt(now), float64(l.lim.Limit())
	s.remaining = max(int(tokens), 0)
	s.reset = seconds((float64(l.lim.Burst()) - tokens) / rps)
	if !s.ok {
		s.retry = max(seconds((1-tokens)/rps), time.Millisecond)
	}
	return s
}

// now keeps the bucket's clock from going back: requests bring the time of
// their own start, and the limiter would credit a step back twice.
func (l *Limit) now(at time.Time) time.Time {
	if at.After(l.last) {
		l.last = at
	}
	return l.last
}

// wait takes one token, as soon as there is one. Nothing is reserved ahead:
// whoever waits here competes with single requests, and does not starve them.
func (l *Limit) wait(ctx context.Context, longest time.Duration) error {
	if l == nil {
		return nil
	}
	began := time.Now()
	for {
		now := time.Now()
		s := l.take(now)
		if s.ok {
			return nil
		}
		if now.Add(s.retry).Sub(began) > longest {
			return errRateLimited(s.retry)
		}
		sleep(ctx, s.retry)
		if e := llm.ContextError(ctx); e != nil {
			return e
		}
	}
}

func errRateLimited(retry time.Duration) *llm.Error {
	e := llm.Errorf(llm.KindRateLimited, "too many requests: the gateway's rate limit is reached")
	e.RetryAfter = retry
	return e
}

func seconds(s float64) time.Duration {
	const most = float64(math.MaxInt64 / int64(time.Second))
	return time.Duration(min(max(s, 0), most) * float64(time.Second))
}

// admit is authentication and the gateway's own limit, in this order.
func (x *exchange) admit() error {
	if auth := x.snap.Auth; auth != nil {
		caller, err := auth.Authenticate(x.ctx(), token(x.req.Header))
		if err != nil {
			return err
		}
		x.caller = caller
	}
	if x.snap.Limit == nil {
		return nil
	}
	s := x.snap.Limit.take(x.start)
	x.requestHeaders(s.limit, strconv.Itoa(s.remaining), s.reset)
	if !s.ok {
		return errRateLimited(s.retry)
	}
	return nil
}

func (x *exchange) requestHeaders(limit, left string, reset time.Duration) {
	x.set("X-Ratelimit-Limit-Requests", limit)
	x.set("X-Ratelimit-Remaining-Requests", left)
	x.set("X-Ratelimit-Reset-Requests", resetText(reset))
}

// limitHeaders tells what is left of the caller's own limits. They replace
// those of the gateway, which every caller shares.
func (x *exchange) limitHeaders(q *llm.Quota) {
	if q.Requests > 0 {
		x.requestHeaders(strconv.FormatInt(q.Requests, 10), strconv.FormatInt(q.RequestsLeft, 10), q.RequestsReset)
	}
	if q.Tokens > 0 {
		x.set("X-Ratelimit-Limit-Tokens", strconv.FormatInt(q.Tokens, 10))
		x.set("X-Ratelimit-Remaining-Tokens", strconv.FormatInt(q.TokensLeft, 10))
		x.set("X-Ratelimit-Reset-Tokens", resetText(q.TokensReset))
	}
}

func resetText(d time.Duration) string { return d.Round(time.Millisecond).String() }
