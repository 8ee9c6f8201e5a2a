package anthropic

import (
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

// streams are answers as canonical events; written for a client they are the
// golden files, and read from these they are the events again.
var streams = map[string][]llm.Event{
	"text": {
		{Kind: llm.EventStart, ID: "msg_1", Model: "claude-x"},
		usageEvent(llm.Usage{Input: 12, CachedInput: 3, Output: 1, Source: llm.UsageEstimated}),
		{Kind: llm.EventText, Text: "Hel"}, {Kind: llm.EventText, Text: "lo <\"\n\u2028é漢"},
		usageEvent(llm.Usage{Input: 12, CachedInput: 3, Output: 7, Source: llm.UsageReported}),
		{Kind: llm.EventFinish, Finish: llm.FinishStop, Native: "end_turn"},
	},
	"tools": {
		{Kind: llm.EventStart, ID: "msg_1", Model: "claude-x"},
		usageEvent(llm.Usage{Input: 5, CacheWrite: 4, CacheWrite1h: 1, Source: llm.UsageEstimated}),
		{Kind: llm.EventReasoning, Text: "let"}, {Kind: llm.EventReasoning, Text: " me"},
		{Kind: llm.EventReasoning, Signature: "c2ln", Origin: llm.DialectAnthropic},
		{Kind: llm.EventReasoning, Block: 1, Redacted: "b3A=", Origin: llm.DialectAnthropic},
		{Kind: llm.EventText, Text: "Looking."},
		{Kind: llm.EventToolCall, ID: "toolu_1", Name: "f"}, {Kind: llm.EventToolCall, Text: `{"a":`}, {Kind: llm.EventToolCall, Text: `1}`},
		{Kind: llm.EventToolCall, Index: 1, ID: "toolu_2", Name: "g"}, {Kind: llm.EventToolCall, Index: 1, Text: `{}`},
		usageEvent(llm.Usage{Input: 5, CacheWrite: 4, CacheWrite1h: 1, Output: 90, Reasoning: 40, Source: llm.UsageReported}),
		{Kind: llm.EventFinish, Finish: llm.FinishToolCalls, Native: "tool_use"},
	},
	"sequence": {
		{Kind: llm.EventStart, ID: "msg_1", Model: "claude-x"},
		usageEvent(llm.Usage{Input: 5, Source: llm.UsageEstimated}),
		{Kind: llm.EventText, Text: "a"},
		usageEvent(llm.Usage{Input: 5, Output: 2, Source: llm.UsageReported}),
		{Kind: llm.EventFinish, Finish: llm.FinishStop, Native: "stop_sequence", StopSequence: "END"},
	},
	"nothing": {
		{Kind: llm.EventStart, ID: "msg_1", Model: "claude-x"},
		usageEvent(llm.Usage{Input: 5, Output: 2, Source: llm.UsageEstimated}),
		usageEvent(llm.Usage{Input: 5, Output: 2, Source: llm.UsageReported}),
		{Kind: llm.EventFinish, Finish: llm.FinishContentFilter, Native: "refusal"},
	},
}

func usageEvent(u llm.Usage) llm.Event { return llm.Event{Kind: llm.EventUsage, Usage: &u} }

// stream writes events for a client.
func stream(events []llm.Event, f *dialect.Facts) []byte {
	e := codec.NewStreamEncoder(dialect.StreamOptions{Model: "asked", ID: "msg_own"})
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
		not    []string
	}{
		{name: "nothing at all", facts: &dialect.Facts{Usage: llm.Usage{Input: 4, Output: 2, Source: llm.UsageEstimated}},
			want: []string{`"id":"msg_own"`, `"model":"asked"`, `"stop_reason":"end_turn"`, `"usage":{"input_tokens":4`, `"output_tokens":2`, "message_stop"}},
		{name: "ping before the start", events: []llm.Event{{Kind: llm.EventPing}, {Kind: llm.EventText, Text: "a"}},
			want: []string{"message_start", "ping", "content_block_start", `"text":"a"`}},
		{name: "blocks close each other", events: []llm.Event{{Kind: llm.EventReasoning, Text: "t"}, {Kind: llm.EventText, Text: "a"}, {Kind: llm.EventReasoning, Text: "u", Block: 1}, {Kind: llm.EventReasoning, Text: "v", Block: 2}},
			want: []string{`start","index":0`, `stop","index":0`, `start","index":1`, `stop","index":1`, `start","index":2`, `stop","index":2`, `start","index":3`, `stop","index":3`, "message_delta"},
			not:  []string{"signature_delta"}},
		{name: "state of a call", events: []llm.Event{{Kind: llm.EventToolCall, ID: "c1", Name: "f", Signature: "QQ==", Text: "{}"}},
			want: []string{`start","index":0,"content_block":{"type":"thinking"`, `"signature":"gw1:gemini:tool:QQ==:c1"`, `stop","index":0`, `"type":"tool_use","id":"c1"`, `"partial_json":"{}"`}},
		{name: "state of a call behind it", events: []llm.Event{{Kind: llm.EventToolCall, ID: "c1", Name: "f", Text: "{}"}, {Kind: llm.EventToolCall, Signature: "QQ=="}},
			want: []string{`"type":"tool_use","id":"c1"`, `stop","index":0`, `"signature":"gw1:gemini:tool:QQ==:c1"`}},
		{name: "calls in turns", events: []llm.Event{{Kind: llm.EventToolCall, ID: "a", Name: "f"}, {Kind: llm.EventToolCall, Index: 1, ID: "b", Name: "g"}, {Kind: llm.EventToolCall, Text: "{}"}},
			want: []string{`start","index":0`, `start","index":1`, `delta","index":0`}},
		{name: "call without id", events: []llm.Event{{Kind: llm.EventToolCall, Index: 3, Name: "f"}}, want: []string{`"id":"toolu_3"`}},
		{name: "state of OpenAI", events: []llm.Event{{Kind: llm.EventReasoning, Text: "t"}, {Kind: llm.EventReasoning, ID: "rs_1", Signature: "QQ==", Origin: llm.DialectResponses}},
			want: []string{`"signature":"gw1:responses:id:rs_1:QQ=="`}},
		{name: "refusal", events: []llm.Event{{Kind: llm.EventRefusal, Text: "no"}, {Kind: llm.EventFinish, Finish: llm.FinishContentFilter}},
			want: []string{`"text":"no"`, `"stop_reason":"refusal"`}},
		{name: "raw", events: []llm.Event{{Kind: llm.EventRaw, Raw: []byte("data: x\n\n")}}, want: []string{"data: x\n\n"}},
		{name: "reported beats estimated", events: []llm.Event{usageEvent(llm.Usage{Input: 9, Output: 8, Source: llm.UsageReported})},
			facts: &dialect.Facts{Usage: llm.Usage{Input: 1, Output: 1, Source: llm.UsageEstimated}}, want: []string{`"output_tokens":8`, `"output_tokens":8`}},
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
			for _, n := range c.not {
				if strings.Contains(out, n) {
					t.Errorf("%s in\n%s", n, out)
				}
			}
		})
	}
}

