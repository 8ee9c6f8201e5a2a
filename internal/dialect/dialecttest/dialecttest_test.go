package dialecttest

import (
	"errors"
	"testing"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// echo gives each event's data back and fails on the word fail.
type echo struct{}

var errFail = errors.New("fail")

func (echo) Decode(dst []llm.Event, ev sse.Event) ([]llm.Event, error) {
	if string(ev.Data) == "fail" {
		return dst, errFail
	}
	return append(dst, llm.Event{Kind: llm.EventText, Text: string(ev.Data)}), nil
}

func (echo) End(dst []llm.Event) ([]llm.Event, error) {
	return append(dst, llm.Event{Kind: llm.EventFinish}), nil
}

func TestDecode(t *testing.T) {
	events, err := Decode(echo{}, append(Chunks([]byte("{}\n\n [1] \n")), "data: cut"...))
	a := Collect(events)
	if err != nil || a.Text != "{}[1]cut" || a.Finishes != 1 {
		t.Errorf("%+v, %v", a, err)
	}
	if events, err := Decode(echo{}, []byte("data: a\n\ndata: fail\n\ndata: b\n\n")); !errors.Is(err, errFail) || len(events) != 1 {
		t.Errorf("%v, %v", events, err)
	}
}

func TestCollect(t *testing.T) {
	a := Collect([]llm.Event{
		{Kind: llm.EventStart, ID: "i", Model: "m"},
		{Kind: llm.EventReasoning, Block: 1, Text: "t"}, {Kind: llm.EventReasoning, Block: 1, Signature: "s", Origin: llm.DialectGemini},
		{Kind: llm.EventToolCall, Index: 1, ID: "c", Name: "f"}, {Kind: llm.EventToolCall, Index: 1, Text: "{}"},
		{Kind: llm.EventRefusal, Text: "no"},
		{Kind: llm.EventUsage, Usage: &llm.Usage{Input: 1}}, {Kind: llm.EventUsage, Usage: &llm.Usage{Input: 2}},
		{Kind: llm.EventFinish, Finish: llm.FinishStop, Native: "n", StopSequence: "q"},
	})
	if a.Usage.Input != 2 || a.Refusal != "no" || a.Sequence != "q" || a.Starts != 1 || len(a.Reasoning) != 2 || len(a.Calls) != 2 ||
		a.Reasoning[1] != (llm.Reasoning{Text: "t", Signature: "s", Origin: llm.DialectGemini}) || a.Calls[1].Arguments != "{}" {
		t.Errorf("%+v", a)
	}
}
