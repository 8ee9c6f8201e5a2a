package chain

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/breaker"
)

// calls collects what a CallObserver is told.
type calls struct {
	mu       sync.Mutex
	inFlight int
	list     []call
}

type call struct {
	done        llm.Done
	took, first time.Duration
}

func (s *calls) CallStarted(*llm.Call) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight++
}

func (s *calls) CallEnded(_ *llm.Call, d llm.Done, took, first time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inFlight--
	s.list = append(s.list, call{d, took, first})
}

func (s *calls) one(t *testing.T) call {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) != 1 || s.inFlight != 0 {
		t.Fatalf("%d ends, %d in flight", len(s.list), s.inFlight)
	}
	return s.list[0]
}

func TestObserveAWholeAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen calls
		p := NewObserve(late(3*sec, answers), ObserveOptions{Observer: &seen})
		r, err := p.Do(t.Context(), unaryCall())
		succeeded(t, r, err)
		got := seen.one(t)
		if got.took != 3*sec || got.first != 0 || got.done.Outcome() != "complete" || got.done.Usage.Output != 4 {
			t.Errorf("got %+v", got)
		}
	})
}

func TestObserveAStreamUntilItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, primed := range []bool{false, true} {
			var seen calls
			usage := step{ev: llm.Event{Kind: llm.EventUsage, Usage: &llm.Usage{Output: 9, Source: llm.UsageReported}}}
			p := NewObserve(late(sec, streams(kind(llm.EventStart), text("a").in(2*sec), text("b").in(4*sec), usage)), ObserveOptions{Observer: &seen})
			r, err := p.Do(t.Context(), streamCall())
			succeeded(t, r, err)
			if primed {
				_ = llm.Prime(r)
			}
			if seen.inFlight != 1 || len(seen.list) != 0 {
				t.Fatalf("ended at its start: %+v", seen.list)
			}
			_, _ = drain(r)
			pass(time.Hour)
			_ = r.Close()
			if got := seen.one(t); got.took != 7*sec || got.first != 3*sec || got.done.Usage.Output != 9 {
				t.Errorf("got %+v", got)
			}
		}
	})
}

func TestObserveFailures(t *testing.T) {
	var seen calls
	_, err := NewObserve(fails(llm.KindTimeout), ObserveOptions{Observer: &seen}).Do(t.Context(), unaryCall())
	failed(t, err, llm.KindTimeout)
	if got := seen.one(t); got.done.Outcome() != "timeout" || got.first != 0 {
		t.Errorf("got %+v", got)
	}
	seen = calls{}
	r, err := NewObserve(streams(text("a")), ObserveOptions{Observer: &seen}).Do(t.Context(), streamCall())
	_ = succeeded(t, r, err).Close()
	if got := seen.one(t); got.done.Outcome() != "client_gone" || got.first != 0 {
		t.Errorf("got %+v", got)
	}
}

// world is a whole chain with all that watches it.
type world struct {
	calls    calls
	attempts attempts
	retries  retryLog
	circuit  *breaker.Breaker
	gate     *account
}

func (w *world) build(p llm.Provider, change func(o *Options)) llm.Provider {
	w.circuit = breaker.New(breaker.Options{})
	w.gate = newAccount(rule{RPS: 1000, Concurrency: 4})
	o := Options{
		Provider: "p", Observer: &w.calls, Attempts: &w.attempts,
		Retry:   RetryOptions{Backoff: jitter(longest), Observer: &w.retries},
		Circuit: w.circuit, Limit: w.gate.limit(LimitOptions{}),
	}
	if change != nil {
		change(&o)
	}
	return Build(p, o)
}

func (w *world) check(t *testing.T, outcome string, attempts ...string) {
	t.Helper()
	if got := w.calls.one(t).done.Outcome(); got != outcome {
		t.Errorf("the call ended %q, want %q", got, outcome)
	}
	if got := w.attempts.outcomes(); !slices.Equal(got, attempts) {
		t.Errorf("the attempts ended %v, want %v", got, attempts)
	}
	if w.gate.inFlight() != 0 {
		t.Errorf("%d slots are held", w.gate.inFlight())
	}
}

