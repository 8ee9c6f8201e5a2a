package responses

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

func thought(r llm.Reasoning) llm.Part { return llm.Part{Type: llm.PartReasoning, Reasoning: &r} }

func calling(c llm.ToolCall) llm.Part { return llm.Part{Type: llm.PartToolCall, ToolCall: &c} }

// whole uses every place that an answer has.
func whole() *llm.Response {
	return &llm.Response{
		ID: "msg_upstream", Model: "claude", Created: 1700000000, Finish: llm.FinishToolCalls, ServiceTier: "default",
		Usage: llm.Usage{Input: 20, CachedInput: 5, CacheWrite: 3, Output: 9, Reasoning: 4, Source: llm.UsageReported},
		Parts: []llm.Part{
			thought(llm.Reasoning{Text: "I think\nhard", Signature: "c2ln", Origin: llm.DialectAnthropic}),
			thought(llm.Reasoning{Redacted: "cmVk", Origin: llm.DialectAnthropic}),
			thought(llm.Reasoning{Text: "s", Signature: "gAAA", ID: "rs_openai", Origin: llm.DialectResponses}),
			thought(llm.Reasoning{Text: "plainly"}),
			{Type: llm.PartText, Text: "Zürich \"q\""},
			{Type: llm.PartRefusal, Text: "no"},
			calling(llm.ToolCall{ID: "call_1", Name: "f", Arguments: `{"a":1}`, Signature: "Z2Vt"}),
			calling(llm.ToolCall{ID: "call_2", Name: "g", Arguments: `{}`}),
			{Type: llm.PartText, Text: "after"},
		},
	}
}

// events is the same answer as a stream.
func events() []llm.Event {
	r := whole()
	return []llm.Event{
		{Kind: llm.EventStart, ID: r.ID, Model: r.Model},
		{Kind: llm.EventPing},
		{Kind: llm.EventReasoning, Block: 0, Text: "I think"},
		{Kind: llm.EventReasoning, Block: 0, Text: "\nhard"},
		{Kind: llm.EventReasoning, Block: 0, Signature: "c2ln", Origin: llm.DialectAnthropic},
		{Kind: llm.EventReasoning, Block: 1, Redacted: "cmVk", Origin: llm.DialectAnthropic},
		{Kind: llm.EventReasoning, Block: 2, Text: "s", Signature: "gAAA", ID: "rs_openai", Origin: llm.DialectResponses},
		{Kind: llm.EventReasoning, Block: 3, Text: "plainly"},
		{Kind: llm.EventText, Text: "Zürich "},
		{Kind: llm.EventText, Text: ""},
		{Kind: llm.EventText, Text: "\"q\""},
		{Kind: llm.EventRefusal, Text: "no"},
		{Kind: llm.EventToolCall, Index: 0, ID: "call_1", Name: "f", Signature: "Z2Vt"},
		{Kind: llm.EventToolCall, Index: 0, Text: `{"a":`},
		{Kind: llm.EventToolCall, Index: 1, ID: "call_2", Name: "g"},
		{Kind: llm.EventToolCall, Index: 0, Text: `1}`},
		{Kind: llm.EventToolCall, Index: 9, Text: `out of order`},
		{Kind: llm.EventText, Text: "after"},
		{Kind: llm.EventUsage, Usage: &r.Usage},
		{Kind: llm.EventFinish, Finish: r.Finish},
	}
}

func encode(evs []llm.Event, f *dialect.Facts) []byte {
	enc := Codec{}.NewStreamEncoder(dialect.StreamOptions{Model: "chat", ID: "resp_r1", Created: 1700000000})
	var out []byte
	for i := range evs {
		out = enc.Append(out, &evs[i])
	}
	return enc.AppendEnd(out, f)
}

func TestAppendResponse(t *testing.T) {
	body, err := Codec{}.AppendResponse(nil, llm.OpChat, whole(), &dialect.Facts{RequestID: "r1"})
	if err != nil || !json.Valid(body) {
		t.Fatalf("%v: %s", err, body)
	}
	dialecttest.Golden(t, "response.golden.json", body)
	checkObject(t, body)

	u, fin, err := Codec{}.Inspect(llm.OpChat, body)
	if err != nil || u != whole().Usage || fin != llm.FinishToolCalls {
		t.Errorf("the inspector sees %+v %q %v", u, fin, err)
	}
}

