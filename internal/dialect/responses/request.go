package responses

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// maxTopLog bounds top_logprobs.
const maxTopLog = 20

// decoder reads one request.
type decoder struct {
	openai.RequestDecoder // for the members that Chat Completions shares
	instructions          string
	items                 itemReader
}

// DecodeRequest reads the body of POST /v1/responses. null counts as absent.
// The result keeps slices of raw.
func (Codec) DecodeRequest(_ llm.Op, raw []byte) (*llm.Request, error) {
	if err := wire.Body(raw); err != nil {
		return nil, err
	}
	d := &decoder{RequestDecoder: openai.RequestDecoder{Request: &llm.Request{}}}
	err := wire.Object(wire.Trim(raw), func(name string, v []byte) error {
		if read, ok := members[name]; ok {
			return read(d, v)
		}
		d.extra(name, v)
		return nil
	})
	if err == nil {
		err = d.finish()
	}
	if err != nil {
		return nil, wire.Explain(err)
	}
	return d.Request, nil
}

func (d *decoder) extra(name string, v []byte) {
	d.Request.Extra = append(d.Request.Extra, llm.Member{Name: name, Value: json.RawMessage(v)})
}

type member func(d *decoder, v []byte) error

// members are the members of a request that have a canonical place, that mean
// nothing to a stateless gateway, or that are refused by name.
var members = map[string]member{
	"input":               (*decoder).input,
	"instructions":        (*decoder).readInstructions,
	"max_output_tokens":   (*decoder).maxTokens,
	"top_logprobs":        (*decoder).topLogprobs,
	"tools":               (*decoder).tools,
	"tool_choice":         (*decoder).toolChoice,
	"text":                (*decoder).text,
	"reasoning":           (*decoder).reasoning,
	"include":             (*decoder).include,
	"truncation":          (*decoder).truncation,
	"background":          (*decoder).background,
	"stream_options":      (*decoder).streamOptions,
	"model":               shared("model"),
	"temperature":         shared("temperature"),
	"top_p":               shared("top_p"),
	"parallel_tool_calls": shared("parallel_tool_calls"),
	"stream":              shared("stream"),
	"metadata":            shared("metadata"),
	"service_tier":        shared("service_tier"),
	"store":               shared("store"),
	"user":                shared("user"),
	"safety_identifier":   (*decoder).safetyIdentifier,

	"previous_response_id": stored,
	"conversation":         stored,
	"prompt":               stored,
}

// shared reads a member that has the same name, shape and range in Chat
// Completions.
func shared(name string) member {
	return func(d *decoder, v []byte) error {
		_, err := d.Member(name, v)
		return err
	}
}

// stored refuses what refers to state that only OpenAI has.
func stored(*decoder, []byte) error {
	return wire.Refuse("the gateway stores no conversations: send all items in input")
}

func (d *decoder) background(v []byte) error {
	b, err := wire.Bool(v)
	if b {
		err = wire.Refuse("the gateway stores no answers: background must be false")
	}
	return err
}

func (d *decoder) readInstructions(v []byte) (err error) {
	d.instructions, err = wire.String(v)
	return err
}

func (d *decoder) maxTokens(v []byte) error {
	n, err := wire.Int(v, 1, math.MaxInt64)
	d.Request.MaxTokens = &n
	return err
}

func (d *decoder) topLogprobs(v []byte) error {
	n, err := wire.Int(v, 0, maxTopLog)
	if n > 0 {
		d.Request.TopLogprobs = &n
		d.logprobs()
	}
	return err
}

func (d *decoder) logprobs() {
	yes := true
	d.Request.Logprobs = &yes
}

func (d *decoder) safetyIdentifier(v []byte) error {
	s, err := wire.String(v)
	if d.Request.User == "" {
		d.Request.User = s
	} else if s != d.Request.User {
		d.extra("safety_identifier", v)
	}
	return err
}

// streamOptions holds only include_obfuscation, which pads what OpenAI sends.
func (d *decoder) streamOptions(v []byte) error {
	return wire.Object(v, func(name string, v []byte) error {
		if name == "include_obfuscation" {
			_, err := wire.Bool(v)
			return err
		}
		d.extra("stream_options."+name, v)
		return nil
	})
}

// truncation disabled is the default; auto would change the conversation.
func (d *decoder) truncation(v []byte) error {
	s, err := wire.OneOf(v, "auto", "disabled")
	if s == "auto" {
		d.extra("truncation", v)
	}
	return err
}

// include asks for more in the answer. Encrypted reasoning is always in it.
func (d *decoder) include(v []byte) error {
	return wire.Array(v, func(i int, v []byte) error {
		s, err := wire.String(v)
		switch s {
		case "reasoning.encrypted_content":
		case "message.output_text.logprobs":
			d.logprobs()
		default:
			d.extra("include["+strconv.Itoa(i)+"]", v)
		}
		return err
	})
}

func (d *decoder) text(v []byte) error {
	return wire.Object(v, func(name string, v []byte) error {
		switch name {
		case "format":
			return d.format(v)
		case "verbosity":
			_, err := d.Member("verbosity", v)
			return err
		}
		d.extra("text."+name, v)
		return nil
	})
}

// format is OpenAI's response_format with the schema's members beside the type.
func (d *decoder) format(v []byte) error {
	f := &llm.ResponseFormat{}
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "type":
			var s string
			s, err = wire.OneOf(v, string(llm.FormatText), string(llm.FormatJSONObject), string(llm.FormatJSONSchema))
			f.Type = llm.ResponseFormatType(s)
		case "name":
			f.Name, err = openai.ToolName(v)
		case "description":
			f.Description, err = wire.String(v)
		case "schema":
			f.Schema, err = wire.Raw(v)
		case "strict":
			var b bool
			b, err = wire.Bool(v)
			f.Strict = &b
		default:
			d.extra("text.format."+name, v)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case f.Type == "":
		return wire.At(wire.Wrong("is required"), "type")
	case f.Type == llm.FormatJSONSchema && f.Name == "":
		return wire.At(wire.Wrong("is required with type json_schema"), "name")
	case f.Type == llm.FormatJSONSchema && f.Schema == nil:
		return wire.At(wire.Wrong("is required with type json_schema"), "schema")
	}
	d.Request.ResponseFormat = f
	return nil
}

func (d *decoder) reasoning(v []byte) error {
	var summary string
	err := wire.Object(v, func(name string, v []byte) (err error) {
		switch name {
		case "effort":
			_, err = d.Member("reasoning_effort", v)
		case "summary", "generate_summary":
			summary, err = wire.OneOf(v, "auto", "concise", "detailed")
		default:
			d.extra("reasoning."+name, v)
		}
		return err
	})
	if summary != "" {
		if d.Request.Reasoning == nil {
			d.Request.Reasoning = &llm.ReasoningOptions{}
		}
		d.Request.Reasoning.Summary = summary
	}
	return err
}

// finish puts the instructions first and checks what concerns several members.
func (d *decoder) finish() error {
	r := d.Request
	msgs, err := d.items.finish()
	if err != nil {
		return wire.At(err, "input")
	}
	if len(msgs) == 0 {
		return wire.At(wire.Wrong("is required"), "input")
	}
	if d.instructions != "" {
		r.Messages = append(r.Messages, llm.Message{Role: llm.RoleSystem, Parts: words(d.instructions)})
	}
	r.Messages = append(r.Messages, msgs...)
	r.Extra = append(r.Extra, d.items.extra...)
	return wire.At(openai.CheckToolChoice(r), "tool_choice")
}

func words(s string) []llm.Part { return []llm.Part{{Type: llm.PartText, Text: s}} }
