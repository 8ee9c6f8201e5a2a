package openai

import (
	"encoding/json"
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func (d *RequestDecoder) messages(v []byte) error {
	return wire.Array(v, func(i int, v []byte) error {
		m, err := d.message(v)
		if err != nil {
			return err
		}
		d.Request.Messages = append(d.Request.Messages, m)
		for _, x := range d.pending {
			d.extra("messages["+strconv.Itoa(i)+"]."+x.Name, x.Value)
		}
		d.pending = d.pending[:0]
		return nil
	})
}

// later keeps a member of the message being read that has no canonical place;
// path is relative to the message.
func (d *RequestDecoder) later(path string, v []byte) {
	d.pending = append(d.pending, llm.Member{Name: path, Value: json.RawMessage(v)})
}

// draft is a message as it stands on the wire; its members may come in any
// order, so they are put together when all have been seen.
type draft struct {
	role      llm.Role
	name      string
	callID    string
	content   []byte
	refusal   []byte
	calls     []byte
	reasoning reasoningFields
}

func (d *RequestDecoder) message(v []byte) (llm.Message, error) {
	var m draft
	err := wire.Object(v, func(name string, v []byte) error { return d.messageMember(&m, name, v) })
	if err != nil {
		return llm.Message{}, err
	}
	switch m.role {
	case "":
		return llm.Message{}, wire.At(wire.Wrong("is required"), "role")
	case llm.RoleTool:
		return d.toolMessage(&m)
	case llm.RoleAssistant:
		return d.assistantMessage(&m)
	}
	return d.plainMessage(&m)
}

func (d *RequestDecoder) messageMember(m *draft, name string, v []byte) (err error) {
	switch name {
	case "role":
		m.role, err = role(v)
	case "content":
		m.content = v
	case "name":
		m.name, err = wire.String(v)
	case "tool_calls":
		m.calls = v
	case "tool_call_id":
		m.callID, err = wire.Filled(v)
	case "refusal":
		m.refusal = v
	case "reasoning_content", "reasoning", "reasoning_details":
		err = m.reasoning.member(name, v)
	case "function_call":
		err = wire.Refuse("function_call is deprecated: use tool_calls")
	case "annotations", "parsed", "provider_specific_fields":
		// What SDKs copy from an answer into the history; providers ignore it.
	default:
		d.later(name, v)
	}
	return err
}

func role(v []byte) (llm.Role, error) {
	s, err := wire.String(v)
	switch r := llm.Role(s); {
	case err != nil:
		return "", err
	case s == "function":
		return "", wire.Refuse("the role function is deprecated: use tool")
	case r == llm.RoleSystem, r == llm.RoleDeveloper, r == llm.RoleUser, r == llm.RoleAssistant, r == llm.RoleTool:
		return r, nil
	}
	_, err = wire.OneOf(v, "developer", "system", "user", "assistant", "tool")
	return "", err
}

// misplaced refuses members that belong to another role.
func (m *draft) misplaced() error {
	switch {
	case m.calls != nil && m.role != llm.RoleAssistant:
		return wire.At(wire.Wrong("only an assistant message has tool calls"), "tool_calls")
	case m.callID != "" && m.role != llm.RoleTool:
		return wire.At(wire.Wrong("only a tool message answers a tool call"), "tool_call_id")
	}
	return nil
}

func (d *RequestDecoder) plainMessage(m *draft) (llm.Message, error) {
	out := llm.Message{Role: m.role, Name: m.name}
	if err := m.misplaced(); err != nil {
		return out, err
	}
	if m.content == nil {
		return out, wire.At(wire.Wrong("is required"), "content")
	}
	allowed := textParts
	if m.role == llm.RoleUser {
		allowed = userParts
	}
	var err error
	out.Parts, err = d.content(m.content, allowed)
	return out, wire.At(err, "content")
}

func (d *RequestDecoder) toolMessage(m *draft) (llm.Message, error) {
	out := llm.Message{Role: llm.RoleTool}
	if err := m.misplaced(); err != nil {
		return out, err
	}
	if m.callID == "" {
		return out, wire.At(wire.Wrong("is required"), "tool_call_id")
	}
	if m.content == nil {
		return out, wire.At(wire.Wrong("is required"), "content")
	}
	parts, err := d.content(m.content, toolParts)
	if err != nil {
		return out, wire.At(err, "content")
	}
	out.Parts = []llm.Part{{Type: llm.PartToolResult, ToolResult: &llm.ToolResult{CallID: m.callID, Name: m.name, Parts: parts}}}
	return out, nil
}

// assistantMessage orders the parts as a model makes them: it thinks, speaks,
// then calls.
func (d *RequestDecoder) assistantMessage(m *draft) (llm.Message, error) {
	out := llm.Message{Role: m.role, Name: m.name}
	if err := m.misplaced(); err != nil {
		return out, err
	}
	calls, err := d.toolCalls(m.calls)
	if err != nil {
		return out, wire.At(err, "tool_calls")
	}
	out.Parts = m.reasoning.parts()
	if m.content != nil && (len(calls) == 0 || string(m.content) != `""`) {
		parts, err := d.content(m.content, assistantParts)
		if err != nil {
			return out, wire.At(err, "content")
		}
		out.Parts = append(out.Parts, parts...)
	}
	if m.refusal != nil {
		s, err := wire.String(m.refusal)
		if err != nil {
			return out, wire.At(err, "refusal")
		}
		out.Parts = append(out.Parts, llm.Part{Type: llm.PartRefusal, Text: s})
	}
	if m.content == nil && m.refusal == nil && len(calls) == 0 {
		return out, wire.At(wire.Wrong("is required without tool_calls"), "content")
	}
	out.Parts = append(out.Parts, calls...)
	return out, nil
}

func (d *RequestDecoder) toolCalls(v []byte) ([]llm.Part, error) {
	if v == nil {
		return nil, nil
	}
	var parts []llm.Part
	err := wire.Array(v, func(i int, v []byte) error {
		call, err := d.toolCall(i, v)
		parts = append(parts, llm.Part{Type: llm.PartToolCall, ToolCall: call})
		return err
	})
	return parts, err
}

func (d *RequestDecoder) toolCall(i int, v []byte) (*llm.ToolCall, error) {
	c := &llm.ToolCall{}
	seen := false
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "id":
			c.ID, err = wire.Filled(v)
		case "type":
			var typ string
			if typ, err = wire.String(v); err == nil && typ != "function" {
				err = wire.Refuse("only function calls can be translated, not %q", typ)
			}
		case "function":
			seen = true
			err = d.calledFunction(c, i, v)
		case "extra_content":
			c.Signature, err = googleSignature(v)
		case "index": // left over from a stream
		default:
			d.later("tool_calls["+strconv.Itoa(i)+"]."+name, v)
		}
		return err
	})
	switch {
	case err != nil:
		return c, err
	case c.ID == "":
		return c, wire.At(wire.Wrong("is required"), "id")
	case !seen:
		return c, wire.At(wire.Wrong("is required"), "function")
	}
	return c, nil
}

func (d *RequestDecoder) calledFunction(c *llm.ToolCall, i int, v []byte) error {
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "name":
			c.Name, err = wire.Filled(v)
		case "arguments":
			c.Arguments, err = arguments(v)
		case "parsed_arguments": // an SDK's copy
		default:
			d.later("tool_calls["+strconv.Itoa(i)+"].function."+name, v)
		}
		return err
	})
	if err == nil && c.Name == "" {
		err = wire.At(wire.Wrong("is required"), "name")
	}
	return err
}

// arguments accepts the JSON text as a string, and as the object itself, which
// some local servers and their clients use.
func arguments(v []byte) (string, error) {
	if v[0] == '{' {
		return string(v), nil
	}
	return wire.String(v)
}

// googleSignature reads extra_content.google.thought_signature.
func googleSignature(v []byte) (string, error) {
	var sig string
	err := wire.Object(v, func(name string, v []byte) error {
		if name != "google" {
			return wire.Refuse("unknown member")
		}
		return wire.Object(v, func(name string, v []byte) (err error) {
			if name != "thought_signature" {
				return wire.Refuse("unknown member")
			}
			sig, err = wire.String(v)
			return err
		})
	})
	return sig, err
}
