package ledger

import "github.com/llm-gateway/llm-gateway/internal/llm"

// bytesPerToken is the usual rule of thumb: text of European languages and
// code has some four bytes to a token. It is the one that admission reserves by.
const bytesPerToken = 4

// Estimate returns what an attempt used: what the provider reported, and where
// a stream ended before it could, an estimate from what was sent (prompt, bytes
// of the request) and received, marked as one. A stream that broke off after a
// provider's first word on usage (Anthropic's message_start counts the prompt
// and next to nothing of the answer) keeps the prompt and has its output
// estimated. An attempt that brought no answer has used nothing that is known.
func Estimate(d llm.Done, prompt int) llm.Usage {
	u := d.Usage
	received := (d.TextBytes + bytesPerToken - 1) / bytesPerToken
	if u.Source != llm.UsageUnknown {
		if cutShort(d) && received/2 > u.Output {
			u.Output, u.Source = received, llm.UsageEstimated
		}
		return u
	}
	if !d.Stream || d.Events == 0 && !d.Gone {
		return u
	}
	return llm.Usage{Input: int64(prompt+bytesPerToken-1) / bytesPerToken, Output: received, Source: llm.UsageEstimated}
}

// cutShort reports whether a stream ended before the provider said why.
func cutShort(d llm.Done) bool { return d.Stream && d.Finish == "" && (d.Gone || d.Err != nil) }