func TestStreamManyCalls(t *testing.T) {
	e := &streamEncoder{block: -1}
	var out []byte
	for i := range 3 * maxTools {
		out = e.Append(out[:0], &llm.Event{Kind: llm.EventToolCall, Index: i, Name: "f"})
	}
	if len(e.tools) != maxTools || cap(e.tools) > 2*maxTools {
		t.Errorf("%d calls are remembered", len(e.tools))
	}
}

// data frames payloads as events without names.
func data(payloads ...string) []byte {
	var out []byte
	for _, p := range payloads {
		out = sse.AppendData(out, []byte(p))
	}
	return out
}

const (
	start = `{"type":"message_start","message":{"id":"m","model":"x","usage":{"input_tokens":3,"output_tokens":1}}}`
	stop  = `{"type":"message_stop"}`
	done  = `{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}`
)

func TestStreamDecodeOddities(t *testing.T) {
	block := func(s string) string { return `{"type":"content_block_start","index":0,"content_block":` + s + `}` }
	delta := func(s string) string { return `{"type":"content_block_delta","index":0,"delta":` + s + `}` }
	const end = `{"type":"content_block_stop","index":0}`
	usage := llm.Usage{Input: 3, Output: 5, Source: llm.UsageReported}
	full := func(a dialecttest.Answer) dialecttest.Answer {
		a.ID, a.Model, a.Starts, a.Finishes, a.Usage = "m", "x", 1, 1, usage
		if a.Finish == "" {
			a.Finish, a.Native = llm.FinishStop, "end_turn"
		}
		return a
	}
	cases := []struct {
		name   string
		stream []byte
		want   dialecttest.Answer
	}{
		{"start twice", data(start, start, block(`{"type":"text","text":"a"}`), end, done, stop), full(dialecttest.Answer{Text: "a"})},
		{"unknown events and blocks", data(start, `{"type":"news"}`, block(`{"type":"web_search_tool_result","content":[]}`), delta(`{"type":"text_delta","text":"hidden"}`), end,
			block(`{"type":"text","text":""}`), delta(`{"type":"citations_delta","citation":{}}`), delta(`{"type":"text_delta","text":"a"}`), end, done, stop), full(dialecttest.Answer{Text: "a"})},
		{"hosted tool", data(start, block(`{"type":"server_tool_use","id":"s","name":"n","input":{}}`), delta(`{"type":"input_json_delta","partial_json":"{}"}`), end, done, stop), full(dialecttest.Answer{})},
		{"call without pieces", data(start, block(`{"type":"tool_use","id":"1","name":"f","input":{}}`), delta(`{"type":"input_json_delta","partial_json":""}`), end, done, stop),
			full(dialecttest.Answer{Calls: []llm.ToolCall{{ID: "1", Name: "f", Arguments: "{}"}}})},
		{"call whole at its start", data(start, block(`{"type":"tool_use","id":"1","name":"f","input":{"a":1}}`), end, done, stop),
			full(dialecttest.Answer{Calls: []llm.ToolCall{{ID: "1", Name: "f", Arguments: `{"a":1}`}}})},
		{"call whole and in pieces", data(start, block(`{"type":"tool_use","id":"1","name":"f","input":{"a":1}}`), delta(`{"type":"input_json_delta","partial_json":"{\"a\":1}"}`), end, done, stop),
			full(dialecttest.Answer{Calls: []llm.ToolCall{{ID: "1", Name: "f", Arguments: `{"a":1}`}}})},
		{"block without its stop", data(start, block(`{"type":"tool_use","id":"1","name":"f"}`), block(`{"type":"tool_use","id":"2","name":"g"}`), done, stop),
			full(dialecttest.Answer{Calls: []llm.ToolCall{{ID: "1", Name: "f", Arguments: "{}"}, {ID: "2", Name: "g", Arguments: "{}"}}})},
		{"signature alone", data(start, block(`{"type":"thinking","thinking":"","signature":""}`), delta(`{"type":"signature_delta","signature":"s"}`), end, done, stop),
			full(dialecttest.Answer{Reasoning: []llm.Reasoning{{Signature: "s", Origin: llm.DialectAnthropic}}})},
		{"refusal", data(start, `{"type":"message_delta","delta":{"stop_reason":"refusal","stop_details":{"explanation":"no"}},"usage":{"output_tokens":5}}`, stop),
			full(dialecttest.Answer{Refusal: "no", Finish: llm.FinishContentFilter, Native: "refusal"})},
		{"usage by key", data(start, `{"type":"message_delta","delta":{"stop_reason":"max_tokens"},"usage":{"input_tokens":3,"output_tokens":4}}`, done, stop), full(dialecttest.Answer{})},
		{"what follows the end", data(start, done, stop, delta(`{"type":"text_delta","text":"x"}`), `nonsense`), full(dialecttest.Answer{})},
		{"DONE", data(start, done, stop, `[DONE]`), full(dialecttest.Answer{})},
		{"padded", []byte(": comment\n\ndata: " + start + "   \n\n" + string(data(done)) + "data: " + stop + "  \n\n"), full(dialecttest.Answer{})},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			events, err := dialecttest.Decode(codec.NewStreamDecoder(), c.stream)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, dialecttest.Collect(events)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStreamDecodeFails(t *testing.T) {
	text := `{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"a"}}`
	overloaded := "event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}}\n\n"
	cases := []struct {
		name, stream, message string
		kind                  llm.Kind
	}{
		{"empty", "", "broke off", llm.KindUpstreamError},
		{"cut", string(data(start, text)), "broke off", llm.KindUpstreamError},
		{"cut before message_stop", string(data(start, text, done)), "broke off", llm.KindUpstreamError},
		{"DONE instead of message_stop", string(data(start, text, "[DONE]")), "broke off", llm.KindUpstreamError},
		{"error", string(data(start)) + overloaded, "Overloaded", llm.KindUpstreamError},
		{"error without a type", string(data(start, `{"error":{"message":"bad"}}`)), "bad", llm.KindUpstreamError},
		{"error that is no JSON", "event: error\ndata: oops\n\n", "oops", llm.KindUpstreamError},
		{"rate limit", string(data(start, `{"type":"error","error":{"type":"rate_limit_error","message":"slow"}}`)), "slow", llm.KindUpstreamRateLimited},
		{"no JSON", string(data(start, `{"type":`)), "malformed", llm.KindUpstreamError},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := dialecttest.Decode(codec.NewStreamDecoder(), []byte(c.stream))
			e := llmError(t, err)
			if e.Kind != c.kind || !strings.Contains(e.Message, c.message) {
				t.Errorf("%v", e)
			}
		})
	}
}

