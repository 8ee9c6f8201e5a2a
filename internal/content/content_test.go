package content

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// line is what the log says of a call.
type line struct {
	Msg       string `json:"msg"`
	RequestID string `json:"request_id"`
	Route     string `json:"route"`
	Outcome   string `json:"outcome"`
	Input     string `json:"input_messages"`
	Output    string `json:"output_messages"`
	InCut     bool   `json:"input_messages_truncated"`
	OutCut    bool   `json:"output_messages_truncated"`
}

// spans is a trace that takes limit bytes.
type spans struct {
	limit         int
	input, output string
}

func (s *spans) ContentLimit(context.Context) int { return s.limit }
func (s *spans) Content(_ context.Context, _, input, output string) {
	s.input, s.output = input, output
}

type kit struct {
	log   bytes.Buffer
	spans spans
	rec   *Recorder
}

func newKit(limit int) *kit {
	k := &kit{}
	k.rec = New(Options{Logger: slog.New(slog.NewJSONHandler(&k.log, nil)), Spans: &k.spans, Limit: limit})
	return k
}

func (k *kit) line(t *testing.T) line {
	t.Helper()
	var l line
	if err := json.Unmarshal(k.log.Bytes(), &l); err != nil {
		t.Fatalf("%v in %q", err, k.log.String())
	}
	if l.Msg != "call content" || l.RequestID != "r-1" || l.Route != "chat" {
		t.Errorf("line %+v", l)
	}
	return l
}

func text(s string) []llm.Part { return []llm.Part{{Type: llm.PartText, Text: s}} }

func callOf(msgs ...llm.Message) *llm.Call {
	m := &llm.Meta{RequestID: "r-1", Route: "chat", Caller: &llm.Caller{Name: "app"}}
	m.NextAttempt()
	return &llm.Call{Op: llm.OpChat, Meta: m, Request: func() (*llm.Request, error) { return &llm.Request{Messages: msgs}, nil }}
}

func ask(s string) *llm.Call { return callOf(llm.Message{Role: llm.RoleUser, Parts: text(s)}) }

type script struct {
	events []llm.Event
	err    error
}

func (s *script) Recv() (*llm.Event, error) {
	if len(s.events) == 0 {
		return nil, s.err
	}
	ev := s.events[0]
	s.events = s.events[1:]
	return &ev, nil
}
func (s *script) Close() error { return nil }

func drain(st llm.Stream, n int) {
	for range n {
		if _, err := st.Recv(); err != nil {
			return
		}
	}
}

func raws(events ...string) []llm.Event {
	var out []llm.Event
	for _, e := range events {
		out = append(out, llm.Event{Kind: llm.EventRaw, Raw: []byte(e)})
	}
	return out
}

func TestWhole(t *testing.T) {
	for _, tc := range []struct {
		name  string
		reply *llm.Reply
	}{
		{"translated", &llm.Reply{Finish: llm.FinishStop, Response: &llm.Response{Parts: text("blue")}}},
		{"openai passes", &llm.Reply{Dialect: llm.DialectOpenAI, Finish: llm.FinishStop, Raw: []byte(`{"id":"x","choices":[{"index":0,"message":{"role":"assistant","content":"blue"},"finish_reason":"stop"}]}`)}},
		{"anthropic passes", &llm.Reply{Dialect: llm.DialectAnthropic, Finish: llm.FinishStop, Raw: []byte(`{"id":"x","type":"message","role":"assistant","content":[{"type":"text","text":"blue"}],"stop_reason":"end_turn","usage":{"input_tokens":1,"output_tokens":1}}`)}},
		{"responses passes", &llm.Reply{Dialect: llm.DialectResponses, Finish: llm.FinishStop, Raw: []byte(`{"id":"x","status":"completed","output":[{"type":"web_search_call"},{"type":"message","content":[{"type":"output_text","text":"blue"}]}]}`)}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := newKit(0)
			k.spans.limit = 4096
			k.rec.Record(t.Context(), ask("what colour?"), tc.reply, nil)
			l := k.line(t)
			const in, out = `[{"role":"user","parts":[{"type":"text","content":"what colour?"}]}]`, `[{"role":"assistant","parts":[{"type":"text","content":"blue"}],"finish_reason":"stop"}]`
			if l.Input != in || l.Output != out || l.Outcome != "complete" || l.InCut || l.OutCut {
				t.Errorf("%+v", l)
			}
			if k.spans.input != in || k.spans.output != out {
				t.Errorf("span: %q, %q", k.spans.input, k.spans.output)
			}
		})
	}
}

