package dashscope

import (
	"errors"
	"fmt"
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
var streams = map[string]struct {
	model  string
	events []llm.Event
}{
	"text": {"qwen-plus", []llm.Event{
		{Kind: llm.EventStart, ID: "r-1"},
		{Kind: llm.EventText, Text: "Hel"}, {Kind: llm.EventText, Text: "lo <\"\n\u2028é漢"},
		usageEvent(llm.Usage{Input: 12, CachedInput: 3, Output: 7, Source: llm.UsageReported}),
		{Kind: llm.EventFinish, Finish: llm.FinishStop, Native: "stop"},
	}},
	"tools": {"qwen-plus", []llm.Event{
		{Kind: llm.EventStart, ID: "r-1"},
		{Kind: llm.EventReasoning, Text: "let"}, {Kind: llm.EventReasoning, Text: " me"},
		{Kind: llm.EventText, Text: "Looking."},
		{Kind: llm.EventToolCall, ID: "call_1", Name: "f"}, {Kind: llm.EventToolCall, Text: `{"a":`}, {Kind: llm.EventToolCall, Text: `1}`},
		{Kind: llm.EventToolCall, Index: 1, ID: "call_2", Name: "g", Text: `{}`},
		usageEvent(llm.Usage{Input: 5, CacheWrite: 4, Output: 90, Reasoning: 40, Source: llm.UsageReported}),
		{Kind: llm.EventFinish, Finish: llm.FinishToolCalls, Native: "tool_calls"},
	}},
	"parts": {"qwen3-vl-plus", []llm.Event{
		{Kind: llm.EventStart, ID: "r-1"},
		{Kind: llm.EventReasoning, Text: "a picture"},
		{Kind: llm.EventText, Text: "A dog"},
		usageEvent(llm.Usage{Input: 5, Output: 2, Source: llm.UsageReported}),
		{Kind: llm.EventFinish, Finish: llm.FinishLength, Native: "length"},
	}},
	"nothing": {"qwen-plus", []llm.Event{
		{Kind: llm.EventStart, ID: "r-1"},
		usageEvent(llm.Usage{Input: 5, Source: llm.UsageReported}),
		{Kind: llm.EventFinish, Finish: llm.FinishStop, Native: "stop"},
	}},
}

// stream writes events for a client.
func stream(model string, events []llm.Event, f *dialect.Facts) []byte {
	e := codec.NewStreamEncoder(dialect.StreamOptions{Model: model, ID: "own"})
	var out []byte
	for i := range events {
		out = e.Append(out, &events[i])
	}
	return e.AppendEnd(out, f)
}

func TestStreamGolden(t *testing.T) {
	for name, s := range streams {
		t.Run(name, func(t *testing.T) {
			out := stream(s.model, s.events, nil)
			dialecttest.Golden(t, "stream/"+name+".sse", out)
			got, err := dialecttest.Decode(codec.NewStreamDecoder(), out)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(s.events, got); diff != "" {
				t.Errorf("it reads back as (-want +got):\n%s", diff)
			}
			dialecttest.Splits(t, codec.NewStreamDecoder, out)
		})
	}
}

func TestStreamEncode(t *testing.T) {
	for _, tc := range []struct {
		name   string
		model  string
		events []llm.Event
		facts  *dialect.Facts
		want   []string // in this order
		not    []string
	}{
		{name: "nothing at all", facts: &dialect.Facts{Usage: llm.Usage{Input: 4, Output: 2, Source: llm.UsageEstimated}},
			want: []string{"id:1\nevent:result\n:HTTP_STATUS/200\ndata:{", `"content":""`, `"finish_reason":"stop"`, `"total_tokens":6`, `"request_id":"own"`}},
		{name: "no usage", events: []llm.Event{{Kind: llm.EventText, Text: "a"}}, want: []string{`"finish_reason":"null"`, "id:2\n"}, not: []string{"usage"}},
		{name: "usage while it goes on", events: []llm.Event{usageEvent(llm.Usage{Input: 1, Source: llm.UsageReported}), {Kind: llm.EventText, Text: "a"}},
			want: []string{`"content":"a"`, `"input_tokens":1`, "id:2\n", `"input_tokens":1`}},
		{name: "signature", events: []llm.Event{{Kind: llm.EventReasoning, Signature: "s"}, {Kind: llm.EventPing}}, want: []string{"id:1\n"}, not: []string{"id:2\n"}},
		{name: "refusal", events: []llm.Event{{Kind: llm.EventRefusal, Text: "no"}, {Kind: llm.EventFinish, Finish: llm.FinishContentFilter}},
			want: []string{`"content":"no"`, `"finish_reason":"stop"`}},
		{name: "model of the start", model: "qwen-plus", events: []llm.Event{{Kind: llm.EventStart, Model: "qwen-vl-max"}, {Kind: llm.EventText, Text: "a"}},
			want: []string{`"content":[{"text":"a"}]`, `"content":[]`}},
		{name: "pieces of a call", events: []llm.Event{{Kind: llm.EventToolCall, ID: "c", Name: "f", Text: "{"}, {Kind: llm.EventToolCall, Text: "}"}},
			want: []string{`"index":0,"id":"c","type":"function","function":{"name":"f","arguments":"{"}`, `"index":0,"id":"","type":"function","function":{"arguments":"}"}`}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			out := string(stream(tc.model, tc.events, tc.facts))
			rest := out
			for _, w := range tc.want {
				_, after, ok := strings.Cut(rest, w)
				if !ok {
					t.Fatalf("no %s (in order) in\n%s", w, out)
				}
				rest = after
			}
			for _, n := range tc.not {
				if strings.Contains(out, n) {
					t.Errorf("%s in\n%s", n, out)
				}
			}
		})
	}
}

