package anthropic

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

func TestRewrite(t *testing.T) {
	cases := []struct{ name, in, model, want string }{
		{"another model", `{ "x" : 1,"model": "a" , "messages":[{"model":"a"}],"new":{"é":1.0} }`, "b", `{ "x" : 1,"model": "b" , "messages":[{"model":"a"}],"new":{"é":1.0} }`},
		{"the same model", `{"model":"a"}`, "a", `{"model":"a"}`},
		{"no model", `{"x":1}`, `b"c`, `{"x":1,"model":"b\"c"}`},
		{"null", `{"model":null,"x":1}`, "b", `{"model":"b","x":1}`},
		{"empty", `{}`, "b", `{"model":"b"}`},
		{"no target model", `{"model":"a"}`, "", `{"model":"a"}`},
		{"stream", `{"model":"a","stream":true}`, "b", `{"model":"b","stream":true}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			raw := []byte(c.in)
			p, err := dialect.Peek(raw)
			if err != nil {
				t.Fatal(err)
			}
			got, err := codec.Rewrite(&llm.Call{Op: llm.OpChat, Model: c.model, Raw: raw, Peek: p})
			if err != nil || string(got) != c.want || string(raw) != c.in {
				t.Errorf("%s, %v; want %s", got, err, c.want)
			}
			if c.want == c.in && &got[0] != &raw[0] {
				t.Error("a body that stays is copied")
			}
		})
	}
}

func TestInspect(t *testing.T) {
	u, fin, err := codec.Inspect(llm.OpChat, []byte(wholeAnswer))
	want := llm.Usage{Input: 330, CachedInput: 300, CacheWrite: 20, CacheWrite1h: 5, Output: 40, Reasoning: 30, Source: llm.UsageReported}
	if err != nil || u != want || fin != llm.FinishToolCalls {
		t.Errorf("%+v, %s, %v", u, fin, err)
	}
	if u, fin, err := codec.Inspect(llm.OpChat, []byte(`{"content":[]}`)); err != nil || u != (llm.Usage{}) || fin != "" {
		t.Errorf("of nothing: %+v, %s, %v", u, fin, err)
	}
	if _, _, err := codec.Inspect(llm.OpChat, []byte(`{"type":"error","error":{"type":"overloaded_error","message":"Overloaded"}}`)); llmError(t, err).Kind != llm.KindUpstreamError {
		t.Errorf("an error in disguise: %v", err)
	}
	if _, _, err := codec.Inspect(llm.OpChat, []byte(`<html>`)); err == nil {
		t.Error("HTML is an answer")
	}
}

// watched is what an inspector says of a stream.
type watched struct {
	Verdicts []dialect.Verdict
	Usage    llm.Usage
	Finish   llm.FinishReason
	Text     int
	Last     int // events that were the last
}

func watch(stream []byte) (w watched, err error) {
	i := codec.NewInspector(true)
	r := sse.NewReader(bytes.NewReader(stream), sse.Options{})
	defer r.Release()
	for {
		ev, rerr := r.Next()
		if rerr != nil && len(ev.Data) == 0 {
			tail, err := i.End()
			if tail != nil {
				panic("a tail is sent")
			}
			return w, err
		}
		v, err := i.Inspect(ev)
		if err != nil {
			return w, err
		}
		w.Verdicts = append(w.Verdicts, v)
		w.Text += v.TextBytes
		if v.Usage != nil {
			w.Usage = *v.Usage
		}
		if v.Finish != "" {
			w.Finish = v.Finish
		}
		if v.Last {
			w.Last++
		}
	}
}

// TestInspectorAgrees: an inspector sees in our own streams what a decoder does.
func TestInspectorAgrees(t *testing.T) {
	for name, events := range streams {
		w, err := watch(stream(events, nil))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		a := dialecttest.Collect(events)
		if w.Usage != a.Usage || w.Finish != a.Finish || w.Last != 1 {
			t.Errorf("%s: %+v, %s, %d; want %+v, %s", name, w.Usage, w.Finish, w.Last, a.Usage, a.Finish)
		}
	}
}

func TestInspector(t *testing.T) {
	textStart := `{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}`
	text := `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"12345"}  }`
	w, err := watch(data(start, `{"type":"ping"}`, textStart, text, `{"type":"ping"}`, done, stop))
	if err != nil {
		t.Fatal(err)
	}
	want := []dialect.Verdict{
		{Preamble: true, Usage: &llm.Usage{Input: 3, Output: 1, Source: llm.UsageEstimated}},
		{Preamble: true}, {Preamble: true},
		{TextBytes: 5}, {},
		{Usage: &llm.Usage{Input: 3, Output: 5, Source: llm.UsageReported}, Finish: llm.FinishStop},
		{Last: true},
	}
	if diff := cmp.Diff(want, w.Verdicts); diff != "" {
		t.Error(diff)
	}
	tool := `{"type":"content_block_start","index":0,"content_block":{"type":"tool_use","id":"1","name":"f","input":{}}}`
	if w, _ := watch(data(start, tool)); w.Verdicts[1].Preamble {
		t.Error("a call is taken for preamble")
	}
	if _, err := watch(data(start, text)); llmError(t, err).Kind != llm.KindUpstreamError {
		t.Error("a cut stream is complete")
	}
	if _, err := watch([]byte("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n")); llmError(t, err).Message != "Overloaded" {
		t.Errorf("%v", err)
	}
	if _, err := watch([]byte("event: error\ndata: oops\n\n")); err == nil {
		t.Error("an error is passed over")
	}
	if _, err := watch(data("nonsense")); err == nil {
		t.Error("nonsense is passed on")
	}
	if w, err := watch([]byte(": hello\n\n")); len(w.Verdicts) != 1 || !w.Verdicts[0].Preamble || err == nil {
		t.Errorf("a comment: %+v, %v", w, err)
	}
}

func TestDeltaBytes(t *testing.T) {
	cases := map[string]int{
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"12345"}}`:                   5,
		`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":""}}`:                        0,
		`{"type":"content_block_delta","index":0,"delta":{"type":"thinking_delta","thinking":"123"}}    `:         3,
		`{"type":"content_block_delta","index":0,"delta":{"type":"input_json_delta","partial_json":"{\"a\":1"} }`: 8,
		`{"type":"content_block_delta","index":0,"delta":{"type":"signature_delta","signature":"abcdef"}}`:        0,
		`{"type":"content_block_delta","index":0,"delta":{}}`:                                                     0,
		``: 0,
	}
	for in, want := range cases {
		if got := deltaBytes([]byte(in)); got != want {
			t.Errorf("%s: %d, want %d", in, got, want)
		}
	}
}

func FuzzInspector(f *testing.F) {
	for _, events := range streams {
		f.Add(stream(events, nil))
	}
	f.Add([]byte("event: content_block_delta\ndata: \"_delta\",\"\n\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if w, err := watch(in); err != nil {
			llmError(t, err)
		} else if w.Text < 0 || w.Last != 1 {
			t.Errorf("%+v", w)
		}
	})
}

func BenchmarkInspector(b *testing.B) {
	ev := sse.Event{Name: []byte("content_block_delta"),
		Data: []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a few words of text"}}`)}
	i := codec.NewInspector(true)
	b.ReportAllocs()
	for b.Loop() {
		if v, err := i.Inspect(ev); err != nil || v.TextBytes != 20 {
			b.Fatal(v, err)
		}
	}
}