func TestStreams(t *testing.T) {
	for _, tc := range []struct {
		name   string
		d      llm.Dialect
		events []llm.Event
	}{
		{"translated", 0, []llm.Event{{Kind: llm.EventStart}, {Kind: llm.EventText, Text: "bl"}, {Kind: llm.EventText, Text: "ue"},
			{Kind: llm.EventToolCall, ID: "c1", Name: "look"}, {Kind: llm.EventToolCall, Text: `{"a":1}`}, {Kind: llm.EventFinish, Finish: llm.FinishToolCalls}}},
		{"openai passes", llm.DialectOpenAI, append(raws(
			"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"bl\"}}]}\n\ndata: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"ue\"}}]}\n\n",
			"data: {\"choices\":[{\"index\":0,\"delta\":{\"tool_calls\":[{\"index\":0,\"id\":\"c1\",\"type\":\"function\",\"function\":{\"name\":\"look\",\"arguments\":\"{\\\"a\\\":1}\"}}]}}]}\n\n"),
			llm.Event{Kind: llm.EventRaw, Finish: llm.FinishToolCalls, Raw: []byte("data: [DONE]\n\n")})},
		{"responses passes", llm.DialectResponses, append(raws(
			"event: response.output_text.delta\ndata: {\"type\":\"response.output_text.delta\",\"output_index\":0,\"delta\":\"blue\"}\n\n",
			"data: {\"type\":\"response.output_item.added\",\"output_index\":1,\"item\":{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"look\"}}\n\n",
			"data: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":1,\"delta\":\"{\\\"a\\\":1}\"}\n\n"),
			llm.Event{Kind: llm.EventRaw, Finish: llm.FinishToolCalls, Raw: []byte("data: {\"type\":\"response.completed\",\"response\":{}}\n\n")})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			k := newKit(0)
			reply := &llm.Reply{Dialect: tc.d, Stream: &script{events: tc.events, err: io.EOF}}
			k.rec.Record(t.Context(), ask("hi"), reply, nil)
			if k.log.Len() > 0 {
				t.Error("it was written before the stream's end")
			}
			drain(reply.Stream, 100)
			reply.Stream.Close()
			l := k.line(t)
			want := `[{"role":"assistant","parts":[{"type":"text","content":"blue"},{"type":"tool_call","id":"c1","name":"look","arguments":"{\"a\":1}"}],"finish_reason":"tool_calls"}]`
			if l.Output != want || l.Outcome != "complete" {
				t.Errorf("got  %s\nwant %s (%s)", l.Output, want, l.Outcome)
			}
		})
	}
}

func TestHowItEnds(t *testing.T) {
	words := []llm.Event{{Kind: llm.EventText, Text: "half"}, {Kind: llm.EventText, Text: " more"}}
	k := newKit(0)
	reply := &llm.Reply{Stream: &script{events: words, err: io.EOF}}
	k.rec.Record(t.Context(), ask("hi"), reply, nil)
	drain(reply.Stream, 1)
	reply.Stream.Close()
	if l := k.line(t); l.Outcome != "client_gone" || !strings.Contains(l.Output, `"half"`) {
		t.Errorf("left: %+v", l)
	}
	k = newKit(0)
	reply = &llm.Reply{Stream: &script{events: words, err: llm.Errorf(llm.KindUpstreamError, "cut")}}
	k.rec.Record(t.Context(), ask("hi"), reply, nil)
	drain(reply.Stream, 9)
	if l := k.line(t); l.Outcome != "upstream_cut" || !strings.Contains(l.Output, `"half more"`) {
		t.Errorf("cut: %+v", l)
	}
	k = newKit(0)
	k.rec.Record(t.Context(), ask("hi"), nil, llm.Errorf(llm.KindTimeout, "too slow"))
	if l := k.line(t); l.Outcome != "timeout" || !strings.Contains(l.Input, `"hi"`) || l.Output != "" {
		t.Errorf("failed: %+v", l)
	}
	k = newKit(0)
	refused := ask("hi")
	refused.Meta = &llm.Meta{Caller: &llm.Caller{}}
	k.rec.Record(t.Context(), refused, nil, llm.Errorf(llm.KindRateLimited, "wait"))
	if k.log.Len() > 0 {
		t.Errorf("refused: %s", k.log.String())
	}
}

