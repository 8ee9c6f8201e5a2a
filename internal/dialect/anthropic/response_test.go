package anthropic

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const wholeAnswer = `{"id":"msg_1","type":"message","role":"assistant","model":"claude-x","content":[
{"type":"thinking","thinking":"hm","signature":"c2ln"},{"type":"redacted_thinking","data":"b3A="},
{"type":"text","text":"Let me see.","citations":null},{"type":"server_tool_use","id":"s","name":"web_search","input":{}},
{"type":"tool_use","id":"toolu_1","name":"f","input":{"a":[1, 2.50],"b":"<&>"}},{"type":"tool_use","id":"toolu_2","name":"g"}],
"stop_reason":"tool_use","stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":20,"cache_read_input_tokens":300,
"cache_creation":{"ephemeral_5m_input_tokens":15,"ephemeral_1h_input_tokens":5},"output_tokens":40,"output_tokens_details":{"thinking_tokens":30},"service_tier":"standard"}}`

func TestDecodeResponse(t *testing.T) {
	got, err := codec.DecodeResponse(llm.OpChat, []byte(wholeAnswer))
	if err != nil {
		t.Fatal(err)
	}
	want := &llm.Response{
		ID: "msg_1", Model: "claude-x", Finish: llm.FinishToolCalls, NativeFinish: "tool_use", ServiceTier: "standard",
		Parts: []llm.Part{
			thinking(llm.Reasoning{Text: "hm", Signature: "c2ln", Origin: llm.DialectAnthropic}),
			thinking(llm.Reasoning{Redacted: "b3A=", Origin: llm.DialectAnthropic}),
			{Type: llm.PartText, Text: "Let me see."},
			call("toolu_1", "f", `{"a":[1, 2.50],"b":"<&>"}`), call("toolu_2", "g", "{}"),
		},
		Usage: llm.Usage{Input: 330, CachedInput: 300, CacheWrite: 20, CacheWrite1h: 5, Output: 40, Reasoning: 30, Source: llm.UsageReported},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func answer(members string) string {
	return `{"id":"m","type":"message","content":[],` + members + `}`
}

func TestDecodeResponseOddities(t *testing.T) {
	cases := []struct {
		name, body string
		want       llm.Response
	}{
		{"empty", answer(`"stop_reason":"end_turn"`), llm.Response{Finish: llm.FinishStop, NativeFinish: "end_turn"}},
		{"stop sequence", answer(`"stop_reason":"stop_sequence","stop_sequence":"END"`),
			llm.Response{Finish: llm.FinishStop, NativeFinish: "stop_sequence", StopSequence: "END"}},
		{"length", answer(`"stop_reason":"max_tokens"`), llm.Response{Finish: llm.FinishLength, NativeFinish: "max_tokens"}},
		{"window", answer(`"stop_reason":"model_context_window_exceeded"`), llm.Response{Finish: llm.FinishLength, NativeFinish: "model_context_window_exceeded"}},
		{"unknown reason", answer(`"stop_reason":"bored"`), llm.Response{Finish: llm.FinishStop, NativeFinish: "bored"}},
		{"refusal", answer(`"stop_reason":"refusal","stop_details":{"type":"refusal","explanation":"no"}`),
			llm.Response{Finish: llm.FinishContentFilter, NativeFinish: "refusal", Parts: []llm.Part{{Type: llm.PartRefusal, Text: "no"}}}},
		{"usage without cache", answer(`"stop_reason":"end_turn","usage":{"input_tokens":3,"output_tokens":4}`),
			llm.Response{Finish: llm.FinishStop, NativeFinish: "end_turn", Usage: llm.Usage{Input: 3, Output: 4, Source: llm.UsageReported}}},
		{"usage with lifetimes alone", answer(`"stop_reason":"end_turn","usage":{"input_tokens":3,"cache_creation":{"ephemeral_1h_input_tokens":7},"output_tokens":4}`),
			llm.Response{Finish: llm.FinishStop, NativeFinish: "end_turn", Usage: llm.Usage{Input: 10, CacheWrite: 7, CacheWrite1h: 7, Output: 4, Source: llm.UsageReported}}},
		{"usage of odd types", answer(`"stop_reason":"end_turn","usage":{"input_tokens":"3","cache_read_input_tokens":null,"output_tokens":-4}`),
			llm.Response{Finish: llm.FinishStop, NativeFinish: "end_turn", Usage: llm.Usage{Input: 3, Source: llm.UsageReported}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := codec.DecodeResponse(llm.OpChat, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			c.want.ID = "m"
			if diff := cmp.Diff(&c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeResponseFails(t *testing.T) {
	for _, body := range []string{"", "<html>", "[]", `{"id":"m"}`, `{"content":"text"}`, `{"content":[`} {
		if _, err := codec.DecodeResponse(llm.OpChat, []byte(body)); llmError(t, err).Kind != llm.KindUpstreamError {
			t.Errorf("%q: %v", body, err)
		}
	}
	_, err := codec.DecodeResponse(llm.OpChat, []byte(`{"type":"error","error":{"type":"rate_limit_error","message":"slow down"}}`))
	if e := llmError(t, err); e.Kind != llm.KindUpstreamRateLimited || e.Message != "slow down" {
		t.Errorf("an error in disguise: %v", e)
	}
	if _, err := codec.DecodeResponse(llm.OpCountTokens, []byte(`{}`)); err == nil {
		t.Error("a count of nothing")
	}
}

func TestCountTokens(t *testing.T) {
	r, err := codec.DecodeResponse(llm.OpCountTokens, []byte(`{"input_tokens":2095}`))
	if err != nil || r.Usage != (llm.Usage{Input: 2095, Source: llm.UsageReported}) {
		t.Fatalf("%+v, %v", r, err)
	}
	out, err := codec.AppendResponse(nil, llm.OpCountTokens, r, nil)
	if err != nil || string(out) != `{"input_tokens":2095}` {
		t.Errorf("%s, %v", out, err)
	}
	u, _, err := codec.Inspect(llm.OpCountTokens, []byte(`{"input_tokens":2095}`))
	if err != nil || u != r.Usage {
		t.Errorf("%+v, %v", u, err)
	}
}

// TestResponseRoundTrip: what is written for a client reads back as it was.
func TestResponseRoundTrip(t *testing.T) {
	first, err := codec.DecodeResponse(llm.OpChat, []byte(wholeAnswer))
	if err != nil {
		t.Fatal(err)
	}
	out, err := codec.AppendResponse([]byte("x"), llm.OpChat, first, &dialect.Facts{RequestID: "r"})
	if err != nil || out[0] != 'x' || !json.Valid(out[1:]) {
		t.Fatalf("%s, %v", out, err)
	}
	second, err := codec.DecodeResponse(llm.OpChat, out[1:])
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
}

func TestEncodeResponse(t *testing.T) {
	const tail = `"stop_sequence":null,"usage":{"input_tokens":0,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens":0}}`
	head := func(content, stop string) string {
		return `{"id":"i","type":"message","role":"assistant","model":"m","content":[` + content + `],"stop_reason":"` + stop + `",` + tail
	}
	cases := []struct {
		name, want string
		r          llm.Response
	}{
		{"empty", head("", "end_turn"), llm.Response{Finish: llm.FinishStop, NativeFinish: "stop"}},
		{"empty text", head("", "end_turn"), llm.Response{Parts: []llm.Part{{Type: llm.PartText}}}},
		{"length", head(`{"type":"text","text":"a"}`, "max_tokens"), llm.Response{Finish: llm.FinishLength, NativeFinish: "MAX_TOKENS", Parts: []llm.Part{{Type: llm.PartText, Text: "a"}}}},
		{"filter", head(`{"type":"text","text":"no"}`, "refusal"), llm.Response{Finish: llm.FinishContentFilter, Parts: []llm.Part{{Type: llm.PartRefusal, Text: "no"}}}},
		{"native word", head("", "pause_turn"), llm.Response{Finish: llm.FinishStop, NativeFinish: "pause_turn"}},
		{"native word of another meaning", head("", "end_turn"), llm.Response{Finish: llm.FinishStop, NativeFinish: "max_tokens"}},
		{"call without id", head(`{"type":"tool_use","id":"toolu_0","name":"f","input":{}}`, "tool_use"), llm.Response{Finish: llm.FinishToolCalls, Parts: []llm.Part{call("", "f", "")}}},
		{"call of no object", head(`{"type":"tool_use","id":"1","name":"f","input":{"_raw":"[\"x\""}}`, "tool_use"),
			llm.Response{Finish: llm.FinishToolCalls, Parts: []llm.Part{call("1", "f", `["x"`)}}},
		{"unsigned thinking", head(`{"type":"thinking","thinking":"t","signature":""}`, "end_turn"), llm.Response{Parts: []llm.Part{thinking(llm.Reasoning{Text: "t"})}}},
		{"state of Gemini", head(`{"type":"thinking","thinking":"t","signature":"gw1:gemini:QQ=="},{"type":"thinking","thinking":"","signature":"gw1:gemini:tool:Qg==:1"},{"type":"tool_use","id":"1","name":"f","input":{}}`, "tool_use"),
			llm.Response{Finish: llm.FinishToolCalls, Parts: []llm.Part{thinking(llm.Reasoning{Text: "t", Signature: "QQ==", Origin: llm.DialectGemini}),
				{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "1", Name: "f", Signature: "Qg=="}}}}},
		{"state of OpenAI", head(`{"type":"thinking","thinking":"t","signature":"gw1:responses:id:rs_1:RR=="},{"type":"redacted_thinking","data":"gw1:responses:SS=="}`, "end_turn"),
			llm.Response{Parts: []llm.Part{thinking(llm.Reasoning{Text: "t", ID: "rs_1", Signature: "RR==", Origin: llm.DialectResponses}),
				thinking(llm.Reasoning{Redacted: "SS==", Origin: llm.DialectResponses})}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.r.ID, c.r.Model = "i", "m"
			got, err := codec.AppendResponse(nil, llm.OpChat, &c.r, nil)
			if err != nil || string(got) != c.want {
				t.Errorf("%v\ngot  %s\nwant %s", err, got, c.want)
			}
		})
	}
	tiers := map[string]string{"": "", "default": "standard", "auto": "standard", "standard": "standard", "priority": "priority"}
	for tier, want := range tiers {
		got, err := codec.AppendResponse(nil, llm.OpChat, &llm.Response{ServiceTier: tier}, nil)
		if err != nil || strings.Contains(string(got), "service_tier") != (want != "") || !strings.Contains(string(got), want) {
			t.Errorf("tier %s: %s, %v", tier, got, err)
		}
	}
	got, err := codec.AppendResponse(nil, llm.OpChat, &llm.Response{}, &dialect.Facts{RequestID: "r1"})
	if err != nil || !strings.HasPrefix(string(got), `{"id":"msg_r1"`) {
		t.Errorf("no id of its own: %s", got)
	}
	if _, err := codec.AppendResponse(nil, llm.OpEmbed, &llm.Response{}, nil); err == nil {
		t.Error("embeddings are encoded")
	}
}

// TestStateComesBack: what an Anthropic client sends back on the next turn is
// the state that the other provider gave.
func TestStateComesBack(t *testing.T) {
	answer := llm.Response{ID: "i", Model: "m", Finish: llm.FinishToolCalls, Parts: []llm.Part{
		thinking(llm.Reasoning{Text: "t", Signature: "QQ==", Origin: llm.DialectGemini}),
		thinking(llm.Reasoning{Text: "u", ID: "rs_1", Signature: "RR==", Origin: llm.DialectResponses}),
		thinking(llm.Reasoning{Redacted: "SS==", ID: "rs_2", Origin: llm.DialectResponses}),
		thinking(llm.Reasoning{Text: "own", Signature: "TT==", Origin: llm.DialectAnthropic}),
		thinking(llm.Reasoning{Text: "none"}),
		{Type: llm.PartText, Text: "x"},
		{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "a:1", Name: "f", Arguments: "{}", Signature: "UU=="}},
		{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: "2", Name: "g", Arguments: "{}"}},
	}}
	out, err := codec.AppendResponse(nil, llm.OpChat, &answer, nil)
	if err != nil {
		t.Fatal(err)
	}
	var msg struct {
		Content json.RawMessage `json:"content"`
	}
	if err := json.Unmarshal(out, &msg); err != nil {
		t.Fatal(err)
	}
	r := decode(t, `{"model":"m","max_tokens":1,"messages":[{"role":"assistant","content":`+string(msg.Content)+`}]}`)
	if diff := cmp.Diff(answer.Parts, r.Messages[0].Parts); diff != "" {
		t.Error(diff)
	}
}
