package llm

import (
	"errors"
	"io"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

// TestCollect names what the events of a stream come to.
func TestCollect(t *testing.T) {
	part := func(typ PartType, s string) Part { return Part{Type: typ, Text: s} }
	think := func(r Reasoning) Part { return Part{Type: PartReasoning, Reasoning: &r} }
	call := func(c ToolCall) Part { return Part{Type: PartToolCall, ToolCall: &c} }
	for _, c := range []struct {
		name   string
		events []Event
		want   Response
	}{
		{"nothing", nil, Response{}},
		{"start and ping", []Event{{Kind: EventStart, ID: "a", Model: "m"}, {Kind: EventPing}}, Response{ID: "a", Model: "m"}},
		{"text in pieces", []Event{text("Hel"), {Kind: EventPing}, text("lo")}, Response{Parts: []Part{part(PartText, "Hello")}}},
		{"an empty piece is a part", []Event{text("")}, Response{Parts: []Part{part(PartText, "")}}},
		{"text, refusal, text", []Event{text("a"), {Kind: EventRefusal, Text: "n"}, {Kind: EventRefusal, Text: "o"}, text("b")},
			Response{Parts: []Part{part(PartText, "a"), part(PartRefusal, "no"), part(PartText, "b")}}},
		{"text around a call", []Event{text("a"), {Kind: EventToolCall, ID: "c", Name: "f"}, text("b")},
			Response{Parts: []Part{part(PartText, "a"), call(ToolCall{ID: "c", Name: "f"}), part(PartText, "b")}}},
		{"interleaved calls", []Event{
			{Kind: EventToolCall, Index: 0, ID: "c0", Name: "f"}, {Kind: EventToolCall, Index: 1, ID: "c1", Name: "g", Signature: "s"},
			{Kind: EventToolCall, Index: 0, Text: `{"a"`}, {Kind: EventToolCall, Index: 1, Text: `{}`}, {Kind: EventToolCall, Index: 0, Text: `:1}`},
		}, Response{Parts: []Part{call(ToolCall{ID: "c0", Name: "f", Arguments: `{"a":1}`}), call(ToolCall{ID: "c1", Name: "g", Arguments: "{}", Signature: "s"})}}},
		{"a call's name comes late", []Event{{Kind: EventToolCall, Index: 5, Text: "{"}, {Kind: EventToolCall, Index: 5, ID: "c", Name: "f", Text: "}"}},
			Response{Parts: []Part{call(ToolCall{ID: "c", Name: "f", Arguments: "{}"})}}},
		{"reasoning closed by its signature", []Event{
			{Kind: EventReasoning, ID: "r", Text: "hm"}, {Kind: EventReasoning, Text: "m", Signature: "sig", Origin: DialectAnthropic},
			{Kind: EventReasoning, Block: 1, Redacted: "zz", Origin: DialectAnthropic}, text("so"), {Kind: EventReasoning, Block: 2, Text: "?"},
		}, Response{Parts: []Part{
			think(Reasoning{ID: "r", Text: "hmm", Signature: "sig", Origin: DialectAnthropic}), think(Reasoning{Redacted: "zz", Origin: DialectAnthropic}),
			part(PartText, "so"), think(Reasoning{Text: "?"}),
		}}},
		{"the later of two signatures holds", []Event{{Kind: EventReasoning, Signature: "a"}, {Kind: EventReasoning, Signature: "b"}},
			Response{Parts: []Part{think(Reasoning{Signature: "b"})}}},
		{"finish", []Event{{Kind: EventFinish, Finish: FinishLength, Native: "max_tokens", StopSequence: "END"}},
			Response{Finish: FinishLength, NativeFinish: "max_tokens", StopSequence: "END"}},
		{"the last usage holds", []Event{{Kind: EventUsage, Usage: &Usage{Input: 1}}, {Kind: EventUsage, Usage: &Usage{Input: 2, Output: 3}}},
			Response{Usage: Usage{Input: 2, Output: 3}}},
		{"bytes that pass through", []Event{{Kind: EventRaw, Raw: []byte("data: x")}, {Kind: EventRaw, Finish: FinishStop, Usage: &Usage{Output: 4}}, {Kind: EventRaw}},
			Response{Finish: FinishStop, Usage: Usage{Output: 4}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := &script{events: c.events, err: io.EOF}
			got, err := Collect(st)
			if err != nil || !reflect.DeepEqual(*got, c.want) {
				t.Errorf("%v\ngot  %+v\nwant %+v", err, got, c.want)
			}
			if st.closes != 0 {
				t.Error("the stream was closed by one who does not own it")
			}
		})
	}
}

// TestCollectFails: a stream that breaks off is no answer, whatever came of it.
func TestCollectFails(t *testing.T) {
	cut := Errorf(KindUpstreamError, "cut")
	for name, st := range map[string]*script{
		"at once":    {err: cut},
		"in between": {events: []Event{text("a"), {Kind: EventFinish, Finish: FinishStop}}, err: cut},
	} {
		if r, err := Collect(st); r != nil || !errors.Is(err, cut) {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
	}
}

// TestCollectorSize: the size follows the memory that an answer takes, and bytes
// that pass through take none.
func TestCollectorSize(t *testing.T) {
	var c Collector
	grows := func(ev Event, least, most int) {
		t.Helper()
		before := c.Size()
		c.Add(&ev)
		if n := c.Size() - before; n < least || n > most {
			t.Errorf("%+v adds %d bytes", ev, n)
		}
	}
	grows(Event{Kind: EventStart, ID: "a"}, 0, 0)
	grows(Event{Kind: EventRaw, Raw: make([]byte, 1000), Finish: FinishStop}, 0, 0)
	grows(text("12345"), 5, 5+partSize)
	grows(text("123"), 3, 3)
	grows(Event{Kind: EventToolCall, Index: 1}, 100, partSize)
	grows(Event{Kind: EventToolCall, Index: 1, Text: "12", Signature: "345"}, 5, 5)
	grows(Event{Kind: EventReasoning, Text: "12", Redacted: "34"}, 4, 4+partSize)
	grows(Event{Kind: EventUsage, Usage: &Usage{}}, 0, 0)
}

// TestResponseMidway: the answer can be looked at before its end.
func TestResponseMidway(t *testing.T) {
	var c Collector
	a, b := text("a"), text("b")
	c.Add(&a)
	if got := c.Response().Text(); got != "a" {
		t.Errorf("at first %q", got)
	}
	c.Add(&b)
	if got := c.Response().Text(); got != "ab" {
		t.Errorf("then %q", got)
	}
}

// TestCollectIsLinear: an answer of many small pieces is not copied with each.
func TestCollectIsLinear(t *testing.T) {
	const pieces = 20_000
	word := strings.Repeat("x", 10)
	for name, ev := range map[string]Event{
		"text":      text(word),
		"reasoning": {Kind: EventReasoning, Text: word},
		"arguments": {Kind: EventToolCall, Text: word},
	} {
		var c Collector
		n := allocated(func() {
			for range pieces {
				c.Add(&ev)
			}
			if c.Response().Parts == nil || c.Size() < pieces*len(word) {
				t.Errorf("%s: nothing was collected", name)
			}
		})
		if n > 20*pieces*uint64(len(word)) { // quadratic would be 10,000 times
			t.Errorf("%s: %d bytes of memory for %d bytes of answer", name, n, pieces*len(word))
		}
	}
}

// TestTextIsLinear: an answer of many parts is not copied with each.
func TestTextIsLinear(t *testing.T) {
	const parts = 20_000
	r := &Response{}
	for range parts {
		r.Parts = append(r.Parts, Part{Type: PartText, Text: "0123456789"})
	}
	var s string
	if n := allocated(func() { s = r.Text() }); n > 20*parts*10 {
		t.Errorf("%d bytes of memory", n)
	}
	if len(s) != parts*10 {
		t.Errorf("%d bytes of text", len(s))
	}
}

// allocated returns the bytes that fn takes from the heap, freed ones included.
func allocated(fn func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	fn()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

func BenchmarkCollector(b *testing.B) {
	events := []Event{{Kind: EventStart, ID: "a"}}
	for range 200 {
		events = append(events, text("word "))
	}
	events = append(events, Event{Kind: EventFinish, Finish: FinishStop}, Event{Kind: EventUsage, Usage: &Usage{Output: 200}})
	b.ReportAllocs()
	for b.Loop() {
		var c Collector
		for i := range events {
			c.Add(&events[i])
		}
		if c.Response().Text() == "" {
			b.Fatal("no text")
		}
	}
}
