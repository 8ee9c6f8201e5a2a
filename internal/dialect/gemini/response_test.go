package gemini

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const wholeAnswer = `{"candidates":[{"content":{"role":"model","parts":[{"text":"plan","thought":true},{"text":"so","thoughtSignature":"B="},
{"functionCall":{"name":"f","args":{"a":[1, 2.50],"b":"<&>"}},"thoughtSignature":"C="},{"functionCall":{"name":"g","id":"own"}},{"executableCode":{"code":"x"}}]},"finishReason":"STOP"}],
"usageMetadata":{"promptTokenCount":29,"cachedContentTokenCount":20,"candidatesTokenCount":10,"thoughtsTokenCount":202,"toolUsePromptTokenCount":3,"totalTokenCount":244},
"modelVersion":"gemini-3-pro","responseId":"r-1","createTime":"2026-04-02T17:03:50.399550Z"}`

func TestDecodeResponse(t *testing.T) {
	got, err := codec.DecodeResponse(llm.OpChat, []byte(wholeAnswer))
	if err != nil {
		t.Fatal(err)
	}
	want := &llm.Response{
		ID: "r-1", Model: "gemini-3-pro", Created: 1775149430, Finish: llm.FinishToolCalls, NativeFinish: "STOP",
		Parts: []llm.Part{thinking("plan", ""), {Type: llm.PartText, Text: "so"}, thinking("", "B="),
			call("call_gm_r-1_0", "f", `{"a":[1, 2.50],"b":"<&>"}`, "C="), call("own", "g", "{}", "")},
		Usage: llm.Usage{Input: 32, CachedInput: 20, Output: 212, Reasoning: 202, Source: llm.UsageReported},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestDecodeResponseOddities(t *testing.T) {
	candidate := func(s string) string { return `{"candidates":[{` + s + `}]}` }
	cases := []struct {
		name, body string
		want       llm.Response
	}{
		{"no parts", candidate(`"content":{"role":"model"},"finishReason":"MAX_TOKENS"`), llm.Response{Finish: llm.FinishLength, NativeFinish: "MAX_TOKENS"}},
		{"no content", candidate(`"finishReason":"SAFETY"`), llm.Response{Finish: llm.FinishContentFilter, NativeFinish: "SAFETY"}},
		{"unknown reason", candidate(`"finishReason":"NEW"`), llm.Response{Finish: llm.FinishStop, NativeFinish: "NEW"}},
		{"broken after words", candidate(`"content":{"parts":[{"text":"a"}]},"finishReason":"MALFORMED_FUNCTION_CALL"`),
			llm.Response{Finish: llm.FinishStop, NativeFinish: "MALFORMED_FUNCTION_CALL", Parts: []llm.Part{{Type: llm.PartText, Text: "a"}}}},
		{"candidates by index", `{"candidates":[{"index":1,"content":{"parts":[{"text":"b"}]}},{"index":0,"content":{"parts":[{"text":"a"}]},"finishReason":"STOP"}]}`,
			llm.Response{Finish: llm.FinishStop, NativeFinish: "STOP", Parts: []llm.Part{{Type: llm.PartText, Text: "a"}}}},
		{"blocked", `{"promptFeedback":{"blockReason":"SAFETY","blockReasonMessage":"no"},"usageMetadata":{"promptTokenCount":4,"totalTokenCount":4}}`,
			llm.Response{Finish: llm.FinishContentFilter, NativeFinish: "SAFETY", Parts: []llm.Part{{Type: llm.PartRefusal, Text: "no"}}, Usage: llm.Usage{Input: 4, Source: llm.UsageReported}}},
		{"usage as strings", candidate(`"finishReason":"STOP"`)[:len(candidate(`"finishReason":"STOP"`))-1] + `,"usageMetadata":{"promptTokenCount":"4","candidatesTokenCount":5,"totalTokenCount":"9"}}`,
			llm.Response{Finish: llm.FinishStop, NativeFinish: "STOP", Usage: llm.Usage{Input: 4, Output: 5, Source: llm.UsageReported}}},
		{"usage with the thoughts inside", candidate(`"finishReason":"STOP"`)[:len(candidate(`"finishReason":"STOP"`))-1] + `,"usageMetadata":{"promptTokenCount":4,"candidatesTokenCount":5,"thoughtsTokenCount":3,"totalTokenCount":9}}`,
			llm.Response{Finish: llm.FinishStop, NativeFinish: "STOP", Usage: llm.Usage{Input: 4, Output: 5, Reasoning: 3, Source: llm.UsageReported}}},
		{"usage of traffic alone", candidate(`"finishReason":"STOP"`)[:len(candidate(`"finishReason":"STOP"`))-1] + `,"usageMetadata":{"trafficType":"ON_DEMAND"}}`,
			llm.Response{Finish: llm.FinishStop, NativeFinish: "STOP"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, err := codec.DecodeResponse(llm.OpChat, []byte(c.body))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(&c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDecodeResponseFails(t *testing.T) {
	for _, body := range []string{"", "<html>", "{}", `{"candidates":[]}`, `{"promptFeedback":{}}`,
		`{"candidates":[{"finishReason":"MALFORMED_FUNCTION_CALL"}]}`} {
		if _, err := codec.DecodeResponse(llm.OpChat, []byte(body)); llmError(t, err).Kind != llm.KindUpstreamError {
			t.Errorf("%q: %v", body, err)
		}
	}
	if _, err := codec.DecodeResponse(llm.OpChat, []byte(`{"error":{"code":503,"message":"busy","status":"UNAVAILABLE"}}`)); llmError(t, err).Status != 503 {
		t.Errorf("%v", err)
	}
}

func TestNewID(t *testing.T) {
	if a, b := newID("", 0), newID("", 0); a == b || !strings.HasPrefix(a, generatedID) {
		t.Errorf("%s and %s", a, b)
	}
	long := newID(strings.Repeat("x.", 100), 11)
	if len(long) > 40 || long != generatedID+strings.Repeat("x", 28)+"_11" {
		t.Errorf("%s", long)
	}
}

func TestCountTokens(t *testing.T) {
	r, err := codec.DecodeResponse(llm.OpCountTokens, []byte(`{"totalTokens":5,"promptTokensDetails":[]}`))
	if err != nil || r.Usage != (llm.Usage{Input: 5, Source: llm.UsageReported}) {
		t.Fatalf("%+v, %v", r, err)
	}
	if out, err := codec.AppendResponse(nil, llm.OpCountTokens, r, nil); err != nil || string(out) != `{"totalTokens":5}` {
		t.Errorf("%s, %v", out, err)
	}
}

func TestResponseRoundTrip(t *testing.T) {
	first, err := codec.DecodeResponse(llm.OpChat, []byte(wholeAnswer))
	if err != nil {
		t.Fatal(err)
	}
	out, err := codec.AppendResponse([]byte("x"), llm.OpChat, first, nil)
	if err != nil || out[0] != 'x' || !json.Valid(out[1:]) {
		t.Fatalf("%s, %v", out, err)
	}
	second, err := codec.DecodeResponse(llm.OpChat, out[1:])
	if err != nil {
		t.Fatal(err)
	}
	second.Created = first.Created // told by Google alone
	if diff := cmp.Diff(first, second); diff != "" {
		t.Error(diff)
	}
}

func TestEncodeResponse(t *testing.T) {
	cases := []struct {
		name, want string
		r          llm.Response
	}{
		{"empty", `{"candidates":[{"content":{"role":"model"},"finishReason":"STOP","index":0}],"modelVersion":"m","responseId":"req"}`, llm.Response{}},
		{"length", `{"candidates":[{"content":{"parts":[{"text":"a"}],"role":"model"},"finishReason":"MAX_TOKENS","index":0}],"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":1,"thoughtsTokenCount":4,"totalTokenCount":8},"modelVersion":"m","responseId":"i"}`,
			llm.Response{ID: "i", Finish: llm.FinishLength, NativeFinish: "length", Parts: []llm.Part{{Type: llm.PartText, Text: "a"}}, Usage: llm.Usage{Input: 3, Output: 5, Reasoning: 4, Source: llm.UsageReported}}},
		{"filter", `{"candidates":[{"content":{"parts":[{"text":"no"}],"role":"model"},"finishReason":"RECITATION","index":0}],"modelVersion":"m","responseId":"i"}`,
			llm.Response{ID: "i", Finish: llm.FinishContentFilter, NativeFinish: "RECITATION", Parts: []llm.Part{{Type: llm.PartRefusal, Text: "no"}}}},
		{"filter of others", `{"candidates":[{"content":{"role":"model"},"finishReason":"SAFETY","index":0}],"modelVersion":"m","responseId":"i"}`,
			llm.Response{ID: "i", Finish: llm.FinishContentFilter, NativeFinish: "refusal", Parts: []llm.Part{{Type: llm.PartText}}}},
		{"calls", `{"candidates":[{"content":{"parts":[{"text":"t","thought":true},{"functionCall":{"name":"f","args":{"_raw":"[1"},"id":"1"}}],"role":"model"},"finishReason":"STOP","index":0}],"modelVersion":"m","responseId":"i"}`,
			llm.Response{ID: "i", Finish: llm.FinishToolCalls, Parts: []llm.Part{{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: "t", Signature: "x", Origin: llm.DialectAnthropic}}, call("1", "f", "[1", "")}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			c.r.Model = "m"
			got, err := codec.AppendResponse(nil, llm.OpChat, &c.r, &dialect.Facts{RequestID: "req"})
			if err != nil || string(got) != c.want {
				t.Errorf("%v\ngot  %s\nwant %s", err, got, c.want)
			}
		})
	}
}