func TestChainOnAGoodDay(t *testing.T) {
	var w world
	r, err := w.build(do(answers), nil).Do(t.Context(), unaryCall())
	if succeeded(t, r, err); r.Attempts != 1 || r.Provider != "p" || r.Model != "m" {
		t.Errorf("got %+v", r)
	}
	w.check(t, "complete", "complete")
}

func TestChainRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w world
		cut := ends(llm.Errorf(llm.KindUpstreamError, "cut"))
		up := plays(hangs, streams(kind(llm.EventStart), cut), streams(text("a"), text("b").in(sec)))
		start := time.Now()
		r, err := w.build(up, nil).Do(t.Context(), streamCall())
		succeeded(t, r, err)
		if w.gate.inFlight() != 1 {
			t.Errorf("%d slots held during the stream", w.gate.inFlight())
		}
		if s, err := drain(r); s != "ab" || err != io.EOF {
			t.Errorf("read %q, %v", s, err)
		}
		_ = r.Close()
		if r.Attempts != 3 || r.Upstream != 60*sec+750*time.Millisecond || time.Since(start) != r.Upstream+sec {
			t.Errorf("%d attempts, %v of %v", r.Attempts, r.Upstream, time.Since(start))
		}
		w.check(t, "complete", "timeout", "upstream_error", "complete")
		if got := w.calls.list[0]; got.first != r.Upstream {
			t.Errorf("first token after %v", got.first)
		}
	})
}

// TestEveryoneIsToldTheSame: an empty stream must not look complete to those
// below the decorator that found it empty.
func TestEveryoneIsToldTheSame(t *testing.T) {
	for _, tc := range []struct {
		name    string
		next    do
		use     func(r *llm.Reply)
		outcome string
		fails   int // counted by the circuit
	}{
		{"empty stream", streams(), nil, "upstream_error", 1},
		{"client leaves", streams(text("a"), text("b")), func(r *llm.Reply) { _ = r.Close() }, "client_gone", 0},
		{"cut", streams(text("a"), ends(llm.Errorf(llm.KindUpstreamError, "cut"))), func(r *llm.Reply) { _, _ = drain(r); _ = r.Close() }, "upstream_cut", 1},
		{"connection broken with EOF", streams(text("a"), ends(&llm.Error{Kind: llm.KindUpstreamError, Err: io.EOF})), func(r *llm.Reply) {
			if _, err := drain(r); errors.Is(err, io.EOF) {
				t.Error("a cut looks complete")
			}
		}, "upstream_cut", 1},
		{"silence", streams(text("a"), text("b").in(time.Hour)), func(r *llm.Reply) { _, _ = drain(r) }, "timeout", 1},
		{"panic", panics, nil, "internal", 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var w world
				p := w.build(tc.next, func(o *Options) {
					o.Retry.Max = -1
					w.circuit = breaker.New(breaker.Options{MinRequests: 1, FailureRatio: 0.01})
					o.Circuit = w.circuit
				})
				r, err := p.Do(t.Context(), streamCall())
				if tc.use != nil {
					tc.use(succeeded(t, r, err))
				} else if err == nil {
					t.Fatal("no error")
				}
				w.check(t, tc.outcome, tc.outcome)
				if open := w.circuit.State() == breaker.Open; open != (tc.fails > 0) {
					t.Errorf("the circuit is %v", w.circuit.State())
				}
			})
		})
	}
}

func TestChainGoesElsewhereAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tc := range []struct {
			name  string
			next  do
			setup func(w *world, o *Options)
			kind  llm.Kind
		}{
			{"circuit open", answers, func(_ *world, o *Options) {
				o.Circuit = breaker.New(breaker.Options{MinRequests: 1})
				ticket, _, _ := o.Circuit.Allow()
				o.Circuit.Report(ticket, breaker.Failure)
			}, llm.KindOverloaded},
			{"account limit", answers, func(_ *world, o *Options) {
				g := newAccount(rule{Concurrency: 1})
				_, _, _ = g.admit(t.Context(), nil)
				o.Limit = g.limit(LimitOptions{MaxWait: -1})
			}, llm.KindUpstreamRateLimited},
			{"no time", answers, nil, llm.KindTimeout},
			{"long Retry-After", failsAfter(llm.KindUpstreamRateLimited, time.Minute), nil, llm.KindUpstreamRateLimited},
			{"bill unpaid", func(context.Context, *llm.Call) (*llm.Reply, error) {
				return nil, &llm.Error{Kind: llm.KindUpstreamRateLimited, Permanent: true, Status: 429}
			}, nil, llm.KindUpstreamRateLimited},
		} {
			var w world
			p := w.build(tc.next, func(o *Options) {
				if tc.setup != nil {
					tc.setup(&w, o)
				}
			})
			c := unaryCall()
			if tc.kind == llm.KindTimeout {
				c.Deadline = time.Now().Add(-1)
			}
			start := time.Now()
			_, err := p.Do(t.Context(), c)
			e := failed(t, err, tc.kind)
			if time.Since(start) != 0 || len(w.retries.kinds) != 0 || !e.Kind.Traits().NextTarget {
				t.Errorf("%s: %+v after %v and %d retries", tc.name, e, time.Since(start), len(w.retries.kinds))
			}
			if e.Attempts != len(w.attempts.list) {
				t.Errorf("%s: says %d attempts, made %d", tc.name, e.Attempts, len(w.attempts.list))
			}
		}
	})
}

func TestEveryAttemptPaysTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w world
		up := plays(fails(llm.KindUpstreamError), fails(llm.KindUpstreamError), answers)
		p := w.build(up, func(o *Options) {
			o.Limit = newAccount(rule{RPS: 1}).limit(LimitOptions{})
			o.Retry.Backoff = jitter(shortest)
		})
		start := time.Now()
		r, err := p.Do(t.Context(), unaryCall())
		if succeeded(t, r, err); time.Since(start) != 2*sec || r.Upstream != 2*sec {
			t.Errorf("three attempts in %v at one a second, upstream %v", time.Since(start), r.Upstream)
		}
	})
}

func TestABareChainIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := Build(do(hangs), Options{Provider: "p"}).Do(t.Context(), unaryCall())
		e := failed(t, err, llm.KindTimeout)
		if took := time.Since(start); took < 180*sec || took > 181*sec || e.Attempts != 3 || !strings.HasPrefix(e.Message, "first-byte") || e.Provider != "p" {
			t.Errorf("%+v after %v", e, took)
		}
	})
}

// TestChainUnderLoad mixes all endings at once, for the race detector and the
// leak check, and counts that nothing is lost.
func TestChainUnderLoad(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var w world
		cut := ends(llm.Errorf(llm.KindUpstreamError, "cut"))
		all := []do{
			answers, late(sec, answers), fails(llm.KindUpstreamError), fails(llm.KindInvalidRequest), hangs, panics,
			streams(text("a").in(sec), text("b").in(sec)), streams(text("a"), cut), streams(), streams(text("a"), text("b").in(time.Hour)),
		}
		var n sync.Mutex
		i := 0
		p := w.build(do(func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
			n.Lock()
			f := all[i%len(all)]
			i++
			n.Unlock()
			return f(ctx, c)
		}), func(o *Options) {
			o.Limit.MaxWait = time.Hour
			o.Circuit = breaker.New(breaker.Options{FailureRatio: 2})
		})
		var wg sync.WaitGroup
		for k := range 300 {
			wg.Go(func() {
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				if k%7 == 0 {
					time.AfterFunc(time.Duration(k)*100*time.Millisecond, cancel)
				}
				r, err := p.Do(ctx, streamCall())
				if err != nil {
					return
				}
				if r.Stream != nil && k%3 != 0 {
					_, _ = drain(r)
				}
				_ = r.Close()
			})
		}
		wg.Wait()
		if len(w.calls.list) != 300 || w.calls.inFlight != 0 || w.gate.inFlight() != 0 {
			t.Errorf("%d calls ended, %d in flight, %d slots held", len(w.calls.list), w.calls.inFlight, w.gate.inFlight())
		}
		if len(w.attempts.list) != i {
			t.Errorf("%d attempts made, %d recorded", i, len(w.attempts.list))
		}
	})
}
