package dialect

import "github.com/llm-gateway/llm-gateway/internal/llm"

// What the parts of a conversation weigh, in tokens, where no text tells.
const (
	perMessage = 4    // role and separators
	perMedia   = 1500 // an image or a page: providers count 85 to some thousands
)

// EstimateTokens returns about how many input tokens a request has: a token for
// four bytes of ASCII, or for two and a half of other text. It is for targets
// that cannot count.
func EstimateTokens(r *llm.Request) int64 {
	var e estimate
	for i := range r.Messages {
		e.tokens += perMessage
		e.parts(r.Messages[i].Parts)
	}
	for i := range r.Tools {
		t := &r.Tools[i]
		e.tokens += perMessage
		e.text(t.Name)
		e.text(t.Description)
		e.text(string(t.Parameters))
		e.text(string(t.Raw))
	}
	if r.ResponseFormat != nil {
		e.text(string(r.ResponseFormat.Schema))
	}
	const perToken, round = 20, 19
	return e.tokens + (5*e.ascii+8*e.wide+round)/perToken
}

type estimate struct{ tokens, ascii, wide int64 }

func (e *estimate) text(s string) {
	for i := range len(s) {
		if s[i] < 0x80 {
			e.ascii++
		} else {
			e.wide++
		}
	}
}

func (e *estimate) parts(parts []llm.Part) {
	for i := range parts {
		p := &parts[i]
		e.text(p.Text)
		switch {
		case p.Media != nil:
			e.tokens += perMedia
		case p.ToolCall != nil:
			e.text(p.ToolCall.Name)
			e.text(p.ToolCall.Arguments)
		case p.ToolResult != nil:
			e.parts(p.ToolResult.Parts)
		case p.Reasoning != nil:
			e.text(p.Reasoning.Text)
		}
	}
}
