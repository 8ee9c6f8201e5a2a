package server

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// A row of the table is all that a dialect needs: whole answers, streams and
// failures within them are the handler's, their form the codec's.
func TestDialectsOfTheirPaths(t *testing.T) {
	var got *llm.Call
	st := &fakeStream{}
	h := serve(t, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		got = c
		if _, err := c.Request(); err != nil {
			return nil, err
		}
		if c.Stream {
			return streamOf(st, 0), nil
		}
		return answer("hello"), nil
	})
	for _, tc := range []struct {
		path, body string
		dialect    llm.Dialect
		op         llm.Op
		whole      []string // what a whole answer says
		stream     []string // what a stream says, in this order; nil = there is none
		failed     []string // the same of a stream that breaks off
	}{
		{msgPath, bodies[msgPath], llm.DialectAnthropic, llm.OpChat,
			[]string{`"type":"message"`, `"text":"hello"`, `"stop_reason":"end_turn"`, `"input_tokens":3`, `"cache_read_input_tokens":1`, `"output_tokens":5`},
			[]string{"event: message_start\n", `"text":"Hel"`, `"text":"lo"`, "event: content_block_stop\n", `"stop_reason":"end_turn"`, "event: message_stop\n"},
			[]string{"event: message_start\n", `"text":"Hel"`, "event: error\n", `{"type":"error","error":{"type":"api_error","message":"cut"},"request_id":"`}},
		{rspPath, bodies[rspPath], llm.DialectResponses, llm.OpChat,
			[]string{`"object":"response"`, `"text":"hello"`, `"status":"completed"`, `"input_tokens":4`, `"output_tokens":5`},
			[]string{"event: response.created\n", `"delta":"Hel"`, `"delta":"lo"`, `"text":"Hello"`, "event: response.completed\n"},
			[]string{"event: response.created\n", `"delta":"Hel"`, "cut"}},
		{cntPath, bodies[cntPath], llm.DialectAnthropic, llm.OpCountTokens, []string{`{"input_tokens":4}`}, nil, nil},
	} {
		r := h.post(tc.path, tc.body)
		if r.status != 200 || got.Dialect != tc.dialect || got.Op != tc.op || r.header.Get("X-Gateway-Provider") != "prov" {
			t.Fatalf("%s: %d %s, call %+v", tc.path, r.status, r.body, got)
		}
		inOrder(t, r.body, tc.whole, false)
		asked := strings.Replace(tc.body, "{", `{"stream":true,`, 1)
		if tc.stream == nil {
			if r := h.post(tc.path, asked); r.status != 200 || got.Stream || !json.Valid([]byte(r.body)) {
				t.Errorf("%s: a stream of %s: %d %s", tc.path, tc.op, r.status, r.body)
			}
			continue
		}
		*st = fakeStream{events: append(texts("Hel", "lo"), finish()...), err: io.EOF}
		r = h.post(tc.path, asked)
		if r.header.Get("Content-Type") != "text/event-stream" {
			t.Errorf("%s: %v", tc.path, r.header)
		}
		inOrder(t, r.body, tc.stream, true)
		*st = fakeStream{events: texts("Hel"), err: &llm.Error{Kind: llm.KindUpstreamError, Message: "cut", Err: errors.New("secret")}}
		r = h.post(tc.path, asked)
		inOrder(t, r.body, tc.failed, true)
		if strings.Contains(r.body, "secret") || strings.Contains(r.body, "message_stop") || strings.Contains(r.body, "response.completed") {
			t.Errorf("%s: a broken stream says %s", tc.path, r.body)
		}
	}
}

// A target that cannot count is no reason to fail: the count is an estimate
// then, and says so.
func TestCountsAreEstimatedWhereNobodyCounts(t *testing.T) {
	var e *llm.Error
	h := serve(t, func(context.Context, *llm.Call) (*llm.Reply, error) { return nil, e })
	e = &llm.Error{Kind: llm.KindUnsupported, Message: "cannot count", Provider: "prov"}
	r := h.post(cntPath, bodies[cntPath])
	if r.status != 200 || r.body != `{"input_tokens":5}` || r.header.Get("X-Gateway-Estimated") != "input_tokens" || r.header.Get("X-Gateway-Provider") != "prov" {
		t.Errorf("%d %v %s", r.status, r.header, r.body)
	}
	if r := h.post(cntPath, `{"model":"m","messages":[]}`); r.status != 400 {
		t.Errorf("a bad request is counted: %d %s", r.status, r.body)
	}
	if r := h.post(msgPath, bodies[msgPath]); r.status != 400 || r.header.Get("X-Gateway-Estimated") != "" {
		t.Errorf("an answer is estimated: %d %s", r.status, r.body)
	}
	for _, other := range []*llm.Error{{Kind: llm.KindUnsupported, Param: "model"}, {Kind: llm.KindUpstreamError}} {
		e = other
		if r := h.post(cntPath, bodies[cntPath]); r.status == 200 {
			t.Errorf("%v is hidden", other)
		}
	}
}

// What Anthropic's clients send passes on: the version and the betas, and
// bytes that came from a target of the same dialect.
func TestAnthropicPassesThrough(t *testing.T) {
	var got *llm.Call
	h := serve(t, func(_ context.Context, c *llm.Call) (*llm.Reply, error) {
		got = c
		if c.Stream {
			return streamOf(&fakeStream{events: raws("event: x\ndata: {}\n\n"), err: io.EOF}, llm.DialectAnthropic), nil
		}
		return &llm.Reply{Dialect: llm.DialectAnthropic, Raw: []byte(`{"future":1}`), Usage: usage9, Provider: "prov", Model: "m", Attempts: 1}, nil
	})
	r := h.post(msgPath, bodies[msgPath], "Anthropic-Version: 2026-10-21", "Anthropic-Beta: a", "X-Api-Key: k", "X-Request-Id: mine")
	if r.body != `{"future":1}` || r.header.Get("Request-Id") != "mine" || len(got.Forward) != 2 || got.Forward[1].Value != "2026-10-21" {
		t.Errorf("got %s %v, forwarded %v", r.body, r.header, got.Forward)
	}
	if r := h.post(msgPath, strings.Replace(bodies[msgPath], "{", `{"stream":true,`, 1)); r.body != "event: x\ndata: {}\n\n" {
		t.Errorf("got %q", r.body)
	}
	if r := h.post(msgPath, bodies[msgPath], "X-Gateway-Unsupported: drop"); r.status != 200 || !got.Drop {
		t.Error("the wish to drop is lost")
	}
}

func inOrder(t *testing.T, text string, parts []string, strict bool) {
	t.Helper()
	rest := text
	for _, p := range parts {
		_, after, ok := strings.Cut(rest, p)
		if !ok {
			t.Errorf("%q is missing, or out of order, in\n%s", p, text)
			return
		}
		if strict {
			rest = after
		}
	}
}
