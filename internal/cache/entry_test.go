package cache

import (
	"encoding/json"
	"io"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

var answer = llm.Response{
	ID: "x", Model: "m-1", Created: 7, Finish: llm.FinishToolCalls, NativeFinish: "tool_use", StopSequence: "s",
	Usage: llm.Usage{Input: 5, CachedInput: 1, Output: 9, Reasoning: 2, Source: llm.UsageReported},
	Parts: []llm.Part{
		{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "hm", Signature: "sig", Origin: llm.DialectAnthropic, ID: "rs"}},
		{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Redacted: "zzz", Origin: llm.DialectAnthropic}},
		{Type: llm.PartText, Text: "hello <world> \u2028"},
		{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "c1", Name: "f", Arguments: `{"a":1}`, Signature: "ts"}},
		{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "c2", Name: "g"}},
		{Type: llm.PartRefusal, Text: "no"},
	},
}

// TestFormsSurvive: a canonical answer is the same after being kept, as a whole
// and as a stream that is gathered again.
func TestFormsSurvive(t *testing.T) {
	in := answer
	value := whole(&llm.Reply{Response: &in, Usage: in.Usage, Finish: in.Finish, Provider: "p", Model: "m", Dropped: []string{"a", "b"}})
	e, err := parse(value)
	if err != nil {
		t.Fatal(err)
	}
	r, err := e.reply(false)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(&answer, r.Response); d != "" {
		t.Error(d)
	}
	if r.Provider != "p" || r.Model != "m" || len(r.Dropped) != 2 || r.Usage != in.Usage || r.Finish != in.Finish || r.Dialect != 0 {
		t.Errorf("%+v", r)
	}
	st, err := e.reply(true)
	if err != nil {
		t.Fatal(err)
	}
	rec := newRecorder(callOf(ask), st, 1<<20)
	for {
		ev, err := st.Stream.Recv()
		if err == io.EOF {
			break
		}
		rec.add(ev)
	}
	again, err := parse(rec.entry())
	if err != nil {
		t.Fatal(err)
	}
	r, err = again.reply(false)
	if err != nil {
		t.Fatal(err)
	}
	r.Response.Created = answer.Created
	if d := cmp.Diff(&answer, r.Response); d != "" {
		t.Errorf("through a stream: %s", d)
	}
}

func TestRawStreamSurvives(t *testing.T) {
	rec := newRecorder(callOf(ask), &llm.Reply{Dialect: llm.DialectOpenAI, Provider: "p"}, 1<<20)
	var want strings.Builder
	for _, ev := range rawEvents(50, 3000) {
		want.Write(ev.Raw)
		rec.add(&ev)
	}
	e, err := parse(rec.entry())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := e.reply(false); err == nil {
		t.Error("a passing stream answers a whole request")
	}
	r, err := e.reply(true)
	if err != nil || r.Dialect != llm.DialectOpenAI || len(e.pieces) < 4 || len(e.pieces) > 6 {
		t.Fatalf("%v %d", err, len(e.pieces))
	}
	d := llm.Done{}
	llm.OnDone(r, nil, func(how llm.Done) { d = how })
	if got := complete(t, r.Stream); got != want.String() {
		t.Error("the bytes differ")
	}
	if d.Usage.Output != 50 || d.Finish != llm.FinishStop {
		t.Errorf("%+v", d)
	}
}

// TestWhatIsNotKept names the answers that are not whole, or too large.
func TestWhatIsNotKept(t *testing.T) {
	finish := func(f llm.FinishReason) llm.Event { return llm.Event{Kind: llm.EventFinish, Finish: f} }
	for name, events := range map[string][]llm.Event{
		"no finish":       {{Kind: llm.EventText, Text: "x"}},
		"content filter":  {{Kind: llm.EventText, Text: "x"}, finish(llm.FinishContentFilter)},
		"too large":       {{Kind: llm.EventText, Text: strings.Repeat("x", 3000)}, finish(llm.FinishStop)},
		"too large bytes": rawEvents(3, 1000),
		"mixed":           append(rawEvents(1, 10), llm.Event{Kind: llm.EventText, Text: "x"}),
		"nothing":         {{Kind: llm.EventRaw, Finish: llm.FinishStop}},
	} {
		rec := newRecorder(callOf(ask), &llm.Reply{}, 2000)
		for i := range events {
			rec.add(&events[i])
		}
		if rec.entry() != nil {
			t.Errorf("%s is kept", name)
		}
		if rec.over && (rec.e.body != nil || rec.answer.Size() != 0) {
			t.Errorf("%s: what is too large is held", name)
		}
	}
}

// TestEveryFieldIsKept fails when an answer gains a field that JSON leaves out.
func TestEveryFieldIsKept(t *testing.T) {
	for _, v := range []any{llm.Response{}, llm.Part{}, llm.Reasoning{}, llm.ToolCall{}, llm.Embedding{}, llm.Usage{}} {
		typ := reflect.TypeOf(v)
		for i := range typ.NumField() {
			if f := typ.Field(i); !f.IsExported() || f.Tag.Get("json") != "" {
				t.Errorf("%s.%s is not kept as it is", typ, f.Name)
			}
		}
	}
}

func FuzzEntry(f *testing.F) {
	f.Add(whole(&llm.Reply{Response: &answer}), true)
	f.Add(whole(&llm.Reply{Raw: []byte("{}"), Dialect: llm.DialectOpenAI, Dropped: []string{"x"}}), false)
	rec := newRecorder(callOf(ask), &llm.Reply{}, 1<<20)
	for _, ev := range rawEvents(3, 10) {
		rec.add(&ev)
	}
	f.Add(rec.entry(), true)
	f.Fuzz(func(t *testing.T, b []byte, stream bool) {
		e, err := parse(b)
		if err != nil {
			return
		}
		if again, err := parse(e.append(nil)); err != nil || !reflect.DeepEqual(e, again) {
			t.Fatalf("%+v became %+v: %v", e, again, err)
		}
		r, err := e.reply(stream)
		if err != nil || r.Stream == nil {
			return
		}
		if _, err := readAll(r.Stream); err != io.EOF {
			t.Fatal(err)
		}
	})
}

func BenchmarkParse(b *testing.B) {
	value := whole(&llm.Reply{Raw: json.RawMessage(`{"x":1}`), Provider: "p", Model: "m", Finish: llm.FinishStop})
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parse(value); err != nil {
			b.Fatal(err)
		}
	}
}
