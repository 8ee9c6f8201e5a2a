package gemini

import (
	"strconv"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect/lenient"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// partial turns the pieces of a call's arguments that Vertex AI streams on
// request ({"jsonPath":"$.a.b[0]","stringValue":"Bos","willContinue":true})
// into pieces of one JSON text. The paths come in the order of the text, so no
// more is kept than the path of the latest piece.
type partial struct {
	path   []step
	begun  bool
	inText bool // a string is open
}

// step is one step of a path: a member, or an element when name is not set.
type step struct {
	name  string
	elem  bool
	index int
}

var pieceNames = jsonedit.NewNames("jsonPath", "stringValue", "numberValue", "boolValue", "nullValue", "willContinue")

const (
	pcPath = iota
	pcString
	pcNumber
	pcBool
	pcNull
	pcMore
	pcCount
)

// add appends what one element of partialArgs adds to the text.
func (p *partial) add(b, v []byte) []byte {
	var at [pcCount]jsonedit.Span
	lenient.Members(v, pieceNames, at[:])
	path := parsePath(lenient.Text(v, at[pcPath]))
	if len(path) == 0 || path[0].elem {
		return b
	}
	text := at[pcString].Present()
	if !text || !p.inText || !same(path, p.path) {
		b = p.move(b, path)
	}
	switch {
	case text:
		return p.addText(b, lenient.Text(v, at[pcString]), lenient.True(v, at[pcMore]))
	case at[pcNumber].Present():
		return append(b, at[pcNumber].Of(v)...)
	case at[pcBool].Present():
		return append(b, at[pcBool].Of(v)...)
	}
	return append(b, "null"...)
}

func (p *partial) addText(b []byte, s string, more bool) []byte {
	quoted := jsonedit.AppendString(nil, s)
	if !p.inText {
		b = append(b, '"')
	}
	b = append(b, quoted[1:len(quoted)-1]...)
	p.inText = more
	if !more {
		b = append(b, '"')
	}
	return b
}

// move goes from the place of the latest value to that of the next: it closes
// what ends in between and opens what begins.
func (p *partial) move(b []byte, path []step) []byte {
	b = p.endText(b)
	common := 0
	for common < len(path)-1 && common < len(p.path)-1 && path[common] == p.path[common] {
		common++
	}
	if common > 0 && path[common].elem != p.path[common].elem {
		common-- // a list where an object stood: begin it anew
	}
	for i := len(p.path) - 1; i > common; i-- {
		b = append(b, closing(p.path[i]))
	}
	if p.begun {
		b = append(b, ',')
	} else {
		b, p.begun = append(b, '{'), true
	}
	for i := common; i < len(path); i++ {
		if i > common {
			b = append(b, opening(path[i]))
		}
		if !path[i].elem {
			b = append(jsonedit.AppendString(b, path[i].name), ':')
		}
	}
	p.path = path
	return b
}

func (p *partial) endText(b []byte) []byte {
	if p.inText {
		p.inText = false
		b = append(b, '"')
	}
	return b
}

// end appends what closes the text; of no piece at all it makes {}.
func (p *partial) end(b []byte) []byte {
	if !p.begun {
		return append(b, "{}"...)
	}
	b = p.endText(b)
	for i := len(p.path) - 1; i >= 0; i-- {
		b = append(b, closing(p.path[i]))
	}
	return b
}

func opening(s step) byte {
	if s.elem {
		return '['
	}
	return '{'
}

func closing(s step) byte {
	if s.elem {
		return ']'
	}
	return '}'
}

func same(a, b []step) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if a[i] != b[i] {
			return false
		}
	}
	return true
}

// parsePath reads $.a.b[0]['c d']. What it cannot read ends the path.
func parsePath(s string) []step {
	s = strings.TrimPrefix(s, "$")
	var path []step
	for s != "" && len(path) < jsonedit.MaxDepth {
		switch s[0] {
		case '.':
			end := strings.IndexAny(s[1:], ".[") + 1
			if end == 0 {
				end = len(s)
			}
			path = append(path, step{name: s[1:end]})
			s = s[end:]
		case '[':
			inner, rest, ok := strings.Cut(s[1:], "]")
			if !ok {
				return path
			}
			if n, err := strconv.Atoi(inner); err == nil {
				path = append(path, step{elem: true, index: n})
			} else {
				path = append(path, step{name: strings.Trim(inner, `'"`)})
			}
			s = rest
		default:
			path = append(path, step{name: s})
			s = ""
		}
	}
	return path
}
