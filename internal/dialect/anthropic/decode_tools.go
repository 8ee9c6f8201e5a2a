package anthropic

import (
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func (d *requestDecoder) tools(v []byte) error {
	return wire.Array(v, func(i int, v []byte) error {
		t, err := d.tool(v)
		if err != nil {
			return err
		}
		d.Tools = append(d.Tools, t)
		if t.Raw == nil {
			d.place("tools[" + strconv.Itoa(i) + "]")
		}
		d.pending = d.pending[:0]
		return nil
	})
}

// tool reads one tool. One of a type other than custom is hosted by Anthropic
// and kept whole.
func (d *requestDecoder) tool(v []byte) (llm.Tool, error) {
	var t llm.Tool
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "type":
			t.Type, err = wire.String(v)
		case "name":
			t.Name, err = wire.Filled(v)
		case "description":
			t.Description, err = wire.String(v)
		case "input_schema":
			t.Parameters, err = wire.Raw(v)
		case "strict":
			t.Strict, err = pointer(wire.Bool(v))
		case "cache_control":
			t.CacheControl, err = wire.Raw(v)
		default:
			d.later(name, v)
		}
		return err
	})
	switch {
	case err != nil:
		return t, err
	case t.Type != "" && t.Type != "custom":
		t.Raw, err = wire.Raw(v)
		return t, err
	case t.Name == "":
		return t, wire.At(wire.Wrong("is required"), "name")
	case t.Parameters == nil:
		return t, wire.At(wire.Wrong("is required"), "input_schema")
	}
	t.Type = ""
	return t, nil
}

func (d *requestDecoder) toolChoice(v []byte) error {
	c := &llm.ToolChoice{}
	typ := ""
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "type":
			typ, err = wire.OneOf(v, "auto", "any", "tool", "none")
		case "name":
			c.Name, err = wire.Filled(v)
		case "disable_parallel_tool_use":
			var serial bool
			serial, err = wire.Bool(v)
			d.ParallelToolCalls = new(!serial)
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
	case typ == "tool" && c.Name == "":
		return wire.At(wire.Wrong("is required"), "name")
	}
	c.Mode = map[string]llm.ToolChoiceMode{
		"auto": llm.ToolAuto, "any": llm.ToolRequired, "tool": llm.ToolNamed, "none": llm.ToolNone,
	}[typ]
	d.ToolChoice = c
	return nil
}
