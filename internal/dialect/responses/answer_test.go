package responses

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

func TestAnswerIsRead(t *testing.T) {
	r, err := Codec{}.DecodeResponse(llm.OpChat, []byte(`{"id":"resp_1","model":"m","status":"completed","output":[
		{"type":"reasoning","summary":[{"type":"summary_text","text":"hm"}]},
		{"type":"web_search_call"},
		{"type":"message","content":[{"type":"output_text","text":"blue"},{"type":"refusal","refusal":"no"},{"type":"other","text":"x"}]},
		{"type":"function_call","call_id":"c1","name":"look","arguments":"{}"}],"usage":{"input_tokens":3,"output_tokens":4}}`))
	if err != nil || r.ID != "resp_1" || r.Model != "m" || r.Usage.Output != 4 || len(r.Parts) != 4 {
		t.Fatalf("%+v, %v", r, err)
	}
	if r.Parts[0].Reasoning.Text != "hm" || r.Parts[1].Text != "blue" || r.Parts[2].Type != llm.PartRefusal || r.Parts[3].ToolCall.ID != "c1" {
		t.Errorf("%+v", r.Parts)
	}
	for _, bad := range []string{"", "[]", "{", `{"output":7}`, `{"output":[{"type":"message","content":"x"}]}`} {
		if r, err := (Codec{}).DecodeResponse(llm.OpChat, []byte(bad)); err == nil {
			t.Errorf("%q is read as %+v", bad, r)
		}
	}
}

// FuzzAnswer: an answer that is no answer is an error and never a panic; what
// is read is made of the four kinds of words, each with what belongs to it.
func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`{"id":"r","output":[{"type":"message","content":[{"type":"output_text","text":"a"}]},{"type":"reasoning","summary":[{"text":"b"}],"content":[{"text":"c"}]}]}`))
	f.Add([]byte(`{"output":[{"type":"function_call","call_id":"c","name":"n","arguments":"{"}],"usage":{"input_tokens":-1}}`))
	f.Add([]byte(`{"output":[null,{"content":[null]}],"status":"failed","error":null}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		whole := bytes.Clone(body)
		r, err := Codec{}.DecodeResponse(llm.OpChat, body)
		if !bytes.Equal(whole, body) {
			t.Fatal("the body was changed")
		}
		if err != nil {
			return
		}
		for _, p := range r.Parts {
			if ok := map[llm.PartType]bool{llm.PartText: true, llm.PartRefusal: true, llm.PartReasoning: p.Reasoning != nil, llm.PartToolCall: p.ToolCall != nil}[p.Type]; !ok {
				t.Fatalf("part %+v", p)
			}
		}
	})
}

// FuzzStreamDecode: events are never lost in a panic, tool calls are numbered
// from zero without a gap, and a terminal event ends the stream.
func FuzzStreamDecode(f *testing.F) {
	f.Add([]byte("data: {\"type\":\"response.output_item.added\",\"output_index\":7,\"item\":{\"type\":\"function_call\",\"call_id\":\"c\",\"name\":\"n\"}}\n\n" +
		"data: {\"type\":\"response.function_call_arguments.delta\",\"output_index\":7,\"delta\":\"{}\"}\n\ndata: {\"type\":\"response.completed\"}\n\n"))
	f.Add([]byte("data: {\"type\":\"response.output_text.delta\",\"delta\":{\"a\":1}}\n\ndata: [DONE]\n\n"))
	f.Add([]byte("data: {\"type\":\"response.reasoning_text.delta\",\"output_index\":-9,\"delta\":\"\\ud800\"}\n\ndata: {\"type\":3}\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		rd := sse.NewReader(bytes.NewReader(raw), sse.Options{Buffer: len(raw) + 1})
		defer rd.Release()
		d, calls := Codec{}.NewStreamDecoder(), 0
		for {
			ev, err := rd.Next()
			if err != nil {
				break
			}
			events, err := d.Decode(nil, ev)
			for _, e := range events {
				if !slices.Contains([]llm.EventKind{llm.EventText, llm.EventRefusal, llm.EventReasoning, llm.EventToolCall}, e.Kind) {
					t.Fatalf("event %+v", e)
				}
				if e.Kind == llm.EventToolCall {
					if e.Index > calls || e.Index < 0 {
						t.Fatalf("call %d after %d", e.Index, calls)
					}
					calls = max(calls, e.Index+1)
				}
			}
			if errors.Is(err, io.EOF) {
				if _, err := d.End(nil); err != nil {
					t.Fatalf("complete, and yet: %v", err)
				}
				return
			}
			if err != nil {
				return
			}
		}
		if _, err := d.End(nil); err == nil {
			t.Fatal("a stream without an end is complete")
		}
	})
}
