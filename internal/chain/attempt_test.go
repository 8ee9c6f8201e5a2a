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

func TestAttemptOfAWholeAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen attempts
		start := time.Now()
		c := unaryCall()
		p := NewAttempts(late(3*time.Second, answers), AttemptsOptions{Provider: "p", Observer: &seen})
		r, err := p.Do(t.Context(), c)
		succeeded(t, r, err)
		if r.Attempts != 1 || r.Upstream != 3*time.Second || r.Provider != "p" || r.Model != "m" {
			t.Errorf("reply %+v", r)
		}
		if len(seen.list) != 1 {
			t.Fatalf("%d records", len(seen.list))
		}
		a := seen.list[0]
		if a.Call != c || a.Provider != "p" || a.UpstreamID != "req_1" || !a.Start.Equal(start) {
			t.Errorf("record %+v", a)
		}
		if a.Took != 3*time.Second || a.Answered != 3*time.Second || a.FirstToken != 0 {
			t.Errorf("record %+v", a)
		}
		if a.Done.Outcome() != "complete" || a.Done.Usage != r.Usage || a.Done.Finish != llm.FinishStop {
			t.Errorf("record %+v", a.Done)
		}
	})
}

func TestAttemptKeepsWhatTheProviderSaid(t *testing.T) {
	p := NewAttempts(do(func(context.Context, *llm.Call) (*llm.Reply, error) {
		return &llm.Reply{Provider: "own", Model: "m-2024"}, nil
	}), AttemptsOptions{Provider: "p"})
	if r, _ := p.Do(t.Context(), unaryCall()); r.Provider != "own" || r.Model != "m-2024" {
		t.Errorf("got %+v", r)
	}
	p = NewAttempts(do(func(context.Context, *llm.Call) (*llm.Reply, error) {
		return nil, &llm.Error{Kind: llm.KindNotFound, Provider: "own"}
	}), AttemptsOptions{Provider: "p"})
	if _, err := p.Do(t.Context(), unaryCall()); failed(t, err, llm.KindNotFound).Provider != "own" {
		t.Errorf("got %v", err)
	}
}

func TestAttemptMakesErrorsOurs(t *testing.T) {
	clock := llm.Errorf(llm.KindTimeout, "the clock")
	plain := errors.New("connection refused")
	ended := func(cause error) context.Context {
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(cause)
		return ctx
	}
	gives := func(err error) do {
		return func(context.Context, *llm.Call) (*llm.Reply, error) { return nil, err }
	}
	for _, tc := range []struct {
		name    string
		ctx     context.Context
		next    do
		kind    llm.Kind
		message string
	}{
		{"own error", t.Context(), fails(llm.KindUpstreamAuth), llm.KindUpstreamAuth, "failed"},
		{"foreign error", t.Context(), gives(plain), llm.KindInternal, "internal error"},
		{"neither", t.Context(), gives(nil), llm.KindInternal, "neither"},
		{"panic", t.Context(), panics, llm.KindInternal, "internal error"},
		{"the client left", ended(nil), gives(plain), llm.KindCanceled, "client"},
		{"a clock ran out", ended(clock), gives(plain), llm.KindTimeout, "the clock"},
		{"a clock ran out, seen as a cancellation", ended(clock), gives(context.Canceled), llm.KindTimeout, "the clock"},
		{"a clock ran out, seen as an upstream error", ended(clock), gives(llm.Errorf(llm.KindUpstreamError, "reset")), llm.KindTimeout, "the clock"},
		{"the upstream had answered", ended(clock), fails(llm.KindUpstreamError), llm.KindUpstreamError, "failed"},
		{"panic while the context ended", ended(clock), panics, llm.KindInternal, "internal error"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var seen attempts
			p := NewAttempts(tc.next, AttemptsOptions{Provider: "p", Observer: &seen})
			r, err := p.Do(tc.ctx, unaryCall())
			e := failed(t, err, tc.kind)
			if r != nil || e.Provider != "p" || e.Attempts != 1 || !strings.Contains(e.Message, tc.message) {
				t.Errorf("got %+v", e)
			}
			if len(seen.list) != 1 || seen.list[0].Done.Err != e {
				t.Errorf("recorded %+v", seen.list)
			}
		})
	}
	if clock.Provider != "" || clock.Attempts != 0 {
		t.Error("a shared error was written to")
	}
}

