package openai

import (
	"encoding/json"

	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// efforts are the values of reasoning_effort; which of them a model takes
// differs from model to model.
var efforts = []string{"none", "minimal", "low", "medium", "high", "xhigh", "max"}

func (d *RequestDecoder) stop(v []byte) error {
	if v[0] == '"' {
		s, err := wire.String(v)
		d.Request.Stop = []string{s}
		return err
	}
	list, err := wire.Strings(v)
	if err == nil && len(list) > maxStop {
		err = wire.Wrong("at most %d stop sequences, got %d", maxStop, len(list))
	}
	d.Request.Stop = list
	return err
}

func (d *RequestDecoder) readLogprobs(v []byte) error {
	b, err := wire.Bool(v)
	d.Request.Logprobs, d.logprobs = &b, b
	return err
}

func (d *RequestDecoder) topLogprobs(v []byte) error {
	n, err := wire.Int(v, 0, maxTopLog)
	d.Request.TopLogprobs, d.hasTopLog = &n, true
	return err
}

func (d *RequestDecoder) logitBias(v []byte) error {
	n := 0
	err := wire.Object(v, func(_ string, v []byte) error {
		n++
		_, err := wire.Float(v, -maxBias, maxBias)
		return err
	})
	if n > 0 { // an empty map is the default
		d.Request.LogitBias = json.RawMessage(v)
	}
	return err
}

func (d *RequestDecoder) effort(v []byte) error {
	s, err := wire.OneOf(v, efforts...)
	d.Request.Reasoning = &llm.ReasoningOptions{Effort: s}
	return err
}

func (d *RequestDecoder) verbosity(v []byte) error {
	s, err := wire.OneOf(v, "low", "medium", "high")
	d.Request.Verbosity = s
	return err
}

func (d *RequestDecoder) stream(v []byte) (err error) {
	d.Request.Stream, err = wire.Bool(v)
	return err
}

// streamOptions reads include_usage. include_obfuscation pads what OpenAI
// sends and has no meaning for a translated stream.
func (d *RequestDecoder) streamOptions(v []byte) error {
	return wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "include_usage":
			d.Request.IncludeUsage, err = wire.Bool(v)
		case "include_obfuscation":
			_, err = wire.Bool(v)
		default:
			d.extra("stream_options."+name, v)
		}
		return err
	})
}

func (d *RequestDecoder) metadata(v []byte) error {
	m, err := wire.StringMap(v)
	if err != nil {
		return err
	}
	if len(m) > maxMetadata {
		return wire.Wrong("at most %d pairs, got %d", maxMetadata, len(m))
	}
	for k, s := range m {
		if len([]rune(k)) > maxMetaKey || len([]rune(s)) > maxMetaValue {
			return wire.Wrong("keys have at most %d and values at most %d characters", maxMetaKey, maxMetaValue)
		}
	}
	if len(m) > 0 {
		d.Request.Metadata = m
	}
	return nil
}

// modalities keeps anything beyond plain text as a member of its own.
func (d *RequestDecoder) modalities(v []byte) error {
	list, err := wire.Strings(v)
	if err == nil && (len(list) != 1 || list[0] != "text") {
		d.extra("modalities", v)
	}
	return err
}

func (d *RequestDecoder) responseFormat(v []byte) error {
	f := &llm.ResponseFormat{}
	var schema []byte
	err := wire.Object(v, func(name string, v []byte) error {
		switch name {
		case "type":
			s, err := wire.OneOf(v, string(llm.FormatText), string(llm.FormatJSONObject), string(llm.FormatJSONSchema))
			f.Type = llm.ResponseFormatType(s)
			return err
		case "json_schema":
			schema = v
			return jsonSchema(f, v)
		}
		d.extra("response_format."+name, v)
		return nil
	})
	switch {
	case err != nil:
		return err
	case f.Type == "":
		return wire.At(wire.Wrong("is required"), "type")
	case f.Type == llm.FormatJSONSchema && schema == nil:
		return wire.At(wire.Wrong("is required with type json_schema"), "json_schema")
	case f.Type != llm.FormatJSONSchema:
		f = &llm.ResponseFormat{Type: f.Type}
	}
	d.Request.ResponseFormat = f
	return nil
}

func jsonSchema(f *llm.ResponseFormat, v []byte) error {
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "name":
			f.Name, err = ToolName(v)
		case "description":
			f.Description, err = wire.String(v)
		case "schema":
			f.Schema, err = wire.Raw(v)
		case "strict":
			err = boolean(&f.Strict)(v)
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	if err == nil && f.Name == "" {
		err = wire.At(wire.Wrong("is required"), "name")
	}
	return err
}
