package anthropic

import (
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// AppendResponse appends the body of a message, or of a token count.
func (Codec) AppendResponse(dst []byte, op llm.Op, r *llm.Response, f *dialect.Facts) ([]byte, error) {
	if op == llm.OpCountTokens {
		return append(wire.Num(append(dst, '{'), "input_tokens", r.Usage.Input), '}'), nil
	}
	if op == llm.OpEmbed {
		return nil, llm.Unsupported("", "the Anthropic dialect has no embeddings")
	}
	id := r.ID
	if id == "" && f != nil {
		id = messageID(f.RequestID)
	}
	b := wire.Str(append(dst, '{'), "id", id)
	b = append(b, `,"type":"message","role":"assistant"`...)
	b = append(wire.Key(wire.Str(b, "model", r.Model), "content"), '[')
	for i := range r.Parts {
		b = appendBlock(b, &r.Parts[i], i)
	}
	b = wire.Str(append(b, ']'), "stop_reason", stopReason(r.Finish, r.NativeFinish, r.StopSequence))
	b = wire.StrOrNull(b, "stop_sequence", r.StopSequence)
	return append(appendUsage(wire.Key(b, "usage"), &r.Usage, r.ServiceTier), '}'), nil
}

// messageID makes an id in Anthropic's form from the gateway's own.
func messageID(id string) string { return "msg_" + id }

// callID returns the id of call n, made up where the provider gave none.
func callID(id string, n int) string {
	if id == "" {
		return "toolu_" + strconv.Itoa(n)
	}
	return id
}

// appendBlock appends part i of an answer; a part that is empty is none.
func appendBlock(b []byte, p *llm.Part, i int) []byte {
	switch p.Type {
	case llm.PartText, llm.PartRefusal:
		if p.Text == "" {
			return b
		}
		return appendText(wire.Sep(b), p.Text, nil)
	case llm.PartReasoning:
		return appendThought(wire.Sep(b), p.Reasoning)
	case llm.PartToolCall:
		c := p.ToolCall
		id := callID(c.ID, i)
		if c.Signature != "" {
			b = appendThought(wire.Sep(b), &llm.Reasoning{Signature: toolSignature(c.Signature, id)})
		}
		b = wire.Str(append(wire.Sep(b), `{"type":"tool_use"`...), "id", id)
		b = wire.Str(b, "name", c.Name)
		return append(wire.Lit(b, "input", inputObject(c.Arguments)), '}')
	}
	return b
}
