package anthropic

import (
	"errors"

	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

var messageNames = jsonedit.NewNames("id", "type", "model", "content", "stop_reason", "stop_sequence", "stop_details",
	"usage", "error", "input_tokens")

const (
	msgID = iota
	msgType
	msgModel
	msgContent
	msgStop
	msgSequence
	msgDetails
	msgUsage
	msgError
	msgInput
	msgCount
)

var errNoContent = errors.New("the answer has no content")

// DecodeResponse reads a whole answer. A body that holds an error in spite of
// its status is returned as that *llm.Error.
func (k Codec) DecodeResponse(op llm.Op, body []byte) (*llm.Response, error) {
	var at [msgCount]jsonedit.Span
	if err := lenient.Find(body, messageNames, at[:]); err != nil {
		return nil, lenient.Malformed("answer", err)
	}
	if lenient.Present(body, at[msgError]) != nil || lenient.Text(body, at[msgType]) == "error" {
		return nil, k.DecodeError(0, body)
	}
	if op == llm.OpCountTokens {
		return countResponse(body, at[msgInput])
	}
	content := lenient.Present(body, at[msgContent])
	if jsonedit.Kind(body, at[msgContent]) != '[' {
		return nil, lenient.Malformed("answer", errNoContent)
	}
	var u usage
	u.set(lenient.Present(body, at[msgUsage]))
	r := &llm.Response{
		ID:           lenient.Text(body, at[msgID]),
		Model:        lenient.Text(body, at[msgModel]),
		Parts:        blocks(content),
		NativeFinish: lenient.Text(body, at[msgStop]),
		StopSequence: lenient.Text(body, at[msgSequence]),
		Usage:        u.canonical(llm.UsageReported),
		ServiceTier:  u.tier,
	}
	r.Finish = finishOf(r.NativeFinish)
	if text := refusalText(lenient.Present(body, at[msgDetails])); text != "" && len(r.Parts) == 0 {
		r.Parts = []llm.Part{{Type: llm.PartRefusal, Text: text}}
	}
	return r, nil
}

func countResponse(body []byte, at jsonedit.Span) (*llm.Response, error) {
	if !at.Present() {
		return nil, lenient.Malformed("token count", errNoContent)
	}
	return &llm.Response{Usage: llm.Usage{Input: lenient.Count(body, at), Source: llm.UsageReported}}, nil
}

var detailsNames = jsonedit.NewNames("explanation")

// refusalText returns why the model refused, where stop_details says it.
func refusalText(v []byte) string {
	var at [1]jsonedit.Span
	lenient.Members(v, detailsNames, at[:])
	return lenient.Text(v, at[0])
}

var blockNames = jsonedit.NewNames("type", "text", "thinking", "signature", "data", "id", "name", "input")

const (
	blkType = iota
	blkText
	blkThinking
	blkSignature
	blkData
	blkID
	blkName
	blkInput
	blkCount
)

// blocks reads the content of an answer. Blocks of hosted tools are the
// provider's own affair: their results show in the text.
func blocks(v []byte) []llm.Part {
	var parts []llm.Part
	lenient.Elems(v, func(v []byte) {
		if p, ok := block(v); ok {
			parts = append(parts, p)
		}
	})
	return parts
}

func block(v []byte) (llm.Part, bool) {
	var at [blkCount]jsonedit.Span
	lenient.Members(v, blockNames, at[:])
	switch lenient.Word(v, at[blkType], blockTypes) {
	case "text":
		return llm.Part{Type: llm.PartText, Text: lenient.Text(v, at[blkText])}, true
	case "thinking":
		r := &llm.Reasoning{Text: lenient.Text(v, at[blkThinking]), Signature: lenient.Text(v, at[blkSignature])}
		if r.Signature != "" {
			r.Origin = llm.DialectAnthropic
		}
		return llm.Part{Type: llm.PartReasoning, Reasoning: r}, true
	case "redacted_thinking":
		r := &llm.Reasoning{Redacted: lenient.Text(v, at[blkData]), Origin: llm.DialectAnthropic}
		return llm.Part{Type: llm.PartReasoning, Reasoning: r}, true
	case "tool_use":
		c := &llm.ToolCall{ID: lenient.Text(v, at[blkID]), Name: lenient.Text(v, at[blkName]), Arguments: arguments(v, at[blkInput])}
		return llm.Part{Type: llm.PartToolCall, ToolCall: c}, true
	}
	return llm.Part{}, false
}

var blockTypes = []string{"text", "tool_use", "thinking", "redacted_thinking"}

// arguments returns the input of a call as it stands, {} when there is none.
func arguments(v []byte, at jsonedit.Span) string {
	if jsonedit.Kind(v, at) != '{' {
		return "{}"
	}
	return string(at.Of(v))
}
