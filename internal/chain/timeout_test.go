package chain

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const sec = time.Second

// bounded is the usual pair under test: clocks around one attempt.
func bounded(next do, o TimeoutOptions, seen *attempts) *Timeout {
	return NewTimeout(NewAttempts(next, AttemptsOptions{Provider: "p", Observer: seen}), o)
}

func TestClocksUntilTheAnswer(t *testing.T) {
	off := time.Duration(-1)
	for _, tc := range []struct {
		name     string
		o        TimeoutOptions
		stream   bool
		deadline time.Duration
		takes    time.Duration
		after    time.Duration // when it ends
		clock    string        // "" = it succeeds
	}{
		{"in time", TimeoutOptions{}, false, 0, 59 * sec, 59 * sec, ""},
		{"default first byte", TimeoutOptions{}, false, 0, 61 * sec, 60 * sec, "first-byte"},
		{"default first byte of a stream", TimeoutOptions{}, true, 0, 61 * sec, 60 * sec, "first-byte"},
		{"default whole, unary", TimeoutOptions{FirstByte: off}, false, 0, 121 * sec, 120 * sec, "whole-request"},
		{"default whole, stream", TimeoutOptions{FirstByte: off}, true, 0, 601 * sec, 600 * sec, "whole-request"},
		{"own first byte", TimeoutOptions{FirstByte: 5 * sec}, false, 0, 6 * sec, 5 * sec, "first-byte"},
		{"whole below first byte", TimeoutOptions{Unary: 7 * sec}, false, 0, 8 * sec, 7 * sec, "whole-request"},
		{"the idle clock does not run yet", TimeoutOptions{Idle: sec}, true, 0, 30 * sec, 30 * sec, ""},
		{"all off", TimeoutOptions{off, off, off, off}, false, 0, 48 * time.Hour, 48 * time.Hour, ""},
		{"the call's deadline", TimeoutOptions{}, false, 3 * sec, 4 * sec, 3 * sec, "deadline"},
		{"the call's deadline with all off", TimeoutOptions{off, off, off, off}, true, 3 * sec, 4 * sec, 3 * sec, "deadline"},
		{"a far deadline", TimeoutOptions{}, false, time.Hour, 61 * sec, 60 * sec, "first-byte"},
		{"a deadline that has passed", TimeoutOptions{}, false, -sec, 0, 0, "deadline"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen attempts
				p := bounded(late(tc.takes, answers), tc.o, &seen)
				c := unaryCall()
				c.Stream = tc.stream
				start := time.Now()
				if tc.deadline != 0 {
					c.Deadline = start.Add(tc.deadline)
				}
				r, err := p.Do(t.Context(), c)
				if took := time.Since(start); took != tc.after {
					t.Errorf("ended after %v, want %v", took, tc.after)
				}
				if tc.clock == "" {
					succeeded(t, r, err)
					return
				}
				e := failed(t, err, llm.KindTimeout)
				if !strings.HasPrefix(e.Message, tc.clock) {
					t.Errorf("names the wrong clock: %q", e.Message)
				}
				if tc.takes == 0 {
					if len(seen.all()) != 0 || e.Attempts != 0 {
						t.Error("the provider was asked without time left")
					}
					return
				}
				if got := seen.outcomes(); len(got) != 1 || got[0] != "timeout" || e.Provider != "p" {
					t.Errorf("recorded %v, error %+v", got, e)
				}
			})
		})
	}
}

func TestTheClocksErrorComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var cause error
		p := NewTimeout(do(func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
			r, err := hangs(ctx, c)
			cause = context.Cause(ctx)
			return r, err
		}), TimeoutOptions{})
		_, err := p.Do(t.Context(), unaryCall())
		if e := failed(t, err, llm.KindTimeout); e != cause {
			t.Errorf("got %p, the context's cause is %p", e, cause)
		}
	})
}

