package llm

import "testing"

func TestResponseParts(t *testing.T) {
	a, b := &ToolCall{ID: "1"}, &ToolCall{ID: "2"}
	r := &Response{Parts: []Part{
		{Type: PartReasoning, Reasoning: &Reasoning{Text: "think "}},
		{Type: PartReasoning, Reasoning: &Reasoning{Redacted: "opaque"}},
		{Type: PartText, Text: "Hel"},
		{Type: PartToolCall, ToolCall: a},
		{Type: PartText, Text: "lo"},
		{Type: PartRefusal, Text: "no"},
		{Type: PartReasoning, Reasoning: &Reasoning{Text: "more"}},
		{Type: PartToolCall, ToolCall: b},
	}}
	if got := r.Text(); got != "Hello" {
		t.Errorf("text %q", got)
	}
	if got := r.ReasoningText(); got != "think more" {
		t.Errorf("reasoning %q", got)
	}
	if got := r.RefusalText(); got != "no" {
		t.Errorf("refusal %q", got)
	}
	if got := r.ToolCalls(); len(got) != 2 || got[0] != a || got[1] != b {
		t.Errorf("tool calls %v", got)
	}
	empty := &Response{}
	if empty.Text() != "" || empty.ReasoningText() != "" || empty.ToolCalls() != nil {
		t.Error("an empty answer has parts")
	}
}

func TestUsage(t *testing.T) {
	u := Usage{Input: 10, CachedInput: 4, Output: 5, Reasoning: 3}
	if u.Total() != 15 {
		t.Errorf("total %d", u.Total())
	}
	for s, want := range map[UsageSource]string{UsageUnknown: "unknown", UsageEstimated: "estimated", UsageReported: "reported", 9: "unknown"} {
		if s.String() != want {
			t.Errorf("source %d is called %q", s, s)
		}
	}
}

func TestContent(t *testing.T) {
	for kind, want := range map[EventKind]bool{
		EventStart: false, EventPing: false, EventUsage: false,
		EventText: true, EventRefusal: true, EventReasoning: true, EventToolCall: true, EventFinish: true, EventRaw: true,
	} {
		if got := (&Event{Kind: kind}).Content(); got != want {
			t.Errorf("kind %d: %v", kind, got)
		}
	}
}
