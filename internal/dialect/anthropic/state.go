package anthropic

import (
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const (
	itemMark = "id:"
	toolMark = "tool:"
)

// signature returns what a thinking block says of a reasoning block's state.
func signature(r *llm.Reasoning) string { return packed(r.Origin, r.ID, r.Signature) }

// redacted is signature for a block that is opaque altogether.
func redacted(r *llm.Reasoning) string { return packed(r.Origin, r.ID, r.Redacted) }

func packed(origin llm.Dialect, id, state string) string {
	if state == "" || origin == 0 || origin == llm.DialectAnthropic {
		return state
	}
	if id != "" {
		state = itemMark + id + ":" + state
	}
	return dialect.PackState(origin, state)
}

// unpacked is the reverse of packed.
func unpacked(s string) (origin llm.Dialect, id, state string) {
	if s == "" {
		return 0, "", ""
	}
	origin, state = dialect.UnpackState(s)
	if origin == 0 {
		return llm.DialectAnthropic, "", state
	}
	if rest, ok := strings.CutPrefix(state, itemMark); ok {
		if item, state, ok := strings.Cut(rest, ":"); ok {
			return origin, item, state
		}
	}
	return origin, "", state
}

// toolSignature returns the signature of the block that carries the state of a
// tool call. Only Gemini has such state.
func toolSignature(state, callID string) string {
	return dialect.PackState(llm.DialectGemini, toolMark+state+":"+callID)
}

// toolState is the reverse of toolSignature.
func toolState(s string) (state, callID string, ok bool) {
	origin, rest := dialect.UnpackState(s)
	if rest, ok = strings.CutPrefix(rest, toolMark); !ok || origin != llm.DialectGemini {
		return "", "", false
	}
	return strings.Cut(rest, ":")
}
