package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/dialecttest"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

func text(role llm.Role, s string) llm.Message {
	return llm.Message{Role: role, Parts: []llm.Part{{Type: llm.PartText, Text: s}}}
}

func TestDecodeRequest(t *testing.T) {
	n, f, no := int64(64), 0.5, false
	cases := []struct {
		name, body string
		want       llm.Request
	}{
		{"a prompt", `{"prompt":"hi"}`, llm.Request{Messages: []llm.Message{text(llm.RoleUser, "hi")}}},
		{"a prompt with a system", `{"system":"be brief","prompt":"hi","messages":null}`,
			llm.Request{Messages: []llm.Message{text(llm.RoleSystem, "be brief"), text(llm.RoleUser, "hi")}}},
		{"messages with a system", `{"messages":[{"role":"user","content":"hi"}],"system":"s","prompt":null}`,
			llm.Request{Messages: []llm.Message{text(llm.RoleSystem, "s"), text(llm.RoleUser, "hi")}}},
		{"every member", `{"model":"chat","prompt":"hi","max_tokens":64,"temperature":0.5,"top_p":0.5,"stop":"x","seed":64,"presence_penalty":0.5,"frequency_penalty":0.5,
			"tools":[{"type":"function","function":{"name":"f"}}],"tool_choice":"required","parallel_tool_calls":false,"response_format":{"type":"json_object"},
			"reasoning_effort":"low","stream":true,"metadata":{"team":"a"},"timeout_ms":1500}`,
			llm.Request{Model: "chat", Messages: []llm.Message{text(llm.RoleUser, "hi")}, MaxTokens: &n, Temperature: &f, TopP: &f, Stop: []string{"x"}, Seed: &n,
				PresencePenalty: &f, FrequencyPenalty: &f, Tools: []llm.Tool{{Name: "f"}}, ToolChoice: &llm.ToolChoice{Mode: llm.ToolRequired},
				ParallelToolCalls: &no, ResponseFormat: &llm.ResponseFormat{Type: llm.FormatJSONObject}, Reasoning: &llm.ReasoningOptions{Effort: "low"},
				Stream: true, Tags: map[string]string{"team": "a"}, Timeout: 1500 * time.Millisecond}},
		{"an image and a tool turn", `{"messages":[{"role":"user","name":"ada","content":[{"type":"text","text":"look"},{"type":"image_url","image_url":{"url":"https://a.example/b.png"}}]},
			{"role":"assistant","content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c","content":"ok"}]}`,
			llm.Request{Messages: []llm.Message{
				{Role: llm.RoleUser, Name: "ada", Parts: []llm.Part{{Type: llm.PartText, Text: "look"}, {Type: llm.PartImage, Media: &llm.Media{URL: "https://a.example/b.png"}}}},
				{Role: llm.RoleAssistant, Parts: []llm.Part{{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "c", Name: "f", Arguments: "{}"}}}},
				{Role: llm.RoleTool, Parts: []llm.Part{{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: "c", Parts: []llm.Part{{Type: llm.PartText, Text: "ok"}}}}}}}}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			got, err := Codec{}.DecodeRequest(llm.OpChat, []byte(tc.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&tc.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeRequestRefuses(t *testing.T) {
	const user = `"messages":[{"role":"user","content":"x"}]`
	cases := []struct {
		body  string
		kind  llm.Kind
		param string
	}{
		{``, llm.KindInvalidRequest, ""},
		{`{"prompt":"a"`, llm.KindInvalidRequest, ""},
		{`{}`, llm.KindInvalidRequest, "prompt"},
		{`{"prompt":"a",` + user + `}`, llm.KindInvalidRequest, "prompt"},
		{`{"prompt":""}`, llm.KindInvalidRequest, "prompt"},
		{`{"prompt":["a"]}`, llm.KindInvalidRequest, "prompt"},
		{`{"prompt":"a","promt":"b"}`, llm.KindInvalidRequest, "promt"},
		{`{"prompt":"a","n":2}`, llm.KindInvalidRequest, "n"},
		{`{"prompt":"a","max_completion_tokens":2}`, llm.KindInvalidRequest, "max_completion_tokens"},
		{`{"prompt":"a","stream_options":{}}`, llm.KindInvalidRequest, "stream_options"},
		{`{"prompt":"a","functions":[]}`, llm.KindInvalidRequest, "functions"},
		{`{"prompt":"a","system":1}`, llm.KindInvalidRequest, "system"},
		{`{"messages":[]}`, llm.KindInvalidRequest, "messages"},
		{`{"messages":[{"role":"user","content":"x","nmae":"y"}]}`, llm.KindInvalidRequest, "messages[0].nmae"},
		{`{"messages":[{"role":"user","content":[{"type":"text","text":"x","bold":true}]}]}`, llm.KindInvalidRequest, "messages[0].content[0].bold"},
		{`{"messages":[{"role":"robot","content":"x"}]}`, llm.KindInvalidRequest, "messages[0].role"},
		{`{"prompt":"a","tools":[{"type":"web_search"}]}`, llm.KindUnsupported, "tools[0].type"},
		{`{"prompt":"a","tools":[{"type":"function","function":{"name":"f","paramters":{}}}]}`, llm.KindInvalidRequest, "tools[0].function.paramters"},
		{`{"prompt":"a","tool_choice":"required"}`, llm.KindInvalidRequest, "tool_choice"},
		{`{"prompt":"a","temperature":3}`, llm.KindInvalidRequest, "temperature"},
		{`{"prompt":"a","max_tokens":0}`, llm.KindInvalidRequest, "max_tokens"},
		{`{"prompt":"a","timeout_ms":0}`, llm.KindInvalidRequest, "timeout_ms"},
		{`{"prompt":"a","timeout_ms":9223372036854775807}`, llm.KindInvalidRequest, "timeout_ms"},
		{`{"prompt":"a","timeout_ms":"5s"}`, llm.KindInvalidRequest, "timeout_ms"},
		{`{"prompt":"a","metadata":{"a":1}}`, llm.KindInvalidRequest, "metadata.a"},
		{`{"prompt":"a","metadata":{"a":"` + strings.Repeat("x", 513) + `"}}`, llm.KindInvalidRequest, "metadata"},
		{`{"prompt":"a","metadata":{` + strings.TrimSuffix(strings.Repeat(`"a":"",`, 3), ",") + `,"` + strings.Repeat("k", 65) + `":""}}`, llm.KindInvalidRequest, "metadata"},
	}
	for _, tc := range cases {
		_, err := Codec{}.DecodeRequest(llm.OpChat, []byte(tc.body))
		var e *llm.Error
		if !errors.As(err, &e) || e.Kind != tc.kind || e.Param != tc.param || !strings.Contains(e.Message, tc.param) {
			t.Errorf("%s\n got %v\nwant %s at %q", tc.body, err, tc.kind, tc.param)
		}
	}
}

var cost = llm.Money(42_500_000)

func facts() *dialect.Facts {
	return &dialect.Facts{RequestID: "r1", Status: 200, Provider: "openai", Model: "gpt-4o", Attempts: 1, Cache: "miss", Cost: &cost,
		Usage: llm.Usage{Input: 9, Output: 12, Source: llm.UsageReported}, Latency: 812 * time.Millisecond}
}

func whole() *llm.Response {
	return &llm.Response{ID: "chatcmpl-1", Model: "gpt-4o-2024-08-06", Finish: llm.FinishToolCalls,
		Usage: llm.Usage{Input: 9, CachedInput: 3, Output: 12, Reasoning: 2, Source: llm.UsageReported},
		Parts: []llm.Part{
			{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "I think", Signature: "s", Origin: llm.DialectAnthropic}},
			{Type: llm.PartText, Text: "Zürich \"q\"\n"},
			{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "call_1", Name: "f", Arguments: `{"a":1}`}},
		}}
}

func TestAppendResponse(t *testing.T) {
	got, err := Codec{}.AppendResponse(nil, llm.OpChat, whole(), facts())
	if err != nil {
		t.Fatal(err)
	}
	dialecttest.Golden(t, "answer.golden.json", got)

	// What does not apply is left out; text and cost are always there.
	got, err = Codec{}.AppendResponse(nil, llm.OpChat, &llm.Response{Model: "m", Finish: llm.FinishStop}, nil)
	const want = `{"code":200,"message":"success","request_id":"","data":{"id":"gen_","model":"m","text":"","finish_reason":"stop","cost":null,"latency_ms":0,"attempts":0}}`
	if err != nil || string(got) != want {
		t.Errorf("%v\n got %s\nwant %s", err, got, want)
	}
	got, _ = Codec{}.AppendResponse(nil, llm.OpChat, &llm.Response{Parts: []llm.Part{{Type: llm.PartRefusal, Text: "no"}}},
		&dialect.Facts{Usage: llm.Usage{Input: 1, Output: 2, Source: llm.UsageEstimated}})
	for _, part := range []string{`"text":"no"`, `"usage":{"input_tokens":1,"cached_input_tokens":0,"output_tokens":2,"reasoning_tokens":0,"total_tokens":3,"estimated":true}`} {
		if !strings.Contains(string(got), part) {
			t.Errorf("%s is not in %s", part, got)
		}
	}
}

func TestAppendError(t *testing.T) {
	f := &dialect.Facts{RequestID: "r1", Status: 429, Provider: "azure"}
	e := &llm.Error{Kind: llm.KindRateLimited, Message: `too "fast"`, RetryAfter: 1199*time.Millisecond + 1, Param: "model", Provider: "openai", Err: errors.New("hidden")}
	const want = `{"code":429,"message":"too \"fast\"","request_id":"r1","data":null,"error":{"kind":"rate_limited","retryable":true,"retry_after_ms":1200,"provider":"openai","param":"model"}}`
	if got := string((Codec{}).AppendError(nil, e, f)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := string((Codec{}).AppendStreamError([]byte("x"), e, f)); got != "xevent: error\ndata: "+want+"\n\n" {
		t.Errorf("got %s", got)
	}
	if got := string((Codec{}).AppendError(nil, llm.Errorf(llm.KindInternal, "internal error"), nil)); got !=
		`{"code":500,"message":"internal error","request_id":"","data":null,"error":{"kind":"internal","retryable":false}}` {
		t.Errorf("got %s", got)
	}
}

func TestRetryable(t *testing.T) {
	again := map[llm.Kind]bool{llm.KindRateLimited: true, llm.KindUpstreamRateLimited: true, llm.KindUpstreamError: true, llm.KindOverloaded: true, llm.KindTimeout: true}
	for k := range llm.KindCount {
		if got := retryable(&llm.Error{Kind: k}); got != again[k] {
			t.Errorf("%s: %v", k, got)
		}
		if retryable(&llm.Error{Kind: k, Permanent: true}) {
			t.Errorf("%s: a permanent failure passes by itself", k)
		}
	}
}

func events() []llm.Event {
	u := llm.Usage{Input: 9, CachedInput: 3, Output: 12, Reasoning: 2, Source: llm.UsageReported}
	return []llm.Event{
		{Kind: llm.EventStart, ID: "x", Model: "gpt-4o-2024-08-06"},
		{Kind: llm.EventPing},
		{Kind: llm.EventReasoning, Text: "I "},
		{Kind: llm.EventReasoning, Text: "think"},
		{Kind: llm.EventReasoning, Signature: "s", Origin: llm.DialectAnthropic},
		{Kind: llm.EventText, Text: "Zürich "},
		{Kind: llm.EventText, Text: ""},
		{Kind: llm.EventText, Text: "\"q\"\n"},
		{Kind: llm.EventToolCall, Index: 0, ID: "call_1", Name: "f"},
		{Kind: llm.EventToolCall, Index: 0, Text: `{"a":`},
		{Kind: llm.EventToolCall, Index: 7, Text: `out of order`},
		{Kind: llm.EventToolCall, Index: 0, Text: `1}`},
		{Kind: llm.EventUsage, Usage: &u},
		{Kind: llm.EventFinish, Finish: llm.FinishToolCalls},
	}
}

func encode(f *dialect.Facts) []byte {
	enc := Codec{}.NewStreamEncoder(dialect.StreamOptions{Model: "chat"})
	var out []byte
	for _, ev := range events() {
		out = enc.Append(out, &ev)
	}
	return enc.AppendEnd(out, f)
}

func TestStream(t *testing.T) {
	out := encode(facts())
	dialecttest.Golden(t, "stream.golden.sse", out)

	// The terminal event holds what a whole answer holds.
	rd := sse.NewReader(bytes.NewReader(out), sse.Options{})
	defer rd.Release()
	var names []string
	var last []byte
	for {
		ev, err := rd.Next()
		if err != nil {
			break
		}
		names = append(names, string(ev.Name))
		last = bytes.Clone(ev.Data)
	}
	want := []string{"reasoning", "reasoning", "delta", "delta", "tool_call", "tool_call", "tool_call", "done"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	body, err := Codec{}.AppendResponse(nil, llm.OpChat, whole(), facts())
	if err != nil {
		t.Fatal(err)
	}
	var envelope struct{ Data json.RawMessage }
	if err := json.Unmarshal(body, &envelope); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(envelope.Data), string(last)); diff != "" {
		t.Errorf("the done event differs from the answer:\n%s", diff)
	}
}

func TestStreamWithoutFacts(t *testing.T) {
	enc := Codec{}.NewStreamEncoder(dialect.StreamOptions{Model: "chat"})
	out := enc.Append(nil, &llm.Event{Kind: llm.EventRefusal, Text: "no"})
	out = enc.AppendEnd(out, nil)
	for _, part := range []string{"event: delta\ndata: {\"text\":\"no\"}\n\n", "event: done\n", `"text":"no"`, `"model":"chat"`, `"cost":null`} {
		if !bytes.Contains(out, []byte(part)) {
			t.Errorf("%q is not in %s", part, out)
		}
	}
}

func FuzzDecodeRequest(f *testing.F) {
	f.Add([]byte(`{"prompt":"a","system":"b","metadata":{"c":"d"},"timeout_ms":5,"tools":[{"type":"function","function":{"name":"f"}}]}`))
	f.Add([]byte(`{"messages":[{"role":"user","content":[{"type":"text","text":"x"}]}]}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		r, err := Codec{}.DecodeRequest(llm.OpChat, raw)
		var e *llm.Error
		switch {
		case err != nil && (!errors.As(err, &e) || e.Message == ""):
			t.Fatalf("%q: %v", raw, err)
		case err == nil && (len(r.Messages) == 0 || r.Timeout < 0 || len(r.Extra) > 0):
			t.Fatalf("%q: %+v", raw, r)
		}
	})
}

func FuzzAppendResponse(f *testing.F) {
	f.Add("text", "reasoning", `{"a":1}`, "\xff\u2028")
	f.Fuzz(func(t *testing.T, said, thought, args, id string) {
		r := &llm.Response{Model: id, Finish: llm.FinishStop, Parts: []llm.Part{{Type: llm.PartText, Text: said},
			{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: thought}}, {Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: id, Name: said, Arguments: args}}}}
		got, err := Codec{}.AppendResponse(nil, llm.OpChat, r, &dialect.Facts{RequestID: id, Provider: said, Cache: args})
		if err != nil || !json.Valid(got) || !json.Valid((Codec{}).AppendError(nil, &llm.Error{Message: said, Param: id}, nil)) {
			t.Fatalf("%v: %s", err, got)
		}
	})
}

func BenchmarkStream(b *testing.B) {
	enc := Codec{}.NewStreamEncoder(dialect.StreamOptions{Model: "chat"})
	ev := llm.Event{Kind: llm.EventText, Text: "word"}
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf = enc.Append(buf[:0], &ev)
	}
}

func BenchmarkAppendResponse(b *testing.B) {
	r, f := whole(), facts()
	var buf []byte
	b.ReportAllocs()
	for b.Loop() {
		buf, _ = Codec{}.AppendResponse(buf[:0], llm.OpChat, r, f)
	}
}
