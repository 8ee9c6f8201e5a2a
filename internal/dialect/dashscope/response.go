package dashscope

import (
	"bytes"
	"crypto/rand"
	"errors"
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

var (
	errNoOutput = errors.New("there is no output in it")
	errNoVector = errors.New("there is a vector that is none")
)

// bodyNames are the top-level members of an answer, whole or one event.
var bodyNames = jsonedit.NewNames("output", "usage", "request_id", "code", "error")

const (
	bodyOutput = iota
	bodyUsage
	bodyID
	bodyCode
	bodyError
	bodyCount
)

// outputNames are the members of output. The text form of old models has text
// and finish_reason there; some answers have a text of null beside the choices.
var outputNames = jsonedit.NewNames("choices", "text", "finish_reason", "embeddings")

const (
	outChoices = iota
	outText
	outFinish
	outEmbeddings
	outCount
)

var choiceNames = jsonedit.NewNames("message", "finish_reason")

var messageNames = jsonedit.NewNames("content", "reasoning_content", "tool_calls")

const (
	msgContent = iota
	msgReasoning
	msgCalls
	msgCount
)

// answer is an answer's body or one event of a stream, with the members found
// that are acted on.
type answer struct {
	raw     []byte
	at      [bodyCount]jsonedit.Span
	output  []byte
	out     [outCount]jsonedit.Span
	choice  []byte
	finish  jsonedit.Span // in choice
	message []byte
	in      [msgCount]jsonedit.Span
}

// parse finds the members of raw, which must be a JSON object.
func (a *answer) parse(raw []byte) error {
	a.raw = raw
	if err := lenient.Find(raw, bodyNames, a.at[:]); err != nil {
		return err
	}
	a.output = lenient.Present(raw, a.at[bodyOutput])
	lenient.Members(a.output, outputNames, a.out[:])
	a.choice = first(lenient.Present(a.output, a.out[outChoices]))
	var at [2]jsonedit.Span
	lenient.Members(a.choice, choiceNames, at[:])
	a.message, a.finish = lenient.Present(a.choice, at[0]), at[1]
	lenient.Members(a.message, messageNames, a.in[:])
	return nil
}

// first returns the first element of the array v, if that is an object: the
// gateway asks for one choice. v is known to be valid JSON, so that brackets
// need only be counted, which costs no allocation.
func first(v []byte) []byte {
	if len(v) == 0 || v[0] != '[' {
		return nil
	}
	v = bytes.TrimLeft(v[1:], " \t\r\n")
	if v[0] != '{' {
		return nil
	}
	depth, text := 0, false
	for i := 0; i < len(v); i++ {
		switch c := v[i]; {
		case text && c == '\\':
			i++
		case c == '"':
			text = !text
		case text:
		case c == '{':
			depth++
		case c == '}':
			if depth--; depth == 0 {
				return v[:i+1]
			}
		}
	}
	return nil
}

// failed reports whether the body is an error in spite of its status: an object
// with a code says so whatever comes with it.
func (a *answer) failed() bool {
	return lenient.Text(a.raw, a.at[bodyCode]) != "" || lenient.Present(a.raw, a.at[bodyError]) != nil
}

var finishWords = []string{finishNone, finishStop, finishCalls, finishLength}

// native returns why the model stopped, "" while it has not.
func (a *answer) native() string {
	s := lenient.Word(a.choice, a.finish, finishWords)
	if a.choice == nil {
		s = lenient.Word(a.output, a.out[outFinish], finishWords)
	}
	if s == finishNone {
		return ""
	}
	return s
}

// text returns what the model said: a string, or an array of parts of the
// multimodal models.
func (a *answer) text() string {
	if a.choice == nil {
		return lenient.Text(a.output, a.out[outText])
	}
	c := lenient.Present(a.message, a.in[msgContent])
	if len(c) == 0 || c[0] != '[' {
		return lenient.Text(a.message, a.in[msgContent])
	}
	var b []byte
	lenient.Elems(c, func(v []byte) {
		var at [1]jsonedit.Span
		lenient.Members(v, partNames, at[:])
		b = append(b, lenient.Text(v, at[0])...)
	})
	return string(b)
}

var partNames = jsonedit.NewNames("text")

func (a *answer) reasoning() string { return lenient.Text(a.message, a.in[msgReasoning]) }

func (a *answer) calls() []byte { return lenient.Present(a.message, a.in[msgCalls]) }

// DecodeResponse reads a whole answer. DashScope does not say which model it
// is from, nor when it was made.
func (k Codec) DecodeResponse(op llm.Op, body []byte) (*llm.Response, error) {
	var a answer
	if err := a.parse(body); err != nil {
		return nil, lenient.Malformed("answer", err)
	}
	if a.failed() {
		return nil, k.DecodeError(0, body)
	}
	r := &llm.Response{ID: lenient.Text(body, a.at[bodyID])}
	r.Usage, _ = decodeUsage(lenient.Present(body, a.at[bodyUsage]))
	switch op {
	case llm.OpEmbed:
		return r, decodeEmbeddings(r, lenient.Present(a.output, a.out[outEmbeddings]))
	case llm.OpCountTokens:
		if r.Usage.Source != llm.UsageReported {
			return nil, lenient.Malformed("token count", errNoOutput)
		}
		return r, nil
	}
	if a.choice == nil && !a.out[outText].Present() {
		return nil, lenient.Malformed("answer", errNoOutput)
	}
	a.fill(r)
	return r, nil
}

// fill puts the parts into r, in the order in which a model makes them.
func (a *answer) fill(r *llm.Response) {
	if s := a.reasoning(); s != "" {
		r.Parts = append(r.Parts, llm.Part{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: s}})
	}
	if s := a.text(); s != "" {
		r.Parts = append(r.Parts, llm.Part{Type: llm.PartText, Text: s})
	}
	calls := 0
	lenient.Elems(a.calls(), func(v []byte) {
		c := decodeCall(v)
		calls++
		r.Parts = append(r.Parts, llm.Part{Type: llm.PartToolCall, ToolCall: &llm.ToolCall{ID: c.callID(), Name: c.name, Arguments: c.arguments}})
	})
	r.NativeFinish = a.native()
	r.Finish = finishOf(r.NativeFinish, calls > 0)
}

