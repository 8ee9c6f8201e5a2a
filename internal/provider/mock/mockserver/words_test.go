package mockserver_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock"
	"github.com/llm-gateway/llm-gateway/internal/provider/mock/mockserver"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// outcome is how an exchange over the wire ended.
type outcome string

const (
	whole  outcome = "whole"  // a complete answer
	cut    outcome = "cut"    // the connection closed before its end
	reset  outcome = "reset"  // it was reset
	silent outcome = "silent" // nothing came until the client gave up
	failed outcome = "failed" // an error in the body, or an event, with status 200
)

// wireWords says of each word how a whole answer and a stream of it end. A
// number is the status of an error answer.
var wireWords = map[string][2]outcome{
	"chat": {whole, whole}, "embed": {whole, whole}, "echo": {whole, whole}, "lorem-50": {whole, whole}, "bytes-1000": {whole, whole},
	"json": {whole, whole}, "empty": {whole, whole}, "refuse": {whole, whole}, "filter": {whole, whole}, "tool-get_weather": {whole, whole},
	"think-32": {whole, whole}, "broken-json": {whole, whole}, "unique": {whole, whole}, "reasoner": {whole, whole},
	"slow-500ms": {whole, whole}, "pace-20ms": {whole, whole}, "chunk-4": {whole, whole},
	"bench": {whole, whole}, "bench-stream-100": {whole, whole}, "bench-bytes-10000": {whole, whole}, "delay-50ms": {whole, whole},
	"cached-100": {whole, whole}, "cache-write-100": {whole, whole}, "no-usage": {whole, whole}, "window-100": {whole, whole}, "dim-256": {whole, whole},
	"blocked": {"400", "400"}, "status-503": {"503", "503"}, "html-502": {"502", "502"}, "quota": {"429", "429"}, "retry-after-2": {"429", "429"},
	"flaky-30": {"503", "503"}, "fail-first-2": {"503", "503"},
	"error-200": {failed, failed}, "error-after-5": {"500", failed},
	"hang": {silent, silent}, "stall-after-5": {silent, silent},
	"cut-after-5": {cut, cut}, "reset": {reset, reset}, "reset-after-5": {reset, reset},
}

// TestEveryWordOverTheWire asks each word of the language, whole and streamed,
// over a connection in memory with a clock of its own; resets need a real one.
func TestEveryWordOverTheWire(t *testing.T) {
	models := mock.New(mock.Options{}).Models()
	if len(models) != len(wireWords) {
		t.Errorf("%d words, %d tested", len(models), len(wireWords))
	}
	for _, model := range models {
		want, ok := wireWords[model]
		if !ok {
			t.Errorf("%s is not tested", model)
		}
		for i, extra := range []string{"", streaming} {
			check := func(t *testing.T, r *rig) {
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				if got := exchange(ctx, t, r, chat(model, "one two three four five six", extra)); got != want[i] {
					t.Errorf("%s%s ended %s, want %s", model, extra, got, want[i])
				}
			}
			if want[i] == reset {
				check(t, upstream(t, mockserver.Options{}))
				continue
			}
			synctest.Test(t, func(t *testing.T) { check(t, piped(t, mockserver.Options{})) })
		}
	}
}

func exchange(ctx context.Context, t *testing.T, r *rig, body string) outcome {
	t.Helper()
	resp, err := r.send(ctx, http.MethodPost, chatPath, body)
	if err != nil {
		return verdict(err)
	}
	defer func() { _ = resp.Body.Close() }()
	b, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return verdict(err)
	case resp.StatusCode != http.StatusOK:
		return outcome(resp.Status[:3])
	case !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/event-stream"):
		if parse(t, b).Error != nil {
			return failed
		}
		return whole
	}
	list, done := chunks(t, b)
	if n := len(list); n > 0 && list[n-1].Error != nil && !done {
		return failed
	}
	if !done {
		return "a stream without an end"
	}
	return whole
}

func verdict(err error) outcome {
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return silent
	case errors.Is(err, syscall.ECONNRESET):
		return reset
	case errors.Is(err, io.ErrUnexpectedEOF):
		return cut
	}
	return outcome(err.Error())
}

