package gemini

import (
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// AppendResponse appends the body of a whole answer.
func (k Codec) AppendResponse(dst []byte, op llm.Op, r *llm.Response, f *dialect.Facts) ([]byte, error) {
	switch op {
	case llm.OpCountTokens:
		return append(wire.Num(append(dst, '{'), "totalTokens", r.Usage.Input), '}'), nil
	case llm.OpEmbed:
		return k.appendVectors(dst, r), nil
	}
	id := r.ID
	if id == "" && f != nil {
		id = f.RequestID
	}
	c := chunk{id: id, model: r.Model, finish: finishReason(r.Finish, r.NativeFinish), usage: &r.Usage}
	parts := []byte(nil)
	for i := range r.Parts {
		parts = appendAnswerPart(parts, r.Parts, i)
	}
	return c.append(dst, parts), nil
}

// chunk is one GenerateContentResponse.
type chunk struct {
	id, model string
	finish    string
	usage     *llm.Usage // nil = not told
}

// append appends the chunk. parts are the elements of its content, with commas
// between them.
func (c *chunk) append(b, parts []byte) []byte {
	b = append(b, `{"candidates":[{"content":{`...)
	if len(parts) > 0 {
		b = append(append(append(b, `"parts":[`...), parts...), "],"...)
	}
	b = wire.StrIf(append(b, `"role":"model"}`...), "finishReason", c.finish)
	b = append(b, `,"index":0}]`...)
	if c.usage != nil && c.usage.Source != llm.UsageUnknown {
		b = appendUsage(wire.Key(b, "usageMetadata"), c.usage)
	}
	b = wire.StrIf(b, "modelVersion", c.model)
	return append(wire.StrIf(b, "responseId", c.id), '}')
}

// appendAnswerPart appends part i of an answer to a list of parts. State of
// other providers has no place here.
func appendAnswerPart(b []byte, parts []llm.Part, i int) []byte {
	p := &parts[i]
	switch p.Type {
	case llm.PartText, llm.PartRefusal:
		if p.Text == "" {
			return b
		}
		b = wire.Str(append(wire.Sep(b), '{'), "text", p.Text)
		return append(wire.StrIf(b, "thoughtSignature", beside(parts, i)), '}')
	case llm.PartReasoning:
		if sendable(*p) {
			return appendThought(b, p.Reasoning, parts, i)
		}
		return appendSummary(b, p.Reasoning.Text)
	case llm.PartToolCall:
		return appendCall(b, p.ToolCall)
	}
	return b
}

// appendSummary appends an unsigned thought.
func appendSummary(b []byte, text string) []byte {
	if text == "" {
		return b
	}
	return append(wire.Str(append(wire.Sep(b), '{'), "text", text), `,"thought":true}`...)
}

func appendCall(b []byte, c *llm.ToolCall) []byte {
	b = wire.Str(append(wire.Sep(b), `{"functionCall":{`...), "name", c.Name)
	b = append(appendID(wire.Lit(b, "args", argsObject(c.Arguments)), c.ID), '}')
	return append(wire.StrIf(b, "thoughtSignature", c.Signature), '}')
}

// argsObject returns arguments as the object that Gemini's clients read; what
// a model wrote that is none is kept as text.
func argsObject(arguments string) string {
	switch {
	case strings.TrimSpace(arguments) == "":
		return "{}"
	case isObject(arguments):
		return arguments
	}
	return string(append(wire.Str([]byte("{"), "_raw", arguments), '}'))
}
