package tracing

import (
	"bytes"

	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// What dialects call the id of an answer and the model that made it: at the top
// (OpenAI, Anthropic, Gemini), or in the object that a stream's first event
// holds (Anthropic's message, the Responses API's response).
var identityNames = jsonedit.NewNames("id", "model", "responseId", "modelVersion", "message", "response")

// maxIdentity bounds the bytes that are looked through: what stands behind them
// (the vectors of embeddings come first in an answer) is not worth the time.
const maxIdentity = 64 << 10

// identity finds the id and the model that an answer in a client's own dialect
// names; "" for what it does not say. Only answers that are recorded pay for it.
func identity(raw []byte) (id, model string) {
	if len(raw) > maxIdentity {
		return "", ""
	}
	var at [6]jsonedit.Span
	if _, _, err := jsonedit.Find(raw, identityNames, at[:]); err != nil {
		return "", ""
	}
	for _, inner := range at[4:] {
		if at[0].Present() || at[1].Present() || jsonedit.Kind(raw, inner) != '{' {
			continue
		}
		if _, _, err := jsonedit.FindIn(raw, inner, identityNames, at[:]); err != nil {
			return "", ""
		}
		break
	}
	return either(raw, at[0], at[2]), either(raw, at[1], at[3])
}

// either returns the first of two members that is a string.
func either(raw []byte, spans ...jsonedit.Span) string {
	for _, at := range spans {
		if at.Present() {
			if s, err := jsonedit.String(raw, at); err == nil {
				return s
			}
		}
	}
	return ""
}

// firstData returns the data of the first event in verbatim bytes of a stream
// that has any.
func firstData(raw []byte) []byte {
	for line := range bytes.Lines(raw) {
		if data, ok := bytes.CutPrefix(line, []byte("data:")); ok {
			return bytes.TrimSpace(data)
		}
	}
	return nil
}
