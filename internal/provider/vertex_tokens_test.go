package provider

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// testClock is a clock that stands still until it is moved.
type testClock struct {
	mu  sync.Mutex
	now time.Time
}

func newTestClock() *testClock { return &testClock{now: time.Unix(1_770_000_000, 0)} }

func (c *testClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *testClock) add(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
}

// fakeSource hands out token-1, token-2 and so on. With a gate each exchange
// waits for one value from it.
type fakeSource struct {
	mu   sync.Mutex
	n    int
	err  error
	life time.Duration
	gate chan struct{}
}

func (s *fakeSource) Token(ctx context.Context) (AccessToken, error) {
	s.mu.Lock()
	s.n++
	n, err, gate := s.n, s.err, s.gate
	s.mu.Unlock()
	if gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return AccessToken{}, ctx.Err()
		}
	}
	if err != nil {
		return AccessToken{}, err
	}
	cred, err := NewCredential(fmt.Sprintf("token-%d", n))
	return AccessToken{cred, or(s.life, time.Hour)}, err
}

func (s *fakeSource) exchanges() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.n
}

func (s *fakeSource) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

type tokensRig struct {
	*Tokens
	src   *fakeSource
	clock *testClock
}

func newTokensRig(t testing.TB, src *fakeSource) *tokensRig {
	clock := newTestClock()
	r := &tokensRig{NewTokens(TokensOptions{Source: src, Identity: "robot@project", Now: clock.Now}), src, clock}
	t.Cleanup(func() { r.Close() })
	return r
}

// want picks a token and checks which one it is.
func (r *tokensRig) want(t testing.TB, token string) Credential {
	t.Helper()
	c, err := r.Pick(context.Background())
	if err != nil || c.Plain()[0] != token {
		t.Fatalf("%v, %v, want %s", c.Plain(), err, token)
	}
	return c
}

var refused401 = &llm.Error{Kind: llm.KindUpstreamAuth, Status: 401}

func TestTokensAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTokensRig(t, &fakeSource{gate: make(chan struct{})})
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() { r.want(t, "token-1") })
		}
		synctest.Wait()
		r.src.gate <- struct{}{}
		wg.Wait()
		r.clock.add(50 * time.Minute)
		r.want(t, "token-1")
		if n := r.src.exchanges(); n != 1 {
			t.Errorf("%d exchanges", n)
		}
	})
}

// TestTokensAreReplacedAhead: the calls that find a token near its end go on
// with it while one exchange brings the next.
func TestTokensAreReplacedAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTokensRig(t, &fakeSource{})
		r.want(t, "token-1")
		r.src.mu.Lock()
		r.src.gate = make(chan struct{})
		r.src.mu.Unlock()
		r.clock.add(time.Hour - tokenAhead - time.Second)
		r.want(t, "token-1")
		synctest.Wait()
		if n := r.src.exchanges(); n != 1 {
			t.Fatalf("%d exchanges before it is time", n)
		}
		r.clock.add(time.Second)
		for range 3 {
			r.want(t, "token-1")
		}
		synctest.Wait()
		if n := r.src.exchanges(); n != 2 {
			t.Fatalf("%d exchanges", n)
		}
		r.src.gate <- struct{}{}
		synctest.Wait()
		r.want(t, "token-2")
	})
}

// TestTokensOutliveAFailedExchange: a token lasts to its end although its
// successor cannot be had, and the token server is not asked by every call.
func TestTokensOutliveAFailedExchange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTokensRig(t, &fakeSource{})
		r.want(t, "token-1")
		r.src.fail(llm.Errorf(llm.KindUpstreamError, "down"))
		r.clock.add(time.Hour - tokenAhead)
		for i, step := range []time.Duration{0, 0, tokenBackoff, tokenBackoff, tokenBackoff, 4 * tokenBackoff} {
			r.clock.add(step)
			r.want(t, "token-1")
			synctest.Wait()
			if n, want := r.src.exchanges(), []int{2, 2, 3, 3, 4, 5}[i]; n != want {
				t.Fatalf("step %d: %d exchanges, want %d", i, n, want)
			}
		}
		r.clock.add(tokenAhead)
		if _, err := r.Pick(t.Context()); kindOf(t, err) != llm.KindUpstreamError {
			t.Errorf("a token past its end: %v", err)
		}
		before := r.src.exchanges()
		if _, err := r.Pick(t.Context()); kindOf(t, err) != llm.KindUpstreamError || r.src.exchanges() != before {
			t.Errorf("the failure is not remembered: %v", err)
		}
		r.src.fail(nil)
		r.clock.add(tokenLimit)
		r.want(t, fmt.Sprintf("token-%d", before+1))
	})
}

