package openai

import (
	"strconv"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// AppendResponse appends the body of a whole answer: a chat.completion, or for
// OpEmbed a list of embeddings. An answer without a time gets the present one.
// Usage is left out when it is unknown.
func (Codec) AppendResponse(dst []byte, op llm.Op, r *llm.Response, f *dialect.Facts) ([]byte, error) {
	usage := usageOf(r.Usage, f)
	if op == llm.OpEmbed {
		return appendEmbeddings(dst, r, usage), nil
	}
	dst = wire.Str(append(dst, '{'), "id", answerID(r.ID, f))
	dst = wire.Str(dst, "object", "chat.completion")
	dst = wire.Num(dst, "created", createdAt(r.Created))
	dst = wire.Str(dst, "model", r.Model)
	dst = append(dst, `,"choices":[{"index":0,"message":{`...)
	dst = appendMessage(dst, r)
	dst = append(dst, `},"logprobs":null`...)
	dst = wire.StrOrNull(dst, "finish_reason", string(r.Finish))
	dst = append(dst, `}]`...)
	if usage.Source != llm.UsageUnknown {
		dst = appendUsage(wire.Key(dst, "usage"), &usage)
	}
	dst = wire.StrIf(dst, "service_tier", r.ServiceTier)
	return append(dst, '}'), nil
}

// usageOf prefers what the provider reported to what the gateway reckons.
func usageOf(u llm.Usage, f *dialect.Facts) llm.Usage {
	if u.Source == llm.UsageUnknown && f != nil {
		return f.Usage
	}
	return u
}

func answerID(id string, f *dialect.Facts) string {
	if id == "" && f != nil && f.RequestID != "" {
		return "chatcmpl-" + f.RequestID
	}
	return id
}

func createdAt(unix int64) int64 {
	if unix > 0 {
		return unix
	}
	return time.Now().Unix()
}

// appendMessage appends the members of the assistant's message. Content is
// null where a call or a refusal stands in its place.
func appendMessage(b []byte, r *llm.Response) []byte {
	refusal := r.RefusalText()
	var calls, details, said int
	for i := range r.Parts {
		switch r.Parts[i].Type {
		case llm.PartText:
			said++
		case llm.PartReasoning:
			details++
		case llm.PartToolCall:
			calls++
		}
	}
	b = wire.Str(b, "role", "assistant")
	if said == 0 && (calls > 0 || refusal != "") {
		b = wire.Lit(b, "content", "null")
	} else {
		b = wire.Str(b, "content", r.Text())
	}
	b = wire.StrOrNull(b, "refusal", refusal)
	if details > 0 {
		b = wire.StrIf(b, "reasoning_content", r.ReasoningText())
		b = AppendReasoningDetails(b, r.Parts)
	}
	return AppendToolCalls(b, r.Parts)
}

// AppendReasoningDetails appends the member reasoning_details with the blocks
// of reasoning among parts. Sent back in a message, they restore its state.
func AppendReasoningDetails(b []byte, parts []llm.Part) []byte {
	b = append(wire.Key(b, "reasoning_details"), '[')
	n := 0
	for i := range parts {
		if r := parts[i].Reasoning; r != nil {
			b = appendDetail(b, r, n)
			n++
		}
	}
	return append(b, ']')
}

// AppendToolCalls appends the member tool_calls with the calls among parts,
// and nothing when there are none.
func AppendToolCalls(b []byte, parts []llm.Part) []byte {
	open := false
	for i := range parts {
		c := parts[i].ToolCall
		if c == nil {
			continue
		}
		if !open {
			b, open = append(wire.Key(b, "tool_calls"), '['), true
		}
		b = appendCallHead(append(wire.Sep(b), '{'), c.ID, c.Name, callArguments(c))
		b = appendSignature(append(b, '}'), c.Signature)
		b = append(b, '}')
	}
	if open {
		b = append(b, ']')
	}
	return b
}

func appendEmbeddings(b []byte, r *llm.Response, u llm.Usage) []byte {
	b = append(b, `{"object":"list","data":[`...)
	for i := range r.Embeddings {
		e := &r.Embeddings[i]
		b = append(wire.Sep(b), `{"object":"embedding"`...)
		b = wire.Key(wire.Num(b, "index", int64(e.Index)), "embedding")
		b = append(appendVector(b, e), '}')
	}
	b = append(b, ']')
	b = wire.Str(b, "model", r.Model)
	b = append(wire.Key(b, "usage"), '{')
	b = wire.Num(wire.Num(b, "prompt_tokens", u.Input), "total_tokens", u.Total())
	return append(b, `}}`...)
}

func appendVector(b []byte, e *llm.Embedding) []byte {
	if e.Base64 != "" {
		b = append(append(b, '"'), e.Base64...)
		return append(b, '"')
	}
	b = append(b, '[')
	for i, f := range e.Vector {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendFloat(b, float64(f), 'g', -1, 32)
	}
	return append(b, ']')
}