// events frames payloads as DashScope does.
func events(payloads ...string) []byte {
	var b strings.Builder
	for i, p := range payloads {
		fmt.Fprintf(&b, "id:%d\nevent:result\n:HTTP_STATUS/200\ndata:%s\n\n", i+1, p)
	}
	return []byte(b.String())
}

func piece(message, finish string) string {
	return `{"output":{"choices":[{"message":` + message + `,"finish_reason":` + finish + `}]},"usage":{"input_tokens":3,"output_tokens":5},"request_id":"r"}`
}

func TestStreamDecodeOddities(t *testing.T) {
	stop := piece(`{"content":""}`, `"stop"`)
	usage := llm.Usage{Input: 3, Output: 5, Source: llm.UsageReported}
	full := func(a dialecttest.Answer) dialecttest.Answer {
		a.ID, a.Starts, a.Finishes, a.Usage = "r", 1, 1, usage
		if a.Finish == "" {
			a.Finish, a.Native = llm.FinishStop, "stop"
		}
		return a
	}
	call := func(s string) string { return piece(`{"content":"","tool_calls":[`+s+`]}`, `"null"`) }
	for _, tc := range []struct {
		name   string
		stream []byte
		want   dialecttest.Answer
	}{
		{"finish in the last piece", events(piece(`{"content":"a"}`, `"null"`), piece(`{"content":"b"}`, `"stop"`)), full(dialecttest.Answer{Text: "ab"})},
		{"null as null", events(piece(`{"content":"a"}`, `null`), stop), full(dialecttest.Answer{Text: "a"})},
		{"the text form", events(`{"output":{"finish_reason":"null","text":"a"},"request_id":"r"}`,
			`{"output":{"finish_reason":"stop","text":"b"},"usage":{"input_tokens":3,"output_tokens":5},"request_id":"r"}`), full(dialecttest.Answer{Text: "ab"})},
		{"text null beside choices", events(`{"output":{"text":null,"choices":[{"message":{"content":"a"},"finish_reason":"null"}]},"request_id":"r"}`, stop), full(dialecttest.Answer{Text: "a"})},
		{"array of parts", events(piece(`{"content":[{"text":"a"},{"text":"b"}]}`, `"null"`), piece(`{"content":[]}`, `"stop"`)), full(dialecttest.Answer{Text: "ab"})},
		{"thinking, then text", events(piece(`{"content":"","reasoning_content":"t"}`, `"null"`), piece(`{"content":"a","reasoning_content":""}`, `"null"`), stop),
			full(dialecttest.Answer{Text: "a", Reasoning: []llm.Reasoning{{Text: "t"}}})},
		{"calls in pieces", events(call(`{"index":0,"id":"1","type":"function","function":{"name":"f","arguments":"{\"a\""}}`),
			call(`{"index":0,"id":"","type":"function","function":{"arguments":":1}"}}`), call(`{"index":0,"id":"","function":{"name":""}}`),
			call(`{"index":1,"id":"2","function":{"name":"g","arguments":""}}`), piece(`{}`, `"tool_calls"`)),
			full(dialecttest.Answer{Calls: []llm.ToolCall{{ID: "1", Name: "f", Arguments: `{"a":1}`}, {ID: "2", Name: "g"}}, Finish: llm.FinishToolCalls, Native: "tool_calls"})},
		{"calls that end in stop", events(call(`{"index":0,"id":"1","function":{"name":"f","arguments":"{}"}}`), stop),
			full(dialecttest.Answer{Calls: []llm.ToolCall{{ID: "1", Name: "f", Arguments: "{}"}}, Finish: llm.FinishToolCalls, Native: "stop"})},
		{"a used index, another id", events(call(`{"index":0,"id":"1","function":{"name":"f","arguments":"{}"}},{"index":0,"id":"2","function":{"name":"g","arguments":"{}"}}`), stop),
			full(dialecttest.Answer{Calls: []llm.ToolCall{{ID: "1", Name: "f", Arguments: "{}"}, {ID: "2", Name: "g", Arguments: "{}"}}, Finish: llm.FinishToolCalls, Native: "stop"})},
		{"arguments as an object", events(call(`{"index":0,"id":"1","function":{"name":"f","arguments":{"a":1}}}`), stop),
			full(dialecttest.Answer{Calls: []llm.ToolCall{{ID: "1", Name: "f", Arguments: `{"a":1}`}}, Finish: llm.FinishToolCalls, Native: "stop"})},
		{"cut for length", events(piece(`{"content":"a"}`, `"length"`)), full(dialecttest.Answer{Text: "a", Finish: llm.FinishLength, Native: "length"})},
		{"a word of the future", events(piece(`{"content":"a"}`, `"tired"`)), full(dialecttest.Answer{Text: "a", Native: "tired", Finish: llm.FinishStop})},
		{"comments between", []byte(": keep-alive\n\n" + string(events(piece(`{"content":"a"}`, `"null"`))) + ":\n\n" + string(events(stop))), full(dialecttest.Answer{Text: "a"})},
		{"an empty code", events(`{"code":"","message":"",` + stop[1:]), full(dialecttest.Answer{})},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := dialecttest.Decode(codec.NewStreamDecoder(), tc.stream)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tc.want, dialecttest.Collect(got)); diff != "" {
				t.Error(diff)
			}
			dialecttest.Splits(t, codec.NewStreamDecoder, tc.stream)
		})
	}
}

