package content

import (
	"log/slog"
	"slices"

	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// rendered is a list of messages as JSON.
type rendered struct {
	text string // "" = there is nothing
	cut  bool   // it is not all
}

func (r rendered) appendTo(a []slog.Attr, key string) []slog.Attr {
	a = appendString(a, key, r.text)
	if r.cut {
		a = append(a, slog.Bool(key+"_truncated", true))
	}
	return a
}

// message and part are what is shown of one.
type message struct {
	role   llm.Role
	name   string
	parts  []part
	finish llm.FinishReason // of an answer
}

type part struct {
	kind     llm.PartType // 0 = a body that could not be read
	id, name string
	text     string
	media    *llm.Media
}

// maxName bounds names and ids, which callers choose.
const maxName = 128

// renderRequest renders what was asked.
func renderRequest(r *llm.Request, limit int) rendered {
	list := make([]message, 0, len(r.Messages)+1)
	for i := range r.Messages {
		m := &r.Messages[i]
		list = append(list, message{role: m.Role, name: m.Name, parts: partsOf(m.Parts)})
	}
	if r.Embed != nil {
		m := message{role: llm.RoleUser}
		for _, s := range r.Embed.Input {
			m.parts = append(m.parts, part{kind: llm.PartText, text: s})
		}
		list = append(list, m)
	}
	return renderMessages(list, limit)
}

// renderRaw renders a body that is not understood, which its provider may well
// have done.
func renderRaw(raw []byte, limit int) rendered {
	short := raw[:min(len(raw), limit)]
	out := renderMessages([]message{{role: llm.RoleUser, parts: []part{{text: string(short)}}}}, limit)
	out.cut = out.cut || len(short) < len(raw)
	return out
}

func partsOf(list []llm.Part) []part {
	out := make([]part, 0, len(list))
	for i := range list {
		switch p := &list[i]; p.Type {
		case llm.PartReasoning:
			out = append(out, part{kind: p.Type, text: p.Reasoning.Text})
		case llm.PartToolCall:
			out = append(out, part{kind: p.Type, id: p.ToolCall.ID, name: p.ToolCall.Name, text: p.ToolCall.Arguments})
		case llm.PartToolResult:
			out = append(out, part{kind: p.Type, id: p.ToolResult.CallID, name: p.ToolResult.Name, text: resultText(p.ToolResult)})
		default:
			out = append(out, part{kind: p.Type, text: p.Text, media: p.Media})
		}
	}
	return out
}

// resultText joins the words of a tool's result.
func resultText(r *llm.ToolResult) string {
	text := ""
	for _, p := range r.Parts {
		if p.Media != nil {
			text += "[" + modality(p.Type) + "]"
		}
		text += p.Text
	}
	return text
}

// renderMessages renders as many messages as there is room for, the newest
// first: they are what a call is about.
func renderMessages(list []message, limit int) rendered {
	left := limit - len("[]")
	var done [][]byte
	cut := false
	for i := len(list) - 1; i >= 0 && !cut; i-- {
		w := &writer{left: left}
		if w.message(&list[i]) {
			done = append(done, w.b)
			left = w.left - len(",")
		}
		cut = w.cut || left <= 0 && i > 0
	}
	if len(done) == 0 {
		return rendered{cut: cut}
	}
	slices.Reverse(done)
	b := append(make([]byte, 0, limit-left), '[')
	for i, m := range done {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, m...)
	}
	return rendered{text: string(append(b, ']')), cut: cut}
}

// writer writes JSON within a bound.
type writer struct {
	b    []byte
	left int
	cut  bool
}

// fixed writes b if it fits, whole.
func (w *writer) fixed(b []byte) bool {
	if len(b) > w.left {
		w.cut = true
		return false
	}
	w.b = append(w.b, b...)
	w.left -= len(b)
	return true
}

// message writes one message. It reports false when not even a part of it
// fits.
func (w *writer) message(m *message) bool {
	head := jsonedit.AppendString([]byte(`{"role":`), string(m.role))
	if m.name != "" {
		head = jsonedit.AppendString(append(head, `,"name":`...), shown(m.name))
	}
	head = append(head, `,"parts":[`...)
	tail := []byte(`]`)
	if m.finish != "" {
		tail = jsonedit.AppendString(append(tail, `,"finish_reason":`...), string(m.finish))
	}
	tail = append(tail, '}')
	w.left -= len(tail)
	if !w.fixed(head) {
		return false
	}
	written := 0
	for i := range m.parts {
		if w.cut || !w.part(&m.parts[i], written > 0) {
			break
		}
		written++
	}
	w.b = append(w.b, tail...)
	return written > 0 || len(m.parts) == 0
}
