package openai

import (
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

func (e *encoder) messages(b []byte, messages []llm.Message) []byte {
	b = append(wire.Key(b, "messages"), '[')
	for i := range messages {
		m := &messages[i]
		path := e.path("", "messages", i, ".")
		switch m.Role {
		case llm.RoleTool:
			b = e.toolResults(b, m, path)
		case llm.RoleAssistant:
			b = e.assistant(b, m, path)
		default:
			b = wire.Str(append(wire.Sep(b), '{'), "role", e.role(m.Role))
			b = wire.StrIf(b, "name", m.Name)
			b = e.content(b, m.Parts, path)
			b = append(e.extras(b, path), '}')
		}
	}
	return append(b, ']')
}

// role names who speaks. OpenAI's reasoning models call the system's voice the
// developer's; many compatible servers have never heard of it.
func (e *encoder) role(r llm.Role) string {
	if r == llm.RoleDeveloper && !e.developer {
		r = llm.RoleSystem
	}
	return string(r)
}

// toolResults writes one message for each result, as OpenAI wants them. What
// is no result (a user's words in the same turn) follows as a user message.
func (e *encoder) toolResults(b []byte, m *llm.Message, path string) []byte {
	var rest []llm.Part
	for i := range m.Parts {
		p := &m.Parts[i]
		if p.Type != llm.PartToolResult {
			rest = append(rest, *p)
			continue
		}
		b = append(wire.Sep(b), `{"role":"tool"`...)
		b = wire.Str(b, "tool_call_id", p.ToolResult.CallID)
		b = wire.StrIf(b, "name", p.ToolResult.Name)
		b = e.content(b, p.ToolResult.Parts, path)
		b = append(e.extras(b, path), '}')
	}
	if rest == nil {
		return b
	}
	b = e.content(append(wire.Sep(b), `{"role":"user"`...), rest, path)
	return append(b, '}')
}

func (e *encoder) assistant(b []byte, m *llm.Message, path string) []byte {
	b = append(wire.Sep(b), `{"role":"assistant"`...)
	b = wire.StrIf(b, "name", m.Name)
	var said []llm.Part
	calls := 0
	for _, p := range m.Parts {
		switch p.Type {
		case llm.PartText, llm.PartRefusal:
			said = append(said, p)
		case llm.PartToolCall:
			calls++
		}
	}
	b = e.reasoning(b, m.Parts)
	switch {
	case len(said) > 0:
		b = e.content(b, said, path)
	case calls > 0:
		b = wire.Lit(b, "content", "null")
	default:
		b = wire.Str(b, "content", "")
	}
	if calls > 0 {
		b = e.calls(b, m.Parts, path)
	}
	return append(e.extras(b, path), '}')
}

func (e *encoder) calls(b []byte, parts []llm.Part, path string) []byte {
	b = append(wire.Key(b, "tool_calls"), '[')
	i := 0
	for j := range parts {
		c := parts[j].ToolCall
		if c == nil {
			continue
		}
		b = appendCallHead(append(wire.Sep(b), '{'), c.ID, c.Name, callArguments(c))
		b = append(e.extras(b, e.path(path, "tool_calls", i, ".function.")), '}')
		if e.codec.ThoughtSignatures {
			b = appendSignature(b, c.Signature)
		}
		b = append(e.extras(b, e.path(path, "tool_calls", i, ".")), '}')
		i++
	}
	return append(b, ']')
}

// callArguments returns the arguments of a whole call, which must be JSON.
func callArguments(c *llm.ToolCall) string {
	if c.Arguments == "" {
		return "{}"
	}
	return c.Arguments
}

// appendCallHead appends the members of a tool call and leaves "function" open.
func appendCallHead(b []byte, id, name, arguments string) []byte {
	b = wire.Str(b, "id", id)
	b = append(wire.Str(b, "type", "function"), `,"function":{`...)
	b = wire.Str(b, "name", name)
	return wire.Str(b, "arguments", arguments)
}

// appendSignature appends Gemini's signature of a call where Google's own
// OpenAI-compatible endpoint has it.
func appendSignature(b []byte, signature string) []byte {
	if signature == "" {
		return b
	}
	b = append(wire.Key(b, "extra_content"), `{"google":{`...)
	return append(wire.Str(b, "thought_signature", signature), `}}`...)
}

// reasoning writes earlier thinking back in the form that the provider wants.
// A block with another provider's state stays out, except where the form says
// whose it is.
func (e *encoder) reasoning(b []byte, parts []llm.Part) []byte {
	field := e.codec.ReasoningField
	var text strings.Builder
	n := 0
	for i := range parts {
		r := parts[i].Reasoning
		if field == "" || r == nil {
			continue
		}
		if field != "reasoning_details" {
			if r.Signature == "" && r.Redacted == "" {
				text.WriteString(r.Text)
			}
			continue
		}
		if n == 0 {
			b = append(wire.Key(b, "reasoning_details"), '[')
		}
		b = appendDetail(b, r, n)
		n++
	}
	if n > 0 {
		return append(b, ']')
	}
	if text.Len() > 0 {
		b = wire.Str(b, field, text.String())
	}
	return b
}

// content writes a lone text as a string, as every server knows it, and
// anything else as an array of parts.
func (e *encoder) content(b []byte, parts []llm.Part, path string) []byte {
	b = wire.Key(b, "content")
	if len(parts) == 0 {
		return append(b, `""`...)
	}
	if len(parts) == 1 && parts[0].Type == llm.PartText && !e.hasExtras(path+"content[0].") {
		return jsonedit.AppendString(b, parts[0].Text)
	}
	b = append(b, '[')
	for j := range parts {
		b = appendPart(append(wire.Sep(b), '{'), &parts[j])
		b = append(e.extras(b, e.path(path, "content", j, ".")), '}')
	}
	return append(b, ']')
}

func (e *encoder) hasExtras(path string) bool {
	for _, m := range e.extra {
		if strings.HasPrefix(m.Name, path) {
			return true
		}
	}
	return false
}

func appendPart(b []byte, p *llm.Part) []byte {
	switch p.Type {
	case llm.PartRefusal:
		return wire.Str(wire.Str(b, "type", "refusal"), "refusal", p.Text)
	case llm.PartImage:
		b = append(wire.Str(b, "type", "image_url"), `,"image_url":{`...)
		b = wire.Str(b, "url", mediaRef(p.Media))
		return append(wire.StrIf(b, "detail", p.Media.Detail), '}')
	case llm.PartAudio:
		b = append(wire.Str(b, "type", "input_audio"), `,"input_audio":{`...)
		b = wire.Str(b, "data", p.Media.Data)
		return append(wire.Str(b, "format", audioFormat(p.Media.MIME)), '}')
	case llm.PartFile:
		b = append(wire.Str(b, "type", "file"), `,"file":{`...)
		b = wire.StrIf(b, "file_id", p.Media.FileID)
		b = wire.StrIf(b, "filename", p.Media.Name)
		if p.Media.Data != "" {
			b = wire.Str(b, "file_data", dataURL(p.Media))
		}
		return append(b, '}')
	}
	return wire.Str(wire.Str(b, "type", "text"), "text", p.Text)
}

func mediaRef(m *llm.Media) string {
	if m.Data != "" {
		return dataURL(m)
	}
	return m.URL
}

// audioFormat names a media type as OpenAI does.
func audioFormat(mime string) string {
	switch mime {
	case "audio/wav", "audio/x-wav", "audio/wave":
		return "wav"
	case "audio/mpeg", "audio/mp3":
		return "mp3"
	}
	_, sub, _ := strings.Cut(mime, "/")
	return sub
}
