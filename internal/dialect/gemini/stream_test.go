package gemini

import (
	"encoding/json"
	"os"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

func usageEvent(u llm.Usage) llm.Event { return llm.Event{Kind: llm.EventUsage, Usage: &u} }

// streams are answers as canonical events; written for a client they are the
// golden files, and read from these they are the events again.
var streams = map[string][]llm.Event{
	"text": {
		{Kind: llm.EventStart, ID: "r1", Model: "gemini-x"},
		{Kind: llm.EventText, Text: "Hel"}, {Kind: llm.EventText, Text: "lo <\"\n\u2028é漢"},
		usageEvent(llm.Usage{Input: 12, CachedInput: 3, Output: 7, Source: llm.UsageReported}),
		{Kind: llm.EventFinish, Finish: llm.FinishStop, Native: "STOP"},
	},
	"tools": {
		{Kind: llm.EventStart, ID: "r1", Model: "gemini-x"},
		{Kind: llm.EventReasoning, Text: "let"}, {Kind: llm.EventReasoning, Text: " me"},
		{Kind: llm.EventReasoning, Signature: "A=", Origin: llm.DialectGemini},
		{Kind: llm.EventText, Text: "Looking."},
		{Kind: llm.EventReasoning, Block: 1, Signature: "B=", Origin: llm.DialectGemini},
		{Kind: llm.EventToolCall, ID: "own", Name: "f", Text: `{"a":1}`, Signature: "C="},
		{Kind: llm.EventToolCall, Index: 1, ID: "call_gm_r1_1", Name: "g", Text: `{}`},
		usageEvent(llm.Usage{Input: 5, Output: 90, Reasoning: 40, Source: llm.UsageReported}),
		{Kind: llm.EventFinish, Finish: llm.FinishToolCalls, Native: "STOP"},
	},
	"blocked": {
		{Kind: llm.EventStart, ID: "r1", Model: "gemini-x"},
		usageEvent(llm.Usage{Input: 5, Source: llm.UsageReported}),
		{Kind: llm.EventFinish, Finish: llm.FinishContentFilter, Native: "PROHIBITED_CONTENT"},
	},
}

// stream writes events for a client.
func stream(events []llm.Event, f *dialect.Facts) []byte {
	e := codec.NewStreamEncoder(dialect.StreamOptions{Model: "asked", ID: "own"})
	var out []byte
	for i := range events {
		out = e.Append(out, &events[i])
	}
	return e.AppendEnd(out, f)
}

func TestStreamGolden(t *testing.T) {
	for name, events := range streams {
		t.Run(name, func(t *testing.T) {
			out := stream(events, nil)
			dialecttest.Golden(t, "stream/"+name+".sse", out)
			got, err := dialecttest.Decode(codec.NewStreamDecoder(), out)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(events, got); diff != "" {
				t.Errorf("it reads back as (-want +got):\n%s", diff)
			}
			dialecttest.Splits(t, codec.NewStreamDecoder, out)
		})
	}
}

func TestStreamEncode(t *testing.T) {
	cases := []struct {
		name   string
		events []llm.Event
		facts  *dialect.Facts
		want   []string // what must be in the output, in this order
	}{
		{"nothing at all", nil, &dialect.Facts{Usage: llm.Usage{Input: 4, Output: 2, Source: llm.UsageEstimated}},
			[]string{`"finishReason":"STOP"`, `"totalTokenCount":6`, `"modelVersion":"asked"`, `"responseId":"own"`}},
		{"a call in pieces", []llm.Event{{Kind: llm.EventToolCall, ID: "1", Name: "f"}, {Kind: llm.EventToolCall, Text: `{"a"`}, {Kind: llm.EventToolCall, Text: `:1}`, Signature: "A="},
			{Kind: llm.EventToolCall, Index: 1, Name: "g"}, {Kind: llm.EventText, Text: "x"}}, nil,
			[]string{`{"functionCall":{"name":"f","args":{"a":1},"id":"1"},"thoughtSignature":"A="}`, `{"functionCall":{"name":"g","args":{}}}`, `{"text":"x"}`, `"finishReason":"STOP"`}},
		{"state of others", []llm.Event{{Kind: llm.EventReasoning, Text: "t"}, {Kind: llm.EventReasoning, Signature: "A=", Origin: llm.DialectAnthropic}, {Kind: llm.EventReasoning, Redacted: "B="}}, nil,
			[]string{`"text":"t","thought":true}]`, `{"content":{"role":"model"},"finishReason"`}},
		{"refusal", []llm.Event{{Kind: llm.EventRefusal, Text: "no"}, {Kind: llm.EventFinish, Finish: llm.FinishContentFilter}}, nil, []string{`{"text":"no"}`, `"finishReason":"SAFETY"`}},
		{"ping and raw", []llm.Event{{Kind: llm.EventPing}, {Kind: llm.EventText}, {Kind: llm.EventRaw, Raw: []byte("data: x\n\n")}}, nil, []string{": ping\n\n", "data: x\n\n"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			out := string(stream(c.events, c.facts))
			rest := out
			for _, w := range c.want {
				_, after, ok := strings.Cut(rest, w)
				if !ok {
					t.Fatalf("no %s (in order) in\n%s", w, out)
				}
				rest = after
			}
		})
	}
}

func data(payloads ...string) []byte {
	var out []byte
	for _, p := range payloads {
		out = sse.AppendData(out, []byte(p))
	}
	return out
}

// chunkOf is one chunk of parts.
func chunkOf(parts, more string) string {
	return `{"candidates":[{"content":{"parts":[` + parts + `]}` + more + `}],"responseId":"r"}`
}

const stop = `,"finishReason":"STOP"`

func TestStreamDecodeOddities(t *testing.T) {
	cases := []struct {
		name   string
		stream []byte
		want   dialecttest.Answer
	}{
		{"STOP on every chunk", data(chunkOf(`{"text":"a"}`, stop), chunkOf(`{"text":"b"}`, stop), chunkOf(`{"functionCall":{"name":"f"}}`, stop)),
			dialecttest.Answer{Text: "ab", Calls: []llm.ToolCall{{ID: "call_gm_r_0", Name: "f", Arguments: "{}"}}, Finish: llm.FinishToolCalls, Native: "STOP"}},
		{"calls over chunks", data(chunkOf(`{"functionCall":{"name":"f","args":{"a":1}}},{"functionCall":{"name":"f"}}`, ""), chunkOf(`{"functionCall":{"name":"g","id":"own"}}`, ""), chunkOf(`{"text":""}`, stop)),
			dialecttest.Answer{Calls: []llm.ToolCall{{ID: "call_gm_r_0", Name: "f", Arguments: `{"a":1}`}, {ID: "call_gm_r_1", Name: "f", Arguments: "{}"}, {ID: "own", Name: "g", Arguments: "{}"}}, Finish: llm.FinishToolCalls, Native: "STOP"}},
		{"another candidate", data(`{"responseId":"r","candidates":[{"index":1,"content":{"parts":[{"text":"b"}]},"finishReason":"SAFETY"}]}`, chunkOf(`{"text":"a"}`, stop)),
			dialecttest.Answer{Text: "a", Finish: llm.FinishStop, Native: "STOP"}},
		{"blocked prompt", data(`{"responseId":"r","promptFeedback":{"blockReason":"OTHER","blockReasonMessage":"no"}}`),
			dialecttest.Answer{Refusal: "no", Finish: llm.FinishContentFilter, Native: "OTHER"}},
		{"ratings only", data(`{"responseId":"r","promptFeedback":{"safetyRatings":[]},"candidates":[{"finishReason":"FINISH_REASON_UNSPECIFIED"}]}`, chunkOf(`{"text":"a"}`, stop)),
			dialecttest.Answer{Text: "a", Finish: llm.FinishStop, Native: "STOP"}},
		{"broken after words", data(chunkOf(`{"text":"a"}`, `,"finishReason":"MALFORMED_FUNCTION_CALL"`)),
			dialecttest.Answer{Text: "a", Finish: llm.FinishStop, Native: "MALFORMED_FUNCTION_CALL"}},
		{"thoughts apart", data(chunkOf(`{"text":"t","thought":true}`, ""), chunkOf(`{"text":"u","thought":true},{"text":"a"}`, ""), chunkOf(`{"text":"v","thought":true}`, stop)),
			dialecttest.Answer{Text: "a", Reasoning: []llm.Reasoning{{Text: "tu"}, {Text: "v"}}, Finish: llm.FinishStop, Native: "STOP"}},
		{"signature in an empty text", data(chunkOf(`{"text":"a"}`, ""), chunkOf(`{"text":"","thoughtSignature":"S="}`, stop)),
			dialecttest.Answer{Text: "a", Reasoning: []llm.Reasoning{{Signature: "S=", Origin: llm.DialectGemini}}, Finish: llm.FinishStop, Native: "STOP"}},
		{"comment", []byte(": x\r\n\r\n" + string(data(chunkOf(`{"text":"a"}`, stop)))), dialecttest.Answer{Text: "a", Finish: llm.FinishStop, Native: "STOP"}},
		{"arguments in pieces", data(chunkOf(`{"functionCall":{"name":"f","willContinue":true},"thoughtSignature":"S="}`, ""),
			chunkOf(`{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"x\"","willContinue":true}],"willContinue":true}}`, ""),
			chunkOf(`{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"y"},{"jsonPath":"$.b[0].c","numberValue":1.5},{"jsonPath":"$.b[1].c","boolValue":true},{"jsonPath":"$['d e']","nullValue":"NULL_VALUE"}],"willContinue":true}}`, ""),
			chunkOf(`{"functionCall":{}}`, ""), chunkOf(`{"functionCall":{"name":"g","willContinue":true}}`, ""), chunkOf(`{"functionCall":{"name":"h"}}`, stop)),
			dialecttest.Answer{Calls: []llm.ToolCall{{ID: "call_gm_r_0", Name: "f", Arguments: `{"a":"x\"y","b":[{"c":1.5},{"c":true}],"d e":null}`, Signature: "S="},
				{ID: "call_gm_r_1", Name: "g", Arguments: "{}"}, {ID: "call_gm_r_2", Name: "h", Arguments: "{}"}}, Finish: llm.FinishToolCalls, Native: "STOP"}},
		{"pieces without an end", data(chunkOf(`{"functionCall":{"name":"f","willContinue":true}}`, ""), chunkOf(`{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"x","willContinue":true}],"willContinue":true}}`, stop)),
			dialecttest.Answer{Calls: []llm.ToolCall{{ID: "call_gm_r_0", Name: "f", Arguments: `{"a":"x"}`}}, Finish: llm.FinishToolCalls, Native: "STOP"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			events, err := dialecttest.Decode(codec.NewStreamDecoder(), c.stream)
			if err != nil {
				t.Fatal(err)
			}
			c.want.ID, c.want.Starts, c.want.Finishes = "r", 1, 1
			if diff := cmp.Diff(c.want, dialecttest.Collect(events)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStreamUsage(t *testing.T) {
	usage := func(s string) string { return `,"finishReason":""}],"usageMetadata":{` + s + `},"x":[{"y":0` }
	in := data(chunkOf(`{"text":"a"}`, usage(`"promptTokenCount":55,"totalTokenCount":55`)), chunkOf(`{"text":"b"}`, usage(`"trafficType":"ON_DEMAND"`)),
		chunkOf(`{"text":"c"}`, usage(`"promptTokenCount":55,"totalTokenCount":55`)), chunkOf(`{"text":"d"}`, stop))
	events, err := dialecttest.Decode(codec.NewStreamDecoder(), in)
	if err != nil {
		t.Fatal(err)
	}
	var got []llm.Usage
	for _, ev := range events {
		if ev.Usage != nil {
			got = append(got, *ev.Usage)
		}
	}
	want := []llm.Usage{{Input: 55, Source: llm.UsageEstimated}, {Input: 55, Source: llm.UsageReported}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestStreamDecodeFails(t *testing.T) {
	const canceled = "{\n  \"error\": {\n    \"code\": 499,\n    \"message\": \"The operation was cancelled.\",\n    \"status\": \"CANCELLED\"\n  }\n}\n\n"
	cases := []struct {
		name, stream, message string
		kind                  llm.Kind
	}{
		{"empty", "", "broke off", llm.KindUpstreamError},
		{"cut", string(data(chunkOf(`{"text":"a"}`, ""))), "broke off", llm.KindUpstreamError},
		{"error event", string(data(chunkOf(`{"text":"a"}`, ""), `{"error":{"code":429,"message":"slow","status":"RESOURCE_EXHAUSTED"}}`)), "slow", llm.KindUpstreamRateLimited},
		{"bare error", string(data(chunkOf(`{"text":"a"}`, stop))) + canceled, "cancelled", llm.KindUpstreamError},
		{"bare list", "[{\"error\":{\"code\":503,\"message\":\"busy\",\"status\":\"UNAVAILABLE\"}}]\n\n", "busy", llm.KindUpstreamError},
		{"no JSON", "data: {\"candidates\":\n\n", "malformed", llm.KindUpstreamError},
		{"broken", string(data(chunkOf(``, `,"finishReason":"UNEXPECTED_TOOL_CALL"`))), "UNEXPECTED_TOOL_CALL", llm.KindUpstreamError},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := dialecttest.Decode(codec.NewStreamDecoder(), []byte(c.stream))
			if e := llmError(t, err); e.Kind != c.kind || !strings.Contains(e.Message, c.message) {
				t.Errorf("%v", e)
			}
		})
	}
}

// TestStreamMemory: a long stream leaves nothing behind in decoder and encoder.
func TestStreamMemory(t *testing.T) {
	d, e := codec.NewStreamDecoder(), codec.NewStreamEncoder(dialect.StreamOptions{})
	ev := sse.Event{Data: []byte(chunkOf(`{"text":"`+strings.Repeat("word ", 200)+`"},{"functionCall":{"name":"f","args":{"a":1}}}`, ""))}
	var events []llm.Event
	var out []byte
	feed := func(n int) {
		for range n {
			events, _ = d.Decode(events[:0], ev)
			for j := range events {
				out = e.Append(out[:0], &events[j])
			}
		}
	}
	feed(10)
	before := heap()
	feed(20_000) // 20 MB of text
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("%d bytes are kept", grown)
	}
	runtime.KeepAlive([]any{d, e})
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestPartialPaths(t *testing.T) {
	cases := []struct {
		pieces []string
		want   string
	}{
		{nil, `{}`},
		{[]string{`{"jsonPath":"$.a","stringValue":""}`}, `{"a":""}`},
		{[]string{`{"jsonPath":"$[0]","stringValue":"x"}`, `{"jsonPath":"","boolValue":true}`}, `{}`},
		{[]string{`{"jsonPath":"$.a[0][1]","numberValue":1}`, `{"jsonPath":"$.a[0][2]","numberValue":2}`, `{"jsonPath":"$.a[1][0]","numberValue":3}`}, `{"a":[[1,2],[3]]}`},
		{[]string{`{"jsonPath":"$.a.b.c","numberValue":1}`, `{"jsonPath":"$.d","numberValue":2}`}, `{"a":{"b":{"c":1}},"d":2}`},
		{[]string{`{"jsonPath":"$.a","stringValue":"x","willContinue":true}`, `{"jsonPath":"$.b","numberValue":2}`}, `{"a":"x","b":2}`},
		{[]string{`{"jsonPath":"$.a","stringValue":"x","willContinue":true}`, `{"jsonPath":"$.a","numberValue":2}`}, `{"a":"x","a":2}`},
		{[]string{`{"jsonPath":"$.a[0]","numberValue":1}`, `{"jsonPath":"$.a.b","numberValue":2}`}, `{"a":[1],"a":{"b":2}}`},
		{[]string{`{"jsonPath":"$.a.b","numberValue":1}`, `{"jsonPath":"$.a","numberValue":2}`}, `{"a":{"b":1},"a":2}`},
		{[]string{`{"jsonPath":"$.a"}`}, `{"a":null}`},
		{[]string{`{"jsonPath":"a.b","numberValue":1}`, `{"jsonPath":"$.c[","numberValue":2}`, `{"jsonPath":"$[\"d\"]","numberValue":3}`}, `{"a.b":1,"c":2,"d":3}`},
	}
	for _, c := range cases {
		var p partial
		var b []byte
		for _, s := range c.pieces {
			b = p.add(b, []byte(s))
		}
		if b = p.end(b); string(b) != c.want {
			t.Errorf("%v: %s, want %s", c.pieces, b, c.want)
		}
	}
}

func FuzzPartial(f *testing.F) {
	f.Add("$.a[0].b", "$.a[1].b", "$.c", true)
	f.Add("$.a", "$.a", "$.a[0]", false)
	f.Fuzz(func(t *testing.T, x, y, z string, more bool) {
		var p partial
		var b []byte
		for _, path := range []string{x, y, x, z} {
			v, err := json.Marshal(map[string]any{"jsonPath": path, "stringValue": path, "willContinue": more})
			if err != nil {
				t.Fatal(err)
			}
			b = p.add(b, v)
		}
		if b = p.end(b); !json.Valid(b) {
			t.Errorf("%q %q %q: %s", x, y, z, b)
		}
	})
}

func FuzzStreamDecode(f *testing.F) {
	for name := range streams {
		seed, err := os.ReadFile("testdata/stream/" + name + ".sse")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Add(data(chunkOf(`{"functionCall":{"name":"f","willContinue":true}}`, ""), chunkOf(`{"functionCall":{"partialArgs":[{"jsonPath":"$.a","stringValue":"x"}]}}`, stop)))
	f.Add([]byte("data: {}\n\n{\"error\":{}}\n\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		want, err := dialecttest.Decode(codec.NewStreamDecoder(), in)
		if err != nil {
			llmError(t, err)
			return
		}
		out := stream(want, nil)
		got, err := dialecttest.Decode(codec.NewStreamDecoder(), out)
		if err != nil {
			if a := dialecttest.Collect(want); broken[a.Native] {
				return // without words such an answer is an error
			}
			t.Fatalf("%v\n%s", err, out)
		}
		a, b := dialecttest.Collect(want), dialecttest.Collect(got)
		if a.Text+a.Refusal != b.Text || len(a.Calls) != len(b.Calls) || a.Finish != b.Finish {
			t.Errorf("%+v\nbecame %+v\n%s", a, b, out)
		}
	})
}

func BenchmarkStreamDecode(b *testing.B) {
	ev := sse.Event{Data: []byte(`{"candidates": [{"content": {"parts": [{"text": " a few words of text"}],"role": "model"},"index": 0}],"usageMetadata": {"promptTokenCount": 9,"totalTokenCount": 9,"promptTokensDetails": [{"modality": "TEXT","tokenCount": 9}]},"modelVersion": "gemini-2.0-flash","responseId":"r"}`)}
	d := codec.NewStreamDecoder()
	var events []llm.Event
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if events, err = d.Decode(events[:0], ev); err != nil {
			b.Fatal(err)
		}
	}
}