var (
	callNames     = jsonedit.NewNames("index", "id", "function")
	functionNames = jsonedit.NewNames("name", "arguments")
)

// wireCall is a tool call, or a piece of one: its id is then empty, and its
// name is missing.
type wireCall struct {
	index               int64
	id, name, arguments string
}

func decodeCall(v []byte) wireCall {
	var at [3]jsonedit.Span
	lenient.Members(v, callNames, at[:])
	c := wireCall{index: lenient.Count(v, at[0]), id: lenient.Text(v, at[1])}
	fn := lenient.Present(v, at[2])
	var in [2]jsonedit.Span
	lenient.Members(fn, functionNames, in[:])
	c.name = lenient.Text(fn, in[0])
	if jsonedit.Kind(fn, in[1]) == '{' {
		c.arguments = string(in[1].Of(fn))
	} else {
		c.arguments = lenient.Text(fn, in[1])
	}
	return c
}

// callID returns the call's id, or a new one for a call that came without: the
// client must be able to answer it.
func (c *wireCall) callID() string {
	if c.id == "" {
		return "call_" + rand.Text()[:24]
	}
	return c.id
}

var vectorNames = jsonedit.NewNames("text_index", "embedding")

func decodeEmbeddings(r *llm.Response, list []byte) error {
	if len(list) == 0 || list[0] != '[' {
		return lenient.Malformed("answer", errNoOutput)
	}
	var err error
	lenient.Elems(list, func(v []byte) {
		e := llm.Embedding{Index: len(r.Embeddings)}
		var at [2]jsonedit.Span
		lenient.Members(v, vectorNames, at[:])
		if at[0].Present() {
			e.Index = int(min(lenient.Count(v, at[0]), maxInputs))
		}
		if e.Vector = vector(lenient.Present(v, at[1])); e.Vector == nil {
			err = lenient.Malformed("embedding", errNoVector)
		}
		r.Embeddings = append(r.Embeddings, e)
	})
	return err
}

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
