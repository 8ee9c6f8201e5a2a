package openai

import (
	"encoding/json"
	"slices"
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func (d *RequestDecoder) tools(v []byte) error {
	return wire.Array(v, func(i int, v []byte) error {
		if i >= maxTools {
			return wire.Wrong("at most %d tools", maxTools)
		}
		t, err := d.tool(i, v)
		d.Request.Tools = append(d.Request.Tools, t)
		return err
	})
}

func (d *RequestDecoder) tool(i int, v []byte) (llm.Tool, error) {
	var t llm.Tool
	var fn []byte
	path := "tools[" + strconv.Itoa(i) + "]."
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "type":
			t.Type, err = wire.Filled(v)
		case "function":
			fn = v
		case "cache_control":
			t.CacheControl, err = wire.Raw(v)
		default:
			if t.Type == "function" {
				d.extra(path+name, v)
			}
		}
		return err
	})
	switch {
	case err != nil:
		return t, err
	case t.Type == "":
		return t, wire.At(wire.Wrong("is required"), "type")
	case t.Type != "function":
		t.Raw, t.Name = json.RawMessage(v), hostedName(t.Type, v)
		return t, nil
	case fn == nil:
		return t, wire.At(wire.Wrong("is required"), "function")
	}
	t.Type = ""
	return t, wire.At(d.function(&t, path+"function.", fn), "function")
}

func (d *RequestDecoder) function(t *llm.Tool, path string, v []byte) error {
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "name":
			t.Name, err = ToolName(v)
		case "description":
			t.Description, err = wire.String(v)
		case "parameters":
			t.Parameters, err = wire.Raw(v)
		case "strict":
			err = boolean(&t.Strict)(v)
		default:
			d.extra(path+name, v)
		}
		return err
	})
	if err == nil && t.Name == "" {
		err = wire.At(wire.Wrong("is required"), "name")
	}
	return err
}

// hostedName finds the name of a custom tool; hosted tools have none.
func hostedName(typ string, v []byte) string {
	var found string
	_ = wire.Object(v, func(name string, v []byte) error {
		if name != typ {
			return nil
		}
		return wire.Object(v, func(name string, v []byte) (err error) {
			if name == "name" {
				found, err = wire.String(v)
			}
			return err
		})
	})
	return found
}

// ToolName decodes a name of [A-Za-z0-9_-]{1,64}.
func ToolName(v []byte) (string, error) {
	s, err := wire.Filled(v)
	if err != nil {
		return "", err
	}
	if len(s) > maxNameLen {
		return "", wire.Wrong("at most %d characters, got %d", maxNameLen, len(s))
	}
	for i := range len(s) {
		if c := s[i]; (c|0x20 < 'a' || c|0x20 > 'z') && (c < '0' || c > '9') && c != '_' && c != '-' {
			return "", wire.Wrong("only letters, digits, _ and - are allowed, got %s", strconv.Quote(s))
		}
	}
	return s, nil
}

func (d *RequestDecoder) toolChoice(v []byte) error {
	c := &llm.ToolChoice{}
	d.Request.ToolChoice = c
	if v[0] == '"' {
		s, err := wire.OneOf(v, "none", "auto", "required")
		c.Mode = llm.ToolChoiceMode(s)
		return err
	}
	var typ string
	var body []byte
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "type":
			typ, err = wire.OneOf(v, "function", "custom", "allowed_tools")
		case "function", "custom", "allowed_tools":
			body = v
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case typ == "":
		return wire.At(wire.Wrong("is required"), "type")
	case body == nil:
		return wire.At(wire.Wrong("is required"), typ)
	case typ == "allowed_tools":
		return wire.At(allowedTools(c, body), typ)
	}
	c.Mode = llm.ToolNamed
	c.Name, err = namedTool(body)
	return wire.At(err, typ)
}

func namedTool(v []byte) (string, error) {
	var found string
	err := wire.Object(v, func(name string, v []byte) (err error) {
		if name == "name" {
			found, err = wire.Filled(v)
		}
		return err
	})
	if err == nil && found == "" {
		err = wire.At(wire.Wrong("is required"), "name")
	}
	return found, err
}

func allowedTools(c *llm.ToolChoice, v []byte) error {
	c.Mode = llm.ToolAuto
	err := wire.Object(v, func(name string, v []byte) error {
		switch name {
		case "mode":
			s, err := wire.OneOf(v, "auto", "required")
			c.Mode = llm.ToolChoiceMode(s)
			return err
		case "tools":
			return wire.Array(v, func(_ int, v []byte) error {
				return allowedTool(c, v)
			})
		}
		return wire.Refuse("unknown member")
	})
	if err == nil && len(c.Allowed) == 0 {
		err = wire.At(wire.Wrong("at least one tool is required"), "tools")
	}
	return err
}

func allowedTool(c *llm.ToolChoice, v []byte) error {
	return wire.Object(v, func(name string, v []byte) error {
		if name == "type" {
			_, err := wire.OneOf(v, "function", "custom")
			return err
		}
		s, err := namedTool(v)
		c.Allowed = append(c.Allowed, s)
		return err
	})
}

// CheckToolChoice refuses a choice that no declared tool can meet. A choice
// that forces nothing is void without tools.
func CheckToolChoice(r *llm.Request) error {
	c := r.ToolChoice
	if c == nil {
		return nil
	}
	if len(r.Tools) == 0 {
		if c.Mode != llm.ToolAuto && c.Mode != llm.ToolNone || len(c.Allowed) > 0 {
			return wire.Wrong("needs tools")
		}
		r.ToolChoice = nil
		return nil
	}
	for _, name := range append(slices.Clone(c.Allowed), c.Name) {
		if name != "" && !slices.ContainsFunc(r.Tools, func(t llm.Tool) bool { return t.Name == name }) {
			return wire.Wrong("names a tool that is not declared: %s", strconv.Quote(name))
		}
	}
	return nil
}

// checkToolLinks demands what OpenAI demands: every tool call of an assistant
// message is answered before another role speaks, and every tool message
// answers a call of the turn.
func checkToolLinks(messages []llm.Message) error {
	var open []string
	from := 0
	for i := range messages {
		m := &messages[i]
		if m.Role == llm.RoleTool {
			id := m.Parts[0].ToolResult.CallID
			at := slices.Index(open, id)
			if at < 0 {
				return wire.AtIndex(wire.At(wire.Wrong("answers no tool call of the preceding assistant message: %s", strconv.Quote(id)), "tool_call_id"), i)
			}
			open = slices.Delete(open, at, at+1)
			continue
		}
		if len(open) > 0 {
			break
		}
		from = i
		for _, p := range m.Parts {
			if p.Type == llm.PartToolCall {
				open = append(open, p.ToolCall.ID)
			}
		}
	}
	if len(open) > 0 {
		return wire.AtIndex(wire.At(wire.Wrong("no tool message answers the call %s", strconv.Quote(open[0])), "tool_calls"), from)
	}
	return nil
}
