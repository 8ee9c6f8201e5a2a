package dialect

import (
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// A model's thinking comes with opaque state (Anthropic's signature, Gemini's
// thought signature, OpenAI's encrypted content) that its provider wants back
// unchanged on the next turn. The gateway keeps none of it: the client carries
// it, in the one place where its dialect has a field for such state, even if
// another provider made it. There the state is marked with its origin:
//
//	gw1:gemini:CiQB…
//
// State of the client's own dialect is not marked, so that it is what the
// provider itself would have sent. Base64 has no colon, so no provider's own
// state can look marked.
const statePrefix = "gw1:"

// PackState marks s as the state of origin, for a place that belongs to
// another dialect. The empty state stays empty.
func PackState(origin llm.Dialect, s string) string {
	if s == "" || origin == 0 {
		return s
	}
	return statePrefix + origin.String() + ":" + s
}

// UnpackState returns the origin and the state of a marked s. For one that is
// not marked it returns 0 and s itself: the state is of the dialect in which
// it was found.
func UnpackState(s string) (llm.Dialect, string) {
	rest, ok := strings.CutPrefix(s, statePrefix)
	if !ok {
		return 0, s
	}
	name, state, ok := strings.Cut(rest, ":")
	for d := llm.DialectNative; ok && d <= llm.DialectDashScope; d++ {
		if d.String() == name {
			return d, state
		}
	}
	return 0, s
}
