package dashscope

import (
	"strconv"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func (d *decoder) input(v []byte) error {
	found := false
	err := wire.Object(v, func(name string, v []byte) error {
		switch {
		case name == "messages" && d.op != llm.OpEmbed:
			found = true
			return wire.Array(v, d.message)
		case name == "prompt" && d.op != llm.OpEmbed:
			found = true
			return d.prompt(v)
		case name == "texts" && d.op == llm.OpEmbed:
			found = true
			return wire.Array(v, d.text)
		}
		return d.keep("input.", name, v)
	})
	switch {
	case err != nil:
		return err
	case d.op == llm.OpEmbed && len(d.req.Embed.Input) == 0:
		return wire.At(wire.Wrong("must not be empty"), "texts")
	case d.op != llm.OpEmbed && (!found || len(d.req.Messages) == 0):
		return wire.At(wire.Wrong("must not be empty"), "messages")
	}
	return d.order()
}

func (d *decoder) text(i int, v []byte) error {
	if i >= maxInputs {
		return wire.Wrong("at most %d texts", maxInputs)
	}
	s, err := wire.Filled(v)
	d.req.Embed.Input = append(d.req.Embed.Input, s)
	return err
}

// prompt reads the old form of one user message.
func (d *decoder) prompt(v []byte) error {
	s, err := wire.Filled(v)
	d.req.Messages = append(d.req.Messages, llm.Message{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartText, Text: s}}})
	return err
}

// draft is a message as it stands on the wire; its members may come in any
// order.
type draft struct {
	role                   llm.Role
	content, calls         []byte
	name, callID, thinking string
}

func (d *decoder) message(i int, v []byte) error {
	var m draft
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "role":
			var s string
			s, err = wire.OneOf(v, "system", "user", "assistant", "tool")
			m.role = llm.Role(s)
		case "content":
			m.content = v
		case "tool_calls":
			m.calls = v
		case "tool_call_id":
			m.callID, err = wire.Filled(v)
		case "name":
			m.name, err = wire.String(v)
		case "reasoning_content":
			m.thinking, err = wire.String(v)
		case "partial":
			d.partial, err = wire.Bool(v)
			d.extra("input.messages["+strconv.Itoa(i)+"].partial", v)
		default:
			err = d.keep("input.messages["+strconv.Itoa(i)+"].", name, v)
		}
		return err
	})
	if err != nil {
		return err
	}
	return d.add(&m)
}

// add puts a message together. The parts of an assistant message stand in the
// order in which a model makes them.
func (d *decoder) add(m *draft) error {
	switch {
	case m.role == "":
		return wire.At(wire.Wrong("is required"), "role")
	case m.role == llm.RoleTool && m.callID == "":
		return wire.At(wire.Wrong("is required"), "tool_call_id")
	case m.calls != nil && m.role != llm.RoleAssistant:
		return wire.At(wire.Wrong("only an assistant message has tool calls"), "tool_calls")
	case m.content == nil && m.calls == nil:
		return wire.At(wire.Wrong("is required"), "content")
	}
	parts, err := d.content(m.content, m.role == llm.RoleUser)
	if err != nil {
		return wire.At(err, "content")
	}
	out := llm.Message{Role: m.role, Parts: parts}
	switch m.role {
	case llm.RoleTool:
		r := &llm.ToolResult{CallID: m.callID, Name: m.name, Parts: parts}
		out.Parts = []llm.Part{{Type: llm.PartToolResult, ToolResult: r}}
	case llm.RoleAssistant:
		if out.Parts, err = assistantParts(m, parts); err != nil {
			return wire.At(err, "tool_calls")
		}
	default:
		out.Name = m.name
	}
	d.req.Messages = append(d.req.Messages, out)
	return nil
}

func assistantParts(m *draft, said []llm.Part) ([]llm.Part, error) {
	var parts []llm.Part
	if m.thinking != "" {
		parts = append(parts, llm.Part{Type: llm.PartReasoning, Reasoning: &llm.Reasoning{Text: m.thinking}})
	}
	for _, p := range said {
		if p.Text != "" || m.calls == nil { // content is "" beside calls
			parts = append(parts, p)
		}
	}
	if m.calls == nil {
		return parts, nil
	}
	err := wire.Array(m.calls, func(_ int, v []byte) error {
		c, err := toolCall(v)
		parts = append(parts, llm.Part{Type: llm.PartToolCall, ToolCall: c})
		return err
	})
	return parts, err
}

