package responses

import (
	"encoding/json"
	"io"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// Answers of this dialect are never translated: they pass through. What follows
// reads their words for those who want to know what was said, and nothing else;
// items that only this API has are left out.

// answerItem is one item of an answer's output.
type answerItem struct {
	Type      string       `json:"type"`
	CallID    string       `json:"call_id"`
	Name      string       `json:"name"`
	Arguments string       `json:"arguments"`
	Content   []answerText `json:"content"`
	Summary   []answerText `json:"summary"`
}

type answerText struct {
	Type    string `json:"type"`
	Text    string `json:"text"`
	Refusal string `json:"refusal"`
}

// DecodeResponse reads the words, the thinking and the function calls of a
// whole answer, its usage and its end.
func (k Codec) DecodeResponse(op llm.Op, body []byte) (*llm.Response, error) {
	var in struct {
		ID     string       `json:"id"`
		Model  string       `json:"model"`
		Output []answerItem `json:"output"`
	}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, lenient.Malformed("answer", err)
	}
	u, finish, err := k.Inspect(op, body)
	if err != nil {
		return nil, err
	}
	r := &llm.Response{ID: in.ID, Model: in.Model, Usage: u, Finish: finish}
	for i := range in.Output {
		r.Parts = in.Output[i].appendParts(r.Parts)
	}
	return r, nil
}

func (it *answerItem) appendParts(parts []llm.Part) []llm.Part {
	switch it.Type {
	case "message":
		for _, c := range it.Content {
			switch c.Type {
			case "output_text":
				parts = append(parts, llm.Part{Type: llm.PartText, Text: c.Text})
			case "refusal":
				parts = append(parts, llm.Part{Type: llm.PartRefusal, Text: c.Refusal})
			}
		}
	case "reasoning":
		for _, c := range append(it.Summary, it.Content...) {
			parts = append(parts, llm.Part{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: c.Text}})
		}
	case "function_call":
		parts = append(parts, llm.Part{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: it.CallID, Name: it.Name, Arguments: it.Arguments}})
	}
	return parts
}

// NewStreamDecoder starts reading the words of a stream.
func (Codec) NewStreamDecoder() dialect.StreamDecoder { return &streamDecoder{} }

// streamDecoder numbers the function calls of one stream.
type streamDecoder struct {
	calls []int // their output indices, in the order in which they came
	done  bool
}

type streamEvent struct {
	Type  string          `json:"type"`
	Delta json.RawMessage `json:"delta"` // a string in the events that are read
	Index int             `json:"output_index"`
	Item  answerItem      `json:"item"`
}

// Decode reads one event.
func (d *streamDecoder) Decode(dst []llm.Event, ev sse.Event) ([]llm.Event, error) {
	if len(ev.Data) == 0 || ev.Data[0] != '{' {
		return dst, nil
	}
	var in streamEvent
	if err := json.Unmarshal(ev.Data, &in); err != nil {
		return dst, lenient.Malformed("stream event", err)
	}
	switch in.Type {
	case "response.output_text.delta":
		return append(dst, llm.Event{Kind: llm.EventText, Text: in.text()}), nil
	case "response.refusal.delta":
		return append(dst, llm.Event{Kind: llm.EventRefusal, Text: in.text()}), nil
	case "response.reasoning_summary_text.delta", "response.reasoning_text.delta":
		return append(dst, llm.Event{Kind: llm.EventReasoning, Text: in.text(), Block: in.Index}), nil
	case "response.function_call_arguments.delta":
		return append(dst, llm.Event{Kind: llm.EventToolCall, Text: in.text(), Index: d.call(in.Index)}), nil
	case "response.output_item.added":
		if in.Item.Type == "function_call" {
			dst = append(dst, llm.Event{Kind: llm.EventToolCall, ID: in.Item.CallID, Name: in.Item.Name, Index: d.call(in.Index)})
		}
	case "response.completed", "response.incomplete", "response.failed", "response.cancelled":
		d.done = true
		return dst, io.EOF
	}
	return dst, nil
}

func (e *streamEvent) text() string {
	var s string
	if json.Unmarshal(e.Delta, &s) != nil {
		return ""
	}
	return s
}

// call returns the running number of the function call at an output index.
func (d *streamDecoder) call(index int) int {
	for i, at := range d.calls {
		if at == index {
			return i
		}
	}
	d.calls = append(d.calls, index)
	return len(d.calls) - 1
}

// End says whether the stream came to a terminal event.
func (d *streamDecoder) End(dst []llm.Event) ([]llm.Event, error) {
	if !d.done {
		return dst, llm.Errorf(llm.KindUpstreamError, "the provider's stream ended before the answer was complete")
	}
	return dst, nil
}
