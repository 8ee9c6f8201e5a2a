package anthropic

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

// DecodeRequest reads the body of POST /v1/messages or, for OpCountTokens,
// POST /v1/messages/count_tokens. null counts as absent. The result keeps
// slices of raw.
func (Codec) DecodeRequest(op llm.Op, raw []byte) (*llm.Request, error) {
	if op == llm.OpEmbed {
		return nil, llm.Unsupported("", "the Anthropic dialect has no embeddings")
	}
	if err := wire.Body(raw); err != nil {
		return nil, err
	}
	d := &requestDecoder{Request: &llm.Request{}}
	err := wire.Object(bytes.TrimSpace(raw), d.member)
	if err == nil {
		err = d.finish(op)
	}
	if err != nil {
		return nil, wire.Explain(err)
	}
	return d.Request, nil
}

// requestDecoder gathers the members of a request, which may come in any order.
type requestDecoder struct {
	*llm.Request

	system   []llm.Part
	reason   llm.ReasoningOptions
	pending  []llm.Member // extras of the value being read, their path relative to it
	disabled bool         // thinking.type disabled
}

// member reads one top-level member.
func (d *requestDecoder) member(name string, v []byte) (err error) {
	switch name {
	case "model":
		d.Model, err = wire.String(v)
	case "messages":
		err = d.messages(v)
	case "system":
		d.system, err = d.systemPrompt(v)
	case "max_tokens":
		d.MaxTokens, err = pointer(wire.Int(v, 0, math.MaxInt64))
	case "temperature":
		d.Temperature, err = pointer(wire.Float(v, 0, 1))
	case "top_p":
		d.TopP, err = pointer(wire.Float(v, 0, 1))
	case "top_k":
		d.TopK, err = pointer(wire.Int(v, 0, math.MaxInt64))
	case "stop_sequences":
		d.Stop, err = wire.Strings(v)
	case "stream":
		d.Stream, err = wire.Bool(v)
	case "metadata":
		err = d.metadata(v)
	case "service_tier":
		err = d.tier(v)
	default:
		return d.toolMember(name, v)
	}
	return err
}

// toolMember reads the members about tools, thinking and the answer's form.
func (d *requestDecoder) toolMember(name string, v []byte) error {
	switch name {
	case "tools":
		return d.tools(v)
	case "tool_choice":
		return d.toolChoice(v)
	case "thinking":
		return d.thinking(v)
	case "output_config":
		return d.outputConfig(v)
	}
	d.Extra = append(d.Extra, llm.Member{Name: name, Value: json.RawMessage(v)})
	return nil
}

func pointer[T any](v T, err error) (*T, error) { return &v, err }

// finish checks what concerns several members.
func (d *requestDecoder) finish(op llm.Op) error {
	switch {
	case d.MaxTokens == nil && op == llm.OpChat:
		return wire.At(wire.Wrong("is required"), "max_tokens")
	case len(d.Messages) == 0:
		return wire.At(wire.Wrong("at least one message is required"), "messages")
	case d.ToolChoice != nil && len(d.Tools) == 0:
		return wire.At(wire.Wrong("is only allowed when tools are given"), "tool_choice")
	}
	if d.ToolChoice != nil && d.ToolChoice.Mode == llm.ToolNamed &&
		!slices.ContainsFunc(d.Tools, func(t llm.Tool) bool { return t.Name == d.ToolChoice.Name }) {
		return wire.At(wire.Wrong("the tool %q is not among the tools", d.ToolChoice.Name), "tool_choice.name")
	}
	if d.system != nil {
		d.Messages = slices.Insert(d.Messages, 0, llm.Message{Role: llm.RoleSystem, Parts: d.system})
	}
	d.IncludeUsage = d.Stream // the dialect always tells it
	switch {
	case d.disabled && d.reason.Effort == "":
		d.reason.Effort = dialect.EffortNone
	case d.disabled:
		d.reason.Budget = new(int64)
	}
	if d.reason != (llm.ReasoningOptions{}) {
		d.Reasoning = &d.reason
	}
	return nil
}

// systemPrompt reads system: a string, or text blocks.
func (d *requestDecoder) systemPrompt(v []byte) ([]llm.Part, error) {
	parts, err := d.content(v, onlyText, "")
	d.place("system")
	return parts, err
}

func (d *requestDecoder) metadata(v []byte) error {
	return wire.Object(v, func(name string, v []byte) (err error) {
		if name != "user_id" {
			return wire.Wrong("unknown member")
		}
		d.User, err = wire.String(v)
		return err
	})
}

func (d *requestDecoder) tier(v []byte) error {
	s, err := wire.OneOf(v, "auto", "standard_only")
	if s == "standard_only" {
		s = "default" // OpenAI's word for the same
	}
	d.ServiceTier = s
	return err
}

func (d *requestDecoder) thinking(v []byte) error {
	typ := ""
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "type":
			typ, err = wire.OneOf(v, "enabled", "adaptive", "disabled")
		case "budget_tokens":
			d.reason.Budget, err = pointer(wire.Int(v, 1, math.MaxInt64))
		case "display":
			var s string
			if s, err = wire.OneOf(v, "summarized", "omitted"); s == "omitted" {
				d.reason.Summary = dialect.SummaryOmitted
			} else if err == nil {
				d.reason.Summary = "auto"
			}
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
	case typ == "enabled" && d.reason.Budget == nil:
		return wire.At(wire.Wrong("is required"), "budget_tokens")
	case typ != "enabled" && d.reason.Budget != nil:
		return wire.At(wire.Wrong("belongs to the type enabled"), "budget_tokens")
	}
	d.reason.Adaptive, d.disabled = typ == "adaptive", typ == "disabled"
	return nil
}

func (d *requestDecoder) outputConfig(v []byte) error {
	return wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "effort":
			d.reason.Effort, err = wire.OneOf(v, "low", "medium", "high", "xhigh", "max")
		case "format":
			d.ResponseFormat, err = answerFormat(v)
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
}

// answerFormat reads output_config.format. Anthropic always keeps to the
// schema; of OpenAI that can be asked only for a schema that it calls strict.
func answerFormat(v []byte) (*llm.ResponseFormat, error) {
	f := &llm.ResponseFormat{Type: llm.FormatJSONSchema, Name: "response"}
	typ := ""
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "type":
			typ, err = wire.OneOf(v, "json_schema")
		case "schema":
			f.Schema, err = wire.Raw(v)
		default:
			err = wire.Refuse("unknown member")
		}
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case typ == "":
		return nil, wire.At(wire.Wrong("is required"), "type")
	case f.Schema == nil:
		return nil, wire.At(wire.Wrong("is required"), "schema")
	}
	if strictSchema(f.Schema) {
		f.Strict = new(true)
	}
	return f, nil
}

// later keeps a member that has no canonical place; path is relative to the
// value being read.
func (d *requestDecoder) later(path string, v []byte) {
	d.pending = append(d.pending, llm.Member{Name: path, Value: json.RawMessage(v)})
}

// place files what later kept, under the path of the value that has been read.
func (d *requestDecoder) place(path string) {
	for _, m := range d.pending {
		name := path + "." + m.Name
		if strings.HasPrefix(m.Name, "[") {
			name = path + m.Name
		}
		d.Extra = append(d.Extra, llm.Member{Name: name, Value: m.Value})
	}
	d.pending = d.pending[:0]
}
