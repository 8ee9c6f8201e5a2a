package gemini

import (
	"encoding/json"

	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
	"github.com/llm-gateway/llm-gateway/pkg/jsonedit"
)

// tool reads one element of tools: a list of functions, or a tool that Google
// hosts, which is kept whole.
func (d *requestDecoder) tool(v []byte) error {
	return object(v, func(name string, v []byte) error {
		if name == "functionDeclarations" {
			return wire.Array(v, func(_ int, v []byte) error { return d.function(v) })
		}
		raw := append(jsonedit.AppendString([]byte{'{'}, name), ':')
		raw = append(append(raw, v...), '}')
		d.Tools = append(d.Tools, llm.Tool{Type: name, Raw: json.RawMessage(raw)})
		return nil
	})
}

func (d *requestDecoder) function(v []byte) error {
	var t llm.Tool
	err := object(v, func(name string, v []byte) (err error) {
		switch name {
		case "name":
			t.Name, err = wire.Filled(v)
		case "description":
			t.Description, err = wire.String(v)
		case "parametersJsonSchema":
			t.Parameters, err = wire.Raw(v)
		case "parameters":
			if t.Parameters, err = wire.Raw(v); err == nil {
				t.Parameters = lowerTypes(t.Parameters)
			}
		case "response", "responseJsonSchema", "behavior":
			// What a function gives back is for the model's eyes; nobody else has a place for it.
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	if err == nil && t.Name == "" {
		err = wire.At(wire.Wrong("is required"), "name")
	}
	d.Tools = append(d.Tools, t)
	return err
}

func (d *requestDecoder) toolConfig(v []byte) error {
	return object(v, func(name string, v []byte) error {
		if name != "functionCallingConfig" {
			d.extra("toolConfig."+name, v)
			return nil
		}
		return d.calling(v)
	})
}

func (d *requestDecoder) calling(v []byte) error {
	mode, only := "AUTO", []string(nil)
	err := object(v, func(name string, v []byte) (err error) {
		switch name {
		case "mode":
			mode, err = wire.OneOf(v, "MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED")
		case "allowedFunctionNames":
			only, err = wire.Strings(v)
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	if err != nil {
		return err
	}
	c := &llm.ToolChoice{Mode: llm.ToolAuto, Allowed: only}
	switch {
	case mode == "NONE":
		c.Mode = llm.ToolNone
	case mode == "ANY" && len(only) == 1:
		c.Mode, c.Name, c.Allowed = llm.ToolNamed, only[0], nil
	case mode == "ANY":
		c.Mode = llm.ToolRequired
	case mode == "VALIDATED":
		d.strict = true
	}
	d.ToolChoice = c
	return nil
}