func TestClocksOfAStream(t *testing.T) {
	ping := kind(llm.EventPing)
	for _, tc := range []struct {
		name     string
		o        TimeoutOptions
		deadline time.Duration
		head     time.Duration
		steps    []step
		pause    time.Duration // the reader's, after each event
		after    time.Duration
		clock    string // "" = complete
		text     string
	}{
		{"lively", TimeoutOptions{}, 0, 59 * sec, []step{text("a").in(59 * sec), text("b").in(59 * sec)}, 0, 177 * sec, "", "ab"},
		{"silent from the start", TimeoutOptions{}, 0, 10 * sec, []step{text("a").in(61 * sec)}, 0, 70 * sec, "idle", ""},
		{"falls silent", TimeoutOptions{}, 0, sec, []step{text("a").in(30 * sec), text("b").in(61 * sec)}, 0, 91 * sec, "idle", "a"},
		{"pings are life", TimeoutOptions{Idle: 10 * sec}, 0, sec, []step{ping.in(9 * sec), ping.in(9 * sec), ping.in(9 * sec), text("a").in(9 * sec)}, 0, 37 * sec, "", "a"},
		{"silence after pings", TimeoutOptions{Idle: 10 * sec}, 0, sec, []step{ping.in(9 * sec), text("a").in(11 * sec)}, 0, 20 * sec, "idle", ""},
		{"idle below first byte", TimeoutOptions{Idle: 2 * sec}, 0, 30 * sec, []step{text("a").in(sec), text("b").in(3 * sec)}, 0, 33 * sec, "idle", "a"},
		{"a slow reader is not silence", TimeoutOptions{Idle: 5 * sec}, 0, sec, []step{text("a").in(sec), text("b").in(sec), text("c").in(sec)}, 20 * sec, 64 * sec, "", "abc"},
		{"silence after a slow reader", TimeoutOptions{Idle: 5 * sec}, 0, sec, []step{text("a").in(sec), text("b").in(6 * sec)}, 20 * sec, 27 * sec, "idle", "a"},
		{"endless", TimeoutOptions{Stream: 25 * sec}, 0, sec, []step{text("a").in(9 * sec), text("b").in(9 * sec), text("c").in(9 * sec)}, 0, 25 * sec, "whole-request", "ab"},
		{"whole before idle", TimeoutOptions{Idle: 20 * sec, Stream: 15 * sec}, 0, sec, []step{text("a").in(9 * sec), text("b").in(19 * sec)}, 0, 15 * sec, "whole-request", "a"},
		{"the reader uses up the time", TimeoutOptions{Stream: 25 * sec}, 0, sec, []step{text("a").in(sec), text("b").in(sec), text("c").in(sec)}, 12 * sec, 27 * sec, "whole-request", "ab"},
		{"the call's deadline", TimeoutOptions{}, 20 * sec, sec, []step{text("a").in(9 * sec), text("b").in(30 * sec)}, 0, 20 * sec, "deadline", "a"},
		{"complete at the last moment", TimeoutOptions{Idle: 10 * sec}, 0, sec, []step{text("a").in(9 * sec), ends(io.EOF).in(9 * sec)}, 0, 19 * sec, "", "a"},
		{"no idle clock", TimeoutOptions{Idle: -1}, 0, sec, []step{text("a").in(500 * sec)}, 0, 501 * sec, "", "a"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var seen attempts
				p := bounded(late(tc.head, streams(tc.steps...)), tc.o, &seen)
				start := time.Now()
				c := streamCall()
				if tc.deadline > 0 {
					c.Deadline = start.Add(tc.deadline)
				}
				r, err := p.Do(t.Context(), c)
				succeeded(t, r, err)
				var got string
				for err == nil {
					var ev *llm.Event
					if ev, err = r.Stream.Recv(); err == nil {
						got += ev.Text
						pass(tc.pause)
					}
				}
				if took := time.Since(start); took != tc.after || got != tc.text {
					t.Errorf("read %q in %v, want %q in %v", got, took, tc.text, tc.after)
				}
				_ = r.Close()
				want := "complete"
				if tc.clock != "" {
					want = "timeout"
					if e := failed(t, err, llm.KindTimeout); !strings.HasPrefix(e.Message, tc.clock) {
						t.Errorf("names the wrong clock: %q", e.Message)
					}
				} else if err != io.EOF {
					t.Errorf("ended with %v", err)
				}
				if got := seen.outcomes(); len(got) != 1 || got[0] != want {
					t.Errorf("recorded %v, want %v", got, want)
				}
			})
		})
	}
}

// TestTheContextLivesAsLongAsTheCall: the cancel runs at the end of the answer,
// not when Do returns, and not later.
func TestTheContextLivesAsLongAsTheCall(t *testing.T) {
	for _, tc := range []struct {
		name  string
		steps []step
		use   func(r *llm.Reply)
	}{
		{"read to the end", []step{text("a")}, func(r *llm.Reply) { _, _ = drain(r) }},
		{"cut", []step{text("a"), ends(llm.Errorf(llm.KindUpstreamError, "cut"))}, func(r *llm.Reply) { _, _ = drain(r) }},
		{"closed", []step{text("a")}, func(r *llm.Reply) { _ = r.Close() }},
		{"closed twice", []step{text("a")}, func(r *llm.Reply) { _ = r.Close(); _ = r.Close() }},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var inner context.Context
				p := NewTimeout(do(func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
					inner = ctx
					return streams(tc.steps...)(ctx, c)
				}), TimeoutOptions{})
				r, err := p.Do(t.Context(), streamCall())
				succeeded(t, r, err)
				if inner.Err() != nil {
					t.Fatal("the context ended with Do")
				}
				tc.use(r)
				if inner.Err() == nil {
					t.Fatal("the context outlives the call")
				}
			})
		})
	}
	var inner context.Context
	p := NewTimeout(do(func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
		inner = ctx
		return answers(ctx, c)
	}), TimeoutOptions{})
	if r, err := p.Do(t.Context(), unaryCall()); succeeded(t, r, err) != nil && inner.Err() == nil {
		t.Error("the context outlives a whole answer")
	}
}

