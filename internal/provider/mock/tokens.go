package mock

import (
	"unicode"
	"unicode/utf8"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

const (
	// longestToken is how many letters or digits in a row make one token.
	longestToken = 16
	// messageTokens is what a message costs beside its text.
	messageTokens = 3
	// replyTokens is what the beginning of the answer costs, once a request.
	replyTokens = 3
	// mediaTokens is what an image, a sound or a file costs.
	mediaTokens = 85
)

// nextToken returns how many bytes of s its first token takes; 0 for "".
//
// The rule: a token is a run of at most 16 letters, digits or underscores, or
// one other character; white space before a token belongs to it, and white
// space at the very end belongs to the last token. Joined together, the tokens
// of a text are the text.
func nextToken(s string) int {
	i := skipSpace(s, 0)
	if i == len(s) {
		return i
	}
	c, size := utf8.DecodeRuneInString(s[i:])
	i += size
	if isWord(c) {
		for n := 1; n < longestToken && i < len(s); n++ {
			c, size = utf8.DecodeRuneInString(s[i:])
			if !isWord(c) {
				break
			}
			i += size
		}
	}
	if end := skipSpace(s, i); end == len(s) {
		return end
	}
	return i
}

func skipSpace(s string, i int) int {
	for i < len(s) {
		c, size := utf8.DecodeRuneInString(s[i:])
		if !unicode.IsSpace(c) {
			break
		}
		i += size
	}
	return i
}

func isWord(c rune) bool {
	return c == '_' || unicode.IsLetter(c) || unicode.IsDigit(c) || unicode.IsMark(c)
}

// CountTokens returns how many tokens s has by the rule that docs/mock.md
// gives. It adds up: the tokens of the pieces that a stream sends are those of
// the whole answer.
func CountTokens(s string) int64 {
	var n int64
	for len(s) > 0 {
		s = s[nextToken(s):]
		n++
	}
	return n
}

// firstTokens returns the first n tokens of s, and how many there were.
func firstTokens(s string, n int64) (string, int64) {
	var at int
	var got int64
	for got < n && at < len(s) {
		at += nextToken(s[at:])
		got++
	}
	return s[:at], got
}

// inputTokens counts what a chat request costs on the way in.
func inputTokens(r *llm.Request) int64 {
	n := int64(replyTokens)
	for i := range r.Messages {
		n += messageTokens + CountTokens(r.Messages[i].Name) + partTokens(r.Messages[i].Parts)
	}
	for i := range r.Tools {
		t := &r.Tools[i]
		n += CountTokens(t.Name) + CountTokens(t.Description) + CountTokens(string(t.Parameters)) + CountTokens(string(t.Raw))
	}
	if f := r.ResponseFormat; f != nil {
		n += CountTokens(string(f.Schema))
	}
	return n
}

func partTokens(parts []llm.Part) int64 {
	var n int64
	for i := range parts {
		p := &parts[i]
		n += CountTokens(p.Text)
		if p.Media != nil {
			n += mediaTokens
		}
		if p.Reasoning != nil {
			n += CountTokens(p.Reasoning.Text)
		}
		if p.ToolCall != nil {
			n += CountTokens(p.ToolCall.Name) + CountTokens(p.ToolCall.Arguments)
		}
		if p.ToolResult != nil {
			n += partTokens(p.ToolResult.Parts)
		}
	}
	return n
}

// embedTokens counts what an embedding request costs.
func embedTokens(e *llm.EmbedRequest) int64 {
	var n int64
	for _, s := range e.Input {
		n += CountTokens(s)
	}
	for _, ids := range e.Tokens {
		n += int64(len(ids))
	}
	return n
}