// TestStreamMemory: a long stream leaves nothing behind in decoder, inspector
// and encoder.
func TestStreamMemory(t *testing.T) {
	d, i, e := codec.NewStreamDecoder(), codec.NewInspector(true), codec.NewStreamEncoder(dialect.StreamOptions{})
	ev := sse.Event{Data: []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"` + strings.Repeat("word ", 200) + `"}}`)}
	var events []llm.Event
	var out []byte
	feed := func(n int) {
		for range n {
			events, _ = d.Decode(events[:0], ev)
			for j := range events {
				out = e.Append(out[:0], &events[j])
			}
			_, _ = i.Inspect(ev)
		}
	}
	feed(10)
	before := heap()
	feed(20_000) // 20 MB of text
	if grown := int64(heap()) - int64(before); grown > 1<<20 {
		t.Errorf("%d bytes are kept", grown)
	}
	runtime.KeepAlive([]any{d, i, e})
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func FuzzStreamDecode(f *testing.F) {
	for name := range streams {
		seed, err := os.ReadFile("testdata/stream/" + name + ".sse")
		if err != nil {
			f.Fatal(err)
		}
		f.Add(seed)
	}
	f.Add([]byte("data: {}\n\ndata: [1]\n\nevent: error\ndata: x\n\n"))
	f.Fuzz(func(t *testing.T, in []byte) {
		want, wantErr := dialecttest.Decode(codec.NewStreamDecoder(), in)
		if wantErr != nil {
			llmError(t, wantErr)
			return
		}
		out := stream(want, nil)
		got, err := dialecttest.Decode(codec.NewStreamDecoder(), out)
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		a, b := dialecttest.Collect(want), dialecttest.Collect(got)
		if a.Text+a.Refusal != b.Text+b.Refusal || len(a.Calls) != len(b.Calls) || a.Finish != b.Finish {
			t.Errorf("%+v\nbecame %+v\n%s", a, b, out)
		}
	})
}

func BenchmarkStreamDecode(b *testing.B) {
	ev := sse.Event{Data: []byte(`{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":" a few words of text"}}`)}
	d := codec.NewStreamDecoder()
	var events []llm.Event
	b.ReportAllocs()
	for b.Loop() {
		var err error
		if events, err = d.Decode(events[:0], ev); err != nil || len(events) != 1 {
			b.Fatal(err, events)
		}
	}
}

func BenchmarkStreamEncode(b *testing.B) {
	ev := llm.Event{Kind: llm.EventText, Text: " a few words of text"}
	e := codec.NewStreamEncoder(dialect.StreamOptions{ID: "i", Model: "m"})
	var out []byte
	b.ReportAllocs()
	for b.Loop() {
		out = e.Append(out[:0], &ev)
	}
}
