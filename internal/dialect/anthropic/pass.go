package anthropic

import (
	"bytes"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// Rewrite returns c.Raw with the model replaced by c.Model; all else stays
// byte for byte, as usage is always told. When nothing changes it is c.Raw
// itself.
func (Codec) Rewrite(c *llm.Call) ([]byte, error) {
	p := &c.Peek
	if c.Model == "" || p.Model == c.Model {
		return c.Raw, nil
	}
	model := jsonedit.AppendString(nil, c.Model)
	if p.ModelSpan.Present() {
		return jsonedit.Splice(c.Raw, jsonedit.Edit{Span: jsonedit.Span(p.ModelSpan), New: model}), nil
	}
	member := append([]byte(`"model":`), model...)
	if !p.Empty {
		member = append([]byte{','}, member...)
	}
	return jsonedit.Splice(c.Raw, jsonedit.Edit{Span: jsonedit.Span{Start: p.End, End: p.End}, New: member}), nil
}

// Inspect finds usage and finish reason in a whole answer that passes through.
func (k Codec) Inspect(op llm.Op, body []byte) (llm.Usage, llm.FinishReason, error) {
	var at [msgCount]jsonedit.Span
	if err := lenient.Find(body, messageNames, at[:]); err != nil {
		return llm.Usage{}, "", lenient.Malformed("answer", err)
	}
	if lenient.Present(body, at[msgError]) != nil || string(at[msgType].Of(body)) == `"error"` {
		return llm.Usage{}, "", k.DecodeError(0, body)
	}
	if op == llm.OpCountTokens {
		return llm.Usage{Input: lenient.Count(body, at[msgInput]), Source: llm.UsageReported}, "", nil
	}
	var u usage
	u.set(lenient.Present(body, at[msgUsage]))
	native := lenient.Text(body, at[msgStop])
	if native == "" {
		return u.canonical(llm.UsageReported), "", nil
	}
	return u.canonical(llm.UsageReported), finishOf(native), nil
}

// NewInspector starts watching a stream that passes through. Anthropic's
// clients always get the usage, so there is nothing to hide.
func (Codec) NewInspector(bool) dialect.Inspector { return &inspector{} }

// inspector keeps what must be known at the end of a passing stream.
type inspector struct {
	begun   bool // the answer has begun: no more preamble
	stopped bool
	usage   usage
}

var deltaEvent = []byte("content_block_delta")

// Inspect looks at one event. Of a content_block_delta, by far the most
// frequent, it reads no more than the length.
func (i *inspector) Inspect(ev sse.Event) (dialect.Verdict, error) {
	data := bytes.TrimSpace(ev.Data)
	if len(data) == 0 {
		return dialect.Verdict{Preamble: !i.begun}, nil
	}
	if bytes.Equal(ev.Name, deltaEvent) {
		i.begun = true
		return dialect.Verdict{TextBytes: deltaBytes(data)}, nil
	}
	var at [evCount]jsonedit.Span
	if err := lenient.Find(data, eventNames, at[:]); err != nil {
		if string(ev.Name) == "error" {
			return dialect.Verdict{}, Codec{}.DecodeError(0, data)
		}
		return dialect.Verdict{}, lenient.Malformed("stream event", err)
	}
	return i.event(data, &at)
}

func (i *inspector) event(data []byte, at *[evCount]jsonedit.Span) (dialect.Verdict, error) {
	var v dialect.Verdict
	switch lenient.Word(data, at[evType], eventTypes) {
	case "content_block_delta":
		i.begun = true
		v.TextBytes = deltaBytes(data)
	case "content_block_start":
		i.begun = i.begun || !hollow(lenient.Present(data, at[evBlock]))
	case "message_start":
		msg := lenient.Present(data, at[evMessage])
		var in [msgCount]jsonedit.Span
		lenient.Members(msg, messageNames, in[:])
		v.Usage = i.count(lenient.Present(msg, in[msgUsage]), llm.UsageEstimated)
	case "message_delta":
		i.begun = true
		v.Usage = i.count(lenient.Present(data, at[evUsage]), llm.UsageReported)
		delta := lenient.Present(data, at[evDelta])
		var in [dltCount]jsonedit.Span
		lenient.Members(delta, deltaNames, in[:])
		if native := lenient.Text(delta, in[dltStop]); native != "" {
			v.Finish = finishOf(native)
		}
	case "message_stop":
		i.begun, i.stopped, v.Last = true, true, true
	case "error":
		return v, Codec{}.DecodeError(0, data)
	}
	v.Preamble = !i.begun
	return v, nil
}

func (i *inspector) count(v []byte, source llm.UsageSource) *llm.Usage {
	if v == nil {
		return nil
	}
	i.usage.set(v)
	u := i.usage.canonical(source)
	return &u
}

// hollow reports whether the block that begins holds nothing of the answer
// yet: until something comes, another target can still be asked.
func hollow(v []byte) bool {
	p, ok := block(v)
	switch {
	case !ok:
		return false
	case p.Type == llm.PartText:
		return p.Text == ""
	}
	return p.Type == llm.PartReasoning && *p.Reasoning == llm.Reasoning{}
}

// Marks of a delta as Anthropic writes it. Inside a string of JSON a quote is
// always escaped, so a key with its quotes is a key.
var (
	deltaKey  = []byte(`"delta":`)
	typeEnd   = []byte(`_delta","`)
	valueMark = []byte(`":"`)
)

// deltaBytes returns about how many bytes of answer a delta carries: what
// stands between the name of its last member and its end.
func deltaBytes(data []byte) int {
	data = bytes.TrimRight(data, " \t\r\n}\"")
	for _, mark := range [...][]byte{deltaKey, typeEnd} {
		i := bytes.Index(data, mark)
		if i < 0 {
			return 0
		}
		data = data[i+len(mark):]
	}
	i := bytes.Index(data, valueMark)
	if i < 0 || bytes.HasPrefix(data, []byte("signature")) {
		return 0
	}
	return len(data) - i - len(valueMark)
}

// End says that a stream without message_stop was cut.
func (i *inspector) End() ([]byte, error) {
	if i.stopped {
		return nil, nil
	}
	return nil, errCut()
}
