// Package native is the gateway's own dialect: POST /v1/generate and its
// envelope. It is spoken by clients alone, so there is no provider side, and a
// call in it is always translated.
//
// The shapes of messages, tools, tool_choice and response_format are OpenAI's
// and are read by package openai. Everything else is exact: a member that is
// not known is refused by name, at any level, so that a typo never passes in
// silence.
package native

import (
	"math"
	"time"

	"github.com/llm-gateway/llm-gateway/internal/dialect"
	"github.com/llm-gateway/llm-gateway/internal/dialect/openai"
	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Codec reads native requests and writes envelopes. It holds no state.
type Codec struct{}

var (
	_ dialect.Client       = Codec{}
	_ dialect.ErrorEncoder = Codec{}
)

// Limits of metadata, which goes into logs and the ledger.
const (
	maxTags     = 16
	maxTagKey   = 64
	maxTagValue = 512
)

// shared are the members that have OpenAI's name, shape and range.
var shared = map[string]bool{
	"model": true, "messages": true, "stream": true,
	"max_tokens": true, "temperature": true, "top_p": true, "stop": true, "seed": true,
	"presence_penalty": true, "frequency_penalty": true,
	"tools": true, "tool_choice": true, "parallel_tool_calls": true,
	"response_format": true, "reasoning_effort": true,
}

// decoder reads one request.
type decoder struct {
	openai.RequestDecoder
	prompt, system *string
	messages       bool
}

// DecodeRequest reads the body of POST /v1/generate, or one item of a batch.
// null counts as absent.
func (Codec) DecodeRequest(_ llm.Op, raw []byte) (*llm.Request, error) {
	if err := wire.Body(raw); err != nil {
		return nil, err
	}
	d := decoder{RequestDecoder: openai.RequestDecoder{Request: &llm.Request{}}}
	err := wire.Object(wire.Trim(raw), d.member)
	if err == nil {
		err = d.finish()
	}
	if err != nil {
		return nil, wire.Explain(err)
	}
	return d.Request, nil
}

func (d *decoder) member(name string, v []byte) error {
	r := d.Request
	switch name {
	case "prompt":
		s, err := wire.Filled(v)
		d.prompt = &s
		return err
	case "system":
		s, err := wire.String(v)
		d.system = &s
		return err
	case "metadata":
		return d.tags(v)
	case "timeout_ms":
		ms, err := wire.Int(v, 1, math.MaxInt64/int64(time.Millisecond))
		r.Timeout = time.Duration(ms) * time.Millisecond
		return err
	}
	if !shared[name] {
		return wire.Wrong("unknown field")
	}
	d.messages = d.messages || name == "messages"
	_, err := d.Member(name, v)
	return err
}

func (d *decoder) tags(v []byte) error {
	m, err := wire.StringMap(v)
	if err != nil {
		return err
	}
	if len(m) > maxTags {
		return wire.Wrong("at most %d pairs, got %d", maxTags, len(m))
	}
	for k, s := range m {
		if len(k) > maxTagKey || len(s) > maxTagValue {
			return wire.Wrong("keys have at most %d and values at most %d bytes", maxTagKey, maxTagValue)
		}
	}
	d.Request.Tags = m
	return nil
}

// finish puts prompt and system where they belong and refuses what the shared
// decoder kept for dialects that pass unknown members on.
func (d *decoder) finish() error {
	r := d.Request
	switch {
	case d.prompt != nil && d.messages:
		return wire.At(wire.Wrong("give either prompt or messages, not both"), "prompt")
	case d.prompt != nil:
		r.Messages = []llm.Message{{Role: llm.RoleUser, Parts: []llm.Part{{Type: llm.PartText, Text: *d.prompt}}}}
	case !d.messages:
		return wire.At(wire.Wrong("one of prompt and messages is required"), "prompt")
	}
	if len(r.Extra) > 0 {
		return wire.At(wire.Wrong("unknown field"), r.Extra[0].Name)
	}
	for i := range r.Tools {
		if r.Tools[i].Type != "" {
			return wire.At(wire.AtIndex(wire.At(wire.Refuse("only function tools are supported"), "type"), i), "tools")
		}
	}
	if err := d.Finish(); err != nil {
		return err
	}
	if d.system != nil && *d.system != "" {
		lead := llm.Message{Role: llm.RoleSystem, Parts: []llm.Part{{Type: llm.PartText, Text: *d.system}}}
		r.Messages = append([]llm.Message{lead}, r.Messages...)
	}
	return nil
}
