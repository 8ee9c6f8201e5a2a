package openai

import (
	"encoding/base64"
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// bodyNames are the top-level members of an answer, whole or chunk, that are
// acted on.
var bodyNames = jsonedit.NewNames("id", "model", "created", "choices", "usage", "error", "x_groq", "service_tier", "data")

const (
	bodyID = iota
	bodyModel
	bodyCreated
	bodyChoices
	bodyUsage
	bodyError
	bodyXGroq
	bodyTier
	bodyData
	bodyCount
)

var choiceNames = jsonedit.NewNames("message", "delta", "finish_reason", "usage", "index")

const (
	choiceMessage = iota
	choiceDelta
	choiceFinish
	choiceUsage
	choiceIndex
	choiceCount
)

// messageNames are the members of a message or delta.
var messageNames = jsonedit.NewNames("content", "refusal", "reasoning_content", "reasoning", "reasoning_details", "tool_calls", "role")

const (
	msgContent = iota
	msgRefusal
	msgReasoningContent
	msgReasoning
	msgDetails
	msgCalls
	msgRole
	msgCount
)

// answer is an answer's body or one chunk of a stream, with the members found
// that are acted on.
type answer struct {
	raw    []byte
	at     [bodyCount]jsonedit.Span
	choice []byte // of index 0; nil when there is none
	in     [choiceCount]jsonedit.Span
}

// parse finds the members of raw, which must be a JSON object.
func (a *answer) parse(raw []byte) error {
	a.raw = raw
	if err := lenient.Find(raw, bodyNames, a.at[:]); err != nil {
		return err
	}
	choices := a.part(bodyChoices)
	for v, i := element(choices, 0); v != nil; v, i = element(choices, i) {
		lenient.Members(v, choiceNames, a.in[:])
		if lenient.Count(v, a.in[choiceIndex]) == 0 {
			a.choice = v
			return nil
		}
	}
	clear(a.in[:])
	return nil
}

// element returns the element of the array v at or behind offset i, which is 0
// for the first one, and the offset behind it; nil when there is none. v is
// known to be valid JSON, so that brackets need only be counted. Unlike
// lenient.Elems it takes no function and so costs no allocation.
func element(v []byte, i int) ([]byte, int) {
	if i == 0 {
		if len(v) == 0 || v[0] != '[' {
			return nil, 0
		}
		i = 1
	}
	for i < len(v) && (v[i] == ',' || v[i] == ' ' || v[i] == '\t' || v[i] == '\n' || v[i] == '\r') {
		i++
	}
	start, depth := i, 0
	for ; i < len(v); i++ {
		switch v[i] {
		case '"':
			i += stringLen(v[i:]) + 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return trimmed(v[start:i]), i
			}
		case ',':
			if depth == 0 {
				return trimmed(v[start:i]), i
			}
		}
	}
	return nil, len(v)
}

// trimmed takes white space off the end of an element; nil for none.
func trimmed(v []byte) []byte {
	for len(v) > 0 && (v[len(v)-1] == ' ' || v[len(v)-1] == '\t' || v[len(v)-1] == '\n' || v[len(v)-1] == '\r') {
		v = v[:len(v)-1]
	}
	if len(v) == 0 {
		return nil
	}
	return v
}

// part returns a top-level member, nil when it is absent or null.
func (a *answer) part(i int) []byte { return lenient.Present(a.raw, a.at[i]) }

// inChoice returns a member of the choice, nil when it is absent or null.
func (a *answer) inChoice(i int) []byte { return lenient.Present(a.choice, a.in[i]) }

// message returns the choice's message or delta.
func (a *answer) message() []byte {
	if m := a.inChoice(choiceDelta); m != nil {
		return m
	}
	return a.inChoice(choiceMessage)
}

// native returns the provider's word for why the model stopped, "" for none.
func (a *answer) native() string {
	s := lenient.Text(a.choice, a.in[choiceFinish])
	if s == "null" {
		return ""
	}
	return s
}

// fault returns the error member unless it says nothing.
func (a *answer) fault() []byte {
	switch v := a.part(bodyError); string(v) {
	case "", `""`, "{}", "false":
		return nil
	default:
		return v
	}
}

// usage reads usage from wherever a provider puts it: the top level, under
// x_groq, or inside the choice (Moonshot's older API).
func (a *answer) usage(u *llm.Usage) bool {
	if !a.counts(u) {
		return false
	}
	u.Tier = lenient.Tier(a.raw, a.at[bodyTier])
	return true
}

func (a *answer) counts(u *llm.Usage) bool {
	if decodeUsage(a.part(bodyUsage), u) {
		return true
	}
	if g := a.part(bodyXGroq); g != nil {
		var at [1]jsonedit.Span
		lenient.Members(g, xGroqNames, at[:])
		if decodeUsage(lenient.Present(g, at[0]), u) {
			return true
		}
	}
	return decodeUsage(a.inChoice(choiceUsage), u)
}

