package content

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// anthropicEvents is a stream of the Messages API with thinking, words, a tool
// call in pieces, and events that nobody here knows.
func anthropicEvents() []llm.Event {
	list := raws(
		"event: message_start\ndata: {\"type\":\"message_start\",\"message\":{\"id\":\"m\",\"type\":\"message\",\"role\":\"assistant\",\"model\":\"c\",\"content\":[],\"usage\":{\"input_tokens\":3,\"output_tokens\":1}}}\n\n",
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"thinking\",\"thinking\":\"\",\"signature\":\"\"}}\n\n"+
			"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"thinking_delta\",\"thinking\":\"let me see\"}}\n\n",
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"signature_delta\",\"signature\":\"opaque-state\"}}\n\n",
		"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":0}\n\nevent: ping\ndata: {\"type\":\"ping\"}\n\n",
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":1,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n",
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"bl\"}}\n\n",
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":1,\"delta\":{\"type\":\"text_delta\",\"text\":\"ue\"}}\n\n",
		"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":1}\n\n",
		"event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":2,\"content_block\":{\"type\":\"tool_use\",\"id\":\"c1\",\"name\":\"look\",\"input\":{}}}\n\n",
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"{\\\"a\\\":\"}}\n\n",
		"event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":2,\"delta\":{\"type\":\"input_json_delta\",\"partial_json\":\"1}\"}}\n\n",
		"event: content_block_stop\ndata: {\"type\":\"content_block_stop\",\"index\":2}\n\n",
		"event: message_delta\ndata: {\"type\":\"message_delta\",\"delta\":{\"stop_reason\":\"tool_use\"},\"usage\":{\"output_tokens\":9}}\n\n",
	)
	return append(list, llm.Event{Kind: llm.EventRaw, Finish: llm.FinishToolCalls, Raw: []byte("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")})
}

// TestAnthropicStreamPasses: a stream of the Messages API that goes through
// untouched is recorded with its thinking, words and tool calls, without the
// signature.
func TestAnthropicStreamPasses(t *testing.T) {
	k := newKit(0)
	k.spans.limit = 4096
	events := anthropicEvents()
	reply := &llm.Reply{Dialect: llm.DialectAnthropic, Stream: &script{events: events, err: io.EOF}}
	k.rec.Record(t.Context(), ask("hi"), reply, nil)
	for i := range events {
		ev, err := reply.Stream.Recv()
		if err != nil || !bytes.Equal(ev.Raw, events[i].Raw) {
			t.Fatalf("event %d was changed on its way: %q, %v", i, ev.Raw, err)
		}
	}
	drain(reply.Stream, 1)
	const want = `[{"role":"assistant","parts":[{"type":"reasoning","content":"let me see"},{"type":"text","content":"blue"},` +
		`{"type":"tool_call","id":"c1","name":"look","arguments":"{\"a\":1}"}],"finish_reason":"tool_calls"}]`
	if l := k.line(t); l.Output != want || l.Outcome != "complete" || l.OutCut || k.spans.output != want {
		t.Errorf("got  %s (%s)\nspan %s\nwant %s", l.Output, l.Outcome, k.spans.output, want)
	}
	if strings.Contains(k.log.String(), "opaque-state") {
		t.Error("the signature is recorded")
	}
}

// TestAnthropicStreamIsCut: what had come is recorded, with how it ended.
func TestAnthropicStreamIsCut(t *testing.T) {
	for n, want := range map[int]string{2: "let me see", 6: `"bl"`, 9: "look"} {
		k := newKit(0)
		reply := &llm.Reply{Dialect: llm.DialectAnthropic, Stream: &script{events: anthropicEvents()[:n], err: llm.Errorf(llm.KindUpstreamError, "cut")}}
		k.rec.Record(t.Context(), ask("hi"), reply, nil)
		drain(reply.Stream, 100)
		if l := k.line(t); l.Outcome != "upstream_cut" || !strings.Contains(l.Output, want) || !json.Valid([]byte(l.Output)) {
			t.Errorf("after %d events: %+v", n, l)
		}
	}
}

