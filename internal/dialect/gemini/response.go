package gemini

import (
	"crypto/rand"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

var bodyNames = jsonedit.NewNames("candidates", "promptFeedback", "usageMetadata", "modelVersion", "responseId", "createTime", "error", "totalTokens")

const (
	bodyCandidates = iota
	bodyFeedback
	bodyUsage
	bodyModel
	bodyID
	bodyCreated
	bodyError
	bodyTotal
	bodyCount
)

var candidateNames = jsonedit.NewNames("content", "finishReason", "index")

const (
	candContent = iota
	candFinish
	candIndex
	candCount
)

var (
	contentNames  = jsonedit.NewNames("parts")
	feedbackNames = jsonedit.NewNames("blockReason", "blockReasonMessage")
)

var errNoCandidate = errors.New("the answer has no candidate")

// DecodeResponse reads a whole answer of any method. A body that holds an error
// in spite of its status is returned as that *llm.Error.
func (k Codec) DecodeResponse(op llm.Op, body []byte) (*llm.Response, error) {
	if op == llm.OpEmbed {
		return k.decodeEmbed(body)
	}
	var at [bodyCount]jsonedit.Span
	if err := lenient.Find(body, bodyNames, at[:]); err != nil {
		return nil, lenient.Malformed("answer", err)
	}
	if lenient.Present(body, at[bodyError]) != nil {
		return nil, k.DecodeError(0, body)
	}
	if op == llm.OpCountTokens {
		return &llm.Response{Usage: llm.Usage{Input: lenient.Count(body, at[bodyTotal]), Source: llm.UsageReported}}, nil
	}
	r := &llm.Response{
		ID:      lenient.Text(body, at[bodyID]),
		Model:   lenient.Text(body, at[bodyModel]),
		Created: unixTime(lenient.Text(body, at[bodyCreated])),
		Usage:   usageOf(lenient.Present(body, at[bodyUsage])),
	}
	candidate := first(lenient.Present(body, at[bodyCandidates]))
	if candidate == nil {
		return r, blocked(r, lenient.Present(body, at[bodyFeedback]))
	}
	return r, readCandidate(r, candidate)
}

func unixTime(s string) int64 {
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return 0
	}
	return t.Unix()
}

// first returns the candidate of index 0, which Gemini leaves out.
func first(v []byte) []byte {
	var found []byte
	lenient.Elems(v, func(v []byte) {
		var at [candCount]jsonedit.Span
		lenient.Members(v, candidateNames, at[:])
		if found == nil && lenient.Count(v, at[candIndex]) == 0 {
			found = v
		}
	})
	return found
}

// blocked makes the answer to a prompt that Gemini would not take. A body with
// neither candidate nor reason is no answer.
func blocked(r *llm.Response, feedback []byte) error {
	reason, message := blockReason(feedback)
	if reason == "" {
		return lenient.Malformed("answer", errNoCandidate)
	}
	r.Finish, r.NativeFinish = llm.FinishContentFilter, reason
	if message != "" {
		r.Parts = []llm.Part{{Type: llm.PartRefusal, Text: message}}
	}
	return nil
}

func blockReason(feedback []byte) (reason, message string) {
	var at [2]jsonedit.Span
	lenient.Members(feedback, feedbackNames, at[:])
	return lenient.Text(feedback, at[0]), lenient.Text(feedback, at[1])
}

func readCandidate(r *llm.Response, candidate []byte) error {
	var at [candCount]jsonedit.Span
	lenient.Members(candidate, candidateNames, at[:])
	calls := 0
	eachPart(lenient.Present(candidate, at[candContent]), func(p *part) {
		r.Parts = append(r.Parts, p.canonical(r.ID, calls)...)
		if p.call != nil {
			calls++
		}
	})
	r.NativeFinish = lenient.Text(candidate, at[candFinish])
	if broken[r.NativeFinish] && len(r.Parts) == 0 {
		return errBroken(r.NativeFinish)
	}
	r.Finish = finishOf(r.NativeFinish, calls > 0)
	return nil
}

var partNames = jsonedit.NewNames("text", "thought", "thoughtSignature", "functionCall")

const (
	prtText = iota
	prtThought
	prtSignature
	prtCall
	prtCount
)

// part is one part of an answer that has a place in the canonical form; code
// that Gemini runs itself and files that it makes have none.
type part struct {
	text      string
	isText    bool // it has a text, which may be empty
	thought   bool
	signature string
	call      []byte // functionCall
}

// eachPart calls fn for each part of a content.
func eachPart(content []byte, fn func(p *part)) {
	var in [1]jsonedit.Span
	lenient.Members(content, contentNames, in[:])
	lenient.Elems(lenient.Present(content, in[0]), func(v []byte) {
		var at [prtCount]jsonedit.Span
		lenient.Members(v, partNames, at[:])
		fn(&part{
			text:      lenient.Text(v, at[prtText]),
			isText:    at[prtText].Present(),
			thought:   lenient.True(v, at[prtThought]),
			signature: lenient.Text(v, at[prtSignature]),
			call:      lenient.Present(v, at[prtCall]),
		})
	})
}

// canonical returns what the part is: none, one, or a text and its signature.
func (p *part) canonical(responseID string, calls int) []llm.Part {
	switch {
	case p.call != nil:
		c := readCall(p.call, responseID, calls)
		c.Signature = p.signature
		return []llm.Part{{Type: llm.PartToolCall, ToolCall: c}}
	case p.thought:
		return []llm.Part{{Type: llm.PartReasoning, Reasoning: signed(p.text, p.signature)}}
	}
	var parts []llm.Part
	if p.text != "" {
		parts = append(parts, llm.Part{Type: llm.PartText, Text: p.text})
	}
	if p.signature != "" {
		parts = append(parts, llm.Part{Type: llm.PartReasoning, Reasoning: signed("", p.signature)})
	}
	return parts
}

// signed returns a block of reasoning; without a signature it is nobody's state.
func signed(text, signature string) *llm.Reasoning {
	r := &llm.Reasoning{Text: text, Signature: signature}
	if signature != "" {
		r.Origin = llm.DialectGemini
	}
	return r
}

var callNames = jsonedit.NewNames("name", "args", "id", "partialArgs", "willContinue")

const (
	callName = iota
	callArgs
	callID
	callPartial
	callMore
	callCount
)

// readCall reads a whole call, number n of its answer.
func readCall(v []byte, responseID string, n int) *llm.ToolCall {
	var at [callCount]jsonedit.Span
	lenient.Members(v, callNames, at[:])
	c := &llm.ToolCall{ID: lenient.Text(v, at[callID]), Name: lenient.Text(v, at[callName]), Arguments: "{}"}
	if c.ID == "" {
		c.ID = newID(responseID, n)
	}
	if jsonedit.Kind(v, at[callArgs]) == '{' {
		c.Arguments = string(at[callArgs].Of(v))
	}
	return c
}

// newID makes the id of call n: from the answer's id, so that it is the same
// whoever reads the answer, and with at most the 40 characters that OpenAI
// takes.
func newID(responseID string, n int) string {
	const most = 28
	id := strings.Map(func(c rune) rune {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '_' || c == '-' {
			return c
		}
		return -1
	}, responseID)
	if id == "" {
		id = rand.Text()
	}
	return generatedID + id[:min(len(id), most)] + "_" + strconv.Itoa(n)
}