// DecodeResponse reads a whole answer. A body that holds an error in spite of
// its status is returned as that *llm.Error.
func (k Codec) DecodeResponse(op llm.Op, body []byte) (*llm.Response, error) {
	var a answer
	if err := a.parse(body); err != nil {
		return nil, lenient.Malformed("answer", err)
	}
	if a.fault() != nil && a.choice == nil {
		return nil, k.DecodeError(0, body)
	}
	r := &llm.Response{
		ID:          lenient.Text(body, a.at[bodyID]),
		Model:       lenient.Text(body, a.at[bodyModel]),
		Created:     lenient.Count(body, a.at[bodyCreated]),
		ServiceTier: lenient.Text(body, a.at[bodyTier]),
	}
	a.usage(&r.Usage)
	if op == llm.OpEmbed {
		return r, decodeEmbeddings(r, a.part(bodyData))
	}
	if a.choice == nil {
		return nil, lenient.Malformed("answer", errNoChoice)
	}
	r.Parts = messageParts(a.message())
	r.NativeFinish = a.native()
	r.Finish = finishOf(r.NativeFinish, len(r.ToolCalls()) > 0)
	return r, nil
}

// messageParts reads a whole message, in the order in which a model makes it.
func messageParts(v []byte) []llm.Part {
	var at [msgCount]jsonedit.Span
	lenient.Members(v, messageNames, at[:])
	said, thought := contentParts(lenient.Present(v, at[msgContent]))
	parts := reasoningOf(v, &at).parts()
	if parts == nil {
		parts = thought
	}
	parts = append(parts, said...)
	if s := lenient.Text(v, at[msgRefusal]); s != "" {
		parts = append(parts, llm.Part{Type: llm.PartRefusal, Text: s})
	}
	lenient.Elems(lenient.Present(v, at[msgCalls]), func(v []byte) {
		c := decodeCall(v)
		call := &llm.ToolCall{ID: c.id, Name: c.name, Arguments: c.arguments, Signature: c.signature}
		if call.ID == "" {
			call.ID = newCallID()
		}
		parts = append(parts, llm.Part{Type: llm.PartToolCall, ToolCall: call})
	})
	return parts
}

// reasoningOf gathers a message's or delta's reasoning members.
func reasoningOf(v []byte, at *[msgCount]jsonedit.Span) *reasoningFields {
	f := &reasoningFields{text: lenient.Text(v, at[msgReasoningContent])}
	if f.text == "" {
		f.text = lenient.Text(v, at[msgReasoning])
	}
	lenient.Elems(lenient.Present(v, at[msgDetails]), func(v []byte) {
		// Blocks that cannot be read are left out: the text is there as well.
		if d, err := readDetail(v); err == nil {
			f.add(d)
		}
	})
	return f
}

var partNames = jsonedit.NewNames("type", "text", "refusal", "thinking")

// contentParts reads content: a string, or an array in which Mistral mixes
// text with thinking.
func contentParts(v []byte) (said, thought []llm.Part) {
	if len(v) > 0 && v[0] == '"' {
		if s := lenient.Text(v, jsonedit.Span{Start: 0, End: len(v)}); s != "" {
			said = []llm.Part{{Type: llm.PartText, Text: s}}
		}
		return said, nil
	}
	lenient.Elems(v, func(v []byte) {
		var at [4]jsonedit.Span
		lenient.Members(v, partNames, at[:])
		switch {
		case lenient.Text(v, at[0]) == "thinking":
			if s := thinkingText(v, at[3]); s != "" {
				thought = append(thought, llm.Part{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: s}})
			}
		case lenient.Text(v, at[2]) != "":
			said = append(said, llm.Part{Type: llm.PartRefusal, Text: lenient.Text(v, at[2])})
		case lenient.Text(v, at[1]) != "":
			said = append(said, llm.Part{Type: llm.PartText, Text: lenient.Text(v, at[1])})
		}
	})
	return said, thought
}

// thinkingText reads the thinking member: a string, or an array of texts.
func thinkingText(raw []byte, at jsonedit.Span) string {
	if s := lenient.Text(raw, at); s != "" {
		return s
	}
	var b []byte
	lenient.Elems(lenient.Present(raw, at), func(v []byte) {
		var in [4]jsonedit.Span
		lenient.Members(v, partNames, in[:])
		b = append(b, lenient.Text(v, in[1])...)
	})
	return string(b)
}

func decodeEmbeddings(r *llm.Response, data []byte) error {
	if len(data) == 0 || data[0] != '[' {
		return lenient.Malformed("answer", errNoData)
	}
	var err error
	lenient.Elems(data, func(v []byte) {
		e := llm.Embedding{Index: len(r.Embeddings)}
		var at [2]jsonedit.Span
		lenient.Members(v, embeddingNames, at[:])
		if at[0].Present() {
			e.Index = int(lenient.Count(v, at[0]))
		}
		value := lenient.Present(v, at[1])
		if len(value) > 0 && value[0] == '"' {
			e.Base64 = lenient.Text(v, at[1])
			if _, bad := base64.StdEncoding.DecodeString(e.Base64); bad != nil {
				err = lenient.Malformed("embedding", bad)
			}
		} else if e.Vector = vector(value); len(e.Vector) == 0 {
			err = lenient.Malformed("embedding", errNoData)
		}
		r.Embeddings = append(r.Embeddings, e)
	})
	return err
}

var embeddingNames = jsonedit.NewNames("index", "embedding")

// vector reads an array of numbers; nil when it is none.
func vector(v []byte) []float32 {
	if len(v) == 0 || v[0] != '[' {
		return nil
	}
	vec := make([]float32, 0, len(v)/10) // a component takes some ten bytes
	lenient.Elems(v, func(v []byte) {
		f, err := strconv.ParseFloat(string(v), 32)
		if err == nil && vec != nil {
			vec = append(vec, float32(f))
		} else {
			vec = nil
		}
	})
	return vec
}