// TestKeysInPieces: a key that a model writes is hidden wherever it stands, also
// when it comes in pieces, none of which looks like one.
func TestKeysInPieces(t *testing.T) {
	const secret = "sk-test-ABCDEFGHIJKLMNOPQRST"
	said := func(parts ...llm.Event) *llm.Reply { return &llm.Reply{Stream: &script{events: parts, err: io.EOF}} }
	for name, reply := range map[string]*llm.Reply{
		"text in pieces": said(llm.Event{Kind: llm.EventText, Text: "it is s"}, llm.Event{Kind: llm.EventText, Text: "k-test-ABCDEF"}, llm.Event{Kind: llm.EventText, Text: "GHIJKLMNOPQRST"}),
		"thinking":       said(llm.Event{Kind: llm.EventReasoning, Text: "sk-test-ABC"}, llm.Event{Kind: llm.EventReasoning, Text: "DEFGHIJKLMNOPQRST"}),
		"refusal":        said(llm.Event{Kind: llm.EventRefusal, Text: "not " + secret}),
		"tool arguments": said(llm.Event{Kind: llm.EventToolCall, ID: "c", Name: "f", Text: `{"k":"sk-test-ABCDEF`}, llm.Event{Kind: llm.EventToolCall, Text: `GHIJKLMNOPQRST"}`}),
		"tool name":      said(llm.Event{Kind: llm.EventToolCall, ID: secret, Name: secret}),
		"passing": {Dialect: llm.DialectOpenAI, Stream: &script{err: io.EOF, events: raws(
			"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"sk-test-ABCDEF\"}}]}\n\n", "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"GHIJKLMNOPQRST\"}}]}\n\n")}},
		"whole":   {Dialect: llm.DialectOpenAI, Raw: []byte(`{"choices":[{"index":0,"message":{"role":"assistant","content":"` + secret + `"}}]}`)},
		"escaped": {Dialect: llm.DialectOpenAI, Raw: []byte(`{"choices":[{"index":0,"message":{"role":"assistant","content":"\u0073k-test-ABCDEFGHIJKLMNOPQRST"}}]}`)},
	} {
		t.Run(name, func(t *testing.T) {
			k := newKit(0)
			k.spans.limit = 4096
			c := callOf(llm.Message{Role: llm.RoleUser, Name: secret, Parts: text("key: " + secret)})
			k.rec.Record(t.Context(), c, reply, nil)
			if reply.Stream != nil {
				drain(reply.Stream, 9)
			}
			if l := k.line(t); l.Output == "" || strings.Contains(k.log.String()+k.spans.input+k.spans.output, "ABCDEF") || strings.Contains(k.log.String(), "OPQRST") {
				t.Errorf("log %s\nspan %s %s", k.log.String(), k.spans.input, k.spans.output)
			}
		})
	}
	k := newKit(0)
	k.rec.Record(t.Context(), ask("hi"), nil, llm.Errorf(llm.KindUpstreamError, "it says: wrong key %s", secret))
	if strings.Contains(k.log.String(), "ABCDEF") {
		t.Errorf("in the failure: %s", k.log.String())
	}
}

// FuzzAnswer: whatever an upstream sends in a dialect that passes through,
// whole or as a stream, what is recorded is valid, bounded and free of keys,
// and what passes is untouched.
func FuzzAnswer(f *testing.F) {
	for d, seeds := range map[llm.Dialect][]string{
		llm.DialectResponses: {
			`{"id":"x","status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"blue"},{"type":"refusal","refusal":"no"}]}]}`,
			`{"output":[{"type":"function_call","call_id":"c","name":"f","arguments":"{}"},{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}],"content":[]}]}`,
			`{"output":[{"type":"message","content":"text"},{"type":"web_search_call"},null,7,{"content":[null]}],"error":{"code":1}}`,
			"event: response.output_item.added\ndata: {\"type\":\"response.output_item.added\",\"output_index\":1,\"item\":{\"type\":\"function_call\",\"call_id\":\"c1\",\"name\":\"look\"}}\n\ndata: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":1,\"delta\":\"{}\"}\n\n",
			"data: {\"type\":\"response.output_text.delta\",\"output_index\":-1,\"delta\":\"sk-test-0000000000000000\"}\n\ndata: {\"type\":\"response.completed\",\"response\":{\"output\":null}}\n\n",
			"data: {\"type\":\"response.reasoning_summary_text.delta\",\"output_index\":0,\"summary_index\":9,\"delta\":\"\\ud800\"}\r\n\r\n",
		},
		llm.DialectAnthropic: {`{"content":[{"type":"text","text":"a"},{"type":"tool_use","id":"i","name":"n","input":{"a":1}},{"type":"thinking","thinking":"t","signature":"s"}],"stop_reason":"end_turn"}`,
			string(anthropicEvents()[1].Raw), string(anthropicEvents()[8].Raw) + string(anthropicEvents()[9].Raw)},
		llm.DialectOpenAI: {`{"choices":[{"index":0,"message":{"content":[{"type":"text","text":"a"}],"tool_calls":[{"id":"c","function":{"name":"f","arguments":"{"}}]}}]}`,
			"data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\ndata: [DONE]\n\n"},
	} {
		for _, s := range seeds {
			f.Add(byte(d), []byte(s), uint16(300))
		}
	}
	f.Fuzz(func(t *testing.T, d byte, body []byte, limit uint16) {
		dialect := llm.Dialect(d)
		if readerOf(dialect) == nil {
			dialect = llm.DialectResponses
		}
		bound := 256 + int(limit)%2000
		whole := newAnswer(bound)
		whole.whole(llm.OpChat, &llm.Reply{Dialect: dialect, Raw: bytes.Clone(body)})
		check(t, whole, bound)

		stream := newAnswer(bound)
		stream.passes(dialect)
		cut := int(limit) % (len(body) + 1) // events may be torn apart
		passed := bytes.Clone(body)
		for _, piece := range [][]byte{passed[:cut], passed[cut:]} {
			stream.add(&llm.Event{Kind: llm.EventRaw, Raw: piece})
		}
		check(t, stream, bound)
		if !bytes.Equal(passed, body) {
			t.Error("what passes was changed")
		}
	})
}

func check(t *testing.T, a *answer, bound int) {
	t.Helper()
	held := 0
	for _, p := range a.parts {
		held += len(p.text)
	}
	if held > bound || len(a.parts) > bound/partSize {
		t.Errorf("%d bytes in %d parts are held, the bound is %d", held, len(a.parts), bound)
	}
	out := a.render(bound)
	if len(out.text) > bound || out.text != "" && !json.Valid([]byte(out.text)) || !utf8.ValidString(out.text) {
		t.Errorf("recorded: %d bytes %q", len(out.text), out.text)
	}
	if strings.Contains(out.text, "sk-test-0000000000000000") {
		t.Errorf("a key: %q", out.text)
	}
}
