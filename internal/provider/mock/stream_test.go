package mock_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
)

// TestStreamOrder: a start, the parts in their order, a finish, the usage.
func TestStreamOrder(t *testing.T) {
	r := ask("get_weather getTime")
	r.Tools = []llm.Tool{weather(), clock()}
	r.Reasoning = &llm.ReasoningOptions{Effort: "minimal"}
	for _, chunk := range []int{1, 3, 1000} {
		p := mock.New(mock.Options{})
		evs, err := events(t.Context(), p, fmt.Sprintf("chat+chunk-%d", chunk), r)
		if err != nil {
			t.Fatal(err)
		}
		order := []llm.EventKind{llm.EventStart, llm.EventReasoning, llm.EventToolCall, llm.EventFinish, llm.EventUsage}
		at, call := 0, -1
		for i, ev := range evs {
			for at < len(order) && order[at] != ev.Kind {
				at++
			}
			if at == len(order) {
				t.Fatalf("event %d of kind %d comes out of order", i, ev.Kind)
			}
			if n := mock.CountTokens(ev.Text); n > int64(chunk) {
				t.Errorf("event %d has %d tokens, chunk is %d", i, n, chunk)
			}
			if ev.Kind != llm.EventToolCall {
				continue
			}
			first := ev.ID != ""
			if first {
				call++
			}
			if ev.Index != call || first != (ev.Name != "") || first && ev.Text != "" {
				t.Errorf("event %d: %+v", i, ev)
			}
		}
		if call != 1 || evs[0].ID == "" || evs[0].Model == "" {
			t.Errorf("%d calls, start %+v", call+1, evs[0])
		}
		if u := evs[len(evs)-1].Usage; u == nil || *u != whole(t, p, fmt.Sprintf("chat+chunk-%d", chunk), r).Usage {
			t.Errorf("usage = %+v", u)
		}
	}
}

func TestNoUsageStream(t *testing.T) {
	evs, err := events(t.Context(), mock.New(mock.Options{}), "no-usage", ask("x"))
	if err != nil || slices.ContainsFunc(evs, func(e llm.Event) bool { return e.Usage != nil }) || evs[len(evs)-1].Kind != llm.EventFinish {
		t.Errorf("events %+v, error %v", evs, err)
	}
}

func TestPace(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := mock.New(mock.Options{})
		start := time.Now()
		evs, err := events(t.Context(), p, "echo+slow-500ms+pace-20ms", ask("one two three"))
		if err != nil || len(evs) != 6 {
			t.Fatalf("%d events, %v", len(evs), err)
		}
		if got := time.Since(start); got != 560*time.Millisecond {
			t.Errorf("the stream took %v", got)
		}
		start = time.Now()
		whole(t, p, "echo+slow-500ms+pace-20ms", ask("one two three"))
		if got := time.Since(start); got != 560*time.Millisecond {
			t.Errorf("the whole answer took %v", got)
		}
		start = time.Now()
		if _, err := events(t.Context(), p, "echo+pace-20ms+chunk-2", ask("one two three")); err != nil {
			t.Fatal(err)
		}
		if got := time.Since(start); got != 40*time.Millisecond {
			t.Errorf("two chunks took %v", got)
		}
	})
}

// TestCancelAtOnce: whatever the mock waits for, it stops waiting at the moment
// at which the context ends, and says why.
func TestCancelAtOnce(t *testing.T) {
	for _, model := range []string{"slow-5s", "pace-5s", "hang", "stall-after-0", "stall-after-3", "status-500+slow-5s", "cut-after-2+pace-5s"} {
		for _, stream := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s stream %v", model, stream), func(t *testing.T) {
				bubble(t, func(t *testing.T) {
					p := mock.New(mock.Options{})
					ctx, cancel := context.WithCancel(t.Context())
					time.AfterFunc(time.Second, cancel)
					start := time.Now()
					var err error
					if stream {
						_, err = events(ctx, p, model, ask("one two three four"))
					} else {
						_, err = p.Do(ctx, call(model, false, ask("one two three four")))
					}
					if e := llm.AsError(err); e == nil || e.Kind != llm.KindCanceled || !errors.Is(err, context.Canceled) || e.Provider != "mock" {
						t.Errorf("error = %v", err)
					}
					if d := time.Since(start); d != time.Second {
						t.Errorf("it took %v", d)
					}
				})
			})
		}
	}
}