// TestNothingLeaksWhenNoOneCloses: what waits on the attempt's context is let
// go at the latest when the whole time is up, and no timer goes on.
func TestNothingLeaksWhenNoOneCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		released := make(chan time.Duration, 1)
		start := time.Now()
		p := NewTimeout(do(func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
			context.AfterFunc(ctx, func() { released <- time.Since(start) })
			return streams(text("a"))(ctx, c)
		}), TimeoutOptions{})
		r, err := p.Do(context.WithoutCancel(t.Context()), streamCall())
		if _, err := succeeded(t, r, err).Stream.Recv(); err != nil {
			t.Fatal(err)
		}
		if d := <-released; d != 600*sec {
			t.Errorf("released after %v", d)
		}
	}) // the bubble waits for every goroutine and fails if one is stuck
}

func TestTheClientLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen attempts
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(3*sec, cancel)
		_, err := bounded(hangs, TimeoutOptions{}, &seen).Do(ctx, unaryCall())
		failed(t, err, llm.KindCanceled)
		if got := seen.outcomes(); got[0] != "client_gone" {
			t.Errorf("recorded %v", got)
		}
		ctx, cancel = context.WithCancel(t.Context())
		r, err := bounded(streams(text("a"), text("b").in(9*sec)), TimeoutOptions{}, &seen).Do(ctx, streamCall())
		succeeded(t, r, err)
		time.AfterFunc(3*sec, cancel)
		_, err = drain(r)
		failed(t, err, llm.KindCanceled)
	})
}

func TestAVerdictAtTheLastMomentStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewTimeout(do(func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
			<-ctx.Done()
			return fails(llm.KindInvalidRequest)(ctx, c)
		}), TimeoutOptions{})
		_, err := p.Do(t.Context(), unaryCall())
		failed(t, err, llm.KindInvalidRequest)
		p = NewTimeout(do(func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
			<-ctx.Done()
			return answers(ctx, c)
		}), TimeoutOptions{})
		r, err := p.Do(t.Context(), unaryCall())
		succeeded(t, r, err)
	})
}

// TestClocksAreReused: a clock that comes from another call must not remember it.
func TestClocksAreReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		up := plays(late(40*sec, answers), late(50*sec, answers), hangs, late(50*sec, answers), late(59*sec, answers))
		p := NewTimeout(up, TimeoutOptions{})
		for i := range 5 {
			start := time.Now()
			_, err := p.Do(t.Context(), unaryCall())
			if took := time.Since(start); (i == 2) != (err != nil) || i == 2 && took != 60*sec {
				t.Errorf("call %d: %v after %v", i, err, took)
			}
			pass(15 * sec)
		}
	})
}

// TestAClockThatRangIsNotReused: its function may still be about to run.
func TestAClockThatRangIsNotReused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewTimeout(nil, TimeoutOptions{})
		k := p.clock(unaryCall())
		k.run(t.Context())
		pass(59 * sec)
		if !k.stop() {
			t.Error("a clock that was stopped in time is thrown away")
		}
		k = p.clock(unaryCall())
		k.run(t.Context())
		pass(60 * sec)
		if k.stop() {
			t.Error("a clock that rang is reused")
		}
	})
}

// TestTheEndStands: a stream that ends in the moment its time is up is complete.
func TestTheEndStands(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewTimeout(do(func(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
			return &llm.Reply{Stream: &endless{n: 1}}, nil
		}), TimeoutOptions{})
		r, err := p.Do(t.Context(), streamCall())
		succeeded(t, r, err)
		pass(601 * sec)
		if s, err := drain(r); s != "x" || err != io.EOF {
			t.Errorf("read %q, %v", s, err)
		}
	})
}

func TestClocksUnderConcurrency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewTimeout(do(func(ctx context.Context, c *llm.Call) (*llm.Reply, error) {
			return late(time.Duration(len(c.Raw))*sec, answers)(ctx, c)
		}), TimeoutOptions{FirstByte: 10 * sec})
		errs := make(chan error)
		for i := range 200 {
			go func() {
				c := unaryCall()
				c.Raw = make([]byte, i%20)
				start := time.Now()
				_, err := p.Do(t.Context(), c)
				if late := i%20 > 10; late != (err != nil) && i%20 != 10 || time.Since(start) > 10*sec {
					errs <- errors.Join(errors.New("wrong end"), err)
					return
				}
				errs <- nil
			}()
		}
		for range 200 {
			if err := <-errs; err != nil {
				t.Error(err)
			}
		}
	})
}
