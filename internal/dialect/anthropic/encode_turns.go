package anthropic

import (
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

func isSystem(m *llm.Message) bool { return m.Role == llm.RoleSystem || m.Role == llm.RoleDeveloper }

// appendSystem hoists what system and developer messages say, in order,
// wherever they stand.
func appendSystem(b []byte, messages []llm.Message) []byte {
	var said []*llm.Part
	for i := range messages {
		if !isSystem(&messages[i]) {
			continue
		}
		for j := range messages[i].Parts {
			if p := &messages[i].Parts[j]; !blank(p.Text) {
				said = append(said, p)
			}
		}
	}
	switch {
	case len(said) == 0:
		return b
	case len(said) == 1 && len(said[0].CacheControl) == 0:
		return wire.Str(b, "system", said[0].Text)
	}
	b = append(wire.Key(b, "system"), '[')
	for _, p := range said {
		b = appendText(wire.Sep(b), p.Text, p.CacheControl)
	}
	return append(b, ']')
}

func blank(s string) bool { return strings.TrimSpace(s) == "" }

// turns writes messages so that user and assistant alternate.
type turns struct {
	b   []byte
	ids ids
}

// appendMessages appends the conversation. Messages of one side that follow
// each other become one turn; in a user's turn the tool results come first.
func appendMessages(b []byte, messages []llm.Message) ([]byte, error) {
	t := turns{b: append(wire.Key(b, "messages"), '[')}
	for i := 0; i < len(messages); {
		run, next := turn(messages, i)
		if len(run) > 0 {
			if err := t.append(run, next == len(messages)); err != nil {
				return nil, err
			}
		}
		i = next
	}
	return append(t.b, ']'), nil
}

// turn returns the messages of one turn, from i on, and where the next turn
// begins. System messages are left out, and so are assistant messages of which
// nothing can be sent.
func turn(messages []llm.Message, i int) (run []*llm.Message, next int) {
	for next = i; next < len(messages); next++ {
		m := &messages[next]
		if isSystem(m) || m.Role == llm.RoleAssistant && silent(m) {
			continue
		}
		if len(run) > 0 && (m.Role == llm.RoleAssistant) != (run[0].Role == llm.RoleAssistant) {
			return run, next
		}
		run = append(run, m)
	}
	return run, next
}

// silent reports whether nothing of a message can be sent.
func silent(m *llm.Message) bool {
	for i := range m.Parts {
		if sendable(&m.Parts[i]) {
			return false
		}
	}
	return true
}

// sendable reports whether a part becomes a block: text that is not blank, and
// thinking that Anthropic signed.
func sendable(p *llm.Part) bool {
	switch p.Type {
	case llm.PartText, llm.PartRefusal:
		return !blank(p.Text)
	case llm.PartReasoning:
		return p.Reasoning.Origin == llm.DialectAnthropic && (p.Reasoning.Signature != "" || p.Reasoning.Redacted != "")
	}
	return true
}

func (t *turns) append(run []*llm.Message, last bool) error {
	role := "user"
	if run[0].Role == llm.RoleAssistant {
		role = "assistant"
	}
	t.b = wire.Str(append(wire.Sep(t.b), '{'), "role", role)
	if lone := loneText(run); lone != nil {
		t.b = append(wire.Str(t.b, "content", ending(lone.Text, last && role == "assistant")), '}')
		return nil
	}
	t.b = append(wire.Key(t.b, "content"), '[')
	for _, results := range []bool{true, false} {
		for _, m := range run {
			for i := range m.Parts {
				p := &m.Parts[i]
				if (p.Type == llm.PartToolResult) != results || !sendable(p) {
					continue
				}
				if err := t.part(p, last && role == "assistant"); err != nil {
					return err
				}
			}
		}
	}
	t.b = append(t.b, "]}"...)
	return nil
}

// ending cuts the white space that the last assistant text must not end in.
func ending(s string, last bool) string {
	if last {
		return strings.TrimRight(s, " \t\r\n")
	}
	return s
}

// loneText returns the only part of a turn when that is unmarked text.
func loneText(run []*llm.Message) *llm.Part {
	if len(run) != 1 || len(run[0].Parts) != 1 {
		return nil
	}
	p := &run[0].Parts[0]
	if p.Type != llm.PartText || len(p.CacheControl) > 0 {
		return nil
	}
	return p
}

func (t *turns) part(p *llm.Part, last bool) (err error) {
	b := wire.Sep(t.b)
	switch p.Type {
	case llm.PartText, llm.PartRefusal:
		b = appendText(b, ending(p.Text, last), p.CacheControl)
	case llm.PartReasoning:
		b = appendThought(b, p.Reasoning)
	case llm.PartToolCall:
		b = t.call(b, p)
	case llm.PartToolResult:
		b, err = t.result(b, p)
	case llm.PartImage:
		b = append(appendImage(b, p.Media), '}')
		b = closeMarked(b, p.CacheControl)
	case llm.PartFile:
		if b, err = appendDocument(b, p.Media); err == nil {
			b = closeMarked(b, p.CacheControl)
		}
	default:
		err = llm.Unsupported("messages", "messages: the Anthropic API takes no such content")
	}
	t.b = b
	return err
}

func closeMarked(b []byte, mark json.RawMessage) []byte { return append(appendCache(b, mark), '}') }

func appendText(b []byte, s string, mark json.RawMessage) []byte {
	return closeMarked(wire.Str(append(b, `{"type":"text"`...), "text", s), mark)
}

func appendThought(b []byte, r *llm.Reasoning) []byte {
	if r.Redacted != "" {
		return append(wire.Str(append(b, `{"type":"redacted_thinking"`...), "data", redacted(r)), '}')
	}
	b = wire.Str(append(b, `{"type":"thinking"`...), "thinking", r.Text)
	return append(wire.Str(b, "signature", signature(r)), '}')
}

func (t *turns) call(b []byte, p *llm.Part) []byte {
	b = wire.Str(append(b, `{"type":"tool_use"`...), "id", t.ids.call(p.ToolCall.ID))
	b = wire.Str(b, "name", p.ToolCall.Name)
	return closeMarked(wire.Lit(b, "input", inputObject(p.ToolCall.Arguments)), p.CacheControl)
}

// inputObject returns arguments as the object that Anthropic wants; what a
// model wrote that is none is kept as text.
func inputObject(arguments string) string {
	s := strings.TrimSpace(arguments)
	switch {
	case s == "":
		return "{}"
	case s[0] == '{' && json.Valid([]byte(s)):
		return s
	}
	return string(append(wire.Str([]byte("{"), "_raw", arguments), '}'))
}

func (t *turns) result(b []byte, p *llm.Part) ([]byte, error) {
	r := p.ToolResult
	b = wire.Str(append(b, `{"type":"tool_result"`...), "tool_use_id", t.ids.result(r.CallID))
	b, err := appendResultContent(b, r.Parts)
	if err != nil {
		return nil, err
	}
	if r.IsError {
		b = wire.Boolean(b, "is_error", true)
	}
	return closeMarked(b, p.CacheControl), nil
}

func appendResultContent(b []byte, parts []llm.Part) ([]byte, error) {
	if !slices.ContainsFunc(parts, func(p llm.Part) bool { return sendable(&p) }) {
		return b, nil
	}
	if len(parts) == 1 && parts[0].Type == llm.PartText && len(parts[0].CacheControl) == 0 {
		return wire.Str(b, "content", parts[0].Text), nil
	}
	inner := turns{b: append(wire.Key(b, "content"), '[')}
	for i := range parts {
		if !sendable(&parts[i]) {
			continue
		}
		if err := inner.part(&parts[i], false); err != nil {
			return nil, err
		}
	}
	return append(inner.b, ']'), nil
}

func appendImage(b []byte, m *llm.Media) []byte {
	return appendSource(append(b, `{"type":"image","source":{`...), m)
}

func appendSource(b []byte, m *llm.Media) []byte {
	switch {
	case m.FileID != "":
		return wire.Str(wire.Str(b, "type", "file"), "file_id", m.FileID)
	case m.Data != "":
		b = wire.Str(wire.Str(b, "type", "base64"), "media_type", m.MIME)
		return wire.Str(b, "data", m.Data)
	}
	return wire.Str(wire.Str(b, "type", "url"), "url", m.URL)
}

// appendDocument appends a document block and leaves it open.
func appendDocument(b []byte, m *llm.Media) ([]byte, error) {
	b = append(b, `{"type":"document","source":{`...)
	if m.Data != "" && strings.HasPrefix(m.MIME, "text/") {
		text, err := base64.StdEncoding.DecodeString(m.Data)
		if err != nil {
			return nil, llm.Invalid("messages", "messages: the file %q is not valid base64", m.Name)
		}
		b = append(b, `"type":"text","media_type":"text/plain"`...)
		b = jsonedit.AppendString(wire.Key(b, "data"), string(text))
	} else {
		b = appendSource(b, m)
	}
	return wire.StrIf(append(b, '}'), "title", m.Name), nil
}