func TestDeadlineAndCause(t *testing.T) {
	bubble(t, func(t *testing.T) {
		p := mock.New(mock.Options{})
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := events(ctx, p, "stall-after-2", ask("x")); llm.AsError(err).Kind != llm.KindTimeout {
			t.Errorf("error = %v", err)
		}
		clock := llm.Errorf(llm.KindTimeout, "the first byte took too long")
		ctx, cancel2 := context.WithTimeoutCause(t.Context(), time.Second, clock)
		defer cancel2()
		_, err := p.Do(ctx, call("slow-5s", false, ask("x")))
		if e := llm.AsError(err); e.Message != clock.Message || e.Provider != "mock" {
			t.Errorf("error = %v", err)
		}
		if clock.Provider != "" {
			t.Error("the cause belongs to someone else and must not be written to")
		}
	})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := mock.New(mock.Options{}).Do(ctx, call("echo", false, ask("x"))); llm.AsError(err).Kind != llm.KindCanceled {
		t.Errorf("a call that was over before it began: %v", err)
	}
}

// TestStreamFaults: the fault comes after exactly so many events; an answer
// that is shorter is complete.
func TestStreamFaults(t *testing.T) {
	const total = 6 // start, three words, finish, usage
	for word, kind := range map[string]mock.FaultKind{"cut-after": mock.FaultCut, "reset-after": mock.FaultReset, "error-after": mock.FaultEvent} {
		for n := range total + 3 {
			model := fmt.Sprintf("echo+%s-%d", word, n)
			evs, err := events(t.Context(), mock.New(mock.Options{}), model, ask("one two three"))
			if n >= total {
				if err != nil || len(evs) != total {
					t.Errorf("%s: %d events, %v", model, len(evs), err)
				}
				continue
			}
			var f *mock.Fault
			e := llm.AsError(err)
			if len(evs) != n || e == nil || e.Kind != llm.KindUpstreamError || !errors.As(err, &f) || f.Kind != kind || e.Provider != "mock" {
				t.Errorf("%s: %d events, %v", model, len(evs), err)
			}
		}
	}
}

