package gemini

import (
	"bytes"
	"encoding/json"
	"math"
	"slices"
	"strings"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// DecodeRequest reads the body of generateContent, countTokens or one of the
// embedding methods. The model of the URL is not in it: the caller sets
// Request.Model and Request.Stream. Default values count as absent. The result
// keeps slices of raw.
func (Codec) DecodeRequest(op llm.Op, raw []byte) (*llm.Request, error) {
	if err := wire.Body(raw); err != nil {
		return nil, err
	}
	d := &requestDecoder{Request: &llm.Request{IncludeUsage: true}}
	read := d.member
	switch op {
	case llm.OpEmbed:
		d.Embed = &llm.EmbedRequest{}
		read = d.embedMember
	case llm.OpCountTokens:
		read = d.countMember
	}
	err := wire.Object(bytes.TrimSpace(raw), func(name string, v []byte) error { return read(camel(name), v) })
	if err == nil {
		err = d.finish(op)
	}
	if err != nil {
		return nil, wire.Explain(err)
	}
	return d.Request, nil
}

// camel returns a name in camelCase: proto3 JSON is read in snake_case too.
func camel(name string) string {
	if strings.IndexByte(name, '_') <= 0 {
		return name
	}
	var b strings.Builder
	up := false
	for _, c := range name {
		if c == '_' {
			up = true
			continue
		}
		if up {
			b.WriteString(strings.ToUpper(string(c)))
		} else {
			b.WriteRune(c)
		}
		up = false
	}
	return b.String()
}

// object is wire.Object with names in camelCase.
func object(v []byte, fn func(name string, v []byte) error) error {
	return wire.Object(v, func(name string, v []byte) error { return fn(camel(name), v) })
}

type requestDecoder struct {
	*llm.Request

	system []llm.Part
	open   []openCall // calls of the latest model content without a result
	made   int        // calls seen so far
	mime   string     // responseMimeType
	schema json.RawMessage
	strict bool // functionCallingConfig mode VALIDATED
}

// openCall is a call that waits for its result.
type openCall struct{ id, name string }

func (d *requestDecoder) member(name string, v []byte) error {
	switch name {
	case "contents":
		return wire.Array(v, func(_ int, v []byte) error { return d.content(v) })
	case "systemInstruction":
		return d.systemInstruction(v)
	case "tools":
		return wire.Array(v, func(_ int, v []byte) error { return d.tool(v) })
	case "toolConfig":
		return d.toolConfig(v)
	case "generationConfig":
		return object(v, d.config)
	}
	d.extra(name, v)
	return nil
}

func (d *requestDecoder) extra(name string, v []byte) {
	d.Extra = append(d.Extra, llm.Member{Name: name, Value: json.RawMessage(v)})
}

// countMember reads a countTokens body: of contents alone, or of a whole
// request.
func (d *requestDecoder) countMember(name string, v []byte) error {
	if name != "generateContentRequest" {
		return d.member(name, v)
	}
	return object(v, func(name string, v []byte) (err error) {
		if name == "model" {
			d.Model, err = wire.String(v)
			return err
		}
		return d.member(name, v)
	})
}

func (d *requestDecoder) finish(op llm.Op) error {
	if op == llm.OpEmbed {
		if len(d.Embed.Input) == 0 {
			return wire.At(wire.Wrong("must not be empty"), "requests")
		}
		return nil
	}
	if len(d.Messages) == 0 {
		return wire.At(wire.Wrong("must not be empty"), "contents")
	}
	if d.system != nil {
		d.Messages = append([]llm.Message{{Role: llm.RoleSystem, Parts: d.system}}, d.Messages...)
	}
	if d.Reasoning != nil && *d.Reasoning == (llm.ReasoningOptions{}) {
		d.Reasoning = nil
	}
	if d.strict {
		for i := range d.Tools {
			d.Tools[i].Strict = new(true)
		}
	}
	return d.format()
}

// format puts the two members together that say what form the answer has.
func (d *requestDecoder) format() error {
	switch {
	case d.mime == "" || d.mime == "text/plain":
		if d.schema != nil {
			return wire.At(wire.Wrong("must be application/json for a schema"), configPath+"responseMimeType")
		}
	case d.mime != "application/json":
		return wire.At(wire.Refuse("unknown media type %.64q", d.mime), configPath+"responseMimeType")
	case d.schema == nil:
		d.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatJSONObject}
	default:
		d.ResponseFormat = &llm.ResponseFormat{Type: llm.FormatJSONSchema, Name: "response", Schema: d.schema}
	}
	return nil
}

