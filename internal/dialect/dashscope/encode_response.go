package dashscope

import (
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// AppendResponse appends the body of a whole answer. Log probabilities and the
// opaque state of other providers have no place in it.
func (Codec) AppendResponse(dst []byte, op llm.Op, r *llm.Response, f *dialect.Facts) ([]byte, error) {
	if f == nil {
		f = &dialect.Facts{}
	}
	dst = append(dst, `{"output":{`...)
	switch op {
	case llm.OpEmbed:
		dst = appendEmbeddings(dst, r.Embeddings)
	case llm.OpCountTokens:
		dst = append(dst, `"token_ids":[],"tokens":[]`...)
	default:
		dst = wire.Str(append(dst, `"choices":[{`...), "finish_reason", finishWord(r.Finish))
		dst = append(dst, `,"message":{"role":"assistant"`...)
		dst = appendContent(dst, r.Text()+r.RefusalText(), dialect.MultimodalDashScope(or(r.Model, f.Model)))
		dst = wire.StrIf(dst, "reasoning_content", r.ReasoningText())
		dst = append(appendCalls(dst, r.Parts), `}}]`...)
	}
	dst = append(dst, '}')
	usage := r.Usage
	if usage.Source == llm.UsageUnknown {
		usage = f.Usage
	}
	switch {
	case op == llm.OpEmbed:
		dst = append(wire.Num(append(wire.Key(dst, "usage"), '{'), "total_tokens", usage.Total()), '}')
	case op == llm.OpCountTokens:
		dst = append(wire.Num(append(wire.Key(dst, "usage"), '{'), "input_tokens", usage.Input), '}')
	case usage.Source != llm.UsageUnknown:
		dst = appendUsage(wire.Key(dst, "usage"), &usage)
	}
	return append(wire.Str(dst, "request_id", or(r.ID, f.RequestID)), '}'), nil
}

func or(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// appendContent appends what the model said: multimodal models answer with an
// array of parts, which is empty while they only think.
func appendContent(b []byte, text string, parts bool) []byte {
	b = wire.Key(b, "content")
	switch {
	case !parts:
		return jsonedit.AppendString(b, text)
	case text == "":
		return append(b, `[]`...)
	}
	return append(wire.Str(append(b, `[{`...), "text", text), `}]`...)
}

func appendEmbeddings(b []byte, list []llm.Embedding) []byte {
	b = append(wire.Key(b, "embeddings"), '[')
	for i := range list {
		e := &list[i]
		b = append(wire.Key(append(wire.Sep(b), '{'), "embedding"), '[')
		for j, f := range e.Vector {
			if j > 0 {
				b = append(b, ',')
			}
			b = strconv.AppendFloat(b, float64(f), 'g', -1, 32)
		}
		b = append(wire.Num(append(b, ']'), "text_index", int64(e.Index)), '}')
	}
	return append(b, ']')
}
