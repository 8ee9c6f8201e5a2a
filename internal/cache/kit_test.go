package cache

import (
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// callOf is a client's call.
func callOf(body string, change ...func(*llm.Call)) *llm.Call {
	c := &llm.Call{
		Op: llm.OpChat, Dialect: llm.DialectOpenAI, Raw: []byte(body),
		Meta: &llm.Meta{RequestID: "r", Route: "chat", Caller: &llm.Caller{Name: "a"}},
	}
	for _, f := range change {
		f(c)
	}
	return c
}

func streaming(c *llm.Call) { c.Stream = true }

// script is an upstream's stream: events, each after a pause, then an end. It
// ends early when its context does.
type script struct {
	ctx    context.Context
	events []llm.Event
	pause  time.Duration
	end    error // nil = io.EOF
	closed *int
	next   int
}

func (s *script) Recv() (*llm.Event, error) {
	select {
	case <-s.ctx.Done():
		return nil, llm.ContextError(s.ctx)
	case <-time.After(s.pause):
	}
	if s.next < len(s.events) {
		s.next++
		return &s.events[s.next-1], nil
	}
	if s.end != nil {
		return nil, s.end
	}
	return nil, io.EOF
}

func (s *script) Close() error {
	if s.closed != nil {
		*s.closed++
	}
	return nil
}

// rawEvents are n pieces of a passing stream; the last one says finish and
// usage.
func rawEvents(n int, size int) []llm.Event {
	events := make([]llm.Event, n)
	for i := range events {
		b := make([]byte, size)
		for j := range b {
			b[j] = byte('a' + i%26)
		}
		events[i] = llm.Event{Kind: llm.EventRaw, Raw: b}
	}
	events[n-1].Finish = llm.FinishStop
	events[n-1].Usage = &llm.Usage{Input: 3, Output: int64(n), Source: llm.UsageReported}
	return events
}

// readAll returns the bytes of a stream and its end.
func readAll(st llm.Stream) (string, error) {
	var b []byte
	for {
		ev, err := st.Recv()
		if err != nil {
			return string(b), err
		}
		b = append(b, ev.Raw...)
		b = append(b, ev.Text...)
	}
}

// complete reports whether a stream came to its normal end.
func complete(t *testing.T, st llm.Stream) string {
	t.Helper()
	text, err := readAll(st)
	if !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v", err)
	}
	return text
}

// counts is an Observer.
type counts map[string]int

func (c counts) Looked(result string) { c[result]++ }
