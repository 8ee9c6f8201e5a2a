// Package responses is the OpenAI Responses dialect as the gateway's clients
// speak it, statelessly: a whole conversation in, an answer out. It is decoded
// for targets of other dialects, and passes through to targets that have the
// endpoint themselves. The wire facts are those of OpenAI's OpenAPI document
// 2.3.0 and of recorded traffic of OpenAI and Azure.
//
// # State
//
// The gateway stores nothing. What refers to a stored conversation
// (previous_response_id, conversation, prompt, item_reference) or to a stored
// answer (background) is refused by name when it would have to be translated;
// store true goes to the capability check, and an answer says store false.
//
// A model's thinking is a reasoning item: its text is the item's summary, its
// opaque state the item's encrypted_content. State of another provider is
// marked with its origin (dialect.PackState), so that a client that sends its
// items back, as the API demands, restores it:
//
//	gw1:anthropic:<signature>            of the thinking in the summary
//	gw1:anthropic:redacted:<data>        a redacted block
//	gw1:gemini:<signature>               of a part of the answer
//	gw1:gemini:tool:<signature>:<id>     of the function call with that call_id
//
// The last one is an item of its own, as a function_call item has no place for
// state.
package responses

import (
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Codec reads requests, writes answers and streams, and watches those that
// pass through. It holds no state.
type Codec struct{}

var (
	_ dialect.Client       = Codec{}
	_ dialect.ErrorEncoder = Codec{}
	_ dialect.Passer       = Codec{}
)

const (
	redactedMark = "redacted:"
	toolMark     = "tool:"
)

// packState returns the encrypted_content of a reasoning block.
func packState(r *llm.Reasoning) string {
	switch {
	case r.Origin == llm.DialectResponses:
		return r.Signature
	case r.Redacted != "":
		return dialect.PackState(r.Origin, redactedMark+r.Redacted)
	}
	return dialect.PackState(r.Origin, r.Signature)
}

// unpackState is the reverse of packState.
func unpackState(r *llm.Reasoning, s string) {
	origin, state := dialect.UnpackState(s)
	if origin == 0 {
		r.Origin, r.Signature = llm.DialectResponses, state
		return
	}
	r.Origin = origin
	if data, ok := strings.CutPrefix(state, redactedMark); ok {
		r.Redacted = data
		return
	}
	r.Signature = state
}

// packToolState returns the encrypted_content of the item that carries the
// state of a function call. Only Gemini has such state.
func packToolState(signature, callID string) string {
	return dialect.PackState(llm.DialectGemini, toolMark+signature+":"+callID)
}

// unpackToolState is the reverse of packToolState.
func unpackToolState(s string) (signature, callID string, ok bool) {
	origin, state := dialect.UnpackState(s)
	if state, ok = strings.CutPrefix(state, toolMark); !ok || origin != llm.DialectGemini {
		return "", "", false
	}
	return strings.Cut(state, ":")
}

// AppendError appends an error in OpenAI's form, which this API shares.
func (Codec) AppendError(dst []byte, e *llm.Error, f *dialect.Facts) []byte {
	return openai.Codec{}.AppendError(dst, e, f)
}