// checkObject demands the members that the API's document requires.
func checkObject(t *testing.T, body []byte) {
	t.Helper()
	var o map[string]json.RawMessage
	if err := json.Unmarshal(body, &o); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"id", "object", "created_at", "status", "error", "incomplete_details", "instructions", "metadata", "model",
		"output", "parallel_tool_calls", "temperature", "tool_choice", "tools", "top_p", "usage"} {
		if o[name] == nil {
			t.Errorf("%s is missing", name)
		}
	}
}

func TestAppendResponseEnds(t *testing.T) {
	for _, tc := range []struct {
		finish llm.FinishReason
		want   string
	}{
		{llm.FinishStop, `"status":"completed","background":false,"error":null,"incomplete_details":null`},
		{llm.FinishLength, `"status":"incomplete","background":false,"error":null,"incomplete_details":{"reason":"max_output_tokens"}`},
		{llm.FinishContentFilter, `"status":"incomplete","background":false,"error":null,"incomplete_details":{"reason":"content_filter"}`},
	} {
		body, err := Codec{}.AppendResponse(nil, llm.OpChat, &llm.Response{Model: "m", Finish: tc.finish, Parts: words("x")}, nil)
		if err != nil || !strings.Contains(string(body), tc.want) || !strings.Contains(string(body), `"usage":null`) || strings.Contains(string(body), `"created_at":0,`) {
			t.Errorf("%s: %v %s", tc.finish, err, body)
		}
		_, fin, err := Codec{}.Inspect(llm.OpChat, body)
		if err != nil || fin != tc.finish {
			t.Errorf("%s: read as %q %v", tc.finish, fin, err)
		}
	}
	body, _ := Codec{}.AppendResponse(nil, llm.OpChat, &llm.Response{}, &dialect.Facts{Usage: llm.Usage{Input: 1, Output: 2, Source: llm.UsageEstimated}})
	if !strings.Contains(string(body), `"output":[],`) || !strings.Contains(string(body), `"total_tokens":3}`) {
		t.Errorf("got %s", body)
	}
}

// An answer's output, sent back as the API demands, restores what it was made
// of: the thinking and its state, of whatever provider.
func TestOutputComesBack(t *testing.T) {
	body, err := Codec{}.AppendResponse(nil, llm.OpChat, whole(), &dialect.Facts{RequestID: "r1"})
	if err != nil {
		t.Fatal(err)
	}
	checkBack(t, body, whole().Parts)
	_, last := lastEvent(t, encode(events(), nil))
	var completed struct{ Response json.RawMessage }
	if err := json.Unmarshal(last, &completed); err != nil {
		t.Fatal(err)
	}
	checkBack(t, completed.Response, whole().Parts)
}

