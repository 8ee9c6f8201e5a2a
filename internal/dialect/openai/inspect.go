package openai

import (
	"bytes"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
	"github.com/llm-gateway/llm-gateway/pkg/sse"
)

// NewInspector starts watching a stream of chunks that passes through.
func (k Codec) NewInspector(hideUsage bool) dialect.Inspector {
	return &inspector{codec: k, hide: hideUsage}
}

// inspector keeps what must be known at the end of a passing stream. Most
// chunks are told to be plain text by looking for a few byte strings; only one
// that may hold something else is parsed.
type inspector struct {
	codec    Codec
	hide     bool
	begun    bool // the answer has begun: no more preamble
	calls    bool // a tool call has been seen
	finished bool
	done     bool
	plain    pattern
}

// noNames is for chunks of which nothing is wanted but that they are JSON.
var noNames = jsonedit.NewNames()

var doneTail = []byte(doneEvent)

// Inspect looks at one event. The usage chunk that the client did not ask for
// is hidden when it holds nothing else.
func (i *inspector) Inspect(ev sse.Event) (dialect.Verdict, error) {
	data := ev.Data
	if len(data) == 0 {
		return dialect.Verdict{Preamble: true}, nil
	}
	if data[0] != '{' {
		if data = bytes.TrimSpace(data); bytes.HasPrefix(data, doneMark) {
			i.done = true
			return dialect.Verdict{Last: true}, nil
		}
	}
	if string(ev.Name) == "error" {
		return dialect.Verdict{}, i.codec.DecodeError(0, data)
	}
	if n, ok := i.plain.match(data); ok {
		return dialect.Verdict{TextBytes: n}, nil
	}
	v := dialect.Verdict{TextBytes: textBytes(data)}
	i.calls = i.calls || hasCalls(data)
	if !tells(data) && (i.begun || v.TextBytes > 0) {
		if _, _, err := jsonedit.Find(data, noNames, nil); err != nil {
			return v, lenient.Malformed("stream event", err) // better an honest end than a client that stumbles over it
		}
		i.begun = true
		i.plain.learn(data, v.TextBytes)
		return v, nil
	}
	return v, i.parse(data, &v)
}

// parse looks closely at a chunk that may tell more than text.
func (i *inspector) parse(data []byte, v *dialect.Verdict) error {
	var a answer
	if err := a.parse(data); err != nil {
		return lenient.Malformed("stream event", err)
	}
	if a.fault() != nil {
		return i.codec.DecodeError(0, data)
	}
	var u llm.Usage
	if a.usage(&u) {
		v.Usage = reported(&u)
	}
	if native := finishIn(&a); native != "" {
		i.finished, i.begun = true, true
		v.Finish = finishOf(native, i.calls)
		return nil
	}
	bare := emptyArray(a.part(bodyChoices))
	switch {
	case bare && v.Usage != nil && i.hide:
		v.Hide = true
	case i.begun:
	case bare, v.TextBytes == 0 && saysNothing(a.message()):
		v.Preamble = true
	default:
		i.begun = true
	}
	return nil
}

// reported moves u to the heap, so that a chunk without usage costs nothing.
func reported(u *llm.Usage) *llm.Usage {
	c := *u
	return &c
}

// emptyArray reports whether v is an array without elements.
func emptyArray(v []byte) bool {
	return len(v) >= 2 && v[0] == '[' && len(bytes.TrimSpace(v[1:len(v)-1])) == 0
}

// finishIn returns the finish reason of any choice of the chunk.
func finishIn(a *answer) string {
	if s := a.native(); s != "" || a.choice != nil {
		return s
	}
	choices := a.part(bodyChoices)
	for v, i := element(choices, 0); v != nil; v, i = element(choices, i) {
		var in [choiceCount]jsonedit.Span
		lenient.Members(v, choiceNames, in[:])
		if s := lenient.Text(v, in[choiceFinish]); s != "" && s != "null" {
			return s
		}
	}
	return ""
}

