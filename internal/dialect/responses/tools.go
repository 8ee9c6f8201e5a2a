package responses

import (
	"encoding/json"
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// tools reads the flat form: {"type":"function","name",…}. strict is kept only
// where the client gave it: its default here, true, is more than most targets
// promise, and the client did not ask for it.
func (d *decoder) tools(v []byte) error {
	return wire.Array(v, func(i int, v []byte) error {
		t, err := d.tool("tools["+strconv.Itoa(i)+"].", v)
		d.Request.Tools = append(d.Request.Tools, t)
		return err
	})
}

func (d *decoder) tool(path string, v []byte) (llm.Tool, error) {
	var t llm.Tool
	var name []byte
	var extra []llm.Member
	err := wire.Object(v, func(member string, v []byte) (err error) {
		switch member {
		case "type":
			t.Type, err = wire.Filled(v)
		case "name":
			name = v
		case "description":
			t.Description, err = wire.String(v)
		case "parameters":
			t.Parameters, err = wire.Raw(v)
		case "strict":
			var b bool
			b, err = wire.Bool(v)
			t.Strict = &b
		default:
			extra = append(extra, llm.Member{Name: path + member, Value: json.RawMessage(v)})
		}
		return err
	})
	switch {
	case err != nil:
		return t, err
	case t.Type == "":
		return t, wire.At(wire.Wrong("is required"), "type")
	case t.Type != "function":
		hosted := llm.Tool{Type: t.Type, Raw: json.RawMessage(v)}
		if name != nil {
			hosted.Name, err = wire.String(name)
		}
		return hosted, wire.At(err, "name")
	case name == nil:
		return t, wire.At(wire.Wrong("is required"), "name")
	}
	d.Request.Extra = append(d.Request.Extra, extra...)
	t.Type = ""
	t.Name, err = openai.ToolName(name)
	return t, wire.At(err, "name")
}

func (d *decoder) toolChoice(v []byte) error {
	c := &llm.ToolChoice{}
	d.Request.ToolChoice = c
	if v[0] == '"' {
		s, err := wire.OneOf(v, "none", "auto", "required")
		c.Mode = llm.ToolChoiceMode(s)
		return err
	}
	var typ, mode string
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "type":
			typ, err = wire.String(v)
		case "name":
			c.Name, err = wire.Filled(v)
		case "mode":
			mode, err = wire.OneOf(v, "auto", "required")
		case "tools":
			c.Allowed, err = toolNames(v)
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case typ == "allowed_tools" && len(c.Allowed) == 0:
		return wire.At(wire.Wrong("at least one tool is required"), "tools")
	case typ == "allowed_tools":
		c.Mode, c.Name = llm.ToolAuto, ""
		if mode != "" {
			c.Mode = llm.ToolChoiceMode(mode)
		}
		return nil
	case typ != "function" && typ != "custom":
		return wire.At(wire.Refuse("only function tools can be chosen, not %q", typ), "type")
	case c.Name == "":
		return wire.At(wire.Wrong("is required"), "name")
	}
	c.Mode, c.Allowed = llm.ToolNamed, nil
	return nil
}

func toolNames(v []byte) ([]string, error) {
	var names []string
	err := wire.Array(v, func(_ int, v []byte) error {
		return wire.Object(v, func(member string, v []byte) error {
			s, err := wire.String(v)
			if member == "name" {
				names = append(names, s)
			}
			return err
		})
	})
	return names, err
}