func checkBack(t *testing.T, object []byte, want []llm.Part) {
	t.Helper()
	var o struct{ Output []json.RawMessage }
	if err := json.Unmarshal(object, &o); err != nil {
		t.Fatal(err)
	}
	items := []string{`{"role":"user","content":"q"}`}
	for _, item := range o.Output {
		items = append(items, string(item))
	}
	for _, p := range want {
		if p.Type == llm.PartToolCall {
			items = append(items, `{"type":"function_call_output","call_id":"`+p.ToolCall.ID+`","output":"r"}`)
		}
	}
	r, err := Codec{}.DecodeRequest(llm.OpChat, []byte(`{"input":[`+strings.Join(items, ",")+`]}`))
	if err != nil {
		t.Fatal(err)
	}
	got := r.Messages[1].Parts
	for _, p := range got {
		// An id that the gateway made has no meaning to any provider.
		if p.Type == llm.PartReasoning && strings.HasPrefix(p.Reasoning.ID, "rs_r1") {
			p.Reasoning.ID = ""
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// lastEvent returns the names of a stream's events and the data of the last.
func lastEvent(t *testing.T, out []byte) (names []string, data []byte) {
	t.Helper()
	rd := sse.NewReader(bytes.NewReader(out), sse.Options{})
	defer rd.Release()
	for n := int64(0); ; n++ {
		ev, err := rd.Next()
		if errors.Is(err, io.EOF) {
			return names, data
		}
		if err != nil {
			t.Fatal(err)
		}
		names, data = append(names, string(ev.Name)), bytes.Clone(ev.Data)
		var head struct {
			Type           string
			SequenceNumber *int64 `json:"sequence_number"`
		}
		if err := json.Unmarshal(data, &head); err != nil || head.Type != string(ev.Name) || head.SequenceNumber == nil || *head.SequenceNumber != n {
			t.Fatalf("event %d, %s: %v %s", n, ev.Name, err, data)
		}
	}
}

func TestStream(t *testing.T) {
	out := encode(events(), nil)
	dialecttest.Golden(t, "stream.golden.sse", out)
	names, last := lastEvent(t, out)
	if names[0] != "response.created" || names[1] != "response.in_progress" || names[len(names)-1] != "response.completed" {
		t.Errorf("events %v", names)
	}
	var completed struct{ Response json.RawMessage }
	if err := json.Unmarshal(last, &completed); err != nil {
		t.Fatal(err)
	}
	checkObject(t, completed.Response)
	checkAssembly(t, out)

	w := watch(out)
	if w.err != nil || w.usage != whole().Usage || w.finish != llm.FinishToolCalls || w.shown != string(out) {
		t.Errorf("the inspector sees %+v", w)
	}
}

// checkAssembly puts the items together from the deltas, as clients do, and
// compares with the items of the terminal event.
func checkAssembly(t *testing.T, out []byte) {
	t.Helper()
	type item struct {
		ID, Type, Name, Arguments string
		CallID                    string `json:"call_id"`
		Content                   []struct{ Type, Text, Refusal string }
		Summary                   []struct{ Type, Text string }
		Encrypted                 string `json:"encrypted_content"`
	}
	var made []string // what the deltas say of each item
	var final []string
	rd := sse.NewReader(bytes.NewReader(out), sse.Options{})
	defer rd.Release()
	for {
		ev, err := rd.Next()
		if err != nil {
			break
		}
		var e struct {
			Type        string
			OutputIndex int `json:"output_index"`
			Delta       string
			Item        item
			Response    struct{ Output []item }
		}
		if err := json.Unmarshal(ev.Data, &e); err != nil {
			t.Fatal(err)
		}
		switch {
		case e.Type == evItemAdded:
			if e.OutputIndex != len(made) {
				t.Errorf("item %d is announced as %d", len(made), e.OutputIndex)
			}
			made = append(made, "")
		case strings.HasSuffix(e.Type, ".delta"):
			made[e.OutputIndex] += e.Delta
		case e.Type == "response.completed":
			for _, it := range e.Response.Output {
				s := it.Arguments
				for _, p := range it.Content {
					s += p.Text + p.Refusal
				}
				for _, p := range it.Summary {
					s += p.Text
				}
				final = append(final, s)
			}
		}
	}
	for i := range final {
		if final[i] == "{}" && made[i] == "" { // a call without arguments
			final[i] = ""
		}
	}
	if diff := cmp.Diff(final, made); diff != "" {
		t.Errorf("the deltas say something else:\n%s", diff)
	}
}

func TestStreamEnds(t *testing.T) {
	out := encode([]llm.Event{{Kind: llm.EventText, Text: "x"}, {Kind: llm.EventFinish, Finish: llm.FinishLength}}, &dialect.Facts{Usage: llm.Usage{Input: 1, Output: 2, Source: llm.UsageEstimated}})
	names, last := lastEvent(t, out)
	if names[len(names)-1] != "response.incomplete" || !bytes.Contains(last, []byte(`{"reason":"max_output_tokens"}`)) || !bytes.Contains(last, []byte(`"total_tokens":3`)) ||
		!bytes.Contains(last, []byte(`"model":"chat"`)) || !bytes.Contains(last, []byte(`"status":"incomplete","role":"assistant"`)) {
		t.Errorf("%v %s", names, last)
	}
	names, _ = lastEvent(t, encode(nil, nil))
	if diff := cmp.Diff([]string{"response.created", "response.in_progress", "response.completed"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestErrors(t *testing.T) {
	e := &llm.Error{Kind: llm.KindUnsupported, Message: "no", Param: "background"}
	if got := string((Codec{}).AppendError(nil, e, nil)); got != `{"error":{"message":"no","type":"invalid_request_error","param":"background","code":"unsupported_parameter"}}` {
		t.Errorf("got %s", got)
	}
	got := string((Codec{}).AppendStreamError([]byte("x"), e, nil))
	const want = "xevent: error\ndata: {\"type\":\"error\",\"sequence_number\":0,\"code\":\"unsupported_parameter\",\"message\":\"no\",\"param\":\"background\"," +
		"\"error\":{\"type\":\"invalid_request_error\",\"code\":\"unsupported_parameter\",\"message\":\"no\",\"param\":\"background\"}}\n\n"
	if got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	w := watch([]byte(got[1:]))
	if llm.AsError(w.err).Message != "no" {
		t.Errorf("read back: %v", w.err)
	}
}

func TestRewrite(t *testing.T) {
	for in, want := range map[string]string{
		`{"model":"a","input":"x","stream":true}`:   `{"model":"up","input":"x","stream":true}`,
		`{"input":"x","stream_options":{"z":1.10}}`: `{"input":"x","stream_options":{"z":1.10},"model":"up"}`,
		`{"model":"up","input":"x","stream":true}`:  `{"model":"up","input":"x","stream":true}`,
	} {
		p, err := dialect.Peek([]byte(in))
		if err != nil {
			t.Fatal(err)
		}
		got, err := Codec{}.Rewrite(&llm.Call{Op: llm.OpChat, Raw: []byte(in), Peek: p, Model: "up", Stream: p.Stream})
		if err != nil || string(got) != want {
			t.Errorf("%s became %s, %v", in, got, err)
		}
	}
}

func TestInspect(t *testing.T) {
	usage := llm.Usage{Input: 8, CachedInput: 3, CacheWrite: 2, Output: 5, Reasoning: 4, Source: llm.UsageReported}
	const counts = `"usage":{"input_tokens":8,"input_tokens_details":{"cached_tokens":3,"cache_write_tokens":2},"output_tokens":5,"output_tokens_details":{"reasoning_tokens":4},"total_tokens":13}`
	for body, want := range map[string]struct {
		usage  llm.Usage
		finish llm.FinishReason
		fails  llm.Kind
	}{
		`{"status":"completed","error":null,"output":[{"type":"message"}],` + counts + `}`:   {usage: usage, finish: llm.FinishStop},
		`{"status":"completed","output":[{"type":"reasoning"},{"type":"custom_tool_call"}]}`: {finish: llm.FinishToolCalls},
		`{"status":"incomplete","incomplete_details":{"reason":"content_filter"}}`:           {finish: llm.FinishContentFilter},
		`{"status":"incomplete","incomplete_details":null}`:                                  {finish: llm.FinishLength},
		`{"status":"queued","usage":null}`:                                                   {},
		`{"status":"failed","error":{"code":"server_error","message":"m"}}`:                  {fails: llm.KindUpstreamError},
		`{"status":"failed","error":{"code":"rate_limit_exceeded","message":"m"}}`:           {fails: llm.KindUpstreamRateLimited},
		`{"status":"failed","error":null}`:                                                   {fails: llm.KindUpstreamError},
		`{"error":{"message":"m","type":"invalid_request_error"}}`:                           {fails: llm.KindInvalidRequest},
		`<html>`: {fails: llm.KindUpstreamError},
	} {
		u, fin, err := Codec{}.Inspect(llm.OpChat, []byte(body))
		var e *llm.Error
		if (want.fails == 0) != (err == nil) || err != nil && (!errors.As(err, &e) || e.Kind != want.fails) || err == nil && (u != want.usage || fin != want.finish) {
			t.Errorf("%s: %+v %q %v", body, u, fin, err)
		}
	}
}

// watched is what watching a stream shows.
type watched struct {
	shown    string
	usage    llm.Usage
	finish   llm.FinishReason
	text     int
	preamble int
	err      error
}

func watch(raw []byte) watched {
	rd := sse.NewReader(bytes.NewReader(raw), sse.Options{})
	defer rd.Release()
	i := Codec{}.NewInspector(true)
	var w watched
	for {
		ev, err := rd.Next()
		if err != nil && !(errors.Is(err, io.ErrUnexpectedEOF) && json.Valid(ev.Data)) {
			break
		}
		v, err := i.Inspect(ev)
		if err != nil {
			w.err = err
			return w
		}
		if v.Usage != nil {
			w.usage = *v.Usage
		}
		if v.Finish != "" {
			w.finish = v.Finish
		}
		if v.Preamble {
			w.preamble++
		}
		w.text += v.TextBytes
		w.shown += string(ev.Raw)
		if v.Last {
			break
		}
	}
	tail, err := i.End()
	w.shown, w.err = w.shown+string(tail), err
	return w
}

func named(t *testing.T, file string) []byte {
	raw := dialecttest.Fixture(t, file)
	if !strings.HasSuffix(file, ".jsonl") {
		return raw
	}
	var out []byte
	for line := range bytes.Lines(raw) {
		var e struct{ Type string }
		if line = bytes.TrimSpace(line); len(line) > 0 && json.Unmarshal(line, &e) == nil {
			out = sse.AppendEvent(out, e.Type, line)
		}
	}
	return out
}

func TestRecordedStreams(t *testing.T) {
	for _, tc := range []struct {
		file   string
		finish llm.FinishReason
		usage  llm.Usage
		fails  llm.Kind
	}{
		{file: "openai/gomodel-responses_stream.sse", finish: llm.FinishStop},
		{file: "azure/responses-stream.response.sse", finish: llm.FinishStop},
		{file: "azure/azure-text.1.chunks.jsonl", finish: llm.FinishStop},
		{file: "azure/azure-tool-call.1.chunks.jsonl", finish: llm.FinishToolCalls},
		{file: "openai/openai-error.1.chunks.jsonl", fails: llm.KindUpstreamRateLimited},
	} {
		t.Run(tc.file, func(t *testing.T) {
			raw := named(t, tc.file)
			w := watch(raw)
			if tc.fails != 0 {
				if e := llm.AsError(w.err); w.err == nil || e.Kind != tc.fails || !e.Permanent {
					t.Errorf("ends with %v", w.err)
				}
				return
			}
			if w.err != nil || w.finish != tc.finish || w.usage.Input == 0 || w.usage.Output == 0 || w.text == 0 || w.preamble < 2 {
				t.Errorf("%+v", w)
			}
			if w.shown != string(raw) && w.shown+"\n" != string(raw) {
				t.Error("not every byte is shown")
			}
			// Without event names the same is seen.
			if nameless := watch(dialecttest.Chunks(dataOf(raw))); nameless.err != nil || nameless.finish != w.finish || nameless.usage != w.usage || nameless.text != w.text {
				t.Errorf("without names: %+v", nameless)
			}
			if cut := watch(raw[:len(raw)*2/3]); cut.err == nil {
				t.Error("a cut stream passes as complete")
			}
		})
	}
	for _, file := range []string{"openai/gomodel-responses.json", "azure/responses-with-ratelimit-headers.response.json", "azure/azure-text.1.json", "azure/azure-tool-call.1.json"} {
		t.Run(file, func(t *testing.T) {
			u, fin, err := Codec{}.Inspect(llm.OpChat, dialecttest.Fixture(t, file))
			if err != nil || fin == "" || u.Input == 0 || u.Output == 0 {
				t.Errorf("%+v %q %v", u, fin, err)
			}
		})
	}
}

func dataOf(raw []byte) []byte {
	rd := sse.NewReader(bytes.NewReader(raw), sse.Options{})
	defer rd.Release()
	var out []byte
	for {
		ev, err := rd.Next()
		out = append(append(out, ev.Data...), '\n')
		if err != nil {
			return out
		}
	}
}

func TestInspectorOddEvents(t *testing.T) {
	ev := func(name, data string) sse.Event { return sse.Event{Name: []byte(name), Data: []byte(data)} }
	i := Codec{}.NewInspector(false)
	for _, tc := range []struct {
		ev   sse.Event
		want dialect.Verdict
	}{
		{sse.Event{}, dialect.Verdict{Preamble: true}},
		{ev("response.created", `{}`), dialect.Verdict{Preamble: true}},
		{ev("response.output_item.added", `{}`), dialect.Verdict{Preamble: true}},
		{ev("response.output_item.done", `{}`), dialect.Verdict{}},
		{ev("response.in_progress", `{}`), dialect.Verdict{}},
		{ev("response.output_text.delta", `{"delta": "a\"\\b"}`), dialect.Verdict{TextBytes: 6}},
		{ev("response.audio.delta", `{"delta":7}`), dialect.Verdict{}},
		{sse.Event{Data: []byte("[DONE]")}, dialect.Verdict{Last: true}},
	} {
		v, err := i.Inspect(tc.ev)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(tc.want, v); diff != "" {
			t.Errorf("%s:\n%s", tc.ev.Data, diff)
		}
	}
	for _, bad := range []sse.Event{ev("response.failed", `{"response":{"status":"failed","error":{"code":"server_error","message":"m"}}}`),
		ev("error", `{"type":"error","code":"server_error","message":"m","param":null}`), ev("response.completed", `{`), ev("response.completed", `{}`),
		{Data: []byte(`{"error":{"message":"m"}}`)}, {Data: []byte(`nonsense`)}} {
		if v, err := (Codec{}).NewInspector(false).Inspect(bad); err == nil {
			t.Errorf("%s: %+v", bad.Data, v)
		}
	}
}

func FuzzStreamEncoder(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, "text")
	f.Fuzz(func(t *testing.T, steps []byte, text string) {
		evs := []llm.Event{{Kind: llm.EventStart, Model: text}}
		calls := 0
		for _, s := range steps {
			ev := llm.Event{Text: text, Block: int(s) / 64}
			switch s % 6 {
			case 0:
				ev.Kind = llm.EventText
			case 1:
				ev.Kind = llm.EventRefusal
			case 2:
				ev.Kind = llm.EventReasoning
			case 3:
				ev.Kind, ev.Signature, ev.Text, ev.Origin = llm.EventReasoning, "s", "", llm.DialectGemini
			case 4:
				ev.Kind, ev.Index, ev.ID, ev.Name = llm.EventToolCall, calls, "c", "f"
				calls++
			case 5:
				ev.Kind, ev.Index = llm.EventToolCall, int(s)%max(calls, 1)
			}
			if ev.Kind == llm.EventToolCall && calls == 0 {
				continue
			}
			evs = append(evs, ev)
		}
		out := encode(evs, nil)
		lastEvent(t, out)
		checkAssembly(t, out)
		if w := watch(out); w.err != nil || w.finish == "" {
			t.Fatalf("%+v", w)
		}
	})
}

func FuzzInspector(f *testing.F) {
	f.Add([]byte("event: response.completed\ndata: {\"response\":{\"status\":\"completed\",\"usage\":{\"input_tokens\":1}}}\n\n"))
	f.Add([]byte("data: {\"type\":\"response.output_text.delta\",\"delta\":\"\\\"\"}\n\ndata: [DONE]\n\n"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		w := watch(raw)
		if w.err == nil && (w.usage.CachedInput > w.usage.Input || w.text < 0) {
			t.Fatalf("%+v", w)
		}
	})
}

func TestInspectorAllocations(t *testing.T) {
	i := Codec{}.NewInspector(false)
	ev := sse.Event{Name: []byte(evTextDelta), Data: []byte(`{"type":"response.output_text.delta","content_index":0,"delta":"word","item_id":"msg_1","output_index":1,"sequence_number":6}`)}
	if n := testing.AllocsPerRun(100, func() { i.Inspect(ev) }); n > 0 {
		t.Errorf("a delta costs %v allocations", n)
	}
}

func BenchmarkInspectorDelta(b *testing.B) {
	i := Codec{}.NewInspector(false)
	ev := sse.Event{Name: []byte(evTextDelta), Data: []byte(`{"type":"response.output_text.delta","content_index":0,"delta":"word","item_id":"msg_1","output_index":1,"sequence_number":6}`)}
	b.ReportAllocs()
	for b.Loop() {
		i.Inspect(ev)
	}
}

func BenchmarkStream(b *testing.B) {
	evs := events()
	b.ReportAllocs()
	for b.Loop() {
		encode(evs, nil)
	}
}