func pointer[T any](v T, err error) (*T, error) { return &v, err }

// config reads one member of generationConfig.
func (d *requestDecoder) config(name string, v []byte) (err error) {
	switch name {
	case "maxOutputTokens":
		d.MaxTokens, err = pointer(wire.Int(v, 1, math.MaxInt32))
	case "temperature":
		d.Temperature, err = pointer(wire.Float(v, 0, 2))
	case "topP":
		d.TopP, err = pointer(wire.Float(v, 0, 1))
	case "topK":
		d.TopK, err = pointer(wire.Int(v, 0, math.MaxInt32))
	case "seed":
		d.Seed, err = pointer(wire.Int(v, math.MinInt32, math.MaxInt32))
	case "presencePenalty":
		d.PresencePenalty, err = pointer(wire.Float(v, -2, 2))
	case "frequencyPenalty":
		d.FrequencyPenalty, err = pointer(wire.Float(v, -2, 2))
	case "candidateCount":
		d.N, err = pointer(wire.Int(v, 1, 8))
	case "stopSequences":
		if d.Stop, err = wire.Strings(v); err == nil && len(d.Stop) > 5 {
			err = wire.Wrong("must have at most 5 elements")
		}
	case "responseLogprobs":
		d.Logprobs, err = pointer(wire.Bool(v))
	case "logprobs":
		d.TopLogprobs, err = pointer(wire.Int(v, 0, 20))
	default:
		return d.formConfig(name, v)
	}
	return err
}

// formConfig reads the members of generationConfig about the answer's form.
func (d *requestDecoder) formConfig(name string, v []byte) (err error) {
	switch name {
	case "responseMimeType":
		d.mime, err = wire.String(v)
	case "responseJsonSchema":
		d.schema, err = wire.Raw(v)
	case "responseSchema":
		if d.schema, err = wire.Raw(v); err == nil {
			d.schema = lowerTypes(d.schema)
		}
	case "responseModalities":
		var list []string
		if list, err = wire.Strings(v); err == nil && (len(list) != 1 || !strings.EqualFold(list[0], "text")) {
			d.extra(configPath+name, v)
		}
	case "thinkingConfig":
		d.Reasoning = &llm.ReasoningOptions{}
		err = object(v, d.thinking)
	default:
		d.extra(configPath+name, v)
	}
	return err
}

func (d *requestDecoder) thinking(name string, v []byte) error {
	o := d.Reasoning
	switch name {
	case "thinkingBudget":
		n, err := wire.Int(v, -1, math.MaxInt32)
		if n < 0 {
			o.Adaptive = true
		} else {
			o.Budget = &n
		}
		return err
	case "thinkingLevel":
		s, err := wire.OneOf(v, "MINIMAL", "LOW", "MEDIUM", "HIGH", "minimal", "low", "medium", "high")
		o.Effort = strings.ToLower(s)
		return err
	case "includeThoughts":
		show, err := wire.Bool(v)
		o.Summary = "auto"
		if !show {
			o.Summary = dialect.SummaryOmitted
		}
		return err
	}
	return wire.Refuse("unknown member")
}

// embedMember reads one member of any of the embedding bodies.
func (d *requestDecoder) embedMember(name string, v []byte) (err error) {
	switch name {
	case "requests":
		err = wire.Array(v, func(_ int, v []byte) error { return object(v, d.embedMember) })
	case "instances":
		err = wire.Array(v, func(_ int, v []byte) error { return object(v, d.instance) })
	case "parameters":
		err = object(v, d.embedMember)
	case "model":
		d.Model, err = wire.String(v)
	case "content":
		var parts []llm.Part
		if parts, err = d.textParts(v); err == nil {
			d.Embed.Input = append(d.Embed.Input, joined(parts))
		}
	case "outputDimensionality":
		d.Embed.Dimensions, err = pointer(wire.Int(v, 1, math.MaxInt32))
	default:
		if !slices.ContainsFunc(d.Extra, func(m llm.Member) bool { return m.Name == name }) {
			d.extra(name, v) // each request of a batch repeats it
		}
	}
	return err
}

// instance reads one member of an instance of predict.
func (d *requestDecoder) instance(name string, v []byte) error {
	if name != "content" {
		d.extra(name, v)
		return nil
	}
	s, err := wire.String(v)
	d.Embed.Input = append(d.Embed.Input, s)
	return err
}

func joined(parts []llm.Part) string {
	var b strings.Builder
	for _, p := range parts {
		b.WriteString(p.Text)
	}
	return b.String()
}
