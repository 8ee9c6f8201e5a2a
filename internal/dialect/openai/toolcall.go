package openai

import (
	"crypto/rand"
	"errors"

	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

var (
	errNoChoice = errors.New("there is no choice in it")
	errNoData   = errors.New("there is no data in it")
)

var callNames = jsonedit.NewNames("id", "index", "function", "extra_content", "type")

const (
	callID = iota
	callIndex
	callFunction
	callExtra
	callType
	callCount
)

var functionNames = jsonedit.NewNames("name", "arguments")

// wireCall is a tool call, or a piece of one, as a provider sends it.
type wireCall struct {
	id, name, arguments, signature string
	index                          int // -1 when absent
}

// decodeCall reads a tool call. Every member may be missing.
func decodeCall(v []byte) wireCall {
	var at [callCount]jsonedit.Span
	lenient.Members(v, callNames, at[:])
	c := wireCall{id: lenient.Text(v, at[callID]), index: -1}
	if jsonedit.Kind(v, at[callIndex]) == '0' {
		c.index = int(min(lenient.Count(v, at[callIndex]), 1<<20))
	}
	if x := lenient.Present(v, at[callExtra]); x != nil {
		c.signature, _ = googleSignature(x)
	}
	fn := lenient.Present(v, at[callFunction])
	var in [2]jsonedit.Span
	lenient.Members(fn, functionNames, in[:])
	c.name = lenient.Text(fn, in[0])
	if args := lenient.Present(fn, in[1]); len(args) > 0 {
		c.arguments, _ = arguments(args)
	}
	return c
}

// newCallID makes an id for a call that came without one: the client must be
// able to answer it.
func newCallID() string { return "call_" + rand.Text()[:24] }