// TestTokensWaitNoLongerThanTheCall: one caller gives up, the exchange goes on
// for the others.
func TestTokensWaitNoLongerThanTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTokensRig(t, &fakeSource{gate: make(chan struct{})})
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() {
			if _, err := r.Pick(ctx); kindOf(t, err) != llm.KindCanceled {
				t.Errorf("%v", err)
			}
		})
		synctest.Wait()
		wg.Go(func() { r.want(t, "token-1") })
		cancel()
		synctest.Wait()
		r.src.gate <- struct{}{}
		wg.Wait()
	})
}

func TestTokensHangNoLongerThanTheirTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTokensRig(t, &fakeSource{gate: make(chan struct{})})
		start := time.Now()
		_, err := r.Pick(t.Context())
		if kindOf(t, err) != llm.KindTimeout || time.Since(start) != tokenTimeout {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestTokensRefused(t *testing.T) {
	r := newTokensRig(t, &fakeSource{})
	first := r.want(t, "token-1")
	if r.Report(first, &llm.Error{Kind: llm.KindUpstreamAuth, Status: 403}) {
		t.Error("a missing right is no fault of the token")
	}
	if r.Report(first, &llm.Error{Kind: llm.KindUpstreamRateLimited, Status: 429}) || r.Report(Credential{}, refused401) {
		t.Error("another token would do no better")
	}
	r.want(t, "token-1")
	if !r.Report(first, refused401) {
		t.Error("a refused token is replaced once")
	}
	second := r.want(t, "token-2")
	if !r.Report(first, refused401) {
		t.Error("a token that has been replaced meanwhile: there is a better one")
	}
	r.want(t, "token-2")
	if r.Report(second, refused401) {
		t.Error("the replacement was refused too: no token will do")
	}
	r.want(t, "token-2")
	r.clock.add(tokenForced)
	if !r.Report(second, refused401) {
		t.Error("a token that was good for long is replaced when it is refused")
	}
	r.want(t, "token-3")
}

// TestTokensOfShortLife: a life shorter than the usual margins is used up to
// its last tenth.
func TestTokensOfShortLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newTokensRig(t, &fakeSource{life: 20 * time.Second})
		r.want(t, "token-1")
		r.clock.add(15 * time.Second)
		r.want(t, "token-1")
		synctest.Wait()
		r.want(t, "token-2")
		r.clock.add(18 * time.Second)
		r.want(t, "token-3")
	})
}

func TestTokensClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		src := &fakeSource{gate: make(chan struct{})}
		r := newTokensRig(t, src)
		var wg sync.WaitGroup
		wg.Go(func() { r.want(t, "token-2") }) // its exchange ends with Close; it makes one of its own
		synctest.Wait()
		r.Close()
		synctest.Wait()
		src.gate <- struct{}{}
		wg.Wait()
		r.want(t, "token-2")
		r.clock.add(2 * time.Hour)
		wg.Go(func() { r.want(t, "token-3") })
		synctest.Wait()
		src.gate <- struct{}{}
		wg.Wait()
	})
}

func TestTokensUses(t *testing.T) {
	r := newTokensRig(t, &fakeSource{})
	before := r.Uses()[0]
	if before.Fingerprint == "" || !before.LastUsed.IsZero() {
		t.Errorf("%+v", before)
	}
	first := r.want(t, "token-1")
	r.Report(first, refused401)
	r.want(t, "token-2")
	after := r.Uses()[0]
	if after.Fingerprint != before.Fingerprint || !after.LastUsed.Equal(r.clock.Now()) {
		t.Errorf("%+v", after)
	}
	if s := fmt.Sprintf("%v %+v %#v", AccessToken{first, time.Hour}, AccessToken{first, time.Hour}, AccessToken{first, time.Hour}); strings.Contains(s, "token-1") {
		t.Errorf("a token shows: %s", s)
	}
}

func BenchmarkTokensPick(b *testing.B) {
	r := newTokensRig(b, &fakeSource{})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Pick(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
}