func TestStreamCallWithoutID(t *testing.T) {
	got, err := dialecttest.Decode(codec.NewStreamDecoder(), events(
		piece(`{"tool_calls":[{"index":0,"id":"","function":{"name":"f","arguments":"{"}}]}`, `"null"`),
		piece(`{"tool_calls":[{"index":0,"id":"","function":{"arguments":"}"}}]}`, `"tool_calls"`)))
	if err != nil {
		t.Fatal(err)
	}
	a := dialecttest.Collect(got)
	if len(a.Calls) != 1 || !strings.HasPrefix(a.Calls[0].ID, "call_") || a.Calls[0].Arguments != "{}" {
		t.Errorf("%+v", a.Calls)
	}
}

func TestStreamManyCalls(t *testing.T) {
	d := &streamDecoder{}
	var got []llm.Event
	for i := range 3 * maxCalls {
		got = d.call(got[:0], wireCall{index: int64(i), id: fmt.Sprint(i), name: "f"})
		if len(got) != 1 || got[0].Index != i {
			t.Fatalf("%+v", got)
		}
	}
	if len(d.calls) != maxCalls || cap(d.calls) > 2*maxCalls {
		t.Errorf("%d calls are remembered", len(d.calls))
	}
}

func TestStreamFails(t *testing.T) {
	some := string(events(piece(`{"content":"a"}`, `"null"`)))
	for _, tc := range []struct {
		name, stream string
		kind         llm.Kind
		status       int
	}{
		{"nothing", "", llm.KindUpstreamError, 0},
		{"comments", ": a\n\n", llm.KindUpstreamError, 0},
		{"cut", some, llm.KindUpstreamError, 0},
		{"no JSON", "data:nonsense\n\n", llm.KindUpstreamError, 0},
		{"error event", some + "id:1\nevent:error\n:HTTP_STATUS/400\ndata:{\"code\":\"InvalidParameter\",\"message\":\"m\",\"request_id\":\"r\"}\n\n", llm.KindInvalidRequest, 400},
		{"error event first", "event:error\r\n:HTTP_STATUS/429\r\ndata:{\"code\":\"Throttling\",\"message\":\"m\"}\r\n\r\n", llm.KindUpstreamRateLimited, 429},
		{"status as a field", "status:503\nevent:error\ndata:{\"code\":\"Unheard\",\"message\":\"m\"}\n\n", llm.KindUpstreamError, 503},
		{"status alone decides", "event:error\nstatus: 401\ndata:{\"code\":\"Unheard\",\"message\":\"m\"}\n\n", llm.KindUpstreamAuth, 401},
		{"a code in a result", "event:result\n:HTTP_STATUS/200\ndata:{\"code\":\"InternalError\",\"message\":\"m\"}\n\n", llm.KindUpstreamError, 0},
		{"an error event that is no JSON", "event:error\n:HTTP_STATUS/500\ndata:oops\n\n", llm.KindUpstreamError, 500},
		{"no status", "event:error\n:HTTP_STATUS/x\ndata:{\"code\":\"RequestTimeOut\",\"message\":\"m\"}\n\n", llm.KindTimeout, 0},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := dialecttest.Decode(codec.NewStreamDecoder(), []byte(tc.stream))
			if err == nil {
				t.Fatalf("taken for whole: %+v", got)
			}
			if e := llmError(t, err); e.Kind != tc.kind || e.Status != tc.status {
				t.Errorf("%s, status %d: %v", e.Kind, e.Status, e)
			}
		})
	}
}