// TestBounds: whatever is said, what is recorded is short, valid and marked.
func TestBounds(t *testing.T) {
	for _, s := range []string{strings.Repeat("x", 5000), strings.Repeat("\x01", 5000), strings.Repeat("日本", 2000), strings.Repeat(`"\`, 3000), "\xff" + strings.Repeat("é\xc3", 2000)} {
		for _, limit := range []int{256, 257, 258, 259, 1000} {
			k := newKit(limit)
			k.spans.limit = limit / 2
			reply := &llm.Reply{Stream: &script{events: []llm.Event{{Kind: llm.EventText, Text: s}, {Kind: llm.EventText, Text: s}}, err: io.EOF}}
			k.rec.Record(t.Context(), callOf(llm.Message{Role: llm.RoleUser, Parts: text("oldest")}, llm.Message{Role: llm.RoleUser, Parts: text(s)}), reply, nil)
			drain(reply.Stream, 9)
			l := k.line(t)
			if !l.InCut || !l.OutCut || strings.Contains(l.Input, "oldest") {
				t.Errorf("limit %d: not marked, or the oldest is kept: %+v", limit, l)
			}
			for _, got := range []string{l.Input, l.Output} {
				if len(got) > limit || len(got) < limit/3 || !json.Valid([]byte(got)) || !utf8.ValidString(got) {
					t.Errorf("limit %d: %d bytes: %q", limit, len(got), got)
				}
			}
			if len(k.spans.input) > limit/2 || !json.Valid([]byte(k.spans.input)) {
				t.Errorf("limit %d: span %q", limit, k.spans.input)
			}
		}
	}
}

// TestManyPieces: a stream of tiny parts takes no more memory than one of words.
func TestManyPieces(t *testing.T) {
	a := newAnswer(1000)
	for i := range 10_000 {
		a.add(&llm.Event{Kind: llm.EventToolCall, Index: i, Name: "f"})
	}
	if len(a.parts) > 1000/partSize || !a.over {
		t.Errorf("%d parts, over %v", len(a.parts), a.over)
	}
}

func TestNoKeysNoMedia(t *testing.T) {
	const secret = "sk-test-0000000000000000"
	c := callOf(llm.Message{Role: llm.RoleUser, Parts: []llm.Part{
		{Type: llm.PartText, Text: "use " + secret + " or gw_0000000000000000000, mail me@example.com"},
		{Type: llm.PartImage, Media: &llm.Media{Data: "QUJD", MIME: "image/png"}},
		{Type: llm.PartImage, Media: &llm.Media{URL: "https://u:p@files.example/a.png?sig=0000"}},
	}}, llm.Message{Role: llm.RoleTool, Parts: []llm.Part{{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "c1", Parts: text("password=hunter22")}}}})
	k := newKit(0)
	k.rec.Record(t.Context(), c, &llm.Reply{Response: &llm.Response{Parts: []llm.Part{
		{Type: llm.PartText, Text: "Authorization: Bearer abcdef0123456789"},
		{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "hm", Signature: "opaque-state"}},
	}}}, nil)
	l := k.line(t)
	for _, bad := range []string{secret, "gw_000", "QUJD", "sig=", "u:p", "hunter22", "abcdef0123", "opaque-state"} {
		if strings.Contains(k.log.String(), bad) {
			t.Errorf("%q is there: %s", bad, k.log.String())
		}
	}
	for _, good := range []string{"me@example.com", "https://files.example/a.png", `"base64_bytes":4`} {
		if !strings.Contains(l.Input, good) {
			t.Errorf("%q is missing: %s", good, l.Input)
		}
	}
}

// TestKeyAcrossTheCut: of a key that stands across the end nothing is left.
func TestKeyAcrossTheCut(t *testing.T) {
	const secret = "sk-test-ABCDEFGHIJKLMNOPQRST"
	for n := 150; n < 260; n++ {
		out := renderMessages([]message{{role: llm.RoleUser, parts: []part{{kind: llm.PartText, text: strings.Repeat("x ", n/2) + secret + strings.Repeat(" y", 900)}}}}, 256)
		if strings.Contains(out.text, "ABCD") {
			t.Fatalf("at %d: %s", n, out.text)
		}
	}
}

func TestUnreadableBody(t *testing.T) {
	c := ask("")
	c.Raw = []byte(`{"messages":[{"role":"alien"}]}`)
	c.Request = func() (*llm.Request, error) { return nil, llm.Invalid("messages", "no such role") }
	k := newKit(0)
	k.rec.Record(t.Context(), c, &llm.Reply{Dialect: llm.DialectOpenAI, Raw: []byte("not json")}, nil)
	if l := k.line(t); !strings.Contains(l.Input, `"type":"body"`) || !strings.Contains(l.Input, "alien") || !l.OutCut {
		t.Errorf("%+v", l)
	}
}

// TestQuietLogger: with nobody to read it, nothing is gathered.
func TestQuietLogger(t *testing.T) {
	rec := New(Options{Logger: slog.New(slog.NewJSONHandler(io.Discard, &slog.HandlerOptions{Level: slog.LevelWarn}))})
	st := &script{err: io.EOF}
	reply := &llm.Reply{Stream: st}
	rec.Record(t.Context(), ask("hi"), reply, nil)
	if reply.Stream != llm.Stream(st) {
		t.Error("the stream is watched")
	}
}
