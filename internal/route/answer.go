package route

import (
	"encoding/json"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// fewTokens is the longest answer that may be nothing: some models count the
// end, or a line break, as tokens.
const fewTokens = 8

// answer is what a canary looks at in a whole answer.
type answer struct {
	text  string // any text, or a refusal
	tools bool
}

// answerOf reads a whole answer. known is false for a dialect whose answers pass
// through without anyone looking inside.
func answerOf(r *llm.Reply) (a answer, known bool) {
	if r.Response != nil {
		a.tools = len(r.Response.ToolCalls()) > 0
		a.text = r.Response.Text() + r.Response.RefusalText()
		return a, true
	}
	switch r.Dialect {
	case llm.DialectOpenAI:
		return openAIAnswer(r.Raw)
	case llm.DialectAnthropic:
		return anthropicAnswer(r.Raw)
	}
	return a, false
}

// openAIAnswer reads the first choice of a chat completion. Content that is no
// plain text is left alone.
func openAIAnswer(raw []byte) (a answer, known bool) {
	var body struct {
		Choices []struct {
			Message struct {
				Content   *string           `json:"content"`
				Refusal   *string           `json:"refusal"`
				ToolCalls []json.RawMessage `json:"tool_calls"`
				Function  json.RawMessage   `json:"function_call"`
				Audio     json.RawMessage   `json:"audio"`
			} `json:"message"`
		} `json:"choices"`
	}
	if json.Unmarshal(raw, &body) != nil || len(body.Choices) == 0 {
		return a, false
	}
	m := &body.Choices[0].Message
	a.tools = len(m.ToolCalls) > 0 || len(m.Function) > 0 && string(m.Function) != "null" || len(m.Audio) > 0 && string(m.Audio) != "null"
	for _, s := range []*string{m.Content, m.Refusal} {
		if s != nil {
			a.text += *s
		}
	}
	return a, true
}

// anthropicAnswer reads a message's blocks. One that is neither text nor
// reasoning counts as the use of a tool.
func anthropicAnswer(raw []byte) (a answer, known bool) {
	var body struct {
		Content []struct {
			Type string `json:"type"`
			Text string `json:"text"`
		} `json:"content"`
	}
	if json.Unmarshal(raw, &body) != nil {
		return a, false
	}
	for _, b := range body.Content {
		a.text += b.Text
		a.tools = a.tools || b.Type != "text" && !strings.HasSuffix(b.Type, "thinking")
	}
	return a, true
}

func validJSON(text string) bool { return json.Valid([]byte(text)) }

// AnswersJSON reports whether a whole answer is JSON. known is false when the
// call did not ask for JSON, or its answer cannot be looked into.
func AnswersJSON(c *llm.Call, r *llm.Reply) (valid, known bool) {
	if r.Finish != llm.FinishStop || !wantsJSON(c) {
		return false, false
	}
	a, known := answerOf(r)
	if !known || a.tools {
		return false, false
	}
	return validJSON(a.text), true
}
