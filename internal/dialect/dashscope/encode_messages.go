package dashscope

import (
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// input appends the conversation.
func (e *encoder) input(b []byte) []byte {
	b = append(wire.Key(b, "input"), `{"messages":[`...)
	for i := range e.r.Messages {
		m := &e.r.Messages[i]
		switch m.Role {
		case llm.RoleTool:
			b = e.toolResults(b, i)
		case llm.RoleAssistant:
			b = e.assistant(b, i)
		default:
			role := "user"
			if m.Role != llm.RoleUser {
				role = "system" // there is no developer role
			}
			b = wire.Str(append(wire.Sep(b), '{'), "role", role)
			b = e.content(b, m.Parts, "\n")
			b = append(e.messageExtras(b, i), '}')
		}
	}
	return append(e.extras(append(b, ']'), "input."), '}')
}

// toolResults writes one message for each result. What is no result (a user's
// words in the same turn) follows as a user message.
func (e *encoder) toolResults(b []byte, i int) []byte {
	var rest []llm.Part
	for j := range e.r.Messages[i].Parts {
		p := &e.r.Messages[i].Parts[j]
		if p.Type != llm.PartToolResult {
			rest = append(rest, *p)
			continue
		}
		b = append(wire.Sep(b), `{"role":"tool"`...)
		result := p.ToolResult.Parts
		if len(result) == 0 {
			result = nothing // an empty array of parts would be refused
		}
		b = e.content(b, result, "\n")
		b = wire.Str(b, "tool_call_id", p.ToolResult.CallID)
		b = wire.StrIf(b, "name", p.ToolResult.Name)
		b = append(e.messageExtras(b, i), '}')
	}
	if rest == nil {
		return b
	}
	b = e.content(append(wire.Sep(b), `{"role":"user"`...), rest, "\n")
	return append(b, '}')
}

var nothing = []llm.Part{{Type: llm.PartText}}

// assistant writes what the model said and called, not what it thought.
func (e *encoder) assistant(b []byte, i int) []byte {
	b = append(wire.Sep(b), `{"role":"assistant"`...)
	parts := e.r.Messages[i].Parts
	b = e.content(b, parts, "")
	b = appendCalls(b, parts)
	return append(e.messageExtras(b, i), '}')
}

// appendCalls appends tool_calls, and nothing when there are none.
func appendCalls(b []byte, parts []llm.Part) []byte {
	n := int64(0)
	for i := range parts {
		c := parts[i].ToolCall
		if c == nil {
			continue
		}
		if n == 0 {
			b = append(wire.Key(b, "tool_calls"), '[')
		}
		b = wire.Str(wire.Num(append(wire.Sep(b), '{'), "index", n), "id", c.ID)
		b = append(wire.Str(b, "type", "function"), `,"function":{`...)
		b = wire.Str(wire.Str(b, "name", c.Name), "arguments", arguments(c))
		b = append(b, `}}`...)
		n++
	}
	if n > 0 {
		b = append(b, ']')
	}
	return b
}

// arguments returns the arguments of a whole call, which must be JSON.
func arguments(c *llm.ToolCall) string {
	if c.Arguments == "" {
		return "{}"
	}
	return c.Arguments
}

// content writes texts and media: as parts for a model that takes media, as
// one string for others, in which texts are joined by sep.
func (e *encoder) content(b []byte, parts []llm.Part, sep string) []byte {
	b = wire.Key(b, "content")
	if !e.parts {
		return jsonedit.AppendString(b, joined(parts, sep))
	}
	b = append(b, '[')
	for i := range parts {
		p := &parts[i]
		switch {
		case said(p):
			b = append(wire.Str(append(wire.Sep(b), '{'), "text", p.Text), '}')
		case p.Type == llm.PartImage:
			b = append(wire.Str(append(wire.Sep(b), '{'), "image", reference(p.Media)), '}')
		case p.Type == llm.PartAudio:
			b = append(wire.Str(append(wire.Sep(b), '{'), "audio", reference(p.Media)), '}')
		}
	}
	return append(b, ']')
}

func said(p *llm.Part) bool { return p.Type == llm.PartText || p.Type == llm.PartRefusal }

// joined returns the texts among parts.
func joined(parts []llm.Part, sep string) string {
	if len(parts) == 1 && said(&parts[0]) {
		return parts[0].Text
	}
	var s strings.Builder
	n := 0
	for i := range parts {
		if !said(&parts[i]) {
			continue
		}
		if n++; n > 1 {
			s.WriteString(sep)
		}
		s.WriteString(parts[i].Text)
	}
	return s.String()
}

// reference returns the URL of a piece of media, a data URL for one by value.
func reference(m *llm.Media) string {
	if m.Data != "" {
		return "data:" + m.MIME + ";base64," + m.Data
	}
	return m.URL
}