func TestAPanicKeepsItsStackForTheLog(t *testing.T) {
	p := NewAttempts(do(panics), AttemptsOptions{})
	_, err := p.Do(t.Context(), unaryCall())
	e := failed(t, err, llm.KindInternal)
	if strings.Contains(e.Message, "bug") {
		t.Errorf("the client sees %q", e.Message)
	}
	if s := e.Error(); !strings.Contains(s, "panic: provider bug") || !strings.Contains(s, "helpers_test.go") {
		t.Errorf("the log sees %q", s)
	}
}

func TestAReplyWithAnErrorIsClosed(t *testing.T) {
	closes := 0
	p := NewAttempts(do(func(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
		return &llm.Reply{Stream: &feed{ctx: ctx, closes: &closes}}, llm.Errorf(llm.KindUpstreamError, "both")
	}), AttemptsOptions{})
	r, err := p.Do(t.Context(), streamCall())
	if failed(t, err, llm.KindUpstreamError); r != nil || closes != 1 {
		t.Errorf("reply %v, closed %d times", r, closes)
	}
}

func TestAttemptOfAStreamEndsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var seen attempts
		p := NewAttempts(late(time.Second, streams(kind(llm.EventStart).in(time.Second), text("a").in(2*time.Second), text("b").in(4*time.Second))),
			AttemptsOptions{Provider: "p", Observer: &seen})
		r, err := p.Do(t.Context(), streamCall())
		succeeded(t, r, err)
		if len(seen.list) != 0 || r.Upstream != time.Second {
			t.Errorf("recorded at the start: %+v", seen.list)
		}
		if s, err := drain(r); s != "ab" || err != io.EOF {
			t.Fatal(s, err)
		}
		pass(time.Hour)
		_ = r.Close()
		if len(seen.list) != 1 {
			t.Fatalf("%d records", len(seen.list))
		}
		a := seen.list[0]
		if a.Answered != time.Second || a.FirstToken != 4*time.Second || a.Took != 8*time.Second || a.UpstreamID != "req_s" || a.Done.Events != 2 {
			t.Errorf("record %+v", a)
		}
	})
}

func TestStreamFailures(t *testing.T) {
	for _, tc := range []struct {
		name    string
		last    step
		cause   error // the context ends with it before the last step; nil = it does not
		kind    llm.Kind
		outcome string
	}{
		{"cut", ends(llm.Errorf(llm.KindUpstreamError, "cut")), nil, llm.KindUpstreamError, "upstream_cut"},
		{"foreign", ends(errors.New("reset")), nil, llm.KindInternal, "internal"},
		{"panic", step{panic: "bug"}, nil, llm.KindInternal, "internal"},
		{"the client left", text("no"), context.Canceled, llm.KindCanceled, "client_gone"},
		{"a clock ran out", text("no"), llm.Errorf(llm.KindTimeout, "clock"), llm.KindTimeout, "timeout"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var seen attempts
			p := NewAttempts(streams(text("a"), tc.last), AttemptsOptions{Provider: "p", Observer: &seen})
			r, err := p.Do(ctx, streamCall())
			succeeded(t, r, err)
			if _, err := r.Stream.Recv(); err != nil {
				t.Fatal(err)
			}
			if tc.cause != nil {
				cancel(tc.cause)
			}
			_, err = r.Stream.Recv()
			if e := failed(t, err, tc.kind); e.Provider != "p" {
				t.Errorf("got %+v", e)
			}
			_ = r.Close()
			if got := seen.outcomes(); len(got) != 1 || got[0] != tc.outcome {
				t.Errorf("recorded %v", got)
			}
		})
	}
}

type closePanics struct{ feed }

func (closePanics) Close() error { panic("bug in Close") }

func TestClosePanicIsAnError(t *testing.T) {
	var seen attempts
	p := NewAttempts(do(func(ctx context.Context, _ *llm.Call) (*llm.Reply, error) {
		return &llm.Reply{Stream: &closePanics{feed{ctx: ctx}}}, nil
	}), AttemptsOptions{Observer: &seen})
	r, err := p.Do(t.Context(), streamCall())
	succeeded(t, r, err)
	failed(t, r.Close(), llm.KindInternal)
	if len(seen.list) != 1 {
		t.Errorf("%d records", len(seen.list))
	}
}
