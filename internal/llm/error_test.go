package llm

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

// contract is the table of contract §5, as far as it concerns the chain.
var contract = map[Kind]Traits{
	KindInternal:            {"internal", false, false, false},
	KindInvalidRequest:      {"invalid_request", false, false, false},
	KindUnsupported:         {"unsupported", false, false, false},
	KindContentFiltered:     {"content_filtered", false, false, false},
	KindUnauthenticated:     {"unauthenticated", false, false, false},
	KindBudgetExceeded:      {"budget_exceeded", false, true, false},
	KindPermissionDenied:    {"permission_denied", false, false, false},
	KindNotFound:            {"not_found", false, false, false},
	KindRequestTooLarge:     {"request_too_large", false, false, false},
	KindRateLimited:         {"rate_limited", false, false, false},
	KindUpstreamRateLimited: {"upstream_rate_limited", true, true, false},
	KindCanceled:            {"canceled", false, false, false},
	KindUpstreamAuth:        {"upstream_auth", false, true, false},
	KindUpstreamError:       {"upstream_error", true, true, true},
	KindOverloaded:          {"overloaded", false, true, false},
	KindTimeout:             {"timeout", true, true, true},
}

func TestTraitsOfEveryKind(t *testing.T) {
	if len(contract) != int(KindCount) {
		t.Fatalf("the test knows %d kinds, the package %d", len(contract), KindCount)
	}
	for k := range KindCount {
		if got, want := k.Traits(), contract[k]; got != want {
			t.Errorf("kind %d: %+v, want %+v", k, got, want)
		}
		if k.String() != contract[k].Name {
			t.Errorf("kind %d is called %q", k, k)
		}
		for _, permanent := range []bool{false, true} {
			e := &Error{Kind: k, Permanent: permanent}
			if want := contract[k].Retryable && !permanent; e.Retryable() != want {
				t.Errorf("%v, permanent %v: retryable %v", k, permanent, e.Retryable())
			}
		}
	}
	if got := Kind(200).Traits(); got != contract[KindInternal] {
		t.Errorf("an unknown kind has %+v", got)
	}
}

func TestErrorText(t *testing.T) {
	cause := errors.New("connection refused")
	for _, tc := range []struct {
		e    *Error
		want string
	}{
		{Errorf(KindTimeout, "no byte in %v", time.Second), "timeout: no byte in 1s"},
		{&Error{Kind: KindUpstreamError, Message: "m", Provider: "p", Err: cause}, "p: upstream_error: m: connection refused"},
		{Invalid("messages[0].role", "bad %q", "x"), `invalid_request: bad "x"`},
		{Unsupported("seed", "not here"), "unsupported: not here"},
	} {
		if got := tc.e.Error(); got != tc.want {
			t.Errorf("got %q, want %q", got, tc.want)
		}
	}
	if e := Invalid("a.b", "x"); e.Param != "a.b" || e.Kind != KindInvalidRequest {
		t.Errorf("got %+v", e)
	}
	if e := Unsupported("seed", "x"); e.Param != "seed" || e.Kind != KindUnsupported || e.Code != "unsupported_parameter" {
		t.Errorf("got %+v", e)
	}
	if e := (&Error{Err: cause}); !errors.Is(e, cause) {
		t.Error("the cause is lost")
	}
}

func TestAsError(t *testing.T) {
	if AsError(nil) != nil {
		t.Fatal("nil became an error")
	}
	own := Errorf(KindNotFound, "x")
	plain := errors.New("x")
	for _, tc := range []struct {
		err  error
		kind Kind
	}{
		{own, KindNotFound},
		{fmt.Errorf("while reading: %w", own), KindNotFound},
		{context.Canceled, KindCanceled},
		{fmt.Errorf("dial: %w", context.Canceled), KindCanceled},
		{context.DeadlineExceeded, KindTimeout},
		{plain, KindInternal},
	} {
		e := AsError(tc.err)
		if e.Kind != tc.kind {
			t.Errorf("%v became %v", tc.err, e.Kind)
		}
		if !errors.Is(e, tc.err) && !errors.Is(tc.err, e) {
			t.Errorf("%v is lost in %v", tc.err, e)
		}
		if e.Message == "" || e.Kind == KindInternal && e.Message == tc.err.Error() {
			t.Errorf("%v shows the client %q", tc.err, e.Message)
		}
	}
	if AsError(own) != own {
		t.Error("an *Error was copied")
	}
}

func TestContextError(t *testing.T) {
	clock := Errorf(KindTimeout, "the idle clock ran out")
	shutdown := errors.New("shutting down")
	for _, tc := range []struct {
		name  string
		end   func() context.Context
		kind  Kind
		cause error
	}{
		{"cancelled", func() context.Context {
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			return ctx
		}, KindCanceled, context.Canceled},
		{"cancelled for a foreign reason", func() context.Context {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(shutdown)
			return ctx
		}, KindCanceled, shutdown},
		{"cancelled by a clock", func() context.Context {
			ctx, cancel := context.WithCancelCause(t.Context())
			cancel(fmt.Errorf("wrapped: %w", clock))
			return ctx
		}, KindTimeout, clock},
		{"deadline", func() context.Context {
			ctx, cancel := context.WithDeadline(t.Context(), time.Now().Add(-time.Second))
			cancel()
			return ctx
		}, KindTimeout, context.DeadlineExceeded},
		{"deadline with a foreign reason", func() context.Context {
			ctx, cancel := context.WithDeadlineCause(t.Context(), time.Now().Add(-time.Second), shutdown)
			cancel()
			return ctx
		}, KindTimeout, shutdown},
	} {
		t.Run(tc.name, func(t *testing.T) {
			e := ContextError(tc.end())
			if e == nil || e.Kind != tc.kind || !errors.Is(e, tc.cause) || e.Message == "" {
				t.Fatalf("got %+v", e)
			}
			if tc.cause == clock && e != clock {
				t.Error("the clock's error was copied")
			}
		})
	}
	if e := ContextError(t.Context()); e != nil {
		t.Errorf("a live context has %v", e)
	}
}

func TestOutcomeOfEveryKind(t *testing.T) {
	for k := range KindCount {
		want, wantStarted := k.String(), k.String()
		switch k {
		case KindCanceled:
			want, wantStarted = "client_gone", "client_gone"
		case KindUpstreamError:
			wantStarted = "upstream_cut"
		}
		e := &Error{Kind: k}
		if got := (Done{Err: e}).Outcome(); got != want {
			t.Errorf("%v: %q", k, got)
		}
		if got := (Done{Err: e, Started: true}).Outcome(); got != wantStarted {
			t.Errorf("%v, started: %q", k, got)
		}
	}
	if (Done{}).Outcome() != "complete" || (Done{Gone: true, Started: true}).Outcome() != "client_gone" {
		t.Error("wrong outcome without an error")
	}
}