func TestStatusOf(t *testing.T) {
	for raw, want := range map[string]int{
		"":                                  0,
		":HTTP_STATUS/200\n":                0,
		"id:1\r:HTTP_STATUS/404\rdata:x\r":  404,
		"status:599":                        599,
		"status:600\n":                      0,
		":HTTP_STATUS/40000000000000000000": 0,
		"data: status:404\n":                0,
	} {
		if got := statusOf([]byte(raw)); got != want {
			t.Errorf("%q: %d", raw, got)
		}
	}
}

// TestStreamErrorReadsBack: what AppendStreamError writes is read as an error
// of the same kind.
func TestStreamErrorReadsBack(t *testing.T) {
	out := codec.AppendStreamError(events(piece(`{"content":"a"}`, `"null"`)), &llm.Error{Kind: llm.KindOverloaded, Message: "full"}, &dialect.Facts{RequestID: "r"})
	_, err := dialecttest.Decode(codec.NewStreamDecoder(), out)
	var e *llm.Error
	if !errors.As(err, &e) || e.Kind != llm.KindUpstreamError || e.Status != 503 || e.Message != "full" {
		t.Errorf("%v", err)
	}
}

func TestPing(t *testing.T) {
	got, err := codec.NewStreamDecoder().Decode(nil, sse.Event{Name: []byte("result")})
	if err != nil || len(got) != 1 || got[0].Kind != llm.EventPing {
		t.Errorf("%+v, %v", got, err)
	}
}