func toolCall(v []byte) (*llm.ToolCall, error) {
	c := &llm.ToolCall{}
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "id":
			c.ID, err = wire.Filled(v)
		case "type":
			_, err = wire.OneOf(v, "function")
		case "index": // left over from an answer
		case "function":
			err = wire.Object(v, func(name string, v []byte) (err error) {
				switch name {
				case "name":
					c.Name, err = wire.Filled(v)
				case "arguments":
					c.Arguments, err = wire.String(v)
				default:
					err = wire.Refuse("unknown member")
				}
				return err
			})
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	switch {
	case err != nil:
	case c.ID == "":
		err = wire.At(wire.Wrong("is required"), "id")
	case c.Name == "":
		err = wire.At(wire.Wrong("is required"), "function.name")
	}
	return c, err
}

// content reads a string, or for multimodal models an array of parts: each
// model takes one of the two.
func (d *decoder) content(v []byte, media bool) ([]llm.Part, error) {
	switch {
	case v == nil:
		return nil, nil
	case !d.parts:
		s, err := wire.String(v)
		return []llm.Part{{Type: llm.PartText, Text: s}}, err
	}
	var parts []llm.Part
	err := wire.Array(v, func(_ int, v []byte) error {
		p, err := contentPart(v, media)
		parts = append(parts, p)
		return err
	})
	return parts, err
}

// contentPart reads {"text":…}, {"image":…} or {"audio":…}: the member's name
// says what it is.
func contentPart(v []byte, media bool) (llm.Part, error) {
	var p llm.Part
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch {
		case p.Type != 0:
			return wire.Wrong("a part holds one thing only")
		case name == "text":
			p.Type = llm.PartText
			p.Text, err = wire.String(v)
		case name == "image" && media:
			p.Type = llm.PartImage
			p.Media, err = mediaURL(v)
		case name == "audio" && media:
			p.Type = llm.PartAudio
			p.Media, err = mediaURL(v)
		default:
			err = wire.Refuse("unknown kind of content")
		}
		return err
	})
	if err == nil && p.Type == 0 {
		err = wire.Wrong("must not be empty")
	}
	return p, err
}

// mediaURL takes a http(s) URL as it is and a data URL apart.
func mediaURL(v []byte) (*llm.Media, error) {
	s, err := wire.Filled(v)
	if err != nil {
		return &llm.Media{}, err
	}
	rest, ok := strings.CutPrefix(s, "data:")
	if !ok {
		if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
			return &llm.Media{}, wire.Wrong("must be a http, https or data URL")
		}
		return &llm.Media{URL: s}, nil
	}
	mime, data, ok := strings.Cut(rest, ";base64,")
	if !ok || mime == "" || data == "" {
		return &llm.Media{}, wire.Wrong("must be a data URL with a media type and base64")
	}
	return &llm.Media{MIME: mime, Data: data}, nil
}

// order demands that a tool message answers a call of the turn, and that the
// last message is no assistant's, unless it is to be continued.
func (d *decoder) order() error {
	open := map[string]bool{}
	for i := range d.req.Messages {
		m := &d.req.Messages[i]
		switch m.Role {
		case llm.RoleAssistant:
			clear(open)
			for _, p := range m.Parts {
				if p.Type == llm.PartToolCall {
					open[p.ToolCall.ID] = true
				}
			}
		case llm.RoleTool:
			if !open[m.Parts[0].ToolResult.CallID] {
				return wire.At(wire.AtIndex(wire.Wrong("a message with role tool must answer a call of the preceding assistant message"), i), "messages")
			}
		}
	}
	if n := len(d.req.Messages); n > 0 && d.op == llm.OpChat && d.req.Messages[n-1].Role == llm.RoleAssistant && !d.partial {
		return wire.At(wire.AtIndex(wire.Wrong("the last message must have role user or tool"), n-1), "messages")
	}
	return nil
}