// saysNothing reports whether a delta only introduces the answer: every member
// is a role, or a known one that is empty. A member that is not known is taken
// for content.
func saysNothing(msg []byte) bool {
	if msg == nil {
		return true
	}
	var at [msgCount]jsonedit.Span
	_, n, err := jsonedit.Find(msg, messageNames, at[:])
	if err != nil {
		return false
	}
	for j := range at {
		if !at[j].Present() {
			continue
		}
		n--
		v := lenient.Present(msg, at[j])
		if j != msgRole && v != nil && string(v) != `""` && !emptyArray(v) {
			return false
		}
	}
	return n == 0
}

// End says whether the stream was complete: it told why the model stopped, or
// ended with [DONE]. A [DONE] that is missing is added.
func (i *inspector) End() ([]byte, error) {
	switch {
	case i.done:
		return nil, nil
	case i.finished:
		return doneTail, nil
	}
	return nil, errCut()
}

// Keys as they stand in a chunk, with their quotes. Inside a string of JSON a
// quote is always escaped, so a key followed by a colon is a key.
var (
	keyUsage     = []byte(`"usage"`)
	keyFinish    = []byte(`"finish_reason"`)
	keyError     = []byte(`"error"`)
	keyCalls     = []byte(`"tool_calls"`)
	keyContent   = []byte(`"content"`)
	keyReasoning = []byte(`"reasoning_content"`)
	keyThought   = []byte(`"reasoning"`)
	keyArguments = []byte(`"arguments"`)
	keyText      = []byte(`"text"`)
	keyRefusal   = []byte(`"refusal"`)
)

// tells reports whether a chunk may tell usage, a finish reason or an error:
// whether one of their keys has a value other than null.
func tells(data []byte) bool {
	return hasValue(data, keyFinish) || hasValue(data, keyUsage) || hasValue(data, keyError)
}

// hasCalls reports whether a chunk has a piece of a tool call.
func hasCalls(data []byte) bool {
	v := after(data, keyCalls)
	return len(v) > 1 && v[0] == '[' && skipSpace(v[1:])[0] != ']'
}

func hasValue(data, key []byte) bool {
	for {
		v := after(data, key)
		if v == nil {
			return false
		}
		if v[0] != 'n' {
			return true
		}
		data = v
	}
}

// after returns data from the value of key on, nil when key is not in it.
func after(data, key []byte) []byte {
	for {
		i := bytes.Index(data, key)
		if i < 0 {
			return nil
		}
		data = data[i+len(key):]
		rest := skipSpace(data)
		if len(rest) > 0 && rest[0] == ':' {
			if rest = skipSpace(rest[1:]); len(rest) > 0 {
				return rest
			}
		}
	}
}

func skipSpace(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t' || b[0] == '\n' || b[0] == '\r') {
		b = b[1:]
	}
	return b
}

// textKeys are the members that hold an answer's text, the likeliest first.
var textKeys = [...][]byte{keyContent, keyReasoning, keyThought, keyArguments, keyRefusal}

// textBytes estimates how many bytes of answer a chunk carries: the length of
// its content in JSON form, or of what stands in its place. An array of parts
// counts by its texts.
func textBytes(data []byte) int {
	for _, key := range textKeys {
		v := after(data, key)
		if v == nil {
			continue
		}
		n := 0
		switch v[0] {
		case '"':
			n = stringLen(v)
		case '[':
			for t := after(v, keyText); t != nil; t = after(t, keyText) {
				n += stringLen(t)
			}
		}
		if n > 0 {
			return n
		}
	}
	return 0
}

// stringLen returns the length of the string that v begins with, without its
// quotes, escapes counted as they stand.
func stringLen(v []byte) int {
	if v[0] != '"' {
		return 0
	}
	for i := 1; ; {
		j := bytes.IndexByte(v[i:], '"')
		if j < 0 {
			return len(v) - 1
		}
		i += j
		slashes := 0
		for v[i-1-slashes] == '\\' {
			slashes++
		}
		if slashes%2 == 0 {
			return i - 1
		}
		i++
	}
}
