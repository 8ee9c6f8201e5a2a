package dashscope

import (
	"slices"

	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

func (d *decoder) tools(v []byte) error {
	return wire.Array(v, func(_ int, v []byte) error {
		t := llm.Tool{}
		seen := false
		err := wire.Object(v, func(name string, v []byte) (err error) {
			switch name {
			case "type":
				_, err = wire.OneOf(v, "function")
			case "function":
				seen = true
				err = function(&t, v)
			default:
				err = wire.Refuse("unknown member")
			}
			return err
		})
		if err == nil && !seen {
			err = wire.At(wire.Wrong("is required"), "function")
		}
		d.hasTools = true
		d.req.Tools = append(d.req.Tools, t)
		return err
	})
}

func function(t *llm.Tool, v []byte) error {
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "name":
			t.Name, err = wire.Filled(v)
		case "description":
			t.Description, err = wire.String(v)
		case "parameters":
			t.Parameters, err = wire.Raw(v)
		case "strict":
			err = boolean(&t.Strict, v)
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	if err == nil && t.Name == "" {
		err = wire.At(wire.Wrong("is required"), "name")
	}
	return err
}

func (d *decoder) toolChoice(v []byte) error {
	c := &llm.ToolChoice{}
	d.req.ToolChoice = c
	if v[0] == '"' {
		s, err := wire.OneOf(v, "auto", "none")
		c.Mode = llm.ToolChoiceMode(s)
		return err
	}
	c.Mode = llm.ToolNamed
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "type":
			_, err = wire.OneOf(v, "function")
		case "function":
			err = wire.Object(v, func(name string, v []byte) (err error) {
				if name != "name" {
					return wire.Refuse("unknown member")
				}
				c.Name, err = wire.Filled(v)
				return err
			})
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	if err == nil && c.Name == "" {
		err = wire.At(wire.Wrong("is required"), "function.name")
	}
	return err
}

// choice checks that the tool that is named is declared, and that nothing
// forces a model that thinks.
func (d *decoder) choice() error {
	c := d.req.ToolChoice
	if c == nil || c.Mode != llm.ToolNamed {
		return nil
	}
	if !slices.ContainsFunc(d.req.Tools, func(t llm.Tool) bool { return t.Name == c.Name }) {
		return wire.Wrong("names a tool that is not declared")
	}
	if d.thinking != nil && *d.thinking {
		return wire.Wrong("must be auto or none in thinking mode")
	}
	return nil
}

func (d *decoder) responseFormat(v []byte) error {
	f := &llm.ResponseFormat{}
	schema := false
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "type":
			var s string
			s, err = wire.OneOf(v, string(llm.FormatText), string(llm.FormatJSONObject), string(llm.FormatJSONSchema))
			f.Type = llm.ResponseFormatType(s)
		case "json_schema":
			schema = true
			err = wire.Object(v, func(name string, v []byte) (err error) {
				switch name {
				case "name":
					f.Name, err = wire.Filled(v)
				case "description":
					f.Description, err = wire.String(v)
				case "schema":
					f.Schema, err = wire.Raw(v)
				case "strict":
					err = boolean(&f.Strict, v)
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
		return err
	case f.Type == "":
		return wire.At(wire.Wrong("is required"), "type")
	case f.Type == llm.FormatJSONSchema && (!schema || f.Name == ""):
		return wire.At(wire.Wrong("is required with a name"), "json_schema")
	case f.Type != llm.FormatJSONSchema:
		f = &llm.ResponseFormat{Type: f.Type}
	}
	d.req.ResponseFormat = f
	return nil
}
