package providertest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// checkLeaks lets the test fail when goroutines outlive it. Cleanups run in
// reverse order, so it must be called before anything else that cleans up.
func checkLeaks(t *testing.T) {
	t.Helper()
	ignore := goleak.IgnoreCurrent()
	t.Cleanup(func() { goleak.VerifyNone(t, ignore) })
}

// CheckSecret lets the test fail when what a failing call says holds the
// secret: in any format, anywhere in the chain of causes, or in a log.
func CheckSecret(t testing.TB, err error, secret string) {
	t.Helper()
	for err := error(err); err != nil; err = errors.Unwrap(err) {
		var log strings.Builder
		slog.New(slog.NewJSONHandler(&log, nil)).Error("failed", "error", err)
		slog.New(slog.NewTextHandler(&log, nil)).Error("failed", "error", err)
		for _, said := range []string{err.Error(), fmt.Sprintf("%v", err), fmt.Sprintf("%+v", err), fmt.Sprintf("%#v", err), log.String()} {
			if strings.Contains(said, secret) {
				t.Errorf("a secret is in the error: %s", said)
				return
			}
		}
	}
}

// outcome is all that came of one call.
type outcome struct {
	reply  *llm.Reply
	text   string
	raw    string
	usage  llm.Usage
	finish llm.FinishReason
	events int // of content
	pings  int
	err    *llm.Error
}

// do makes a call and reads its answer to the end.
func (r *run) do(ctx context.Context, t testing.TB, stream bool) outcome {
	t.Helper()
	reply, err := r.p.Do(ctx, r.Call(stream))
	if err != nil {
		return outcome{err: r.checked(t, err)}
	}
	o := outcome{reply: reply, usage: reply.Usage, finish: reply.Finish, raw: string(reply.Raw)}
	if reply.Response != nil {
		o.text = reply.Response.Text()
	}
	if reply.Stream != nil {
		o.read(t, r)
	}
	return o
}

func (o *outcome) read(t testing.TB, r *run) {
	t.Helper()
	defer func() {
		if err := o.reply.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if _, err := o.reply.Stream.Recv(); err == nil {
			t.Error("a closed stream has another event")
		}
	}()
	for {
		ev, err := o.reply.Stream.Recv()
		if err == io.EOF {
			return
		}
		if err != nil {
			o.err = r.checked(t, err)
			return
		}
		o.add(ev)
	}
}

func (o *outcome) add(ev *llm.Event) {
	switch {
	case ev.Kind == llm.EventPing:
		o.pings++
	case ev.Content():
		o.events++
	}
	if ev.Kind == llm.EventText {
		o.text += ev.Text
	}
	o.raw += string(ev.Raw)
	if ev.Usage != nil {
		o.usage = *ev.Usage
	}
	if ev.Finish != "" {
		o.finish = ev.Finish
	}
}

// checked looks at an error as every caller does.
func (r *run) checked(t testing.TB, err error) *llm.Error {
	t.Helper()
	var e *llm.Error
	if !errors.As(err, &e) {
		t.Fatalf("the error is no *llm.Error: %v", err)
	}
	CheckSecret(t, err, Key)
	if e.Message == "" || e.Provider == "" {
		t.Errorf("the error lacks a message or the provider's name: %+v", *e)
	}
	if errors.Is(e, io.EOF) {
		t.Errorf("a failure can be taken for the end of a stream: %v", e)
	}
	for _, internal := range []string{"127.0.0.1", "[::1]", "localhost"} {
		if strings.Contains(e.Message, internal) {
			t.Errorf("the message shows an address: %s", e.Message)
		}
	}
	return e
}

// wantGood checks that the outcome is the good answer; raw is how it looks when
// it passes through.
func (r *run) wantGood(t testing.TB, o outcome, raw string) {
	t.Helper()
	if o.err != nil {
		t.Fatalf("failed: %v", o.err)
	}
	if r.passes() {
		if o.raw != raw {
			t.Errorf("passed through as %q, want %q", o.raw, raw)
		}
	} else if o.text != r.Text {
		t.Errorf("text %q, want %q", o.text, r.Text)
	}
	if o.usage != r.Usage || o.finish != r.Finish {
		t.Errorf("usage %+v and finish %q, want %+v and %q", o.usage, o.finish, r.Usage, r.Finish)
	}
}

// passes reports whether the calls of this run pass through.
func (r *run) passes() bool {
	c := r.Call(false)
	return c.Raw != nil
}

func (r *run) wantError(t testing.TB, o outcome, v Verdict) {
	t.Helper()
	if o.err == nil {
		t.Fatalf("succeeded with text %q, raw %q; want %v", o.text, o.raw, v.Kind)
	}
	if o.err.Kind != v.Kind || o.err.Permanent != v.Permanent {
		t.Errorf("kind %v, permanent %v, want %v, %v: %v", o.err.Kind, o.err.Permanent, v.Kind, v.Permanent, o.err)
	}
}

// retry is the verdict on a failure of the upstream that another try may mend.
func retry() Verdict { return Verdict{Kind: llm.KindUpstreamError} }

// await fails the test when ch is not closed in time.
func await(t testing.TB, ch <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-ch:
	case <-time.After(Patience):
		t.Fatalf("waited in vain: %s", what)
	}
}
