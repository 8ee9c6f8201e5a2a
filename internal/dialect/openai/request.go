package openai

import (
	"encoding/json"
	"math"
	"strconv"

	"github.com/llm-gateway/llm-gateway/internal/dialect/wire"
	"github.com/llm-gateway/llm-gateway/internal/llm"
)

// Limits of OpenAI's request, from its OpenAPI document 2.3.0.
const (
	maxStop      = 4
	maxN         = 128
	maxTools     = 128
	maxMetadata  = 16
	maxMetaKey   = 64
	maxMetaValue = 512
	maxNameLen   = 64
	maxTopLog    = 20
	maxPenalty   = 2
	maxHeat      = 2
	maxBias      = 100
)

// DecodeRequest reads the body of POST /v1/chat/completions or, for OpEmbed,
// POST /v1/embeddings. null counts as absent. The result keeps slices of raw.
func (Codec) DecodeRequest(op llm.Op, raw []byte) (*llm.Request, error) {
	if err := wire.Body(raw); err != nil {
		return nil, err
	}
	d := &RequestDecoder{Request: &llm.Request{}}
	members := chatMembers
	if op == llm.OpEmbed {
		d.Request.Embed = &llm.EmbedRequest{}
		members = embedMembers
	}
	err := wire.Object(wire.Trim(raw), func(name string, v []byte) error {
		if read, ok := members[name]; ok {
			return read(d, v)
		}
		d.extra(name, v)
		return nil
	})
	if err == nil && op == llm.OpEmbed {
		err = d.finishEmbed()
	} else if err == nil {
		err = d.Finish()
	}
	if err != nil {
		return nil, wire.Explain(err)
	}
	return d.Request, nil
}

// RequestDecoder reads the members of a Chat Completions request one by one.
// It is exported for dialects that share members with this one: Member for
// each, then Finish.
type RequestDecoder struct {
	Request *llm.Request

	maxTokens           *int64 // max_tokens, which yields to max_completion_tokens
	safetyID            string
	logprobs, hasTopLog bool
	pending             []llm.Member // extras of the message being read, their path relative to it
}

// Member reads the member name and reports whether it is one of the dialect.
func (d *RequestDecoder) Member(name string, v []byte) (known bool, err error) {
	read, ok := chatMembers[name]
	if !ok {
		return false, nil
	}
	return true, read(d, v)
}

// extra keeps a member that has no canonical place.
func (d *RequestDecoder) extra(name string, v []byte) {
	d.Request.Extra = append(d.Request.Extra, llm.Member{Name: name, Value: json.RawMessage(v)})
}

// Finish checks what concerns several members at once.
func (d *RequestDecoder) Finish() error {
	r := d.Request
	if r.MaxTokens == nil {
		r.MaxTokens = d.maxTokens
	}
	switch {
	case d.safetyID != "" && r.User == "":
		r.User = d.safetyID
	case d.safetyID != "" && d.safetyID != r.User:
		d.extra("safety_identifier", strconv.AppendQuote(nil, d.safetyID))
	}
	if len(r.Messages) == 0 {
		return wire.At(wire.Wrong("at least one message is required"), "messages")
	}
	if d.hasTopLog && !d.logprobs {
		return wire.At(wire.Wrong("needs logprobs to be true"), "top_logprobs")
	}
	if err := CheckToolChoice(r); err != nil {
		return wire.At(err, "tool_choice")
	}
	return wire.At(checkToolLinks(r.Messages), "messages")
}

type member func(d *RequestDecoder, v []byte) error

// chatMembers are the members of a chat request that have a canonical place,
// or that are refused by name.
var chatMembers = map[string]member{
	"model":    func(d *RequestDecoder, v []byte) error { return str(&d.Request.Model)(v) },
	"messages": (*RequestDecoder).messages,

	"max_tokens":            func(d *RequestDecoder, v []byte) error { return integer(&d.maxTokens, 1, math.MaxInt64)(v) },
	"max_completion_tokens": func(d *RequestDecoder, v []byte) error { return integer(&d.Request.MaxTokens, 1, math.MaxInt64)(v) },
	"temperature":           func(d *RequestDecoder, v []byte) error { return float(&d.Request.Temperature, 0, maxHeat)(v) },
	"top_p":                 func(d *RequestDecoder, v []byte) error { return float(&d.Request.TopP, 0, 1)(v) },
	"top_k":                 func(d *RequestDecoder, v []byte) error { return integer(&d.Request.TopK, -1, math.MaxInt64)(v) },
	"stop":                  (*RequestDecoder).stop,
	"seed": func(d *RequestDecoder, v []byte) error {
		return integer(&d.Request.Seed, math.MinInt64, math.MaxInt64)(v)
	},
	"presence_penalty": func(d *RequestDecoder, v []byte) error {
		return float(&d.Request.PresencePenalty, -maxPenalty, maxPenalty)(v)
	},
	"frequency_penalty": func(d *RequestDecoder, v []byte) error {
		return float(&d.Request.FrequencyPenalty, -maxPenalty, maxPenalty)(v)
	},
	"n":            func(d *RequestDecoder, v []byte) error { return integer(&d.Request.N, 1, maxN)(v) },
	"logprobs":     (*RequestDecoder).readLogprobs,
	"top_logprobs": (*RequestDecoder).topLogprobs,
	"logit_bias":   (*RequestDecoder).logitBias,

	"tools":               (*RequestDecoder).tools,
	"tool_choice":         (*RequestDecoder).toolChoice,
	"parallel_tool_calls": func(d *RequestDecoder, v []byte) error { return boolean(&d.Request.ParallelToolCalls)(v) },
	"response_format":     (*RequestDecoder).responseFormat,
	"reasoning_effort":    (*RequestDecoder).effort,
	"functions":           refused("functions are deprecated: use tools"),
	"function_call":       refused("function_call is deprecated: use tool_choice"),

	"stream":            (*RequestDecoder).stream,
	"stream_options":    (*RequestDecoder).streamOptions,
	"user":              func(d *RequestDecoder, v []byte) error { return str(&d.Request.User)(v) },
	"safety_identifier": func(d *RequestDecoder, v []byte) error { return str(&d.safetyID)(v) },
	"metadata":          (*RequestDecoder).metadata,
	"service_tier":      func(d *RequestDecoder, v []byte) error { return str(&d.Request.ServiceTier)(v) },
	"store":             func(d *RequestDecoder, v []byte) error { return boolean(&d.Request.Store)(v) },
	"verbosity":         (*RequestDecoder).verbosity,
	"modalities":        (*RequestDecoder).modalities,
}

func refused(why string) member {
	return func(*RequestDecoder, []byte) error { return wire.Refuse("%s", why) }
}

func str(dst *string) func([]byte) error {
	return func(v []byte) (err error) {
		*dst, err = wire.String(v)
		return err
	}
}

func integer(dst **int64, lo, hi int64) func([]byte) error {
	return func(v []byte) error {
		n, err := wire.Int(v, lo, hi)
		*dst = &n
		return err
	}
}

func float(dst **float64, lo, hi float64) func([]byte) error {
	return func(v []byte) error {
		f, err := wire.Float(v, lo, hi)
		*dst = &f
		return err
	}
}

func boolean(dst **bool) func([]byte) error {
	return func(v []byte) error {
		b, err := wire.Bool(v)
		*dst = &b
		return err
	}
}
