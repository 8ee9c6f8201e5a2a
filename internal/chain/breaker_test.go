package chain

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/breaker"
)

// touchy is a circuit that one failure opens, for ten seconds.
func touchy() *breaker.Breaker {
	return breaker.New(breaker.Options{MinRequests: 1, FailureRatio: 0.01, Cooldown: 10 * sec})
}

func guardedBy(b *breaker.Breaker, next do) *Breaker {
	return NewBreaker(NewAttempts(next, AttemptsOptions{}), BreakerOptions{Provider: "p", Circuit: b})
}

// TestWhichEndingsTrip calls once through a fresh circuit and looks whether it
// opened.
func TestWhichEndingsTrip(t *testing.T) {
	cut := llm.Errorf(llm.KindUpstreamError, "cut")
	idle := llm.Errorf(llm.KindTimeout, "idle")
	end := func(r *llm.Reply) { _, _ = drain(r) }
	for _, tc := range []struct {
		name string
		next do
		use  func(r *llm.Reply)
		want breaker.State
	}{
		{"whole answer", answers, nil, breaker.Closed},
		{"stream read to the end", streams(text("a")), end, breaker.Closed},
		{"stream cut", streams(text("a"), ends(cut)), end, breaker.Open},
		{"stream fell silent", streams(text("a"), ends(idle)), end, breaker.Open},
		{"client left a stream", streams(text("a"), text("b")), func(r *llm.Reply) { _, _ = r.Stream.Recv(); _ = r.Close() }, breaker.Closed},
		{"cut, then closed", streams(ends(cut)), func(r *llm.Reply) { end(r); _ = r.Close() }, breaker.Open},
		{"empty stream, primed", streams(), func(r *llm.Reply) { _ = llm.Prime(r); _ = r.Close() }, breaker.Open},
		{"panic is our bug", panics, nil, breaker.Closed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			b := touchy()
			r, _ := guardedBy(b, tc.next).Do(t.Context(), streamCall())
			if tc.use != nil {
				if b.State() != breaker.Closed {
					t.Fatal("judged before the end")
				}
				tc.use(r)
			}
			if b.State() != tc.want {
				t.Errorf("state %v, want %v", b.State(), tc.want)
			}
		})
	}
	for k := range llm.KindCount {
		b := touchy()
		_, err := guardedBy(b, fails(k)).Do(t.Context(), unaryCall())
		failed(t, err, k)
		want := breaker.Closed
		if k.Traits().Trips {
			want = breaker.Open
		}
		if b.State() != want {
			t.Errorf("%v: state %v, want %v", k, b.State(), want)
		}
	}
}

// TestTheCallersOwnHaste: a time that the caller set is not the target's fault,
// a clock of the gateway is.
func TestTheCallersOwnHaste(t *testing.T) {
	clock := llm.Errorf(llm.KindTimeout, "the gateway's clock")
	for _, tc := range []struct {
		name string
		next do
		ctx  func(ctx context.Context) (context.Context, context.CancelFunc)
		call time.Duration // Call.Deadline
		want breaker.State
	}{
		{"first-byte clock", hangs, nil, 0, breaker.Open},
		{"first-byte clock before the call's deadline", hangs, nil, 2 * time.Minute, breaker.Open},
		{"the call's deadline", hangs, nil, 2 * sec, breaker.Closed},
		{"a failure before the call's deadline", fails(llm.KindUpstreamError), nil, 2 * sec, breaker.Open},
		{"the upstream's own 504 after the call's deadline", func(context.Context, *llm.Call) (*llm.Reply, error) {
			pass(3 * sec)
			return nil, &llm.Error{Kind: llm.KindTimeout, Status: 504}
		}, nil, 2 * sec, breaker.Open},
		{"the context's deadline", hangs, func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 2*sec)
		}, 0, breaker.Closed},
		{"the client leaves", hangs, func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(2*sec, cancel)
			return ctx, cancel
		}, 0, breaker.Closed},
		{"the context ends for a foreign reason", hangs, func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, 2*sec, errors.New("impatience"))
		}, 0, breaker.Closed},
		{"a clock of the gateway further out", hangs, func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, 2*sec, clock)
		}, 0, breaker.Open},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := touchy()
				p := NewBreaker(NewTimeout(NewAttempts(tc.next, AttemptsOptions{}), TimeoutOptions{}), BreakerOptions{Circuit: b})
				c, ctx := unaryCall(), t.Context()
				if tc.call > 0 {
					c.Deadline = time.Now().Add(tc.call)
				}
				if tc.ctx != nil {
					var cancel context.CancelFunc
					ctx, cancel = tc.ctx(ctx)
					defer cancel()
				}
				if _, err := p.Do(ctx, c); err == nil {
					t.Fatal("no error")
				}
				if b.State() != tc.want {
					t.Errorf("state %v, want %v", b.State(), tc.want)
				}
			})
		})
	}
}

func TestOpenRefusesWithTheTimeLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := plays(fails(llm.KindUpstreamError), answers)
		p := guardedBy(touchy(), up.Do)
		_, err := p.Do(t.Context(), unaryCall())
		failed(t, err, llm.KindUpstreamError)
		pass(4 * sec)
		_, err = p.Do(t.Context(), unaryCall())
		e := failed(t, err, llm.KindOverloaded)
		if e.RetryAfter != 6*sec || e.Provider != "p" || e.Attempts != 0 || up.asked() != 1 {
			t.Errorf("got %+v after %d calls", e, up.asked())
		}
		pass(6 * sec)
		r, err := p.Do(t.Context(), unaryCall())
		succeeded(t, r, err)
	})
}