// TestWireIsTheEngine decodes what comes over the wire with the codec that the
// gateway's provider uses, and compares it with the engine's own answer: text,
// reasoning, refusal, calls, finish, usage, whole and streamed.
func TestWireIsTheEngine(t *testing.T) {
	engine := mock.New(mock.Options{})
	r := upstream(t, mockserver.Options{Engine: engine})
	for _, body := range []string{
		chat("chat", "hello there", ""),
		chat("lorem-60+chunk-7", "hello there", ""),
		chat("echo", "日本語 \"quoted\" <&> \\ \u2028 \t end", ""),
		chat("echo", "one two three four", `,"max_completion_tokens":2`),
		chat("echo", "one two three four", `,"stop":["three"]`),
		chat("think-5", "x", ""),
		chat("lorem-4+cached-3+cache-write-2", "x", ""),
		chat("refuse", "x", ""),
		chat("filter", "x", ""),
		chat("empty", "x", ""),
		chat("bytes-3000", "x", ""),
		chat("chat", "get_weather and get_time", tools),
		chat("chat", "get_weather and get_time", tools+`,"parallel_tool_calls":false`),
		chat("echo", "x", tools+`,"tool_choice":{"type":"function","function":{"name":"get_weather"}}`),
		chat("chat", "x", `,"response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{"a":{"type":"string"}},"required":["a"]}}}`),
	} {
		req, err := openai.Codec{}.DecodeRequest(llm.OpChat, []byte(body))
		if err != nil {
			t.Fatal(err)
		}
		plan, err := engine.Plan(llm.OpChat, req.Model, req)
		if err != nil {
			t.Fatal(err)
		}
		want := summary(plan.Response)
		a := r.post(t, body)
		got, err := openai.Codec{}.DecodeResponse(llm.OpChat, a.body)
		if err != nil || !reflect.DeepEqual(summary(got), want) {
			t.Errorf("%.150s\n: whole %+v (%v), engine %+v", body, summary(got), err, want)
		}
		streamed := r.post(t, strings.TrimSuffix(body, "}")+streaming+askUsage+"}")
		got = assemble(t, streamed.body)
		if !reflect.DeepEqual(summary(got), want) {
			t.Errorf("%.150s\n: streamed %+v, engine %+v", body, summary(got), want)
		}
	}
}

// gist is what an answer comes down to, whatever its parts.
type gist struct {
	Text, Reasoning, Refusal string
	Calls                    []llm.ToolCall
	Finish                   llm.FinishReason
	Usage                    llm.Usage
}

func summary(r *llm.Response) gist {
	if r == nil {
		return gist{}
	}
	s := gist{Text: r.Text(), Reasoning: r.ReasoningText(), Finish: r.Finish, Usage: r.Usage}
	for _, p := range r.Parts {
		if p.Type == llm.PartRefusal {
			s.Refusal += p.Text
		}
	}
	for _, c := range r.ToolCalls() {
		s.Calls = append(s.Calls, *c)
	}
	return s
}

// assemble reads a stream with the codec's decoder and puts it together.
func assemble(t *testing.T, body []byte) *llm.Response {
	t.Helper()
	dec := openai.Codec{}.NewStreamDecoder()
	src := sse.NewReader(bytes.NewReader(body), sse.Options{})
	defer src.Release()
	var evs []llm.Event
	for {
		ev, err := src.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if evs, err = dec.Decode(evs, ev); err != nil {
			t.Fatal(err)
		}
	}
	evs, err := dec.End(evs)
	if err != nil {
		t.Fatal(err)
	}
	r := &llm.Response{}
	var text, thought, refusal string
	var calls []*llm.ToolCall
	for _, ev := range evs {
		switch ev.Kind {
		case llm.EventText:
			text += ev.Text
		case llm.EventReasoning:
			thought += ev.Text
		case llm.EventRefusal:
			refusal += ev.Text
		case llm.EventToolCall:
			if ev.Index == len(calls) {
				calls = append(calls, &llm.ToolCall{ID: ev.ID, Name: ev.Name})
			}
			calls[ev.Index].Arguments += ev.Text
		case llm.EventFinish:
			r.Finish = ev.Finish
		case llm.EventUsage:
			r.Usage = *ev.Usage
		}
	}
	r.Parts = []llm.Part{{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: thought}}, {Type: llm.PartText, Text: text}, {Type: llm.PartRefusal, Text: refusal}}
	for _, c := range calls {
		r.Parts = append(r.Parts, llm.Part{Type: llm.PartToolCall, ToolCall: c})
	}
	return r
}

// TestAbandonedStreams: many clients at once, most of which leave early, at
// different places; every stream is counted out, and none goes on.
func TestAbandonedStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := piped(t, mockserver.Options{})
		const clients = 60
		type end struct{ left bool }
		ends := make(chan end, clients)
		for i := range clients {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+i)*100*time.Millisecond)
				defer cancel()
				model := []string{"lorem-30+pace-100ms", "bench-stream-30+pace-100ms", "stall-after-2+lorem-5"}[i%3]
				resp, err := r.send(ctx, http.MethodPost, chatPath, chat(model, "x", streaming))
				if err == nil {
					_, err = io.ReadAll(resp.Body)
					_ = resp.Body.Close()
				}
				ends <- end{err != nil}
			}()
		}
		left := int64(0)
		for range clients {
			if (<-ends).left {
				left++
			}
		}
		synctest.Wait()
		s := r.Stats().Total
		if s.Requests != clients || s.Canceled != left || s.OK != clients-left || s.Open != 0 || s.OpenStreams != 0 || s.Failed != 0 {
			t.Errorf("%d of %d left: %+v", left, clients, s)
		}
		if left == 0 || left == clients {
			t.Errorf("%d of %d left: the test shows nothing", left, clients)
		}
	})
}