func TestFailedStreamStaysFailed(t *testing.T) {
	reply, err := mock.New(mock.Options{}).Do(t.Context(), call("cut-after-1", true, ask("x")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reply.Stream.Recv(); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := reply.Stream.Recv(); err == nil || errors.Is(err, io.EOF) {
			t.Errorf("error = %v", err)
		}
	}
}

func TestClose(t *testing.T) {
	reply, err := mock.New(mock.Options{}).Do(t.Context(), call("lorem-50", true, ask("x")))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := reply.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := reply.Stream.Recv(); !errors.Is(err, io.EOF) {
		t.Errorf("after Close came %v", err)
	}
}

// TestErrorsBeforeTheStream: what happens before the head fails the call, not
// the stream.
func TestErrorsBeforeTheStream(t *testing.T) {
	for _, model := range []string{"status-500", "html-503", "quota", "error-200", "reset", "blocked", "window-1", "nonsense"} {
		if reply, err := mock.New(mock.Options{}).Do(t.Context(), call(model, true, ask("x"))); err == nil {
			t.Errorf("%s: the call gave %+v", model, reply)
		}
	}
}

// TestPrime: the gateway reads up to the first piece of content; that must
// work with every kind of answer, an empty one too.
func TestPrime(t *testing.T) {
	for _, model := range []string{"echo", "empty", "refuse", "think-3", "tool-x", "no-usage+empty"} {
		reply, err := mock.New(mock.Options{}).Do(t.Context(), call(model, true, ask("x")))
		if err != nil {
			t.Fatal(err)
		}
		var d llm.Done
		llm.OnDone(reply, nil, func(got llm.Done) { d = got })
		if err := llm.Prime(reply); err != nil {
			t.Errorf("%s: %v", model, err)
		}
		for err == nil {
			_, err = reply.Stream.Recv()
		}
		if d.Outcome() != "complete" || d.Finish == "" || !strings.Contains(model, "no-usage") && d.Usage.Source != llm.UsageReported {
			t.Errorf("%s: done = %+v", model, d)
		}
	}
}

func TestStatuses(t *testing.T) {
	p := mock.New(mock.Options{})
	for status, want := range map[int]struct {
		kind  llm.Kind
		retry bool
	}{
		400: {llm.KindInvalidRequest, false}, 401: {llm.KindUpstreamAuth, false}, 402: {llm.KindUpstreamRateLimited, false},
		403: {llm.KindUpstreamAuth, false}, 404: {llm.KindNotFound, false}, 408: {llm.KindTimeout, true},
		409: {llm.KindUpstreamError, true}, 413: {llm.KindRequestTooLarge, false}, 422: {llm.KindInvalidRequest, false},
		429: {llm.KindUpstreamRateLimited, true}, 500: {llm.KindUpstreamError, true}, 502: {llm.KindUpstreamError, true},
		503: {llm.KindUpstreamError, true}, 504: {llm.KindTimeout, true}, 524: {llm.KindUpstreamError, true}, 529: {llm.KindUpstreamError, true}, 599: {llm.KindUpstreamError, true},
	} {
		_, err := p.Do(t.Context(), call(fmt.Sprintf("status-%d", status), false, ask("x")))
		e := llm.AsError(err)
		if e == nil || e.Kind != want.kind || e.Status != status || e.Retryable() != want.retry || e.Message == "" {
			t.Errorf("%d: %v (retryable %v)", status, err, e.Retryable())
		}
	}
}

func TestFlaky(t *testing.T) {
	p := mock.New(mock.Options{})
	var failed []int
	for i := range 200 {
		_, err := p.Do(t.Context(), call("echo+flaky-30", false, ask(fmt.Sprint(i))))
		if err != nil {
			failed = append(failed, i)
		}
	}
	if len(failed) != 60 {
		t.Errorf("%d of 200 failed, want 60", len(failed))
	}
	longest := 0
	for i := range failed {
		n := 1
		for i+n < len(failed) && failed[i+n] == failed[i]+n {
			n++
		}
		longest = max(longest, n)
	}
	if longest > 3 {
		t.Errorf("%d failures in a row: they are not spread", longest)
	}
	p.Reset()
	_, err := p.Do(t.Context(), call("echo+flaky-30", false, ask("x")))
	if (err != nil) != slices.Contains(failed, 0) {
		t.Error("after Reset the series must begin anew")
	}
	if _, err := p.Do(t.Context(), call("flaky-100+status-418", false, ask("x"))); llm.AsError(err).Status != 418 {
		t.Errorf("error = %v", err)
	}
}

func TestFailFirst(t *testing.T) {
	p := mock.New(mock.Options{})
	try := func(text string) bool {
		_, err := p.Do(t.Context(), call("echo+fail-first-2+status-502", false, ask(text)))
		if err != nil && llm.AsError(err).Status != 502 {
			t.Errorf("error = %v", err)
		}
		return err == nil
	}
	var got []bool
	for _, text := range []string{"a", "b", "a", "a", "b", "b", "a", "a", "a"} {
		got = append(got, try(text))
	}
	want := []bool{false, false, false, true, false, true, false, false, true}
	if !slices.Equal(got, want) {
		t.Errorf("tries = %v, want %v", got, want)
	}
}

// TestCountersAreBounded asks more different requests than the mock remembers.
func TestCountersAreBounded(t *testing.T) {
	p := mock.New(mock.Options{})
	for i := range 10_000 {
		if _, err := p.Do(t.Context(), call("fail-first-1", false, ask(fmt.Sprint(i)))); err == nil {
			t.Fatalf("request %d did not fail at first", i)
		}
	}
	if _, err := p.Do(t.Context(), call("fail-first-1", false, ask("9999"))); err != nil {
		t.Errorf("a recent request was forgotten: %v", err)
	}
	if _, err := p.Do(t.Context(), call("fail-first-1", false, ask("0"))); err == nil {
		t.Error("the oldest request must have been forgotten")
	}
}

func BenchmarkStream(b *testing.B) {
	p := mock.New(mock.Options{})
	r := ask("x")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := events(b.Context(), p, "lorem-100", r); err != nil {
			b.Fatal(err)
		}
	}
}