func TestProbes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := touchy()
		up := plays(fails(llm.KindUpstreamError), late(3*sec, answers))
		p := guardedBy(b, up.Do)
		_, _ = p.Do(t.Context(), unaryCall())
		pass(10 * sec)
		go func() { _, _ = p.Do(t.Context(), unaryCall()) }()
		synctest.Wait()
		_, err := p.Do(t.Context(), unaryCall()) // while the probe is under way
		if e := failed(t, err, llm.KindOverloaded); e.RetryAfter != 10*sec {
			t.Errorf("got %+v", e)
		}
		pass(3 * sec)
		synctest.Wait()
		if b.State() != breaker.Closed {
			t.Errorf("state %v after the probe", b.State())
		}
	})
}

func TestAProbeThatSaysNothingFreesItsSlot(t *testing.T) {
	left := func(r *llm.Reply) { _ = r.Close() }
	for _, tc := range []struct {
		name string
		next do
		use  func(*llm.Reply)
	}{
		{"the caller's fault", fails(llm.KindInvalidRequest), nil},
		{"rate limited", fails(llm.KindUpstreamRateLimited), nil},
		{"cancelled", fails(llm.KindCanceled), nil},
		{"panic", panics, nil},
		{"cancelled stream", streams(ends(llm.Errorf(llm.KindCanceled, "left"))), left},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := touchy()
				up := plays(fails(llm.KindUpstreamError), tc.next, answers)
				p := guardedBy(b, up.Do)
				_, _ = p.Do(t.Context(), unaryCall())
				pass(10 * sec)
				r, _ := p.Do(t.Context(), streamCall())
				if tc.use != nil {
					tc.use(r)
				}
				if b.State() != breaker.HalfOpen {
					t.Fatalf("state %v", b.State())
				}
				r, err := p.Do(t.Context(), unaryCall())
				if succeeded(t, r, err); b.State() != breaker.Closed {
					t.Errorf("state %v", b.State())
				}
			})
		})
	}
}

// TestAStreamProbeCountsAtItsFirstContent: no one waits minutes for its end.
func TestAStreamProbeCountsAtItsFirstContent(t *testing.T) {
	cut := llm.Errorf(llm.KindUpstreamError, "cut")
	for _, tc := range []struct {
		name  string
		steps []step
		open  breaker.State // after Do
		end   breaker.State // after the stream
		err   error
	}{
		{"good", []step{kind(llm.EventStart), text("a").in(2 * sec), text("b").in(50 * sec)}, breaker.Closed, breaker.Closed, io.EOF},
		{"good at first", []step{text("a"), ends(cut)}, breaker.Closed, breaker.Closed, cut},
		{"cut before content", []step{kind(llm.EventStart), ends(cut)}, breaker.Open, breaker.Open, cut},
		{"empty", nil, breaker.Open, breaker.Open, nil},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := touchy()
				p := guardedBy(b, plays(fails(llm.KindUpstreamError), streams(tc.steps...)).Do)
				_, _ = p.Do(t.Context(), unaryCall())
				pass(10 * sec)
				r, err := p.Do(t.Context(), streamCall())
				if succeeded(t, r, err); b.State() != tc.open {
					t.Errorf("state %v while the stream flows", b.State())
				}
				_, err = drain(r)
				if tc.err == io.EOF && err != io.EOF || tc.err != io.EOF && llm.AsError(err).Kind != llm.KindUpstreamError {
					t.Errorf("ended with %v", err)
				}
				if _ = r.Close(); b.State() != tc.end {
					t.Errorf("state %v, want %v", b.State(), tc.end)
				}
			})
		})
	}
}

func TestAStreamProbeCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := breaker.New(breaker.Options{MinRequests: 1, Cooldown: 10 * sec, Probes: 2})
		p := guardedBy(b, plays(fails(llm.KindUpstreamError), streams(text("a"))).Do)
		_, _ = p.Do(t.Context(), unaryCall())
		pass(10 * sec)
		for _, want := range []breaker.State{breaker.HalfOpen, breaker.Closed} {
			r, err := p.Do(t.Context(), streamCall())
			succeeded(t, r, err)
			_, _ = drain(r)
			if _ = r.Close(); b.State() != want {
				t.Errorf("state %v, want %v", b.State(), want)
			}
		}
	})
}

func TestLateStreamsSayNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cut := llm.Errorf(llm.KindUpstreamError, "cut")
		b := touchy()
		p := guardedBy(b, plays(streams(text("a"), ends(cut)), streams(text("a")), fails(llm.KindUpstreamError), answers).Do)
		failing, _ := p.Do(t.Context(), streamCall())
		good, _ := p.Do(t.Context(), streamCall())
		_, _ = p.Do(t.Context(), unaryCall())
		if _, _ = drain(good); b.State() != breaker.Open {
			t.Fatal("an old success closed the circuit")
		}
		pass(10 * sec)
		r, err := p.Do(t.Context(), unaryCall())
		succeeded(t, r, err)
		if _, _ = drain(failing); b.State() != breaker.Closed {
			t.Error("an old failure opened the circuit")
		}
	})
}
